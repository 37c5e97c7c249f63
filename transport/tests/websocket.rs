//! The WebSocket byte pipe against peers written by hand.

use std::{
    io::{self, IoSlice},
    time::Duration,
};

use http::{HeaderName, HeaderValue};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    time::timeout,
};
use towline_transport::{
    Carrier, Error, memory,
    websocket::{self, ClientRequest, End, MAX_RECEIVED_MESSAGE_BYTES, MAX_SENT_MESSAGE_BYTES, WebSocket},
};

/// A liveness limit, not a goal.
const LIMIT: Duration = Duration::from_secs(30);

const SUBPROTOCOL: &str = "towline.test.v1";

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CONTINUATION: u8 = 0;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
const FINAL: u8 = 0x80;

fn request() -> ClientRequest {
    ClientRequest {
        authority: "cloud.example".to_owned(),
        path: "/tunnel".to_owned(),
        headers: vec![(HeaderName::from_static("authorization"), HeaderValue::from_static("Bearer secret"))],
        subprotocol: Some(SUBPROTOCOL.to_owned()),
    }
}

type Connected = Result<Carrier<WebSocket<DuplexStream>>, Error>;

/// A client's handshake with a server that reads the request, writes what `answer` makes of it, and stays.
async fn client_of(answer: impl FnOnce(&str) -> Vec<u8>) -> (Connected, DuplexStream) {
    let (near, mut far) = memory::pair(1 << 20);
    let request = request();
    let client = websocket::connect(Carrier::new(near), &request, LIMIT);
    let server = async {
        let asked = read_head(&mut far).await;
        far.write_all(&answer(&asked)).await.unwrap();
        far
    };
    let (client, far) = tokio::join!(client, server);
    (client.map(|(carrier, _)| carrier), far)
}

async fn read_head(from: &mut DuplexStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(from.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.split_once(": ").filter(|(is, _)| is.eq_ignore_ascii_case(name))).map(|(_, v)| v)
}

fn switching(asked: &str) -> String {
    let accept = websocket::accept_key(header(asked, "Sec-WebSocket-Key").unwrap());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
    )
}

/// A client and the raw other end, after the handshake.
async fn client() -> (WebSocket<DuplexStream>, DuplexStream) {
    let (client, far) = client_of(|asked| switching(asked).into_bytes()).await;
    (client.unwrap().into_inner(), far)
}

/// A server and the raw other end.
async fn server(max_buffer_bytes: usize) -> (WebSocket<DuplexStream>, DuplexStream) {
    let (near, far) = memory::pair(max_buffer_bytes);
    (websocket::server(near).await, far)
}

fn frame(head: u8, payload: &[u8]) -> Vec<u8> {
    frame_with(head, 0, &[], payload)
}

/// Masked with zeros.
fn masked(head: u8, payload: &[u8]) -> Vec<u8> {
    frame_with(head, 0x80, &[0; 4], payload)
}

fn frame_with(head: u8, flag: u8, mask: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut wire = vec![head];
    match payload.len() {
        length @ ..126 => wire.push(flag | length as u8),
        length => {
            wire.push(flag | 127);
            wire.extend((length as u64).to_be_bytes());
        }
    }
    [&wire, mask, payload].concat()
}

/// The head and the payload of the next frame, unmasked.
async fn read_frame(from: &mut DuplexStream) -> (u8, Vec<u8>) {
    let head = from.read_u8().await.unwrap();
    let second = from.read_u8().await.unwrap();
    let length = match second & 0x7f {
        126 => from.read_u16().await.unwrap().into(),
        127 => from.read_u64().await.unwrap() as usize,
        length => length.into(),
    };
    let mut mask = [0; 4];
    if second & 0x80 != 0 {
        from.read_exact(&mut mask).await.unwrap();
    }
    let mut payload = vec![0; length];
    from.read_exact(&mut payload).await.unwrap();
    for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
    (head, payload)
}

fn status(result: Connected) -> (u16, Vec<u8>) {
    match result {
        Err(Error::HttpStatus { status, body }) => (status, body),
        other => panic!("{other:?}"),
    }
}

fn refusal(result: Connected) -> String {
    match result {
        Err(Error::WebSocket { reason }) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_refusal_comes_with_its_status_and_body_however_it_is_framed() {
    for (rest, body) in [
        ("Content-Length: 13\r\n\r\n{\"status\":403}", &b"{\"status\":403"[..]),
        ("Content-Length: 0\r\n\r\n", b""),
        ("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n", b"hello world"),
        ("Transfer-Encoding: chunked\r\n\r\nnonsense\r\n", b""),
    ] {
        let (result, _far) = client_of(|_| format!("HTTP/1.1 403 Forbidden\r\n{rest}").into_bytes()).await;
        assert_eq!(status(result), (403, body.to_vec()), "{rest}");
    }
}

#[tokio::test]
async fn a_body_that_ends_with_the_connection_is_read_to_its_end() {
    let (near, mut far) = memory::pair(1 << 20);
    far.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\nupstream is down").await.unwrap();
    far.shutdown().await.unwrap();
    let result = websocket::connect(Carrier::new(near), &request(), LIMIT).await;
    assert_eq!(status(result.map(|(carrier, _)| carrier)), (502, b"upstream is down".to_vec()));
}

#[tokio::test]
async fn an_endless_body_is_cut_at_16_kib() {
    let answer = [&b"HTTP/1.1 500 No\r\nContent-Length: 99999999\r\n\r\n"[..], &vec![b'x'; 100_000]].concat();
    let (result, _far) = client_of(|_| answer).await;
    assert_eq!(status(result), (500, vec![b'x'; 16 * 1024]));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_is_returned_as_far_as_it_came() {
    let (result, _far) = client_of(|_| b"HTTP/1.1 500 No\r\nContent-Length: 100\r\n\r\nhalf".to_vec()).await;
    assert_eq!(status(result), (500, b"half".to_vec()));
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_given_up_at_the_limit() {
    let (near, _far) = memory::pair(1 << 20);
    let limit = Duration::from_millis(200);
    let error = websocket::connect(Carrier::new(near), &request(), limit).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { after, .. } if after == limit), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_given_up_at_the_limit() {
    let (near, _far) = memory::pair(1 << 20);
    let error = websocket::accept(Carrier::new(near), None, LIMIT).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { after: LIMIT, .. }), "{error:?}");
}

#[tokio::test]
async fn an_answer_that_breaks_the_handshake_is_refused() {
    let replace =
        |from: &'static str, to: &'static str| move |asked: &str| switching(asked).replace(from, to).into_bytes();
    for (from, to, reason) in [
        (SUBPROTOCOL, "other.v1", "was not asked for"),
        ("Sec-WebSocket-Protocol", "X-Protocol", "does not know the subprotocol towline.test.v1"),
        ("Sec-WebSocket-Accept: ", "Sec-WebSocket-Accept: x", "another request"),
        ("Upgrade: WebSocket", "Upgrade: h2c", "not an upgrade"),
        ("keep-alive, Upgrade", "close", "not an upgrade"),
        ("Connection", "Sec-WebSocket-Extensions: permessage-deflate\r\nConnection", "extension"),
    ] {
        let (result, _far) = client_of(replace(from, to)).await;
        let said = refusal(result);
        assert!(said.contains(reason), "{said}");
    }
    let (result, _far) = client_of(|_| b"SSH-2.0-OpenSSH\r\n\r\n".to_vec()).await;
    refusal(result);
    let (result, _far) = client_of(|_| vec![b'x'; 100_000]).await;
    assert!(refusal(result).contains("16384"));
}

#[tokio::test]
async fn the_request_says_what_was_asked_for() {
    let mut head = String::new();
    let (result, _far) = client_of(|asked| {
        head = asked.to_owned();
        switching(asked).into_bytes()
    })
    .await;
    assert_eq!(result.unwrap().info().subprotocol.as_deref(), Some(SUBPROTOCOL));
    assert!(head.starts_with("GET /tunnel HTTP/1.1\r\n"));
    assert_eq!(header(&head, "host"), Some("cloud.example"));
    assert_eq!(header(&head, "authorization"), Some("Bearer secret"));
    assert!(!format!("{:?}", request()).contains("secret"));
}

#[tokio::test]
async fn a_request_that_would_break_the_handshake_is_not_sent() {
    let host = (HeaderName::from_static("host"), HeaderValue::from_static("other.example"));
    let key = (HeaderName::from_static("sec-websocket-key"), HeaderValue::from_static("x"));
    for bad in [
        ClientRequest { path: "/a b".to_owned(), ..request() },
        ClientRequest { path: "/a\r\nX: y".to_owned(), ..request() },
        ClientRequest { path: "https://other.example/".to_owned(), ..request() },
        ClientRequest { authority: "a\r\nX: y".to_owned(), ..request() },
        ClientRequest { subprotocol: Some("a\r\nX: y".to_owned()), ..request() },
        ClientRequest { headers: vec![host], ..request() },
        ClientRequest { headers: vec![key], ..request() },
    ] {
        let (near, _far) = memory::pair(1 << 20);
        let error = websocket::connect(Carrier::new(near), &bad, LIMIT).await.unwrap_err();
        assert!(matches!(error, Error::InvalidEndpoint { .. } | Error::Unsupported { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_client_that_does_not_offer_the_subprotocol_gets_400() {
    let (near, mut far) = memory::pair(1 << 20);
    let wanted = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                  Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    far.write_all(format!("{wanted}Sec-WebSocket-Protocol: other\r\n\r\n").as_bytes()).await.unwrap();
    let error = websocket::accept(Carrier::new(near), Some(SUBPROTOCOL), LIMIT).await.unwrap_err();
    assert!(matches!(error, Error::WebSocket { .. }), "{error:?}");
    assert!(read_head(&mut far).await.starts_with("HTTP/1.1 400 "));

    let (near, mut far) = memory::pair(1 << 20);
    far.write_all(format!("{wanted}Sec-WebSocket-Protocol: other, {SUBPROTOCOL}\r\n\r\n").as_bytes()).await.unwrap();
    websocket::accept(Carrier::new(near), Some(SUBPROTOCOL), LIMIT).await.unwrap();
    let answer = read_head(&mut far).await;
    assert_eq!(header(&answer, "sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(header(&answer, "sec-websocket-protocol"), Some(SUBPROTOCOL));
}

#[tokio::test]
async fn messages_that_come_with_the_handshake_are_not_lost() {
    let early = frame(FINAL | BINARY, b"early");
    let (result, mut far) = client_of(|asked| [switching(asked).as_bytes(), &early].concat()).await;
    let mut client = result.unwrap();
    far.write_all(&frame(FINAL | CLOSE, b"")).await.unwrap();
    let mut all = String::new();
    client.read_to_string(&mut all).await.unwrap();
    assert_eq!(all, "early");
}

#[tokio::test]
async fn fragments_empty_messages_and_pings_between_them_make_one_stream() {
    let (mut client, mut far) = client().await;
    for wire in [
        frame(BINARY, b"a"),
        frame(FINAL | PING, b"1"),
        frame(CONTINUATION, b""),
        frame(FINAL | CONTINUATION, b"bc"),
        frame(FINAL | BINARY, b""),
        frame(FINAL | PONG, b"unasked"),
        frame(FINAL | BINARY, b"d"),
        frame(FINAL | CLOSE, b""),
    ] {
        far.write_all(&wire).await.unwrap();
    }
    let mut all = String::new();
    client.read_to_string(&mut all).await.unwrap();
    assert_eq!(all, "abcd");
    assert_eq!(client.end(), Some(End::Closed));
    assert_eq!(read_frame(&mut far).await, (FINAL | PONG, b"1".to_vec()));
}

#[tokio::test]
async fn a_ping_is_answered_by_an_end_that_only_reads() {
    let (mut server, mut far) = server(1 << 20).await;
    let reading = tokio::spawn(async move { server.read(&mut [0; 16]).await });
    far.write_all(&masked(FINAL | PING, b"are you there")).await.unwrap();
    let answer = timeout(LIMIT, read_frame(&mut far)).await.unwrap();
    assert_eq!(answer, (FINAL | PONG, b"are you there".to_vec()));
    reading.abort();
}

#[tokio::test]
async fn a_close_is_answered_and_is_the_end_of_file() {
    for role in ["client", "server"] {
        let (mut socket, mut far) = if role == "client" { client().await } else { server(1 << 20).await };
        let close = if role == "client" { frame(FINAL | CLOSE, b"\x03\xe8bye") } else { masked(FINAL | CLOSE, b"") };
        far.write_all(&close).await.unwrap();
        for _ in 0..3 {
            assert_eq!(socket.read(&mut [0; 16]).await.unwrap(), 0);
        }
        assert_eq!(socket.end(), Some(End::Closed));
        assert_eq!(timeout(LIMIT, read_frame(&mut far)).await.unwrap().0, FINAL | CLOSE);
        assert_eq!(socket.write(b"late").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        socket.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn shutting_down_sends_what_was_written_and_one_close_frame() {
    let (mut client, mut far) = client().await;
    client.write_all(b"last words").await.unwrap();
    client.shutdown().await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(read_frame(&mut far).await, (FINAL | BINARY, b"last words".to_vec()));
    assert_eq!(read_frame(&mut far).await.0, FINAL | CLOSE);
    assert_eq!(client.write(b"more").await.unwrap_err().kind(), io::ErrorKind::BrokenPipe);

    // What was already under way still arrives.
    far.write_all(&frame(FINAL | BINARY, b"crossing")).await.unwrap();
    far.write_all(&frame(FINAL | CLOSE, b"")).await.unwrap();
    let mut all = String::new();
    client.read_to_string(&mut all).await.unwrap();
    assert_eq!(all, "crossing");
    drop(client);
    assert_eq!(far.read(&mut [0; 1]).await.unwrap(), 0, "nothing after the close frame");
}

#[tokio::test]
async fn a_connection_cut_between_messages_is_an_end_of_file_and_recorded() {
    for wire in [Vec::new(), frame(FINAL | BINARY, b"all"), frame(FINAL | PONG, b"")] {
        let (mut client, mut far) = client().await;
        far.write_all(&wire).await.unwrap();
        drop(far);
        client.read_to_end(&mut Vec::new()).await.unwrap();
        assert_eq!(client.end(), Some(End::Cut));
    }
}

#[tokio::test]
async fn a_connection_cut_inside_a_message_is_an_error() {
    let whole = frame(FINAL | BINARY, &[7; 200]);
    for wire in [&whole[..1], &whole[..9], &whole[..100], &frame(BINARY, b"first of two")] {
        let (mut client, mut far) = client().await;
        far.write_all(wire).await.unwrap();
        drop(far);
        let error = client.read_to_end(&mut Vec::new()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(client.end(), Some(End::Broken(io::ErrorKind::UnexpectedEof)));
        let again = client.read(&mut [0; 16]).await.unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::UnexpectedEof, "it never turns into an end of file");
    }
}

#[tokio::test]
async fn a_text_message_is_refused_by_name() {
    let (mut client, mut far) = client().await;
    far.write_all(&frame(FINAL | TEXT, b"hello")).await.unwrap();
    let error = client.read(&mut [0; 16]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert!(error.to_string().contains("text message"), "{error}");
}

#[tokio::test]
async fn a_message_beyond_the_limit_is_refused_before_it_arrives() {
    let (mut client, mut far) = client().await;
    let head_only = &frame(FINAL | BINARY, &vec![0; MAX_RECEIVED_MESSAGE_BYTES + 1])[..10];
    far.write_all(head_only).await.unwrap();
    let error = timeout(LIMIT, client.read(&mut [0; 16])).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);

    let (mut client, mut far) = self::client().await;
    far.write_all(&frame(BINARY, &vec![0; MAX_RECEIVED_MESSAGE_BYTES])).await.unwrap();
    far.write_all(&frame(FINAL | CONTINUATION, &[0])).await.unwrap();
    let error = timeout(LIMIT, client.read(&mut [0; 16])).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}

#[tokio::test]
async fn a_client_that_does_not_mask_is_refused() {
    let (mut server, mut far) = server(1 << 20).await;
    far.write_all(&frame(FINAL | BINARY, b"bare")).await.unwrap();
    assert_eq!(server.read(&mut [0; 16]).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
}

#[tokio::test]
async fn each_write_is_one_message_of_64_kib_at_most_and_an_empty_one_is_none() {
    let (mut client, mut far) = client().await;
    assert_eq!(client.write(b"").await.unwrap(), 0);
    assert_eq!(client.write(b"one").await.unwrap(), 3);
    let slices = [IoSlice::new(b"t"), IoSlice::new(b""), IoSlice::new(b"wo")];
    assert_eq!(client.write_vectored(&slices).await.unwrap(), 3);
    assert_eq!(client.write(&vec![9; MAX_SENT_MESSAGE_BYTES + 1]).await.unwrap(), MAX_SENT_MESSAGE_BYTES);
    client.flush().await.unwrap();
    assert_eq!(read_frame(&mut far).await, (FINAL | BINARY, b"one".to_vec()));
    assert_eq!(read_frame(&mut far).await, (FINAL | BINARY, b"two".to_vec()));
    assert_eq!(read_frame(&mut far).await, (FINAL | BINARY, vec![9; MAX_SENT_MESSAGE_BYTES]));
}

#[tokio::test]
async fn a_peer_that_reads_nothing_makes_the_writer_wait_with_one_message() {
    const PIPE_BYTES: usize = 1000;
    let (mut server, _far) = server(PIPE_BYTES).await;
    let mut taken = 0;
    let piece = vec![9; 8 * 1024];
    // Liveness cannot be waited for here: whoever is still waiting after a moment has been made to wait.
    while let Ok(written) = timeout(Duration::from_millis(100), server.write(&piece)).await {
        taken += written.unwrap();
        assert!(taken <= PIPE_BYTES + MAX_SENT_MESSAGE_BYTES, "{taken} bytes are held for a peer that does not read");
    }
    assert!(taken > 0);
}

#[tokio::test]
async fn a_flood_of_pings_from_a_peer_that_reads_nothing_neither_stops_reading_nor_breaks_writing() {
    let (mut server, far) = server(1000).await;
    let (mut far_read, mut far_write) = tokio::io::split(far);
    let flood = tokio::spawn(async move {
        for _ in 0..10_000 {
            far_write.write_all(&masked(FINAL | PING, &[1; 125])).await.unwrap();
        }
        far_write.write_all(&masked(FINAL | BINARY, b"at last")).await.unwrap();
        far_write
    });
    let mut message = [0; 7];
    timeout(LIMIT, server.read_exact(&mut message)).await.unwrap().unwrap();
    assert_eq!(&message, b"at last");
    let _far_write = flood.await.unwrap();

    // Now the peer reads: the pongs that were kept, then what we write.
    let reading = tokio::spawn(async move {
        let mut seen = Vec::new();
        let mut buffer = [0; 4096];
        while !seen.ends_with(b"answer") {
            let read = far_read.read(&mut buffer).await.unwrap();
            seen.extend_from_slice(&buffer[..read]);
        }
        seen.len()
    });
    server.write_all(b"answer").await.unwrap();
    server.flush().await.unwrap();
    let seen = timeout(LIMIT, reading).await.unwrap().unwrap();
    assert!(seen <= 256 * 1024 + 4096, "{seen} bytes were held for a peer that does not read");
}
