//! OpenSSH certificates: who vouches for which key, for whom and how long.
//!
//! Spec: OpenSSH's PROTOCOL.certkeys.

use std::fmt;

use base64ct::{Base64, Encoding as _};

use crate::keys::{
    Algorithm, Error, Limits, PublicKey,
    error::corrupt,
    public::{PublicParts, algorithm_name},
    signature,
    wire::Reader,
};

const WHAT: &str = "certificate";

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateKind {
    /// It lets a user in.
    User,
    /// It identifies a host.
    Host,
    /// A number without a meaning yet.
    Other(u32),
}

/// A public key with the signature of an authority over it and what it may be used for.
#[derive(Clone)]
pub struct Certificate {
    blob: Vec<u8>,
    /// How many bytes of the blob the authority signed.
    signed_bytes: usize,
    key: PublicKey,
    authority: PublicKey,
    signature: Vec<u8>,
    /// What it says besides.
    claims: Claims,
}

#[derive(Clone, PartialEq, Eq)]
struct Claims {
    serial: u64,
    kind: CertificateKind,
    key_id: String,
    principals: Vec<String>,
    valid_after: u64,
    valid_before: u64,
    critical_options: Vec<(String, Vec<u8>)>,
    extensions: Vec<(String, Vec<u8>)>,
}

impl Certificate {
    /// The certificate in a one-line file.
    ///
    /// # Errors
    ///
    /// Those of [`KeyFile::decode`](crate::keys::KeyFile::decode), and [`Error::NotAKey`] if the file is something else.
    pub fn decode(input: &[u8], limits: &Limits) -> Result<Self, Error> {
        let file = crate::keys::KeyFile::decode(input, limits)?;
        file.certificate().cloned().ok_or(Error::NotAKey("a certificate is wanted, and this is none"))
    }

    /// The certificate of a blob as it goes over the wire. Nothing is verified: see [`Certificate::verify`].
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if it is not exactly one certificate, or its authority is itself a certificate;
    /// [`Error::TooCostly`] if it is too long or its numbers are too big.
    pub fn from_blob(blob: &[u8], limits: &Limits) -> Result<Self, Error> {
        limits.file(blob.len())?;
        let mut reader = Reader::new(WHAT, blob);
        let name = reader.text()?;
        algorithm_name(name)?;
        let algorithm = match Algorithm::of_certificate(name) {
            Some(algorithm) if algorithm.certificate_name() == name && !matches!(algorithm, Algorithm::Other(_)) => {
                algorithm
            }
            Some(_) => return Err(Error::unsupported("certificate's algorithm", name)),
            None => return Err(corrupt(WHAT, "the algorithm's name is that of no certificate")),
        };
        let _nonce = reader.string()?;
        let parts = PublicParts::decode(&algorithm, &mut reader, limits)?;
        let key = PublicKey::from_parts(&parts, limits)?;
        let serial = reader.u64()?;
        let kind = match reader.u32()? {
            1 => CertificateKind::User,
            2 => CertificateKind::Host,
            other => CertificateKind::Other(other),
        };
        let key_id = String::from_utf8_lossy(reader.string()?).into_owned();
        let mut list = Reader::new(WHAT, reader.string()?);
        let mut principals = Vec::new();
        while !list.is_empty() {
            principals.push(list.text()?.to_owned());
        }
        let (valid_after, valid_before) = (reader.u64()?, reader.u64()?);
        let critical_options = options(reader.string()?)?;
        let extensions = options(reader.string()?)?;
        let _reserved = reader.string()?;
        // Reading a plain key here also keeps certificates from being nested.
        let authority = PublicKey::from_blob(reader.string()?, limits)?;
        let signed_bytes = blob.len().saturating_sub(reader.rest().len());
        let signature = reader.string()?.to_vec();
        reader.finish()?;
        Ok(Self {
            blob: blob.to_vec(),
            signed_bytes,
            key,
            authority,
            signature,
            claims: Claims {
                serial,
                kind,
                key_id,
                principals,
                valid_after,
                valid_before,
                critical_options,
                extensions,
            },
        })
    }

    /// The certificate as it goes over the wire.
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// The name of its algorithm, such as `ssh-ed25519-cert-v01@openssh.com`.
    pub fn algorithm_name(&self) -> String {
        self.key.algorithm().certificate_name()
    }

    /// The key that is vouched for, with the comment that came with the certificate.
    pub fn public_key(&self) -> &PublicKey {
        &self.key
    }

    /// The key that vouches.
    pub fn authority(&self) -> &PublicKey {
        &self.authority
    }

    /// The number that the authority gave it.
    pub fn serial(&self) -> u64 {
        self.claims.serial
    }

    /// What it is for.
    pub fn kind(&self) -> CertificateKind {
        self.claims.kind
    }

    /// What the authority calls it.
    pub fn key_id(&self) -> &str {
        &self.claims.key_id
    }

    /// The users or hosts that it is good for; none means all.
    pub fn principals(&self) -> &[String] {
        &self.claims.principals
    }

    /// From when it is good, in seconds since 1970.
    pub fn valid_after(&self) -> u64 {
        self.claims.valid_after
    }

    /// From when it is not good any more, in seconds since 1970; `u64::MAX` for ever.
    pub fn valid_before(&self) -> u64 {
        self.claims.valid_before
    }

    /// What whoever accepts it has to understand and obey: names and their data.
    pub fn critical_options(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.claims.critical_options.iter().map(|(name, data)| (name.as_str(), data.as_slice()))
    }

    /// What it allows besides: names and their data.
    pub fn extensions(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.claims.extensions.iter().map(|(name, data)| (name.as_str(), data.as_slice()))
    }

    /// Whether its authority really signed it. Whether the authority is to be trusted is another question.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if it did not; [`Error::Unsupported`] if the signature is of a kind that is not verified: DSA,
    /// RSA with SHA-1, security keys, and what is unknown.
    pub fn verify(&self) -> Result<(), Error> {
        let signed = self.blob.get(..self.signed_bytes).unwrap_or_default();
        signature::verify(&self.authority, signed, &self.signature)
    }

    /// Whether it is good for `principal` at `now` (seconds since 1970) as a certificate of this kind.
    pub fn is_valid_for(&self, kind: CertificateKind, principal: &str, now: u64) -> bool {
        let claims = &self.claims;
        claims.kind == kind
            && (claims.valid_after..claims.valid_before).contains(&now)
            && (claims.principals.is_empty() || claims.principals.iter().any(|known| known == principal))
    }

    pub(crate) fn with_comment(mut self, comment: &str) -> Self {
        self.key = self.key.with_comment(comment);
        self
    }
}

/// Names and data; the names have an order and none comes twice.
fn options(list: &[u8]) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let mut reader = Reader::new(WHAT, list);
    let mut found: Vec<(String, Vec<u8>)> = Vec::new();
    while !reader.is_empty() {
        let (name, data) = (reader.text()?, reader.string()?);
        if found.last().is_some_and(|(last, _)| last.as_str() >= name) {
            return Err(corrupt(WHAT, "its options are out of order"));
        }
        found.push((name.to_owned(), data.to_vec()));
    }
    Ok(found)
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.blob == other.blob
    }
}

impl Eq for Certificate {}

impl fmt::Display for Certificate {
    /// The line of a `-cert.pub` file, without a line end.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.algorithm_name(), Base64::encode_string(&self.blob))?;
        let comment = self.key.comment();
        if comment.is_empty() { Ok(()) } else { write!(formatter, " {comment}") }
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Claims { kind, key_id, principals, .. } = &self.claims;
        write!(formatter, "Certificate({kind:?} {key_id:?} {principals:?} of {:?} by {:?})", self.key, self.authority)
    }
}
