//! The second factor: six digits every thirty seconds (RFC 6238 with SHA-1, as every authenticator has it).

use aws_lc_rs::{constant_time, hmac};
use zeroize::Zeroizing;

use crate::random::{self, NoRandom};

const SECRET_BYTES: usize = 20;
const STEP_SECONDS: i64 = 30;
const DIGITS: u32 = 1_000_000;
const CODE_BYTES: usize = 6;
/// Clocks of telephones go wrong by this many steps.
const DRIFT_STEPS: i64 = 1;
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A secret to share with an authenticator.
pub(crate) fn new_secret() -> Result<Zeroizing<[u8; SECRET_BYTES]>, NoRandom> {
    Ok(Zeroizing::new(random::bytes()?))
}

/// The step whose code this is, if it is one of now, a step before or a step after.
pub(crate) fn step_of(secret: &[u8], code: &str, now_millis: i64) -> Option<i64> {
    let code: &[u8; CODE_BYTES] = code.as_bytes().try_into().ok()?;
    let now = now_millis / 1000 / STEP_SECONDS;
    let mut found = None;
    // All are compared, whichever fits.
    for step in now - DRIFT_STEPS..=now + DRIFT_STEPS {
        let expected = code_at(secret, step);
        if constant_time::verify_slices_are_equal(expected.as_bytes(), code).is_ok() {
            found = Some(step);
        }
    }
    found
}

/// RFC 4226 §5.3.
fn code_at(secret: &[u8], step: i64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let mac = hmac::sign(&key, &step.to_be_bytes());
    let bytes = mac.as_ref();
    let offset = usize::from(bytes.last().copied().unwrap_or_default() & 0xf);
    let window = bytes.get(offset..).and_then(|rest| rest.first_chunk::<4>()).copied().unwrap_or_default();
    let number = (u32::from_be_bytes(window) & 0x7fff_ffff) % DIGITS;
    format!("{number:06}")
}

/// RFC 4648 §6 without padding, which is what authenticators take.
pub(crate) fn base32(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(bytes.len().div_ceil(5) * 8));
    for chunk in bytes.chunks(5) {
        let mut group = [0; 8];
        for (to, from) in group.iter_mut().skip(3).zip(chunk) {
            *to = *from;
        }
        let bits = u64::from_be_bytes(group);
        let characters = (chunk.len() * 8).div_ceil(5);
        for position in 0..characters {
            let index = usize::try_from(bits >> (35 - 5 * position) & 31).unwrap_or_default();
            text.push(char::from(BASE32.get(index).copied().unwrap_or_default()));
        }
    }
    text
}

/// What a QR code for authenticators says.
pub(crate) fn uri(user: &str, secret: &[u8]) -> String {
    let escaped: String = user
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect();
    format!("otpauth://totp/Towline:{escaped}?secret={}&issuer=Towline", *base32(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, the last six of eight digits.
    #[test]
    fn codes_are_those_of_the_rfc() {
        let secret = b"12345678901234567890";
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(code_at(secret, seconds / STEP_SECONDS), code);
            assert_eq!(step_of(secret, code, seconds * 1000), Some(seconds / STEP_SECONDS));
        }
    }

    #[test]
    fn a_code_is_good_a_step_early_and_a_step_late_and_no_longer() {
        let secret = b"12345678901234567890";
        let code = code_at(secret, 100);
        for (step, good) in [(98, false), (99, true), (100, true), (101, true), (102, false)] {
            assert_eq!(step_of(secret, &code, step * STEP_SECONDS * 1000).is_some(), good, "{step}");
        }
        for wrong in ["", "12345", "1234567", "abcdef", " 12345"] {
            assert_eq!(step_of(secret, wrong, 0), None, "{wrong:?}");
        }
    }

    #[test]
    fn secrets_are_written_as_authenticators_read_them() {
        // RFC 4648 §10.
        for (bytes, text) in [("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foobar", "MZXW6YTBOI")] {
            assert_eq!(*base32(bytes.as_bytes()), text);
        }
        assert_eq!(uri("ann & co", b"foo"), "otpauth://totp/Towline:ann%20%26%20co?secret=MZXW6&issuer=Towline");
    }
}
