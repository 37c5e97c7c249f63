//! A real OpenSSH server on loopback, with keys of its own, as the user who runs the tests.

use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    targets,
    world::{Process, eventually},
};

const PROGRAM: &str = "/usr/sbin/sshd";

pub(crate) struct Sshd {
    folder: PathBuf,
    pub(crate) port: u16,
    _process: Process,
}

impl Sshd {
    /// Starts a server whose files are in `folder`, on a free port.
    pub(crate) fn start(folder: &Path) -> Self {
        Self::start_on(folder, targets::nobody())
    }

    pub(crate) fn start_on(folder: &Path, port: u16) -> Self {
        assert!(Path::new(PROGRAM).exists(), "{PROGRAM} is missing: install openssh-server");
        // sshd wants this folder when it runs as root; others cannot make it and do not need it.
        drop(fs::create_dir_all("/run/sshd"));
        fs::create_dir_all(folder).unwrap();
        for key in ["host_key", "user_key"] {
            if !folder.join(key).exists() {
                make_key(&folder.join(key));
            }
        }
        fs::copy(folder.join("user_key.pub"), folder.join("authorized_keys")).unwrap();
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {0}/host_key\nAuthorizedKeysFile {0}/authorized_keys\n\
             PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             PermitRootLogin prohibit-password\nMaxStartups 200\nSubsystem sftp internal-sftp\nLogLevel ERROR\n",
            folder.display()
        );
        fs::write(folder.join("sshd_config"), config).unwrap();
        let mut command = Command::new(PROGRAM);
        command.args(["-D", "-e", "-f"]).arg(folder.join("sshd_config")).stdin(Stdio::null());
        let process = Process::spawn(&mut command);
        eventually("sshd listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { folder: folder.to_owned(), port, _process: process }
    }

    /// Options for ssh and scp: this server's user key, and files of the test instead of the user's own.
    pub(crate) fn client_options(&self) -> Vec<String> {
        let file = |name: &str| self.folder.join(name).display().to_string();
        vec![
            format!("IdentityFile={}", file("user_key")),
            "IdentitiesOnly=yes".into(),
            "BatchMode=yes".into(),
            format!("UserKnownHostsFile={}", file("known_hosts")),
            "GlobalKnownHostsFile=/dev/null".into(),
            "StrictHostKeyChecking=accept-new".into(),
            "HashKnownHosts=no".into(),
            "LogLevel=ERROR".into(),
        ]
    }

    pub(crate) fn known_hosts(&self) -> String {
        fs::read_to_string(self.folder.join("known_hosts")).unwrap_or_default()
    }

    /// Stops the server and starts one with another host key on the same port.
    pub(crate) fn replace_host_key(self) -> Self {
        let Self { folder, port, _process: process } = self;
        drop(process);
        fs::remove_file(folder.join("host_key")).unwrap();
        fs::remove_file(folder.join("host_key.pub")).unwrap();
        Self::start_on(&folder, port)
    }
}

fn make_key(path: &Path) {
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(path).status().unwrap();
    assert!(made.success());
}
