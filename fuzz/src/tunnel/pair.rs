//! Two machines, an application on each, and an adversarial wire.

use towline_tunnel_proto::Micros;

use super::{
    leg::{Leg, tick},
    side::{CutShort, Side},
};
use crate::script::Script;

/// Runs a script of operations, cuts, delays and losses of the carrier over two machines. Returns how many carriers
/// were lost.
///
/// # Panics
///
/// If a byte is lost, doubled, out of order or changed; if a side holds more than its windows and its ring; if one side finds
/// fault with the other; if something that was sent never arrives although everything is consumed.
pub fn two_connections(input: &[u8]) -> u64 {
    let mut script = Script::new(input);
    let window = 64 + script.below(20_000) as u32;
    let mut leg = Leg::new(&mut script);
    let mut near = Side::new(leg.dialer(), window, 0);
    let mut far = Side::new(leg.acceptor(), window, 1);
    let mut cut_short = CutShort::new();
    let mut now = Micros(0);

    for _ in 0..2000 {
        if script.is_empty() {
            break;
        }
        let who = usize::from(script.byte() % 2);
        let side = if who == 0 { &mut near } else { &mut far };
        now.0 += u64::from(script.byte());
        match script.byte() % 13 {
            0 | 1 => side.open(),
            2 | 3 => side.send(&mut script),
            4 => side.finish(&mut script),
            5 => side.consume(&mut script),
            6 if script.byte().is_multiple_of(4) => side.end(&mut script, &mut cut_short),
            6 | 7 => leg.transmit(who, &mut side.machine, now, 1 + script.below(3000)),
            8 | 9 => {
                leg.deliver(who, &mut side.machine, now, script.below(3000));
                side.drain_events(&cut_short);
            }
            10 => leg.lose(&mut script, &mut near.machine, &mut far.machine, now),
            11 => leg.redial(&mut near.machine, now),
            _ => now.0 += 500 * u64::from(script.byte()),
        }
        tick(now, &mut [&mut near.machine, &mut far.machine]);
        near.drain_events(&cut_short);
        far.drain_events(&cut_short);
        near.check_memory();
        far.check_memory();
    }

    // Everybody finishes, consumes and listens: then nothing may be missing.
    let mut silences = 0;
    for _ in 0..100_000 {
        leg.redial(&mut near.machine, now);
        for (who, side) in [&mut near, &mut far].into_iter().enumerate() {
            side.finish_all();
            side.consume_all();
            leg.transmit(who, &mut side.machine, now, 1 << 16);
        }
        silences = if leg.is_silent() { silences + 1 } else { 0 };
        if silences == 3 {
            near.check_complete(&far, &cut_short);
            far.check_complete(&near, &cut_short);
            return leg.losses;
        }
        for (who, side) in [&mut near, &mut far].into_iter().enumerate() {
            leg.deliver(who, &mut side.machine, now, usize::MAX);
            side.drain_events(&cut_short);
        }
        // Acknowledgements that wait for their time.
        now.0 += 25_000;
        tick(now, &mut [&mut near.machine, &mut far.machine]);
    }
    panic!("the two sides never fall silent");
}
