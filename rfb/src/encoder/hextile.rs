//! Hextile: each tile as a background with rectangles on it, or raw if that is shorter.
//!
//! Spec: RFC 6143 §7.7.4.

use alloc::vec::Vec;

use super::{Framebuffer, Rectangle, Writing, tile_pixels};
use crate::decoder::hextile::{ANY_SUBRECTS, BACKGROUND_SPECIFIED, FOREGROUND_SPECIFIED, RAW, SUBRECTS_COLOURED, TILE};

pub(super) fn put(framebuffer: &Framebuffer, part: Rectangle, writing: &Writing, out: &mut Vec<u8>) {
    let mut pixels = Vec::with_capacity(usize::from(TILE * TILE));
    let (mut uncovered, mut subrects) = (Vec::new(), Vec::new());
    // What the client knows from the previous tile.
    let (mut background, mut foreground) = (None, None);

    for tile in part.tiles(TILE) {
        tile_pixels(framebuffer, tile, writing, &mut pixels);
        let behind = most_frequent(&pixels);
        let raw_bytes = tile.pixels() * writing.bytes();
        uncovered.clone_from(&pixels);
        let fits = find_subrects(&mut uncovered, tile.width.into(), behind, raw_bytes / 2, &mut subrects);

        let in_front = subrects.first().map(|subrect: &Subrect| subrect.colour);
        let coloured = subrects.iter().any(|subrect| Some(subrect.colour) != in_front);
        let each_bytes = 2 + if coloured { writing.bytes() } else { 0 };
        if !fits || 2 + 2 * writing.bytes() + subrects.len() * each_bytes > raw_bytes {
            out.push(RAW);
            pixels.iter().for_each(|pixel| writing.put(*pixel, out));
            (background, foreground) = (None, None);
            continue;
        }

        let new_background = background != Some(behind);
        let new_foreground = !coloured && in_front.is_some() && foreground != in_front;
        let flags = [
            (new_background, BACKGROUND_SPECIFIED),
            (new_foreground, FOREGROUND_SPECIFIED),
            (in_front.is_some(), ANY_SUBRECTS),
            (coloured, SUBRECTS_COLOURED),
        ];
        out.push(flags.into_iter().filter(|(set, _)| *set).fold(0, |flags, (_, flag)| flags | flag));
        if new_background {
            writing.put(behind, out);
        }
        if let (true, Some(colour)) = (new_foreground, in_front) {
            writing.put(colour, out);
        }
        if in_front.is_some() {
            out.push(u8::try_from(subrects.len()).unwrap_or(u8::MAX));
            for subrect in &subrects {
                if coloured {
                    writing.put(subrect.colour, out);
                }
                out.extend_from_slice(&[subrect.place, subrect.size]);
            }
        }
        background = Some(behind);
        foreground = if coloured { None } else { in_front.or(foreground) };
    }
}

struct Subrect {
    colour: u32,
    /// Column and row, four bits each.
    place: u8,
    /// Width and height less one, four bits each.
    size: u8,
}

/// The colour that most pixels have, of those that appear first.
fn most_frequent(pixels: &[u32]) -> u32 {
    let mut counts: [(u32, u16); 4] = [(0, 0); 4];
    for pixel in pixels {
        if let Some((colour, count)) = counts.iter_mut().find(|(colour, count)| *count == 0 || colour == pixel) {
            *colour = *pixel;
            *count += 1;
        }
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map_or(0, |(colour, _)| colour)
}

/// Covers all that is not background with rectangles, each as wide and then as high as possible; `false` if that takes
/// more than 255 or `max`. Each is painted over with the background once it is found.
fn find_subrects(pixels: &mut [u32], width: usize, background: u32, max: usize, subrects: &mut Vec<Subrect>) -> bool {
    subrects.clear();
    let max = max.min(255);
    let mut from = 0;
    while let Some(offset) = pixels.iter().skip(from).position(|pixel| *pixel != background) {
        from += offset;
        if subrects.len() == max {
            return false;
        }
        let Some(colour) = pixels.get(from).copied() else { return false };
        let (x, y) = (from % width, from / width);
        let same = |row: &&mut [u32], wide: usize| {
            row.get(x..x + wide).is_some_and(|part| part.iter().all(|pixel| *pixel == colour))
        };
        let wide = pixels.iter().skip(from).take(width - x).take_while(|pixel| **pixel == colour).count();
        let mut high = 0;
        for row in pixels.chunks_exact_mut(width).skip(y).take_while(|row| same(row, wide)) {
            row.get_mut(x..x + wide).unwrap_or_default().fill(background);
            high += 1;
        }
        let nibbles = |high: usize, low: usize| u8::try_from(high << 4 | low).unwrap_or(u8::MAX);
        subrects.push(Subrect { colour, place: nibbles(x, y), size: nibbles(wide - 1, high - 1) });
    }
    true
}
