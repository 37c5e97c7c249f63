//! Against the servers that people run, on real X displays: TigerVNC's and x11vnc, which is on libvncserver.
//!
//! A program that is missing is a failure: `.ci/install` installs all of them.

mod display;
mod viewer;
#[allow(dead_code, reason = "its main is not called here")]
#[path = "../../examples/vnc-screenshot.rs"]
mod vnc_screenshot;

use std::io::Write;

use towline_rfb::{
    ClientMessage, Encoding, Error, Limits, Password, PixelFormat, ProtocolVersion, Rectangle, Screen, SecurityType,
    client, proxy,
};

use crate::{
    display::Display,
    viewer::{Viewer, connect, handshake, receive},
};

/// All pseudo-encodings, and one encoding.
fn only(encoding: Encoding) -> Vec<Encoding> {
    let pseudo = Encoding::DECODED.iter().copied().filter(|encoding| encoding.0 < 0);
    std::iter::once(encoding).chain(pseudo).collect()
}

/// Formats that lose nothing of 24 bits: both byte orders, colours at either end.
fn exact_formats() -> Vec<PixelFormat> {
    let big_endian = |format| PixelFormat { big_endian: true, ..format };
    let mut formats = vec![PixelFormat::RGBX, PixelFormat::BGRX];
    formats.extend([big_endian(PixelFormat::RGBX), big_endian(PixelFormat::BGRX)]);
    formats
}

/// Everything this side can decode, in every exact format, ends in the picture that the X server shows.
fn compare_all(display: &mut Display, password: Option<&str>) {
    display.draw();
    for encoding in [Encoding::RAW, Encoding::HEXTILE, Encoding::ZRLE] {
        for format in exact_formats() {
            let mut viewer = Viewer::open(display.port, password, format, &only(encoding));
            viewer.update();
            display.wait_for_equality(|| {
                viewer.refresh();
                viewer.picture.clone()
            });
            assert!(viewer.cursors > 0, "the cursor is not in the picture, so it has to come by itself");
        }
    }
    // One more in which everything is allowed, over several updates of one zlib stream.
    let mut viewer = Viewer::open(display.port, password, PixelFormat::RGBX, Encoding::DECODED);
    for _ in 0..3 {
        display.change();
        display.wait_for_equality(|| {
            viewer.refresh();
            viewer.picture.clone()
        });
        display.draw();
        display.wait_for_equality(|| {
            viewer.refresh();
            viewer.picture.clone()
        });
    }
}

fn version_and_types(events: &[client::Event]) -> (ProtocolVersion, Vec<SecurityType>) {
    match events {
        [client::Event::VersionAnnounced(version), client::Event::SecurityOffered(types), ..] => {
            (*version, types.clone())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn tigervnc_without_a_password_shows_what_its_display_shows() {
    let mut display = Display::tigervnc(None, &["-desktop", "pump 7"]);
    let (events, result) = handshake(&mut connect(display.port), None);
    assert_eq!(version_and_types(&events), (ProtocolVersion::V3_8, vec![SecurityType::NONE]));
    let (init, _) = result.unwrap();
    assert_eq!((init.width, init.height, init.name.as_str()), (640, 480, "pump 7"));
    compare_all(&mut display, None);
}

#[test]
fn tigervnc_with_a_password_shows_what_its_display_shows() {
    let mut display = Display::tigervnc(Some("s3cret"), &[]);
    let (events, _) = handshake(&mut connect(display.port), Some("s3cret"));
    assert_eq!(version_and_types(&events), (ProtocolVersion::V3_8, vec![SecurityType::VNC_AUTHENTICATION]));
    compare_all(&mut display, Some("s3cret"));
}

#[test]
fn tigervnc_in_version_3_3_shows_what_its_display_shows() {
    let mut display = Display::tigervnc(None, &["-Protocol3.3"]);
    let (events, _) = handshake(&mut connect(display.port), None);
    assert_eq!(version_and_types(&events), (ProtocolVersion::V3_3, vec![SecurityType::NONE]));
    compare_all(&mut display, None);
}

#[test]
fn tigervnc_in_version_3_3_with_a_password_shows_what_its_display_shows() {
    let mut display = Display::tigervnc(Some("12345678"), &["-Protocol3.3"]);
    let (events, _) = handshake(&mut connect(display.port), Some("12345678"));
    assert_eq!(version_and_types(&events), (ProtocolVersion::V3_3, vec![SecurityType::VNC_AUTHENTICATION]));
    compare_all(&mut display, Some("12345678"));
}

#[test]
fn x11vnc_shows_what_its_display_shows() {
    let mut display = Display::x11vnc(&["-nopw"]);
    compare_all(&mut display, None);
}

#[test]
fn x11vnc_with_a_password_in_version_3_7_shows_what_its_display_shows() {
    let mut display = Display::x11vnc(&["-passwd", "s3cret", "-rfbversion", "3.7"]);
    let (events, _) = handshake(&mut connect(display.port), Some("s3cret"));
    assert_eq!(version_and_types(&events), (ProtocolVersion::V3_7, vec![SecurityType::VNC_AUTHENTICATION]));
    compare_all(&mut display, Some("s3cret"));
}

#[test]
fn formats_with_fewer_colours_come_close() {
    let mut display = Display::tigervnc(None, &[]);
    display.draw();
    let shown = display.screenshot();
    let big_endian = PixelFormat { big_endian: true, ..PixelFormat::RGB565 };
    let formats = [(PixelFormat::RGB565, 8), (big_endian, 8), (PixelFormat::BGR233, 64), (PixelFormat::COLOUR_MAP, 64)];
    for encoding in [Encoding::RAW, Encoding::HEXTILE, Encoding::ZRLE] {
        for (format, tolerance) in formats {
            let mut viewer = Viewer::open(display.port, None, format, &only(encoding));
            viewer.update();
            viewer.refresh();
            for (seen, shown) in viewer.picture.rgba().iter().zip(shown.rgba()) {
                assert!(seen.abs_diff(*shown) <= tolerance, "{encoding} {format:?}: {seen} instead of {shown}");
            }
        }
    }
}

#[test]
fn a_wrong_password_is_refused_with_the_servers_reason() {
    for (arguments, reason) in [(&[][..], "Authentication failure"), (&["-Protocol3.3"], "authentication failed")] {
        let display = Display::tigervnc(Some("right"), arguments);
        let (_, result) = handshake(&mut connect(display.port), Some("wrong"));
        assert_eq!(result.map(|_| ()), Err(Error::Refused { by: "the server", reason: reason.into() }));
    }
}

#[test]
fn a_new_size_is_asked_for_and_seen() {
    let mut display = Display::tigervnc(None, &[]);
    display.draw();
    let mut viewer = Viewer::open(display.port, None, PixelFormat::RGBX, Encoding::DECODED);
    viewer.update();
    viewer.refresh();
    let rectangle = Rectangle::new(0, 0, 800, 600);
    let screens = vec![Screen { id: 0, rectangle, flags: 0 }];
    viewer.send(&ClientMessage::SetDesktopSize { width: 800, height: 600, screens });
    display.wait_for_equality(|| {
        viewer.refresh();
        viewer.picture.clone()
    });
    assert_eq!(viewer.resized.last(), Some(&(800, 600)));
    assert_eq!((viewer.picture.width(), viewer.decoder.height()), (800, 600));
}

#[test]
fn the_proxy_proves_the_password_and_the_viewer_never_hears_of_it() {
    for arguments in [&[][..], &["-Protocol3.3"]] {
        let mut display = Display::tigervnc(Some("s3cret"), arguments);
        display.draw();
        let mut server = connect(display.port);
        let mut proxy = proxy::Handshake::new(Some(Password::new("s3cret")), Limits::default());
        let mut viewer = client::Handshake::new(Limits::default());
        let mut viewer_events = Vec::new();
        let mut events = Vec::new();
        // The proxy and the viewer are in this process, the server is real.
        while events.last() != Some(&proxy::Event::Joined) {
            while let Some(bytes) = proxy.poll_transmit_viewer() {
                viewer.handle_input(bytes);
            }
            while let Some(event) = viewer.poll_event().unwrap() {
                match &event {
                    client::Event::SecurityOffered(_) => viewer.choose_security(SecurityType::NONE).unwrap(),
                    client::Event::Authenticated => viewer.initialise(true).unwrap(),
                    _ => {}
                }
                viewer_events.push(event);
            }
            while let Some(bytes) = viewer.poll_transmit() {
                proxy.handle_viewer_input(bytes);
            }
            let before = events.len();
            events.extend(std::iter::from_fn(|| proxy.poll_event().unwrap()));
            while let Some(bytes) = proxy.poll_transmit_server() {
                server.write_all(&bytes).unwrap();
            }
            let authenticated = events.contains(&proxy::Event::Authenticated);
            if events.len() == before && !authenticated {
                proxy.handle_server_input(receive(&mut server));
                events.extend(std::iter::from_fn(|| proxy.poll_event().unwrap()));
                while let Some(bytes) = proxy.poll_transmit_server() {
                    server.write_all(&bytes).unwrap();
                }
            }
        }
        assert_eq!(version_and_types(&viewer_events), (ProtocolVersion::V3_8, vec![SecurityType::NONE]));
        assert!(events.contains(&proxy::Event::Authenticating(SecurityType::VNC_AUTHENTICATION)));

        let unread = proxy.finish().unwrap();
        assert!(unread.to_server.is_empty());
        viewer.handle_input(unread.to_viewer);
        while viewer.poll_event().unwrap().is_none() {
            viewer.handle_input(receive(&mut server));
        }
        let (init, unread) = viewer.finish().unwrap();
        let mut viewer = Viewer::new(server, &init, unread, PixelFormat::RGBX, Encoding::DECODED);
        viewer.update();
        display.wait_for_equality(|| {
            viewer.refresh();
            viewer.picture.clone()
        });
    }
}

#[test]
fn the_screenshot_example_takes_a_screenshot() {
    let mut display = Display::tigervnc(Some("s3cret"), &[]);
    display.draw();
    let folder = tempfile::tempdir().unwrap();
    let (password, out) = (folder.path().join("password"), folder.path().join("out.png"));
    std::fs::write(&password, "s3cret\n").unwrap();
    let (address, password) = (format!("127.0.0.1:{}", display.port), password.to_str().unwrap().to_owned());
    let arguments = [address, "--password-file".into(), password, out.to_str().unwrap().to_owned()];
    vnc_screenshot::run(&arguments).unwrap();

    let file = std::io::BufReader::new(std::fs::File::open(out).unwrap());
    let mut reader = png::Decoder::new(file).read_info().unwrap();
    let mut rgba = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut rgba).unwrap();
    assert!(rgba == display.screenshot().rgba(), "the picture is not what the X server shows");
}
