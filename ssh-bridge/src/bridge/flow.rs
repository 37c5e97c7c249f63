//! What goes from the session to the caller, in order; and the gate that stops the stream while it is too much.
//!
//! ```text
//!  stream ──► Gated ──► russh ──► the session's task ──► Flow ──► Events::next
//!               ▲                                         │
//!               └───────── closed while it is full ───────┘
//! ```
//!
//! The gate is below SSH, where reading stops and nothing else: russh's loop never waits for the caller, so keystrokes,
//! resizes and signals go out while the output stands still. (SSH's own window would not do: russh gives it back when
//! data arrives, not when it is taken.)
//!
//! One thing does wait: when keys are exchanged anew (once a gigabyte or hour) while the gate is closed, russh sends
//! nothing until the caller takes output and lets the server's part of the exchange in.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::watch,
};

use super::{Event, error::Error, identification::Identification};

/// Output is joined to pieces of about this size, so that a server that sends single bytes costs single bytes.
const PIECE_BYTES: usize = 16 * 1024;
/// What a waiting piece costs beside its bytes.
const PIECE_COST_BYTES: usize = 128;

/// Which output of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    Standard,
    Error,
}

#[derive(Debug)]
enum Item {
    Data(Output, BytesMut),
    Event(Event),
}

/// Shared by the caller's [`Events`](super::Events), the session's task and the stream under russh.
#[derive(Debug)]
pub(super) struct Flow {
    state: Mutex<State>,
    /// Turns true once, when the caller wants no more.
    closing: watch::Sender<bool>,
    /// Turns true once, when there is a fault.
    faulted: watch::Sender<bool>,
}

#[derive(Debug)]
struct State {
    items: VecDeque<Item>,
    /// Bytes and costs of the data in `items`.
    held_bytes: usize,
    max_held_bytes: usize,
    // INVARIANT: closed from `max_held_bytes` on, open again from half of it down.
    gate_closed: bool,
    caller: Option<Waker>,
    reader: Option<Waker>,
    writer: Option<Waker>,
    received_bytes: u64,
    identification: Identification,
    /// Why the stream is of no use any more; the first reason stands.
    fault: Option<Error>,
    /// The stream is cut off from russh.
    cut: bool,
    end: Option<Result<(), Error>>,
}

impl Flow {
    pub(super) fn new(max_held_bytes: usize) -> Self {
        Self {
            state: Mutex::new(State {
                items: VecDeque::new(),
                held_bytes: 0,
                max_held_bytes: max_held_bytes.max(1),
                gate_closed: false,
                caller: None,
                reader: None,
                writer: None,
                received_bytes: 0,
                identification: Identification::default(),
                fault: None,
                cut: false,
                end: None,
            }),
            closing: watch::Sender::new(false),
            faulted: watch::Sender::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds output of the program.
    pub(super) fn push_data(&self, output: Output, data: &[u8]) {
        let mut state = self.lock();
        match state.items.back_mut() {
            Some(Item::Data(kind, piece)) if *kind == output && piece.len() + data.len() <= PIECE_BYTES => {
                piece.extend_from_slice(data);
            }
            _ => {
                state.items.push_back(Item::Data(output, BytesMut::from(data)));
                state.held_bytes += PIECE_COST_BYTES;
            }
        }
        state.held_bytes += data.len();
        state.gate_closed |= state.held_bytes >= state.max_held_bytes;
        wake(&mut state.caller);
    }

    /// Adds an event. There are few: their number is bounded where they are made.
    pub(super) fn push_event(&self, event: Event) {
        let mut state = self.lock();
        state.items.push_back(Item::Event(event));
        wake(&mut state.caller);
    }

    /// Nothing more comes. What waits can still be taken, unless the caller has left.
    pub(super) fn finish(&self, end: Result<(), Error>) {
        let mut state = self.lock();
        if *self.closing.borrow() {
            // Questions among them are answered no by this.
            state.items.clear();
        }
        state.end.get_or_insert(end);
        wake(&mut state.caller);
    }

    /// The next event, in order; then the end, again and again.
    pub(super) fn poll_next(&self, context: &mut Context<'_>) -> Poll<Result<Option<Event>, Error>> {
        let mut state = self.lock();
        let Some(item) = state.items.pop_front() else {
            return match &state.end {
                Some(end) => Poll::Ready(end.clone().map(|()| None)),
                None => {
                    state.caller = Some(context.waker().clone());
                    Poll::Pending
                }
            };
        };
        Poll::Ready(Ok(Some(match item {
            Item::Event(event) => event,
            Item::Data(output, piece) => {
                state.held_bytes = state.held_bytes.saturating_sub(piece.len() + PIECE_COST_BYTES);
                if state.gate_closed && state.held_bytes <= state.max_held_bytes / 2 {
                    state.gate_closed = false;
                    wake(&mut state.reader);
                }
                let bytes: Bytes = piece.freeze();
                match output {
                    Output::Standard => Event::Output(bytes),
                    Output::Error => Event::ErrorOutput(bytes),
                }
            }
        })))
    }

    /// The caller wants no more.
    pub(super) fn close(&self) {
        self.closing.send_replace(true);
    }

    /// Resolves when the caller wants no more. Cancel safe.
    pub(super) async fn closed(&self) {
        // The sender is in `self`, so that this cannot fail.
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await;
    }

    /// Takes the stream away from russh, whatever it waits for, so that its task ends.
    pub(super) fn cut(&self) {
        let mut state = self.lock();
        state.cut = true;
        wake(&mut state.reader);
        wake(&mut state.writer);
    }

    /// Bytes that came over the stream until now, and whether this side stopped reading.
    pub(super) fn liveness(&self) -> (u64, bool) {
        let state = self.lock();
        (state.received_bytes, state.gate_closed)
    }

    pub(super) fn server_version(&self) -> Option<String> {
        self.lock().identification.found().map(Into::into)
    }

    /// Remembers why the session cannot go on, unless something was the reason before.
    pub(super) fn fault(&self, error: Error) {
        self.lock().fault.get_or_insert(error);
        self.faulted.send_replace(true);
    }

    /// Resolves with what [`Flow::fault`] was told. Cancel safe.
    pub(super) async fn faulted(&self) -> Error {
        let _ = self.faulted.subscribe().wait_for(|faulted| *faulted).await;
        self.known_fault().unwrap_or(Error::Misuse("a fault without a reason"))
    }

    /// What [`Flow::fault`] was told first; or that it was no SSH that came until now.
    pub(super) fn known_fault(&self) -> Option<Error> {
        let state = self.lock();
        state.fault.clone().or_else(|| state.identification.missing())
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

/// The stream as russh sees it: standing still while the gate is closed, over when it is cut.
pub(super) struct Gated<S> {
    stream: S,
    flow: std::sync::Arc<Flow>,
}

impl<S> Gated<S> {
    pub(super) const fn new(stream: S, flow: std::sync::Arc<Flow>) -> Self {
        Self { stream, flow }
    }

    /// Writing is allowed unless the stream is cut; whoever has to wait is woken by the cut, too.
    fn poll_writing<T>(
        &mut self,
        context: &mut Context<'_>,
        write: impl FnOnce(&mut S, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if self.flow.lock().cut {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let polled = write(&mut self.stream, context);
        if polled.is_pending() {
            self.flow.lock().writer = Some(context.waker().clone());
        }
        polled
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gated<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        {
            let mut state = this.flow.lock();
            if state.cut {
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
            state.reader = Some(context.waker().clone());
            if state.gate_closed {
                return Poll::Pending;
            }
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(context, buffer);
        if let Poll::Ready(Ok(())) = polled {
            let new = buffer.filled().get(before..).unwrap_or_default();
            let mut state = this.flow.lock();
            state.received_bytes += u64::try_from(new.len()).unwrap_or(u64::MAX);
            if let Err(error) = state.identification.look_at(new) {
                state.fault.get_or_insert(error);
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gated<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_writing(context, |stream, context| Pin::new(stream).poll_write(context, data))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_writing(context, |stream, context| Pin::new(stream).poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_writing(context, |stream, context| Pin::new(stream).poll_shutdown(context))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const MAX_HELD_BYTES: usize = 8 * 1024;

    fn next(flow: &Flow) -> Option<Event> {
        match flow.poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(event)) => event,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn small_pieces_of_one_output_are_joined() {
        let flow = Flow::new(MAX_HELD_BYTES);
        for _ in 0..100 {
            flow.push_data(Output::Standard, b"a");
        }
        flow.push_data(Output::Error, b"b");

        assert!(matches!(next(&flow), Some(Event::Output(bytes)) if *bytes == [b'a'; 100]));
        assert!(matches!(next(&flow), Some(Event::ErrorOutput(bytes)) if *bytes == [b'b']));
    }

    #[test]
    fn pieces_that_cannot_be_joined_are_charged_for_what_they_cost() {
        let flow = Flow::new(MAX_HELD_BYTES);
        let mut pushed = 0;
        while !flow.liveness().1 {
            flow.push_data(if pushed % 2 == 0 { Output::Standard } else { Output::Error }, b"x");
            pushed += 1;
        }
        assert!(pushed <= MAX_HELD_BYTES / PIECE_COST_BYTES, "{pushed}");
    }

    #[tokio::test]
    async fn the_stream_stands_still_while_too_much_waits_and_writing_goes_on() {
        let flow = Arc::new(Flow::new(MAX_HELD_BYTES));
        let (near, mut far) = duplex(64);
        let mut gated = Gated::new(near, flow.clone());
        far.write_all(b"SSH-2.0-x\r\n").await.unwrap();
        let mut line = [0; 11];
        gated.read_exact(&mut line).await.unwrap();

        flow.push_data(Output::Standard, &[0; MAX_HELD_BYTES / 2]);
        flow.push_data(Output::Standard, &[0; MAX_HELD_BYTES / 2]);
        far.write_all(b"later").await.unwrap();
        let mut later = [0; 5];
        tokio::select! {
            biased;
            _ = gated.read_exact(&mut later) => panic!("the gate is open"),
            () = std::future::ready(()) => {}
        }
        gated.write_all(b"key").await.unwrap();
        far.read_exact(&mut [0; 3]).await.unwrap();

        while flow.liveness().1 {
            next(&flow);
        }
        gated.read_exact(&mut later).await.unwrap();
        assert_eq!(&later, b"later");
    }
}
