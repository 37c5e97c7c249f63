//! QUIC (RFC 9000) as a byte pipe: one connection, one bidirectional stream, one pipe.
//!
//! The dialer opens the stream and sends one byte, the version of this use of QUIC ([`STREAM_VERSION`]); everything
//! after it is the pipe's. Without it the acceptor would hear of the stream only with the dialer's first write, and an
//! acceptor that speaks first would wait for ever. The application protocol (ALPN) is the caller's and is required.
//!
//! A connection survives a change of the dialer's address (RFC 9000 §9). A dialer's address is proven (§8.1.2) before
//! the listener keeps anything of it.

use std::{
    future::Future,
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use quinn::{
    ConnectError, Connection, ConnectionError, Endpoint, EndpointConfig, IdleTimeout, RecvStream, SendStream,
    TokioRuntime, TransportConfig, VarInt,
    crypto::rustls::{HandshakeData, NoInitialCipherSuite, QuicClientConfig, QuicServerConfig},
};
use rustls::{ClientConfig, ServerConfig, pki_types::CertificateDer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{
    Carrier, CarrierInfo, Dialer, Error, Incoming, Listener,
    error::Phase,
    happy_eyeballs::{race, resolve},
    tls::{CHANNEL_BINDING_LABEL, TlsInfo},
};

/// The first byte that a dialer sends on the stream.
pub const STREAM_VERSION: u8 = 1;

/// What a peer may send ahead of our reading, in bytes: 80 Mbit/s at 100 ms.
const RECEIVE_WINDOW_BYTES: u32 = 1024 * 1024;
/// What we hold of our writes until the peer has acknowledged it, in bytes.
const SEND_WINDOW_BYTES: u64 = 1024 * 1024;
/// A connection on which nothing came for this long is dead.
const IDLE_LIMIT_MILLIS: u32 = 30_000;
/// Well within what NATs remember of a UDP flow, some of them for 30 s only.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// How long what was written may take to arrive after the stream was dropped.
const LINGER: Duration = Duration::from_secs(5);
/// Handshakes that wait to be accepted, and what is kept of the packets of each, in bytes.
const MAX_WAITING_CONNECTIONS: usize = 1024;
const WAITING_BYTES: u64 = 16 * 1024;

/// The dialer asked for another version of the stream than [`STREAM_VERSION`].
const UNKNOWN_VERSION: VarInt = VarInt::from_u32(1);
const NO_ERROR: VarInt = VarInt::from_u32(0);

/// Looks `host` up and connects to one of its addresses, within `resolve_limit` and `limit`; `host` is also the name to
/// verify.
///
/// # Errors
///
/// [`Error::Resolve`]; [`Error::TimedOut`] when nobody answers, which is also what a firewall that drops UDP looks
/// like; [`Error::Tls`] when the server is not trusted or does not speak the application protocol; [`Error::Quic`];
/// [`Error::Unsupported`] when `config` names no application protocol.
///
/// # Cancel safety
///
/// Cancelling abandons the attempt.
pub async fn connect(
    host: &str,
    port: u16,
    config: Arc<ClientConfig>,
    resolve_limit: Duration,
    limit: Duration,
) -> Result<Carrier<QuicStream>, Error> {
    check_alpn(&config.alpn_protocols)?;
    let mut client = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(config).map_err(no_cipher)?));
    let mut transport = transport(0);
    transport.keep_alive_interval(Some(KEEP_ALIVE));
    client.transport_config(Arc::new(transport));
    let addresses = resolve(host, port, resolve_limit).await?;
    let host = host.to_owned();
    Phase::Quic.within(limit, race(addresses, |address| attempt(address, host.clone(), client.clone()))).await
}

async fn attempt(address: SocketAddr, host: String, config: quinn::ClientConfig) -> Result<Carrier<QuicStream>, Error> {
    let unreachable = |source| Error::Connect { endpoint: format!("{address} (UDP)"), source };
    let any = match address {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let endpoint = endpoint(any, None).map_err(unreachable)?;
    let connecting = endpoint.connect_with(config, address, &host).map_err(|error| match error {
        ConnectError::InvalidServerName(_) => {
            Error::InvalidEndpoint { reason: "the host is not a name that a certificate can have" }
        }
        error => unreachable(io::Error::other(error)),
    })?;
    let connection = connecting.await.map_err(connection_error)?;
    let (mut send, recv) = connection.open_bi().await.map_err(connection_error)?;
    send.write_all(&[STREAM_VERSION]).await.map_err(|error| Error::Io(error.into()))?;
    let local = endpoint.local_addr().ok();
    Ok(carrier(connection, send, recv, local))
}

fn endpoint(address: SocketAddr, server: Option<quinn::ServerConfig>) -> io::Result<Endpoint> {
    let socket = UdpSocket::bind(address)?;
    Endpoint::new(EndpointConfig::default(), server, socket, Arc::new(TokioRuntime))
}

/// Small and stated buffers; `streams` is what the peer may open.
fn transport(streams: u32) -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(streams.into())
        .max_concurrent_uni_streams(0_u32.into())
        .stream_receive_window(RECEIVE_WINDOW_BYTES.into())
        .receive_window(RECEIVE_WINDOW_BYTES.into())
        .send_window(SEND_WINDOW_BYTES)
        .max_idle_timeout(Some(IdleTimeout::from(VarInt::from_u32(IDLE_LIMIT_MILLIS))))
        .datagram_receive_buffer_size(None);
    transport
}

/// A connection without an application protocol is not one (RFC 9001 §8.1).
fn check_alpn(protocols: &[Vec<u8>]) -> Result<(), Error> {
    if protocols.is_empty() {
        return Err(Error::Unsupported { what: "application protocol", value: "none".to_owned() });
    }
    Ok(())
}

fn no_cipher(error: NoInitialCipherSuite) -> Error {
    Error::Tls { source: error.into() }
}

fn connection_error(error: ConnectionError) -> Error {
    /// What TLS has to complain about comes as these (RFC 9001 §4.8).
    const CRYPTO: std::ops::RangeInclusive<u64> = 0x100..=0x1ff;
    let code = match &error {
        ConnectionError::TransportError(error) => Some(error.code),
        ConnectionError::ConnectionClosed(close) => Some(close.error_code),
        _ => None,
    };
    match code {
        Some(code) if CRYPTO.contains(&u64::from(code)) => Error::Tls { source: error.into() },
        _ => Error::Quic { source: error.into() },
    }
}

fn carrier(
    connection: Connection,
    send: SendStream,
    recv: RecvStream,
    local: Option<SocketAddr>,
) -> Carrier<QuicStream> {
    let handshake = connection.handshake_data().and_then(|data| data.downcast::<HandshakeData>().ok());
    let chain = connection.peer_identity().and_then(|chain| chain.downcast::<Vec<CertificateDer<'static>>>().ok());
    let mut exporter = [0; 32];
    let exported = connection.export_keying_material(&mut exporter, CHANNEL_BINDING_LABEL, b"");
    let tls = TlsInfo {
        alpn: handshake.and_then(|handshake| handshake.protocol),
        peer_certificate: chain.and_then(|chain| chain.into_iter().next()),
        exporter: exported.ok().map(|()| exporter),
    };
    let local = local.map(|local| SocketAddr::new(connection.local_ip().unwrap_or(local.ip()), local.port()));
    // The system chooses anew for each datagram which address a dialer sends from.
    let local = local.filter(|local| !local.ip().is_unspecified());
    let info = CarrierInfo { local, peer: Some(connection.remote_address()), tls: Some(tls), ..CarrierInfo::default() };
    Carrier::from_parts(QuicStream { send, recv, connection, acknowledged: None }, info)
}

type Acknowledged = Pin<Box<dyn Future<Output = io::Result<()>> + Send + Sync>>;

/// The one stream of a QUIC connection.
///
/// Shutting down waits until the peer's system has acknowledged everything, so that whoever drops the stream afterwards
/// loses nothing. Dropping it ends both directions, as with TCP: what was written still arrives if the peer answers
/// within 5 s and this process lives on; what comes is refused.
pub struct QuicStream {
    send: SendStream,
    recv: RecvStream,
    connection: Connection,
    acknowledged: Option<Acknowledged>,
}

impl QuicStream {
    /// Ready once all that was written has been acknowledged; an error if the peer wants no more.
    fn acknowledged(send: &SendStream) -> Acknowledged {
        let stopped = send.stopped();
        Box::pin(async move {
            match stopped.await {
                Ok(None) => Ok(()),
                Ok(Some(_)) => Err(io::Error::new(io::ErrorKind::BrokenPipe, "the peer takes no more")),
                Err(error) => Err(error.into()),
            }
        })
    }
}

impl std::fmt::Debug for QuicStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QuicStream").field("connection", &self.connection).finish_non_exhaustive()
    }
}

impl AsyncRead for QuicStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        AsyncRead::poll_read(Pin::new(&mut self.recv), cx, buf)
    }
}

impl AsyncWrite for QuicStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(Pin::new(&mut self.send), cx, buf)
    }

    /// What was written is on its way by itself.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { send, acknowledged, .. } = &mut *self;
        // A second call finds the stream finished already, which is no error.
        let acknowledged = acknowledged.get_or_insert_with(|| {
            let _ = send.finish();
            Self::acknowledged(send)
        });
        let result = ready!(acknowledged.as_mut().poll(cx));
        // A future that is over may not be polled again.
        self.acknowledged = None;
        Poll::Ready(result)
    }
}

impl Drop for QuicStream {
    fn drop(&mut self) {
        // Neither fails but for a direction that has ended already.
        let _ = self.send.finish();
        let _ = self.recv.stop(NO_ERROR);
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        // The last handle closes the connection, and with it goes what has not arrived.
        let (acknowledged, connection) = (Self::acknowledged(&self.send), self.connection.clone());
        runtime.spawn(async move {
            let _ = tokio::time::timeout(LINGER, acknowledged).await;
            connection.close(NO_ERROR, b"");
        });
    }
}

/// Dials one host and port with [`connect`].
#[derive(Clone, Debug)]
pub struct QuicDialer {
    /// The name or IP address, without brackets, to look up and to verify.
    pub host: String,
    /// The UDP port.
    pub port: u16,
    /// From [`client_config`](crate::tls::client_config), with an application protocol.
    pub config: Arc<ClientConfig>,
    /// How long the name lookup may take.
    pub resolve_timeout: Duration,
    /// How long the handshake may take.
    pub handshake_timeout: Duration,
}

impl Dialer for QuicDialer {
    type Stream = QuicStream;

    async fn dial(&self) -> Result<Carrier<QuicStream>, Error> {
        let Self { host, port, config, resolve_timeout, handshake_timeout } = self;
        connect(host, *port, Arc::clone(config), *resolve_timeout, *handshake_timeout).await
    }
}

/// Listens on a UDP port. Dropping it takes no more connections; those that stand go on.
#[derive(Debug)]
pub struct QuicListener {
    endpoint: Endpoint,
    handshake_timeout: Duration,
}

impl QuicListener {
    /// Starts to listen; `config` is one from [`server_config`](crate::tls::server_config), with an application
    /// protocol. Port 0 picks a free one; [`QuicListener::local_addr`] tells which. Needs a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`Error::Listen`] when the address is taken, reserved or not ours; [`Error::Unsupported`] when `config` names no
    /// application protocol; [`Error::Tls`] when it has no cipher suite that QUIC begins with.
    pub fn bind(address: SocketAddr, config: Arc<ServerConfig>, handshake_timeout: Duration) -> Result<Self, Error> {
        check_alpn(&config.alpn_protocols)?;
        let crypto = QuicServerConfig::try_from(config).map_err(no_cipher)?;
        let mut server = quinn::ServerConfig::with_crypto(Arc::new(crypto));
        server
            .transport_config(Arc::new(transport(1)))
            .max_incoming(MAX_WAITING_CONNECTIONS)
            .incoming_buffer_size(WAITING_BYTES)
            .incoming_buffer_size_total(WAITING_BYTES.saturating_mul(64));
        let endpoint = endpoint(address, Some(server))
            .map_err(|source| Error::Listen { address: format!("{address} (UDP)"), source })?;
        Ok(Self { endpoint, handshake_timeout })
    }

    /// The address it listens on.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when the system does not tell.
    pub fn local_addr(&self) -> Result<SocketAddr, Error> {
        Ok(self.endpoint.local_addr()?)
    }
}

impl Listener for QuicListener {
    type Incoming = QuicIncoming;

    async fn accept(&mut self) -> Result<QuicIncoming, Error> {
        loop {
            let Some(incoming) = self.endpoint.accept().await else {
                return Err(io::Error::new(io::ErrorKind::NotConnected, "the QUIC endpoint is closed").into());
            };
            if incoming.remote_address_validated() {
                let local = self.endpoint.local_addr().ok();
                return Ok(QuicIncoming { incoming, local, handshake_timeout: self.handshake_timeout });
            }
            // It comes again with a token that proves its address. One that cannot is no loss.
            let _ = incoming.retry();
        }
    }
}

/// A QUIC connection whose handshake is still to come; its address is proven.
#[derive(Debug)]
pub struct QuicIncoming {
    incoming: quinn::Incoming,
    local: Option<SocketAddr>,
    handshake_timeout: Duration,
}

impl QuicIncoming {
    /// Who connects.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.incoming.remote_address()
    }
}

impl Incoming for QuicIncoming {
    type Stream = QuicStream;

    async fn handshake(self) -> Result<Carrier<QuicStream>, Error> {
        let Self { incoming, local, handshake_timeout } = self;
        let handshake = async {
            let connection = incoming.accept().map_err(connection_error)?.await.map_err(connection_error)?;
            let (send, mut recv) = connection.accept_bi().await.map_err(connection_error)?;
            let mut version = [0];
            recv.read_exact(&mut version).await.map_err(|error| Error::Quic { source: error.into() })?;
            if version != [STREAM_VERSION] {
                connection.close(UNKNOWN_VERSION, b"unknown version of the stream");
                let [version] = version;
                return Err(Error::Unsupported { what: "version of the QUIC stream", value: version.to_string() });
            }
            Ok(carrier(connection, send, recv, local))
        };
        Phase::Quic.within(handshake_timeout, handshake).await
    }
}
