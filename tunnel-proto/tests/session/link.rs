//! Keystrokes beside bulk over a slow link, in simulated time: what a side sends waits in a queue that has no end.

use std::collections::VecDeque;

use bytes::Bytes;
use towline_tunnel_proto::{
    CarrierKind, Config, Connection, Event, Fields, Limits, Micros, Open, Resumption, Secret, SessionId, Urgency,
};

/// As much as a socket takes before it makes its writer wait.
const SOCKET_BYTES: u64 = 1 << 20;
/// As much as a driver asks for at once.
const BATCH_BYTES: u64 = 64 * 1024;
const KEYSTROKE_EVERY_MICROS: u64 = 200_000;
/// What comes before the path is known is not what is looked at.
const SETTLED_MICROS: u64 = 5_000_000;

const NOTHING: [bool; 2] = [false, false];
const DOWNLOAD: [bool; 2] = [true, false];
const BOTH_WAYS: [bool; 2] = [true, true];

#[derive(Clone, Copy)]
struct Link {
    bytes_per_second: u64,
    /// One way.
    delay_micros: u64,
}

/// 12.3 Mbit/s and 25 ms each way: 16 KiB take 10.7 ms.
const SLOW: Link = Link { bytes_per_second: 1_537_500, delay_micros: 25_000 };
/// The same over a satellite.
const LONG: Link = Link { delay_micros: 100_000, ..SLOW };

/// One direction: what is under way, and when it arrives.
#[derive(Default)]
struct Direction {
    under_way: VecDeque<(u64, Bytes)>,
    /// When the link has sent everything that it has been given.
    free_at: u64,
}

/// What the clock of a side shows: they do not agree, and the far one is fast.
fn clock(side: usize, now: u64) -> Micros {
    match side {
        0 => Micros(now),
        _ => Micros(1_000_000_000_000 + now + now / 10_000),
    }
}

impl Direction {
    fn room(&self, link: Link, now: u64) -> u64 {
        let waiting = self.free_at.saturating_sub(now) * link.bytes_per_second / 1_000_000;
        match SOCKET_BYTES.saturating_sub(waiting) {
            // Nobody is woken for less.
            ..4096 => 0,
            room => room.min(BATCH_BYTES),
        }
    }

    fn take_from(&mut self, link: Link, machine: &mut Connection, now: u64, clock: Micros) {
        while let room @ 1.. = self.room(link, now) {
            let Some(piece) = machine.poll_transmit(clock, room as usize) else { return };
            let lasts = piece.len() as u64 * 1_000_000 / link.bytes_per_second;
            self.free_at = self.free_at.max(now) + lasts;
            self.under_way.push_back((self.free_at + link.delay_micros, piece));
        }
    }

    fn arrived(&mut self, now: u64) -> Option<Bytes> {
        Some(self.under_way.pop_front_if(|(at, _)| *at <= now)?.1)
    }
}

#[derive(Debug, Default)]
struct Figures {
    /// Of each keystroke until its echo, in milliseconds, sorted.
    echoes: Vec<f64>,
    /// Bulk that arrived, down and up, as a share of what the link can carry.
    bulk: [f64; 2],
}

impl Figures {
    fn echo(&self, share: f64) -> f64 {
        self.echoes[((self.echoes.len() - 1) as f64 * share) as usize]
    }
}

/// A terminal, and bulk down, up, or both, for so many seconds after the path is known.
#[derive(Clone, Copy)]
struct Scene {
    link: Link,
    bulk: [bool; 2],
    seconds: u64,
    /// What the link becomes when the path is known; then only the last half is looked at.
    later: Option<Link>,
    /// Both machines are busy: each looks what has happened only after a while, of at most so long.
    late_micros: u64,
}

impl Scene {
    fn new(link: Link, bulk: [bool; 2]) -> Self {
        Self { link, bulk, seconds: 30, later: None, late_micros: 0 }
    }
}

fn run(what: &str, scene: Scene) -> Figures {
    let Scene { link, bulk, seconds, later, late_micros } = scene;
    let (mut near, mut far) = (Config::dialer(CarrierKind::Magic), Config::acceptor(CarrierKind::Magic));
    near.resumption = Some(Resumption::dialer());
    far.resumption = Some(Resumption::acceptor(SessionId([1; 16]), Secret::new([2; 32])));
    let mut machines =
        [(0, near), (1, far)].map(|(side, config)| Connection::new(config, Limits::default(), clock(side, 0)));
    let open = |urgency| Open { urgency, ..Open::to("x") };
    let terminal = machines[0].open(open(Urgency::INTERACTIVE)).unwrap();
    let transfer = machines[0].open(open(Urgency::BULK)).unwrap();
    let mut wires = [Direction::default(), Direction::default()];
    let mut figures = Figures::default();
    let mut arrived = [0u64; 2];
    let (mut asked, mut asked_at) = (None, 0);
    let plenty = Bytes::from(vec![0; 128 * 1024]);
    let end = SETTLED_MICROS + seconds * 1_000_000;
    let (changes, looked_at_from) = match later {
        Some(_) => (SETTLED_MICROS, end - seconds * 500_000),
        None => (end, SETTLED_MICROS),
    };
    let (mut next_looks, mut random) = ([0; 2], 1u64);
    let mut now = 0;
    while now < end {
        now += 250;
        let link = later.filter(|_| now > changes).unwrap_or(link);
        for (side, machine) in machines.iter_mut().enumerate() {
            if now < next_looks[side] {
                continue;
            }
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            next_looks[side] = now + (random >> 33) % late_micros.max(1);
            let clock = clock(side, now);
            // As a driver, it asks for something to send only when something has happened.
            let had_no_room = wires[side].room(link, now - 250) == 0;
            let mut is_awake = late_micros > 0 || (had_no_room && wires[side].room(link, now) > 0);
            while let Some(bytes) = wires[1 - side].arrived(now) {
                machine.handle_input(clock, bytes);
                is_awake = true;
                while let Some(event) = machine.poll_event().unwrap() {
                    match event {
                        Event::Opened { channel, .. } => machine.accept(channel, Fields::new()).unwrap(),
                        Event::Data { channel, data } => {
                            machine.consumed(channel, data.len()).unwrap();
                            if channel == transfer && now > looked_at_from {
                                arrived[side] += data.len() as u64;
                            }
                            if channel == terminal && side == 1 {
                                machine.send(terminal, &mut data.clone()).unwrap();
                            }
                            if channel == terminal && side == 0 {
                                let echo = asked.take().map(|at: u64| (now - at) as f64 / 1000.0);
                                figures.echoes.extend(echo.filter(|_| now > looked_at_from));
                            }
                        }
                        _ => {}
                    }
                }
            }
            if machine.poll_timeout().is_some_and(|at| at <= clock) {
                machine.handle_timeout(clock);
                is_awake = true;
            }
            if bulk[1 - side] && now > 200_000 && machine.room(transfer) > 0 {
                machine.send(transfer, &mut plenty.clone()).unwrap();
                is_awake = true;
            }
            if side == 0 && asked.is_none() && now > asked_at + KEYSTROKE_EVERY_MICROS {
                (asked, asked_at) = (Some(now), now);
                machine.send(terminal, &mut Bytes::from_static(b"k")).unwrap();
                is_awake = true;
            }
            if is_awake {
                wires[side].take_from(link, machine, now, clock);
            }
        }
    }
    figures.echoes.sort_by(f64::total_cmp);
    let could = later.unwrap_or(link).bytes_per_second as f64 * (end - looked_at_from) as f64 / 1e6;
    figures.bulk = arrived.map(|bytes| bytes as f64 / could);
    println!(
        "{what}: echo p50 {:.1} ms, p99 {:.1} ms, worst {:.1} ms; bulk down {:.1} %, up {:.1} % of the link",
        figures.echo(0.5),
        figures.echo(0.99),
        figures.echo(1.0),
        100.0 * figures.bulk[0],
        100.0 * figures.bulk[1],
    );
    figures
}

#[test]
fn a_keystroke_does_not_wait_behind_a_download() {
    let idle = run("idle", Scene::new(SLOW, NOTHING));
    let busy = run("download", Scene::new(SLOW, DOWNLOAD));
    // A frame of 16 KiB lasts 10.7 ms.
    assert!(busy.echo(1.0) <= idle.echo(0.5) + 10.7 + 10.0, "{busy:?}");
    assert!(busy.bulk[0] >= 0.95, "{busy:?}");
}

#[test]
fn bulk_in_both_directions_fills_both_and_a_keystroke_waits_little_in_each() {
    let busy = run("both ways", Scene::new(SLOW, BOTH_WAYS));
    assert!(busy.echo(0.99) <= 50.0 + 2.0 * (10.7 + 10.0), "{busy:?}");
    assert!(busy.bulk.iter().all(|share| *share >= 0.95), "{busy:?}");
}

#[test]
fn a_long_link_is_filled_beside_a_terminal() {
    let busy = run("200 ms, download", Scene::new(LONG, DOWNLOAD));
    assert!(busy.echo(0.99) <= 200.0 + 10.7 + 10.0, "{busy:?}");
    assert!(busy.bulk[0] >= 0.95, "{busy:?}");
}

#[test]
fn a_long_link_is_filled_in_both_directions() {
    let busy = run("200 ms, both ways", Scene::new(LONG, BOTH_WAYS));
    assert!(busy.echo(0.99) <= 200.0 + 2.0 * (10.7 + 10.0), "{busy:?}");
    assert!(busy.bulk.iter().all(|share| *share >= 0.9), "{busy:?}");
}

#[test]
fn a_path_that_becomes_slower_or_longer_or_the_opposite_is_noticed() {
    let slower = Link { bytes_per_second: SLOW.bytes_per_second / 4, ..SLOW };
    for (what, before, after) in
        [("slower", SLOW, slower), ("faster", slower, SLOW), ("longer", SLOW, LONG), ("shorter", LONG, SLOW)]
    {
        let idle = 2.0 * after.delay_micros as f64 / 1000.0;
        let frame = 16_384_000.0 / after.bytes_per_second as f64;
        let busy = run(what, Scene { later: Some(after), ..Scene::new(before, BOTH_WAYS) });
        assert!(busy.echo(0.99) <= idle + 2.0 * (frame + 10.0), "{what}: {busy:?}");
        assert!(busy.bulk.iter().all(|share| *share >= 0.9), "{what}: {busy:?}");
    }
}

#[test]
fn machines_that_are_late_to_everything_still_fill_the_link() {
    for (what, bulk) in [("late, download", DOWNLOAD), ("late, both ways", BOTH_WAYS)] {
        let busy = run(what, Scene { late_micros: 10_000, ..Scene::new(SLOW, bulk) });
        // Four looks stand between a key and its echo.
        assert!(busy.echo(0.99) <= 50.0 + 2.0 * (10.7 + 10.0) + 4.0 * 10.0, "{busy:?}");
        assert!(busy.bulk[0] >= 0.9 && (busy.bulk[1] >= 0.9 || !bulk[1]), "{busy:?}");
    }
}
