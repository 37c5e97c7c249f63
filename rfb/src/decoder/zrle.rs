//! ZRLE: tiles of 64 by 64 pixels, run-length encoded, in one zlib stream for the whole session.
//!
//! The stream is unfolded only as far as the next tile needs, so a few bytes that unfold to gigabytes do so one tile at a
//! time, and no more than the rectangle has.
//!
//! Spec: RFC 6143 §7.7.6.

use alloc::{boxed::Box, vec, vec::Vec};

use super::{Canvas, Error, Happened, Input, Limits, Rectangle, Rgba, Step};
use crate::{limits::size, zlib::Inflate};

/// Width and height of a tile, in pixels.
pub(crate) const TILE: u16 = 64;

/// The tile's pixels follow as they are.
pub(crate) const RAW: u8 = 0;
/// The tile has one colour. Up to [`MAX_PACKED`]: a palette, and numbers of 1, 2 or 4 bits.
pub(crate) const SOLID: u8 = 1;
/// The largest palette with packed numbers.
pub(crate) const MAX_PACKED: u8 = 16;
/// Runs of a colour. Two more than that, and above: runs of a number of a palette.
pub(crate) const PLAIN_RLE: u8 = 128;

/// How much is unfolded at once. More than the longest tile, 64 by 64 pixels of four bytes.
const PLAIN_BYTES: usize = 32 * 1024;

/// The session's zlib stream, and what is unfolded of it and not yet used.
#[derive(Debug, Default)]
pub(super) struct Stream {
    inflate: Option<Inflate>,
    plain: Box<[u8]>,
    /// INVARIANT: start <= end <= plain.len().
    start: usize,
    end: usize,
    broken: bool,
}

impl Stream {
    fn unread(&self) -> &[u8] {
        self.plain.get(self.start..self.end).unwrap_or_default()
    }

    fn skip(&mut self, bytes: usize) {
        self.start = self.end.min(self.start + bytes);
    }

    /// Unfolds more; `false` until more has arrived.
    fn more(&mut self, input: &mut Input, left: &mut usize) -> Result<bool, Error> {
        loop {
            let (consumed, produced) = self.pull(input, left);
            if produced > 0 {
                return Ok(true);
            }
            if self.broken || (consumed == 0 && *left > 0 && input.available() > 0) {
                return Err(DAMAGED);
            }
            if *left == 0 {
                return Err(Error::Malformed { what: "ZRLE", reason: "less data than the tiles need" });
            }
            if input.available() == 0 {
                return Ok(false);
            }
        }
    }

    /// Uses up what is left of the rectangle's data, which may not unfold to anything; `false` until more has arrived.
    fn drain(&mut self, input: &mut Input, left: &mut usize) -> Result<bool, Error> {
        loop {
            let (consumed, produced) = self.pull(input, left);
            if self.start < self.end || produced > 0 {
                return Err(Error::Malformed { what: "ZRLE", reason: "more data than the tiles need" });
            }
            if self.broken || (consumed == 0 && *left > 0 && input.available() > 0) {
                return Err(DAMAGED);
            }
            if *left == 0 {
                return Ok(true);
            }
            if input.available() == 0 {
                return Ok(false);
            }
        }
    }

    fn pull(&mut self, input: &mut Input, left: &mut usize) -> (usize, usize) {
        if self.plain.is_empty() {
            self.plain = vec![0; PLAIN_BYTES].into_boxed_slice();
        }
        self.plain.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.broken {
            return (0, 0);
        }

        let chunk = input.front();
        let chunk = chunk.get(..*left).unwrap_or(chunk);
        let room = self.plain.get_mut(self.end..).unwrap_or_default();
        let pulled = self.inflate.get_or_insert_with(Inflate::new).pull(chunk, room);
        input.skip(pulled.consumed);
        *left -= pulled.consumed;
        self.end += pulled.produced;
        self.broken = pulled.broken;
        (pulled.consumed, pulled.produced)
    }
}

const DAMAGED: Error = Error::Malformed { what: "ZRLE", reason: "the zlib stream is damaged" };

/// What comes next in the rectangle.
#[derive(Clone, Copy, Debug)]
enum Phase {
    Length,
    Subencoding,
    Solid,
    Raw,
    /// A palette of so many colours, then numbers or runs of numbers.
    Palette {
        colours: u8,
        runs: bool,
    },
    Packed,
    PlainRuns,
    PaletteRuns,
}

#[derive(Debug)]
pub(super) struct Tiles {
    rectangle: Rectangle,
    /// The tile that comes next, or is being read into the canvas.
    tile: Option<Rectangle>,
    phase: Phase,
    /// Compressed bytes of the rectangle that are not used yet.
    left: usize,
    palette: Vec<Rgba>,
}

impl Tiles {
    pub(super) fn new(rectangle: Rectangle) -> Self {
        let tile = rectangle.next_tile(None, TILE);
        Self { rectangle, tile, phase: Phase::Length, left: 0, palette: Vec::new() }
    }

    pub(super) fn step(
        &mut self,
        input: &mut Input,
        canvas: &mut Canvas,
        stream: &mut Stream,
        limits: &Limits,
    ) -> Result<Step, Error> {
        if matches!(self.phase, Phase::Length) {
            let Some(length) = input.array().map(u32::from_be_bytes) else { return Ok(Step::Wait) };
            limits.zrle(length)?;
            self.left = size(length);
            self.phase = Phase::Subencoding;
        }
        let Some(tile) = self.tile else {
            return Ok(if stream.drain(input, &mut self.left)? { Step::Done } else { Step::Wait });
        };
        loop {
            // What is unfolded already may do; if not, unfold more and try again.
            match self.read(tile, stream, canvas)? {
                Progress::Short => {
                    if !stream.more(input, &mut self.left)? {
                        return Ok(Step::Wait);
                    }
                }
                Progress::Next(phase) => self.phase = phase,
                Progress::Painted(happened) => {
                    self.tile = self.rectangle.next_tile(Some(&tile), TILE);
                    self.phase = Phase::Subencoding;
                    return Ok(Step::Happened(happened));
                }
            }
        }
    }

    fn read(&mut self, tile: Rectangle, stream: &mut Stream, canvas: &mut Canvas) -> Result<Progress, Error> {
        let Canvas { compressed, map, rgba, .. } = canvas;
        let bytes = compressed.bytes();
        Ok(match self.phase {
            Phase::Length | Phase::Subencoding => {
                let Some(subencoding) = stream.unread().first().copied() else { return Ok(Progress::Short) };
                stream.skip(1);
                rgba.clear();
                self.palette.clear();
                Progress::Next(phase(subencoding)?)
            }
            Phase::Solid => {
                let Some(pixel) = stream.unread().get(..bytes) else { return Ok(Progress::Short) };
                let colour = compressed.one(pixel, map);
                stream.skip(bytes);
                Progress::Painted(Happened::Fill(tile, colour))
            }
            Phase::Raw => {
                let length = tile.pixels() * bytes;
                let Some(wire) = stream.unread().get(..length) else { return Ok(Progress::Short) };
                compressed.many(wire, map, rgba);
                stream.skip(length);
                Progress::Painted(Happened::Pixels(tile))
            }
            Phase::Palette { colours, runs } => {
                let length = usize::from(colours) * bytes;
                let Some(wire) = stream.unread().get(..length) else { return Ok(Progress::Short) };
                compressed.many(wire, map, &mut self.palette);
                stream.skip(length);
                Progress::Next(if runs { Phase::PaletteRuns } else { Phase::Packed })
            }
            Phase::Packed => {
                let bits = match self.palette.len() {
                    0..=2 => 1,
                    3..=4 => 2,
                    _ => 4,
                };
                let row_bytes = (usize::from(tile.width) * bits).div_ceil(8);
                let length = row_bytes * usize::from(tile.height);
                let Some(wire) = stream.unread().get(..length) else { return Ok(Progress::Short) };
                for row in wire.chunks_exact(row_bytes) {
                    unpack(row, bits, tile.width, &self.palette, rgba)?;
                }
                stream.skip(length);
                Progress::Painted(Happened::Pixels(tile))
            }
            Phase::PlainRuns => {
                let mut used = 0;
                while let Some((pixel, rest)) =
                    stream.unread().get(used..).and_then(|rest| rest.split_at_checked(bytes))
                {
                    let room = tile.pixels() - rgba.len();
                    let Some((length, length_bytes)) = run(rest, room)? else { break };
                    used += bytes + length_bytes;
                    rgba.resize(rgba.len() + length, compressed.one(pixel, map));
                    if length == room {
                        break;
                    }
                }
                stream.skip(used);
                whole(tile, rgba)
            }
            Phase::PaletteRuns => {
                let mut used = 0;
                while let Some((number, rest)) = stream.unread().get(used..).and_then(<[u8]>::split_first) {
                    let room = tile.pixels() - rgba.len();
                    let run = if number & 0x80 == 0 { Some((1, 0)) } else { run(rest, room)? };
                    let Some((length, length_bytes)) = run else { break };
                    used += 1 + length_bytes;
                    let colour = self.palette.get(usize::from(number & 0x7f)).ok_or(NO_COLOUR)?;
                    rgba.resize(rgba.len() + length, *colour);
                    if length == room {
                        break;
                    }
                }
                stream.skip(used);
                whole(tile, rgba)
            }
        })
    }
}

/// How far the bytes that are unfolded go.
enum Progress {
    Short,
    Next(Phase),
    Painted(Happened),
}

const NO_COLOUR: Error = Error::Malformed { what: "ZRLE", reason: "a number that the palette does not have" };

fn phase(subencoding: u8) -> Result<Phase, Error> {
    Ok(match subencoding {
        RAW => Phase::Raw,
        SOLID => Phase::Solid,
        2..=MAX_PACKED => Phase::Palette { colours: subencoding, runs: false },
        PLAIN_RLE => Phase::PlainRuns,
        130.. => Phase::Palette { colours: subencoding - PLAIN_RLE, runs: true },
        17..=127 | 129 => return Err(Error::Malformed { what: "ZRLE", reason: "a subencoding that does not exist" }),
    })
}

fn whole(tile: Rectangle, rgba: &[Rgba]) -> Progress {
    if rgba.len() == tile.pixels() { Progress::Painted(Happened::Pixels(tile)) } else { Progress::Short }
}

/// A run's length, at most `room`, and how many bytes tell it; `None` until they are here.
fn run(bytes: &[u8], room: usize) -> Result<Option<(usize, usize)>, Error> {
    let mut length = 1;
    for (before, byte) in bytes.iter().enumerate() {
        length += usize::from(*byte);
        if length > room {
            return Err(Error::Malformed { what: "ZRLE", reason: "a run reaches out of its tile" });
        }
        if *byte < 255 {
            return Ok(Some((length, before + 1)));
        }
    }
    Ok(None)
}

/// A row of packed numbers, the first in the highest bits.
fn unpack(row: &[u8], bits: usize, width: u16, palette: &[Rgba], rgba: &mut Vec<Rgba>) -> Result<(), Error> {
    let mask = (1u8 << bits) - 1;
    let numbers = row.iter().flat_map(|byte| (1..=8 / bits).map(move |place| byte >> (8 - place * bits) & mask));
    for number in numbers.take(width.into()) {
        rgba.push(*palette.get(usize::from(number)).ok_or(NO_COLOUR)?);
    }
    Ok(())
}
