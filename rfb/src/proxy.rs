//! Between a viewer and a server: proves the password to the server, asks the viewer for none.

mod view_only;

use alloc::{string::ToString, vec::Vec};

use bytes::Bytes;

pub use self::view_only::{ViewOnly, ViewOnlyEvent};
use crate::{
    Error, Limits, Password, ProtocolVersion, SecurityType, client,
    server::{self, Security},
};

/// What happened, on either side.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The server has announced its version, which may be anything.
    VersionAnnounced(ProtocolVersion),
    /// The server has offered these security types: what to tell a person if none of them is possible.
    SecurityOffered(Vec<SecurityType>),
    /// The server is being satisfied in this way.
    Authenticating(SecurityType),
    /// The server is content.
    Authenticated,
    /// Both sides are ready, and the handshake is over: [`Handshake::finish`].
    Joined,
}

/// What each side sent beyond the handshake, for the other. From here on bytes are passed on as they come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// From the viewer, for the server.
    pub to_server: Bytes,
    /// From the server, for the viewer.
    pub to_viewer: Bytes,
}

/// A handshake with a server on one side and a viewer on the other. The viewer gets RFB 3.8 with security None, whatever the
/// server wants; the password stays here.
///
/// ```text
///                 server                                  viewer
///  version, security, password ─► Authenticated ─► security None ─► ClientInit
///        │ no                                                           │
///        └► reason ─► the viewer's refusal            passed on to the server, Joined
/// ```
///
/// The server's `ServerInit` is passed on like everything after it.
#[derive(Debug)]
pub struct Handshake {
    limits: Limits,
    password: Option<Password>,
    server: client::Handshake,
    viewer: server::Handshake,
    /// What the server offers, until one of it is chosen.
    offered: Option<Vec<SecurityType>>,
    stage: Stage,
    failed: Option<(Error, Side)>,
}

/// One of the two that a proxy stands between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The server, and what this side needs to satisfy it.
    Server,
    /// The viewer.
    Viewer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The server is not content yet.
    Server,
    /// The server waits for the viewer.
    Viewer,
    Joined,
}

impl Handshake {
    /// A handshake at its very beginning, with the password that the server may want.
    pub fn new(password: Option<Password>, limits: Limits) -> Self {
        Self {
            password,
            server: client::Handshake::new(limits.clone()),
            viewer: server::Handshake::new(limits.clone()),
            limits,
            offered: None,
            stage: Stage::Server,
            failed: None,
        }
    }

    /// Stores what the server sent. Drain [`Handshake::poll_event`] to `None` before the next chunk of either side.
    pub fn handle_server_input(&mut self, input: Bytes) {
        if self.failed.is_none() {
            self.server.handle_input(input);
        }
    }

    /// Stores what the viewer sent. Drain [`Handshake::poll_event`] to `None` before the next chunk of either side.
    pub fn handle_viewer_input(&mut self, input: Bytes) {
        if self.failed.is_none() {
            self.viewer.handle_input(input);
        }
    }

    /// The next bytes for the server, in order; `None` when there is nothing now.
    pub fn poll_transmit_server(&mut self) -> Option<Bytes> {
        self.server.poll_transmit()
    }

    /// The next bytes for the viewer, in order; `None` when there is nothing now.
    pub fn poll_transmit_viewer(&mut self) -> Option<Bytes> {
        self.viewer.poll_transmit()
    }

    /// The next event; `Ok(None)` until more has arrived.
    ///
    /// # Errors
    ///
    /// The first error is final and repeats. [`Handshake::poll_transmit_viewer`] may have a farewell that gives the viewer the
    /// reason: send it, then close both connections. [`Error::Refused`] by the server is a wrong password, or its own
    /// reason; by this side, a password that the server wants and that is not there. [`Error::Unsupported`] names the
    /// first of the types that were offered if none is possible; all of them were in [`Event::SecurityOffered`].
    pub fn poll_event(&mut self) -> Result<Option<Event>, Error> {
        if let Some((error, _)) = &self.failed {
            return Err(error.clone());
        }
        self.advance().map_err(|(error, side)| {
            self.failed = Some((error.clone(), side));
            // A viewer that has chosen its version is told, unless it is too late for that or the fault is its own.
            let _too_late = self.viewer.refuse(&error.to_string());
            while let Ok(Some(_)) = self.viewer.poll_event() {}
            error
        })
    }

    /// With whom the error of [`Handshake::poll_event`] came up.
    pub fn failed_side(&self) -> Option<Side> {
        self.failed.as_ref().map(|(_, side)| *side)
    }

    fn advance(&mut self) -> Result<Option<Event>, (Error, Side)> {
        let server = self.advance_server().map_err(|error| (error, Side::Server))?;
        if server.is_some() {
            return Ok(server);
        }
        self.advance_viewer().map_err(|error| (error, Side::Viewer))
    }

    fn advance_server(&mut self) -> Result<Option<Event>, Error> {
        if self.stage != Stage::Server {
            return Ok(None);
        }
        if let Some(offered) = self.offered.take() {
            let chosen = self.choose(&offered)?;
            self.server.choose_security(chosen)?;
            return Ok(Some(Event::Authenticating(chosen)));
        }
        while let Some(event) = self.server.poll_event()? {
            match event {
                client::Event::VersionAnnounced(version) => return Ok(Some(Event::VersionAnnounced(version))),
                client::Event::SecurityOffered(types) => {
                    self.offered = Some(types.clone());
                    return Ok(Some(Event::SecurityOffered(types)));
                }
                client::Event::PasswordNeeded => {
                    let password = self.password.as_ref().ok_or_else(no_password)?;
                    self.server.answer_password(password)?;
                }
                client::Event::Authenticated => {
                    self.viewer.offer(Security::None)?;
                    self.stage = Stage::Viewer;
                    return Ok(Some(Event::Authenticated));
                }
                client::Event::Initialised(_) => {}
            }
        }
        Ok(None)
    }

    /// The first that the server offers and this side can do.
    fn choose(&self, offered: &[SecurityType]) -> Result<SecurityType, Error> {
        let needs_password = |security: SecurityType| security == SecurityType::VNC_AUTHENTICATION;
        let possible = |security: &&SecurityType| {
            security.is_implemented() && (self.password.is_some() || !needs_password(**security))
        };
        match (offered.iter().find(possible), offered.first()) {
            (Some(chosen), _) => Ok(*chosen),
            _ if offered.iter().copied().any(needs_password) => Err(no_password()),
            (None, first) => {
                let value = first.map_or(0, |first| first.0.into());
                Err(Error::Unsupported { what: "security type", value })
            }
        }
    }

    fn advance_viewer(&mut self) -> Result<Option<Event>, Error> {
        while self.stage != Stage::Joined {
            match self.viewer.poll_event()? {
                Some(server::Event::Asked(viewer)) => {
                    self.server.initialise(viewer.shared)?;
                    self.stage = Stage::Joined;
                    return Ok(Some(Event::Joined));
                }
                Some(server::Event::VersionChosen(_) | server::Event::Authenticated) => {}
                None => {
                    self.limits.unread(self.viewer.unread())?;
                    self.limits.unread(self.server.unread())?;
                    break;
                }
            }
        }
        Ok(None)
    }

    /// What each side sent beyond the handshake.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] before [`Event::Joined`], and while there is something to transmit to either side.
    pub fn finish(mut self) -> Result<Unread, Error> {
        if self.stage != Stage::Joined {
            return Err(Error::Misuse("finish before both sides are ready"));
        }
        if self.poll_transmit_server().is_some() || self.poll_transmit_viewer().is_some() {
            return Err(Error::Misuse("finish while output is pending"));
        }
        Ok(Unread { to_server: self.viewer.take_unread(), to_viewer: self.server.take_unread() })
    }
}

fn no_password() -> Error {
    Error::Refused { by: "this side", reason: "the server wants a password and there is none".into() }
}
