//! A program on a terminal of its own, whose user is the test.

use std::{
    fs::File,
    io,
    os::{fd::OwnedFd, unix::fs::OpenOptionsExt},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::OFlags,
    io::{Errno, ioctl_fionbio, read, write},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};
use towline_telnet::option::naws::WindowSize;

use super::{PATIENCE, Running, found, position};

pub(crate) struct Pty {
    pub(crate) master: OwnedFd,
    /// What the program has written and nobody has looked at.
    pub(crate) shown: Vec<u8>,
    _program: Option<Running>,
}

/// A terminal without a program, and the name of its other end.
pub(crate) fn open() -> (OwnedFd, String) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    ioctl_fionbio(&master, true).unwrap();
    (master, name)
}

impl Pty {
    /// Runs a line of shell.
    pub(crate) fn start(line: &str, size: WindowSize) -> Self {
        Self::run(Command::new("sh").args(["-c", line]), size)
    }

    /// Runs a program with its arguments, in its environment and folder.
    pub(crate) fn run(program: &Command, size: WindowSize) -> Self {
        let (master, name) = open();
        let flags = OFlags::NOCTTY.bits().cast_signed();
        let slave = || Stdio::from(File::options().read(true).write(true).custom_flags(flags).open(&name).unwrap());
        let mut command = Command::new(found("setsid"));
        command.arg("--ctty").arg(program.get_program()).args(program.get_args());
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if let Some(folder) = program.get_current_dir() {
            command.current_dir(folder);
        }
        command.env("TERM", "xterm").env("LC_ALL", "C.UTF-8");
        let program = command.stdin(slave()).stdout(slave()).stderr(slave()).spawn().unwrap();
        let pty = Self { master, shown: Vec::new(), _program: Some(Running(program)) };
        pty.resize(size);
        pty
    }

    pub(crate) fn resize(&self, size: WindowSize) {
        let size = Winsize { ws_col: size.columns, ws_row: size.rows, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.master, size).unwrap();
    }

    /// Writes as much as can be; returns how many bytes.
    pub(crate) fn write(&self, keys: &[u8]) -> usize {
        match write(&self.master, keys) {
            Ok(written) => written,
            Err(Errno::AGAIN | Errno::IO) => 0,
            Err(error) => panic!("{error}"),
        }
    }

    /// Takes what there is to read; whether the program still lives.
    pub(crate) fn read(&mut self) -> bool {
        let mut buffer = [0; 4096];
        loop {
            match read(&self.master, &mut buffer) {
                Ok(0) | Err(Errno::IO) => return false,
                Ok(length) => self.shown.extend_from_slice(&buffer[..length]),
                Err(Errno::AGAIN) => return true,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Waits a little for something to read.
    pub(crate) fn wait(&mut self, at_most: Duration) {
        let mut ready = [PollFd::new(&self.master, PollFlags::IN)];
        poll(&mut ready, Some(&Timespec::try_from(at_most).unwrap())).unwrap();
        self.read();
    }

    /// Writes all of it.
    pub(crate) fn types(&mut self, mut keys: &[u8]) {
        let start = Instant::now();
        while !keys.is_empty() {
            keys = &keys[self.write(keys)..];
            self.wait(Duration::from_millis(1));
            assert!(start.elapsed() < PATIENCE, "nobody reads what is typed");
        }
    }

    /// Waits until `text` is shown, and forgets everything up to there.
    pub(crate) fn shows(&mut self, text: &[u8]) {
        let start = Instant::now();
        loop {
            self.wait(Duration::from_millis(20));
            if let Some(at) = position(&self.shown, text) {
                self.shown.drain(..at + text.len());
                return;
            }
            let tail = &self.shown[self.shown.len().saturating_sub(800)..];
            assert!(start.elapsed() < PATIENCE, "waited for {}: {}", text.escape_ascii(), tail.escape_ascii());
        }
    }

    /// Types a line again and again until `text` is shown.
    pub(crate) fn types_until(&mut self, line: &[u8], text: &[u8]) {
        let start = Instant::now();
        loop {
            self.types(line);
            let pause = Instant::now();
            while pause.elapsed() < Duration::from_millis(300) {
                self.wait(Duration::from_millis(20));
                if let Some(at) = position(&self.shown, text) {
                    self.shown.drain(..at + text.len());
                    return;
                }
            }
            assert!(start.elapsed() < PATIENCE, "{}: {}", text.escape_ascii(), self.shown.escape_ascii());
        }
    }
}

#[test]
fn a_program_on_a_terminal_of_its_own_sees_its_size() -> io::Result<()> {
    let mut pty = Pty::start("sleep 0.2; stty size", WindowSize { columns: 91, rows: 17 });
    pty.shows(b"17 91");
    Ok(())
}
