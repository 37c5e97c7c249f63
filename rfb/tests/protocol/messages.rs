use bytes::Bytes;
use proptest::{collection::vec, prelude::*};
use towline_rfb::{
    Channel, ClientMessage, Colours, Encoding, Error, Limits, PixelFormat, Rectangle, Screen, ServerMessage,
};

fn any_rectangle() -> impl Strategy<Value = Rectangle> {
    any::<[u16; 4]>().prop_map(|[x, y, width, height]| Rectangle::new(x, y, width, height))
}

pub(crate) fn any_format() -> impl Strategy<Value = PixelFormat> {
    let channel = |bits: u8| {
        (1..=bits.min(16), 0..bits)
            .prop_map(move |(width, shift)| Channel { max: u16::MAX >> (16 - width.min(bits - shift)), shift })
    };
    (prop_oneof![Just(8u8), Just(16), Just(32)], any::<bool>(), any::<bool>()).prop_flat_map(
        move |(bits_per_pixel, big_endian, mapped)| {
            (channel(bits_per_pixel), channel(bits_per_pixel), channel(bits_per_pixel)).prop_map(
                move |(red, green, blue)| PixelFormat {
                    bits_per_pixel,
                    depth: bits_per_pixel.min(24),
                    big_endian,
                    colours: if mapped { Colours::Map } else { Colours::True { red, green, blue } },
                },
            )
        },
    )
}

fn any_bytes(max: usize) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..max).prop_map(Bytes::from)
}

fn any_client_message() -> impl Strategy<Value = ClientMessage> {
    let screen = (any::<u32>(), any_rectangle(), any::<u32>());
    let screen = screen.prop_map(|(id, rectangle, flags)| Screen { id, rectangle, flags });
    prop_oneof![
        any_format().prop_map(ClientMessage::SetPixelFormat),
        vec(any::<i32>().prop_map(Encoding), 0..40).prop_map(ClientMessage::SetEncodings),
        (any::<bool>(), any_rectangle()).prop_map(|(incremental, rectangle)| {
            ClientMessage::FramebufferUpdateRequest { incremental, rectangle }
        }),
        (any::<bool>(), any::<u32>()).prop_map(|(down, keysym)| ClientMessage::KeyEvent { down, keysym }),
        any::<(u8, u16, u16)>().prop_map(|(buttons, x, y)| ClientMessage::PointerEvent { buttons, x, y }),
        any_bytes(300).prop_map(ClientMessage::CutText),
        any_bytes(300)
            .prop_filter("no bytes have no sign", |data| !data.is_empty())
            .prop_map(ClientMessage::ExtendedClipboard),
        (any::<bool>(), any_rectangle())
            .prop_map(|(enable, rectangle)| { ClientMessage::EnableContinuousUpdates { enable, rectangle } }),
        (any::<u32>(), any_bytes(65)).prop_map(|(flags, payload)| ClientMessage::Fence { flags, payload }),
        any::<(u8, u8)>().prop_map(|(version, code)| ClientMessage::Xvp { version, code }),
        (any::<u16>(), any::<u16>(), vec(screen, 0..5))
            .prop_map(|(width, height, screens)| { ClientMessage::SetDesktopSize { width, height, screens } }),
        any::<(bool, u32, u32)>()
            .prop_map(|(down, keysym, keycode)| { ClientMessage::QemuExtendedKeyEvent { down, keysym, keycode } }),
    ]
}

fn any_server_message() -> impl Strategy<Value = ServerMessage> {
    prop_oneof![
        any::<u16>().prop_map(|rectangles| ServerMessage::FramebufferUpdate { rectangles }),
        (0u16..60_000, vec(any::<[u16; 3]>(), 0..40))
            .prop_map(|(first, colours)| ServerMessage::SetColourMapEntries { first, colours }),
        Just(ServerMessage::Bell),
        any_bytes(300).prop_map(ServerMessage::CutText),
    ]
}

proptest! {
    #[test]
    fn a_client_message_survives_the_wire_and_leaves_what_follows(message in any_client_message(), tail: Vec<u8>) {
        let mut wire = Vec::new();
        message.encode(&mut wire);
        let length = wire.len();
        wire.extend_from_slice(&tail);

        let mut input = &wire[..];

        prop_assert_eq!(ClientMessage::wire_bytes(&wire, &Limits::default()), Ok(Some(length)));
        prop_assert_eq!(ClientMessage::decode(&mut input, &Limits::default()), Ok(Some(message)));
        prop_assert_eq!(input, tail);
        for cut in 0..length {
            let mut input = &wire[..cut];
            prop_assert_eq!(ClientMessage::decode(&mut input, &Limits::default()), Ok(None));
            prop_assert_eq!(input.len(), cut);
        }
    }

    #[test]
    fn a_server_message_survives_the_wire_and_leaves_what_follows(message in any_server_message(), tail: Vec<u8>) {
        let mut wire = Vec::new();
        message.encode(&mut wire);
        let length = wire.len();
        wire.extend_from_slice(&tail);

        let mut input = &wire[..];

        prop_assert_eq!(ServerMessage::decode(&mut input, &Limits::default()), Ok(Some(message)));
        prop_assert_eq!(input, tail);
        for cut in 0..length {
            prop_assert_eq!(ServerMessage::decode(&mut &wire[..cut], &Limits::default()), Ok(None));
        }
    }
}

#[test]
fn a_clipboard_of_two_gigabytes_is_refused_from_either_side_in_either_form() {
    for length in [0x7fff_ffffu32, 0x8000_0000] {
        let wire = [&[6, 0, 0, 0][..], &length.to_be_bytes()].concat();
        let limit = Error::LimitExceeded { what: "max_cut_text_bytes", got: length.into(), max: 1024 * 1024 };
        assert_eq!(ClientMessage::decode(&mut &wire[..], &Limits::default()), Err(limit.clone()));
        let wire = [&[3, 0, 0, 0][..], &length.to_be_bytes()].concat();
        assert_eq!(ServerMessage::decode(&mut &wire[..], &Limits::default()), Err(limit));
    }
}

#[test]
fn too_many_encodings_are_refused_before_they_arrive() {
    let limit = Error::LimitExceeded { what: "max_encodings", got: 65_535, max: 1024 };
    assert_eq!(ClientMessage::decode(&mut &[2, 0, 0xff, 0xff][..], &Limits::default()), Err(limit));
}

#[test]
fn a_pixel_format_that_cannot_be_is_refused() {
    let wrong = [
        PixelFormat { bits_per_pixel: 24, ..PixelFormat::RGBX },
        PixelFormat { bits_per_pixel: 0, depth: 0, ..PixelFormat::RGBX },
        PixelFormat { bits_per_pixel: 255, ..PixelFormat::RGBX },
        PixelFormat { bits_per_pixel: 16, ..PixelFormat::RGBX },
        PixelFormat { bits_per_pixel: 8, depth: 8, ..PixelFormat::RGB565 },
        PixelFormat {
            colours: Colours::True {
                red: Channel { max: 0, shift: 32 },
                green: Channel { max: 0, shift: 0 },
                blue: Channel { max: 0, shift: 0 },
            },
            ..PixelFormat::RGBX
        },
    ];
    for format in wrong {
        let mut wire = Vec::new();
        format.encode(&mut wire);
        assert!(PixelFormat::decode(&mut &wire[..]).is_err(), "{format:?}");
    }
}
