//! What a device signs to prove who it is: a nonce that the cloud can recognise without having kept it.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Mutex, PoisonError},
};

use aws_lc_rs::{
    hmac,
    signature::{ED25519, UnparsedPublicKey},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::random::{self, NoRandom};

const VERSION: u8 = 1;
const RANDOM_BYTES: usize = 16;
const MAC_BYTES: usize = 32;
const HEAD_BYTES: usize = 1 + 8 + RANDOM_BYTES;
const GOOD_FOR_MILLIS: i64 = 30_000;
/// Used nonces that are remembered. With more than this in 30 seconds, devices have to come back later.
const MAX_USED: usize = 64 * 1024;

/// Why a proof of identity is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Not a nonce of this cloud.
    Forged,
    /// Older than 30 seconds, or from before the cloud's last start.
    Expired,
    /// Used once before.
    Replayed,
    /// The signature is not the device's.
    Signature,
    /// Too many devices connect at once.
    Full,
}

impl Fault {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Forged => "the nonce is not from this cloud",
            Self::Expired => "the nonce is older than 30 seconds",
            Self::Replayed => "the nonce was used before",
            Self::Signature => "the signature does not fit",
            Self::Full => "too many devices connect at once",
        }
    }
}

#[derive(Default)]
struct Used {
    set: HashSet<[u8; RANDOM_BYTES]>,
    in_order: VecDeque<(i64, [u8; RANDOM_BYTES])>,
}

/// Hands out nonces and checks what comes back.
pub(crate) struct Challenges {
    key: hmac::Key,
    /// Nonces used before this are not remembered, so none from then is good.
    started_at: i64,
    used: Mutex<Used>,
}

impl Challenges {
    pub(crate) fn new(key: hmac::Key, now_millis: i64) -> Self {
        Self { key, started_at: now_millis, used: Mutex::default() }
    }

    /// A new nonce: version, time, random, MAC.
    pub(crate) fn issue(&self, now_millis: i64) -> Result<String, NoRandom> {
        let mut nonce = Vec::with_capacity(HEAD_BYTES + MAC_BYTES);
        nonce.push(VERSION);
        nonce.extend_from_slice(&now_millis.to_be_bytes());
        nonce.extend_from_slice(&random::bytes::<RANDOM_BYTES>()?);
        let mac = hmac::sign(&self.key, &nonce);
        nonce.extend_from_slice(mac.as_ref());
        Ok(URL_SAFE_NO_PAD.encode(nonce))
    }

    /// Checks the nonce and the signature of `key` over `message`, and uses the nonce up.
    pub(crate) fn verify(
        &self,
        nonce: &str,
        message: &[u8],
        key: &[u8],
        signature: &[u8],
        now_millis: i64,
    ) -> Result<(), Fault> {
        let bytes = URL_SAFE_NO_PAD.decode(nonce).map_err(|_| Fault::Forged)?;
        let (head, mac) = bytes.split_at_checked(HEAD_BYTES).ok_or(Fault::Forged)?;
        hmac::verify(&self.key, head, mac).map_err(|_| Fault::Forged)?;
        let (&version, rest) = head.split_first().ok_or(Fault::Forged)?;
        let (&time, random) = rest.split_first_chunk::<8>().ok_or(Fault::Forged)?;
        let random: [u8; RANDOM_BYTES] = random.try_into().map_err(|_| Fault::Forged)?;
        if version != VERSION {
            return Err(Fault::Forged);
        }
        let issued_at = i64::from_be_bytes(time);
        if issued_at < self.started_at || now_millis.saturating_sub(issued_at) > GOOD_FOR_MILLIS {
            return Err(Fault::Expired);
        }
        UnparsedPublicKey::new(&ED25519, key).verify(message, signature).map_err(|_| Fault::Signature)?;
        // Last, so that only those who hold a key can fill the memory.
        self.use_up(issued_at, random, now_millis)
    }

    fn use_up(&self, issued_at: i64, random: [u8; RANDOM_BYTES], now_millis: i64) -> Result<(), Fault> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(&(_, old)) = used.in_order.front().filter(|(until, _)| *until < now_millis) {
            used.in_order.pop_front();
            used.set.remove(&old);
        }
        if used.set.contains(&random) {
            return Err(Fault::Replayed);
        }
        if used.set.len() >= MAX_USED {
            return Err(Fault::Full);
        }
        used.set.insert(random);
        // Remembered from its use on for as long as it could be good, so that the queue is in order.
        used.in_order.push_back((now_millis.max(issued_at).saturating_add(GOOD_FOR_MILLIS), random));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};

    use super::*;

    #[test]
    fn a_nonce_is_good_once_for_thirty_seconds_and_for_its_own_signature() {
        let key = Ed25519KeyPair::generate().unwrap();
        let public = key.public_key().as_ref();
        let mac_key = || hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
        let challenges = Challenges::new(mac_key(), 0);
        let verify = |challenges: &Challenges, nonce: &str, at| {
            challenges.verify(nonce, nonce.as_bytes(), public, key.sign(nonce.as_bytes()).as_ref(), at)
        };
        let nonce = challenges.issue(1_000).unwrap();

        assert_eq!(challenges.verify(&nonce, b"x", public, &[0; 64], 1_000), Err(Fault::Signature));
        assert_eq!(verify(&challenges, &nonce, 31_001), Err(Fault::Expired));
        assert_eq!(verify(&challenges, &nonce, 31_000), Ok(()));
        assert_eq!(verify(&challenges, &nonce, 31_000), Err(Fault::Replayed));
        assert_eq!(verify(&challenges, "AQAA", 1_000), Err(Fault::Forged));

        let another = Challenges::new(hmac::Key::new(hmac::HMAC_SHA256, &[8; 32]), 0);
        assert_eq!(verify(&another, &nonce, 1_000), Err(Fault::Forged));
        let restarted = Challenges::new(mac_key(), 1_001);
        assert_eq!(verify(&restarted, &nonce, 2_000), Err(Fault::Expired));
    }
}
