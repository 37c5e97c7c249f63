//! NIST's curves: points and scalars as bytes.

use p256::elliptic_curve::sec1::ToSec1Point as _;
use zeroize::Zeroizing;

use crate::keys::{Error, error::corrupt, wire::padded};

/// A curve of ECDSA keys.
///
/// Spec: RFC 5656 §10.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Curve {
    /// NIST P-256.
    P256,
    /// NIST P-384.
    P384,
    /// NIST P-521.
    P521,
}

impl Curve {
    pub(crate) const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    /// What SSH calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::P256 => "nistp256",
            Self::P384 => "nistp384",
            Self::P521 => "nistp521",
        }
    }

    pub(crate) fn named(name: &[u8]) -> Result<Self, Error> {
        let found = Self::ALL.into_iter().find(|curve| curve.name().as_bytes() == name);
        found.ok_or_else(|| Error::unsupported("elliptic curve", name))
    }

    /// The size of a scalar and of a coordinate, in bytes.
    pub(crate) fn field_bytes(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    pub(crate) fn bits(self) -> u32 {
        match self {
            Self::P256 => 256,
            Self::P384 => 384,
            Self::P521 => 521,
        }
    }

    /// The point in `bytes`, compressed or not, without compression; it is on the curve and not at infinity.
    pub(crate) fn point(self, bytes: &[u8]) -> Result<Vec<u8>, Error> {
        let point = match self {
            Self::P256 => {
                p256::PublicKey::from_sec1_bytes(bytes).map(|point| point.to_sec1_point(false).as_bytes().to_vec())
            }
            Self::P384 => {
                p384::PublicKey::from_sec1_bytes(bytes).map(|point| point.to_sec1_point(false).as_bytes().to_vec())
            }
            Self::P521 => {
                p521::PublicKey::from_sec1_bytes(bytes).map(|point| point.to_sec1_point(false).as_bytes().to_vec())
            }
        };
        point.map_err(|_| corrupt("elliptic curve point", "it is not on the curve"))
    }

    /// The scalar in `number`, which may be longer or shorter than a field element, and the point that belongs to it.
    pub(crate) fn pair(self, number: &[u8]) -> Result<(Zeroizing<Vec<u8>>, Vec<u8>), Error> {
        let wrong = || corrupt("elliptic curve key", "the private number is out of range");
        let scalar = padded(number, self.field_bytes()).ok_or_else(wrong)?;
        let point = match self {
            Self::P256 => p256::SecretKey::from_slice(&scalar)
                .map(|key| key.public_key().to_sec1_point(false).as_bytes().to_vec()),
            Self::P384 => p384::SecretKey::from_slice(&scalar)
                .map(|key| key.public_key().to_sec1_point(false).as_bytes().to_vec()),
            Self::P521 => p521::SecretKey::from_slice(&scalar)
                .map(|key| key.public_key().to_sec1_point(false).as_bytes().to_vec()),
        };
        point.map(|point| (scalar, point)).map_err(|_| wrong())
    }
}
