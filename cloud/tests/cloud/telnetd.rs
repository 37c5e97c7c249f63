//! inetutils' telnetd on loopback.

use std::{
    fs,
    net::TcpListener,
    os::{fd::OwnedFd, unix::fs::PermissionsExt as _},
    path::Path,
    process::{Command, Stdio},
    thread,
};

/// Serves each connection to a free port with a process of its own, which runs a shell instead of login.
pub(crate) fn telnetd(folder: &Path) -> u16 {
    let login = folder.join("login");
    fs::write(&login, "#!/bin/sh\necho welcome\nPS1= exec /bin/sh\n").unwrap();
    fs::set_permissions(&login, fs::Permissions::from_mode(0o755)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let out = stream.try_clone().unwrap();
            let mut command = Command::new("/usr/sbin/telnetd");
            command.arg("-E").arg(&login).stdin(Stdio::from(OwnedFd::from(stream)));
            let mut child =
                command.stdout(Stdio::from(OwnedFd::from(out))).spawn().expect("telnetd is missing: run .ci/install");
            // It ends with its connection.
            thread::spawn(move || child.wait());
        }
    });
    port
}
