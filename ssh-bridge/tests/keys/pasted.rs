//! Keys as they arrive: pasted, mailed, saved by editors.

use towline_ssh_bridge::keys::{Format, KeyFile, Limits};

use crate::tools::{Folder, PASSPHRASE};

/// A name for it, and what it does to a text.
type Damage = (&'static str, fn(&str) -> Vec<u8>);

const DAMAGES: [Damage; 13] = [
    ("a byte order mark", |text| format!("\u{feff}{text}").into()),
    ("CRLF", |text| text.replace('\n', "\r\n").into()),
    ("CR", |text| text.replace('\n', "\r").into()),
    ("indentation", |text| text.lines().map(|line| format!("    {line}\n")).collect::<String>().into()),
    ("tabs", |text| text.lines().map(|line| format!("\t{line}\n")).collect::<String>().into()),
    ("blanks at the ends", |text| text.replace('\n', "  \n").into()),
    ("blank lines around", |text| format!("\n\n{text}\n\n\n").into()),
    ("blanks for line ends", |text| text.trim_end().replace('\n', " ").into()),
    ("line ends written out", |text| text.replace('\n', "\\n").into()),
    ("line ends of Windows written out", |text| text.replace('\n', "\\r\\n").into()),
    ("no line end", |text| text.trim_end().into()),
    ("UTF-16", |text| [vec![0xff, 0xfe], text.encode_utf16().flat_map(u16::to_le_bytes).collect()].concat()),
    ("UTF-16, big end first", |text| {
        [vec![0xfe, 0xff], text.encode_utf16().flat_map(u16::to_be_bytes).collect()].concat()
    }),
];

#[test]
fn damage_that_takes_nothing_away_does_no_harm() {
    let folder = Folder::with_keys(&["rsa2048", "ed25519"]);
    let mut count = 0;
    for name in ["rsa2048", "ed25519"] {
        let fingerprint = folder.fingerprint(name);
        let convert = |args: &[&str]| {
            folder.run("puttygen", &[&[name, "-o", "it"], args].concat());
            String::from_utf8(folder.read("it")).unwrap()
        };
        let keygen = |args: &[&str]| {
            folder.copy(name, "it");
            folder.run("ssh-keygen", &[&["-q", "-p", "-P", "", "-f", "it", "-a", "2"], args].concat());
            String::from_utf8(folder.read("it")).unwrap()
        };
        let mut files = vec![
            (Format::OpensshKeyV1, keygen(&["-N", ""])),
            (Format::OpensshKeyV1, keygen(&["-N", PASSPHRASE])),
            (Format::Ppk2, convert(&["-O", "private", "--ppk-param", "version=2", "--new-passphrase", "pass"])),
            (Format::Ppk3, convert(&["-O", "private", "--new-passphrase", "nopass"])),
            (
                Format::Ppk3,
                convert(&["-O", "private", "--ppk-param", "memory=512,passes=2", "--new-passphrase", "pass"]),
            ),
            (Format::Rfc4716, convert(&["-O", "public"])),
            (Format::OneLine, convert(&["-O", "public-openssh"])),
        ];
        if name == "rsa2048" {
            files.push((Format::Pkcs1, keygen(&["-m", "PEM", "-N", ""])));
            files.push((Format::Pkcs1, keygen(&["-m", "PEM", "-N", PASSPHRASE])));
            files.push((Format::Pkcs8, keygen(&["-m", "PKCS8", "-N", ""])));
            files.push((Format::Pkcs8, keygen(&["-m", "PKCS8", "-N", PASSPHRASE])));
            files.push((Format::SshCom, convert(&["-O", "private-sshcom", "--new-passphrase", "nopass"])));
            files.push((Format::SshCom, convert(&["-O", "private-sshcom", "--new-passphrase", "pass"])));
        }
        for (format, text) in files {
            for (damage, inflict) in DAMAGES {
                let damaged = inflict(&text);
                let file = KeyFile::decode(&damaged, &Limits::default());
                let file = file.unwrap_or_else(|error| panic!("{name} {format} {damage}: {error}\n{text}"));
                assert_eq!(file.format(), format, "{damage}");
                let public = match file.is_private() {
                    true => file
                        .private_key(Some(PASSPHRASE.as_bytes()))
                        .unwrap_or_else(|error| panic!("{name} {format} {damage}: {error}\n{text}"))
                        .public_key()
                        .clone(),
                    false => file.public_key().unwrap().clone(),
                };
                assert_eq!(public.fingerprint().to_string(), fingerprint, "{format} {damage}");
                count += 1;
            }
        }
    }
    eprintln!("{count} damaged files read");
}

#[test]
fn base64_that_lost_its_armour_is_read() {
    let folder = Folder::with_keys(&["ed25519"]);
    let fingerprint = folder.fingerprint("ed25519");
    let line = String::from_utf8(folder.read("ed25519.pub")).unwrap();
    let file = String::from_utf8(folder.read("ed25519")).unwrap();
    let body: String = file.lines().filter(|line| !line.starts_with('-')).map(|line| format!("{line}\n")).collect();
    for (text, format) in [(line.split(' ').nth(1).unwrap(), Format::OneLine), (&body, Format::OpensshKeyV1)] {
        let file = KeyFile::decode(text.as_bytes(), &Limits::default()).unwrap();
        assert_eq!((file.format(), file.fingerprint().unwrap().to_string()), (format, fingerprint.clone()));
    }
}
