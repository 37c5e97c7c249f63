//! Whose data goes next: the most urgent first, in turn by bytes among equals, and nobody waits for ever.
//!
//! Spec: PROTOCOL.md §11.1.

use alloc::collections::VecDeque;

use super::Micros;
use crate::{ChannelId, Urgency};

/// Who is passed over for so long gets a turn.
const AGING_MICROS: u64 = 200_000;
const CLASSES: usize = Urgency::BULK.0 as usize + 1;

#[derive(Debug, Default)]
struct Class {
    channels: VecDeque<ChannelId>,
    /// When it was last served, or began to wait.
    served_at: Micros,
}

/// Channels with data that their own credit lets go, each at most once.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    classes: [Class; CLASSES],
    /// How many stand in all classes.
    count: usize,
}

impl Schedule {
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Gets in line: first, if it still has its turn.
    pub(super) fn push(&mut self, now: Micros, urgency: Urgency, id: ChannelId, keeps_turn: bool) {
        let Some(class) = self.classes.get_mut(usize::from(urgency.0)) else { return };
        if class.channels.is_empty() {
            class.served_at = now;
        }
        match keeps_turn {
            true => class.channels.push_front(id),
            false => class.channels.push_back(id),
        }
        self.count += 1;
    }

    pub(super) fn pop(&mut self, urgency: Urgency) -> Option<ChannelId> {
        let class = self.classes.get_mut(usize::from(urgency.0))?;
        let id = class.channels.pop_front()?;
        self.count -= 1;
        if class.channels.is_empty() {
            class.channels = VecDeque::new();
        }
        Some(id)
    }

    pub(super) fn served(&mut self, now: Micros, urgency: Urgency) {
        if let Some(class) = self.classes.get_mut(usize::from(urgency.0)) {
            class.served_at = now;
        }
    }

    /// The classes that wait, with how many stand in each, in the order in which they are to be served: first those that were
    /// passed over for too long, and of them the one first that is passed over most easily.
    pub(super) fn order(&self, now: Micros) -> impl Iterator<Item = (Urgency, usize)> + use<> {
        let mut order = [(Urgency::BULK, 0); 2 * CLASSES];
        let (old, young) = order.split_at_mut(CLASSES);
        let classes = (0..).map(Urgency).zip(&self.classes);
        for (((urgency, class), young), old) in classes.zip(young).zip(old.iter_mut().rev()) {
            let is_old = now.0.saturating_sub(class.served_at.0) >= AGING_MICROS;
            *(if is_old { old } else { young }) = (urgency, class.channels.len());
        }
        order.into_iter().filter(|(_, count)| *count > 0)
    }
}
