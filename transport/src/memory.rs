//! Pipes inside the process, for tests and for parts that run together.

use std::io;

use tokio::{io::DuplexStream, sync::mpsc};

use crate::{Carrier, Dialer, Error, Incoming, Listener};

/// Connections that may wait to be accepted; a dialer beyond that waits itself.
const MAX_WAITING_CONNECTIONS: usize = 16;

/// Two ends of a pipe. Each direction holds `max_buffer_bytes` at most; a writer waits when it is full.
///
/// Shutting one end down half-closes it, dropping it closes both directions.
#[must_use]
pub fn pair(max_buffer_bytes: usize) -> (DuplexStream, DuplexStream) {
    tokio::io::duplex(max_buffer_bytes)
}

/// A listener and the dialer that reaches it, over [`pair`]s.
#[must_use]
pub fn listen(max_buffer_bytes: usize) -> (MemoryDialer, MemoryListener) {
    let (connections, waiting) = mpsc::channel(MAX_WAITING_CONNECTIONS);
    (MemoryDialer { connections, max_buffer_bytes }, MemoryListener(waiting))
}

/// Dials the [`MemoryListener`] it was made with.
#[derive(Clone, Debug)]
pub struct MemoryDialer {
    connections: mpsc::Sender<MemoryIncoming>,
    max_buffer_bytes: usize,
}

impl Dialer for MemoryDialer {
    type Stream = DuplexStream;

    async fn dial(&self) -> Result<Carrier<DuplexStream>, Error> {
        let (near, far) = pair(self.max_buffer_bytes);
        match self.connections.send(MemoryIncoming(far)).await {
            Ok(()) => Ok(Carrier::new(near)),
            Err(_) => Err(Error::Connect {
                endpoint: "memory".to_owned(),
                source: io::Error::new(io::ErrorKind::ConnectionRefused, "the listener is gone"),
            }),
        }
    }
}

/// Takes in what its [`MemoryDialer`]s dial; an error means that all of them are gone.
#[derive(Debug)]
pub struct MemoryListener(mpsc::Receiver<MemoryIncoming>);

impl Listener for MemoryListener {
    type Incoming = MemoryIncoming;

    async fn accept(&mut self) -> Result<MemoryIncoming, Error> {
        let gone = || io::Error::new(io::ErrorKind::NotConnected, "every dialer is gone");
        Ok(self.0.recv().await.ok_or_else(gone)?)
    }
}

/// A connection inside the process; it has no handshake to wait for.
#[derive(Debug)]
pub struct MemoryIncoming(DuplexStream);

impl Incoming for MemoryIncoming {
    type Stream = DuplexStream;

    async fn handshake(self) -> Result<Carrier<DuplexStream>, Error> {
        Ok(Carrier::new(self.0))
    }
}
