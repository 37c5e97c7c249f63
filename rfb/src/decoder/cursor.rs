//! Cursor: the shape of the cursor, as pixels and a mask of bits.
//!
//! Spec: RFC 6143 §7.8.1.

use super::{Canvas, Happened, Input, Rectangle, Step};

pub(super) fn step(shape: Rectangle, input: &mut Input, canvas: &mut Canvas) -> Step {
    let pixel_bytes = shape.pixels() * canvas.pixels.bytes();
    let mask_row_bytes = usize::from(shape.width).div_ceil(8);
    let Some(wire) = input.take(pixel_bytes + mask_row_bytes * usize::from(shape.height)) else { return Step::Wait };
    let Some((pixels, mask)) = wire.split_at_checked(pixel_bytes) else { return Step::Wait };

    canvas.rgba.clear();
    canvas.pixels.many(pixels, &canvas.map, &mut canvas.rgba);
    if !shape.is_empty() {
        let rows = canvas.rgba.chunks_exact_mut(shape.width.into());
        for (row, mask) in rows.zip(mask.chunks_exact(mask_row_bytes)) {
            let bits = mask.iter().flat_map(|byte| (0..8).map(move |bit| byte << bit & 0x80 != 0));
            for (pixel, opaque) in row.iter_mut().zip(bits) {
                if !opaque {
                    *pixel = [0; 4];
                }
            }
        }
    }
    Step::Happened(Happened::Cursor(shape))
}
