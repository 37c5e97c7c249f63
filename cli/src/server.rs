//! `towline server`: a local listener, or standard input and output, each connection a channel to one endpoint.

use std::net::SocketAddr;
#[cfg(unix)]
use std::path::PathBuf;

use serde::Serialize;
use towline_agent::single_line;
use towline_cloud_api::{ErrorCode, Problem};
use towline_transport::tcp::TcpListener;
#[cfg(unix)]
use towline_transport::unix::UnixListener;

use crate::{
    access::Access,
    args::{Global, Server},
    listen::{Route, listen_failed, serve},
    output::{Output, note},
    reference::{self, Purpose},
    signal::interrupted,
    stdio,
    tunnel::Tunnel,
};

pub(crate) async fn run(global: &Global, server: &Server, output: Output) -> Result<(), Problem> {
    let place = Place::parse(&server.listen).await?;
    let access = Access::resolve(global).await?;
    let api = access.api()?;
    let device = reference::device(&api, &server.device.device).await?;
    let endpoint = reference::endpoint(&api, &device, server.endpoint.as_deref(), Purpose::Bytes).await?;
    let urgency = server.urgency.value();
    let listening = match place {
        Place::Stdio => return stdio::run(Tunnel::new(access), &device, &endpoint, urgency).await,
        Place::Tcp(address) => Listening::Tcp(TcpListener::bind(address).await.map_err(|error| listen_failed(&error))?),
        #[cfg(unix)]
        Place::Unix(path) => Listening::Unix(UnixListener::bind(path).await.map_err(|error| listen_failed(&error))?),
    };
    listen(listening, Route { tunnel: Tunnel::new(access.clone()), device, endpoint, urgency, output }, &access).await
}

/// Where connections come from.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// One, through standard input and output.
    Stdio,
    /// As many as come.
    Tcp(SocketAddr),
    /// As many as come, of this user's.
    #[cfg(unix)]
    Unix(PathBuf),
}

impl Place {
    async fn parse(text: &str) -> Result<Self, Problem> {
        if text == "-" {
            return Ok(Self::Stdio);
        }
        let failed = |cause: String| Problem::new(ErrorCode::ListenFailed, format!("{text}: {cause}"));
        if text.starts_with("unix:") {
            let endpoint: towline_transport::Endpoint =
                text.parse().map_err(|error: towline_transport::Error| failed(error.to_string()))?;
            #[cfg(unix)]
            return Ok(Self::Unix(endpoint.path().into()));
            #[cfg(not(unix))]
            return Err(failed(format!("this system has no {endpoint}")));
        }
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

async fn listen(listener: Listening, route: Route, access: &Access) -> Result<(), Problem> {
    let Route { device, output, .. } = &route;
    if !device.is_reachable() {
        note(&single_line(&format!("device {:?} is offline now: connections fail until it is back", device.name)));
    }
    let address = listener.address()?;
    let name = single_line(&device.name);
    note(&format!("Listening for device ({name}) {} on {address}", access.cloud));
    note(&format!("Proxy: {address}"));
    if let Listening::Tcp(listener) = &listener
        && let Ok(address) = listener.local_addr()
    {
        note(&format!("SSH: ssh -p {} <user>@{}", address.port(), address.ip()));
    }
    note("Press ctrl-c to end");
    // From here on a request to end is one to end orderly.
    let end = interrupted();
    output.value(&Said { address }, |said| vec![said.address.clone()])?;
    match listener {
        Listening::Tcp(mut listener) => serve(&mut listener, route, end).await,
        #[cfg(unix)]
        Listening::Unix(mut listener) => serve(&mut listener, route, end).await,
    }
    Ok(())
}

#[derive(Serialize)]
struct Said {
    address: String,
}

enum Listening {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener),
}

impl Listening {
    fn address(&self) -> Result<String, Problem> {
        match self {
            Self::Tcp(listener) => match listener.local_addr() {
                Ok(address) => Ok(address.to_string()),
                Err(error) => Err(listen_failed(&error)),
            },
            #[cfg(unix)]
            Self::Unix(listener) => Ok(format!("unix:{}", listener.path().display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_this_machine_can_connect() {
        let tcp = |text: &str| Ok(Place::Tcp(text.parse().unwrap()));
        #[cfg(unix)]
        let unix = |path: &str| Ok(Place::Unix(path.into()));
        let parse = async |text| Place::parse(text).await.map_err(|problem| problem.code);

        assert_eq!(parse("-").await, Ok(Place::Stdio));
        assert_eq!(parse("127.0.0.1:0").await, tcp("127.0.0.1:0"));
        assert_eq!(parse("[::1]:2222").await, tcp("[::1]:2222"));
        #[cfg(unix)]
        {
            assert_eq!(parse("unix:///run/x.sock").await, unix("/run/x.sock"));
            assert_eq!(parse("unix:/run/x.sock").await, unix("/run/x.sock"));
            assert_eq!(parse("unix://x.sock").await, Err(ErrorCode::ListenFailed));
        }
        for text in ["0.0.0.0:22", "[::]:22", "192.168.1.1:22", "22", "", "127.0.0.1", "no-such-name.invalid:1"] {
            assert_eq!(parse(text).await, Err(ErrorCode::ListenFailed), "{text}");
        }
    }
}
