//! `---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----`, the private keys of ssh.com, which say so even when they are not encrypted.
//!
//! No specification was ever published; this is what PuTTY and ssh-keygen make of it.

use md5::{Digest as _, Md5};
use zeroize::Zeroizing;

use crate::keys::{
    Error, Limits, PrivateKey,
    cipher::Cbc,
    error::corrupt,
    file::{self, Content, Locked},
    private::{Dsa, PrivateParts, Rsa, RsaNumbers},
    rfc4716, text,
    wire::Reader,
};

const WHAT: &str = "ssh.com";
pub(crate) const LABEL: &[u8] = b"SSH2 ENCRYPTED PRIVATE KEY";
const MAGIC: u32 = 0x3f6f_f9eb;
/// How the magic begins in base64.
const MAGIC_BASE64: &[u8] = b"P2/56w";
const CIPHER: Cbc = Cbc::TripleDes;

/// A key that needs its passphrase.
#[derive(Clone, Debug)]
pub(crate) struct Lock {
    kind: Kind,
    comment: String,
    encrypted: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Rsa,
    Dsa,
}

pub(crate) fn decode(body: &[u8], limits: &Limits) -> Result<Content, Error> {
    let (comment, base64) = rfc4716::comment_and_body(body, MAGIC_BASE64);
    let bytes = text::base64(WHAT, &base64)?;
    let mut reader = Reader::new(WHAT, &bytes);
    if reader.u32()? != MAGIC {
        return Err(corrupt(WHAT, "it does not begin with its number"));
    }
    if usize::try_from(reader.u32()?) != Ok(bytes.len()) {
        return Err(corrupt(WHAT, "its length is not what it says"));
    }
    let (kind, cipher, section) = (reader.text()?, reader.text()?, reader.string()?);
    reader.finish()?;
    let kind = match kind {
        kind if kind.starts_with("if-modn{sign{rsa") => Kind::Rsa,
        kind if kind.starts_with("dl-modp{sign{dsa") => Kind::Dsa,
        other => return Err(Error::unsupported("ssh.com key", other)),
    };
    match cipher {
        "none" => private_section(kind, &comment, section, limits).map(|key| Content::Private(Box::new(key))),
        "3des-cbc" if !section.is_empty() && section.len() % CIPHER.block_bytes() == 0 => {
            let lock = Lock { kind, comment, encrypted: section.to_vec() };
            Ok(Locked::content(None, file::Lock::SshCom(lock)))
        }
        "3des-cbc" => Err(corrupt(WHAT, "the private part is no whole number of blocks")),
        other => Err(Error::unsupported("cipher", other)),
    }
}

impl Lock {
    pub(crate) fn open(&self, passphrase: &[u8], limits: &Limits) -> Result<PrivateKey, Error> {
        let first = Zeroizing::new(Md5::digest(passphrase).to_vec());
        let second = Zeroizing::new(Md5::new().chain_update(passphrase).chain_update(&*first).finalize().to_vec());
        let mut key = Zeroizing::new([&first[..], &second[..]].concat());
        key.truncate(CIPHER.key_bytes());
        let mut section = Zeroizing::new(self.encrypted.clone());
        CIPHER.decrypt(&key, &[0; 8], &mut section).ok_or(corrupt(WHAT, "it cannot be decrypted"))?;
        private_section(self.kind, &self.comment, &section, limits).map_err(|error| match error {
            Error::Corrupt { .. } => Error::WrongPassphrase,
            other => other,
        })
    }
}

fn private_section(kind: Kind, comment: &str, section: &[u8], limits: &Limits) -> Result<PrivateKey, Error> {
    // Padding may follow; nothing says what it consists of.
    let mut reader = Reader::new(WHAT, Reader::new(WHAT, section).string()?);
    let parts = match kind {
        Kind::Rsa => {
            let mut number = || reader.number_u32_bits();
            let (e, d, n, u) = (number()?, number()?, number()?, number()?);
            // They call p what SSH calls q: their u is the inverse of the first modulo the second.
            let (q, p) = (number()?, number()?);
            PrivateParts::Rsa(Rsa::new(RsaNumbers { n, e, d, p, q, iqmp: Some(u) }, limits)?)
        }
        Kind::Dsa => {
            if reader.u32()? != 0 {
                return Err(corrupt(WHAT, "predefined parameters, of which there are none"));
            }
            let mut number = || reader.number_u32_bits();
            let (p, g, q, y, x) = (number()?, number()?, number()?, number()?, number()?);
            PrivateParts::Dsa(Dsa::new(p, q, g, Some(y), x, limits)?)
        }
    };
    reader.finish()?;
    PrivateKey::new(parts, comment, limits)
}
