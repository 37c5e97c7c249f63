//! One end of a session and what its application knows: it checks every byte.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use towline_tunnel_proto::{ChannelId, Code, Config, Connection, Event, Fields, Limits, Micros, Open};

use crate::script::Script;

/// What may be open at once, so that the model stays small.
const MAX_OPEN: usize = 12;

/// Channels that somebody reset or stopped, by seed: nothing is promised of them any more.
pub(super) type CutShort = BTreeSet<u32>;

pub(super) struct Side {
    pub(super) machine: Connection,
    window: u64,
    replay_bytes: usize,
    channels: BTreeMap<ChannelId, Model>,
    /// Of the next channel that this side opens.
    next_seed: u32,
}

/// What an application knows of a channel.
#[derive(Default)]
struct Model {
    /// Names the channel at both ends; tells what bytes it carries.
    seed: u32,
    is_ours: bool,
    /// Taken by the machine to be sent.
    sent: u64,
    finished: bool,
    received: u64,
    consumed: u64,
    peer_finished: bool,
    gone: bool,
}

/// The byte at a place of a direction of a channel; both sides can compute it.
fn byte_at(seed: u32, forth: bool, offset: u64) -> u8 {
    (offset ^ (offset >> 8) ^ u64::from(seed).wrapping_mul(31) ^ u64::from(forth)) as u8
}

/// Limits of all machines here.
pub(super) fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_unsent_bytes = 5000;
    limits
}

impl Side {
    pub(super) fn new(mut config: Config, window: u32, first_seed: u32) -> Self {
        config.channel_window_bytes = window;
        config.connection_window_bytes = window;
        let replay_bytes = config.resumption.as_ref().map_or(0, |resumption| resumption.replay_bytes as usize);
        Self {
            machine: Connection::new(config, limits(), Micros(0)),
            window: window.into(),
            replay_bytes,
            channels: BTreeMap::new(),
            next_seed: first_seed,
        }
    }

    fn pick(&self, script: &mut Script<'_>) -> Option<ChannelId> {
        let live: Vec<ChannelId> = self.channels.iter().filter(|(_, model)| !model.gone).map(|(id, _)| *id).collect();
        live.get(script.below(live.len().max(1))).copied()
    }

    pub(super) fn open(&mut self) {
        if self.channels.values().filter(|model| !model.gone).count() < MAX_OPEN
            && let Ok(id) = self.machine.open(Open::to(self.next_seed.to_string()))
        {
            self.channels.insert(id, Model { seed: self.next_seed, is_ours: true, ..Model::default() });
            self.next_seed += 2;
        }
    }

    pub(super) fn send(&mut self, script: &mut Script<'_>) {
        let Some(id) = self.pick(script) else { return };
        let length = script.below(3000) as u64;
        let Some(model) = self.channels.get_mut(&id) else { return };
        if model.finished {
            return;
        }
        let (seed, forth) = (model.seed, model.is_ours);
        let mut data: Bytes = (model.sent..model.sent + length).map(|offset| byte_at(seed, forth, offset)).collect();
        let taken = self.machine.send(id, &mut data).expect("it may be sent on");
        assert_eq!(taken as u64 + data.len() as u64, length);
        model.sent += taken as u64;
    }

    pub(super) fn finish(&mut self, script: &mut Script<'_>) {
        let Some(id) = self.pick(script) else { return };
        self.finish_one(id);
    }

    fn finish_one(&mut self, id: ChannelId) {
        self.machine.finish(id).expect("it may be finished");
        if let Some(model) = self.channels.get_mut(&id) {
            model.finished = true;
        }
    }

    pub(super) fn finish_all(&mut self) {
        let open = self.channels.iter().filter(|(_, model)| !model.gone && !model.finished);
        let ids: Vec<ChannelId> = open.map(|(id, _)| *id).collect();
        ids.into_iter().for_each(|id| self.finish_one(id));
    }

    pub(super) fn consume(&mut self, script: &mut Script<'_>) {
        let Some(id) = self.pick(script) else { return };
        let share = script.below(5000) as u64;
        self.consume_one(id, share);
    }

    fn consume_one(&mut self, id: ChannelId, most: u64) {
        let Some(model) = self.channels.get_mut(&id) else { return };
        let bytes = most.min(model.received - model.consumed);
        if bytes == 0 {
            return;
        }
        model.consumed += bytes;
        self.machine.consumed(id, bytes as usize).expect("no more than was received");
    }

    pub(super) fn consume_all(&mut self) {
        let ids: Vec<ChannelId> = self.channels.keys().copied().collect();
        ids.into_iter().for_each(|id| self.consume_one(id, u64::MAX));
    }

    /// Stops or resets a channel.
    pub(super) fn end(&mut self, script: &mut Script<'_>, cut_short: &mut CutShort) {
        let Some(id) = self.pick(script) else { return };
        let outcome = match script.byte().is_multiple_of(2) {
            true => self.machine.reset(id, Code::CANCEL, "changed its mind"),
            false => self.machine.stop(id, Code::CANCEL, "has heard enough"),
        };
        outcome.expect("it can be ended at any time");
        cut_short.extend(self.channels.get(&id).map(|model| model.seed));
    }

    pub(super) fn drain_events(&mut self, cut_short: &CutShort) {
        while let Some(event) = self.machine.poll_event().expect("the other side keeps the rules") {
            match event {
                Event::Opened { channel, open } => {
                    self.machine.accept(channel, Fields::new()).expect("it was offered");
                    let seed = open.target.parse().expect("the target is whole");
                    self.channels.insert(channel, Model { seed, ..Model::default() });
                }
                Event::Data { channel, data } => {
                    let model = self.channels.get_mut(&channel).expect("data follows its open");
                    assert!(!model.peer_finished, "data after the last");
                    for byte in &data {
                        let expected = byte_at(model.seed, !model.is_ours, model.received);
                        assert_eq!(*byte, expected, "channel {channel} at {}", model.received);
                        model.received += 1;
                    }
                }
                Event::Finished { channel } => {
                    let model = self.channels.get_mut(&channel).expect("an end follows its open");
                    assert!(!core::mem::replace(&mut model.peer_finished, true), "two ends");
                }
                Event::Stopped { channel, .. } => self.finish_one(channel),
                Event::Reset { channel, .. } => {
                    let model = self.channels.get_mut(&channel).expect("a reset follows its open");
                    assert!(cut_short.contains(&model.seed), "channel {channel} was reset by nobody");
                    model.gone = true;
                }
                Event::Closed { code, reason } => panic!("closed by nobody: {code} {reason}"),
                _ => {}
            }
        }
    }

    pub(super) fn check_memory(&self) {
        check_memory(&self.machine, self.window, self.replay_bytes);
    }

    /// Everything that `self` sent on channels nobody cut short has arrived at `other`.
    pub(super) fn check_complete(&self, other: &Self, cut_short: &CutShort) {
        for model in self.channels.values().filter(|model| !cut_short.contains(&model.seed)) {
            let arrived = other.channels.values().find(|there| there.seed == model.seed).expect("the open arrived");
            assert_eq!(arrived.received, model.sent, "seed {}", model.seed);
            assert!(arrived.peer_finished, "seed {} has no end", model.seed);
        }
        check_empty(&self.machine);
    }
}

/// A machine holds no more than its windows and its ring, of which the last frame may reach over the edge.
pub(super) fn check_memory(machine: &Connection, window: u64, replay_bytes: usize) {
    let bound = window * (1 + machine.channel_count() as u64);
    assert!(machine.buffered_bytes() <= bound, "{} bytes are held", machine.buffered_bytes());
    let bound = replay_bytes + (64 << 10);
    assert!(machine.replay_bytes() <= bound, "{} bytes are kept", machine.replay_bytes());
}

/// Nothing is left behind.
pub(super) fn check_empty(machine: &Connection) {
    assert_eq!(machine.buffered_bytes(), 0, "credit was lost");
    assert_eq!(machine.channel_count(), 0, "channels were left behind");
    assert_eq!(machine.replay_bytes(), 0, "frames were kept that the other side has");
}
