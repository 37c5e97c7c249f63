//! A WebSocket as messages, for protocols of web pages: text and binary, each whole.

use std::io;

use bytes::Bytes;
use futures_util::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message as Frame,
        protocol::{CloseFrame, Role},
    },
};

use super::{config, io_error};

/// A message of either side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Bytes.
    Binary(Bytes),
    /// Text.
    Text(String),
}

/// The receiving direction of a WebSocket of messages.
#[derive(Debug)]
pub struct MessageReader<S>(SplitStream<WebSocketStream<S>>);

/// The sending direction of a WebSocket of messages.
#[derive(Debug)]
pub struct MessageWriter<S>(SplitSink<WebSocketStream<S>, Frame>);

/// The server's end of a WebSocket of messages whose handshake an HTTP server has done (with
/// [`accept_key`](super::accept_key)). Never waits.
///
/// A message of more than [`MAX_RECEIVED_MESSAGE_BYTES`](super::MAX_RECEIVED_MESSAGE_BYTES) ends the connection before it
/// is waited for.
pub async fn server_messages<S: AsyncRead + AsyncWrite + Unpin>(io: S) -> (MessageReader<S>, MessageWriter<S>) {
    let stream = WebSocketStream::from_raw_socket(io, Role::Server, Some(config())).await;
    let (sink, stream) = stream.split();
    (MessageReader(stream), MessageWriter(sink))
}

impl<S: AsyncRead + AsyncWrite + Unpin> MessageReader<S> {
    /// The next message; `None` once the peer has closed. Pings are answered on the way.
    ///
    /// # Errors
    ///
    /// The connection broke, or the peer broke the protocol or the limit of a message.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn next(&mut self) -> io::Result<Option<Message>> {
        loop {
            return match self.0.next().await {
                Some(Ok(Frame::Binary(bytes))) => Ok(Some(Message::Binary(bytes))),
                Some(Ok(Frame::Text(text))) => Ok(Some(Message::Text(text.as_str().to_owned()))),
                Some(Ok(Frame::Close(_))) | None => Ok(None),
                Some(Ok(Frame::Ping(_) | Frame::Pong(_) | Frame::Frame(_))) => continue,
                Some(Err(error)) => Err(io_error(error)),
            };
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> MessageWriter<S> {
    /// Sends a message and waits until the connection has taken all of it.
    ///
    /// # Errors
    ///
    /// The connection broke or was closed.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: the message may be sent or not, but never in part.
    pub async fn send(&mut self, message: Message) -> io::Result<()> {
        let frame = match message {
            Message::Binary(bytes) => Frame::Binary(bytes),
            Message::Text(text) => Frame::text(text),
        };
        self.0.send(frame).await.map_err(io_error)
    }

    /// Closes with a code (RFC 6455 §7.4) and a reason of at most 123 bytes.
    ///
    /// # Errors
    ///
    /// The connection broke.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: what matters is to drop the connection afterwards.
    pub async fn close(&mut self, code: u16, reason: &str) -> io::Result<()> {
        let frame = CloseFrame { code: code.into(), reason: reason.to_owned().into() };
        self.0.send(Frame::Close(Some(frame))).await.map_err(io_error)
    }
}
