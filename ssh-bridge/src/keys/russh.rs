//! Keys for russh, which speaks the protocol: through openssh-key-v1, so that none of its types shows.

use rand_core::{TryCryptoRng, TryRng};
use russh::keys::ssh_key;

use crate::keys::{Error, Format, PrivateKey};

impl PrivateKey {
    /// The same key as russh has it.
    pub(crate) fn to_russh(&self) -> Result<ssh_key::PrivateKey, Error> {
        let file = self.encode(Format::OpensshKeyV1, None, &mut NoRandomness)?;
        ssh_key::PrivateKey::from_openssh(file.as_bytes())
            .map_err(|_| Error::unsupported("algorithm for a connection", self.algorithm().name()))
    }
}

/// A plain openssh-key-v1 file has only check numbers that are random, and nobody sees this one.
struct NoRandomness;

impl TryRng for NoRandomness {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(0)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(0)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        out.fill(0);
        Ok(())
    }
}

impl TryCryptoRng for NoRandomness {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{Curve, NewKey};

    #[test]
    fn keys_are_the_same_on_the_other_side() {
        let mut rng = russh::keys::key::safe_rng();
        let curves = [Curve::P256, Curve::P384, Curve::P521].map(NewKey::Ecdsa);
        for kind in curves.into_iter().chain([NewKey::Ed25519, NewKey::Rsa { bits: 2048 }]) {
            let key = PrivateKey::generate(kind, "across", &mut rng).unwrap();
            let there = key.to_russh().unwrap();
            assert_eq!(there.public_key().to_bytes().unwrap(), key.public_key().blob());
            assert_eq!(there.comment().to_string(), "across");
        }
    }
}
