//! Putting a public key into `authorized_keys` on a target, in one session that a person's password opens.
//!
//! ```text
//!   target: so many bytes ─ authorized_keys ─►  cloud: is the key in it?
//!   target: adds them     ◄─ what is missing, and a dot ─ cloud
//! ```

use bytes::Bytes;
use towline_cloud_api::{Endpoint, ErrorCode, HostKey};
use towline_ssh_bridge::{
    Bridge, Config, Credential, Event, Exit, HostKeyQuestion, Program, Verdict,
    keys::{AuthorizedKeys, PublicKey},
};
use towline_tunnel_proto::driver::Channel;

use super::ssh::{failure, host_key, key_limits};
use crate::{api::Failure, attempt::MAX_REASON_CHARS, store::audit::clean};

/// For any POSIX shell, from within any login shell: between the quotes is nothing that one of them would replace. `cat`
/// comes after the length, so that whatever a shell says at its start is told from it.
const SCRIPT: &str = concat!(
    "exec sh -c '",
    "umask 077; cd \"$HOME\" && mkdir -p .ssh && chmod 700 .ssh && cd .ssh && ",
    "touch authorized_keys && chmod 600 authorized_keys && ",
    "echo towline \"$(wc -c <authorized_keys)\" && cat authorized_keys && ",
    "while IFS= read -r line && [ \"$line\" != . ]; do printf \"%s\\n\" \"$line\"; done >>authorized_keys'"
);
const HEAD: &[u8] = b"towline ";
/// Longer files are left alone.
const MAX_FILE_BYTES: usize = 1024 * 1024;
/// What a shell may say before the script speaks.
const MAX_NOISE_BYTES: usize = 64 * 1024;
const MAX_ERROR_BYTES: usize = 4096;

/// How far it came.
#[derive(Default)]
pub(crate) struct Installed {
    /// The server's key, if it has shown one.
    pub(crate) host_key: Option<HostKey>,
    /// It was accepted so as to be kept.
    pub(crate) keeps: bool,
    /// Whether the file had the key already.
    pub(crate) was_there: bool,
}

/// Installs `key` for the endpoint's user. A host key that is not known is accepted if its fingerprint is `trusted`, or
/// if an endpoint without one trusts the first that comes.
pub(crate) async fn install(
    endpoint: &Endpoint,
    key: &PublicKey,
    password: &str,
    trusted: Option<&str>,
    trusts_first: bool,
    channel: Channel,
) -> (Installed, Result<(), Failure>) {
    let mut config = Config::new(endpoint.user.clone().unwrap_or_default());
    config.credentials.push(Credential::Password(password.into()));
    config.terminal = None;
    config.program = Program::Command(SCRIPT.into());
    config.legacy_algorithms = endpoint.legacy_algorithms;
    config.host_keys = endpoint.host_keys.iter().filter_map(|key| key.key.parse().ok()).collect();
    let trusts_first = trusts_first && config.host_keys.is_empty();
    let mut installed = Installed::default();
    let mut decide = |question: HostKeyQuestion| {
        let shown = host_key(&question.offered);
        let is_trusted = trusts_first || trusted == Some(shown.fingerprint.as_str());
        installed.host_key = Some(shown);
        // A changed key stops it, whatever is trusted.
        if question.verdict == Verdict::Unknown && is_trusted {
            installed.keeps = true;
            question.accept();
        } else {
            question.reject();
        }
    };
    let done = talk(channel, config, key, &mut decide).await;
    let done = done.map(|(host_key, was_there)| {
        installed.host_key = Some(host_key);
        installed.was_there = was_there;
    });
    (installed, done)
}

/// The server's key, and whether the file had the key already.
async fn talk(
    channel: Channel,
    config: Config,
    key: &PublicKey,
    decide: &mut (impl FnMut(HostKeyQuestion) + Send),
) -> Result<(HostKey, bool), Failure> {
    let (bridge, mut events) = Bridge::connect(channel, config);
    let mut shown = None;
    let (mut said, mut complaint, mut was_there) = (Vec::new(), Vec::new(), None);
    while let Some(event) = events.next().await.map_err(|error| failure(&error))? {
        match event {
            Event::HostKey(question) => decide(question),
            Event::Password(_) => return Err(refused("the password is wrong")),
            Event::Prompts(question) if question.prompts.is_empty() => question.answer(Vec::new()),
            Event::Prompts(_) => return Err(refused("the target asks for something else than this password")),
            Event::Ready(ready) => shown = Some(host_key(&ready.host_key)),
            Event::Output(bytes) if was_there.is_none() => {
                said.extend_from_slice(&bytes);
                if let Some(file) = file_in(&said)? {
                    let (is_there, mut missing) = missing(file, key)?;
                    was_there = Some(is_there);
                    missing.extend_from_slice(b".\n");
                    // The script may have ended; then its exit says why.
                    let _ = bridge.send(&mut Bytes::from(missing)).await;
                }
            }
            Event::ErrorOutput(bytes) => {
                let room = MAX_ERROR_BYTES.saturating_sub(complaint.len());
                complaint.extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
            }
            Event::Exit(Exit::Status(0)) => {
                return match (shown, was_there) {
                    (Some(host_key), Some(was_there)) => Ok((host_key, was_there)),
                    _ => Err(unsupported("its shell did not run what it was given")),
                };
            }
            Event::Exit(_) => {
                let why = String::from_utf8_lossy(&complaint);
                let why = why.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or("no reason was given");
                let detail = clean(&format!("~/.ssh/authorized_keys could not be written: {why}"), MAX_REASON_CHARS);
                return Err(unsupported(&detail));
            }
            _ => {}
        }
    }
    Err(Failure::new(ErrorCode::TargetClosed, "the target ended the connection"))
}

fn refused(detail: &str) -> Failure {
    Failure::new(ErrorCode::TargetSignIn, detail)
}

fn unsupported(detail: &str) -> Failure {
    Failure::new(ErrorCode::TargetUnsupported, detail)
}

/// The file, once all of it has come.
fn file_in(said: &[u8]) -> Result<Option<&[u8]>, Failure> {
    let begins = |at: &usize| *at == 0 || said.get(at - 1) == Some(&b'\n');
    let mut heads = said.windows(HEAD.len()).enumerate().filter(|(_, window)| *window == HEAD).map(|(at, _)| at);
    let Some(head) = heads.find(begins) else {
        return if said.len() > MAX_NOISE_BYTES { Err(unsupported("its shell says too much")) } else { Ok(None) };
    };
    let rest = said.get(head + HEAD.len()..).unwrap_or_default();
    let Some(end) = rest.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
    let (length, file) = rest.split_at(end);
    let length = std::str::from_utf8(length).ok().and_then(|text| text.trim().parse::<usize>().ok());
    match length {
        Some(length) if length <= MAX_FILE_BYTES => Ok(file.get(1..=length)),
        Some(_) => Err(unsupported("~/.ssh/authorized_keys is too long")),
        None => Err(unsupported("its shell did not run what it was given")),
    }
}

/// Whether the file has the key, and what is to be added to it.
fn missing(file: &[u8], key: &PublicKey) -> Result<(bool, Vec<u8>), Failure> {
    let too_long = |_| unsupported("~/.ssh/authorized_keys is too long");
    let mut keys = AuthorizedKeys::decode(file, &key_limits()).map_err(too_long)?;
    if keys.find(key).is_some() {
        return Ok((true, Vec::new()));
    }
    keys.add(key).map_err(too_long)?;
    Ok((false, keys.as_bytes().get(file.len()..).unwrap_or_default().to_vec()))
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write as _,
        os::unix::fs::{PermissionsExt as _, symlink},
        process::{Command, Stdio},
    };

    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0TBZ0Dw4/mMxcbzJFBJUzXqXEbpJjVHMvEzUWnI7fM";

    #[test]
    fn the_file_is_told_from_what_a_shell_says_before_it() {
        let file = |said: &[u8]| file_in(said).map(|file| file.map(<[u8]>::to_vec)).map_err(|_| ());
        assert_eq!(file(b"Welcome!\ntowline 3\nabc"), Ok(Some(b"abc".to_vec())));
        assert_eq!(file(b"towline       0\n"), Ok(Some(Vec::new())));
        for cut in [&b""[..], b"towl", b"towline 3", b"towline 3\nab", b"not towline 1\n"] {
            assert_eq!(file(cut), Ok(None), "{cut:?}");
        }
        assert_eq!(file(b"towline many\n"), Err(()));
        assert_eq!(file(b"towline 99999999\n"), Err(()));
    }

    #[test]
    fn a_key_is_added_once_and_on_a_line_of_its_own() {
        let key: PublicKey = format!("{KEY} towline").parse().unwrap();
        let added = |file: &str| missing(file.as_bytes(), &key).map(|(_, lines)| lines).unwrap_or_default();
        let line = format!("{KEY} towline\n").into_bytes();
        assert_eq!(added(""), line);
        assert_eq!(added("# mine\n"), line);
        assert_eq!(added("# without an end"), [b"\n", &line[..]].concat());
        assert_eq!(added(&format!("# {KEY}\n")), line, "a comment lets nobody in");
        for there in [format!("{KEY}\n"), format!("restrict,pty {KEY} other comment")] {
            assert_eq!(missing(there.as_bytes(), &key).unwrap_or_default(), (true, Vec::new()), "{there}");
        }
    }

    #[test]
    fn every_shell_and_busybox_alone_run_the_script() {
        let run = |shell: &[&str], path: &str| {
            let home = tempfile::tempdir().unwrap();
            let mut command = Command::new(shell[0]);
            command.args(&shell[1..]).args(["-c", SCRIPT]).env("HOME", home.path()).env("PATH", path);
            let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            child.stdin.take().unwrap().write_all(b"a \\n $HOME 'line'\n.\nno more\n").unwrap();
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{shell:?}: {output:?}");
            assert_eq!(file_in(&output.stdout).map_err(|_| ()), Ok(Some(&b""[..])), "{shell:?}");
            let file = home.path().join(".ssh/authorized_keys");
            assert_eq!(std::fs::read(&file).unwrap(), b"a \\n $HOME 'line'\n", "{shell:?}");
            let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(&file), mode(&home.path().join(".ssh"))), (0o600, 0o700), "{shell:?}");
        };
        run(&["/bin/sh"], "/usr/bin:/bin");
        run(&["/bin/bash"], "/usr/bin:/bin");
        let applets = tempfile::tempdir().unwrap();
        for applet in ["sh", "mkdir", "chmod", "touch", "wc", "cat", "printf", "["] {
            symlink("/bin/busybox", applets.path().join(applet)).unwrap();
        }
        run(&["/bin/busybox", "sh"], applets.path().to_str().unwrap());
    }
}
