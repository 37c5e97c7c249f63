//! Certificates by ssh-keygen: users' and hosts', over every kind of key, by every kind of authority.

use towline_ssh_bridge::keys::{
    Certificate, CertificateKind, Error, Format, KeyFile, KnownHosts, Limits, PrivateKey, PublicKey, Verdict,
};

use crate::{
    refused::at_once,
    tools::{Folder, SMALL, security_key_file},
    writing::Counter,
};

const NOON: u64 = 1_767_268_800; // 2026-01-01T12:00:00Z

#[test]
fn certificates_are_read_and_their_signatures_verified() {
    let folder = Folder::with_keys(&SMALL);
    let limits = Limits::default();
    for authority in ["rsa2048", "ecdsa256", "ecdsa384", "ecdsa521", "ed25519"] {
        // All keys by one authority, one key by all authorities.
        for name in SMALL.into_iter().filter(|name| authority == "ed25519" || *name == "ed25519") {
            for (host, kind) in [(&[][..], CertificateKind::User), (&["-h"], CertificateKind::Host)] {
                folder.copy(&format!("{name}.pub"), "it.pub");
                let sign = [
                    "-q",
                    "-s",
                    authority,
                    "-I",
                    "a test",
                    "-n",
                    "mia,pump-7",
                    "-z",
                    "42",
                    "-V",
                    "20260101Z:20270101Z",
                ];
                folder.run("ssh-keygen", &[&sign[..], host, &["it.pub"]].concat());
                let line = folder.read("it-cert.pub");
                let certificate = Certificate::decode(&line, &limits).unwrap();
                certificate.verify().unwrap();
                assert_eq!((certificate.serial(), certificate.key_id(), certificate.kind()), (42, "a test", kind));
                assert_eq!(certificate.principals(), ["mia", "pump-7"]);
                assert_eq!(certificate.public_key().fingerprint().to_string(), folder.fingerprint(name));
                assert_eq!(certificate.authority().fingerprint().to_string(), folder.fingerprint(authority));
                assert_eq!(certificate.extensions().count(), if host.is_empty() { 5 } else { 0 });
                assert!(certificate.is_valid_for(kind, "mia", NOON) && !certificate.is_valid_for(kind, "eve", NOON));
                assert!(!certificate.is_valid_for(kind, "mia", NOON - 86_400));
                assert!(!certificate.is_valid_for(kind, "mia", NOON + 366 * 86_400));
                assert_eq!(certificate.to_string().as_bytes(), line.trim_ascii_end());
                assert_eq!(KeyFile::decode(&line, &limits).unwrap().format(), Format::Certificate);
                assert_eq!(PrivateKey::decode(&line, None, &limits).err(), Some(Error::IsPublic));

                // A bit of what was signed, and a bit of the signature.
                let blob = certificate.blob();
                for at in [60, blob.len() - 1] {
                    let mut forged = blob.to_vec();
                    forged[at] ^= 1;
                    let refused = Certificate::from_blob(&forged, &limits).and_then(|forged| forged.verify());
                    assert!(refused.is_err(), "{authority} {name} {at}");
                }
            }
        }
    }
}

#[test]
fn an_authority_that_is_not_verified_is_named() {
    let folder = Folder::with_keys(&["dsa", "rsa2048", "ed25519"]);
    for args in [&["-s", "dsa"][..], &["-s", "rsa2048", "-t", "ssh-rsa"]] {
        // Newer versions of ssh-keygen do not sign with these at all.
        if folder.try_run("ssh-keygen", &[&["-q", "-I", "old"], args, &["ed25519.pub"]].concat()).is_ok() {
            let certificate = Certificate::decode(&folder.read("ed25519-cert.pub"), &Limits::default()).unwrap();
            assert!(matches!(certificate.verify(), Err(Error::Unsupported { .. })), "{args:?}");
        }
    }
}

#[test]
fn a_certificate_by_a_certificate_is_refused_however_deep() {
    let string = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
    let nested = |authority: &[u8]| {
        let fields: [&[u8]; 12] = [
            &string(b"ssh-ed25519-cert-v01@openssh.com"),
            &string(&[7; 32]),
            &string(&[9; 32]),
            &1u64.to_be_bytes(),
            &1u32.to_be_bytes(),
            &string(b"nested"),
            &string(b""),
            &[&0u64.to_be_bytes()[..], &u64::MAX.to_be_bytes()].concat(),
            &string(b""),
            &string(b""),
            &string(b""),
            &string(authority),
        ];
        [&fields.concat()[..], &string(b"signature")].concat()
    };
    let plain = [string(b"ssh-ed25519"), string(&[3; 32])].concat();
    let mut blob = nested(&plain);
    Certificate::from_blob(&blob, &Limits::default()).unwrap();
    for _ in 0..3 {
        blob = nested(&blob);
        assert!(matches!(Certificate::from_blob(&blob, &Limits::default()), Err(Error::Unsupported { .. })));
    }
    for _ in 0..3500 {
        blob = nested(&blob);
    }
    assert!(matches!(at_once(|| Certificate::from_blob(&blob, &Limits::default())), Err(Error::TooCostly { .. })));
    let mut limits = Limits::default();
    limits.max_file_bytes = u32::try_from(blob.len()).unwrap();
    assert!(at_once(|| Certificate::from_blob(&blob, &limits)).is_err());
}

#[test]
fn a_host_is_known_by_its_authority() {
    let folder = Folder::with_keys(&["ed25519", "ecdsa256"]);
    folder.run(
        "ssh-keygen",
        &[
            "-q",
            "-s",
            "ed25519",
            "-I",
            "pump",
            "-h",
            "-n",
            "pump-7.example.com",
            "-V",
            "20260101Z:20270101Z",
            "ecdsa256.pub",
        ],
    );
    let limits = Limits::default();
    let certificate = Certificate::decode(&folder.read("ecdsa256-cert.pub"), &limits).unwrap();
    let authority = PublicKey::decode(&folder.read("ed25519.pub"), &limits).unwrap();
    let known = |text: String| KnownHosts::decode(text.as_bytes(), &limits).unwrap();
    let host = "pump-7.example.com";

    let hosts = known(format!("@cert-authority *.example.com {authority}\n"));
    assert!(hosts.has_authority(host, 22) && !hosts.has_authority("example.org", 22));
    assert_eq!(hosts.check_certificate(host, 22, &certificate, NOON), Verdict::Known { line: 1 });
    assert_eq!(hosts.check_certificate("PUMP-7.example.com", 22, &certificate, NOON), Verdict::Known { line: 1 });
    // Another host, another time: what is known about the key alone, which is nothing.
    assert_eq!(hosts.check_certificate("pump-8.example.com", 22, &certificate, NOON), Verdict::Unknown);
    assert_eq!(hosts.check_certificate(host, 22, &certificate, NOON + 400 * 86_400), Verdict::Unknown);
    // The authority's own key is no host's.
    assert_eq!(hosts.check(host, 22, &authority), Verdict::Unknown);

    let hosts = known(format!("@cert-authority *.example.com {authority}\n@revoked * {authority}\n"));
    assert_eq!(hosts.check_certificate(host, 22, &certificate, NOON), Verdict::Revoked { line: 2 });
    let hosts = known(format!("@cert-authority *.example.com {authority}\n@revoked * {}\n", certificate.public_key()));
    assert_eq!(hosts.check_certificate(host, 22, &certificate, NOON), Verdict::Revoked { line: 2 });
}

/// OpenSSH can keep a certificate in the file of its private key; no tool makes such a file, but ssh-keygen reads it.
#[test]
fn keys_of_security_keys_are_carried_and_read_by_ssh_keygen() {
    let folder = Folder::with_keys(&["ecdsa256", "ed25519"]);
    for (of, name) in [("ecdsa256", "sk-ecdsa-sha2-nistp256@openssh.com"), ("ed25519", "sk-ssh-ed25519@openssh.com")] {
        let of = PublicKey::decode(&folder.read(&format!("{of}.pub")), &Limits::default()).unwrap();
        let file = security_key_file(of.blob());
        let key = PrivateKey::decode(&file, None, &Limits::default()).unwrap();
        assert!(key.is_handle());
        assert_eq!((key.algorithm().name(), key.comment()), (name, "a token"));
        let written = key.encode(Format::OpensshKeyV1, None, &mut Counter::default()).unwrap();
        folder.write("it", written.as_bytes());
        assert_eq!(folder.fingerprint("it"), key.fingerprint().to_string());
        let line = folder.run("ssh-keygen", &["-y", "-f", "it"]);
        assert_eq!(PublicKey::decode(line.as_bytes(), &Limits::default()).unwrap(), *key.public_key());
        for format in [Format::Pkcs1, Format::Pkcs8, Format::Ppk3] {
            assert!(matches!(key.encode(format, None, &mut Counter::default()), Err(Error::Unsupported { .. })));
        }

        folder.write("sk.pub", line);
        folder.run("ssh-keygen", &["-q", "-s", "ecdsa256", "-I", "sk", "-n", "mia", "sk.pub"]);
        let certificate = Certificate::decode(&folder.read("sk-cert.pub"), &Limits::default()).unwrap();
        certificate.verify().unwrap();
        assert_eq!(certificate.public_key(), key.public_key());
    }
}
