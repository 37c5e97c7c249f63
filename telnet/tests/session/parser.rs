//! RFC 854 and 855 framing.

use bytes::BytesMut;
use towline_telnet::{Command, Error, Limits, OptionCode, Parser, Token, Verb};

/// Tokens of an input in one piece, as text.
fn tokens(input: &[u8]) -> Vec<String> {
    tokens_with(&Limits::default(), input)
}

fn tokens_with(limits: &Limits, input: &[u8]) -> Vec<String> {
    let mut parser = Parser::new(limits);
    let mut rest = input;
    let mut tokens = Vec::new();
    while let Some(token) = parser.decode(&mut rest) {
        tokens.push(match token {
            Token::Data(data) => format!("data {}", data.escape_ascii()),
            Token::Command(command) => command.to_string(),
            Token::Negotiation { verb, option } => format!("{verb} {option}"),
            Token::Subnegotiation { option, payload } => format!("SB {option} {}", payload.escape_ascii()),
            Token::Spoilt { option: Some(option), error } => format!("spoilt {option}: {error}"),
            Token::Spoilt { error, .. } => format!("spoilt: {error}"),
            other => format!("{other:?}"),
        });
    }
    assert!(rest.is_empty(), "all input is used");
    tokens
}

#[test]
fn data_commands_and_options_come_out_in_order() {
    assert_eq!(
        tokens(b"ab\xFF\xF1cd\xFF\xFB\x01\xFF\xFD\x1F\xFF\xFA\x1F\0\x50\0\x18\xFF\xF0ef"),
        ["data ab", "NOP", "data cd", "WILL ECHO", "DO NAWS", r"SB NAWS \x00P\x00\x18", "data ef"],
    );
}

#[test]
fn a_doubled_iac_is_one_byte_of_data_and_joins_what_follows() {
    assert_eq!(tokens(b"ab\xFF\xFFcd"), ["data ab", r"data \xffcd"]);
    assert_eq!(tokens(b"\xFF\xFF\xFF\xFF\xFF\xFF"), [r"data \xff", r"data \xff", r"data \xff"]);
}

#[test]
fn a_doubled_iac_in_a_payload_is_one_byte_and_does_not_end_it() {
    assert_eq!(tokens(b"\xFF\xFA\xC9a\xFF\xFF\xF0b\xFF\xF0c"), [r"SB GMCP a\xff\xf0b", "data c"]);
    assert_eq!(tokens(b"\xFF\xFA\xC9\xFF\xFF\xFF\xF0c"), [r"SB GMCP \xff", "data c"]);
}

#[test]
fn every_command_may_come_first_and_after_everything() {
    for byte in 0..=255u8 {
        if Verb::from_byte(byte).is_some() || byte == 250 || byte == 255 {
            continue;
        }
        let name = Command(byte).to_string();
        assert_eq!(tokens(&[255, byte]), [name.as_str()]);
        assert_eq!(tokens(&[255, byte, b'x']), [name.as_str(), "data x"]);
        assert_eq!(tokens(&[255, 251, 1, 255, byte, b'x']), ["WILL ECHO", name.as_str(), "data x"]);
    }
}

#[test]
fn an_option_number_may_be_any_byte() {
    assert_eq!(tokens(b"\xFF\xFB\xFFx"), ["WILL EXTENDED", "data x"]);
    assert_eq!(tokens(b"\xFF\xFD\xF0x"), ["DO OPTION 240", "data x"]);
    assert_eq!(tokens(b"\xFF\xFA\xFF\xFFx\xFF\xF0y"), ["SB EXTENDED x", "data y"]);
}

#[test]
fn a_payload_longer_than_the_limit_is_one_error_and_leaks_nothing() {
    let mut limits = Limits::default();
    limits.max_subnegotiation_bytes = 4;
    let error = "spoilt GMCP: max_subnegotiation_bytes of 5 exceeds the limit of 4";
    assert_eq!(tokens_with(&limits, b"\xFF\xFA\xC9abcd\xFF\xF0x"), ["SB GMCP abcd", "data x"]);
    assert_eq!(tokens_with(&limits, b"\xFF\xFA\xC9abcde\xFF\xF0x"), [error, "data x"]);
    assert_eq!(tokens_with(&limits, b"\xFF\xFA\xC9abcdefghij\xFF\xFFkl\xFF\xF0x"), [error, "data x"]);
    // A command in what is thrown away ends it, and is not lost.
    assert_eq!(tokens_with(&limits, b"\xFF\xFA\xC9abcdefgh\xFF\xF6x"), [error, "AYT", "data x"]);
}

#[test]
fn a_payload_that_is_cut_off_by_a_command_is_dropped_and_the_command_counts() {
    assert_eq!(
        tokens(b"\xFF\xFA\x18abc\xFF\xFB\x01x"),
        ["spoilt TERMINAL_TYPE: malformed subnegotiation: it was cut off by another command", "WILL ECHO", "data x"],
    );
    assert_eq!(tokens(b"\xFF\xFA\x18ab\xFF\xFA\x18\x01\xFF\xF0")[1..], [r"SB TERMINAL_TYPE \x01"]);
    assert_eq!(tokens(b"\xFF\xFA\xFF\xF1x")[1..], ["NOP", "data x"]);
}

#[test]
fn a_payload_with_a_0xff_that_is_not_doubled_is_dropped_as_a_whole() {
    // NAWS for 255 columns from a peer that does not double.
    assert_eq!(
        tokens(b"\xFF\xFA\x1F\0\xFF\0\x18\xFF\xF0x"),
        ["spoilt NAWS: malformed subnegotiation: a 0xFF in it is not doubled", "data x"],
    );
}

#[test]
fn a_subnegotiation_without_an_option_is_an_error() {
    assert_eq!(tokens(b"\xFF\xFA\xFF\xF0x"), ["spoilt: malformed subnegotiation: it names no option", "data x"]);
}

#[test]
fn an_unclosed_payload_holds_no_more_than_its_limit() {
    let limits = Limits::default();
    for filler in [&b"aaaaaaaa"[..], b"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"] {
        let mut parser = Parser::new(&limits);
        let mut errors = 0;
        for mut input in [&b"\xFF\xFA\xC9"[..]].into_iter().chain(std::iter::repeat_n(filler, 100_000)) {
            while let Some(token) = parser.decode(&mut input) {
                assert!(matches!(token, Token::Spoilt { error: Error::LimitExceeded { .. }, .. }));
                errors += 1;
            }
            assert!(parser.held_bytes() <= limits.max_subnegotiation_bytes);
        }
        assert_eq!(errors, 1);
    }
}

#[test]
fn what_was_encoded_is_decoded_again() {
    let tokens = [
        Token::Data(b"a\xFFb\xFF"),
        Token::Command(Command::IP),
        Token::Negotiation { verb: Verb::Wont, option: OptionCode(255) },
        Token::Subnegotiation { option: OptionCode(255), payload: b"\xFF\xF0\xFF" },
        Token::Subnegotiation { option: OptionCode::NAWS, payload: b"" },
        Token::Data(b"end"),
    ];
    let mut wire = BytesMut::new();
    tokens.iter().for_each(|token| token.encode(&mut wire));
    let mut parser = Parser::new(&Limits::default());
    let mut input = &wire[..];
    let mut again = BytesMut::new();
    while let Some(token) = parser.decode(&mut input) {
        token.encode(&mut again);
    }
    assert_eq!(wire, again);
    assert!(parser.is_between_tokens());
}
