//! What QUIC does that a plain pipe does not: its failures by phase, its first byte, what outlives a drop.

#[path = "conformance/identity.rs"]
mod identity;

use std::{net::UdpSocket, sync::Arc, time::Duration};

use identity::Identity;
use quinn::crypto::rustls::QuicClientConfig;
use rustls::{ClientConfig, ServerConfig};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
};
use towline_transport::{
    Carrier, Dialer, Error, Incoming, Listener, Phase,
    quic::{QuicDialer, QuicListener, QuicStream, STREAM_VERSION},
    tls::{self, PIN_NAME, Trust},
};

const ALPN: &[u8] = b"towline.test.v1";
const LIMIT: Duration = Duration::from_secs(30);

fn server(identity: &Identity, alpn: &[&[u8]]) -> Arc<ServerConfig> {
    let (leaf, key) = identity.leaf(PIN_NAME);
    tls::server_config(vec![leaf, identity.certificate.clone()], key, alpn).unwrap()
}

fn client(identity: &Identity, alpn: &[&[u8]]) -> Arc<ClientConfig> {
    tls::client_config(&Trust::Pin(identity.pin()), alpn).unwrap()
}

fn listen(config: Arc<ServerConfig>) -> (QuicListener, u16) {
    let listener = QuicListener::bind("127.0.0.1:0".parse().unwrap(), config, LIMIT).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn dialer(port: u16, config: Arc<ClientConfig>) -> QuicDialer {
    let host = "127.0.0.1".to_owned();
    QuicDialer { host, port, config, resolve_timeout: LIMIT, handshake_timeout: LIMIT }
}

async fn accepted(mut listener: QuicListener) -> Result<Carrier<QuicStream>, Error> {
    listener.accept().await?.handshake().await
}

async fn pair() -> (Carrier<QuicStream>, Carrier<QuicStream>) {
    let identity = Identity::new();
    let (listener, port) = listen(server(&identity, &[ALPN]));
    let dialer = dialer(port, client(&identity, &[ALPN]));
    tokio::try_join!(dialer.dial(), accepted(listener)).unwrap()
}

#[tokio::test]
async fn both_ends_know_protocol_addresses_and_the_same_channel_binding() {
    let (near, far) = pair().await;
    let (near, far) = (near.info(), far.info());
    let (near_tls, far_tls) = (near.tls.as_ref().unwrap(), far.tls.as_ref().unwrap());
    assert_eq!(near_tls.alpn.as_deref(), Some(ALPN));
    assert_eq!(far_tls.alpn.as_deref(), Some(ALPN));
    assert!(near_tls.peer_certificate.is_some() && far_tls.peer_certificate.is_none());
    assert!(near_tls.exporter.is_some() && near_tls.exporter == far_tls.exporter);
    assert_eq!(near.peer.unwrap().port(), far.local.unwrap().port());
    assert!(far.peer.unwrap().ip().is_loopback());
}

#[tokio::test]
async fn the_acceptor_may_speak_first() {
    let (mut near, mut far) = pair().await;
    far.write_all(b"SSH-2.0-x\r\n").await.unwrap();
    let mut banner = [0; 11];
    near.read_exact(&mut banner).await.unwrap();
    assert_eq!(&banner, b"SSH-2.0-x\r\n");
}

#[tokio::test]
async fn what_was_written_arrives_although_its_writer_dropped_the_stream_at_once() {
    for shuts_down in [false, true] {
        let (mut near, mut far) = pair().await;
        near.write_all(&[7; 100_000]).await.unwrap();
        if shuts_down {
            near.shutdown().await.unwrap();
        }
        drop(near);
        tokio::time::sleep(Duration::from_millis(50)).await;
        let mut all = Vec::new();
        far.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, [7; 100_000]);
    }
}

/// A NAT in front of `server`, and the port to dial: it forgets and gives the dialer another port each time it is told to.
async fn nat(server: u16) -> (u16, mpsc::Sender<()>) {
    let bind = || tokio::net::UdpSocket::bind("127.0.0.1:0");
    let inside = bind().await.unwrap();
    let port = inside.local_addr().unwrap().port();
    let (forget, mut forgotten) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut outside = bind().await.unwrap();
        let mut dialer = None;
        let (mut out, mut back) = ([0; 2048], [0; 2048]);
        loop {
            tokio::select! {
                Ok((length, from)) = inside.recv_from(&mut out) => {
                    dialer = Some(from);
                    outside.send_to(&out[..length], ("127.0.0.1", server)).await.unwrap();
                }
                Ok((length, _)) = outside.recv_from(&mut back) => {
                    inside.send_to(&back[..length], dialer.unwrap()).await.unwrap();
                }
                Some(()) = forgotten.recv() => outside = bind().await.unwrap(),
                else => return,
            }
        }
    });
    (port, forget)
}

#[tokio::test]
async fn a_connection_outlives_a_change_of_the_dialers_address() {
    let identity = Identity::new();
    let (listener, port) = listen(server(&identity, &[ALPN]));
    let (port, forget) = nat(port).await;
    let dialer = dialer(port, client(&identity, &[ALPN]));
    let (mut near, mut far) = tokio::try_join!(dialer.dial(), accepted(listener)).unwrap();
    for round in 0..3 {
        near.write_all(&[round]).await.unwrap();
        assert_eq!(far.read_u8().await.unwrap(), round);
        far.write_all(&[round]).await.unwrap();
        assert_eq!(near.read_u8().await.unwrap(), round);
        forget.send(()).await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_a_failure_of_tls() {
    let identity = Identity::new();
    let (listener, port) = listen(server(&identity, &[ALPN]));
    let dialer = dialer(port, client(&Identity::new(), &[ALPN]));
    let (dialled, accepted) = tokio::join!(dialer.dial(), accepted(listener));
    assert!(matches!(dialled, Err(Error::Tls { .. })), "{dialled:?}");
    assert!(matches!(accepted, Err(Error::Tls { .. })), "{accepted:?}");
}

#[tokio::test]
async fn another_application_protocol_is_a_failure_of_tls_and_none_is_not_dialled() {
    let identity = Identity::new();
    let (listener, port) = listen(server(&identity, &[b"h3"]));
    let dialled = dialer(port, client(&identity, &[ALPN]));
    let (dialled, _) = tokio::join!(dialled.dial(), accepted(listener));
    assert!(matches!(dialled, Err(Error::Tls { .. })), "{dialled:?}");

    let none = dialer(port, client(&identity, &[])).dial().await;
    assert!(matches!(none, Err(Error::Unsupported { what: "application protocol", .. })), "{none:?}");
    let none = QuicListener::bind("127.0.0.1:0".parse().unwrap(), server(&identity, &[]), LIMIT);
    assert!(matches!(none, Err(Error::Unsupported { what: "application protocol", .. })), "{none:?}");
}

#[tokio::test]
async fn a_port_that_swallows_datagrams_is_given_up_at_the_limit() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut dialer = dialer(silent.local_addr().unwrap().port(), client(&Identity::new(), &[ALPN]));
    dialer.handshake_timeout = Duration::from_millis(200);
    let error = dialer.dial().await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { phase: Phase::Quic, .. }), "{error:?}");
}

#[tokio::test]
async fn a_port_in_use_is_a_failure_to_listen() {
    let identity = Identity::new();
    let (first, _) = listen(server(&identity, &[ALPN]));
    let error = QuicListener::bind(first.local_addr().unwrap(), server(&identity, &[ALPN]), LIMIT).unwrap_err();
    assert!(matches!(error, Error::Listen { .. }), "{error:?}");
}

#[tokio::test]
async fn a_stream_of_another_version_is_refused_and_a_dialer_that_opens_none_is_given_up() {
    for first_byte in [Some(STREAM_VERSION + 1), None] {
        let identity = Identity::new();
        let address = "127.0.0.1:0".parse().unwrap();
        let limit = Duration::from_millis(500);
        let mut listener = QuicListener::bind(address, server(&identity, &[ALPN]), limit).unwrap();
        let address = listener.local_addr().unwrap();

        let config = QuicClientConfig::try_from(client(&identity, &[ALPN])).unwrap();
        let endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        let config = quinn::ClientConfig::new(Arc::new(config));
        let foreign = async {
            let connection = endpoint.connect_with(config, address, "x").unwrap().await.unwrap();
            let (mut send, recv) = connection.open_bi().await.unwrap();
            if let Some(first_byte) = first_byte {
                send.write_all(&[first_byte]).await.unwrap();
            }
            connection.closed().await;
            drop((send, recv));
        };
        let (accepted, ()) = tokio::join!(async { listener.accept().await?.handshake().await }, foreign);
        match first_byte {
            Some(_) => assert!(matches!(accepted, Err(Error::Unsupported { .. })), "{accepted:?}"),
            None => assert!(matches!(accepted, Err(Error::TimedOut { phase: Phase::Quic, .. })), "{accepted:?}"),
        }
    }
}
