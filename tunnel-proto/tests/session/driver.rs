//! The driver over pipes in memory.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use towline_tunnel_proto::{
    CarrierKind, Code, Config, FieldKey, Fields, Limits, Open,
    driver::{By, Mux},
};

/// Two ends of a session over a pipe of `pipe_bytes`.
pub(crate) fn session(pipe_bytes: usize) -> (Mux, Mux) {
    let (a, b) = tokio::io::duplex(pipe_bytes);
    (end(a, Config::dialer(CarrierKind::Magic)), end(b, Config::acceptor(CarrierKind::Magic)))
}

pub(crate) fn end(io: DuplexStream, config: Config) -> Mux {
    let (mux, driver) = Mux::new(io, config, Limits::default());
    tokio::spawn(driver);
    mux
}

/// Liveness only: nothing here takes more than a fraction of this.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), what).await.expect("it comes to an end")
}

pub(crate) fn noise(bytes: usize) -> Bytes {
    let mut state = 1u32;
    (0..bytes)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
        .collect::<Vec<u8>>()
        .into()
}

#[tokio::test]
async fn a_refusal_reaches_whoever_waits_for_the_answer() {
    let (near, far) = session(1024);
    let mut channel = near.open(Open::to("tcp://127.0.0.1:1")).unwrap();
    let incoming = soon(far.accept()).await.unwrap();
    assert_eq!(incoming.open().target, "tcp://127.0.0.1:1");
    incoming.refuse(Code::CONNECT_REFUSED, "nothing listens there");
    let ended = soon(channel.accepted()).await.unwrap_err();
    assert_eq!(
        (ended.code, ended.reason.as_str(), ended.by),
        (Code::CONNECT_REFUSED, "nothing listens there", By::Peer)
    );
}

#[tokio::test]
async fn an_incoming_channel_that_is_dropped_is_refused() {
    let (near, far) = session(1024);
    let mut channel = near.open(Open::to("x")).unwrap();
    drop(soon(far.accept()).await.unwrap());
    assert_eq!(soon(channel.accepted()).await.unwrap_err().code, Code::CANCEL);
}

#[tokio::test]
async fn the_answer_to_an_accept_and_early_data_both_arrive() {
    let (near, far) = session(1024);
    let mut channel = near.open(Open::to("x")).unwrap();
    soon(channel.send(Bytes::from_static(b"early"))).await.unwrap();
    let mut other = soon(far.accept()).await.unwrap().accept(Fields::new().with(FieldKey::PEER_ADDRESS, "here"));
    assert_eq!(soon(other.recv()).await.unwrap().unwrap(), "early");
    assert_eq!(soon(channel.accepted()).await.unwrap().text(FieldKey::PEER_ADDRESS), Some("here"));
}

#[tokio::test]
async fn both_directions_at_once_through_a_pipe_of_a_few_bytes_do_not_deadlock() {
    let (near, far) = session(7);
    let channel = near.open(Open::to("x")).unwrap();
    let other = soon(far.accept()).await.unwrap().accept(Fields::new());
    let data = noise(300_000);
    let run = |channel: towline_tunnel_proto::driver::Channel, data: Bytes| async move {
        let (mut receive, mut send) = channel.split();
        let (sent, received) = tokio::join!(
            async {
                send.send(data.clone()).await?;
                send.finish()
            },
            async {
                let mut all = Vec::new();
                receive.read_to_end(&mut all).await.map(|_| all)
            },
        );
        sent.unwrap();
        received.unwrap()
    };
    let (a, b) = soon(async { tokio::join!(run(channel, data.clone()), run(other, data.clone())) }).await;
    assert!(a == data && b == data);
}

#[tokio::test]
async fn a_channel_dropped_after_it_finished_does_not_take_the_peers_data_with_it() {
    let (near, far) = session(1024);
    let mut channel = near.open(Open::to("x")).unwrap();
    channel.write_all(b"last words").await.unwrap();
    soon(channel.finish()).await.unwrap();
    drop(channel);
    let mut other = soon(far.accept()).await.unwrap().accept(Fields::new());
    let mut all = String::new();
    soon(other.read_to_string(&mut all)).await.unwrap();
    assert_eq!(all, "last words");
    // And the other direction is told that nobody reads any more.
    let ended = soon(async {
        loop {
            if let Err(ended) = other.send(Bytes::from_static(b"anybody?")).await {
                break ended;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(ended.code, Code::CANCEL);
}

#[tokio::test]
async fn a_channel_dropped_before_it_finished_is_reset() {
    let (near, far) = session(1024);
    let channel = near.open(Open::to("x")).unwrap();
    let mut other = soon(far.accept()).await.unwrap().accept(Fields::new());
    drop(channel);
    assert_eq!(soon(other.recv()).await.unwrap_err().code, Code::CANCEL);
}

#[tokio::test]
async fn what_had_arrived_before_a_reset_can_still_be_read() {
    let (near, far) = session(1024);
    let mut channel = near.open(Open::to("x")).unwrap();
    let mut other = soon(far.accept()).await.unwrap().accept(Fields::new());
    soon(channel.accepted()).await.unwrap();
    soon(other.send(Bytes::from_static(b"the last line"))).await.unwrap();
    // A second channel behind it shows that the data has arrived.
    let marker = far.open(Open::to("marker")).unwrap();
    soon(near.accept()).await.unwrap();
    drop(marker);
    other.reset(Code::TARGET_LOST, "connection reset");
    soon(channel.broken()).await;
    assert_eq!(soon(channel.recv()).await.unwrap().unwrap(), "the last line");
    assert_eq!(soon(channel.recv()).await.unwrap_err().code, Code::TARGET_LOST);
}

#[tokio::test]
async fn a_carrier_that_breaks_ends_the_session_on_both_sides_and_says_so() {
    let (a, b) = tokio::io::duplex(1024);
    let near = end(a, Config::dialer(CarrierKind::Magic));
    let (far, driver) = Mux::new(b, Config::acceptor(CarrierKind::Magic), Limits::default());
    let task = tokio::spawn(driver);
    let mut channel = near.open(Open::to("x")).unwrap();
    let mut other = soon(far.accept()).await.unwrap().accept(Fields::new());
    soon(channel.accepted()).await.unwrap();
    task.abort();
    let ended = soon(channel.recv()).await.unwrap_err();
    assert_eq!(ended.by, By::Carrier);
    assert_eq!(soon(near.ended()).await.by, By::Carrier);
    assert!(near.open(Open::to("y")).is_err());
    assert!(soon(near.accept()).await.is_none());
    drop(other.recv());
}

#[tokio::test]
async fn a_close_reaches_every_channel_of_the_peer() {
    let (near, far) = session(1024);
    let mut channels: Vec<_> = (0..10).map(|_| near.open(Open::to("x")).unwrap()).collect();
    for _ in 0..10 {
        std::mem::forget(soon(far.accept()).await.unwrap().accept(Fields::new()));
    }
    far.close(Code::REVOKED, "the device was removed");
    for channel in &mut channels {
        let ended = soon(channel.broken()).await;
        assert_eq!((ended.code, ended.by), (Code::REVOKED, By::Peer));
    }
    assert_eq!(soon(near.ended()).await.reason, "the device was removed");
}

#[tokio::test]
async fn io_errors_carry_the_reason() {
    let (near, far) = session(1024);
    let mut channel = near.open(Open::to("x")).unwrap();
    soon(far.accept()).await.unwrap().refuse(Code::POLICY_DENIED, "only loopback");
    let error = soon(channel.read_u8()).await.unwrap_err();
    let ended = error.get_ref().and_then(|inner| inner.downcast_ref::<towline_tunnel_proto::driver::Ended>());
    assert_eq!(ended.map(|ended| ended.code), Some(Code::POLICY_DENIED));
}

#[tokio::test]
async fn a_thousand_channels_one_after_the_other_leave_nothing_behind() {
    let (near, far) = session(4096);
    let server = tokio::spawn(async move {
        while let Some(incoming) = far.accept().await {
            tokio::spawn(async move {
                let (mut receive, mut send) = tokio::io::split(incoming.accept(Fields::new()));
                tokio::io::copy(&mut receive, &mut send).await?;
                send.shutdown().await
            });
        }
    });
    for n in 0..1000u32 {
        let mut channel = near.open(Open::to("echo")).unwrap();
        channel.write_u32(n).await.unwrap();
        channel.shutdown().await.unwrap();
        assert_eq!(soon(channel.read_u32()).await.unwrap(), n);
        assert_eq!(soon(channel.recv()).await.unwrap(), None);
    }
    near.close(Code::NO_ERROR, "");
    soon(server).await.unwrap();
}

#[tokio::test]
async fn nothing_is_lost_by_a_close_after_all_was_drained() {
    for _ in 0..20 {
        let (near, far) = session(64);
        let mut channel = near.open(Open::to("x")).unwrap();
        let mut other = soon(far.accept()).await.unwrap().accept(Fields::new());
        let data = noise(20_000);
        soon(channel.send(data.clone())).await.unwrap();
        soon(channel.finish()).await.unwrap();
        soon(near.drained()).await;
        near.close(Code::NO_ERROR, "");
        let mut all = Vec::new();
        soon(other.read_to_end(&mut all)).await.unwrap();
        assert!(all == data);
    }
}

#[tokio::test]
async fn a_peer_that_goes_away_soon_is_heard() {
    let (near, far) = session(1024);
    soon(near.connected()).await.unwrap();
    far.drain(Duration::from_secs(3), "an update");
    assert_eq!(soon(near.draining()).await, (Duration::from_secs(3), "an update".into()));
    assert!(near.open(Open::to("x")).is_err() && !near.is_ended());
}
