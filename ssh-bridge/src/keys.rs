//! Keys as people have them: every container read by looking at it, the living ones written, new keys made; known hosts and
//! authorized keys.
//!
//! No I/O, no clock, no randomness and no protocol is in here: bytes go in, values come out, and what a file can make this
//! side do is bounded by [`Limits`] before it is begun.
//!
//! * [`KeyFile::decode`] finds out what a file is, at no cost; [`KeyFile::private_key`] opens it.
//! * [`PrivateKey::encode`] and [`PublicKey::encode`] write, [`PrivateKey::generate`] makes new keys.
//! * [`Certificate`] reads and verifies OpenSSH certificates.
//! * [`KnownHosts`] and [`AuthorizedKeys`] answer questions about files and write them back byte for byte.
//!
//! ```
//! use getrandom::{SysRng, rand_core::UnwrapErr};
//! use towline_ssh_bridge::keys::{Encryption, Error, Format, KeyFile, Limits, NewKey, PrivateKey};
//!
//! let mut rng = UnwrapErr(SysRng);
//! let key = PrivateKey::generate(NewKey::Ed25519, "me@here", &mut rng)?;
//! let encryption = Encryption::new(b"correct horse")?;
//! let pasted = key.encode(Format::Ppk3, Some(&encryption), &mut rng)?;
//!
//! let file = KeyFile::decode(pasted.as_bytes(), &Limits::default())?;
//! assert_eq!((file.format(), file.fingerprint()), (Format::Ppk3, Some(key.fingerprint())));
//! assert_eq!(file.private_key(None).err(), Some(Error::NeedsPassphrase));
//! assert_eq!(file.private_key(Some(b"wrong")).err(), Some(Error::WrongPassphrase));
//! let opened = file.private_key(Some(b"correct horse"))?; // heavy: not on an async thread
//! println!("{}", opened.public_key()); // for authorized_keys
//! # Ok::<(), Error>(())
//! ```
//!
//! # What is read and written
//!
//! | container | read | written |
//! |---|---|---|
//! | openssh-key-v1 | all its ciphers, plain too; certificates beside the key | plain, or AES-256-CTR and bcrypt |
//! | PEM: PKCS#1, SEC 1, DSA | plain; AES-128, -192, -256, DES and triple DES in CBC mode | plain, or AES-256-CBC |
//! | PKCS#8, PEM or DER | plain; PBES2 with PBKDF2 (HMAC with MD5, SHA-1, SHA-2) or scrypt and AES, DES or triple DES in CBC mode; PBES1 with DES and MD5 or SHA-1; PKCS#12's triple DES | plain, or AES-256-CBC and PBKDF2 with HMAC-SHA-256 |
//! | PuTTY, version 2 and 3 | plain, AES-256-CBC | version 3 |
//! | ssh.com | RSA and DSA, plain and triple DES | |
//! | SSH version 1 | RSA, plain and triple DES; the public line | |
//! | dropbear | RSA, DSA, ECDSA, Ed25519 | |
//! | one line, RFC 4716, SPKI | all algorithms that have a place there | yes |
//! | PKCS#1 public | yes | |
//! | certificates in a line | yes | |
//!
//! Algorithms: RSA, DSA, ECDSA on P-256, P-384 and P-521, Ed25519, and keys that are held by security keys. Public keys of
//! unknown algorithms are kept as they are.
//!
//! Refused, with the reason: Ed448 in PKCS#8 without its public half (no released crate of the family computes on that
//! curve; where the public half is in the file, Ed448 is carried as it is); RC2 and RC4 in PKCS#8 (too weak to be worth
//! code; `openssl pkcs8` re-encrypts); PuTTY's version 1 (not authenticated, two decades old); JSON Web Keys (not used by
//! SSH); several keys in one openssh-key-v1 file (OpenSSH never wrote one).

mod algorithm;
mod authorized_keys;
mod certificate;
mod cipher;
mod curve;
mod der;
mod der_keys;
mod dropbear;
mod error;
mod file;
mod fingerprint;
mod format;
mod generate;
mod known_hosts;
mod limits;
mod number;
mod one_line;
mod openssh_key_v1;
mod pattern;
mod pem;
mod pkcs8;
mod private;
mod public;
mod putty;
mod rfc4716;
#[cfg(feature = "russh")]
mod russh;
mod secret;
mod signature;
mod ssh1;
mod ssh_com;
mod text;
mod wire;
mod write;

pub use self::{
    algorithm::Algorithm,
    authorized_keys::{AuthorizedKey, AuthorizedKeys, Permissions},
    certificate::{Certificate, CertificateKind},
    curve::Curve,
    error::Error,
    file::KeyFile,
    fingerprint::Fingerprint,
    format::Format,
    generate::NewKey,
    known_hosts::{KnownHost, KnownHosts, Verdict},
    limits::Limits,
    private::PrivateKey,
    public::PublicKey,
    write::Encryption,
};

/// The traits of a source of randomness, as what writes and generates takes it.
pub use rand_core::{CryptoRng, TryCryptoRng, TryRng};
