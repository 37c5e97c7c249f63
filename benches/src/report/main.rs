//! Measures the tunnel beside its peers and writes its section of `REPORT.md`.
//!
//! ```text
//! cargo run --release -p towline-benches --bin report            # all of it, about half an hour
//! cargo run --release -p towline-benches --bin report -- --arms copy,yamux,tunnel --rounds 1 --dry-run
//! ```
//!
//! ```text
//! client ─TCP─ relay ─arm─ agent          each in its own process, of one thread; over a link: relay ─arm─ link ─arm─ agent
//! client ─arm─ relay ─arm─ agent          the path of the command line, where both legs are tunnels
//! client ─arm─ agent                      opens and memory
//! ```
//!
//! An arm is a file in `arm/`; what the processes do is in `agent.rs`, `relay.rs`, `link.rs` and `client.rs`; what is
//! measured, in `cell.rs`. Linux only: it looks into `/proc`.

#![forbid(unsafe_code)]

mod agent;
mod arm;
mod cell;
mod client;
mod identity;
mod link;
mod paper;
mod plot;
mod process;
mod relay;
mod results;

use std::time::Duration;

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum as _};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{
    arm::Name,
    cell::{Cell, Figure, Kind, LONG, Load, Pace, SLOW},
    process::Role,
    results::Results,
};

/// Measures the tunnel beside its peers and writes its section of benches/REPORT.md.
#[derive(Parser)]
struct Options {
    /// These arms only; plain copying is always there.
    #[arg(long, value_delimiter = ',')]
    arms: Vec<Name>,
    /// These cells only, and nothing is written.
    #[arg(long, value_delimiter = ',')]
    cells: Vec<Kind>,
    /// Seconds of a measurement over loopback.
    #[arg(long, default_value_t = 1.5)]
    seconds: f64,
    /// Seconds of a measurement over a simulated link.
    #[arg(long, default_value_t = 10.0)]
    link_seconds: f64,
    /// How often everything over loopback is measured, all arms in turn. Medians are written down.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// The same for simulated links.
    #[arg(long, default_value_t = 1)]
    link_rounds: usize,
    /// Only look whether every arm moves its bytes.
    #[arg(long)]
    quick: bool,
    /// Print, but write nothing.
    #[arg(long)]
    dry_run: bool,
    #[arg(long, hide = true)]
    role: Option<String>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    // Thousands of connections in one process. Children inherit it.
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    if let Some(role) = &options.role {
        return process::play(serde_json::from_str::<Role>(role)?);
    }
    let mut arms = options.arms.clone();
    if arms.is_empty() {
        arms = Name::value_variants().to_vec();
    } else if !arms.contains(&Name::Copy) {
        arms.insert(0, Name::Copy);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if options.quick {
        return runtime.block_on(quick(&arms));
    }

    let began = paper::Machine::look()?;
    let results = runtime.block_on(run(&arms, &options));
    let section = paper::section(&results, &began)?;
    print!("{section}");
    for failure in &results.failures {
        eprintln!("failed: {failure}");
    }
    if !options.dry_run && options.cells.is_empty() {
        paper::write(&section)?;
        plot::write(&results)?;
    }
    Ok(())
}

/// Everything, all arms in turn so that what else the machine does meets them alike.
async fn run(arms: &[Name], options: &Options) -> Results {
    let pace = Pace::full(Duration::from_secs_f64(options.seconds), Duration::from_secs_f64(options.link_seconds));
    let mut results = Results::default();
    let of = |keep: fn(Name) -> bool| -> Vec<Name> { arms.iter().copied().filter(|arm| keep(*arm)).collect() };
    let compared = of(|arm| arm != Name::Copy128);
    // Over a link, how a relay copies makes no difference.
    let over_links = of(|arm| !matches!(arm, Name::Copy128 | Name::Splice));
    let mut loopback = Vec::new();
    loopback.extend(Load::THROUGHPUT.map(|load| (Cell::Throughput(load), arms.to_vec())));
    loopback.extend(Load::THROUGHPUT.map(|load| (Cell::Legs(load), compared.clone())));
    loopback.extend([
        (Cell::Echo(Load::NONE, None), compared.clone()),
        (Cell::Echo(Load::DOWN, None), compared.clone()),
        (Cell::Stalled(paper::STALLED), compared.clone()),
        (Cell::Opens, compared.clone()),
        (Cell::Held, compared),
    ]);
    let mut links = Vec::new();
    for link in [SLOW, LONG] {
        links.extend(
            [Load::NONE, Load::DOWN, Load::BOTH].map(|load| (Cell::Echo(load, Some(link)), over_links.clone())),
        );
    }
    if !options.cells.is_empty() {
        loopback.retain(|(cell, _)| options.cells.contains(&cell.kind()));
        links.retain(|(cell, _)| options.cells.contains(&cell.kind()));
    }
    for (rounds, cells) in [(options.rounds, loopback), (options.link_rounds, links)] {
        for round in 1..=rounds {
            for (cell, arms) in &cells {
                eprintln!("round {round}: {cell:?}");
                for arm in arms {
                    results.add(*cell, *arm, cell::run(*cell, *arm, &pace).await);
                }
            }
        }
    }
    results
}

/// A few arms at a time, every kind of cell for moments.
async fn quick(arms: &[Name]) -> Result<()> {
    let each = stream::iter(arms).map(|&arm| async move {
        let load = Load { down: 2, up: 1 };
        for (cell, moved) in [
            (Cell::Throughput(load), &[Figure::DownMegabytes, Figure::UpMegabytes, Figure::RelayCpu][..]),
            (Cell::Legs(load), &[Figure::DownMegabytes, Figure::UpMegabytes]),
            (Cell::Echo(Load::NONE, None), &[Figure::Echoes]),
            (Cell::Echo(Load::BOTH, Some(SLOW)), &[Figure::Echoes, Figure::DownMegabytes, Figure::UpMegabytes]),
            (Cell::Opens, &[Figure::OpensPerSecond]),
            (Cell::Held, &[]),
        ] {
            let figures =
                cell::run(cell, arm, &Pace::QUICK).await.map_err(|error| error.context(format!("{arm}: {cell:?}")))?;
            for figure in moved {
                let value = figures.get(figure).copied().unwrap_or_default();
                ensure!(value > 0.0, "{arm}: {cell:?}: {figure:?} is {value}");
            }
        }
        println!("{arm}: bytes move");
        Ok(())
    });
    each.buffer_unordered(3).try_collect().await
}
