//! RFC 1143, exhaustively: every state against every input and every local call.

use std::collections::{HashSet, VecDeque};

use towline_telnet::{Change, Limits, Negotiator, OptionCode, OptionSet, Policy, QState, Side, Verb};

const OPTION: OptionCode = OptionCode(42);

fn negotiator(allowed: bool) -> Negotiator {
    let set = if allowed { OptionSet::from([OPTION]) } else { OptionSet::new() };
    Negotiator::new(Policy { local: set, remote: set }, &Limits::default())
}

/// What the peer says when it agrees, and when it does not.
fn yes_no(side: Side) -> (Verb, Verb) {
    match side {
        Side::Local => (Verb::Do, Verb::Dont),
        Side::Remote => (Verb::Will, Verb::Wont),
    }
}

/// A negotiator whose `side` of the option is in `state`.
fn in_state(side: Side, state: QState, allowed: bool) -> Negotiator {
    let mut negotiator = negotiator(allowed);
    let (yes, _) = yes_no(side);
    if state != QState::No {
        negotiator.enable(side, OPTION);
    }
    match state {
        QState::No | QState::WantYes => {}
        QState::WantYesOpposite => drop(negotiator.disable(side, OPTION)),
        QState::Yes | QState::WantNo | QState::WantNoOpposite => {
            negotiator.receive(yes, OPTION);
            if state != QState::Yes {
                negotiator.disable(side, OPTION);
            }
            if state == QState::WantNoOpposite {
                negotiator.enable(side, OPTION);
            }
        }
    }
    assert_eq!(negotiator.state(side, OPTION), state);
    negotiator
}

#[test]
fn every_state_answers_the_peer_as_rfc_1143_says() {
    use QState::{No, WantNo, WantNoOpposite, WantYes, WantYesOpposite, Yes};
    for side in Side::ALL {
        let (ask, decline) = (Some(side.asks()), Some(side.declines()));
        let (yes, no) = yes_no(side);
        // State, allowed, what the peer says; the next state, the answer, the change.
        let table = [
            (No, true, yes, Yes, ask, Some(Change::Enabled)),
            (No, false, yes, No, decline, Some(Change::Declined)),
            (No, true, no, No, None, None),
            (Yes, true, yes, Yes, None, None),
            (Yes, true, no, No, decline, Some(Change::Disabled)),
            (WantNo, true, yes, No, None, Some(Change::Disabled)),
            (WantNo, true, no, No, None, Some(Change::Disabled)),
            (WantNoOpposite, true, yes, Yes, None, Some(Change::Enabled)),
            (WantNoOpposite, true, no, WantYes, ask, Some(Change::Disabled)),
            (WantYes, true, yes, Yes, None, Some(Change::Enabled)),
            (WantYes, true, no, No, None, Some(Change::Refused)),
            (WantYesOpposite, true, yes, WantNo, decline, None),
            (WantYesOpposite, true, no, No, None, Some(Change::Refused)),
        ];
        for (state, allowed, said, next, reply, change) in table {
            // Policy is asked for what is off, and for a yes to that.
            let policies = if (state, said) == (No, yes) { vec![allowed] } else { vec![false, true] };
            for allowed in policies {
                let mut negotiator = in_state(side, state, allowed);
                let outcome = negotiator.receive(said, OPTION);
                assert_eq!((outcome.reply, outcome.change), (reply, change), "{side:?} {state:?} {said} {allowed}");
                assert_eq!(negotiator.state(side, OPTION), next, "{side:?} {state:?} {said} {allowed}");
            }
        }
    }
}

#[test]
fn every_state_takes_a_wish_of_this_side_as_rfc_1143_says() {
    use QState::{No, WantNo, WantNoOpposite, WantYes, WantYesOpposite, Yes};
    for side in Side::ALL {
        let (ask, decline) = (Some(side.asks()), Some(side.declines()));
        let table = [
            (No, true, WantYes, ask),
            (No, false, No, None),
            (Yes, true, Yes, None),
            (Yes, false, WantNo, decline),
            (WantNo, true, WantNoOpposite, None),
            (WantNo, false, WantNo, None),
            (WantNoOpposite, true, WantNoOpposite, None),
            (WantNoOpposite, false, WantNo, None),
            (WantYes, true, WantYes, None),
            (WantYes, false, WantYesOpposite, None),
            (WantYesOpposite, true, WantYes, None),
            (WantYesOpposite, false, WantYesOpposite, None),
        ];
        for (state, wish, next, said) in table {
            let mut negotiator = in_state(side, state, true);
            let reply = match wish {
                true => negotiator.enable(side, OPTION),
                false => negotiator.disable(side, OPTION),
            };
            assert_eq!((negotiator.state(side, OPTION), reply), (next, said), "{side:?} {state:?} {wish}");
        }
    }
}

#[test]
fn one_option_and_one_side_leave_all_others_alone() {
    for state in QState::ALL {
        let negotiator = in_state(Side::Local, state, true);
        assert_eq!(negotiator.state(Side::Remote, OPTION), QState::No);
        for other in (0..=255).map(OptionCode).filter(|other| *other != OPTION) {
            assert_eq!(negotiator.state(Side::Local, other), QState::No);
        }
    }
}

/// Two ends of one option, and what is on its way between them.
#[derive(Clone, PartialEq, Eq, Hash)]
struct World {
    near: QState,
    far: QState,
    forth: VecDeque<u8>,
    back: VecDeque<u8>,
}

/// What an end in `state` does: the next state and what it says.
fn step(side: Side, state: QState, allowed: bool, action: Action) -> (QState, Option<Verb>) {
    let mut negotiator = in_state(side, state, allowed);
    let said = match action {
        Action::Enable => negotiator.enable(side, OPTION),
        Action::Disable => negotiator.disable(side, OPTION),
        Action::Hear(verb) => negotiator.receive(verb, OPTION).reply,
    };
    (negotiator.state(side, OPTION), said)
}

#[derive(Clone, Copy)]
enum Action {
    Enable,
    Disable,
    Hear(Verb),
}

/// All worlds that can come about: near performs, far is the other end; each may change its mind as long as fewer than
/// three words are on the way. From each, with no more wishes, the wire has to fall silent with both ends of one opinion.
#[test]
fn two_negotiators_always_fall_silent_and_agree() {
    for (near_allows, far_allows) in [(false, false), (false, true), (true, false), (true, true)] {
        let start = World { near: QState::No, far: QState::No, forth: VecDeque::new(), back: VecDeque::new() };
        let mut seen = HashSet::from([start.clone()]);
        let mut open = vec![start];
        while let Some(world) = open.pop() {
            let mut next = Vec::new();
            if world.forth.len() + world.back.len() < 3 {
                for action in [Action::Enable, Action::Disable] {
                    let mut near = world.clone();
                    let (state, said) = step(Side::Local, world.near, near_allows, action);
                    near.near = state;
                    near.forth.extend(said.map(Verb::byte));
                    next.push(near);

                    let mut far = world.clone();
                    let (state, said) = step(Side::Remote, world.far, far_allows, action);
                    far.far = state;
                    far.back.extend(said.map(Verb::byte));
                    next.push(far);
                }
            }
            let deliveries = deliver(&world, near_allows, far_allows);
            if deliveries.is_empty() {
                let settled = [QState::No, QState::Yes];
                assert!(settled.contains(&world.near) && world.near == world.far, "{:?} {:?}", world.near, world.far);
            }
            let mut quiet = world.clone();
            let mut rounds = 0;
            while let Some(later) = deliver(&quiet, near_allows, far_allows).pop() {
                quiet = later;
                rounds += 1;
                assert!(rounds < 20, "they never fall silent");
            }
            next.extend(deliveries);
            for world in next {
                if seen.insert(world.clone()) {
                    open.push(world);
                }
            }
        }
        assert!(seen.len() > 20);
    }
}

/// The worlds after the next word of either direction has arrived.
fn deliver(world: &World, near_allows: bool, far_allows: bool) -> Vec<World> {
    let mut worlds = Vec::new();
    let mut forth = world.clone();
    if let Some(verb) = forth.forth.pop_front().and_then(Verb::from_byte) {
        let (state, said) = step(Side::Remote, world.far, far_allows, Action::Hear(verb));
        forth.far = state;
        forth.back.extend(said.map(Verb::byte));
        worlds.push(forth);
    }
    let mut back = world.clone();
    if let Some(verb) = back.back.pop_front().and_then(Verb::from_byte) {
        let (state, said) = step(Side::Local, world.near, near_allows, Action::Hear(verb));
        back.near = state;
        back.forth.extend(said.map(Verb::byte));
        worlds.push(back);
    }
    worlds
}

#[test]
fn a_peer_that_takes_every_answer_for_a_question_is_answered_a_bounded_number_of_times() {
    for allowed in [false, true] {
        let mut limits = Limits::default();
        limits.max_answers_in_a_row = 10;
        let set = if allowed { OptionSet::from([OPTION]) } else { OptionSet::new() };
        let mut negotiator = Negotiator::new(Policy { local: set, remote: set }, &limits);
        let mut answers = 0;
        for _ in 0..1000 {
            for verb in [Verb::Will, Verb::Wont, Verb::Do, Verb::Dont] {
                answers += usize::from(negotiator.receive(verb, OPTION).reply.is_some());
            }
        }
        assert!(answers <= 20, "{answers}");
        // Data between: it is no quarrel, and goes on as before.
        negotiator.data_passed();
        assert!(negotiator.receive(Verb::Will, OPTION).reply.is_some());
    }
}
