//! `towline run`: a program of this machine, and a port for it that leads to the endpoint.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
};

use tokio::{process::Command, sync::oneshot};
use towline_cloud_api::{ErrorCode, Problem};
use towline_transport::tcp::TcpListener;

use crate::{
    access::Access,
    args::{Global, Run},
    child,
    listen::{Route, listen_failed, serve},
    output::Output,
    reference::{self, Purpose},
    tunnel::{self, Tunnel},
};

/// Runs the program and returns its exit code.
pub(crate) async fn run(global: &Global, run: &Run, output: Output) -> Result<u8, Problem> {
    let access = Access::resolve(global).await?;
    let api = access.api()?;
    let device = reference::device(&api, &run.device.device).await?;
    let endpoint = reference::endpoint(&api, &device, run.endpoint.as_deref(), Purpose::Bytes).await?;
    if !device.is_reachable() {
        tunnel::ask(&access, &device, &endpoint).await?;
    }
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut listener = TcpListener::bind(any).await.map_err(|error| listen_failed(&error))?;
    let address = listener.local_addr().map_err(|error| listen_failed(&error))?;

    let (program, arguments) = run.command.split_first().ok_or(ErrorCode::CommandNotFound)?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("TARGET", address.ip().to_string())
        .env("PORT", address.port().to_string())
        .env("DEVICE", &device.id);
    let (ended, end) = oneshot::channel::<()>();
    let route = Route { tunnel: Tunnel::new(access), device, endpoint, urgency: run.urgency.value(), output };
    let listening = tokio::spawn(async move { serve(&mut listener, route, async { drop(end.await) }).await });
    let outcome = child::run(&mut command).await;
    drop(ended);
    drop(listening.await);
    outcome.map_err(|error| {
        let cause = match error.kind() {
            io::ErrorKind::NotFound => String::new(),
            _ => format!(": {error}"),
        };
        Problem::new(ErrorCode::CommandNotFound, format!("{:?}{cause}", program.to_string_lossy()))
    })
}
