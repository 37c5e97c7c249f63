//! The operator's end, which measures.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::{
    io::AsyncReadExt as _,
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, sleep, timeout, timeout_at},
};

use crate::{
    agent::{DOWN, ECHO, IDLE, UP},
    arm::{Arm, CHUNK_BYTES, Channel, Purpose, Reader, Writer},
    process::{Parent, cpu_time, resident_bytes, say},
};

/// What one keystroke and its echo are, in bytes.
const ECHO_BYTES: usize = 64;
/// How long is waited for what does not come: the first byte, or the last key's echo.
const PATIENCE: Duration = Duration::from_secs(10);
/// Channels that are opened at once where opens are counted.
const OPENS_AT_ONCE: usize = 64;
/// Sessions and channels that are there before the others are weighed.
const FIRST: usize = 16;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Task {
    /// Keeps so many channels full each way.
    Bulk { down: usize, up: usize, warm_up: Duration, time: Duration, watched: Watched },
    /// Sends a few bytes, waits for them, thinks, and again.
    Echo { think: Duration, time: Duration },
    /// Asks for bulk on so many channels and does not read it.
    Stall { channels: usize },
    /// Opens channels, exchanges a byte each, and closes them.
    Open { time: Duration },
    /// Opens so many sessions, then so many channels on the last one, and does nothing with them.
    Hold { sessions: usize, channels: usize, agent: u32 },
}

/// The processes whose time is taken.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Watched {
    pub(crate) relay: u32,
    pub(crate) agent: u32,
    /// See [`crate::agent::Hello::counter`].
    pub(crate) counter: SocketAddr,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Bulk {
    pub(crate) seconds: f64,
    pub(crate) down_bytes: u64,
    pub(crate) up_bytes: u64,
    pub(crate) relay_cpu_seconds: f64,
    pub(crate) agent_cpu_seconds: f64,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Echo {
    pub(crate) micros: Vec<u64>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Opens {
    pub(crate) per_second: f64,
}

/// What one more costs, in bytes of resident memory.
#[derive(Serialize, Deserialize)]
pub(crate) struct Held {
    pub(crate) session_dialler: f64,
    pub(crate) session_acceptor: f64,
    pub(crate) channel_dialler: f64,
    pub(crate) channel_acceptor: f64,
}

pub(crate) async fn run<A: Arm>(to: SocketAddr, task: Task, parent: Parent) -> Result<()> {
    match task {
        Task::Bulk { down, up, warm_up, time, watched } => {
            bulk::<A>(to, down, up, warm_up, time, watched, parent).await
        }
        Task::Echo { think, time } => echo::<A>(to, think, time, parent).await,
        Task::Stall { channels } => stall::<A>(to, channels, parent).await,
        Task::Open { time } => opens::<A>(to, time, parent).await,
        Task::Hold { sessions, channels, agent } => hold::<A>(to, sessions, channels, agent, parent).await,
    }
}

/// Says what was found and stays, so that nothing is torn down while others still measure.
async fn done(found: &impl Serialize) -> Result<()> {
    say(found)?;
    std::future::pending().await
}

/// Opens a channel and says what it is to do.
async fn ask<A: Arm>(
    session: &A::Session,
    purpose: Purpose,
    want: u8,
) -> Result<(<A::Channel as Channel>::Reader, <A::Channel as Channel>::Writer)> {
    let (reader, mut writer) = A::open(session, purpose).await?.split();
    writer.send(Bytes::copy_from_slice(&[want])).await?;
    Ok((reader, writer))
}

/// The next bytes of a channel that has not come to its end.
async fn next(reader: &mut impl Reader) -> Result<Bytes> {
    reader.receive().await?.context("a channel ended early")
}

async fn bulk<A: Arm>(
    to: SocketAddr,
    down: usize,
    up: usize,
    warm_up: Duration,
    time: Duration,
    watched: Watched,
    mut parent: Parent,
) -> Result<()> {
    let session = A::dial(to).await?;
    let received = Arc::new(AtomicU64::new(0));
    // All are opened before any is read, so that the first ones do not stand in the way of the last.
    let (mut downs, mut ups) = (Vec::new(), Vec::new());
    for _ in 0..down {
        downs.push(ask::<A>(&session, Purpose::Bulk, DOWN).await?);
    }
    for _ in 0..up {
        ups.push(ask::<A>(&session, Purpose::Bulk, UP).await?);
    }
    let started = Arc::new(Semaphore::new(0));
    let mut channels = JoinSet::<Result<()>>::new();
    for (mut reader, writer) in downs {
        let (received, started) = (received.clone(), started.clone());
        channels.spawn(async move {
            // Held: an end of this direction could end the other.
            let _writer = writer;
            next(&mut reader).await?;
            started.add_permits(1);
            loop {
                received.fetch_add(next(&mut reader).await?.len() as u64, Ordering::Relaxed);
            }
        });
    }
    for (mut reader, mut writer) in ups {
        let started = started.clone();
        channels.spawn(async move {
            next(&mut reader).await?;
            started.add_permits(1);
            let chunk = Bytes::from(vec![7; CHUNK_BYTES]);
            loop {
                writer.send(chunk.clone()).await?;
            }
        });
    }
    let all = started.acquire_many(u32::try_from(down + up)?);
    tokio::select! {
        // Where some never start, what the others do is the figure.
        _ = timeout(PATIENCE, all) => {}
        Some(ended) = channels.join_next() => ended??,
    }
    sleep(warm_up).await;
    say(&"ready")?;
    parent.word().await;

    let look = async || {
        let sent = tokio::net::TcpStream::connect(watched.counter).await?.read_u64().await?;
        let (relay, agent) = (cpu_time(watched.relay)?, cpu_time(watched.agent)?);
        anyhow::Ok((Instant::now(), received.load(Ordering::Relaxed), sent, relay, agent))
    };
    let before = look().await?;
    let after = loop {
        sleep(time).await;
        let now = look().await?;
        let is_moving = (down == 0 || now.1 > before.1) && (up == 0 || now.2 > before.2);
        if is_moving || now.0 > before.0 + PATIENCE {
            break now;
        }
    };
    if let Some(ended) = channels.try_join_next() {
        ended??;
    }
    done(&Bulk {
        seconds: (after.0 - before.0).as_secs_f64(),
        down_bytes: after.1 - before.1,
        up_bytes: after.2 - before.2,
        relay_cpu_seconds: (after.3 - before.3).as_secs_f64(),
        agent_cpu_seconds: (after.4 - before.4).as_secs_f64(),
    })
    .await
}

async fn echo<A: Arm>(to: SocketAddr, think: Duration, time: Duration, mut parent: Parent) -> Result<()> {
    let session = A::dial(to).await?;
    let (mut reader, mut writer) = ask::<A>(&session, Purpose::Interactive, ECHO).await?;
    let key = Bytes::from(vec![b'k'; ECHO_BYTES]);
    let mut press = async || {
        let pressed = Instant::now();
        writer.send(key.clone()).await?;
        let mut left = ECHO_BYTES;
        while left > 0 {
            left = left.checked_sub(next(&mut reader).await?.len()).context("more came back than was sent")?;
        }
        anyhow::Ok(u64::try_from(pressed.elapsed().as_micros())?)
    };
    press().await?;
    say(&"ready")?;
    parent.word().await;

    let mut micros = Vec::new();
    let end = Instant::now() + time;
    while Instant::now() < end {
        micros.push(timeout_at(end + PATIENCE, press()).await.context("a key without an answer")??);
        sleep(think).await;
    }
    done(&Echo { micros }).await
}

async fn stall<A: Arm>(to: SocketAddr, channels: usize, mut parent: Parent) -> Result<()> {
    let session = A::dial(to).await?;
    let mut held = Vec::new();
    for _ in 0..channels {
        held.push(ask::<A>(&session, Purpose::Bulk, DOWN).await?);
    }
    // Until what is on its way has filled whatever there is to fill.
    sleep(Duration::from_secs(1)).await;
    say(&"ready")?;
    parent.word().await;
    done(&"still stalled").await
}

async fn opens<A: Arm>(to: SocketAddr, time: Duration, mut parent: Parent) -> Result<()> {
    let session = Arc::new(A::dial(to).await?);
    let count = Arc::new(AtomicU64::new(0));
    let mut openers = JoinSet::<Result<()>>::new();
    for _ in 0..OPENS_AT_ONCE {
        let (session, count) = (session.clone(), count.clone());
        openers.spawn(async move {
            loop {
                let (mut reader, mut writer) = A::open(&session, Purpose::Interactive).await?.split();
                writer.send(Bytes::from_static(&[ECHO, b'k'])).await?;
                next(&mut reader).await?;
                writer.finish().await?;
                ensure!(reader.receive().await?.is_none(), "more came back than was sent");
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    sleep(time / 4).await;
    say(&"ready")?;
    parent.word().await;
    let (began, before) = (Instant::now(), count.load(Ordering::Relaxed));
    let (seconds, after) = loop {
        sleep(time).await;
        let after = count.load(Ordering::Relaxed);
        if after > before || began.elapsed() > PATIENCE {
            break (began.elapsed().as_secs_f64(), after);
        }
    };
    if let Some(ended) = openers.try_join_next() {
        ended??;
    }
    done(&Opens { per_second: (after - before) as f64 / seconds }).await
}

async fn hold<A: Arm>(to: SocketAddr, sessions: usize, channels: usize, agent: u32, mut parent: Parent) -> Result<()> {
    let own = std::process::id();
    let weigh = async || {
        // Until both sides have nothing left to do.
        sleep(Duration::from_millis(300)).await;
        anyhow::Ok((resident_bytes(own)? as f64, resident_bytes(agent)? as f64))
    };
    let one_more = |before: (f64, f64), after: (f64, f64), count: usize| {
        ((after.0 - before.0) / count as f64, (after.1 - before.1) / count as f64)
    };

    // Vectors of their final size: what they take is not the arm's.
    let mut held_sessions = Vec::with_capacity(FIRST + sessions);
    let mut held_channels = Vec::with_capacity(FIRST + channels);
    held_channels.resize_with(FIRST + channels, || None);
    for _ in 0..FIRST {
        held_sessions.push(A::dial(to).await?);
    }
    let before = weigh().await?;
    for _ in 0..sessions {
        held_sessions.push(A::dial(to).await?);
    }
    let session = one_more(before, weigh().await?, sessions);

    let last = held_sessions.last().context("no session")?;
    let mut before = (0.0, 0.0);
    for (number, place) in held_channels.iter_mut().enumerate() {
        if number == FIRST {
            before = weigh().await?;
        }
        let (mut reader, writer) = ask::<A>(last, Purpose::Bulk, IDLE).await?;
        next(&mut reader).await?;
        *place = Some((reader, writer));
    }
    let channel = one_more(before, weigh().await?, channels);

    say(&"ready")?;
    parent.word().await;
    done(&Held {
        session_dialler: session.0,
        session_acceptor: session.1,
        channel_dialler: channel.0,
        channel_acceptor: channel.1,
    })
    .await
}
