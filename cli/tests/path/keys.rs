//! `towline keys`: what files are, the same keys in other containers, new ones. No cloud is needed.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

fn towline(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_towline")).args(arguments).current_dir(folder).output().unwrap()
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn ssh_keygen(folder: &Path, arguments: &[&str]) -> String {
    said(&Command::new("ssh-keygen").args(arguments).current_dir(folder).output().unwrap())
}

#[test]
fn any_key_file_is_inspected() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("pass"), "correct horse\n").unwrap();
    ssh_keygen(
        folder,
        &["-q", "-t", "rsa", "-b", "2048", "-N", "correct horse", "-m", "PEM", "-C", "old", "-f", "rsa"],
    );
    let fingerprint = ssh_keygen(folder, &["-l", "-f", "rsa.pub"]).split(' ').nth(1).unwrap().to_owned();

    let inspect = |arguments: &[&str]| -> Value {
        let all = [&["--output", "json", "keys", "inspect"], arguments].concat();
        serde_json::from_str(&said(&towline(folder, &all))).unwrap()
    };
    let closed = inspect(&["rsa"]);
    assert_eq!(
        (&closed["format"], &closed["encrypted"], &closed["private"]),
        (&"pkcs1".into(), &true.into(), &true.into())
    );
    assert_eq!(closed["fingerprint"], Value::Null);
    let opened = inspect(&["rsa", "--passphrase-file", "pass"]);
    assert_eq!((&opened["fingerprint"], &opened["bits"]), (&fingerprint.clone().into(), &2048.into()));
    let public = inspect(&["rsa.pub"]);
    assert_eq!(
        (&public["format"], &public["private"], &public["comment"]),
        (&"one-line".into(), &false.into(), &"old".into())
    );
    assert_eq!(said(&towline(folder, &["keys", "fingerprint", "rsa.pub"])).trim(), fingerprint);

    for (arguments, reason) in [
        (&["keys", "inspect", "pass"][..], "this is no key"),
        (&["keys", "inspect", "missing"], "No such file"),
        (&["keys", "fingerprint", "rsa"], "--passphrase-file"),
        (&["keys", "convert", "rsa.pub", "--to", "openssh", "--out", "x"], "only the public half"),
        (
            &["keys", "convert", "rsa", "--passphrase-file", "rsa.pub", "--to", "openssh", "--out", "x"],
            "passphrase is wrong",
        ),
        (&["keys", "generate", "--out", "rsa"], "exists"),
    ] {
        let refused = towline(folder, arguments);
        let text = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && text.contains(reason), "{arguments:?}: {text}");
    }
}

#[test]
fn every_line_of_known_hosts_and_authorized_keys_is_listed_and_a_bad_one_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for name in ["first", "second"] {
        ssh_keygen(folder, &["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", name]);
    }
    ssh_keygen(folder, &["-q", "-s", "first", "-I", "mia's", "-n", "mia", "second.pub"]);
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let fingerprint = |name: &str| ssh_keygen(folder, &["-l", "-f", name]).split(' ').nth(1).unwrap().to_owned();
    let (first, second) = (read("first.pub"), read("second.pub"));
    let inspect = |format: &str| towline(folder, &["--output", format, "keys", "inspect", "list"]);
    let list = |text: String| {
        fs::write(folder.join("list"), text).unwrap();
        let output = inspect("json");
        let entries: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        (entries, output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };

    let (entries, code, reason) = list(format!(
        "# gateways\n\nrestrict {first}pump,192.0.2.7 {second}@revoked * {first}valve ssh-ed25519 nonsense\n\
         @unheard-of x {first}|1|c2FsdA==|aGFzaA== {second}",
    ));
    assert_eq!(code, Some(2));
    assert!(reason.contains("list: line 6: ") && reason.contains("and 1 more"), "{reason}");
    let lines: Vec<u64> = entries.iter().map(|entry| entry["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [3, 4, 5, 6, 7, 8]);
    assert_eq!(
        (&entries[0]["hosts"], &entries[0]["fingerprint"]),
        (&"restrict".into(), &fingerprint("first.pub").into()),
        "known_hosts, as most of it can be nothing else"
    );
    assert_eq!((&entries[1]["hosts"], &entries[1]["comment"]), (&"pump,192.0.2.7".into(), &"second".into()));
    assert_eq!((&entries[2]["marker"], &entries[2]["bits"]), (&"@revoked".into(), &256.into()));
    assert!(entries[3]["error"].is_string() && entries[4]["error"].is_string() && entries[5]["error"].is_null());
    let table = inspect("table");
    assert_eq!(table.status.code(), Some(2));
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(table.contains("@revoked *") && table.contains("not read"), "{table}");
    assert_eq!(table.matches(&fingerprint("first.pub")).count(), 2, "{table}");

    let certificate = read("second-cert.pub");
    let (entries, code, reason) = list(format!("{first}restrict,command=\"echo \\\"hi\\\"\" {second}{certificate}"));
    assert_eq!((code, reason.as_str()), (Some(0), ""));
    assert_eq!(entries.len(), 3);
    assert_eq!(entries[0]["options"], Value::Array(Vec::new()));
    assert_eq!(entries[1]["options"][1], "command=\"echo \\\"hi\\\"\"");
    assert_eq!(entries[2]["certificate"]["key_id"], "mia's");
    assert_eq!(entries[2]["fingerprint"], fingerprint("second.pub"));

    // More than a file with one key may have.
    let (entries, code, _) = list(first.repeat(2000));
    assert_eq!((entries.len(), code), (2000, Some(0)));
    // A host alone is a list, too; a key alone is a key.
    let (entries, code, _) = list(format!("pump {first}"));
    assert_eq!((entries.len(), code), (1, Some(0)));
    fs::write(folder.join("list"), format!("# mine\n{first}")).unwrap();
    let one: Value = serde_json::from_str(&said(&inspect("json"))).unwrap();
    assert_eq!(one["comment"], "first");
    // What is neither is refused as a whole.
    fs::write(folder.join("list"), "hello\nworld\n".repeat(100_000)).unwrap();
    assert_eq!(inspect("json").status.code(), Some(2));
}

/// A number's digits, from hexadecimal ones.
fn decimal(hex: &str) -> String {
    let mut digits = vec![0];
    for digit in hex.trim().chars().map(|char| char.to_digit(16).unwrap()) {
        let mut carry = digit;
        for place in &mut digits {
            carry += *place * 16;
            (*place, carry) = (carry % 10, carry / 10);
        }
        while carry > 0 {
            digits.push(carry % 10);
            carry /= 10;
        }
    }
    digits.iter().rev().map(u32::to_string).collect()
}

#[test]
fn the_fingerprint_of_each_key_in_a_file_is_the_one_that_ssh_keygen_prints() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (name, kind) in [("first", "ed25519"), ("second", "ecdsa"), ("third", "rsa"), ("fourth", "rsa")] {
        let bits = if kind == "rsa" { "1024" } else { "256" };
        ssh_keygen(folder, &["-q", "-t", kind, "-b", bits, "-m", "PEM", "-N", "", "-C", name, "-f", name]);
    }
    ssh_keygen(folder, &["-q", "-s", "first", "-I", "mia's", "-n", "mia", "second.pub"]);
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let (first, second, third) = (read("first.pub"), read("second.pub"), read("third.pub"));
    let by_ssh_keygen = |name: &str| -> Vec<String> {
        let lines = ssh_keygen(folder, &["-l", "-f", name]);
        lines.lines().map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect()
    };
    let ours = |format: &str| towline(folder, &["--output", format, "keys", "fingerprint", "list"]);

    let certificate = read("second-cert.pub");
    let authorized_keys =
        format!("# who may\n{first}\nrestrict,command=\"echo \\\"hi\\\"\" {second}{certificate}{third}");
    let known_hosts = format!("pump,192.0.2.7 {second}|1|c2FsdA==|aGFzaA== {first}[valve]:2222 {third}");
    for (list, keys) in [(&authorized_keys, 4), (&known_hosts, 3), (&format!("pump {first}"), 1)] {
        fs::write(folder.join("list"), list).unwrap();
        let expected = by_ssh_keygen("list");
        assert_eq!(expected.len(), keys);
        assert_eq!(said(&ours("table")).lines().collect::<Vec<_>>(), expected);
        assert_eq!(serde_json::from_str::<Vec<String>>(&said(&ours("json"))).unwrap(), expected);
    }

    // ssh-keygen does not know version 1 any more, but the same numbers as a key of version 2.
    let version1 = ["third", "fourth"].map(|name| {
        let asked = ["rsa", "-noout", "-modulus", "-in", name];
        let modulus = said(&Command::new("openssl").args(asked).current_dir(folder).output().unwrap());
        format!("1024 65537 {} {name}\n", decimal(modulus.strip_prefix("Modulus=").unwrap()))
    });
    fs::write(folder.join("list"), format!("# old\n{}{}", version1[0], version1[1])).unwrap();
    let expected = [by_ssh_keygen("third.pub"), by_ssh_keygen("fourth.pub")].concat();
    assert_eq!(said(&ours("table")).lines().collect::<Vec<_>>(), expected);
    let inspected = said(&towline(folder, &["keys", "inspect", "list"]));
    assert!(expected.iter().all(|fingerprint| inspected.contains(fingerprint)), "{inspected}");

    // What can be read is printed, and what cannot is named.
    fs::write(folder.join("list"), format!("{first}ssh-ed25519 nonsense\n{second}")).unwrap();
    let output = ours("table");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("list: line 2: "));
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().collect::<Vec<_>>(), by_ssh_keygen("list"));
}

#[test]
fn keys_are_made_and_converted_and_ssh_keygen_takes_them() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("pass"), "correct horse\n").unwrap();
    said(&towline(
        folder,
        &["keys", "generate", "--out", "new", "--comment", "me@here", "--new-passphrase-file", "pass"],
    ));
    assert_eq!(fs::metadata(folder.join("new")).unwrap().permissions().mode() & 0o777, 0o600);
    let line = fs::read_to_string(folder.join("new.pub")).unwrap();
    assert!(line.starts_with("ssh-ed25519 AAAA") && line.ends_with(" me@here\n"), "{line}");
    let derived = ssh_keygen(folder, &["-y", "-P", "correct horse", "-f", "new"]);
    assert_eq!(derived.trim(), line.trim());

    let converted = ["keys", "convert", "new", "--passphrase-file", "pass", "--to", "ppk", "--out", "new.ppk"];
    assert!(said(&towline(folder, &converted)).contains("NOT encrypted"));
    let back = ["keys", "convert", "new.ppk", "--to", "one-line", "--out", "-"];
    assert_eq!(said(&towline(folder, &back)), line);
    let rfc4716 = said(&towline(folder, &["keys", "convert", "new.ppk", "--to", "rfc4716", "--out", "-"]));
    assert!(rfc4716.starts_with("---- BEGIN SSH2 PUBLIC KEY ----\nComment: \"me@here\"\n"), "{rfc4716}");

    for (kind, algorithm) in [
        ("ecdsa-p256", "ecdsa-sha2-nistp256"),
        ("ecdsa-p384", "ecdsa-sha2-nistp384"),
        ("ecdsa-p521", "ecdsa-sha2-nistp521"),
    ] {
        said(&towline(folder, &["keys", "generate", "--type", kind, "--out", kind, "--to", "pem"]));
        assert!(ssh_keygen(folder, &["-y", "-P", "", "-f", kind]).starts_with(algorithm));
    }
}
