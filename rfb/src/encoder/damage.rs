//! What has changed since the client saw it.

use alloc::vec::Vec;

use crate::Rectangle;

/// So many parts are kept apart; beyond that they become one that contains all.
const MAX_PARTS: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Damage {
    /// INVARIANT: at most `MAX_PARTS`, none is empty, none contains another.
    parts: Vec<Rectangle>,
}

impl Damage {
    pub(super) fn add(&mut self, part: Rectangle) {
        if part.is_empty() || self.parts.iter().any(|other| other.contains(&part)) {
            return;
        }
        self.parts.retain(|other| !part.contains(other));
        self.parts.push(part);
        if self.parts.len() > MAX_PARTS {
            let all = self.parts.drain(..).fold(Rectangle::default(), |all, part| all.union(&part));
            self.parts.push(all);
        }
    }

    /// Takes out what lies in `wanted`; the rest stays.
    pub(super) fn take(&mut self, wanted: &Rectangle) -> Vec<Rectangle> {
        let mut taken = Vec::new();
        for part in core::mem::take(&mut self.parts) {
            match part.intersection(wanted) {
                None => self.add(part),
                Some(common) => {
                    taken.push(common);
                    part.without(wanted).into_iter().for_each(|rest| self.add(rest));
                }
            }
        }
        taken
    }
}
