//! The task that moves a session's bytes.

use std::{
    boxed::Box,
    collections::VecDeque,
    future::Future,
    io::IoSlice,
    mem::MaybeUninit,
    pin::Pin,
    string::String,
    sync::{Arc, MutexGuard},
    task::{Context, Poll, Waker},
    time::Duration,
    vec::Vec,
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    time::{Instant, Sleep},
};

use super::{BoxIo, By, Ended, Shared, Standing, State};
use crate::{ChannelId, Code, Error, Event, HEADER_BYTES, Micros};

/// As much as is handed to the carrier at once, in bytes: 64 KiB in two frames. What is not yet cut can still be overtaken.
const BATCH_BYTES: usize = 2 * (32 * 1024 + HEADER_BYTES);
/// Pieces in one vectored write.
const BATCH_PIECES: usize = 64;
/// Reads grow and shrink between these, in bytes: idle sessions have no buffer, busy ones read much at once.
const READ_BYTES_MIN: usize = 4 * 1024;
const READ_BYTES_MAX: usize = 128 * 1024;
/// Less than this is copied, so that it does not keep a buffer.
const COPIED_BELOW_BYTES: usize = 1024;
/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(5);

/// The future that moves a session's bytes, over one carrier after the other: spawn it. Ends with the session, after the
/// farewell has been sent.
#[must_use = "nothing moves unless the driver is polled"]
pub struct Driver {
    /// `None` while the session waits for a carrier.
    io: Option<BoxIo>,
    /// Which one `io` is.
    carrier: u64,
    shared: Arc<Shared>,
    /// Cut, but not yet taken by the carrier.
    batch: VecDeque<Bytes>,
    unflushed: bool,
    read_bytes: usize,
    buffer: BytesMut,
    /// The buffer before, used again once everybody is done with it.
    used_buffer: BytesMut,
    /// Made at the first poll, inside the runtime.
    timer: Option<Pin<Box<Sleep>>>,
    /// When the timer goes off: never later than the connection wants.
    armed: Option<Micros>,
    /// The peer wants the carrier for another session: until that is decided nothing is read.
    is_yielded: bool,
    /// Set once the session has ended; only the farewell is still sent.
    farewell: Option<Ended>,
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver").finish_non_exhaustive()
    }
}

enum Progress {
    Some,
    None,
}

impl Driver {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            io: None,
            carrier: 0,
            batch: VecDeque::new(),
            unflushed: false,
            read_bytes: READ_BYTES_MIN,
            buffer: BytesMut::new(),
            used_buffer: BytesMut::new(),
            timer: None,
            armed: None,
            is_yielded: false,
            shared,
            farewell: None,
        }
    }

    /// Reads once and lets the connection digest it.
    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Progress> {
        match std::task::ready!(self.poll_read(cx)) {
            Ok(data) if data.is_empty() => self.carrier_lost("the connection ended without a farewell"),
            Err(error) => self.carrier_lost(&std::format!("the connection broke: {error}")),
            Ok(data) => {
                let now = self.shared.now();
                let mut state = self.shared.lock();
                // A carrier that has been replaced meanwhile has nothing more to say.
                if self.carrier == state.carriers {
                    state.connection.handle_input(now, data);
                    self.digest(state);
                }
            }
        }
        Poll::Ready(Progress::Some)
    }

    /// What the carrier has now; nothing at its end.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<Bytes>> {
        let Some(io) = &mut self.io else { return Poll::Pending };
        if self.read_bytes == READ_BYTES_MIN {
            // Whoever waits for little has no buffer for it.
            let mut room = [MaybeUninit::uninit(); READ_BYTES_MIN];
            let mut read = ReadBuf::uninit(&mut room);
            std::task::ready!(Pin::new(io).poll_read(cx, &mut read))?;
            if read.remaining() == 0 {
                self.read_bytes *= 2;
            }
            return Poll::Ready(Ok(Bytes::copy_from_slice(read.filled())));
        }
        if self.buffer.capacity() < self.read_bytes / 4 {
            std::mem::swap(&mut self.buffer, &mut self.used_buffer);
            if !self.buffer.try_reclaim(self.read_bytes) {
                self.buffer = BytesMut::with_capacity(self.read_bytes);
            }
        }
        let room = self.buffer.capacity();
        // Dropping the future of `read_buf` loses nothing: it is made anew at the next poll.
        let length = std::task::ready!(std::pin::pin!(io.read_buf(&mut self.buffer)).poll(cx))?;
        Poll::Ready(Ok(self.take_read(length, room)))
    }

    /// What was read into `room`; adapts the buffers to the traffic.
    fn take_read(&mut self, length: usize, room: usize) -> Bytes {
        if length >= COPIED_BELOW_BYTES {
            if length == room {
                self.read_bytes = (self.read_bytes * 2).min(READ_BYTES_MAX);
            }
            return self.buffer.split().freeze();
        }
        let data = Bytes::copy_from_slice(&self.buffer);
        self.read_bytes /= 2;
        (self.buffer, self.used_buffer) = (BytesMut::new(), BytesMut::new());
        data
    }

    /// Hands all events to the handles, then wakes them.
    fn digest(&self, mut state: MutexGuard<'_, State>) {
        let mut wakers: Vec<Waker> = Vec::new();
        let mut rings = false;
        let ended = loop {
            match state.connection.poll_event() {
                Ok(None) => break None,
                Ok(Some(Event::Closed { code, reason })) => break Some(Ended { code, reason, by: By::Peer }),
                Ok(Some(event)) => rings |= state.apply(event, &mut wakers),
                Err(error) => {
                    let by = match error {
                        Error::Silent { .. } | Error::ResumeExpired { .. } => By::Carrier,
                        _ => By::Local,
                    };
                    break Some(Ended { code: error.code(), reason: std::format!("{error}"), by });
                }
            }
        };
        if let Some(ended) = ended
            && state.ended.is_none()
        {
            wakers.extend(state.end(ended));
            rings = true;
        }
        rings |= state.draining && !state.connection.has_unsent();
        drop(state);
        if rings {
            self.shared.changed.notify_waiters();
        }
        wakers.into_iter().for_each(Waker::wake);
    }

    fn carrier_lost(&mut self, reason: &str) {
        let now = self.shared.now();
        let mut state = self.shared.lock();
        if self.carrier != state.carriers {
            // Another has its place already.
            drop(state);
            self.drop_carrier();
            return;
        }
        if state.connection.carrier_lost(now) {
            state.lost_because = Some(reason.into());
            self.digest(state);
            self.drop_carrier();
            return;
        }
        let ended = Ended { code: Code::SILENT, reason: reason.into(), by: By::Carrier };
        state.connection.close(Code::SILENT, reason);
        let wakers = state.end(ended.clone());
        let ended = state.ended.clone().unwrap_or(ended);
        drop(state);
        self.shared.changed.notify_waiters();
        wakers.into_iter().for_each(Waker::wake);
        // There is nobody left to say farewell to.
        self.drop_carrier();
        self.farewell = Some(ended);
    }

    fn drop_carrier(&mut self) {
        self.io = None;
        self.batch = VecDeque::new();
        (self.buffer, self.used_buffer) = (BytesMut::new(), BytesMut::new());
        self.unflushed = false;
    }

    /// Asks to be woken from now on, and changes carriers when told to. `Ready` when the carrier is another session's now.
    fn poll_carrier(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        let mut state = self.shared.lock();
        state.driver = Some(cx.waker().clone());
        if let Some(session) = state.yields_to.take() {
            let ended = Ended {
                code: Code::NO_ERROR,
                reason: "its carrier goes on with another session".into(),
                by: By::Local,
            };
            let wakers = state.end(ended.clone());
            drop(state);
            self.shared.changed.notify_waiters();
            wakers.into_iter().for_each(Waker::wake);
            let mut other = session.lock();
            other.next_carrier = self.io.take();
            other.wake_driver();
            return Poll::Ready(ended);
        }
        let next = state.next_carrier.take();
        let carriers = state.carriers;
        let is_lost = matches!(state.standing, Standing::Lost(_));
        self.is_yielded = matches!(state.standing, Standing::Yielded(_));
        if let Some(ended) = state.ended.clone()
            && self.farewell.is_none()
        {
            // The session has ended: what is left is to say so, within a bounded time.
            self.farewell = Some(ended);
        }
        drop(state);
        if self.carrier != carriers || (is_lost && self.io.is_some()) {
            self.carrier = carriers;
            self.drop_carrier();
        }
        if next.is_some() {
            self.io = next;
        }
        Poll::Pending
    }

    /// Cuts frames as long as the batch is short, and writes.
    fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<Progress>> {
        let mut progress = Progress::None;
        loop {
            if self.batch.is_empty() {
                self.fill_batch();
            }
            if self.batch.is_empty() {
                break;
            }
            let Some(io) = &mut self.io else { return Poll::Pending };
            let written = if io.is_write_vectored() {
                let mut slices = [IoSlice::new(&[]); BATCH_PIECES];
                let mut count = 0;
                for (slice, piece) in slices.iter_mut().zip(&self.batch) {
                    *slice = IoSlice::new(piece);
                    count += 1;
                }
                Pin::new(io).poll_write_vectored(cx, slices.get(..count).unwrap_or_default())
            } else {
                let front = self.batch.front().map_or(&[][..], |piece| piece);
                Pin::new(io).poll_write(cx, front)
            };
            match written {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into())),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(length)) => {
                    self.advance(length);
                    self.unflushed = true;
                    progress = Progress::Some;
                }
            }
        }
        if self.unflushed
            && let Some(io) = &mut self.io
        {
            match Pin::new(io).poll_flush(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(outcome) => outcome?,
            }
            self.unflushed = false;
        }
        Poll::Ready(Ok(progress))
    }

    fn fill_batch(&mut self) {
        let now = self.shared.now();
        let Some(io) = &self.io else { return };
        let vectored = io.is_write_vectored();
        let mut bytes = 0;
        let mut writable: Vec<Waker> = Vec::new();
        let mut state = self.shared.lock();
        if self.carrier != state.carriers {
            return;
        }
        while bytes < BATCH_BYTES {
            let Some(piece) = state.connection.poll_transmit(now, BATCH_BYTES - bytes) else { break };
            bytes += piece.len();
            self.batch.push_back(piece);
        }
        let drained = state.draining && !state.connection.has_unsent();
        // Room that was made is told at once, so that senders fill it while the carrier writes.
        while let Ok(Some(event)) = state.connection.poll_event() {
            state.apply(event, &mut writable);
        }
        drop(state);
        writable.into_iter().for_each(Waker::wake);
        if drained {
            self.shared.changed.notify_waiters();
        }
        if !vectored && self.batch.len() > 1 {
            let mut gathered = BytesMut::with_capacity(bytes);
            for piece in self.batch.drain(..) {
                gathered.extend_from_slice(&piece);
            }
            self.batch.push_back(gathered.freeze());
        }
    }

    fn advance(&mut self, mut length: usize) {
        while let Some(front) = self.batch.front_mut() {
            if front.len() > length {
                front.advance(length);
                return;
            }
            length -= front.len();
            self.batch.pop_front();
        }
    }

    /// Ready at once the first time; from then on the connection says when.
    fn sleep(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(Duration::ZERO))).as_mut().poll(cx)
    }

    fn sleep_for(&mut self, wait: Duration) {
        let at = Instant::now() + wait;
        match &mut self.timer {
            Some(timer) => timer.as_mut().reset(at),
            None => self.timer = Some(Box::pin(tokio::time::sleep_until(at))),
        }
    }

    /// Asks the connection for its deadline and meets it.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<Progress> {
        let now = self.shared.now();
        let mut state = self.shared.lock();
        let mut deadline = state.connection.poll_timeout();
        let is_due = deadline.is_some_and(|deadline| deadline <= now);
        if is_due {
            state.connection.handle_timeout(now);
            deadline = state.connection.poll_timeout();
            self.digest(state);
        } else {
            drop(state);
        }
        if let Some(deadline) = deadline
            && self.armed.is_none_or(|armed| deadline < armed)
        {
            self.armed = Some(deadline);
            self.sleep_for(Duration::from_micros(deadline.0.saturating_sub(now.0)).max(Duration::from_millis(1)));
        }
        if self.armed.is_some() && self.sleep(cx).is_ready() {
            self.armed = None;
            return Poll::Ready(Progress::Some);
        }
        if is_due { Poll::Ready(Progress::Some) } else { Poll::Pending }
    }
}

impl State {
    /// Hands an event to the handle it is for; whether `changed` is to be rung.
    fn apply(&mut self, event: Event, wakers: &mut Vec<Waker>) -> bool {
        match event {
            Event::Connected(hello) => {
                self.hello = Some(hello);
                self.standing = Standing::Connected;
                return true;
            }
            Event::Resumed => {
                self.standing = Standing::Connected;
                return true;
            }
            Event::Lost => {
                let because = self.lost_because.take();
                self.standing = Standing::Lost(because.unwrap_or_else(|| "nothing was heard for too long".into()));
                return true;
            }
            Event::Resuming(resume) => {
                self.standing = Standing::Yielded(resume);
                return true;
            }
            Event::Draining { retry_after_millis, reason } => {
                self.peer_drains = Some((Duration::from_millis(retry_after_millis.into()), reason));
                return true;
            }
            Event::Opened { channel, open } => {
                self.incoming.push_back((channel, open));
                self.channels.insert(channel, Box::default());
                return true;
            }
            Event::Data { channel, data } => match self.channels.get_mut(&channel) {
                Some(handle) => wakers.extend(handle.push(data)),
                // Its handle was dropped: the credit goes back.
                None => {
                    let _ = self.connection.consumed(channel, data.len());
                }
            },
            Event::Accepted { channel, fields } => {
                wakers.extend(self.channels.get_mut(&channel).and_then(|handle| handle.accept(fields)));
            }
            Event::Finished { channel } => {
                wakers.extend(self.channels.get_mut(&channel).and_then(|handle| handle.finish()));
            }
            Event::Writable { channel } => {
                wakers.extend(self.channels.get_mut(&channel).and_then(|handle| handle.writable()));
            }
            Event::Stopped { channel, code, reason } => {
                let ended = Ended { code, reason, by: By::Peer };
                wakers.extend(self.channels.get_mut(&channel).and_then(|handle| handle.stop(ended)));
            }
            Event::Reset { channel, code, reason } => {
                self.end_channel(channel, Ended { code, reason, by: By::Peer }, wakers);
            }
            Event::TimedOut { channel, code } => {
                self.end_channel(channel, Ended { code, reason: String::new(), by: By::Local }, wakers);
            }
            Event::Closed { .. } => {}
        }
        false
    }
}

impl State {
    fn end_channel(&mut self, channel: ChannelId, ended: Ended, wakers: &mut Vec<Waker>) {
        if let Some(handle) = self.channels.get_mut(&channel) {
            handle.end(ended, wakers);
        }
        // Nobody took it yet: then nobody has to hear of it.
        let waiting = self.incoming.len();
        self.incoming.retain(|(id, _)| *id != channel);
        if self.incoming.len() < waiting {
            self.channels.remove(&channel);
        }
    }
}

impl Future for Driver {
    type Output = Ended;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended> {
        let this = self.get_mut();
        loop {
            let was_ending = this.farewell.is_some();
            if let Poll::Ready(yielded) = this.poll_carrier(cx) {
                return Poll::Ready(yielded);
            }
            if this.farewell.is_some() && !was_ending {
                this.sleep_for(FAREWELL);
            }
            if let Some(ended) = &this.farewell {
                let ended = ended.clone();
                let carrier_is_gone = this.io.is_none() || (ended.by == By::Carrier && ended.code == Code::SILENT);
                let out_of_time = this.sleep(cx).is_ready();
                if carrier_is_gone || out_of_time {
                    return Poll::Ready(ended);
                }
                return match this.poll_output(cx) {
                    Poll::Pending => Poll::Pending,
                    Poll::Ready(Err(_)) => Poll::Ready(ended),
                    Poll::Ready(Ok(_)) => match &mut this.io {
                        Some(io) => Pin::new(io).poll_shutdown(cx).map(|_| ended),
                        None => Poll::Ready(ended),
                    },
                };
            }

            let mut progress = false;
            match this.poll_output(cx) {
                Poll::Ready(Ok(Progress::Some)) => progress = true,
                Poll::Ready(Ok(Progress::None)) | Poll::Pending => {}
                Poll::Ready(Err(error)) => {
                    this.carrier_lost(&std::format!("the connection broke: {error}"));
                    continue;
                }
            }
            if !this.is_yielded {
                progress |= this.poll_input(cx).is_ready();
            }
            progress |= this.poll_timer(cx).is_ready();
            if !progress {
                return Poll::Pending;
            }
        }
    }
}
