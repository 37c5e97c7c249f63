//! What has arrived, several chunks at once.

use std::collections::VecDeque;

use bytes::Bytes;
use tokio::io::AsyncReadExt;
use towline_tunnel_proto::{
    CarrierKind, Code, Config, Fields, Open,
    driver::{By, Channel, Mux, ReceiveHalf, SendHalf},
};

use crate::driver::{noise, session, soon};

const CHUNK_BYTES: usize = 4096;

/// The session that sends, the one that receives, and the two ends of a channel from one to the other.
async fn one_way() -> (Mux, Mux, SendHalf, ReceiveHalf) {
    let (near, far) = session(64 * 1024);
    let channel = near.open(Open::to("x")).unwrap();
    let other = soon(far.accept()).await.unwrap().accept(Fields::new());
    // What goes the other way stays open; nobody sends there.
    let ((from_far, send), (receive, to_near)) = (Channel::split(channel), Channel::split(other));
    std::mem::forget((from_far, to_near));
    (near, far, send, receive)
}

/// Until so much has arrived at `mux` and was not received.
async fn arrived(mux: &Mux, bytes: usize) {
    soon(async {
        while mux.held_bytes() < bytes as u64 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn send_chunks(send: &mut SendHalf, data: &Bytes) {
    for chunk in data.chunks(CHUNK_BYTES) {
        soon(send.send(data.slice_ref(chunk))).await.unwrap();
    }
}

#[tokio::test]
async fn all_chunks_that_are_here_come_at_once_and_in_order_behind_what_there_was() {
    let (_near, far, mut send, mut receive) = one_way().await;
    let data = noise(10 * CHUNK_BYTES);
    send_chunks(&mut send, &data).await;
    arrived(&far, data.len()).await;

    let mut chunks = VecDeque::from([Bytes::from_static(b"mine")]);
    assert_eq!(soon(receive.recv_many(&mut chunks, usize::MAX)).await, Ok(data.len()));
    assert!(chunks.len() > 2 && chunks.iter().all(|chunk| !chunk.is_empty()));
    assert_eq!(chunks.pop_front().unwrap(), "mine");
    assert!(Vec::from(chunks).concat() == data);
}

#[tokio::test]
async fn no_chunk_more_is_taken_once_there_is_as_much_as_was_asked_for() {
    let (_near, far, mut send, mut receive) = one_way().await;
    let data = noise(10 * CHUNK_BYTES);
    send_chunks(&mut send, &data).await;
    arrived(&far, data.len()).await;

    for asked in [0, 1, CHUNK_BYTES + 1] {
        let before = far.held_bytes();
        let mut chunks = VecDeque::new();
        let taken = soon(receive.recv_many(&mut chunks, asked)).await.unwrap();
        let without_last: usize = chunks.iter().rev().skip(1).map(Bytes::len).sum();
        assert!(taken >= asked.max(1) && without_last < asked.max(1), "{taken} of {asked} in {}", chunks.len());
        assert_eq!(taken, chunks.iter().map(Bytes::len).sum::<usize>());
        assert_eq!(far.held_bytes(), before - taken as u64);
    }
}

#[tokio::test]
async fn fewer_than_asked_for_are_not_waited_for() {
    let (_near, _far, mut send, mut receive) = one_way().await;
    soon(send.send(Bytes::from_static(b"little"))).await.unwrap();

    let mut chunks = VecDeque::new();
    assert_eq!(soon(receive.recv_many(&mut chunks, 1 << 20)).await, Ok(6));
    assert_eq!(chunks, ["little"]);
}

#[tokio::test]
async fn what_read_has_begun_comes_first() {
    let (_near, far, mut send, mut receive) = one_way().await;
    let data = noise(2 * CHUNK_BYTES);
    send_chunks(&mut send, &data).await;
    arrived(&far, data.len()).await;

    let mut all = vec![0; 10];
    soon(receive.read_exact(&mut all)).await.unwrap();
    let mut chunks = VecDeque::new();
    while all.len() < data.len() {
        soon(receive.recv_many(&mut chunks, usize::MAX)).await.unwrap();
        all.extend(chunks.drain(..).flatten());
    }
    assert!(all == data);
}

#[tokio::test]
async fn the_end_is_nothing_again_and_again() {
    let (_near, _far, mut send, mut receive) = one_way().await;
    soon(send.send(Bytes::from_static(b"last"))).await.unwrap();
    send.finish().unwrap();

    let mut chunks = VecDeque::new();
    assert_eq!(soon(receive.recv_many(&mut chunks, usize::MAX)).await, Ok(4));
    for asked in [usize::MAX, 0] {
        assert_eq!(soon(receive.recv_many(&mut chunks, asked)).await, Ok(0));
    }
    assert_eq!(chunks, ["last"]);
}

#[tokio::test]
async fn what_had_arrived_comes_before_the_reset_that_followed_it() {
    let (_near, far, mut send, mut receive) = one_way().await;
    let data = noise(3 * CHUNK_BYTES);
    send_chunks(&mut send, &data).await;
    arrived(&far, data.len()).await;
    send.reset(Code::TARGET_LOST, "connection reset");
    soon(receive.broken()).await;

    let mut chunks = VecDeque::new();
    assert_eq!(soon(receive.recv_many(&mut chunks, usize::MAX)).await, Ok(data.len()));
    let ended = soon(receive.recv_many(&mut chunks, usize::MAX)).await.unwrap_err();
    assert_eq!((ended.code, ended.by), (Code::TARGET_LOST, By::Peer));
    assert!(Vec::from(chunks).concat() == data);
}

#[tokio::test]
async fn futures_that_are_dropped_take_nothing_with_them() {
    let (_near, _far, mut send, mut receive) = one_way().await;
    let data = noise(100 * CHUNK_BYTES);
    let sender = tokio::spawn({
        let data = data.clone();
        async move {
            for chunk in data.chunks(CHUNK_BYTES) {
                send.send(data.slice_ref(chunk)).await.unwrap();
                tokio::task::yield_now().await;
            }
            send.finish().unwrap();
        }
    });

    let (mut chunks, mut dropped) = (VecDeque::new(), 0);
    soon(async {
        loop {
            tokio::select! {
                biased;
                received = receive.recv_many(&mut chunks, 2 * CHUNK_BYTES) => {
                    if received.unwrap() == 0 {
                        break;
                    }
                }
                () = std::future::ready(()) => {
                    dropped += 1;
                    tokio::task::yield_now().await;
                }
            }
        }
    })
    .await;
    soon(sender).await.unwrap();
    assert!(dropped > 0, "it was always there at once");
    assert!(Vec::from(chunks).concat() == data);
}

#[tokio::test]
async fn the_credit_of_what_was_taken_goes_back_and_the_credit_of_the_rest_does_not() {
    let (near, far, mut send, mut receive) = one_way().await;
    let window = Config::dialer(CarrierKind::Magic).channel_window_bytes as usize;
    let data = noise(3 * window);
    let sender = tokio::spawn({
        let data = data.clone();
        async move {
            send.send(data).await.unwrap();
            send.finish().unwrap();
        }
    });
    arrived(&far, window).await;
    // Nothing more comes, however long nobody receives: an OPEN sent now is here, and no byte with it.
    let marker = near.open(Open::to("marker")).unwrap();
    soon(far.accept()).await.unwrap();
    assert_eq!(far.held_bytes(), window as u64);
    drop(marker);

    let mut chunks = VecDeque::new();
    let taken = soon(receive.recv_many(&mut chunks, window)).await.unwrap();
    assert_eq!(far.held_bytes(), (window - taken) as u64);
    while soon(receive.recv_many(&mut chunks, window)).await.unwrap() > 0 {}
    soon(sender).await.unwrap();
    assert_eq!(far.held_bytes(), 0);
    assert!(Vec::from(chunks).concat() == data);
}
