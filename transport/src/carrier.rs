use std::{
    fmt,
    future::Future,
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{Endpoint, Error};

/// A pipe for bytes, both ways. Any tokio stream is one.
///
/// What the ones in this crate promise beyond the two traits, and what the conformance suite tests: `poll_shutdown`
/// flushes and gives the peer an end of file; dropping aborts; a cancelled read has lost nothing; a writer whose peer
/// does not read is held within a bound.
pub trait Transport: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Transport for T {}

/// A [`Transport`] whose kind was chosen at run time. It passes vectored writes on.
pub type BoxTransport = Box<dyn Transport>;

/// What is known of the connection under a [`Carrier`]; each layer adds what it learned.
#[derive(Clone, Debug, Default)]
pub struct CarrierInfo {
    /// The endpoint that was dialled.
    pub endpoint: Option<Endpoint>,
    /// Our own address.
    pub local: Option<SocketAddr>,
    /// The address of whoever is connected to us: the peer, or a proxy in front of it.
    pub peer: Option<SocketAddr>,
    /// The proxy that leads to the peer: scheme, host and port.
    pub proxy: Option<String>,
    /// What the TLS handshake settled, if there was one.
    #[cfg(feature = "tls")]
    pub tls: Option<crate::tls::TlsInfo>,
    /// The WebSocket subprotocol both ends agreed on.
    pub subprotocol: Option<String>,
}

/// A [`Transport`] with what is known of its peer. It reads and writes like the transport inside.
pub struct Carrier<S> {
    stream: S,
    info: CarrierInfo,
}

impl<S> Carrier<S> {
    /// A carrier of whose peer nothing is known.
    pub fn new(stream: S) -> Self {
        Self::from_parts(stream, CarrierInfo::default())
    }

    /// Joins what [`Carrier::into_parts`] took apart.
    pub fn from_parts(stream: S, info: CarrierInfo) -> Self {
        Self { stream, info }
    }

    /// The transport and what is known of its peer, for a layer that wraps the one and adds to the other.
    pub fn into_parts(self) -> (S, CarrierInfo) {
        (self.stream, self.info)
    }

    /// The transport alone.
    pub fn into_inner(self) -> S {
        self.stream
    }

    /// What is known of the peer.
    pub fn info(&self) -> &CarrierInfo {
        &self.info
    }

    /// The transport inside.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// Wraps the transport inside and keeps what is known of the peer.
    pub fn map<T>(self, wrap: impl FnOnce(S) -> T) -> Carrier<T> {
        Carrier { stream: wrap(self.stream), info: self.info }
    }
}

impl<S: Transport> Carrier<S> {
    /// Forgets which kind of transport it is.
    pub fn boxed(self) -> Carrier<BoxTransport> {
        self.map(|stream| Box::new(stream) as BoxTransport)
    }
}

impl<S> fmt::Debug for Carrier<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Carrier").field("info", &self.info).finish_non_exhaustive()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Carrier<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Carrier<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Makes carriers to one place.
pub trait Dialer: Send + Sync {
    /// What the carriers run on.
    type Stream: Transport;

    /// Makes one carrier, handshakes included.
    ///
    /// # Errors
    ///
    /// Whatever the phases of this kind of transport say; see [`Error`].
    ///
    /// # Cancel safety
    ///
    /// Cancelling abandons the attempt and leaves nothing behind.
    fn dial(&self) -> impl Future<Output = Result<Carrier<Self::Stream>, Error>> + Send;
}

/// Takes connections in.
pub trait Listener: Send {
    /// A connection whose handshake is still to come.
    type Incoming: Incoming;

    /// Waits for the next connection, and for nothing that depends on its peer.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when this machine cannot take a connection now (it may be out of file descriptors): wait a
    /// moment before the next try.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no connection is lost.
    fn accept(&mut self) -> impl Future<Output = Result<Self::Incoming, Error>> + Send;
}

/// A connection that was taken in, before its handshake.
pub trait Incoming: Send + 'static {
    /// What the carrier will run on.
    type Stream: Transport;

    /// Does the handshake, within the listener's time limit. Give it a task of its own: it waits for the peer, and
    /// no peer may hold up another.
    ///
    /// # Errors
    ///
    /// Whatever the phases of this kind of transport say; see [`Error`].
    ///
    /// # Cancel safety
    ///
    /// Cancelling drops the connection.
    fn handshake(self) -> impl Future<Output = Result<Carrier<Self::Stream>, Error>> + Send;
}
