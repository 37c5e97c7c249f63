//! One bound on memory for all sessions of a process.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};

/// How much all sessions that share it may hold, in bytes. Clones are the same budget.
///
/// Two things count. Of what is received, what peers may send (the windows of the channels), not what they have sent: a
/// promise cannot be taken back. Of what is sent, what is kept until the peer has it (the replay rings).
///
/// A new channel finds room in all of it, or is refused with [`Code::BUDGET`](crate::Code::BUDGET). Windows and rings grow in the
/// first three quarters only, so that new channels find something; beyond that a session keeps no more than 64 KiB, which it may
/// always keep: it goes on, but slowly.
///
/// What waits to be sent does not count. What bounds it is [`Limits::max_unsent_bytes`](crate::Limits::max_unsent_bytes) for each
/// channel, and each channel has its window out of the budget: with the defaults, 128 KiB beside 256 KiB, it is half of the budget
/// at most.
///
/// So a process may hold more than its budget by 64 KiB for each of its sessions and, with the defaults, by a half.
#[derive(Clone, Debug)]
pub struct MemoryBudget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    max_bytes: usize,
    promised_bytes: AtomicUsize,
}

/// What a session may keep of what it sent when the budget is used up, in bytes.
const ALWAYS_KEPT_BYTES: usize = 64 * 1024;

impl MemoryBudget {
    /// A budget of `max_bytes`.
    pub fn new(max_bytes: usize) -> Self {
        Self(Arc::new(Inner { max_bytes, promised_bytes: AtomicUsize::new(0) }))
    }

    /// What may be promised to peers and kept for them in all, in bytes.
    pub fn max_bytes(&self) -> usize {
        self.0.max_bytes
    }

    /// What has been promised to peers and is kept for them, in bytes.
    pub fn promised_bytes(&self) -> usize {
        self.0.promised_bytes.load(Ordering::Relaxed)
    }

    fn three_quarters(&self) -> usize {
        self.0.max_bytes - self.0.max_bytes / 4
    }

    /// Promises so much more, if it stays within a share of the budget.
    fn promise(&self, bytes: usize, max_bytes: usize) -> bool {
        let promised = &self.0.promised_bytes;
        let within = |sum: usize| sum.checked_add(bytes).filter(|sum| *sum <= max_bytes);
        promised.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within).is_ok()
    }
}

/// Two are equal if they are the same.
impl PartialEq for MemoryBudget {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for MemoryBudget {}

/// What one session has promised; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Promised {
    budget: MemoryBudget,
    bytes: u64,
}

impl Promised {
    pub(crate) fn new(budget: MemoryBudget) -> Self {
        Self { budget, bytes: 0 }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// A window for a new channel: as long as there is anything left.
    pub(crate) fn begin(&mut self, bytes: u64) -> bool {
        self.promise(bytes, self.budget.0.max_bytes)
    }

    /// More for a channel that has some: only out of the first three quarters, so that new ones find something.
    pub(crate) fn grow(&mut self, bytes: u64) -> bool {
        self.promise(bytes, self.budget.three_quarters())
    }

    fn promise(&mut self, bytes: u64, max_bytes: usize) -> bool {
        let done = usize::try_from(bytes).is_ok_and(|bytes| self.budget.promise(bytes, max_bytes));
        self.bytes += if done { bytes } else { 0 };
        done
    }

    pub(crate) fn give_back(&mut self, bytes: u64) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        self.budget.0.promised_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Promised {
    fn drop(&mut self) {
        self.give_back(self.bytes);
    }
}

/// What one session keeps of what it sent; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Kept {
    budget: MemoryBudget,
    bytes: usize,
}

impl Kept {
    pub(crate) fn new(budget: MemoryBudget) -> Self {
        Self { budget, bytes: 0 }
    }

    /// So much is kept now. It is there already, so that it cannot fail.
    pub(crate) fn set(&mut self, bytes: usize) {
        let promised = &self.budget.0.promised_bytes;
        match bytes.checked_sub(self.bytes) {
            Some(more) => promised.fetch_add(more, Ordering::Relaxed),
            None => promised.fetch_sub(self.bytes - bytes, Ordering::Relaxed),
        };
        self.bytes = bytes;
    }

    /// Whether no more should be kept.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes >= ALWAYS_KEPT_BYTES && self.budget.promised_bytes() >= self.budget.three_quarters()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.set(0);
    }
}
