//! Two channels joined, until either breaks off or somebody cuts them: then both are told why.

use std::sync::atomic::{AtomicU64, Ordering};

use towline_cloud_api::SessionEnd;
use towline_tunnel_proto::{
    Code,
    driver::{By, Channel, Counters, Ended, ReceiveHalf, SendHalf, Side},
};

use super::MAX_REASON_CHARS;
use crate::{sessions::Place, store::audit::clean};

/// How a joined pair ended.
#[derive(Debug)]
pub(super) enum End {
    /// Both directions said all they had to say.
    Finished,
    /// One side broke off first.
    Broken(Side, Ended),
    /// Somebody ended it from outside.
    Cut(SessionEnd),
}

/// Joins `a` and `b`. The driver's own relay cannot be told to end with a code: dropping it says `CANCEL`.
pub(super) async fn join(a: Channel, b: Channel, counters: &Counters, place: &Place) -> End {
    let (a_receive, a_send) = a.split();
    let (b_receive, b_send) = b.split();
    let (forth, back) = tokio::join!(
        pump(a_receive, b_send, &counters.a_to_b, (Side::A, Side::B), place),
        pump(b_receive, a_send, &counters.b_to_a, (Side::B, Side::A), place),
    );
    // Both directions learn of a reset; the one that met it at its source names the culprit.
    match (forth, back) {
        (Ok(()), Ok(())) => End::Finished,
        (Err(End::Cut(end)), _) | (_, Err(End::Cut(end))) => End::Cut(end),
        (Err(end), Ok(())) | (Ok(()), Err(end)) => end,
        (Err(End::Broken(_, Ended { by: By::Local, .. })), Err(back)) => back,
        (Err(forth), Err(_)) => forth,
    }
}

/// One direction.
async fn pump(
    mut from: ReceiveHalf,
    mut to: SendHalf,
    counter: &AtomicU64,
    (source, sink): (Side, Side),
    place: &Place,
) -> Result<(), End> {
    let mut cut = std::pin::pin!(place.cut());
    let end = loop {
        let data = tokio::select! {
            received = from.recv() => match received {
                Ok(Some(data)) => data,
                Ok(None) => {
                    // The other direction reports what is wrong with the sink, if anything is.
                    let _ = to.finish();
                    return Ok(());
                }
                Err(ended) => break End::Broken(source, ended),
            },
            ended = to.broken() => break End::Broken(sink, ended),
            end = &mut cut => break End::Cut(end),
        };
        let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
        // That the source has broken off meanwhile is seen after what it sent before has been passed on.
        tokio::select! {
            sent = to.send(data) => match sent {
                Ok(()) => counter.fetch_add(length, Ordering::Relaxed),
                Err(ended) => break End::Broken(sink, ended),
            },
            end = &mut cut => break End::Cut(end),
        };
    };
    let (code, reason) = told(&end);
    match &end {
        // A sink that only wants nothing more may have more to say: dropping `to` leaves the other direction alone.
        End::Broken(side, _) if *side == sink => from.stop(code, &reason),
        End::Broken(..) => to.reset(code, &reason),
        End::Finished | End::Cut(_) => {
            from.stop(code, &reason);
            to.reset(code, &reason);
        }
    }
    Err(end)
}

/// What both sides are told about an end.
fn told(end: &End) -> (Code, String) {
    match end {
        End::Finished => (Code::NO_ERROR, String::new()),
        End::Cut(SessionEnd::CloudStopped) => (Code::SHUTDOWN, "the cloud is shutting down".into()),
        End::Cut(_) => (Code::REVOKED, "the session was ended by the cloud".into()),
        End::Broken(_, Ended { by: By::Carrier, .. }) => (Code::SILENT, "the connection broke".into()),
        // Of these the operator would think that the cloud is meant.
        End::Broken(Side::B, Ended { code: Code::NO_ERROR | Code::SHUTDOWN, by: By::Peer, .. }) => {
            (Code::TARGET_LOST, "the device's agent went away".into())
        }
        End::Broken(_, ended) => (ended.code, clean(&ended.reason, MAX_REASON_CHARS)),
    }
}
