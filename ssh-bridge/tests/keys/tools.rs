//! The real tools, each call in a folder of its own test.

use std::{fs, path::PathBuf, process::Command};

use tempfile::TempDir;
use towline_ssh_bridge::keys::{Format, KeyFile, Limits};

pub(crate) const PASSPHRASE: &str = "correct horse";

/// Name, ssh-keygen's `-t` and `-b`.
pub(crate) const ALGORITHMS: [(&str, &str, &str); 9] = [
    ("rsa1024", "rsa", "1024"),
    ("rsa2048", "rsa", "2048"),
    ("rsa3072", "rsa", "3072"),
    ("rsa4096", "rsa", "4096"),
    ("dsa", "dsa", "1024"),
    ("ecdsa256", "ecdsa", "256"),
    ("ecdsa384", "ecdsa", "384"),
    ("ecdsa521", "ecdsa", "521"),
    ("ed25519", "ed25519", "256"),
];

/// The smaller of them, where size does not matter.
pub(crate) const SMALL: [&str; 6] = ["rsa2048", "dsa", "ecdsa256", "ecdsa384", "ecdsa521", "ed25519"];

pub(crate) struct Folder(TempDir);

impl Folder {
    /// An empty folder, save for files with a passphrase (`pass`) and with none (`nopass`).
    pub(crate) fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.write("pass", PASSPHRASE);
        folder.write("nopass", "");
        folder
    }

    /// A folder with a plain openssh-key-v1 file for each of these algorithms, and its public half.
    pub(crate) fn with_keys(names: &[&str]) -> Self {
        let folder = Self::new();
        for (name, kind, bits) in ALGORITHMS.iter().filter(|(name, _, _)| names.contains(name)) {
            folder.run(
                "ssh-keygen",
                &["-q", "-t", kind, "-b", bits, "-N", "", "-C", &format!("{name} of a test"), "-f", name],
            );
        }
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::write(&path, contents).unwrap();
        // ssh and ssh-keygen look at nobody's private key.
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn copy(&self, from: &str, to: &str) {
        self.write(to, self.read(from));
    }

    /// What the program says on standard output; it has to succeed.
    pub(crate) fn run(&self, program: &str, args: &[&str]) -> String {
        self.try_run(program, args).unwrap_or_else(|said| panic!("{program} {args:?}: {said}"))
    }

    /// What the program says, on standard output if it succeeds, else on standard error.
    pub(crate) fn try_run(&self, program: &str, args: &[&str]) -> Result<String, String> {
        let output = Command::new(program)
            .args(args)
            .current_dir(self.0.path())
            .env("HOME", self.0.path())
            .output()
            .unwrap_or_else(|error| panic!("{program} is missing, see .ci/install: {error}"));
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    /// What ssh-keygen says the key's fingerprint is.
    pub(crate) fn fingerprint(&self, name: &str) -> String {
        self.run("ssh-keygen", &["-l", "-f", name]).split(' ').nth(1).unwrap().to_owned()
    }
}

/// The body of an openssh-key-v1 file of a security key, as if it held the key with this blob. It takes the hardware to make a
/// real one; ssh-keygen takes these for one.
pub(crate) fn security_key_file(blob: &[u8]) -> Vec<u8> {
    let string = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
    let (name, public) = match blob.strip_prefix(&string(b"ssh-ed25519")[..]) {
        Some(public) => ("sk-ssh-ed25519@openssh.com", public),
        None => ("sk-ecdsa-sha2-nistp256@openssh.com", blob.strip_prefix(&string(b"ecdsa-sha2-nistp256")[..]).unwrap()),
    };
    let blob = [&string(name.as_bytes()), public, &string(b"ssh:")].concat();
    let fields = [string(b"ssh:"), vec![1], string(&[5; 64]), string(b"")].concat();
    let mut section =
        [&[1, 2, 3, 4, 1, 2, 3, 4][..], &string(name.as_bytes()), public, &fields, &string(b"a token")].concat();
    section.extend((1..=8).take((8 - section.len() % 8) % 8));
    [
        b"openssh-key-v1\0".to_vec(),
        string(b"none"),
        string(b"none"),
        string(b""),
        1u32.to_be_bytes().to_vec(),
        string(&blob),
        string(&section),
    ]
    .concat()
}

/// A file that has to be read, and what it has to be.
pub(crate) struct Cell {
    pub(crate) name: String,
    pub(crate) file: Vec<u8>,
    pub(crate) format: Format,
    pub(crate) private: bool,
    pub(crate) encrypted: bool,
    pub(crate) fingerprint: String,
    /// `None` if the container has no place for one.
    pub(crate) comment: Option<String>,
}

impl Cell {
    /// What is wrong with how this file is read, if anything is.
    pub(crate) fn fault(&self) -> Option<String> {
        let fault = |what: String| Some(format!("{}: {what}", self.name));
        let file = match KeyFile::decode(&self.file, &Limits::default()) {
            Ok(file) => file,
            Err(error) => return fault(error.to_string()),
        };
        if (file.format(), file.is_private(), file.is_encrypted()) != (self.format, self.private, self.encrypted) {
            return fault(format!("{} private {} encrypted {}", file.format(), file.is_private(), file.is_encrypted()));
        }
        let public = if self.private {
            match file.private_key(self.encrypted.then_some(PASSPHRASE.as_bytes())) {
                Ok(key) => key.public_key().clone(),
                Err(error) => return fault(error.to_string()),
            }
        } else {
            file.public_key().unwrap().clone()
        };
        if public.fingerprint().to_string() != self.fingerprint {
            return fault(format!("{} is not {}", public.fingerprint(), self.fingerprint));
        }
        match &self.comment {
            Some(comment) if public.comment() != comment => fault(format!("comment {:?}", public.comment())),
            _ => None,
        }
    }
}

/// Holds all of them to what they say, and says which do not.
pub(crate) fn all_are_read(cells: &[Cell]) {
    let faults: Vec<String> = cells.iter().filter_map(Cell::fault).collect();
    eprintln!("{} of {} files read", cells.len() - faults.len(), cells.len());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
