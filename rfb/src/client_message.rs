//! What a client says after the handshake.

use alloc::vec::Vec;

use bytes::{BufMut, Bytes};

use crate::{Encoding, Error, Limits, PixelFormat, Rectangle, Screen, limits::size, reader::Reader};

/// A message from the client.
///
/// Those of RFC 6143, and the extensions that viewers send when the server has said that it knows them.
///
/// Spec: RFC 6143 §7.5; for the extensions the RFB community's specification.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientMessage {
    /// Pixels should come in this format from now on.
    SetPixelFormat(PixelFormat),
    /// What the client understands, best first.
    SetEncodings(Vec<Encoding>),
    /// An update of a part of the framebuffer is wanted.
    FramebufferUpdateRequest {
        /// Only what has changed; otherwise all of it.
        incremental: bool,
        /// Which part.
        rectangle: Rectangle,
    },
    /// A key was pressed or released.
    KeyEvent {
        /// Pressed.
        down: bool,
        /// Which, as X11 numbers them.
        keysym: u32,
    },
    /// The pointer moved, or a button of it.
    PointerEvent {
        /// The buttons that are pressed: bit 0 is the left one.
        buttons: u8,
        /// Where it is.
        x: u16,
        /// Where it is.
        y: u16,
    },
    /// The client's clipboard, in Latin-1.
    CutText(Bytes),
    /// The client's clipboard in the extended form: flags and data.
    ExtendedClipboard(Bytes),
    /// Updates should come without requests, or no longer.
    EnableContinuousUpdates {
        /// They should.
        enable: bool,
        /// Of which part.
        rectangle: Rectangle,
    },
    /// A point in the stream.
    Fence {
        /// What is asked, or answered.
        flags: u32,
        /// Comes back unchanged; at most 64 bytes.
        payload: Bytes,
    },
    /// Power control.
    Xvp {
        /// Version of the extension.
        version: u8,
        /// Shut down, reboot or reset.
        code: u8,
    },
    /// The framebuffer should have another size.
    SetDesktopSize {
        /// Width, in pixels.
        width: u16,
        /// Height, in pixels.
        height: u16,
        /// The screens on it.
        screens: Vec<Screen>,
    },
    /// A key was pressed or released, with the code of the key itself.
    QemuExtendedKeyEvent {
        /// Pressed.
        down: bool,
        /// Which, as X11 numbers them; 0 if it has no number.
        keysym: u32,
        /// Which, as the keyboard numbers them.
        keycode: u32,
    },
}

const SET_PIXEL_FORMAT: u8 = 0;
const SET_ENCODINGS: u8 = 2;
const FRAMEBUFFER_UPDATE_REQUEST: u8 = 3;
const KEY_EVENT: u8 = 4;
const POINTER_EVENT: u8 = 5;
const CUT_TEXT: u8 = 6;
const ENABLE_CONTINUOUS_UPDATES: u8 = 150;
const FENCE: u8 = 248;
const XVP: u8 = 250;
const SET_DESKTOP_SIZE: u8 = 251;
const QEMU: u8 = 255;

/// The longest payload of a Fence, in bytes.
const MAX_FENCE_BYTES: u8 = 64;

impl ClientMessage {
    /// How many bytes from the front of a message tell its length.
    pub(crate) const HEAD_BYTES: usize = 9;

    /// The length of the message at the front of `input`, in bytes, which its first nine bytes tell; `Ok(None)` until
    /// they do.
    ///
    /// # Errors
    ///
    /// [`Error::LimitExceeded`] if it is more than `limits` allows, [`Error::Unsupported`] for a message whose length is not
    /// known, [`Error::Malformed`] for a Fence of more than 64 bytes.
    pub fn wire_bytes(input: &[u8], limits: &Limits) -> Result<Option<usize>, Error> {
        let mut reader = Reader::new(input);
        let Some(number) = reader.u8() else { return Ok(None) };
        let length = match number {
            SET_PIXEL_FORMAT => Some(4 + PixelFormat::BYTES),
            SET_ENCODINGS => {
                let Some([_, high, low]) = reader.array() else { return Ok(None) };
                let count = u16::from_be_bytes([high, low]);
                limits.encodings(count)?;
                Some(4 + 4 * usize::from(count))
            }
            FRAMEBUFFER_UPDATE_REQUEST | ENABLE_CONTINUOUS_UPDATES => Some(10),
            KEY_EVENT => Some(8),
            POINTER_EVENT => Some(6),
            CUT_TEXT => {
                let Some((_, bytes)) = clipboard_bytes(&mut reader) else { return Ok(None) };
                limits.cut_text(bytes)?;
                Some(8 + size(bytes))
            }
            FENCE => {
                let Some([_, _, _, _, _, _, _, bytes]) = reader.array() else { return Ok(None) };
                if bytes > MAX_FENCE_BYTES {
                    return Err(Error::Malformed { what: "Fence", reason: "longer than 64 bytes" });
                }
                Some(9 + usize::from(bytes))
            }
            XVP => Some(4),
            SET_DESKTOP_SIZE => {
                let Some([_, _, _, _, _, screens, _]) = reader.array() else { return Ok(None) };
                Some(8 + Screen::BYTES * usize::from(screens))
            }
            QEMU => match reader.u8() {
                None => None,
                Some(0) => Some(12),
                Some(other) => return Err(Error::Unsupported { what: "QEMU client message", value: other.into() }),
            },
            other => return Err(Error::Unsupported { what: "client message", value: other.into() }),
        };
        Ok(length)
    }

    /// Takes a message off the front of `input`.
    ///
    /// Returns `Ok(None)`, and leaves `input` as it was, until all of it has arrived.
    ///
    /// # Errors
    ///
    /// Those of [`ClientMessage::wire_bytes`], before the payload is waited for; those of [`PixelFormat::check`].
    ///
    /// Spec: RFC 6143 §7.5.
    pub fn decode(input: &mut &[u8], limits: &Limits) -> Result<Option<Self>, Error> {
        // Shape and meaning: how long is it, and is that allowed?
        let Some(length) = Self::wire_bytes(input, limits)? else { return Ok(None) };

        // Payload: only now wait for it.
        let Some((message, rest)) = input.split_at_checked(length) else { return Ok(None) };
        let short = Error::Malformed { what: "client message", reason: "too short" };
        let message = Self::read(&mut Reader::new(message))?.ok_or(short)?;
        *input = rest;
        Ok(Some(message))
    }

    /// A message that is all here; `None` does not happen then.
    fn read(reader: &mut Reader<'_>) -> Result<Option<Self>, Error> {
        let Some(number) = reader.u8() else { return Ok(None) };
        if number == SET_PIXEL_FORMAT {
            let _padding = reader.take(3);
            return Ok(PixelFormat::decode(&mut reader.rest())?.map(Self::SetPixelFormat));
        }
        Ok(Self::read_body(number, reader))
    }

    fn read_body(number: u8, reader: &mut Reader<'_>) -> Option<Self> {
        Some(match number {
            SET_ENCODINGS => {
                reader.take(3)?;
                Self::SetEncodings(core::iter::from_fn(|| reader.i32()).map(Encoding).collect())
            }
            FRAMEBUFFER_UPDATE_REQUEST => {
                Self::FramebufferUpdateRequest { incremental: reader.u8()? != 0, rectangle: Rectangle::read(reader)? }
            }
            KEY_EVENT => {
                let down = reader.u8()? != 0;
                reader.take(2)?;
                Self::KeyEvent { down, keysym: reader.u32()? }
            }
            POINTER_EVENT => Self::PointerEvent { buttons: reader.u8()?, x: reader.u16()?, y: reader.u16()? },
            CUT_TEXT => {
                let (extended, _) = clipboard_bytes(reader)?;
                let text = Bytes::copy_from_slice(reader.rest());
                if extended { Self::ExtendedClipboard(text) } else { Self::CutText(text) }
            }
            ENABLE_CONTINUOUS_UPDATES => {
                Self::EnableContinuousUpdates { enable: reader.u8()? != 0, rectangle: Rectangle::read(reader)? }
            }
            FENCE => {
                reader.take(3)?;
                let flags = reader.u32()?;
                reader.take(1)?;
                Self::Fence { flags, payload: Bytes::copy_from_slice(reader.rest()) }
            }
            XVP => {
                reader.take(1)?;
                Self::Xvp { version: reader.u8()?, code: reader.u8()? }
            }
            SET_DESKTOP_SIZE => {
                reader.take(1)?;
                let (width, height) = (reader.u16()?, reader.u16()?);
                reader.take(2)?;
                let screens = core::iter::from_fn(|| Screen::read(reader)).collect();
                Self::SetDesktopSize { width, height, screens }
            }
            QEMU => {
                reader.take(1)?;
                Self::QemuExtendedKeyEvent { down: reader.u16()? != 0, keysym: reader.u32()?, keycode: reader.u32()? }
            }
            _ => return None,
        })
    }

    /// Appends the message. What is longer than the wire can say is cut: 65,535 encodings, 255 screens, 64 bytes of a
    /// Fence.
    pub fn encode(&self, out: &mut impl BufMut) {
        match self {
            Self::SetPixelFormat(format) => {
                out.put_slice(&[SET_PIXEL_FORMAT, 0, 0, 0]);
                format.encode(out);
            }
            Self::SetEncodings(encodings) => {
                out.put_slice(&[SET_ENCODINGS, 0]);
                let count = u16::try_from(encodings.len()).unwrap_or(u16::MAX);
                out.put_u16(count);
                encodings.iter().take(count.into()).for_each(|encoding| out.put_i32(encoding.0));
            }
            Self::FramebufferUpdateRequest { incremental, rectangle } => {
                out.put_slice(&[FRAMEBUFFER_UPDATE_REQUEST, (*incremental).into()]);
                rectangle.encode(out);
            }
            Self::KeyEvent { down, keysym } => {
                out.put_slice(&[KEY_EVENT, (*down).into(), 0, 0]);
                out.put_u32(*keysym);
            }
            Self::PointerEvent { buttons, x, y } => {
                out.put_slice(&[POINTER_EVENT, *buttons]);
                out.put_u16(*x);
                out.put_u16(*y);
            }
            Self::CutText(text) => put_clipboard(out, CUT_TEXT, text, false),
            Self::ExtendedClipboard(data) => put_clipboard(out, CUT_TEXT, data, true),
            Self::EnableContinuousUpdates { enable, rectangle } => {
                out.put_slice(&[ENABLE_CONTINUOUS_UPDATES, (*enable).into()]);
                rectangle.encode(out);
            }
            Self::Fence { flags, payload } => {
                out.put_slice(&[FENCE, 0, 0, 0]);
                out.put_u32(*flags);
                let length = u8::try_from(payload.len()).unwrap_or(u8::MAX).min(MAX_FENCE_BYTES);
                out.put_u8(length);
                out.put_slice(payload.get(..length.into()).unwrap_or(payload));
            }
            Self::Xvp { version, code } => out.put_slice(&[XVP, 0, *version, *code]),
            Self::SetDesktopSize { width, height, screens } => {
                out.put_slice(&[SET_DESKTOP_SIZE, 0]);
                out.put_u16(*width);
                out.put_u16(*height);
                let count = u8::try_from(screens.len()).unwrap_or(u8::MAX);
                out.put_slice(&[count, 0]);
                screens.iter().take(count.into()).for_each(|screen| screen.encode(out));
            }
            Self::QemuExtendedKeyEvent { down, keysym, keycode } => {
                out.put_slice(&[QEMU, 0, 0, (*down).into()]);
                out.put_u32(*keysym);
                out.put_u32(*keycode);
            }
        }
    }
}

/// Whether a clipboard is of the extended form, which the sign of its length says, and how many bytes it has.
pub(crate) fn clipboard_bytes(reader: &mut Reader<'_>) -> Option<(bool, u32)> {
    reader.take(3)?;
    let length = reader.i32()?;
    Some((length < 0, length.unsigned_abs()))
}

/// Appends a clipboard, which has the same form in both directions.
pub(crate) fn put_clipboard(out: &mut impl BufMut, number: u8, text: &[u8], extended: bool) {
    out.put_slice(&[number, 0, 0, 0]);
    let length = i32::try_from(text.len()).unwrap_or(i32::MAX);
    out.put_i32(if extended { -length } else { length });
    out.put_slice(text.get(..size(length.unsigned_abs())).unwrap_or(text));
}

/// Whether a message with this number changes nothing on the server but what it sends.
pub(crate) fn only_looks(number: u8) -> bool {
    matches!(number, SET_PIXEL_FORMAT | SET_ENCODINGS | FRAMEBUFFER_UPDATE_REQUEST | ENABLE_CONTINUOUS_UPDATES | FENCE)
}
