//! Signatures of certificates.

use ed25519_dalek::Verifier as _;
use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use rsa::{BoxedUint, Pkcs1v15Sign, RsaPublicKey};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use crate::keys::{
    Algorithm, Curve, Error, PublicKey,
    error::corrupt,
    public::PublicParts,
    wire::{Reader, padded},
};

/// That `key` signed `message`.
///
/// Spec: RFC 4253 §6.6, RFC 5656 §3.1.2, RFC 8332 §3, RFC 8709 §6.
pub(crate) fn verify(key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<(), Error> {
    let wrong = || corrupt("certificate", "the authority's signature is wrong");
    let mut reader = Reader::new("signature", signature);
    let (name, signature) = (reader.text()?, reader.string()?);
    reader.finish()?;
    match (key.parts()?, name) {
        (PublicParts::Ed25519(key), "ssh-ed25519") => {
            let key = ed25519_dalek::VerifyingKey::from_bytes(key).map_err(|_| wrong())?;
            let signature = ed25519_dalek::Signature::from_slice(signature).map_err(|_| wrong())?;
            key.verify(message, &signature).map_err(|_| wrong())
        }
        (PublicParts::Ecdsa { curve, point }, name) if name == Algorithm::Ecdsa(curve).name() => {
            let mut numbers = Reader::new("signature", signature);
            let (r, s) = (numbers.mpint()?, numbers.mpint()?);
            numbers.finish()?;
            let [r, s] = [r, s].map(|number| padded(number, curve.field_bytes()));
            let both = [&r.ok_or_else(wrong)?[..], &s.ok_or_else(wrong)?[..]].concat();
            match curve {
                Curve::P256 => {
                    let signature = p256::ecdsa::Signature::from_slice(&both).map_err(|_| wrong())?;
                    let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(point).map_err(|_| wrong())?;
                    key.verify_prehash(&Sha256::digest(message), &signature).map_err(|_| wrong())
                }
                Curve::P384 => {
                    let signature = p384::ecdsa::Signature::from_slice(&both).map_err(|_| wrong())?;
                    let key = p384::ecdsa::VerifyingKey::from_sec1_bytes(point).map_err(|_| wrong())?;
                    key.verify_prehash(&Sha384::digest(message), &signature).map_err(|_| wrong())
                }
                Curve::P521 => {
                    let signature = p521::ecdsa::Signature::from_slice(&both).map_err(|_| wrong())?;
                    let key = p521::ecdsa::VerifyingKey::from_sec1_bytes(point).map_err(|_| wrong())?;
                    key.verify_prehash(&Sha512::digest(message), &signature).map_err(|_| wrong())
                }
            }
        }
        (PublicParts::Rsa { n, e }, "rsa-sha2-256" | "rsa-sha2-512") => {
            let number = BoxedUint::from_be_slice_vartime;
            let max_bits = n.len().saturating_mul(8);
            let key = RsaPublicKey::new_with_max_size(number(n), number(e), max_bits).map_err(|_| wrong())?;
            match name {
                "rsa-sha2-256" => key.verify(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(message), signature),
                _ => key.verify(Pkcs1v15Sign::new::<Sha512>(), &Sha512::digest(message), signature),
            }
            .map_err(|_| wrong())
        }
        (PublicParts::Ed25519(_) | PublicParts::Ecdsa { .. }, _) => Err(wrong()),
        (_, name) => Err(Error::unsupported("authority's signature", name)),
    }
}
