//! The wire between a dialer and an acceptor, which delivers as it likes, is lost at any byte, and is made again.

use bytes::BytesMut;
use towline_tunnel_proto::{Binding, CarrierKind, Config, Connection, Event, Micros, Resumption, Secret, SessionId};

use super::side::limits;
use crate::script::Script;

/// The side that dials, where sides are told apart by number.
pub(super) const DIALER: usize = 0;

pub(super) struct Leg {
    /// What is under way from each side.
    wires: [BytesMut; 2],
    /// The acceptor's machine for a carrier on which the session has not gone on yet.
    fresh: Option<Connection>,
    is_lost: bool,
    replay_bytes: u32,
    dialled: u8,
    pub(super) losses: u64,
}

impl Leg {
    pub(super) fn new(script: &mut Script<'_>) -> Self {
        Self {
            wires: [BytesMut::new(), BytesMut::new()],
            fresh: None,
            is_lost: false,
            replay_bytes: 200 + script.below(20_000) as u32,
            dialled: 0,
            losses: 0,
        }
    }

    pub(super) fn dialer(&self) -> Config {
        let mut config = Config::dialer(CarrierKind::Magic);
        config.resumption = Some(Resumption { replay_bytes: self.replay_bytes, ..Resumption::dialer() });
        config
    }

    pub(super) fn acceptor(&self) -> Config {
        let mut config = Config::acceptor(CarrierKind::Magic);
        let resumption = Resumption::acceptor(SessionId([self.dialled; 16]), Secret::new([self.dialled; 32]));
        config.resumption = Some(Resumption { replay_bytes: self.replay_bytes, ..resumption });
        config
    }

    /// One of the two sends about `most` bytes.
    pub(super) fn transmit(&mut self, who: usize, machine: &mut Connection, now: Micros, most: usize) {
        if self.is_lost {
            assert!(who != DIALER || machine.poll_transmit(now, most).is_none(), "something is sent without a carrier");
            return;
        }
        let machine = match &mut self.fresh {
            Some(fresh) if who != DIALER => fresh,
            _ => machine,
        };
        let Some(wire) = self.wires.get_mut(who) else { return };
        let before = wire.len();
        while wire.len() < before + most {
            let wants = machine.wants_transmit();
            let piece = machine.poll_transmit(now, most);
            assert!(wants || piece.is_none(), "a machine that has something to say does not want to");
            let Some(piece) = piece else { break };
            wire.extend_from_slice(&piece);
        }
    }

    /// At most `most` bytes arrive at one of the two.
    pub(super) fn deliver(&mut self, to: usize, machine: &mut Connection, now: Micros, most: usize) {
        let Some(wire) = self.wires.get_mut(1 - to) else { return };
        let bytes = wire.split_to(most.min(wire.len())).freeze();
        match &mut self.fresh {
            Some(fresh) if to != DIALER => {
                fresh.handle_input(now, bytes);
                if let Some(event) = fresh.poll_event().expect("a dialer that resumes keeps the rules") {
                    let Event::Resuming(resume) = event else { panic!("{event:?} on a carrier that resumes") };
                    let binding = Binding { offered: SessionId([self.dialled; 16]), exporter: exporter(self.dialled) };
                    assert_eq!(fresh.offered(), Some(binding.offered));
                    let next = Secret::new([!self.dialled; 32]);
                    machine.resume_with(now, &resume, &binding, next).expect("it is who it says");
                    self.fresh = None;
                }
            }
            _ => machine.handle_input(now, bytes),
        }
    }

    /// The carrier is lost, with what the caller has not delivered. Either side may be late to hear of it.
    pub(super) fn lose(
        &mut self,
        script: &mut Script<'_>,
        dialer: &mut Connection,
        acceptor: &mut Connection,
        now: Micros,
    ) {
        if dialer.session_id().is_none() || acceptor.session_id().is_none() {
            // Before both know each other the session ends with its carrier.
            return;
        }
        self.wires = [BytesMut::new(), BytesMut::new()];
        self.fresh = None;
        self.is_lost = true;
        self.losses += 1;
        assert!(dialer.carrier_lost(now));
        if !script.byte().is_multiple_of(4) {
            assert!(acceptor.carrier_lost(now));
        }
    }

    pub(super) fn redial(&mut self, dialer: &mut Connection, now: Micros) {
        if !self.is_lost {
            return;
        }
        self.is_lost = false;
        self.dialled = self.dialled.wrapping_add(1);
        self.fresh = Some(Connection::new(self.acceptor(), limits(), now));
        dialer.resume(now, exporter(self.dialled)).expect("it can be resumed");
    }

    pub(super) fn is_silent(&self) -> bool {
        self.wires.iter().all(|wire| wire.is_empty())
    }

    pub(super) fn replay_bytes(&self) -> usize {
        self.replay_bytes as usize
    }
}

/// Some carriers have one.
fn exporter(dialled: u8) -> Option<[u8; 32]> {
    dialled.is_multiple_of(2).then_some([dialled; 32])
}

/// Calls the timeouts that are due.
pub(super) fn tick(now: Micros, machines: &mut [&mut Connection]) {
    for machine in machines {
        if machine.poll_timeout().is_some_and(|at| at <= now) {
            machine.handle_timeout(now);
        }
    }
}
