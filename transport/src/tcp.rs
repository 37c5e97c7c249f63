//! TCP, with `TCP_NODELAY` on, and urgent bytes where they stand in the stream: a pipe loses none.

use std::{io, net::SocketAddr, time::Duration};

use tokio::net::{TcpStream, lookup_host};

use crate::{Carrier, CarrierInfo, Dialer, Error, Incoming, Listener, error::Phase};

/// Looks `host` up and tries its addresses in turn, each for `limit` at most; so does the lookup. `host` is a name or
/// an IP address without brackets.
///
/// # Errors
///
/// [`Error::Resolve`] or [`Error::TimedOut`] when the name has no address, [`Error::Connect`] with the last address
/// when none took the connection.
///
/// # Cancel safety
///
/// Cancelling abandons the attempt.
pub async fn connect(host: &str, port: u16, limit: Duration) -> Result<Carrier<TcpStream>, Error> {
    let unresolved = |source| Error::Resolve { host: host.to_owned(), source };
    let lookup = async { lookup_host((host, port)).await.map_err(unresolved) };
    let mut last = unresolved(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    for address in Phase::Resolve.within(limit, lookup).await? {
        match connect_addr(address, limit).await {
            Ok(carrier) => return Ok(carrier),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Connects to this very address, within `limit`.
///
/// # Errors
///
/// [`Error::Connect`], of kind [`io::ErrorKind::TimedOut`] when `limit` was over.
///
/// # Cancel safety
///
/// Cancelling abandons the attempt.
pub async fn connect_addr(address: SocketAddr, limit: Duration) -> Result<Carrier<TcpStream>, Error> {
    let refused = |source| Error::Connect { endpoint: address.to_string(), source };
    let stream = match tokio::time::timeout(limit, TcpStream::connect(address)).await {
        Ok(result) => result.map_err(refused)?,
        Err(_) => return Err(refused(io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {limit:?}")))),
    };
    carrier(stream, address).map_err(refused)
}

/// A stream somebody else connected or accepted, made ready.
fn carrier(stream: TcpStream, peer: SocketAddr) -> io::Result<Carrier<TcpStream>> {
    stream.set_nodelay(true)?;
    // Telnet marks the end of its Synch by an urgent byte, which would else be taken out of the stream.
    rustix::net::sockopt::set_socket_oobinline(&stream, true)?;
    let info = CarrierInfo { local: stream.local_addr().ok(), peer: Some(peer), ..CarrierInfo::default() };
    Ok(Carrier::from_parts(stream, info))
}

/// Dials one host and port with [`connect`].
#[derive(Clone, Debug)]
pub struct TcpDialer {
    /// A name, or an IP address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// How long each address may take to answer.
    pub connect_timeout: Duration,
}

impl Dialer for TcpDialer {
    type Stream = TcpStream;

    async fn dial(&self) -> Result<Carrier<TcpStream>, Error> {
        connect(&self.host, self.port, self.connect_timeout).await
    }
}

/// Listens on a TCP port.
#[derive(Debug)]
pub struct TcpListener(tokio::net::TcpListener);

impl TcpListener {
    /// Starts to listen. Port 0 picks a free one; [`TcpListener::local_addr`] tells which.
    ///
    /// # Errors
    ///
    /// [`Error::Listen`] when the address is taken, reserved or not ours.
    pub async fn bind(address: SocketAddr) -> Result<Self, Error> {
        match tokio::net::TcpListener::bind(address).await {
            Ok(listener) => Ok(Self(listener)),
            Err(source) => Err(Error::Listen { address: address.to_string(), source }),
        }
    }

    /// The address it listens on.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when the system does not tell.
    pub fn local_addr(&self) -> Result<SocketAddr, Error> {
        Ok(self.0.local_addr()?)
    }
}

impl Listener for TcpListener {
    type Incoming = TcpIncoming;

    async fn accept(&mut self) -> Result<TcpIncoming, Error> {
        loop {
            match self.0.accept().await {
                Ok((stream, peer)) => return Ok(TcpIncoming { stream, peer }),
                // A peer that gave up while it was queued is its own affair, not the listener's.
                Err(error) if is_of_the_peer(error.kind()) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn is_of_the_peer(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}

/// A TCP connection; it has no handshake to wait for.
#[derive(Debug)]
pub struct TcpIncoming {
    stream: TcpStream,
    peer: SocketAddr,
}

impl TcpIncoming {
    /// Who connected.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }
}

impl Incoming for TcpIncoming {
    type Stream = TcpStream;

    async fn handshake(self) -> Result<Carrier<TcpStream>, Error> {
        Ok(carrier(self.stream, self.peer)?)
    }
}
