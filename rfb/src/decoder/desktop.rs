//! DesktopName and ExtendedDesktopSize.
//!
//! Spec: the RFB community's specification.

use alloc::vec::Vec;

use super::{Error, Event, Happened, Input, Limits, Rectangle, Screen, Step};
use crate::{limits::size, reader::Reader, security::text};

/// A name after its length.
#[derive(Debug, Default)]
pub(super) struct Name {
    bytes: Option<usize>,
}

impl Name {
    pub(super) fn step(&mut self, input: &mut Input, limits: &Limits) -> Result<Step, Error> {
        let bytes = match self.bytes {
            Some(bytes) => bytes,
            None => {
                let Some(bytes) = input.array().map(u32::from_be_bytes) else { return Ok(Step::Wait) };
                limits.name(bytes)?;
                *self.bytes.insert(size(bytes))
            }
        };
        let Some(name) = input.take(bytes) else { return Ok(Step::Wait) };
        Ok(Step::Happened(Happened::Other(Event::Renamed(text(&name)))))
    }
}

/// A number of screens, and the screens. The rectangle's place says who changed the size and whether that worked.
#[derive(Debug)]
pub(super) struct Layout {
    rectangle: Rectangle,
    screens: Option<u8>,
}

/// This client asked for the size: only then the status says whether it worked.
const ASKED_BY_THIS_CLIENT: u16 = 1;

impl Layout {
    pub(super) fn new(rectangle: Rectangle) -> Self {
        Self { rectangle, screens: None }
    }

    pub(super) fn step(&mut self, input: &mut Input) -> Step {
        let count = match self.screens {
            Some(count) => count,
            None => {
                let Some([count, _, _, _]) = input.array() else { return Step::Wait };
                *self.screens.insert(count)
            }
        };
        let Some(wire) = input.take(usize::from(count) * Screen::BYTES) else { return Step::Wait };
        let mut reader = Reader::new(&wire);
        let screens: Vec<Screen> = core::iter::from_fn(|| Screen::read(&mut reader)).collect();

        let Rectangle { x: reason, y: status, width, height } = self.rectangle;
        let event = match (reason, status) {
            (ASKED_BY_THIS_CLIENT, 1..) => Event::ResizeRefused { status },
            _ => Event::Resized { width, height, screens },
        };
        Step::Happened(Happened::Other(event))
    }
}
