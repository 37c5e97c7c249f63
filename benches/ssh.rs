//! Ctrl+C while `yes` floods the terminal: from the key to the first output that is not of `yes`. Ours beside OpenSSH's
//! client, both to a real sshd of their own. The goal is 100 ms at the 99th percentile, which is printed.

#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::{
    fs,
    os::fd::OwnedFd,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    process::{Child, ChildStdin, ChildStdout},
    runtime::Runtime,
};
use towline_ssh_bridge::{
    Bridge, Config, Credential, Event, Events, Program,
    keys::{Limits, PublicKey},
};

/// Floods, says when it is interrupted, and floods again.
const SCRIPT: &str = "trap 'echo interrupted' INT; while kill -0 $PPID; do yes; done";
const FLOOD: &[u8] = b"y\r\ny\r\ny\r\n";
const MARK: &[u8] = b"interrupted\r\n";
const SSHD: &str = "/usr/sbin/sshd";

/// Files for a server that lets whoever runs this in with a key.
fn files() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    // Root's servers change to this folder; others do not need it.
    drop(fs::create_dir_all("/run/sshd"));
    for key in ["host_key", "user_key"] {
        let made =
            Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path.join(key)).status();
        assert!(made.is_ok_and(|made| made.success()), "ssh-keygen is missing: run .ci/install");
    }
    let config = format!(
        "HostKey {0}/host_key\nAuthorizedKeysFile {0}/user_key.pub\nPidFile none\nStrictModes no\nUsePAM no\n\
         PasswordAuthentication no\nPermitRootLogin prohibit-password\nLogLevel ERROR\n",
        path.display()
    );
    fs::write(path.join("sshd_config"), config).expect("a file");
    folder
}

fn user() -> String {
    let output = Command::new("id").arg("-un").output().expect("id");
    String::from_utf8(output.stdout).expect("a name").trim().to_owned()
}

/// A terminal that shows bytes and takes keys.
trait Screen {
    async fn press(&mut self, key: &'static [u8]);
    async fn more(&mut self, shown: &mut Vec<u8>);

    /// Takes what is shown up to `mark`, and forgets it.
    async fn until(&mut self, shown: &mut Vec<u8>, mark: &[u8]) {
        loop {
            if let Some(at) = shown.windows(mark.len()).position(|window| window == mark) {
                shown.drain(..at + mark.len());
                return;
            }
            // Only a beginning of the mark may still be in there.
            shown.drain(..shown.len().saturating_sub(mark.len()));
            self.more(shown).await;
        }
    }
}

struct Ours {
    bridge: Bridge,
    events: Events,
    server: std::process::Child,
}

impl Ours {
    fn connect(files: &Path) -> Self {
        let (near, far) = std::os::unix::net::UnixStream::pair().expect("a socket pair");
        let mut sshd = Command::new(SSHD);
        sshd.args(["-i", "-f"]).arg(files.join("sshd_config"));
        sshd.stdin(OwnedFd::from(far.try_clone().expect("a descriptor"))).stdout(OwnedFd::from(far));
        let server = sshd.spawn().expect("openssh-server is missing: run .ci/install");
        near.set_nonblocking(true).expect("a socket");
        let read = |name: &str| fs::read_to_string(files.join(name)).expect("a file");
        let mut config = Config::new(user());
        config.credentials = vec![Credential::KeyText(read("user_key").into())];
        let host_key = PublicKey::decode(read("host_key.pub").as_bytes(), &Limits::default());
        config.host_keys = vec![host_key.expect("a key")];
        config.program = Program::Command(SCRIPT.into());
        let (bridge, events) = Bridge::connect(UnixStream::from_std(near).expect("a socket"), config);
        Self { bridge, events, server }
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Screen for Ours {
    async fn press(&mut self, key: &'static [u8]) {
        self.bridge.send(&mut Bytes::from_static(key)).await.expect("a session");
    }

    async fn more(&mut self, shown: &mut Vec<u8>) {
        if let Event::Output(bytes) = self.events.next().await.expect("a session").expect("a program") {
            shown.extend_from_slice(&bytes);
        }
    }
}

struct OpenSsh {
    keys: ChildStdin,
    screen: ChildStdout,
    _client: Child,
}

impl OpenSsh {
    fn connect(files: &Path) -> Self {
        let folder = files.display();
        let mut ssh = tokio::process::Command::new("ssh");
        ssh.args([
            "-F",
            "none",
            "-tt",
            "-o",
            "BatchMode=yes",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "LogLevel=ERROR",
        ])
        .args(["-o", "UserKnownHostsFile=/dev/null", "-o", "IdentitiesOnly=yes"])
        .args(["-o", &format!("ProxyCommand={SSHD} -i -f {folder}/sshd_config")])
        .args(["-i", &format!("{folder}/user_key"), &format!("{}@bench", user()), SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
        let mut client = ssh.spawn().expect("openssh-client is missing: run .ci/install");
        let (keys, screen) = (client.stdin.take().expect("a pipe"), client.stdout.take().expect("a pipe"));
        Self { keys, screen, _client: client }
    }
}

impl Screen for OpenSsh {
    async fn press(&mut self, key: &'static [u8]) {
        self.keys.write_all(key).await.expect("a session");
    }

    async fn more(&mut self, shown: &mut Vec<u8>) {
        assert!(self.screen.read_buf(shown).await.expect("a session") > 0, "the session has ended");
    }
}

async fn interrupt(screen: &mut impl Screen, shown: &mut Vec<u8>) -> Duration {
    screen.until(shown, FLOOD).await;
    let pressed = Instant::now();
    screen.press(b"\x03").await;
    screen.until(shown, MARK).await;
    pressed.elapsed()
}

fn measure(criterion: &mut Criterion, runtime: &Runtime, name: &str, mut screen: impl Screen) {
    let mut latencies = Vec::new();
    let mut shown = Vec::new();
    let mut group = criterion.benchmark_group("ssh/ctrl+c during yes");
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|times| {
            let sample = (0..times).map(|_| runtime.block_on(interrupt(&mut screen, &mut shown)));
            let sample: Vec<Duration> = sample.collect();
            latencies.extend_from_slice(&sample);
            sample.iter().sum()
        });
    });
    group.finish();
    latencies.sort_unstable();
    let at = |percent: usize| latencies.get(latencies.len() * percent / 100).copied().unwrap_or_default();
    println!("{name}: {} times, p50 {:?}, p99 {:?}, worst {:?}", latencies.len(), at(50), at(99), latencies.last());
}

fn ssh(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let files = files();
    let ours = runtime.block_on(async { Ours::connect(files.path()) });
    measure(criterion, &runtime, "bridge", ours);
    let peer = runtime.block_on(async { OpenSsh::connect(files.path()) });
    measure(criterion, &runtime, "openssh client", peer);
}

criterion_group!(benches, ssh);
criterion_main!(benches);
