//! Three machines: an operator, a relay, a device.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use towline_tunnel_proto::{
    Code, Fields, Open,
    driver::{Channel, Counters, Mux, RelayEnd, Side, pass_on, relay, relay_until},
};

use crate::driver::{noise, session, soon};

/// An operator's channel, the device's end of it, and the relay in between.
async fn path() -> (Channel, Channel, tokio::task::JoinHandle<RelayEnd>, [Mux; 4]) {
    let (operator, cloud_operator) = session(64 * 1024);
    let (cloud_device, device) = session(64 * 1024);
    let mut near = operator.open(Open::to("device/1/endpoint/2")).unwrap();
    let incoming = soon(cloud_operator.accept()).await.unwrap();
    let mut onward = cloud_device.open(Open::to("tcp://127.0.0.1:22")).unwrap();
    let far = soon(device.accept()).await.unwrap().accept(Fields::new());
    soon(onward.accepted()).await.unwrap();
    let task = tokio::spawn(relay(incoming.accept(Fields::new()), onward));
    soon(near.accepted()).await.unwrap();
    (near, far, task, [operator, cloud_operator, cloud_device, device])
}

#[tokio::test]
async fn every_byte_arrives_once_and_in_order() {
    let (near, far, relayed, _sessions) = path().await;
    let (up, down) = (noise(3_000_000), noise(5_000_000));
    let exchange = |channel: Channel, data: Bytes| async move {
        let (mut receive, mut send) = channel.split();
        let (_, all) = tokio::join!(
            async {
                send.send(data).await.unwrap();
                send.finish().unwrap();
            },
            async {
                let mut all = Vec::new();
                receive.read_to_end(&mut all).await.unwrap();
                all
            },
        );
        all
    };
    let (received_near, received_far) =
        soon(async { tokio::join!(exchange(near, up.clone()), exchange(far, down.clone())) }).await;
    assert!(received_far == up && received_near == down);
    assert_eq!(soon(relayed).await.unwrap(), RelayEnd::Finished);
}

#[tokio::test]
async fn a_question_that_ends_is_answered_through_the_relay() {
    let (mut near, mut far, relayed, _sessions) = path().await;
    near.write_all(b"all I have to say").await.unwrap();
    near.shutdown().await.unwrap();
    let mut question = String::new();
    soon(far.read_to_string(&mut question)).await.unwrap();
    far.write_all(question.to_uppercase().as_bytes()).await.unwrap();
    far.shutdown().await.unwrap();
    let mut answer = String::new();
    soon(near.read_to_string(&mut answer)).await.unwrap();
    assert_eq!(answer, "ALL I HAVE TO SAY");
    assert_eq!(soon(relayed).await.unwrap(), RelayEnd::Finished);
}

#[tokio::test]
async fn an_operator_who_stalls_stops_the_device_and_not_the_relays_memory() {
    let (mut near, mut far, _relayed, _sessions) = path().await;
    let sent = Arc::new(AtomicU64::new(0));
    let counter = sent.clone();
    let device = tokio::spawn(async move {
        for _ in 0..1000 {
            far.send(Bytes::from(vec![0; 64 * 1024])).await.unwrap();
            counter.fetch_add(64 * 1024, Ordering::Relaxed);
        }
        far.finish().await.unwrap();
        // Held until the operator has read all of it.
        while far.recv().await.unwrap().is_some() {}
    });
    // Until the device makes no more headway.
    let mut before = u64::MAX;
    while before != sent.load(Ordering::Relaxed) {
        before = sent.load(Ordering::Relaxed);
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
    // Two windows, two send buffers, what the pipes hold and one chunk each: not the 64 MB that the device has.
    assert!(before <= 2 << 20, "{before} bytes were taken from the device");

    let mut received = 0;
    while let Some(data) = soon(near.recv()).await.unwrap() {
        received += data.len();
    }
    assert_eq!(received, 1000 * 64 * 1024);
    soon(near.finish()).await.unwrap();
    soon(device).await.unwrap();
}

#[tokio::test]
async fn a_stalled_channel_does_not_stop_another_on_the_same_two_sessions() {
    let (_near, mut far, _relayed, [operator, cloud_operator, cloud_device, device]) = path().await;
    tokio::spawn(async move { while far.send(Bytes::from(vec![0; 64 * 1024])).await.is_ok() {} });

    for _ in 0..3 {
        let mut lively = operator.open(Open::to("lively")).unwrap();
        let incoming = soon(cloud_operator.accept()).await.unwrap();
        let onward = cloud_device.open(Open::to("lively")).unwrap();
        let mut target = soon(device.accept()).await.unwrap().accept(Fields::new());
        tokio::spawn(relay(incoming.accept(Fields::new()), onward));
        let answer = tokio::spawn(async move {
            for _ in 0..50 {
                target.send(noise(64 * 1024)).await.unwrap();
            }
            target.finish().await.unwrap();
            while let Ok(Some(_)) = target.recv().await {}
        });
        lively.finish().await.unwrap();
        let mut received = 0;
        while let Some(data) = soon(lively.recv()).await.unwrap() {
            received += data.len();
        }
        assert_eq!(received, 50 * 64 * 1024);
        soon(answer).await.unwrap();
    }
}

#[tokio::test]
async fn a_reset_passes_the_relay_with_its_code_and_reason_and_names_its_side() {
    let (mut near, far, relayed, _sessions) = path().await;
    far.reset(Code::TARGET_LOST, "connection reset by 127.0.0.1:22");
    let ended = soon(near.recv()).await.unwrap_err();
    assert_eq!((ended.code, ended.reason.as_str()), (Code::TARGET_LOST, "connection reset by 127.0.0.1:22"));
    assert!(
        matches!(soon(relayed).await.unwrap(), RelayEnd::Broken(Side::B, ended) if ended.code == Code::TARGET_LOST)
    );
}

#[tokio::test]
async fn a_reset_passes_the_relay_while_the_other_side_is_stalled() {
    let (near, mut far, relayed, _sessions) = path().await;
    // The relay is full towards the device, which reads nothing.
    let (_near_receive, mut near_send) = near.split();
    let filler = tokio::spawn(async move {
        while near_send.send(Bytes::from(vec![0; 64 * 1024])).await.is_ok() {}
        near_send
    });
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    filler.abort();
    assert!(matches!(soon(relayed).await.unwrap(), RelayEnd::Broken(Side::A, _)));
    soon(far.broken()).await;
}

#[tokio::test]
async fn the_loss_of_the_devices_session_reaches_the_operator() {
    let (mut near, _far, relayed, [_operator, _cloud_operator, _cloud_device, device]) = path().await;
    device.close(Code::SHUTDOWN, "the agent stops");
    let ended = soon(near.recv()).await.unwrap_err();
    assert_eq!((ended.code, ended.reason.as_str()), (Code::SHUTDOWN, "the agent stops"));
    assert!(matches!(soon(relayed).await.unwrap(), RelayEnd::Broken(Side::B, _)));
}

#[tokio::test]
async fn what_a_source_sent_before_it_finished_arrives_although_its_session_ends_meanwhile() {
    let (mut near, far, _relayed, [_operator, _cloud_operator, _cloud_device, device]) = path().await;
    let data = noise(600_000);
    let mut send = far.split().1;
    let sent = data.clone();
    tokio::spawn(async move {
        send.send(sent).await.unwrap();
        send.finish().unwrap();
    });
    // Nobody reads yet: the relay holds a part, the operator's side the rest.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let mut received = Vec::new();
    while received.len() < 200_000 {
        received.extend_from_slice(&soon(near.recv()).await.unwrap().unwrap());
    }
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    device.close(Code::SHUTDOWN, "the agent stops");
    while let Some(more) = soon(near.recv()).await.unwrap() {
        received.extend_from_slice(&more);
    }
    assert!(received == data);
}

#[tokio::test]
async fn a_relay_that_is_cut_tells_both_sides_why_even_if_they_are_stalled() {
    let (operator, cloud_operator) = session(1024);
    let (cloud_device, device) = session(1024);
    let mut near = operator.open(Open::to("x")).unwrap();
    let incoming = soon(cloud_operator.accept()).await.unwrap();
    let onward = cloud_device.open(Open::to("x")).unwrap();
    let mut far = soon(device.accept()).await.unwrap().accept(Fields::new());
    let (cut, when) = tokio::sync::oneshot::channel::<()>();
    let counters = Arc::new(Counters::default());
    let counted = counters.clone();
    let relayed = tokio::spawn(async move {
        let cut = async {
            let _ = when.await;
            (Code::REVOKED, "the endpoint was deleted".into())
        };
        relay_until(incoming.accept(Fields::new()), onward, &counted, cut, pass_on).await
    });
    soon(near.send(Bytes::from_static(b"one to count"))).await.unwrap();
    assert_eq!(soon(far.recv()).await.unwrap().unwrap(), "one to count");
    let filler = tokio::spawn(async move {
        while near.send(Bytes::from(vec![0; 64 * 1024])).await.is_ok() {}
        near.broken().await
    });
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert!(counters.a_to_b.load(Ordering::Relaxed) >= 12);
    cut.send(()).unwrap();
    assert_eq!(soon(relayed).await.unwrap(), RelayEnd::Cut(Code::REVOKED, "the endpoint was deleted".into()));
    for ended in [soon(filler).await.unwrap(), soon(far.broken()).await] {
        assert_eq!((ended.code, ended.reason.as_str()), (Code::REVOKED, "the endpoint was deleted"));
    }
}
