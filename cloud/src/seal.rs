//! What the store keeps and must not be able to read: sealed with AES-256-GCM under a key that is not in the database,
//! and bound to its place there, so that it is good nowhere else.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    hmac,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

const PREFIX: &str = "tls1_";

/// A sealed text cannot be opened, or nothing could be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("something sealed is damaged, or was sealed with another key")]
pub(crate) struct Unsealable;

/// Seals and opens.
pub(crate) struct Sealer {
    key: RandomizedNonceKey,
    mac: hmac::Key,
}

impl Sealer {
    /// `key` is for this purpose only.
    pub(crate) fn new(key: &hmac::Key) -> Result<Self, Unsealable> {
        let sealing = hmac::sign(key, b"aes-256-gcm");
        let mac = hmac::sign(key, b"hmac-sha256");
        Ok(Self {
            key: RandomizedNonceKey::new(&AES_256_GCM, sealing.as_ref()).map_err(|_| Unsealable)?,
            mac: hmac::Key::new(hmac::HMAC_SHA256, mac.as_ref()),
        })
    }

    /// `content` as text that only this cloud opens, and only at the same `place`.
    pub(crate) fn seal(&self, place: &str, content: &[u8]) -> Result<String, Unsealable> {
        let mut bytes = content.to_vec();
        let nonce =
            self.key.seal_in_place_append_tag(Aad::from(place.as_bytes()), &mut bytes).map_err(|_| Unsealable)?;
        let mut sealed = nonce.as_ref().to_vec();
        sealed.append(&mut bytes);
        Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(sealed)))
    }

    /// What was sealed at `place`.
    pub(crate) fn open(&self, place: &str, sealed: &str) -> Result<Zeroizing<Vec<u8>>, Unsealable> {
        let text = sealed.strip_prefix(PREFIX).ok_or(Unsealable)?;
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).map_err(|_| Unsealable)?);
        let (nonce, content) = bytes.split_first_chunk::<NONCE_LEN>().ok_or(Unsealable)?;
        let mut content = Zeroizing::new(content.to_vec());
        let nonce = Nonce::from(nonce);
        let length =
            self.key.open_in_place(nonce, Aad::from(place.as_bytes()), &mut content).map_err(|_| Unsealable)?.len();
        content.truncate(length);
        Ok(content)
    }

    /// A MAC over something that is not to be guessed from it.
    pub(crate) fn fingerprint(&self, parts: &[&[u8]]) -> String {
        let mut context = hmac::Context::with_key(&self.mac);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        crate::random::hex(context.sign().as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_at_its_place_and_nowhere_else() {
        let sealer = |key| Sealer::new(&hmac::Key::new(hmac::HMAC_SHA256, &[key; 32])).unwrap();
        let sealed = sealer(1).seal("totp/1/2", b"secret").unwrap();

        assert_eq!(sealer(1).open("totp/1/2", &sealed).unwrap().as_slice(), b"secret");
        assert!(sealer(1).open("totp/1/3", &sealed).is_err());
        assert!(sealer(2).open("totp/1/2", &sealed).is_err());
        for damaged in ["", "tls1_", "tls1_AAAA", &sealed[..sealed.len() - 1], &sealed[5..]] {
            assert!(sealer(1).open("totp/1/2", damaged).is_err(), "{damaged:?}");
        }
        assert_ne!(sealer(1).seal("totp/1/2", b"secret").unwrap(), sealed, "a nonce came twice");
    }

    #[test]
    fn a_fingerprint_keeps_its_parts_apart() {
        let sealer = Sealer::new(&hmac::Key::new(hmac::HMAC_SHA256, &[1; 32])).unwrap();
        assert_ne!(sealer.fingerprint(&[b"ab", b"c"]), sealer.fingerprint(&[b"a", b"bc"]));
    }
}
