//! `towline server --listen unix:…`: a socket of this user's.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::Shutdown,
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    path::Path,
    process::{Command, Stdio},
};

use crate::{
    failures::assert_fails,
    ssh::{DEVICE, ssh_world},
    targets::{echo, noise},
    world::{Process, World},
};

const BRIDGE_VARIABLE: &str = "TOWLINE_TEST_BRIDGE";

fn serve(world: &World, path: &Path) -> Process {
    let listen = format!("unix://{}", path.display());
    let line = ["server", "--device", DEVICE, "--listen", &listen, "--output", "json"];
    let mut server = Process::spawn(world.towline(&line).stdout(Stdio::piped()));
    assert_eq!(server.first_json()["address"], format!("unix:{}", path.display()));
    server
}

fn terminate(process: &mut Process) {
    let line = format!("kill -TERM {}", process.0.id());
    assert!(Command::new("sh").args(["-c", &line]).status().unwrap().success());
    assert!(process.0.wait().unwrap().success());
}

#[test]
fn several_clients_use_a_socket_that_is_this_users_alone_and_goes_at_the_end() {
    let world = World::new();
    let _agent = world.device(DEVICE);
    world.endpoint(DEVICE, "echo", "127.0.0.1", echo());
    let path = world.path("pump.sock");
    let mut server = serve(&world, &path);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    let streams: Vec<_> = (0..5).map(|_| UnixStream::connect(&path).unwrap()).collect();
    for (number, mut stream) in streams.into_iter().enumerate().rev() {
        let data = noise(1000 + number);
        stream.write_all(&data).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut echoed = Vec::new();
        stream.read_to_end(&mut echoed).unwrap();
        assert!(echoed == data, "client {number}");
    }

    terminate(&mut server);
    assert!(!path.exists());
}

#[test]
fn a_socket_left_behind_is_replaced_and_anything_else_is_left_alone() {
    let world = World::new();
    let _agent = world.device(DEVICE);
    world.endpoint(DEVICE, "echo", "127.0.0.1", echo());
    let path = world.path("pump.sock");
    let mut server = serve(&world, &path);
    server.kill();
    assert!(path.exists(), "it had no time to clean up");
    let mut server = serve(&world, &path);

    let listen = format!("unix:{}", path.display());
    let output = world.towline(&["server", "--device", DEVICE, "--listen", &listen]).output().unwrap();
    assert_fails(&output, "listen-failed", "operator", 11);
    assert!(path.exists(), "it belongs to the server that runs");
    terminate(&mut server);

    fs::write(&path, "precious").unwrap();
    let output = world.towline(&["server", "--device", DEVICE, "--listen", &listen]).output().unwrap();
    assert_fails(&output, "listen-failed", "operator", 11);
    assert_eq!(fs::read(&path).unwrap(), b"precious");
}

#[test]
fn ssh_goes_through_a_socket() {
    let (world, _agent, sshd) = ssh_world();
    let path = world.path("pump.sock");
    let _server = serve(&world, &path);

    // This very program, as the bridge that the next test is.
    let bridge = std::env::current_exe().unwrap();
    let proxy = format!("'{}' --exact unix::the_bridge_joins_its_stdio_to_a_socket --nocapture", bridge.display());
    let mut ssh = Command::new("ssh");
    ssh.args(["-F", "/dev/null", "-o", &format!("ProxyCommand={proxy}")]).env(BRIDGE_VARIABLE, &path);
    for option in sshd.client_options() {
        ssh.args(["-o", &option]);
    }
    let output = ssh.args([DEVICE, "echo hello; exit 7"]).env("SHELL", "/bin/sh").output().unwrap();

    assert_eq!(output.status.code(), Some(7), "{output:?}");
    assert_eq!(output.stdout, b"hello\n");
}

/// Not a test of its own: the bridge of the one above.
#[test]
fn the_bridge_joins_its_stdio_to_a_socket() {
    let Ok(path) = std::env::var(BRIDGE_VARIABLE) else { return };
    let mut stream = UnixStream::connect(path).unwrap();
    let mut reader = stream.try_clone().unwrap();
    let out = std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        let mut stdout = std::io::stdout();
        while let Ok(count @ 1..) = reader.read(&mut buffer) {
            stdout.write_all(&buffer[..count]).unwrap();
            stdout.flush().unwrap();
        }
        // Before the test harness can say more.
        std::process::exit(0);
    });
    std::io::copy(&mut std::io::stdin(), &mut stream).unwrap();
    drop(stream.shutdown(Shutdown::Write));
    out.join().unwrap();
}
