//! Private keys.

use std::fmt;

use zeroize::Zeroizing;

use crate::keys::{
    Algorithm, Certificate, Curve, Error, Fingerprint, KeyFile, Limits, PublicKey, error::corrupt, limits::bits,
    number, public::PublicParts, secret::Secret, wire::without_leading_zeros,
};

/// A private key, whose public half fits, with the comment that came with it.
///
/// Its secrets are overwritten when it is dropped, and printed as `[secret]`.
#[derive(Clone)]
pub struct PrivateKey {
    pub(crate) parts: PrivateParts,
    public: PublicKey,
    pub(crate) certificate: Option<Certificate>,
}

/// What a private key consists of; numbers are big-endian without leading zeros, save where said.
#[derive(Clone, Debug)]
pub(crate) enum PrivateParts {
    Rsa(Rsa),
    Dsa(Dsa),
    Ecdsa(Ecdsa),
    Ed25519(Ed25519),
    Ed448(Ed448),
    Sk(SecurityKey),
}

#[derive(Clone, Debug)]
pub(crate) struct Rsa {
    pub(crate) n: Vec<u8>,
    pub(crate) e: Vec<u8>,
    pub(crate) d: Secret,
    pub(crate) p: Secret,
    pub(crate) q: Secret,
    /// The inverse of q modulo p.
    pub(crate) iqmp: Secret,
}

#[derive(Clone, Debug)]
pub(crate) struct Dsa {
    pub(crate) p: Vec<u8>,
    pub(crate) q: Vec<u8>,
    pub(crate) g: Vec<u8>,
    pub(crate) y: Vec<u8>,
    pub(crate) x: Secret,
}

#[derive(Clone, Debug)]
pub(crate) struct Ecdsa {
    pub(crate) curve: Curve,
    /// Uncompressed.
    pub(crate) point: Vec<u8>,
    /// As long as a field element.
    pub(crate) d: Secret,
}

#[derive(Clone, Debug)]
pub(crate) struct Ed25519 {
    pub(crate) public: [u8; 32],
    pub(crate) seed: Zeroed<32>,
}

#[derive(Clone, Debug)]
pub(crate) struct Ed448 {
    pub(crate) public: [u8; 57],
    pub(crate) seed: Zeroed<57>,
}

/// What a security key needs to find its key again.
#[derive(Clone, Debug)]
pub(crate) struct SecurityKey {
    pub(crate) algorithm: Algorithm,
    /// The point, or the 32 bytes of Ed25519.
    pub(crate) key: Vec<u8>,
    pub(crate) application: Vec<u8>,
    pub(crate) flags: u8,
    pub(crate) handle: Secret,
    pub(crate) reserved: Vec<u8>,
}

/// A secret of a fixed length.
#[derive(Clone)]
pub(crate) struct Zeroed<const N: usize>(pub(crate) Zeroizing<[u8; N]>);

impl<const N: usize> Zeroed<N> {
    pub(crate) fn copy_of(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|bytes: &[u8; N]| Self(Zeroizing::new(*bytes)))
    }
}

impl<const N: usize> fmt::Debug for Zeroed<N> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[secret]")
    }
}

impl Rsa {
    /// The numbers of a key, once they are known to fit each other.
    pub(crate) fn new(numbers: RsaNumbers<'_>, limits: &Limits) -> Result<Self, Error> {
        let RsaNumbers { n, e, d, p, q, iqmp } = numbers;
        limits.rsa(n)?;
        for number in [e, d, p, q] {
            if bits(number) < 2 || bits(number) > bits(n) {
                return Err(corrupt("RSA key", "a number is out of range"));
            }
        }
        number::check_rsa(n, e, d, p, q)?;
        // Some writers swap p and q and leave the coefficient, or leave it out: it follows from the two.
        let iqmp = match iqmp {
            Some(iqmp) if number::is_inverse(iqmp, q, p) => Secret::from(without_leading_zeros(iqmp)),
            Some(_) => return Err(corrupt("RSA key", "the coefficient does not fit the primes")),
            None => number::inverse(q, p)?,
        };
        let [n, e] = [n, e].map(|number| without_leading_zeros(number).to_vec());
        let [d, p, q] = [d, p, q].map(|number| Secret::from(without_leading_zeros(number)));
        Ok(Self { n, e, d, p, q, iqmp })
    }
}

/// The numbers of an RSA key as some container has them.
pub(crate) struct RsaNumbers<'a> {
    pub(crate) n: &'a [u8],
    pub(crate) e: &'a [u8],
    pub(crate) d: &'a [u8],
    pub(crate) p: &'a [u8],
    pub(crate) q: &'a [u8],
    pub(crate) iqmp: Option<&'a [u8]>,
}

impl Dsa {
    pub(crate) fn new(
        p: &[u8],
        q: &[u8],
        g: &[u8],
        y: Option<&[u8]>,
        x: &[u8],
        limits: &Limits,
    ) -> Result<Self, Error> {
        limits.dsa(p)?;
        for number in [q, g, x, y.unwrap_or(g)] {
            if bits(number) < 1 || bits(number) > bits(p) {
                return Err(corrupt("DSA key", "a number is out of range"));
            }
        }
        let right = number::power(g, x, p)?;
        if y.is_some_and(|y| without_leading_zeros(y) != right) {
            return Err(corrupt("DSA key", "the public half does not fit the private one"));
        }
        let [p, q, g] = [p, q, g].map(|number| without_leading_zeros(number).to_vec());
        Ok(Self { p, q, g, y: right, x: without_leading_zeros(x).into() })
    }
}

impl Ecdsa {
    /// The key of this private number; if the public half is given, it has to fit.
    pub(crate) fn new(curve: Curve, number: &[u8], point: Option<&[u8]>) -> Result<Self, Error> {
        let (d, right) = curve.pair(number)?;
        if let Some(point) = point
            && curve.point(point)? != right
        {
            return Err(corrupt("ECDSA key", "the public half does not fit the private one"));
        }
        Ok(Self { curve, point: right, d: d.into() })
    }
}

impl Ed25519 {
    /// The key of these 32 bytes; if the public half is given, it has to fit.
    pub(crate) fn new(seed: &[u8], public: Option<&[u8]>) -> Result<Self, Error> {
        let seed = Zeroed::copy_of(seed).ok_or(corrupt("Ed25519 key", "it is not 32 bytes long"))?;
        let right = ed25519_dalek::SigningKey::from_bytes(&seed.0).verifying_key().to_bytes();
        if public.is_some_and(|public| public != right) {
            return Err(corrupt("Ed25519 key", "the public half does not fit the private one"));
        }
        Ok(Self { public: right, seed })
    }
}

impl Ed448 {
    /// INVARIANT: none that the two fit: no released crate of the family computes on this curve.
    pub(crate) fn new(seed: &[u8], public: &[u8]) -> Result<Self, Error> {
        let wrong = corrupt("Ed448 key", "it is not 57 bytes long");
        match (public.try_into(), Zeroed::copy_of(seed)) {
            (Ok(public), Some(seed)) => Ok(Self { public, seed }),
            _ => Err(wrong),
        }
    }
}

impl PrivateKey {
    /// The private key in a file of any kind, opened with `passphrase` if it is encrypted.
    ///
    /// Deriving a key from a passphrase takes up to seconds, as [`Limits`] allows: not for an async thread.
    ///
    /// # Errors
    ///
    /// Those of [`KeyFile::decode`] and [`KeyFile::private_key`].
    pub fn decode(input: &[u8], passphrase: Option<&[u8]>, limits: &Limits) -> Result<Self, Error> {
        KeyFile::decode(input, limits)?.into_private_key(passphrase)
    }

    pub(crate) fn new(parts: PrivateParts, comment: &str, limits: &Limits) -> Result<Self, Error> {
        let public = PublicKey::from_parts(&parts.public(), limits)?.with_comment(comment);
        Ok(Self { parts, public, certificate: None })
    }

    pub(crate) fn with_certificate(mut self, certificate: Certificate) -> Result<Self, Error> {
        if *certificate.public_key() != self.public {
            return Err(corrupt("private key", "the certificate is for another key"));
        }
        self.certificate = Some(certificate);
        Ok(self)
    }

    /// The same key with another comment.
    #[must_use]
    pub fn with_comment(mut self, comment: &str) -> Self {
        self.public = self.public.with_comment(comment);
        self
    }

    /// Its public half, with the comment.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// What kind of key it is.
    pub fn algorithm(&self) -> &Algorithm {
        self.public.algorithm()
    }

    /// The fingerprint of its public half.
    pub fn fingerprint(&self) -> Fingerprint {
        self.public.fingerprint()
    }

    /// What the key's owner wrote beside it; empty if nothing.
    pub fn comment(&self) -> &str {
        self.public.comment()
    }

    /// The certificate that stood in the same file, if one did.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }

    /// Whether the secret itself is in a security key, and this only says how to ask for it.
    pub fn is_handle(&self) -> bool {
        matches!(self.parts, PrivateParts::Sk(_))
    }
}

impl PrivateParts {
    pub(crate) fn public(&self) -> PublicParts<'_> {
        match self {
            Self::Rsa(Rsa { n, e, .. }) => PublicParts::Rsa { n, e },
            Self::Dsa(Dsa { p, q, g, y, .. }) => PublicParts::Dsa { p, q, g, y },
            Self::Ecdsa(Ecdsa { curve, point, .. }) => PublicParts::Ecdsa { curve: *curve, point },
            Self::Ed25519(Ed25519 { public, .. }) => PublicParts::Ed25519(public),
            Self::Ed448(Ed448 { public, .. }) => PublicParts::Ed448(public),
            Self::Sk(SecurityKey { key, application, .. }) => match key.as_slice().try_into() {
                Ok(key) => PublicParts::SkEd25519 { key, application },
                Err(_) => PublicParts::SkEcdsa { point: key, application },
            },
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PrivateKey([secret] of {:?})", self.public)
    }
}
