//! The shell of the demo device: a few commands that show what a terminal can do, and none that does anything to the machine.
//!
//! ```text
//!              ┌── a line ──► an answer ──┐
//!  Prompt ◄────┴──────────────────────────┘
//!    │  ▲
//!    │  └── Ctrl+C
//!    └────► Clock, Size, Mouse: until Ctrl+C
//! ```

use bytes::Bytes;
use time::{OffsetDateTime, format_description::well_known::Rfc2822};

const PROMPT: &str = concat!("\x1b[32m", "demo-device", "\x1b[0m", "$ ");
/// The longest line, in bytes. What is typed beyond it is not taken.
const MAX_LINE_BYTES: usize = 1024;
/// The longest escape sequence, in characters. What is longer is none.
const MAX_ESCAPE_CHARS: usize = 32;

const INTERRUPT: char = '\x03';
const END_OF_INPUT: char = '\x04';
const BACKSPACE: char = '\x08';
const FORM_FEED: char = '\x0c';
const ERASE_LINE: char = '\x15';
const ESCAPE: char = '\x1b';
const DELETE: char = '\x7f';

const HELP: &str = "help          this list\r\n\
                    echo TEXT     what you say\r\n\
                    date          what day it is\r\n\
                    clock         what time it is, each second\r\n\
                    colors        what colours there are\r\n\
                    size          how large the window is, whenever that changes\r\n\
                    mouse         where you click\r\n\
                    exit          good bye\r\n\
                    Ctrl+C ends what goes on, Ctrl+L clears the window.\r\n";
const MOUSE_ON: &str = "\x1b[?1000h\x1b[?1006h";
const MOUSE_OFF: &str = "\x1b[?1000l\x1b[?1006l";

/// A window's size, in characters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) columns: u32,
    pub(super) rows: u32,
}

/// What the shell is at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Doing {
    Prompt,
    Clock,
    Size,
    Mouse,
}

/// A machine: keys in, text for the terminal out.
pub(super) struct Shell {
    doing: Doing,
    line: String,
    /// The start of a character whose end has not come.
    partial: Vec<u8>,
    /// An escape sequence whose end has not come.
    escape: Option<String>,
    /// The last key was Enter: a line feed after it is the same Enter.
    entered: bool,
    size: Option<Size>,
    output: String,
    is_over: bool,
}

impl Shell {
    /// A shell that greets.
    pub(super) fn new(size: Option<Size>) -> Self {
        let mut shell = Self::silent(size);
        shell.say("This is a demo: nothing here does anything to the machine. Try `help`.\r\n");
        shell.say(PROMPT);
        shell
    }

    /// A shell for one line.
    pub(super) fn one_line(line: &str, size: Option<Size>) -> Self {
        let mut shell = Self::silent(size);
        shell.obey(line);
        shell.is_over = shell.doing == Doing::Prompt;
        shell
    }

    fn silent(size: Option<Size>) -> Self {
        Self {
            doing: Doing::Prompt,
            line: String::new(),
            partial: Vec::new(),
            escape: None,
            entered: false,
            size,
            output: String::new(),
            is_over: false,
        }
    }

    /// Keys, as the terminal sends them, in whatever pieces.
    pub(super) fn handle_input(&mut self, input: &[u8]) {
        self.partial.extend_from_slice(input);
        let bytes = std::mem::take(&mut self.partial);
        let mut chunks = bytes.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            chunk.valid().chars().for_each(|key| self.key(key));
            let (invalid, is_last) = (chunk.invalid(), chunks.peek().is_none());
            // The end of a character may still come; it never does after the first byte that cannot be in one.
            if is_last && std::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none()) {
                self.partial = invalid.to_vec();
            } else if !invalid.is_empty() {
                self.key(char::REPLACEMENT_CHARACTER);
            }
        }
    }

    /// The window has this size now.
    pub(super) fn resize(&mut self, size: Size) {
        if self.size.replace(size) != Some(size) && self.doing == Doing::Size {
            self.say_size();
        }
    }

    /// Ctrl+C, or what stands for it.
    pub(super) fn interrupt(&mut self) {
        self.key(INTERRUPT);
    }

    /// Whether [`Shell::tick`] wants to be called each second.
    pub(super) fn wants_ticks(&self) -> bool {
        self.doing == Doing::Clock
    }

    /// A second has gone by.
    pub(super) fn tick(&mut self) {
        if self.doing == Doing::Clock {
            let (hour, minute, second) = OffsetDateTime::now_utc().to_hms();
            self.say(&format!("\r\x1b[K{hour:02}:{minute:02}:{second:02} UTC"));
        }
    }

    /// The next text for the terminal; `None` when there is nothing now.
    pub(super) fn poll_transmit(&mut self) -> Option<Bytes> {
        (!self.output.is_empty()).then(|| std::mem::take(&mut self.output).into())
    }

    /// Somebody has said good bye.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    fn say(&mut self, text: &str) {
        self.output.push_str(text);
    }

    fn key(&mut self, key: char) {
        if self.is_over {
            return;
        }
        let entered = std::mem::replace(&mut self.entered, key == '\r');
        if let Some(mut escape) = self.escape.take() {
            escape.push(key);
            let is_first = escape.len() == 1;
            let goes_on = if is_first { matches!(key, '[' | 'O') } else { !('@'..='~').contains(&key) };
            if !goes_on {
                self.sequence(&escape);
            } else if escape.chars().count() < MAX_ESCAPE_CHARS {
                self.escape = Some(escape);
            }
            return;
        }
        match (key, self.doing) {
            (ESCAPE, _) => self.escape = Some(String::new()),
            (INTERRUPT, _) => {
                if self.doing == Doing::Mouse {
                    self.say(MOUSE_OFF);
                }
                self.doing = Doing::Prompt;
                self.line.clear();
                self.say("^C\r\n");
                self.say(PROMPT);
            }
            (_, Doing::Clock | Doing::Size | Doing::Mouse) => {}
            ('\n', Doing::Prompt) if entered => {}
            ('\r' | '\n', Doing::Prompt) => {
                self.say("\r\n");
                let line = std::mem::take(&mut self.line);
                self.obey(&line);
                if self.doing == Doing::Prompt && !self.is_over {
                    self.say(PROMPT);
                }
            }
            (END_OF_INPUT, Doing::Prompt) if self.line.is_empty() => self.good_bye(),
            (BACKSPACE | DELETE, Doing::Prompt) => {
                self.line.pop();
                self.redraw("\r\x1b[K");
            }
            (ERASE_LINE, Doing::Prompt) => {
                self.line.clear();
                self.redraw("\r\x1b[K");
            }
            (FORM_FEED, Doing::Prompt) => self.redraw("\x1b[H\x1b[2J"),
            (letter, Doing::Prompt) if !letter.is_control() && self.line.len() < MAX_LINE_BYTES => {
                self.line.push(letter);
                self.output.push(letter);
            }
            _ => {}
        }
    }

    /// The prompt and the line, after what makes room for them.
    fn redraw(&mut self, before: &str) {
        self.output.extend([before, PROMPT, &self.line]);
    }

    /// A whole escape sequence, without its ESC. Of a mouse: `[<BUTTON;COLUMN;ROW` and M or m.
    fn sequence(&mut self, sequence: &str) {
        if self.doing != Doing::Mouse {
            return;
        }
        let Some(event) = sequence.strip_prefix("[<") else { return };
        let pressed = event.ends_with('M');
        let numbers: Option<Vec<u16>> =
            event.trim_end_matches(['M', 'm']).split(';').map(|it| it.parse().ok()).collect();
        if let Some([button, column, row]) = numbers.as_deref() {
            let what = if pressed { "pressed" } else { "released" };
            self.say(&format!("button {button} {what} at column {column}, row {row}\r\n"));
        }
    }

    fn obey(&mut self, line: &str) {
        let line = line.trim();
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        match command {
            "" => {}
            "help" => self.say(HELP),
            "echo" => self.output.extend([rest, "\r\n"]),
            "date" => {
                let date = OffsetDateTime::now_utc().format(&Rfc2822).unwrap_or_default();
                self.output.extend([&date, "\r\n"]);
            }
            "clock" => {
                self.doing = Doing::Clock;
                self.tick();
            }
            "colors" | "colours" => self.say_colours(),
            "size" => {
                self.doing = Doing::Size;
                self.say_size();
            }
            "mouse" => {
                self.doing = Doing::Mouse;
                self.say(MOUSE_ON);
                self.say("Click somewhere. Ctrl+C ends it.\r\n");
            }
            "exit" | "logout" | "quit" => self.good_bye(),
            other => self.output.extend([other, ": there is no such command; try `help`\r\n"]),
        }
    }

    fn good_bye(&mut self) {
        self.say("good bye\r\n");
        self.is_over = true;
    }

    fn say_size(&mut self) {
        let said = self.size.map_or_else(
            || "not known\r\n".into(),
            |Size { columns, rows }| format!("{columns} columns, {rows} rows\r\n"),
        );
        self.say(&said);
    }

    /// The sixteen, and the cube of 216, a face a line.
    fn say_colours(&mut self) {
        for (first, count) in [(0, 16), (16, 36), (52, 36), (88, 36), (124, 36), (160, 36), (196, 36)] {
            for colour in first..first + count {
                self.say(&format!("\x1b[48;5;{colour}m  "));
            }
            self.say("\x1b[0m\r\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a shell says to keys that come in these pieces.
    fn said<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
        let mut shell = Shell::new(Some(Size { columns: 80, rows: 24 }));
        pieces.into_iter().for_each(|piece| shell.handle_input(piece));
        let mut said = String::new();
        while let Some(text) = shell.poll_transmit() {
            said += std::str::from_utf8(&text).unwrap();
        }
        said
    }

    #[test]
    fn however_the_keys_are_cut_the_answer_is_the_same() {
        let keys = "héllo 日本\x7f🚀\x7f\recho ü\r\nsize\r\x03mouse\r\x1b[<0;12;5M\x1b[<0;12;5m\x03\x1b[A\x1bOP\x0cno\x15exit\r"
            .as_bytes();
        let whole = said([keys]);
        for at in 0..keys.len() {
            let (one, other) = keys.split_at(at);
            assert_eq!(said([one, other]), whole, "cut at {at}");
        }
        assert_eq!(said(keys.chunks(1)), whole);
    }

    #[test]
    fn a_line_is_edited_and_obeyed() {
        let answer = said([&b"echo on\x7f\x7fyes\r"[..]]);
        assert!(answer.ends_with(&format!("echo yes\r\nyes\r\n{PROMPT}")), "{answer:?}");
        let answer = said([&b"nonsense\r"[..]]);
        assert!(answer.contains("nonsense: there is no such command"), "{answer:?}");
    }

    #[test]
    fn an_interrupt_ends_what_goes_on() {
        let answer = said([&b"mouse\rignored\x03"[..]]);
        assert!(answer.ends_with(&format!("{MOUSE_OFF}^C\r\n{PROMPT}")), "{answer:?}");
        assert!(!answer.contains("ignored"), "{answer:?}");
    }

    #[test]
    fn what_is_no_text_and_what_never_ends_is_survived() {
        let answer = said([&b"\xff\xc3"[..], b"(\r"]);
        assert!(answer.contains("\u{fffd}\u{fffd}("), "{answer:?}");
        let endless = [b"\x1b[".as_slice(), &[b'0'; 100], b"mecho on\r"].concat();
        assert!(said([&endless[..]]).contains("on\r\n"));
        let long = vec![b'a'; 100_000];
        assert!(said([&long[..]]).len() < 2 * MAX_LINE_BYTES);
    }
}
