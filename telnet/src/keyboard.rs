//! A user's keys: what goes to the peer, and what is shown on this side. It stands between a terminal and a client's
//! [`Connection`], before the character set of the device is applied.
//!
//! ```text
//!   keys ──► Keyboard ──┬─ Stroke::Send ──► (character set) ──► Connection::send
//!                       ├─ Stroke::Interrupt ────────────────► Connection::interrupt
//!                       ├─ Stroke::Command ──────────────────► Connection::command
//!   screen ◄── shown ◄──┘
//! ```
//!
//! What a server wants is not said in one place: it echoes or not (ECHO), takes a key at a time or a line (SGA, LINEMODE),
//! wants keys as signals or not, and has keys of its own for mending a line (LINEMODE). [`Keyboard::press`] looks at all of
//! it each time, since it changes, as when a password is asked for. A device that negotiates nothing and echoes all the same
//! needs [`When::Never`].

use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};

use crate::{
    Command, Connection, Limits,
    option::linemode::{Function, Mode},
};

const CTRL_C: u8 = 0x03;
const BACKSPACE: u8 = 0x08;
const CTRL_U: u8 = 0x15;
const ESCAPE: u8 = 0x1B;
const DELETE: u8 = 0x7F;
const CR: u8 = b'\r';
const LF: u8 = b'\n';
/// Takes a cell off the screen.
const ERASE: &[u8] = b"\x08 \x08";

/// What the Backspace key sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Backspace {
    /// What the terminal sends.
    #[default]
    AsIs,
    /// DEL (0x7F) for BS.
    Delete,
    /// BS (0x08) for DEL.
    ControlH,
}

/// What Ctrl+C sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Interrupt {
    /// The byte 0x03, which a Unix terminal turns into a signal.
    #[default]
    Byte,
    /// IP and a Synch: [`Connection::interrupt`].
    Process,
    /// BRK: the break of a serial line.
    Break,
}

/// Whether this side does what the server could do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum When {
    /// As the options say.
    #[default]
    Negotiated,
    /// Whatever they say.
    Always,
    /// Whatever they say, never.
    Never,
}

/// How keys are treated: what a user can set for a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Keys {
    /// What Backspace sends.
    pub backspace: Backspace,
    /// What Ctrl+C sends.
    pub interrupt: Interrupt,
    /// Whether keys are shown here; negotiated: unless the server echoes.
    pub local_echo: When,
    /// Whether lines are edited here and sent when they are whole; negotiated: unless the server takes a key at a time.
    pub local_editing: When,
}

/// Something to do with the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stroke {
    /// [`Connection::send`] it. Never empty.
    Send(Bytes),
    /// [`Connection::command`] it.
    Command(Command),
    /// [`Connection::interrupt`].
    Interrupt,
}

/// What follows from keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pressed {
    /// For the connection, in order.
    pub strokes: Vec<Stroke>,
    /// For the screen; empty when nothing is echoed here.
    pub shown: Bytes,
}

/// Where keys are within a sequence that is one key: cursor keys, a mouse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sequence {
    #[default]
    None,
    /// After ESC.
    Escape,
    /// After ESC [.
    Bracket,
    /// After ESC [ and something.
    Parameters,
    /// After ESC O.
    Last,
    /// So many bytes of a mouse report as the first xterm had it: any byte, also one that looks like a key.
    Mouse(u8),
}

/// What a key does to a line that is edited here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edit {
    /// Takes the last character away.
    Character,
    /// Takes the last word away.
    Word,
    /// Takes all of it away.
    Line,
    /// Shows it anew.
    Reprint,
    /// Makes the next key text.
    Literal,
}

/// Turns keys into what is sent and what is shown. Holds a line that is being edited, and nothing else.
#[derive(Clone, Debug)]
pub struct Keyboard {
    /// How keys are treated; may change at any time.
    pub keys: Keys,
    /// INVARIANT: at most `max_line_bytes`.
    line: Vec<u8>,
    max_line_bytes: usize,
    sequence: Sequence,
    /// The next key is text, whatever it is.
    is_literal: bool,
}

impl Keyboard {
    /// A keyboard with an empty line.
    pub fn new(keys: Keys, limits: &Limits) -> Self {
        let sequence = Sequence::None;
        Self { keys, line: Vec::new(), max_line_bytes: limits.max_line_bytes, sequence, is_literal: false }
    }

    /// Keys of the user, as a terminal sends them (Enter is CR); what is pasted comes the same way. Pieces may be cut
    /// anywhere, but an ESC at the end of one is the key of that name. A line that is edited here holds up to
    /// [`Limits::max_line_bytes`]; keys beyond it ring the bell.
    pub fn press(&mut self, keys: &[u8], connection: &Connection) -> Pressed {
        let echoes = match self.keys.local_echo {
            When::Negotiated => connection.wants_local_echo(),
            always => always == When::Always,
        };
        let edits = match self.keys.local_editing {
            When::Negotiated => !connection.is_character_mode(),
            always => always == When::Always,
        };
        let traps = connection.linemode().is_some_and(|mode| mode.contains(Mode::TRAP_SIGNALS));
        let trapped = |key| connection.special_characters().function(key).and_then(signal).filter(|_| traps);
        let mut out = Outcome { strokes: Vec::new(), sending: BytesMut::new(), shown: BytesMut::new(), echoes };
        if !edits {
            self.send_line(&mut out);
            self.is_literal = false;
        }
        if self.sequence == Sequence::Escape {
            self.sequence = Sequence::None;
        }
        for key in keys {
            if core::mem::take(&mut self.is_literal) {
                self.insert(*key, &mut out);
            } else if self.continues_sequence(*key) {
                self.send_line(&mut out);
                out.send(&[*key]);
            } else if let Some(signal) = self.interrupt(*key).or_else(|| trapped(*key)) {
                match signal {
                    Stroke::Command(Command::AO | Command::AYT | Command::EOF) => self.send_line(&mut out),
                    _ => self.line.clear(),
                }
                out.stroke(signal);
                out.show_key(*key);
            } else if let Some(edit) = edit(*key, connection).filter(|_| edits) {
                self.edit(edit, *key, &mut out);
            } else {
                self.one(*key, edits, &mut out);
            }
        }
        out.finish()
    }

    fn interrupt(&self, key: u8) -> Option<Stroke> {
        match self.keys.interrupt {
            Interrupt::Process if key == CTRL_C => Some(Stroke::Interrupt),
            Interrupt::Break if key == CTRL_C => Some(Stroke::Command(Command::BRK)),
            _ => None,
        }
    }

    fn one(&mut self, key: u8, edits: bool, out: &mut Outcome) {
        match key {
            BACKSPACE | DELETE => {
                out.send(&[match self.keys.backspace {
                    Backspace::AsIs => key,
                    Backspace::Delete => DELETE,
                    Backspace::ControlH => BACKSPACE,
                }]);
                out.show(ERASE);
            }
            CR | LF => {
                self.send_line(out);
                out.send(&[key]);
                out.show(b"\r\n");
            }
            // A key that does something, such as Tab or Ctrl+D, does it to what was typed before it.
            0..b' ' => {
                self.send_line(out);
                out.send(&[key]);
                out.show_key(key);
            }
            _ if !edits => {
                out.send(&[key]);
                out.show(&[key]);
            }
            _ => self.insert(key, out),
        }
    }

    /// Adds to the line.
    fn insert(&mut self, key: u8, out: &mut Outcome) {
        if self.line.len() < self.max_line_bytes {
            self.line.push(key);
            out.show_key(key);
        } else {
            out.show(b"\x07");
        }
    }

    fn edit(&mut self, edit: Edit, key: u8, out: &mut Outcome) {
        match edit {
            Edit::Character => drop(self.erase(out)),
            Edit::Word => {
                while self.line.last() == Some(&b' ') && self.erase(out) {}
                while self.line.last().is_some_and(|last| *last != b' ') && self.erase(out) {}
            }
            Edit::Line => while self.erase(out) {},
            Edit::Reprint => {
                out.show_key(key);
                out.show(b"\r\n");
                self.line.iter().for_each(|key| out.show_key(*key));
            }
            Edit::Literal => self.is_literal = true,
        }
    }

    fn send_line(&mut self, out: &mut Outcome) {
        out.send(&self.line);
        self.line.clear();
    }

    /// Takes the last character off the line; whether there was one.
    fn erase(&mut self, out: &mut Outcome) -> bool {
        let cells = erase_character(&mut self.line);
        (0..cells).for_each(|_| out.show(ERASE));
        cells > 0
    }

    /// Whether the key is part of a sequence of keys that starts with ESC.
    fn continues_sequence(&mut self, key: u8) -> bool {
        let (next, is_part) = match (self.sequence, key) {
            (_, ESCAPE) => (Sequence::Escape, true),
            (Sequence::None, _) | (Sequence::Bracket | Sequence::Parameters, 0..b' ') => (Sequence::None, false),
            (Sequence::Escape, b'[') => (Sequence::Bracket, true),
            (Sequence::Escape, b'O') => (Sequence::Last, true),
            (Sequence::Bracket, b'M') => (Sequence::Mouse(3), true),
            (Sequence::Bracket | Sequence::Parameters, b' '..b'@') => (Sequence::Parameters, true),
            (Sequence::Mouse(left), _) if left > 1 => (Sequence::Mouse(left - 1), true),
            // The last of them, or Alt and a key.
            _ => (Sequence::None, true),
        };
        self.sequence = next;
        is_part
    }
}

/// What has come of the keys so far.
#[derive(Debug)]
struct Outcome {
    strokes: Vec<Stroke>,
    /// To be sent after `strokes`.
    sending: BytesMut,
    shown: BytesMut,
    echoes: bool,
}

impl Outcome {
    fn send(&mut self, bytes: &[u8]) {
        self.sending.extend_from_slice(bytes);
    }

    fn stroke(&mut self, stroke: Stroke) {
        self.flush();
        self.strokes.push(stroke);
    }

    fn show(&mut self, bytes: &[u8]) {
        if self.echoes {
            self.shown.extend_from_slice(bytes);
        }
    }

    /// A control character is shown as terminals do it: `^C`.
    fn show_key(&mut self, key: u8) {
        match key {
            0..b' ' | DELETE => self.show(&[b'^', key ^ 0x40]),
            _ => self.show(&[key]),
        }
    }

    fn flush(&mut self) {
        if !self.sending.is_empty() {
            self.strokes.push(Stroke::Send(self.sending.split().freeze()));
        }
    }

    fn finish(mut self) -> Pressed {
        self.flush();
        Pressed { strokes: self.strokes, shown: self.shown.freeze() }
    }
}

/// What a key does to the line: Backspace and Ctrl+U, and what LINEMODE has agreed on (RFC 1184 §2.4).
fn edit(key: u8, connection: &Connection) -> Option<Edit> {
    let is_linemode = connection.linemode().is_some_and(|mode| mode.contains(Mode::EDIT));
    let function = connection.special_characters().function(key).filter(|_| is_linemode);
    match (function, key) {
        (Some(Function::EC), _) => Some(Edit::Character),
        (Some(Function::EW), _) => Some(Edit::Word),
        (Some(Function::EL), _) => Some(Edit::Line),
        (Some(Function::RP), _) => Some(Edit::Reprint),
        (Some(Function::LNEXT), _) => Some(Edit::Literal),
        (_, BACKSPACE | DELETE) => Some(Edit::Character),
        (_, CTRL_U) => Some(Edit::Line),
        _ => None,
    }
}

/// The stroke of a key that LINEMODE turns into a signal.
fn signal(function: Function) -> Option<Stroke> {
    Some(Stroke::Command(match function {
        Function::IP => return Some(Stroke::Interrupt),
        Function::BRK => Command::BRK,
        Function::AO => Command::AO,
        Function::AYT => Command::AYT,
        Function::ABORT => Command::ABORT,
        Function::EOF => Command::EOF,
        Function::SUSP => Command::SUSP,
        _ => return None,
    }))
}

/// Takes the last character of UTF-8 off the line, and returns how many cells of the screen it has.
fn erase_character(line: &mut Vec<u8>) -> usize {
    while let Some(byte) = line.pop() {
        match byte {
            0x80..0xC0 => {}
            // Shown as `^C`.
            0..b' ' | DELETE => return 2,
            // From U+3000 to the end of Hangul, and from U+10000: the scripts of East Asia, and emoji.
            0xE3..0xEE | 0xF0.. => return 2,
            _ => return 1,
        }
    }
    0
}
