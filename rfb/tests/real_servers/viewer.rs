//! A viewer over TCP that blocks.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use bytes::Bytes;
use towline_rfb::{
    ClientMessage, Decoder, Encoding, Error, Event, Framebuffer, Limits, Password, PixelFormat, SecurityType,
    ServerInit,
    client::{self, Handshake},
};

/// How long the server may be silent before that is a failure.
const SILENCE: Duration = Duration::from_secs(30);

pub(crate) fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(SILENCE)).unwrap();
    stream
}

pub(crate) fn receive(stream: &mut TcpStream) -> Bytes {
    let mut buffer = vec![0; 64 * 1024];
    let length = stream.read(&mut buffer).unwrap();
    buffer.truncate(length);
    assert!(length > 0, "the server closed the connection");
    buffer.into()
}

/// What the handshake said, in order, and how it ended.
pub(crate) fn handshake(
    stream: &mut TcpStream,
    password: Option<&str>,
) -> (Vec<client::Event>, Result<(ServerInit, Bytes), Error>) {
    let mut handshake = Handshake::new(Limits::default());
    let mut events = Vec::new();
    let wanted = match password {
        Some(_) => SecurityType::VNC_AUTHENTICATION,
        None => SecurityType::NONE,
    };
    while !matches!(events.last(), Some(client::Event::Initialised(_))) {
        handshake.handle_input(receive(stream));
        loop {
            match handshake.poll_event() {
                Err(error) => return (events, Err(error)),
                Ok(None) => break,
                Ok(Some(event)) => {
                    match &event {
                        client::Event::SecurityOffered(_) => handshake.choose_security(wanted).unwrap(),
                        client::Event::PasswordNeeded => {
                            handshake.answer_password(&Password::new(password.unwrap())).unwrap();
                        }
                        client::Event::Authenticated => handshake.initialise(true).unwrap(),
                        _ => {}
                    }
                    events.push(event);
                }
            }
        }
        while let Some(bytes) = handshake.poll_transmit() {
            stream.write_all(&bytes).unwrap();
        }
    }
    (events, handshake.finish())
}

/// A session and its picture.
pub(crate) struct Viewer {
    stream: TcpStream,
    pub(crate) decoder: Decoder,
    pub(crate) picture: Framebuffer,
    /// How often each kind of event came that is not a picture.
    painted: usize,
    pub(crate) cursors: usize,
    pub(crate) names: Vec<String>,
    pub(crate) resized: Vec<(u16, u16)>,
    pub(crate) clipboards: Vec<Bytes>,
}

impl Viewer {
    pub(crate) fn new(
        mut stream: TcpStream,
        init: &ServerInit,
        unread: Bytes,
        format: PixelFormat,
        encodings: &[Encoding],
    ) -> Self {
        let mut decoder = Decoder::new(init, Limits::default()).unwrap();
        decoder.send(&ClientMessage::SetPixelFormat(format)).unwrap();
        decoder.send(&ClientMessage::SetEncodings(encodings.to_vec())).unwrap();
        decoder.request_update(false).unwrap();
        decoder.handle_input(unread);
        stream.write_all(&decoder.poll_transmit().unwrap()).unwrap();
        let picture = Framebuffer::new(init.width, init.height, &Limits::default()).unwrap();
        let (names, resized, clipboards) = Default::default();
        Self { stream, decoder, picture, painted: 0, cursors: 0, names, resized, clipboards }
    }

    /// Connects, shakes hands and begins.
    pub(crate) fn open(port: u16, password: Option<&str>, format: PixelFormat, encodings: &[Encoding]) -> Self {
        let mut stream = connect(port);
        let (init, unread) = handshake(&mut stream, password).1.unwrap();
        Self::new(stream, &init, unread, format, encodings)
    }

    pub(crate) fn send(&mut self, message: &ClientMessage) {
        self.decoder.send(message).unwrap();
        self.stream.write_all(&self.decoder.poll_transmit().unwrap()).unwrap();
    }

    /// Waits for the end of an update.
    pub(crate) fn update(&mut self) {
        loop {
            while let Some(event) = self.decoder.poll_event().unwrap() {
                self.picture.apply(&event, &Limits::default()).unwrap();
                match event {
                    Event::FrameEnd => return,
                    Event::Paint(_) => self.painted += 1,
                    Event::Cursor { .. } => self.cursors += 1,
                    Event::Renamed(name) => self.names.push(name),
                    Event::Resized { width, height, .. } => self.resized.push((width, height)),
                    Event::CutText(text) => self.clipboards.push(text),
                    _ => {}
                }
            }
            let input = receive(&mut self.stream);
            self.decoder.handle_input(input);
        }
    }

    /// Asks for everything and waits for it.
    pub(crate) fn refresh(&mut self) {
        self.painted = 0;
        let mut incremental = false;
        while self.painted == 0 {
            self.decoder.request_update(incremental).unwrap();
            self.stream.write_all(&self.decoder.poll_transmit().unwrap()).unwrap();
            self.update();
            incremental = true;
        }
    }
}
