//! A server that keeps no rule.

use bytes::Bytes;
use towline_rfb::{
    Decoder, Encoder, Encoding, Error, Event, Framebuffer, Limits, Paint, PixelFormat, Rectangle, RectangleHead,
    ServerMessage,
};

use crate::session::{decoder, drain, init, update};

fn error_after(encoding: Encoding, rectangle: Rectangle, body: &[u8]) -> Error {
    let mut viewer = decoder(100, 100, PixelFormat::RGBX);
    viewer.handle_input(update(rectangle, encoding, body));
    let error = drain(&mut viewer).expect_err("it was taken");
    assert_eq!(drain(&mut viewer), Err(error.clone()), "the first error is final and repeats");
    error
}

fn malformed(error: Error) -> &'static str {
    match error {
        Error::Malformed { reason, .. } => reason,
        other => panic!("not malformed: {other}"),
    }
}

#[test]
fn a_rectangle_outside_of_the_framebuffer_is_refused_in_every_encoding() {
    for encoding in [Encoding::RAW, Encoding::COPY_RECT, Encoding::HEXTILE, Encoding::ZRLE] {
        for (x, y, width, height) in [(1, 0, 100, 1), (0, 1, 1, 100), (65_535, 0, 65_535, 1), (101, 0, 0, 0)] {
            let error = error_after(encoding, Rectangle::new(x, y, width, height), &[]);
            assert_eq!(malformed(error), "outside of the framebuffer");
        }
    }
    let error = error_after(Encoding::COPY_RECT, Rectangle::new(0, 0, 50, 50), &[0, 51, 0, 0]);
    assert_eq!(malformed(error), "its source is outside of the framebuffer");
}

#[test]
fn encodings_and_messages_that_are_not_known_are_named() {
    for encoding in [Encoding::TIGHT, Encoding::RRE, Encoding(1011), Encoding(-1)] {
        let error = error_after(encoding, Rectangle::new(0, 0, 1, 1), &[]);
        assert_eq!(error, Error::Unsupported { what: "encoding", value: encoding.0.into() });
    }
    let mut viewer = decoder(1, 1, PixelFormat::RGBX);
    viewer.handle_input(Bytes::from_static(&[173]));
    assert_eq!(drain(&mut viewer), Err(Error::Unsupported { what: "server message", value: 173 }));
}

#[test]
fn sizes_names_and_cursors_beyond_the_limits_are_refused_before_they_arrive() {
    let large = Rectangle::new(0, 0, 65_535, 65_535);
    let limit = |what, got, max| Error::LimitExceeded { what, got, max };
    let (pixels, cursor) = (65_535 * 65_535, 512 * 512);
    let max = 64 * 1024 * 1024;
    assert_eq!(error_after(Encoding::DESKTOP_SIZE, large, &[]), limit("max_framebuffer_pixels", pixels, max));
    assert_eq!(error_after(Encoding::EXTENDED_DESKTOP_SIZE, large, &[]), limit("max_framebuffer_pixels", pixels, max));
    assert_eq!(error_after(Encoding::CURSOR, large, &[]), limit("max_cursor_pixels", pixels, cursor));
    let error = error_after(Encoding::DESKTOP_NAME, large, &[0xff; 4]);
    assert_eq!(error, limit("max_name_bytes", u32::MAX.into(), 4096));
    let error = error_after(Encoding::ZRLE, Rectangle::new(0, 0, 1, 1), &[0xff; 4]);
    assert_eq!(error, limit("max_zrle_bytes", u32::MAX.into(), 256 * 1024 * 1024));
    assert!(Decoder::new(&init(65_535, 65_535, PixelFormat::RGBX), Limits::default()).is_err());
    assert!(Encoder::new(&init(65_535, 65_535, PixelFormat::RGBX), Limits::default()).is_err());
    assert!(Framebuffer::new(65_535, 65_535, &Limits::default()).is_err());
}

#[test]
fn hextile_that_reaches_out_of_its_tile_or_has_flags_of_something_else_is_refused() {
    let tile = Rectangle::new(0, 0, 10, 10);
    let body = [&[8][..], &[1, 0x90, 0x10]].concat();
    assert_eq!(malformed(error_after(Encoding::HEXTILE, tile, &body)), "a rectangle reaches out of its tile");
    assert_eq!(malformed(error_after(Encoding::HEXTILE, tile, &[0x20])), "a flag that tiles do not have");
}

/// Bytes as a zlib stream of one stored block, so that a test can say what stands in the tiles; flushed.
fn stored(plain: &[u8]) -> Vec<u8> {
    let length = u16::try_from(plain.len()).unwrap();
    let mut wire = vec![0x78, 0x01, 0x00];
    wire.extend_from_slice(&length.to_le_bytes());
    wire.extend_from_slice(&(!length).to_le_bytes());
    wire.extend_from_slice(plain);
    wire
}

fn zrle_error(rectangle: Rectangle, plain: &[u8]) -> &'static str {
    let stream = stored(plain);
    let body = [&u32::try_from(stream.len()).unwrap().to_be_bytes()[..], &stream].concat();
    malformed(error_after(Encoding::ZRLE, rectangle, &body))
}

#[test]
fn zrle_that_does_not_fit_its_tiles_is_refused() {
    let tile = Rectangle::new(0, 0, 10, 10);
    let runs = [&[128][..], &[1, 2, 3, 255], &[1, 2, 3, 0]].concat();
    assert_eq!(zrle_error(tile, &runs), "a run reaches out of its tile");
    assert_eq!(zrle_error(tile, &[1, 9, 9]), "less data than the tiles need");
    assert_eq!(zrle_error(tile, &[1, 9, 9, 9, 1]), "more data than the tiles need");
    assert_eq!(zrle_error(tile, &[17]), "a subencoding that does not exist");
    assert_eq!(zrle_error(tile, &[129]), "a subencoding that does not exist");
    assert_eq!(zrle_error(Rectangle::new(0, 0, 0, 5), &[1]), "more data than the tiles need");
    let number = [&[3][..], &[0; 9], &[0xff; 30]].concat();
    assert_eq!(zrle_error(tile, &number), "a number that the palette does not have");
    let number = [&[130][..], &[0; 6], &[2]].concat();
    assert_eq!(zrle_error(tile, &number), "a number that the palette does not have");
    let error = error_after(Encoding::ZRLE, tile, &[0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff]);
    assert_eq!(malformed(error), "the zlib stream is damaged");
}

#[test]
fn a_zlib_bomb_unfolds_one_tile_at_a_time_and_no_more_than_its_rectangle() {
    // A large black picture: some kilobytes of deflate for sixty-four megapixels.
    let (width, height) = (8192, 8192);
    let init = init(width, height, PixelFormat::RGBX);
    let bomb = {
        let mut server = Encoder::new(&init, Limits::default()).unwrap();
        let picture = Framebuffer::new(width, height, &Limits::default()).unwrap();
        let mut wire = vec![2, 0, 0, 1, 0, 0, 0, 16, 3, 0];
        for number in [0, 0, width, height] {
            wire.extend_from_slice(&number.to_be_bytes());
        }
        server.handle_input(wire.into());
        while server.poll_event().unwrap().is_some() {}
        assert!(server.update(&picture));
        server.poll_transmit().unwrap()
    };
    assert!(bomb.len() < 10_000, "{} bytes", bomb.len());
    let mut viewer = Decoder::new(&init, Limits::default()).unwrap();
    viewer.handle_input(bomb.clone());
    let mut tiles = 0;
    while let Some(event) = viewer.poll_event().unwrap() {
        if let Event::Paint(paint) = event {
            assert!(matches!(paint, Paint::Fill { .. }) && paint.rectangle().pixels() <= 64 * 64);
            tiles += 1;
        }
    }
    assert_eq!(tiles, 128 * 128);

    // The same bytes for one tile are more than that has.
    let mut small = bomb.to_vec();
    small[8..12].copy_from_slice(&[0, 64, 0, 64]);
    let mut viewer = Decoder::new(&init, Limits::default()).unwrap();
    viewer.handle_input(small.into());
    assert!(matches!(viewer.poll_event(), Ok(Some(Event::Paint(_)))));
    assert_eq!(malformed(drain(&mut viewer).unwrap_err()), "more data than the tiles need");
}

#[test]
fn floods_of_nothing_are_one_event_a_message_and_no_memory() {
    let mut wire = Vec::new();
    for _ in 0..1000 {
        ServerMessage::FramebufferUpdate { rectangles: 0 }.encode(&mut wire);
    }
    ServerMessage::FramebufferUpdate { rectangles: 65_535 }.encode(&mut wire);
    for _ in 0..65_535 {
        RectangleHead { rectangle: Rectangle::default(), encoding: Encoding::RAW }.encode(&mut wire);
    }
    let mut viewer = decoder(100, 100, PixelFormat::RGBX);
    viewer.handle_input(wire.into());
    assert_eq!(drain(&mut viewer), Ok(1001));
}

#[test]
fn a_client_that_floods_an_encoder_with_requests_gets_one_update() {
    let mut server = Encoder::new(&init(100, 100, PixelFormat::RGBX), Limits::default()).unwrap();
    let picture = Framebuffer::new(100, 100, &Limits::default()).unwrap();
    let request = [3, 0, 0, 0, 0, 0, 0, 100, 0, 100];
    server.handle_input(Bytes::from(request.repeat(1000)));
    while server.poll_event().unwrap().is_some() {}
    assert!(server.update(&picture) && !server.update(&picture));
    assert_eq!(server.poll_transmit().unwrap().len(), 4 + 12 + 100 * 100 * 4);
}

#[test]
fn colours_beyond_the_end_of_the_map_are_refused() {
    let mut viewer = decoder(1, 1, PixelFormat::COLOUR_MAP);
    viewer.handle_input(Bytes::from_static(&[1, 0, 0xff, 0xff, 0, 2]));
    assert!(matches!(drain(&mut viewer), Err(Error::Malformed { what: "SetColourMapEntries", .. })));
}

#[test]
fn a_clipboard_that_comes_byte_by_byte_arrives_in_time() {
    let length = 1024 * 1024;
    let mut viewer = decoder(1, 1, PixelFormat::RGBX);
    let mut wire = Vec::new();
    ServerMessage::CutText(Bytes::from(vec![b'x'; length])).encode(&mut wire);
    let buffer = Bytes::from(wire);
    for at in 0..buffer.len() {
        assert_eq!(viewer.poll_event(), Ok(None));
        viewer.handle_input(buffer.slice(at..=at));
    }
    assert!(matches!(viewer.poll_event(), Ok(Some(Event::CutText(text))) if text.len() == length));
}
