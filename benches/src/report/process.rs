//! The processes of a run: this program again, with a role. They talk in lines of JSON over standard input and output.

use std::{
    fs,
    io::{Write as _, stdin, stdout},
    net::SocketAddr,
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::mpsc,
};

use crate::{
    agent,
    arm::{Name, with_arm},
    client, link, relay,
};

/// What a process is to be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Role {
    Agent {
        arm: Name,
    },
    Relay {
        arm: Name,
        agent: SocketAddr,
        both_legs: bool,
    },
    Link {
        arm: Name,
        agent: SocketAddr,
        shape: link::Shape,
    },
    /// Dials with `arm`.
    Client {
        arm: Name,
        to: SocketAddr,
        task: client::Task,
    },
}

/// Plays a role until the parent has heard enough. Every process has one thread for its work.
pub(crate) fn play(role: Role) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let parent = Parent::new();
    runtime.block_on(async {
        match role {
            Role::Agent { arm } => with_arm!(arm, A => agent::run::<A>().await),
            Role::Relay { arm, agent, both_legs: false } => with_arm!(arm, A => relay::run::<A>(agent).await),
            Role::Relay { arm, agent, both_legs: true } => with_arm!(arm, A => relay::run_legs::<A>(agent).await),
            Role::Link { arm: Name::Quic, agent, shape } => link::run_udp(agent, shape).await,
            Role::Link { agent, shape, .. } => link::run_tcp(agent, shape).await,
            Role::Client { arm, to, task } => with_arm!(arm, A => client::run::<A>(to, task, parent).await),
        }
    })
}

/// Says a line to the parent.
pub(crate) fn say(value: &impl Serialize) -> Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    let mut out = stdout().lock();
    out.write_all(&line)?;
    Ok(out.flush()?)
}

/// The parent as a child hears it. When it is gone, so is the child.
pub(crate) struct Parent(mpsc::UnboundedReceiver<()>);

impl Parent {
    fn new() -> Self {
        let (sender, lines) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for _ in stdin().lines().map_while(Result::ok) {
                let _ = sender.send(());
            }
            std::process::exit(0);
        });
        Self(lines)
    }

    /// Waits for the parent's next word.
    pub(crate) async fn word(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

/// A process that plays a role. It is killed when this is dropped.
pub(crate) struct Player {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    stdin: ChildStdin,
}

impl Player {
    /// Starts it.
    pub(crate) fn start(role: &Role) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("--role")
            .arg(serde_json::to_string(role)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdin = child.stdin.take().context("no standard input")?;
        let stdout = child.stdout.take().context("no standard output")?;
        Ok(Self { child, lines: BufReader::new(stdout).lines(), stdin })
    }

    /// The next line it says.
    pub(crate) async fn hear<T: DeserializeOwned>(&mut self) -> Result<T> {
        let line = self.lines.next_line().await?.context("a process of the run ended early")?;
        Ok(serde_json::from_str(&line)?)
    }

    /// Lets it go on.
    pub(crate) async fn go(&mut self) -> Result<()> {
        Ok(self.stdin.write_all(b"go\n").await?)
    }

    pub(crate) fn pid(&self) -> Result<u32> {
        self.child.id().context("a process of the run ended early")
    }
}

/// The processor time that a process has used, all its threads together.
pub(crate) fn cpu_time(pid: u32) -> Result<Duration> {
    let mut nanos = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let schedstat = fs::read_to_string(task?.path().join("schedstat"))?;
        nanos += schedstat.split_whitespace().next().context("an empty schedstat")?.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanos))
}

/// The memory that a process has in use, in bytes.
pub(crate) fn resident_bytes(pid: u32) -> Result<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let kib = rollup.lines().find_map(|line| line.strip_prefix("Rss:")).context("no Rss in smaps_rollup")?;
    Ok(kib.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
}
