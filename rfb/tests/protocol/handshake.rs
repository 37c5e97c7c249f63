use bytes::Bytes;
use towline_rfb::{
    Error, Limits, Password, PixelFormat, ProtocolVersion, SecurityType, ServerInit, client,
    server::{self, Security},
};

use crate::session::init;

const CHALLENGE: [u8; 16] = *b"sixteen bytes...";

/// Two machines that speak `version`, with these passwords on either side: what the client ends with.
fn shake(version: &str, theirs: Option<&str>, ours: Option<&str>) -> Result<ServerInit, Error> {
    let mut server = server::Handshake::new(Limits::default());
    let mut client = client::Handshake::new(Limits::default());
    server
        .offer(match theirs {
            None => Security::None,
            Some(password) => Security::VncAuthentication { password: Password::new(password), challenge: CHALLENGE },
        })
        .unwrap();
    // The version that the server announces is the highest it speaks; an old one would announce less.
    assert_eq!(server.poll_transmit().unwrap(), "RFB 003.008\n");
    client.handle_input(Bytes::from(format!("RFB {version}\n")));
    for _ in 0..10 {
        while let Some(event) = client.poll_event()? {
            match event {
                client::Event::SecurityOffered(types) => client.choose_security(types[0]).unwrap(),
                client::Event::PasswordNeeded => client.answer_password(&Password::new(ours.unwrap())).unwrap(),
                client::Event::Authenticated => client.initialise(false).unwrap(),
                client::Event::Initialised(init) => {
                    let (finished, unread) = client.finish().unwrap();
                    assert_eq!((finished, unread), (init.clone(), Bytes::from_static(b"next")));
                    assert_eq!(server.finish().unwrap(), "");
                    return Ok(init);
                }
                _ => {}
            }
        }
        while let Some(bytes) = client.poll_transmit() {
            server.handle_input(bytes);
        }
        let mut failure = None;
        loop {
            match server.poll_event() {
                Ok(Some(server::Event::Asked(asked))) => {
                    assert!(!asked.shared);
                    server.initialise(&init(640, 480, PixelFormat::BGRX)).unwrap();
                }
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        let initialised = matches!(server.poll_transmit(), Some(bytes) if {
            client.handle_input(bytes.clone());
            bytes.ends_with(b"pump")
        });
        if initialised {
            client.handle_input(Bytes::from_static(b"next"));
        }
        if let Some(error) = failure {
            assert_eq!(error, Error::Refused { by: "this side", reason: "the password is wrong".into() });
        }
    }
    panic!("the handshake hangs");
}

#[test]
fn every_version_reaches_the_session_with_and_without_a_password() {
    for version in ["003.003", "003.007", "003.008"] {
        assert_eq!(shake(version, None, None).unwrap().name, "pump", "{version}");
        assert_eq!(shake(version, Some("s3cret"), Some("s3cret")).unwrap().width, 640, "{version}");
    }
}

#[test]
fn a_wrong_password_is_refused_with_a_reason_where_the_version_has_one() {
    for (version, reason) in [
        ("003.003", "authentication failed"),
        ("003.007", "authentication failed"),
        ("003.008", "the password is wrong"),
    ] {
        let refused = Error::Refused { by: "the server", reason: reason.into() };
        assert_eq!(shake(version, Some("right"), Some("wrong")), Err(refused), "{version}");
    }
}

#[test]
fn only_the_first_eight_bytes_of_a_password_count() {
    assert!(shake("003.008", Some("12345678"), Some("123456789")).is_ok());
    assert!(shake("003.008", Some("1234567"), Some("12345678")).is_err());
}

#[test]
fn a_password_encrypts_as_vncpasswd_does() {
    // The file that `vncpasswd` makes of "password", with the key that everybody knows.
    let key = Password::new([23, 82, 107, 6, 35, 78, 88, 7]);
    let response = key.response(*b"passwordpassword");
    let expected = [0xdb, 0xd8, 0x3c, 0xfd, 0x72, 0x7a, 0x14, 0x58];
    assert_eq!((&response[..8], &response[8..]), (&expected[..], &expected[..]));
    assert_eq!(format!("{key:?}"), "Password(..)");
}

#[test]
fn what_others_announce_means_one_of_three_versions() {
    let spoken = |text: &str| {
        let wire = format!("RFB {text}\n");
        let mut input = wire.as_bytes();
        let version = ProtocolVersion::decode(&mut input).unwrap().unwrap();
        assert_eq!((version.to_string().as_str(), input), (text, &[][..]));
        version.spoken()
    };
    for text in ["003.003", "003.004", "003.005", "003.006"] {
        assert_eq!(spoken(text), Ok(ProtocolVersion::V3_3), "{text}");
    }
    assert_eq!(spoken("003.007"), Ok(ProtocolVersion::V3_7));
    for text in ["003.008", "003.014", "003.016", "003.889", "004.000", "004.001", "005.000", "005.001", "999.999"] {
        assert_eq!(spoken(text), Ok(ProtocolVersion::V3_8), "{text}");
    }
    assert!(matches!(spoken("000.000"), Err(Error::Unsupported { .. })));
}

#[test]
fn something_else_than_rfb_is_recognised_by_its_first_bytes() {
    for greeting in ["S", "SSH-2.0-OpenSSH_9\r\n", "RFB 3.8\n", "RFB 003,008\n", "RFB 003.008\r"] {
        let mut client = client::Handshake::new(Limits::default());
        client.handle_input(Bytes::from(greeting));
        assert!(matches!(client.poll_event(), Err(Error::Malformed { what: "protocol version", .. })), "{greeting:?}");
    }
}

/// A client that has got `bytes` and chooses `choice` of what it is offered.
fn client_after(bytes: &[u8], choice: SecurityType) -> (Vec<client::Event>, Result<(), Error>) {
    let mut client = client::Handshake::new(Limits::default());
    client.handle_input(Bytes::copy_from_slice(bytes));
    let mut events = Vec::new();
    loop {
        match client.poll_event() {
            Ok(None) => return (events, Ok(())),
            Err(error) => return (events, Err(error)),
            Ok(Some(event)) => {
                if matches!(event, client::Event::SecurityOffered(_))
                    && let Err(error) = client.choose_security(choice)
                {
                    events.push(event);
                    return (events, Err(error));
                }
                events.push(event);
            }
        }
    }
}

#[test]
fn a_server_that_offers_nothing_says_why() {
    let refused = Err(Error::Refused { by: "the server", reason: "too many".into() });
    for wire in [&b"RFB 003.008\n\0\0\0\0\x08too many"[..], b"RFB 003.003\n\0\0\0\0\0\0\0\x08too many"] {
        assert_eq!(client_after(wire, SecurityType::NONE).1, refused);
    }
}

#[test]
fn types_that_are_not_ours_are_offered_by_name_and_cannot_be_chosen() {
    let (events, result) = client_after(b"RFB 005.000\n\x04\x0d\x85\x05\x81", SecurityType::RA2);
    let [_, client::Event::SecurityOffered(types)] = &events[..] else { panic!("{events:?}") };
    let names: Vec<String> = types.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["13 (RA2 two-step)", "133 (RealVNC)", "5 (RA2)", "129 (RA2-256)"]);
    assert_eq!(result, Err(Error::Unsupported { what: "security type", value: 5 }));
    let (_, result) = client_after(b"RFB 003.889\n\x02\x1e\x21", SecurityType::NONE);
    assert!(matches!(result, Err(Error::Misuse(_))));
}

#[test]
fn an_endless_reason_is_refused_before_it_arrives() {
    let (_, result) = client_after(b"RFB 003.008\n\0\xff\xff\xff\xff", SecurityType::NONE);
    assert_eq!(result, Err(Error::LimitExceeded { what: "max_reason_bytes", got: u32::MAX.into(), max: 4096 }));
}

#[test]
fn a_reason_on_a_result_too_many_and_unknown_results() {
    let after = |version: &str, result: u8, reason: &[u8]| {
        let mut wire = format!("RFB {version}\n\x01\x01\0\0\0").into_bytes();
        wire.push(result);
        wire.extend_from_slice(reason);
        client_after(&wire, SecurityType::NONE).1
    };
    let refused = |reason: &str| Err(Error::Refused { by: "the server", reason: reason.into() });
    assert_eq!(after("003.008", 1, b"\0\0\0\x02no"), refused("no"));
    assert_eq!(after("003.008", 2, b"\0\0\0\x02no"), refused("no"));
    assert_eq!(after("003.008", 9, b""), Err(Error::Unsupported { what: "security result", value: 9 }));
}

#[test]
fn verbs_at_the_wrong_time_are_misuse() {
    let mut client = client::Handshake::new(Limits::default());
    assert!(matches!(client.choose_security(SecurityType::NONE), Err(Error::Misuse(_))));
    assert!(matches!(client.answer_password(&Password::new("x")), Err(Error::Misuse(_))));
    assert!(matches!(client.initialise(true), Err(Error::Misuse(_))));
    assert!(matches!(client.finish(), Err(Error::Misuse(_))));
    let mut server = server::Handshake::new(Limits::default());
    assert!(matches!(server.initialise(&init(1, 1, PixelFormat::RGBX)), Err(Error::Misuse(_))));
    server.offer(Security::None).unwrap();
    assert!(matches!(server.offer(Security::None), Err(Error::Misuse(_))));
    assert!(matches!(server.finish(), Err(Error::Misuse(_))));
}

#[test]
fn a_server_can_say_no_before_and_after_the_client_has_chosen_its_version() {
    for (version, farewell) in [
        ("003.003", &b"\0\0\0\0\0\0\0\x04busy"[..]),
        ("003.007", b"\0\0\0\0\x04busy"),
        ("003.008", b"\0\0\0\0\x04busy"),
    ] {
        for early in [true, false] {
            let mut server = server::Handshake::new(Limits::default());
            server.poll_transmit().unwrap();
            if early {
                server.refuse("busy").unwrap();
            }
            server.handle_input(Bytes::from(format!("RFB {version}\n")));
            assert!(matches!(server.poll_event(), Ok(Some(server::Event::VersionChosen(_)))));
            if !early {
                server.refuse("busy").unwrap();
            }
            assert!(matches!(server.poll_event(), Err(Error::Refused { by: "this side", .. })));
            assert_eq!(server.poll_transmit().unwrap(), farewell, "{version}");
        }
    }
}

#[test]
fn a_client_that_chooses_what_was_not_offered_is_refused() {
    let mut server = server::Handshake::new(Limits::default());
    let password = Password::new("x");
    server.offer(Security::VncAuthentication { password, challenge: CHALLENGE }).unwrap();
    server.handle_input(Bytes::from_static(b"RFB 003.008\n\x01\x01"));
    server.poll_event().unwrap();
    assert!(matches!(server.poll_event(), Err(Error::Malformed { what: "security type", .. })));
}

#[test]
fn an_endless_desktop_name_is_refused_before_it_arrives() {
    let mut limits = Limits::default();
    limits.max_name_bytes = 16;
    let mut wire = Vec::new();
    init(640, 480, PixelFormat::RGBX).encode(&mut wire);
    let fixed_only = wire.len() - "pump".len();
    wire[fixed_only - 4..fixed_only].copy_from_slice(&u32::MAX.to_be_bytes());
    assert_eq!(
        ServerInit::decode(&mut &wire[..fixed_only], &limits),
        Err(Error::LimitExceeded { what: "max_name_bytes", got: u32::MAX.into(), max: 16 }),
    );
}

#[test]
fn the_largest_framebuffer_that_can_be_said_is_refused() {
    let mut wire = Vec::new();
    init(65_535, 65_535, PixelFormat::RGBX).encode(&mut wire);
    assert_eq!(
        ServerInit::decode(&mut &wire[..4], &Limits::default()),
        Err(Error::LimitExceeded { what: "max_framebuffer_pixels", got: 65_535 * 65_535, max: 64 * 1024 * 1024 }),
    );
}
