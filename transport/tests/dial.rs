//! From an endpoint to a carrier, and what each phase says when it fails.

#[path = "conformance/identity.rs"]
mod identity;

use std::{io, sync::Arc, time::Duration};

use identity::Identity;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use towline_transport::{
    Dialer, Endpoint, Error, Incoming, Listener, Options, Scheme, Timeouts, dial, memory,
    quic::QuicListener,
    tcp::{self, TcpListener},
    tls::{self, PIN_NAME, TlsListener, Trust},
    websocket::WebSocketListener,
};

const LIMIT: Duration = Duration::from_secs(30);
const SUBPROTOCOL: &str = "towline.test.v1";

/// Sends back whatever comes, and says where it listens.
async fn echo<L>(tcp: TcpListener, wrap: impl FnOnce(TcpListener) -> L) -> u16
where
    L: Listener + 'static,
{
    let port = tcp.local_addr().unwrap().port();
    serve_echo(wrap(tcp));
    port
}

fn serve_echo(mut listener: impl Listener + 'static) {
    tokio::spawn(async move {
        while let Ok(incoming) = listener.accept().await {
            tokio::spawn(async move {
                let (mut input, mut output) = tokio::io::split(incoming.handshake().await.unwrap());
                tokio::io::copy(&mut input, &mut output).await
            });
        }
    });
}

async fn local() -> TcpListener {
    TcpListener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap()
}

fn endpoint(text: &str) -> Endpoint {
    text.parse().unwrap()
}

#[tokio::test]
async fn every_scheme_reaches_its_server_and_knows_what_it_reached() {
    let identity = Identity::new();
    let (leaf, key) = identity.leaf(PIN_NAME);
    let config = tls::server_config(vec![leaf, identity.certificate.clone()], key, &[]).unwrap();
    let with_tls = |inner| TlsListener { inner, config: Arc::clone(&config), handshake_timeout: LIMIT };
    let subprotocol = Some(SUBPROTOCOL.to_owned());

    let tcp = echo(local().await, |tcp| tcp).await;
    let tls = echo(local().await, with_tls).await;
    let ws = echo(local().await, |inner| WebSocketListener {
        inner,
        subprotocol: subprotocol.clone(),
        handshake_timeout: LIMIT,
    })
    .await;
    let wss = echo(local().await, |tcp| WebSocketListener {
        inner: with_tls(tcp),
        subprotocol: subprotocol.clone(),
        handshake_timeout: LIMIT,
    })
    .await;

    let alpn = b"towline.test.v1".to_vec();
    let (leaf, key) = identity.leaf(PIN_NAME);
    let over_quic = tls::server_config(vec![leaf, identity.certificate.clone()], key, &[&alpn]).unwrap();
    let quic = QuicListener::bind("127.0.0.1:0".parse().unwrap(), over_quic, LIMIT).unwrap();
    let quic_port = quic.local_addr().unwrap().port();
    serve_echo(quic);

    let trust = Trust::Pin(identity.pin());
    let options = Options { trust, alpn: vec![alpn], subprotocol: subprotocol.clone(), ..Options::default() };
    for (text, encrypted, negotiated) in [
        (format!("tcp://localhost:{tcp}"), false, None),
        (format!("tls://127.0.0.1:{tls}"), true, None),
        (format!("ws://localhost:{ws}/tunnel"), false, Some(SUBPROTOCOL)),
        (format!("wss://localhost:{wss}/tunnel"), true, Some(SUBPROTOCOL)),
        (format!("quic://localhost:{quic_port}"), true, None),
    ] {
        let to = endpoint(&text);
        let mut carrier = dial(&to, &options).await.unwrap();
        carrier.write_all(b"ahoy").await.unwrap();
        carrier.flush().await.unwrap();
        let mut back = [0; 4];
        carrier.read_exact(&mut back).await.unwrap();
        assert_eq!(&back, b"ahoy");

        let info = carrier.info();
        assert_eq!(info.endpoint.as_ref(), Some(&to));
        assert_eq!(info.peer.unwrap().port(), to.port());
        assert!(info.local.is_none_or(|local| local.ip().is_loopback()));
        assert_eq!(info.local.is_none(), to.scheme() == Scheme::Quic);
        assert_eq!(info.tls.is_some(), encrypted);
        assert_eq!(info.subprotocol.as_deref(), negotiated);
    }
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_refused() {
    let port = local().await.local_addr().unwrap().port();
    let error = dial(&endpoint(&format!("tcp://localhost:{port}")), &Options::default()).await.unwrap_err();
    assert!(matches!(error, Error::Connect { .. }), "{error:?}");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);

    let error = tcp::connect_addr(([127, 0, 0, 1], port).into(), LIMIT).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn a_name_without_an_address_is_a_failure_to_resolve() {
    // A label this long is refused without asking a name server.
    let name = format!("{}.invalid", "a".repeat(64));
    let error = tcp::connect(&name, 22, LIMIT).await.unwrap_err();
    assert!(matches!(&error, Error::Resolve { host, .. } if *host == name), "{error:?}");
}

#[tokio::test]
async fn a_host_that_does_not_answer_is_given_up_at_the_limit() {
    // A backlog of one that is full drops further attempts, as a host behind a firewall would.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let limit = Duration::from_millis(300);
    let mut held = Vec::new();
    let error = loop {
        match tcp::connect_addr(address, limit).await {
            Ok(carrier) => held.push(carrier),
            Err(error) => break error,
        }
        assert!(held.len() < 100, "the backlog never fills");
    };
    assert!(matches!(error, Error::Connect { .. }), "{error:?}");
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn a_server_that_takes_the_connection_and_says_nothing_is_given_up_at_the_limit() {
    let silent = local().await;
    let port = silent.local_addr().unwrap().port();
    let timeouts = Timeouts { upgrade: Duration::from_millis(100), ..Timeouts::default() };
    let options = Options { timeouts, ..Options::default() };
    let error = dial(&endpoint(&format!("ws://localhost:{port}/")), &options).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { after, .. } if after == timeouts.upgrade), "{error:?}");
}

#[tokio::test]
async fn an_address_in_use_is_a_failure_to_listen() {
    let first = local().await;
    let error = TcpListener::bind(first.local_addr().unwrap()).await.unwrap_err();
    assert!(matches!(&error, Error::Listen { .. }), "{error:?}");
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
}

#[tokio::test]
async fn a_cancelled_accept_loses_no_connection() {
    let mut listener = local().await;
    let address = listener.local_addr().unwrap();
    for _ in 0..20 {
        let connecting = tokio::spawn(tcp::connect_addr(address, LIMIT));
        let accepted = loop {
            tokio::select! {
                biased;
                accepted = listener.accept() => break accepted.unwrap(),
                () = tokio::task::yield_now() => {}
            }
        };
        let far = accepted.handshake().await.unwrap();
        let near = connecting.await.unwrap().unwrap();
        assert_eq!(near.info().local, far.info().peer);
        assert!(near.stream().nodelay().unwrap() && far.stream().nodelay().unwrap());
    }
}

#[tokio::test]
async fn a_memory_listener_that_is_gone_refuses() {
    let (dialer, listener) = memory::listen(1000);
    drop(listener);
    assert_eq!(dialer.dial().await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);

    let (dialer, mut listener) = memory::listen(1000);
    drop(dialer);
    assert!(listener.accept().await.is_err());
}

#[test]
fn options_are_shown_without_the_values_of_headers() {
    let header = (http::HeaderName::from_static("authorization"), http::HeaderValue::from_static("Bearer secret"));
    let shown = format!("{:?}", Options { headers: vec![header], ..Options::default() });
    assert!(shown.contains("authorization") && !shown.contains("secret"), "{shown}");
}
