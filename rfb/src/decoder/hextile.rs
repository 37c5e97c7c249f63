//! Hextile: tiles of 16 by 16 pixels, each a background with rectangles on it, or raw.
//!
//! Spec: RFC 6143 §7.7.4.

use super::{Canvas, Error, Happened, Input, Rectangle, Rgba, Step};
use crate::reader::Reader;

/// Width and height of a tile, in pixels.
pub(crate) const TILE: u16 = 16;

/// The tile's pixels follow as they are.
pub(crate) const RAW: u8 = 1;
/// A background follows; otherwise it is the previous tile's.
pub(crate) const BACKGROUND_SPECIFIED: u8 = 2;
/// A foreground follows; otherwise it is the previous tile's.
pub(crate) const FOREGROUND_SPECIFIED: u8 = 4;
/// A number of rectangles follows.
pub(crate) const ANY_SUBRECTS: u8 = 8;
/// Each rectangle has a colour of its own.
pub(crate) const SUBRECTS_COLOURED: u8 = 16;

#[derive(Debug)]
pub(super) struct Tiles {
    rectangle: Rectangle,
    /// The tile that comes next.
    tile: Option<Rectangle>,
    background: Rgba,
    foreground: Rgba,
}

impl Tiles {
    pub(super) fn new(rectangle: Rectangle) -> Self {
        let black = [0, 0, 0, 255];
        Self { rectangle, tile: rectangle.next_tile(None, TILE), background: black, foreground: black }
    }

    pub(super) fn step(&mut self, input: &mut Input, canvas: &mut Canvas) -> Result<Step, Error> {
        let Some(tile) = self.tile else { return Ok(Step::Done) };
        let Some(length) = tile_bytes(tile, input, canvas.pixels.bytes())? else { return Ok(Step::Wait) };
        let Some(wire) = input.take(length) else { return Ok(Step::Wait) };
        self.tile = self.rectangle.next_tile(Some(&tile), TILE);

        let short = Error::Malformed { what: "Hextile", reason: "a tile is too short" };
        self.paint(tile, &mut Reader::new(&wire), canvas)?.map(Step::Happened).ok_or(short)
    }

    /// A tile that is all here; `None` does not happen then.
    fn paint(
        &mut self,
        tile: Rectangle,
        reader: &mut Reader<'_>,
        canvas: &mut Canvas,
    ) -> Result<Option<Happened>, Error> {
        let Canvas { pixels, map, rgba, .. } = canvas;
        let bytes = pixels.bytes();
        let Some(flags) = reader.u8() else { return Ok(None) };
        if flags & RAW != 0 {
            rgba.clear();
            pixels.many(reader.rest(), map, rgba);
            return Ok(Some(Happened::Pixels(tile)));
        }
        if flags & BACKGROUND_SPECIFIED != 0 {
            let Some(pixel) = reader.take(bytes) else { return Ok(None) };
            self.background = pixels.one(pixel, map);
        }
        if flags & FOREGROUND_SPECIFIED != 0 {
            let Some(pixel) = reader.take(bytes) else { return Ok(None) };
            self.foreground = pixels.one(pixel, map);
        }
        if flags & ANY_SUBRECTS == 0 {
            return Ok(Some(Happened::Fill(tile, self.background)));
        }

        let Some(count) = reader.u8() else { return Ok(None) };
        rgba.clear();
        rgba.resize(tile.pixels(), self.background);
        for _ in 0..count {
            let colour = match flags & SUBRECTS_COLOURED {
                0 => self.foreground,
                _ => {
                    let Some(pixel) = reader.take(bytes) else { return Ok(None) };
                    pixels.one(pixel, map)
                }
            };
            let Some([place, size]) = reader.array() else { return Ok(None) };
            let (x, y) = (usize::from(place >> 4), usize::from(place & 15));
            let (width, height) = (usize::from(size >> 4) + 1, usize::from(size & 15) + 1);
            if x + width > tile.width.into() || y + height > tile.height.into() {
                return Err(Error::Malformed { what: "Hextile", reason: "a rectangle reaches out of its tile" });
            }
            for row in rgba.chunks_exact_mut(tile.width.into()).skip(y).take(height) {
                row.get_mut(x..x + width).unwrap_or_default().fill(colour);
            }
        }
        Ok(Some(Happened::Pixels(tile)))
    }
}

/// The length of the tile at the front of the input, which its first ten bytes tell at most.
fn tile_bytes(tile: Rectangle, input: &Input, pixel_bytes: usize) -> Result<Option<usize>, Error> {
    let mut head = [0; 10];
    let head = input.peek(&mut head);
    let Some(flags) = head.first() else { return Ok(None) };
    if flags & !(RAW | BACKGROUND_SPECIFIED | FOREGROUND_SPECIFIED | ANY_SUBRECTS | SUBRECTS_COLOURED) != 0 {
        return Err(Error::Malformed { what: "Hextile", reason: "a flag that tiles do not have" });
    }
    if flags & RAW != 0 {
        return Ok(Some(1 + tile.pixels() * pixel_bytes));
    }
    let mut length = 1;
    for flag in [BACKGROUND_SPECIFIED, FOREGROUND_SPECIFIED] {
        if flags & flag != 0 {
            length += pixel_bytes;
        }
    }
    if flags & ANY_SUBRECTS == 0 {
        return Ok(Some(length));
    }
    let Some(count) = head.get(length) else { return Ok(None) };
    let colour_bytes = if flags & SUBRECTS_COLOURED != 0 { pixel_bytes } else { 0 };
    Ok(Some(length + 1 + usize::from(*count) * (colour_bytes + 2)))
}
