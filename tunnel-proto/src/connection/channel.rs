//! One channel's state: what may be sent, what was received, what is still to be said about it.
//!
//! ```text
//!   we open                          the peer opens
//!      │ OPEN ►                         │ ◄ OPEN            ► sent, ◄ received
//!   Opening ──◄ ACCEPT──► Open ◄──ACCEPT ►── Offered
//!      │                   │                  │
//!      └──────── RESET ► or ◄ RESET ──────────┘            gone at once, in both directions
//!
//!   Open: each direction ends by itself with DATA+FIN.     gone when both have, and all was consumed
//! ```

use alloc::{boxed::Box, collections::VecDeque, string::String};

use bytes::{Buf, Bytes};

use super::Micros;
use crate::{Code, Fields, Open, Urgency};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// We sent OPEN and wait for the answer.
    Opening,
    /// The peer sent OPEN and waits for ours.
    Offered,
    /// Accepted.
    Open,
}

/// What is still to be said, besides credit: state, not a queue, so that a peer who does not read cannot make it grow.
#[derive(Debug, Default)]
pub(super) struct Unsaid {
    pub(super) open: Option<Open>,
    pub(super) accept: Option<Fields>,
    pub(super) stop: Option<(Code, String)>,
    pub(super) reset: Option<(Code, String)>,
}

impl Unsaid {
    fn is_empty(&self) -> bool {
        self.open.is_none() && self.accept.is_none() && self.stop.is_none() && self.reset.is_none()
    }
}

/// Data that waits to be sent. INVARIANT: the sum of the lengths in `pieces` is `bytes`.
#[derive(Debug, Default)]
struct Unsent {
    pieces: VecDeque<Bytes>,
    bytes: usize,
}

/// When a channel ends by itself.
#[derive(Debug)]
pub(super) struct Times {
    /// After so long without data, in milliseconds; 0: never.
    pub(super) idle_millis: u32,
    /// When there was data last.
    pub(super) used_at: Micros,
    pub(super) deadline: Option<Micros>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fin {
    No,
    /// The application has finished; the flag goes out with the last data.
    Wanted,
    Sent,
}

/// There are many, and most are idle: what they rarely have is not kept in place.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) stage: Stage,
    pub(super) urgency: Urgency,
    unsaid: Option<Box<Unsaid>>,
    pub(super) credit_unsaid: bool,
    /// In the queue of channels with something unsaid.
    pub(super) in_control: bool,
    /// In the queue of channels with data that may go.
    pub(super) in_data: bool,
    /// What is left of its turn, in bytes.
    pub(super) turn_bytes: u32,

    /// `None`: nothing.
    unsent: Option<Box<Unsent>>,
    /// INVARIANT: sent <= send_limit.
    pub(super) sent: u64,
    pub(super) send_limit: u64,
    pub(super) fin: Fin,
    /// The peer sent STOP: what is still to be sent is thrown away.
    pub(super) stopped_by_peer: bool,
    /// The application met a full buffer and wants to be told.
    pub(super) wants_room: bool,

    /// INVARIANT: consumed <= received <= receive_limit.
    pub(super) received: u64,
    pub(super) consumed: u64,
    pub(super) receive_limit: u64,
    pub(super) window: u32,
    pub(super) times: Option<Box<Times>>,
    /// When credit was last due.
    pub(super) granted_at: Micros,
    /// The peer's FIN has arrived.
    pub(super) finished: bool,
    /// We sent STOP: what still comes is thrown away.
    pub(super) stopped: bool,
}

impl Channel {
    pub(super) fn new(stage: Stage, urgency: Urgency, window: u32, send_limit: u64) -> Self {
        Self {
            stage,
            urgency,
            unsaid: None,
            credit_unsaid: false,
            in_control: false,
            in_data: false,
            turn_bytes: 0,
            unsent: None,
            sent: 0,
            send_limit,
            fin: Fin::No,
            stopped_by_peer: false,
            wants_room: false,
            received: 0,
            consumed: 0,
            receive_limit: window.into(),
            window,
            times: None,
            granted_at: Micros(0),
            finished: false,
            stopped: false,
        }
    }

    /// When it ends by itself if nothing happens, and why.
    pub(super) fn end(&self) -> Option<(Micros, Code)> {
        let Times { idle_millis, used_at, deadline } = **self.times.as_ref()?;
        let idle = (idle_millis > 0).then(|| (used_at.plus_millis(idle_millis), Code::IDLE_TIMEOUT));
        let deadline = deadline.map(|at| (at, Code::DEADLINE));
        [idle, deadline].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// Data went, or came.
    pub(super) fn used(&mut self, now: Micros) {
        if let Some(times) = &mut self.times {
            times.used_at = now;
        }
    }

    pub(super) fn has_unsaid(&self) -> bool {
        self.credit_unsaid || self.unsaid.is_some()
    }

    /// The peer does not know of the channel yet.
    pub(super) fn is_open_unsaid(&self) -> bool {
        self.unsaid.as_ref().is_some_and(|unsaid| unsaid.open.is_some())
    }

    pub(super) fn is_reset_unsaid(&self) -> bool {
        self.unsaid.as_ref().is_some_and(|unsaid| unsaid.reset.is_some())
    }

    /// Where what is to be said is put.
    pub(super) fn unsaid(&mut self) -> &mut Unsaid {
        self.unsaid.get_or_insert_default()
    }

    /// Takes one of the things that are to be said.
    pub(super) fn say<T>(&mut self, which: impl FnOnce(&mut Unsaid) -> &mut Option<T>) -> Option<T> {
        let unsaid = self.unsaid.as_mut()?;
        let said = which(unsaid).take();
        if unsaid.is_empty() {
            self.unsaid = None;
        }
        said
    }

    /// Nothing is said any more but this.
    pub(super) fn only_reset(&mut self, code: Code, reason: String) {
        self.credit_unsaid = false;
        self.unsaid = Some(Box::new(Unsaid { reset: Some((code, reason)), ..Unsaid::default() }));
    }

    pub(super) fn push_unsent(&mut self, data: Bytes) {
        let unsent = self.unsent.get_or_insert_default();
        unsent.bytes += data.len();
        unsent.pieces.push_back(data);
    }

    pub(super) fn unsent_bytes(&self) -> usize {
        self.unsent.as_ref().map_or(0, |unsent| unsent.bytes)
    }

    /// Something off the front of what is not sent, at most so much.
    pub(super) fn pop_unsent(&mut self, max_bytes: usize) -> Option<Bytes> {
        let unsent = self.unsent.as_mut()?;
        let front = unsent.pieces.front_mut()?;
        let piece = front.split_to(max_bytes.min(front.len()));
        unsent.bytes -= piece.len();
        if !front.has_remaining() {
            unsent.pieces.pop_front();
        }
        if unsent.pieces.is_empty() {
            self.unsent = None;
        }
        Some(piece)
    }

    /// Data or FIN that the channel's own credit lets go.
    pub(super) fn has_sendable(&self) -> bool {
        match self.unsent_bytes() {
            0 => self.fin == Fin::Wanted,
            _ => self.sent < self.send_limit,
        }
    }

    /// Both directions have ended and nothing is left to be said or consumed.
    pub(super) fn is_over(&self) -> bool {
        self.finished && self.fin == Fin::Sent && !self.has_unsaid() && self.consumed == self.received
    }

    /// Whether half of the window has been consumed since the limit was last told.
    pub(super) fn credit_is_due(&self) -> bool {
        !self.finished
            && !self.stopped
            && self.next_limit().saturating_sub(self.receive_limit) >= u64::from(self.window / 2)
    }

    pub(super) fn next_limit(&self) -> u64 {
        self.consumed.saturating_add(self.window.into())
    }

    /// What was received and not yet consumed, in bytes.
    pub(super) fn parked(&self) -> u64 {
        self.received.saturating_sub(self.consumed)
    }

    pub(super) fn drop_unsent(&mut self) {
        self.unsent = None;
    }
}
