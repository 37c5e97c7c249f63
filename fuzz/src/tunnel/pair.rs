//! Two machines, an application on each, and a wire that delivers as it likes.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use towline_tunnel_proto::{CarrierKind, ChannelId, Code, Config, Connection, Event, Fields, Limits, Micros, Open};

use crate::script::Script;

/// What may be open at once, so that the model stays small.
const MAX_OPEN: usize = 12;

/// Runs a script of operations, cuts and delays over two machines.
///
/// # Panics
///
/// If a byte is lost, doubled, out of order or changed; if a side holds more than its windows; if one side finds fault with the
/// other; if something that was sent never arrives although everything is consumed.
pub fn two_connections(input: &[u8]) {
    let mut script = Script::new(input);
    let window = 64 + script.below(20_000) as u32;
    let mut sides = [
        Side::new(Config::dialer(CarrierKind::Magic), window),
        Side::new(Config::acceptor(CarrierKind::Magic), window),
    ];
    let mut wires = [BytesMut::new(), BytesMut::new()];
    let mut now = Micros(0);

    for _ in 0..2000 {
        if script.is_empty() {
            break;
        }
        let who = usize::from(script.byte() % 2);
        let other = 1 - who;
        now.0 += u64::from(script.byte());
        match script.byte() % 10 {
            0 | 1 => sides[who].open(),
            2 | 3 => sides[who].send(&mut script),
            4 => sides[who].finish(&mut script),
            5 => sides[who].consume(&mut script),
            6 if script.byte().is_multiple_of(4) => {
                let reset = script.byte().is_multiple_of(2);
                let id = sides[who].end(&mut script, reset);
                if let Some(id) = id {
                    sides[other].cut_short(id, reset);
                }
            }
            6 | 7 => {
                let max = 1 + script.below(3000);
                let limit = wires[who].len() + max;
                while wires[who].len() < limit {
                    let Some(piece) = sides[who].transmit(now, max) else { break };
                    wires[who].extend_from_slice(&piece);
                }
            }
            _ => {
                let length = script.below(3000).min(wires[who].len());
                let bytes = wires[who].split_to(length).freeze();
                sides[other].receive(now, bytes);
            }
        }
        for side in &sides {
            side.check_memory();
        }
    }

    // Everybody finishes, consumes and listens: then nothing may be missing.
    for _ in 0..100_000 {
        let mut busy = false;
        for who in 0..2 {
            sides[who].finish_all();
            sides[who].consume_all();
            while let Some(piece) = sides[who].transmit(now, 1 << 16) {
                wires[who].extend_from_slice(&piece);
            }
            let bytes = wires[who].split().freeze();
            busy |= !bytes.is_empty();
            sides[1 - who].receive(now, bytes);
        }
        if !busy {
            let [near, far] = sides;
            near.check_complete(&far);
            far.check_complete(&near);
            return;
        }
    }
    panic!("the two sides never fall silent");
}

struct Side {
    machine: Connection,
    window: u64,
    channels: BTreeMap<ChannelId, Model>,
}

/// What an application knows of a channel.
#[derive(Default)]
struct Model {
    accepted: bool,
    /// Taken by the machine to be sent.
    sent: u64,
    finished: bool,
    received: u64,
    consumed: u64,
    peer_finished: bool,
    /// Reset or stopped by somebody: nothing is promised any more.
    cut_short: bool,
    gone: bool,
}

/// The byte at a place of a direction of a channel; both sides can compute it.
fn byte_at(id: ChannelId, offset: u64) -> u8 {
    (offset ^ (offset >> 8) ^ u64::from(id.0).wrapping_mul(31)) as u8
}

impl Side {
    fn new(mut config: Config, window: u32) -> Self {
        config.channel_window_bytes = window;
        config.connection_window_bytes = window;
        let mut limits = Limits::default();
        limits.max_unsent_bytes = 5000;
        Self { machine: Connection::new(config, limits, Micros(0)), window: window.into(), channels: BTreeMap::new() }
    }

    fn pick(&self, script: &mut Script<'_>) -> Option<ChannelId> {
        let live: Vec<ChannelId> =
            self.channels.iter().filter(|(_, model)| model.accepted && !model.gone).map(|(id, _)| *id).collect();
        live.get(script.below(live.len().max(1))).copied()
    }

    fn open(&mut self) {
        if self.channels.values().filter(|model| !model.gone).count() < MAX_OPEN
            && let Ok(id) = self.machine.open(Open::to("x"))
        {
            self.channels.insert(id, Model { accepted: true, ..Model::default() });
        }
    }

    fn send(&mut self, script: &mut Script<'_>) {
        let Some(id) = self.pick(script) else { return };
        let length = script.below(3000) as u64;
        let Some(model) = self.channels.get_mut(&id) else { return };
        if model.finished {
            return;
        }
        let mut data: Bytes = (model.sent..model.sent + length).map(|offset| byte_at(id, offset)).collect();
        let taken = self.machine.send(id, &mut data).expect("it may be sent on");
        assert_eq!(taken as u64 + data.len() as u64, length);
        model.sent += taken as u64;
    }

    fn finish(&mut self, script: &mut Script<'_>) {
        let Some(id) = self.pick(script) else { return };
        self.finish_one(id);
    }

    fn finish_one(&mut self, id: ChannelId) {
        self.machine.finish(id).expect("it may be finished");
        if let Some(model) = self.channels.get_mut(&id) {
            model.finished = true;
        }
    }

    fn finish_all(&mut self) {
        let ids: Vec<ChannelId> = self
            .channels
            .iter()
            .filter(|(_, model)| model.accepted && !model.gone && !model.finished)
            .map(|(id, _)| *id)
            .collect();
        ids.into_iter().for_each(|id| self.finish_one(id));
    }

    fn consume(&mut self, script: &mut Script<'_>) {
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

    fn consume_all(&mut self) {
        let ids: Vec<ChannelId> = self.channels.keys().copied().collect();
        ids.into_iter().for_each(|id| self.consume_one(id, u64::MAX));
    }

    /// Stops or resets a channel, and says which.
    fn end(&mut self, script: &mut Script<'_>, reset: bool) -> Option<ChannelId> {
        let id = self.pick(script)?;
        let outcome = match reset {
            true => self.machine.reset(id, Code::CANCEL, "changed its mind"),
            false => self.machine.stop(id, Code::CANCEL, "has heard enough"),
        };
        outcome.expect("it can be ended at any time");
        self.cut_short(id, reset);
        Some(id)
    }

    fn cut_short(&mut self, id: ChannelId, reset: bool) {
        // The other side may not have heard of it yet, and if it was reset before that it never will.
        let model = self.channels.entry(id).or_insert_with(|| Model { gone: reset, ..Model::default() });
        model.cut_short = true;
    }

    fn receive(&mut self, now: Micros, bytes: Bytes) {
        self.machine.handle_input(now, bytes);
        while let Some(event) = self.machine.poll_event().expect("the other side keeps the rules") {
            match event {
                Event::Opened { channel, .. } => {
                    self.machine.accept(channel, Fields::new()).expect("it was offered");
                    let model = self.channels.entry(channel).or_default();
                    model.accepted = true;
                    model.gone = false;
                }
                Event::Data { channel, data } => {
                    let model = self.channels.get_mut(&channel).expect("data follows its open");
                    assert!(!model.peer_finished, "data after the last");
                    for byte in &data {
                        assert_eq!(*byte, byte_at(channel, model.received), "channel {channel} at {}", model.received);
                        model.received += 1;
                    }
                }
                Event::Finished { channel } => {
                    let model = self.channels.get_mut(&channel).expect("an end follows its open");
                    assert!(!core::mem::replace(&mut model.peer_finished, true), "two ends");
                }
                Event::Stopped { channel, .. } => {
                    self.finish_one(channel);
                }
                Event::Reset { channel, .. } => {
                    let model = self.channels.get_mut(&channel).expect("a reset follows its open");
                    assert!(model.cut_short, "channel {channel} was reset by nobody");
                    model.gone = true;
                }
                Event::Closed { code, reason } => panic!("closed by nobody: {code} {reason}"),
                _ => {}
            }
        }
    }

    fn transmit(&mut self, now: Micros, max_bytes: usize) -> Option<Bytes> {
        let wants = self.machine.wants_transmit();
        let piece = self.machine.poll_transmit(now, max_bytes);
        assert!(wants || piece.is_none(), "a machine that has something to say does not want to");
        piece
    }

    fn check_memory(&self) {
        let bound = self.window * (1 + self.machine.channel_count() as u64);
        assert!(self.machine.buffered_bytes() <= bound, "{} bytes are held", self.machine.buffered_bytes());
    }

    /// Everything that `self` sent on channels nobody cut short has arrived at `other`.
    fn check_complete(&self, other: &Self) {
        for (id, model) in self.channels.iter().filter(|(_, model)| !model.cut_short) {
            let arrived = other.channels.get(id).expect("the open arrived");
            assert_eq!(arrived.received, model.sent, "channel {id}");
            assert!(arrived.peer_finished, "channel {id} has no end");
        }
        assert_eq!(self.machine.buffered_bytes(), 0, "credit was lost");
        assert_eq!(self.machine.channel_count(), 0, "channels were left behind");
    }
}
