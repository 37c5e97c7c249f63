use std::{
    fmt,
    future::Future,
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

/// The largest piece a [`Splice`] reads at once, and so the most it holds per direction, in bytes.
pub const MAX_SPLICE_BUFFER_BYTES: usize = 64 * 1024;

/// What a direction starts with; it takes the full size once a read has filled this, in bytes.
const FIRST_BUFFER_BYTES: usize = 4 * 1024;

/// Copies between `a` and `b`, both ways at once, until both have ended.
///
/// The end of file of one side shuts down the write side of the other, and the other direction goes on. A direction
/// that waits for data holds no buffer. What was read is flushed before waiting for more.
///
/// # Errors
///
/// [`SpliceError`] as soon as either direction fails; the other one is not driven any further.
///
/// # Cancel safety
///
/// Dropping the future leaves both streams usable, but may lose bytes that were read from one and not yet written to
/// the other. Poll it by reference to stop it and still ask for [`Splice::totals`].
pub fn splice<'a, A, B>(a: &'a mut A, b: &'a mut B) -> Splice<'a, A, B>
where
    A: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    Splice { a, b, a_to_b: Direction::new(), b_to_a: Direction::new() }
}

/// The bytes that were written, and accepted, in each direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Bytes from `a` to `b`.
    pub a_to_b_bytes: u64,
    /// Bytes from `b` to `a`.
    pub b_to_a_bytes: u64,
}

/// One of the two ends of a [`Splice`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The first argument of [`splice`].
    A,
    /// The second argument of [`splice`].
    B,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "the first end",
            Self::B => "the second end",
        })
    }
}

/// One end failed; the bytes that had got through are still counted.
#[derive(Debug, thiserror::Error)]
#[error("{side} failed")]
pub struct SpliceError {
    /// What got through before.
    pub totals: Totals,
    /// The end that could not be read from or written to.
    pub side: Side,
    /// What it said.
    pub source: io::Error,
}

/// The future that [`splice`] returns.
#[must_use = "futures do nothing unless polled"]
pub struct Splice<'a, A: ?Sized, B: ?Sized> {
    a: &'a mut A,
    b: &'a mut B,
    a_to_b: Direction,
    b_to_a: Direction,
}

impl<A: ?Sized, B: ?Sized> Splice<'_, A, B> {
    /// What got through so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        Totals { a_to_b_bytes: self.a_to_b.written_bytes, b_to_a_bytes: self.b_to_a.written_bytes }
    }
}

impl<A: ?Sized, B: ?Sized> fmt::Debug for Splice<'_, A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Splice").field("totals", &self.totals()).finish_non_exhaustive()
    }
}

impl<A, B> Future for Splice<'_, A, B>
where
    A: AsyncRead + AsyncWrite + Unpin + ?Sized,
    B: AsyncRead + AsyncWrite + Unpin + ?Sized,
{
    type Output = Result<Totals, SpliceError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let a_to_b = this.a_to_b.poll_copy(cx, this.a, this.b);
        let b_to_a = this.b_to_a.poll_copy(cx, this.b, this.a);
        let totals = this.totals();
        match (a_to_b, b_to_a) {
            (Poll::Ready(Err(fault)), _) => Poll::Ready(Err(fault.into_error(Side::A, Side::B, totals))),
            (_, Poll::Ready(Err(fault))) => Poll::Ready(Err(fault.into_error(Side::B, Side::A, totals))),
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => Poll::Ready(Ok(totals)),
            _ => Poll::Pending,
        }
    }
}

enum Fault {
    Read(io::Error),
    Write(io::Error),
}

impl Fault {
    fn into_error(self, reader: Side, writer: Side, totals: Totals) -> SpliceError {
        match self {
            Self::Read(source) => SpliceError { totals, side: reader, source },
            Self::Write(source) => SpliceError { totals, side: writer, source },
        }
    }
}

/// ```text
/// Reading ──data──► Writing ──all written──► Reading
///    └──end of file──► ShuttingDown ──► Done
/// ```
enum State {
    Reading,
    Writing { offset: usize },
    ShuttingDown,
    Done,
}

struct Direction {
    state: State,
    buffer: BytesMut,
    buffer_bytes: usize,
    needs_flush: bool,
    written_bytes: u64,
}

impl Direction {
    fn new() -> Self {
        Self {
            state: State::Reading,
            buffer: BytesMut::new(),
            buffer_bytes: FIRST_BUFFER_BYTES,
            needs_flush: false,
            written_bytes: 0,
        }
    }

    fn poll_copy<R, W>(&mut self, cx: &mut Context<'_>, reader: &mut R, writer: &mut W) -> Poll<Result<(), Fault>>
    where
        R: AsyncRead + Unpin + ?Sized,
        W: AsyncWrite + Unpin + ?Sized,
    {
        loop {
            match self.state {
                State::Reading => {
                    self.buffer.clear();
                    self.buffer.reserve(self.buffer_bytes);
                    let read = pin!(reader.read_buf(&mut self.buffer)).poll(cx);
                    match read {
                        Poll::Ready(Ok(0)) => self.state = State::ShuttingDown,
                        Poll::Ready(Ok(_)) => self.state = State::Writing { offset: 0 },
                        Poll::Ready(Err(error)) => return Poll::Ready(Err(Fault::Read(error))),
                        Poll::Pending => {
                            self.buffer = BytesMut::new();
                            self.buffer_bytes = FIRST_BUFFER_BYTES;
                            if self.needs_flush {
                                ready!(Pin::new(&mut *writer).poll_flush(cx)).map_err(Fault::Write)?;
                                self.needs_flush = false;
                            }
                            return Poll::Pending;
                        }
                    }
                }
                State::Writing { offset } => {
                    let rest = self.buffer.get(offset..).unwrap_or_default();
                    if rest.is_empty() {
                        if self.buffer.len() >= self.buffer_bytes {
                            self.buffer_bytes = MAX_SPLICE_BUFFER_BYTES;
                        }
                        self.state = State::Reading;
                        continue;
                    }
                    let written = ready!(Pin::new(&mut *writer).poll_write(cx, rest)).map_err(Fault::Write)?;
                    if written == 0 {
                        return Poll::Ready(Err(Fault::Write(io::ErrorKind::WriteZero.into())));
                    }
                    self.needs_flush = true;
                    self.written_bytes += u64::try_from(written).unwrap_or(u64::MAX);
                    self.state = State::Writing { offset: offset + written };
                }
                State::ShuttingDown => {
                    self.buffer = BytesMut::new();
                    match ready!(Pin::new(&mut *writer).poll_shutdown(cx)) {
                        // A peer that has already gone has its end of file.
                        Err(error) if error.kind() != io::ErrorKind::NotConnected => {
                            return Poll::Ready(Err(Fault::Write(error)));
                        }
                        _ => self.state = State::Done,
                    }
                }
                State::Done => return Poll::Ready(Ok(())),
            }
        }
    }
}
