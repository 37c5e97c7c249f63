//! The example `session-over-ssh`, with OpenSSH between its two ends.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, TcpStream},
    process::{Command, Stdio},
};

use crate::{sshd::Sshd, targets, world::Process};

#[test]
fn a_session_runs_over_an_ssh_channel() {
    let folder = tempfile::tempdir().unwrap();
    let sshd = Sshd::start(folder.path());
    let echo = targets::echo();
    // Cargo builds examples beside the tests.
    let tests = std::env::current_exe().unwrap();
    let example = tests.parent().unwrap().parent().unwrap().join("examples/session-over-ssh");
    assert!(example.exists(), "`cargo test` without --test builds it, `cargo build --examples` too");

    let mut command = Command::new(&example);
    command.args(["0", "127.0.0.1", "-p", &sshd.port.to_string()]);
    for option in sshd.client_options() {
        command.args(["-o", &option]);
    }
    command.arg("--").arg(&example).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut near = Process::spawn(&mut command);
    let mut line = String::new();
    BufReader::new(near.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line:?}"));

    let text = vec![b'x'; 300_000];
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            let text = text.clone();
            std::thread::spawn(move || {
                writeln!(stream, "127.0.0.1:{echo}").unwrap();
                let mut reader = stream.try_clone().unwrap();
                let reading = std::thread::spawn(move || {
                    let mut back = Vec::new();
                    reader.read_to_end(&mut back).unwrap();
                    back
                });
                stream.write_all(&text).unwrap();
                stream.shutdown(Shutdown::Write).unwrap();
                reading.join().unwrap()
            })
        })
        .collect();
    for client in clients {
        assert!(client.join().unwrap() == text);
    }
}
