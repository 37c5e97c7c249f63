//! russh: an SSH session channel per channel, with the crate's defaults; `none` as the way to log in.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Result, ensure};
use bytes::Bytes;
use russh::{
    ChannelMsg, ChannelReadHalf, ChannelWriteHalf,
    client::{self, Handle},
    keys::{PrivateKey, PublicKeyOrCertificate, ssh_key::private::Ed25519Keypair},
    server,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

use super::{Arm, Channel, Purpose, Reader, Writer, accept, connect, listen};
use crate::identity;

pub(crate) struct Ssh;

pub(crate) enum Session {
    Dialled(Handle<Client>),
    Accepted(mpsc::UnboundedReceiver<russh::Channel<server::Msg>>),
}

pub(crate) enum Stream {
    Dialled(russh::Channel<client::Msg>),
    Accepted(russh::Channel<server::Msg>),
}

pub(crate) enum Sending {
    Dialled(ChannelWriteHalf<client::Msg>),
    Accepted(ChannelWriteHalf<server::Msg>),
}

impl Channel for Stream {
    type Reader = ChannelReadHalf;
    type Writer = Sending;

    fn split(self) -> (ChannelReadHalf, Sending) {
        match self {
            Self::Dialled(channel) => {
                let (reader, writer) = channel.split();
                (reader, Sending::Dialled(writer))
            }
            Self::Accepted(channel) => {
                let (reader, writer) = channel.split();
                (reader, Sending::Accepted(writer))
            }
        }
    }
}

impl Reader for ChannelReadHalf {
    async fn receive(&mut self) -> Result<Option<Bytes>> {
        loop {
            match self.wait().await {
                Some(ChannelMsg::Data { data }) => return Ok(Some(data)),
                Some(ChannelMsg::Eof | ChannelMsg::Close) | None => return Ok(None),
                Some(_) => {}
            }
        }
    }
}

impl Writer for Sending {
    async fn send(&mut self, data: Bytes) -> Result<()> {
        match self {
            Self::Dialled(writer) => writer.data_bytes(data).await?,
            Self::Accepted(writer) => writer.data_bytes(data).await?,
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<()> {
        match self {
            Self::Dialled(writer) => writer.eof().await?,
            Self::Accepted(writer) => writer.eof().await?,
        }
        Ok(())
    }
}

pub(crate) struct Client;

impl client::Handler for Client {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        Ok(true)
    }
}

struct Server(mpsc::UnboundedSender<russh::Channel<server::Msg>>);

impl server::Handler for Server {
    type Error = russh::Error;

    async fn auth_none(&mut self, _: &str) -> Result<server::Auth, russh::Error> {
        Ok(server::Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        channel: russh::Channel<server::Msg>,
        reply: server::ChannelOpenHandle,
        _: &mut server::Session,
    ) -> Result<(), russh::Error> {
        reply.accept().await;
        self.0.send(channel).map_err(|_| russh::Error::SendError)
    }
}

impl Arm for Ssh {
    type Listener = TcpListener;
    type Session = Session;
    type Channel = Stream;

    async fn listen() -> Result<(TcpListener, SocketAddr)> {
        listen().await
    }

    async fn accept(listener: &mut TcpListener) -> Result<Session> {
        let key = PrivateKey::from(Ed25519Keypair::from_seed(&identity::SEED));
        let config = Arc::new(server::Config { keys: vec![key], ..server::Config::default() });
        let (found, opened) = mpsc::unbounded_channel();
        let running = server::run_stream(config, accept(listener).await?, Server(found)).await?;
        tokio::spawn(running);
        Ok(Session::Accepted(opened))
    }

    async fn next(session: &mut Session) -> Option<Stream> {
        match session {
            Session::Accepted(opened) => opened.recv().await.map(Stream::Accepted),
            Session::Dialled(_) => None,
        }
    }

    async fn dial(to: SocketAddr) -> Result<Session> {
        let stream: TcpStream = connect(to).await?;
        let mut handle = client::connect_stream(Arc::new(client::Config::default()), stream, Client).await?;
        ensure!(handle.authenticate_none("bench").await?.success(), "the SSH server refuses");
        Ok(Session::Dialled(handle))
    }

    async fn open(session: &Session, _: Purpose) -> Result<Stream> {
        let Session::Dialled(handle) = session else { anyhow::bail!("an accepted session opens nothing") };
        Ok(Stream::Dialled(handle.channel_open_session().await?))
    }
}
