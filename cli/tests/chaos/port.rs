//! Strangers on the port: slow, many, too big, malformed. Each gets a clear error or the end, others notice nothing.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::net::TcpSocket;

use crate::site::{Answer, Site, connect, echo, echoes, raw, request};

const SLOW: usize = 2_000;
/// So many of them come from each address: fewer than what is dropped for its number alone.
const PER_SOURCE: usize = 100;
/// Whoever has not asked after 10 s is cut off; the rest is the margin of tests on a busy machine.
const CUT_WITHIN: Duration = Duration::from_secs(40);
const MAX_GROWTH_KIB: u64 = 256 * 1024;

/// What slow clients begin with before they say one byte a second.
const BEGINNINGS: [&[u8]; 5] = [
    b"",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\nX-Slow: ",
    b"GET /api/v1/tunnel HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
];

/// A connection from an address of this machine of our choice.
async fn connect_from(source: u8, to: SocketAddr) -> std::io::Result<tokio::net::TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(127, 0, 1, source), 0)))?;
    socket.connect(to).await
}

/// Says something now and a byte every second until the other side has had enough; how long that took.
async fn slow(mut stream: tokio::net::TcpStream, beginning: &[u8]) -> Duration {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let began = Instant::now();
    if stream.write_all(beginning).await.is_err() {
        return began.elapsed();
    }
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    let mut scratch = [0; 4096];
    loop {
        tokio::select! {
            () = tokio::time::sleep_until((began + CUT_WITHIN * 2).into()) => return began.elapsed(),
            read = stream.read(&mut scratch) => match read {
                Ok(0) | Err(_) => return began.elapsed(),
                Ok(_) => {}
            },
            _ = tick.tick(), if !beginning.is_empty() => if stream.write_all(b"a").await.is_err() {
                return began.elapsed();
            },
        }
    }
}

#[test]
fn two_thousand_slow_clients_are_cut_off_and_nobody_else_notices() {
    let site = Site::new();
    let (device, _agent) = site.device("pump-7");
    site.endpoint(&device, "echo", echo());
    let (_server, tunnel) = site.server(&device);
    let mut session = connect(&tunnel);
    echoes(&mut session).unwrap();
    let before = site.cloud.memory_kib();

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let address = site.address;
    let clients: Vec<_> = (0..SLOW)
        .map(|number| {
            // One after the other, so that it is not the kernel's queue that is tested.
            let source = u8::try_from(1 + number / PER_SOURCE).unwrap();
            let stream = runtime.block_on(connect_from(source, address)).expect("a place in the queue");
            runtime.spawn(slow(stream, BEGINNINGS[number % BEGINNINGS.len()]))
        })
        .collect();
    std::thread::sleep(Duration::from_secs(4));

    let during = site.cloud.memory_kib();
    let mut slowest = Duration::ZERO;
    for _ in 0..50 {
        let began = Instant::now();
        assert_eq!(site.api("GET", "/current-user", None).status, 200);
        echoes(&mut session).unwrap();
        slowest = slowest.max(began.elapsed());
    }
    let cut: Vec<_> = runtime.block_on(async {
        let mut cut = Vec::new();
        for client in clients {
            cut.push(client.await.unwrap());
        }
        cut
    });
    let last = cut.iter().max().unwrap();
    eprintln!(
        "{SLOW} slow clients: cut off after {:?} to {last:?}; memory {before} KiB before, {during} KiB during, {} KiB \
         after; slowest request meanwhile {slowest:?}",
        cut.iter().min().unwrap(),
        site.cloud.memory_kib(),
    );
    assert!(*last < CUT_WITHIN, "{last:?}");
    assert!(during < before + MAX_GROWTH_KIB, "{before} KiB became {during} KiB");
    assert!(slowest < Duration::from_secs(10), "{slowest:?}");
}

#[test]
fn one_source_can_keep_only_so_many_and_still_be_served() {
    let site = Site::new();
    let mut streams: Vec<_> = (0..500).map(|_| TcpStream::connect(site.address).unwrap()).collect();
    assert_eq!(site.api("GET", "/current-user", None).status, 200);

    let open = streams.iter_mut().filter(|stream| {
        stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let mut byte = [0];
        matches!((&**stream).read(&mut byte), Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
    });
    let open = open.count();
    assert!((1..=128).contains(&open), "{open} of 500 are open");
}

#[test]
fn what_is_too_big_or_malformed_gets_a_clear_error() {
    let site = Site::new();
    let (device, _agent) = site.device("pump-7");
    let endpoints = format!("/devices/{device}/endpoints");
    let endpoint = |host: &str, port: Value, name: &str| {
        let wish = json!({ "name": name, "protocol": "PASSTHROUGH", "host": host, "port": port });
        site.api("POST", &endpoints, Some(&wish))
    };
    let assert_bad = |answer: Answer| {
        assert_eq!((answer.status, answer.code()), (400, "bad-request"), "{answer:?}");
        assert!(!answer.body["detail"].as_str().unwrap().is_empty() && answer.text.len() < 4096, "{answer:?}");
    };

    for host in
        ["a".repeat(64 * 1024 - 200), "a".repeat(300), String::new(), "a b".into(), "a\u{202e}b".into(), "a\0b".into()]
    {
        assert_bad(endpoint(&host, 22.into(), "e"));
    }
    for port in [json!(0), json!(70_000), json!(-1), json!("22"), json!(22.5), Value::Null] {
        assert_bad(endpoint("127.0.0.1", port, "e"));
    }
    for name in ["", " e", "e\n", "e\u{202e}", "\u{7}", &"e".repeat(65)] {
        assert_bad(endpoint("127.0.0.1", 22.into(), name));
    }
    assert_bad(endpoint(&"a".repeat(200_000), 22.into(), "e"));

    let head = |length: usize| {
        format!(
            "POST /api/v1{endpoints} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n",
            site.token
        )
    };
    for body in ["", "{", "[]", "null", "{\"name\":", "{\"name\":\"a\",\"name\":\"b\"}", "\u{feff}{}", "\"x\""] {
        assert_bad(raw(site.address, (head(body.len()) + body).as_bytes()).unwrap());
    }
    let deep = "[".repeat(60_000);
    assert_bad(raw(site.address, (head(deep.len()) + &deep).as_bytes()).unwrap());
    // A body that is announced as endless is refused before it is there.
    assert_bad(raw(site.address, head(usize::MAX / 2).as_bytes()).unwrap());

    let big_header = ("X-Big", "a".repeat(200_000));
    let answer = request(site.address, "", "GET", "/api/v1/health", &[(big_header.0, &big_header.1)], None);
    assert!(matches!(&answer, Ok(answer) if answer.status == 431), "{answer:?}");
    let headers = vec![("X-Many", "a"); 2_000];
    let answer = request(site.address, "", "GET", "/api/v1/health", &headers, None);
    assert!(matches!(&answer, Ok(answer) if answer.status == 431), "{answer:?}");
    for junk in [&b"\0\0\0\0\r\n\r\n"[..], b"GET / HTTP/9.9\r\n\r\n", b"GET /\x80 HTTP/1.1\r\n\r\n", &[0xff; 100_000]] {
        // An error or the end, and soon.
        drop(raw(site.address, junk));
    }
    assert_eq!(site.api("GET", "/health", None).status, 200);
}

/// An operator's tunnel, up to the first frame.
fn upgraded(site: &Site) -> TcpStream {
    let mut stream = TcpStream::connect(site.address).unwrap();
    stream.set_read_timeout(Some(CUT_WITHIN)).unwrap();
    stream.set_write_timeout(Some(CUT_WITHIN)).unwrap();
    write!(
        stream,
        "GET /api/v1/tunnel HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
         Sec-WebSocket-Protocol: towline.tunnel.v1\r\nAuthorization: Bearer {}\r\n\r\n",
        site.token
    )
    .unwrap();
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.extend_from_slice(&byte);
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    stream
}

/// The head of a masked binary message; the mask is zero, so that the payload is itself.
fn message(length: u64) -> Vec<u8> {
    let mut head = vec![0x82, 0xff];
    head.extend_from_slice(&length.to_be_bytes());
    head.extend_from_slice(&[0; 4]);
    head
}

#[test]
fn a_tunnel_that_talks_nonsense_ends_and_the_others_go_on() {
    let site = Site::new();
    let (device, _agent) = site.device("pump-7");
    site.endpoint(&device, "echo", echo());
    let (_server, tunnel) = site.server(&device);
    let mut session = connect(&tunnel);
    echoes(&mut session).unwrap();
    let before = site.cloud.memory_kib();

    let mut huge = message(10 << 20);
    huge.resize(huge.len() + (10 << 20), 0);
    let mut endless = message(u64::MAX >> 1);
    endless.resize(endless.len() + (1 << 20), 0xaa);
    let mut garbage = message(4096);
    garbage.extend((0..4096_u32).map(|number| u8::try_from(number.wrapping_mul(2_654_435_761) >> 24).unwrap()));
    let unmasked = vec![0x82, 4, 1, 2, 3, 4];
    let reserved = vec![0xf2, 0x80, 0, 0, 0, 0];
    let long_ping = [&[0x89, 0xfe, 0x10, 0, 0, 0, 0, 0][..], &[0; 4096]].concat();
    for (what, bytes) in [
        ("a message of 10 MiB", huge),
        ("a message without an end", endless),
        ("frames that are none", garbage),
        ("a frame without a mask", unmasked),
        ("reserved bits", reserved),
        ("a ping of 4 KiB", long_ping),
    ] {
        let mut stream = upgraded(&site);
        let began = Instant::now();
        drop(stream.write_all(&bytes));
        let mut rest = Vec::new();
        match stream.read_to_end(&mut rest) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("{what} is taken")
            }
            _ => assert!(began.elapsed() < CUT_WITHIN, "{what}"),
        }
        echoes(&mut session).unwrap_or_else(|error| panic!("{what} disturbs others: {error}"));
    }

    // A hello that never ends.
    let mut stream = upgraded(&site);
    let began = Instant::now();
    let mut ended = false;
    while !ended && began.elapsed() < CUT_WITHIN {
        ended = stream.write_all(&[0x82, 0x81, 0, 0, 0, 0, 1]).is_err();
        stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        ended |= matches!(stream.read(&mut [0; 64]), Ok(0));
        ended |= stream.take_error().unwrap().is_some();
    }
    assert!(ended, "a hello that never ends is listened to for ever");
    echoes(&mut session).unwrap();
    let after = site.cloud.memory_kib();
    eprintln!("nonsense after the upgrade: memory {before} KiB before, {after} KiB after");
    assert!(after < before + MAX_GROWTH_KIB);
}
