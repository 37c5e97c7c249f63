//! The enrolment token: one line of text that carries a secret and what to trust.

use std::str::FromStr;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// Length of the secret and of a pin, in bytes.
const SECRET_BYTES: usize = 32;
const PREFIX: &str = "tl1_";
const TRUST_WEB_PKI: u8 = 0;
const TRUST_PIN: u8 = 1;

/// How the bearer of a token recognises the cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloudTrust {
    /// The cloud has a certificate that the machine's own roots vouch for.
    WebPki,
    /// SHA-256 of the SubjectPublicKeyInfo of the cloud's identity key.
    Pin([u8; 32]),
}

/// A one-time enrolment token: `tl1_` and base64url of (trust u8, secret 32 bytes, pin 32 bytes if trust is 1).
///
/// The version is in the prefix. `Debug` does not show the secret; `Display` does, since it *is* the token.
#[derive(Clone, PartialEq, Eq)]
pub struct EnrolmentToken {
    /// What the cloud knows the token by (it keeps only a hash).
    pub secret: [u8; 32],
    /// How to recognise the cloud.
    pub trust: CloudTrust,
}

/// Why a text is no enrolment token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It does not begin with `tl1_`.
    #[error("an enrolment token begins with `tl1_`")]
    Prefix,
    /// It is cut short, too long, or not base64url.
    #[error("the enrolment token is damaged: was all of it copied?")]
    Damaged,
    /// It asks for a kind of trust that this version does not know.
    #[error("the enrolment token is of a newer kind: update this program")]
    Newer,
}

impl FromStr for EnrolmentToken {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let body = text.trim().strip_prefix(PREFIX).ok_or(TokenError::Prefix)?;
        let bytes = URL_SAFE_NO_PAD.decode(body).map_err(|_| TokenError::Damaged)?;
        let (&trust, rest) = bytes.split_first().ok_or(TokenError::Damaged)?;
        let (&secret, rest) = rest.split_first_chunk::<SECRET_BYTES>().ok_or(TokenError::Damaged)?;
        let trust = match (trust, <[u8; 32]>::try_from(rest)) {
            (TRUST_WEB_PKI, _) if rest.is_empty() => CloudTrust::WebPki,
            (TRUST_PIN, Ok(pin)) => CloudTrust::Pin(pin),
            (TRUST_WEB_PKI | TRUST_PIN, _) => return Err(TokenError::Damaged),
            _ => return Err(TokenError::Newer),
        };
        Ok(Self { secret, trust })
    }
}

impl std::fmt::Display for EnrolmentToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut bytes = Vec::with_capacity(1 + 2 * SECRET_BYTES);
        match self.trust {
            CloudTrust::WebPki => {
                bytes.push(TRUST_WEB_PKI);
                bytes.extend_from_slice(&self.secret);
            }
            CloudTrust::Pin(pin) => {
                bytes.push(TRUST_PIN);
                bytes.extend_from_slice(&self.secret);
                bytes.extend_from_slice(&pin);
            }
        }
        write!(f, "{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl std::fmt::Debug for EnrolmentToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EnrolmentToken").field("secret", &"[secret]").field("trust", &self.trust).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_being_written_and_read() {
        for trust in [CloudTrust::WebPki, CloudTrust::Pin([7; 32])] {
            let token = EnrolmentToken { secret: [42; 32], trust };
            assert_eq!(token.to_string().parse(), Ok(token.clone()));
            assert!(!format!("{token:?}").contains("42"));
        }
    }

    #[test]
    fn a_token_that_is_cut_short_or_of_a_newer_kind_says_so() {
        let text = EnrolmentToken { secret: [1; 32], trust: CloudTrust::Pin([2; 32]) }.to_string();
        assert_eq!(text[..text.len() - 3].parse::<EnrolmentToken>(), Err(TokenError::Damaged));
        assert_eq!("tl2_AAAA".parse::<EnrolmentToken>(), Err(TokenError::Prefix));
        let newer = format!("tl1_{}", URL_SAFE_NO_PAD.encode([[9u8; 1].as_slice(), &[0; 32]].concat()));
        assert_eq!(newer.parse::<EnrolmentToken>(), Err(TokenError::Newer));
    }
}
