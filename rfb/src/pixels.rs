//! Pixels between the wire and RGBA, in whole rows.

use alloc::{boxed::Box, vec::Vec};

use crate::{Colours, PixelFormat, pixel_format::Channel};

/// A pixel as red, green, blue and opacity, a byte each.
pub type Rgba = [u8; 4];

/// The colours that pixels of a colour-mapped format stand for; black where the server has set none.
#[derive(Debug, Default)]
pub(crate) struct ColourMap(Vec<Rgba>);

const BLACK: Rgba = [0, 0, 0, 255];

impl ColourMap {
    /// INVARIANT: `index` is a u16, so the map stays below 65,536 colours.
    pub(crate) fn set(&mut self, index: u16, colour: Rgba) {
        let index = usize::from(index);
        if self.0.len() <= index {
            self.0.resize(index + 1, BLACK);
        }
        if let Some(slot) = self.0.get_mut(index) {
            *slot = colour;
        }
    }

    fn get(&self, pixel: u32) -> Rgba {
        usize::try_from(pixel).ok().and_then(|index| self.0.get(index)).copied().unwrap_or(BLACK)
    }
}

/// The place of a pixel on the wire: how many bytes, and how they make a number.
#[derive(Clone, Copy, Debug)]
struct Layout {
    bytes: usize,
    big_endian: bool,
    /// A ZRLE pixel of three bytes whose fourth, the lowest, is left out.
    high: bool,
}

impl Layout {
    fn pixel(format: &PixelFormat) -> Self {
        Self { bytes: format.bytes_per_pixel(), big_endian: format.big_endian, high: false }
    }

    /// ZRLE leaves out the byte of a 32-bit pixel that no colour has bits in. By RFC 6143 only if the depth is at most
    /// 24; every server in use looks at the colours alone, and libvncserver's formats have a depth of 32.
    fn compressed(format: &PixelFormat) -> Self {
        let full = Self::pixel(format);
        let Colours::True { red, green, blue } = format.colours else { return full };
        if format.bits_per_pixel != 32 {
            return full;
        }
        let used = [red, green, blue].iter().fold(0, |bits, channel| bits | (u32::from(channel.max) << channel.shift));
        match (used <= 0xff_ffff, used & 0xff == 0) {
            (true, _) => Self { bytes: 3, ..full },
            (false, true) => Self { bytes: 3, high: true, ..full },
            _ => full,
        }
    }

    fn read(self, wire: &[u8]) -> u32 {
        let value = match (self.big_endian, wire) {
            (_, [a]) => u32::from(*a),
            (false, [a, b]) => u32::from_le_bytes([*a, *b, 0, 0]),
            (true, [a, b]) => u32::from_be_bytes([0, 0, *a, *b]),
            (false, [a, b, c]) => u32::from_le_bytes([*a, *b, *c, 0]),
            (true, [a, b, c]) => u32::from_be_bytes([0, *a, *b, *c]),
            (false, [a, b, c, d]) => u32::from_le_bytes([*a, *b, *c, *d]),
            (true, [a, b, c, d]) => u32::from_be_bytes([*a, *b, *c, *d]),
            _ => 0,
        };
        if self.high { value << 8 } else { value }
    }

    fn write(self, pixel: u32, out: &mut Vec<u8>) {
        let pixel = if self.high { pixel >> 8 } else { pixel };
        let (le, be) = (pixel.to_le_bytes(), pixel.to_be_bytes());
        let bytes = match self.big_endian {
            false => le.get(..self.bytes),
            true => be.get(4 - self.bytes..),
        };
        out.extend_from_slice(bytes.unwrap_or_default());
    }
}

/// From the wire to RGBA.
#[derive(Debug)]
pub(crate) struct Reading {
    layout: Layout,
    colours: Reads,
}

#[derive(Debug)]
enum Reads {
    /// Eight bits a colour: the places of their bytes in the pixel as a little-endian number, in bits.
    Bytes { red: u32, green: u32, blue: u32 },
    /// Any number of bits.
    Channels([Scale; 3]),
    /// A number in the colour map.
    Map,
}

impl Reading {
    /// Whole pixels: everything but ZRLE.
    pub(crate) fn pixels(format: &PixelFormat) -> Self {
        Self::new(format, Layout::pixel(format))
    }

    /// ZRLE's pixels.
    pub(crate) fn compressed(format: &PixelFormat) -> Self {
        Self::new(format, Layout::compressed(format))
    }

    fn new(format: &PixelFormat, layout: Layout) -> Self {
        let Colours::True { red, green, blue } = format.colours else { return Self { layout, colours: Reads::Map } };
        let whole_byte = |channel: Channel| channel.max == 255 && channel.shift.is_multiple_of(8);
        let colours = match layout.bytes >= 3 && whole_byte(red) && whole_byte(green) && whole_byte(blue) {
            true => {
                let place = |channel: Channel| {
                    let shift = u32::from(channel.shift) - if layout.high { 8 } else { 0 };
                    match (layout.big_endian, layout.bytes) {
                        (false, _) => shift,
                        (true, 3) => 16 - shift,
                        (true, _) => 24 - shift,
                    }
                };
                Reads::Bytes { red: place(red), green: place(green), blue: place(blue) }
            }
            false => Reads::Channels([Scale::new(red), Scale::new(green), Scale::new(blue)]),
        };
        Self { layout, colours }
    }

    /// Size of a pixel on the wire, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.layout.bytes
    }

    /// One pixel.
    pub(crate) fn one(&self, wire: &[u8], map: &ColourMap) -> Rgba {
        match &self.colours {
            Reads::Map => map.get(self.layout.read(wire)),
            Reads::Channels(scales) => scaled(scales, self.layout.read(wire)),
            Reads::Bytes { red, green, blue } => spread(little(wire), *red, *green, *blue),
        }
    }

    /// Pixels in a row, appended.
    pub(crate) fn many(&self, wire: &[u8], map: &ColourMap, out: &mut Vec<Rgba>) {
        let pixels = wire.chunks_exact(self.layout.bytes.max(1));
        match (&self.colours, self.layout.bytes) {
            (Reads::Bytes { red, green, blue }, 4) => out.extend(
                wire.as_chunks::<4>().0.iter().map(|pixel| spread(u32::from_le_bytes(*pixel), *red, *green, *blue)),
            ),
            (Reads::Bytes { red, green, blue }, _) => out.extend(
                wire.as_chunks::<3>()
                    .0
                    .iter()
                    .map(|[a, b, c]| spread(u32::from_le_bytes([*a, *b, *c, 0]), *red, *green, *blue)),
            ),
            _ => out.extend(pixels.map(|pixel| self.one(pixel, map))),
        }
    }
}

fn little(wire: &[u8]) -> u32 {
    match wire {
        [a, b, c] => u32::from_le_bytes([*a, *b, *c, 0]),
        [a, b, c, d] => u32::from_le_bytes([*a, *b, *c, *d]),
        _ => 0,
    }
}

#[inline]
fn spread(value: u32, red: u32, green: u32, blue: u32) -> Rgba {
    let colour = (value >> red & 0xff) | (value >> green & 0xff) << 8 | (value >> blue & 0xff) << 16 | 0xff00_0000;
    colour.to_le_bytes()
}

/// One colour of a pixel, stretched to eight bits.
#[derive(Debug)]
struct Scale {
    channel: Channel,
    /// For intensities up to 255, which is nearly always.
    table: Box<[u8; 256]>,
}

impl Scale {
    fn new(channel: Channel) -> Self {
        let mut table = Box::new([0; 256]);
        for (intensity, slot) in (0..).zip(table.iter_mut()) {
            *slot = stretch(intensity, channel.max);
        }
        Self { channel, table }
    }

    fn read(&self, pixel: u32) -> u8 {
        let intensity = pixel >> self.channel.shift & u32::from(self.channel.max);
        match u8::try_from(intensity) {
            Ok(intensity) => self.table.get(usize::from(intensity)).copied().unwrap_or_default(),
            Err(_) => stretch(intensity, self.channel.max),
        }
    }
}

fn scaled([red, green, blue]: &[Scale; 3], pixel: u32) -> Rgba {
    [red.read(pixel), green.read(pixel), blue.read(pixel), 255]
}

/// From `0..=max` to `0..=255`, rounded.
fn stretch(intensity: u32, max: u16) -> u8 {
    let max = u32::from(max).max(1);
    u8::try_from((intensity * 255 + max / 2) / max).unwrap_or(255)
}

/// From RGBA to the wire, by way of the pixel as a number.
#[derive(Debug)]
pub(crate) struct Writing {
    layout: Layout,
    compressed: Layout,
    /// What each intensity of red, green and blue adds to the pixel.
    tables: Box<[[u32; 256]; 3]>,
}

impl Writing {
    pub(crate) fn new(format: &PixelFormat) -> Self {
        let channels = match format.colours {
            Colours::True { red, green, blue } => [red, green, blue],
            Colours::Map => MAPPED,
        };
        let mut tables = Box::new([[0; 256]; 3]);
        for (table, channel) in tables.iter_mut().zip(channels) {
            for (intensity, slot) in (0u32..).zip(table.iter_mut()) {
                let level = (intensity * u32::from(channel.max) + 127) / 255;
                *slot = (level & u32::from(channel.max)) << channel.shift;
            }
        }
        Self { layout: Layout::pixel(format), compressed: Layout::compressed(format), tables }
    }

    /// A pixel as a number.
    #[inline]
    pub(crate) fn pixel(&self, [red, green, blue, _]: Rgba) -> u32 {
        let [reds, greens, blues] = &*self.tables;
        let level = |table: &[u32; 256], byte: u8| table.get(usize::from(byte)).copied().unwrap_or_default();
        level(reds, red) | level(greens, green) | level(blues, blue)
    }

    pub(crate) fn put(&self, pixel: u32, out: &mut Vec<u8>) {
        self.layout.write(pixel, out);
    }

    /// Pixels in a row, from RGBA.
    pub(crate) fn put_row(&self, row: &[Rgba], out: &mut Vec<u8>) {
        match (self.layout.bytes, self.layout.big_endian) {
            (4, false) => out.extend(row.iter().flat_map(|colour| self.pixel(*colour).to_le_bytes())),
            (4, true) => out.extend(row.iter().flat_map(|colour| self.pixel(*colour).to_be_bytes())),
            _ => row.iter().for_each(|colour| self.put(self.pixel(*colour), out)),
        }
    }

    /// Puts a pixel as ZRLE has it.
    pub(crate) fn put_compressed(&self, pixel: u32, out: &mut Vec<u8>) {
        self.compressed.write(pixel, out);
    }

    pub(crate) fn bytes(&self) -> usize {
        self.layout.bytes
    }

    pub(crate) fn compressed_bytes(&self) -> usize {
        self.compressed.bytes
    }
}

/// The colours that the server side puts into a colour map of 256: those of BGR233.
const MAPPED: [Channel; 3] = [Channel { max: 7, shift: 0 }, Channel { max: 7, shift: 3 }, Channel { max: 3, shift: 6 }];

/// The colours of that map, in order.
pub(crate) fn mapped_colours() -> impl Iterator<Item = [u8; 3]> {
    (0u32..256).map(|pixel| MAPPED.map(|channel| stretch(pixel >> channel.shift & u32::from(channel.max), channel.max)))
}
