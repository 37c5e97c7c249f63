//! The server's machine after the handshake: the client's bytes in, updates of its picture out.
//!
//! ```text
//!   peer ──► handle_input ──► messages ──► poll_event                        application
//!                               │ format, encodings, requests
//!                               ▼
//!   peer ◄── poll_transmit ◄── update: what is damaged and asked for ◄── damage, framebuffer
//! ```
//!
//! Damage and requests are state, not queues: a client that asks a thousand times gets one update, and one that asks for
//! nothing costs nothing. Each encoding is a file of its own in `encoder/`.

mod damage;
mod hextile;
mod raw;
mod zrle;

use alloc::vec::Vec;
use core::mem::take;

use bytes::Bytes;

use self::damage::Damage;
use crate::{
    ClientMessage, Colours, Encoding, Error, Framebuffer, Limits, PixelFormat, Rectangle, RectangleHead, Screen,
    ServerInit, ServerMessage,
    input::Input,
    pixels::{Writing, mapped_colours},
};

/// One session, as the server sees it. See the [crate's documentation](crate) for the loop around it.
#[derive(Debug)]
pub struct Encoder {
    limits: Limits,
    /// As the client knows it.
    size: Rectangle,
    writing: Writing,
    encoding: Encoding,
    /// How the client can be told of another size, if it can.
    resizing: Option<Encoding>,
    /// The client waits to be told of the size, even if it is the one that it knows.
    size_owed: Option<SizeOwed>,
    damage: Damage,
    /// What the client has asked for since it got its last update.
    wanted: Option<Rectangle>,
    zrle: zrle::Compressor,
    input: Input,
    output: Vec<u8>,
    failed: Option<Error>,
}

/// Why a client waits to be told of the size.
///
/// Spec: the RFB community's specification, ExtendedDesktopSize.
#[derive(Clone, Copy, Debug)]
enum SizeOwed {
    /// It has just said that it understands ExtendedDesktopSize: only from the answer on it may ask for another size.
    Announcement,
    /// It has asked for this size.
    Answer { width: u16, height: u16 },
}

const ASKED_BY_THIS_CLIENT: u16 = 1;
const SIZE_TAKEN: u16 = 0;
const SIZE_PROHIBITED: u16 = 1;

impl Encoder {
    /// The session that a handshake has begun with `init`.
    ///
    /// # Errors
    ///
    /// [`Error::LimitExceeded`] and [`Error::Malformed`] for an `init` that no client would take.
    pub fn new(init: &ServerInit, limits: Limits) -> Result<Self, Error> {
        limits.framebuffer(init.width, init.height)?;
        init.format.check()?;
        let mut encoder = Self {
            limits,
            size: Rectangle::new(0, 0, init.width, init.height),
            writing: Writing::new(&init.format),
            encoding: Encoding::RAW,
            resizing: None,
            size_owed: None,
            damage: Damage::default(),
            wanted: None,
            zrle: zrle::Compressor::default(),
            input: Input::default(),
            output: Vec::new(),
            failed: None,
        };
        encoder.set_format(&init.format);
        Ok(encoder)
    }

    /// Stores what the client sent. Drain [`Encoder::poll_event`] to `None` before the next chunk.
    pub fn handle_input(&mut self, input: Bytes) {
        if self.failed.is_none() {
            self.input.push(input);
        }
    }

    /// The next message of the client; `Ok(None)` until more has arrived. Format, encodings and requests are heeded
    /// already, keys and pointer are for the application. So is [`ClientMessage::SetDesktopSize`]: whether the picture of
    /// the next [`Encoder::update`] has that size is the answer.
    ///
    /// # Errors
    ///
    /// The first error is final and repeats: those of [`ClientMessage::decode`].
    pub fn poll_event(&mut self) -> Result<Option<ClientMessage>, Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let message = self.message().inspect_err(|error| {
            self.failed = Some(error.clone());
            self.input.clear();
        })?;
        match &message {
            Some(ClientMessage::SetPixelFormat(format)) => self.set_format(format),
            Some(ClientMessage::SetEncodings(encodings)) => self.set_encodings(encodings),
            Some(ClientMessage::SetDesktopSize { width, height, .. }) => {
                self.size_owed = Some(SizeOwed::Answer { width: *width, height: *height });
            }
            Some(ClientMessage::FramebufferUpdateRequest { incremental, rectangle }) => {
                if !incremental {
                    self.damage(*rectangle);
                }
                self.wanted = Some(self.wanted.unwrap_or_default().union(rectangle));
            }
            _ => {}
        }
        Ok(message)
    }

    /// The next message, if all of it is here.
    fn message(&mut self) -> Result<Option<ClientMessage>, Error> {
        let mut head = [0; ClientMessage::HEAD_BYTES];
        let Some(length) = ClientMessage::wire_bytes(self.input.peek(&mut head), &self.limits)? else {
            return Ok(None);
        };
        let Some(message) = self.input.take(length) else { return Ok(None) };
        ClientMessage::decode(&mut &message[..], &self.limits)
    }

    fn set_format(&mut self, format: &PixelFormat) {
        self.writing = Writing::new(format);
        if format.colours == Colours::Map {
            let colours = mapped_colours().map(|colour| colour.map(|byte| u16::from_be_bytes([byte; 2]))).collect();
            ServerMessage::SetColourMapEntries { first: 0, colours }.encode(&mut self.output);
        }
    }

    fn set_encodings(&mut self, encodings: &[Encoding]) {
        let first_of = |ours: &[Encoding]| encodings.iter().copied().find(|encoding| ours.contains(encoding));
        self.encoding = first_of(&[Encoding::RAW, Encoding::HEXTILE, Encoding::ZRLE]).unwrap_or(Encoding::RAW);
        let before = self.resizing;
        self.resizing = [Encoding::EXTENDED_DESKTOP_SIZE, Encoding::DESKTOP_SIZE]
            .into_iter()
            .find(|encoding| encodings.contains(encoding));
        if self.resizing != before {
            self.size_owed = Some(SizeOwed::Announcement);
        }
    }

    /// The next bytes for the client, in order; `None` when there is nothing now.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        (!self.output.is_empty()).then(|| take(&mut self.output).into())
    }

    /// Tells the client something that is not an update.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] for a [`ServerMessage::FramebufferUpdate`]: that is [`Encoder::update`].
    pub fn send(&mut self, message: &ServerMessage) -> Result<(), Error> {
        if matches!(message, ServerMessage::FramebufferUpdate { .. }) {
            return Err(Error::Misuse("send of an update"));
        }
        message.encode(&mut self.output);
        Ok(())
    }

    /// A part of the picture has changed. It goes out with the next [`Encoder::update`] that the client asks for.
    pub fn damage(&mut self, part: Rectangle) {
        self.damage.add(part);
    }

    /// Whether the client waits for an update: worth asking before a picture is made.
    pub fn wants_update(&self) -> bool {
        self.wanted.is_some()
    }

    /// Which encoding updates are in: the first of the client's that this side has.
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Encodes what is damaged and asked for, and a new size if the picture has one; `false` if that is nothing. Call it
    /// when [`Encoder::poll_transmit`] has run dry, so that a slow client skips pictures.
    ///
    /// A client that cannot be told of a new size sees what fits into the old one.
    pub fn update(&mut self, framebuffer: &Framebuffer) -> bool {
        let Some(wanted) = self.wanted else { return false };
        let another = self.size != framebuffer.rectangle();
        let owed = |encoding: &Encoding| *encoding == Encoding::EXTENDED_DESKTOP_SIZE && self.size_owed.is_some();
        let resized = self.resizing.filter(|encoding| another || owed(encoding));
        let mut wanted = wanted;
        if resized.is_some() && another {
            self.size = framebuffer.rectangle();
            self.damage(self.size);
            wanted = self.size;
        }
        let visible = self.size.intersection(&framebuffer.rectangle()).unwrap_or_default();
        let parts = self.damage.take(&wanted.intersection(&visible).unwrap_or_default());
        if parts.is_empty() && resized.is_none() {
            return false;
        }
        self.wanted = None;

        let count = parts.len() + usize::from(resized.is_some());
        let rectangles = u16::try_from(count).unwrap_or(u16::MAX);
        ServerMessage::FramebufferUpdate { rectangles }.encode(&mut self.output);
        if let Some(encoding) = resized {
            self.put_size(encoding, another);
        }
        for part in parts {
            self.put_part(framebuffer, part);
        }
        true
    }

    /// Tells the client the size; `another`: not the one that it knows.
    fn put_size(&mut self, encoding: Encoding, another: bool) {
        let mut rectangle = self.size;
        if encoding == Encoding::EXTENDED_DESKTOP_SIZE {
            // The place of this rectangle is none: it says who asked, and what came of it.
            (rectangle.x, rectangle.y) = match self.size_owed.take() {
                Some(SizeOwed::Answer { width, height }) if (width, height) == (self.size.width, self.size.height) => {
                    (ASKED_BY_THIS_CLIENT, SIZE_TAKEN)
                }
                // Together with a no the client would not look at the size.
                Some(answer @ SizeOwed::Answer { .. }) if another => {
                    self.size_owed = Some(answer);
                    (0, SIZE_TAKEN)
                }
                Some(SizeOwed::Answer { .. }) => (ASKED_BY_THIS_CLIENT, SIZE_PROHIBITED),
                Some(SizeOwed::Announcement) | None => (0, SIZE_TAKEN),
            };
        }
        RectangleHead { rectangle, encoding }.encode(&mut self.output);
        if encoding == Encoding::EXTENDED_DESKTOP_SIZE {
            self.output.extend_from_slice(&[1, 0, 0, 0]);
            Screen { id: 0, rectangle: self.size, flags: 0 }.encode(&mut self.output);
        }
    }

    fn put_part(&mut self, framebuffer: &Framebuffer, part: Rectangle) {
        let (writing, out) = (&self.writing, &mut self.output);
        RectangleHead { rectangle: part, encoding: self.encoding }.encode(out);
        match self.encoding {
            Encoding::ZRLE => self.zrle.put(framebuffer, part, writing, out),
            Encoding::HEXTILE => hextile::put(framebuffer, part, writing, out),
            _ => raw::put(framebuffer, part, writing, out),
        }
    }
}

/// The pixels of a tile as numbers, row by row, into `pixels`.
fn tile_pixels(framebuffer: &Framebuffer, tile: Rectangle, writing: &Writing, pixels: &mut Vec<u32>) {
    pixels.clear();
    for row in rows(framebuffer, tile) {
        pixels.extend(row.iter().map(|colour| writing.pixel(*colour)));
    }
}

/// The rows of a part that lies inside of the picture.
fn rows(framebuffer: &Framebuffer, part: Rectangle) -> impl Iterator<Item = &[crate::Rgba]> {
    (0..part.height).filter_map(move |row| framebuffer.row(part, row))
}
