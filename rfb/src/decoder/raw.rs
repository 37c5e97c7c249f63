//! Raw: pixels, row by row. Painted in bands of whole rows.
//!
//! Spec: RFC 6143 §7.7.1.

use super::{Canvas, Error, Happened, Input, Rectangle, Step};

/// How many pixels are painted at once, unless one row has more.
const BAND_PIXELS: usize = 8 * 1024;

#[derive(Debug)]
pub(super) struct Rows {
    /// What is still to come.
    rest: Rectangle,
}

impl Rows {
    pub(super) fn new(rectangle: Rectangle) -> Self {
        Self { rest: rectangle }
    }

    pub(super) fn step(&mut self, input: &mut Input, canvas: &mut Canvas) -> Result<Step, Error> {
        if self.rest.is_empty() {
            return Ok(Step::Done);
        }
        let rows = (BAND_PIXELS / usize::from(self.rest.width)).max(1);
        let rows = u16::try_from(rows).unwrap_or(u16::MAX).min(self.rest.height);
        let band = Rectangle { height: rows, ..self.rest };

        let Some(wire) = input.take(band.pixels() * canvas.pixels.bytes()) else { return Ok(Step::Wait) };
        self.rest.y = self.rest.y.saturating_add(rows);
        self.rest.height -= rows;
        canvas.rgba.clear();
        canvas.pixels.many(&wire, &canvas.map, &mut canvas.rgba);
        Ok(Step::Happened(Happened::Pixels(band)))
    }
}
