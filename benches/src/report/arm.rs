//! What is compared: one file an arm, all behind one trait.

mod copy;
mod h2;
mod quic;
mod splice;
mod ssh;
mod towline;
mod websocket;
mod yamux;

use std::{fmt, future::Future, net::SocketAddr};

use anyhow::Result;
use bytes::{Bytes, BytesMut};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

pub(crate) use self::{
    copy::TcpCopy,
    h2::H2,
    quic::Quic,
    splice::Splice,
    ssh::Ssh,
    towline::{Tunnel, TunnelWebSocketTls},
    websocket::WebSocket,
    yamux::Yamux,
};

/// Buffers and messages of every arm that lets them be chosen, in bytes.
pub(crate) const CHUNK_BYTES: usize = 64 * 1024;

/// The arms by the names of the command line and the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Name {
    /// A TCP connection per channel, copied with buffers of 64 KiB: what everything is measured against.
    Copy,
    /// The same with 128 KiB, which is what the tunnel's driver reads at most.
    Copy128,
    /// A TCP connection per channel, moved with splice(2).
    Splice,
    /// tokio-tungstenite: a WebSocket per channel, without TLS.
    WebSocket,
    /// yamux over TCP.
    Yamux,
    /// HTTP/2 over TCP, in plain text.
    H2,
    /// quinn: a QUIC stream per channel.
    Quic,
    /// russh: an SSH channel per channel.
    Ssh,
    /// The tunnel over TCP.
    Tunnel,
    /// The same without resumption: nothing is kept for a replay, and nothing is held back.
    TunnelUnresumed,
    /// The tunnel over WebSocket and TLS.
    TunnelWss,
}

impl Name {
    /// Whether channels share a session, so that one can stand in another's way.
    pub(crate) fn is_mux(self) -> bool {
        !matches!(self, Self::Copy | Self::Copy128 | Self::Splice | Self::WebSocket)
    }

    pub(crate) fn is_ours(self) -> bool {
        matches!(self, Self::Tunnel | Self::TunnelUnresumed | Self::TunnelWss)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Copy => "TCP copy, 64 KiB",
            Self::Copy128 => "TCP copy, 128 KiB",
            Self::Splice => "splice(2)",
            Self::WebSocket => "tokio-tungstenite",
            Self::Yamux => "yamux",
            Self::H2 => "h2",
            Self::Quic => "quinn",
            Self::Ssh => "russh",
            Self::Tunnel => "Towline, TCP",
            Self::TunnelUnresumed => "Towline, TCP, no resumption",
            Self::TunnelWss => "Towline, WebSocket + TLS",
        })
    }
}

/// Runs an expression with the type of the named arm.
macro_rules! with_arm {
    ($name:expr, $arm:ident => $run:expr) => {
        match $name {
            $crate::arm::Name::Copy => {
                type $arm = $crate::arm::TcpCopy<64>;
                $run
            }
            $crate::arm::Name::Copy128 => {
                type $arm = $crate::arm::TcpCopy<128>;
                $run
            }
            $crate::arm::Name::Splice => {
                type $arm = $crate::arm::Splice;
                $run
            }
            $crate::arm::Name::WebSocket => {
                type $arm = $crate::arm::WebSocket;
                $run
            }
            $crate::arm::Name::Yamux => {
                type $arm = $crate::arm::Yamux;
                $run
            }
            $crate::arm::Name::H2 => {
                type $arm = $crate::arm::H2;
                $run
            }
            $crate::arm::Name::Quic => {
                type $arm = $crate::arm::Quic;
                $run
            }
            $crate::arm::Name::Ssh => {
                type $arm = $crate::arm::Ssh;
                $run
            }
            $crate::arm::Name::Tunnel => {
                type $arm = $crate::arm::Tunnel<true>;
                $run
            }
            $crate::arm::Name::TunnelUnresumed => {
                type $arm = $crate::arm::Tunnel<false>;
                $run
            }
            $crate::arm::Name::TunnelWss => {
                type $arm = $crate::arm::TunnelWebSocketTls;
                $run
            }
        }
    };
}
pub(crate) use with_arm;

/// What a channel is for. Arms that have priorities use them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Bulk,
    Interactive,
}

/// One way to carry many channels between two processes.
///
/// The relay dials the agent. Where an arm has no sessions, a session stands for one channel's connection.
pub(crate) trait Arm: 'static {
    type Listener: Send;
    type Session: Send + Sync;
    type Channel: Channel;

    /// Listens on a free port of loopback.
    fn listen() -> impl Future<Output = Result<(Self::Listener, SocketAddr)>> + Send;
    /// The next session, with its handshakes done.
    fn accept(listener: &mut Self::Listener) -> impl Future<Output = Result<Self::Session>> + Send;
    /// The next channel of an accepted session; `None` when there will be no more.
    fn next(session: &mut Self::Session) -> impl Future<Output = Option<Self::Channel>> + Send;

    /// A session with whoever listens there.
    fn dial(to: SocketAddr) -> impl Future<Output = Result<Self::Session>> + Send;
    /// A channel of a dialled session.
    fn open(session: &Self::Session, purpose: Purpose) -> impl Future<Output = Result<Self::Channel>> + Send;

    /// What a relay does with a TCP connection and the channel that it opened for it.
    fn join(near: TcpStream, far: Self::Channel) -> impl Future<Output = Result<()>> + Send {
        pump_both(near, far)
    }

    /// What a relay does where both legs are of this arm.
    fn join_legs(near: Self::Channel, far: Self::Channel) -> impl Future<Output = Result<()>> + Send {
        pump_both(near, far)
    }
}

/// Bytes both ways.
pub(crate) trait Channel: Send + 'static {
    type Reader: Reader;
    type Writer: Writer;
    fn split(self) -> (Self::Reader, Self::Writer);
}

pub(crate) trait Reader: Send + 'static {
    /// The next bytes, not empty; `None` at the end.
    fn receive(&mut self) -> impl Future<Output = Result<Option<Bytes>>> + Send;
}

pub(crate) trait Writer: Send + 'static {
    fn send(&mut self, data: Bytes) -> impl Future<Output = Result<()>> + Send;
    fn finish(&mut self) -> impl Future<Output = Result<()>> + Send;
    /// Tells an accepted channel what it is for, where the arm does not carry that itself.
    fn is_for(&mut self, _purpose: Purpose) {}
}

async fn pump_both(near: impl Channel, far: impl Channel) -> Result<()> {
    let (near_reader, near_writer) = near.split();
    let (far_reader, far_writer) = far.split();
    tokio::try_join!(pump(near_reader, far_writer), pump(far_reader, near_writer))?;
    Ok(())
}

async fn pump(mut from: impl Reader, mut to: impl Writer) -> Result<()> {
    while let Some(data) = from.receive().await? {
        to.send(data).await?;
    }
    to.finish().await
}

/// A [`Reader`] or [`Writer`] over a half of a tokio stream.
pub(crate) struct Half<T> {
    io: T,
    buffer: BytesMut,
}

impl<T> Half<T> {
    fn new(io: T) -> Self {
        Self { io, buffer: BytesMut::new() }
    }
}

impl<R: AsyncRead + Send + Unpin + 'static> Reader for Half<R> {
    async fn receive(&mut self) -> Result<Option<Bytes>> {
        self.buffer.reserve(CHUNK_BYTES);
        let count = self.io.read_buf(&mut self.buffer).await?;
        if count < CHUNK_BYTES / 16 {
            // So that an idle channel holds no buffer.
            let data = Bytes::copy_from_slice(&self.buffer);
            self.buffer = BytesMut::new();
            return Ok((count > 0).then_some(data));
        }
        Ok(Some(self.buffer.split().freeze()))
    }
}

impl<W: AsyncWrite + Send + Unpin + 'static> Writer for Half<W> {
    async fn send(&mut self, data: Bytes) -> Result<()> {
        self.io.write_all(&data).await?;
        Ok(self.io.flush().await?)
    }

    async fn finish(&mut self) -> Result<()> {
        Ok(self.io.shutdown().await?)
    }
}

impl Channel for TcpStream {
    type Reader = Half<OwnedReadHalf>;
    type Writer = Half<OwnedWriteHalf>;

    fn split(self) -> (Self::Reader, Self::Writer) {
        let (reader, writer) = self.into_split();
        (Half::new(reader), Half::new(writer))
    }
}

async fn listen() -> Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

async fn accept(listener: &mut TcpListener) -> Result<TcpStream> {
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A TCP connection without Nagle's delay.
pub(crate) async fn connect(to: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(to).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A session of an arm that has a connection per channel.
pub(crate) enum Single<T> {
    /// Where channels are dialled to.
    To(SocketAddr),
    /// The one channel of an accepted connection, until it is taken.
    From(Option<T>),
}

impl<T> Single<T> {
    fn take(&mut self) -> Option<T> {
        match self {
            Self::To(_) => None,
            Self::From(channel) => channel.take(),
        }
    }

    fn address(&self) -> Result<SocketAddr> {
        match self {
            Self::To(address) => Ok(*address),
            Self::From(_) => anyhow::bail!("an accepted connection opens nothing"),
        }
    }
}
