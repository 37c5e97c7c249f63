//! Every algorithm in every container with every passphrase: what the tools write is read.

use towline_ssh_bridge::keys::{Error, Format, KeyFile, Limits, PrivateKey, PublicKey};

use crate::tools::{ALGORITHMS, Cell, Folder, PASSPHRASE, SMALL, all_are_read};

fn traditional(name: &str) -> Option<Format> {
    match name {
        name if name.starts_with("rsa") => Some(Format::Pkcs1),
        name if name.starts_with("ecdsa") => Some(Format::Sec1),
        "dsa" => Some(Format::PemDsa),
        _ => None,
    }
}

fn private(
    name: String,
    file: Vec<u8>,
    format: Format,
    encrypted: bool,
    fingerprint: &str,
    comment: Option<&str>,
) -> Cell {
    let (fingerprint, comment) = (fingerprint.to_owned(), comment.map(str::to_owned));
    Cell { name, file, format, private: true, encrypted, fingerprint, comment }
}

fn public(name: String, file: Vec<u8>, format: Format, fingerprint: &str, comment: Option<&str>) -> Cell {
    let (fingerprint, comment) = (fingerprint.to_owned(), comment.map(str::to_owned));
    Cell { name, file, format, private: false, encrypted: false, fingerprint, comment }
}

#[test]
fn what_ssh_keygen_writes_is_read() {
    let names: Vec<&str> = ALGORITHMS.iter().map(|(name, _, _)| *name).collect();
    let folder = Folder::with_keys(&names);
    let mut cells = Vec::new();
    for name in names {
        let fingerprint = folder.fingerprint(name);
        let comment = format!("{name} of a test");
        cells.push(private(
            format!("{name} openssh"),
            folder.read(name),
            Format::OpensshKeyV1,
            false,
            &fingerprint,
            Some(&comment),
        ));
        cells.push(public(
            format!("{name} one line"),
            folder.read(&format!("{name}.pub")),
            Format::OneLine,
            &fingerprint,
            Some(&comment),
        ));
        folder.copy(name, "it");
        folder.run("ssh-keygen", &["-q", "-p", "-P", "", "-N", PASSPHRASE, "-f", "it", "-a", "4"]);
        cells.push(private(
            format!("{name} openssh encrypted"),
            folder.read("it"),
            Format::OpensshKeyV1,
            true,
            &fingerprint,
            Some(&comment),
        ));

        let rfc4716 = folder.run("ssh-keygen", &["-e", "-f", name, "-m", "RFC4716"]);
        cells.push(public(format!("{name} RFC 4716"), rfc4716.into(), Format::Rfc4716, &fingerprint, None));
        if let Some(format) = traditional(name) {
            let spki = folder.run("ssh-keygen", &["-e", "-f", name, "-m", "PKCS8"]);
            cells.push(public(format!("{name} SPKI"), spki.into(), Format::Spki, &fingerprint, None));
            if format == Format::Pkcs1 {
                let pkcs1 = folder.run("ssh-keygen", &["-e", "-f", name, "-m", "PEM"]);
                cells.push(public(
                    format!("{name} PKCS#1 public"),
                    pkcs1.into(),
                    Format::Pkcs1Public,
                    &fingerprint,
                    None,
                ));
            }
            for (kind, format) in [("PEM", format), ("PKCS8", Format::Pkcs8)] {
                for (passphrase, encrypted) in [("", false), (PASSPHRASE, true)] {
                    folder.copy(name, "it");
                    folder.run("ssh-keygen", &["-q", "-p", "-P", "", "-N", passphrase, "-m", kind, "-f", "it"]);
                    cells.push(private(
                        format!("{name} {kind} {encrypted}"),
                        folder.read("it"),
                        format,
                        encrypted,
                        &fingerprint,
                        None,
                    ));
                }
            }
        }
    }
    all_are_read(&cells);
}

#[test]
fn every_cipher_of_openssh_key_v1_is_read() {
    let ciphers = [
        "3des-cbc",
        "aes128-cbc",
        "aes192-cbc",
        "aes256-cbc",
        "aes128-ctr",
        "aes192-ctr",
        "aes256-ctr",
        "aes128-gcm@openssh.com",
        "aes256-gcm@openssh.com",
        "chacha20-poly1305@openssh.com",
    ];
    let folder = Folder::with_keys(&["rsa2048", "ecdsa521", "ed25519"]);
    let mut cells = Vec::new();
    for name in ["rsa2048", "ecdsa521", "ed25519"] {
        for cipher in ciphers {
            folder.copy(name, "it");
            folder.run("ssh-keygen", &["-q", "-p", "-P", "", "-N", PASSPHRASE, "-Z", cipher, "-a", "2", "-f", "it"]);
            let fingerprint = folder.fingerprint(name);
            cells.push(private(
                format!("{name} {cipher}"),
                folder.read("it"),
                Format::OpensshKeyV1,
                true,
                &fingerprint,
                None,
            ));
        }
    }
    all_are_read(&cells);
}

const LEGACY: [&str; 4] = ["-provider", "legacy", "-provider", "default"];

#[test]
fn what_openssl_writes_is_read() {
    let folder = Folder::with_keys(&SMALL);
    let pass = format!("pass:{PASSPHRASE}");
    let mut cells = Vec::new();
    for name in SMALL {
        let fingerprint = folder.fingerprint(name);
        // openssl does not read OpenSSH's container.
        let plain = PrivateKey::decode(&folder.read(name), None, &Limits::default()).unwrap();
        folder.write(
            "plain",
            plain.encode(Format::Pkcs8, None, &mut crate::writing::Counter::default()).unwrap().as_bytes(),
        );

        if let Some(format) = traditional(name) {
            let program = match format {
                Format::Pkcs1 => "rsa",
                Format::Sec1 => "ec",
                _ => "dsa",
            };
            for cipher in ["-aes128", "-aes192", "-aes256", "-des3", "-des"] {
                let mut args = vec![program, "-in", "plain", "-out", "it", cipher, "-passout", &pass];
                if program == "rsa" {
                    args.push("-traditional");
                }
                args.extend(LEGACY);
                folder.run("openssl", &args);
                cells.push(private(
                    format!("{name} PEM {cipher}"),
                    folder.read("it"),
                    format,
                    true,
                    &fingerprint,
                    None,
                ));
            }
            let mut args = vec![program, "-in", "plain", "-out", "it", "-outform", "DER"];
            if program == "rsa" {
                args.push("-traditional");
            }
            folder.run("openssl", &args);
            cells.push(private(
                format!("{name} traditional DER"),
                folder.read("it"),
                format,
                false,
                &fingerprint,
                None,
            ));
        }

        for encryption in [
            &["-v2", "aes-128-cbc"][..],
            &["-v2", "aes-192-cbc"],
            &["-v2", "aes-256-cbc"],
            &["-v2", "des3"],
            &["-v2", "des-cbc"],
            &["-v2", "aes-256-cbc", "-v2prf", "hmacWithMD5"],
            &["-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA1"],
            &["-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA224"],
            &["-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA384"],
            &["-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA512"],
            &["-v2", "aes-256-cbc", "-iter", "100000"],
            &["-scrypt"],
            &["-scrypt", "-scrypt_N", "1024", "-scrypt_r", "4", "-scrypt_p", "2"],
            &["-v1", "PBE-MD5-DES"],
            &["-v1", "PBE-SHA1-DES"],
            &["-v1", "PBE-SHA1-3DES"],
            &["-v1", "PBE-SHA1-2DES"],
        ] {
            let args =
                [&["pkcs8", "-topk8", "-in", "plain", "-out", "it", "-passout", &pass], encryption, &LEGACY].concat();
            folder.run("openssl", &args);
            cells.push(private(
                format!("{name} PKCS#8 {encryption:?}"),
                folder.read("it"),
                Format::Pkcs8,
                true,
                &fingerprint,
                None,
            ));
        }
        for (form, more) in [("PEM", &["-nocrypt"][..]), ("DER", &["-nocrypt"]), ("DER", &["-passout", &pass])] {
            folder
                .run("openssl", &[&["pkcs8", "-topk8", "-in", "plain", "-out", "it", "-outform", form], more].concat());
            let encrypted = more.len() == 2;
            cells.push(private(
                format!("{name} PKCS#8 {form} {more:?}"),
                folder.read("it"),
                Format::Pkcs8,
                encrypted,
                &fingerprint,
                None,
            ));
        }
        for form in ["PEM", "DER"] {
            folder.run("openssl", &["pkey", "-in", "plain", "-pubout", "-out", "it", "-outform", form]);
            cells.push(public(format!("{name} SPKI {form}"), folder.read("it"), Format::Spki, &fingerprint, None));
        }
        if name.starts_with("rsa") {
            folder.run("openssl", &["rsa", "-in", "plain", "-RSAPublicKey_out", "-out", "it"]);
            cells.push(public(
                format!("{name} PKCS#1 public"),
                folder.read("it"),
                Format::Pkcs1Public,
                &fingerprint,
                None,
            ));
        }
        if name.starts_with("ecdsa") {
            for (what, more) in [
                ("explicit", &["-param_enc", "explicit"][..]),
                ("compressed", &["-conv_form", "compressed"]),
                ("explicit and compressed", &["-param_enc", "explicit", "-conv_form", "compressed"]),
                ("without public half", &["-no_public"]),
            ] {
                folder.run("openssl", &[&["ec", "-in", "plain", "-out", "it"], more].concat());
                let file = folder.read("it");
                cells.push(private(
                    format!("{name} SEC 1 {what}"),
                    file.clone(),
                    Format::Sec1,
                    false,
                    &fingerprint,
                    None,
                ));
                // What `openssl ecparam -genkey` writes in front.
                let parameters = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
                let file = [&parameters[..], &file].concat();
                cells.push(private(
                    format!("{name} SEC 1 {what} after parameters"),
                    file,
                    Format::Sec1,
                    false,
                    &fingerprint,
                    None,
                ));
                if what != "without public half" {
                    folder.run("openssl", &[&["ec", "-in", "plain", "-pubout", "-out", "it"], more].concat());
                    cells.push(public(
                        format!("{name} SPKI {what}"),
                        folder.read("it"),
                        Format::Spki,
                        &fingerprint,
                        None,
                    ));
                }
            }
        }
    }
    all_are_read(&cells);
}

#[test]
fn what_puttygen_writes_is_read() {
    let folder = Folder::with_keys(&SMALL);
    let mut cells = Vec::new();
    for name in SMALL {
        let fingerprint = folder.fingerprint(name);
        let comment = format!("{name} of a test");
        // puttygen refuses to write what it has read as it was: all is made from a file of another kind.
        folder.run("puttygen", &[name, "-O", "private", "-o", "ppk", "--new-passphrase", "nopass"]);
        let made = |args: &[&str]| {
            let from = if args.contains(&"private") { name } else { "ppk" };
            folder.run("puttygen", &[&[from, "-o", "it"], args].concat());
            folder.read("it")
        };
        for (what, format, parameters) in [
            ("version 2", Format::Ppk2, "version=2"),
            ("version 3", Format::Ppk3, "version=3"),
            ("Argon2i", Format::Ppk3, "kdf=argon2i,memory=1024,passes=3"),
            ("Argon2d", Format::Ppk3, "kdf=argon2d,memory=512,passes=2,parallelism=4"),
        ] {
            for (passphrase, encrypted) in [("nopass", false), ("pass", true)] {
                let file = made(&["-O", "private", "--ppk-param", parameters, "--new-passphrase", passphrase]);
                cells.push(private(
                    format!("{name} PPK {what} {encrypted}"),
                    file,
                    format,
                    encrypted,
                    &fingerprint,
                    Some(&comment),
                ));
            }
        }
        for (passphrase, encrypted) in [("nopass", false), ("pass", true)] {
            let file = made(&["-O", "private-openssh-new", "--new-passphrase", passphrase]);
            cells.push(private(
                format!("{name} PuTTY's openssh {encrypted}"),
                file,
                Format::OpensshKeyV1,
                encrypted,
                &fingerprint,
                Some(&comment),
            ));
            if let Some(format) = traditional(name) {
                let file = made(&["-O", "private-openssh", "--new-passphrase", passphrase]);
                cells.push(private(
                    format!("{name} PuTTY's PEM {encrypted}"),
                    file,
                    format,
                    encrypted,
                    &fingerprint,
                    None,
                ));
            }
            if matches!(name, "rsa2048" | "dsa") {
                let file = made(&["-O", "private-sshcom", "--new-passphrase", passphrase]);
                cells.push(private(
                    format!("{name} ssh.com {encrypted}"),
                    file,
                    Format::SshCom,
                    encrypted,
                    &fingerprint,
                    Some(&comment),
                ));
            }
        }
        let file = made(&["-O", "public"]);
        cells.push(public(format!("{name} PuTTY's RFC 4716"), file, Format::Rfc4716, &fingerprint, Some(&comment)));
        let file = made(&["-O", "public-openssh"]);
        cells.push(public(format!("{name} PuTTY's one line"), file, Format::OneLine, &fingerprint, Some(&comment)));
    }
    all_are_read(&cells);
}

/// PuTTY writes a private number whose highest bit is set with a zero in front, and a whole block of padding where none
/// is needed: both depend on the key's bytes.
#[test]
fn puttys_quirks_are_read_whatever_the_bytes_of_the_key() {
    let folder = Folder::new();
    let mut cells = Vec::new();
    for round in 0..8 {
        folder.run(
            "puttygen",
            &["-t", "ecdsa", "-b", "256", "-q", "-o", "ppk", "--new-passphrase", "nopass", "-C", &"x".repeat(round)],
        );
        let line = folder.run("puttygen", &["-L", "ppk"]);
        folder.write("line", line);
        let fingerprint = folder.fingerprint("line");
        folder.run("puttygen", &["ppk", "-O", "private-openssh", "-o", "it"]);
        cells.push(private(format!("SEC 1 {round}"), folder.read("it"), Format::Sec1, false, &fingerprint, None));
        folder.run("puttygen", &["ppk", "-O", "private-openssh-new", "-o", "it", "--new-passphrase", "pass"]);
        cells.push(private(
            format!("openssh {round}"),
            folder.read("it"),
            Format::OpensshKeyV1,
            true,
            &fingerprint,
            None,
        ));
    }
    all_are_read(&cells);
}

#[test]
fn keys_of_ssh_version_1_are_read() {
    let folder = Folder::new();
    for (passphrase, encrypted, bits) in [("nopass", false, "1024"), ("pass", true, "1024"), ("pass", true, "2048")] {
        folder.run(
            "puttygen",
            &["-t", "rsa1", "-b", bits, "-q", "-o", "it", "--new-passphrase", passphrase, "-C", "an old one"],
        );
        let line = folder.run("puttygen", &["-L", "it"]);
        let public = PublicKey::decode(line.as_bytes(), &Limits::default()).unwrap();
        // puttygen has only MD5 for such keys, over the numbers themselves; the modulus is in its own line.
        assert_eq!((public.bits(), public.comment()), (Some(bits.parse().unwrap()), "an old one"));
        let file = KeyFile::decode(&folder.read("it"), &Limits::default()).unwrap();
        assert_eq!((file.format(), file.is_encrypted()), (Format::Ssh1, encrypted));
        assert_eq!(file.public_key(), Some(&public));
        let key = file.private_key(encrypted.then_some(PASSPHRASE.as_bytes())).unwrap();
        assert_eq!(key.public_key(), &public);
        assert_eq!(file.private_key(None).err(), encrypted.then_some(Error::NeedsPassphrase));
        if encrypted {
            assert_eq!(file.private_key(Some(b"wrong")).err(), Some(Error::WrongPassphrase));
        }
    }
}

#[test]
fn what_dropbear_writes_is_read() {
    let folder = Folder::with_keys(&["rsa2048", "ecdsa256", "ecdsa384", "ecdsa521", "ed25519"]);
    let mut cells = Vec::new();
    for args in [
        &["rsa", "-s", "2048"][..],
        &["dss"],
        &["ecdsa", "-s", "256"],
        &["ecdsa", "-s", "384"],
        &["ecdsa", "-s", "521"],
        &["ed25519"],
    ] {
        folder.run("dropbearkey", &[&["-f", "it", "-t"], args].concat());
        let said = folder.run("dropbearkey", &["-y", "-f", "it"]);
        folder.write("line", said.lines().find(|line| line.starts_with("ssh-") || line.starts_with("ecdsa-")).unwrap());
        cells.push(private(
            format!("dropbear {args:?}"),
            folder.read("it"),
            Format::Dropbear,
            false,
            &folder.fingerprint("line"),
            None,
        ));
        std::fs::remove_file(folder.path("it")).unwrap();
    }
    for name in ["rsa2048", "ecdsa256", "ecdsa384", "ecdsa521", "ed25519"] {
        folder.run("dropbearconvert", &["openssh", "dropbear", name, "it"]);
        cells.push(private(
            format!("dropbear from {name}"),
            folder.read("it"),
            Format::Dropbear,
            false,
            &folder.fingerprint(name),
            None,
        ));
    }
    all_are_read(&cells);
}

#[test]
fn ed448_is_carried_where_its_public_half_is_in_the_file() {
    let folder = Folder::new();
    folder.run("puttygen", &["-t", "ed448", "-q", "-o", "ppk", "--new-passphrase", "pass", "-C", "goldilocks"]);
    let line = folder.run("puttygen", &["-L", "ppk", "--old-passphrase", "pass"]);
    let shown = PublicKey::decode(line.as_bytes(), &Limits::default()).unwrap();
    let fingerprint = shown.fingerprint().to_string();
    assert!(folder.run("puttygen", &["-l", "-E", "sha256", "ppk"]).contains(&fingerprint));
    let mut cells =
        vec![private("PPK 3".into(), folder.read("ppk"), Format::Ppk3, true, &fingerprint, Some("goldilocks"))];
    folder.run(
        "puttygen",
        &[
            "ppk",
            "--old-passphrase",
            "pass",
            "-O",
            "private-openssh-new",
            "-o",
            "openssh",
            "--new-passphrase",
            "nopass",
        ],
    );
    let made = |args: &[&str]| {
        let from = if args.contains(&"private") { "openssh" } else { "ppk" };
        folder.run("puttygen", &[&[from, "--old-passphrase", "pass", "-o", "it"], args].concat());
        folder.read("it")
    };
    for (passphrase, encrypted) in [("nopass", false), ("pass", true)] {
        let file = made(&["-O", "private", "--ppk-param", "version=2", "--new-passphrase", passphrase]);
        cells.push(private("PPK 2".into(), file, Format::Ppk2, encrypted, &fingerprint, None));
        let file = made(&["-O", "private-openssh-new", "--new-passphrase", passphrase]);
        cells.push(private("openssh".into(), file, Format::OpensshKeyV1, encrypted, &fingerprint, None));
    }
    cells.push(public("RFC 4716".into(), made(&["-O", "public"]), Format::Rfc4716, &fingerprint, None));
    all_are_read(&cells);

    folder.run("openssl", &["genpkey", "-algorithm", "ed448", "-out", "it"]);
    let refused = PrivateKey::decode(&folder.read("it"), None, &Limits::default()).unwrap_err();
    assert!(refused.to_string().contains("no public half"), "{refused}");
    folder.run("openssl", &["pkey", "-in", "it", "-pubout", "-out", "public"]);
    assert_eq!(PublicKey::decode(&folder.read("public"), &Limits::default()).unwrap().bits(), Some(448));
}
