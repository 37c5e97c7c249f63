//! tokio-tungstenite: a WebSocket per channel, over plain TCP, with the crate's defaults.

use std::net::SocketAddr;

use anyhow::{Result, bail};
use bytes::Bytes;
use futures_util::{
    SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{WebSocketStream, accept_async, client_async, tungstenite::Message};

use super::{Arm, Channel, Purpose, Reader, Single, Writer, accept, connect, listen};

pub(crate) struct WebSocket;

type Stream = WebSocketStream<TcpStream>;

impl Channel for Stream {
    type Reader = SplitStream<Self>;
    type Writer = SplitSink<Self, Message>;

    fn split(self) -> (Self::Reader, Self::Writer) {
        let (writer, reader) = futures_util::StreamExt::split(self);
        (reader, writer)
    }
}

impl Reader for SplitStream<Stream> {
    async fn receive(&mut self) -> Result<Option<Bytes>> {
        match self.next().await.transpose()? {
            Some(Message::Binary(data)) => Ok(Some(data)),
            Some(Message::Close(_)) | None => Ok(None),
            Some(other) => bail!("a message that nobody sends: {other:?}"),
        }
    }
}

impl Writer for SplitSink<Stream, Message> {
    async fn send(&mut self, data: Bytes) -> Result<()> {
        Ok(futures_util::SinkExt::send(self, Message::Binary(data)).await?)
    }

    async fn finish(&mut self) -> Result<()> {
        Ok(self.close().await?)
    }
}

impl Arm for WebSocket {
    type Listener = TcpListener;
    type Session = Single<TcpStream>;
    type Channel = Stream;

    async fn listen() -> Result<(TcpListener, SocketAddr)> {
        listen().await
    }

    async fn accept(listener: &mut TcpListener) -> Result<Single<TcpStream>> {
        Ok(Single::From(Some(accept(listener).await?)))
    }

    // The handshake is here, so that one does not wait for another's.
    async fn next(session: &mut Single<TcpStream>) -> Option<Stream> {
        accept_async(session.take()?).await.ok()
    }

    async fn dial(to: SocketAddr) -> Result<Single<TcpStream>> {
        Ok(Single::To(to))
    }

    async fn open(session: &Single<TcpStream>, _: Purpose) -> Result<Stream> {
        let (stream, _) = client_async("ws://localhost/", connect(session.address()?).await?).await?;
        Ok(stream)
    }
}
