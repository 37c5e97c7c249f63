//! A cloud, agents and an operator, each a process of its own with folders of its own.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) const ADMIN_PASSWORD: &str = "correct horse battery";
/// Only to end a test that hangs: everything waited for takes a second or two at most.
const DEADLINE: Duration = Duration::from_secs(60);
const VARIABLES: [&str; 18] = [
    "TOWLINE_HOST",
    "TOWLINE_PIN",
    "TOWLINE_USER",
    "TOWLINE_PASSWORD",
    "TOWLINE_NEW_PASSWORD",
    "TOWLINE_COMPLETE",
    "TOWLINE_TOKEN",
    "TOWLINE_SESSION_FILE",
    "TOWLINE_ENROL_TOKEN",
    "TOWLINE_ADMIN_PASSWORD",
    "TOWLINE_SSH_USER",
    "TOWLINE_PROXY",
    "TOWLINE_ROOTS",
    "TOWLINE_CLIENT_CERT",
    "TOWLINE_CLIENT_KEY",
    "STATE_DIRECTORY",
    "RUST_LOG",
    "SSH_AUTH_SOCK",
];

/// A child that does not outlive its test.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        Self(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }

    /// SIGKILL: no farewell.
    pub(crate) fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// The first JSON value on its standard output.
    pub(crate) fn first_json(&mut self) -> Value {
        let stdout = self.0.stdout.take().unwrap();
        serde_json::Deserializer::from_reader(stdout).into_iter().next().expect("it printed something").unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A running cloud, and an operator who is logged in as its administrator.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) url: String,
    pub(crate) pin: String,
    /// Where the cloud takes QUIC, if it does.
    pub(crate) quic: Option<String>,
    pub(crate) cloud: Process,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// The same with more flags for the cloud.
    pub(crate) fn with(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut cloud = cloud(folder.path(), "127.0.0.1:0", flags);
        let started = cloud.first_json();
        let text = |key: &str| started[key].as_str().unwrap_or_else(|| panic!("{key} in {started}")).to_owned();
        let quic = started["quic"].as_str().map(str::to_owned);
        let world = Self { url: text("url"), pin: text("pin"), quic, folder, cloud };
        let login = world
            .towline(&["login", &world.url, "--pin", &world.pin, "--user", "admin"])
            .env("TOWLINE_PASSWORD", ADMIN_PASSWORD)
            .output()
            .unwrap();
        assert_success(&login);
        world
    }

    /// Kills the cloud without a farewell and starts it again at the same address.
    pub(crate) fn restart_cloud(&mut self) {
        self.cloud.kill();
        let address = self.url.strip_prefix("https://").unwrap();
        self.cloud = cloud(self.folder.path(), address, &[]);
        assert_eq!(self.cloud.first_json()["url"], self.url.as_str());
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program with the operator's environment.
    pub(crate) fn towline(&self, arguments: &[&str]) -> Command {
        let mut command = program(self.folder.path());
        command.args(arguments);
        command
    }

    /// Makes a user and logs them in, on this machine but with a login of their own.
    pub(crate) fn person(&self, name: &str) {
        let password = password_of(name);
        assert_success(
            &self.towline(&["users", "create", name]).env("TOWLINE_NEW_PASSWORD", &password).output().unwrap(),
        );
        self.log_in(name, &password);
    }

    /// Logs somebody in who has a login of their own.
    pub(crate) fn log_in(&self, name: &str, password: &str) {
        let mut command = self.towline_as(name, &["login", &self.url, "--pin", &self.pin, "--user", name]);
        assert_success(&command.env("TOWLINE_PASSWORD", password).output().unwrap());
    }

    /// The program with somebody else's login.
    pub(crate) fn towline_as(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = self.towline(arguments);
        command.env("TOWLINE_SESSION_FILE", self.path(&format!("session-{name}.json")));
        command
    }

    /// Runs a command that must succeed.
    pub(crate) fn succeed(&self, arguments: &[&str]) {
        assert_success(&self.towline(arguments).output().unwrap());
    }

    /// Runs a command that must succeed; its standard output as JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let output = self.towline(arguments).args(["--output", "json"]).output().unwrap();
        assert_success(&output);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    }

    /// An enrolment token.
    pub(crate) fn token(&self, name: &str) -> String {
        self.json(&["devices", "enrol", "--name", name])["token"].as_str().unwrap().to_owned()
    }

    /// Starts the agent of a device, enrolled or not yet.
    pub(crate) fn agent(&self, name: &str, token: Option<&str>) -> Process {
        let mut command = self.towline(&["agent", "--cloud", &self.url]);
        command.arg("--data-dir").arg(self.path(&format!("agent-{name}")));
        command.env("RUST_LOG", "warn");
        if let Some(token) = token {
            command.env("TOWLINE_ENROL_TOKEN", token);
        }
        Process::spawn(&mut command)
    }

    /// A device that is enrolled and online.
    pub(crate) fn device(&self, name: &str) -> Process {
        let agent = self.agent(name, Some(&self.token(name)));
        self.wait_online(name, true);
        agent
    }

    pub(crate) fn wait_online(&self, name: &str, online: bool) {
        eventually(&format!("{name} is online: {online}"), || {
            let devices = self.json(&["devices", "list"]);
            let device = devices.as_array().unwrap().iter().find(|device| device["name"] == name);
            device.is_some_and(|device| device["online"] == online)
        });
    }

    pub(crate) fn endpoint(&self, device: &str, name: &str, host: &str, port: u16) {
        let port = port.to_string();
        let line = ["endpoints", "create-passthrough", "--device", device, "--name", name, "--host", host, "--port"];
        self.json(&[&line[..], &[&port]].concat());
    }

    /// `towline server` on a free port; where it listens.
    pub(crate) fn server(&self, device: &str) -> (Process, String) {
        let line = ["server", "--device", device, "--listen", "127.0.0.1:0", "--output", "json"];
        let mut server = Process::spawn(self.towline(&line).stdout(Stdio::piped()));
        let address = server.first_json()["address"].as_str().unwrap().to_owned();
        (server, address)
    }

    /// Runs a command with this standard input, to its end.
    pub(crate) fn run(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut command = self.towline(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || drop(stdin.write_all(input)));
            child.wait_with_output().unwrap()
        })
    }

    /// Waits for a row of the audit; returns it.
    pub(crate) fn audited(&self, action: &str, outcome: &str) -> Value {
        let mut found = Value::Null;
        eventually(&format!("the audit has {action} with {outcome}"), || {
            let records = self.json(&["audit", "list"]);
            let fits = |record: &&Value| {
                record["outcome"] == outcome && record["action"].as_str().is_some_and(|word| word.contains(action))
            };
            found = records.as_array().unwrap().iter().find(fits).cloned().unwrap_or_default();
            !found.is_null()
        });
        found
    }

    /// A POST to the API; the status.
    pub(crate) fn post(&self, path: &str, body: &Value) -> u16 {
        self.call("POST", path, body)
    }

    /// A request to the API over plain HTTP, which the cloud takes from its own machine; the status.
    pub(crate) fn call(&self, method: &str, path: &str, body: &Value) -> u16 {
        let session = std::fs::read(self.path("config/towline/session.json")).unwrap();
        let session: Value = serde_json::from_slice(&session).unwrap();
        let (token, body) = (session["token"].as_str().unwrap(), body.to_string());
        let authority = self.url.strip_prefix("https://").unwrap();
        let mut stream = TcpStream::connect(authority).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {authority}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split_whitespace().nth(1).unwrap_or_else(|| panic!("{answer:?}")).parse().unwrap()
    }
}

/// The password of somebody whom [`World::person`] made.
pub(crate) fn password_of(name: &str) -> String {
    format!("{name}'s own password")
}

fn cloud(folder: &Path, listen: &str, flags: &[&str]) -> Process {
    let mut command = program(folder);
    command.args(["cloud", "--listen", listen, "--output", "json", "--data-dir"]).arg(folder.join("cloud")).args(flags);
    command.env("TOWLINE_ADMIN_PASSWORD", ADMIN_PASSWORD).env("RUST_LOG", "warn");
    Process::spawn(command.stdout(Stdio::piped()))
}

/// The program in an environment of which only the folder is ours.
pub(crate) fn program(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_towline"));
    for variable in VARIABLES {
        command.env_remove(variable);
    }
    command
        .env("HOME", folder)
        .env("XDG_CONFIG_HOME", folder.join("config"))
        .env("XDG_STATE_HOME", folder.join("state"))
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .env("SHELL", "/bin/sh")
        .stdin(Stdio::null());
    command
}

pub(crate) fn assert_success(output: &Output) {
    assert!(output.status.success(), "{output:?}");
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < DEADLINE, "not within {DEADLINE:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
