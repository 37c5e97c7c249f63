//! Local listeners: each connection a channel to one endpoint.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::Semaphore,
};
use towline_agent::pump::{self, Break};
use towline_cloud_api::{Device, Endpoint, ErrorCode, Problem};
use towline_transport::{Carrier, Error, Incoming, Listener, Transport};
use towline_tunnel_proto::{Code, Urgency};

use crate::{
    output::Output,
    tunnel::{Tunnel, ended_problem},
};

const MAX_CONNECTIONS: usize = 1024;
/// After the system could not give us a connection: it may be out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where connections go.
pub(crate) struct Route {
    pub(crate) tunnel: Tunnel,
    pub(crate) device: Device,
    pub(crate) endpoint: Endpoint,
    pub(crate) urgency: Urgency,
    pub(crate) output: Output,
}

/// A connection of this machine.
pub(crate) trait Local: Transport {
    /// What is read from it, and what is written to it.
    fn halves(&mut self) -> (impl AsyncRead + Send + Unpin, impl AsyncWrite + Send + Unpin);

    /// Makes its end look like a broken connection instead of one that was over, as far as that can be.
    fn break_off(&self);
}

impl Local for TcpStream {
    fn halves(&mut self) -> (impl AsyncRead + Send + Unpin, impl AsyncWrite + Send + Unpin) {
        self.split()
    }

    fn break_off(&self) {
        drop(self.set_zero_linger());
    }
}

#[cfg(unix)]
impl Local for tokio::net::UnixStream {
    fn halves(&mut self) -> (impl AsyncRead + Send + Unpin, impl AsyncWrite + Send + Unpin) {
        self.split()
    }

    fn break_off(&self) {}
}

/// Takes connections until `end` is ready, which also ends those there are, and the tunnel. One that fails is reported
/// and ends nobody else's.
pub(crate) async fn serve<L>(listener: &mut L, route: Route, end: impl Future<Output = ()>)
where
    L: Listener<Incoming: Incoming<Stream: Local>>,
{
    let route = Arc::new(route);
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = tokio::task::JoinSet::new();
    let mut end = std::pin::pin!(end);
    loop {
        while connections.try_join_next().is_some() {}
        let next = async {
            // Those beyond the bound wait in the system's queue.
            let slot = Arc::clone(&slots).acquire_owned().await.map_err(std::io::Error::other)?;
            Ok::<_, Error>((listener.accept().await?, slot))
        };
        let next = tokio::select! {
            next = next => next,
            () = &mut end => break,
        };
        match next {
            Ok((incoming, slot)) => {
                let route = Arc::clone(&route);
                connections.spawn(async move {
                    if let Ok(stream) = incoming.handshake().await.map(Carrier::into_inner)
                        && let Err(problem) = pass(stream, &route).await
                    {
                        route.output.problem(&problem);
                    }
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    connections.shutdown().await;
    if let Some(route) = Arc::into_inner(route) {
        route.tunnel.close().await;
    }
}

async fn pass(mut stream: impl Local, route: &Route) -> Result<(), Problem> {
    let outcome = async {
        let channel = route.tunnel.open(&route.device.id, &route.endpoint.id, route.urgency).await?;
        let (reader, writer) = stream.halves();
        match pump::carry(channel, reader, writer, Code::CANCEL).await.end {
            Ok(()) => Ok(()),
            Err(Break::Local(error)) => {
                tracing::info!(%error, "the local program broke its connection");
                Ok(())
            }
            Err(Break::Channel(ended)) => {
                route.tunnel.note_end(&ended);
                Err(ended_problem(&ended))
            }
        }
    };
    let outcome = outcome.await;
    if outcome.is_err() {
        stream.break_off();
    }
    outcome
}

/// The problem of an address that cannot be listened on.
pub(crate) fn listen_failed(error: &Error) -> Problem {
    let cause = std::error::Error::source(error).map_or_else(String::new, |source| format!(": {source}"));
    Problem::new(ErrorCode::ListenFailed, format!("{error}{cause}"))
}
