use bytes::Bytes;
use proptest::{collection::vec, prelude::*};
use towline_rfb::{
    ClientMessage, Colours, Decoder, Encoder, Encoding, Event, Framebuffer, Limits, Paint, PixelFormat, Rectangle,
    Rgba, ServerMessage,
};

use crate::{
    messages::any_format,
    session::{decoder, init, one_event, paint, update},
};

/// What a picture is made of: flat areas, few colours, many, and noise.
#[derive(Clone, Debug)]
enum Stroke {
    Fill(Rectangle, Rgba),
    Noise(Rectangle, u32, u8),
}

fn any_stroke() -> impl Strategy<Value = Stroke> {
    let rectangle = (0..150u16, 0..150u16, 0..150u16, 0..150u16);
    let rectangle = rectangle.prop_map(|(x, y, width, height)| Rectangle::new(x, y, width, height));
    prop_oneof![
        3 => (rectangle.clone(), any::<[u8; 3]>()).prop_map(|(part, [r, g, b])| Stroke::Fill(part, [r, g, b, 255])),
        1 => (rectangle, any::<u32>(), 0..8u8).prop_map(|(part, seed, bits)| Stroke::Noise(part, seed, bits)),
    ]
}

fn draw(picture: &mut Framebuffer, strokes: &[Stroke]) {
    for stroke in strokes {
        match stroke {
            Stroke::Fill(rectangle, rgba) => picture.paint(&Paint::Fill { rectangle: *rectangle, rgba: *rgba }),
            Stroke::Noise(rectangle, seed, bits) => {
                // Few bits: few colours, as packed palettes and palettes with runs have them.
                let mask = u32::from(u8::MAX >> bits) * 0x01_0101;
                let noise = |index: u32| (index ^ seed).wrapping_mul(0x9e37_79b1).rotate_left(13) & mask;
                let rgba: Vec<Rgba> = (0..).map(noise).map(u32::to_le_bytes).take(rectangle.pixels()).collect();
                picture.paint(&Paint::Pixels { rectangle: *rectangle, rgba: &rgba });
            }
        }
    }
}

/// Sends what is damaged over; the viewer's picture changes.
fn exchange(server: &mut Encoder, viewer: &mut Decoder, shown: &Framebuffer, seen: &mut Framebuffer) {
    while let Some(bytes) = viewer.poll_transmit() {
        server.handle_input(bytes);
    }
    while server.poll_event().unwrap().is_some() {}
    server.update(shown);
    while let Some(bytes) = server.poll_transmit() {
        viewer.handle_input(bytes);
    }
    paint(viewer, seen);
}

/// A picture as a format leaves it: through Raw, whose pixels are tested by themselves.
fn quantised(shown: &Framebuffer, format: PixelFormat) -> Framebuffer {
    round_trip(format, Encoding::RAW, &[shown])
}

fn share_bits(format: PixelFormat) -> bool {
    let Colours::True { red, green, blue } = format.colours else { return false };
    let [red, green, blue] = [red, green, blue].map(|channel| u32::from(channel.max) << channel.shift);
    red & green != 0 || (red | green) & blue != 0
}

/// The last of several pictures, seen through an encoding.
fn round_trip(format: PixelFormat, encoding: Encoding, pictures: &[&Framebuffer]) -> Framebuffer {
    let (width, height) = (pictures[0].width(), pictures[0].height());
    let init = init(width, height, PixelFormat::BGRX);
    let mut server = Encoder::new(&init, Limits::default()).unwrap();
    let mut viewer = Decoder::new(&init, Limits::default()).unwrap();
    viewer.send(&ClientMessage::SetPixelFormat(format)).unwrap();
    viewer.send(&ClientMessage::SetEncodings(vec![encoding])).unwrap();
    let mut seen = Framebuffer::new(width, height, &Limits::default()).unwrap();
    for shown in pictures {
        viewer.request_update(false).unwrap();
        exchange(&mut server, &mut viewer, shown, &mut seen);
        assert_eq!(server.encoding(), encoding);
    }
    seen
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_encoding_gives_the_same_pixels_in_every_format(
        format in any_format(),
        first in vec(any_stroke(), 0..12),
        second in vec(any_stroke(), 0..12),
        (width, height) in (1..150u16, 1..150u16),
    ) {
        let mut earlier = Framebuffer::new(width, height, &Limits::default()).unwrap();
        draw(&mut earlier, &first);
        let mut later = earlier.clone();
        draw(&mut later, &second);
        let expected = quantised(&later, format);
        for encoding in [Encoding::HEXTILE, Encoding::ZRLE] {
            let seen = round_trip(format, encoding, &[&earlier, &later]);
            prop_assert!(seen == expected, "{} {:?}", encoding, format);
        }
        // What a format has made of a picture it does not change again, unless its colours share bits.
        prop_assert!(share_bits(format) || quantised(&expected, format) == expected);
    }

    #[test]
    fn formats_of_24_bits_lose_nothing(strokes in vec(any_stroke(), 0..12), big_endian: bool, low: bool) {
        let format = PixelFormat { big_endian, ..if low { PixelFormat::RGBX } else { PixelFormat::BGRX } };
        let mut picture = Framebuffer::new(100, 90, &Limits::default()).unwrap();
        draw(&mut picture, &strokes);
        let opaque: Vec<Rgba> = picture.pixels().iter().map(|[r, g, b, _]| [*r, *g, *b, 255]).collect();
        for encoding in [Encoding::RAW, Encoding::HEXTILE, Encoding::ZRLE] {
            prop_assert!(round_trip(format, encoding, &[&picture]).pixels() == opaque);
        }
    }

    #[test]
    fn damage_alone_brings_the_viewer_up_to_date(
        steps in vec((vec(any_stroke(), 0..4), any::<[u8; 4]>()), 1..8),
        encoding in prop_oneof![Just(Encoding::RAW), Just(Encoding::HEXTILE), Just(Encoding::ZRLE)],
    ) {
        let init = init(120, 110, PixelFormat::RGBX);
        let mut server = Encoder::new(&init, Limits::default()).unwrap();
        let mut viewer = Decoder::new(&init, Limits::default()).unwrap();
        viewer.send(&ClientMessage::SetEncodings(vec![encoding])).unwrap();
        let mut shown = Framebuffer::new(120, 110, &Limits::default()).unwrap();
        let mut seen = shown.clone();
        for (strokes, [x, y, width, height]) in steps {
            for stroke in &strokes {
                let (Stroke::Fill(part, _) | Stroke::Noise(part, _, _)) = stroke;
                server.damage(*part);
            }
            draw(&mut shown, &strokes);
            // A part first, which may be anywhere; then all.
            let rectangle = Rectangle::new(x.into(), y.into(), width.into(), height.into());
            viewer.send(&ClientMessage::FramebufferUpdateRequest { incremental: true, rectangle }).unwrap();
            exchange(&mut server, &mut viewer, &shown, &mut seen);
            viewer.request_update(true).unwrap();
            exchange(&mut server, &mut viewer, &shown, &mut seen);
        }
        let opaque: Vec<Rgba> = shown.pixels().iter().map(|[r, g, b, _]| [*r, *g, *b, 255]).collect();
        prop_assert!(seen.pixels() == opaque);
    }
}

const RED: Rgba = [255, 0, 0, 255];
const BLUE: Rgba = [0, 0, 255, 255];

#[test]
fn raw_is_pixels_row_by_row() {
    let mut viewer = decoder(2, 2, PixelFormat::BGRX);
    let wire = [0, 0, 255, 9, 255, 0, 0, 9];
    viewer.handle_input(update(Rectangle::new(0, 1, 2, 1), Encoding::RAW, &wire));
    let paint = Paint::Pixels { rectangle: Rectangle::new(0, 1, 2, 1), rgba: &[RED, BLUE] };
    one_event(&mut viewer, |event| assert_eq!(event, Event::Paint(paint)));
    one_event(&mut viewer, |event| assert_eq!(event, Event::FrameEnd));
}

#[test]
fn copy_rect_is_where_from() {
    let mut viewer = decoder(9, 9, PixelFormat::RGBX);
    let rectangle = Rectangle::new(1, 2, 3, 4);
    viewer.handle_input(update(rectangle, Encoding::COPY_RECT, &[0, 5, 0, 4]));
    let paint = Paint::Copy { rectangle, from_x: 5, from_y: 4 };
    one_event(&mut viewer, |event| assert_eq!(event, Event::Paint(paint)));
}

#[test]
fn hextile_keeps_background_and_foreground_for_the_next_tile() {
    let mut viewer = decoder(34, 1, PixelFormat::RGBX);
    let wire = [&[2 | 4 | 8][..], &RED, &BLUE, &[1, 0x10, 0x10], &[8, 2, 0x00, 0x00, 0xf0, 0x00], &[0]];
    viewer.handle_input(update(Rectangle::new(0, 0, 34, 1), Encoding::HEXTILE, &wire.concat()));
    let mut seen = Framebuffer::new(34, 1, &Limits::default()).unwrap();
    paint(&mut viewer, &mut seen);
    let blue: Vec<usize> = (0..34).filter(|x| seen.pixels()[*x] == BLUE).collect();
    assert_eq!(blue, [1, 2, 16, 31]);
    assert_eq!(seen.pixels().iter().filter(|pixel| **pixel == RED).count(), 30);
}

#[test]
fn the_cursor_is_transparent_where_its_mask_says_so() {
    let mut viewer = decoder(9, 9, PixelFormat::RGBX);
    let shape = Rectangle::new(1, 0, 2, 1);
    viewer.handle_input(update(shape, Encoding::CURSOR, &[255, 0, 0, 0, 0, 0, 255, 0, 0b0100_0000]));
    one_event(&mut viewer, |event| assert_eq!(event, Event::Cursor { shape, rgba: &[[0; 4], BLUE] }));
}

#[test]
fn a_desktop_gets_another_size_screens_and_name() {
    let mut viewer = decoder(9, 9, PixelFormat::RGBX);
    viewer.handle_input(update(Rectangle::new(0, 0, 20, 10), Encoding::DESKTOP_SIZE, &[]));
    one_event(&mut viewer, |event| assert_eq!(event, Event::Resized { width: 20, height: 10, screens: vec![] }));
    one_event(&mut viewer, |event| assert_eq!(event, Event::FrameEnd));
    assert_eq!((viewer.width(), viewer.height()), (20, 10));

    let screens = [&[1, 0, 0, 0][..], &[0, 0, 0, 7, 0, 0, 0, 0, 0, 30, 0, 15, 0, 0, 0, 0]].concat();
    viewer.handle_input(update(Rectangle::new(0, 0, 30, 15), Encoding::EXTENDED_DESKTOP_SIZE, &screens));
    one_event(&mut viewer, |event| {
        let Event::Resized { width: 30, height: 15, screens } = event else { panic!("{event:?}") };
        assert_eq!((screens[0].id, screens[0].rectangle), (7, Rectangle::new(0, 0, 30, 15)));
    });
    one_event(&mut viewer, |event| assert_eq!(event, Event::FrameEnd));

    viewer.handle_input(update(Rectangle::new(1, 3, 99, 99), Encoding::EXTENDED_DESKTOP_SIZE, &[0; 4]));
    one_event(&mut viewer, |event| assert_eq!(event, Event::ResizeRefused { status: 3 }));
    one_event(&mut viewer, |event| assert_eq!(event, Event::FrameEnd));
    assert_eq!(viewer.width(), 30);

    viewer.handle_input(update(Rectangle::default(), Encoding::DESKTOP_NAME, b"\0\0\0\x03new"));
    one_event(&mut viewer, |event| assert_eq!(event, Event::Renamed("new".into())));
}

#[test]
fn the_last_rectangle_ends_an_update_of_unknown_length() {
    let mut viewer = decoder(9, 9, PixelFormat::RGBX);
    let mut wire = update(Rectangle::default(), Encoding::LAST_RECT, &[]).to_vec();
    wire[2..4].copy_from_slice(&[0xff, 0xff]);
    wire.push(2);
    viewer.handle_input(wire.into());
    one_event(&mut viewer, |event| assert_eq!(event, Event::FrameEnd));
    one_event(&mut viewer, |event| assert_eq!(event, Event::Bell));
}

#[test]
fn colours_of_the_map_are_used_from_then_on() {
    let mut viewer = decoder(2, 1, PixelFormat::COLOUR_MAP);
    let mut wire = Vec::new();
    ServerMessage::SetColourMapEntries { first: 7, colours: vec![[0xffff, 0, 0]] }.encode(&mut wire);
    viewer.handle_input(wire.into());
    one_event(&mut viewer, |event| assert_eq!(event, Event::ColourMapChanged));
    viewer.handle_input(update(Rectangle::new(0, 0, 2, 1), Encoding::RAW, &[7, 200]));
    let rgba: &[Rgba] = &[RED, [0, 0, 0, 255]];
    one_event(&mut viewer, |event| {
        assert_eq!(event, Event::Paint(Paint::Pixels { rectangle: Rectangle::new(0, 0, 2, 1), rgba }));
    });
}

#[test]
fn clipboards_come_in_both_forms() {
    let mut viewer = decoder(1, 1, PixelFormat::RGBX);
    let mut wire = Vec::new();
    ServerMessage::CutText(Bytes::from_static(b"caf\xe9")).encode(&mut wire);
    ServerMessage::ExtendedClipboard(Bytes::from_static(b"\x01\0\0\x01")).encode(&mut wire);
    viewer.handle_input(wire.into());
    one_event(&mut viewer, |event| assert_eq!(event, Event::CutText(Bytes::from_static(b"caf\xe9"))));
    one_event(&mut viewer, |event| assert_eq!(event, Event::ExtendedClipboard(Bytes::from_static(b"\x01\0\0\x01"))));
}

#[test]
fn the_format_cannot_change_while_an_update_is_awaited() {
    let mut viewer = decoder(1, 1, PixelFormat::RGBX);
    viewer.request_update(false).unwrap();
    assert!(viewer.send(&ClientMessage::SetPixelFormat(PixelFormat::BGRX)).is_err());
    viewer.handle_input(Bytes::from_static(&[0, 0, 0, 0]));
    one_event(&mut viewer, |event| assert_eq!(event, Event::FrameEnd));
    assert!(viewer.send(&ClientMessage::SetPixelFormat(PixelFormat::BGRX)).is_ok());
    let impossible = PixelFormat { bits_per_pixel: 24, ..PixelFormat::BGRX };
    assert!(viewer.send(&ClientMessage::SetPixelFormat(impossible)).is_err());
}

#[test]
fn a_picture_of_another_size_reaches_the_viewer() {
    for encoding in [Encoding::DESKTOP_SIZE, Encoding::EXTENDED_DESKTOP_SIZE] {
        let init = init(10, 10, PixelFormat::RGBX);
        let mut server = Encoder::new(&init, Limits::default()).unwrap();
        let mut viewer = Decoder::new(&init, Limits::default()).unwrap();
        viewer.send(&ClientMessage::SetEncodings(vec![Encoding::HEXTILE, encoding])).unwrap();
        viewer.request_update(true).unwrap();
        let mut shown = Framebuffer::new(40, 20, &Limits::default()).unwrap();
        shown.paint(&Paint::Fill { rectangle: Rectangle::new(30, 0, 10, 20), rgba: RED });
        let mut seen = Framebuffer::new(10, 10, &Limits::default()).unwrap();
        exchange(&mut server, &mut viewer, &shown, &mut seen);
        assert!(seen == shown);
    }
}

#[test]
fn a_client_is_told_of_the_size_before_it_asks_for_another_and_gets_an_answer() {
    let init = init(10, 10, PixelFormat::RGBX);
    let mut server = Encoder::new(&init, Limits::default()).unwrap();
    let mut viewer = Decoder::new(&init, Limits::default()).unwrap();
    let mut picture = Framebuffer::new(10, 10, &Limits::default()).unwrap();
    // What the viewer learns of the size when it asks for what has changed, and for another size if there is a wish.
    let mut learn = |server: &mut Encoder, wish: Option<(u16, u16)>, picture: &Framebuffer| {
        if let Some((width, height)) = wish {
            viewer.send(&ClientMessage::SetDesktopSize { width, height, screens: vec![] }).unwrap();
        }
        viewer.request_update(true).unwrap();
        server.handle_input(viewer.poll_transmit().unwrap());
        while server.poll_event().unwrap().is_some() {}
        server.update(picture);
        viewer.handle_input(server.poll_transmit().unwrap_or_default());
        let mut learnt = Vec::new();
        while let Some(event) = viewer.poll_event().unwrap() {
            match event {
                Event::Resized { width, height, screens } => learnt.push((width, height, screens.len())),
                Event::ResizeRefused { status } => learnt.push((0, status, 0)),
                _ => {}
            }
        }
        learnt
    };
    assert_eq!(learn(&mut server, None, &picture), []);
    assert_eq!(learn(&mut server, Some((9, 9)), &picture), [], "the client does not understand an answer");

    let mut wire = Vec::new();
    ClientMessage::SetEncodings(vec![Encoding::EXTENDED_DESKTOP_SIZE]).encode(&mut wire);
    server.handle_input(wire.into());
    assert_eq!(learn(&mut server, None, &picture), [(10, 10, 1)], "announced");
    assert_eq!(learn(&mut server, None, &picture), [], "once");
    assert_eq!(learn(&mut server, Some((10, 10)), &picture), [(10, 10, 1)], "it has that size");
    assert_eq!(learn(&mut server, Some((20, 20)), &picture), [(0, 1, 0)], "prohibited");
    picture.resize(30, 15, &Limits::default()).unwrap();
    assert_eq!(learn(&mut server, Some((30, 15)), &picture), [(30, 15, 1)]);
    picture.resize(8, 8, &Limits::default()).unwrap();
    assert_eq!(learn(&mut server, Some((20, 20)), &picture), [(8, 8, 1)], "somebody else was first");
    assert_eq!(learn(&mut server, None, &picture), [(0, 1, 0)], "and the answer comes after that");
}

#[test]
fn nothing_is_sent_that_was_not_asked_for_or_has_not_changed() {
    let init = init(10, 10, PixelFormat::RGBX);
    let mut server = Encoder::new(&init, Limits::default()).unwrap();
    let picture = Framebuffer::new(10, 10, &Limits::default()).unwrap();
    server.damage(picture.rectangle());
    assert!(!server.wants_update() && !server.update(&picture));
    let mut wire = Vec::new();
    ClientMessage::FramebufferUpdateRequest { incremental: true, rectangle: picture.rectangle() }.encode(&mut wire);
    server.handle_input(wire.clone().into());
    server.poll_event().unwrap();
    assert!(server.update(&picture) && !server.update(&picture));
    server.handle_input(wire.into());
    server.poll_event().unwrap();
    assert!(server.wants_update() && !server.update(&picture));
    assert!(server.send(&ServerMessage::FramebufferUpdate { rectangles: 1 }).is_err());
}
