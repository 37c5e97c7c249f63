//! The one port: TLS and plain HTTP told apart by the first byte, each connection in a task of its own, and every
//! connection that has not asked anything yet bounded in time and number. The port for metrics works the same way.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::Router;
use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::Notify,
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::{TlsAcceptor, TlsStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;
use towline_cloud_api::{ErrorCode, Problem};
use towline_transport::{
    BoxTransport, Incoming as _, Listener as _, quic::QuicListener, tcp::shorten_unsent_queue, tls::TlsInfo,
};

use crate::{
    auth::Peer,
    source::{Network, said_to_be_secure, source},
    unfinished::{Place, Unfinished},
};

/// The first byte of a TLS connection: a handshake record (RFC 8446 §5.1).
const TLS_HANDSHAKE: u8 = 0x16;
/// From the connection to the end of the first request's head, TLS handshake included; and for each later head.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// For requests under way when the cloud stops.
const LAST_REQUESTS: Duration = Duration::from_secs(5);
/// After an error of `accept`, which is most often that there are no file descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const MAX_STREAMS: u32 = 64;
const HTTP2_PING_EVERY: Duration = Duration::from_secs(20);

/// What every connection is served with.
pub(crate) struct Service {
    pub(crate) routes: Router,
    /// Without it the port speaks plain HTTP only.
    pub(crate) tls: Option<Arc<ServerConfig>>,
    pub(crate) plain_from_anywhere: bool,
    /// Who may say where a request really comes from, and may ask without TLS.
    pub(crate) trusted_proxies: Vec<Network>,
    pub(crate) unfinished: Unfinished,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

/// Accepts connections until the cloud stops.
pub(crate) async fn listen(listener: TcpListener, service: Arc<Service>) {
    loop {
        let accepted = tokio::select! {
            accepted = next(&listener) => accepted,
            () = service.stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let source = Some(peer.ip()).filter(|ip| !service.is_trusted(*ip));
                let place = service.unfinished.enter(source);
                service.tasks.spawn(serve(service.clone(), stream, peer, place));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn next(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    shorten_unsent_queue(&stream);
    Ok((stream, canonical(peer)))
}

/// An IPv4 address as one, also where the port takes both kinds.
fn canonical(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip().to_canonical(), peer.port())
}

/// The same over QUIC: HTTP on the one stream of each connection.
pub(crate) async fn listen_quic(mut listener: QuicListener, service: Arc<Service>) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = service.stop.cancelled() => return,
        };
        match accepted {
            Ok(incoming) => {
                let peer = canonical(incoming.peer());
                let place = service.unfinished.enter(Some(peer.ip()));
                let service = service.clone();
                service.tasks.clone().spawn(async move {
                    let deadline = Instant::now() + PATIENCE;
                    let lost = place.lost();
                    let shaken = tokio::select! {
                        shaken = incoming.handshake() => shaken,
                        () = lost.cancelled() => return,
                    };
                    match shaken {
                        Ok(carrier) => {
                            let exporter = carrier.info().tls.as_ref().and_then(|tls| tls.exporter);
                            let stream = Stream::Encrypted(Box::new(carrier.into_inner()), exporter);
                            serve_http(&service, stream, peer, place, deadline).await;
                        }
                        Err(error) => tracing::debug!(%peer, %error, "a QUIC handshake failed"),
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a QUIC connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

impl Service {
    fn is_trusted(&self, ip: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(ip))
    }
}

async fn serve(service: Arc<Service>, stream: TcpStream, peer: SocketAddr, place: Place) {
    let deadline = Instant::now() + PATIENCE;
    let lost = place.lost();
    let greeted = tokio::select! {
        greeted = timeout_at(deadline, greet(&service, stream, peer)) => greeted,
        () = lost.cancelled() => return,
    };
    if let Ok(Some(stream)) = greeted {
        serve_http(&service, stream, peer, place, deadline).await;
    }
}

/// Finds out whether it is TLS, and does the handshake.
async fn greet(service: &Service, mut stream: TcpStream, peer: SocketAddr) -> Option<Stream> {
    let mut first = [0];
    if !matches!(stream.peek(&mut first).await, Ok(1)) {
        return None;
    }
    match &service.tls {
        Some(tls) if first == [TLS_HANDSHAKE] => match TlsAcceptor::from(tls.clone()).accept(stream).await {
            Ok(stream) => {
                let stream = TlsStream::from(stream);
                let exporter = TlsInfo::of(&stream).exporter;
                Some(Stream::Encrypted(Box::new(stream), exporter))
            }
            Err(error) => {
                tracing::debug!(%peer, %error, "a TLS handshake failed");
                None
            }
        },
        _ if peer.ip().is_loopback() || service.plain_from_anywhere || service.is_trusted(peer.ip()) => {
            Some(Stream::Plain(stream))
        }
        _ => {
            // Whatever comes of it: the connection ends here.
            let _ = refuse_plain(&mut stream).await;
            None
        }
    }
}

async fn refuse_plain(stream: &mut TcpStream) -> io::Result<()> {
    let body = serde_json::to_string(&Problem::from(ErrorCode::PlainRefused)).unwrap_or_default();
    let head = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await?;
    // What the client still sends is read, or the kernel would reset the connection before the answer is seen.
    let mut scratch = [0; 1024];
    for _ in 0..64 {
        stream.readable().await?;
        match stream.try_read(&mut scratch) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn serve_http(service: &Service, stream: Stream, peer: SocketAddr, place: Place, deadline: Instant) {
    let asked = Arc::new(Notify::new());
    let lost = place.lost();
    let place = Arc::new(Mutex::new(Some(place)));
    let (exporter, is_tls) = match &stream {
        Stream::Plain(_) => (None, false),
        Stream::Encrypted(_, exporter) => (*exporter, true),
    };
    let is_from_proxy = service.is_trusted(peer.ip());
    let on_request = {
        let asked = asked.clone();
        service_fn(move |mut request: Request<Incoming>| {
            // The first request has arrived: the connection is no longer one of the silent ones.
            if place.lock().unwrap_or_else(PoisonError::into_inner).take().is_some() {
                asked.notify_one();
            }
            let source = source(peer, request.headers(), &service.trusted_proxies);
            let is_secure = is_tls || (is_from_proxy && said_to_be_secure(request.headers()));
            request.extensions_mut().insert(Peer { source, is_secure, exporter });
            service.routes.clone().oneshot(request.map(axum::body::Body::new))
        })
    };
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(PATIENCE).max_buf_size(64 * 1024);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(HTTP2_PING_EVERY)
        .keep_alive_timeout(PATIENCE)
        .max_concurrent_streams(MAX_STREAMS);
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), on_request);
    let mut connection = std::pin::pin!(connection);
    // The connection has its own limits once it speaks; until then it is this one that counts.
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        spoke = timeout_at(deadline, asked.notified()) => match spoke {
            Ok(()) => None,
            Err(_) => return,
        },
        () = lost.cancelled() => return,
        () = service.stop.cancelled() => return,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => tokio::select! {
            ended = connection.as_mut() => ended,
            () = service.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                timeout(LAST_REQUESTS, connection).await.unwrap_or(Ok(()))
            }
        },
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "a connection failed");
    }
}

/// Either kind of connection.
enum Stream {
    Plain(TcpStream),
    /// TLS over TCP, or QUIC's stream; and the exporter of RFC 9266.
    Encrypted(BoxTransport, Option<[u8; 32]>),
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Encrypted(stream, _) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Encrypted(stream, _) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Encrypted(stream, _) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Encrypted(stream, _) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Encrypted(stream, _) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Encrypted(stream, _) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
