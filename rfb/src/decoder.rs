//! The client's machine after the handshake: the server's bytes in, what they do to the picture out.
//!
//! ```text
//!            ┌────────────── FramebufferUpdate ───────────────┐
//!            │                                                ▼
//!  peer ──► Message ──► other messages ──► event          Rectangle ◄────────────┐
//!            ▲                                                │ head             │ painted
//!            └───── FrameEnd ◄── none left, LastRect ◄────────┼──► one encoding ─┘
//! ```
//!
//! Each encoding is a file of its own in `decoder/`, and paints in pieces of bounded size.

mod copy_rect;
mod cursor;
mod desktop;
pub(crate) mod hextile;
mod raw;
pub(crate) mod zrle;

use alloc::{string::String, vec::Vec};

use bytes::{Bytes, BytesMut};

use crate::{
    ClientMessage, Encoding, Error, Limits, Paint, PixelFormat, Rectangle, RectangleHead, Rgba, Screen, ServerInit,
    ServerMessage,
    input::Input,
    pixels::{ColourMap, Reading},
};

/// What happened, in the order of the server's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A part of the picture changes.
    Paint(Paint<'a>),
    /// The update is complete: the picture can be shown, and the next one asked for.
    FrameEnd,
    /// The framebuffer has another size. What both sizes have stays.
    Resized {
        /// Width, in pixels.
        width: u16,
        /// Height, in pixels.
        height: u16,
        /// The screens on it; none if the server did not say.
        screens: Vec<Screen>,
    },
    /// The server did not change the size as it was asked to.
    ResizeRefused {
        /// Why: 1 it is forbidden, 2 out of resources, 3 the screens are not possible.
        status: u16,
    },
    /// The desktop has another name.
    Renamed(String),
    /// The cursor has this shape from now on; without pixels it is hidden.
    Cursor {
        /// Its size, and as its place the pixel that points.
        shape: Rectangle,
        /// Its pixels, transparent where it is not.
        rgba: &'a [Rgba],
    },
    /// Colours of the colour map are others. They are used from now on; to have them in what is painted already, ask for a
    /// full update.
    ColourMapChanged,
    /// The bell rings.
    Bell,
    /// The server's clipboard, in Latin-1.
    CutText(Bytes),
    /// The server's clipboard in the extended form.
    ExtendedClipboard(Bytes),
}

/// What an encoding did with the bytes that are there.
enum Step {
    /// Not all here yet.
    Wait,
    /// The rectangle is complete.
    Done,
    /// One event, and there may be more.
    Happened(Happened),
}

/// An event whose pixels are still in the canvas.
enum Happened {
    Pixels(Rectangle),
    Fill(Rectangle, Rgba),
    Copy { rectangle: Rectangle, from_x: u16, from_y: u16 },
    Cursor(Rectangle),
    Other(Event<'static>),
}

/// What all encodings paint with.
#[derive(Debug)]
struct Canvas {
    pixels: Reading,
    /// ZRLE's pixels.
    compressed: Reading,
    map: ColourMap,
    /// The pixels of the last event. INVARIANT: never more than the largest row, tile or cursor.
    rgba: Vec<Rgba>,
}

#[derive(Debug)]
enum State {
    Message,
    /// Between two rectangles of an update.
    Rectangle {
        left: u16,
    },
    /// Within one.
    Body {
        left: u16,
        body: Body,
    },
}

#[derive(Debug)]
enum Body {
    Raw(raw::Rows),
    CopyRect(Rectangle),
    Hextile(hextile::Tiles),
    Zrle(zrle::Tiles),
    Cursor(Rectangle),
    DesktopName(desktop::Name),
    ExtendedDesktopSize(desktop::Layout),
}

/// One session, as the client sees it. See the [crate's documentation](crate) for the loop around it.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    size: Rectangle,
    canvas: Canvas,
    zlib: zrle::Stream,
    input: Input,
    output: BytesMut,
    state: State,
    failed: Option<Error>,
    /// An update was asked for since the last one ended.
    update_awaited: bool,
}

impl Decoder {
    /// The session that a handshake has begun.
    ///
    /// # Errors
    ///
    /// Those of [`ServerInit::decode`], for what did not come from there.
    pub fn new(init: &ServerInit, limits: Limits) -> Result<Self, Error> {
        limits.framebuffer(init.width, init.height)?;
        init.format.check()?;
        Ok(Self {
            size: Rectangle::new(0, 0, init.width, init.height),
            canvas: Canvas {
                pixels: Reading::pixels(&init.format),
                compressed: Reading::compressed(&init.format),
                map: ColourMap::default(),
                rgba: Vec::new(),
            },
            limits,
            zlib: zrle::Stream::default(),
            input: Input::default(),
            output: BytesMut::new(),
            state: State::Message,
            failed: None,
            update_awaited: false,
        })
    }

    /// Tells the server something: which encodings this side knows ([`Encoding::DECODED`]), what it wants to see, what
    /// the person does.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] for a [`ClientMessage::SetPixelFormat`] while an update is awaited, which could come in either
    /// format, or with a format that cannot be; for every message after an error.
    pub fn send(&mut self, message: &ClientMessage) -> Result<(), Error> {
        if self.failed.is_some() {
            return Err(Error::Misuse("send after an error"));
        }
        match message {
            ClientMessage::SetPixelFormat(format) => self.set_format(format)?,
            ClientMessage::FramebufferUpdateRequest { .. } => self.update_awaited = true,
            _ => {}
        }
        message.encode(&mut self.output);
        Ok(())
    }

    fn set_format(&mut self, format: &PixelFormat) -> Result<(), Error> {
        if self.update_awaited || !matches!(self.state, State::Message) {
            return Err(Error::Misuse("SetPixelFormat while an update is awaited"));
        }
        format.check().map_err(|_| Error::Misuse("SetPixelFormat with a format that cannot be"))?;
        self.canvas.pixels = Reading::pixels(format);
        self.canvas.compressed = Reading::compressed(format);
        Ok(())
    }

    /// Asks for the whole picture, or with `incremental` for what has changed: a shorthand for the message.
    ///
    /// After each [`Event::FrameEnd`] ask for what has changed, even if nothing of the whole picture has come yet: TigerVNC
    /// answers with the size and the cursor first, and holds the pixels back until it is asked again.
    ///
    /// # Errors
    ///
    /// Those of [`Decoder::send`].
    pub fn request_update(&mut self, incremental: bool) -> Result<(), Error> {
        self.send(&ClientMessage::FramebufferUpdateRequest { incremental, rectangle: self.size })
    }

    /// Width of the framebuffer, in pixels.
    pub fn width(&self) -> u16 {
        self.size.width
    }

    /// Height of the framebuffer, in pixels.
    pub fn height(&self) -> u16 {
        self.size.height
    }

    /// Stores what the server sent. Drain [`Decoder::poll_event`] to `None` before the next chunk.
    pub fn handle_input(&mut self, input: Bytes) {
        if self.failed.is_none() {
            self.input.push(input);
        }
    }

    /// The next bytes for the server, in order; `None` when there is nothing now.
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        (!self.output.is_empty()).then(|| self.output.split().freeze())
    }

    /// The next event; `Ok(None)` until more has arrived.
    ///
    /// # Errors
    ///
    /// The first error is final and repeats: [`Error::Malformed`], [`Error::LimitExceeded`], or [`Error::Unsupported`] for
    /// an encoding or a message that this side did not ask for.
    pub fn poll_event(&mut self) -> Result<Option<Event<'_>>, Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        match self.advance() {
            Ok(None) => Ok(None),
            Ok(Some(happened)) => Ok(Some(self.event(happened))),
            Err(error) => {
                self.failed = Some(error.clone());
                self.input.clear();
                Err(error)
            }
        }
    }

    fn event(&self, happened: Happened) -> Event<'_> {
        let rgba = &self.canvas.rgba;
        match happened {
            Happened::Pixels(rectangle) => Event::Paint(Paint::Pixels { rectangle, rgba }),
            Happened::Fill(rectangle, rgba) => Event::Paint(Paint::Fill { rectangle, rgba }),
            Happened::Copy { rectangle, from_x, from_y } => Event::Paint(Paint::Copy { rectangle, from_x, from_y }),
            Happened::Cursor(shape) => Event::Cursor { shape, rgba },
            Happened::Other(event) => event,
        }
    }

    fn advance(&mut self) -> Result<Option<Happened>, Error> {
        loop {
            match &mut self.state {
                State::Message => {
                    let Some(message) = self.message()? else { return Ok(None) };
                    if let Some(happened) = self.handle_message(message) {
                        return Ok(Some(happened));
                    }
                }
                State::Rectangle { left: 0 } => return Ok(Some(self.end_frame())),
                State::Rectangle { left } => {
                    let left = *left - 1;
                    let Some(head) = self.input.array::<{ RectangleHead::BYTES }>() else { return Ok(None) };
                    let Some(head) = RectangleHead::decode(&mut &head[..]) else { return Ok(None) };
                    if head.encoding == Encoding::LAST_RECT {
                        self.state = State::Rectangle { left: 0 };
                    } else if head.encoding == Encoding::DESKTOP_SIZE {
                        self.state = State::Rectangle { left };
                        self.resize(head.rectangle)?;
                        let (width, height) = (self.size.width, self.size.height);
                        return Ok(Some(Happened::Other(Event::Resized { width, height, screens: Vec::new() })));
                    } else {
                        self.state = State::Body { left, body: self.body(head)? };
                    }
                }
                State::Body { left, body } => {
                    let (input, canvas) = (&mut self.input, &mut self.canvas);
                    let step = match body {
                        Body::Raw(rows) => rows.step(input, canvas)?,
                        Body::CopyRect(rectangle) => copy_rect::step(rectangle, &self.size, input)?,
                        Body::Hextile(tiles) => tiles.step(input, canvas)?,
                        Body::Zrle(tiles) => tiles.step(input, canvas, &mut self.zlib, &self.limits)?,
                        Body::Cursor(shape) => cursor::step(*shape, input, canvas),
                        Body::DesktopName(name) => name.step(input, &self.limits)?,
                        Body::ExtendedDesktopSize(layout) => layout.step(input),
                    };
                    match step {
                        Step::Wait => return Ok(None),
                        Step::Done => self.state = State::Rectangle { left: *left },
                        Step::Happened(happened) => {
                            if body.ends_with_its_event() {
                                self.state = State::Rectangle { left: *left };
                            }
                            if let Happened::Other(Event::Resized { width, height, .. }) = happened {
                                self.resize(Rectangle::new(0, 0, width, height))?;
                            }
                            return Ok(Some(happened));
                        }
                    }
                }
            }
        }
    }

    /// The next message, if all of it is here.
    fn message(&mut self) -> Result<Option<ServerMessage>, Error> {
        let mut head = [0; ServerMessage::HEAD_BYTES];
        let Some(length) = ServerMessage::wire_bytes(self.input.peek(&mut head), &self.limits)? else {
            return Ok(None);
        };
        let Some(message) = self.input.take(length) else { return Ok(None) };
        ServerMessage::decode(&mut &message[..], &self.limits)
    }

    fn handle_message(&mut self, message: ServerMessage) -> Option<Happened> {
        let event = match message {
            ServerMessage::FramebufferUpdate { rectangles } => {
                self.state = State::Rectangle { left: rectangles };
                return None;
            }
            ServerMessage::SetColourMapEntries { first, colours } => {
                for (index, colour) in (first..=u16::MAX).zip(colours) {
                    let [red, green, blue] = colour.map(|intensity| u8::try_from(intensity >> 8).unwrap_or(u8::MAX));
                    self.canvas.map.set(index, [red, green, blue, 255]);
                }
                Event::ColourMapChanged
            }
            ServerMessage::Bell => Event::Bell,
            ServerMessage::CutText(text) => Event::CutText(text),
            ServerMessage::ExtendedClipboard(data) => Event::ExtendedClipboard(data),
        };
        Some(Happened::Other(event))
    }

    fn end_frame(&mut self) -> Happened {
        self.state = State::Message;
        self.update_awaited = false;
        Happened::Other(Event::FrameEnd)
    }

    fn resize(&mut self, to: Rectangle) -> Result<(), Error> {
        self.limits.framebuffer(to.width, to.height)?;
        self.size = Rectangle::new(0, 0, to.width, to.height);
        Ok(())
    }

    /// How to read what follows a head: is that allowed?
    fn body(&self, head: RectangleHead) -> Result<Body, Error> {
        let rectangle = head.rectangle;
        match head.encoding {
            Encoding::CURSOR => {
                self.limits.cursor(rectangle.width, rectangle.height)?;
                return Ok(Body::Cursor(rectangle));
            }
            Encoding::DESKTOP_NAME => return Ok(Body::DesktopName(desktop::Name::default())),
            Encoding::EXTENDED_DESKTOP_SIZE => {
                self.limits.framebuffer(rectangle.width, rectangle.height)?;
                return Ok(Body::ExtendedDesktopSize(desktop::Layout::new(rectangle)));
            }
            _ => {}
        }
        let body = match head.encoding {
            Encoding::RAW => Body::Raw(raw::Rows::new(rectangle)),
            Encoding::COPY_RECT => Body::CopyRect(rectangle),
            Encoding::HEXTILE => Body::Hextile(hextile::Tiles::new(rectangle)),
            Encoding::ZRLE => Body::Zrle(zrle::Tiles::new(rectangle)),
            other => return Err(Error::Unsupported { what: "encoding", value: other.0.into() }),
        };
        if !self.size.contains(&rectangle) {
            return Err(Error::Malformed { what: "rectangle", reason: "outside of the framebuffer" });
        }
        Ok(body)
    }
}

impl Body {
    /// Whether its one event is all of it.
    fn ends_with_its_event(&self) -> bool {
        !matches!(self, Self::Raw(_) | Self::Hextile(_) | Self::Zrle(_))
    }
}
