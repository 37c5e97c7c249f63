//! `---- BEGIN SSH2 PUBLIC KEY ----`.
//!
//! Spec: RFC 4716 §3.

use std::borrow::Cow;

use base64ct::{Base64, Encoding as _};
use memchr::memmem::find;
use zeroize::Zeroizing;

use crate::keys::{Error, Limits, PublicKey, error::corrupt, file::Content, text};

const WHAT: &str = "RFC 4716";
pub(crate) const LABEL: &[u8] = b"SSH2 PUBLIC KEY";
const LINE_BYTES: usize = 72;
const MAX_HEADER_BYTES: usize = 1024;

pub(crate) fn decode(body: &[u8], limits: &Limits) -> Result<Content, Error> {
    let (comment, base64) = comment_and_body(body, b"AAAA");
    let key = PublicKey::from_blob(&text::base64(WHAT, &base64)?, limits)?;
    Ok(Content::Public(key.with_comment(&comment)))
}

/// The comment among the headers, and what follows them. If the lines were joined, `magic` is how the body begins.
pub(crate) fn comment_and_body(body: &[u8], magic: &[u8]) -> (String, Zeroizing<Vec<u8>>) {
    let lines = body.split(|byte| matches!(byte, b'\n' | b'\r')).map(<[u8]>::trim_ascii_end);
    let mut lines = lines.filter(|line| !line.is_empty()).peekable();
    let mut headers = Vec::new();
    while let Some(line) = lines.next_if(|line| line.contains(&b':')) {
        let mut header = Zeroizing::new(line.trim_ascii_start().to_vec());
        // Blanks before and after the cut belong to the value.
        while header.last() == Some(&b'\\') {
            header.pop();
            header.extend_from_slice(lines.next().unwrap_or_default());
        }
        headers.push(header);
    }
    let rest: Vec<&[u8]> = lines.collect();
    if rest.is_empty()
        && let Some(line) = headers.last_mut()
        && let Some(at) = find(line, &[b" ", magic].concat())
    {
        let base64 = Zeroizing::new(line.split_off(at));
        return (comment(&headers), base64);
    }
    (comment(&headers), Zeroizing::new(rest.join(&b'\n')))
}

fn comment(headers: &[Zeroizing<Vec<u8>>]) -> String {
    let mut values = headers.iter().filter_map(|header| {
        let (tag, value) = header.split_at_checked(header.iter().position(|byte| *byte == b':')?)?;
        tag.eq_ignore_ascii_case(b"comment")
            .then(|| String::from_utf8_lossy(value.get(1..)?.trim_ascii()).into())
            .flatten()
    });
    let value: Cow<'_, str> = values.next().unwrap_or_default();
    let quoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    quoted.unwrap_or(&value).to_owned()
}

pub(crate) fn encode(key: &PublicKey) -> Result<String, Error> {
    let mut out = "---- BEGIN SSH2 PUBLIC KEY ----\n".to_owned();
    if !key.comment().is_empty() {
        let header = format!("Comment: \"{}\"", key.comment());
        if header.len() > MAX_HEADER_BYTES {
            return Err(corrupt(WHAT, "the comment is longer than a header may be"));
        }
        // A line is continued after a backslash; a character is never cut.
        let mut line_bytes = 0;
        for char in header.chars() {
            if line_bytes + char.len_utf8() >= LINE_BYTES {
                out.push_str("\\\n");
                line_bytes = 0;
            }
            out.push(char);
            line_bytes += char.len_utf8();
        }
        out.push('\n');
    }
    let digits = Base64::encode_string(key.blob());
    for (index, char) in digits.chars().enumerate() {
        if index > 0 && index % 70 == 0 {
            out.push('\n');
        }
        out.push(char);
    }
    out.push_str("\n---- END SSH2 PUBLIC KEY ----\n");
    Ok(out)
}
