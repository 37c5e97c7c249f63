//! PixelFormat: how a colour stands on the wire.

use bytes::BufMut;

use crate::{Error, reader::Reader};

/// How the pixels of a session stand on the wire. The server proposes one, the client may choose another.
///
/// Spec: RFC 6143 §7.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PixelFormat {
    /// Size of a pixel, in bits: 8, 16 or 32.
    pub bits_per_pixel: u8,
    /// How many of these bits mean something, at most `bits_per_pixel`.
    pub depth: u8,
    /// The byte order.
    pub big_endian: bool,
    /// What the bits mean.
    pub colours: Colours,
}

/// What the bits of a pixel mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Colours {
    /// Intensities.
    True {
        /// Where red is.
        red: Channel,
        /// Where green is.
        green: Channel,
        /// Where blue is.
        blue: Channel,
    },
    /// A number in the colour map, which the server sets.
    Map,
}

/// Where the intensity of a colour is in a pixel: `pixel >> shift & max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Channel {
    /// The highest intensity, usually all bits of it.
    pub max: u16,
    /// The lowest bit's place.
    pub shift: u8,
}

impl Channel {
    /// The first bit to the left of it.
    fn end(self) -> u32 {
        u32::from(self.shift) + (u16::BITS - self.max.leading_zeros())
    }
}

impl PixelFormat {
    /// Length on the wire, in bytes.
    pub(crate) const BYTES: usize = 16;

    /// 32 bits, the bytes red, green, blue and nothing: what [`Framebuffer`](crate::Framebuffer) converts fastest.
    pub const RGBX: Self = Self::true_colour(32, 24, [(255, 0), (255, 8), (255, 16)]);
    /// 32 bits, the bytes blue, green, red and nothing: what most servers have.
    pub const BGRX: Self = Self::true_colour(32, 24, [(255, 16), (255, 8), (255, 0)]);
    /// 16 bits, little-endian, five for red, six for green, five for blue.
    pub const RGB565: Self = Self::true_colour(16, 16, [(31, 11), (63, 5), (31, 0)]);
    /// 8 bits, three for red in the lowest, three for green, two for blue.
    pub const BGR233: Self = Self::true_colour(8, 8, [(7, 0), (7, 3), (3, 6)]);
    /// 8 bits, a number in the colour map.
    pub const COLOUR_MAP: Self = Self { bits_per_pixel: 8, depth: 8, big_endian: false, colours: Colours::Map };

    const fn true_colour(bits_per_pixel: u8, depth: u8, [red, green, blue]: [(u16, u8); 3]) -> Self {
        let colours = Colours::True {
            red: Channel { max: red.0, shift: red.1 },
            green: Channel { max: green.0, shift: green.1 },
            blue: Channel { max: blue.0, shift: blue.1 },
        };
        Self { bits_per_pixel, depth, big_endian: false, colours }
    }

    /// Size of a pixel, in bytes.
    pub fn bytes_per_pixel(&self) -> usize {
        usize::from(self.bits_per_pixel / 8)
    }

    /// Whether a pixel can have this format.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for sizes other than 8, 16 and 32 bits, a depth beyond the size, and colours that stand
    /// outside of the pixel.
    pub fn check(&self) -> Result<(), Error> {
        let wrong = |reason| Err(Error::Malformed { what: "pixel format", reason });
        if !matches!(self.bits_per_pixel, 8 | 16 | 32) {
            return wrong("bits per pixel are not 8, 16 or 32");
        }
        if self.depth > self.bits_per_pixel {
            return wrong("the depth is more than the bits per pixel");
        }
        if let Colours::True { red, green, blue } = self.colours
            && [red, green, blue]
                .iter()
                .any(|channel| channel.shift >= self.bits_per_pixel || channel.end() > u32::from(self.bits_per_pixel))
        {
            return wrong("a colour stands outside of the pixel");
        }
        Ok(())
    }

    /// Takes a PixelFormat off the front of `input`; `Ok(None)` until all sixteen bytes are there.
    ///
    /// # Errors
    ///
    /// Those of [`PixelFormat::check`].
    ///
    /// Spec: RFC 6143 §7.4.
    pub fn decode(input: &mut &[u8]) -> Result<Option<Self>, Error> {
        let mut reader = Reader::new(input);
        let Some(format) = Self::read(&mut reader) else { return Ok(None) };
        format.check()?;
        *input = reader.rest();
        Ok(Some(format))
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let (bits_per_pixel, depth, big_endian, true_colour) = (reader.u8()?, reader.u8()?, reader.u8()?, reader.u8()?);
        let (red, green, blue) = (reader.u16()?, reader.u16()?, reader.u16()?);
        let [red_shift, green_shift, blue_shift, _, _, _] = reader.array()?;
        let colours = match true_colour {
            0 => Colours::Map,
            _ => Colours::True {
                red: Channel { max: red, shift: red_shift },
                green: Channel { max: green, shift: green_shift },
                blue: Channel { max: blue, shift: blue_shift },
            },
        };
        Some(Self { bits_per_pixel, depth, big_endian: big_endian != 0, colours })
    }

    /// Appends the sixteen bytes.
    pub fn encode(&self, out: &mut impl BufMut) {
        let nothing = Channel { max: 0, shift: 0 };
        let (true_colour, red, green, blue) = match self.colours {
            Colours::True { red, green, blue } => (true, red, green, blue),
            Colours::Map => (false, nothing, nothing, nothing),
        };
        out.put_u8(self.bits_per_pixel);
        out.put_u8(self.depth);
        out.put_u8(self.big_endian.into());
        out.put_u8(true_colour.into());
        for channel in [red, green, blue] {
            out.put_u16(channel.max);
        }
        for channel in [red, green, blue] {
            out.put_u8(channel.shift);
        }
        out.put_bytes(0, 3);
    }
}
