//! The driver: channels that never notice that their carrier was lost.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use towline_tunnel_proto::{
    CarrierKind, Code, Config, Fields, Limits, Open, Resumption, Secret, SessionId,
    driver::{By, Greeting, Mux, Returning},
};

use crate::driver::{noise, soon};

const EXPORTER: Option<[u8; 32]> = Some([9; 32]);

fn dialer(io: DuplexStream) -> Mux {
    let mut config = Config::dialer(CarrierKind::Magic);
    config.resumption = Some(Resumption::dialer());
    spawn(io, config)
}

fn acceptor(io: DuplexStream, id: u8) -> Mux {
    let mut config = Config::acceptor(CarrierKind::Magic);
    config.resumption = Some(Resumption::acceptor(SessionId([id; 16]), Secret::new([id; 32])));
    spawn(io, config)
}

fn spawn(io: DuplexStream, config: Config) -> Mux {
    let (mux, driver) = Mux::new(io, config, Limits::default());
    tokio::spawn(driver);
    mux
}

/// A pipe that is cut by dropping what this returns besides its ends.
fn cuttable(bytes: usize) -> (DuplexStream, DuplexStream, tokio::task::AbortHandle) {
    let (near, mut a) = tokio::io::duplex(bytes);
    let (mut b, far) = tokio::io::duplex(bytes);
    let wire = tokio::spawn(async move { drop(tokio::io::copy_bidirectional(&mut a, &mut b).await) });
    (near, far, wire.abort_handle())
}

/// The dialer makes a new carrier; what the acceptor is asked there.
async fn redial(near: &Mux, id: u8) -> (Returning, tokio::task::AbortHandle, tokio::task::JoinHandle<Option<By>>) {
    let (a, b, wire) = cuttable(4096);
    let near = near.clone();
    let asked = tokio::spawn(async move { near.resume(a, EXPORTER).await.err().map(|ended| ended.by) });
    let carrier = acceptor(b, id);
    match soon(carrier.greeting()).await.unwrap() {
        Greeting::Returning(returning) => (returning, wire, asked),
        Greeting::Hello(_) => panic!("a session of its own"),
    }
}

#[tokio::test]
async fn a_channel_outlives_many_carriers_and_loses_nothing() {
    let (a, b, mut wire) = cuttable(1024);
    let (near, far) = (dialer(a), acceptor(b, 1));
    let mut channel = near.open(Open::to("echo")).unwrap();
    let (mut receive, mut send) = tokio::io::split(soon(far.accept()).await.unwrap().accept(Fields::new()));
    tokio::spawn(async move {
        tokio::io::copy(&mut receive, &mut send).await.unwrap();
        send.shutdown().await.unwrap();
    });
    soon(channel.accepted()).await.unwrap();

    let data = noise(2_000_000);
    let (mut receive, mut send) = channel.split();
    let sending = tokio::spawn({
        let data = data.clone();
        async move {
            for chunk in data.chunks(1500) {
                send.send(Bytes::copy_from_slice(chunk)).await.unwrap();
            }
            send.finish().unwrap();
        }
    });
    let echoed = tokio::spawn(async move {
        let mut echoed = Vec::new();
        while let Some(data) = receive.recv().await.unwrap() {
            echoed.extend_from_slice(&data);
        }
        echoed
    });
    for id in 2..12 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        wire.abort();
        soon(near.lost()).await;
        let (returning, next, asked) = redial(&near, id).await;
        assert_eq!(returning.session_id(), SessionId([1; 16]));
        returning.resume(&far, EXPORTER, Secret::new([id; 32])).unwrap();
        assert_eq!(soon(asked).await.unwrap(), None);
        assert!(near.is_connected() && soon(far.is_back()).await);
        wire = next;
    }
    soon(sending).await.unwrap();
    assert!(soon(echoed).await.unwrap() == data);
}

#[tokio::test]
async fn a_carrier_that_the_acceptor_thinks_alive_is_replaced() {
    let (a, b, _wire) = cuttable(1024);
    let (near, far) = (dialer(a), acceptor(b, 1));
    let mut channel = near.open(Open::to("x")).unwrap();
    let mut other = soon(far.accept()).await.unwrap().accept(Fields::new());
    soon(channel.accepted()).await.unwrap();
    let (returning, _next, asked) = redial(&near, 2).await;
    returning.resume(&far, EXPORTER, Secret::new([3; 32])).unwrap();
    assert_eq!(soon(asked).await.unwrap(), None);
    channel.write_all(b"still there").await.unwrap();
    assert_eq!(soon(other.recv()).await.unwrap().unwrap(), "still there");
}

#[tokio::test]
async fn a_refusal_ends_the_dialers_session_with_its_code_and_leaves_the_acceptors() {
    let (a, b, wire) = cuttable(1024);
    let (near, far) = (dialer(a), acceptor(b, 1));
    let mut channel = near.open(Open::to("x")).unwrap();
    let _other = soon(far.accept()).await.unwrap().accept(Fields::new());
    wire.abort();
    soon(near.lost()).await;
    soon(far.lost()).await;
    let (returning, _wire, asked) = redial(&near, 2).await;
    returning.resume(&far, Some([1; 32]), Secret::new([3; 32])).unwrap_err();
    assert_eq!(soon(asked).await.unwrap(), Some(By::Peer));
    assert_eq!(soon(channel.broken()).await.code, Code::RESUME_REFUSED);
    assert!(!far.is_ended());
}

#[tokio::test]
async fn a_carrier_that_nobody_answers_is_refused() {
    let (a, b, wire) = cuttable(1024);
    let (near, _far) = (dialer(a), acceptor(b, 1));
    soon(near.connected()).await.unwrap();
    wire.abort();
    soon(near.lost()).await;
    let (returning, _wire, asked) = redial(&near, 2).await;
    drop(returning);
    assert_eq!(soon(asked).await.unwrap(), Some(By::Peer));
    assert!(near.is_ended());
}

#[tokio::test]
async fn a_session_that_is_closed_while_it_waits_ends_its_channels_at_once() {
    let (a, b, wire) = cuttable(1024);
    let (near, far) = (dialer(a), acceptor(b, 1));
    let _channel = near.open(Open::to("x")).unwrap();
    let mut other = soon(far.accept()).await.unwrap().accept(Fields::new());
    wire.abort();
    soon(far.lost()).await;
    assert!(!far.is_connected() && !far.is_ended());
    far.close(Code::REVOKED, "the device was disabled");
    assert_eq!(soon(other.broken()).await.code, Code::REVOKED);
    assert!(soon(far.accept()).await.is_none());
}

#[tokio::test]
async fn everything_has_arrived_when_a_session_is_drained() {
    let (a, b, wire) = cuttable(64);
    let (near, far) = (dialer(a), acceptor(b, 1));
    let mut channel = near.open(Open::to("x")).unwrap();
    let mut other = soon(far.accept()).await.unwrap().accept(Fields::new());
    let data = noise(100_000);
    let sent = tokio::spawn({
        let data = data.clone();
        async move {
            channel.send(data).await.unwrap();
            channel.finish().await.unwrap();
            channel
        }
    });
    let reading = tokio::spawn(async move {
        let mut all = Vec::new();
        other.read_to_end(&mut all).await.unwrap();
        all
    });
    tokio::time::sleep(Duration::from_millis(2)).await;
    wire.abort();
    soon(near.lost()).await;
    let (returning, _wire, asked) = redial(&near, 2).await;
    returning.resume(&far, EXPORTER, Secret::new([3; 32])).unwrap();
    soon(asked).await.unwrap();
    let _channel = soon(sent).await.unwrap();
    soon(near.drained()).await;
    near.close(Code::NO_ERROR, "");
    assert!(soon(reading).await.unwrap() == data);
}
