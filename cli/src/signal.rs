//! Being asked to end.

use std::future::Future;

/// Ready when the process is asked to end (SIGINT or SIGTERM), from the call on.
///
/// # Cancel safety
///
/// Cancel safe.
#[cfg(unix)]
pub(crate) fn interrupted() -> impl Future<Output = ()> + Send {
    use tokio::signal::unix::{SignalKind, signal};

    let (interrupt, terminate) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    async {
        tokio::select! {
            () = next(interrupt) => {}
            () = next(terminate) => {}
        }
    }
}

/// Ready when whoever started the process hangs up (SIGHUP), from the call on: `ssh` does so to its `ProxyCommand`.
///
/// # Cancel safety
///
/// Cancel safe.
#[cfg(unix)]
pub(crate) fn hung_up() -> impl Future<Output = ()> + Send {
    use tokio::signal::unix::{SignalKind, signal};

    next(signal(SignalKind::hangup()))
}

#[cfg(unix)]
async fn next(signal: std::io::Result<tokio::signal::unix::Signal>) {
    match signal {
        Ok(mut signal) => drop(signal.recv().await),
        Err(_) => std::future::pending().await,
    }
}

/// Never: there is no such signal.
#[cfg(not(unix))]
pub(crate) fn hung_up() -> impl Future<Output = ()> + Send {
    std::future::pending()
}

/// Ready when the process is asked to end.
///
/// # Cancel safety
///
/// Cancel safe.
#[cfg(not(unix))]
pub(crate) fn interrupted() -> impl Future<Output = ()> + Send {
    async { drop(tokio::signal::ctrl_c().await) }
}
