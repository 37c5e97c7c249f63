//! The terminal that this program was started in.

use towline_telnet::option::naws::WindowSize;

/// What a terminal is taken for that does not say how large it is.
const USUAL_SIZE: WindowSize = WindowSize { columns: 80, rows: 24 };

/// The terminal, raw: each key comes at once and as it is, and nothing is shown but what is written. It is left as it was
/// found.
pub(crate) struct RawTerminal {
    #[cfg(unix)]
    found: Option<rustix::termios::Termios>,
}

#[cfg(unix)]
impl RawTerminal {
    /// Standard input's terminal, if it is one.
    pub(crate) fn new() -> std::io::Result<Self> {
        use rustix::termios::{OptionalActions, isatty, tcgetattr, tcsetattr};

        let stdin = std::io::stdin();
        if !isatty(&stdin) {
            return Ok(Self { found: None });
        }
        let found = tcgetattr(&stdin)?;
        let mut raw = found.clone();
        raw.make_raw();
        tcsetattr(&stdin, OptionalActions::Drain, &raw)?;
        Ok(Self { found: Some(found) })
    }

    /// Whether a person types.
    pub(crate) fn is_one(&self) -> bool {
        self.found.is_some()
    }

    /// How large it is.
    pub(crate) fn size(&self) -> WindowSize {
        let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok();
        let known = size.filter(|size| size.ws_col > 0 && size.ws_row > 0);
        known.map_or(USUAL_SIZE, |size| WindowSize { columns: size.ws_col, rows: size.ws_row })
    }
}

#[cfg(unix)]
impl Drop for RawTerminal {
    fn drop(&mut self) {
        use rustix::termios::{OptionalActions, tcsetattr};

        if let Some(found) = &self.found {
            let _ = tcsetattr(std::io::stdin(), OptionalActions::Drain, found);
        }
    }
}

/// Elsewhere a terminal stays as it is: a line at a time.
#[cfg(not(unix))]
impl RawTerminal {
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self {})
    }

    pub(crate) fn is_one(&self) -> bool {
        false
    }

    pub(crate) fn size(&self) -> WindowSize {
        USUAL_SIZE
    }
}

/// Tells when the terminal has another size.
pub(crate) struct Resizes {
    #[cfg(unix)]
    signal: tokio::signal::unix::Signal,
}

impl Resizes {
    #[cfg(unix)]
    pub(crate) fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        Ok(Self { signal: signal(SignalKind::window_change())? })
    }

    #[cfg(not(unix))]
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self {})
    }

    /// Ready when it may have another size.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub(crate) async fn next(&mut self) {
        #[cfg(unix)]
        if self.signal.recv().await.is_some() {
            return;
        }
        std::future::pending::<()>().await;
    }
}
