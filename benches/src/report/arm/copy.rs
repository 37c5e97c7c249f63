//! A TCP connection per channel and nothing but copying: what the rest is measured against.

use std::net::SocketAddr;

use anyhow::Result;
use tokio::{
    io::copy_bidirectional_with_sizes,
    net::{TcpListener, TcpStream},
};

use super::{Arm, Purpose, Single, accept, connect, listen};

/// With buffers of so many KiB.
pub(crate) struct TcpCopy<const KIB: usize>;

impl<const KIB: usize> Arm for TcpCopy<KIB> {
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

    async fn join(mut near: TcpStream, mut far: TcpStream) -> Result<()> {
        copy_bidirectional_with_sizes(&mut near, &mut far, KIB * 1024, KIB * 1024).await?;
        Ok(())
    }

    async fn join_legs(near: TcpStream, far: TcpStream) -> Result<()> {
        Self::join(near, far).await
    }
}
