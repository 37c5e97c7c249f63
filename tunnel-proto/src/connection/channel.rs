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

use bytes::Bytes;

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

/// What is still to be said: state, not a queue, so that a peer who does not read cannot make it grow. Most channels have
/// nothing to say most of the time, so it is not kept in place.
#[derive(Debug, Default)]
pub(super) struct Unsaid {
    pub(super) open: Option<Box<Open>>,
    pub(super) accept: Option<Box<Fields>>,
    pub(super) stop: Option<Box<(Code, String)>>,
    pub(super) reset: Option<Box<(Code, String)>>,
    pub(super) credit: bool,
}

impl Unsaid {
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_none() && self.accept.is_none() && self.stop.is_none() && self.reset.is_none() && !self.credit
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fin {
    No,
    /// The application has finished; the flag goes out with the last data.
    Wanted,
    Sent,
}

#[derive(Debug)]
pub(super) struct Channel {
    pub(super) stage: Stage,
    pub(super) urgency: Urgency,
    pub(super) unsaid: Unsaid,
    /// In the queue of channels with something unsaid.
    pub(super) in_control: bool,
    /// In the queue of channels with data that may go.
    pub(super) in_data: bool,
    /// What is left of its turn, in bytes.
    pub(super) turn_bytes: usize,

    /// INVARIANT: the sum of the lengths in `unsent` is `unsent_bytes`.
    pub(super) unsent: VecDeque<Bytes>,
    pub(super) unsent_bytes: usize,
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
    pub(super) window: u64,
    /// It ends after so long without data, in milliseconds; 0: never.
    pub(super) idle_millis: u32,
    /// When there was data last.
    pub(super) used_at: Micros,
    pub(super) deadline: Option<Micros>,
    /// When credit was last due.
    pub(super) granted_at: Micros,
    /// The peer's FIN has arrived.
    pub(super) finished: bool,
    /// We sent STOP: what still comes is thrown away.
    pub(super) stopped: bool,
}

impl Channel {
    pub(super) fn new(stage: Stage, urgency: Urgency, window: u64, send_limit: u64) -> Self {
        Self {
            stage,
            urgency,
            unsaid: Unsaid::default(),
            in_control: false,
            in_data: false,
            turn_bytes: 0,
            unsent: VecDeque::new(),
            unsent_bytes: 0,
            sent: 0,
            send_limit,
            fin: Fin::No,
            stopped_by_peer: false,
            wants_room: false,
            received: 0,
            consumed: 0,
            receive_limit: window,
            window,
            idle_millis: 0,
            used_at: Micros(0),
            deadline: None,
            granted_at: Micros(0),
            finished: false,
            stopped: false,
        }
    }

    /// When it ends by itself if nothing happens, and why.
    pub(super) fn end(&self) -> Option<(Micros, Code)> {
        let idle = (self.idle_millis > 0).then(|| (self.used_at.plus_millis(self.idle_millis), Code::IDLE_TIMEOUT));
        let deadline = self.deadline.map(|at| (at, Code::DEADLINE));
        [idle, deadline].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// Data or FIN that the channel's own credit lets go.
    pub(super) fn has_sendable(&self) -> bool {
        match self.unsent_bytes {
            0 => self.fin == Fin::Wanted,
            _ => self.sent < self.send_limit,
        }
    }

    /// Both directions have ended and nothing is left to be said or consumed.
    pub(super) fn is_over(&self) -> bool {
        self.finished && self.fin == Fin::Sent && self.unsaid.is_empty() && self.consumed == self.received
    }

    /// Whether half of the window has been consumed since the limit was last told.
    pub(super) fn credit_is_due(&self) -> bool {
        !self.finished && !self.stopped && self.next_limit().saturating_sub(self.receive_limit) >= self.window / 2
    }

    pub(super) fn next_limit(&self) -> u64 {
        self.consumed.saturating_add(self.window)
    }

    /// What was received and not yet consumed, in bytes.
    pub(super) fn parked(&self) -> u64 {
        self.received.saturating_sub(self.consumed)
    }

    pub(super) fn drop_unsent(&mut self) {
        self.unsent = VecDeque::new();
        self.unsent_bytes = 0;
    }
}
