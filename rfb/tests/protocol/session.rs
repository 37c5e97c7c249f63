//! What the tests share: a session's two ends, and bytes of a server that keeps no rule.

use bytes::{BufMut, Bytes};
use towline_rfb::{
    Decoder, Encoding, Error, Event, Framebuffer, Limits, PixelFormat, Rectangle, RectangleHead, ServerInit,
    ServerMessage,
};

pub(crate) fn init(width: u16, height: u16, format: PixelFormat) -> ServerInit {
    ServerInit { width, height, format, name: "pump".into() }
}

pub(crate) fn decoder(width: u16, height: u16, format: PixelFormat) -> Decoder {
    Decoder::new(&init(width, height, format), Limits::default()).unwrap()
}

/// An update with one rectangle.
pub(crate) fn update(rectangle: Rectangle, encoding: Encoding, body: &[u8]) -> Bytes {
    let mut wire = Vec::new();
    ServerMessage::FramebufferUpdate { rectangles: 1 }.encode(&mut wire);
    RectangleHead { rectangle, encoding }.encode(&mut wire);
    wire.put_slice(body);
    wire.into()
}

/// How many events come until the input is used up or an error ends it.
pub(crate) fn drain(decoder: &mut Decoder) -> Result<usize, Error> {
    let mut count = 0;
    while decoder.poll_event()?.is_some() {
        count += 1;
    }
    Ok(count)
}

/// Paints all that comes.
pub(crate) fn paint(decoder: &mut Decoder, picture: &mut Framebuffer) {
    while let Some(event) = decoder.poll_event().unwrap() {
        picture.apply(&event, &Limits::default()).unwrap();
    }
}

/// The only event.
pub(crate) fn one_event(decoder: &mut Decoder, check: impl FnOnce(Event<'_>)) {
    check(decoder.poll_event().unwrap().expect("an event"));
}
