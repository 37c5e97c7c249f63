//! One bound on memory for all sessions of a process.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};

/// How much all sessions that share it may have promised to take in, in bytes. Clones are the same budget.
///
/// What counts is what peers may send, not what they have sent: a promise cannot be taken back.
#[derive(Clone, Debug)]
pub struct MemoryBudget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    max_bytes: usize,
    promised_bytes: AtomicUsize,
}

impl MemoryBudget {
    /// A budget of `max_bytes`.
    pub fn new(max_bytes: usize) -> Self {
        Self(Arc::new(Inner { max_bytes, promised_bytes: AtomicUsize::new(0) }))
    }

    /// What may be promised in all, in bytes.
    pub fn max_bytes(&self) -> usize {
        self.0.max_bytes
    }

    /// What has been promised, in bytes.
    pub fn promised_bytes(&self) -> usize {
        self.0.promised_bytes.load(Ordering::Relaxed)
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
        self.promise(bytes, self.budget.0.max_bytes - self.budget.0.max_bytes / 4)
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
