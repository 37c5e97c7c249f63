//! The device's end: every channel says in its first byte what it wants.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::Result;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::{io::AsyncWriteExt as _, net::TcpListener};

use crate::{
    arm::{Arm, CHUNK_BYTES, Channel, Purpose, Reader as _, Writer as _},
    process::say,
};

/// Send without end.
pub(crate) const DOWN: u8 = b'd';
/// Send one byte, then take what comes and count it.
pub(crate) const UP: u8 = b'u';
/// Send back what comes.
pub(crate) const ECHO: u8 = b'e';
/// Send one byte, then do nothing any more.
pub(crate) const IDLE: u8 = b'i';

/// Where the agent is to be found.
#[derive(Serialize, Deserialize)]
pub(crate) struct Hello {
    /// Where it listens for sessions.
    pub(crate) address: SocketAddr,
    /// Who connects here is told how many bytes have come up so far.
    pub(crate) counter: SocketAddr,
}

pub(crate) async fn run<A: Arm>() -> Result<()> {
    let (mut listener, address) = A::listen().await?;
    let counting = TcpListener::bind("127.0.0.1:0").await?;
    say(&Hello { address, counter: counting.local_addr()? })?;
    let count = Arc::new(AtomicU64::new(0));
    tokio::spawn(tell(counting, count.clone()));
    loop {
        let mut session = A::accept(&mut listener).await?;
        let count = count.clone();
        tokio::spawn(async move {
            while let Some(channel) = A::next(&mut session).await {
                tokio::spawn(serve(channel, count.clone()));
            }
        });
    }
}

async fn tell(listener: TcpListener, count: Arc<AtomicU64>) -> Result<()> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        stream.write_u64(count.load(Ordering::Relaxed)).await?;
    }
}

async fn serve(channel: impl Channel, count: Arc<AtomicU64>) -> Result<()> {
    let (mut reader, mut writer) = channel.split();
    let Some(mut first) = reader.receive().await? else { return Ok(()) };
    match first.split_to(1)[0] {
        DOWN => {
            writer.is_for(Purpose::Bulk);
            let chunk = Bytes::from(vec![7; CHUNK_BYTES]);
            loop {
                writer.send(chunk.clone()).await?;
            }
        }
        UP => {
            writer.send(Bytes::from_static(&[UP])).await?;
            count.fetch_add(first.len() as u64, Ordering::Relaxed);
            while let Some(data) = reader.receive().await? {
                count.fetch_add(data.len() as u64, Ordering::Relaxed);
            }
        }
        ECHO => {
            writer.is_for(Purpose::Interactive);
            if !first.is_empty() {
                writer.send(first).await?;
            }
            while let Some(data) = reader.receive().await? {
                writer.send(data).await?;
            }
            writer.finish().await?;
        }
        IDLE => {
            writer.send(Bytes::from_static(&[IDLE])).await?;
            // Without a task of its own it stays as it is until the process ends.
            std::mem::forget((reader, writer));
        }
        other => anyhow::bail!("a channel that wants {other}"),
    }
    Ok(())
}
