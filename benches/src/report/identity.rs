//! One identity for all processes of a run. It guards nothing but this bench's own connections over loopback.

use anyhow::Result;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// What the certificate is for.
pub(crate) const NAME: &str = "localhost";

/// An Ed25519 key.
pub(crate) const SEED: [u8; 32] = *b"a key that everybody may look at";

/// What stands before the seed in PKCS #8. Spec: RFC 8410 §7.
const PKCS8_HEAD: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// A certificate and its key, the same in every process.
pub(crate) fn certificate() -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>)> {
    let der = PrivatePkcs8KeyDer::from([&PKCS8_HEAD[..], &SEED].concat());
    let key = KeyPair::try_from(&der)?;
    let certificate = CertificateParams::new(vec![NAME.into()])?.self_signed(&key)?;
    Ok((certificate.der().clone(), der.into()))
}
