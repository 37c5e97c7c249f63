//! Real daemons and clients on loopback, on terminals of their own. What is missing here is a failure: `.ci/install` has it all.
//!
//! Debian's busybox has the client, but no telnetd: its first flight is in `tests/session/history.rs`.

mod clients;
mod daemons;
mod end;
mod programs;
mod pty;
mod screens;
mod serial;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Child,
    time::Duration,
};

/// A test that waits for longer has failed.
const PATIENCE: Duration = Duration::from_secs(180);

/// What a daemon runs instead of login: asks for a name, then is a shell without a prompt.
const LOGIN: &str = "printf 'peer login: '\nread -r name\nprintf 'hello %s\\n' \"$name\"\nPS1= exec /bin/sh\n";

/// A program that lives as long as the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A file in the tests' own folder.
fn file(name: &str, text: &[u8]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_file(&path);
    fs::write(&path, text).unwrap();
    path
}

fn script(name: &str, text: &str) -> PathBuf {
    let path = file(name, format!("#!/bin/sh\n{text}").as_bytes());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// The path of a program, of Debian's or of those that `.ci/install` puts into a folder of their own.
fn found(program: &str) -> PathBuf {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/peers/bin");
    let folders =
        [ours.as_path()].into_iter().chain(["/usr/local/bin", "/usr/sbin", "/usr/bin", "/bin"].map(Path::new));
    let path = folders.map(|folder| folder.join(program)).find(|path| path.exists());
    path.unwrap_or_else(|| panic!("{program} is missing: run .ci/install"))
}

fn position(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}
