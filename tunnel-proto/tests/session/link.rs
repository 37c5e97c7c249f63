//! Keystrokes beside bulk over a slow link, in simulated time: what a peer sends waits in a queue that has no end.

use std::collections::VecDeque;

use bytes::Bytes;
use towline_tunnel_proto::{
    CarrierKind, ChannelId, Config, Connection, Event, Fields, Limits, Micros, Open, Resumption, Secret, SessionId,
    Urgency,
};

/// As much as a socket takes before it makes its writer wait.
const SOCKET_BYTES: usize = 1 << 20;
const KEYSTROKE_EVERY_MICROS: u64 = 200_000;

struct Link {
    bytes_per_second: u64,
    delay_micros: u64,
}

/// 12.3 Mbit/s and 25 ms each way.
const SLOW: Link = Link { bytes_per_second: 1_537_500, delay_micros: 25_000 };

/// One direction: what is under way, and when it arrives.
#[derive(Default)]
struct Direction {
    under_way: VecDeque<(u64, Bytes)>,
    /// When the link has sent everything that it has been given.
    free_at: u64,
}

impl Direction {
    fn take_from(&mut self, link: &Link, machine: &mut Connection, now: u64) {
        loop {
            let waiting = self.free_at.saturating_sub(now) * link.bytes_per_second / 1_000_000;
            let room = SOCKET_BYTES.saturating_sub(waiting as usize).min(64 * 1024);
            if room == 0 {
                return;
            }
            let Some(piece) = machine.poll_transmit(Micros(now), room) else { return };
            let lasts = piece.len() as u64 * 1_000_000 / link.bytes_per_second;
            self.free_at = self.free_at.max(now) + lasts;
            self.under_way.push_back((self.free_at + link.delay_micros, piece));
        }
    }

    fn deliver(&mut self, machine: &mut Connection, now: u64) {
        while let Some((_, bytes)) = self.under_way.pop_front_if(|(at, _)| *at <= now) {
            machine.handle_input(Micros(now), bytes);
        }
    }
}

#[derive(Debug, Default)]
struct Figures {
    /// Of each keystroke until its echo, in milliseconds, sorted.
    echoes: Vec<f64>,
    /// Bulk that arrived in each direction, as a share of what the link can carry.
    bulk: [f64; 2],
}

impl Figures {
    fn worst(&self) -> f64 {
        *self.echoes.last().expect("keystrokes came back")
    }
}

/// A terminal, and bulk from the far side, from the near side, or both, for so many seconds.
fn run(link: &Link, bulk: [bool; 2], seconds: u64) -> Figures {
    let resumption = |config: &mut Config, resumption| config.resumption = Some(resumption);
    let (mut near, mut far) = (Config::dialer(CarrierKind::Magic), Config::acceptor(CarrierKind::Magic));
    resumption(&mut near, Resumption::dialer());
    resumption(&mut far, Resumption::acceptor(SessionId([1; 16]), Secret::new([2; 32])));
    let mut machines = [near, far].map(|config| Connection::new(config, Limits::default(), Micros(0)));
    let open = |urgency| Open { urgency, ..Open::to("x") };
    let terminal = machines[0].open(open(Urgency::INTERACTIVE)).unwrap();
    let transfer = machines[0].open(open(Urgency::BULK)).unwrap();
    let mut wires = [Direction::default(), Direction::default()];
    let mut figures = Figures::default();
    let mut arrived = [0u64; 2];
    let (mut asked, mut asked_at) = (None, 0);
    let plenty = Bytes::from(vec![0; 128 * 1024]);
    // What comes before the path is known is not what is looked at.
    let (settled, end) = (5_000_000, (5 + seconds) * 1_000_000);
    let mut now = 0;
    while now < end {
        now += 250;
        for (side, machine) in machines.iter_mut().enumerate() {
            wires[1 - side].deliver(machine, now);
            while let Some(event) = machine.poll_event().unwrap() {
                match event {
                    Event::Opened { channel, .. } => machine.accept(channel, Fields::new()).unwrap(),
                    Event::Data { channel, data } => {
                        machine.consumed(channel, data.len()).unwrap();
                        if channel == transfer && now > settled {
                            arrived[side] += data.len() as u64;
                        }
                        if channel == terminal && side == 1 {
                            machine.send(terminal, &mut data.clone()).unwrap();
                        }
                        if channel == terminal && side == 0 {
                            let echo = asked.take().map(|at: u64| (now - at) as f64 / 1000.0);
                            figures.echoes.extend(echo.filter(|_| now > settled));
                        }
                    }
                    _ => {}
                }
            }
            if machine.poll_timeout().is_some_and(|at| at.0 <= now) {
                machine.handle_timeout(Micros(now));
            }
            let is_open = |machine: &Connection, id: ChannelId| machine.room(id) > 0;
            if bulk[1 - side] && now > 200_000 && is_open(machine, transfer) {
                machine.send(transfer, &mut plenty.clone()).unwrap();
            }
            if side == 0 && asked.is_none() && now > asked_at + KEYSTROKE_EVERY_MICROS {
                (asked, asked_at) = (Some(now), now);
                machine.send(terminal, &mut Bytes::from_static(b"k")).unwrap();
            }
            wires[side].take_from(link, machine, now);
        }
    }
    figures.echoes.sort_by(f64::total_cmp);
    figures.bulk = arrived.map(|bytes| bytes as f64 / (link.bytes_per_second * seconds) as f64);
    figures
}

fn show(what: &str, figures: &Figures) {
    let echoes = &figures.echoes;
    let (median, p99) = (echoes[echoes.len() / 2], echoes[echoes.len() * 99 / 100]);
    let [down, up] = figures.bulk.map(|share| share * 100.0);
    println!("{what}: echo p50 {median:.1} ms, p99 {p99:.1} ms; bulk down {down:.1} %, up {up:.1} % of the link");
}

#[test]
fn a_keystroke_does_not_wait_behind_a_download() {
    let idle = run(&SLOW, [false, false], 10);
    show("idle", &idle);
    let busy = run(&SLOW, [true, false], 20);
    show("download", &busy);
    // One frame of 16 KiB lasts 10.7 ms on this link.
    assert!(busy.worst() <= idle.worst() + 10.7 + 10.0, "{:?}", busy.worst());
    assert!(busy.bulk[0] >= 0.95, "{busy:?}");
}

#[test]
fn a_keystroke_waits_little_behind_bulk_in_both_directions() {
    let busy = run(&SLOW, [true, true], 20);
    show("both ways", &busy);
    assert!(busy.worst() <= 50.0 + 150.0, "{:?}", busy.worst());
    // The two are not equals here: the one whose acknowledgements wait sends less.
    assert!(busy.bulk.iter().all(|share| *share >= 0.25) && busy.bulk.iter().sum::<f64>() >= 1.2, "{busy:?}");
}

#[test]
fn a_long_link_is_filled_beside_a_terminal() {
    let long = Link { delay_micros: 100_000, ..SLOW };
    let busy = run(&long, [true, false], 20);
    show("200 ms, download", &busy);
    assert!(busy.bulk[0] >= 0.9, "{busy:?}");
    assert!(busy.worst() <= 200.0 + 10.7 + 10.0 + 20.0, "{:?}", busy.worst());
}
