//! ClientInit and ServerInit: the end of the handshake.

use alloc::string::String;

use bytes::BufMut;

use crate::{
    Error, Limits, PixelFormat,
    limits::size,
    reader::Reader,
    security::{put_text, text},
};

/// What the client says last in the handshake.
///
/// Spec: RFC 6143 §7.3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientInit {
    /// Whether other clients may stay connected.
    pub shared: bool,
}

impl ClientInit {
    /// Takes a ClientInit off the front of `input`; `None` until it is there. Every byte is one.
    pub fn decode(input: &mut &[u8]) -> Option<Self> {
        let mut reader = Reader::new(input);
        let shared = reader.u8()? != 0;
        *input = reader.rest();
        Some(Self { shared })
    }

    /// Appends the byte.
    pub fn encode(&self, out: &mut impl BufMut) {
        out.put_u8(self.shared.into());
    }
}

/// What the server says last in the handshake.
///
/// Spec: RFC 6143 §7.3.2.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerInit {
    /// Width of the framebuffer, in pixels.
    pub width: u16,
    /// Height of the framebuffer, in pixels.
    pub height: u16,
    /// The server's own pixel format, which holds until the client chooses another.
    pub format: PixelFormat,
    /// Name of the desktop.
    pub name: String,
}

impl ServerInit {
    /// Length of what stands in front of the name, in bytes.
    pub(crate) const HEAD_BYTES: usize = 4 + PixelFormat::BYTES + 4;

    /// Takes a ServerInit off the front of `input`.
    ///
    /// Returns `Ok(None)`, and leaves `input` as it was, until all of it has arrived.
    ///
    /// # Errors
    ///
    /// [`Error::LimitExceeded`] as soon as the sizes are known to be more than [`Limits::max_framebuffer_pixels`]
    /// or [`Limits::max_name_bytes`], before the name is waited for; those of [`PixelFormat::check`].
    ///
    /// Spec: RFC 6143 §7.3.2.
    pub fn decode(input: &mut &[u8], limits: &Limits) -> Result<Option<Self>, Error> {
        let mut rest = *input;

        // Shape and meaning: is what has arrived of the fixed part allowed?
        let Some((init, name_bytes)) = Self::head(&mut rest, limits)? else { return Ok(None) };

        // Payload: only now wait for it.
        let Some((name, rest)) = rest.split_at_checked(size(name_bytes)) else { return Ok(None) };
        *input = rest;
        Ok(Some(Self { name: text(name), ..init }))
    }

    /// What stands in front of the name, and how long that is.
    pub(crate) fn head(input: &mut &[u8], limits: &Limits) -> Result<Option<(Self, u32)>, Error> {
        let mut reader = Reader::new(input);
        let (Some(width), Some(height)) = (reader.u16(), reader.u16()) else { return Ok(None) };
        limits.framebuffer(width, height)?;
        let mut rest = reader.rest();
        let Some(format) = PixelFormat::decode(&mut rest)? else { return Ok(None) };
        let mut reader = Reader::new(rest);
        let Some(name_bytes) = reader.u32() else { return Ok(None) };
        limits.name(name_bytes)?;
        *input = reader.rest();
        Ok(Some((Self { width, height, format, name: String::new() }, name_bytes)))
    }

    /// Appends the message.
    pub fn encode(&self, out: &mut impl BufMut) {
        out.put_u16(self.width);
        out.put_u16(self.height);
        self.format.encode(out);
        put_text(out, &self.name);
    }
}
