//! `towline server`: a local listener, or standard input and output, each connection a channel to one endpoint.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use serde::Serialize;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use towline_agent::{
    pump::{self, Break},
    single_line,
};
use towline_cloud_api::{Device, Endpoint, ErrorCode, Problem};
use towline_tunnel_proto::Code;

use crate::{
    access::Access,
    args::{Global, Server},
    output::{Output, note},
    reference::{self, Purpose},
    signal::interrupted,
    stdio,
    tunnel::{Tunnel, ended_problem},
};

const MAX_CONNECTIONS: usize = 1024;
/// After the system could not give us a connection: it may be out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

pub(crate) async fn run(global: &Global, server: &Server, output: Output) -> Result<(), Problem> {
    let listen = Listen::parse(&server.listen).await?;
    let access = Access::resolve(global).await?;
    let api = access.api()?;
    let device = reference::device(&api, &server.device.device).await?;
    let endpoint = reference::endpoint(&api, &device, server.endpoint.as_deref(), Purpose::Bytes).await?;
    match listen {
        Listen::Stdio => stdio::run(Tunnel::new(access), &device, &endpoint).await,
        Listen::Tcp(address) => listen_tcp(access, address, device, endpoint, output).await,
    }
}

/// Where connections come from.
#[derive(Debug, PartialEq, Eq)]
enum Listen {
    /// One, through standard input and output.
    Stdio,
    /// As many as come.
    Tcp(SocketAddr),
}

impl Listen {
    async fn parse(text: &str) -> Result<Self, Problem> {
        if text == "-" {
            return Ok(Self::Stdio);
        }
        let failed = |cause: String| Problem::new(ErrorCode::ListenFailed, format!("{text}: {cause}"));
        let address = match text.parse() {
            Ok(address) => address,
            Err(_) => {
                let mut found = tokio::net::lookup_host(text).await.map_err(|error| failed(error.to_string()))?;
                found.next().ok_or_else(|| failed("the name has no address".into()))?
            }
        };
        // Whoever can connect here acts with the rights of whoever started it.
        if !address.ip().to_canonical().is_loopback() {
            return Err(failed("only addresses of this machine itself are listened on, such as 127.0.0.1".into()));
        }
        Ok(Self::Tcp(address))
    }
}

#[derive(Serialize)]
struct Listening {
    address: String,
}

async fn listen_tcp(
    access: Access,
    address: SocketAddr,
    device: Device,
    endpoint: Endpoint,
    output: Output,
) -> Result<(), Problem> {
    let failed = |error| Problem::new(ErrorCode::ListenFailed, format!("{address}: {error}"));
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    if !device.online {
        note(&single_line(&format!("device {:?} is offline now: connections fail until it is back", device.name)));
    }
    let name = single_line(&device.name);
    note(&format!("Listening for device ({name}) {} on {address}", access.cloud));
    note(&format!("Proxy: {address}"));
    note(&format!("SSH: ssh -p {} <user>@{}", address.port(), address.ip()));
    note("Press ctrl-c to end");
    output.value(&Listening { address: address.to_string() }, |listening| vec![listening.address.clone()])?;

    let route = Arc::new(Route { tunnel: Tunnel::new(access), device, endpoint, output });
    accept(&listener, &route).await;
    if let Some(route) = Arc::into_inner(route) {
        route.tunnel.close().await;
    }
    Ok(())
}

/// Where connections go.
struct Route {
    tunnel: Tunnel,
    device: Device,
    endpoint: Endpoint,
    output: Output,
}

/// Takes connections until the process is asked to end; one that fails is reported and ends nobody else's.
async fn accept(listener: &TcpListener, route: &Arc<Route>) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = tokio::task::JoinSet::new();
    let mut interrupted = std::pin::pin!(interrupted());
    loop {
        while connections.try_join_next().is_some() {}
        let next = async {
            // Those beyond the bound wait in the system's queue.
            let slot = Arc::clone(&slots).acquire_owned().await.map_err(io::Error::other)?;
            Ok::<_, io::Error>((listener.accept().await?.0, slot))
        };
        let next = tokio::select! {
            next = next => next,
            () = &mut interrupted => break,
        };
        match next {
            Ok((stream, slot)) => {
                let route = Arc::clone(route);
                connections.spawn(async move {
                    if let Err(problem) = pass(stream, &route).await {
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
}

async fn pass(mut stream: TcpStream, route: &Route) -> Result<(), Problem> {
    drop(stream.set_nodelay(true));
    let outcome = async {
        let channel = route.tunnel.open(&route.device.id, &route.endpoint.id).await?;
        let (reader, writer) = stream.split();
        match pump::carry(channel, reader, writer, Code::CANCEL).await.end {
            Ok(()) => Ok(()),
            Err(Break::Local(error)) => {
                tracing::info!(%error, "the local program broke its connection");
                Ok(())
            }
            Err(Break::Channel(ended)) => Err(ended_problem(&ended)),
        }
    };
    let outcome = outcome.await;
    if outcome.is_err() {
        // The local program sees a broken connection, not one that was over.
        drop(stream.set_zero_linger());
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_this_machine_can_connect() {
        let tcp = |text: &str| Ok(Listen::Tcp(text.parse().unwrap()));
        let parse = async |text| Listen::parse(text).await.map_err(|problem| problem.code);

        assert_eq!(parse("-").await, Ok(Listen::Stdio));
        assert_eq!(parse("127.0.0.1:0").await, tcp("127.0.0.1:0"));
        assert_eq!(parse("[::1]:2222").await, tcp("[::1]:2222"));
        for text in ["0.0.0.0:22", "[::]:22", "192.168.1.1:22", "22", "", "127.0.0.1", "no-such-name.invalid:1"] {
            assert_eq!(parse(text).await, Err(ErrorCode::ListenFailed), "{text}");
        }
    }
}
