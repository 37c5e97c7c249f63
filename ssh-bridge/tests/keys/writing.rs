//! What is written here is read by the tools, and logs in to a real sshd.

use std::{
    convert::Infallible,
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use towline_ssh_bridge::keys::{
    Curve, Encryption, Error, Format, KeyFile, Limits, NewKey, PrivateKey, PublicKey, TryCryptoRng, TryRng,
};

use crate::tools::{Folder, PASSPHRASE, SMALL};

/// Numbers that are anything but random: every run is the same.
#[derive(Default)]
pub(crate) struct Counter(u64);

impl TryRng for Counter {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.try_next_u64().map(|number| u32::try_from(number >> 32).unwrap())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Ok(number ^ (number >> 31))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for chunk in out.chunks_mut(8) {
            chunk.copy_from_slice(&self.try_next_u64()?.to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Counter {}

fn cheap() -> Encryption<'static> {
    let mut encryption = Encryption::new(PASSPHRASE.as_bytes()).unwrap();
    (encryption.bcrypt_rounds, encryption.pbkdf2_iterations) = (2, 5000);
    (encryption.argon2_kib, encryption.argon2_passes) = (256, 2);
    encryption
}

/// A key of each algorithm, as this crate reads them from ssh-keygen.
fn keys(folder: &Folder) -> Vec<(&'static str, PrivateKey, String)> {
    let read = |name: &'static str| {
        let key = PrivateKey::decode(&folder.read(name), None, &Limits::default()).unwrap();
        (name, key, folder.fingerprint(name))
    };
    SMALL.into_iter().map(read).collect()
}

#[test]
fn what_is_written_is_read_by_ssh_keygen_puttygen_and_openssl() {
    let folder = Folder::with_keys(&SMALL);
    let mut rng = Counter::default();
    for (name, key, fingerprint) in keys(&folder) {
        for format in [Format::OpensshKeyV1, Format::Pkcs1, Format::Pkcs8, Format::Ppk3] {
            for (passphrase, encryption) in [("", None), (PASSPHRASE, Some(cheap()))] {
                let what = format!("{name} {format} {passphrase:?}");
                let written = match key.encode(format, encryption.as_ref(), &mut rng) {
                    Ok(written) => written,
                    Err(error) => {
                        assert_eq!((name, format), ("ed25519", Format::Pkcs1), "{error}");
                        continue;
                    }
                };
                folder.write("it", written.as_bytes());

                // What it is here again.
                let file = KeyFile::decode(written.as_bytes(), &Limits::default()).unwrap();
                assert_eq!(file.is_encrypted(), encryption.is_some(), "{what}");
                let again = file.private_key(Some(PASSPHRASE.as_bytes())).unwrap();
                assert_eq!(again.public_key(), key.public_key(), "{what}");
                if matches!(format, Format::OpensshKeyV1 | Format::Ppk3) {
                    assert_eq!(again.comment(), key.comment(), "{what}");
                }

                if format == Format::Ppk3 {
                    let pass = if passphrase.is_empty() { "nopass" } else { "pass" };
                    folder.run(
                        "puttygen",
                        &[
                            "it",
                            "--old-passphrase",
                            pass,
                            "-O",
                            "private-openssh-new",
                            "-o",
                            "out",
                            "--new-passphrase",
                            "nopass",
                        ],
                    );
                    assert_eq!(folder.fingerprint("out"), fingerprint, "{what}");
                    continue;
                }
                // ssh-keygen reads PKCS#8 of Ed25519 since 9.6 only.
                if (name, format) != ("ed25519", Format::Pkcs8) {
                    let public = folder.run("ssh-keygen", &["-y", "-P", passphrase, "-f", "it"]);
                    folder.write("out", public);
                    assert_eq!(folder.fingerprint("out"), fingerprint, "{what}");
                }
                if format != Format::OpensshKeyV1 {
                    let pass = format!("pass:{passphrase}");
                    let public = folder.run("openssl", &["pkey", "-in", "it", "-passin", &pass, "-pubout"]);
                    let public = PublicKey::decode(public.as_bytes(), &Limits::default()).unwrap();
                    assert_eq!(public.fingerprint().to_string(), fingerprint, "{what}");
                }
            }
        }

        let public = key.public_key();
        for (format, kind) in [(Format::Rfc4716, "RFC4716"), (Format::Spki, "PKCS8")] {
            folder.write("it", public.encode(format).unwrap());
            if (name, format) != ("ed25519", Format::Spki) {
                let line = folder.run("ssh-keygen", &["-i", "-m", kind, "-f", "it"]);
                folder.write("out", line);
                assert_eq!(folder.fingerprint("out"), fingerprint, "{name} {format}");
            } else {
                folder.run("openssl", &["pkey", "-pubin", "-in", "it", "-noout"]);
            }
        }
        folder.write("it", public.encode(Format::OneLine).unwrap());
        assert_eq!(folder.fingerprint("it"), fingerprint);
        assert!(folder.run("ssh-keygen", &["-l", "-f", "it"]).contains(key.comment()));
    }
}

#[test]
fn a_long_comment_is_continued_on_the_next_line_and_comes_back() {
    let folder = Folder::with_keys(&["ed25519"]);
    let key = PublicKey::decode(&folder.read("ed25519.pub"), &Limits::default()).unwrap();
    let comment = "Größe ".repeat(60);
    let key = key.with_comment(comment.trim());
    let file = key.encode(Format::Rfc4716).unwrap();
    assert!(file.lines().all(|line| line.len() <= 72), "{file}");
    let again = PublicKey::decode(file.as_bytes(), &Limits::default()).unwrap();
    assert_eq!((again.comment(), &again), (comment.trim(), &key));
    assert!(key.with_comment(&"x".repeat(1200)).encode(Format::Rfc4716).is_err());
}

#[test]
fn a_comment_that_is_folded_before_what_looks_like_the_end_does_not_end_the_key() {
    let key = PrivateKey::generate(NewKey::Ed25519, "", &mut Counter::default()).unwrap();
    let folded = "\\\n---- END SSH2 PUBLIC KEY ----";
    let mut count = 0;
    for length in 1..150 {
        let comment = format!("{}---- END SSH2 PUBLIC KEY ----", "x".repeat(length));
        let key = key.public_key().clone().with_comment(&comment);
        let file = key.encode(Format::Rfc4716).unwrap();
        count += file.matches(folded).count();
        for file in [file.replace('\n', "\r\n"), file.replace('\n', " \n"), file] {
            let again = PublicKey::decode(file.as_bytes(), &Limits::default());
            let again = again.unwrap_or_else(|error| panic!("{error}: {file}"));
            assert_eq!((again.comment(), &again), (comment.as_str(), &key), "{file}");
        }
    }
    assert_eq!(count, 2, "the first line and the second are folded right there");
}

#[test]
fn a_comment_that_looks_like_another_container_is_a_comment() {
    let mut rng = Counter::default();
    let key = PrivateKey::generate(NewKey::Ed25519, "", &mut rng).unwrap();
    for comment in [
        "-----BEGIN PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY",
        "-----END OPENSSH PRIVATE KEY-----",
        "---- BEGIN SSH2 PUBLIC KEY ----",
        "---- END SSH2 PUBLIC KEY ----",
        "PuTTY-User-Key-File-3: ssh-ed25519",
        "Public-Lines: 2",
        "{\"kty\":\"OKP\"}",
        "1024 65537 123",
        "ssh-ed25519 AAAA",
        "corp\\nina@pc",
    ] {
        let key = key.clone().with_comment(comment);
        for format in [Format::OpensshKeyV1, Format::Ppk3] {
            let file = key.encode(format, None, &mut rng).unwrap();
            let again = PrivateKey::decode(file.as_bytes(), None, &Limits::default());
            let again = again.unwrap_or_else(|error| panic!("{error}: {}", file.as_str()));
            assert_eq!((again.comment(), again.fingerprint()), (comment, key.fingerprint()), "{format}");
        }
        for format in [Format::OneLine, Format::Rfc4716] {
            let file = key.public_key().encode(format).unwrap();
            let again = PublicKey::decode(file.as_bytes(), &Limits::default());
            let again = again.unwrap_or_else(|error| panic!("{error}: {file}"));
            assert_eq!((again.comment(), &again), (comment, key.public_key()), "{format}");
        }
    }
}

#[test]
fn keys_that_are_made_are_what_was_asked_for_and_the_tools_take_them() {
    let folder = Folder::new();
    let mut rng = Counter::default();
    for (kind, bits, said) in [
        (NewKey::Ed25519, 256, "(ED25519)"),
        (NewKey::Ecdsa(Curve::P256), 256, "(ECDSA)"),
        (NewKey::Ecdsa(Curve::P384), 384, "(ECDSA)"),
        (NewKey::Ecdsa(Curve::P521), 521, "(ECDSA)"),
        (NewKey::Rsa { bits: 2048 }, 2048, "(RSA)"),
        (NewKey::Rsa { bits: 3072 }, 3072, "(RSA)"),
    ] {
        let key = PrivateKey::generate(kind, "made here", &mut rng).unwrap();
        assert_eq!((key.algorithm(), key.public_key().bits()), (&kind.algorithm(), Some(bits)));
        assert_eq!(format!("{key:?}").matches("[secret]").count(), 1);
        folder.write("it", key.encode(Format::OpensshKeyV1, None, &mut rng).unwrap().as_bytes());
        let line = folder.run("ssh-keygen", &["-l", "-f", "it"]);
        assert!(
            line.contains(&key.fingerprint().to_string()) && line.contains(said) && line.contains("made here"),
            "{line}"
        );
        if let NewKey::Rsa { .. } = kind {
            folder.write("it", key.encode(Format::Pkcs8, None, &mut rng).unwrap().as_bytes());
            folder.run("openssl", &["rsa", "-in", "it", "-check", "-noout"]);
        }
    }
    for bits in [0, 1024, 2047, 4100, 8192] {
        assert!(matches!(PrivateKey::generate(NewKey::Rsa { bits }, "", &mut rng), Err(Error::Unsupported { .. })));
    }
}

#[test]
fn an_empty_passphrase_encrypts_nothing() {
    assert!(matches!(Encryption::new(b""), Err(Error::NeedsPassphrase)));
}

/// sshd with these authorized keys, until dropped.
struct Sshd {
    process: Child,
    port: u16,
}

impl Sshd {
    fn start(folder: &Folder, authorized_keys: &str) -> Self {
        drop(std::fs::create_dir_all("/run/sshd"));
        folder.run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", "host_key"]);
        folder.write("authorized_keys", authorized_keys);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let here = folder.path("").display().to_string();
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {here}/host_key\nAuthorizedKeysFile {here}/authorized_keys\nPidFile none\n\
             StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nLogLevel ERROR\n\
             PermitRootLogin prohibit-password\nPubkeyAcceptedAlgorithms +ssh-dss\n",
        );
        folder.write("sshd_config", config);
        let mut command = Command::new("/usr/sbin/sshd");
        command.args(["-D", "-e", "-f"]).arg(folder.path("sshd_config")).stdin(Stdio::null());
        let process = command.spawn().expect("sshd is missing, see .ci/install");
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(started.elapsed() < Duration::from_secs(60), "sshd does not listen");
            thread::sleep(Duration::from_millis(50));
        }
        Self { process, port }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

#[test]
fn what_is_written_logs_in_to_a_real_sshd() {
    let folder = Folder::with_keys(&SMALL);
    let mut rng = Counter::default();
    let mut keys: Vec<PrivateKey> = keys(&folder).into_iter().map(|(_, key, _)| key).collect();
    keys.push(PrivateKey::generate(NewKey::Ed25519, "made here", &mut rng).unwrap());
    keys.push(PrivateKey::generate(NewKey::Rsa { bits: 2048 }, "made here", &mut rng).unwrap());
    let lines: String = keys.iter().map(|key| key.public_key().encode(Format::OneLine).unwrap()).collect();
    let sshd = Sshd::start(&folder, &lines);
    for key in keys {
        for format in [Format::OpensshKeyV1, Format::Pkcs1, Format::Pkcs8] {
            let Ok(written) = key.encode(format, None, &mut rng) else { continue };
            if format == Format::Pkcs8 && key.algorithm().name() == "ssh-ed25519" {
                continue;
            }
            folder.write("identity", written.as_bytes());
            let port = sshd.port.to_string();
            let said = folder.run(
                "ssh",
                &[
                    "-F",
                    "none",
                    "-i",
                    "identity",
                    "-p",
                    &port,
                    "-o",
                    "IdentitiesOnly=yes",
                    "-o",
                    "BatchMode=yes",
                    "-o",
                    "UserKnownHostsFile=known",
                    "-o",
                    "StrictHostKeyChecking=accept-new",
                    "-o",
                    "LogLevel=ERROR",
                    "-o",
                    "PubkeyAcceptedAlgorithms=+ssh-dss",
                    "-o",
                    "IdentityAgent=none",
                    "127.0.0.1",
                    "echo welcome",
                ],
            );
            assert_eq!(said.trim(), "welcome", "{format} {key:?}");
        }
    }
}
