//! A program that does not stop, and a person who does not look.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use towline_ssh_bridge::KeepAlive;

use crate::{
    operator::{Operator, command, soon},
    server::Server,
};

/// SEC-20: what one session may hold.
const MAX_HELD_BYTES: u64 = 1024 * 1024;
/// A flood that does not move for this long has come to a stand.
const STILL: Duration = Duration::from_millis(500);

#[tokio::test]
async fn a_flood_arrives_whole_while_the_keys_are_changed() {
    // Ten megabytes, with new keys for each.
    let server = Server::openssh(&["RekeyLimit 1M"]);
    let mut operator = Operator::connect(server.dial(), command(server.config(), "seq 1 1500000", false));
    operator.ready().await;

    let rest = operator.rest().await;

    let mut expected = String::new();
    for number in 1..=1_500_000 {
        expected += &format!("{number}\n");
    }
    assert!(expected.len() > 10_000_000);
    assert_eq!(rest.output.len(), expected.len());
    assert!(rest.output == expected.as_bytes());
}

#[tokio::test]
async fn whoever_does_not_look_stops_the_program_and_can_still_interrupt_it() {
    let server = Server::openssh(&[]);
    let interrupted = server.path("interrupted");
    let script = format!(
        "trap 'echo yes > {}; exit 9' INT; echo go; while :; do yes | head -c 100000; done",
        interrupted.display()
    );
    let stream = Counted::new(server.dial());
    let taken = stream.taken.clone();
    let mut operator = Operator::connect(stream, command(server.config(), &script, true));
    operator.ready().await;
    operator.until(b"go\r\n").await;
    let before = taken.load(Ordering::Relaxed);

    // From here nobody calls `next`.
    stands_still(&taken, before + 50_000).await;
    operator.send(b"\x03").await;
    server.eventually("the interrupt arrives", || interrupted.exists()).await;

    let held = taken.load(Ordering::Relaxed) - before;
    assert!(held < MAX_HELD_BYTES, "{held}");
    // What was held comes out when somebody looks again.
    let rest = operator.rest().await;
    assert!(rest.output.windows(6).any(|window| window == b"y\r\ny\r\n"));
}

#[tokio::test]
async fn somebody_who_does_not_look_for_long_is_no_silent_server() {
    let server = Server::openssh(&[]);
    let mut config = command(server.config(), "echo go; yes | head -c 1000000; echo end", false);
    let keep_alive = KeepAlive { interval: Duration::from_secs(1), max_unanswered: 3 };
    config.keep_alive = keep_alive;
    let stream = Counted::new(server.dial());
    let taken = stream.taken.clone();
    let mut operator = Operator::connect(stream, config);
    operator.ready().await;
    operator.until(b"go\n").await;

    // Longer than a silent server is given.
    stands_still(&taken, 50_000).await;
    tokio::time::sleep(keep_alive.interval * (keep_alive.max_unanswered + 2)).await;

    operator.until(b"end\n").await;
}

#[tokio::test]
async fn ctrl_c_ends_yes() {
    for server in [Server::openssh(&[]), Server::dropbear()] {
        let mut operator = Operator::connect(server.dial(), command(server.config(), "exec /bin/sh -i", true));
        operator.ready_anywhere().await;
        operator.send(b"PS1='ready> '; yes\n").await;
        operator.until(b"y\r\ny\r\ny\r\n").await;

        operator.send(b"\x03").await;
        operator.until(b"\r\nready> ").await;
        operator.send(b"echo code $?.\n").await;

        operator.until(b"code 130.\r\n").await;
        operator.bridge.disconnect();
        assert!(matches!(operator.next().await, Ok(None)));
    }
}

/// Waits until a flood is under way, of which more than `under_way` bytes were taken, and has come to a stand.
async fn stands_still(taken: &AtomicU64, under_way: u64) {
    soon("the flood's stand", async {
        let mut before = 0;
        while before <= under_way || taken.load(Ordering::Relaxed) != before {
            before = taken.load(Ordering::Relaxed);
            tokio::time::sleep(STILL).await;
        }
    })
    .await;
}

/// A stream that counts what is read from it.
struct Counted<S> {
    stream: S,
    taken: Arc<AtomicU64>,
}

impl<S> Counted<S> {
    fn new(stream: S) -> Self {
        Self { stream, taken: Arc::default() }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.taken.fetch_add(u64::try_from(buffer.filled().len() - before).unwrap(), Ordering::Relaxed);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
