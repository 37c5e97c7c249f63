//! Joins two channels: bytes without copies, each side's ends passed on to the other.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Channel, Ended, ReceiveHalf, SendHalf};

/// Bytes that a relay has passed on, readable while it runs.
#[derive(Debug, Default)]
pub struct Counters {
    /// From the first channel to the second, in bytes.
    pub a_to_b: AtomicU64,
    /// From the second channel to the first, in bytes.
    pub b_to_a: AtomicU64,
}

/// One of the two channels of a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The first.
    A,
    /// The second.
    B,
}

/// How a relay ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relayed {
    /// From the first channel to the second, in bytes.
    pub a_to_b_bytes: u64,
    /// From the second channel to the first, in bytes.
    pub b_to_a_bytes: u64,
    /// `Ok` if both sides finished; otherwise which side broke off first, and why.
    pub end: Result<(), (Side, Ended)>,
}

/// Passes bytes between two channels until both directions have ended.
///
/// A finished direction is finished on the other side too, a stopped one stopped, a reset one reset with the same code
/// and reason. Bytes are moved, not copied; credit is given back to one side only when the other side has taken
/// them, so that a stalled reader stops the sender and not this process's memory.
///
/// # Cancel safety
///
/// Dropping the future resets both channels.
pub async fn relay(a: Channel, b: Channel) -> Relayed {
    relay_with(a, b, &Counters::default()).await
}

/// The same as [`relay`], counting into `counters` as it goes.
///
/// # Cancel safety
///
/// Dropping the future resets both channels.
pub async fn relay_with(a: Channel, b: Channel, counters: &Counters) -> Relayed {
    let (a_receive, a_send) = a.split();
    let (b_receive, b_send) = b.split();
    let (forth, back) = tokio::join!(
        pump(a_receive, b_send, &counters.a_to_b, Side::A),
        pump(b_receive, a_send, &counters.b_to_a, Side::B),
    );
    // Both directions learn of a reset; the one that met it at its source names the culprit.
    let end = match (forth, back) {
        (Ok(()), Ok(())) => Ok(()),
        (Err(end), Ok(())) | (Ok(()), Err(end)) => Err(end),
        (Err(forth), Err(back)) => Err(if forth.1.by == super::By::Local { back } else { forth }),
    };
    Relayed {
        a_to_b_bytes: counters.a_to_b.load(Ordering::Relaxed),
        b_to_a_bytes: counters.b_to_a.load(Ordering::Relaxed),
        end,
    }
}

/// One direction, from `source`.
async fn pump(mut from: ReceiveHalf, mut to: SendHalf, counter: &AtomicU64, source: Side) -> Result<(), (Side, Ended)> {
    let sink = match source {
        Side::A => Side::B,
        Side::B => Side::A,
    };
    loop {
        let data = tokio::select! {
            received = from.recv() => match received {
                Ok(Some(data)) => data,
                Ok(None) => {
                    let _ = to.finish();
                    return Ok(());
                }
                Err(ended) => {
                    to.reset(ended.code, &ended.reason);
                    return Err((source, ended));
                }
            },
            ended = to.broken() => {
                from.stop(ended.code, &ended.reason);
                return Err((sink, ended));
            }
        };
        let length = data.len() as u64;
        let sent = tokio::select! {
            sent = to.send(data) => sent.map_err(|ended| (sink, ended)),
            ended = from.broken() => Err((source, ended)),
        };
        match sent {
            Ok(()) => {
                counter.fetch_add(length, Ordering::Relaxed);
            }
            Err((side, ended)) => {
                if side == source {
                    to.reset(ended.code, &ended.reason);
                } else {
                    from.stop(ended.code, &ended.reason);
                }
                return Err((side, ended));
            }
        }
    }
}
