//! Frames as values: eight bytes of header, then the payload.
//!
//! Spec: PROTOCOL.md §5; the header is §4.

mod header;

use alloc::string::String;

use bytes::{Buf, BufMut, Bytes, BytesMut};

pub(crate) use self::header::FLAG;
pub use self::header::{ChannelId, FrameHeader, FrameType, HEADER_BYTES};
use crate::{
    Code, Error, FieldKey, Fields, Limits, Micros,
    reader::Reader,
    resume::{Resume, Resumption, Secret, SessionId},
};

/// The bytes a carrier begins with when nothing else has negotiated the protocol: `TOWL`, CR, LF, lowest and highest
/// version.
pub const MAGIC: [u8; 6] = *b"TOWL\r\n";

/// The version of the protocol that this crate speaks.
pub const VERSION: u8 = 1;

/// Length of the preamble, in bytes.
pub(crate) const PREAMBLE_BYTES: usize = 8;

/// Credit above this is an error: no session moves that much, and sums stay far from overflow.
pub(crate) const MAX_CREDIT: u64 = 1 << 62;

/// The smallest DATA payload that each side has to take, in bytes.
pub(crate) const MIN_MAX_FRAME_BYTES: u16 = 4096;

/// How soon a channel's data should leave: 0 (keystrokes) to 7 (file transfer).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Urgency(pub u8);

impl Urgency {
    /// Keystrokes and what they cause.
    pub const INTERACTIVE: Self = Self(0);
    /// When nothing is known.
    pub const NORMAL: Self = Self(4);
    /// File transfer.
    pub const BULK: Self = Self(7);
}

/// What each side says first.
///
/// Spec: PROTOCOL.md §5.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The lowest version the sender speaks.
    pub version_min: u8,
    /// The highest version the sender speaks.
    pub version_max: u8,
    /// The largest DATA payload the sender takes, in bytes: 4,096 to 65,535.
    pub max_frame_bytes: u16,
    /// Capability bits; version 1 names none yet, unknown ones are ignored.
    pub capabilities: u32,
    /// How much the peer may send on a channel it opens, before ACCEPT grants more, in bytes.
    pub channel_credit: u64,
    /// How much the peer may send on all channels together, in bytes.
    pub connection_credit: u64,
    /// How many channels the peer may have opened at once.
    pub max_channels: u32,
    /// How long the sender stays quiet at most before it asks for a sign of life, in milliseconds.
    pub keepalive_millis: u32,
    /// The sender can go on with the session on another carrier.
    pub resumption: Option<Resumption>,
    /// Facts.
    pub fields: Fields,
}

/// A wish for a channel.
///
/// Spec: PROTOCOL.md §5.2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// What to connect, as a URL or a name that the peer knows.
    pub target: String,
    /// How soon its data should leave.
    pub urgency: Urgency,
    /// End the channel after this long without data, in milliseconds; 0: never.
    pub idle_millis: u32,
    /// End the channel this long after it was opened, in milliseconds; 0: never.
    pub deadline_millis: u32,
    /// Facts.
    pub fields: Fields,
}

impl Open {
    /// A channel to `target` with nothing special about it.
    pub fn to(target: impl Into<String>) -> Self {
        Self {
            target: target.into(),
            urgency: Urgency::NORMAL,
            idle_millis: 0,
            deadline_millis: 0,
            fields: Fields::new(),
        }
    }
}

/// A whole frame as a value, for tools and tests; [`Connection`](crate::Connection) forwards DATA before it is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Bytes of a channel.
    Data {
        /// Which channel.
        channel: ChannelId,
        /// The bytes; empty only with `fin`.
        data: Bytes,
        /// They are the last.
        fin: bool,
    },
    /// A new channel.
    Open {
        /// Its number.
        channel: ChannelId,
        /// How much the peer may send on it, in bytes.
        credit: u64,
        /// What it is for.
        open: Open,
    },
    /// Yes to an OPEN.
    Accept {
        /// Which channel.
        channel: ChannelId,
        /// How much the peer may send on it, in bytes.
        credit: u64,
        /// Facts.
        fields: Fields,
    },
    /// The end of both directions.
    Reset {
        /// Which channel.
        channel: ChannelId,
        /// Why.
        code: Code,
        /// Why, for a person.
        reason: String,
    },
    /// The receiver will not read more.
    Stop {
        /// Which channel.
        channel: ChannelId,
        /// Why.
        code: Code,
        /// Why, for a person.
        reason: String,
    },
    /// A new limit for a channel, or for the session (channel 0).
    Credit {
        /// Which channel.
        channel: ChannelId,
        /// How much may be sent since the channel began, in bytes.
        limit: u64,
    },
    /// Are you there? / Yes.
    Ping {
        /// Comes back unchanged.
        id: u64,
        /// This is the answer.
        pong: bool,
    },
    /// What each side says first.
    Hello(Hello),
    /// How much of the session has arrived.
    Ack {
        /// In bytes of counted frames, since the session began.
        received: u64,
        /// When the last of them arrived, by the sender's clock.
        arrived_at: Micros,
    },
    /// The wish to go on with a session on this carrier.
    Resume(Resume),
    /// Yes to that.
    Resumed {
        /// That of the wish.
        epoch: u32,
        /// How much of the session the sender has, in bytes of counted frames.
        received: u64,
        /// The secret of the next wish.
        next: Secret,
    },
    /// The sender will go away soon.
    Drain {
        /// When to come back, in milliseconds from now.
        retry_after_millis: u32,
        /// Why, for a person.
        reason: String,
    },
    /// The end of the session.
    Close {
        /// Why.
        code: Code,
        /// Why, for a person.
        reason: String,
    },
    /// A frame of a type that may be skipped.
    Ignored(FrameHeader),
}

impl Frame {
    /// Takes a frame off the front of `input`.
    ///
    /// Returns `Ok(None)`, and leaves `input` as it was, until all of it has arrived.
    ///
    /// # Errors
    ///
    /// Those of [`FrameHeader::decode`]; [`Error::LimitExceeded`] as soon as the header tells a length above
    /// `limits`; [`Error::Malformed`] for a payload that does not fit its type.
    ///
    /// Spec: PROTOCOL.md §4 and §5.
    pub fn decode(input: &mut &[u8], limits: &Limits) -> Result<Option<Self>, Error> {
        let mut rest = *input;

        // Shape: has the header arrived?
        let Some(header) = FrameHeader::decode(&mut rest)? else { return Ok(None) };

        // Meaning: is the length allowed?
        check_length(&header, limits)?;

        // Payload: only now wait for it.
        let Some((payload, rest)) = rest.split_at_checked(usize::from(header.length)) else { return Ok(None) };
        let frame = match header.frame_type {
            FrameType::DATA => Self::Data {
                channel: header.channel,
                data: Bytes::copy_from_slice(payload),
                fin: header.flags & FLAG != 0,
            },
            ignorable if ignorable.is_ignorable() => Self::Ignored(header),
            _ => decode_control(header, payload, limits)?,
        };
        *input = rest;
        Ok(Some(frame))
    }

    /// Appends the frame. What is longer than the wire can say is cut: payloads at 65,535 bytes.
    pub fn encode(&self, out: &mut BytesMut) {
        let (frame_type, flags, channel) = match self {
            Self::Data { channel, fin, .. } => (FrameType::DATA, u8::from(*fin), *channel),
            Self::Open { channel, .. } => (FrameType::OPEN, 0, *channel),
            Self::Accept { channel, .. } => (FrameType::ACCEPT, 0, *channel),
            Self::Reset { channel, .. } => (FrameType::RESET, 0, *channel),
            Self::Stop { channel, .. } => (FrameType::STOP, 0, *channel),
            Self::Credit { channel, .. } => (FrameType::CREDIT, 0, *channel),
            Self::Ping { pong, .. } => (FrameType::PING, u8::from(*pong), ChannelId::SESSION),
            Self::Ack { .. } => (FrameType::ACK, 0, ChannelId::SESSION),
            Self::Hello(_) => (FrameType::HELLO, 0, ChannelId::SESSION),
            Self::Resume(_) => (FrameType::RESUME, 0, ChannelId::SESSION),
            Self::Resumed { .. } => (FrameType::RESUMED, 0, ChannelId::SESSION),
            Self::Drain { .. } => (FrameType::DRAIN, 0, ChannelId::SESSION),
            Self::Close { .. } => (FrameType::CLOSE, 0, ChannelId::SESSION),
            Self::Ignored(header) => (header.frame_type, header.flags, header.channel),
        };
        let mut payload = BytesMut::new();
        match self {
            Self::Data { data, .. } => payload.put_slice(data),
            Self::Open { credit, open, .. } => {
                payload.put_u64(*credit);
                payload.put_u8(open.urgency.0);
                payload.put_u8(0);
                payload.put_u16(u16::try_from(open.target.len()).unwrap_or(u16::MAX));
                payload.put_u32(open.idle_millis);
                payload.put_u32(open.deadline_millis);
                payload.put_slice(open.target.as_bytes());
                open.fields.encode(&mut payload);
            }
            Self::Accept { credit, fields, .. } => {
                payload.put_u64(*credit);
                fields.encode(&mut payload);
            }
            Self::Reset { code, reason, .. } | Self::Stop { code, reason, .. } | Self::Close { code, reason } => {
                payload.put_u32(code.0);
                payload.put_slice(reason.as_bytes());
            }
            Self::Drain { retry_after_millis, reason } => {
                payload.put_u32(*retry_after_millis);
                payload.put_slice(reason.as_bytes());
            }
            Self::Credit { limit, .. } => payload.put_u64(*limit),
            Self::Ping { id, .. } => payload.put_u64(*id),
            Self::Ack { received, arrived_at } => {
                payload.put_u64(*received);
                payload.put_u64(arrived_at.0);
            }
            Self::Hello(hello) => hello.encode(&mut payload),
            Self::Resume(resume) => {
                payload.put_slice(&resume.session.0);
                payload.put_u32(resume.epoch);
                payload.put_u64(resume.received);
                payload.put_slice(&resume.proof);
            }
            Self::Resumed { epoch, received, next } => {
                payload.put_u32(*epoch);
                payload.put_u64(*received);
                payload.put_slice(next.bytes());
            }
            Self::Ignored(header) => payload.put_bytes(0, usize::from(header.length)),
        }
        payload.truncate(usize::from(u16::MAX));
        let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
        FrameHeader { frame_type, flags, length, channel }.encode(out);
        out.put_slice(&payload);
    }
}

/// Is a payload of this length allowed for this type? Asked before it is waited for.
pub(crate) fn check_length(header: &FrameHeader, limits: &Limits) -> Result<(), Error> {
    let length = u64::from(header.length);
    let too_long = |what, max| Err(Error::LimitExceeded { what, got: length, max });
    match header.frame_type {
        FrameType::DATA => {
            if header.length == 0 && header.flags & FLAG == 0 {
                return Err(Error::Malformed { what: "DATA", reason: "empty and not the last" });
            }
            let max = limits.max_frame_bytes.max(MIN_MAX_FRAME_BYTES);
            if header.length > max { too_long("max_frame_bytes", max.into()) } else { Ok(()) }
        }
        FrameType::HELLO | FrameType::OPEN | FrameType::ACCEPT => {
            let max = limits.max_control_bytes as u64;
            if length > max { too_long("max_control_bytes", max) } else { Ok(()) }
        }
        FrameType::RESET | FrameType::STOP | FrameType::DRAIN | FrameType::CLOSE => {
            let max = limits.max_reason_bytes as u64 + 4;
            if length > max { too_long("max_reason_bytes", max) } else { Ok(()) }
        }
        _ => {
            let fits = match header.frame_type {
                FrameType::CREDIT | FrameType::PING => header.length == 8,
                FrameType::ACK => header.length == 16,
                FrameType::RESUME => header.length == 60,
                FrameType::RESUMED => header.length == 44,
                _ => true,
            };
            match fits {
                true => Ok(()),
                false => Err(Error::Malformed { what: "frame", reason: "a length that its type does not have" }),
            }
        }
    }
}

/// Reads the payload of every type but DATA and the ignorable ones.
pub(crate) fn decode_control(header: FrameHeader, payload: &[u8], limits: &Limits) -> Result<Frame, Error> {
    let channel = header.channel;
    let mut reader = Reader::new(payload);
    Ok(match header.frame_type {
        FrameType::OPEN => {
            let (credit, open) = Open::decode(&mut reader, limits)?;
            Frame::Open { channel, credit, open }
        }
        FrameType::ACCEPT => {
            let credit = credit(reader.u64().ok_or(short("ACCEPT"))?)?;
            Frame::Accept { channel, credit, fields: Fields::decode(&mut reader)? }
        }
        FrameType::RESET => {
            let (code, reason) = why(&mut reader, limits)?;
            Frame::Reset { channel, code, reason }
        }
        FrameType::STOP => {
            let (code, reason) = why(&mut reader, limits)?;
            Frame::Stop { channel, code, reason }
        }
        FrameType::CREDIT => Frame::Credit { channel, limit: credit(reader.u64().ok_or(short("CREDIT"))?)? },
        FrameType::PING => Frame::Ping { id: reader.u64().ok_or(short("PING"))?, pong: header.flags & FLAG != 0 },
        FrameType::ACK => {
            let (Some(received), Some(arrived_at)) = (reader.u64(), reader.u64()) else { return Err(short("ACK")) };
            Frame::Ack { received, arrived_at: Micros(arrived_at) }
        }
        FrameType::HELLO => Frame::Hello(Hello::decode(&mut reader)?),
        FrameType::RESUME => {
            let (Some(session), Some(epoch), Some(received), Some(proof)) =
                (reader.array(), reader.u32(), reader.u64(), reader.array())
            else {
                return Err(short("RESUME"));
            };
            Frame::Resume(Resume { session: SessionId(session), epoch, received, proof })
        }
        FrameType::RESUMED => {
            let (Some(epoch), Some(received), Some(next)) = (reader.u32(), reader.u64(), reader.array()) else {
                return Err(short("RESUMED"));
            };
            Frame::Resumed { epoch, received, next: Secret::new(next) }
        }
        FrameType::DRAIN => {
            // The same shape as a code and a reason.
            let (Code(retry_after_millis), reason) = why(&mut reader, limits)?;
            Frame::Drain { retry_after_millis, reason }
        }
        FrameType::CLOSE => {
            let (code, reason) = why(&mut reader, limits)?;
            Frame::Close { code, reason }
        }
        other => return Err(Error::Unsupported { what: "frame type", value: i64::from(other.0) }),
    })
}

fn short(what: &'static str) -> Error {
    Error::Malformed { what, reason: "too short" }
}

fn credit(value: u64) -> Result<u64, Error> {
    if value > MAX_CREDIT {
        return Err(Error::LimitExceeded { what: "granted credit", got: value, max: MAX_CREDIT });
    }
    Ok(value)
}

/// A code and a reason. The reason is for people: bytes that are not UTF-8 are replaced, not refused, and what that
/// makes longer than a reason may be is cut.
fn why(reader: &mut Reader<'_>, limits: &Limits) -> Result<(Code, String), Error> {
    let code = Code(reader.u32().ok_or(short("code"))?);
    let reason = String::from_utf8_lossy(reader.rest());
    Ok((code, cut_at_character(&reason, limits.max_reason_bytes).into()))
}

/// The beginning of a text, at most `max_bytes` long.
pub(crate) fn cut_at_character(text: &str, max_bytes: usize) -> &str {
    let mut end = text.len().min(max_bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

impl Hello {
    fn encode(&self, out: &mut BytesMut) {
        out.put_u8(self.version_min);
        out.put_u8(self.version_max);
        out.put_u16(self.max_frame_bytes);
        out.put_u32(self.capabilities);
        out.put_u64(self.channel_credit);
        out.put_u64(self.connection_credit);
        out.put_u32(self.max_channels);
        out.put_u32(self.keepalive_millis);
        if let Some(resumption) = &self.resumption {
            resumption.encode(out);
        }
        self.fields.encode(out);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let (Some(version_min), Some(version_max), Some(max_frame_bytes), Some(capabilities)) =
            (reader.u8(), reader.u8(), reader.u16(), reader.u32())
        else {
            return Err(short("HELLO"));
        };
        if version_min > version_max {
            return Err(Error::Malformed { what: "HELLO", reason: "the lowest version is above the highest" });
        }
        if version_max < VERSION || version_min > VERSION {
            return Err(Error::Unsupported { what: "version", value: version_max.into() });
        }
        let (Some(channel_credit), Some(connection_credit), Some(max_channels), Some(keepalive_millis)) =
            (reader.u64(), reader.u64(), reader.u32(), reader.u32())
        else {
            return Err(short("HELLO"));
        };
        if max_frame_bytes < MIN_MAX_FRAME_BYTES {
            return Err(Error::Malformed { what: "HELLO", reason: "takes DATA of less than 4096 bytes" });
        }
        let mut fields = Fields::decode(reader)?;
        let resumption = fields.remove(FieldKey::RESUMPTION).map(|field| Resumption::decode(&field)).transpose()?;
        Ok(Self {
            version_min,
            version_max,
            max_frame_bytes,
            capabilities,
            channel_credit: credit(channel_credit)?,
            connection_credit: credit(connection_credit)?,
            max_channels,
            keepalive_millis,
            resumption,
            fields,
        })
    }
}

impl Resumption {
    /// The whole field, key and length included.
    fn encode(&self, out: &mut BytesMut) {
        out.put_u8(FieldKey::RESUMPTION.0);
        out.put_u16(if self.session.is_some() { 56 } else { 8 });
        out.put_u32(self.replay_bytes);
        out.put_u32(self.max_age_millis);
        if let Some((id, secret)) = &self.session {
            out.put_slice(&id.0);
            out.put_slice(secret.bytes());
        }
    }

    fn decode(field: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(field);
        let (Some(replay_bytes), Some(max_age_millis)) = (reader.u32(), reader.u32()) else {
            return Err(short("RESUMPTION"));
        };
        let session = match (reader.array(), reader.array()) {
            (Some(id), Some(secret)) => Some((SessionId(id), Secret::new(secret))),
            _ => None,
        };
        if !reader.is_empty() || (session.is_none() && field.len() != 8) {
            return Err(Error::Malformed { what: "RESUMPTION", reason: "neither 8 nor 56 bytes" });
        }
        Ok(Self { replay_bytes, max_age_millis, session })
    }
}

impl Open {
    fn decode(reader: &mut Reader<'_>, limits: &Limits) -> Result<(u64, Self), Error> {
        let (Some(granted), Some(urgency), Some(reserved), Some(target_len), Some(idle_millis), Some(deadline_millis)) =
            (reader.u64(), reader.u8(), reader.u8(), reader.u16(), reader.u32(), reader.u32())
        else {
            return Err(short("OPEN"));
        };
        let granted = credit(granted)?;
        if urgency > Urgency::BULK.0 || reserved != 0 {
            return Err(Error::Malformed { what: "OPEN", reason: "urgency above 7 or a reserved byte that is not 0" });
        }
        let target_len = usize::from(target_len);
        if target_len > limits.max_target_bytes {
            return Err(Error::LimitExceeded {
                what: "max_target_bytes",
                got: target_len as u64,
                max: limits.max_target_bytes as u64,
            });
        }
        let target = reader.take(target_len).ok_or(short("OPEN"))?;
        let target = core::str::from_utf8(target)
            .map_err(|_| Error::Malformed { what: "OPEN", reason: "the target is not UTF-8" })?;
        let open = Self {
            target: target.into(),
            urgency: Urgency(urgency),
            idle_millis,
            deadline_millis,
            fields: Fields::decode(reader)?,
        };
        Ok((granted, open))
    }
}

/// The eight bytes a byte carrier begins with.
///
/// Spec: PROTOCOL.md §3.
pub(crate) fn preamble() -> Bytes {
    let mut out = BytesMut::with_capacity(8);
    out.put_slice(&MAGIC);
    out.put_u8(VERSION);
    out.put_u8(VERSION);
    out.freeze()
}

pub(crate) fn check_preamble(mut bytes: Bytes) -> Result<(), Error> {
    let magic = bytes.split_to(MAGIC.len().min(bytes.len()));
    if magic != MAGIC[..] {
        return Err(Error::Malformed { what: "preamble", reason: "this is not a Towline tunnel" });
    }
    if bytes.remaining() != 2 {
        return Err(short("preamble"));
    }
    let (min, max) = (bytes.get_u8(), bytes.get_u8());
    if min > VERSION || max < VERSION {
        return Err(Error::Unsupported { what: "version", value: max.into() });
    }
    Ok(())
}
