//! Standard input and output as one connection, for `ProxyCommand` and pipes.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncWrite, Stdout, stdin, stdout},
    sync::Notify,
};
use towline_agent::pump::{self, Break};
use towline_cloud_api::{Device, Endpoint, ErrorCode, Problem};
use towline_tunnel_proto::{Code, Urgency};

use crate::{
    progress::waiting,
    signal::{hung_up, interrupted},
    tunnel::{Tunnel, ended_problem},
};

/// Carries standard input to the endpoint and its answer to standard output, until both have ended.
pub(crate) async fn run(tunnel: Tunnel, device: &Device, endpoint: &Endpoint, urgency: Urgency) -> Result<(), Problem> {
    let channel = tunnel.open(&device.id, &endpoint.id, urgency).await?;
    let answered = Notify::new();
    let carrying = pump::carry(channel, stdin(), Output { inner: stdout(), answered: &answered }, Code::CANCEL);
    let carried = tokio::select! {
        carried = until_answered(device, &answered, carrying) => carried,
        // `ssh` hangs up on its ProxyCommand when it is done: an end like any other, with a farewell to the cloud.
        () = async { tokio::select! { () = hung_up() => {}, () = interrupted() => {} } } => {
            tunnel.close().await;
            return Ok(());
        }
    };
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

/// Runs `carrying`. As long as nothing has come from the device, that is said where it takes long.
async fn until_answered<T>(device: &Device, answered: &Notify, carrying: impl Future<Output = T>) -> T {
    let mut carrying = std::pin::pin!(carrying);
    let first = async {
        tokio::select! {
            biased;
            done = &mut carrying => Some(done),
            () = answered.notified() => None,
        }
    };
    match waiting(|| format!("waiting for an answer through device {}", device.name), first).await {
        Some(done) => done,
        None => carrying.await,
    }
}

/// Standard output. Shutting it down gives its reader an end of file while this process goes on reading its input.
struct Output<'a> {
    inner: Stdout,
    answered: &'a Notify,
}

impl AsyncWrite for Output<'_> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.answered.notify_one();
        Pin::new(&mut self.inner).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.inner).poll_flush(cx))?;
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
