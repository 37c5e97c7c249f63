//! yamux over TCP, with the crate's defaults but for its limits on the number of streams and the memory.

use std::{
    future::poll_fn,
    net::SocketAddr,
    task::{Context, Poll},
};

use anyhow::{Context as _, Result};
use tokio::{
    io::{ReadHalf, WriteHalf, copy_bidirectional_with_sizes},
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
};
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt as _, TokioAsyncReadCompatExt as _};
use yamux::{Config, Connection, Mode, Stream};

use super::{Arm, CHUNK_BYTES, Channel, Half, Purpose, accept, connect, listen};

pub(crate) struct Yamux;

pub(crate) struct Session {
    wanted: mpsc::Sender<oneshot::Sender<Stream>>,
    opened: mpsc::UnboundedReceiver<Stream>,
}

impl Session {
    fn new(stream: TcpStream, mode: Mode) -> Self {
        let mut config = Config::default();
        config.set_max_connection_receive_window(None);
        config.set_max_num_streams(100_000);
        let (wanted, wants) = mpsc::channel(64);
        let (found, opened) = mpsc::unbounded_channel();
        let connection = Connection::new(stream.compat(), config, mode);
        let mut driver = Driver { connection, wants, waiting: None, found };
        tokio::spawn(poll_fn(move |cx| driver.poll(cx)));
        Self { wanted, opened }
    }
}

struct Driver {
    connection: Connection<Compat<TcpStream>>,
    wants: mpsc::Receiver<oneshot::Sender<Stream>>,
    /// Who waits for a stream now.
    waiting: Option<oneshot::Sender<Stream>>,
    found: mpsc::UnboundedSender<Stream>,
}

impl Driver {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.waiting.is_none()
                && let Poll::Ready(Some(waiting)) = self.wants.poll_recv(cx)
            {
                self.waiting = Some(waiting);
            }
            if self.waiting.is_some()
                && let Poll::Ready(Ok(stream)) = self.connection.poll_new_outbound(cx)
            {
                // Whoever no longer waits drops the stream, which resets it.
                let _ = self.waiting.take().map(|waiting| waiting.send(stream));
                continue;
            }
            match self.connection.poll_next_inbound(cx) {
                Poll::Ready(Some(Ok(stream))) => drop(self.found.send(stream)),
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl Channel for Compat<Stream> {
    type Reader = Half<ReadHalf<Self>>;
    type Writer = Half<WriteHalf<Self>>;

    fn split(self) -> (Self::Reader, Self::Writer) {
        let (reader, writer) = tokio::io::split(self);
        (Half::new(reader), Half::new(writer))
    }
}

impl Arm for Yamux {
    type Listener = TcpListener;
    type Session = Session;
    type Channel = Compat<Stream>;

    async fn listen() -> Result<(TcpListener, SocketAddr)> {
        listen().await
    }

    async fn accept(listener: &mut TcpListener) -> Result<Session> {
        Ok(Session::new(accept(listener).await?, Mode::Server))
    }

    async fn next(session: &mut Session) -> Option<Compat<Stream>> {
        Some(session.opened.recv().await?.compat())
    }

    async fn dial(to: SocketAddr) -> Result<Session> {
        Ok(Session::new(connect(to).await?, Mode::Client))
    }

    async fn open(session: &Session, _: Purpose) -> Result<Compat<Stream>> {
        let (sender, stream) = oneshot::channel();
        session.wanted.send(sender).await.context("the yamux connection has ended")?;
        Ok(stream.await?.compat())
    }

    async fn join(mut near: TcpStream, mut far: Compat<Stream>) -> Result<()> {
        copy_bidirectional_with_sizes(&mut near, &mut far, CHUNK_BYTES, CHUNK_BYTES).await?;
        Ok(())
    }

    async fn join_legs(mut near: Compat<Stream>, mut far: Compat<Stream>) -> Result<()> {
        copy_bidirectional_with_sizes(&mut near, &mut far, CHUNK_BYTES, CHUNK_BYTES).await?;
        Ok(())
    }
}
