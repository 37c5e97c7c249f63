//! The section of `REPORT.md`.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use time::{OffsetDateTime, macros::format_description};

use crate::{
    arm::Name,
    cell::{Cell, Figure, LONG, Load, SLOW},
    link::Shape,
    results::Results,
};

/// Channels that are not read.
pub(crate) const STALLED: usize = 400;

const HEADING: &str = "## The tunnel";
/// What the anchors of the goal take for a frame: 16 KiB at 12 Mbit/s, in milliseconds.
const FRAME_MILLIS: f64 = 11.0;
/// The packages whose versions are told.
const PEERS: [&str; 7] = ["tokio", "tokio-tungstenite", "yamux", "h2", "quinn", "russh", "rustls"];

/// What the machine was like when the run began.
pub(crate) struct Machine {
    processor: String,
    processors: usize,
    load: String,
    congestion_control: String,
}

impl Machine {
    pub(crate) fn look() -> Result<Self> {
        let information = fs::read_to_string("/proc/cpuinfo")?;
        let model = information.lines().find(|line| line.starts_with("model name"));
        let processor =
            model.and_then(|line| line.split_once(": ")).map_or("unknown", |(_, model)| model).trim().into();
        Ok(Self {
            processor,
            processors: std::thread::available_parallelism()?.get(),
            load: load()?,
            congestion_control: fs::read_to_string("/proc/sys/net/ipv4/tcp_congestion_control")?.trim().into(),
        })
    }
}

fn load() -> Result<String> {
    Ok(fs::read_to_string("/proc/loadavg")?.split_whitespace().next().context("an empty loadavg")?.into())
}

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).into()
}

/// Puts the section in the place of the former one, or at the end.
pub(crate) fn write(section: &str) -> Result<()> {
    let path = folder().join("REPORT.md");
    let report = fs::read_to_string(&path)?;
    let (before, after) = match report.split_once(&format!("{HEADING}\n")) {
        Some((before, former)) => {
            // Up to the next heading of the same kind.
            let after = former.find("\n## ").map_or("", |at| &former[at + 1..]);
            (before.to_owned(), after)
        }
        None => (format!("{}\n\n", report.trim_end()), ""),
    };
    let gap = if after.is_empty() { "" } else { "\n" };
    fs::write(path, format!("{before}{section}{gap}{after}"))?;
    Ok(())
}

pub(crate) fn section(results: &Results, machine: &Machine) -> Result<String> {
    let date = OffsetDateTime::now_utc().format(format_description!("[day padding:none] [month repr:long] [year]"))?;
    let lock = include_str!("../../../Cargo.lock");
    let versions = PEERS.map(|name| {
        let version =
            lock.split_once(&format!("\nname = \"{name}\"\nversion = \"")).and_then(|(_, rest)| rest.split('"').next());
        format!("{name} {}", version.unwrap_or("unknown"))
    });
    let mut text = format!(
        "{HEADING}\n\n\
         <!-- Written by the command below; what is changed by hand here is overwritten. What the figures mean stands in the section after it. -->\n\n\
         `cargo run --release -p towline-benches --bin report`, {date}; {}, {} processors, load {} at the beginning and {} at the end; \
         TCP's congestion control {}. {}. Medians over the rounds; × is the median of the ratios to plain copying in the same round. \
         MB and GB are powers of ten. \"–\": not measured, or it failed (see below).\n",
        machine.processor,
        machine.processors,
        machine.load,
        load()?,
        machine.congestion_control,
        versions.join(", "),
    );
    goals(&mut text, results);
    throughput(&mut text, results);
    echo_loopback(&mut text, results);
    echo_link(&mut text, results, "Keystrokes over 25 ms and 12 Mbit/s each way", SLOW);
    echo_link(&mut text, results, "Keystrokes over 100 ms and 12 Mbit/s each way", LONG);
    rest(&mut text, results);
    if !results.failures.is_empty() {
        text.push_str("\n### What failed\n\n");
        for failure in &results.failures {
            let _ = writeln!(text, "- {failure}");
        }
    }
    Ok(text)
}

fn table(text: &mut String, head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
    let _ = writeln!(text, "\n| {} |\n|---{}", head.join(" | "), "|---:".repeat(head.len() - 1) + "|");
    for row in rows {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
}

/// With as many digits as mean something.
fn number(value: Option<f64>) -> String {
    match value {
        None => "–".into(),
        Some(value) if value.abs() >= 100.0 => format!("{value:.0}"),
        Some(value) if value.abs() >= 10.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.2}"),
    }
}

fn with_ratio(results: &Results, cell: Cell, arm: Name, figure: Figure) -> String {
    let Some(value) = results.figure(cell, arm, figure) else { return "–".into() };
    let ratio = results.ratio(cell, arm, figure).map_or(String::new(), |ratio| format!(" ({ratio:.2} ×)"));
    number(Some(value)) + &ratio
}

/// The figure that counts bytes under this load.
fn megabytes(load: Load) -> Figure {
    if load.down > 0 { Figure::DownMegabytes } else { Figure::UpMegabytes }
}

fn throughput(text: &mut String, results: &Results) {
    let head = ["", "1 down", "8 down", "100 down", "1 up"];
    for (title, cell) in [
        ("One leg: client ─TCP─ relay ─arm─ agent", Cell::Throughput as fn(Load) -> Cell),
        ("Both legs: client ─arm─ relay ─arm─ agent", Cell::Legs),
    ] {
        let arms = results.arms(cell(Load::DOWN));
        if arms.is_empty() {
            continue;
        }
        let _ = writeln!(text, "\n### {title}\n\nThe relay's processor time, seconds per GB:");
        let row = |arm: Name, of: &dyn Fn(Load) -> Figure| -> Vec<String> {
            let figures = Load::THROUGHPUT.map(|load| with_ratio(results, cell(load), arm, of(load)));
            [arm.to_string()].into_iter().chain(figures).collect()
        };
        table(text, &head, arms.iter().map(|&arm| row(arm, &|_| Figure::RelayCpu)));
        text.push_str("\nThroughput, MB/s:\n");
        table(text, &head, arms.iter().map(|&arm| row(arm, &megabytes)));
        if title.starts_with("One") {
            text.push_str("\n![The relay's processor time](plots/relay-cpu.svg)\n");
        }
    }
}

fn echo_loopback(text: &mut String, results: &Results) {
    let (idle, bulk) = (Cell::Echo(Load::NONE, None), Cell::Echo(Load::DOWN, None));
    if results.arms(idle).is_empty() {
        return;
    }
    text.push_str(
        "\n### Keystrokes over loopback\n\n64 bytes there and back, milliseconds. Under bulk the agent's one thread is busy, too; what \
         counts is the slow link below.\n",
    );
    let head = ["", "idle p50", "idle p99", "1 bulk p50", "1 bulk p99", "keys", "bulk MB/s"];
    table(
        text,
        &head,
        results.arms(idle).into_iter().map(|arm| {
            let of = |cell, figure| number(results.figure(cell, arm, figure));
            vec![
                arm.to_string(),
                of(idle, Figure::EchoP50),
                of(idle, Figure::EchoP99),
                of(bulk, Figure::EchoP50),
                of(bulk, Figure::EchoP99),
                of(bulk, Figure::Echoes),
                of(bulk, Figure::DownMegabytes),
            ]
        }),
    );
}

fn echo_link(text: &mut String, results: &Results, title: &str, link: Shape) {
    let [idle, bulk, both] = [Load::NONE, Load::DOWN, Load::BOTH].map(|load| Cell::Echo(load, Some(link)));
    let arms = results.arms(idle);
    if arms.is_empty() {
        return;
    }
    let _ = writeln!(
        text,
        "\n### {title}\n\nMilliseconds, p50 / p99 (keys); bulk in Mbit/s and × what plain copying got. Each connection has a queue \
         of its own in front of the link.",
    );
    let head = ["", "idle", "1 bulk down", "its Mbit/s", "bulk both ways", "Mbit/s down", "Mbit/s up"];
    table(
        text,
        &head,
        arms.into_iter().map(|arm| {
            let echo = |cell| {
                let of = |figure| number(results.figure(cell, arm, figure));
                format!(
                    "{} / {} ({})",
                    of(Figure::EchoP50),
                    of(Figure::EchoP99),
                    results.figure(cell, arm, Figure::Echoes).unwrap_or(0.0)
                )
            };
            let megabits = |cell, figure| {
                let Some(megabytes) = results.figure(cell, arm, figure) else { return "–".into() };
                format!("{:.1} ({} ×)", megabytes * 8.0, number(results.ratio(cell, arm, figure)))
            };
            vec![
                arm.to_string(),
                echo(idle),
                echo(bulk),
                megabits(bulk, Figure::DownMegabytes),
                echo(both),
                megabits(both, Figure::DownMegabytes),
                megabits(both, Figure::UpMegabytes),
            ]
        }),
    );
    if link == SLOW {
        text.push_str("\n![A key under bulk over the slow link](plots/slow-link-echo.svg)\n");
    }
}

fn rest(text: &mut String, results: &Results) {
    if results.arms(Cell::Opens).is_empty() {
        return;
    }
    let _ = writeln!(
        text,
        "\n### Stalled channels, opens, memory\n\nOne channel down beside {STALLED} that are not read, MB/s and × the same arm without them. \
         Opens with one byte each way and 64 at once, without a relay. Bytes of resident memory for one more idle channel and session, \
         on the side that dialled and on the side that accepted; of arms without sessions, a connection is a channel.",
    );
    let head = ["", "beside stalled", "opens per second", "B per channel", "B per session"];
    table(
        text,
        &head,
        results.arms(Cell::Opens).into_iter().map(|arm| {
            let of = |cell, figure| number(results.figure(cell, arm, figure));
            let beside = results.figure(Cell::Stalled(STALLED), arm, Figure::DownMegabytes);
            let share = stalled_share(results, arm).map_or(String::new(), |share| format!(" ({share:.2} ×)"));
            let pair = |dialler, acceptor| format!("{} / {}", of(Cell::Held, dialler), of(Cell::Held, acceptor));
            vec![
                arm.to_string(),
                number(beside) + &share,
                of(Cell::Opens, Figure::OpensPerSecond),
                pair(Figure::ChannelDialler, Figure::ChannelAcceptor),
                pair(Figure::SessionDialler, Figure::SessionAcceptor),
            ]
        }),
    );
}

/// What a channel beside stalled ones gets of what it gets without them.
fn stalled_share(results: &Results, arm: Name) -> Option<f64> {
    let beside = results.figure(Cell::Stalled(STALLED), arm, Figure::DownMegabytes)?;
    Some(beside / results.figure(Cell::Throughput(Load::DOWN), arm, Figure::DownMegabytes)?)
}

/// The arms that share a session among channels, as ours does.
const MUXES: [Name; 4] = [Name::Yamux, Name::H2, Name::Quic, Name::Ssh];

/// What is to be reached, beside what was found.
fn goals(text: &mut String, results: &Results) {
    let mut rows = Vec::new();
    let mut goal = |what: &str, at_most: bool, bound: Option<f64>, of: &dyn Fn(Name) -> Option<f64>| {
        let reached = of(Name::Tunnel);
        let verdict = match (bound, reached) {
            (Some(bound), Some(reached)) if at_most == (reached <= bound) || reached == bound => "reached".into(),
            (Some(bound), Some(reached)) => format!("**missed by {:.0} %**", (reached / bound - 1.0).abs() * 100.0),
            _ => "not measured".into(),
        };
        let bound = format!("{} {}", if at_most { "≤" } else { "≥" }, number(bound));
        rows.push(vec![what.into(), bound, number(reached), verdict, number(of(Name::TunnelWss))]);
    };
    let best = |cell, figure, arms: &[Name], pick: fn(f64, f64) -> f64| {
        arms.iter().filter_map(|&arm| results.figure(cell, arm, figure)).reduce(pick)
    };

    for load in Load::THROUGHPUT {
        let name = if load.down > 0 { format!("{} down", load.down) } else { format!("{} up", load.up) };
        let cell = Cell::Throughput(load);
        let bound = if load.down > 0 { 1.2 } else { 1.3 };
        goal(&format!("{name}: relay's processor time, × copy"), true, Some(bound), &|arm| {
            results.ratio(cell, arm, Figure::RelayCpu)
        });
        let peers = best(cell, Figure::RelayCpu, &[Name::H2, Name::Yamux], f64::min);
        goal(&format!("{name}: ahead of h2 and yamux, s/GB"), true, peers, &|arm| {
            results.figure(cell, arm, Figure::RelayCpu)
        });
        goal(&format!("{name}: throughput, × copy"), false, Some(0.9), &|arm| {
            results.ratio(cell, arm, megabytes(load))
        });
    }
    let [idle, bulk] = [Load::NONE, Load::DOWN].map(|load| Cell::Echo(load, Some(SLOW)));
    let bound = results.figure(idle, Name::Tunnel, Figure::EchoP50).map(|idle| idle + FRAME_MILLIS + 10.0);
    goal("slow link, 1 bulk: key p99, ms (idle p50 + a frame of 11 + 10)", true, bound, &|arm| {
        results.figure(bulk, arm, Figure::EchoP99)
    });
    goal("slow link, 1 bulk: its throughput, × copy", false, Some(0.95), &|arm| {
        results.ratio(bulk, arm, Figure::DownMegabytes)
    });
    for (name, link, load) in [
        ("slow link, both ways", SLOW, Load::BOTH),
        ("200 ms, 1 bulk", LONG, Load::DOWN),
        ("200 ms, both ways", LONG, Load::BOTH),
    ] {
        let cell = Cell::Echo(load, Some(link));
        goal(&format!("{name}: throughput down, × copy"), false, Some(0.9), &|arm| {
            results.ratio(cell, arm, Figure::DownMegabytes)
        });
        if load.up > 0 {
            goal(&format!("{name}: throughput up, × copy"), false, Some(0.9), &|arm| {
                results.ratio(cell, arm, Figure::UpMegabytes)
            });
        }
        for (part, figure) in [("p50", Figure::EchoP50), ("p99", Figure::EchoP99)] {
            goal(
                &format!("{name}: key {part}, ms, no mux ahead"),
                true,
                best(cell, figure, &MUXES, f64::min),
                &|arm| results.figure(cell, arm, figure),
            );
        }
    }
    goal(&format!("a channel beside {STALLED} stalled ones, × without them"), false, Some(0.9), &|arm| {
        stalled_share(results, arm)
    });
    let opens = best(Cell::Opens, Figure::OpensPerSecond, &MUXES, f64::max);
    goal("opens per second, ahead of every mux", false, opens, &|arm| {
        results.figure(Cell::Opens, arm, Figure::OpensPerSecond)
    });
    for (what, bound, sides) in [
        ("B per idle channel, the dearer side", 400.0, [Figure::ChannelDialler, Figure::ChannelAcceptor]),
        ("B per idle session, the dearer side", 12_000.0, [Figure::SessionDialler, Figure::SessionAcceptor]),
    ] {
        goal(what, true, Some(bound), &|arm| {
            sides.iter().filter_map(|&side| results.figure(Cell::Held, arm, side)).reduce(f64::max)
        });
    }

    text.push_str("\n### Goals\n\nThey are for plain TCP carriers; WebSocket + TLS is beside it.\n");
    table(text, &["", "goal", "Towline, TCP", "", "Towline, WebSocket + TLS"], rows);
}
