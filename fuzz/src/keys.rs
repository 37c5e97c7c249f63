//! ssh-bridge's keys: each container against any bytes; what is read is written back in every container and read again.

use std::convert::Infallible;

use towline_ssh_bridge::keys::{
    AuthorizedKeys, Certificate, CertificateKind, Encryption, Error, Format, KeyFile, KnownHosts, Limits, PrivateKey,
    PublicKey, TryCryptoRng, TryRng, Verdict,
};

use crate::script::Script;

const PASSPHRASE: &[u8] = b"corpus";

/// Costs that leave time for many inputs.
fn limits() -> Limits {
    let mut limits = Limits::default();
    (limits.max_rsa_bits, limits.max_dsa_bits) = (2048, 1024);
    (limits.max_bcrypt_rounds, limits.max_pbkdf2_iterations) = (1, 2048);
    (limits.max_scrypt_kib, limits.max_argon2_kib, limits.max_work_kib) = (1024, 1024, 4096);
    limits
}

/// The body of an openssh-key-v1 file, after its name.
///
/// # Panics
///
/// If a key that was read does not survive being written.
pub fn openssh_key_v1(input: &[u8]) {
    file(&[b"openssh-key-v1\0", input].concat());
}

/// Any text as armoured PEM.
///
/// # Panics
///
/// If a key that was read does not survive being written.
pub fn pem(input: &[u8]) {
    file(input);
    file(&[b"-----BEGIN RSA PRIVATE KEY-----\n", input, b"\n-----END RSA PRIVATE KEY-----\n"].concat());
}

/// Any bytes as the DER of each kind of key; the first byte says which.
///
/// # Panics
///
/// If a key that was read does not survive being written.
pub fn der(input: &[u8]) {
    file(input);
    let mut script = Script::new(input);
    let labels = [
        "RSA PRIVATE KEY",
        "EC PRIVATE KEY",
        "DSA PRIVATE KEY",
        "PRIVATE KEY",
        "ENCRYPTED PRIVATE KEY",
        "PUBLIC KEY",
        "RSA PUBLIC KEY",
    ];
    let label = labels[script.below(labels.len())];
    let body = base64(script.rest());
    file(format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n").as_bytes());
}

/// Any text as PuTTY's file.
///
/// # Panics
///
/// If a key that was read does not survive being written.
pub fn putty(input: &[u8]) {
    file(&[b"PuTTY-User-Key-File-", input].concat());
}

/// Any text between the lines of RFC 4716.
///
/// # Panics
///
/// If a key that was read does not survive being written.
pub fn rfc4716(input: &[u8]) {
    file(&[b"---- BEGIN SSH2 PUBLIC KEY ----\n", input, b"\n---- END SSH2 PUBLIC KEY ----\n"].concat());
}

/// Any bytes as the inside of an ssh.com file.
///
/// # Panics
///
/// If a key that was read does not survive being written.
pub fn ssh_com(input: &[u8]) {
    let length = u32::try_from(input.len() + 8).unwrap_or(u32::MAX);
    let body = base64(&[&0x3f6f_f9eb_u32.to_be_bytes(), &length.to_be_bytes(), input].concat());
    let label = "SSH2 ENCRYPTED PRIVATE KEY";
    file(format!("---- BEGIN {label} ----\nComment: x\n{body}\n---- END {label} ----\n").as_bytes());
}

/// Any bytes after the head of a private key of SSH version 1.
///
/// # Panics
///
/// If a key that was read does not survive being written.
pub fn ssh1(input: &[u8]) {
    file(&[b"SSH PRIVATE KEY FILE FORMAT 1.1\n\0", input].concat());
}

/// Any bytes as dropbear's, or as a blob.
///
/// # Panics
///
/// If a key that was read does not survive being written.
pub fn dropbear(input: &[u8]) {
    file(input);
    if let Ok(key) = PublicKey::from_blob(input, &limits()) {
        assert_eq!(key.blob(), input, "a blob is kept as it is");
        public(&key);
    }
}

/// Any text as a line.
///
/// # Panics
///
/// If a key that was read does not survive being written.
pub fn one_line(input: &[u8]) {
    file(input);
}

/// Any bytes as a certificate.
///
/// # Panics
///
/// If it is not kept as it is.
pub fn certificate(input: &[u8]) {
    let Ok(certificate) = Certificate::from_blob(input, &limits()) else { return };
    assert_eq!(certificate.blob(), input, "a certificate is kept as it is");
    drop(certificate.verify());
    let again = Certificate::decode(certificate.to_string().as_bytes(), &limits());
    assert_eq!(again.as_ref(), Ok(&certificate));
    let valid = certificate.is_valid_for(CertificateKind::Host, "host", 1_800_000_000);
    assert!(!valid || certificate.kind() == CertificateKind::Host);
    public(certificate.public_key());
    public(certificate.authority());
}

/// Any text as known_hosts, asked about a host that it may have.
///
/// # Panics
///
/// If it is not kept as it is, or a key that is learned is not known then.
pub fn known_hosts(input: &[u8]) {
    let hosts = KnownHosts::decode(input, &limits()).expect("it is short");
    assert_eq!(hosts.as_bytes(), input, "the file is kept as it is");
    let entries: Vec<PublicKey> =
        hosts.entries().filter_map(|(_, entry)| Some(entry.ok()?.public_key().clone())).collect();
    entries.iter().for_each(public);
    let key = PublicKey::decode(KEY, &limits()).expect("it is one");
    for port in [22, 2222] {
        let known = hosts.keys("host.example.com", port);
        assert!(known.iter().all(|key| entries.contains(key)), "a host's keys are those of the lines");
        let verdict = hosts.check("host.example.com", port, &key);
        let algorithms = hosts.algorithms("host.example.com", port);
        assert!(verdict != Verdict::Unknown || algorithms.is_empty(), "{algorithms:?}");
        let mut more = hosts.clone();
        more.add("host.example.com", port, &key, (port == 22).then_some([7; 20])).expect("there is room");
        assert!(more.as_bytes().starts_with(input));
        let then = more.check("host.example.com", port, &key);
        assert!(matches!(then, Verdict::Known { .. } | Verdict::Revoked { .. }), "{then:?}");
        assert!(more.remove(1));
    }
}

/// Any text as authorized_keys.
///
/// # Panics
///
/// If it is not kept as it is, or a key that is added is not found then.
pub fn authorized_keys(input: &[u8]) {
    let mut keys = AuthorizedKeys::decode(input, &limits()).expect("it is short");
    assert_eq!(keys.as_bytes(), input, "the file is kept as it is");
    for (line, entry) in keys.entries() {
        assert!(line > 0);
        if let Ok(entry) = entry {
            let permissions = entry.permissions();
            let permitted = permissions.permits_from([192, 0, 2, 1].into(), Some("host.example.com"));
            assert!(permitted || permissions.from.is_some(), "nobody is kept out by nothing");
            public(entry.public_key());
        }
    }
    let key = PublicKey::decode(KEY, &limits()).expect("it is one");
    keys.add(&key).expect("there is room");
    assert!(keys.find(&key).is_some());
}

const KEY: &[u8] = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0TBZ0Dw4/mMxcbzJFBJUzXqXEbpJjVHMvEzUWnI7fM";

fn file(input: &[u8]) {
    let file = match KeyFile::decode(input, &limits()) {
        Ok(file) => file,
        Err(error) => {
            assert!(!matches!(error, Error::NeedsPassphrase | Error::WrongPassphrase | Error::IsPublic), "{error}");
            return;
        }
    };
    if let Some(key) = file.public_key() {
        public(key);
    }
    match file.private_key(None) {
        Ok(key) => private(&key),
        Err(Error::NeedsPassphrase) => {
            assert!(file.is_encrypted());
            if let Ok(key) = file.private_key(Some(PASSPHRASE)) {
                private(&key);
            }
        }
        Err(error) => assert_eq!((error, file.is_private()), (Error::IsPublic, false)),
    }
}

fn public(key: &PublicKey) {
    for format in [Format::OneLine, Format::Rfc4716, Format::Spki] {
        // Not every container has a place for every algorithm, or for a comment of any length.
        if let Ok(text) = key.encode(format) {
            let again = PublicKey::decode(text.as_bytes(), &limits());
            assert_eq!(again.as_ref(), Ok(key), "{format} {text}");
        }
    }
}

fn private(key: &PrivateKey) {
    public(key.public_key());
    let mut encryption = Encryption::new(PASSPHRASE).expect("it is not empty");
    (encryption.bcrypt_rounds, encryption.pbkdf2_iterations) = (1, 1);
    (encryption.argon2_kib, encryption.argon2_passes) = (8, 1);
    for format in [Format::OpensshKeyV1, Format::Pkcs1, Format::Pkcs8, Format::Ppk3] {
        // bcrypt is slow even at its cheapest.
        let encrypted = Some(&encryption).filter(|_| format != Format::OpensshKeyV1);
        for encryption in [None, encrypted] {
            if let Ok(text) = key.encode(format, encryption, &mut Zeros) {
                let again = PrivateKey::decode(text.as_bytes(), Some(PASSPHRASE), &limits());
                let again = again.unwrap_or_else(|error| panic!("{format}: {error}"));
                assert_eq!(again.public_key(), key.public_key(), "{format}");
                let once_more = again.encode(format, encryption, &mut Zeros).expect("it could be written before");
                assert!(format == Format::Ppk3 || once_more.len() <= text.len(), "{format}");
            }
        }
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().chain([&0, &0]).take(3).fold(0, |bits, byte| bits << 8 | usize::from(*byte));
        for place in 0..=chunk.len() {
            out.push(char::from(DIGITS[bits >> (18 - 6 * place) & 63]));
        }
    }
    out
}

/// No randomness at all: every run is the same.
struct Zeros;

impl TryRng for Zeros {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(0)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(0)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        out.fill(0);
        Ok(())
    }
}

impl TryCryptoRng for Zeros {}
