//! What is measured: a cell is one figure's circumstances, run for one arm in processes of its own.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;
use tokio::time::{sleep, timeout};

use crate::{
    agent,
    arm::Name,
    client::{Bulk, Echo, Held, Opens, Task, Watched},
    link::Shape,
    process::{Player, Role, cpu_time},
    relay,
};

/// Channels that are kept full, each way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Load {
    pub(crate) down: usize,
    pub(crate) up: usize,
}

impl Load {
    pub(crate) const NONE: Self = Self { down: 0, up: 0 };
    pub(crate) const DOWN: Self = Self { down: 1, up: 0 };
    pub(crate) const BOTH: Self = Self { down: 1, up: 1 };
    /// The loads under which throughput is measured.
    pub(crate) const THROUGHPUT: [Self; 4] =
        [Self::DOWN, Self { down: 8, up: 0 }, Self { down: 100, up: 0 }, Self { down: 0, up: 1 }];
}

/// The links of the report: 12 Mbit/s each way, 25 or 100 ms each way.
pub(crate) const SLOW: Shape = Shape { bits_per_second: 12_000_000, delay: Duration::from_millis(25) };
pub(crate) const LONG: Shape = Shape { bits_per_second: 12_000_000, delay: Duration::from_millis(100) };

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cell {
    /// Bytes and the processor time they cost.
    Throughput(Load),
    /// The same with the arm on both sides of the relay.
    Legs(Load),
    /// Keystrokes beside a load, over loopback or over a link between relay and agent.
    Echo(Load, Option<Shape>),
    /// One channel's throughput beside so many that are not read.
    Stalled(usize),
    /// Opening and closing, without a relay.
    Opens,
    /// Memory, without a relay.
    Held,
}

/// Cells by the names of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    Throughput,
    Legs,
    Loopback,
    Links,
    Stalled,
    Opens,
    Held,
}

impl Cell {
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Throughput(_) => Kind::Throughput,
            Self::Legs(_) => Kind::Legs,
            Self::Echo(_, None) => Kind::Loopback,
            Self::Echo(_, Some(_)) => Kind::Links,
            Self::Stalled(_) => Kind::Stalled,
            Self::Opens => Kind::Opens,
            Self::Held => Kind::Held,
        }
    }
}

/// A figure of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Figure {
    /// 10^6 bytes a second.
    DownMegabytes,
    UpMegabytes,
    /// Seconds of processor time per 10^9 bytes.
    RelayCpu,
    AgentCpu,
    /// Milliseconds.
    EchoP50,
    EchoP99,
    Echoes,
    OpensPerSecond,
    /// Bytes of resident memory.
    SessionDialler,
    SessionAcceptor,
    ChannelDialler,
    ChannelAcceptor,
}

pub(crate) type Figures = BTreeMap<Figure, f64>;

/// How long and how much.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) time: Duration,
    pub(crate) warm_up: Duration,
    /// Over a link, where windows take their time to grow.
    pub(crate) link_time: Duration,
    pub(crate) link_warm_up: Duration,
    pub(crate) held_sessions: usize,
    pub(crate) held_channels: usize,
}

impl Pace {
    pub(crate) fn full(time: Duration, link_time: Duration) -> Self {
        Self {
            time,
            warm_up: Duration::from_millis(500),
            link_time,
            link_warm_up: Duration::from_secs(4),
            held_sessions: 500,
            held_channels: 4000,
        }
    }

    /// Enough to see that something moves.
    pub(crate) const QUICK: Self = Self {
        time: Duration::from_millis(200),
        warm_up: Duration::from_millis(50),
        link_time: Duration::from_millis(400),
        link_warm_up: Duration::from_millis(100),
        held_sessions: 4,
        held_channels: 16,
    };
}

/// Runs a cell for an arm.
///
/// # Errors
///
/// If a channel ends early or nothing moves in time.
pub(crate) async fn run(cell: Cell, arm: Name, pace: &Pace) -> Result<Figures> {
    let limit = Duration::from_secs(90) + 2 * (pace.time + pace.link_time);
    let figures = timeout(limit, measure(cell, arm, pace)).await.context("it does not come to an end")??;
    for (figure, value) in &figures {
        ensure!(value.is_finite(), "{figure:?} is {value}");
    }
    Ok(figures)
}

async fn measure(cell: Cell, arm: Name, pace: &Pace) -> Result<Figures> {
    match cell {
        Cell::Throughput(load) => {
            let path = Path::start(arm, false, None).await?;
            let mut bulk = path.bulk(load, pace.warm_up, pace.time)?;
            wait_ready([&mut bulk]).await?;
            Ok(bulk_figures(&bulk.hear().await?))
        }
        Cell::Legs(load) => {
            let path = Path::start(arm, true, None).await?;
            let mut bulk = path.bulk(load, pace.warm_up, pace.time)?;
            wait_ready([&mut bulk]).await?;
            Ok(bulk_figures(&bulk.hear().await?))
        }
        Cell::Echo(load, link) => {
            let path = Path::start(arm, false, link).await?;
            let (warm_up, time) = match link {
                None => (pace.warm_up, pace.time),
                Some(_) => (pace.link_warm_up, pace.link_time),
            };
            let think = Duration::from_millis(if link.is_some() { 20 } else { 2 });
            let mut bulk = path.bulk(load, warm_up, time)?;
            let mut echo = path.interactive(Task::Echo { think, time })?;
            wait_ready([&mut bulk, &mut echo]).await?;
            let mut figures = bulk_figures(&bulk.hear().await?);
            let Echo { mut micros } = echo.hear().await?;
            ensure!(!micros.is_empty(), "no key came back");
            micros.sort_unstable();
            let at = |part: f64| micros[((micros.len() - 1) as f64 * part).round() as usize] as f64 / 1000.0;
            figures.extend([
                (Figure::EchoP50, at(0.5)),
                (Figure::EchoP99, at(0.99)),
                (Figure::Echoes, micros.len() as f64),
            ]);
            Ok(figures)
        }
        Cell::Stalled(channels) => {
            let path = Path::start(arm, false, None).await?;
            let to = path.relay_hello.stalled.context("a relay without a place for what is not read")?;
            let mut stall = path.client(to, Task::Stall { channels })?;
            let _: String = stall.hear().await?;
            path.settle().await?;
            let mut bulk = path.bulk(Load::DOWN, pace.warm_up, pace.time)?;
            wait_ready([&mut bulk]).await?;
            Ok(bulk_figures(&bulk.hear().await?))
        }
        Cell::Opens => {
            let (agent, hello) = start_agent(arm).await?;
            let task = Task::Open { time: pace.time };
            let mut client = Player::start(&Role::Client { arm, to: hello.address, task })?;
            wait_ready([&mut client]).await?;
            let Opens { per_second } = client.hear().await?;
            drop(agent);
            Ok(Figures::from([(Figure::OpensPerSecond, per_second)]))
        }
        Cell::Held => {
            let (agent, hello) = start_agent(arm).await?;
            // A connection per channel: both sides' descriptors are limited.
            let channels = if arm.is_mux() { pace.held_channels } else { pace.held_channels / 4 };
            let task = Task::Hold { sessions: pace.held_sessions, channels, agent: agent.pid()? };
            let mut client = Player::start(&Role::Client { arm, to: hello.address, task })?;
            wait_ready([&mut client]).await?;
            let held: Held = client.hear().await?;
            let channel =
                [(Figure::ChannelDialler, held.channel_dialler), (Figure::ChannelAcceptor, held.channel_acceptor)];
            let session =
                [(Figure::SessionDialler, held.session_dialler), (Figure::SessionAcceptor, held.session_acceptor)];
            Ok(channel.into_iter().chain(session.into_iter().filter(|_| arm.is_mux())).collect())
        }
    }
}

/// Waits until all have warmed up, then lets them measure at the same time.
async fn wait_ready<const N: usize>(mut players: [&mut Player; N]) -> Result<()> {
    for player in &mut players {
        let _: String = player.hear().await?;
    }
    for player in players {
        player.go().await?;
    }
    Ok(())
}

fn bulk_figures(bulk: &Bulk) -> Figures {
    let per_second = |bytes: u64| bytes as f64 / bulk.seconds / 1e6;
    let gigabytes = (bulk.down_bytes + bulk.up_bytes) as f64 / 1e9;
    let mut figures = Figures::new();
    if bulk.down_bytes > 0 {
        figures.insert(Figure::DownMegabytes, per_second(bulk.down_bytes));
    }
    if bulk.up_bytes > 0 {
        figures.insert(Figure::UpMegabytes, per_second(bulk.up_bytes));
    }
    if gigabytes > 0.0 {
        figures.insert(Figure::RelayCpu, bulk.relay_cpu_seconds / gigabytes);
        figures.insert(Figure::AgentCpu, bulk.agent_cpu_seconds / gigabytes);
    }
    figures
}

async fn start_agent(arm: Name) -> Result<(Player, agent::Hello)> {
    let mut agent = Player::start(&Role::Agent { arm })?;
    let hello = agent.hear().await?;
    Ok((agent, hello))
}

/// Agent, link and relay, in processes of their own.
struct Path {
    agent: Player,
    agent_hello: agent::Hello,
    _link: Option<Player>,
    relay: Player,
    relay_hello: relay::Hello,
    /// What the clients speak with the relay.
    near: Name,
}

impl Path {
    async fn start(arm: Name, both_legs: bool, link: Option<Shape>) -> Result<Self> {
        let (agent, agent_hello) = start_agent(arm).await?;
        let mut to = agent_hello.address;
        let mut link_player = None;
        if let Some(shape) = link {
            let mut player = Player::start(&Role::Link { arm, agent: to, shape })?;
            to = player.hear().await?;
            link_player = Some(player);
        }
        let mut relay = Player::start(&Role::Relay { arm, agent: to, both_legs })?;
        let relay_hello = relay.hear().await?;
        let near = if both_legs { arm } else { Name::Copy };
        Ok(Self { agent, agent_hello, _link: link_player, relay, relay_hello, near })
    }

    /// Waits until the relay has nothing left to do: what can be filled is full.
    async fn settle(&self) -> Result<()> {
        const LOOK_AGAIN: Duration = Duration::from_millis(500);
        let relay = self.relay.pid()?;
        let mut before = cpu_time(relay)?;
        loop {
            sleep(LOOK_AGAIN).await;
            let now = cpu_time(relay)?;
            if now - before < LOOK_AGAIN / 100 {
                return Ok(());
            }
            before = now;
        }
    }

    fn client(&self, to: SocketAddr, task: Task) -> Result<Player> {
        Player::start(&Role::Client { arm: self.near, to, task })
    }

    fn bulk(&self, Load { down, up }: Load, warm_up: Duration, time: Duration) -> Result<Player> {
        let watched = Watched { relay: self.relay.pid()?, agent: self.agent.pid()?, counter: self.agent_hello.counter };
        self.client(self.relay_hello.bulk, Task::Bulk { down, up, warm_up, time, watched })
    }

    fn interactive(&self, task: Task) -> Result<Player> {
        self.client(self.relay_hello.interactive, task)
    }
}
