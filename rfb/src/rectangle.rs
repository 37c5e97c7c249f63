//! A part of the framebuffer.

use bytes::BufMut;

use crate::reader::Reader;

/// A part of the framebuffer, in pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rectangle {
    /// Left edge.
    pub x: u16,
    /// Top edge.
    pub y: u16,
    /// Width.
    pub width: u16,
    /// Height.
    pub height: u16,
}

impl Rectangle {
    /// From its left upper corner and its size.
    pub const fn new(x: u16, y: u16, width: u16, height: u16) -> Self {
        Self { x, y, width, height }
    }

    /// Whether it has no pixels.
    pub fn is_empty(&self) -> bool {
        self.width == 0 || self.height == 0
    }

    /// How many pixels it has.
    pub fn pixels(&self) -> usize {
        usize::from(self.width).saturating_mul(usize::from(self.height))
    }

    /// The first column to the right of it.
    pub fn right(&self) -> u32 {
        u32::from(self.x) + u32::from(self.width)
    }

    /// The first row below it.
    pub fn bottom(&self) -> u32 {
        u32::from(self.y) + u32::from(self.height)
    }

    /// Whether all of `other` lies in it, edges included.
    pub fn contains(&self, other: &Self) -> bool {
        self.x <= other.x && self.y <= other.y && other.right() <= self.right() && other.bottom() <= self.bottom()
    }

    /// What both have in common; `None` if that is nothing.
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        let common = Self::between(
            self.x.max(other.x),
            self.y.max(other.y),
            self.right().min(other.right()),
            self.bottom().min(other.bottom()),
        );
        (!common.is_empty()).then_some(common)
    }

    /// The smallest rectangle that contains both; an empty one adds nothing.
    pub fn union(&self, other: &Self) -> Self {
        match (self.is_empty(), other.is_empty()) {
            (true, _) => *other,
            (_, true) => *self,
            _ => Self::between(
                self.x.min(other.x),
                self.y.min(other.y),
                self.right().max(other.right()),
                self.bottom().max(other.bottom()),
            ),
        }
    }

    /// What is left of it without `other`: above, below, left and right of that, each possibly empty.
    pub(crate) fn without(&self, other: &Self) -> [Self; 4] {
        let Some(hole) = self.intersection(other) else {
            return [*self, Self::default(), Self::default(), Self::default()];
        };
        let (hole_right, hole_bottom) = (edge(hole.right()), edge(hole.bottom()));
        [
            Self::between(self.x, self.y, self.right(), hole.y.into()),
            Self::between(self.x, hole_bottom, self.right(), self.bottom()),
            Self::between(self.x, hole.y, hole.x.into(), hole.bottom()),
            Self::between(hole_right, hole.y, self.right(), hole.bottom()),
        ]
    }

    /// From its edges; empty if they are the wrong way round.
    fn between(x: u16, y: u16, right: u32, bottom: u32) -> Self {
        Self { x, y, width: edge(right.saturating_sub(x.into())), height: edge(bottom.saturating_sub(y.into())) }
    }

    /// The tile of at most `size` by `size` pixels that follows `previous`, left to right, top to bottom; the first
    /// without one; `None` after the last.
    pub(crate) fn next_tile(&self, previous: Option<&Self>, size: u16) -> Option<Self> {
        if self.is_empty() {
            return None;
        }
        let (x, y) = match previous {
            None => (self.x.into(), self.y.into()),
            Some(tile) if tile.right() < self.right() => (tile.right(), u32::from(tile.y)),
            Some(tile) => (self.x.into(), tile.bottom()),
        };
        if y >= self.bottom() {
            return None;
        }
        let size = u32::from(size);
        Some(Self {
            x: edge(x),
            y: edge(y),
            width: edge(size.min(self.right() - x)),
            height: edge(size.min(self.bottom() - y)),
        })
    }

    /// All tiles of at most `size` by `size` pixels.
    pub(crate) fn tiles(self, size: u16) -> impl Iterator<Item = Self> {
        core::iter::successors(self.next_tile(None, size), move |tile| self.next_tile(Some(tile), size))
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { x: reader.u16()?, y: reader.u16()?, width: reader.u16()?, height: reader.u16()? })
    }

    pub(crate) fn encode(&self, out: &mut impl BufMut) {
        out.put_u16(self.x);
        out.put_u16(self.y);
        out.put_u16(self.width);
        out.put_u16(self.height);
    }
}

/// Back to sixteen bits: edges of what lies in a framebuffer fit.
fn edge(value: u32) -> u16 {
    u16::try_from(value).unwrap_or(u16::MAX)
}
