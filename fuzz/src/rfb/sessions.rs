//! The sessions after the handshake: a server's bytes into a decoder, a client's into an encoder and the view-only filter.

use bytes::Bytes;
use towline_rfb::{
    Channel, ClientMessage, Colours, Decoder, Encoder, Encoding, Error, Event, Framebuffer, Limits, Paint, PixelFormat,
    Rectangle, RectangleHead, Rgba, ServerInit, ServerMessage,
    proxy::{ViewOnly, ViewOnlyEvent},
};

use super::handshakes::damaged;
use crate::{law, script::Script};

/// A decoder: the input as it is, a valid session as the script decides, and that with one byte changed.
///
/// # Panics
///
/// If the chunking law is broken, a valid session is refused, or a paint reaches out of the framebuffer.
pub fn decoder(input: &[u8]) {
    let mut script = Script::new(input);
    let cuts = [script.below(2048), script.below(2048)];
    let (at, change) = (script.below(2048), script.byte());
    let init = any_init(&mut script);
    let rest = script.rest();

    law::chunking(|| Viewer::new(&init), rest, &cuts);
    let valid = valid_updates(&init, rest);
    law::chunking(|| Viewer::new(&init), &valid, &cuts);
    law::chunking(|| Viewer::new(&init), &damaged(&valid, at, change), &cuts);
    let (_, error) = law::run(Viewer::new(&init), [Bytes::from(valid)]);
    assert_eq!(error, None, "a valid session was refused");
}

/// A whole session: whatever a script paints, the viewer ends with the same picture, as its format has it, in each encoding.
///
/// # Panics
///
/// If it does not.
pub fn server_session(input: &[u8]) {
    let mut script = Script::new(input);
    let init = any_init(&mut script);
    let limits = Limits::default();
    let rest = script.rest();
    let pictures = [Encoding::RAW, Encoding::HEXTILE, Encoding::ZRLE].map(|encoding| {
        let mut painter = Painter::new(&init, encoding);
        let mut viewer = Decoder::new(&init, limits.clone()).expect("it is small");
        let mut seen = Framebuffer::new(init.width, init.height, &limits).expect("it is small");
        let mut script = Script::new(rest);
        for _ in 0..20 {
            painter.paint(&mut script);
            viewer.handle_input(painter.updates());
            while let Some(event) = viewer.poll_event().expect("it is ours") {
                seen.apply(&event, &limits).expect("it is small");
            }
        }
        seen
    });
    assert!(pictures[0] == pictures[1], "Raw and Hextile differ");
    assert!(pictures[0] == pictures[2], "Raw and ZRLE differ");
}

/// A client's messages, any and with one byte changed, into an encoder and into the filter.
///
/// # Panics
///
/// If the chunking law is broken, or the filter passes what touches the device.
pub fn client_session(input: &[u8]) {
    let mut script = Script::new(input);
    let cuts = [script.below(512), script.below(512)];
    let init = any_init(&mut script);
    let rest = script.rest();
    law::chunking(|| Host(Encoder::new(&init, Limits::default()).expect("it is small")), rest, &cuts);
    law::chunking(|| Filter(ViewOnly::new(Limits::default())), rest, &cuts);

    let (events, _) = law::run(Filter(ViewOnly::new(Limits::default())), [Bytes::copy_from_slice(rest)]);
    for event in events {
        if let ViewOnlyEvent::Passed(bytes) = event {
            let message = ClientMessage::decode(&mut &bytes[..], &Limits::default());
            assert!(matches!(
                message,
                Ok(Some(
                    ClientMessage::SetPixelFormat(_)
                        | ClientMessage::SetEncodings(_)
                        | ClientMessage::FramebufferUpdateRequest { .. }
                        | ClientMessage::EnableContinuousUpdates { .. }
                        | ClientMessage::Fence { .. }
                ))
            ));
        }
    }
}

/// A small framebuffer in any format that can be.
fn any_init(script: &mut Script<'_>) -> ServerInit {
    let format = match script.byte() % 8 {
        0 => PixelFormat::RGBX,
        1 => PixelFormat::BGRX,
        2 => PixelFormat::RGB565,
        3 => PixelFormat::BGR233,
        4 => PixelFormat::COLOUR_MAP,
        5 => PixelFormat { big_endian: true, ..PixelFormat::BGRX },
        _ => {
            let bits_per_pixel = [8, 16, 32][script.below(3)];
            let mut channel = || {
                let shift = script.byte() % bits_per_pixel;
                let max = u16::MAX >> script.below(16);
                let bits = 16.min(bits_per_pixel - shift);
                Channel { max: max & (u16::MAX >> (16 - bits)), shift }
            };
            let colours = Colours::True { red: channel(), green: channel(), blue: channel() };
            PixelFormat { bits_per_pixel, depth: bits_per_pixel, big_endian: script.byte().is_multiple_of(2), colours }
        }
    };
    let (width, height) = (1 + u16::from(script.byte() % 80), 1 + u16::from(script.byte() % 80));
    ServerInit { width, height, format, name: "pump".into() }
}

/// A server with a picture that a script paints.
struct Painter {
    encoder: Encoder,
    picture: Framebuffer,
}

impl Painter {
    fn new(init: &ServerInit, encoding: Encoding) -> Self {
        let limits = Limits::default();
        let mut encoder = Encoder::new(init, limits.clone()).expect("it is small");
        let mut wire = Vec::new();
        ClientMessage::SetEncodings(vec![encoding]).encode(&mut wire);
        encoder.handle_input(wire.into());
        while encoder.poll_event().expect("it is ours").is_some() {}
        Self { encoder, picture: Framebuffer::new(init.width, init.height, &limits).expect("it is small") }
    }

    fn paint(&mut self, script: &mut Script<'_>) {
        let rectangle = any_rectangle(script, self.picture.rectangle());
        match script.byte() % 3 {
            0 => self.picture.paint(&Paint::Fill { rectangle, rgba: any_colour(script) }),
            1 => {
                let colours = [any_colour(script), any_colour(script), any_colour(script)];
                let step = 1 + script.below(7);
                let rgba: Vec<Rgba> = (0..rectangle.pixels()).map(|index| colours[index / step % 3]).collect();
                self.picture.paint(&Paint::Pixels { rectangle, rgba: &rgba });
            }
            _ => {
                let seed = u32::from(script.byte()) << 8 | u32::from(script.byte());
                let noise = |index: u32| ((index ^ seed).wrapping_mul(0x9e37_79b1)).to_be_bytes();
                let rgba: Vec<Rgba> = (0..).map(noise).take(rectangle.pixels()).collect();
                self.picture.paint(&Paint::Pixels { rectangle, rgba: &rgba });
            }
        }
        self.encoder.damage(rectangle);
    }

    fn updates(&mut self) -> Bytes {
        let mut wire = Vec::new();
        let rectangle = self.picture.rectangle();
        ClientMessage::FramebufferUpdateRequest { incremental: true, rectangle }.encode(&mut wire);
        self.encoder.handle_input(wire.into());
        while self.encoder.poll_event().expect("it is ours").is_some() {}
        self.encoder.update(&self.picture);
        self.encoder.poll_transmit().unwrap_or_default()
    }
}

fn any_rectangle(script: &mut Script<'_>, within: Rectangle) -> Rectangle {
    let any = Rectangle::new(
        u16::from(script.byte()) % within.width,
        u16::from(script.byte()) % within.height,
        script.byte().into(),
        script.byte().into(),
    );
    any.intersection(&within).unwrap_or_default()
}

fn any_colour(script: &mut Script<'_>) -> Rgba {
    [script.byte(), script.byte(), script.byte(), 255]
}

/// A server's half of a session that keeps every rule, as the script decides.
pub fn valid_updates(init: &ServerInit, script: &[u8]) -> Vec<u8> {
    let mut script = Script::new(script);
    let encoding = [Encoding::RAW, Encoding::HEXTILE, Encoding::ZRLE][script.below(3)];
    let mut painter = Painter::new(init, encoding);
    let mut wire = Vec::new();
    let head = |rectangle, encoding, wire: &mut Vec<u8>| {
        ServerMessage::FramebufferUpdate { rectangles: 1 }.encode(wire);
        RectangleHead { rectangle, encoding }.encode(wire);
    };
    let pixel_bytes = init.format.bytes_per_pixel();
    let all = Rectangle::new(0, 0, init.width, init.height);
    while !script.is_empty() && wire.len() < 20_000 {
        match script.byte() % 10 {
            0..=3 => {
                painter.paint(&mut script);
                wire.extend_from_slice(&painter.updates());
            }
            4 => {
                let rectangle = any_rectangle(&mut script, all);
                head(rectangle, Encoding::COPY_RECT, &mut wire);
                wire.extend_from_slice(&[0; 4]);
            }
            5 => {
                let shape = Rectangle::new(0, 0, (script.byte() % 20).into(), (script.byte() % 20).into());
                head(shape, Encoding::CURSOR, &mut wire);
                let mask = usize::from(shape.width).div_ceil(8) * usize::from(shape.height);
                wire.extend(std::iter::repeat_n(script.byte(), shape.pixels() * pixel_bytes + mask));
            }
            6 => {
                let name = vec![script.byte(); script.below(30)];
                head(Rectangle::default(), Encoding::DESKTOP_NAME, &mut wire);
                wire.extend_from_slice(&[0, 0, 0, u8::try_from(name.len()).expect("it is short")]);
                wire.extend_from_slice(&name);
            }
            7 => {
                head(all, Encoding::EXTENDED_DESKTOP_SIZE, &mut wire);
                let screens = script.byte() % 4;
                wire.extend_from_slice(&[screens, 0, 0, 0]);
                wire.extend(std::iter::repeat_n(script.byte(), usize::from(screens) * 16));
            }
            8 => ServerMessage::CutText(vec![script.byte(); script.below(200)].into()).encode(&mut wire),
            _ => match script.byte() % 3 {
                0 => ServerMessage::Bell.encode(&mut wire),
                1 => {
                    let colours = vec![[script.byte().into(), 0, 0xffff]; script.below(20)];
                    ServerMessage::SetColourMapEntries { first: script.byte().into(), colours }.encode(&mut wire);
                }
                _ => head(Rectangle::default(), Encoding::LAST_RECT, &mut wire),
            },
        }
    }
    wire
}

/// An event without a loan.
#[derive(Debug, PartialEq)]
enum Seen {
    Pixels(Rectangle, Vec<Rgba>),
    Cursor(Rectangle, Vec<Rgba>),
    Other(String),
}

struct Viewer(Decoder);

impl Viewer {
    fn new(init: &ServerInit) -> Self {
        Self(Decoder::new(init, Limits::default()).expect("it is small"))
    }
}

impl law::Machine for Viewer {
    type Event = Seen;
    type Error = Error;

    fn handle_input(&mut self, input: Bytes) {
        self.0.handle_input(input);
    }

    fn poll_event(&mut self) -> Result<Option<Seen>, Error> {
        let size = Rectangle::new(0, 0, self.0.width(), self.0.height());
        Ok(self.0.poll_event()?.map(|event| {
            if let Event::Paint(paint) = &event {
                assert!(size.contains(&paint.rectangle()), "a paint reaches out of the framebuffer");
                assert!(!paint.rectangle().is_empty(), "a paint paints");
            }
            match event {
                Event::Paint(Paint::Pixels { rectangle, rgba }) => {
                    assert_eq!(rgba.len(), rectangle.pixels());
                    Seen::Pixels(rectangle, rgba.to_vec())
                }
                Event::Cursor { shape, rgba } => {
                    assert_eq!(rgba.len(), shape.pixels());
                    Seen::Cursor(shape, rgba.to_vec())
                }
                other => Seen::Other(format!("{other:?}")),
            }
        }))
    }

    fn join(_: &mut Seen, next: Seen) -> Option<Seen> {
        Some(next)
    }
}

struct Host(Encoder);

impl law::Machine for Host {
    type Event = ClientMessage;
    type Error = Error;

    fn handle_input(&mut self, input: Bytes) {
        self.0.handle_input(input);
    }

    fn poll_event(&mut self) -> Result<Option<ClientMessage>, Error> {
        self.0.poll_event()
    }

    fn join(_: &mut ClientMessage, next: ClientMessage) -> Option<ClientMessage> {
        Some(next)
    }
}

struct Filter(ViewOnly);

impl law::Machine for Filter {
    type Event = ViewOnlyEvent;
    type Error = Error;

    fn handle_input(&mut self, input: Bytes) {
        self.0.handle_input(input);
    }

    fn poll_event(&mut self) -> Result<Option<ViewOnlyEvent>, Error> {
        self.0.poll_event()
    }

    fn join(_: &mut ViewOnlyEvent, next: ViewOnlyEvent) -> Option<ViewOnlyEvent> {
        Some(next)
    }
}
