//! Secrets that are good once and for a short while: tickets for connections, codes of login links.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::random::{self, NoRandom};

/// How many of them one owner may have at a time.
const MAX_PER_OWNER: usize = 64;

struct Issued<T> {
    owner: String,
    until: Instant,
    value: T,
}

/// What stands behind each secret that is out. Only hashes are kept.
pub(crate) struct SingleUse<T> {
    life: Duration,
    issued: Mutex<HashMap<String, Issued<T>>>,
}

/// Why there is no new secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotIssued {
    #[error("{MAX_PER_OWNER} are out and not used yet")]
    TooMany,
    #[error(transparent)]
    Random(#[from] NoRandom),
}

impl<T> SingleUse<T> {
    pub(crate) fn new(life: Duration) -> Self {
        Self { life, issued: Mutex::default() }
    }

    /// How long a secret is good for.
    pub(crate) fn life(&self) -> Duration {
        self.life
    }

    /// A secret with `value` behind it.
    pub(crate) fn issue(&self, owner: &str, value: T, now: Instant) -> Result<String, NotIssued> {
        let secret = random::secret("")?;
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        issued.retain(|_, entry| entry.until > now);
        if issued.values().filter(|entry| entry.owner == owner).count() >= MAX_PER_OWNER {
            return Err(NotIssued::TooMany);
        }
        let entry = Issued { owner: owner.into(), until: now + self.life, value };
        issued.insert(random::sha256_hex(secret.as_bytes()), entry);
        Ok(secret)
    }

    /// What stands behind a secret, once.
    pub(crate) fn redeem(&self, secret: &str, now: Instant) -> Option<T> {
        let hash = random::sha256_hex(secret.as_bytes());
        let entry = self.issued.lock().unwrap_or_else(PoisonError::into_inner).remove(&hash)?;
        (entry.until > now).then_some(entry.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_secs(30);

    #[test]
    fn a_secret_is_good_once_and_not_for_long() {
        let secrets = SingleUse::new(LIFE);
        let now = Instant::now();
        let (first, second) = (secrets.issue("ann", 1, now).unwrap(), secrets.issue("ann", 2, now).unwrap());

        assert_eq!(secrets.redeem("guessed", now), None);
        assert_eq!(secrets.redeem(&first, now), Some(1));
        assert_eq!(secrets.redeem(&first, now), None);
        assert_eq!(secrets.redeem(&second, now + LIFE), None);
    }

    #[test]
    fn an_owner_has_so_many_and_another_is_not_kept_from_theirs() {
        let secrets = SingleUse::new(LIFE);
        let now = Instant::now();
        for _ in 0..MAX_PER_OWNER {
            secrets.issue("ann", (), now).unwrap();
        }
        assert!(secrets.issue("ann", (), now).is_err());
        assert!(secrets.issue("bob", (), now).is_ok());
        assert!(secrets.issue("ann", (), now + LIFE).is_ok(), "those that have expired still count");
    }
}
