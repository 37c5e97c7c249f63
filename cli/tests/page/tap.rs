//! A look at what reaches a VNC server that wants no password: a port that passes everything on and remembers what the
//! viewer said.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use towline_rfb::{ClientMessage, Limits};

/// Version, security type and ClientInit.
const HANDSHAKE_BYTES: usize = 12 + 1 + 1;

pub(crate) struct Tap {
    pub(crate) port: u16,
    heard: Arc<Mutex<Vec<ClientMessage>>>,
}

impl Tap {
    pub(crate) fn on(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let heard_too = Arc::clone(&heard);
        thread::spawn(move || {
            for viewer in listener.incoming() {
                let (viewer, heard) = (viewer.unwrap(), Arc::clone(&heard_too));
                // Either side may be gone; the other is closed then.
                thread::spawn(move || drop(pass(viewer, server, &heard)));
            }
        });
        Self { port, heard }
    }

    /// How many keys and pointer events came, and how many messages of any kind.
    pub(crate) fn counts(&self) -> [usize; 3] {
        let heard = self.heard.lock().unwrap();
        let count = |fits: fn(&ClientMessage) -> bool| heard.iter().filter(|message| fits(message)).count();
        let is_key = |message: &ClientMessage| {
            matches!(message, ClientMessage::KeyEvent { .. } | ClientMessage::QemuExtendedKeyEvent { .. })
        };
        let is_pointer = |message: &ClientMessage| matches!(message, ClientMessage::PointerEvent { .. });
        [count(is_key), count(is_pointer), heard.len()]
    }
}

fn pass(mut viewer: TcpStream, server: u16, heard: &Mutex<Vec<ClientMessage>>) -> io::Result<()> {
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, server))?;
    let (mut from, mut to) = (server.try_clone()?, viewer.try_clone()?);
    thread::spawn(move || {
        drop(io::copy(&mut from, &mut to));
        drop(to.shutdown(std::net::Shutdown::Both));
    });
    let mut unread = Vec::new();
    let mut skipped = 0;
    let mut buffer = [0; 4096];
    loop {
        let length = viewer.read(&mut buffer)?;
        if length == 0 {
            return server.shutdown(std::net::Shutdown::Both);
        }
        server.write_all(&buffer[..length])?;
        unread.extend_from_slice(&buffer[..length]);
        let head = unread.len().min(HANDSHAKE_BYTES - skipped);
        unread.drain(..head);
        skipped += head;
        let mut rest = &unread[..];
        while let Some(message) = ClientMessage::decode(&mut rest, &Limits::default()).unwrap() {
            heard.lock().unwrap().push(message);
        }
        unread = rest.to_vec();
    }
}
