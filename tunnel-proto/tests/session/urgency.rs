//! Whose data goes first, and windows that grow.

use bytes::Bytes;
use towline_tunnel_proto::{
    CarrierKind, ChannelId, Code, Config, Connection, Event, Fields, Frame, Limits, MemoryBudget, Micros, Open,
    Resumption, Secret, SessionId, Urgency,
};

use crate::pair::{Pair, transmit};

fn with(urgency: Urgency) -> Open {
    Open { urgency, ..Open::to("x") }
}

/// A pair with these channels open, and data waiting on each at the near side.
fn waiting(urgencies: &[Urgency]) -> (Pair, Vec<ChannelId>) {
    let mut pair = Pair::connected();
    let channels: Vec<_> = urgencies.iter().map(|urgency| pair.near.open(with(*urgency)).unwrap()).collect();
    pair.settle();
    for channel in &channels {
        pair.far.accept(*channel, Fields::new()).unwrap();
    }
    pair.settle();
    for channel in &channels {
        pair.near.send(*channel, &mut Bytes::from(vec![0; 100_000])).unwrap();
    }
    (pair, channels)
}

/// The channel of the next DATA frame; what is said before it goes before all data.
fn next(pair: &mut Pair) -> ChannelId {
    let mut frame = Vec::new();
    loop {
        frame.extend_from_slice(&pair.near.poll_transmit(pair.now, 1000).unwrap());
        match Frame::decode(&mut &frame[..], &Limits::default()).unwrap() {
            Some(Frame::Data { channel, .. }) => return channel,
            Some(_) => frame.clear(),
            None => {}
        }
    }
}

#[test]
fn the_most_urgent_goes_first_even_if_it_comes_last() {
    let (mut pair, channels) = waiting(&[Urgency::BULK, Urgency::NORMAL]);
    assert_eq!(next(&mut pair), channels[1]);
    let urgent = pair.near.open(with(Urgency::INTERACTIVE)).unwrap();
    pair.near.send(urgent, &mut Bytes::from_static(b"k")).unwrap();
    assert_eq!(next(&mut pair), urgent);
    assert_eq!(next(&mut pair), channels[1]);
}

#[test]
fn whoever_is_passed_over_gets_a_frame_now_and_then() {
    let (mut pair, channels) = waiting(&[Urgency::BULK, Urgency::INTERACTIVE]);
    let mut served = 0;
    for millis in 0..90 {
        pair.now = Micros(10_000 * millis);
        served += usize::from(next(&mut pair) == channels[0]);
    }
    assert!((3..=5).contains(&served), "{served} frames of bulk in 900 ms");
}

#[test]
fn equals_take_turns() {
    let (mut pair, channels) = waiting(&[Urgency::NORMAL, Urgency::NORMAL]);
    let mut frames = [0u32; 2];
    for _ in 0..150 {
        let channel = next(&mut pair);
        frames[channels.iter().position(|other| *other == channel).unwrap()] += 1;
    }
    assert!(frames[0].abs_diff(frames[1]) <= 40, "{frames:?}");
}

/// A pair whose round trips take `round_trip` and are measured.
fn measured(limits: impl FnOnce(&mut Limits)) -> (Pair, ChannelId) {
    let mut pair = Pair::with_both(
        |near, far| {
            near.resumption = Some(Resumption::dialer());
            far.resumption = Some(Resumption::acceptor(SessionId([1; 16]), Secret::new([2; 32])));
        },
        limits,
    );
    let channel = pair.near.open(Open::to("x")).unwrap();
    pair.settle();
    pair.far.accept(channel, Fields::new()).unwrap();
    pair.settle();
    (pair, channel)
}

/// Sends for so many rounds of `micros` each, and consumes everything; what went in the last round.
fn send(pair: &mut Pair, channel: ChannelId, rounds: u32, micros: u64) -> usize {
    let mut last = 0;
    for _ in 0..rounds {
        pair.now.0 += micros;
        last = 0;
        let mut wire = Vec::new();
        while last < 64 << 20 {
            pair.near.send(channel, &mut Bytes::from(vec![0; 128 << 10])).unwrap();
            let sent = transmit(&mut pair.near, pair.now);
            if sent.is_empty() {
                break;
            }
            last += sent.len();
            wire.push(sent);
        }
        pair.now.0 += micros;
        for bytes in wire {
            pair.far.handle_input(pair.now, bytes);
            while let Some(event) = pair.far.poll_event().unwrap() {
                if let Event::Data { channel, data } = event {
                    pair.far.consumed(channel, data.len()).unwrap();
                }
            }
        }
        let answer = transmit(&mut pair.far, pair.now);
        pair.near.handle_input(pair.now, answer);
        while pair.near.poll_event().unwrap().is_some() {}
    }
    last
}

#[test]
fn a_window_grows_while_it_is_what_slows_the_sender_down() {
    let (mut pair, channel) = measured(|_| {});
    let first = send(&mut pair, channel, 1, 25_000);
    assert!((256 << 10..300 << 10).contains(&first), "{first}");
    let later = send(&mut pair, channel, 30, 25_000);
    assert!(later >= 2 << 20, "the window stayed at {later} bytes");
}

#[test]
fn windows_grow_only_as_far_as_the_budget_of_the_process_allows() {
    let budget = MemoryBudget::new(2 << 20);
    let (mut pair, channel) = measured(|limits| limits.budget = budget.clone());
    let later = send(&mut pair, channel, 30, 25_000);
    assert!(later <= (3 << 19) + (64 << 10), "{later} bytes in one round");
    assert!(budget.promised_bytes() <= 3 << 19, "growth takes three quarters");

    // New channels find the rest, and beyond that are refused.
    let mut refused = 0;
    for _ in 0..20 {
        refused += usize::from(pair.far.open(Open::to("y")).is_err());
    }
    assert!((1..20).contains(&refused), "{refused}");
    drop(pair);
    assert_eq!(budget.promised_bytes(), 0, "what was promised is given back");
}

#[test]
fn what_waits_to_be_sent_is_half_of_the_budget_at_most_because_each_channel_has_its_window() {
    let budget = MemoryBudget::new(4 << 20);
    let mut pair = Pair::with(|_| {}, |limits| limits.budget = budget.clone());
    let mut waiting = 0;
    while let Ok(channel) = pair.near.open(Open::to("x")) {
        waiting += pair.near.send(channel, &mut Bytes::from(vec![0; 1 << 20])).unwrap();
        assert_eq!(pair.near.room(channel), 0);
    }
    assert_eq!((waiting, budget.promised_bytes()), (budget.max_bytes() / 2, budget.max_bytes()));
}

/// Both sides of `measured` share a budget, too.
fn sharing(budget: &MemoryBudget) -> (Pair, ChannelId) {
    measured(|limits| limits.budget = budget.clone())
}

#[test]
fn what_is_kept_until_the_peer_has_it_counts_against_the_budget_of_the_process() {
    let budget = MemoryBudget::new(1 << 30);
    let (mut pair, channel) = sharing(&budget);
    let before = budget.promised_bytes();
    pair.near.send(channel, &mut Bytes::from(vec![0; 100_000])).unwrap();
    assert_eq!(budget.promised_bytes(), before, "nothing was sent yet");
    let sent = transmit(&mut pair.near, pair.now);
    assert_eq!(budget.promised_bytes(), before + pair.near.replay_bytes());
    assert!(pair.near.replay_bytes() >= sent.len());
    // Also while there is no carrier; and not any more when the peer has it, or the session has ended.
    assert!(pair.near.carrier_lost(pair.now));
    assert_eq!(budget.promised_bytes(), before + pair.near.replay_bytes());
    pair.near.close(Code::NO_ERROR, "");
    transmit(&mut pair.near, pair.now);
    drop(pair.near);
    pair.far.close(Code::NO_ERROR, "");
    assert_eq!(budget.promised_bytes(), 0);
}

#[test]
fn a_session_goes_on_with_little_under_way_when_the_budget_is_used_up() {
    let budget = MemoryBudget::new(4 << 20);
    let (mut pair, channel) = sharing(&budget);
    // Another session takes the rest.
    let mut limits = Limits::default();
    limits.budget = budget.clone();
    let mut other = Connection::new(Config::dialer(CarrierKind::Magic), limits, Micros(0));
    while other.open(Open::to("y")).is_ok() {}
    for _ in 0..20 {
        let sent = send(&mut pair, channel, 1, 10_000);
        assert!((60 << 10..=128 << 10).contains(&sent), "{sent} bytes in a round");
    }
    drop(other);
    assert!(send(&mut pair, channel, 1, 10_000) > 200 << 10, "there is room again");
}
