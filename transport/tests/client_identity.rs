//! Servers that ask who connects: over TLS, WebSocket and QUIC, and OpenSSL's.

#[path = "conformance/identity.rs"]
mod identity;

use std::{
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use identity::Identity;
use rcgen::{CertificateParams, KeyPair};
use rustls::{ServerConfig, pki_types::CertificateDer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{sleep, timeout},
};
use towline_transport::{
    BoxTransport, Carrier, Endpoint, Error, Incoming, Listener, Options, dial,
    quic::QuicListener,
    tcp::TcpListener,
    tls::{self, ClientIdentity, PIN_NAME, TlsListener, Trust, certificates_from_pem_file},
    websocket::WebSocketListener,
};

const LIMIT: Duration = Duration::from_secs(30);
const ALPN: &[u8] = b"towline.test.v1";

type Ends = (Result<Carrier<BoxTransport>, Error>, Result<Carrier<BoxTransport>, Error>);

async fn ends(mut listener: impl Listener, to: &str, options: &Options) -> Ends {
    let to: Endpoint = to.parse().unwrap();
    let accepted = async { Ok(listener.accept().await?.handshake().await?.boxed()) };
    tokio::join!(dial(&to, options), accepted)
}

/// The two ends over each transport that has TLS in it.
async fn each_transport(server: &Arc<ServerConfig>, options: &Options) -> [Ends; 3] {
    let tcp = async || TcpListener::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let over_tls = |inner| TlsListener { inner, config: server.clone(), handshake_timeout: LIMIT };
    let port = |listener: &TcpListener| listener.local_addr().unwrap().port();

    let listener = tcp().await;
    let to = format!("tls://127.0.0.1:{}", port(&listener));
    let over_tls_only = ends(over_tls(listener), &to, options).await;

    let inner = tcp().await;
    let to = format!("wss://127.0.0.1:{}/", port(&inner));
    let listener = WebSocketListener { inner: over_tls(inner), subprotocol: None, handshake_timeout: LIMIT };
    let websocket = ends(listener, &to, options).await;

    let listener = QuicListener::bind("127.0.0.1:0".parse().unwrap(), server.clone(), LIMIT).unwrap();
    let to = format!("quic://127.0.0.1:{}", listener.local_addr().unwrap().port());
    [over_tls_only, websocket, ends(listener, &to, options).await]
}

fn demanding(server: &Identity, clients: &Identity) -> Arc<ServerConfig> {
    let (leaf, key) = server.leaf(PIN_NAME);
    let chain = vec![leaf, server.certificate.clone()];
    tls::server_config_for(std::slice::from_ref(&clients.certificate), chain, key, &[ALPN]).unwrap()
}

fn client(identity: &Identity) -> (CertificateDer<'static>, ClientIdentity) {
    let (certificate, key) = identity.leaf("pump-7");
    (certificate.clone(), ClientIdentity::new(vec![certificate], key))
}

#[tokio::test]
async fn who_is_known_is_let_in_and_recognised() {
    let (server, clients) = (Identity::new(), Identity::new());
    let (certificate, identity) = client(&clients);
    let options = Options {
        trust: Trust::Pin(server.pin()),
        alpn: vec![ALPN.to_vec()],
        client_identity: Some(Arc::new(identity)),
        ..Options::default()
    };
    for (near, far) in each_transport(&demanding(&server, &clients), &options).await {
        let (mut near, mut far) = (near.unwrap(), far.unwrap());
        assert_eq!(far.info().tls.as_ref().unwrap().peer_certificate.as_ref(), Some(&certificate));
        far.write_all(b"welcome").await.unwrap();
        far.flush().await.unwrap();
        let mut said = [0; 7];
        near.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"welcome");
    }
}

#[tokio::test]
async fn who_is_unknown_or_shows_nothing_is_not_let_in() {
    let (server, clients) = (Identity::new(), Identity::new());
    let stranger = client(&Identity::new()).1;
    for client_identity in [None, Some(Arc::new(stranger))] {
        let trust = Trust::Pin(server.pin());
        let options = Options { trust, alpn: vec![ALPN.to_vec()], client_identity, ..Options::default() };
        for (near, far) in each_transport(&demanding(&server, &clients), &options).await {
            assert!(matches!(far, Err(Error::Tls { .. })), "{far:?}");
            // With TLS 1.3 a client learns of it only when it reads.
            if let Ok(mut near) = near {
                near.read_u8().await.unwrap_err();
            }
        }
    }
}

/// A self-signed certificate, in PEM, with its key.
fn write_self_signed(folder: &Path, name: &str) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap();
    std::fs::write(folder.join(name), certificate.pem() + &key.serialize_pem()).unwrap();
}

#[tokio::test]
async fn openssl_takes_a_client_that_it_knows_from_files_in_pem() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write_self_signed(folder.path(), "localhost");
    write_self_signed(folder.path(), "client");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut openssl = Command::new("openssl")
        .args(["s_server", "-quiet", "-rev", "-Verify", "1", "-verify_return_error", "-accept"])
        .arg(format!("127.0.0.1:{port}"))
        .arg("-cert")
        .arg(path("localhost"))
        .arg("-CAfile")
        .arg(path("client"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("`bash .ci/install` installs it");

    let identity = ClientIdentity::from_pem_files(&path("client"), &path("client")).unwrap();
    let options = Options {
        trust: Trust::Roots(certificates_from_pem_file(&path("localhost")).unwrap()),
        client_identity: Some(Arc::new(identity)),
        ..Options::default()
    };
    let to = format!("tls://localhost:{port}").parse().unwrap();
    let exchange = async {
        let mut carrier = loop {
            match dial(&to, &options).await {
                Err(Error::Connect { .. }) => sleep(Duration::from_millis(20)).await,
                dialled => break dialled.unwrap(),
            }
        };
        carrier.write_all(b"ahoy\n").await.unwrap();
        carrier.flush().await.unwrap();
        let mut reversed = [0; 5];
        carrier.read_exact(&mut reversed).await.unwrap();
        reversed
    };
    let reversed = timeout(LIMIT, exchange).await;
    openssl.kill().unwrap();
    openssl.wait().unwrap();
    assert_eq!(&reversed.unwrap(), b"yoha\n");
}

#[test]
fn a_file_without_a_certificate_or_key_is_named_and_its_content_is_not_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("client.pem");
    std::fs::write(&path, "s3cret").unwrap();
    for error in [
        ClientIdentity::from_pem_files(&path, &path).unwrap_err(),
        certificates_from_pem_file(&path).unwrap_err(),
        certificates_from_pem_file(&folder.path().join("none")).unwrap_err(),
    ] {
        let said = format!("{error:?}");
        assert!(said.contains(folder.path().to_str().unwrap()) && !said.contains("s3cret"), "{said}");
    }
    let (_, identity) = client(&Identity::new());
    assert!(format!("{identity:?}").starts_with("ClientIdentity { key: Some(KeyPin(sha256:"));
}
