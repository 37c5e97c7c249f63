//! Files that lie, and files that cost: each is refused for what it is, before any work is done for it.

use std::{
    env, fs,
    process::Command,
    time::{Duration, Instant},
};

use towline_ssh_bridge::keys::{Encryption, Error, Format, KeyFile, Limits, NewKey, PrivateKey, PublicKey};

use crate::{
    tools::{Folder, PASSPHRASE, SMALL},
    writing::Counter,
};

fn decode(file: &[u8]) -> Result<KeyFile, Error> {
    KeyFile::decode(file, &Limits::default())
}

/// Set in a process in which one test after the other runs, so that its memory is that of the test.
const MEASURED: &str = "TOWLINE_MEASURED";
const MAX_KIB: u64 = 16 * 1024;

/// Refusing is not allowed to take any time worth mentioning (this is a hundred times what it takes), nor memory.
pub(crate) fn at_once<T>(work: impl FnOnce() -> T) -> T {
    let is_measured = env::var_os(MEASURED).is_some();
    let before = if is_measured { peak_kib() } else { 0 };
    let started = Instant::now();
    let done = work();
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    if is_measured {
        let taken = current_peak_kib() - before;
        assert!(taken < MAX_KIB, "{taken} KiB");
    }
    done
}

/// What the process has in memory now, from where its peak is counted anew.
fn peak_kib() -> u64 {
    fs::write("/proc/self/clear_refs", "5").unwrap();
    current_peak_kib()
}

fn current_peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn whatever_is_refused_takes_less_than_16_mib() {
    let tests = [
        "refused::costs_are_refused_before_anything_is_begun",
        "refused::sizes_are_refused_before_anything_is_begun",
        "certificates::a_certificate_by_a_certificate_is_refused_however_deep",
    ];
    let mut again = Command::new(env::current_exe().unwrap());
    let output = again.args(tests).args(["--exact", "--test-threads=1"]).env(MEASURED, "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("3 passed"), "{said}");
}

#[test]
fn each_failure_is_told_apart() {
    let folder = Folder::with_keys(&["rsa2048", "ed25519"]);
    let make = |args: &[&str]| {
        folder.copy("rsa2048", "it");
        folder.run("ssh-keygen", &[&["-q", "-p", "-P", "", "-f", "it", "-a", "2"], args].concat());
        folder.read("it")
    };
    let openssh = make(&["-N", PASSPHRASE]);
    let gcm = make(&["-N", PASSPHRASE, "-Z", "aes256-gcm@openssh.com"]);
    let pem = make(&["-N", PASSPHRASE, "-m", "PEM"]);
    let pkcs8 = make(&["-N", PASSPHRASE, "-m", "PKCS8"]);
    folder.run("puttygen", &["rsa2048", "-O", "private", "-o", "it", "--new-passphrase", "pass"]);
    let ppk = folder.read("it");
    folder.run("puttygen", &["rsa2048", "-O", "private-sshcom", "-o", "it", "--new-passphrase", "pass"]);
    let ssh_com = folder.read("it");
    for (name, file) in
        [("openssh", openssh), ("gcm", gcm), ("pem", pem), ("pkcs8", pkcs8), ("ppk", ppk), ("ssh.com", ssh_com)]
    {
        let file = decode(&file).unwrap();
        assert!(file.is_encrypted());
        for nothing in [None, Some(&b""[..])] {
            assert_eq!(file.private_key(nothing).err(), Some(Error::NeedsPassphrase), "{name}");
        }
        for wrong in ["wrong", "Correct horse", "correct horse "] {
            assert_eq!(file.private_key(Some(wrong.as_bytes())).err(), Some(Error::WrongPassphrase), "{name}");
        }
        file.private_key(Some(PASSPHRASE.as_bytes())).unwrap();
    }
    let public = folder.read("ed25519.pub");
    assert_eq!(decode(&public).unwrap().private_key(None).err(), Some(Error::IsPublic));
    assert_eq!(PrivateKey::decode(&public, None, &Limits::default()).err(), Some(Error::IsPublic));
    for nothing in ["", "\n\n", "hello", "# only a comment\n", "{}", "<html>", "\u{feff}"] {
        assert!(
            matches!(decode(nothing.as_bytes()), Err(Error::NotAKey(_))),
            "{nothing:?}: {:?}",
            decode(nothing.as_bytes())
        );
    }
    let certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    assert_eq!(decode(certificate.as_bytes()).unwrap_err().to_string(), "unsupported PEM label: CERTIFICATE");
    let cipher = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: CAMELLIA-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    assert_eq!(decode(cipher.as_bytes()).unwrap_err().to_string(), "unsupported PEM cipher: CAMELLIA-256-CBC");
}

/// What the table of `cells` has no place for; each stands in the documentation of `keys`.
#[test]
fn whole_files_that_are_not_read_say_so() {
    let folder = Folder::with_keys(&["ed25519", "ecdsa256"]);
    folder.copy("ecdsa256", "it");
    folder.run("ssh-keygen", &["-q", "-p", "-P", "", "-N", "", "-m", "PKCS8", "-f", "it"]);
    let pass = format!("pass:{PASSPHRASE}");
    let legacy = ["-provider", "legacy", "-provider", "default"];
    for weak in ["PBE-SHA1-RC2-40", "PBE-SHA1-RC2-128", "PBE-SHA1-RC4-128", "PBE-MD5-RC2-64", "PBE-SHA1-RC2-64"] {
        let args = ["pkcs8", "-topk8", "-in", "it", "-out", "weak", "-passout", &pass, "-v1", weak];
        folder.run("openssl", &[&args[..], &legacy].concat());
        let refused = decode(&folder.read("weak")).and_then(|file| file.private_key(Some(PASSPHRASE.as_bytes())));
        let said = refused.unwrap_err().to_string();
        assert_eq!(said, "unsupported encryption: RC2 or RC4: re-encrypt the key", "{weak}");
    }
    folder.run("puttygen", &["ed25519", "-O", "private", "-o", "ppk", "--new-passphrase", "nopass"]);
    let version1 = String::from_utf8(folder.read("ppk")).unwrap().replace("User-Key-File-3", "User-Key-File-1");
    let said = decode(version1.as_bytes()).unwrap_err().to_string();
    assert!(said.starts_with("unsupported PuTTY key's version: 1"), "{said}");
    let string = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
    let two = [b"openssh-key-v1\0".to_vec(), string(b"none"), string(b"none"), string(b""), vec![0, 0, 0, 2]].concat();
    let said = decode(&[two, string(b"one"), string(b"two"), string(b"both")].concat()).unwrap_err().to_string();
    assert!(said.ends_with("several keys in one file"), "{said}");
}

#[test]
fn a_wrong_passphrase_for_old_pem_is_never_a_key() {
    // One wrong passphrase in 256 leaves good padding: what is inside has to be looked at.
    let folder = Folder::with_keys(&["ecdsa256"]);
    folder.run("ssh-keygen", &["-q", "-p", "-P", "", "-N", PASSPHRASE, "-m", "PEM", "-f", "ecdsa256"]);
    let file = decode(&folder.read("ecdsa256")).unwrap();
    for number in 0..2000 {
        assert_eq!(file.private_key(Some(format!("{number}").as_bytes())).err(), Some(Error::WrongPassphrase));
    }
}

#[test]
fn costs_are_refused_before_anything_is_begun() {
    let key = PrivateKey::generate(NewKey::Ed25519, "", &mut Counter::default()).unwrap();
    let mut encryption = Encryption::new(b"x").unwrap();
    (encryption.bcrypt_rounds, encryption.pbkdf2_iterations, encryption.argon2_kib) = (1, 1, 8);
    let written = |format| key.encode(format, Some(&encryption), &mut Counter::default()).unwrap().to_string();
    let refused = |file: &[u8], limit: &'static str| {
        let error = at_once(|| decode(file)).unwrap_err();
        assert!(matches!(error, Error::TooCostly { what, .. } if what == limit), "{error}");
    };

    let ppk = written(Format::Ppk3);
    for (from, to, limit) in [
        ("Argon2-Memory: 8", "Argon2-Memory: 4194304", "max_argon2_kib"),
        ("Argon2-Passes: 21", "Argon2-Passes: 4294967295", "max_work_kib"),
    ] {
        assert!(ppk.contains(from), "{ppk}");
        refused(ppk.replace(from, to).as_bytes(), limit);
    }

    let string = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
    let openssh = |rounds: u32| {
        let options = [&string(&[1; 16])[..], &rounds.to_be_bytes()].concat();
        let parts = [
            string(b"aes256-ctr"),
            string(b"bcrypt"),
            string(&options),
            1u32.to_be_bytes().to_vec(),
            string(key.public_key().blob()),
            string(&[0; 160]),
        ];
        [b"openssh-key-v1\0".to_vec(), parts.concat()].concat()
    };
    assert!(decode(&openssh(256)).unwrap().is_encrypted());
    for rounds in [257, u32::MAX] {
        refused(&openssh(rounds), "max_bcrypt_rounds");
    }

    // SEQUENCE { SEQUENCE { PBES2, SEQUENCE { derivation, cipher } }, OCTET STRING }
    let der = |tag: u8, contents: &[u8]| {
        [&[tag, 0x82][..], &u16::try_from(contents.len()).unwrap().to_be_bytes(), contents].concat()
    };
    let encrypted = |derivation: &[u8]| {
        let cipher = der(0x30, &[&[6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 0x2a][..], &der(4, &[0; 16])].concat());
        let parameters = der(0x30, &[derivation, &cipher].concat());
        let algorithm = der(0x30, &[&[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 0x0d][..], &parameters].concat());
        der(0x30, &[algorithm, der(4, &[0; 64])].concat())
    };
    let pbkdf2 = |iterations: &[u8]| {
        let parameters = der(0x30, &[der(4, &[1; 8]), der(2, iterations)].concat());
        encrypted(&der(0x30, &[&[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 0x0c][..], &parameters].concat()))
    };
    assert!(decode(&pbkdf2(&[0x10, 0])).unwrap().is_encrypted());
    refused(&pbkdf2(&[0x7f, 0xff, 0xff, 0xff]), "max_pbkdf2_iterations");
    refused(&pbkdf2(&[0x7f; 40]), "max_pbkdf2_iterations");
    let scrypt = |n: &[u8], r: &[u8], p: &[u8]| {
        let parameters = der(0x30, &[der(4, &[1; 8]), der(2, n), der(2, r), der(2, p)].concat());
        encrypted(&der(0x30, &[&[6, 9, 0x2b, 6, 1, 4, 1, 0xda, 0x47, 4, 0x0b][..], &parameters].concat()))
    };
    assert!(decode(&scrypt(&[0x40, 0], &[8], &[1])).unwrap().is_encrypted());
    refused(&scrypt(&[0x40, 0, 0, 0], &[8], &[1]), "max_scrypt_kib");
    refused(&scrypt(&[0x40, 0], &[0x7f, 0xff, 0xff], &[1]), "max_scrypt_kib");
    refused(&scrypt(&[0x40, 0], &[8], &[0x7f, 0xff, 0xff]), "max_work_kib");
    refused(&scrypt(&[0x40, 0], &[0x7f; 30], &[0x7f; 30]), "max_scrypt_kib");
}

#[test]
fn sizes_are_refused_before_anything_is_begun() {
    let hundred_megabytes = vec![b'a'; 100 * 1024 * 1024];
    assert!(matches!(at_once(|| decode(&hundred_megabytes)), Err(Error::TooCostly { what: "max_file_bytes", .. })));
    let string = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
    let rsa = |bytes: usize| [string(b"ssh-rsa"), string(&[1, 0, 1]), string(&vec![0x7f; bytes])].concat();
    PublicKey::from_blob(&rsa(2048), &Limits::default()).unwrap();
    assert!(matches!(
        PublicKey::from_blob(&rsa(2049), &Limits::default()),
        Err(Error::TooCostly { what: "max_rsa_bits", .. })
    ));
    let dsa = |bytes: usize| {
        let number = string(&vec![0x7f; bytes]);
        [string(b"ssh-dss"), number.clone(), number.clone(), number.clone(), number].concat()
    };
    assert!(matches!(
        PublicKey::from_blob(&dsa(513), &Limits::default()),
        Err(Error::TooCostly { what: "max_dsa_bits", .. })
    ));
    // The slowest that is allowed: DSA with all numbers as long as its prime.
    let numbers = dsa(512);
    let dropbear = [numbers, string(&vec![0x7f; 512])].concat();
    assert!(at_once(|| decode(&dropbear)).is_err());
    // Lengths that lie.
    let lie = u32::MAX.to_be_bytes();
    assert!(at_once(|| PublicKey::from_blob(&[&string(b"ssh-rsa")[..], &lie].concat(), &Limits::default())).is_err());
    for parts in [&[][..], &["none"], &["none", "none"], &["none", "none", ""]] {
        let parts = parts.iter().flat_map(|part| string(part.as_bytes())).collect::<Vec<u8>>();
        let file = [&b"openssh-key-v1\0"[..], &parts, &lie, &[0; 64]].concat();
        assert!(at_once(|| decode(&file)).is_err());
    }
    let digits = format!("16384 65537 {}", "9".repeat(60_000));
    assert!(at_once(|| decode(digits.as_bytes())).is_err());
}

/// Every file cut off anywhere and every byte of it changed: refused, or the same key, and never a panic.
#[test]
fn damaged_files_are_refused_and_nothing_panics() {
    let folder = Folder::with_keys(&SMALL);
    let mut rng = Counter::default();
    for name in ["dsa", "ecdsa256", "ed25519"] {
        let key = PrivateKey::decode(&folder.read(name), None, &Limits::default()).unwrap();
        let mut files =
            vec![key.public_key().encode(Format::Rfc4716).unwrap().into_bytes(), key.public_key().blob().to_vec()];
        for format in [Format::OpensshKeyV1, Format::Pkcs1, Format::Pkcs8, Format::Ppk3] {
            files.extend(key.encode(format, None, &mut rng).map(|file| file.as_bytes().to_vec()));
        }
        folder.run(
            "puttygen",
            &[name, "-O", "private", "-o", "it", "--ppk-param", "version=2", "--new-passphrase", "nopass"],
        );
        files.push(folder.read("it"));
        for file in files {
            for length in 0..file.len() {
                if let Ok(file) = decode(&file[..length]) {
                    // Cut off after the key, in its comment or the line end.
                    assert_eq!(file.public_key(), Some(key.public_key()), "{length}");
                }
            }
            for at in (0..file.len()).step_by(3) {
                let mut changed = file.clone();
                changed[at] ^= 0x04;
                if let Ok(changed) = decode(&changed) {
                    drop(changed.private_key(None));
                }
            }
        }
    }
}

#[test]
fn halves_that_do_not_fit_are_refused() {
    let folder = Folder::with_keys(&["rsa2048", "ed25519"]);
    folder.run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", "other"]);
    let blob = |name: &str| PublicKey::decode(&folder.read(name), &Limits::default()).unwrap().blob().to_vec();
    let (mine, other) = (blob("ed25519.pub"), blob("other.pub"));
    let body = |name: &str| {
        let text = String::from_utf8(folder.read(name)).unwrap();
        let base64: String = text.lines().filter(|line| !line.starts_with('-')).collect();
        <base64ct::Base64 as base64ct::Encoding>::decode_vec(&base64).unwrap()
    };
    let mut file = body("ed25519");
    let at = file.windows(mine.len()).position(|window| window == mine).unwrap();
    file[at..at + mine.len()].copy_from_slice(&other);
    assert!(matches!(decode(&file), Err(Error::Corrupt { .. })));
    // An RSA key with one bit of its private number changed.
    let mut file = body("rsa2048");
    let middle = file.len() / 2;
    file[middle] ^= 1;
    assert!(matches!(decode(&file), Err(Error::Corrupt { .. })));
}
