//! A cloud, its agents and a client of its API, and the means to do harm to them.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const ADMIN_PASSWORD: &str = "correct horse battery";
/// Only to end a test that hangs; at least ten times what anything should take.
pub(crate) const LIVENESS: Duration = Duration::from_secs(150);
/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A child that does not outlive its test.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        Self(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }

    /// SIGKILL: no farewell.
    pub(crate) fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Any other signal, by its name.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([format!("-{name}"), self.0.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for the end; the exit code.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            assert!(began.elapsed() < LIVENESS, "the process does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }

    /// Resident memory in KiB.
    pub(crate) fn memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// The first JSON value on its standard output.
    fn first_json(&mut self) -> Value {
        let stdout = self.0.stdout.take().unwrap();
        let first = serde_json::Deserializer::from_reader(stdout).into_iter().next();
        first.unwrap_or_else(|| panic!("it ended without a word: {:?}", self.0.wait())).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A cloud with a data folder, a log and a bearer token of its administrator.
pub(crate) struct Site {
    pub(crate) folder: TempDir,
    pub(crate) address: SocketAddr,
    pub(crate) pin: Option<String>,
    pub(crate) token: String,
    pub(crate) started: Value,
    pub(crate) cloud: Process,
    arguments: Vec<String>,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// A cloud with more arguments than it needs.
    pub(crate) fn with(arguments: &[&str]) -> Self {
        Self::in_folder(tempfile::tempdir().unwrap(), arguments)
    }

    pub(crate) fn in_folder(folder: TempDir, arguments: &[&str]) -> Self {
        let arguments: Vec<_> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let has_listen = arguments.iter().any(|argument| argument == "--listen");
        let listen = if has_listen { None } else { Some("127.0.0.1:0") };
        let (cloud, started) = cloud(folder.path(), listen, &arguments);
        let listening: SocketAddr = started["address"].as_str().unwrap().parse().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], listening.port()));
        let pin = started["pin"].as_str().map(str::to_owned);
        let mut site = Self { folder, address, pin, token: String::new(), started, cloud, arguments };
        let login = json!({ "user": "admin", "password": ADMIN_PASSWORD });
        site.token = site.api("POST", "/login", Some(&login)).ok("token").to_owned();
        site
    }

    /// Starts the cloud again, at the same address.
    pub(crate) fn start(&mut self) {
        let has_listen = self.arguments.iter().any(|argument| argument == "--listen");
        let listen = self.address.to_string();
        (self.cloud, self.started) = cloud(self.folder.path(), Some(&*listen).filter(|_| !has_listen), &self.arguments);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The program with the environment of an operator who is logged in.
    pub(crate) fn towline(&self, arguments: &[&str]) -> Command {
        let mut command = program(self.folder.path());
        command.args(arguments).env("TOWLINE_HOST", self.url()).env("TOWLINE_TOKEN", &self.token);
        if let Some(pin) = &self.pin {
            command.env("TOWLINE_PIN", pin);
        }
        command
    }

    /// A request to the API over plain HTTP, which the cloud takes from its own machine.
    pub(crate) fn api(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.try_api(method, path, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    pub(crate) fn try_api(&self, method: &str, path: &str, body: Option<&Value>) -> io::Result<Answer> {
        request(self.address, &self.token, method, &format!("/api/v1{path}"), &[], body)
    }

    /// A device's enrolment token and id.
    pub(crate) fn ticket(&self, name: &str) -> (String, String) {
        let ticket = self.api("POST", "/enrolment-tokens", Some(&json!({ "name": name })));
        (ticket.ok("token").to_owned(), ticket.body["device"]["id"].as_str().unwrap().to_owned())
    }

    /// An agent as a command; its log goes to a file.
    pub(crate) fn agent_command(&self, name: &str, token: Option<&str>) -> Command {
        let mut command = program(self.folder.path());
        command.args(["agent", "--cloud", &self.url(), "--data-dir"]).arg(self.path(&format!("agent-{name}")));
        command.stderr(self.log(&format!("agent-{name}")));
        if let Some(token) = token {
            command.env("TOWLINE_ENROL_TOKEN", token);
        }
        command
    }

    /// A device that is enrolled and online: its id and its agent.
    pub(crate) fn device(&self, name: &str) -> (String, Process) {
        let (token, id) = self.ticket(name);
        let agent = Process::spawn(&mut self.agent_command(name, Some(&token)));
        self.wait_online(&id, true);
        (id, agent)
    }

    pub(crate) fn is_online(&self, device: &str) -> Option<bool> {
        let answer = self.try_api("GET", &format!("/devices/{device}"), None).ok()?;
        answer.body["online"].as_bool()
    }

    /// Waits until the cloud sees a device, or sees it no more; how long that took.
    pub(crate) fn wait_online(&self, device: &str, online: bool) -> Duration {
        eventually(&format!("{device} online: {online}"), || self.is_online(device) == Some(online))
    }

    /// Makes an endpoint; its id.
    pub(crate) fn endpoint(&self, device: &str, name: &str, port: u16) -> String {
        let wish = json!({ "name": name, "protocol": "PASSTHROUGH", "host": "127.0.0.1", "port": port });
        self.api("POST", &format!("/devices/{device}/endpoints"), Some(&wish)).ok("id").to_owned()
    }

    /// `towline server` on a free port, and where it listens.
    pub(crate) fn server(&self, device: &str) -> (Process, String) {
        let line = ["server", "--device", device, "--listen", "127.0.0.1:0", "--output", "json"];
        let mut server = Process::spawn(self.towline(&line).stdout(Stdio::piped()).stderr(self.log("server")));
        let address = server.first_json()["address"].as_str().unwrap().to_owned();
        (server, address)
    }

    /// All pages of a list.
    pub(crate) fn list(&self, path: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.api("GET", &format!("{path}?limit=1000{cursor}"), None);
            assert_eq!(page.status, 200, "{page:?}");
            items.extend(page.body["items"].as_array().unwrap().clone());
            match page.body["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
    }

    /// Whether the audit has a record of this action with this outcome.
    pub(crate) fn is_audited(&self, action: &str, outcome: &str) -> bool {
        self.list("/audit").iter().any(|record| record["action"] == action && record["outcome"] == outcome)
    }

    /// A file that a child's standard error is added to.
    pub(crate) fn log(&self, name: &str) -> File {
        log(self.folder.path(), name)
    }

    pub(crate) fn read_log(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(&format!("{name}.log"))).unwrap()
    }
}

fn log(folder: &Path, name: &str) -> File {
    File::options().create(true).append(true).open(folder.join(format!("{name}.log"))).unwrap()
}

fn cloud(folder: &Path, listen: Option<&str>, arguments: &[String]) -> (Process, Value) {
    let mut command = program(folder);
    command.args(["cloud", "--output", "json", "--data-dir"]).arg(folder.join("cloud")).args(arguments);
    if let Some(listen) = listen {
        command.args(["--listen", listen]);
    }
    command.env("TOWLINE_ADMIN_PASSWORD", ADMIN_PASSWORD).stdout(Stdio::piped()).stderr(log(folder, "cloud"));
    let mut process = Process::spawn(&mut command);
    let started = process.first_json();
    (process, started)
}

/// The program in an environment of which only the folder is ours.
pub(crate) fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_towline"));
    for (variable, _) in std::env::vars_os() {
        if variable.to_str().is_some_and(|name| name.starts_with("TOWLINE_") || name.starts_with("XDG_")) {
            command.env_remove(variable);
        }
    }
    command.env_remove("STATE_DIRECTORY").env_remove("RUST_LOG").env("HOME", folder).stdin(Stdio::null());
    command
}

/// What the API answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) text: String,
    pub(crate) body: Value,
}

impl Answer {
    /// A text of the body of an answer that is a success.
    pub(crate) fn ok(&self, key: &str) -> &str {
        assert!((200..300).contains(&self.status), "{self:?}");
        self.body[key].as_str().unwrap_or_else(|| panic!("{key} in {self:?}"))
    }

    /// The error's word.
    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or("")
    }
}

/// One request on a connection of its own, with a deadline.
pub(crate) fn request(
    address: SocketAddr,
    token: &str,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> io::Result<Answer> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    if !token.is_empty() {
        head += &format!("Authorization: Bearer {token}\r\n");
    }
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    raw(address, head.as_bytes())
}

/// Sends bytes as they are, and reads an answer.
pub(crate) fn raw(address: SocketAddr, bytes: &[u8]) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // A server that has read enough answers and closes: what it no longer wants is no reason not to read that.
    let sent = stream.write_all(bytes);
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if answer.is_empty() => return Err(error),
        _ => {}
    }
    if answer.is_empty() {
        return Err(sent.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into()));
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, text) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split_whitespace().nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("no status in {head:?}")))?;
    let body = serde_json::from_str(text).unwrap_or(Value::Null);
    Ok(Answer { status, head: head.to_lowercase(), text: text.to_owned(), body })
}

/// A server that sends everything back; its port.
pub(crate) fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut writer = stream.try_clone()?;
                io::copy(&mut &stream, &mut writer)?;
                stream.shutdown(std::net::Shutdown::Write)
            });
        }
    });
    port
}

/// Sends a line and wants it back.
pub(crate) fn echoes(stream: &mut TcpStream) -> io::Result<()> {
    let mut back = [0; 5];
    stream.write_all(b"hello")?;
    stream.read_exact(&mut back)?;
    if &back == b"hello" { Ok(()) } else { Err(io::Error::other("other bytes came back")) }
}

pub(crate) fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Waits until it is so; how long that took.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < LIVENESS, "not within {LIVENESS:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
    began.elapsed()
}

pub(crate) fn assert_success(output: &Output) {
    assert!(output.status.success(), "{output:?}");
}

/// Network namespaces and file systems are the superuser's.
pub(crate) fn is_root() -> bool {
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    if !is_root {
        eprintln!("skipped: this test has to be run by root");
    }
    is_root
}

/// Runs a program of the system that must succeed.
pub(crate) fn system(line: &str) {
    let mut words = line.split(' ');
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(output.status.success(), "{line}: {output:?}");
}
