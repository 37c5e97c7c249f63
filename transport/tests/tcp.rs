//! What TCP adds to a pipe of bytes.

use std::{io::Write, net::TcpListener, time::Duration};

use socket2::SockRef;
use tokio::io::AsyncReadExt;
use towline_transport::tcp;

const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test]
async fn an_urgent_byte_stays_where_it_is_in_the_stream() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut carrier = tcp::connect_addr(address, LIMIT).await.unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    peer.write_all(b"one ").unwrap();
    SockRef::from(&peer).send_out_of_band(b"!").unwrap();
    peer.write_all(b" two").unwrap();
    drop(peer);
    let mut read = String::new();
    tokio::time::timeout(LIMIT, carrier.read_to_string(&mut read)).await.unwrap().unwrap();
    assert_eq!(read, "one ! two");
}

#[tokio::test]
async fn a_connection_is_probed_when_it_is_silent_and_waits_for_no_full_packet() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let carrier = tcp::connect_addr(listener.local_addr().unwrap(), LIMIT).await.unwrap();
    let socket = SockRef::from(carrier.stream());
    assert!(socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
    assert!(socket.tcp_keepalive_time().unwrap() <= Duration::from_secs(60));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_unsent_queue_that_was_shortened_takes_no_more_than_it_says() {
    use tokio::io::AsyncWriteExt;

    let ahead = async |shortened| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // So that what the peer takes does not cover the difference.
        SockRef::from(&listener).set_recv_buffer_size(4096).unwrap();
        let mut carrier = tcp::connect_addr(listener.local_addr().unwrap(), LIMIT).await.unwrap();
        if shortened {
            tcp::shorten_unsent_queue(carrier.stream());
        }
        let _peer = listener.accept().unwrap();
        let mut ahead = 0;
        while let Ok(written) = tokio::time::timeout(Duration::from_millis(300), carrier.write(&[7; 4096])).await {
            ahead += written.unwrap();
        }
        ahead
    };
    let (long, short) = (ahead(false).await, ahead(true).await);
    let most = tcp::UNSENT_QUEUE_BYTES as usize + 64 * 1024;
    assert!(short <= most && short < long, "{short} of at most {most}, {long} otherwise");
}
