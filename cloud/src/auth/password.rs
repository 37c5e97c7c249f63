//! Passwords: Argon2id, a few at a time, off the threads that serve.

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier},
};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::random;

/// Memory for one password, in KiB; OWASP's first recommendation for Argon2id.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// How many passwords are computed at once: each takes its memory and a processor.
const AT_ONCE: usize = 2;
/// Longer ones are not looked at.
pub(crate) const MAX_PASSWORD_BYTES: usize = 1024;

/// Why no hash came out.
#[derive(Debug, thiserror::Error)]
#[error("a password could not be hashed: {0}")]
pub(crate) struct HashFailed(String);

/// Makes and checks password hashes.
pub(crate) struct Passwords {
    at_once: Semaphore,
    /// What the password of a user who does not exist is compared with, so that it takes as long.
    nobody: String,
}

impl Passwords {
    /// Ready to check.
    pub(crate) async fn new() -> Result<Self, HashFailed> {
        let secret = random::secret("").map_err(|error| HashFailed(error.to_string()))?;
        let nobody = tokio::task::spawn_blocking(move || hash_now(&secret)).await.map_err(failed)??;
        Ok(Self { at_once: Semaphore::new(AT_ONCE), nobody })
    }

    /// The hash to keep for a password.
    pub(crate) async fn hash(&self, password: Zeroizing<String>) -> Result<String, HashFailed> {
        let _turn = self.at_once.acquire().await.map_err(failed)?;
        tokio::task::spawn_blocking(move || hash_now(&password)).await.map_err(failed)?
    }

    /// Whether the password is the one with this hash. Without a hash it is not, and it takes as long to say so.
    pub(crate) async fn verify(&self, password: Zeroizing<String>, hash: Option<String>) -> Result<bool, HashFailed> {
        let _turn = self.at_once.acquire().await.map_err(failed)?;
        let exists = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.nobody.clone());
        let matches = tokio::task::spawn_blocking(move || {
            Ok(argon2()?.verify_password(password.as_bytes(), hash.as_str()).is_ok())
        });
        Ok(matches.await.map_err(failed)?? && exists)
    }
}

fn argon2() -> Result<Argon2<'static>, HashFailed> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(failed)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash_now(password: &str) -> Result<String, HashFailed> {
    Ok(argon2()?.hash_password(password.as_bytes()).map_err(failed)?.to_string())
}

fn failed(error: impl std::fmt::Display) -> HashFailed {
    HashFailed(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_fits_and_nobody_has_none() {
        let passwords = Passwords::new().await.unwrap();
        let hash = passwords.hash("sea shanty".to_owned().into()).await.unwrap();

        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(passwords.verify("sea shanty".to_owned().into(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify("sea shanties".to_owned().into(), Some(hash)).await.unwrap());
        assert!(!passwords.verify("sea shanty".to_owned().into(), None).await.unwrap());
    }
}
