//! Text as people paste it: byte order marks, any line ends, indentation, lines that were joined, `\n` written out.

use base64ct::{Base64Unpadded, Encoding as _};
use memchr::{
    memchr, memchr2_iter,
    memmem::{self, find},
};
use zeroize::Zeroizing;

use crate::keys::{Error, error::corrupt, one_line};

/// The text again, if it has to be written anew to be read: UTF-16, or line ends that are written out.
pub(crate) fn rewritten(input: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if let Some(rest) = input.strip_prefix(b"\xff\xfe") {
        return Some(from_utf16(rest, u16::from_le_bytes));
    }
    if let Some(rest) = input.strip_prefix(b"\xfe\xff") {
        return Some(from_utf16(rest, u16::from_be_bytes));
    }
    let text = bare(input);
    let is_written_out = memchr(b'\n', text).is_none()
        && memchr(b'\\', text).is_some()
        && find(text, br"\n").is_some()
        // Windows has names like `corp\nina`, and ssh-keygen puts them into comments.
        && one_line::leading(text).is_none();
    is_written_out.then(|| written_out(text))
}

/// The text without a byte order mark and what surrounds it.
pub(crate) fn bare(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text).trim_ascii()
}

fn from_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Zeroizing<Vec<u8>> {
    let (units, _) = bytes.as_chunks::<2>();
    // A unit becomes three bytes at most.
    let mut text = Zeroizing::new(Vec::with_capacity(units.len().saturating_mul(3)));
    for char in char::decode_utf16(units.iter().map(|bytes| unit(*bytes))) {
        text.extend_from_slice(char.unwrap_or(char::REPLACEMENT_CHARACTER).encode_utf8(&mut [0; 4]).as_bytes());
    }
    text
}

/// Escapes of JSON and of shells become what they stand for.
fn written_out(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text;
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'\\', [b'n', after @ ..]) => {
                out.push(b'\n');
                rest = after;
            }
            (b'\\', [b'r', after @ ..]) => rest = after,
            _ => out.push(*first),
        }
    }
    out
}

/// The lines of a text, whatever ends them, without what surrounds them.
pub(crate) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = memchr2_iter(b'\n', b'\r', text).chain([text.len()]);
    let lines = ends.scan(0, |from, end| {
        let line = text.get(*from..end);
        *from = end + 1;
        line
    });
    lines.map(<[u8]>::trim_ascii).filter(|line| !line.is_empty())
}

/// Where the first line begins that begins with this; blanks may be before. `text` begins in the middle of a line.
pub(crate) fn find_line(text: &[u8], begin: &[u8]) -> Option<usize> {
    find_lines(text, begin).next()
}

fn find_lines(text: &[u8], begin: &[u8]) -> impl Iterator<Item = usize> {
    memmem::find_iter(text, begin).filter(|at| {
        let mut before = text.iter().take(*at).rev().skip_while(|byte| matches!(byte, b' ' | b'\t'));
        matches!(before.next(), Some(b'\n' | b'\r'))
    })
}

/// Whether the next line goes on with the last one of `text`: so long headers are folded.
fn is_continued(text: &[u8]) -> bool {
    text.trim_ascii_end().ends_with(b"\\")
}

/// What stands between `-----BEGIN label-----` and the END that belongs to it, and what follows.
pub(crate) struct Armour<'a> {
    pub(crate) label: &'a [u8],
    pub(crate) body: &'a [u8],
    pub(crate) rest: &'a [u8],
}

/// The first armoured block of `text`, if there is one. `dashes` is what its lines are made of, with its blanks.
pub(crate) fn armour<'a>(text: &'a [u8], dashes: &str) -> Option<Result<Armour<'a>, Error>> {
    let dashes = dashes.as_bytes();
    let begin = [dashes, b"BEGIN "].concat();
    let end = [dashes, b"END "].concat();
    let from = find(text, &begin)?;
    let after = text.get(from..)?.get(begin.len()..)?;
    let missing = corrupt("armour", "the BEGIN line has no end");
    let Some(label_end) = find(after, dashes.trim_ascii()) else { return Some(Err(missing)) };
    let (label, after) = after.split_at_checked(label_end)?;
    let after = after.get(dashes.trim_ascii().len()..)?;
    // In a line's middle, or in one that goes on with a header, it may be what somebody wrote into a comment, unless the
    // lines were joined.
    let own_line = find_lines(after, &end).find(|at| !after.get(..*at).is_some_and(is_continued));
    let Some(body_end) = own_line.or_else(|| find(after, &end)) else {
        return Some(Err(corrupt("armour", "the END line is missing: the file is cut off")));
    };
    let (body, rest) = after.split_at_checked(body_end)?;
    Some(Ok(Armour { label: label.trim_ascii(), body, rest: rest.get(end.len()..)? }))
}

/// The bytes of base64 in which white space of any kind may stand anywhere.
pub(crate) fn base64(what: &'static str, text: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let wrong = |_| corrupt(what, "it is not base64");
    let mut digits = Zeroizing::new(Vec::with_capacity(text.len()));
    for line in text.split(|byte| byte.is_ascii_whitespace() || matches!(byte, 0xc2 | 0xa0)) {
        digits.extend_from_slice(line);
    }
    let mut length = digits.len();
    while length > 0 && digits.get(length - 1) == Some(&b'=') {
        length -= 1;
    }
    let mut bytes = Zeroizing::new(vec![0; length / 4 * 3 + 3]);
    let decoded = Base64Unpadded::decode(digits.get(..length).unwrap_or_default(), &mut bytes);
    let decoded = decoded.map_err(|_| ()).map_err(wrong)?.len();
    bytes.truncate(decoded);
    Ok(bytes)
}

/// `bytes` in base64, in lines of `columns` with `line_end` after each.
pub(crate) fn wrapped_base64(bytes: &[u8], columns: usize, line_end: &str) -> Zeroizing<String> {
    let digits = Zeroizing::new(Base64Unpadded::encode_string(bytes));
    let padding = match digits.len() % 4 {
        2 => "==",
        3 => "=",
        _ => "",
    };
    let total = digits.len() + padding.len();
    let lines = total.div_ceil(columns.max(1));
    let mut out = Zeroizing::new(String::with_capacity(total + lines * line_end.len()));
    for (index, char) in digits.chars().chain(padding.chars()).enumerate() {
        if index > 0 && index % columns.max(1) == 0 {
            out.push_str(line_end);
        }
        out.push(char);
    }
    out.push_str(line_end);
    out
}

/// An armoured file: head, wrapped base64, foot.
pub(crate) fn armoured(label: &str, headers: &str, bytes: &[u8], columns: usize) -> Zeroizing<String> {
    let body = wrapped_base64(bytes, columns, "\n");
    let mut out = Zeroizing::new(String::with_capacity(body.len() + headers.len() + 2 * label.len() + 64));
    for part in ["-----BEGIN ", label, "-----\n", headers, &body, "-----END ", label, "-----\n"] {
        out.push_str(part);
    }
    out
}

/// The bytes that these hexadecimal digits write.
pub(crate) fn hex(digits: &[u8]) -> Option<Vec<u8>> {
    let (pairs, odd) = digits.as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = |pair: &[u8; 2]| Some(digit(pair[0])? << 4 | digit(pair[1])?);
    odd.is_empty().then(|| pairs.iter().map(byte).collect()).flatten()
}

pub(crate) fn to_hex(bytes: &[u8], capitals: bool) -> String {
    let pair = |byte: &u8| if capitals { format!("{byte:02X}") } else { format!("{byte:02x}") };
    bytes.iter().map(pair).collect()
}
