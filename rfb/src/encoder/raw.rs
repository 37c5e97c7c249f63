//! Raw: pixels, row by row.
//!
//! Spec: RFC 6143 §7.7.1.

use alloc::vec::Vec;

use super::{Framebuffer, Rectangle, Writing, rows};

pub(super) fn put(framebuffer: &Framebuffer, part: Rectangle, writing: &Writing, out: &mut Vec<u8>) {
    out.reserve(part.pixels() * writing.bytes());
    for row in rows(framebuffer, part) {
        writing.put_row(row, out);
    }
}
