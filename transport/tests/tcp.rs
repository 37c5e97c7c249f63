//! What TCP adds to a pipe of bytes.

use std::{io::Write, net::TcpListener, time::Duration};

use rustix::net::{SendFlags, send};
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
    send(&peer, b"!", SendFlags::OOB).unwrap();
    peer.write_all(b" two").unwrap();
    drop(peer);
    let mut read = String::new();
    tokio::time::timeout(LIMIT, carrier.read_to_string(&mut read)).await.unwrap().unwrap();
    assert_eq!(read, "one ! two");
}
