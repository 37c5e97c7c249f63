//! Public keys.

use std::{
    fmt,
    hash::{Hash, Hasher},
};

use base64ct::{Base64, Encoding as _};

use crate::keys::{
    Algorithm, Curve, Error, Fingerprint, KeyFile, Limits,
    error::corrupt,
    limits::bits,
    wire::{Reader, Writer},
};

/// A public key and the comment that came with it. Two are equal if the keys are; comments do not count.
#[derive(Clone)]
pub struct PublicKey {
    algorithm: Algorithm,
    /// INVARIANT: what it says of a known algorithm has been read once without fault.
    blob: Vec<u8>,
    comment: String,
}

/// What a public key consists of; numbers are big-endian without leading zeros.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PublicParts<'a> {
    Rsa { n: &'a [u8], e: &'a [u8] },
    Dsa { p: &'a [u8], q: &'a [u8], g: &'a [u8], y: &'a [u8] },
    Ecdsa { curve: Curve, point: &'a [u8] },
    Ed25519(&'a [u8; 32]),
    Ed448(&'a [u8; 57]),
    SkEcdsa { point: &'a [u8], application: &'a [u8] },
    SkEd25519 { key: &'a [u8; 32], application: &'a [u8] },
    Other(&'a [u8]),
}

impl<'a> PublicParts<'a> {
    /// What follows the algorithm's name.
    pub(crate) fn decode(algorithm: &Algorithm, reader: &mut Reader<'a>, limits: &Limits) -> Result<Self, Error> {
        Ok(match algorithm {
            Algorithm::Rsa => {
                let (e, n) = (reader.mpint()?, reader.mpint()?);
                limits.rsa(n)?;
                limits.rsa(e)?;
                if bits(n) < 512 || bits(e) < 2 {
                    return Err(corrupt(reader.what(), "an RSA key that is too small"));
                }
                Self::Rsa { n, e }
            }
            Algorithm::Dsa => {
                let (p, q, g, y) = (reader.mpint()?, reader.mpint()?, reader.mpint()?, reader.mpint()?);
                for number in [p, q, g, y] {
                    limits.dsa(number)?;
                    if bits(number) < 2 {
                        return Err(corrupt(reader.what(), "a DSA key that is too small"));
                    }
                }
                Self::Dsa { p, q, g, y }
            }
            Algorithm::Ecdsa(curve) => {
                if Curve::named(reader.string()?)? != *curve {
                    return Err(corrupt(reader.what(), "two curves that differ"));
                }
                Self::Ecdsa { curve: *curve, point: uncompressed(*curve, reader)? }
            }
            Algorithm::Ed25519 => Self::Ed25519(fixed(reader)?),
            Algorithm::Ed448 => Self::Ed448(fixed(reader)?),
            Algorithm::SkEcdsaP256 => {
                if Curve::named(reader.string()?)? != Curve::P256 {
                    return Err(corrupt(reader.what(), "two curves that differ"));
                }
                Self::SkEcdsa { point: uncompressed(Curve::P256, reader)?, application: reader.string()? }
            }
            Algorithm::SkEd25519 => Self::SkEd25519 { key: fixed(reader)?, application: reader.string()? },
            Algorithm::Other(_) => Self::Other(reader.take(reader.rest().len())?),
        })
    }

    pub(crate) fn encode(&self, out: &mut Writer) {
        match self {
            Self::Rsa { n, e } => out.mpint(e).mpint(n),
            Self::Dsa { p, q, g, y } => out.mpint(p).mpint(q).mpint(g).mpint(y),
            Self::Ecdsa { curve, point } => out.string(curve.name().as_bytes()).string(point),
            Self::Ed25519(key) => out.string(*key),
            Self::Ed448(key) => out.string(*key),
            Self::SkEcdsa { point, application } => {
                out.string(Curve::P256.name().as_bytes()).string(point).string(application)
            }
            Self::SkEd25519 { key, application } => out.string(*key).string(application),
            Self::Other(rest) => out.raw(rest),
        };
    }

    pub(crate) fn algorithm(&self) -> Option<Algorithm> {
        Some(match self {
            Self::Rsa { .. } => Algorithm::Rsa,
            Self::Dsa { .. } => Algorithm::Dsa,
            Self::Ecdsa { curve, .. } => Algorithm::Ecdsa(*curve),
            Self::Ed25519(_) => Algorithm::Ed25519,
            Self::Ed448(_) => Algorithm::Ed448,
            Self::SkEcdsa { .. } => Algorithm::SkEcdsaP256,
            Self::SkEd25519 { .. } => Algorithm::SkEd25519,
            Self::Other(_) => return None,
        })
    }
}

fn fixed<'a, const N: usize>(reader: &mut Reader<'a>) -> Result<&'a [u8; N], Error> {
    reader.string()?.try_into().map_err(|_| corrupt(reader.what(), "a key of the wrong length"))
}

fn uncompressed<'a>(curve: Curve, reader: &mut Reader<'a>) -> Result<&'a [u8], Error> {
    let point = reader.string()?;
    if point.len() != 1 + 2 * curve.field_bytes() {
        return Err(corrupt(reader.what(), "a point of the wrong length"));
    }
    curve.point(point)?;
    Ok(point)
}

impl PublicKey {
    /// The public key in a file of any kind that shows one without a passphrase: one-line, RFC 4716, SPKI, PKCS#1, the
    /// head of most private keys.
    ///
    /// # Errors
    ///
    /// Those of [`KeyFile::decode`], and [`Error::NeedsPassphrase`] if the file hides even the public half.
    pub fn decode(input: &[u8], limits: &Limits) -> Result<Self, Error> {
        KeyFile::decode(input, limits)?.into_public_key().ok_or(Error::NeedsPassphrase)
    }

    /// The public key of a blob as it goes over the wire and into one-line files.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if it is not exactly one key; [`Error::TooCostly`] if its numbers are too big;
    /// [`Error::Unsupported`] if it is a certificate.
    ///
    /// Spec: RFC 4253 §6.6, RFC 5656 §3.1, RFC 8709 §4, OpenSSH's PROTOCOL.u2f.
    pub fn from_blob(blob: &[u8], limits: &Limits) -> Result<Self, Error> {
        limits.file(blob.len())?;
        let mut reader = Reader::new("public key", blob);
        let name = reader.text()?;
        if Algorithm::of_certificate(name).is_some() {
            return Err(Error::unsupported("public key", "a certificate stands where a plain key belongs"));
        }
        let algorithm = algorithm_name(name)?;
        PublicParts::decode(&algorithm, &mut reader, limits)?;
        reader.finish()?;
        Ok(Self { algorithm, blob: blob.to_vec(), comment: String::new() })
    }

    pub(crate) fn from_parts(parts: &PublicParts<'_>, limits: &Limits) -> Result<Self, Error> {
        let algorithm = parts.algorithm().ok_or_else(|| Error::unsupported("algorithm", "unknown"))?;
        let mut blob = Writer::with_capacity(128);
        blob.string(algorithm.name().as_bytes());
        parts.encode(&mut blob);
        Self::from_blob(blob.bytes(), limits)
    }

    /// The same key with another comment. Line ends and other control characters in it become spaces, and those around
    /// it are left out.
    #[must_use]
    pub fn with_comment(mut self, comment: &str) -> Self {
        let around = |char: char| char.is_whitespace() || char.is_control();
        self.comment = comment.trim_matches(around).replace(char::is_control, " ");
        self
    }

    /// What kind of key it is.
    pub fn algorithm(&self) -> &Algorithm {
        &self.algorithm
    }

    /// How many bits people say it has; `None` if that is not known.
    pub fn bits(&self) -> Option<u64> {
        Some(match self.parts().ok()? {
            PublicParts::Rsa { n, .. } => bits(n),
            PublicParts::Dsa { p, .. } => bits(p),
            PublicParts::Ecdsa { curve, .. } => curve.bits().into(),
            PublicParts::Ed25519(_) | PublicParts::SkEcdsa { .. } | PublicParts::SkEd25519 { .. } => 256,
            PublicParts::Ed448(_) => 448,
            PublicParts::Other(_) => return None,
        })
    }

    /// The key as it goes over the wire.
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// What the key's owner wrote beside it; empty if nothing.
    pub fn comment(&self) -> &str {
        &self.comment
    }

    /// Its SHA-256, as people compare it.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.blob)
    }

    pub(crate) fn parts(&self) -> Result<PublicParts<'_>, Error> {
        let mut reader = Reader::new("public key", &self.blob);
        reader.string()?;
        // Its size was checked when it was made.
        let unlimited = Limits { max_rsa_bits: u32::MAX, max_dsa_bits: u32::MAX, ..Limits::default() };
        PublicParts::decode(&self.algorithm, &mut reader, &unlimited)
    }
}

/// The algorithm of this name, if a name it is: what we do not know survives only if it can be written back.
pub(crate) fn algorithm_name(name: &str) -> Result<Algorithm, Error> {
    const MAX_NAME_BYTES: usize = 64;
    let algorithm = Algorithm::named(name);
    if !matches!(algorithm, Algorithm::Other(_)) {
        return Ok(algorithm);
    }
    let fits = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._+@".contains(&byte));
    if !name.starts_with(|first: char| first.is_ascii_alphanumeric()) || name.len() > MAX_NAME_BYTES || !fits {
        return Err(corrupt("public key", "the algorithm's name is none"));
    }
    Ok(algorithm)
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.blob == other.blob
    }
}

impl Eq for PublicKey {}

impl Hash for PublicKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.blob.hash(state);
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PublicKey({} {} {:?})", self.algorithm, self.fingerprint(), self.comment)
    }
}

/// As [`PublicKey::decode`] within the default [`Limits`].
impl std::str::FromStr for PublicKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::decode(text.as_bytes(), &Limits::default())
    }
}

impl fmt::Display for PublicKey {
    /// The line of a `.pub` file: algorithm, base64, comment. RFC 4253's blob; without a line end.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.algorithm, Base64::encode_string(&self.blob))?;
        if self.comment.is_empty() { Ok(()) } else { write!(formatter, " {}", self.comment) }
    }
}
