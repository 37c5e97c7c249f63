//! HTTP/2 over plain TCP: a request per channel, its body one way and the answer's the other.

use std::{future::poll_fn, net::SocketAddr};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use h2::{
    RecvStream, SendStream,
    client::{self, ResponseFuture, SendRequest},
    server,
};
use http::{Request, Response};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

use super::{Arm, CHUNK_BYTES, Channel, Purpose, Reader, Writer, accept, connect, listen};

/// The crate's 64 KiB would not fill a link of 100 ms.
const STREAM_WINDOW_BYTES: u32 = 1024 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 16 * 1024 * 1024;
const MAX_STREAMS: u32 = 100_000;

pub(crate) struct H2;

pub(crate) enum Session {
    Dialled(SendRequest<Bytes>),
    Accepted(mpsc::UnboundedReceiver<Stream>),
}

pub(crate) struct Stream(Receiving, SendStream<Bytes>);

pub(crate) enum Receiving {
    Awaited(ResponseFuture),
    Body(RecvStream),
}

impl Channel for Stream {
    type Reader = Receiving;
    type Writer = SendStream<Bytes>;

    fn split(self) -> (Receiving, SendStream<Bytes>) {
        (self.0, self.1)
    }
}

impl Reader for Receiving {
    async fn receive(&mut self) -> Result<Option<Bytes>> {
        if let Self::Awaited(response) = self {
            *self = Self::Body(response.await?.into_body());
        }
        let Self::Body(body) = self else { return Ok(None) };
        // The end is a piece of nothing when it has a frame of its own.
        while let Some(data) = body.data().await.transpose()? {
            body.flow_control().release_capacity(data.len())?;
            if !data.is_empty() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}

impl Writer for SendStream<Bytes> {
    async fn send(&mut self, mut data: Bytes) -> Result<()> {
        while !data.is_empty() {
            self.reserve_capacity(data.len());
            let capacity = poll_fn(|cx| self.poll_capacity(cx)).await.context("the stream has ended")??;
            self.send_data(data.split_to(capacity.min(data.len())), false)?;
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<()> {
        Ok(self.send_data(Bytes::new(), true)?)
    }
}

async fn serve(
    mut connection: server::Connection<TcpStream, Bytes>,
    found: mpsc::UnboundedSender<Stream>,
) -> Result<()> {
    while let Some(request) = connection.accept().await {
        let (request, mut respond) = request?;
        let sender = respond.send_response(Response::new(()), false)?;
        found.send(Stream(Receiving::Body(request.into_body()), sender))?;
    }
    Ok(())
}

impl Arm for H2 {
    type Listener = TcpListener;
    type Session = Session;
    type Channel = Stream;

    async fn listen() -> Result<(TcpListener, SocketAddr)> {
        listen().await
    }

    async fn accept(listener: &mut TcpListener) -> Result<Session> {
        let connection = server::Builder::new()
            .initial_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_frame_size(CHUNK_BYTES.try_into()?)
            .max_concurrent_streams(MAX_STREAMS)
            .handshake(accept(listener).await?)
            .await?;
        let (found, opened) = mpsc::unbounded_channel();
        tokio::spawn(serve(connection, found));
        Ok(Session::Accepted(opened))
    }

    async fn next(session: &mut Session) -> Option<Stream> {
        match session {
            Session::Accepted(opened) => opened.recv().await,
            Session::Dialled(_) => None,
        }
    }

    async fn dial(to: SocketAddr) -> Result<Session> {
        let (requests, connection) = client::Builder::new()
            .initial_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_frame_size(CHUNK_BYTES.try_into()?)
            .initial_max_send_streams(MAX_STREAMS.try_into()?)
            .handshake(connect(to).await?)
            .await?;
        tokio::spawn(connection);
        Ok(Session::Dialled(requests))
    }

    async fn open(session: &Session, _: Purpose) -> Result<Stream> {
        let Session::Dialled(requests) = session else { anyhow::bail!("an accepted session opens nothing") };
        let mut requests = requests.clone().ready().await?;
        let request = Request::post("http://localhost/").body(())?;
        let (response, sender) = requests.send_request(request, false)?;
        Ok(Stream(Receiving::Awaited(response), sender))
    }
}
