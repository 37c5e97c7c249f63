//! How much bulk may be under way beside something more urgent, by what the peer's acknowledgements tell of the path.
//!
//! What was sent waits in queues that nobody here can see: the kernel's, the slowest link's. A keystroke waits behind it.
//! While a more urgent channel is open, bulk therefore keeps no more under way than the path itself holds, and a little
//! more. Without resumption there are no acknowledgements, and nothing is held back.
//!
//! An acknowledgement says when the bytes arrived, so that the way there and the way back are told apart: only on the way
//! there is a queue of ours. What the other side's bulk adds to the way back has to be under way in addition, or this side
//! would starve. The two clocks need not agree: what they differ by is taken off one way and added to the other.
//!
//! ```text
//!            a queue, or        every 10 s, or          little is        a                a                  a
//!            enough rounds      a long queue            under way        round            round              round
//!   Starting ───────────► Steady ──────────────► Falling ────────► Low ───────► Measuring ───────► Filling ────────► Steady
//!      ▲                                                                            │
//!      └────────────────────────────── the path has become longer ──────────────────┘
//! ```
//!
//! Spec: PROTOCOL.md §11.2.

use alloc::collections::VecDeque;
use core::cmp::Reverse;

use super::Micros;

/// What bulk may have in queues besides the frame that goes over it, as time at the path's rate: enough that the slowest
/// link never runs dry.
const QUEUE_MICROS: u64 = 5_000;
/// Such a queue is there for certain, in microseconds; and such a one is not what was aimed at.
const SOME_QUEUE: i64 = 10_000;
const LONG_QUEUE: i64 = 20_000;
/// As much more may be under way where machines and links are not steady, as time at the path's rate.
const MAX_SLACK_MICROS: u64 = 100_000;
/// From so many measurements the shortest of a round is taken, or more.
const MIN_MEASURED: u32 = 8;
/// An acknowledgement that is later than usual by more than this is waited for, in microseconds.
const MAX_UNHEARD: i64 = 50_000;
/// Rates are forgotten after once to twice this, so that a path that became slower is noticed.
const RATE_MEMORY_MICROS: u64 = 5_000_000;
/// So are round trips, so that a path that became longer is noticed.
const ROUND_TRIP_MEMORY_MICROS: u64 = 60_000_000;
/// The queue is emptied so often, to see how long the way is without it.
const DRAIN_EVERY_MICROS: u64 = 10_000_000;
/// What is slower than this is treated as if it were not, in bytes per second.
const MIN_RATE: u64 = 8 * 1024;
/// Under way before anything was measured.
const FIRST_UNDER_WAY_BYTES: u64 = 64 * 1024;
/// The rate is known once it has not grown by a quarter for so many round trips.
const ROUNDS_WITHOUT_GROWTH: u8 = 3;
/// A frame lasts so long at the path's rate, within bounds.
const FRAME_MICROS: u64 = 4_000;
const MIN_FRAME_BYTES: u64 = 2 * 1024;
/// Never less than this is under way, but while the queue is emptied.
const MIN_UNDER_WAY_BYTES: u64 = 2 * MIN_FRAME_BYTES;
/// Measured at the same time, and how far apart at least.
const MAX_PROBES: usize = 64;
const PROBE_BYTES: u64 = 8 * 1024;

/// A place in the counted bytes, waiting to be acknowledged.
#[derive(Clone, Copy, Debug)]
struct Probe {
    sent: u64,
    at: Micros,
    /// What was acknowledged when it went out, and when that had arrived.
    acknowledged: u64,
    arrived_at: Option<Micros>,
}

/// The best of the time that is remembered: of this half, and of the half before.
#[derive(Debug, Default)]
struct Recent<T> {
    half: Option<T>,
    half_before: Option<T>,
    since: Micros,
}

impl<T: Ord + Copy> Recent<T> {
    fn best(&self) -> Option<T> {
        self.half.max(self.half_before)
    }

    fn note(&mut self, value: T) {
        self.half = self.half.max(Some(value));
    }

    fn forget_before(&mut self, now: Micros, half_micros: u64) {
        if now.0.saturating_sub(self.since.0) > half_micros {
            *self = Self { half: None, half_before: self.half, since: now };
        }
    }
}

/// What was seen since the last round trip began.
#[derive(Debug, Default)]
struct Round {
    /// It ends when this is acknowledged.
    ends: u64,
    rate: u64,
    /// The shortest way there.
    there: Option<i64>,
    measured: u32,
    /// Bulk would have sent more than it might.
    held_back: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// Twice as much is under way as seems right, until there is a queue: then the rate is known.
    #[default]
    Starting,
    Steady,
    /// Little is sent until little is under way.
    Falling,
    /// Little is under way, but what is acknowledged left before that.
    Low,
    /// What is acknowledged met no queue of ours. Little by little as much goes under way again as before.
    Measuring,
    /// As much is under way again, but what is acknowledged left before that.
    Filling,
}

#[derive(Debug, Default)]
pub(super) struct Pace {
    probes: VecDeque<Probe>,
    /// When, by the peer's clock, what was last acknowledged had arrived.
    arrived_at: Option<Micros>,
    /// The way there without our queue, in microseconds and by two clocks.
    there: Option<i64>,
    /// The way back as it is, likewise, smoothed.
    back: i64,
    /// In microseconds.
    round_trip: Recent<Reverse<u64>>,
    /// In bytes per second.
    rate: Recent<u64>,
    round: Round,
    phase: Phase,
    /// While starting: what the rate was when it last grew.
    rate_once: u64,
    rounds_without_growth: u8,
    /// What is aimed at beyond [`QUEUE_MICROS`].
    slack: u64,
    drained_at: Micros,
    /// What was measured when the queue seemed to be empty, and may not have been.
    last_measured: Option<i64>,
    /// Bulk goes out at a rate, not in bursts.
    not_before: Micros,
}

impl Pace {
    /// Counted bytes up to `sent` go out now.
    pub(super) fn sent(&mut self, now: Micros, sent: u64, acknowledged: u64) {
        let is_far = self.probes.back().is_none_or(|last| sent >= last.sent + PROBE_BYTES);
        if is_far && self.probes.len() < MAX_PROBES {
            self.probes.push_back(Probe { sent, at: now, acknowledged, arrived_at: self.arrived_at });
        }
    }

    /// Bulk waits for acknowledgements, although everything else would let it go.
    pub(super) fn held_back(&mut self) {
        self.round.held_back = true;
    }

    /// The peer has everything up to `acknowledged` since `arrived_at`, by its own clock.
    pub(super) fn acknowledged(&mut self, now: Micros, acknowledged: u64, arrived_at: Micros, sent: u64) {
        self.arrived_at = Some(arrived_at);
        let mut last = None;
        while let Some(probe) = self.probes.pop_front_if(|probe| acknowledged >= probe.sent) {
            last = Some(probe);
        }
        if self.probes.is_empty() {
            self.probes = VecDeque::new();
        }
        if let Some(probe) = last {
            self.measure(now, acknowledged, arrived_at, probe);
        }
        if self.phase == Phase::Falling && sent.saturating_sub(acknowledged) <= self.low_bytes() {
            self.phase = Phase::Low;
            self.round = Round { ends: sent, ..Round::default() };
        } else if acknowledged >= self.round.ends && (self.round.measured >= MIN_MEASURED || self.phase == Phase::Low) {
            self.end_round(now);
            self.round = Round { ends: sent, ..Round::default() };
        }
    }

    fn measure(&mut self, now: Micros, acknowledged: u64, arrived_at: Micros, probe: Probe) {
        let round_trip = now.0.saturating_sub(probe.at.0).max(1);
        self.note_round_trip(now, round_trip);

        let there = difference(arrived_at, probe.at);
        let back = difference(now, arrived_at);
        self.back =
            if self.there.is_some() { self.back.saturating_add(back.saturating_sub(self.back) / 8) } else { back };
        self.there = Some(self.there.map_or(there, |shortest| shortest.min(there)));
        self.round.measured = self.round.measured.saturating_add(1);
        self.round.there = Some(self.round.there.map_or(there, |shortest| shortest.min(there)));

        // Between the two arrivals lies a way back and a way there.
        let shortest = self.round_trip().unwrap_or(round_trip);
        let micros = probe.arrived_at.map_or(round_trip, |before| arrived_at.0.saturating_sub(before.0)).max(shortest);
        let delivered = acknowledged.saturating_sub(probe.acknowledged);
        let rate = delivered.saturating_mul(1_000_000) / micros;
        if self.round.held_back {
            // Only then a lower rate says something of the path.
            self.rate.forget_before(now, RATE_MEMORY_MICROS);
        }
        self.rate.note(rate);
        self.round.rate = self.round.rate.max(rate);
    }

    fn end_round(&mut self, now: Micros) {
        let (Some(there), Some(shortest)) = (self.round.there, self.there) else { return };
        let queue = there.saturating_sub(shortest);
        let grows = self.phase == Phase::Starting && self.rate_grows();
        if self.phase == Phase::Steady {
            self.mend(queue);
        }
        self.phase = match self.phase {
            Phase::Starting if queue < SOME_QUEUE && grows => Phase::Starting,
            Phase::Starting | Phase::Steady if queue >= LONG_QUEUE && self.round.held_back => {
                // The path is slower than was thought, or longer.
                self.only_this_rounds_rate(now);
                Phase::Falling
            }
            Phase::Steady if now.0.saturating_sub(self.drained_at.0) >= DRAIN_EVERY_MICROS => Phase::Falling,
            Phase::Starting | Phase::Steady => Phase::Steady,
            Phase::Falling => Phase::Falling,
            Phase::Low => Phase::Measuring,
            Phase::Measuring if queue >= LONG_QUEUE && self.is_less(there) => {
                // With less under way the queue became shorter: it is ours, and was not empty yet.
                self.last_measured = Some(there);
                self.only_this_rounds_rate(now);
                Phase::Falling
            }
            Phase::Measuring => {
                self.last_measured = None;
                self.there = Some(there);
                self.drained_at = now;
                if queue >= LONG_QUEUE {
                    // The path is longer: it holds more than is under way.
                    self.round_trip = Recent::default();
                    (self.rate_once, self.rounds_without_growth) = (0, 0);
                    Phase::Starting
                } else {
                    Phase::Filling
                }
            }
            Phase::Filling => Phase::Steady,
        };
    }

    /// Less or more than is aimed at waits: what comes late or in bursts leaves the link idle, unless more is under way.
    fn mend(&mut self, queue: i64) {
        let too_much = u64::try_from(queue.saturating_sub(SOME_QUEUE)).unwrap_or_default();
        self.slack = self.slack.saturating_sub(too_much / 2);
        if self.round.held_back && queue < SOME_QUEUE / 4 {
            self.slack = self.slack.saturating_add(QUEUE_MICROS.max(self.path() / 16)).min(MAX_SLACK_MICROS);
        }
    }

    /// By a quarter in three rounds in which all was sent that might be.
    fn rate_grows(&mut self) -> bool {
        let rate = self.rate();
        if rate > self.rate_once.saturating_add(self.rate_once / 4) {
            (self.rate_once, self.rounds_without_growth) = (rate, 0);
        } else if self.round.held_back {
            self.rounds_without_growth = self.rounds_without_growth.saturating_add(1);
        }
        self.rounds_without_growth < ROUNDS_WITHOUT_GROWTH
    }

    fn is_less(&self, there: i64) -> bool {
        self.last_measured.is_none_or(|last| there < last.saturating_sub(SOME_QUEUE))
    }

    fn only_this_rounds_rate(&mut self, now: Micros) {
        self.rate = Recent { half: Some(self.round.rate), half_before: None, since: now };
        self.slack = 0;
    }

    /// A round trip took so long.
    pub(super) fn note_round_trip(&mut self, now: Micros, micros: u64) {
        self.round_trip.forget_before(now, ROUND_TRIP_MEMORY_MICROS);
        self.round_trip.note(Reverse(micros));
    }

    /// The shortest round trip of late, in microseconds.
    pub(super) fn round_trip(&self) -> Option<u64> {
        self.round_trip.best().map(|Reverse(micros)| micros)
    }

    /// The path's, in bytes per second.
    fn rate(&self) -> u64 {
        self.rate.best().unwrap_or_default().max(MIN_RATE)
    }

    /// What the path carries in so long, in bytes.
    fn bytes_in(&self, micros: u64) -> u64 {
        self.rate().saturating_mul(micros) / 1_000_000
    }

    /// The path without our queue, in microseconds: by both clocks, so that what they differ by is gone.
    fn path(&self) -> u64 {
        u64::try_from(self.there.unwrap_or_default().saturating_add(self.back)).unwrap_or_default()
    }

    /// So little that the queue is empty, in bytes.
    fn low_bytes(&self) -> u64 {
        self.bytes_in(self.path() / 4 * 3).max(MIN_FRAME_BYTES)
    }

    /// When bulk may go, beside something more urgent, with so much under way: `now`, later, or, `None`, not before something
    /// is acknowledged.
    pub(super) fn next_at(&self, now: Micros, under_way: u64) -> Option<Micros> {
        let (Some(there), Some(arrived_at)) = (self.there, self.arrived_at) else {
            return (under_way < FIRST_UNDER_WAY_BYTES).then_some(now);
        };
        let most = match self.phase {
            Phase::Starting => {
                let shortest = self.round_trip().unwrap_or_default().saturating_add(QUEUE_MICROS);
                self.bytes_in(shortest.saturating_mul(2)).max(FIRST_UNDER_WAY_BYTES)
            }
            Phase::Falling | Phase::Low => self.low_bytes(),
            Phase::Steady | Phase::Measuring | Phase::Filling => {
                // While an acknowledgement is on its way back, more arrives over there.
                let back = self.back.saturating_add(MAX_UNHEARD).min(difference(now, arrived_at));
                let path = u64::try_from(there.saturating_add(back)).unwrap_or_default();
                self.bytes_in(path.saturating_add(self.queue_micros())).max(MIN_UNDER_WAY_BYTES)
            }
        };
        if under_way < most {
            return Some(now.max(self.not_before));
        }
        let missing = self.micros_of(under_way.saturating_sub(most).saturating_add(1));
        let at = Micros(now.0.saturating_add(missing));
        let is_heard_first = difference(at, arrived_at) > self.back.saturating_add(MAX_UNHEARD);
        let rises = matches!(self.phase, Phase::Steady | Phase::Measuring | Phase::Filling) && !is_heard_first;
        rises.then(|| at.max(self.not_before))
    }

    /// A frame of bulk goes out now: the next follows at the path's rate, or a little more.
    pub(super) fn bulk_sent(&mut self, now: Micros, bytes: u64) {
        if self.phase != Phase::Starting {
            let lasts = match self.phase {
                // What is missing after the queue was emptied is not to become one at once.
                Phase::Measuring | Phase::Filling => self.micros_of(bytes),
                _ => self.micros_of(bytes) / 5 * 4,
            };
            let earliest = now.0.saturating_sub(self.queue_micros());
            self.not_before = Micros(self.not_before.0.max(earliest).saturating_add(lasts));
        }
    }

    fn queue_micros(&self) -> u64 {
        QUEUE_MICROS.saturating_add(self.slack)
    }

    /// How long the path takes to carry so much, in microseconds.
    fn micros_of(&self, bytes: u64) -> u64 {
        bytes.saturating_mul(1_000_000) / self.rate()
    }

    /// How long a frame of bulk may be beside something more urgent, in bytes.
    pub(super) fn frame_bytes(&self) -> usize {
        usize::try_from(self.bytes_in(FRAME_MICROS).max(MIN_FRAME_BYTES)).unwrap_or(usize::MAX)
    }
}

/// From `before` to `after` in microseconds, whichever clocks they are of.
fn difference(after: Micros, before: Micros) -> i64 {
    after.0.wrapping_sub(before.0).cast_signed()
}
