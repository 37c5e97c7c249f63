//! X displays with a VNC server, what is drawn on them, and independent screenshots.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use towline_rfb::{Framebuffer, Limits, Paint, Rectangle, Rgba};

/// How long a program may take until it is ready. Liveness, not a goal.
const PATIENCE: Duration = Duration::from_secs(30);

/// A display, and the programs that run on it. All end with it.
pub(crate) struct Display {
    number: String,
    pub(crate) port: u16,
    programs: Vec<Child>,
    folder: tempfile::TempDir,
}

impl Drop for Display {
    fn drop(&mut self) {
        for program in self.programs.iter_mut().rev() {
            let _gone_already = program.kill();
            let _status = program.wait();
        }
    }
}

fn start(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stderr(Stdio::null());
    let program = command.get_program().to_os_string();
    command.spawn().unwrap_or_else(|error| panic!("{program:?}: {error}; `.ci/install` installs it"))
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// Starts an X server that picks its own display number and tells it.
fn x_server(command: &mut Command) -> (Child, String) {
    let mut server = start(command.args(["-displayfd", "1"]).stdout(Stdio::piped()));
    let mut number = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut number).unwrap();
    assert!(!number.is_empty(), "the X server did not start");
    (server, format!(":{}", number.trim()))
}

impl Display {
    /// `Xtigervnc`, with further arguments.
    pub(crate) fn tigervnc(password: Option<&str>, arguments: &[&str]) -> Self {
        let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
        let mut command = Command::new("Xtigervnc");
        command
            .args(["-geometry", "640x480", "-depth", "24", "-localhost", "-UseBlacklist", "0", "-rfbport"])
            .arg(port.to_string())
            .args(arguments);
        match password {
            None => command.args(["-SecurityTypes", "None"]),
            Some(password) => {
                let file = folder.path().join("password");
                fs::write(&file, obfuscated(password)).unwrap();
                command.args(["-SecurityTypes", "VncAuth", "-PasswordFile"]).arg(file)
            }
        };
        let (server, number) = x_server(&mut command);
        let display = Self { number, port, programs: vec![server], folder };
        display.wait_for_port();
        display
    }

    /// `x11vnc` on an `Xvfb`, with further arguments for the former.
    pub(crate) fn x11vnc(arguments: &[&str]) -> Self {
        let (port, folder) = (free_port(), tempfile::tempdir().unwrap());
        let (server, number) = x_server(Command::new("Xvfb").args(["-screen", "0", "640x480x24"]));
        let mut display = Self { number, port, programs: vec![server], folder };
        let mut command = Command::new("x11vnc");
        command
            .args(["-norc", "-noipv6", "-localhost", "-forever", "-shared", "-quiet", "-wait", "5", "-defer", "5"])
            .args(["-display", &display.number, "-rfbport"])
            .arg(port.to_string())
            .args(arguments)
            .env("HOME", display.folder.path())
            .stdout(Stdio::null());
        display.programs.push(start(&mut command));
        display.wait_for_port();
        display
    }

    fn wait_for_port(&self) {
        let since = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            assert!(since.elapsed() < PATIENCE, "the VNC server does not listen");
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Vec<u8> {
        let output = Command::new(program)
            .args(arguments)
            .env("DISPLAY", &self.number)
            .output()
            .unwrap_or_else(|error| panic!("{program}: {error}; `.ci/install` installs it"));
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Starts a program on it.
    pub(crate) fn start(&mut self, command: &mut Command) {
        self.programs.push(start(command.env("DISPLAY", &self.number)));
    }

    /// Draws what gives every encoding something to do: a pattern, flat areas, slanted edges, and a picture.
    pub(crate) fn draw(&mut self) {
        self.run("xsetroot", &["-mod", "16", "7", "-fg", "#c05010", "-bg", "#103050"]);
        let logo = ["-geometry", "200x150+30+40", "-bg", "#e8e4d0", "-fg", "#1f2f9f"];
        self.start(Command::new("xlogo").args(logo));
        let picture = self.folder.path().join("picture.xwd");
        fs::write(&picture, xwd_picture(300, 220)).unwrap();
        self.start(Command::new("xwud").args(["-noclick", "-geometry", "+290+200", "-in"]).arg(picture));
        self.wait_until_drawn();
    }

    /// Until both windows show.
    fn wait_until_drawn(&self) {
        let since = Instant::now();
        loop {
            let screen = self.screenshot();
            let logo = screen.pixels().contains(&[0x1f, 0x2f, 0x9f, 255]);
            if logo && screen.pixel(290 + 299, 200 + 219) == Some(picture_pixel(299, 219)) {
                return;
            }
            assert!(since.elapsed() < PATIENCE, "the windows do not show");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// One more change, on top of everything.
    pub(crate) fn change(&self) {
        self.run("xsetroot", &["-solid", "#40a060"]);
    }

    /// What the X server itself says is on the screen.
    pub(crate) fn screenshot(&self) -> Framebuffer {
        parse_xwd(&self.run("xwd", &["-root", "-silent"]))
    }

    /// Waits until the picture that `refresh` gets is what the X server shows.
    pub(crate) fn wait_for_equality(&self, mut refresh: impl FnMut() -> Framebuffer) {
        let since = Instant::now();
        loop {
            // The screen has to stand still around the moment of the update.
            let before = self.screenshot();
            let seen = refresh();
            if seen == before && seen == self.screenshot() {
                return;
            }
            assert!(since.elapsed() < PATIENCE, "{}", difference(&seen, &before));
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Where two pictures differ, for a person.
fn difference(seen: &Framebuffer, shown: &Framebuffer) -> String {
    if seen.rectangle() != shown.rectangle() {
        return format!("{:?} seen, {:?} shown", seen.rectangle(), shown.rectangle());
    }
    let width = usize::from(seen.width());
    let pixels = || seen.pixels().iter().zip(shown.pixels()).enumerate().filter(|(_, (seen, shown))| seen != shown);
    let first = pixels().next().map(|(at, pair)| format!("at {}, {}: {pair:02x?}", at % width, at / width));
    format!("{} pixels differ; seen and shown {first:?}", pixels().count())
}

/// A password file: the password, encrypted with a key that everybody knows.
fn obfuscated(password: &str) -> [u8; 8] {
    // The scheme is VNC Authentication with the roles turned round: the known key encrypts the password.
    let key = towline_rfb::Password::new([23, 82, 107, 6, 35, 78, 88, 7]);
    let mut plain = [0; 16];
    plain[..password.len()].copy_from_slice(password.as_bytes());
    key.response(plain)[..8].try_into().unwrap()
}

/// Smooth in one corner, noise in the other.
fn picture_pixel(x: u32, y: u32) -> Rgba {
    let noise = x.wrapping_mul(0x9e37_79b1) ^ y.wrapping_mul(0x85eb_ca6b);
    let noise = (noise ^ noise >> 15).wrapping_mul(0x2c1b_3c6d) >> 20;
    let byte = |value: u32| u8::try_from(value & 0xff).unwrap();
    [byte(x * 255 / 300), byte(y * 255 / 220), byte(if x > 150 { noise } else { 90 }), 255]
}

/// The picture in the format of `xwd`, as `xwud` reads it.
fn xwd_picture(width: u32, height: u32) -> Vec<u8> {
    const HEADER_BYTES: u32 = 100 + 8;
    let header = [
        HEADER_BYTES,
        7,
        2,
        24,
        width,
        height,
        0,
        0,
        32,
        0,
        32,
        32,
        width * 4,
        4,
        0xff_0000,
        0xff00,
        0xff,
        8,
        256,
        0,
        width,
        height,
        0,
        0,
        0,
    ];
    let mut out: Vec<u8> = header.into_iter().flat_map(u32::to_be_bytes).collect();
    out.write_all(b"picture\0").unwrap();
    for y in 0..height {
        for x in 0..width {
            let [red, green, blue, _] = picture_pixel(x, y);
            out.extend_from_slice(&[blue, green, red, 0]);
        }
    }
    out
}

/// A screenshot by `xwd`, of a display with 32 bits a pixel.
fn parse_xwd(file: &[u8]) -> Framebuffer {
    let word = |index: usize| u32::from_be_bytes(file[index * 4..index * 4 + 4].try_into().unwrap());
    let size = |value: u32| usize::try_from(value).unwrap();
    let (header_bytes, width, height) = (word(0), word(4), word(5));
    assert_eq!([word(1), word(2), word(7), word(11)], [7, 2, 0, 32], "version, ZPixmap, byte order, bits per pixel");
    assert_eq!([word(14), word(15), word(16)], [0xff_0000, 0xff00, 0xff], "the masks of the colours");
    let data = &file[size(header_bytes) + size(word(19)) * 12..];
    let pixels: Vec<Rgba> = data
        .chunks_exact(size(word(12)))
        .take(size(height))
        .flat_map(|line| line.chunks_exact(4).take(size(width)))
        .map(|pixel| [pixel[2], pixel[1], pixel[0], 255])
        .collect();
    let (width, height) = (u16::try_from(width).unwrap(), u16::try_from(height).unwrap());
    let mut screen = Framebuffer::new(width, height, &Limits::default()).unwrap();
    screen.paint(&Paint::Pixels { rectangle: Rectangle::new(0, 0, width, height), rgba: &pixels });
    screen
}
