//! PuTTY's `.ppk` files, versions 2 and 3.
//!
//! Spec: PuTTY's manual, appendix C.

use hmac::{Hmac, KeyInit as _, Mac as _};
use memchr::memmem::find;
use rand_core::CryptoRng;
use sha1::{Digest as _, Sha1};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::keys::{
    Error, Format, Limits, PrivateKey, PublicKey,
    cipher::Cbc,
    error::corrupt,
    file::{self, Content, Locked},
    private::{Dsa, Ecdsa, Ed448, Ed25519, PrivateParts, Rsa, RsaNumbers},
    public::PublicParts,
    text,
    wire::{Reader, Writer},
    write::Encryption,
};

const WHAT: &str = "PuTTY key";
pub(crate) const MAGIC: &[u8] = b"PuTTY-User-Key-File-";
const AES256_CBC: &[u8] = b"aes256-cbc";
const NONE: &[u8] = b"none";
const SALT_BYTES: usize = 16;
const MAX_SALT_BYTES: usize = 1024;
const BASE64_LINE: usize = 64;
/// The headers in their order.
const ENCRYPTION: &[u8] = b"Encryption:";
const COMMENT: &[u8] = b"Comment:";
const PUBLIC: &[u8] = b"Public-Lines:";
const DERIVATION: &[u8] = b"Key-Derivation:";
const MEMORY: &[u8] = b"Argon2-Memory:";
const PASSES: &[u8] = b"Argon2-Passes:";
const LANES: &[u8] = b"Argon2-Parallelism:";
const SALT: &[u8] = b"Argon2-Salt:";
const PRIVATE: &[u8] = b"Private-Lines:";
const MAC: &[u8] = b"Private-MAC:";

/// A key that needs its passphrase.
#[derive(Clone, Debug)]
pub(crate) struct Lock {
    derivation: Derivation,
    public: PublicKey,
    encryption: Vec<u8>,
    /// As it stands in the file, whatever its encoding: the MAC is over it.
    comment: Vec<u8>,
    private: Zeroizing<Vec<u8>>,
    mac: Vec<u8>,
}

/// How keys come from the passphrase.
#[derive(Clone, Debug)]
enum Derivation {
    Version2,
    Argon2 {
        kind: argon2::Algorithm,
        kib: u32,
        passes: u32,
        lanes: u32,
        salt: Vec<u8>,
    },
    /// Version 3 without a passphrase.
    Plain,
}

struct Keys {
    cipher: Zeroizing<Vec<u8>>,
    iv: Zeroizing<Vec<u8>>,
    mac: Zeroizing<Vec<u8>>,
}

/// The values of the headers, one after the other.
struct Headers<'a> {
    rest: &'a [u8],
    /// Whether a header may stand anywhere, because the lines were joined.
    joined: bool,
}

impl<'a> Headers<'a> {
    /// Where this header begins.
    fn find(&self, name: &[u8]) -> Option<usize> {
        if self.joined { find(self.rest, name) } else { text::find_line(self.rest, name) }
    }

    /// The value of this header, up to `next`, which has to follow.
    fn value(&mut self, name: &[u8], next: &[u8]) -> Result<&'a [u8], Error> {
        let wrong = || corrupt(WHAT, "a header is missing");
        self.rest = self.rest.trim_ascii_start().strip_prefix(name).ok_or_else(wrong)?;
        let end = self.find(next).ok_or_else(wrong)?;
        let (value, rest) = self.rest.split_at_checked(end).ok_or_else(wrong)?;
        self.rest = rest;
        Ok(value.trim_ascii())
    }

    fn number(&mut self, name: &[u8], next: &[u8]) -> Result<u32, Error> {
        let value = self.value(name, next)?;
        let number = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
        number.ok_or(corrupt(WHAT, "a header that is no number"))
    }

    /// Base64 after the number of its lines, which may have been joined.
    fn base64(&mut self, name: &[u8], next: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
        let value = self.value(name, next)?;
        let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
        text::base64(WHAT, value.get(digits..).unwrap_or_default())
    }
}

pub(crate) fn decode(text: &[u8], limits: &Limits) -> Result<(Format, Content), Error> {
    let mut headers = Headers { rest: text, joined: !text.iter().any(|byte| matches!(byte, b'\n' | b'\r')) };
    let (format, algorithm) = match headers.value(MAGIC, ENCRYPTION)? {
        [b'2', b':', algorithm @ ..] => (Format::Ppk2, algorithm.trim_ascii()),
        [b'3', b':', algorithm @ ..] => (Format::Ppk3, algorithm.trim_ascii()),
        other => return Err(Error::unsupported("PuTTY key's version", other)),
    };
    let encryption = headers.value(ENCRYPTION, COMMENT)?;
    let comment = headers.value(COMMENT, PUBLIC)?;
    let is_derived = format == Format::Ppk3 && encryption != NONE;
    let public = headers.base64(PUBLIC, if is_derived { DERIVATION } else { PRIVATE })?;
    let derivation = match (format, encryption) {
        (Format::Ppk2, AES256_CBC | NONE) => Derivation::Version2,
        (_, NONE) => Derivation::Plain,
        (_, AES256_CBC) => argon2(&mut headers, limits)?,
        (_, other) => return Err(Error::unsupported("cipher", other)),
    };
    let private = headers.base64(PRIVATE, MAC)?;
    let mac = headers.rest.strip_prefix(MAC).unwrap_or_default().trim_ascii();
    let digits = mac.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let mac = text::hex(mac.get(..digits).unwrap_or_default()).ok_or(corrupt(WHAT, "its MAC is not hexadecimal"))?;

    let shown = PublicKey::from_blob(&public, limits)?.with_comment(&String::from_utf8_lossy(comment));
    if shown.algorithm().name().as_bytes() != algorithm {
        return Err(corrupt(WHAT, "the public half is of another algorithm"));
    }
    let lock = Lock { derivation, public: shown, encryption: encryption.into(), comment: comment.into(), private, mac };
    if encryption == NONE {
        return lock.open(&[], limits).map(|key| (format, Content::Private(Box::new(key)))).map_err(
            |error| match error {
                Error::WrongPassphrase => corrupt(WHAT, "the MAC does not fit: it was changed by hand"),
                other => other,
            },
        );
    }
    if lock.private.is_empty() || !lock.private.len().is_multiple_of(Cbc::Aes256.block_bytes()) {
        return Err(corrupt(WHAT, "the private part is no whole number of blocks"));
    }
    Ok((format, Locked::content(Some(lock.public.clone()), file::Lock::Putty(lock))))
}

fn argon2(headers: &mut Headers<'_>, limits: &Limits) -> Result<Derivation, Error> {
    let kind = match headers.value(DERIVATION, MEMORY)? {
        b"Argon2id" => argon2::Algorithm::Argon2id,
        b"Argon2i" => argon2::Algorithm::Argon2i,
        b"Argon2d" => argon2::Algorithm::Argon2d,
        other => return Err(Error::unsupported("key derivation", other)),
    };
    let (kib, passes) = (headers.number(MEMORY, PASSES)?, headers.number(PASSES, LANES)?);
    let lanes = headers.number(LANES, SALT)?;
    limits.argon2(kib, passes)?;
    // Each lane needs eight blocks of a KiB.
    if passes == 0 || lanes == 0 || u64::from(lanes) * 8 > u64::from(kib) {
        return Err(corrupt(WHAT, "Argon2's parameters"));
    }
    let salt = text::hex(headers.value(SALT, PRIVATE)?).filter(|salt| salt.len() <= MAX_SALT_BYTES);
    let salt = salt.ok_or(corrupt(WHAT, "a salt that is not hexadecimal"))?;
    Ok(Derivation::Argon2 { kind, kib, passes, lanes, salt })
}

impl Lock {
    pub(crate) fn open(&self, passphrase: &[u8], limits: &Limits) -> Result<PrivateKey, Error> {
        let keys = self.derivation.keys(passphrase)?;
        let mut private = self.private.clone();
        if self.encryption == AES256_CBC {
            let decrypted = Cbc::Aes256.decrypt(&keys.cipher, &keys.iv, &mut private);
            decrypted.ok_or(corrupt(WHAT, "it cannot be decrypted"))?;
        }
        let covered = self.covered(&private);
        let right = match self.derivation {
            Derivation::Version2 => Hmac::<Sha1>::new_from_slice(&keys.mac)
                .is_ok_and(|mac| mac.chain_update(covered.bytes()).verify_slice(&self.mac).is_ok()),
            Derivation::Argon2 { .. } | Derivation::Plain => Hmac::<Sha256>::new_from_slice(&keys.mac)
                .is_ok_and(|mac| mac.chain_update(covered.bytes()).verify_slice(&self.mac).is_ok()),
        };
        if !right {
            return Err(Error::WrongPassphrase);
        }
        let parts = private_fields(&self.public, &private, limits)?;
        PrivateKey::new(parts, self.public.comment(), limits)
    }

    /// What the MAC is over.
    fn covered(&self, private: &[u8]) -> Writer {
        let mut out = Writer::with_capacity(private.len() + self.public.blob().len() + self.comment.len() + 256);
        out.string(self.public.algorithm().name().as_bytes()).string(&self.encryption).string(&self.comment);
        out.string(self.public.blob()).string(private);
        out
    }
}

impl Derivation {
    fn keys(&self, passphrase: &[u8]) -> Result<Keys, Error> {
        let sha1 =
            |parts: [&[u8]; 2]| Zeroizing::new(parts.iter().fold(Sha1::new(), Sha1::chain_update).finalize().to_vec());
        match self {
            Self::Version2 => {
                let [low, high] = [sha1([&[0, 0, 0, 0], passphrase]), sha1([&[0, 0, 0, 1], passphrase])];
                let mut cipher = Zeroizing::new([&low[..], &high[..]].concat());
                cipher.truncate(Cbc::Aes256.key_bytes());
                let mac = sha1([b"putty-private-key-file-mac-key", passphrase]);
                Ok(Keys { cipher, iv: Zeroizing::new(vec![0; 16]), mac })
            }
            Self::Plain => {
                Ok(Keys { cipher: Zeroizing::default(), iv: Zeroizing::default(), mac: Zeroizing::default() })
            }
            Self::Argon2 { kind, kib, passes, lanes, salt } => {
                let mut derived = Zeroizing::new([0; 80]);
                let wrong = |_| corrupt(WHAT, "Argon2's parameters");
                let parameters = argon2::Params::new(*kib, *passes, *lanes, Some(derived.len())).map_err(wrong)?;
                let argon2 = argon2::Argon2::new(*kind, argon2::Version::V0x13, parameters);
                argon2.hash_password_into(passphrase, salt, &mut *derived).map_err(wrong)?;
                let part = |from: usize, to: usize| Zeroizing::new(derived.get(from..to).unwrap_or_default().to_vec());
                Ok(Keys { cipher: part(0, 32), iv: part(32, 48), mac: part(48, 80) })
            }
        }
    }
}

/// The private numbers; the public ones stand in the public half. Padding may follow.
fn private_fields(public: &PublicKey, private: &[u8], limits: &Limits) -> Result<PrivateParts, Error> {
    let mut reader = Reader::new(WHAT, private);
    Ok(match public.parts()? {
        PublicParts::Rsa { n, e } => {
            let (d, p, q, iqmp) = (reader.mpint()?, reader.mpint()?, reader.mpint()?, reader.mpint()?);
            PrivateParts::Rsa(Rsa::new(RsaNumbers { n, e, d, p, q, iqmp: Some(iqmp) }, limits)?)
        }
        PublicParts::Dsa { p, q, g, y } => PrivateParts::Dsa(Dsa::new(p, q, g, Some(y), reader.mpint()?, limits)?),
        PublicParts::Ecdsa { curve, point } => PrivateParts::Ecdsa(Ecdsa::new(curve, reader.mpint()?, Some(point))?),
        PublicParts::Ed25519(key) => PrivateParts::Ed25519(Ed25519::new(reader.string()?, Some(key))?),
        PublicParts::Ed448(key) => PrivateParts::Ed448(Ed448::new(reader.string()?, key)?),
        PublicParts::SkEcdsa { .. } | PublicParts::SkEd25519 { .. } | PublicParts::Other(_) => {
            return Err(Error::unsupported("PuTTY key", public.algorithm().name()));
        }
    })
}

/// The file, version 3.
pub(crate) fn encode(
    key: &PrivateKey,
    encryption: Option<&Encryption<'_>>,
    rng: &mut impl CryptoRng,
) -> Result<Zeroizing<String>, Error> {
    let mut private = Writer::with_capacity(16 * 1024);
    match &key.parts {
        PrivateParts::Rsa(Rsa { d, p, q, iqmp, .. }) => private.mpint(d).mpint(p).mpint(q).mpint(iqmp),
        PrivateParts::Dsa(Dsa { x, .. }) => private.mpint(x),
        PrivateParts::Ecdsa(Ecdsa { d, .. }) => private.mpint(d),
        PrivateParts::Ed25519(Ed25519 { seed, .. }) => private.string(&*seed.0),
        PrivateParts::Ed448(Ed448 { seed, .. }) => private.string(&*seed.0),
        PrivateParts::Sk(_) => {
            return Err(Error::unsupported("PuTTY key", format!("it has no place for {} keys", key.algorithm())));
        }
    };
    let mut argon2_headers = String::new();
    let derivation = match encryption {
        None => Derivation::Plain,
        Some(Encryption { argon2_kib, argon2_passes, .. }) => {
            let mut salt = vec![0; SALT_BYTES];
            rng.fill_bytes(&mut salt);
            argon2_headers = format!(
                "Key-Derivation: Argon2id\nArgon2-Memory: {argon2_kib}\nArgon2-Passes: {argon2_passes}\n\
                 Argon2-Parallelism: 1\nArgon2-Salt: {}\n",
                text::to_hex(&salt, false),
            );
            let kind = argon2::Algorithm::Argon2id;
            Derivation::Argon2 { kind, kib: *argon2_kib, passes: *argon2_passes, lanes: 1, salt }
        }
    };
    if encryption.is_some() {
        let block = Cbc::Aes256.block_bytes();
        let mut padding = vec![0; (block - private.len() % block) % block];
        rng.fill_bytes(&mut padding);
        private.raw(&padding);
    }
    let mut private = private.finish();
    let keys = derivation.keys(encryption.map(|it| it.passphrase).unwrap_or_default())?;
    let name = if encryption.is_some() { "aes256-cbc" } else { "none" };
    let lock = Lock {
        derivation,
        public: key.public_key().clone(),
        encryption: name.into(),
        comment: key.comment().as_bytes().to_vec(),
        private: Zeroizing::default(),
        mac: Vec::new(),
    };
    let mac = Hmac::<Sha256>::new_from_slice(&keys.mac).map_err(|_| corrupt(WHAT, "it cannot be written"))?;
    let mac = mac.chain_update(lock.covered(&private).bytes()).finalize().into_bytes();
    if encryption.is_some() {
        Cbc::Aes256.encrypt(&keys.cipher, &keys.iv, &mut private).ok_or(corrupt(WHAT, "it cannot be encrypted"))?;
    }
    let [public, private] =
        [key.public_key().blob(), &private].map(|bytes| text::wrapped_base64(bytes, BASE64_LINE, "\n"));
    let lines = |text: &str| text.lines().count().to_string();
    let mac = text::to_hex(&mac, false);
    let mut out = Zeroizing::new(String::with_capacity(public.len() + private.len() + key.comment().len() + 1024));
    for part in [
        "PuTTY-User-Key-File-3: ",
        key.algorithm().name(),
        "\nEncryption: ",
        name,
        "\nComment: ",
        key.comment(),
        "\nPublic-Lines: ",
        &lines(&public),
        "\n",
        &public,
        &argon2_headers,
        "Private-Lines: ",
        &lines(&private),
        "\n",
        &private,
        "Private-MAC: ",
        &mac,
        "\n",
    ] {
        out.push_str(part);
    }
    Ok(out)
}
