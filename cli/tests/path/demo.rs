//! `towline up --demo`, and the screen of its device.

use std::{
    fs,
    io::{ErrorKind, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
    time::Duration,
};

use bytes::Bytes;
use serde_json::Value;
use tempfile::TempDir;
use towline_rfb::{ClientMessage, Encoding, Framebuffer, PixelFormat};
use towline_telnet::{Config, Connection, Event, Limits, option::naws::WindowSize};

use crate::{
    viewer::{Viewer, connect},
    world::{Process, eventually, program},
};

/// Rows of the panel that stand still unless somebody does something.
const MIDDLE: std::ops::Range<u16> = 148..280;
const TEXT_BOX: std::ops::Range<u16> = 304..344;

struct Demo {
    folder: TempDir,
    process: Process,
    started: Value,
}

impl Demo {
    fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap())
    }

    fn start_in(folder: TempDir) -> Self {
        let mut command = program(folder.path());
        command.args(["up", "--demo", "--listen", "127.0.0.1:0", "--output", "json"]).env("RUST_LOG", "warn");
        let mut process = Process::spawn(command.stdout(Stdio::piped()));
        let started = process.first_json();
        Self { folder, process, started }
    }

    fn restart(mut self) -> Self {
        self.process.kill();
        Self::start_in(self.folder)
    }

    fn endpoint(&self, name: &str) -> &Value {
        let endpoints = self.started["endpoints"].as_array().unwrap();
        endpoints.iter().find(|endpoint| endpoint["name"] == name).unwrap_or_else(|| panic!("{name} in {endpoints:?}"))
    }

    fn port(&self, name: &str) -> u16 {
        self.endpoint(name)["port"].as_u64().unwrap().try_into().unwrap()
    }

    fn viewer(&self) -> Viewer {
        Viewer::open(self.port("HMI screen"), None, PixelFormat::RGBX, Encoding::DECODED)
    }
}

fn differ(one: &Framebuffer, other: &Framebuffer, rows: std::ops::Range<u16>) -> bool {
    rows.flat_map(|y| (0..one.width()).map(move |x| (x, y))).any(|(x, y)| one.pixel(x, y) != other.pixel(x, y))
}

fn press(viewer: &mut Viewer, keysyms: impl IntoIterator<Item = u32>) {
    for keysym in keysyms {
        viewer.send(&ClientMessage::KeyEvent { down: true, keysym });
        viewer.send(&ClientMessage::KeyEvent { down: false, keysym });
    }
}

/// Looks until the picture is as it should be.
fn watch(what: &str, viewer: &mut Viewer, is_so: impl Fn(&Framebuffer) -> bool) {
    eventually(what, || {
        viewer.refresh();
        is_so(&viewer.picture)
    });
}

#[test]
fn the_demo_device_has_a_screen_whose_clock_moves_and_which_takes_clicks_and_text_for_all_viewers() {
    let demo = Demo::start();
    let mut viewer = demo.viewer();
    let mut other = demo.viewer();
    viewer.refresh();
    let before = viewer.picture.clone();
    assert_eq!((before.width(), before.height()), (800, 480));
    watch("the clock moves", &mut viewer, |now| differ(now, &before, 64..124));
    assert!(!differ(&viewer.picture, &before, 148..480), "nothing else does");

    viewer.send(&ClientMessage::PointerEvent { buttons: 0, x: 300, y: 400 });
    watch("the pointer's place shows", &mut viewer, |now| differ(now, &before, MIDDLE));
    let pointed = viewer.picture.clone();
    let counter = |picture: &Framebuffer| (24..388).map(|x| picture.pixel(x, 220)).collect::<Vec<_>>();
    assert_eq!(counter(&pointed), counter(&before), "moving is not clicking");
    viewer.send(&ClientMessage::PointerEvent { buttons: 1, x: 300, y: 400 });
    viewer.send(&ClientMessage::PointerEvent { buttons: 0, x: 300, y: 400 });
    watch("a click counts", &mut viewer, |now| counter(now) != counter(&pointed));
    let clicked = viewer.picture.clone();
    watch("the other viewer sees it", &mut other, |now| counter(now) == counter(&clicked));

    press(&mut other, "Grüße ".chars().map(u32::from));
    watch("text typed elsewhere appears", &mut viewer, |now| differ(now, &clicked, TEXT_BOX));
    let typed = viewer.picture.clone();
    press(&mut viewer, [u32::from('x'), 0xff08]);
    press(&mut viewer, [0xff0d]);
    watch("Enter empties the box", &mut other, |now| !differ(now, &clicked, TEXT_BOX));
    assert!(differ(&typed, &clicked, TEXT_BOX));
}

#[test]
fn the_demo_screen_takes_a_size_that_fits() {
    let demo = Demo::start();
    let mut viewer = demo.viewer();
    viewer.refresh();
    let resize = |viewer: &mut Viewer, width, height| {
        viewer.send(&ClientMessage::SetDesktopSize { width, height, screens: Vec::new() });
    };
    resize(&mut viewer, 60_000, 60_000);
    resize(&mut viewer, 1024, 600);
    watch("it is larger", &mut viewer, |now| (now.width(), now.height()) == (1024, 600));
    viewer.refresh();
    assert!((0..1024).all(|x| viewer.picture.pixel(x, 20) != Some([0, 0, 0, 255])), "the header goes all the way");
}

#[test]
fn viewers_beyond_the_bound_are_closed_and_the_others_go_on() {
    let demo = Demo::start();
    let port = demo.port("HMI screen");
    let mut viewer = demo.viewer();
    // They say nothing.
    let mut silent: Vec<_> = (0..20).map(|_| connect(port)).collect();
    let closed = silent.split_off(7);
    for mut stream in closed {
        assert_eq!(stream.read(&mut [0; 12]).unwrap_or(0), 0, "closed without a word");
    }
    viewer.refresh();
    drop(silent);
    eventually("there is room again", || connect(port).read(&mut [0; 12]).is_ok_and(|length| length > 0));
}

#[test]
fn the_demo_keeps_its_device_and_endpoints_when_it_starts_again() {
    let demo = Demo::start();
    let link = demo.started["login_link"].as_str().unwrap();
    assert!(link.starts_with("http://127.0.0.1:"), "{link}");
    assert_eq!(demo.started["device"]["name"], "demo-device");
    assert!(demo.folder.path().join(".local/share/towline/demo/session.json").exists(), "a folder of its own");
    let known = [demo.started["device"]["id"].clone(), demo.endpoint("HMI screen")["id"].clone()];
    let demo = demo.restart();
    assert_eq!(known, [demo.started["device"]["id"].clone(), demo.endpoint("HMI screen")["id"].clone()]);
    demo.viewer().refresh();
}

#[test]
fn nobody_listens_on_the_broken_endpoint_and_nobody_else_can() {
    let demo = Demo::start();
    let address = ("127.0.0.1", demo.port("Broken"));
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert_eq!(TcpListener::bind(address).unwrap_err().kind(), ErrorKind::AddrInUse);
}

/// An OpenSSH client of the demo's shell, which gets its password from a program, and what is typed from us.
fn ssh(demo: &Demo, arguments: &[&str], typed: &str) -> String {
    let askpass = demo.folder.path().join("askpass");
    fs::write(&askpass, "#!/bin/sh\necho demo\n").unwrap();
    fs::set_permissions(&askpass, fs::Permissions::from_mode(0o700)).unwrap();
    let mut command = Command::new("ssh");
    command
        .args([
            "-F",
            "none",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "LogLevel=ERROR",
        ])
        .args(["-p", &demo.port("Shell").to_string()])
        .args(arguments)
        .env_remove("SSH_AUTH_SOCK")
        .env("SSH_ASKPASS", &askpass)
        .env("SSH_ASKPASS_REQUIRE", "force");
    let mut client = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = client.stdin.take().unwrap();
    stdin.write_all(typed.as_bytes()).unwrap();
    let output = client.wait_with_output().unwrap();
    drop(stdin);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_demo_has_a_shell_for_ssh() {
    let demo = Demo::start();
    assert_eq!(ssh(&demo, &["demo@127.0.0.1", "echo one line"], ""), "one line\r\n");
    let said = ssh(&demo, &["-tt", "demo@127.0.0.1"], "echo Grüße 日本\rmouse\r\x1b[<0;12;5M\x03colors\rexit\r");
    for expected in
        ["Try `help`", "Grüße 日本\r\n", "button 0 pressed at column 12, row 5", "^C", "\x1b[48;5;231m", "good bye"]
    {
        assert!(said.contains(expected), "{expected} in {said:?}");
    }
}

#[test]
fn the_demo_has_a_shell_for_telnet_that_follows_the_window() {
    let demo = Demo::start();
    let mut stream = TcpStream::connect(("127.0.0.1", demo.port("Old console"))).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut config = Config::client("xterm-256color");
    config.window = Some(WindowSize { columns: 100, rows: 40 });
    let mut connection = Connection::new(config, Limits::default());
    let mut said = String::new();
    let mut talk = |connection: &mut Connection, typed: &'static [u8], expected: &str| {
        connection.send(&mut Bytes::from_static(typed));
        let mut buffer = [0; 4096];
        while !said.contains(expected) {
            while let Some(bytes) = connection.poll_transmit() {
                stream.write_all(&bytes).unwrap();
            }
            let length = stream.read(&mut buffer).unwrap_or_else(|error| panic!("{error}: {expected} in {said:?}"));
            assert!(length > 0, "closed: {expected} in {said:?}");
            connection.handle_input(Bytes::copy_from_slice(&buffer[..length]));
            while let Some(event) = connection.poll_event().unwrap() {
                if let Event::Data(data) = event {
                    said += std::str::from_utf8(&data).unwrap();
                }
            }
        }
        said.clear();
    };
    talk(&mut connection, b"", "$ ");
    talk(&mut connection, b"size\r", "100 columns, 40 rows");
    connection.resize(WindowSize { columns: 90, rows: 30 });
    talk(&mut connection, b"", "90 columns, 30 rows");
    talk(&mut connection, b"\x03", "^C");
    talk(&mut connection, b"clock\r", " UTC");
    talk(&mut connection, b"", " UTC");
    connection.interrupt();
    talk(&mut connection, b"", "^C");
    talk(&mut connection, b"exit\r", "good bye");
}
