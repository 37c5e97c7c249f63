//! The client's side of the handshake.

use alloc::{string::String, vec::Vec};

use bytes::{Bytes, BytesMut};

use crate::{
    ClientInit, Error, Limits, Password, ProtocolVersion, SecurityType, ServerInit,
    input::Input,
    limits::size,
    security::{RESULT_FAILED, RESULT_OK, RESULT_TOO_MANY, text},
    vnc_authentication::CHALLENGE_BYTES,
};

/// What happened, in the order of the server's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The server has announced its version, which may be anything; [`ProtocolVersion::spoken`] is what is spoken.
    VersionAnnounced(ProtocolVersion),
    /// These security types are possible: answer with [`Handshake::choose_security`]. An old server (3.3) names the one
    /// that it wants.
    SecurityOffered(Vec<SecurityType>),
    /// Answer with [`Handshake::answer_password`].
    PasswordNeeded,
    /// The server is content: go on with [`Handshake::initialise`].
    Authenticated,
    /// The handshake is over: [`Handshake::finish`].
    Initialised(ServerInit),
}

/// Where the handshake stands.
///
/// ```text
///  Version ─► Count ─► Types ─► Choosing ─► Challenge ─► Answering ─► Result ─► Authenticated ─► Init ─► Done
///     │ 3.3     │ 0              ▲    │ None                            │ no     ▲
///     └► Type ──┼────────────────┘    ├─ 3.8 ──────────────► Result     ▼        │
///               ▼                     └─ before ───────────► Accepted ──┼────────┘
///            Reason ─► refused ◄─────────────────────────────────── Reason
/// ```
#[derive(Debug)]
enum State {
    Version,
    /// 3.3: the one type.
    Type,
    /// 3.7 and 3.8: how many.
    Count,
    Types(u8),
    Choosing(Vec<SecurityType>),
    Challenge,
    Answering([u8; CHALLENGE_BYTES]),
    Result,
    /// A reason's length.
    Reason,
    ReasonText(usize),
    /// Nothing had to be proved, and the application is not told yet.
    Accepted,
    Authenticated,
    /// What stands in front of the name.
    Init,
    InitName(ServerInit, usize),
    Done(ServerInit),
}

/// The client's side of the handshake, up to the [`ServerInit`].
///
/// ```
/// use bytes::Bytes;
/// use towline_rfb::{Limits, SecurityType, client::{Event, Handshake}};
///
/// let mut handshake = Handshake::new(Limits::default());
/// handshake.handle_input(Bytes::from_static(b"RFB 003.008\n\x01\x01"));
/// while let Some(event) = handshake.poll_event()? {
///     if let Event::SecurityOffered(types) = event {
///         assert_eq!(types, [SecurityType::NONE]);
///         handshake.choose_security(SecurityType::NONE)?;
///     }
/// }
/// assert_eq!(handshake.poll_transmit(), Some(Bytes::from_static(b"RFB 003.008\n\x01")));
/// # Ok::<(), towline_rfb::Error>(())
/// ```
#[derive(Debug)]
pub struct Handshake {
    limits: Limits,
    state: State,
    /// What is spoken; 3.8 until it is known.
    version: ProtocolVersion,
    input: Input,
    output: BytesMut,
    failed: Option<Error>,
}

const SERVER: &str = "the server";

impl Handshake {
    /// A handshake at its very beginning: the server speaks first.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            state: State::Version,
            version: ProtocolVersion::V3_8,
            input: Input::default(),
            output: BytesMut::new(),
            failed: None,
        }
    }

    /// Takes one of the security types that were offered.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] if it was not offered; [`Error::Unsupported`] if it is none of those of this crate: the
    /// connection cannot go on then.
    pub fn choose_security(&mut self, security: SecurityType) -> Result<(), Error> {
        let State::Choosing(offered) = &self.state else {
            return Err(Error::Misuse("choose_security before it is offered, or twice"));
        };
        if !offered.contains(&security) {
            return Err(Error::Misuse("choose_security of a type that was not offered"));
        }
        if !security.is_implemented() {
            return Err(Error::Unsupported { what: "security type", value: security.0.into() });
        }
        if self.version > ProtocolVersion::V3_3 {
            self.output.extend_from_slice(&[security.0]);
        }
        self.state = match security {
            SecurityType::VNC_AUTHENTICATION => State::Challenge,
            _ if self.version < ProtocolVersion::V3_8 => State::Accepted,
            _ => State::Result,
        };
        Ok(())
    }

    /// Proves the password.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] unless [`Event::PasswordNeeded`] waits for it.
    pub fn answer_password(&mut self, password: &Password) -> Result<(), Error> {
        let State::Answering(challenge) = self.state else {
            return Err(Error::Misuse("answer_password before it is needed"));
        };
        self.output.extend_from_slice(&password.response(challenge));
        self.state = State::Result;
        Ok(())
    }

    /// Asks for the session, after [`Event::Authenticated`]; `shared`: others may stay connected.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] before that, and when it was asked already.
    pub fn initialise(&mut self, shared: bool) -> Result<(), Error> {
        if !matches!(self.state, State::Authenticated) {
            return Err(Error::Misuse("initialise before authenticated"));
        }
        ClientInit { shared }.encode(&mut self.output);
        self.state = State::Init;
        Ok(())
    }

    /// Stores what the server sent. Drain [`Handshake::poll_event`] to `None` before the next chunk.
    pub fn handle_input(&mut self, input: Bytes) {
        if self.failed.is_none() {
            self.input.push(input);
        }
    }

    /// The next bytes for the server, in order; `None` when there is nothing now.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        (!self.output.is_empty()).then(|| self.output.split().freeze())
    }

    /// The next event; `Ok(None)` until more has arrived or was answered.
    ///
    /// # Errors
    ///
    /// The first error is final and repeats. [`Error::Refused`] is the server's no, with its reason.
    pub fn poll_event(&mut self) -> Result<Option<Event>, Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.advance().inspect_err(|error| {
            self.failed = Some(error.clone());
            self.input.clear();
        })
    }

    fn advance(&mut self) -> Result<Option<Event>, Error> {
        loop {
            let (next, event) = match &self.state {
                State::Version => {
                    let mut head = [0; 12];
                    let Some(announced) = ProtocolVersion::decode(&mut self.input.peek(&mut head))? else {
                        return Ok(None);
                    };
                    self.input.skip(head.len());
                    self.version = announced.spoken()?;
                    self.version.encode(&mut self.output);
                    let next = if self.version == ProtocolVersion::V3_3 { State::Type } else { State::Count };
                    (next, Some(Event::VersionAnnounced(announced)))
                }
                State::Type => {
                    let Some(number) = self.input.array().map(u32::from_be_bytes) else { return Ok(None) };
                    let number = u8::try_from(number)
                        .map_err(|_| Error::Unsupported { what: "security type", value: number.into() })?;
                    self.offered(alloc::vec![SecurityType(number)])
                }
                State::Count => {
                    let Some([count]) = self.input.array() else { return Ok(None) };
                    (if count == 0 { State::Reason } else { State::Types(count) }, None)
                }
                State::Types(count) => {
                    let Some(types) = self.input.take((*count).into()) else { return Ok(None) };
                    self.offered(types.iter().copied().map(SecurityType).collect())
                }
                State::Challenge => {
                    let Some(challenge) = self.input.array() else { return Ok(None) };
                    (State::Answering(challenge), Some(Event::PasswordNeeded))
                }
                State::Result => {
                    let Some(result) = self.input.array().map(u32::from_be_bytes) else { return Ok(None) };
                    match result {
                        RESULT_OK => (State::Authenticated, Some(Event::Authenticated)),
                        RESULT_FAILED | RESULT_TOO_MANY if self.version == ProtocolVersion::V3_8 => {
                            (State::Reason, None)
                        }
                        RESULT_FAILED => return Err(refused("authentication failed".into())),
                        RESULT_TOO_MANY => return Err(refused("too many attempts to authenticate".into())),
                        other => return Err(Error::Unsupported { what: "security result", value: other.into() }),
                    }
                }
                State::Accepted => (State::Authenticated, Some(Event::Authenticated)),
                State::Reason => {
                    let Some(bytes) = self.input.array().map(u32::from_be_bytes) else { return Ok(None) };
                    self.limits.reason(bytes)?;
                    (State::ReasonText(size(bytes)), None)
                }
                State::ReasonText(bytes) => {
                    let Some(reason) = self.input.take(*bytes) else { return Ok(None) };
                    return Err(refused(text(&reason)));
                }
                State::Init => {
                    let mut head = [0; ServerInit::HEAD_BYTES];
                    let Some((init, bytes)) = ServerInit::head(&mut self.input.peek(&mut head), &self.limits)? else {
                        return Ok(None);
                    };
                    self.input.skip(head.len());
                    (State::InitName(init, size(bytes)), None)
                }
                State::InitName(init, bytes) => {
                    let Some(name) = self.input.take(*bytes) else { return Ok(None) };
                    let init = ServerInit { name: text(&name), ..init.clone() };
                    (State::Done(init.clone()), Some(Event::Initialised(init)))
                }
                State::Choosing(_) | State::Answering(_) | State::Authenticated | State::Done(_) => return Ok(None),
            };
            self.state = next;
            if event.is_some() {
                return Ok(event);
            }
        }
    }

    fn offered(&self, types: Vec<SecurityType>) -> (State, Option<Event>) {
        if types == [SecurityType::INVALID] {
            return (State::Reason, None);
        }
        (State::Choosing(types.clone()), Some(Event::SecurityOffered(types)))
    }

    /// The session's beginning, and what the server sent beyond the handshake: the first input of a
    /// [`Decoder`](crate::Decoder).
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] before [`Event::Initialised`], and while [`Handshake::poll_transmit`] has something.
    pub fn finish(mut self) -> Result<(ServerInit, Bytes), Error> {
        if !self.output.is_empty() {
            return Err(Error::Misuse("finish while output is pending"));
        }
        match self.state {
            State::Done(init) => Ok((init, self.input.take_all())),
            _ => Err(Error::Misuse("finish before the end of the handshake")),
        }
    }

    /// How much the server sent that is not used yet.
    pub(crate) fn unread(&self) -> usize {
        self.input.available()
    }

    /// What the server sent that is not used yet.
    pub(crate) fn take_unread(&mut self) -> Bytes {
        self.input.take_all()
    }
}

fn refused(reason: String) -> Error {
    Error::Refused { by: SERVER, reason }
}
