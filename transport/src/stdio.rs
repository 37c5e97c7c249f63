//! This process's standard input and output as one transport, for a program that runs under another
//! (`ProxyCommand`, a pipe).

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, Stdin, Stdout, stdin, stdout};

use crate::Carrier;

/// Standard input to read, standard output to write.
#[derive(Debug)]
pub struct Stdio {
    input: Stdin,
    output: Stdout,
}

/// Joins standard input and output. Call it once per process: two readers would share the input between them.
///
/// Shutting it down flushes, but the standard output stays open until the process ends, so the parent sees the end
/// of file only then. A read of standard input runs in a thread that cannot be interrupted: a program that wants to
/// end while it waits must leave with [`std::process::exit`], or shut its runtime down in the background.
#[must_use]
pub fn stdio() -> Carrier<Stdio> {
    Carrier::new(Stdio { input: stdin(), output: stdout() })
}

impl AsyncRead for Stdio {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stdio {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.output).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.output).poll_flush(cx)
    }

    /// Tokio's own does not flush, which would leave the last bytes behind.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}
