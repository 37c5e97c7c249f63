//! Three parties: an operator and a device that dial a relay, which opens on the device's session what the operator
//! opens on its own, as the cloud does.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use towline_tunnel_proto::{ChannelId, Code, Connection, Event, Fields, Micros};

use super::{
    leg::{DIALER, Leg, tick},
    side::{CutShort, Side, check_empty, check_memory, limits},
};
use crate::script::Script;

/// The relay's two machines, by number: the one towards the operator, the one towards the device.
const OPERATOR: usize = 0;

/// The relay: what a channel of one session is on the other, and what the other could not take yet.
struct Relay {
    machines: [Connection; 2],
    joined: [BTreeMap<ChannelId, ChannelId>; 2],
    /// INVARIANT: received and not consumed, so no more than the windows.
    pending: [BTreeMap<ChannelId, Pending>; 2],
}

#[derive(Default)]
struct Pending {
    data: VecDeque<Bytes>,
    finished: bool,
}

impl Relay {
    fn drain_events(&mut self) {
        loop {
            let mut quiet = true;
            for from in 0..2 {
                while let Some(event) = self.machines[from].poll_event().expect("both keep the rules") {
                    quiet = false;
                    self.pass_on(from, event);
                }
                let ids: Vec<ChannelId> = self.pending[from].keys().copied().collect();
                ids.into_iter().for_each(|id| self.flush(from, id));
            }
            if quiet {
                return;
            }
        }
    }

    fn pass_on(&mut self, from: usize, event: Event) {
        let to = 1 - from;
        match event {
            Event::Opened { channel, open } => {
                assert_eq!(from, OPERATOR, "devices open nothing here");
                let there = self.machines[to].open(open).expect("there is room");
                self.joined[from].insert(channel, there);
                self.joined[to].insert(there, channel);
            }
            Event::Accepted { channel, .. } => {
                if let Some(there) = self.joined[from].get(&channel) {
                    self.machines[to].accept(*there, Fields::new()).expect("it is still offered");
                    self.flush(to, *there);
                }
            }
            Event::Data { channel, data } => {
                self.pending[from].entry(channel).or_default().data.push_back(data);
            }
            Event::Finished { channel } => self.pending[from].entry(channel).or_default().finished = true,
            Event::Stopped { channel, .. } => {
                if let Some(there) = self.joined[from].get(&channel) {
                    self.machines[to].stop(*there, Code::CANCEL, "passed on").expect("it is known");
                }
                // What is still to be sent there is thrown away, so it ends.
                self.pending[to]
                    .entry(self.joined[from].get(&channel).copied().unwrap_or(channel))
                    .or_default()
                    .finished = true;
            }
            Event::Reset { channel, .. } => {
                self.pending[from].remove(&channel);
                if let Some(there) = self.joined[from].remove(&channel) {
                    self.joined[to].remove(&there);
                    self.pending[to].remove(&there);
                    self.machines[to].reset(there, Code::CANCEL, "passed on").expect("it is known");
                }
            }
            Event::Closed { code, reason } => panic!("closed by nobody: {code} {reason}"),
            _ => {}
        }
    }

    /// Moves what waits from a channel to the one it is joined with, as far as there is room; then gives the credit back.
    fn flush(&mut self, from: usize, id: ChannelId) {
        let to = 1 - from;
        let Some(there) = self.joined[from].get(&id).copied() else { return };
        let Some(pending) = self.pending[from].get_mut(&id) else { return };
        while let Some(front) = pending.data.front_mut() {
            // The device has not accepted: the operator's machine may not be answered yet, but the device's may be sent to.
            let Ok(taken) = self.machines[to].send(there, front) else { return };
            if front.is_empty() {
                pending.data.pop_front();
            }
            if taken == 0 {
                return;
            }
            self.machines[from].consumed(id, taken).expect("it was received");
        }
        if pending.finished && self.machines[to].finish(there).is_ok() {
            self.pending[from].remove(&id);
        }
    }
}

/// Runs a script over an operator, a relay and a device, each of the two legs with a wire of its own. Returns how many
/// carriers were lost.
///
/// # Panics
///
/// As [`two_connections`](super::two_connections), end to end.
pub fn three_connections(input: &[u8]) -> u64 {
    let mut script = Script::new(input);
    let window = 64 + script.below(20_000) as u32;
    let mut legs = [Leg::new(&mut script), Leg::new(&mut script)];
    let mut ends = [Side::new(legs[0].dialer(), window, 0), Side::new(legs[1].dialer(), window, 1)];
    let mut relay = Relay {
        machines: [0, 1].map(|leg: usize| {
            let mut config = legs[leg].acceptor();
            config.channel_window_bytes = window;
            config.connection_window_bytes = window;
            Connection::new(config, limits(), Micros(0))
        }),
        joined: Default::default(),
        pending: Default::default(),
    };
    let mut cut_short = CutShort::new();
    let mut now = Micros(0);

    for _ in 0..2000 {
        if script.is_empty() {
            break;
        }
        let choice = script.byte();
        let (at, is_relay) = (usize::from(choice % 2), choice & 2 == 0);
        let (leg, end) = (&mut legs[at], &mut ends[at]);
        let machine = if is_relay { &mut relay.machines[at] } else { &mut end.machine };
        now.0 += u64::from(script.byte());
        match script.byte() % 13 {
            0 | 1 => ends[OPERATOR].open(),
            2 | 3 => end.send(&mut script),
            4 => end.finish(&mut script),
            5 => end.consume(&mut script),
            6 if script.byte().is_multiple_of(4) => end.end(&mut script, &mut cut_short),
            6 | 7 => leg.transmit(usize::from(is_relay), machine, now, 1 + script.below(3000)),
            8 | 9 => leg.deliver(usize::from(is_relay), machine, now, script.below(3000)),
            10 => leg.lose(&mut script, &mut end.machine, &mut relay.machines[at], now),
            11 => leg.redial(&mut end.machine, now),
            _ => now.0 += 500 * u64::from(script.byte()),
        }
        settle(&mut ends, &mut relay, now, &cut_short);
        for (at, end) in ends.iter().enumerate() {
            end.check_memory();
            check_memory(&relay.machines[at], window.into(), legs[at].replay_bytes());
        }
    }

    let mut silences = 0;
    for _ in 0..100_000 {
        for (at, leg) in legs.iter_mut().enumerate() {
            let end = &mut ends[at];
            leg.redial(&mut end.machine, now);
            end.finish_all();
            end.consume_all();
            leg.transmit(DIALER, &mut end.machine, now, 1 << 16);
            leg.transmit(1, &mut relay.machines[at], now, 1 << 16);
        }
        silences = if legs.iter().all(Leg::is_silent) { silences + 1 } else { 0 };
        if silences == 3 {
            let [operator, device] = &ends;
            operator.check_complete(device, &cut_short);
            device.check_complete(operator, &cut_short);
            relay.machines.iter().for_each(check_empty);
            return legs.iter().map(|leg| leg.losses).sum();
        }
        for (at, leg) in legs.iter_mut().enumerate() {
            leg.deliver(DIALER, &mut ends[at].machine, now, usize::MAX);
            leg.deliver(1, &mut relay.machines[at], now, usize::MAX);
        }
        now.0 += 25_000;
        settle(&mut ends, &mut relay, now, &cut_short);
    }
    panic!("the three parties never fall silent");
}

fn settle(ends: &mut [Side; 2], relay: &mut Relay, now: Micros, cut_short: &CutShort) {
    let [operator, device] = ends;
    let [near, far] = &mut relay.machines;
    tick(now, &mut [&mut operator.machine, &mut device.machine, near, far]);
    operator.drain_events(cut_short);
    device.drain_events(cut_short);
    relay.drain_events();
}
