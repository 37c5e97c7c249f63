//! `towline up`: a cloud, and this machine or a demo device as its first device.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Serialize;
use tokio::{net::TcpStream, sync::oneshot};
use towline_agent::{Agent, CloudUrl, Enrolment, WayOut};
use towline_cloud::{Config, Running};
use towline_cloud_api::{CreateEndpoint, Device, Endpoint, ErrorCode, Problem, Protocol};
use towline_transport::tls::Trust;

use crate::{
    api::Api,
    args::Up,
    cloud,
    demo::{self, Demo},
    output::{Output, note},
    session_file::SessionFile,
    signal::interrupted,
};

/// Where servers usually listen, and what their endpoints are called.
const USUAL: [(u16, &str); 9] = [
    (22, "ssh"),
    (23, "telnet"),
    (80, "http"),
    (443, "https"),
    (3389, "rdp"),
    (5900, "vnc"),
    (5901, "vnc-1"),
    (5902, "vnc-2"),
    (8080, "http-8080"),
];
const PROBE_LIMIT: Duration = Duration::from_millis(300);
const ONLINE_LIMIT: Duration = Duration::from_secs(15);
const ONLINE_PAUSE: Duration = Duration::from_millis(100);
const FALLBACK_NAME: &str = "this-machine";

#[derive(Serialize)]
struct Started<'a> {
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    login_link: Option<String>,
    session_file: PathBuf,
    device: Device,
    endpoints: Vec<Endpoint>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pin: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_password: Option<&'a str>,
}

pub(crate) async fn run(command: &Up, output: Output) -> Result<(), Problem> {
    let data_dir = match command.data_dir.clone() {
        Some(data_dir) => std::path::absolute(data_dir).map_err(|error| unusable(&error.to_string()))?,
        None if command.demo => default_data_dir()?.join("demo"),
        None => default_data_dir()?,
    };
    let demo = command.demo.then(Demo::start).transpose()?;
    let mut config = Config::new(command.listen, data_dir.join("cloud"));
    config.quic_listen = command.quic_listen;
    let running = cloud::start(config).await?;
    let outcome = serve(&running, &data_dir, demo.as_ref(), output).await;
    running.shutdown().await;
    outcome
}

async fn serve(running: &Running, data_dir: &Path, demo: Option<&Demo>, output: Output) -> Result<(), Problem> {
    let url = cloud::url(running)?;
    let session_file = data_dir.join("session.json");
    let granted = running.local_login().await?;
    SessionFile::new(&url, running.pin(), &granted).save(&session_file)?;
    let trust = running.pin().map_or(Trust::WebPki, Trust::Pin);
    let api = Api::new(&url, &trust, &WayOut::default(), Some(&granted.token))?;

    let name = demo.map_or_else(machine_name, |_| demo::DEVICE.into());
    let agent = agent(running, &api, &url, &name, &data_dir.join("agent")).await?;
    let device_id = agent.identity().device_id.clone();
    let (stop, stopped) = oneshot::channel::<()>();
    let agent = tokio::spawn(async move {
        agent.run(async { drop(stopped.await) }).await;
    });

    let started = async {
        let device = online(&api, &device_id).await?;
        let (endpoints, login_link) = match demo {
            Some(demo) => (demo.offer(&api, &device).await?, Some(login_link(running, &url)?)),
            None => (offer(&api, &device, running.local_addr().port()).await?, None),
        };
        let started = Started {
            url: url.to_string(),
            login_link,
            session_file,
            device,
            endpoints,
            pin: running.pin().map(|pin| pin.to_string()),
            first_password: running.first_start_password(),
        };
        output.value(&started, lines)
    };
    let outcome = tokio::select! {
        outcome = started => outcome,
        () = interrupted() => return Ok(()),
    };
    if outcome.is_ok() {
        tokio::select! {
            () = interrupted() => note("Stopping"),
            () = running.wait() => {}
        }
    }
    drop(stop);
    drop(agent.await);
    outcome
}

fn lines(started: &Started<'_>) -> Vec<String> {
    let Started { url, login_link, session_file, device, endpoints, pin, first_password } = started;
    let mut lines = match login_link {
        Some(link) => vec![ready(link, endpoints)],
        None => vec![format!("Towline is up at {url}"), format!("This machine is the device {}", device.name)],
    };
    lines.extend(
        endpoints
            .iter()
            .map(|endpoint| format!("  endpoint {}: {} port {}", endpoint.name, endpoint.host, endpoint.port)),
    );
    if endpoints.is_empty() {
        lines.push("  no servers were found on it: see `towline endpoints create-passthrough --help`".into());
    }
    let program = std::env::args().next().unwrap_or_else(|| "towline".into());
    lines.push("In another terminal:".into());
    lines.push(format!("  export TOWLINE_SESSION_FILE='{}'", session_file.display()));
    lines.push(format!("  {program} devices list"));
    match endpoints.iter().find(|endpoint| endpoint.name == "ssh") {
        Some(_) => lines.push(format!("  {program} connect ssh --device {}", device.name)),
        None => lines.push(format!("  {program} devices enrol --name another-device")),
    }
    if let Some(password) = first_password {
        let pin = pin.as_ref().map_or_else(String::new, |pin| format!(" --pin {pin}"));
        lines.push(format!("From elsewhere: {program} login {url}{pin} --user admin"));
        lines.push(format!("Password of admin, shown this once: {}", password));
    }
    lines
}

/// Logs a browser of this machine in, which does not know the cloud's certificate.
fn login_link(running: &Running, url: &CloudUrl) -> Result<String, Problem> {
    let scheme = if url.is_loopback() { "http" } else { "https" };
    Ok(format!("{scheme}://{}/{}", url.authority(), running.login_fragment()?))
}

/// The line of the demo: where to go, and what is there.
fn ready(link: &str, endpoints: &[Endpoint]) -> String {
    let mut protocols: Vec<&str> = Vec::new();
    for endpoint in endpoints {
        if !protocols.contains(&endpoint.protocol.as_str()) {
            protocols.push(endpoint.protocol.as_str());
        }
    }
    format!("Towline ready: {link}  (demo device connected: {})", protocols.join(", "))
}

/// The agent of the data folder, enrolled anew if the cloud does not know it (any more) or has moved.
async fn agent(running: &Running, api: &Api, url: &CloudUrl, name: &str, data_dir: &Path) -> Result<Agent, Problem> {
    if let Ok(agent) = Agent::load(data_dir) {
        let identity = agent.identity();
        let known: Result<Device, Problem> = api.get(&["devices", &identity.device_id], &[]).await;
        if identity.cloud == *url && known.is_ok_and(|device| device.enrolled) {
            return Ok(agent);
        }
    }
    let ticket = running.issue_enrolment_token(name).await?;
    let token = ticket.token.parse().map_err(|error| unusable(&format!("the enrolment token: {error}")))?;
    let (data_dir, way_out) = (data_dir.to_owned(), WayOut::default());
    let enrolment = Enrolment { cloud: url.clone(), token, name: None, data_dir, way_out };
    Agent::enrol(&enrolment).await.map_err(|error| error.problem())
}

/// Waits until the cloud sees the device.
async fn online(api: &Api, device_id: &str) -> Result<Device, Problem> {
    let seen = async {
        loop {
            let device: Device = api.get(&["devices", device_id], &[]).await?;
            if device.online {
                return Ok(device);
            }
            tokio::time::sleep(ONLINE_PAUSE).await;
        }
    };
    let late = || Problem::new(ErrorCode::DeviceOffline, "this machine's agent did not come online");
    tokio::time::timeout(ONLINE_LIMIT, seen).await.unwrap_or_else(|_| Err(late()))
}

/// Makes an endpoint for each server that answers on this machine, unless it has one; returns all there are.
async fn offer(api: &Api, device: &Device, own_port: u16) -> Result<Vec<Endpoint>, Problem> {
    let path = ["devices", &device.id, "endpoints"];
    let mut endpoints: Vec<Endpoint> = api.list(&path, &[], usize::MAX).await?;
    for (port, name) in USUAL {
        let there = |endpoint: &Endpoint| endpoint.name == name || endpoint.port == port;
        if port == own_port || endpoints.iter().any(there) || !answers(port).await {
            continue;
        }
        let host = Ipv4Addr::LOCALHOST.to_string();
        let wish = CreateEndpoint::new(name, Protocol::Passthrough, host, port);
        endpoints.push(api.post(&path, &wish).await?);
    }
    Ok(endpoints)
}

async fn answers(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    matches!(tokio::time::timeout(PROBE_LIMIT, TcpStream::connect(address)).await, Ok(Ok(_)))
}

/// The host's name, as far as a device can be called that.
fn machine_name() -> String {
    let name = gethostname::gethostname().to_string_lossy().into_owned();
    let fits = |char: &char| char.is_ascii_alphanumeric() || matches!(char, '-' | '.' | '_');
    let name: String = name.chars().filter(fits).take(64).collect();
    if name.is_empty() { FALLBACK_NAME.into() } else { name }
}

fn default_data_dir() -> Result<PathBuf, Problem> {
    let data = std::env::var_os("XDG_DATA_HOME").filter(|value| !value.is_empty()).map(PathBuf::from);
    let data = data.or_else(|| std::env::home_dir().map(|home| home.join(".local").join("share")));
    data.map(|data| data.join("towline")).ok_or_else(|| unusable("there is no home folder: give --data-dir"))
}

fn unusable(cause: &str) -> Problem {
    Problem::new(ErrorCode::BadRequest, cause)
}
