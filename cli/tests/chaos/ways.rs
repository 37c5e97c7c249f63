//! Ways to the cloud: QUIC where it gets through, proxies that want a password, a front that wants a certificate.

use std::{
    fs,
    io::Write as _,
    net::{TcpListener, TcpStream},
    process::{Command, Stdio},
};

use crate::site::{ADMIN_PASSWORD, Process, Site, assert_success, echo, eventually};

const DEVICE: &str = "pump-7";
const PROXY_USER: &str = "mia";
const PROXY_PASSWORD: &str = "canary-of-the-proxy";

/// What the echo sends back through the device.
fn echoed(site: &Site, server: &mut Command) -> Vec<u8> {
    let mut child = server.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(site.log("server")).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"hello").unwrap();
    child.wait_with_output().unwrap().stdout
}

fn works(site: &Site) -> bool {
    echoed(site, &mut site.towline(&["server", "--device", DEVICE, "--listen", "-"])) == b"hello"
}

fn remembered(site: &Site) -> String {
    fs::read_to_string(site.path(&format!("agent-{DEVICE}")).join("carrier.toml")).unwrap_or_default()
}

fn log_of_agent(site: &Site) -> String {
    site.read_log(&format!("agent-{DEVICE}"))
}

#[test]
fn a_device_comes_over_quic_where_the_cloud_offers_it_and_says_farewell() {
    let site = Site::with(&["--quic-listen", "127.0.0.1:0"]);
    let (device, mut agent) = site.device(DEVICE);
    site.endpoint(&device, "echo", echo());
    assert!(works(&site), "{}", log_of_agent(&site));
    assert!(log_of_agent(&site).contains("QUIC"), "{}", log_of_agent(&site));
    assert!(remembered(&site).contains("worked = \"quic\""), "{}", remembered(&site));

    agent.signal("TERM");
    assert_eq!(agent.wait(), Some(0));
    site.wait_online(&device, false);
    let audit = site.list("/audit");
    let left = audit.iter().find(|record| record["action"] == "device.offline").unwrap();
    assert!(left["detail"].as_str().unwrap().contains("the agent is stopping"), "{left}");
}

#[test]
fn a_device_whose_datagrams_are_swallowed_comes_over_websocket_and_remembers_that() {
    // The port that the cloud names is one where this machine's other address listens.
    let site = Site::with(&["--quic-listen", "127.0.0.2:0"]);
    let (device, agent) = site.device(DEVICE);
    site.endpoint(&device, "echo", echo());
    assert!(works(&site), "{}", log_of_agent(&site));
    let log = log_of_agent(&site);
    assert!(log.contains("QUIC does not get through") && log.contains("WebSocket"), "{log}");
    let once = remembered(&site);
    assert!(once.contains("worked = \"websocket\"") && once.contains("quic_failures = 1"), "{once}");

    drop(agent);
    site.wait_online(&device, false);
    let _agent = Process::spawn(&mut site.agent_command(DEVICE, None));
    site.wait_online(&device, true);
    assert_eq!(remembered(&site), once, "it was left alone");
    assert_eq!(log_of_agent(&site).matches("QUIC does not get through").count(), 1);
}

#[test]
fn a_device_that_shall_use_quic_only_says_why_it_cannot() {
    let site = Site::new();
    let (token, _) = site.ticket(DEVICE);
    let mut command = site.agent_command(DEVICE, Some(&token));
    let _agent = Process::spawn(command.args(["--carrier", "quic"]));
    eventually("it says why", || log_of_agent(&site).contains("offers no QUIC"));
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn listens(process: Process, port: u16) -> Process {
    eventually("the proxy listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    process
}

/// Debian's tinyproxy, which takes CONNECT from those who know the password; and its URL.
fn tinyproxy(site: &Site) -> (Process, String) {
    let port = free_port();
    let configuration = format!(
        "Port {port}\nListen 127.0.0.1\nTimeout 600\nMaxClients 50\nLogLevel Connect\n\
         BasicAuth {PROXY_USER} {PROXY_PASSWORD}\n"
    );
    fs::write(site.path("tinyproxy.conf"), configuration).unwrap();
    let mut command = Command::new("tinyproxy");
    command.arg("-d").arg("-c").arg(site.path("tinyproxy.conf"));
    let process = Process::spawn(command.stdin(Stdio::null()).stdout(site.log("tinyproxy")).stderr(Stdio::null()));
    (listens(process, port), format!("http://{PROXY_USER}:{PROXY_PASSWORD}@127.0.0.1:{port}"))
}

/// Debian's microsocks, and its URL.
fn microsocks(site: &Site) -> (Process, String) {
    let port = free_port();
    let mut command = Command::new("microsocks");
    command.args(["-i", "127.0.0.1", "-u", PROXY_USER, "-P", PROXY_PASSWORD, "-p"]).arg(port.to_string());
    let process = Process::spawn(command.stdin(Stdio::null()).stderr(site.log("microsocks")));
    (listens(process, port), format!("socks5h://{PROXY_USER}:{PROXY_PASSWORD}@127.0.0.1:{port}"))
}

#[test]
fn device_and_operator_work_through_proxies_whose_password_is_nowhere_in_the_logs() {
    let site = Site::with(&["--quic-listen", "127.0.0.1:0"]);
    let ((_connect, connect_url), (_socks, socks_url)) = (tinyproxy(&site), microsocks(&site));
    let (token, device) = site.ticket(DEVICE);
    let mut command = site.agent_command(DEVICE, Some(&token));
    command.args(["--log-level", "trace"]).env("TOWLINE_PROXY", &connect_url);
    let _agent = Process::spawn(&mut command);
    site.wait_online(&device, true);
    site.endpoint(&device, "echo", echo());
    assert!(remembered(&site).is_empty(), "no proxy carries QUIC");
    assert!(fs::read_to_string(site.path("tinyproxy.log")).unwrap().contains("CONNECT 127.0.0.1"));

    for proxy in [&socks_url, &connect_url] {
        let mut server = site.towline(&["server", "--device", DEVICE, "--listen", "-"]);
        assert_eq!(echoed(&site, server.env("TOWLINE_PROXY", proxy).env("RUST_LOG", "trace")), b"hello");
        let devices = site.towline(&["devices", "list"]).env("TOWLINE_PROXY", proxy).output().unwrap();
        assert_success(&devices);
        assert!(String::from_utf8_lossy(&devices.stdout).contains(DEVICE));
    }
    let doctor = site.towline(&["doctor"]).env("TOWLINE_PROXY", &connect_url).output().unwrap();
    let told = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(told.contains("http://127.0.0.1:"), "{told}");
    for said in [log_of_agent(&site), site.read_log("server"), told] {
        assert!(!said.contains(PROXY_PASSWORD));
    }
}

/// TLS in front of a proxy, by Debian's socat; its URL. The root that vouches for it is in `proxy-root.pem`.
fn encrypted(site: &Site, proxy: &str) -> (Process, String) {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(site.path("proxy-root.pem"), certified.cert.pem()).unwrap();
    let both = certified.cert.pem() + &certified.signing_key.serialize_pem();
    fs::write(site.path("proxy-both.pem"), both).unwrap();
    let (port, (start, behind)) = (free_port(), proxy.rsplit_once('@').unwrap());
    let listen = format!("OPENSSL-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork,verify=0,cert=");
    let mut command = Command::new("socat");
    command.arg(listen + site.path("proxy-both.pem").to_str().unwrap()).arg(format!("TCP:{behind}"));
    let process = Process::spawn(command.stdin(Stdio::null()).stderr(site.log("socat")));
    (listens(process, port), format!("{}@localhost:{port}", start.replace("http:", "https:")))
}

#[test]
fn an_encrypted_proxy_is_known_by_its_roots_and_the_cloud_behind_it_by_its_pin() {
    let site = Site::new();
    let (_connect, connect_url) = tinyproxy(&site);
    let (_encrypted, proxy) = encrypted(&site, &connect_url);
    let (token, device) = site.ticket(DEVICE);
    let mut command = site.agent_command(DEVICE, Some(&token));
    command.env("TOWLINE_PROXY", &proxy).env("TOWLINE_ROOTS", site.path("proxy-root.pem"));
    let _agent = Process::spawn(&mut command);
    site.wait_online(&device, true);
    site.endpoint(&device, "echo", echo());

    let mut server = site.towline(&["server", "--device", DEVICE, "--listen", "-"]);
    server.env("TOWLINE_PROXY", &proxy).env("TOWLINE_ROOTS", site.path("proxy-root.pem"));
    assert_eq!(echoed(&site, &mut server), b"hello", "{}", site.read_log("server"));

    let devices = || {
        let mut command = site.towline(&["devices", "list"]);
        command.env("TOWLINE_PROXY", &proxy);
        command
    };
    assert_success(&devices().env("TOWLINE_ROOTS", site.path("proxy-root.pem")).output().unwrap());
    // Nobody vouches for the proxy on this machine itself.
    assert!(!devices().output().unwrap().status.success());
}

#[test]
fn a_proxy_that_lets_nothing_through_is_named_as_the_hop() {
    let site = Site::new();
    let ((_connect, connect_url), (_socks, socks_url)) = (tinyproxy(&site), microsocks(&site));
    let nobody = format!("http://{PROXY_USER}:{PROXY_PASSWORD}@127.0.0.1:{}", free_port());
    for proxy in [connect_url.replace(PROXY_PASSWORD, "wrong"), socks_url.replace(PROXY_PASSWORD, "wrong"), nobody] {
        let mut agent = site.towline(&["agent", "--cloud", &site.url(), "--data-dir"]);
        agent.arg(site.path("other")).env("TOWLINE_ENROL_TOKEN", site.ticket("pump-8").0).env("TOWLINE_PROXY", &proxy);
        let mut devices = site.towline(&["devices", "list"]);
        devices.env("TOWLINE_PROXY", &proxy);
        for mut program in [agent, devices] {
            let output = program.output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(46), "{said}");
            assert!(said.contains("proxy-failed (proxy)"), "{said}");
            assert!(!said.contains(PROXY_PASSWORD) && !said.contains("wrong"), "{said}");
        }
    }
}

#[test]
fn a_front_that_wants_a_certificate_lets_in_who_has_one() {
    let site = Site::with(&["--web-pki", "--trusted-proxy", "127.0.0.0/8"]);
    let (_nginx, port) = crate::proxy::nginx_that_asks_for_certificates(&site);
    let url = format!("https://localhost:{port}");
    let with_certificate = |command: &mut Command| {
        for (variable, file) in [("ROOTS", "ca.pem"), ("CLIENT_CERT", "client.pem"), ("CLIENT_KEY", "client.pem")] {
            command.env(format!("TOWLINE_{variable}"), site.path(file));
        }
    };
    let (token, device) = site.ticket(DEVICE);
    let mut agent = site.towline(&["agent", "--cloud", &url, "--data-dir"]);
    agent.arg(site.path("agent")).env("TOWLINE_ENROL_TOKEN", &token).stderr(site.log("agent"));
    with_certificate(&mut agent);
    let _agent = Process::spawn(&mut agent);
    site.wait_online(&device, true);
    site.endpoint(&device, "echo", echo());

    let login = |certificate: bool| {
        let mut login = site.towline(&["login", &url, "--user", "admin"]);
        login.env("TOWLINE_PASSWORD", ADMIN_PASSWORD).env("TOWLINE_ROOTS", site.path("ca.pem"));
        if certificate {
            with_certificate(&mut login);
        }
        login.output().unwrap()
    };
    assert!(!login(false).status.success());
    assert_success(&login(true));
    let mut server = site.towline(&["server", "--device", DEVICE, "--listen", "-"]);
    server.env_remove("TOWLINE_TOKEN").env_remove("TOWLINE_HOST");
    with_certificate(&mut server);
    assert_eq!(echoed(&site, &mut server), b"hello", "{}", site.read_log("server"));
}
