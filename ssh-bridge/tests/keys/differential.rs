//! ssh-key, as russh has it, over the same files: where both read a file, both read the same key.

use russh::keys::{PublicKeyBase64 as _, decode_secret_key, parse_public_key_base64, ssh_key};
use towline_ssh_bridge::keys::{Encryption, Error, Format, KeyFile, Limits, PrivateKey, PublicKey};

use crate::{
    tools::{Folder, PASSPHRASE, SMALL},
    writing::Counter,
};

/// What both make of it. What only the other reads has to be what is refused here on purpose.
fn compare(file: &[u8], passphrase: &str) -> (bool, bool) {
    let ours = PrivateKey::decode(file, Some(passphrase.as_bytes()), &Limits::default());
    let text = String::from_utf8_lossy(file);
    let theirs = decode_secret_key(&text, Some(passphrase)).ok().filter(|key| !key.is_encrypted());
    if let (Ok(ours), Some(theirs)) = (&ours, &theirs) {
        assert_eq!(ours.public_key().blob(), theirs.public_key_bytes(), "{text}");
    }
    (ours.is_ok(), theirs.is_some())
}

#[test]
fn what_ssh_key_reads_is_read_here_as_the_same_key() {
    let folder = Folder::with_keys(&SMALL);
    let mut rng = Counter::default();
    let mut encryption = Encryption::new(PASSPHRASE.as_bytes()).unwrap();
    (encryption.bcrypt_rounds, encryption.pbkdf2_iterations) = (1, 100);
    (encryption.argon2_kib, encryption.argon2_passes) = (64, 1);
    let (mut both, mut only_ours) = (0, 0);
    for name in SMALL {
        let key = PrivateKey::decode(&folder.read(name), None, &Limits::default()).unwrap();
        let mut files = vec![folder.read(name)];
        for format in [Format::OpensshKeyV1, Format::Pkcs1, Format::Pkcs8, Format::Ppk3] {
            for encryption in [None, Some(&encryption)] {
                files.extend(key.encode(format, encryption, &mut rng).map(|file| file.as_bytes().to_vec()));
            }
        }
        for file in files {
            match compare(&file, PASSPHRASE) {
                (true, true) => both += 1,
                (true, false) => only_ours += 1,
                (false, _) => panic!("{}", String::from_utf8_lossy(&file)),
            }
        }
        let line = String::from_utf8(folder.read(&format!("{name}.pub"))).unwrap();
        let theirs = parse_public_key_base64(line.split(' ').nth(1).unwrap());
        let ours = PublicKey::decode(line.as_bytes(), &Limits::default()).unwrap();
        if let Ok(theirs) = theirs {
            assert_eq!(theirs.public_key_bytes(), ours.blob());
        }
        // What is written here without a passphrase, the other reads with comment and all.
        if name != "dsa" {
            let file = key.encode(Format::OpensshKeyV1, None, &mut rng).unwrap();
            let theirs = ssh_key::PrivateKey::from_openssh(file.as_bytes()).unwrap();
            assert_eq!(theirs.comment().to_string(), key.comment());
            assert_eq!(theirs.fingerprint(ssh_key::HashAlg::Sha256).to_string(), key.fingerprint().to_string());
        }
    }
    eprintln!("{both} files read by both, {only_ours} only here");
    assert!(both > 20);
}

/// Bytes changed anywhere in the decoded body: what both still accept is the same key, and what only ssh-key accepts is
/// what it does not look at.
#[test]
fn damaged_bodies_are_never_read_as_different_keys() {
    let folder = Folder::with_keys(&["ed25519", "ecdsa256"]);
    for name in ["ed25519", "ecdsa256"] {
        let text = String::from_utf8(folder.read(name)).unwrap();
        let base64: String = text.lines().filter(|line| !line.starts_with('-')).collect();
        let body = <base64ct::Base64 as base64ct::Encoding>::decode_vec(&base64).unwrap();
        let mut only_theirs = Vec::new();
        for at in 0..body.len() {
            for bit in [0x01, 0x80] {
                let mut changed = body.clone();
                changed[at] ^= bit;
                let base64 = <base64ct::Base64 as base64ct::Encoding>::encode_string(&changed);
                let lines: Vec<&str> = base64.as_bytes().chunks(70).map(|line| str::from_utf8(line).unwrap()).collect();
                let label = "OPENSSH PRIVATE KEY";
                let file = format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"));
                if compare(file.as_bytes(), "") == (false, true) {
                    only_theirs.push((at, bit, KeyFile::decode(file.as_bytes(), &Limits::default()).unwrap_err()));
                }
            }
        }
        // ssh-key does not compare the private number of an ECDSA key with its public half; this crate does.
        let mismatch = |error: &Error| matches!(error, Error::Corrupt { what: "ECDSA key", .. });
        let unexplained = only_theirs.iter().filter(|(_, _, error)| name == "ed25519" || !mismatch(error)).count();
        // One change makes the number negative, which ssh-key reads as well.
        assert!(unexplained <= usize::from(name == "ecdsa256"), "{only_theirs:?}");
    }
}
