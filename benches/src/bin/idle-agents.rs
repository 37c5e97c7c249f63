//! Many idle agents on one cloud: what each costs in memory and processor time.
//!
//! `idle-agents TOWLINE [AGENTS [SECONDS]]` starts the program TOWLINE as a cloud, and itself twice as a crowd of
//! agents: each is enrolled with a key of its own, proves it, and holds a tunnel over WebSocket over TLS, on loopback
//! addresses. Then nothing happens but the tunnel's own pings, for SECONDS, and the figures are printed.
//!
//! Each process needs as many open files as it has connections: `ulimit -n`.
#![forbid(unsafe_code)]

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::Ipv4Addr,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderName, HeaderValue, header};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream},
    net::TcpStream,
    sync::Mutex,
    task::JoinSet,
};
use towline_agent::DeviceKey;
use towline_cloud_api::{EnrolmentToken, SUBPROTOCOL_TUNNEL};
use towline_transport::{
    Dialer as _,
    tcp::TcpDialer,
    tls::{self, TlsDialer, Trust},
    websocket::{ClientRequest, WebSocketDialer},
};
use towline_tunnel_proto::{CarrierKind, Code, Config, Limits, driver::Mux};

type Failure = Box<dyn std::error::Error + Send + Sync>;

const CROWDS: usize = 2;
/// Handshakes at a time in each crowd; the cloud puts up with 128 silent connections of one source.
const AT_A_TIME: usize = 24;
/// So many agents dial one of the cloud's addresses, of which each has its own range of local ports.
const AGENTS_PER_ADDRESS: usize = 10_000;
const LIMIT: Duration = Duration::from_secs(60);
const SETTLING: Duration = Duration::from_secs(30);
/// What the kernel counts processor time in: 100 per second on every Linux there is (`getconf CLK_TCK`).
const TICKS_PER_SECOND: f64 = 100.0;
const PASSWORD: &str = "correct horse battery";

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["crowd", port, pin, first, count] => {
            let runtime = tokio::runtime::Runtime::new()?;
            runtime.block_on(crowd(port.parse()?, pin, first.parse()?, count.parse()?))
        }
        [towline, rest @ ..] => {
            let agents = rest.first().map_or(Ok(20_000), |agents| agents.parse())?;
            let seconds = rest.get(1).map_or(Ok(60), |seconds| seconds.parse())?;
            measure(towline, agents, seconds)
        }
        [] => Err("give the path of the program towline".into()),
    }
}

/// A child with lines in and out, killed with this guard.
struct Talker {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Talker {
    fn spawn(command: &mut Command) -> Result<Self, Failure> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let output = BufReader::new(child.stdout.take().ok_or("no output")?);
        Ok(Self { input: child.stdin.take(), output, child })
    }

    fn hear(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        if line.is_empty() { Err("a process ended early".into()) } else { Ok(line.trim().to_owned()) }
    }

    fn tell(&mut self, line: &str) -> Result<(), Failure> {
        Ok(writeln!(self.input.as_mut().ok_or("no input")?, "{line}")?)
    }

    /// Resident memory, in KiB.
    fn memory_kib(&self) -> Result<f64, Failure> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    /// Processor time so far, in seconds.
    fn processor_seconds(&self) -> Result<f64, Failure> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The fields after the name, which stands in brackets: utime and stime are the 14th and 15th of all.
        let fields = stat.rsplit_once(')').ok_or("no stat")?.1;
        let ticks: Result<Vec<f64>, _> = fields.split_whitespace().skip(11).take(2).map(str::parse).collect();
        Ok(ticks?.iter().sum::<f64>() / TICKS_PER_SECOND)
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn measure(towline: &str, agents: usize, seconds: u64) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let mut command = Command::new(towline);
    command.args(["cloud", "--listen", "0.0.0.0:0", "--output", "json", "--log-level", "error", "--data-dir"]);
    command.arg(folder.path()).env("TOWLINE_ADMIN_PASSWORD", PASSWORD);
    let mut cloud = Talker::spawn(&mut command)?;
    let started: Value =
        serde_json::Deserializer::from_reader(&mut cloud.output).into_iter().next().ok_or("the cloud ended")??;
    let word = |key: &str| started[key].as_str().map(str::to_owned).ok_or("the cloud says something else");
    let port = word("address")?.rsplit_once(':').ok_or("no port")?.1.to_owned();
    let empty = cloud.memory_kib()?;

    let share = agents / CROWDS;
    let mut crowds = Vec::new();
    for crowd in 0..CROWDS {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["crowd", &port, &word("pin")?, &(crowd * share).to_string(), &share.to_string()]);
        crowds.push(Talker::spawn(&mut command)?);
    }
    let agents = share * CROWDS;
    for crowd in &mut crowds {
        crowd.hear()?;
    }
    let enrolled = cloud.memory_kib()?;
    let spent = cloud.processor_seconds()?;
    for crowd in &mut crowds {
        crowd.tell("dial")?;
    }
    for crowd in &mut crowds {
        crowd.hear()?;
    }
    let connecting = cloud.processor_seconds()? - spent;
    std::thread::sleep(SETTLING);
    let (online, spent) = (cloud.memory_kib()?, cloud.processor_seconds()?);
    std::thread::sleep(Duration::from_secs(seconds));
    let idle = (cloud.processor_seconds()? - spent) / seconds as f64;
    let later = cloud.memory_kib()?;
    for crowd in &mut crowds {
        crowd.tell("count")?;
    }
    let mut still = 0;
    for crowd in &mut crowds {
        still += crowd.hear()?.parse::<usize>()?;
    }

    println!("agents online                       {agents}; {still} after {seconds} s");
    println!("cloud: memory without agents        {:.1} MiB", empty / 1024.0);
    println!("cloud: with all enrolled            {:.1} MiB", enrolled / 1024.0);
    println!("cloud: with all online              {:.1} MiB; {:.1} after {seconds} s", online / 1024.0, later / 1024.0);
    println!("cloud: memory for each agent        {:.1} KiB", (online - enrolled) / agents as f64);
    println!("cloud: to connect one               {:.2} ms of a processor", connecting * 1000.0 / agents as f64);
    println!("cloud: with all idle                {:.1} % of a processor", idle * 100.0);
    for crowd in &crowds {
        println!("a crowd's memory for each agent     {:.1} KiB", crowd.memory_kib()? / share as f64);
    }
    Ok(())
}

/// Half of the agents.
async fn crowd(port: u16, pin: &str, first: usize, count: usize) -> Result<(), Failure> {
    let config = tls::client_config(&Trust::Pin(pin.parse()?), &[b"http/1.1"])?;
    let mut api = Api::connect(port).await?;
    let login = json!({ "user": "admin", "password": PASSWORD });
    let answer = api.call("POST", "/login", "", Some(&login)).await?;
    let token = format!("Authorization: Bearer {}\r\n", answer["token"].as_str().ok_or("no token")?);

    let mut devices = Vec::new();
    for number in first..first + count {
        devices.push(enrol(&mut api, &token, &format!("device-{number}")).await?);
    }
    println!("enrolled");
    let mut lines = tokio::io::BufReader::new(tokio::io::stdin()).lines();
    lines.next_line().await?;

    let apis = Arc::new(Mutex::new(Vec::new()));
    for _ in 0..AT_A_TIME {
        apis.lock().await.push(Api::connect(port).await?);
    }
    let mut dialling = JoinSet::new();
    let mut online: Vec<Mux> = Vec::new();
    for (number, device) in devices.into_iter().enumerate() {
        if dialling.len() >= AT_A_TIME {
            online.extend(dialling.join_next().await.transpose()?.transpose()?);
        }
        let (apis, config) = (apis.clone(), config.clone());
        let last = u8::try_from(1 + (first + number) / AGENTS_PER_ADDRESS)?;
        dialling.spawn(async move {
            let mut api = apis.lock().await.pop().ok_or("no connection is free")?;
            let mux = dial(&mut api, &device, Ipv4Addr::new(127, 0, 0, last), port, config).await;
            apis.lock().await.push(api);
            mux
        });
    }
    while let Some(mux) = dialling.join_next().await {
        online.push(mux??);
    }
    println!("online");
    // Until the one who measures ends.
    while lines.next_line().await?.is_some() {
        println!("{}", online.iter().filter(|mux| !mux.is_ended()).count());
    }
    Ok(())
}

struct Device {
    id: String,
    key: DeviceKey,
}

async fn enrol(api: &mut Api, token: &str, name: &str) -> Result<Device, Failure> {
    let ticket = api.call("POST", "/enrolment-tokens", token, Some(&json!({ "name": name }))).await?;
    let ticket: EnrolmentToken = ticket["token"].as_str().ok_or("no token")?.parse()?;
    let nonce = api.challenge().await?;
    let key = DeviceKey::generate()?;
    let wish = json!({
        "secret": URL_SAFE_NO_PAD.encode(ticket.secret),
        "public_key": key.public(),
        "nonce": nonce,
        "signature": key.sign(format!("towline enrol v1\n{}\n{nonce}", api.host).as_bytes()),
        "agent_version": "idle",
    });
    let enrolled = api.call("POST", "/agent/enrol", "", Some(&wish)).await?;
    Ok(Device { id: enrolled["device_id"].as_str().ok_or("no id")?.to_owned(), key })
}

/// The device's proof, its carrier and its session.
async fn dial(
    api: &mut Api,
    device: &Device,
    address: Ipv4Addr,
    port: u16,
    config: Arc<rustls::ClientConfig>,
) -> Result<Mux, Failure> {
    let (host, authority) = (address.to_string(), format!("{address}:{port}"));
    let nonce = api.challenge().await?;
    let Device { id, key } = device;
    let signature = key.sign(format!("towline device v1\n{authority}\n{id}\n{nonce}").as_bytes());
    let proof = HeaderValue::try_from(format!("Towline-Device v1 {id} {nonce} {signature}"))?;
    let tcp = TcpDialer { host: host.clone(), port, connect_timeout: LIMIT };
    let version = (HeaderName::from_static("towline-agent"), HeaderValue::from_static("idle"));
    let dialer = WebSocketDialer {
        inner: TlsDialer { inner: tcp, host, config, handshake_timeout: LIMIT },
        request: ClientRequest {
            authority,
            path: "/api/v1/agent/tunnel".into(),
            headers: vec![(header::AUTHORIZATION, proof), version],
            subprotocol: Some(SUBPROTOCOL_TUNNEL.into()),
        },
        handshake_timeout: LIMIT,
    };
    let (mux, driver) = Mux::new(dialer.dial().await?, Config::dialer(CarrierKind::Negotiated), Limits::default());
    tokio::spawn(driver);
    mux.connected().await?;
    let serving = mux.clone();
    tokio::spawn(async move {
        while let Some(incoming) = serving.accept().await {
            incoming.refuse(Code::NO_SERVICE, "an idle agent connects nothing");
        }
    });
    Ok(mux)
}

/// A connection to the API, in plain HTTP within this machine.
struct Api {
    stream: BufStream<TcpStream>,
    host: String,
}

impl Api {
    async fn connect(port: u16) -> Result<Self, Failure> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufStream::new(stream), host: format!("{}:{port}", Ipv4Addr::LOCALHOST) })
    }

    async fn challenge(&mut self) -> Result<String, Failure> {
        let answer = self.call("GET", "/agent/challenge", "", None).await?;
        Ok(answer["nonce"].as_str().ok_or("no nonce")?.to_owned())
    }

    async fn call(&mut self, method: &str, path: &str, headers: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let head = format!(
            "{method} /api/v1{path} HTTP/1.1\r\nHost: {}\r\n{headers}Content-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            self.host,
            body.len()
        );
        self.stream.write_all(head.as_bytes()).await?;
        self.stream.write_all(body.as_bytes()).await?;
        self.stream.flush().await?;
        let mut status = String::new();
        self.stream.read_line(&mut status).await?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).await?;
            match line.trim().split_once(':') {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.trim().parse()?,
                Some(_) => {}
                None => break,
            }
        }
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer).await?;
        let text = String::from_utf8_lossy(&answer);
        if !status.contains(" 20") {
            return Err(format!("{method} {path}: {status}{text}").into());
        }
        Ok(serde_json::from_str(&text)?)
    }
}
