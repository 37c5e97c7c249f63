//! `towline connect telnet`, on a terminal of its own, with inetutils' telnetd behind the device.

#[path = "../../../telnet/tests/peers/pty.rs"]
#[allow(dead_code, reason = "it does more than is asked here")]
mod pty;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    os::{fd::OwnedFd, unix::fs::PermissionsExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::json;
use towline_telnet::option::naws::WindowSize;

use self::pty::Pty;
use crate::{
    failures::assert_fails,
    targets,
    world::{Process as Running, World, eventually, stderr},
};

const DEVICE: &str = "plc";
const PATIENCE: Duration = Duration::from_secs(60);
const SIZE: WindowSize = WindowSize { columns: 91, rows: 17 };

fn found(program: &str) -> PathBuf {
    let path = ["/usr/sbin", "/usr/bin", "/bin"].map(|folder| Path::new(folder).join(program));
    path.into_iter().find(|path| path.exists()).unwrap_or_else(|| panic!("{program} is missing: run .ci/install"))
}

fn position(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

/// inetutils' telnetd, started for each connection as inetd does it, with a shell instead of a login.
fn telnetd(world: &World) -> u16 {
    let login = world.path("login");
    fs::write(&login, "#!/bin/sh\necho welcome\nPS1= exec /bin/sh\n").unwrap();
    fs::set_permissions(&login, fs::Permissions::from_mode(0o755)).unwrap();
    let program = found("telnetd");
    targets::listen(move |stream: TcpStream| {
        let (input, output) = (OwnedFd::from(stream.try_clone()?), OwnedFd::from(stream));
        let mut command = Command::new(&program);
        command.arg("-h").arg("-E").arg(&login).stdin(Stdio::from(input)).stdout(Stdio::from(output));
        drop(Running::spawn(command.stderr(Stdio::null())).0.wait());
        Ok(())
    })
}

fn telnet_world() -> (World, Running, u16) {
    let world = World::new();
    let agent = world.device(DEVICE);
    let port = telnetd(&world);
    (world, agent, port)
}

fn endpoint(world: &World, name: &str, port: u16, modes: &[&str]) {
    let port = port.to_string();
    let line = ["endpoints", "create-telnet", "--device", DEVICE, "--name", name, "--port", &port];
    world.json(&[&line[..], modes].concat());
}

fn connect(world: &World, modes: &[&str]) -> Pty {
    let line = ["connect", "telnet", "--device", DEVICE];
    let mut pty = Pty::run(&world.towline(&[&line[..], modes].concat()), SIZE);
    pty.shows(b"Connected to ");
    pty
}

#[test]
fn a_terminal_on_a_telnet_endpoint_has_its_size_its_keys_and_its_end() {
    let (world, _agent, port) = telnet_world();
    endpoint(&world, "console", port, &["--backspace", "control-h"]);
    let shown = world.json(&["endpoints", "show", "console", "--device", DEVICE]);
    assert_eq!(shown["telnet"]["backspace"], "control-h", "{shown}");

    let mut pty = connect(&world, &[]);
    pty.shows(b"welcome");
    pty.types(b"stty -echo; echo quiet-$((40+2))\r");
    pty.shows(b"quiet-42\r\n");
    pty.types(b"stty size\r");
    pty.shows(b"17 91");
    pty.resize(WindowSize { columns: 132, rows: 43 });
    pty.types_until(b"stty size\r", b"43 132");
    pty.types(b"echo $TERM\r");
    pty.shows(b"xterm");

    // Ctrl+C reaches the target, and not this program.
    pty.types(b"sh -c 'echo asl\"\"eep; exec sleep 1000'\r");
    pty.shows(b"asleep\r\n");
    pty.types_until(b"\x03", b"\n");
    pty.types_until(b"echo awake-$((40+2))\r", b"awake-42");
    pty.types("echo é日本語\r".as_bytes());
    pty.shows("é日本語".as_bytes());
    pty.types(b"stty raw; exec od -An -tx1 -v -w1\r");
    pty.types_until(b"\x7f\r", b" 08");

    pty.types(b"\x1d");
    pty.shows(b"q: end");
    pty.types(b"\x1d");
    pty.shows(b" 1d");
    pty.types(b"\x1dq");
    pty.shows(b"The connection was ended.");
    let session = || world.json(&["sessions", "list", "--device", DEVICE])[0].clone();
    eventually("the session has ended", || session()["end"].is_string());
    assert_eq!((&session()["end"], &session()["protocol"]), (&"operator-closed".into(), &"TELNET".into()));
}

#[test]
fn the_terminal_is_what_it_was_when_the_target_has_ended() {
    let (world, _agent, port) = telnet_world();
    world.endpoint(DEVICE, "console", "127.0.0.1", port);
    // A shell around it sees what it leaves behind.
    let program = env!("CARGO_BIN_EXE_towline");
    let mut shell = Command::new("sh");
    let script = format!(
        "stty -a >before; '{program}' connect telnet --device {DEVICE}; code=$?; stty -a >after; cmp before after && echo same-$code"
    );
    shell.args(["-c", &script]).current_dir(world.folder.path());
    for (name, value) in world.towline(&[]).get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let mut pty = Pty::run(&shell, SIZE);
    pty.shows(b"welcome");
    pty.types(b"exit\r");
    pty.shows(b"The target ended the connection.");
    pty.shows(b"same-0");
}

#[test]
fn lines_are_edited_here_for_a_target_that_wants_lines_and_characters_are_the_targets_own() {
    let (world, _agent, port) = telnet_world();
    endpoint(&world, "old", port, &["--charset", "shift_jis"]);
    let mut pty = connect(&world, &["--local-editing", "always", "--local-echo", "always"]);
    pty.shows(b"welcome");
    pty.types(b"stty -echo\r");
    // A mistake that is mended never leaves this machine.
    pty.types(b"exec od -An -tx1 -v -w1x\x7f\r");
    pty.shows(b"-w1x\x08 \x08");
    pty.types("日\r".as_bytes());
    pty.shows("日".as_bytes());
    pty.shows(b" 93");
    pty.shows(b" fa");
}

#[test]
fn what_comes_from_a_pipe_is_sent_and_the_target_has_the_last_word() {
    let world = World::new();
    let _agent = world.device(DEVICE);
    // Reads a line, answers, and ends.
    let port = targets::listen(|mut stream: TcpStream| {
        let mut line = Vec::new();
        while !line.ends_with(b"\0") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            line.extend(byte);
        }
        write!(stream, "heard {}\r\n", line.escape_ascii())
    });
    endpoint(&world, "console", port, &[]);
    let line = ["connect", "telnet", "--device", DEVICE, "--local-echo", "never"];
    // The escape key is a person's only.
    let output = world.run(&line, b"show \x1dq\xff\r");
    assert!(output.status.success(), "{output:?}");
    let expected = format!("heard {}\r\n", b"show \x1dq\xff\xff\r\0".escape_ascii());
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
}

#[test]
fn where_telnet_is_switched_off_no_terminal_and_no_tunnel_gets_through() {
    let (world, _agent, port) = telnet_world();
    endpoint(&world, "console", port, &[]);
    world.endpoint(DEVICE, "raw", "127.0.0.1", port);
    let mut pty = connect(&world, &[]);
    pty.shows(b"welcome");
    assert_eq!(world.call("PATCH", "/api/v1/settings", &json!({"allow_telnet": false})), 200);
    pty.shows(b"Telnet was switched off");
    for name in ["console", "raw"] {
        let output = world.run(&["connect", "telnet", "--device", DEVICE, "--endpoint", name], b"");
        assert_fails(&output, "protocol-forbidden", "cloud", 8);
    }
    let output = world.run(&["server", "--device", DEVICE, "--endpoint", "console", "--listen", "-"], b"");
    assert!(stderr(&output).contains("Telnet is switched off"), "{output:?}");
    world.audited("operation", "protocol-forbidden");
}
