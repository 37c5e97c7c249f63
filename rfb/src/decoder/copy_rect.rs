//! CopyRect: what the client has already, elsewhere.
//!
//! Spec: RFC 6143 §7.7.2.

use super::{Error, Happened, Input, Rectangle, Step};

pub(super) fn step(rectangle: &Rectangle, size: &Rectangle, input: &mut Input) -> Result<Step, Error> {
    let Some([x_high, x_low, y_high, y_low]) = input.array() else { return Ok(Step::Wait) };
    let (from_x, from_y) = (u16::from_be_bytes([x_high, x_low]), u16::from_be_bytes([y_high, y_low]));
    if !size.contains(&Rectangle { x: from_x, y: from_y, ..*rectangle }) {
        return Err(Error::Malformed { what: "CopyRect", reason: "its source is outside of the framebuffer" });
    }
    if rectangle.is_empty() {
        return Ok(Step::Done);
    }
    Ok(Step::Happened(Happened::Copy { rectangle: *rectangle, from_x, from_y }))
}
