//! Real SSH servers: OpenSSH and dropbear, one process for each connection, over a socket pair.
//!
//! They run as whoever runs the tests. The account is no account of this machine: libnss_wrapper, loaded into the server
//! alone, reads users and passwords from files of the test. PAM, where a server uses it, gets its rules the same way.

use std::{
    fs,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Mutex,
    time::Duration,
};

use tempfile::TempDir;
use tokio::net::UnixStream;
use towline_ssh_bridge::{Config, Credential, Secret, keys::PublicKey};

use crate::operator::{DEADLINE, soon};

pub(crate) const USER: &str = "operator";
pub(crate) const PASSWORD: &str = "right password";
/// `openssl passwd -6 -salt towlinetest 'right password'`
const PASSWORD_HASH: &str =
    "$6$towlinetest$aFF6f9HpDUlin4W2m/3wpNVvcclecWRlge1UIbFNmM4QiM7hCbMjwW5wZiXWyBb8NFfU10A3YkfE2Fkz0izh9/";

/// A server's files, and how to start it.
pub(crate) struct Server {
    folder: TempDir,
    program: &'static str,
    arguments: Vec<String>,
    pam: bool,
    children: Mutex<Vec<Child>>,
}

impl Server {
    /// OpenSSH with passwords and keys, and these lines of `sshd_config` before the usual ones, which they override.
    pub(crate) fn openssh(options: &[&str]) -> Self {
        let folder = files();
        let path = folder.path().display();
        // Root's servers change to this folder; others do not need it.
        drop(fs::create_dir_all("/run/sshd"));
        let mut config = options.iter().map(|line| format!("{line}\n")).collect::<String>();
        config += &format!(
            "HostKey {path}/host_ed25519\nAuthorizedKeysFile {path}/authorized_keys\nPidFile none\nStrictModes no\n\
             UsePAM no\nPasswordAuthentication yes\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n\
             AcceptEnv LANG TOWLINE_*\nPrintMotd no\nPrintLastLog no\nLogLevel ERROR\n",
        );
        fs::write(folder.path().join("sshd_config"), config).unwrap();
        let arguments = vec!["-i".into(), "-e".into(), "-f".into(), format!("{path}/sshd_config")];
        Self { folder, program: "/usr/sbin/sshd", arguments, pam: false, children: Mutex::default() }
    }

    /// OpenSSH that asks by keyboard-interactive what these lines of a PAM service ask.
    pub(crate) fn openssh_with_pam(options: &[&str], authentication: &[&str]) -> Self {
        let mut all = vec!["UsePAM yes", "PasswordAuthentication no", "KbdInteractiveAuthentication yes"];
        all.splice(0..0, options.iter().copied());
        let mut server = Self::openssh(&all);
        server.pam = true;
        let pam = server.path("pam");
        fs::create_dir(&pam).unwrap();
        let mut rules = authentication.iter().map(|line| format!("auth {line}\n")).collect::<String>();
        rules += "account required pam_permit.so\nsession required pam_permit.so\n";
        // The module that knows passwords from a file. (pam_unix asks in a way that libnss_wrapper does not answer.)
        let matrix = format!("{} passdb=$FOLDER/passdb", pam_matrix().display());
        let rules = rules.replace("$PASSWORD", &matrix).replace("$FOLDER", &server.folder.path().display().to_string());
        fs::write(pam.join("sshd"), rules).unwrap();
        server.write("passdb", &format!("{USER}:{PASSWORD}:sshd\n"));
        server
    }

    /// dropbear with passwords.
    pub(crate) fn dropbear() -> Self {
        let folder = files();
        let key = folder.path().join("dropbear_ed25519");
        let made = Command::new("dropbearkey").args(["-t", "ed25519", "-f"]).arg(&key).output();
        assert!(made.is_ok_and(|made| made.status.success()), "dropbear is missing: run .ci/install");
        let arguments = ["-i", "-m", "-r"].into_iter().map(Into::into);
        let arguments = arguments.chain([key.display().to_string()]).collect();
        Self { folder, program: "/usr/sbin/dropbear", arguments, pam: false, children: Mutex::default() }
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A connection to a server process of its own.
    pub(crate) fn dial(&self) -> UnixStream {
        assert!(Path::new(self.program).exists(), "{} is missing: run .ci/install", self.program);
        let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
        let mut command = Command::new(self.program);
        command
            .args(&self.arguments)
            .stdin(Stdio::from(OwnedFd::from(far.try_clone().unwrap())))
            .stdout(Stdio::from(OwnedFd::from(far)))
            .env("LD_PRELOAD", if self.pam { "libnss_wrapper.so:libpam_wrapper.so" } else { "libnss_wrapper.so" })
            .env("NSS_WRAPPER_PASSWD", self.path("passwd"))
            .env("NSS_WRAPPER_GROUP", self.path("group"))
            .env("NSS_WRAPPER_SHADOW", self.path("shadow"));
        if self.pam {
            command.env("PAM_WRAPPER", "1").env("PAM_WRAPPER_SERVICE_DIR", self.path("pam"));
        }
        self.children.lock().unwrap().push(command.spawn().unwrap());
        near.set_nonblocking(true).unwrap();
        UnixStream::from_std(near).unwrap()
    }

    pub(crate) fn host_key(&self) -> PublicKey {
        public_key(&self.path("host_ed25519.pub"))
    }

    /// Adds a host key of another type, and shows only that one.
    pub(crate) fn other_host_key(&self, kind: &str, bits: &str) -> PublicKey {
        let path = self.path("host_other");
        make_key(&path, &["-t", kind, "-b", bits, "-N", ""]);
        let config = fs::read_to_string(self.path("sshd_config")).unwrap();
        fs::write(self.path("sshd_config"), config.replace("host_ed25519", "host_other")).unwrap();
        public_key(&path.with_extension("pub"))
    }

    /// Shows the first host key again, beside the other one.
    pub(crate) fn show_both_host_keys(&self) {
        let config = fs::read_to_string(self.path("sshd_config")).unwrap();
        self.write("sshd_config", &format!("{config}HostKey {}\n", self.path("host_ed25519").display()));
    }

    /// The text of the private key that the server accepts.
    pub(crate) fn user_key(&self) -> String {
        fs::read_to_string(self.path("user_key")).unwrap()
    }

    /// Makes another key, which the server accepts from now on, with these arguments of ssh-keygen.
    pub(crate) fn authorize(&self, arguments: &[&str]) -> String {
        let path = self.path("another_key");
        make_key(&path, arguments);
        fs::copy(path.with_extension("pub"), self.path("authorized_keys")).unwrap();
        fs::read_to_string(path).unwrap()
    }

    /// A session for the right user who knows the server and has the password.
    pub(crate) fn config(&self) -> Config {
        let mut config = Config::new(USER);
        config.credentials = vec![Credential::Password(Secret::from(PASSWORD))];
        config.limits.max_step = DEADLINE;
        if self.program.ends_with("sshd") {
            config.host_keys = vec![self.host_key()];
        }
        config
    }

    /// Waits for what another process does.
    pub(crate) async fn eventually(&self, what: &str, is_so: impl Fn() -> bool) {
        soon(what, async {
            while !is_so() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    /// All processes of connections are gone.
    pub(crate) fn has_ended(&self) -> bool {
        self.children.lock().unwrap().iter_mut().all(|child| child.try_wait().unwrap().is_some())
    }

    /// Sends a signal to the servers and everything they have started.
    pub(crate) fn signal(&self, signal: &str) {
        let mut processes: Vec<u32> = self.children.lock().unwrap().iter().map(Child::id).collect();
        let parents = parents();
        let mut at = 0;
        while let Some(parent) = processes.get(at).copied() {
            processes.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(process, _)| process));
            at += 1;
        }
        for (index, process) in processes.iter().enumerate() {
            let sent = Command::new("kill").args([signal, &process.to_string()]).status().unwrap();
            // What the server has started may be gone with it already.
            assert!(sent.success() || index > 0);
        }
    }
}

/// Each process and its parent.
fn parents() -> Vec<(u32, u32)> {
    let output = Command::new("ps").args(["-e", "-o", "pid=,ppid="]).output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let pair = |line: &str| {
        let mut numbers = line.split_whitespace().map(|number| number.parse().unwrap());
        (numbers.next().unwrap(), numbers.next().unwrap())
    };
    lines.lines().map(pair).collect()
}

impl Drop for Server {
    fn drop(&mut self) {
        for mut child in self.children.lock().unwrap().drain(..) {
            // Most have ended with their connection.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn files() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let id = |option| {
        let output = Command::new("id").arg(option).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let (uid, gid) = (id("-u"), id("-g"));
    // The server's own user for its unprivileged part stays.
    let sshd = fs::read_to_string("/etc/passwd").unwrap();
    let sshd = sshd.lines().find(|line| line.starts_with("sshd:")).expect("openssh-server is missing: run .ci/install");
    let user = format!("{USER}:x:{uid}:{gid}:Operator:{}:/bin/sh\n", path.display());
    fs::write(path.join("passwd"), format!("{user}{sshd}\n")).unwrap();
    fs::write(path.join("group"), format!("{USER}:x:{gid}:\nnogroup:x:65534:\ntty:x:5:\n")).unwrap();
    fs::write(path.join("shadow"), format!("{USER}:{PASSWORD_HASH}:19000:0:99999:7:::\n")).unwrap();
    make_key(&path.join("host_ed25519"), &["-t", "ed25519", "-N", ""]);
    make_key(&path.join("user_key"), &["-t", "ed25519", "-N", ""]);
    fs::copy(path.join("user_key.pub"), path.join("authorized_keys")).unwrap();
    folder
}

fn pam_matrix() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path());
    let mut modules = folders.map(|folder| folder.join("pam_wrapper/pam_matrix.so"));
    modules.find(|module| module.exists()).expect("libpam-wrapper is missing: run .ci/install")
}

fn make_key(path: &Path, arguments: &[&str]) {
    let made = Command::new("ssh-keygen").arg("-q").args(arguments).arg("-f").arg(path).status().unwrap();
    assert!(made.success());
}

fn public_key(path: &Path) -> PublicKey {
    fs::read_to_string(path).unwrap().parse().unwrap()
}
