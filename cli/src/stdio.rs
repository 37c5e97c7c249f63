//! Standard input and output as one connection, for `ProxyCommand` and pipes.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncWrite, Stdout, stdin, stdout};
use towline_agent::pump::{self, Break};
use towline_cloud_api::{Device, Endpoint, ErrorCode, Problem};
use towline_tunnel_proto::Code;

use crate::tunnel::{Tunnel, ended_problem};

/// Carries standard input to the endpoint and its answer to standard output, until both have ended.
pub(crate) async fn run(tunnel: Tunnel, device: &Device, endpoint: &Endpoint) -> Result<(), Problem> {
    let channel = tunnel.open(&device.id, &endpoint.id).await?;
    let carried = pump::carry(channel, stdin(), Output(stdout()), Code::CANCEL).await;
    let outcome = match carried.end {
        Ok(()) => Ok(()),
        Err(Break::Channel(ended)) => Err(ended_problem(&ended)),
        // Whoever reads our output has gone: there is nobody to be served.
        Err(Break::Local(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(Break::Local(error)) => {
            Err(Problem::new(ErrorCode::BadRequest, format!("standard input or output: {error}")))
        }
    };
    tunnel.close().await;
    outcome
}

/// Standard output. Shutting it down gives its reader an end of file while this process goes on reading its input.
struct Output(Stdout);

impl AsyncWrite for Output {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.0).poll_flush(cx))?;
        Poll::Ready(close_stdout())
    }
}

#[cfg(unix)]
fn close_stdout() -> io::Result<()> {
    let nowhere = std::fs::OpenOptions::new().write(true).open("/dev/null")?;
    Ok(rustix::stdio::dup2_stdout(nowhere)?)
}

/// The end of file comes with the end of the process.
#[cfg(not(unix))]
fn close_stdout() -> io::Result<()> {
    Ok(())
}
