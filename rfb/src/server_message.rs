//! What a server says after the handshake.

use alloc::vec::Vec;

use bytes::{BufMut, Bytes};

use crate::{
    Encoding, Error, Limits, Rectangle,
    client_message::{clipboard_bytes, put_clipboard},
    limits::size,
    reader::Reader,
};

/// A message from the server; of an update, which may be endless, the head alone.
///
/// Spec: RFC 6143 §7.6.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerMessage {
    /// An update begins. So many rectangles follow, each with a [`RectangleHead`]; with [`Encoding::LAST_RECT`] it may
    /// be fewer.
    FramebufferUpdate {
        /// How many.
        rectangles: u16,
    },
    /// Colours of the colour map.
    SetColourMapEntries {
        /// The number of the first.
        first: u16,
        /// Red, green and blue of each, from 0 to 65,535.
        colours: Vec<[u16; 3]>,
    },
    /// The bell rings.
    Bell,
    /// The server's clipboard, in Latin-1.
    CutText(Bytes),
    /// The server's clipboard in the extended form: flags and data.
    ExtendedClipboard(Bytes),
}

const FRAMEBUFFER_UPDATE: u8 = 0;
const SET_COLOUR_MAP_ENTRIES: u8 = 1;
const BELL: u8 = 2;
const CUT_TEXT: u8 = 3;

impl ServerMessage {
    /// How many bytes from the front of a message tell its length.
    pub(crate) const HEAD_BYTES: usize = 8;

    /// The length of the message at the front of `input`, in bytes, which its first eight bytes tell; `Ok(None)` until
    /// they do.
    ///
    /// # Errors
    ///
    /// [`Error::LimitExceeded`] if it is more than `limits` allows, [`Error::Unsupported`] for a message whose length is not
    /// known, [`Error::Malformed`] for colours beyond the end of the map.
    pub fn wire_bytes(input: &[u8], limits: &Limits) -> Result<Option<usize>, Error> {
        let mut reader = Reader::new(input);
        let Some(number) = reader.u8() else { return Ok(None) };
        let length = match number {
            FRAMEBUFFER_UPDATE => 4,
            SET_COLOUR_MAP_ENTRIES => {
                let (Some(_), Some(first), Some(count)) = (reader.u8(), reader.u16(), reader.u16()) else {
                    return Ok(None);
                };
                if u32::from(first) + u32::from(count) > 0x1_0000 {
                    return Err(Error::Malformed { what: "SetColourMapEntries", reason: "beyond the end of the map" });
                }
                6 + 6 * usize::from(count)
            }
            BELL => 1,
            CUT_TEXT => {
                let Some((_, bytes)) = clipboard_bytes(&mut reader) else { return Ok(None) };
                limits.cut_text(bytes)?;
                8 + size(bytes)
            }
            other => return Err(Error::Unsupported { what: "server message", value: other.into() }),
        };
        Ok(Some(length))
    }

    /// Takes a message off the front of `input`.
    ///
    /// Returns `Ok(None)`, and leaves `input` as it was, until all of it has arrived.
    ///
    /// # Errors
    ///
    /// Those of [`ServerMessage::wire_bytes`], before the payload is waited for.
    ///
    /// Spec: RFC 6143 §7.6.
    pub fn decode(input: &mut &[u8], limits: &Limits) -> Result<Option<Self>, Error> {
        // Shape and meaning: how long is it, and is that allowed?
        let Some(length) = Self::wire_bytes(input, limits)? else { return Ok(None) };

        // Payload: only now wait for it.
        let Some((message, rest)) = input.split_at_checked(length) else { return Ok(None) };
        let short = Error::Malformed { what: "server message", reason: "too short" };
        let message = Self::read(&mut Reader::new(message)).ok_or(short)?;
        *input = rest;
        Ok(Some(message))
    }

    /// A message that is all here; `None` does not happen then.
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(match reader.u8()? {
            FRAMEBUFFER_UPDATE => {
                reader.take(1)?;
                Self::FramebufferUpdate { rectangles: reader.u16()? }
            }
            SET_COLOUR_MAP_ENTRIES => {
                reader.take(1)?;
                let first = reader.u16()?;
                reader.take(2)?;
                let colour = || Some([reader.u16()?, reader.u16()?, reader.u16()?]);
                Self::SetColourMapEntries { first, colours: core::iter::from_fn(colour).collect() }
            }
            BELL => Self::Bell,
            CUT_TEXT => {
                let (extended, _) = clipboard_bytes(reader)?;
                let text = Bytes::copy_from_slice(reader.rest());
                if extended { Self::ExtendedClipboard(text) } else { Self::CutText(text) }
            }
            _ => return None,
        })
    }

    /// Appends the message. What is longer than the wire can say is cut: 65,535 colours.
    pub fn encode(&self, out: &mut impl BufMut) {
        match self {
            Self::FramebufferUpdate { rectangles } => {
                out.put_slice(&[FRAMEBUFFER_UPDATE, 0]);
                out.put_u16(*rectangles);
            }
            Self::SetColourMapEntries { first, colours } => {
                out.put_slice(&[SET_COLOUR_MAP_ENTRIES, 0]);
                out.put_u16(*first);
                let count = u16::try_from(colours.len()).unwrap_or(u16::MAX);
                out.put_u16(count);
                colours.iter().take(count.into()).flatten().for_each(|intensity| out.put_u16(*intensity));
            }
            Self::Bell => out.put_u8(BELL),
            Self::CutText(text) => put_clipboard(out, CUT_TEXT, text, false),
            Self::ExtendedClipboard(data) => put_clipboard(out, CUT_TEXT, data, true),
        }
    }
}

/// What stands in front of each rectangle of an update.
///
/// Spec: RFC 6143 §7.6.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RectangleHead {
    /// Where it goes; a pseudo-encoding says something else with it.
    pub rectangle: Rectangle,
    /// How what follows is to be read.
    pub encoding: Encoding,
}

impl RectangleHead {
    /// Length, in bytes.
    pub(crate) const BYTES: usize = 12;

    /// Takes a head off the front of `input`; `None` until all twelve bytes are there.
    pub fn decode(input: &mut &[u8]) -> Option<Self> {
        let mut reader = Reader::new(input);
        let head = Self { rectangle: Rectangle::read(&mut reader)?, encoding: Encoding(reader.i32()?) };
        *input = reader.rest();
        Some(head)
    }

    /// Appends the twelve bytes.
    pub fn encode(&self, out: &mut impl BufMut) {
        self.rectangle.encode(out);
        out.put_i32(self.encoding.0);
    }
}
