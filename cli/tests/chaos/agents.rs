//! Agents that are killed, stopped, cut off, set to another century, copied or impersonated.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::json;
use towline_agent::Identity;

use crate::site::{Process, Site, assert_success, echo, eventually, is_root, raw, request, system};

const DEVICE: &str = "pump-7";
/// Nothing was heard for so long: the device is offline. Tests get a margin.
const DEAD_WITHIN: Duration = Duration::from_secs(150);

/// Whether the device can be used, not only seen.
fn works(site: &Site) -> bool {
    let line = ["server", "--device", DEVICE, "--endpoint", "echo", "--listen", "-"];
    let mut command = site.towline(&line);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"hello").unwrap();
    child.wait_with_output().unwrap().stdout == b"hello"
}

#[test]
fn a_killed_agent_is_offline_at_once_and_back_when_it_is_started() {
    let site = Site::new();
    let (device, mut agent) = site.device(DEVICE);
    site.endpoint(&device, "echo", echo());
    assert!(works(&site));

    agent.kill();
    let took = site.wait_online(&device, false);
    assert!(took < Duration::from_secs(10), "the end of a connection took {took:?} to be seen");

    let _agent = Process::spawn(&mut site.agent_command(DEVICE, None));
    site.wait_online(&device, true);
    assert!(works(&site));
}

#[test]
fn a_stopped_agent_is_found_dead_and_back_when_it_goes_on() {
    let site = Site::new();
    let (device, agent) = site.device(DEVICE);
    site.endpoint(&device, "echo", echo());

    agent.signal("STOP");
    let dead = site.wait_online(&device, false);
    assert!(dead < DEAD_WITHIN, "{dead:?}");
    assert!(!works(&site));
    agent.signal("CONT");
    let back = site.wait_online(&device, true);
    assert!(works(&site));
    eprintln!("a stopped agent was offline after {dead:?} and back {back:?} after it went on");
}

#[test]
fn an_agent_that_is_cut_off_from_the_network_is_found_dead_and_comes_back_with_it() {
    if !is_root() {
        return;
    }
    let id = std::process::id() % 10_000;
    let (space, near, far) = (format!("tl{id}"), format!("tla{id}"), format!("tlb{id}"));
    system(&format!("ip netns add {space}"));
    let _cleanup = Namespace(space.clone());
    system(&format!("ip link add {near} type veth peer name {far} netns {space}"));
    system(&format!("ip address add 198.18.77.1/30 dev {near}"));
    system(&format!("ip link set {near} up"));
    for line in [&format!("address add 198.18.77.2/30 dev {far}"), &format!("link set {far} up"), "link set lo up"] {
        system(&format!("ip netns exec {space} ip {line}"));
    }

    let site = Site::with(&["--listen", "0.0.0.0:0"]);
    let (token, device) = site.ticket(DEVICE);
    let port = site.address.port();
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &space, env!("CARGO_BIN_EXE_towline"), "agent", "--data-dir"]);
    command.arg(site.path("agent")).args(["--cloud", &format!("https://198.18.77.1:{port}")]);
    command.env("TOWLINE_ENROL_TOKEN", token).stdin(Stdio::null()).stderr(site.log("agent"));
    let _agent = Process::spawn(&mut command);
    site.wait_online(&device, true);

    system(&format!("ip link set {near} down"));
    let dead = site.wait_online(&device, false);
    assert!(dead < DEAD_WITHIN, "{dead:?}");
    system(&format!("ip link set {near} up"));
    let back = site.wait_online(&device, true);
    eprintln!("an agent that was cut off was offline after {dead:?} and back {back:?} after the network");
}

struct Namespace(String);

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(Command::new("ip").args(["netns", "delete", &self.0]).status());
    }
}

#[test]
fn an_agent_whose_clock_is_decades_off_connects_all_the_same() {
    let site = Site::new();
    for (name, time) in
        [("epoch", "1970-01-02 00:00:00"), ("overflow", "2038-01-20 03:14:08"), ("far", "2099-01-01 00:00:00")]
    {
        let (token, device) = site.ticket(name);
        let mut command = site.agent_command(name, Some(&token));
        // Not by the program `faketime`: that would be what is killed, and the agent would live on.
        command.env("LD_PRELOAD", "/usr/$LIB/faketime/libfaketimeMT.so.1");
        command.env("FAKETIME", format!("@{time}")).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        let agent = Process::spawn(&mut command);
        site.wait_online(&device, true);
        drop(agent);
        let took = site.wait_online(&device, false);
        assert!(took < Duration::from_secs(10), "the agent outlives its process by {took:?}");
    }
    assert!(site.read_log("agent-epoch").contains("1970-01-0"), "the clock was not the one it was set to");
}

#[test]
fn two_agents_with_one_identity_raise_the_alarm_and_do_not_drive_each_other_out_for_ever() {
    let site = Site::new();
    let (device, _first) = site.device(DEVICE);
    let status = Command::new("cp").arg("-r").arg(site.path("agent-pump-7")).arg(site.path("agent-copy")).status();
    assert!(status.unwrap().success());

    let _second = Process::spawn(&mut site.agent_command("copy", None));
    eventually("the alarm is in the audit", || site.is_audited("device.replaced", "device-replaced"));
    std::thread::sleep(Duration::from_secs(10));

    let audit = site.list("/audit");
    let replaced = audit.iter().filter(|record| record["action"] == "device.replaced").count();
    assert_eq!(replaced, 1, "they drive each other out");
    assert_eq!(site.is_online(&device), Some(true));
    let record = audit.iter().find(|record| record["action"] == "device.replaced").unwrap();
    assert!(record["detail"].as_str().unwrap().contains("was replaced by one at"), "{record}");
    assert!(site.read_log("agent-pump-7").contains("data folder was not copied"), "the agent does not say what to do");
}

#[test]
fn a_token_that_is_used_or_has_expired_enrols_nobody() {
    let site = Site::new();
    let (used, _) = site.ticket(DEVICE);
    let _agent = Process::spawn(&mut site.agent_command(DEVICE, Some(&used)));
    eventually("it is enrolled", || site.path("agent-pump-7/identity.toml").exists());
    let wish = json!({ "name": "pump-8", "valid_for_seconds": 1 });
    let expired = site.api("POST", "/enrolment-tokens", Some(&wish)).ok("token").to_owned();
    std::thread::sleep(Duration::from_secs(2));

    for (name, token) in [("used", used), ("expired", expired)] {
        let mut agent = Process::spawn(&mut site.agent_command(name, Some(&token)));
        assert_eq!(agent.wait(), Some(14), "{name}");
        assert!(site.read_log(&format!("agent-{name}")).contains("enrolment-token-invalid"));
        assert!(!site.path(&format!("agent-{name}/identity.toml")).exists());
    }
}

#[test]
fn a_proof_that_was_overheard_is_worth_nothing() {
    let site = Site::new();
    let (device, agent) = site.device(DEVICE);
    drop(agent);
    site.wait_online(&device, false);
    let identity = Identity::load(&site.path("agent-pump-7")).unwrap();
    // A connection attempt with a proof made for `host`, twice.
    let attempts = |host: &str| {
        let challenge = request(site.address, "", "GET", "/api/v1/agent/challenge", &[], None).unwrap();
        let nonce = challenge.ok("nonce");
        let proof = identity.key.sign(format!("towline device v1\n{host}\n{device}\n{nonce}").as_bytes());
        let head = format!(
            "GET /api/v1/agent/tunnel HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
             Sec-WebSocket-Protocol: towline.tunnel.v1\r\nAuthorization: Towline-Device v1 {device} {nonce} {proof}\r\n\r\n",
            site.address
        );
        [(); 2].map(|()| raw(site.address, head.as_bytes()).unwrap())
    };

    for answer in attempts("other.example") {
        assert_eq!((answer.status, answer.code()), (401, "device-identity-rejected"), "{answer:?}");
    }
    // Nobody says hello on the first connection, so that it ends by itself.
    let [first, replayed] = attempts(&site.address.to_string());
    assert_eq!(first.status, 101);
    assert_eq!((replayed.status, replayed.code()), (401, "device-identity-rejected"), "{replayed:?}");
    assert!(site.is_audited("device.connect", "device-identity-rejected"));
}

#[test]
fn a_machine_in_the_middle_with_another_key_is_not_talked_to() {
    let site = Site::new();
    let other = Site::new();
    let (token, _) = site.ticket(DEVICE);
    let line = ["agent", "--cloud", &other.url(), "--data-dir"];
    let mut command = site.towline(&line);
    let output = command.arg(site.path("x")).env("TOWLINE_ENROL_TOKEN", &token).output().unwrap();
    assert_eq!(output.status.code(), Some(45), "{output:?}");

    let _agent = Process::spawn(&mut site.agent_command(DEVICE, Some(&token)));
    eventually("the token is still good", || site.path("agent-pump-7/identity.toml").exists());
    assert_success(&site.towline(&["devices", "list"]).output().unwrap());
}
