//! The three handshakes, each with an application that answers at once.

use bytes::{Bytes, BytesMut};
use towline_rfb::{
    Error, Limits, Password, PixelFormat, SecurityType, ServerInit, client, proxy,
    server::{self, Security},
};

use crate::{law, script::Script};

const CHALLENGE: [u8; 16] = [7; 16];

/// Any bytes, and a valid handshake as the script decides with one byte changed, for each side of each machine.
///
/// # Panics
///
/// If the chunking law is broken, or a valid handshake is refused.
pub fn handshakes(input: &[u8]) {
    let mut script = Script::new(input);
    let cuts = [script.below(40), script.below(40)];
    let (at, change) = (script.below(120), script.byte());
    let valid_server = server_bytes(&mut script);
    let valid_viewer = viewer_bytes(&mut script);
    let rest = script.rest();

    for bytes in [rest, &valid_server, &damaged(&valid_server, at, change)] {
        law::chunking(Client::default, bytes, &cuts);
        law::chunking(ProxyToServer::default, bytes, &cuts);
    }
    for bytes in [rest, &valid_viewer, &damaged(&valid_viewer, at, change)] {
        law::chunking(|| Server::new(Security::None), bytes, &cuts);
        let password = || Security::VncAuthentication { password: Password::new("x"), challenge: CHALLENGE };
        law::chunking(|| Server::new(password()), bytes, &cuts);
    }
    let (events, error) = law::run(Client::default(), [Bytes::from(valid_server)]);
    assert_eq!(error, None, "a valid handshake was refused");
    assert!(matches!(events.last(), Some(client::Event::Initialised(_))));
    let (events, error) = law::run(Server::new(Security::None), [Bytes::from(valid_viewer)]);
    assert_eq!(error, None, "a valid handshake was refused");
    assert!(matches!(events.last(), Some(server::Event::Asked(_))));
}

pub(super) fn damaged(valid: &[u8], at: usize, change: u8) -> Vec<u8> {
    let mut wire = valid.to_vec();
    if let Some(byte) = wire.get_mut(at) {
        *byte ^= change;
    }
    wire
}

/// What a server says to a client that takes the first type it can.
fn server_bytes(script: &mut Script<'_>) -> Vec<u8> {
    let mut wire = BytesMut::new();
    let version = script.byte() % 3;
    let with_password = script.byte().is_multiple_of(2);
    let security = if with_password { 2 } else { 1 };
    match version {
        0 => wire.extend_from_slice(&[b"RFB 003.003\n\0\0\0".as_slice(), &[security]].concat()),
        1 => wire.extend_from_slice(&[b"RFB 003.007\n\x02\x13".as_slice(), &[security]].concat()),
        _ => wire.extend_from_slice(&[b"RFB 005.000\n\x01".as_slice(), &[security]].concat()),
    }
    if with_password {
        wire.extend_from_slice(&CHALLENGE);
    }
    if with_password || version == 2 {
        wire.extend_from_slice(&[0; 4]);
    }
    let name = "x".repeat(script.below(40));
    ServerInit { width: 640, height: 480, format: PixelFormat::BGRX, name }.encode(&mut wire);
    wire.to_vec()
}

/// What a viewer says to a server that wants nothing.
fn viewer_bytes(script: &mut Script<'_>) -> Vec<u8> {
    match script.byte() % 3 {
        0 => b"RFB 003.003\n\x01".to_vec(),
        1 => b"RFB 003.007\n\x01\x00".to_vec(),
        _ => b"RFB 003.008\n\x01\x01".to_vec(),
    }
}

struct Client {
    machine: client::Handshake,
    failed: Option<Error>,
}

impl Default for Client {
    fn default() -> Self {
        Self { machine: client::Handshake::new(Limits::default()), failed: None }
    }
}

impl Client {
    fn answer(&mut self, event: &client::Event) -> Result<(), Error> {
        match event {
            client::Event::SecurityOffered(types) => {
                let wanted = types.iter().copied().find(|security| security.is_implemented());
                self.machine.choose_security(wanted.or(types.first().copied()).unwrap_or(SecurityType::INVALID))
            }
            client::Event::PasswordNeeded => self.machine.answer_password(&Password::new("x")),
            client::Event::Authenticated => self.machine.initialise(true),
            _ => Ok(()),
        }
    }
}

impl law::Machine for Client {
    type Event = client::Event;
    type Error = Error;

    fn handle_input(&mut self, input: Bytes) {
        self.machine.handle_input(input);
    }

    fn poll_event(&mut self) -> Result<Option<client::Event>, Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let event = self.machine.poll_event()?;
        if let Some(event) = &event
            && let Err(error) = self.answer(event)
        {
            assert!(matches!(error, Error::Unsupported { .. }), "{error}");
            self.failed = Some(error.clone());
            return Err(error);
        }
        Ok(event)
    }

    fn join(_: &mut client::Event, next: client::Event) -> Option<client::Event> {
        Some(next)
    }
}

struct Server(server::Handshake);

impl Server {
    fn new(security: Security) -> Self {
        let mut machine = server::Handshake::new(Limits::default());
        machine.offer(security).expect("nothing was offered yet");
        Self(machine)
    }
}

impl law::Machine for Server {
    type Event = server::Event;
    type Error = Error;

    fn handle_input(&mut self, input: Bytes) {
        self.0.handle_input(input);
    }

    fn poll_event(&mut self) -> Result<Option<server::Event>, Error> {
        let event = self.0.poll_event()?;
        if matches!(event, Some(server::Event::Asked(_))) {
            let init = ServerInit { width: 1, height: 1, format: PixelFormat::RGBX, name: "x".into() };
            self.0.initialise(&init).expect("the client has asked");
        }
        Ok(event)
    }

    fn join(_: &mut server::Event, next: server::Event) -> Option<server::Event> {
        Some(next)
    }
}

/// A proxy whose viewer has asked already.
struct ProxyToServer(proxy::Handshake);

impl Default for ProxyToServer {
    fn default() -> Self {
        let mut machine = proxy::Handshake::new(Some(Password::new("x")), Limits::default());
        machine.handle_viewer_input(Bytes::from_static(b"RFB 003.008\n\x01\x01"));
        Self(machine)
    }
}

impl law::Machine for ProxyToServer {
    type Event = proxy::Event;
    type Error = Error;

    fn handle_input(&mut self, input: Bytes) {
        self.0.handle_server_input(input);
    }

    fn poll_event(&mut self) -> Result<Option<proxy::Event>, Error> {
        self.0.poll_event()
    }

    fn join(_: &mut proxy::Event, next: proxy::Event) -> Option<proxy::Event> {
        Some(next)
    }
}
