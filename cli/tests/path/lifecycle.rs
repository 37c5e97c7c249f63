//! Devices and logins that come and go.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpStream},
    process::Stdio,
    time::Duration,
};

use crate::{
    targets::echo,
    world::{ADMIN_PASSWORD, Process, World, assert_success, eventually, stderr},
};

const DEVICE: &str = "pump-7";
const LIVENESS: Duration = Duration::from_secs(60);

/// Whether bytes come back through a listener.
fn echoes(address: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    stream.set_read_timeout(Some(LIVENESS)).unwrap();
    let mut answer = Vec::new();
    let mut exchange = || -> std::io::Result<()> {
        stream.write_all(b"hello")?;
        stream.shutdown(Shutdown::Write)?;
        stream.read_to_end(&mut answer).map(drop)
    };
    exchange().is_ok() && answer == b"hello"
}

#[test]
fn a_killed_agent_comes_back_and_a_running_server_goes_on() {
    let world = World::new();
    let mut agent = world.device(DEVICE);
    world.endpoint(DEVICE, "echo", "127.0.0.1", echo());
    let (mut server, address) = world.server(DEVICE);
    assert!(echoes(&address));

    agent.kill();
    world.wait_online(DEVICE, false);
    assert!(!echoes(&address), "there is nobody to answer");

    let _agent = world.agent(DEVICE, None);
    world.wait_online(DEVICE, true);
    eventually("the server works again", || echoes(&address));
    assert!(server.0.try_wait().unwrap().is_none(), "it is still the same process");
}

#[test]
fn a_killed_cloud_comes_back_and_agent_and_server_find_it_again() {
    let mut world = World::new();
    let _agent = world.device(DEVICE);
    world.endpoint(DEVICE, "echo", "127.0.0.1", echo());
    let (mut server, address) = world.server(DEVICE);
    assert!(echoes(&address));

    world.restart_cloud();

    world.wait_online(DEVICE, true);
    eventually("the server works again", || echoes(&address));
    assert!(server.0.try_wait().unwrap().is_none(), "it is still the same process");
}

#[test]
fn an_enrolled_device_ignores_a_token_and_says_so() {
    let world = World::new();
    drop(world.device(DEVICE));
    world.wait_online(DEVICE, false);

    let mut command = world.towline(&["agent", "--cloud", &world.url, "--data-dir"]);
    command.arg(world.path("agent-pump-7")).env("TOWLINE_ENROL_TOKEN", "tl1_whatever").stderr(Stdio::piped());
    let mut agent = Process::spawn(&mut command);
    world.wait_online(DEVICE, true);

    agent.kill();
    let mut said = String::new();
    agent.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("the token is ignored"), "{said}");
}

#[test]
fn enrol_prints_a_token_for_programs_and_a_command_for_people() {
    let world = World::new();

    let ticket = world.json(&["devices", "enrol", "--name", DEVICE]);
    assert!(ticket["token"].as_str().unwrap().starts_with("tl1_"));
    assert_eq!(ticket["device"]["name"], DEVICE);
    assert!(ticket["expires_at"].as_str().unwrap().ends_with('Z'));

    let output = world.towline(&["devices", "enrol", "--name", DEVICE]).output().unwrap();
    assert_success(&output);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("TOWLINE_ENROL_TOKEN=tl1_") && said.contains("towline agent --cloud https://"), "{said}");
}

#[test]
fn a_removed_device_is_cut_off_and_unknown() {
    let world = World::new();
    let _agent = world.device(DEVICE);
    world.json(&["devices", "remove", DEVICE]);

    let output = world.towline(&["devices", "show", DEVICE]).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert_eq!(world.json(&["devices", "list"]), serde_json::json!([]));
}

#[test]
fn without_a_login_the_environment_is_enough_and_after_logout_nothing_is() {
    let world = World::new();
    assert_success(&world.towline(&["logout"]).output().unwrap());
    assert!(!world.path("config/towline/session.json").exists());

    let output = world.towline(&["devices", "list", "--cloud", &world.url, "--pin", &world.pin]).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(stderr(&output).starts_with("unauthenticated (operator)"), "{output:?}");

    let mut command = world.towline(&["devices", "list"]);
    command.env("TOWLINE_HOST", &world.url).env("TOWLINE_PIN", &world.pin);
    command.env("TOWLINE_USER", "admin").env("TOWLINE_PASSWORD", ADMIN_PASSWORD);
    assert_success(&command.output().unwrap());
}

#[test]
fn on_this_machine_itself_the_way_may_be_unencrypted() {
    let mut world = World::new();
    world.url = world.url.replace("https://", "http://");
    let line = ["login", &world.url, "--user", "admin"];
    assert_success(&world.towline(&line).env("TOWLINE_PASSWORD", ADMIN_PASSWORD).output().unwrap());
    let _agent = world.device(DEVICE);
    world.endpoint(DEVICE, "echo", "127.0.0.1", echo());

    let output = world.run(&["server", "--device", DEVICE, "--listen", "-"], b"hello");

    assert_success(&output);
    assert_eq!(output.stdout, b"hello");
}

#[cfg(unix)]
#[test]
fn up_makes_this_machine_a_device_that_can_be_used_at_once() {
    let world = World::new();
    let up = |listen: &str| {
        let mut command = world.towline(&["up", "--listen", listen, "--output", "json", "--data-dir"]);
        Process::spawn(command.arg(world.path("up")).stdout(Stdio::piped()))
    };
    let mut running = up("127.0.0.1:0");
    let started = running.first_json();
    let (session_file, id) = (started["session_file"].as_str().unwrap(), started["device"]["id"].as_str().unwrap());
    assert_eq!(started["device"]["online"], true);

    let mut command = world.towline(&["endpoints", "create-passthrough", "--device", id, "--name", "echo", "--port"]);
    assert_success(&command.arg(echo().to_string()).env("TOWLINE_SESSION_FILE", session_file).output().unwrap());
    let mut command = world.towline(&["server", "--device", id, "--endpoint", "echo", "--listen", "-"]);
    let mut child =
        command.env("TOWLINE_SESSION_FILE", session_file).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"hello").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_success(&output);
    assert_eq!(output.stdout, b"hello");

    // Asked to end it ends orderly, and the next start finds the same device.
    let address = started["url"].as_str().unwrap().strip_prefix("https://").unwrap();
    let terminate = format!("kill -TERM {}", running.0.id());
    assert!(std::process::Command::new("sh").args(["-c", &terminate]).status().unwrap().success());
    assert!(running.0.wait().unwrap().success());
    let again = up(address).first_json();
    assert_eq!(again["device"]["id"], id);
}
