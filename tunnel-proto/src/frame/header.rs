//! The eight bytes in front of each payload: what it is, how long it is and which channel it is for.
//!
//! Spec: PROTOCOL.md §4.

use bytes::BufMut;

use crate::{Error, reader::Reader};

/// Length of a frame's header, in bytes.
pub const HEADER_BYTES: usize = 8;

/// A channel's number in its session. The dialer opens odd ones, the acceptor even ones; 0 is the session itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelId(pub u32);

impl ChannelId {
    /// The session itself.
    pub const SESSION: Self = Self(0);
}

impl core::fmt::Display for ChannelId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}

/// What a frame is: an open number space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameType(pub u8);

impl FrameType {
    /// Bytes of a channel; flag 0x01 says that they are the last.
    pub const DATA: Self = Self(0x00);
    /// A new channel.
    pub const OPEN: Self = Self(0x01);
    /// Yes to an OPEN.
    pub const ACCEPT: Self = Self(0x02);
    /// The end of both directions of a channel; before ACCEPT it means no.
    pub const RESET: Self = Self(0x03);
    /// The receiver will not read more.
    pub const STOP: Self = Self(0x04);
    /// A new limit, absolute.
    pub const CREDIT: Self = Self(0x05);
    /// Are you there? Flag 0x01: yes.
    pub const PING: Self = Self(0x08);
    /// How much of the session has arrived.
    pub const ACK: Self = Self(0x09);
    /// The sender will go away soon: open nothing more, come back later.
    pub const DRAIN: Self = Self(0x0a);
    /// Versions, capabilities, limits. The first frame in each direction.
    pub const HELLO: Self = Self(0x0b);
    /// The wish to go on with a session on this carrier, instead of HELLO.
    pub const RESUME: Self = Self(0x0c);
    /// Yes to a RESUME.
    pub const RESUMED: Self = Self(0x0d);
    /// The end of the session.
    pub const CLOSE: Self = Self(0x10);

    /// Whether it counts for resumption: what does not belongs to its carrier and is not sent again.
    ///
    /// Spec: PROTOCOL.md §10.
    pub fn is_counted(self) -> bool {
        matches!(self, Self::DATA | Self::OPEN | Self::ACCEPT | Self::RESET | Self::STOP | Self::CREDIT | Self::DRAIN)
    }

    /// Whether a receiver that does not know the type skips the frame (0x40 to 0x7f).
    pub fn is_ignorable(self) -> bool {
        (0x40..0x80).contains(&self.0)
    }
}

/// The only flag of version 1: FIN on DATA, PONG on PING.
pub(crate) const FLAG: u8 = 0x01;

/// The eight bytes in front of each payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// What it is.
    pub frame_type: FrameType,
    /// Bits whose meaning depends on the type.
    pub flags: u8,
    /// Length of the payload, in bytes.
    pub length: u16,
    /// Which channel.
    pub channel: ChannelId,
}

impl FrameHeader {
    /// Takes a header off the front of `input`; `Ok(None)` until all eight bytes are there.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if the top bit of the channel is set, a flag is unknown, or a type stands on the wrong
    /// kind of channel. [`Error::Unsupported`] for unknown types that may not be skipped.
    ///
    /// Spec: PROTOCOL.md §4.
    pub fn decode(input: &mut &[u8]) -> Result<Option<Self>, Error> {
        let mut reader = Reader::new(input);
        let (Some(frame_type), Some(flags), Some(length), Some(channel)) =
            (reader.u8(), reader.u8(), reader.u16(), reader.u32())
        else {
            return Ok(None);
        };

        let header = Self { frame_type: FrameType(frame_type), flags, length, channel: ChannelId(channel) };
        header.check()?;
        *input = reader.rest();
        Ok(Some(header))
    }

    fn check(&self) -> Result<(), Error> {
        if self.channel.0 > 0x7fff_ffff {
            return Err(Error::Malformed { what: "channel id", reason: "the top bit is set" });
        }
        let on_session = self.channel == ChannelId::SESSION;
        let (flags, place_is_right) = match self.frame_type {
            FrameType::DATA => (FLAG, !on_session),
            FrameType::OPEN | FrameType::ACCEPT | FrameType::RESET | FrameType::STOP => (0, !on_session),
            FrameType::CREDIT => (0, true),
            FrameType::PING => (FLAG, on_session),
            FrameType::HELLO
            | FrameType::DRAIN
            | FrameType::CLOSE
            | FrameType::ACK
            | FrameType::RESUME
            | FrameType::RESUMED => (0, on_session),
            ignorable if ignorable.is_ignorable() => (0xff, true),
            other => return Err(Error::Unsupported { what: "frame type", value: i64::from(other.0) }),
        };
        if self.flags & !flags != 0 {
            return Err(Error::Malformed { what: "frame", reason: "a flag that its type does not have" });
        }
        if !place_is_right {
            return Err(Error::Malformed { what: "frame", reason: "a type on the wrong kind of channel" });
        }
        Ok(())
    }

    /// Appends the header.
    pub fn encode(&self, out: &mut impl BufMut) {
        out.put_u8(self.frame_type.0);
        out.put_u8(self.flags);
        out.put_u16(self.length);
        out.put_u32(self.channel.0);
    }
}
