//! Making new keys.

use rand_core::CryptoRng;
use rsa::{
    RsaPrivateKey,
    traits::{PrivateKeyParts as _, PublicKeyParts as _},
};
use zeroize::Zeroizing;

use crate::keys::{
    Algorithm, Curve, Error, Limits, PrivateKey,
    private::{Ecdsa, Ed25519, PrivateParts, Rsa, RsaNumbers},
};

/// RSA moduli that are made, in bits: fewer are weak, more are slow and no stronger where it matters.
const RSA_BITS: std::ops::RangeInclusive<u32> = 2048..=4096;

/// What kind of key to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NewKey {
    /// Ed25519: take this one.
    Ed25519,
    /// ECDSA on this curve.
    Ecdsa(Curve),
    /// RSA with a modulus of 2048 to 4096 bits.
    Rsa {
        /// The size of the modulus, in bits.
        bits: u32,
    },
}

impl PrivateKey {
    /// A new key. Everything secret in it comes from `rng`, which has to be fit for keys (the operating system's is).
    ///
    /// RSA takes seconds: not for an async thread.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] if RSA is asked for with fewer or more bits.
    pub fn generate(kind: NewKey, comment: &str, rng: &mut impl CryptoRng) -> Result<Self, Error> {
        let limits = Limits::default();
        let parts = match kind {
            NewKey::Ed25519 => {
                let mut seed = Zeroizing::new([0; 32]);
                rng.fill_bytes(&mut *seed);
                PrivateParts::Ed25519(Ed25519::new(&*seed, None)?)
            }
            NewKey::Ecdsa(curve) => PrivateParts::Ecdsa(ecdsa(curve, rng)?),
            NewKey::Rsa { bits } => PrivateParts::Rsa(rsa(bits, &limits, rng)?),
        };
        Self::new(parts, comment, &limits)
    }
}

/// A number that is uniform among those in range, by drawing until one is.
fn ecdsa(curve: Curve, rng: &mut impl CryptoRng) -> Result<Ecdsa, Error> {
    let mut number = Zeroizing::new(vec![0; curve.field_bytes()]);
    // One draw in 2^32 is out of range on P-256, far fewer on the others; on P-521 once the unused bits are cleared.
    for _ in 0..64 {
        rng.fill_bytes(&mut number);
        if let (Curve::P521, Some(first)) = (curve, number.first_mut()) {
            *first &= 1;
        }
        if let Ok(key) = Ecdsa::new(curve, &number, None) {
            return Ok(key);
        }
    }
    Err(Error::unsupported("random numbers", "they are not random"))
}

fn rsa(bits: u32, limits: &Limits, rng: &mut impl CryptoRng) -> Result<Rsa, Error> {
    let size = usize::try_from(bits).ok().filter(|_| RSA_BITS.contains(&bits) && bits.is_multiple_of(8));
    let refused =
        || Error::unsupported("size of an RSA key", format!("{bits}: 2048 to 4096 bits, in eights, are made"));
    let key = RsaPrivateKey::new(rng, size.ok_or_else(refused)?).map_err(|_| refused())?;
    let [p, q] = key.primes() else { return Err(Error::unsupported("RSA key", "more than two primes")) };
    let [d, p, q] = [key.d(), p, q].map(|number| Zeroizing::new(number.to_be_bytes()));
    Rsa::new(RsaNumbers { n: &key.n_bytes(), e: &key.e_bytes(), d: &d, p: &p, q: &q, iqmp: None }, limits)
}

impl NewKey {
    /// What keys of this kind are called.
    pub fn algorithm(self) -> Algorithm {
        match self {
            Self::Ed25519 => Algorithm::Ed25519,
            Self::Ecdsa(curve) => Algorithm::Ecdsa(curve),
            Self::Rsa { .. } => Algorithm::Rsa,
        }
    }
}
