//! vim and mc with a mouse, and text that is not ASCII: at our client on a daemon's terminal, and at real clients of our server
//! (`clients.rs`).

use std::fs;

use towline_telnet::option::naws::WindowSize;

use crate::{
    LOGIN,
    end::{End, terminal_of},
    file,
    pty::Pty,
    script,
};

/// So wide that a column of the first xterm's mouse protocol is the byte 0xFF.
pub(crate) const WIDE: WindowSize = WindowSize { columns: 230, rows: 30 };

/// Who sits at a shell.
pub(crate) trait User {
    fn types(&mut self, keys: &[u8]);
    fn shows(&mut self, text: &[u8]);
}

impl User for End {
    fn types(&mut self, keys: &[u8]) {
        self.types_bytes(keys);
    }

    fn shows(&mut self, text: &[u8]) {
        self.shows_bytes(text);
    }
}

impl User for Pty {
    fn types(&mut self, keys: &[u8]) {
        Self::types(self, keys);
    }

    fn shows(&mut self, text: &[u8]) {
        Self::shows(self, text);
    }
}

/// How a terminal says where the mouse is.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Mouse {
    /// Three bytes, each of them a number.
    Bytes,
    /// Decimal numbers.
    Sgr,
}

impl Mouse {
    fn click(self, column: u8, row: u8) -> Vec<u8> {
        match self {
            Self::Bytes => {
                let at = [32 + column, 32 + row];
                [b"\x1B[M ", &at[..], b"\x1B[M#", &at[..]].concat()
            }
            Self::Sgr => format!("\x1B[<0;{column};{row}M\x1B[<0;{column};{row}m").into_bytes(),
        }
    }
}

/// A click into the 223rd column of the second line, and a character put there.
pub(crate) fn vim_takes_the_mouse(user: &mut impl User, name: &str, mouse: Mouse) {
    let text = file(name, [&b"a".repeat(229)[..], b"\n"].concat().repeat(3).as_slice());
    let protocol = if mouse == Mouse::Bytes { "xterm" } else { "sgr" };
    let options = format!("set mouse=a ttymouse={protocol} laststatus=2 statusline=at-%l-%c-");
    user.types(format!("vim -u NONE -N -n -c '{options}' {}; printf 'vim-%s\\n' ended\r", text.display()).as_bytes());
    user.shows(b"at-1-1-");
    user.types(&mouse.click(223, 2));
    // Only what has changed of the status line is written.
    user.shows(b"2-223-");
    user.types(b"rX:wq\r");
    user.shows(b"vim-ended");
    let lines = fs::read_to_string(&text).unwrap();
    let second = lines.lines().nth(1).unwrap();
    assert_eq!(second.bytes().position(|byte| byte == b'X'), Some(222), "{second}");
}

/// A click on the last of the labels at the bottom.
pub(crate) fn mc_takes_the_mouse(user: &mut impl User, mouse: Mouse) {
    let home = env!("CARGO_TARGET_TMPDIR");
    user.types(format!("HOME={home} mc -u -x {home} {home}; printf 'mc-%s\\n' ended\r").as_bytes());
    user.shows(b"Quit");
    user.types(&mouse.click(220, 30));
    user.shows(b"mc-ended");
}

/// Text of an encoding goes to a program and comes back as it was.
pub(crate) fn text_comes_back(user: &mut impl User, text: &[u8]) {
    user.types(b"read -r text; printf '<%s>\\n' \"$text\"\r");
    // The shell reads its next line only when it has begun to wait for it.
    user.shows(b"\"$text\"");
    user.types(&[text, b"\r"].concat());
    user.shows(&[b"<", text, b">"].concat());
}

pub(crate) const UTF8: &[u8] = "é 日本語 \u{1F600} ÿ".as_bytes();
/// 日本語表: with a byte that is a backslash in the last character.
pub(crate) const SHIFT_JIS: &[u8] = b"\x93\xFA\x96\x7B\x8C\xEA\x95\x5C";

fn at_inetutils(name: &str) -> End {
    let mut end = End::inetutils(&[], &script(name, LOGIN), terminal_of(WIDE));
    end.shows("peer login: ");
    end.types("ada\r");
    end.shows("hello ada");
    end.types("stty size\r");
    end.shows("30 230");
    end
}

#[test]
fn vim_behind_inetutils_telnetd_takes_the_mouse() {
    let mut end = at_inetutils("login-vim");
    vim_takes_the_mouse(&mut end, "vim-bytes", Mouse::Bytes);
    vim_takes_the_mouse(&mut end, "vim-sgr", Mouse::Sgr);
}

#[test]
fn mc_behind_inetutils_telnetd_takes_the_mouse() {
    let mut end = at_inetutils("login-mc");
    mc_takes_the_mouse(&mut end, Mouse::Bytes);
    mc_takes_the_mouse(&mut end, Mouse::Sgr);
}

#[test]
fn text_of_any_encoding_comes_back_from_inetutils_telnetd() {
    let mut end = at_inetutils("login-text");
    text_comes_back(&mut end, UTF8);
    text_comes_back(&mut end, SHIFT_JIS);
}
