//! Bad connections, for tests: any transport that breaks, or comes in pieces, or takes its time.
//!
//! The wrappers go around any [`Transport`](crate::Transport) and around each other, and are one themselves. What
//! they do follows from their arguments alone: a test that failed with a seed fails with it again.
//!
//! ```
//! use std::time::Duration;
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use towline_transport::{memory, testing::{Chopped, Slow}};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! // A reader that must cope with answers that come byte by byte, and late.
//! let (near, mut far) = memory::pair(64);
//! let mut near = Slow::new(Chopped::new(near, 1, 7), Duration::from_millis(1));
//! far.write_all(b"away").await?;
//!
//! let mut buffer = [0; 16];
//! assert_eq!(near.read(&mut buffer).await?, 1);
//! # Ok(())
//! # }
//! ```

use std::{
    future::Future as _,
    io,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};

/// A transport that breaks after some bytes, those read and those written counted together.
///
/// When it breaks, the transport inside is dropped, so that the peer notices, and what that had not sent yet is lost.
/// From then on everything fails with [`io::ErrorKind::ConnectionReset`], also a read that is already waiting.
#[derive(Debug)]
pub struct Flaky<T> {
    // INVARIANT: `None` once it has broken.
    inner: Option<T>,
    bytes_left: u64,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl<T> Flaky<T> {
    /// Breaks as soon as this many bytes have passed; with 0, at the first use.
    pub fn after(inner: T, bytes: u64) -> Self {
        Self { inner: Some(inner), bytes_left: bytes, reader: None, writer: None }
    }

    /// Breaks after fewer than `max_bytes` bytes; `seed` says how many, each number as likely as any other.
    pub fn within(inner: T, max_bytes: u64, seed: u64) -> Self {
        Self::after(inner, Random(seed).below(max_bytes))
    }

    /// Whether it has broken.
    pub fn is_broken(&self) -> bool {
        self.inner.is_none()
    }

    /// The transport inside and how many bytes may pass, unless it is broken or breaks now.
    fn whole(&mut self) -> io::Result<(&mut T, usize)> {
        if self.bytes_left == 0 {
            self.inner = None;
        }
        match &mut self.inner {
            Some(inner) => Ok((inner, usize::try_from(self.bytes_left).unwrap_or(usize::MAX))),
            None => Err(io::ErrorKind::ConnectionReset.into()),
        }
    }

    fn count(&mut self, bytes: usize) {
        self.bytes_left = self.bytes_left.saturating_sub(bytes as u64);
        if self.bytes_left == 0 {
            self.inner = None;
            for waker in self.reader.take().into_iter().chain(self.writer.take()) {
                waker.wake();
            }
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Flaky<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let (inner, room) = self.whole()?;
        match poll_read_up_to(inner, cx, buf, room) {
            Poll::Ready(read) => {
                self.count(read?);
                Poll::Ready(Ok(()))
            }
            Poll::Pending => {
                self.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Flaky<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let (inner, room) = self.whole()?;
        match Pin::new(inner).poll_write(cx, first(buf, room)) {
            Poll::Ready(written) => {
                let written = written?;
                self.count(written);
                Poll::Ready(Ok(written))
            }
            Poll::Pending => {
                self.writer = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(self.whole()?.0).poll_flush(cx);
        if polled.is_pending() {
            self.writer = Some(cx.waker().clone());
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(self.whole()?.0).poll_shutdown(cx);
        if polled.is_pending() {
            self.writer = Some(cx.waker().clone());
        }
        polled
    }
}

/// A transport that reads and writes a few bytes at a time.
#[derive(Debug)]
pub struct Chopped<T> {
    inner: T,
    read_pieces: Pieces,
    write_pieces: Pieces,
}

impl<T> Chopped<T> {
    /// Pieces of 1 to `max_piece_bytes` bytes (0 counts as 1); `seed` says how many each time, for each direction
    /// independently of the other.
    pub fn new(inner: T, max_piece_bytes: usize, seed: u64) -> Self {
        let pieces = |seed| Pieces::new(max_piece_bytes, Random(seed));
        Self { inner, read_pieces: pieces(seed), write_pieces: pieces(!seed) }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Chopped<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { inner, read_pieces, .. } = &mut *self;
        ready!(poll_read_up_to(inner, cx, buf, read_pieces.next_bytes))?;
        read_pieces.advance();
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Chopped<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let Self { inner, write_pieces, .. } = &mut *self;
        let written = ready!(Pin::new(inner).poll_write(cx, first(buf, write_pieces.next_bytes)))?;
        write_pieces.advance();
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// How much may move at once. It stays until something has moved, so that being polled in vain changes nothing.
#[derive(Debug)]
struct Pieces {
    next_bytes: usize,
    max_bytes: usize,
    random: Random,
}

impl Pieces {
    fn new(max_bytes: usize, random: Random) -> Self {
        let mut pieces = Self { next_bytes: 1, max_bytes, random };
        pieces.advance();
        pieces
    }

    fn advance(&mut self) {
        let below = self.random.below(self.max_bytes as u64);
        self.next_bytes = usize::try_from(below).unwrap_or(usize::MAX).saturating_add(1);
    }
}

/// A transport of which each read and each write takes its time. It needs a tokio runtime with time.
///
/// The pause comes before bytes move, once for each read and write that moves some; nothing moves meanwhile in that
/// direction, so the throughput falls too.
#[derive(Debug)]
pub struct Slow<T> {
    inner: T,
    delay: Duration,
    reading: Option<Pin<Box<Sleep>>>,
    writing: Option<Pin<Box<Sleep>>>,
}

impl<T> Slow<T> {
    /// Pauses for `delay` each time.
    pub fn new(inner: T, delay: Duration) -> Self {
        Self { inner, delay, reading: None, writing: None }
    }
}

/// Ready once `delay` is over; the next call after [`Option::take`] begins anew.
fn poll_pause(pause: &mut Option<Pin<Box<Sleep>>>, delay: Duration, cx: &mut Context<'_>) -> Poll<()> {
    let sleep = pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(delay)));
    // A sleep that is over may not be polled again.
    if sleep.is_elapsed() { Poll::Ready(()) } else { sleep.as_mut().poll(cx) }
}

impl<T: AsyncRead + Unpin> AsyncRead for Slow<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { inner, delay, reading, .. } = &mut *self;
        ready!(poll_pause(reading, *delay, cx));
        let read = ready!(Pin::new(inner).poll_read(cx, buf));
        *reading = None;
        Poll::Ready(read)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Slow<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let Self { inner, delay, writing, .. } = &mut *self;
        ready!(poll_pause(writing, *delay, cx));
        let written = ready!(Pin::new(inner).poll_write(cx, buf));
        *writing = None;
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// Reads `max_bytes` at most; how many it were.
fn poll_read_up_to<T: AsyncRead + Unpin>(
    from: &mut T,
    cx: &mut Context<'_>,
    buf: &mut ReadBuf<'_>,
    max_bytes: usize,
) -> Poll<io::Result<usize>> {
    let room = buf.remaining().min(max_bytes);
    let mut piece = ReadBuf::new(buf.initialize_unfilled_to(room));
    ready!(Pin::new(from).poll_read(cx, &mut piece))?;
    let read = piece.filled().len();
    buf.advance(read);
    Poll::Ready(Ok(read))
}

fn first(buf: &[u8], max_bytes: usize) -> &[u8] {
    buf.get(..max_bytes).unwrap_or(buf)
}

/// SplitMix64: enough to be unpredictable for the code under test, and the same everywhere.
#[derive(Clone, Debug)]
struct Random(u64);

impl Random {
    /// A number below `bound`; 0 if that is 0.
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        // The upper half of a product spreads evenly where a remainder would not.
        ((u128::from(mixed) * u128::from(bound)) >> 64) as u64
    }
}
