//! WebSocket (RFC 6455) as a byte pipe over any transport.
//!
//! Binary messages carry the bytes and their boundaries mean nothing: a proxy may cut and join them. Buffers are small
//! and stated, since there may be very many idle connections.

mod handshake;
mod messages;

use std::{
    io::{self, Cursor, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Sink, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error as FrameError, Message as Frame,
        error::ProtocolError,
        protocol::{
            Role, WebSocketConfig,
            frame::{FrameHeader, coding::OpCode},
        },
    },
};

use crate::{Carrier, Dialer, Error, Incoming, Listener};

pub use handshake::{ClientRequest, accept, accept_key, connect};
pub use messages::{Message, MessageReader, MessageWriter, server_messages};

/// The largest message we send, in bytes.
pub const MAX_SENT_MESSAGE_BYTES: usize = 64 * 1024;

/// The largest message or frame we take, in bytes. A larger one ends the connection before it is waited for.
pub const MAX_RECEIVED_MESSAGE_BYTES: usize = 128 * 1024;

/// Held by every connection, idle ones too. A larger message is read in pieces of this size.
const READ_BUFFER_BYTES: usize = 4 * 1024;

/// One message of ours and the pongs that pile up behind it while the peer does not read.
const MAX_WRITE_BUFFER_BYTES: usize = 256 * 1024;

/// Nothing is held back to fill a buffer: what is written leaves at once, as on a TCP stream.
const WRITE_BUFFER_BYTES: usize = 0;

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_write_buffer_size(MAX_WRITE_BUFFER_BYTES)
        .max_message_size(Some(MAX_RECEIVED_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_RECEIVED_MESSAGE_BYTES))
}

/// How the peer's direction of a [`WebSocket`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With a close frame, as it should.
    Closed,
    /// The connection ended between two messages, without a close frame: the peer or a proxy was cut off.
    Cut,
    /// It broke, inside a message or by a fault of the peer; the error was reported once by a read.
    Broken(io::ErrorKind),
}

/// A byte pipe over binary WebSocket messages, after the handshake.
///
/// Each write becomes one message of at most [`MAX_SENT_MESSAGE_BYTES`]; the slices of a vectored write become one
/// message too. Pings are answered by whoever reads. A close frame, or the end of the connection between messages, is
/// the end of file; a text message is an error. Shutting down sends a close frame, after which the peer can send no
/// more than is already under way: there is no half-close.
///
/// Flush after the last write before a pause, as with every buffered writer: a write that the connection could not
/// take at once goes on with the next write or flush.
#[derive(Debug)]
pub struct WebSocket<S> {
    frames: WebSocketStream<Boundary<S>>,
    unread: Bytes,
    end: Option<End>,
}

/// The server's end of a WebSocket whose handshake an HTTP server has done (with [`accept_key`]). Never waits.
pub async fn server<S: AsyncRead + AsyncWrite + Unpin>(io: S) -> WebSocket<S> {
    WebSocket::start(io, Bytes::new(), Role::Server).await
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// `received` came after the handshake's head.
    async fn start(io: S, received: Bytes, role: Role) -> Self {
        let mut boundary = Boundary { io, head: Vec::new(), payload_left: 0, is_fragmented: false };
        boundary.follow(&received);
        let frames = WebSocketStream::from_partially_read(boundary, received.into(), role, Some(config())).await;
        Self { frames, unread: Bytes::new(), end: None }
    }

    /// How the peer's direction ended, once a read has found its end.
    pub fn end(&self) -> Option<End> {
        self.end
    }

    fn broken(&mut self, error: io::Error) -> io::Error {
        self.end = Some(End::Broken(error.kind()));
        error
    }

    /// The next message's payload; `None` once the peer's direction has ended.
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Bytes>>> {
        loop {
            if let Some(end) = self.end {
                // The reply to a close frame may still be on its way out.
                let _ = Pin::new(&mut self.frames).poll_next(cx);
                return Poll::Ready(match end {
                    End::Closed | End::Cut => Ok(None),
                    End::Broken(kind) => Err(kind.into()),
                });
            }
            match ready!(Pin::new(&mut self.frames).poll_next(cx)) {
                Some(Ok(Frame::Binary(payload))) if !payload.is_empty() => return Poll::Ready(Ok(Some(payload))),
                // A ping's answer is queued: asking for the next message sends it.
                Some(Ok(Frame::Binary(_) | Frame::Ping(_) | Frame::Pong(_) | Frame::Frame(_))) => {}
                Some(Ok(Frame::Close(_))) | None => self.end = Some(End::Closed),
                Some(Ok(Frame::Text(_))) => {
                    let reason = "the peer sent a text message where only binary ones are spoken".to_owned();
                    return Poll::Ready(Err(self.broken(invalid(reason))));
                }
                Some(Err(FrameError::Protocol(ProtocolError::ResetWithoutClosingHandshake))) => {
                    if !self.frames.get_ref().is_reached() {
                        let error = io::Error::new(
                            io::ErrorKind::UnexpectedEof,
                            "the connection ended inside a WebSocket message",
                        );
                        return Poll::Ready(Err(self.broken(error)));
                    }
                    self.end = Some(End::Cut);
                }
                Some(Err(error)) => return Poll::Ready(Err(self.broken(io_error(error)))),
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for WebSocket<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        if self.unread.is_empty() {
            match ready!(self.poll_message(cx))? {
                Some(payload) => self.unread = payload,
                None => return Poll::Ready(Ok(())),
            }
        }
        let taken = self.unread.len().min(buf.remaining());
        buf.put_slice(&self.unread.split_to(taken));
        if self.unread.is_empty() {
            // An empty slice would still hold on to the message.
            self.unread = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WebSocket<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let offered = bufs.iter().map(|buf| buf.len()).fold(0, usize::saturating_add);
        let size = offered.min(MAX_SENT_MESSAGE_BYTES);
        if size == 0 {
            return Poll::Ready(Ok(0));
        }
        // Only one message waits at a time: this is the back-pressure.
        ready!(self.as_mut().poll_flush(cx))?;
        let mut message = BytesMut::with_capacity(size);
        for buf in bufs {
            message.extend_from_slice(buf.as_ref().take(size - message.len()).chunk());
        }
        Pin::new(&mut self.frames).start_send(Frame::Binary(message.freeze())).map_err(io_error)?;
        Poll::Ready(Ok(size))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.frames).poll_flush(cx).map_err(io_error)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(cx))?;
        ready!(Pin::new(&mut self.frames).poll_close(cx)).map_err(io_error)?;
        // We send nothing after a close frame. What is below may have to wait until it has arrived.
        Pin::new(self.frames.get_mut()).poll_shutdown(cx)
    }
}

fn invalid(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, Error::WebSocket { reason })
}

fn io_error(error: FrameError) -> io::Error {
    match error {
        FrameError::Io(error) => error,
        FrameError::ConnectionClosed
        | FrameError::AlreadyClosed
        | FrameError::Protocol(ProtocolError::SendAfterClosing) => {
            io::Error::new(io::ErrorKind::BrokenPipe, "the WebSocket is closed")
        }
        error => invalid(error.to_string()),
    }
}

/// Follows the frames that are read through it, to know whether the connection ended between two messages.
#[derive(Debug)]
struct Boundary<S> {
    io: S,
    /// What has come of a frame's head; 14 bytes at most.
    head: Vec<u8>,
    payload_left: u64,
    is_fragmented: bool,
}

impl<S> Boundary<S> {
    fn is_reached(&self) -> bool {
        self.head.is_empty() && self.payload_left == 0 && !self.is_fragmented
    }

    fn follow(&mut self, mut bytes: &[u8]) {
        loop {
            let skipped = bytes.len().min(usize::try_from(self.payload_left).unwrap_or(usize::MAX));
            bytes.advance(skipped);
            self.payload_left -= u64::try_from(skipped).unwrap_or(self.payload_left);
            let Some((&byte, rest)) = bytes.split_first() else { return };
            bytes = rest;

            self.head.push(byte);
            match FrameHeader::parse(&mut Cursor::new(&self.head)) {
                Ok(Some((header, payload_bytes))) => {
                    self.head.clear();
                    self.payload_left = payload_bytes;
                    if let OpCode::Data(_) = header.opcode {
                        self.is_fragmented = !header.is_final;
                    }
                }
                Ok(None) => {}
                // The frame's own reader reports it.
                Err(_) => self.head.clear(),
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Boundary<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        self.follow(buf.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Boundary<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Adds a WebSocket to what another dialer makes.
#[derive(Clone, Debug)]
pub struct WebSocketDialer<D> {
    /// Makes the transport underneath.
    pub inner: D,
    /// What to ask the server for.
    pub request: ClientRequest,
    /// How long the handshake may take.
    pub handshake_timeout: Duration,
}

impl<D: Dialer> Dialer for WebSocketDialer<D> {
    type Stream = WebSocket<D::Stream>;

    async fn dial(&self) -> Result<Carrier<Self::Stream>, Error> {
        let carrier = self.inner.dial().await?;
        let (carrier, _) = connect(carrier, &self.request, self.handshake_timeout).await?;
        Ok(carrier)
    }
}

/// Adds a WebSocket to what another listener takes in. It speaks nothing else: for more, put an HTTP server there and
/// use [`server`].
#[derive(Clone, Debug)]
pub struct WebSocketListener<L> {
    /// Takes in the transport underneath.
    pub inner: L,
    /// The subprotocol that clients must offer.
    pub subprotocol: Option<String>,
    /// How long the handshake may take.
    pub handshake_timeout: Duration,
}

impl<L: Listener> Listener for WebSocketListener<L> {
    type Incoming = WebSocketIncoming<L::Incoming>;

    async fn accept(&mut self) -> Result<Self::Incoming, Error> {
        let inner = self.inner.accept().await?;
        let Self { subprotocol, handshake_timeout, .. } = self;
        Ok(WebSocketIncoming { inner, subprotocol: subprotocol.clone(), handshake_timeout: *handshake_timeout })
    }
}

/// A connection whose WebSocket handshake is still to come.
#[derive(Debug)]
pub struct WebSocketIncoming<I> {
    inner: I,
    subprotocol: Option<String>,
    handshake_timeout: Duration,
}

impl<I: Incoming> Incoming for WebSocketIncoming<I> {
    type Stream = WebSocket<I::Stream>;

    async fn handshake(self) -> Result<Carrier<Self::Stream>, Error> {
        let carrier = self.inner.handshake().await?;
        accept(carrier, self.subprotocol.as_deref(), self.handshake_timeout).await
    }
}
