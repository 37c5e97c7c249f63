//! The server's side of the handshake.

use bytes::{BufMut, Bytes, BytesMut};

use crate::{
    ClientInit, Error, Limits, Password, ProtocolVersion, SecurityType, ServerInit,
    input::Input,
    security::{RESULT_FAILED, RESULT_OK, put_text},
    vnc_authentication::CHALLENGE_BYTES,
};

/// What a client has to prove.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Security {
    /// Nothing.
    None,
    /// That it knows a password.
    VncAuthentication {
        /// The password.
        password: Password,
        /// Random bytes, used for nothing else.
        challenge: [u8; CHALLENGE_BYTES],
    },
}

impl Security {
    fn security_type(&self) -> SecurityType {
        match self {
            Self::None => SecurityType::NONE,
            Self::VncAuthentication { .. } => SecurityType::VNC_AUTHENTICATION,
        }
    }
}

/// What happened, in the order of the client's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The client has chosen a version: go on with [`Handshake::offer`] or [`Handshake::refuse`], if that was not said before.
    VersionChosen(ProtocolVersion),
    /// The client has proved what it had to.
    Authenticated,
    /// The client asks for the session: answer with [`Handshake::initialise`].
    Asked(ClientInit),
}

/// Where the handshake stands.
///
/// ```text
///  Version ─► Offering ─► Choice ─► Response ─► Init ─► Asked ─► Done
///                │ 3.3      │ None                ▲
///                └──────────┴─────────────────────┘
/// ```
#[derive(Debug)]
enum State {
    Version,
    /// The client waits for the application.
    Offering,
    /// 3.7 and 3.8: the client's turn to choose among one.
    Choice,
    Response,
    Init,
    /// The client waits for the application.
    Asked,
    Done,
}

/// What the application has said about security.
#[derive(Debug)]
enum Answer {
    Offer(Security),
    Refuse(alloc::string::String),
}

/// The server's side of the handshake, up to the [`ServerInit`].
///
/// ```
/// use bytes::Bytes;
/// use towline_rfb::{Limits, PixelFormat, ServerInit, server::{Event, Handshake, Security}};
///
/// let mut handshake = Handshake::new(Limits::default());
/// handshake.offer(Security::None)?;
/// handshake.handle_input(Bytes::from_static(b"RFB 003.008\n\x01\x01"));
/// while let Some(event) = handshake.poll_event()? {
///     if let Event::Asked(client) = event {
///         assert!(client.shared);
///         let format = PixelFormat::RGBX;
///         handshake.initialise(&ServerInit { width: 640, height: 480, format, name: "pump".into() })?;
///     }
/// }
/// let greeting = handshake.poll_transmit().unwrap();
/// assert!(greeting.starts_with(b"RFB 003.008\n\x01\x01\0\0\0\0\x02\x80\x01\xe0"));
/// # Ok::<(), towline_rfb::Error>(())
/// ```
#[derive(Debug)]
pub struct Handshake {
    limits: Limits,
    state: State,
    version: ProtocolVersion,
    answer: Option<Answer>,
    input: Input,
    output: BytesMut,
    failed: Option<Error>,
}

impl Handshake {
    /// A handshake at its very beginning: [`Handshake::poll_transmit`] has the version, 3.8.
    pub fn new(limits: Limits) -> Self {
        let mut output = BytesMut::new();
        ProtocolVersion::V3_8.encode(&mut output);
        Self {
            limits,
            state: State::Version,
            version: ProtocolVersion::V3_8,
            answer: None,
            input: Input::default(),
            output,
            failed: None,
        }
    }

    /// Says what the client has to prove. May be said before the client's version is known.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] when that was said already.
    pub fn offer(&mut self, security: Security) -> Result<(), Error> {
        self.answer(Answer::Offer(security))
    }

    /// Says no, and why, before anything is proved. May be said before the client's version is known. The client is told
    /// when it is; then the handshake is over with [`Error::Refused`].
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] when something else was offered already.
    pub fn refuse(&mut self, reason: &str) -> Result<(), Error> {
        self.answer(Answer::Refuse(reason.into()))
    }

    fn answer(&mut self, answer: Answer) -> Result<(), Error> {
        if self.answer.is_some() {
            return Err(Error::Misuse("security was answered for already"));
        }
        self.answer = Some(answer);
        if let (State::Offering, Some(answer)) = (&self.state, &self.answer) {
            self.state = put_answer(answer, self.version, &mut self.output)?;
        }
        Ok(())
    }

    /// Gives the client the session, after [`Event::Asked`].
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] before that, and twice; those of [`ServerInit::decode`], for what no client would take.
    pub fn initialise(&mut self, init: &ServerInit) -> Result<(), Error> {
        if !matches!(self.state, State::Asked) {
            return Err(Error::Misuse("initialise before the client has asked"));
        }
        self.limits.framebuffer(init.width, init.height)?;
        init.format.check()?;
        init.encode(&mut self.output);
        self.state = State::Done;
        Ok(())
    }

    /// Stores what the client sent. Drain [`Handshake::poll_event`] to `None` before the next chunk.
    pub fn handle_input(&mut self, input: Bytes) {
        if self.failed.is_none() {
            self.input.push(input);
        }
    }

    /// The next bytes for the client, in order; `None` when there is nothing now.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        (!self.output.is_empty()).then(|| self.output.split().freeze())
    }

    /// The next event; `Ok(None)` until more has arrived or was answered.
    ///
    /// # Errors
    ///
    /// The first error is final and repeats. [`Handshake::poll_transmit`] may have a farewell for the client: send it, then
    /// close the connection. [`Error::Refused`] is this side's no: to a wrong password, or the one of [`Handshake::refuse`].
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
        match (&self.state, &self.answer) {
            (State::Version, answer) => {
                let mut head = [0; 12];
                let Some(chosen) = ProtocolVersion::decode(&mut self.input.peek(&mut head))? else { return Ok(None) };
                self.input.skip(head.len());
                self.version = chosen.spoken()?;
                self.state = match answer {
                    Some(answer) => put_answer(answer, self.version, &mut self.output)?,
                    None => State::Offering,
                };
                Ok(Some(Event::VersionChosen(chosen)))
            }
            (_, Some(Answer::Refuse(reason))) => Err(refused(reason)),
            (State::Choice, Some(Answer::Offer(security))) => {
                let Some([choice]) = self.input.array() else { return Ok(None) };
                if SecurityType(choice) != security.security_type() {
                    return Err(Error::Malformed { what: "security type", reason: "one that was not offered" });
                }
                match security {
                    Security::None => Ok(Some(self.authenticated())),
                    Security::VncAuthentication { challenge, .. } => {
                        self.output.put_slice(challenge);
                        self.state = State::Response;
                        Ok(None)
                    }
                }
            }
            (State::Response, Some(Answer::Offer(Security::VncAuthentication { password, challenge }))) => {
                let Some(response) = self.input.array() else { return Ok(None) };
                if password.verify(*challenge, response) {
                    return Ok(Some(self.authenticated()));
                }
                self.output.put_u32(RESULT_FAILED);
                let reason = "the password is wrong";
                if self.version == ProtocolVersion::V3_8 {
                    put_text(&mut self.output, reason);
                }
                Err(refused(reason))
            }
            (State::Init, _) => {
                let Some([byte]) = self.input.array() else { return Ok(None) };
                self.state = State::Asked;
                Ok(ClientInit::decode(&mut &[byte][..]).map(Event::Asked))
            }
            _ => Ok(None),
        }
    }

    /// The client is told, if its version wants that: 3.8 always, before only about a password.
    fn authenticated(&mut self) -> Event {
        if self.version == ProtocolVersion::V3_8 || matches!(self.state, State::Response) {
            self.output.put_u32(RESULT_OK);
        }
        self.state = State::Init;
        Event::Authenticated
    }

    /// What the client sent beyond the handshake: the first input of an [`Encoder`](crate::Encoder).
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] before [`Handshake::initialise`], and while [`Handshake::poll_transmit`] has something.
    pub fn finish(mut self) -> Result<Bytes, Error> {
        if !self.output.is_empty() {
            return Err(Error::Misuse("finish while output is pending"));
        }
        match self.state {
            State::Done => Ok(self.input.take_all()),
            _ => Err(Error::Misuse("finish before the end of the handshake")),
        }
    }

    /// How much the client sent that is not used yet.
    pub(crate) fn unread(&self) -> usize {
        self.input.available()
    }

    /// What the client sent that is not used yet.
    pub(crate) fn take_unread(&mut self) -> Bytes {
        self.input.take_all()
    }
}

/// Tells a client whose version is known what it has to prove, or no.
fn put_answer(answer: &Answer, version: ProtocolVersion, out: &mut BytesMut) -> Result<State, Error> {
    let old = version == ProtocolVersion::V3_3;
    Ok(match answer {
        Answer::Refuse(reason) => {
            out.put_slice(if old { &[0, 0, 0, 0] } else { &[0] });
            put_text(out, reason);
            State::Offering
        }
        Answer::Offer(security) if !old => {
            out.put_slice(&[1, security.security_type().0]);
            State::Choice
        }
        Answer::Offer(security) => {
            out.put_u32(security.security_type().0.into());
            match security {
                Security::None => State::Init,
                Security::VncAuthentication { challenge, .. } => {
                    out.put_slice(challenge);
                    State::Response
                }
            }
        }
    })
}

fn refused(reason: &str) -> Error {
    Error::Refused { by: "this side", reason: reason.into() }
}
