//! A TCP connection per channel; the kernel moves the bytes through a pipe.

use std::{io, net::SocketAddr, os::fd::OwnedFd};

use anyhow::Result;
use rustix::{
    net::{Shutdown, shutdown},
    pipe::{PipeFlags, SpliceFlags, pipe_with, splice},
};
use tokio::{
    io::Interest,
    net::{TcpListener, TcpStream},
};

use super::{Arm, CHUNK_BYTES, Purpose, Single, accept, connect, listen};

pub(crate) struct Splice;

impl Arm for Splice {
    type Listener = TcpListener;
    type Session = Single<TcpStream>;
    type Channel = TcpStream;

    async fn listen() -> Result<(TcpListener, SocketAddr)> {
        listen().await
    }

    async fn accept(listener: &mut TcpListener) -> Result<Single<TcpStream>> {
        Ok(Single::From(Some(accept(listener).await?)))
    }

    async fn next(session: &mut Single<TcpStream>) -> Option<TcpStream> {
        session.take()
    }

    async fn dial(to: SocketAddr) -> Result<Single<TcpStream>> {
        Ok(Single::To(to))
    }

    async fn open(session: &Single<TcpStream>, _: Purpose) -> Result<TcpStream> {
        connect(session.address()?).await
    }

    async fn join(near: TcpStream, far: TcpStream) -> Result<()> {
        let (forth, back) = (Pipe::new()?, Pipe::new()?);
        tokio::try_join!(forth.carry(&near, &far), back.carry(&far, &near))?;
        Ok(())
    }

    async fn join_legs(near: TcpStream, far: TcpStream) -> Result<()> {
        Self::join(near, far).await
    }
}

/// A pipe of the kernel's usual 64 KiB.
struct Pipe {
    reader: OwnedFd,
    writer: OwnedFd,
}

impl Pipe {
    fn new() -> io::Result<Self> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok(Self { reader, writer })
    }

    async fn carry(&self, from: &TcpStream, to: &TcpStream) -> io::Result<()> {
        let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
        loop {
            // The pipe is empty here, so that only the connection can be what would block.
            let fill = || Ok(splice(from, None, &self.writer, None, CHUNK_BYTES, flags)?);
            let mut left = from.async_io(Interest::READABLE, fill).await?;
            if left == 0 {
                return Ok(shutdown(to, Shutdown::Write)?);
            }
            while left > 0 {
                let drain = || Ok(splice(&self.reader, None, to, None, left, flags)?);
                left -= to.async_io(Interest::WRITABLE, drain).await?;
            }
        }
    }
}
