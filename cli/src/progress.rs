//! Saying what is waited for, when it takes long and somebody looks.

use std::{
    future::Future,
    io::{self, IsTerminal as _, Write as _},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use towline_agent::single_line;

/// Who waits for less does not ask why.
const PATIENCE: Duration = Duration::from_millis(500);

static SILENT: AtomicBool = AtomicBool::new(false);

/// From here on nothing is said: the terminal is somebody else's.
pub(crate) fn silence() {
    SILENT.store(true, Ordering::Relaxed);
}

/// Runs `step`. If it takes long and standard error is a terminal, `what` stands there until it is over.
///
/// # Cancel safety
///
/// As that of `step`.
pub(crate) async fn waiting<T>(what: impl FnOnce() -> String, step: impl Future<Output = T>) -> T {
    if SILENT.load(Ordering::Relaxed) || !io::stderr().is_terminal() {
        return step.await;
    }
    let mut step = std::pin::pin!(step);
    tokio::select! {
        done = &mut step => return done,
        () = tokio::time::sleep(PATIENCE) => {}
    }
    let _shown = Shown::new(&what());
    step.await
}

/// A line that is wiped away when it is dropped.
struct Shown;

impl Shown {
    fn new(what: &str) -> Self {
        write(&format!("\r\x1b[K{} …", single_line(what)));
        Self
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        write("\r\x1b[K");
    }
}

fn write(text: &str) {
    let mut stderr = io::stderr().lock();
    drop(stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush()));
}
