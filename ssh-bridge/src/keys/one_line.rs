//! Keys and certificates in a line: algorithm, base64, comment. Also the public line of SSH version 1, and bare base64.
//!
//! Spec: OpenSSH's sshd(8), "AUTHORIZED_KEYS FILE FORMAT".

use std::borrow::Cow;

use base64ct::{Base64Unpadded, Encoding as _};
use memchr::memchr2;

use crate::keys::{
    Algorithm, AuthorizedKey, Certificate, Error, Format, Limits, PublicKey, error::corrupt, file::Content, number,
    openssh_key_v1, public::PublicParts, text, wire::Reader,
};

const WHAT: &str = "one-line key";
/// Every blob begins with a length below 2^24; in base64 that is this.
const BLOB_BEGINS: &[u8] = b"AAAA";
pub(crate) const NO_KEY: Error = Error::NotAKey("no line of it has an algorithm and a key in base64");

/// The line that the text begins with, if it has algorithm and key first.
pub(crate) fn leading(text: &[u8]) -> Option<&[u8]> {
    let line = first_line(text)?;
    let (_, rest) = line.split_at_checked(memchr2(b' ', b'\t', line)?)?;
    // The line's own end may be written out.
    let line = line.strip_suffix(br"\n").map_or(line, |line| line.strip_suffix(br"\r").unwrap_or(line));
    rest.trim_ascii_start().starts_with(BLOB_BEGINS).then_some(line)
}

fn first_line(text: &[u8]) -> Option<&[u8]> {
    text::lines(text).find(|line| !line.starts_with(b"#"))
}

/// The first line that is neither empty nor a comment.
pub(crate) fn decode(text: &[u8], limits: &Limits) -> Result<(Format, Content), Error> {
    let line = first_line(text).ok_or(Error::NotAKey("the file is empty"))?;
    if let Some(public) = version1(line, limits) {
        return public.map(|key| (Format::Ssh1Public, Content::Public(key)));
    }
    // Base64 that lost its armour.
    if line.starts_with(BLOB_BEGINS) {
        return blob_of_either(&text::base64(WHAT, text)?, "", limits);
    }
    if line.starts_with(b"b3BlbnNzaC1rZXktdjE") {
        return openssh_key_v1::decode_body(text, limits).map(|content| (Format::OpensshKeyV1, content));
    }
    let key = AuthorizedKey::parse(&String::from_utf8_lossy(line), limits)?;
    Ok(match key.certificate() {
        Some(certificate) => (Format::Certificate, Content::Certificate(Box::new(certificate.clone()))),
        None => (Format::OneLine, Content::Public(key.public_key().clone())),
    })
}

/// A line of algorithm, base64 and comment.
pub(crate) fn decode_line(line: &[u8], limits: &Limits) -> Result<(Format, Content), Error> {
    // Making do with what is no text looks at each byte alone.
    let line = str::from_utf8(line).map_or_else(|_| String::from_utf8_lossy(line), Cow::Borrowed);
    words(&line).ok_or(NO_KEY)?.decode(limits)
}

/// What a line consists of, after its options.
pub(crate) struct Words<'a> {
    algorithm: &'a str,
    base64: &'a str,
    comment: &'a str,
}

/// Algorithm, base64 and comment, if that is what the text begins with.
pub(crate) fn words(text: &str) -> Option<Words<'_>> {
    let end_of_word = |text: &str| memchr2(b' ', b'\t', text.as_bytes());
    let (algorithm, rest) = text.split_at_checked(end_of_word(text)?)?;
    let rest = rest.trim_start();
    let (base64, comment) = rest.split_at_checked(end_of_word(rest).unwrap_or(rest.len()))?;
    let is_known = || {
        let named = Algorithm::of_certificate(algorithm).unwrap_or_else(|| Algorithm::named(algorithm));
        !matches!(named, Algorithm::Other(_))
    };
    // An option may look like any word.
    let is_key = base64.as_bytes().starts_with(BLOB_BEGINS) || is_known();
    is_key.then_some(Words { algorithm, base64, comment })
}

impl Words<'_> {
    pub(crate) fn decode(&self, limits: &Limits) -> Result<(Format, Content), Error> {
        let wrong = |_| corrupt(WHAT, "it is not base64");
        let blob = Base64Unpadded::decode_vec(self.base64.trim_end_matches('=')).map_err(wrong)?;
        let (format, content) = blob_of_either(&blob, self.comment, limits)?;
        let is_right = match &content {
            Content::Certificate(certificate) => certificate.algorithm_name() == self.algorithm,
            Content::Public(key) => key.algorithm().name() == self.algorithm,
            Content::Private(_) | Content::Locked(_) => false,
        };
        is_right.then_some((format, content)).ok_or(corrupt(WHAT, "the algorithm before the key is not the one in it"))
    }
}

/// The key or, if it has the name of one, the certificate.
fn blob_of_either(blob: &[u8], comment: &str, limits: &Limits) -> Result<(Format, Content), Error> {
    if Algorithm::of_certificate(Reader::new(WHAT, blob).text()?).is_some() {
        let certificate = Certificate::from_blob(blob, limits)?.with_comment(comment);
        return Ok((Format::Certificate, Content::Certificate(Box::new(certificate))));
    }
    let key = PublicKey::from_blob(blob, limits)?;
    Ok((Format::OneLine, Content::Public(key.with_comment(comment))))
}

/// `bits e n comment`, all numbers in decimal.
fn version1(line: &[u8], limits: &Limits) -> Option<Result<PublicKey, Error>> {
    // Digits of numbers that could be allowed: a decimal digit is more than three bits.
    let max_digits = usize::try_from(limits.max_rsa_bits / 3).unwrap_or(usize::MAX);
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.splitn(4, [' ', '\t']);
    let mut digits = || words.next().filter(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()));
    let (bits, e, n) = (digits()?, digits()?, digits()?);
    if bits.len() > 6 || e.len() > max_digits || n.len() > max_digits {
        return None;
    }
    let (e, n) = (number::from_decimal(e)?, number::from_decimal(n)?);
    let key = PublicKey::from_parts(&PublicParts::Rsa { n: &n, e: &e }, limits);
    Some(key.map(|key| key.with_comment(words.next().unwrap_or_default().trim())))
}
