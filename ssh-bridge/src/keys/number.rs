//! Big numbers: whether the numbers of an RSA or DSA key fit, and those that a container leaves out.

use crypto_bigint::{
    BoxedUint, ConcatenatingMul as _, NonZero, Odd,
    modular::{BoxedMontyForm, BoxedMontyParams},
};
use zeroize::Zeroizing;

use crate::keys::{Error, error::corrupt, secret::Secret, wire::without_leading_zeros};

/// A number that may be secret: overwritten when dropped.
type Number = Zeroizing<BoxedUint>;

/// That n = p * q, and that d undoes e modulo each prime less one.
pub(crate) fn check_rsa(n: &[u8], e: &[u8], d: &[u8], p: &[u8], q: &[u8]) -> Result<(), Error> {
    let wrong = || corrupt("RSA key", "its numbers do not fit each other");
    let [n, e, d, p, q] = [n, e, d, p, q].map(number);
    if *product(&p, &q) != *n {
        return Err(wrong());
    }
    let product = product(&e, &d);
    for prime in [p, q] {
        let order = less_one(&prime).ok_or_else(wrong)?;
        if !bool::from(remainder(&product, &order).is_one()) {
            return Err(wrong());
        }
    }
    Ok(())
}

/// Whether `inverse` * `of` is one modulo `modulus`.
pub(crate) fn is_inverse(inverse: &[u8], of: &[u8], modulus: &[u8]) -> bool {
    let modulus = number(modulus);
    let Some(modulus) = modulus.as_nz_vartime() else { return false };
    remainder(&product(&number(inverse), &number(of)), modulus).is_one().into()
}

/// The inverse of `of` modulo the odd `modulus`.
pub(crate) fn inverse(of: &[u8], modulus: &[u8]) -> Result<Secret, Error> {
    let wrong = || corrupt("RSA key", "its primes are none");
    let modulus = number(modulus);
    let modulus: &Odd<BoxedUint> = modulus.as_odd_vartime().ok_or_else(wrong)?;
    let inverse = remainder(&number(of), modulus.as_nz_ref()).invert_odd_mod(modulus);
    Ok(bytes(&Zeroizing::new(inverse.into_option().ok_or_else(wrong)?)))
}

/// `of` modulo `prime` less one: an exponent of the Chinese remainder theorem.
pub(crate) fn exponent(of: &[u8], prime: &[u8]) -> Result<Secret, Error> {
    let order = less_one(&number(prime)).ok_or_else(|| corrupt("RSA key", "its primes are none"))?;
    Ok(bytes(&remainder(&number(of), &order)))
}

/// `base` to the `exponent` modulo the odd `modulus`.
pub(crate) fn power(base: &[u8], exponent: &[u8], modulus: &[u8]) -> Result<Vec<u8>, Error> {
    let wrong = || corrupt("DSA key", "its prime is even");
    let modulus = Odd::new(BoxedUint::clone(&number(modulus))).into_option().ok_or_else(wrong)?;
    let base = number(base).rem(modulus.as_nz_ref());
    let power = BoxedMontyForm::new(base, &BoxedMontyParams::new(modulus)).pow(&number(exponent)).retrieve();
    Ok(without_leading_zeros(&power.to_be_bytes()).to_vec())
}

/// The number three more than this.
pub(crate) fn plus_three(than: &[u8]) -> Vec<u8> {
    let sum = number(than).concatenating_add(BoxedUint::from(3u8));
    without_leading_zeros(&sum.to_be_bytes()).to_vec()
}

/// The number that these decimal digits write.
pub(crate) fn from_decimal(digits: &str) -> Option<Vec<u8>> {
    let number = BoxedUint::from_str_radix_vartime(digits, 10).ok()?;
    Some(without_leading_zeros(&number.to_be_bytes()).to_vec())
}

fn number(bytes: &[u8]) -> Number {
    // Zero has no digits, but a number has to have some room.
    let digits = Some(without_leading_zeros(bytes)).filter(|digits| !digits.is_empty()).unwrap_or(&[0]);
    Zeroizing::new(BoxedUint::from_be_slice_vartime(digits))
}

fn product(one: &BoxedUint, other: &BoxedUint) -> Number {
    Zeroizing::new(one.concatenating_mul(other))
}

fn remainder(number: &BoxedUint, modulus: &NonZero<BoxedUint>) -> Number {
    Zeroizing::new(number.rem(modulus))
}

fn bytes(number: &BoxedUint) -> Secret {
    let bytes = Zeroizing::new(number.to_be_bytes());
    without_leading_zeros(&bytes).into()
}

fn less_one(prime: &BoxedUint) -> Option<Zeroizing<NonZero<BoxedUint>>> {
    let one = BoxedUint::one_with_precision(prime.bits_precision());
    NonZero::new(prime.wrapping_sub(one)).into_option().map(Zeroizing::new)
}
