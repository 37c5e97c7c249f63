//! Keys: echo and lines on this side, Ctrl+C, Backspace, and what must not be taken for them.

use bytes::Bytes;
use towline_telnet::{
    Command, Connection, Keyboard, Limits, OptionCode, Side, Subnegotiation,
    keyboard::{Backspace, Interrupt, Keys, Pressed, Stroke, When},
    option::linemode::{Function, Level, Linemode, Mode, SpecialCharacter},
};

use crate::pair::{answer, client, client_config, receive, server, settle, turn_on, wire};

/// A client of a server that echoes and takes a key at a time.
fn at_a_shell() -> Connection {
    let (mut near, mut far) = (client(), server());
    settle(&mut near, &mut far);
    near
}

fn keyboard(set: impl Fn(&mut Keys)) -> Keyboard {
    let mut keys = Keys::default();
    set(&mut keys);
    Keyboard::new(keys, &Limits::default())
}

fn sent(pressed: &Pressed) -> Vec<u8> {
    let parts = pressed.strokes.iter().map(|stroke| match stroke {
        Stroke::Send(bytes) => bytes.clone(),
        other => Bytes::from(format!("<{other:?}>")),
    });
    parts.collect::<Vec<_>>().concat()
}

#[test]
fn at_a_shell_every_key_goes_out_as_it_is_and_nothing_is_shown() {
    let (connection, mut keyboard) = (at_a_shell(), keyboard(|_| {}));
    let keys: Vec<u8> = (0..=255).collect();
    let pressed = keyboard.press(&keys, &connection);
    assert_eq!(pressed, Pressed { strokes: vec![Stroke::Send(keys.into())], shown: Bytes::new() });
}

#[test]
fn ctrl_c_is_a_byte_a_signal_or_a_break() {
    let connection = at_a_shell();
    for (interrupt, expected) in [
        (Interrupt::Byte, vec![Stroke::Send("a\x03b".into())]),
        (Interrupt::Process, vec![Stroke::Send("a".into()), Stroke::Interrupt, Stroke::Send("b".into())]),
        (Interrupt::Break, vec![Stroke::Send("a".into()), Stroke::Command(Command::BRK), Stroke::Send("b".into())]),
    ] {
        let mut keyboard = keyboard(|keys| keys.interrupt = interrupt);
        assert_eq!(keyboard.press(b"a\x03b", &connection).strokes, expected);
    }
}

#[test]
fn backspace_sends_what_the_device_wants() {
    let connection = at_a_shell();
    for (backspace, expected) in
        [(Backspace::AsIs, b"a\x08\x7F"), (Backspace::Delete, b"a\x7F\x7F"), (Backspace::ControlH, b"a\x08\x08")]
    {
        let mut keyboard = keyboard(|keys| keys.backspace = backspace);
        assert_eq!(sent(&keyboard.press(b"a\x08\x7F", &connection)), expected);
    }
}

#[test]
fn a_mouse_report_is_not_taken_for_keys() {
    // Column 95 of the first xterm's mouse protocol is 0x7F; column 223 is 0xFF. What follows the newer protocol's M is a key.
    let connection = at_a_shell();
    let mut keyboard = keyboard(|keys| keys.backspace = Backspace::ControlH);
    assert_eq!(sent(&keyboard.press(b"\x1B[M \x7F\xFF\x7F", &connection)), b"\x1B[M \x7F\xFF\x08");
    assert_eq!(sent(&keyboard.press(b"\x1B[<0;95;1M\x7F", &connection)), b"\x1B[<0;95;1M\x08");
    assert_eq!(
        sent(&keyboard.press(b"\x1B[A\x7F\x1BOP\x7F\x1B[3~\x7F", &connection)),
        b"\x1B[A\x08\x1BOP\x08\x1B[3~\x08"
    );
    // Cut within a report.
    assert_eq!(sent(&keyboard.press(b"\x1B[M ", &connection)), b"\x1B[M ");
    assert_eq!(sent(&keyboard.press(b"\x7F\x7F\x7F", &connection)), b"\x7F\x7F\x08");
    // The key Escape, and then Backspace.
    keyboard.press(b"\x1B", &connection);
    assert_eq!(sent(&keyboard.press(b"\x7F", &connection)), b"\x08");
}

#[test]
fn what_the_server_does_not_echo_is_shown_here() {
    let (mut connection, mut keyboard) = (client(), keyboard(|keys| keys.local_editing = When::Never));
    let pressed = keyboard.press(b"l\xC3\xA9s\x7F\r\x01\x1B[A", &connection);
    assert_eq!(sent(&pressed), b"l\xC3\xA9s\x7F\r\x01\x1B[A");
    assert_eq!(pressed.shown, &b"l\xC3\xA9s\x08 \x08\r\n^A"[..]);
    // A password: the server echoes, which is nothing.
    turn_on(&mut connection, Side::Remote, OptionCode::ECHO);
    assert_eq!(keyboard.press(b"secret", &connection).shown, "");
    keyboard.keys.local_echo = When::Always;
    assert_eq!(keyboard.press(b"x", &connection).shown, "x");
    keyboard.keys.local_echo = When::Never;
    answer(&mut connection, b"\xFF\xFC\x01");
    assert_eq!(keyboard.press(b"x", &connection).shown, "");
}

#[test]
fn a_line_is_edited_here_while_the_server_takes_lines() {
    let (mut connection, mut keyboard) = (client(), keyboard(|_| {}));
    let pressed = keyboard.press("gone\x15hé日x\x7F\x7F\x08é".as_bytes(), &connection);
    assert_eq!(pressed.strokes, []);
    let cell = "\x08 \x08";
    assert_eq!(pressed.shown, format!("gone{}hé日x{cell}{cell}{cell}{cell}é", cell.repeat(4)));
    let pressed = keyboard.press(b"!\r", &connection);
    assert_eq!(pressed, Pressed { strokes: vec![Stroke::Send("hé!\r".into())], shown: "!\r\n".into() });
    // Erasing an empty line erases nothing of what the server wrote.
    assert_eq!(keyboard.press(b"\x7F\x15", &connection), Pressed::default());
    // A key that is no text goes out at once, with what was typed before it.
    assert_eq!(sent(&keyboard.press(b"ls\t", &connection)), b"ls\t");
    assert_eq!(sent(&keyboard.press(b"ls\x1B[A", &connection)), b"ls\x1B[A");
    // The server takes keys from here on: what was typed is not lost.
    keyboard.press(b"half", &connection);
    turn_on(&mut connection, Side::Remote, OptionCode::SGA);
    assert_eq!(sent(&keyboard.press(b"x", &connection)), b"halfx");
}

#[test]
fn an_interrupt_throws_the_line_away() {
    let (connection, mut keyboard) = (client(), keyboard(|keys| keys.interrupt = Interrupt::Process));
    let pressed = keyboard.press(b"rm -rf\x03ls\r", &connection);
    assert_eq!(pressed.strokes, [Stroke::Interrupt, Stroke::Send("ls\r".into())]);
    assert_eq!(pressed.shown, "rm -rf^Cls\r\n");
}

#[test]
fn a_line_has_an_end() {
    let mut limits = Limits::default();
    limits.max_line_bytes = 3;
    let mut keyboard = Keyboard::new(Keys::default(), &limits);
    let connection = client();
    assert_eq!(keyboard.press(b"abcd", &connection).shown, "abc\x07");
    assert_eq!(sent(&keyboard.press(b"\r", &connection)), b"abc\r");
}

#[test]
fn keys_are_signals_when_linemode_says_so() {
    let mut config = client_config();
    config.policy.local.insert(OptionCode::LINEMODE);
    let mut connection = Connection::new(config, Limits::default());
    turn_on(&mut connection, Side::Local, OptionCode::LINEMODE);
    let mut keyboard = keyboard(|_| {});
    receive(&mut connection, &wire(&Subnegotiation::Linemode(Linemode::Mode(Mode::EDIT.with(Mode::TRAP_SIGNALS)))));
    let pressed = keyboard.press(b"a\x03\x1Aa\x04\x1Cb\r", &connection);
    assert_eq!(
        pressed.strokes,
        [
            Stroke::Interrupt,
            Stroke::Command(Command::SUSP),
            Stroke::Send("a".into()),
            Stroke::Command(Command::EOF),
            Stroke::Command(Command::ABORT),
            Stroke::Send("b\r".into()),
        ]
    );
    receive(&mut connection, &wire(&Subnegotiation::Linemode(Linemode::Mode(Mode(0)))));
    assert_eq!(sent(&keyboard.press(b"a\x03", &connection)), b"a\x03");
}

/// A client whose server has set these keys and lets it edit lines.
fn in_linemode(keys: &[(Function, u8)]) -> Connection {
    let mut config = client_config();
    config.policy.local.insert(OptionCode::LINEMODE);
    let mut connection = Connection::new(config, Limits::default());
    turn_on(&mut connection, Side::Local, OptionCode::LINEMODE);
    let keys = keys.iter().map(|(function, key)| SpecialCharacter::new(*function, Level::Value, *key)).collect();
    receive(&mut connection, &wire(&Subnegotiation::Linemode(Linemode::SpecialCharacters(keys))));
    receive(&mut connection, &wire(&Subnegotiation::Linemode(Linemode::Mode(Mode::EDIT.with(Mode::TRAP_SIGNALS)))));
    connection
}

#[test]
fn a_line_is_edited_with_the_keys_that_linemode_has_agreed_on() {
    let (connection, mut keyboard) = (in_linemode(&[]), keyboard(|_| {}));
    let cell = "\x08 \x08";
    // Ctrl+W: a word, with the spaces after it.
    let pressed = keyboard.press(b"ls two  \x17one", &connection);
    assert_eq!(pressed, Pressed { strokes: vec![], shown: format!("ls two  {}one", cell.repeat(5)).into() });
    // Ctrl+R shows the line anew; Ctrl+V makes Ctrl+C a character like any other, of two cells.
    let pressed = keyboard.press(b"\x12\x16\x03\x7F\x16\x03", &connection);
    assert_eq!(pressed.strokes, []);
    assert_eq!(pressed.shown, format!("^R\r\nls one^C{}^C", cell.repeat(2)));
    assert_eq!(sent(&keyboard.press(b"\r", &connection)), b"ls one\x03\r");
    // Nothing is left of the line: nothing of what the server wrote is erased.
    assert_eq!(keyboard.press(b"\x17\x15\x7F", &connection), Pressed::default());

    // The keys of another server, of a time before Backspace.
    let connection = in_linemode(&[(Function::EC, b'#'), (Function::EL, b'@')]);
    assert_eq!(sent(&keyboard.press(b"gone@lp#s\r", &connection)), b"ls\r");
    // Where there is no LINEMODE, they are characters like any other.
    assert_eq!(sent(&keyboard.press(b"a#b@\r", &client())), b"a#b@\r");
}

#[test]
fn a_signal_whose_key_is_no_control_character_is_shown_as_it_is() {
    let (connection, mut keyboard) = (in_linemode(&[(Function::IP, 0xE9)]), keyboard(|_| {}));
    let pressed = keyboard.press(b"a\xE9", &connection);
    assert_eq!(pressed, Pressed { strokes: vec![Stroke::Interrupt], shown: (&b"a\xE9"[..]).into() });
}
