//! The one port: TLS and plain, and what happens to those who say nothing.

use std::time::{Duration, Instant};

use tokio::{io::AsyncReadExt, net::TcpStream};
use towline_cloud::{Cloud, Config};
use towline_transport::{
    Error as TransportError, Options, dial,
    tls::{KeyPin, Trust},
};

use crate::harness::{World, exchange, start};

fn health(host: &str) -> String {
    format!("GET /api/v1/health HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")
}

async fn over_tls(world: &World, pin: KeyPin) -> Result<u16, TransportError> {
    let options = Options { trust: Trust::Pin(pin), ..Options::default() };
    let endpoint = format!("tls://{}", world.cloud.local_addr()).parse().unwrap();
    let carrier = dial(&endpoint, &options).await?;
    Ok(exchange(carrier, &health("cloud")).await.status)
}

#[tokio::test]
async fn one_port_speaks_plain_to_this_machine_and_tls_to_those_who_pin() {
    let world = World::new().await;
    assert_eq!(world.call("GET", "/health", None, None).await.status, 200);
    assert_eq!(over_tls(&world, world.cloud.pin().unwrap()).await.unwrap(), 200);
    let wrong = over_tls(&world, KeyPin([7; 32])).await;
    assert!(matches!(wrong, Err(TransportError::PinMismatch { .. })), "{wrong:?}");
}

#[tokio::test]
async fn the_pin_outlives_the_certificate_and_the_restart() {
    let world = World::new().await;
    let pin = world.cloud.pin().unwrap();
    let leaf = |world: &World| std::fs::read(world.dir.path().join("leaf.json")).unwrap();
    let first = leaf(&world);
    let world = world.restarted().await;
    assert_eq!(leaf(&world), first, "a certificate that still serves was not kept");

    // As if it were about to expire.
    let mut kept: serde_json::Value = serde_json::from_slice(&first).unwrap();
    kept["not_after_millis"] = 1.into();
    std::fs::write(world.dir.path().join("leaf.json"), kept.to_string()).unwrap();
    let world = world.restarted().await;
    let renewed: serde_json::Value = serde_json::from_slice(&leaf(&world)).unwrap();
    assert_ne!(renewed["certificate"], kept["certificate"]);
    assert_eq!(world.cloud.pin(), Some(pin));
    assert_eq!(over_tls(&world, pin).await.unwrap(), 200);
}

#[tokio::test]
async fn with_a_certificate_from_outside_there_is_nothing_to_pin() {
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["cloud.example".to_owned()]).unwrap();
    let (certificate, key) = (dir.path().join("c.pem"), dir.path().join("k.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let mut config = Config::new("127.0.0.1:0".parse().unwrap(), dir.path().join("data"));
    config.tls = Some(towline_cloud::TlsFiles { certificate, key });
    let cloud = Cloud::start(config).await.unwrap();
    assert_eq!(cloud.pin(), None);
    let token = cloud.issue_enrolment_token("pump").await.unwrap().token;
    let token: towline_cloud_api::EnrolmentToken = token.parse().unwrap();
    assert_eq!(token.trust, towline_cloud_api::CloudTrust::WebPki);
}

/// The address of this machine that is not loopback, if it has one.
fn other_address() -> Option<std::net::IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent: the kernel only chooses the way.
    socket.connect("192.0.2.1:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_loopback())
}

#[tokio::test]
async fn plain_from_elsewhere_is_told_to_use_https() {
    let Some(address) = other_address() else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::new((address, 0).into(), dir.path());
    config.admin_password = Some("correct horse".to_owned().into());
    let cloud = Cloud::start(config.clone()).await.unwrap();
    let answer = exchange(TcpStream::connect(cloud.local_addr()).await.unwrap(), &health("x")).await;
    assert_eq!((answer.status, answer.code()), (400, "plain-refused"));
    assert!(answer.text("remedy").contains("https://"));
    cloud.shutdown().await;

    config.plain_from_anywhere = true;
    let cloud = Cloud::start(config).await.unwrap();
    let answer = exchange(TcpStream::connect(cloud.local_addr()).await.unwrap(), &health("x")).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn whoever_says_nothing_or_stops_in_the_middle_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = start(dir.path()).await;
    let began = Instant::now();
    let mut tasks = Vec::new();
    for start in
        [&b""[..], b"\x16\x03\x01", b"G", b"GET / HTTP/1.1\r\nhost: x\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
    {
        let address = cloud.local_addr();
        tasks.push(tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut stream, start).await.unwrap();
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
        }));
    }
    for task in tasks {
        tokio::time::timeout(Duration::from_secs(60), task).await.expect("never cut off").unwrap();
    }
    assert!(began.elapsed() >= Duration::from_secs(9), "cut off too early");
}
