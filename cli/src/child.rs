//! A program of this machine that runs under this one.

use std::{io, process::ExitStatus};

use tokio::process::{Child, Command};

/// What a shell says of a child that a signal ended: this and the signal.
const SIGNALLED: i32 = 128;

/// Runs `command` in this terminal to its end; its exit code, or 128 and the signal that ended it.
///
/// At a terminal ctrl-c reaches the child as well, and what it makes of it counts. Being asked to end is passed on.
pub(crate) async fn run(command: &mut Command) -> io::Result<u8> {
    // Listened to before there is a child, which may signal us at once.
    let mut signals = Signals::new()?;
    let mut child = command.kill_on_drop(true).spawn()?;
    loop {
        tokio::select! {
            status = child.wait() => return Ok(exit_code(status?)),
            sent = signals.next() => match sent {
                Sent::Terminate => terminate(&mut child),
                Sent::Interrupt => {}
            }
        }
    }
}

fn exit_code(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    #[cfg(not(unix))]
    let signal: Option<i32> = None;
    let code = status.code().or(signal.map(|signal| SIGNALLED + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

#[cfg(unix)]
fn terminate(child: &mut Child) {
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        // One that has just ended needs no signal.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
}

#[cfg(not(unix))]
fn terminate(child: &mut Child) {
    drop(child.start_kill());
}

/// What this process is sent while the child runs.
#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

enum Sent {
    Terminate,
    Interrupt,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// The next of them.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    async fn next(&mut self) -> Sent {
        tokio::select! {
            _ = self.terminate.recv() => Sent::Terminate,
            _ = self.interrupt.recv() => Sent::Interrupt,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> Sent {
        drop(tokio::signal::ctrl_c().await);
        Sent::Interrupt
    }
}
