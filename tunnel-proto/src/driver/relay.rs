//! Joins two channels: bytes without copies, each side's ends passed on to the other.

use std::{
    collections::VecDeque,
    pin::pin,
    string::String,
    sync::atomic::{AtomicU64, Ordering},
};

use super::{By, Channel, Ended, ReceiveHalf, SendHalf};
use crate::Code;

/// What a direction takes from one side at a time, in bytes.
const AT_ONCE_BYTES: usize = 64 * 1024;

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
pub enum RelayEnd {
    /// Both sides said all they had to say.
    Finished,
    /// One side broke off first.
    Broken(Side, Ended),
    /// It was ended from outside.
    Cut(Code, String),
}

/// Passes bytes between two channels until both directions have ended.
///
/// A finished direction is finished on the other side too, a stopped one stopped, a reset one reset with the same code
/// and reason. Bytes are moved, not copied; credit is given back to one side only when the other side has taken
/// them, so that a stalled reader stops the sender and not this process's memory.
///
/// # Cancel safety
///
/// Dropping the future resets both channels with [`Code::CANCEL`].
pub async fn relay(a: Channel, b: Channel) -> RelayEnd {
    relay_until(a, b, &Counters::default(), std::future::pending(), pass_on).await
}

/// What [`relay`] tells the other side when one breaks off: the same code and reason.
pub fn pass_on(_: Side, ended: &Ended) -> (Code, String) {
    (ended.code, ended.reason.clone())
}

/// The same as [`relay`], with more say in it: counts into `counters` as it goes, ends when `cut` says so (both sides
/// are reset with what it returns), and asks `tell` what the other side is to hear when one breaks off.
///
/// # Cancel safety
///
/// Dropping the future resets both channels with [`Code::CANCEL`].
pub async fn relay_until(
    a: Channel,
    b: Channel,
    counters: &Counters,
    cut: impl Future<Output = (Code, String)>,
    tell: impl Fn(Side, &Ended) -> (Code, String),
) -> RelayEnd {
    let ends = [a.end(), b.end()];
    let (a_receive, a_send) = a.split();
    let (b_receive, b_send) = b.split();
    let mut both = pin!(async {
        tokio::join!(
            pump(a_receive, b_send, &counters.a_to_b, (Side::A, Side::B), &tell),
            pump(b_receive, a_send, &counters.b_to_a, (Side::B, Side::A), &tell),
        )
    });
    let (forth, back) = tokio::select! {
        done = &mut both => done,
        (code, reason) = cut => {
            for end in ends {
                end.reset(code, &reason);
            }
            // Both directions see that at once.
            let _ = both.await;
            return RelayEnd::Cut(code, reason);
        }
    };
    match (forth, back) {
        (Ok(()), Ok(())) => RelayEnd::Finished,
        (Err((side, ended)), Ok(())) | (Ok(()), Err((side, ended))) => RelayEnd::Broken(side, ended),
        // Both directions learn of a reset; the one that met it at its source names the culprit.
        (Err((_, Ended { by: By::Local, .. })), Err((side, ended))) => RelayEnd::Broken(side, ended),
        (Err((side, ended)), Err(_)) => RelayEnd::Broken(side, ended),
    }
}

/// One direction.
async fn pump(
    mut from: ReceiveHalf,
    mut to: SendHalf,
    counter: &AtomicU64,
    (source, sink): (Side, Side),
    tell: &impl Fn(Side, &Ended) -> (Code, String),
) -> Result<(), (Side, Ended)> {
    let mut chunks = VecDeque::new();
    let (side, ended) = loop {
        let Some(data) = chunks.pop_front() else {
            tokio::select! {
                received = from.recv_many(&mut chunks, AT_ONCE_BYTES) => match received {
                    Ok(1..) => continue,
                    Ok(0) => {
                        // The other direction reports what is wrong with the sink, if anything is.
                        let _ = to.finish();
                        return Ok(());
                    }
                    Err(ended) => break (source, ended),
                },
                ended = to.broken() => break (sink, ended),
            }
        };
        let length = data.len() as u64;
        tokio::select! {
            sent = to.send(data) => match sent {
                Ok(()) => counter.fetch_add(length, Ordering::Relaxed),
                Err(ended) => break (sink, ended),
            },
            // Not after the source has finished: then all of it still goes out.
            ended = from.broken() => break (source, ended),
        };
    };
    let (code, reason) = tell(side, &ended);
    if side == sink {
        // A sink that only wants nothing more may have more to say: the other direction goes on.
        from.stop(code, &reason);
    } else {
        to.reset(code, &reason);
    }
    Err((side, ended))
}
