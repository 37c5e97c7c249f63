//! The handle of one channel: bytes without copies, or AsyncRead and AsyncWrite.

use std::{
    boxed::Box,
    collections::VecDeque,
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    vec::Vec,
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{By, Ended, Shared, State};
use crate::{ChannelId, Code, Fields};

/// Chunks below this many bytes are gathered, so that many small ones cost no more than their bytes.
const SMALL_BYTES: usize = 1024;

/// What has arrived and was not received yet.
#[derive(Default)]
struct Arrived {
    queue: VecDeque<Bytes>,
    /// Small chunks after the end of `queue`.
    tail: BytesMut,
}

/// What the driver keeps for a channel whose handle lives. There are many, and most are idle: what they rarely have is not kept in
/// place.
#[derive(Default)]
pub(super) struct Handle {
    arrived: Option<Box<Arrived>>,
    is_accepted: bool,
    /// What the peer said about it, if anything.
    fields: Option<Box<Fields>>,
    /// The peer's FIN stands behind `arrived`.
    finished: bool,
    /// The peer will not read more.
    stopped: Option<Box<Ended>>,
    /// The channel is gone.
    ended: Option<Box<Ended>>,
    receiver: Option<Waker>,
    sender: Option<Waker>,
}

impl Handle {
    pub(super) fn push(&mut self, data: Bytes) -> Option<Waker> {
        let Arrived { queue, tail } = &mut **self.arrived.get_or_insert_default();
        if data.len() < SMALL_BYTES {
            tail.extend_from_slice(&data);
        } else {
            if !tail.is_empty() {
                queue.push_back(tail.split().freeze());
            }
            queue.push_back(data);
        }
        self.receiver.take()
    }

    pub(super) fn accept(&mut self, fields: Fields) -> Option<Waker> {
        self.is_accepted = true;
        self.fields = (fields != Fields::new()).then(|| Box::new(fields));
        self.receiver.take()
    }

    pub(super) fn finish(&mut self) -> Option<Waker> {
        self.finished = true;
        self.receiver.take()
    }

    pub(super) fn stop(&mut self, why: Ended) -> Option<Waker> {
        self.stopped = Some(Box::new(why));
        self.sender.take()
    }

    pub(super) fn writable(&mut self) -> Option<Waker> {
        self.sender.take()
    }

    pub(super) fn end(&mut self, why: Ended, wakers: &mut Vec<Waker>) {
        // What has arrived can still be read, unless it is this side that wants nothing more.
        if why.by == By::Local {
            self.arrived = None;
        }
        self.ended.get_or_insert_with(|| Box::new(why));
        wakers.extend(self.receiver.take());
        wakers.extend(self.sender.take());
    }

    fn pop(&mut self) -> Option<Bytes> {
        let Arrived { queue, tail } = &mut **self.arrived.as_mut()?;
        let data = queue.pop_front().unwrap_or_else(|| core::mem::take(tail).freeze());
        if queue.is_empty() && tail.is_empty() {
            self.arrived = None;
        }
        Some(data)
    }
}

/// One stream of bytes in a session. Dropped before it has finished, it is reset with [`Code::CANCEL`]; dropped after
/// that, but before the peer has finished, the peer is told to stop.
#[derive(Debug)]
pub struct Channel {
    receive: ReceiveHalf,
    send: SendHalf,
}

/// The receiving direction of a [`Channel`]. Dropped before the peer has finished, it tells the peer to stop.
#[derive(Debug)]
pub struct ReceiveHalf {
    end: Arc<End>,
    /// What `AsyncRead` has begun to read.
    current: Bytes,
    done: bool,
}

/// The sending direction of a [`Channel`]. Dropped before it has finished, it resets the channel.
#[derive(Debug)]
pub struct SendHalf {
    end: Arc<End>,
    done: bool,
}

/// Forgets the channel when both halves are gone.
pub(super) struct End {
    shared: Arc<Shared>,
    id: ChannelId,
}

impl std::fmt::Debug for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "channel {}", self.id)
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.shared.lock().channels.remove(&self.id);
    }
}

impl End {
    /// Looks at what the driver keeps for the channel. It is there as long as a half of it lives.
    fn poll_handle<T>(&self, look: impl FnOnce(&mut Handle) -> Poll<T>) -> Poll<T> {
        self.shared.lock().channels.get_mut(&self.id).map_or(Poll::Pending, |handle| look(handle))
    }

    pub(super) fn reset(&self, code: Code, reason: &str) {
        let mut wakers = Vec::new();
        self.command(|state| {
            if let Some(handle) = state.channels.get_mut(&self.id) {
                handle.end(Ended { code, reason: reason.into(), by: By::Local }, &mut wakers);
            }
            let _ = state.connection.reset(self.id, code, reason);
        });
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Calls the connection; a misuse cannot come from a handle, and what is gone is gone.
    fn command(&self, command: impl FnOnce(&mut State)) {
        let mut state = self.shared.lock();
        command(&mut state);
        if state.connection.wants_transmit() {
            state.wake_driver();
        }
    }
}

impl Channel {
    pub(super) fn new(shared: Arc<Shared>, id: ChannelId) -> Self {
        let end = Arc::new(End { shared, id });
        Self {
            receive: ReceiveHalf { end: end.clone(), current: Bytes::new(), done: false },
            send: SendHalf { end, done: false },
        }
    }

    /// The channel's number in its session.
    pub fn id(&self) -> ChannelId {
        self.send.end.id
    }

    pub(super) fn accept(&self, fields: Fields) {
        let end = &self.send.end;
        end.command(|state| {
            let _ = state.connection.accept(end.id, fields);
        });
    }

    /// Waits for the peer's answer to the channel that this side opened.
    ///
    /// # Errors
    ///
    /// The refusal, or the session's end.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn accepted(&mut self) -> Result<Fields, Ended> {
        self.receive.accepted().await
    }

    /// The next bytes, without a copy; `None` when the peer has finished.
    ///
    /// # Errors
    ///
    /// Why the channel is no more.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn recv(&mut self) -> Result<Option<Bytes>, Ended> {
        self.receive.recv().await
    }

    /// Sends bytes without a copy; waits while the peer grants no credit.
    ///
    /// # Errors
    ///
    /// Why the channel, or the peer's interest in it, is no more.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: it cannot be told how much of `data` was taken.
    pub async fn send(&mut self, data: Bytes) -> Result<(), Ended> {
        self.send.send(data).await
    }

    /// Ends this side's direction; the other goes on.
    ///
    /// # Errors
    ///
    /// Why the channel is no more.
    pub async fn finish(&mut self) -> Result<(), Ended> {
        self.send.finish()
    }

    /// Waits until the channel is gone: reset, or its session ended.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn broken(&mut self) -> Ended {
        poll_fn(|cx| {
            self.receive.end.poll_handle(|handle| match &handle.ended {
                Some(ended) => Poll::Ready((**ended).clone()),
                None => {
                    handle.receiver = Some(cx.waker().clone());
                    Poll::Pending
                }
            })
        })
        .await
    }

    /// What the channel can be reset with while its halves are elsewhere.
    pub(super) fn end(&self) -> Arc<End> {
        self.send.end.clone()
    }

    /// Ends both directions at once, or says no.
    pub fn reset(self, code: Code, reason: &str) {
        self.send.reset(code, reason);
    }

    /// The two directions by themselves.
    pub fn split(self) -> (ReceiveHalf, SendHalf) {
        (self.receive, self.send)
    }
}

impl ReceiveHalf {
    /// See [`Channel::accepted`].
    ///
    /// # Errors
    ///
    /// The refusal, or the session's end.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn accepted(&mut self) -> Result<Fields, Ended> {
        poll_fn(|cx| {
            self.end.poll_handle(|handle| {
                if handle.is_accepted {
                    return Poll::Ready(Ok(handle.fields.as_deref().cloned().unwrap_or_default()));
                }
                if let Some(ended) = &handle.ended {
                    return Poll::Ready(Err((**ended).clone()));
                }
                handle.receiver = Some(cx.waker().clone());
                Poll::Pending
            })
        })
        .await
    }

    /// See [`Channel::recv`].
    ///
    /// # Errors
    ///
    /// Why the channel is no more.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn recv(&mut self) -> Result<Option<Bytes>, Ended> {
        if self.current.has_remaining() {
            return Ok(Some(core::mem::take(&mut self.current)));
        }
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Appends to `chunks` what is here, one chunk at least and up to about `max_bytes`, without a copy, for whoever can write several
    /// at once; how many bytes that were, 0 when the peer has finished.
    ///
    /// # Errors
    ///
    /// Why the channel is no more.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn recv_many(&mut self, chunks: &mut VecDeque<Bytes>, max_bytes: usize) -> Result<usize, Ended> {
        if self.current.has_remaining() {
            let length = self.current.len();
            chunks.push_back(core::mem::take(&mut self.current));
            return Ok(length);
        }
        poll_fn(|cx| self.poll_take(cx, max_bytes, |chunk| chunks.push_back(chunk))).await
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Ended>> {
        let mut data = None;
        let taken = ready!(self.poll_take(cx, 1, |chunk| data = Some(chunk)));
        Poll::Ready(taken.map(|_| data))
    }

    /// Takes one chunk, and others as long as all together are shorter than `max_bytes`; how many bytes, 0 at the end.
    fn poll_take(
        &mut self,
        cx: &mut Context<'_>,
        max_bytes: usize,
        mut take: impl FnMut(Bytes),
    ) -> Poll<Result<usize, Ended>> {
        let mut state = self.end.shared.lock();
        let state = &mut *state;
        let Some(handle) = state.channels.get_mut(&self.end.id) else { return Poll::Ready(Err(gone())) };
        let mut taken = 0;
        while taken < max_bytes.max(1)
            && let Some(data) = handle.pop()
        {
            taken += data.len();
            take(data);
        }
        if taken > 0 {
            let _ = state.connection.consumed(self.end.id, taken);
            if state.connection.wants_transmit() {
                state.wake_driver();
            }
            return Poll::Ready(Ok(taken));
        }
        if handle.finished {
            self.done = true;
            return Poll::Ready(Ok(0));
        }
        if let Some(ended) = &handle.ended {
            self.done = true;
            return Poll::Ready(Err((**ended).clone()));
        }
        handle.receiver = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Waits until the channel is gone before the peer has finished: reset, or its session ended. Never, once the peer
    /// has finished: what it sent is whole and can be received.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn broken(&mut self) -> Ended {
        poll_fn(|cx| {
            self.end.poll_handle(|handle| match &handle.ended {
                Some(ended) if !handle.finished => Poll::Ready((**ended).clone()),
                _ => {
                    handle.receiver = Some(cx.waker().clone());
                    Poll::Pending
                }
            })
        })
        .await
    }

    /// Tells the peer that nothing more is read, and why.
    pub fn stop(mut self, code: Code, reason: &str) {
        self.stop_with(code, reason);
    }

    fn stop_with(&mut self, code: Code, reason: &str) {
        if !core::mem::replace(&mut self.done, true) {
            let id = self.end.id;
            self.end.command(|state| {
                let _ = state.connection.stop(id, code, reason);
            });
        }
    }
}

impl Drop for ReceiveHalf {
    fn drop(&mut self) {
        self.stop_with(Code::CANCEL, "");
    }
}

impl SendHalf {
    /// See [`Channel::send`].
    ///
    /// # Errors
    ///
    /// Why the channel, or the peer's interest in it, is no more.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: it cannot be told how much of `data` was taken.
    pub async fn send(&mut self, mut data: Bytes) -> Result<(), Ended> {
        while data.has_remaining() {
            poll_fn(|cx| self.poll_send(cx, &mut data)).await?;
        }
        Ok(())
    }

    /// Takes something off the front of `data`, or waits.
    fn poll_send(&mut self, cx: &mut Context<'_>, data: &mut Bytes) -> Poll<Result<usize, Ended>> {
        let mut state = self.end.shared.lock();
        let state = &mut *state;
        let Some(handle) = state.channels.get_mut(&self.end.id) else { return Poll::Ready(Err(gone())) };
        if let Some(ended) = handle.ended.as_ref().or(handle.stopped.as_ref()) {
            return Poll::Ready(Err((**ended).clone()));
        }
        if self.done {
            return Poll::Ready(Err(gone()));
        }
        match state.connection.send(self.end.id, data) {
            Ok(0) => {
                handle.sender = Some(cx.waker().clone());
                Poll::Pending
            }
            Ok(taken) => {
                state.wake_driver();
                Poll::Ready(Ok(taken))
            }
            Err(error) => {
                Poll::Ready(Err(Ended { code: error.code(), reason: std::format!("{error}"), by: By::Local }))
            }
        }
    }

    /// See [`Channel::finish`].
    ///
    /// # Errors
    ///
    /// Why the channel is no more.
    pub fn finish(&mut self) -> Result<(), Ended> {
        if core::mem::replace(&mut self.done, true) {
            return Ok(());
        }
        let id = self.end.id;
        let mut ended = None;
        self.end.command(|state| {
            ended = state.channels.get(&id).and_then(|handle| handle.ended.as_deref().cloned());
            let _ = state.connection.finish(id);
        });
        ended.map_or(Ok(()), Err)
    }

    /// Waits until the channel is gone, or the peer will not read more.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn broken(&mut self) -> Ended {
        poll_fn(|cx| {
            self.end.poll_handle(|handle| match handle.ended.as_ref().or(handle.stopped.as_ref()) {
                Some(ended) => Poll::Ready((**ended).clone()),
                None => {
                    handle.sender = Some(cx.waker().clone());
                    Poll::Pending
                }
            })
        })
        .await
    }

    /// Ends both directions at once.
    pub fn reset(mut self, code: Code, reason: &str) {
        self.reset_with(code, reason);
    }

    fn reset_with(&mut self, code: Code, reason: &str) {
        self.done = true;
        self.end.reset(code, reason);
    }
}

impl Drop for SendHalf {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let id = self.end.id;
        let stopped = self.end.shared.lock().channels.get(&id).is_some_and(|handle| handle.stopped.is_some());
        if stopped {
            // The peer wants nothing more anyway: the other direction may go on.
            let _ = self.finish();
        } else {
            self.reset_with(Code::CANCEL, "");
        }
    }
}

fn gone() -> Ended {
    Ended { code: Code::CANCEL, reason: "the channel is gone".into(), by: By::Local }
}

impl AsyncRead for ReceiveHalf {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.current.has_remaining() && buf.remaining() > 0 {
            match ready!(this.poll_recv(cx))? {
                Some(data) => this.current = data,
                None => return Poll::Ready(Ok(())),
            }
        }
        let part = this.current.split_to(this.current.len().min(buf.remaining()));
        buf.put_slice(&part);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for SendHalf {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        // Copy only as much as there is room for; with no room, one byte asks to be woken.
        let room = this.end.shared.lock().connection.room(this.end.id).max(1);
        let part = buf.get(..room.min(buf.len())).unwrap_or(buf);
        let mut data = Bytes::copy_from_slice(part);
        Poll::Ready(Ok(ready!(this.poll_send(cx, &mut data))?))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.get_mut().finish().map_err(Into::into))
    }
}

impl AsyncRead for Channel {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().receive).poll_read(cx, buf)
    }
}

impl AsyncWrite for Channel {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().send).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().send).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().send).poll_shutdown(cx)
    }
}
