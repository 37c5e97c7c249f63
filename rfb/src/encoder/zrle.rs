//! ZRLE: each tile in the shortest of its forms, all in one zlib stream for the whole session.
//!
//! Spec: RFC 6143 §7.7.6.

use alloc::vec::Vec;

use super::{Framebuffer, Rectangle, Writing, tile_pixels};
use crate::{
    decoder::zrle::{MAX_PACKED, PLAIN_RLE, RAW, SOLID, TILE},
    zlib::Deflate,
};

/// The largest palette of a tile.
const MAX_PALETTE: usize = 127;

#[derive(Debug, Default)]
pub(super) struct Compressor {
    deflate: Option<Deflate>,
    pixels: Vec<u32>,
    palette: Palette,
    /// One tile, uncompressed.
    plain: Vec<u8>,
}

impl Compressor {
    pub(super) fn put(&mut self, framebuffer: &Framebuffer, part: Rectangle, writing: &Writing, out: &mut Vec<u8>) {
        let length_at = out.len();
        out.extend_from_slice(&[0; 4]);
        let begin = out.len();
        for tile in part.tiles(TILE) {
            tile_pixels(framebuffer, tile, writing, &mut self.pixels);
            self.plain.clear();
            put_tile(&self.pixels, tile.width.into(), &mut self.palette, writing, &mut self.plain);
            self.deflate.get_or_insert_with(Deflate::new).push(&self.plain, out, false);
        }
        self.deflate.get_or_insert_with(Deflate::new).push(&[], out, true);
        let length = u32::try_from(out.len() - begin).unwrap_or(u32::MAX);
        if let Some(place) = out.get_mut(length_at..begin) {
            place.copy_from_slice(&length.to_be_bytes());
        }
    }
}

fn put_tile(pixels: &[u32], width: usize, palette: &mut Palette, writing: &Writing, out: &mut Vec<u8>) {
    // How long would the tile be in each form?
    palette.clear();
    let (mut runs, mut singles, mut length_bytes) = (0, 0, 0);
    for run in pixels.chunk_by(|one, other| one == other) {
        runs += 1;
        singles += usize::from(run.len() == 1);
        length_bytes += (run.len() - 1) / 255 + 1;
        palette.add(run.first().copied().unwrap_or_default());
    }
    let bytes = writing.compressed_bytes();
    let colours = palette.colours.len();
    let mut shortest = (pixels.len() * bytes, Form::Raw);
    let mut consider = |length, form| {
        if length < shortest.0 {
            shortest = (length, form);
        }
    };
    consider(runs * bytes + length_bytes, Form::PlainRuns);
    if colours <= MAX_PALETTE {
        // A run of one pixel needs no length there.
        consider(colours * bytes + runs + length_bytes - singles, Form::PaletteRuns);
    }
    let bits = match colours {
        1 => 0,
        2 => 1,
        3..=4 => 2,
        _ => 4,
    };
    if colours <= MAX_PACKED.into() {
        let rows = pixels.len() / width.max(1);
        consider(colours * bytes + (width * bits).div_ceil(8) * rows, Form::Packed);
    }

    let colours = u8::try_from(colours).unwrap_or(u8::MAX);
    match shortest.1 {
        Form::Raw => {
            out.push(RAW);
            pixels.iter().for_each(|pixel| writing.put_compressed(*pixel, out));
        }
        Form::PlainRuns => {
            out.push(PLAIN_RLE);
            for run in pixels.chunk_by(|one, other| one == other) {
                writing.put_compressed(run.first().copied().unwrap_or_default(), out);
                put_length(run.len(), out);
            }
        }
        Form::PaletteRuns => {
            out.push(PLAIN_RLE.saturating_add(colours));
            palette.colours.iter().for_each(|pixel| writing.put_compressed(*pixel, out));
            for run in pixels.chunk_by(|one, other| one == other) {
                let number = palette.number(run.first().copied().unwrap_or_default());
                if run.len() == 1 {
                    out.push(number);
                } else {
                    out.push(number | 0x80);
                    put_length(run.len(), out);
                }
            }
        }
        Form::Packed => {
            out.push(colours.max(SOLID));
            palette.colours.iter().for_each(|pixel| writing.put_compressed(*pixel, out));
            if let Some(per_byte) = 8usize.checked_div(bits) {
                for row in pixels.chunks_exact(width) {
                    for group in row.chunks(per_byte) {
                        let byte = group.iter().fold(0, |byte, pixel| byte << bits | palette.number(*pixel));
                        out.push(byte << (8 - group.len() * bits));
                    }
                }
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Form {
    Raw,
    /// A palette and packed numbers; one colour needs no numbers.
    Packed,
    PlainRuns,
    PaletteRuns,
}

fn put_length(length: usize, out: &mut Vec<u8>) {
    let mut rest = length - 1;
    while rest >= 255 {
        out.push(255);
        rest -= 255;
    }
    out.push(u8::try_from(rest).unwrap_or(u8::MAX));
}

/// The colours of a tile, found again by a hash.
#[derive(Debug)]
struct Palette {
    /// INVARIANT: at most one more than `MAX_PALETTE`, which means too many.
    colours: Vec<u32>,
    /// The number of a colour and one more, at the colour's hash or after it; 0: free. Twice as many as can be filled.
    slots: [u8; 256],
}

impl Default for Palette {
    fn default() -> Self {
        Self { colours: Vec::new(), slots: [0; 256] }
    }
}

impl Palette {
    fn clear(&mut self) {
        self.colours.clear();
        self.slots = [0; 256];
    }

    fn add(&mut self, pixel: u32) {
        if self.colours.len() > MAX_PALETTE {
            return;
        }
        let mut at = hash(pixel);
        while let Some(slot) = self.slots.get_mut(usize::from(at)) {
            match *slot {
                0 => {
                    self.colours.push(pixel);
                    *slot = u8::try_from(self.colours.len()).unwrap_or(u8::MAX);
                    return;
                }
                taken if self.colours.get(usize::from(taken - 1)) == Some(&pixel) => return,
                _ => at = at.wrapping_add(1),
            }
        }
    }

    fn number(&self, pixel: u32) -> u8 {
        let mut at = hash(pixel);
        while let Some(slot) = self.slots.get(usize::from(at)).copied().filter(|slot| *slot > 0) {
            if self.colours.get(usize::from(slot - 1)) == Some(&pixel) {
                return slot - 1;
            }
            at = at.wrapping_add(1);
        }
        0
    }
}

fn hash(pixel: u32) -> u8 {
    let [.., top] = pixel.wrapping_mul(0x9e37_79b1).to_le_bytes();
    top
}
