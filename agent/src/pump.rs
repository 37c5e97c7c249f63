//! Bytes between a channel of the tunnel and a local stream, without copying them on the way.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use towline_tunnel_proto::{
    Code,
    driver::{Channel, Ended, ReceiveHalf, SendHalf},
};

/// Chunks begin with this size, so that an idle connection holds little.
const MIN_CHUNK_BYTES: usize = 4 * 1024;
/// Chunks grow to this size under bulk.
const MAX_CHUNK_BYTES: usize = 64 * 1024;
/// Chunks that are written at once.
const MAX_SLICES: usize = 16;
/// How long a local stream may take for bytes that arrived before their channel was gone.
const LAST_WRITE_LIMIT: Duration = Duration::from_secs(10);

/// How a [`carry`] went.
#[derive(Debug)]
pub struct Carried {
    /// Bytes from the local stream into the channel.
    pub sent_bytes: u64,
    /// Bytes from the channel to the local stream.
    pub received_bytes: u64,
    /// How it ended: both sides had said all, or one of them broke.
    pub end: Result<(), Break>,
}

/// Which side broke.
#[derive(Debug, thiserror::Error)]
pub enum Break {
    /// The local stream.
    #[error(transparent)]
    Local(io::Error),
    /// The channel, or the session under it.
    #[error(transparent)]
    Channel(#[from] Ended),
}

/// Carries bytes both ways until both sides have ended, half-closing each side when the other has no more to say.
///
/// When the local stream breaks, the channel is reset with `lost`; when the channel breaks, the streams are dropped
/// and the caller decides how the local peer learns of it.
///
/// # Cancel safety
///
/// Not cancel safe: bytes on their way are lost, and the channel is reset.
pub async fn carry<R, W>(channel: Channel, mut reader: R, mut writer: W, lost: Code) -> Carried
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (receive, mut send) = channel.split();
    let mut receive = Some(receive);
    let progress = Progress::default();
    let both = tokio::try_join!(
        local_to_channel(&mut reader, &mut send, &progress),
        channel_to_local(&mut receive, &mut writer, &progress, lost),
    );
    let end = match both {
        Ok(_) => match &mut receive {
            // A peer that no longer reads is no failure, a channel that is gone before its time is one.
            Some(receive) if progress.stopped.load(Ordering::Relaxed) => gone(receive).await,
            _ => Ok(()),
        },
        Err(Break::Local(error)) => {
            send.reset(lost, &error.to_string());
            Err(Break::Local(error))
        }
        Err(broken) => Err(broken),
    };
    let Progress { sent, received, .. } = progress;
    Carried { sent_bytes: sent.into_inner(), received_bytes: received.into_inner(), end }
}

/// What one direction lets the other know.
#[derive(Default)]
struct Progress {
    sent: AtomicU64,
    received: AtomicU64,
    /// The local stream has said all.
    local_finished: AtomicBool,
    /// The peer no longer reads.
    stopped: AtomicBool,
}

async fn local_to_channel(
    reader: &mut (impl AsyncRead + Unpin),
    send: &mut SendHalf,
    progress: &Progress,
) -> Result<(), Break> {
    let mut chunk_bytes = MIN_CHUNK_BYTES;
    let mut buffer = BytesMut::new();
    loop {
        // What is left of the last chunk is filled up before a new one is taken.
        if buffer.capacity() < MIN_CHUNK_BYTES / 2 {
            buffer.reserve(chunk_bytes);
        }
        let room = buffer.capacity();
        let count = tokio::select! {
            biased;
            count = reader.read_buf(&mut buffer) => count.map_err(Break::Local)?,
            _ = send.broken() => return peer_stopped(send, progress),
        };
        if count == 0 {
            progress.local_finished.store(true, Ordering::Relaxed);
            send.finish()?;
            return Ok(());
        }
        if count == room {
            chunk_bytes = (chunk_bytes * 2).min(MAX_CHUNK_BYTES);
        } else if count < MIN_CHUNK_BYTES / 4 {
            chunk_bytes = (chunk_bytes / 2).max(MIN_CHUNK_BYTES);
        }
        if send.send(buffer.split().freeze()).await.is_err() {
            return peer_stopped(send, progress);
        }
        progress.sent.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// The other direction goes on; if the channel is gone altogether, that direction is the one that reports it.
fn peer_stopped(send: &mut SendHalf, progress: &Progress) -> Result<(), Break> {
    progress.stopped.store(true, Ordering::Relaxed);
    drop(send.finish());
    Ok(())
}

async fn channel_to_local(
    receive: &mut Option<ReceiveHalf>,
    writer: &mut (impl AsyncWrite + Unpin),
    progress: &Progress,
    lost: Code,
) -> Result<(), Break> {
    let Some(half) = receive else { return Ok(()) };
    let written = async {
        let mut chunks = VecDeque::new();
        loop {
            let count = half.recv_many(&mut chunks, MAX_CHUNK_BYTES).await?;
            if count == 0 {
                break;
            }
            write(writer, &mut chunks, half).await?;
            progress.received.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
        // A peer that has gone already needs no end of file.
        match writer.shutdown().await {
            Err(error) if error.kind() != io::ErrorKind::NotConnected => Err(Break::Local(error)),
            _ => Ok(()),
        }
    };
    match written.await {
        // It has said all and now will not listen: what it said must still arrive, which a reset would forbid.
        Err(Break::Local(error)) if progress.local_finished.load(Ordering::Relaxed) => {
            if let Some(half) = receive.take() {
                half.stop(lost, &error.to_string());
            }
            Ok(())
        }
        written => written,
    }
}

/// Writes all of `chunks`; once the channel is gone, only for so long as a slow reader may need.
async fn write(
    writer: &mut (impl AsyncWrite + Unpin),
    chunks: &mut VecDeque<Bytes>,
    half: &mut ReceiveHalf,
) -> Result<(), Break> {
    let mut write = std::pin::pin!(async {
        while !chunks.is_empty() {
            write_some(writer, chunks).await?;
        }
        writer.flush().await
    });
    tokio::select! {
        biased;
        written = &mut write => written.map_err(Break::Local),
        ended = half.broken() => match tokio::time::timeout(LAST_WRITE_LIMIT, write).await {
            Ok(written) => written.map_err(Break::Local),
            Err(_) => Err(Break::Channel(ended)),
        },
    }
}

/// Writes what the stream takes at once off the front of `chunks`.
async fn write_some(writer: &mut (impl AsyncWrite + Unpin), chunks: &mut VecDeque<Bytes>) -> io::Result<()> {
    let mut slices = [IoSlice::new(&[]); MAX_SLICES];
    for (slice, chunk) in slices.iter_mut().zip(&*chunks) {
        *slice = IoSlice::new(chunk);
    }
    let count = chunks.len().min(MAX_SLICES);
    let mut written = writer.write_vectored(slices.get(..count).unwrap_or_default()).await?;
    if written == 0 {
        return Err(io::ErrorKind::WriteZero.into());
    }
    while let Some(chunk) = chunks.front_mut() {
        let part = written.min(chunk.len());
        chunk.advance(part);
        written -= part;
        if chunk.has_remaining() {
            break;
        }
        chunks.pop_front();
    }
    Ok(())
}

/// An error if the channel is gone by now.
async fn gone(half: &mut ReceiveHalf) -> Result<(), Break> {
    tokio::select! {
        biased;
        ended = half.broken() => if ended.code == Code::NO_ERROR { Ok(()) } else { Err(Break::Channel(ended)) },
        () = std::future::ready(()) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{DuplexStream, duplex, split};
    use towline_tunnel_proto::{
        CarrierKind, Config, Fields, Limits, Open,
        driver::{By, Mux},
    };

    use super::*;

    /// The far and the near end of a channel.
    async fn channel() -> (Channel, Channel) {
        let (a, b) = duplex(64 * 1024);
        let (dialer, driver) = Mux::new(a, Config::dialer(CarrierKind::Magic), Limits::default());
        tokio::spawn(driver);
        let (acceptor, driver) = Mux::new(b, Config::acceptor(CarrierKind::Magic), Limits::default());
        tokio::spawn(driver);
        let far = dialer.open(Open::to("local")).unwrap();
        (far, acceptor.accept().await.unwrap().accept(Fields::new()))
    }

    /// A channel whose near end is carried to a local stream: the far end, and the local program's end of the stream.
    async fn carried() -> (Channel, DuplexStream, tokio::task::JoinHandle<Carried>) {
        let (far, near) = channel().await;
        let (program, local) = duplex(1024);
        let (reader, writer) = split(local);
        (far, program, tokio::spawn(carry(near, reader, writer, Code::TARGET_LOST)))
    }

    #[tokio::test]
    async fn each_direction_ends_by_itself() {
        let (mut far, mut program, carried) = carried().await;
        far.send("question".into()).await.unwrap();
        far.finish().await.unwrap();
        let mut heard = String::new();
        program.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "question");

        program.write_all(&[7; 100_000]).await.unwrap();
        program.shutdown().await.unwrap();
        let mut answer = Vec::new();
        far.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, [7; 100_000]);

        let carried = carried.await.unwrap();
        assert!(carried.end.is_ok(), "{carried:?}");
        assert_eq!((carried.sent_bytes, carried.received_bytes), (100_000, 8));
    }

    #[tokio::test]
    async fn a_local_stream_that_is_gone_stops_the_peer_with_the_given_code() {
        let (mut far, program, carried) = carried().await;
        far.accepted().await.unwrap();
        drop(program);
        let ended = loop {
            match far.send(vec![1; 4096].into()).await {
                Ok(()) => tokio::task::yield_now().await,
                Err(ended) => break ended,
            }
        };
        assert_eq!((ended.code, ended.by), (Code::TARGET_LOST, By::Peer));
        drop(far);
        drop(carried.await.unwrap());
    }

    #[tokio::test]
    async fn a_target_that_breaks_its_connection_resets_the_channel_with_the_given_code() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut local = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (target, _) = listener.accept().await.unwrap();
        let (mut far, near) = channel().await;
        let (reader, writer) = local.split();

        target.set_zero_linger().unwrap();
        drop(target);
        let carried = carry(near, reader, writer, Code::TARGET_LOST).await;

        assert!(matches!(carried.end, Err(Break::Local(_))), "{carried:?}");
        let ended = far.recv().await.unwrap_err();
        assert_eq!((ended.code, ended.by), (Code::TARGET_LOST, By::Peer));
    }

    #[tokio::test]
    async fn a_reset_reaches_the_local_stream_after_what_came_before_it() {
        let (mut far, mut program, carried) = carried().await;
        far.send("last words".into()).await.unwrap();
        let mut heard = [0; 10];
        program.read_exact(&mut heard).await.unwrap();
        far.reset(Code::REVOKED, "a right was taken away");

        let carried = carried.await.unwrap();

        assert_eq!(&heard, b"last words");
        match carried.end {
            Err(Break::Channel(ended)) => assert_eq!(ended.code, Code::REVOKED),
            end => panic!("{end:?}"),
        }
    }

    #[tokio::test]
    async fn a_peer_that_does_not_read_more_is_no_failure() {
        let (far, mut program, carried) = carried().await;
        let (receive, mut send) = far.split();
        receive.stop(Code::CANCEL, "enough");
        send.finish().unwrap();
        let mut heard = Vec::new();
        program.read_to_end(&mut heard).await.unwrap();

        assert!(carried.await.unwrap().end.is_ok());
    }
}
