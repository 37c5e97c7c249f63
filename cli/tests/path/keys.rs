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
