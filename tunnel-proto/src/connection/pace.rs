//! How fast the session's bytes reach the peer, by its acknowledgements; and from that, how much bulk may be under way.
//!
//! What was sent waits in queues that nobody here can see: the kernel's, the slowest link's. A keystroke waits behind it.
//! While a more urgent channel is open, bulk therefore keeps no more under way than the path itself holds, and a little
//! more. Without resumption there are no acknowledgements, and nothing is held back.
//!
//! Spec: PROTOCOL.md §11.2.

use alloc::collections::VecDeque;

use super::Micros;

/// What bulk may have in queues, as time at the path's rate: enough that the slowest link never runs dry.
const QUEUE_MICROS: u64 = 10_000;
/// Rates are forgotten after so long, so that a path that became slower is noticed.
const RATE_MEMORY_MICROS: u64 = 10_000_000;
/// Never less than this is under way.
const MIN_UNDER_WAY_BYTES: u64 = 16 * 1024;
/// Under way before anything was measured.
const FIRST_UNDER_WAY_BYTES: u64 = 64 * 1024;
/// A frame lasts so long at the path's rate, within bounds.
const FRAME_MICROS: u64 = 5_000;
const MIN_FRAME_BYTES: u64 = 2 * 1024;
/// Measured at the same time, and how far apart at least.
const MAX_PROBES: usize = 64;
const PROBE_BYTES: u64 = 8 * 1024;
/// The rate is known once it has not grown by a quarter for so many round trips.
const ROUNDS_WITHOUT_GROWTH: u8 = 3;

/// A place in the counted bytes, waiting to be acknowledged.
#[derive(Clone, Copy, Debug)]
struct Probe {
    sent: u64,
    /// What was acknowledged when it went out.
    acknowledged: u64,
    at: Micros,
}

#[derive(Debug, Default)]
pub(super) struct Pace {
    probes: VecDeque<Probe>,
    /// The shortest on this carrier, in microseconds.
    round_trip: Option<u64>,
    /// The highest of this half and of the half before, in bytes per second.
    rate: u64,
    rate_before: u64,
    rate_since: Micros,
    /// The round ends when this is acknowledged.
    round_ends: u64,
    round_rate: u64,
    rounds_without_growth: u8,
}

impl Pace {
    /// Counted bytes up to `sent` go out now.
    pub(super) fn sent(&mut self, now: Micros, sent: u64, acknowledged: u64) {
        let is_far = self.probes.back().is_none_or(|last| sent >= last.sent + PROBE_BYTES);
        if is_far && self.probes.len() < MAX_PROBES {
            self.probes.push_back(Probe { sent, acknowledged, at: now });
        }
    }

    pub(super) fn acknowledged(&mut self, now: Micros, acknowledged: u64, sent: u64) {
        while let Some(probe) = self.probes.front().copied().filter(|probe| acknowledged >= probe.sent) {
            self.probes.pop_front();
            let micros = now.0.saturating_sub(probe.at.0).max(1);
            self.note_round_trip(micros);
            let delivered = acknowledged.saturating_sub(probe.acknowledged);
            self.note_rate(now, delivered.saturating_mul(1_000_000) / micros);
        }
        if self.probes.is_empty() {
            self.probes = VecDeque::new();
        }
        if acknowledged >= self.round_ends {
            self.round_ends = sent;
            let rate = self.rate();
            if rate > self.round_rate.saturating_add(self.round_rate / 4) {
                (self.round_rate, self.rounds_without_growth) = (rate, 0);
            } else {
                self.rounds_without_growth = self.rounds_without_growth.saturating_add(1);
            }
        }
    }

    fn note_rate(&mut self, now: Micros, rate: u64) {
        if now.0.saturating_sub(self.rate_since.0) > RATE_MEMORY_MICROS / 2 {
            (self.rate_before, self.rate, self.rate_since) = (self.rate, 0, now);
        }
        self.rate = self.rate.max(rate);
    }

    /// A round trip took so long.
    pub(super) fn note_round_trip(&mut self, micros: u64) {
        self.round_trip = Some(self.round_trip.map_or(micros, |shortest| shortest.min(micros)));
    }

    /// The shortest round trip on this carrier, in microseconds.
    pub(super) fn round_trip(&self) -> Option<u64> {
        self.round_trip
    }

    fn rate(&self) -> u64 {
        self.rate.max(self.rate_before)
    }

    /// How much bulk may be under way beside something more urgent, in bytes.
    pub(super) fn under_way_bytes(&self) -> u64 {
        let Some(round_trip) = self.round_trip.filter(|_| self.rate() > 0) else { return FIRST_UNDER_WAY_BYTES };
        let bytes = self.rate().saturating_mul(round_trip.saturating_add(QUEUE_MICROS)) / 1_000_000;
        let is_known = self.rounds_without_growth >= ROUNDS_WITHOUT_GROWTH;
        if is_known { bytes.max(MIN_UNDER_WAY_BYTES) } else { bytes.saturating_mul(2).max(FIRST_UNDER_WAY_BYTES) }
    }

    /// How long a frame of bulk may be beside something more urgent, in bytes.
    pub(super) fn frame_bytes(&self) -> usize {
        let bytes = self.rate().saturating_mul(FRAME_MICROS) / 1_000_000;
        usize::try_from(bytes.max(MIN_FRAME_BYTES)).unwrap_or(usize::MAX)
    }
}
