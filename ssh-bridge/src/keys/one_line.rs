//! Keys and certificates in a line: algorithm, base64, comment. Also the public line of SSH version 1, and bare base64.
//!
//! Spec: OpenSSH's sshd(8), "AUTHORIZED_KEYS FILE FORMAT".

use crate::keys::{
    AuthorizedKey, Certificate, Error, Format, Limits, PublicKey, file::Content, number, openssh_key_v1,
    public::PublicParts, text,
};

const WHAT: &str = "one-line key";

/// Whether the text begins with a line that has algorithm and key first.
pub(crate) fn begins(text: &[u8]) -> bool {
    let mut words = first_line(text).unwrap_or_default().split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    // Every blob begins with a length below 2^24.
    words.next().is_some() && words.next().is_some_and(|base64| base64.starts_with(b"AAAA"))
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
    if line.starts_with(b"AAAA") && !begins(line) {
        let blob = text::base64(WHAT, text)?;
        return blob_of_either(&blob, "", limits);
    }
    if line.starts_with(b"b3BlbnNzaC1rZXktdjE") {
        return openssh_key_v1::decode_body(text, limits).map(|content| (Format::OpensshKeyV1, content));
    }
    let line = String::from_utf8_lossy(line);
    let key = AuthorizedKey::parse(&line, limits)?;
    Ok(match key.certificate() {
        Some(certificate) => (Format::Certificate, Content::Certificate(Box::new(certificate.clone()))),
        None => (Format::OneLine, Content::Public(key.public_key().clone())),
    })
}

pub(crate) fn blob_of_either(blob: &[u8], comment: &str, limits: &Limits) -> Result<(Format, Content), Error> {
    match Certificate::from_blob(blob, limits) {
        Ok(certificate) => {
            let content = Content::Certificate(Box::new(certificate.with_comment(comment)));
            Ok((Format::Certificate, content))
        }
        Err(error @ (Error::TooCostly { .. } | Error::Unsupported { .. })) => Err(error),
        Err(_) => {
            let key = PublicKey::from_blob(blob, limits)?;
            Ok((Format::OneLine, Content::Public(key.with_comment(comment))))
        }
    }
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
