//! Two connected ends of each transport, and what it is able to.

use std::{
    io,
    pin::Pin,
    process::Stdio,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    process::{Child, ChildStdin, ChildStdout, Command},
};
#[cfg(feature = "testing")]
use towline_transport::testing;
use towline_transport::{
    BoxTransport, Dialer, Incoming, Listener, memory,
    quic::{QuicDialer, QuicListener},
    splice,
    stdio::stdio as own_stdio,
    tcp::{self, TcpDialer, TcpListener},
    tls::{self, PIN_NAME, TlsDialer, TlsListener, Trust},
    websocket::{ClientRequest, WebSocketDialer, WebSocketListener},
};

use crate::identity::Identity;

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);
const MEMORY_BUFFER_BYTES: usize = 16 * 1024;

/// More than the kernel's largest buffers for both ends of a loopback connection.
const TCP_AHEAD_BYTES: usize = 48 << 20;
/// The kernel's buffer for a Unix socket, generously.
#[cfg(unix)]
const UNIX_AHEAD_BYTES: usize = 4 << 20;
const TLS_AHEAD_BYTES: usize = 128 << 10;
/// Both windows, and the writes that go beyond the one by less than a piece.
const QUIC_AHEAD_BYTES: usize = (2 << 20) + (64 << 10);
const WEBSOCKET_AHEAD_BYTES: usize = 96 << 10;
/// What tokio's standard output takes at once, the pipes and the child's splice.
const STDIO_AHEAD_BYTES: usize = 4 << 20;

pub(crate) struct Pair {
    pub(crate) near: BoxTransport,
    pub(crate) far: BoxTransport,
    pub(crate) abilities: Abilities,
}

#[derive(Clone, Copy)]
pub(crate) struct Abilities {
    pub(crate) half_close: bool,
    /// Whether the near end sees that the far one has ended. A child that waits for input cannot close its output.
    pub(crate) far_end_shows: bool,
    pub(crate) max_ahead_bytes: usize,
}

impl Abilities {
    fn ahead(max_ahead_bytes: usize) -> Self {
        Self { half_close: true, far_end_shows: true, max_ahead_bytes }
    }
}

async fn connect(dialer: impl Dialer, mut listener: impl Listener, abilities: Abilities) -> Pair {
    let accepted = async { listener.accept().await?.handshake().await };
    let (near, far) = tokio::join!(dialer.dial(), accepted);
    Pair { near: near.unwrap().boxed().into_inner(), far: far.unwrap().boxed().into_inner(), abilities }
}

async fn tcp_ends() -> (TcpDialer, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (TcpDialer { host: "localhost".to_owned(), port, connect_timeout: HANDSHAKE_TIMEOUT }, listener)
}

fn with_tls<D, L>((dialer, listener): (D, L)) -> (TlsDialer<D>, TlsListener<L>) {
    let identity = Identity::new();
    let (leaf, key) = identity.leaf(PIN_NAME);
    let client = tls::client_config(&Trust::Pin(identity.pin()), &[]).unwrap();
    let server = tls::server_config(vec![leaf, identity.certificate.clone()], key, &[]).unwrap();
    let dialer = TlsDialer {
        inner: dialer,
        host: "cloud.example".to_owned(),
        config: client,
        handshake_timeout: HANDSHAKE_TIMEOUT,
    };
    (dialer, TlsListener { inner: listener, config: server, handshake_timeout: HANDSHAKE_TIMEOUT })
}

fn quic_ends() -> (QuicDialer, QuicListener) {
    let alpn: [&[u8]; 1] = [b"towline.test.v1"];
    let identity = Identity::new();
    let (leaf, key) = identity.leaf(PIN_NAME);
    let server = tls::server_config(vec![leaf, identity.certificate.clone()], key, &alpn).unwrap();
    let listener = QuicListener::bind("127.0.0.1:0".parse().unwrap(), server, HANDSHAKE_TIMEOUT).unwrap();
    let dialer = QuicDialer {
        host: "127.0.0.1".to_owned(),
        port: listener.local_addr().unwrap().port(),
        config: tls::client_config(&Trust::Pin(identity.pin()), &alpn).unwrap(),
        resolve_timeout: HANDSHAKE_TIMEOUT,
        handshake_timeout: HANDSHAKE_TIMEOUT,
    };
    (dialer, listener)
}

fn with_websocket<D, L>((dialer, listener): (D, L)) -> (WebSocketDialer<D>, WebSocketListener<L>) {
    let subprotocol = Some("towline.test.v1".to_owned());
    let request = ClientRequest {
        authority: "cloud.example".to_owned(),
        path: "/pipe?for=test".to_owned(),
        headers: Vec::new(),
        subprotocol: subprotocol.clone(),
    };
    let dialer = WebSocketDialer { inner: dialer, request, handshake_timeout: HANDSHAKE_TIMEOUT };
    (dialer, WebSocketListener { inner: listener, subprotocol, handshake_timeout: HANDSHAKE_TIMEOUT })
}

pub(crate) async fn tcp() -> Pair {
    let (dialer, listener) = tcp_ends().await;
    connect(dialer, listener, Abilities::ahead(TCP_AHEAD_BYTES)).await
}

pub(crate) async fn memory() -> Pair {
    let (dialer, listener) = memory::listen(MEMORY_BUFFER_BYTES);
    connect(dialer, listener, Abilities::ahead(MEMORY_BUFFER_BYTES)).await
}

#[cfg(unix)]
pub(crate) async fn unix() -> Pair {
    use std::sync::atomic::{AtomicU32, Ordering};
    use towline_transport::unix::{UnixDialer, UnixListener};

    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("towline-conformance-{}-{number}", std::process::id()));
    let listener = UnixListener::bind(&path).await.unwrap();
    connect(UnixDialer { path, connect_timeout: HANDSHAKE_TIMEOUT }, listener, Abilities::ahead(UNIX_AHEAD_BYTES)).await
}

#[cfg(feature = "testing")]
pub(crate) async fn chopped_over_memory() -> Pair {
    let Pair { near, far, abilities } = memory().await;
    let wrap = |stream, seed| Box::new(testing::Chopped::new(stream, 2000, seed));
    Pair { near: wrap(near, 1), far: wrap(far, 2), abilities }
}

#[cfg(feature = "testing")]
pub(crate) async fn slow_over_memory() -> Pair {
    let Pair { near, far, abilities } = memory().await;
    // Shorter than a timer's millisecond: a pause all the same, and ten megabytes in time.
    let wrap = |stream| Box::new(testing::Slow::new(stream, Duration::from_micros(1)));
    Pair { near: wrap(near), far: wrap(far), abilities }
}

/// One that will not break while the test lasts.
#[cfg(feature = "testing")]
pub(crate) async fn flaky_while_whole_over_memory() -> Pair {
    let Pair { near, far, abilities } = memory().await;
    let wrap = |stream| Box::new(testing::Flaky::after(stream, u64::MAX));
    Pair { near: wrap(near), far: wrap(far), abilities }
}

pub(crate) async fn quic() -> Pair {
    let (dialer, listener) = quic_ends();
    connect(dialer, listener, Abilities::ahead(QUIC_AHEAD_BYTES)).await
}

pub(crate) async fn websocket_over_quic() -> Pair {
    let (dialer, listener) = with_websocket(quic_ends());
    let abilities = Abilities::ahead(QUIC_AHEAD_BYTES + WEBSOCKET_AHEAD_BYTES);
    connect(dialer, listener, Abilities { half_close: false, ..abilities }).await
}

pub(crate) async fn tls_over_tcp() -> Pair {
    let (dialer, listener) = with_tls(tcp_ends().await);
    connect(dialer, listener, Abilities::ahead(TCP_AHEAD_BYTES + TLS_AHEAD_BYTES)).await
}

pub(crate) async fn tls_over_memory() -> Pair {
    let (dialer, listener) = with_tls(memory::listen(MEMORY_BUFFER_BYTES));
    connect(dialer, listener, Abilities::ahead(MEMORY_BUFFER_BYTES + TLS_AHEAD_BYTES)).await
}

pub(crate) async fn websocket_over_memory() -> Pair {
    let (dialer, listener) = with_websocket(memory::listen(MEMORY_BUFFER_BYTES));
    let abilities = Abilities::ahead(MEMORY_BUFFER_BYTES + WEBSOCKET_AHEAD_BYTES);
    connect(dialer, listener, Abilities { half_close: false, ..abilities }).await
}

pub(crate) async fn websocket_over_tls_over_tcp() -> Pair {
    let (dialer, listener) = with_websocket(with_tls(tcp_ends().await));
    let abilities = Abilities::ahead(TCP_AHEAD_BYTES + TLS_AHEAD_BYTES + WEBSOCKET_AHEAD_BYTES);
    connect(dialer, listener, Abilities { half_close: false, ..abilities }).await
}

pub(crate) async fn boxed_carrier_over_memory() -> Pair {
    let Pair { near, far, abilities } = memory().await;
    let wrap = |stream| towline_transport::Carrier::new(stream).boxed().into_inner();
    Pair { near: wrap(near), far: wrap(far), abilities }
}

const CHILD_VARIABLE: &str = "TOWLINE_TEST_STDIO_PEER";
const CHILD_TEST: &str = "the_child_process_joins_its_stdio_to_a_connection";
const CHILD_READY: &[u8] = b"\0ready\0";

/// The near end is a child's standard input and output, the far end the connection that the child joins them to.
pub(crate) async fn stdio() -> Pair {
    let mut listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", CHILD_TEST, "--nocapture", "--quiet"])
        .env(CHILD_VARIABLE, listener.local_addr().unwrap().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let far = listener.accept().await.unwrap().handshake().await.unwrap().boxed().into_inner();

    // The test harness of the child has its say first.
    let mut output = child.stdout.take().unwrap();
    let mut greeting = Vec::new();
    while !greeting.ends_with(CHILD_READY) {
        greeting.push(output.read_u8().await.unwrap());
    }
    let input = child.stdin.take();
    let abilities =
        Abilities { half_close: false, far_end_shows: false, max_ahead_bytes: TCP_AHEAD_BYTES + STDIO_AHEAD_BYTES };
    Pair { near: Box::new(ChildPipes { input, output, _child: child }), far, abilities }
}

pub(crate) async fn run_stdio_child() {
    let Ok(peer) = std::env::var(CHILD_VARIABLE) else { return };
    let mut peer = tcp::connect_addr(peer.parse().unwrap(), HANDSHAKE_TIMEOUT).await.unwrap();
    let mut stdio = own_stdio();
    stdio.write_all(CHILD_READY).await.unwrap();
    stdio.flush().await.unwrap();
    let spliced = splice(&mut stdio, &mut peer).await;
    // Before the test harness can write its summary among our bytes.
    std::process::exit(i32::from(spliced.is_err()));
}

/// Dropping it closes the pipes; the child then ends by itself, once it has passed on what it holds.
struct ChildPipes {
    input: Option<ChildStdin>,
    output: ChildStdout,
    _child: Child,
}

impl AsyncRead for ChildPipes {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.output).poll_read(cx, buf)
    }
}

impl AsyncWrite for ChildPipes {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.input {
            Some(input) => Pin::new(input).poll_write(cx, buf),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.input {
            Some(input) => Pin::new(input).poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Only closing the pipe gives the child an end of file.
        self.input = None;
        Poll::Ready(Ok(()))
    }
}
