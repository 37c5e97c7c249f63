//! TCP, with `TCP_NODELAY` and keep-alive on, and urgent bytes where they stand in the stream: a pipe loses none.

use std::{io, net::SocketAddr, time::Duration};

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use crate::{
    Carrier, CarrierInfo, Dialer, Error, Incoming, Listener,
    happy_eyeballs::{race, resolve},
};

/// Looks `host` up and tries its addresses, IPv6 and IPv4 in turn, each 250 ms after the one before or as soon as that
/// has failed, until one takes the connection (RFC 8305). Each may take `limit`; so may the lookup. `host` is a name or
/// an IP address without brackets.
///
/// # Errors
///
/// [`Error::Resolve`] or [`Error::TimedOut`] when the name has no address, [`Error::Connect`] with the last one to fail
/// when none took the connection.
///
/// # Cancel safety
///
/// Cancelling abandons the attempt.
pub async fn connect(host: &str, port: u16, limit: Duration) -> Result<Carrier<TcpStream>, Error> {
    connect_within(host, port, limit, limit).await
}

pub(crate) async fn connect_within(
    host: &str,
    port: u16,
    resolve_limit: Duration,
    connect_limit: Duration,
) -> Result<Carrier<TcpStream>, Error> {
    let addresses = resolve(host, port, resolve_limit).await?;
    race(addresses, |address| connect_addr(address, connect_limit)).await
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

/// The most that the system takes ahead of what it has sent, in bytes, after [`shorten_unsent_queue`].
pub const UNSENT_QUEUE_BYTES: u32 = 64 * 1024;

/// A connection on which nothing came for this long is probed, so often and at this interval, before it is dead.
const KEEP_ALIVE: TcpKeepalive =
    TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15)).with_retries(4);

/// Lets the system take no more than [`UNSENT_QUEUE_BYTES`] ahead of what it has sent (`TCP_NOTSENT_LOWAT`), where the
/// system can: for a stream whose writer has a choice what to send next. [`dial`](crate::dial) does it.
pub fn shorten_unsent_queue(stream: &TcpStream) {
    // A system that cannot do it works all the same, with a longer queue.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = SockRef::from(stream).set_tcp_notsent_lowat(UNSENT_QUEUE_BYTES);
}

/// A stream somebody else connected or accepted, made ready.
fn carrier(stream: TcpStream, peer: SocketAddr) -> io::Result<Carrier<TcpStream>> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(&stream);
    socket.set_tcp_keepalive(&KEEP_ALIVE)?;
    // Telnet marks the end of its Synch by an urgent byte, which would else be taken out of the stream.
    socket.set_out_of_band_inline(true)?;
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
