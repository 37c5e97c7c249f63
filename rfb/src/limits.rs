//! How much of anything a peer can make this side hold or do.

use crate::Error;

/// Bounds on what a peer may ask for. Every default is finite.
///
/// ```
/// let mut limits = towline_rfb::Limits::default();
/// limits.max_name_bytes = 256;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Width times height of a framebuffer, in pixels; each takes four bytes of a [`Framebuffer`](crate::Framebuffer).
    pub max_framebuffer_pixels: u64,
    /// The name of a desktop, in bytes.
    pub max_name_bytes: u32,
    /// The reason that a server gives for refusing, in bytes.
    pub max_reason_bytes: u32,
    /// What is cut and pasted at once, in bytes.
    pub max_cut_text_bytes: u32,
    /// Width times height of a cursor, in pixels.
    pub max_cursor_pixels: u32,
    /// The compressed data of one ZRLE rectangle, in bytes. It is unfolded as it comes and never held.
    pub max_zrle_bytes: u32,
    /// Entries of one SetEncodings message.
    pub max_encodings: u16,
    /// What one side of a proxied connection may send before the other is ready for it, in bytes.
    pub max_unread_bytes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_framebuffer_pixels: 64 * 1024 * 1024,
            max_name_bytes: 4 * 1024,
            max_reason_bytes: 4 * 1024,
            max_cut_text_bytes: 1024 * 1024,
            max_cursor_pixels: 512 * 512,
            max_zrle_bytes: 256 * 1024 * 1024,
            max_encodings: 1024,
            max_unread_bytes: 64 * 1024,
        }
    }
}

impl Limits {
    /// Whether a framebuffer may be this big.
    pub(crate) fn framebuffer(&self, width: u16, height: u16) -> Result<(), Error> {
        within("max_framebuffer_pixels", u64::from(width) * u64::from(height), self.max_framebuffer_pixels)
    }

    pub(crate) fn name(&self, bytes: u32) -> Result<(), Error> {
        within("max_name_bytes", bytes, self.max_name_bytes)
    }

    pub(crate) fn reason(&self, bytes: u32) -> Result<(), Error> {
        within("max_reason_bytes", bytes, self.max_reason_bytes)
    }

    pub(crate) fn cut_text(&self, bytes: u32) -> Result<(), Error> {
        within("max_cut_text_bytes", bytes, self.max_cut_text_bytes)
    }

    pub(crate) fn cursor(&self, width: u16, height: u16) -> Result<(), Error> {
        within("max_cursor_pixels", u64::from(width) * u64::from(height), self.max_cursor_pixels)
    }

    pub(crate) fn zrle(&self, bytes: u32) -> Result<(), Error> {
        within("max_zrle_bytes", bytes, self.max_zrle_bytes)
    }

    pub(crate) fn encodings(&self, count: u16) -> Result<(), Error> {
        within("max_encodings", count, self.max_encodings)
    }

    pub(crate) fn unread(&self, bytes: usize) -> Result<(), Error> {
        within("max_unread_bytes", u64::try_from(bytes).unwrap_or(u64::MAX), self.max_unread_bytes)
    }
}

fn within(what: &'static str, got: impl Into<u64>, max: impl Into<u64>) -> Result<(), Error> {
    let (got, max) = (got.into(), max.into());
    if got > max { Err(Error::LimitExceeded { what, got, max }) } else { Ok(()) }
}

/// A length that a limit has allowed, as the size of something in memory.
pub(crate) fn size(length: u32) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}
