use bytes::Bytes;
use towline_rfb::{
    ClientMessage, Encoding, Error, Limits, Password, PixelFormat, Rectangle, SecurityType,
    proxy::{Event, Handshake, Side, ViewOnly, ViewOnlyEvent},
};

fn events(proxy: &mut Handshake) -> (Vec<Event>, Option<Error>) {
    let mut events = Vec::new();
    loop {
        match proxy.poll_event() {
            Ok(None) => return (events, None),
            Ok(Some(event)) => events.push(event),
            Err(error) => return (events, Some(error)),
        }
    }
}

/// A proxy whose viewer has chosen 3.8, after these bytes of the server.
fn after_server(password: Option<&str>, server: &'static [u8]) -> (Handshake, Vec<Event>, Option<Error>) {
    let mut proxy = Handshake::new(password.map(Password::new), Limits::default());
    assert_eq!(proxy.poll_transmit_viewer().unwrap(), "RFB 003.008\n");
    proxy.handle_viewer_input(Bytes::from_static(b"RFB 003.008\n"));
    proxy.handle_server_input(Bytes::from_static(server));
    let (events, error) = events(&mut proxy);
    (proxy, events, error)
}

#[test]
fn the_viewer_gets_none_and_both_get_what_the_other_sent_early() {
    let (mut proxy, seen, error) = after_server(Some("s3cret"), b"RFB 003.008\n\x02\x10\x02sixteen bytes...\0\0\0\0");
    assert_eq!(error, None);
    let types = vec![SecurityType::TIGHT, SecurityType::VNC_AUTHENTICATION];
    assert_eq!(
        seen[1..],
        [Event::SecurityOffered(types), Event::Authenticating(SecurityType::VNC_AUTHENTICATION), Event::Authenticated,],
    );
    let response = Password::new("s3cret").response(*b"sixteen bytes...");
    assert_eq!(proxy.poll_transmit_server().unwrap(), [&b"RFB 003.008\n\x02"[..], &response].concat());
    assert_eq!(proxy.poll_transmit_viewer().unwrap(), &b"\x01\x01"[..]);

    proxy.handle_viewer_input(Bytes::from_static(b"\x01\x01early"));
    assert_eq!(events(&mut proxy), (vec![Event::Joined], None));
    assert_eq!(proxy.poll_transmit_viewer().unwrap(), &b"\0\0\0\0"[..]);
    assert_eq!(proxy.poll_transmit_server().unwrap(), &b"\x01"[..]);
    proxy.handle_server_input(Bytes::from_static(b"a ServerInit"));
    let unread = proxy.finish().unwrap();
    assert_eq!((&unread.to_server[..], &unread.to_viewer[..]), (&b"early"[..], &b"a ServerInit"[..]));
}

#[test]
fn a_refusal_reaches_the_viewer_with_its_reason() {
    let (mut proxy, _, error) = after_server(Some("x"), b"RFB 003.008\n\0\0\0\0\x08too many");
    assert_eq!(error, Some(Error::Refused { by: "the server", reason: "too many".into() }));
    assert_eq!(proxy.failed_side(), Some(Side::Server));
    assert_eq!(proxy.poll_transmit_viewer().unwrap(), &b"\0\0\0\0\x1frefused by the server: too many"[..]);
}

#[test]
fn a_password_that_is_wanted_and_not_there_is_this_sides_refusal() {
    let (_, seen, error) = after_server(None, b"RFB 003.008\n\x01\x02");
    assert!(matches!(error, Some(Error::Refused { by: "this side", .. })));
    assert_eq!(seen.last(), Some(&Event::SecurityOffered(vec![SecurityType::VNC_AUTHENTICATION])));
}

#[test]
fn apples_types_are_reported_before_they_are_unsupported() {
    let (_, seen, error) = after_server(Some("x"), b"RFB 003.889\n\x03\x1e\x21\x24");
    assert_eq!(seen.last(), Some(&Event::SecurityOffered(vec![SecurityType(30), SecurityType(33), SecurityType(36)])));
    assert_eq!(error, Some(Error::Unsupported { what: "security type", value: 30 }));
}

#[test]
fn a_viewer_that_does_not_speak_rfb_is_told_apart_from_the_server() {
    let mut proxy = Handshake::new(None, Limits::default());
    proxy.handle_viewer_input(Bytes::from_static(b"GET / HTTP/1.1\r\n"));
    assert!(matches!(proxy.poll_event(), Err(Error::Malformed { .. })));
    assert_eq!(proxy.failed_side(), Some(Side::Viewer));
}

#[test]
fn a_viewer_that_talks_before_the_server_is_ready_is_bounded() {
    let mut proxy = Handshake::new(None, Limits::default());
    proxy.handle_viewer_input(Bytes::from_static(b"RFB 003.008\n"));
    proxy.handle_viewer_input(Bytes::from(vec![1; 65_537]));
    let limit = Error::LimitExceeded { what: "max_unread_bytes", got: 65_537, max: 65_536 };
    assert_eq!(proxy.poll_event(), Err(limit));
}

#[test]
fn a_viewer_that_may_only_see_sends_no_key_pointer_clipboard_or_size() {
    let looks = [
        ClientMessage::SetPixelFormat(PixelFormat::RGBX),
        ClientMessage::SetEncodings(vec![Encoding::ZRLE, Encoding::CURSOR]),
        ClientMessage::FramebufferUpdateRequest { incremental: true, rectangle: Rectangle::new(0, 0, 9, 9) },
        ClientMessage::EnableContinuousUpdates { enable: true, rectangle: Rectangle::new(0, 0, 9, 9) },
        ClientMessage::Fence { flags: 1, payload: Bytes::from_static(b"x") },
    ];
    let touches = [
        ClientMessage::KeyEvent { down: true, keysym: 0x61 },
        ClientMessage::PointerEvent { buttons: 0xff, x: 1, y: 2 },
        ClientMessage::CutText(Bytes::from(vec![b'x'; 100_000])),
        ClientMessage::ExtendedClipboard(Bytes::from_static(b"\0\0\0\x01zip")),
        ClientMessage::Xvp { version: 1, code: 2 },
        ClientMessage::SetDesktopSize { width: 1, height: 1, screens: vec![] },
        ClientMessage::QemuExtendedKeyEvent { down: true, keysym: 0x61, keycode: 30 },
    ];
    let mut wire = Vec::new();
    let mut expected = Vec::new();
    for touch in &touches {
        touch.encode(&mut wire);
        looks.iter().for_each(|look| look.encode(&mut wire));
        looks.iter().for_each(|look| look.encode(&mut expected));
    }
    let mut filter = ViewOnly::new(Limits::default());
    let (mut passed, mut withheld) = (Vec::new(), Vec::new());
    for chunk in wire.chunks(1000) {
        filter.handle_input(Bytes::copy_from_slice(chunk));
        while let Some(event) = filter.poll_event().unwrap() {
            match event {
                ViewOnlyEvent::Passed(bytes) => passed.extend_from_slice(&bytes),
                ViewOnlyEvent::Withheld(number) => withheld.push(number),
                _ => {}
            }
        }
    }
    assert_eq!(passed, expected);
    assert_eq!(withheld, [4, 5, 6, 6, 250, 251, 255]);
}

#[test]
fn the_filter_lets_no_encoding_pass_that_changes_the_length_of_messages() {
    let mut wire = Vec::new();
    let encodings = vec![Encoding::RAW, Encoding::EXTENDED_MOUSE_BUTTONS, Encoding::ZRLE];
    ClientMessage::SetEncodings(encodings).encode(&mut wire);
    let mut filter = ViewOnly::new(Limits::default());
    filter.handle_input(wire.into());
    let mut expected = Vec::new();
    ClientMessage::SetEncodings(vec![Encoding::RAW, Encoding::ZRLE]).encode(&mut expected);
    assert_eq!(filter.poll_event(), Ok(Some(ViewOnlyEvent::Passed(expected.into()))));
    filter.handle_input(Bytes::from_static(&[77]));
    assert_eq!(filter.poll_event(), Err(Error::Unsupported { what: "client message", value: 77 }));
}
