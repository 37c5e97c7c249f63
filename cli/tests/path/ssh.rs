//! ssh and scp of OpenSSH, through the tunnel.

use std::{
    fs,
    process::{Command, Output},
};

use crate::{
    sshd::Sshd,
    targets::noise,
    world::{Process, World, assert_success, eventually, stderr},
};

pub(crate) const DEVICE: &str = "pump-7";
const BULK_BYTES: usize = 100 * 1024 * 1024;

/// A device with an SSH server.
pub(crate) fn ssh_world() -> (World, Process, Sshd) {
    let world = World::new();
    let sshd = Sshd::start(&world.path("sshd"));
    let agent = world.device(DEVICE);
    world.endpoint(DEVICE, "native-ssh", "127.0.0.1", sshd.port);
    (world, agent, sshd)
}

/// `ssh` or `scp` with `towline server --listen -` as its ProxyCommand, in the operator's environment.
pub(crate) fn through_proxy_command(world: &World, sshd: &Sshd, program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, value) in world.towline(&[]).get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.args(["-F", "/dev/null"]);
    command.arg("-o").arg(format!("ProxyCommand='{}' server --device %n --listen -", env!("CARGO_BIN_EXE_towline")));
    for option in sshd.client_options() {
        command.args(["-o", &option]);
    }
    command
}

fn connect_ssh(world: &World, sshd: &Sshd, remote: &[&str]) -> Output {
    let mut command = world.towline(&["connect", "ssh", "--device", DEVICE]);
    for option in sshd.client_options() {
        command.args(["-o", &option]);
    }
    command.arg("--").args(remote).output().unwrap()
}

#[test]
fn ssh_over_a_proxy_command_runs_a_command_and_passes_its_exit_code_on() {
    let (world, _agent, sshd) = ssh_world();

    let output = through_proxy_command(&world, &sshd, "ssh").args([DEVICE, "echo hello; exit 7"]).output().unwrap();

    assert_eq!(output.status.code(), Some(7), "{output:?}");
    assert_eq!(output.stdout, b"hello\n");
}

#[test]
fn scp_of_a_hundred_megabytes_keeps_every_byte_both_ways() {
    let (world, _agent, sshd) = ssh_world();
    let (here, there, back) = (world.path("here"), world.path("there"), world.path("back"));
    let data = noise(BULK_BYTES);
    fs::write(&here, &data).unwrap();

    let remote = format!("{DEVICE}:{}", there.display());
    assert_success(&through_proxy_command(&world, &sshd, "scp").arg(&here).arg(&remote).output().unwrap());
    assert!(fs::read(&there).unwrap() == data, "changed on the way to the device");

    assert_success(&through_proxy_command(&world, &sshd, "scp").arg(&remote).arg(&back).output().unwrap());
    assert!(fs::read(&back).unwrap() == data, "changed on the way back");
}

#[test]
fn connect_ssh_passes_the_exit_code_on_and_pins_the_host_key_to_the_device() {
    let (world, _agent, sshd) = ssh_world();

    let output = connect_ssh(&world, &sshd, &["echo hello; exit 7"]);
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    assert_eq!(output.stdout, b"hello\n");
    let id = world.json(&["devices", "show", DEVICE])["id"].as_str().unwrap().to_owned();
    assert!(sshd.known_hosts().contains(&format!("towline-{id} ")), "{}", sshd.known_hosts());

    let sshd = sshd.replace_host_key();
    let output = connect_ssh(&world, &sshd, &["exit 0"]);
    assert_eq!(output.status.code(), Some(255), "{output:?}");
    assert!(stderr(&output).contains("IDENTIFICATION HAS CHANGED"), "{output:?}");
}

#[test]
fn connect_ssh_takes_the_endpoint_that_looks_like_ssh_and_says_so_before_it_starts() {
    let (world, agent, sshd) = ssh_world();
    world.endpoint(DEVICE, "web", "127.0.0.1", 80);
    assert_eq!(connect_ssh(&world, &sshd, &["exit 0"]).status.code(), Some(0));

    world.endpoint(DEVICE, "other-ssh", "127.0.0.1", 2222);
    let output = connect_ssh(&world, &sshd, &["exit 0"]);
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    assert!(stderr(&output).starts_with("endpoint-ambiguous (operator)"), "{output:?}");

    world.json(&["endpoints", "delete", "other-ssh", "--device", DEVICE]);
    drop(agent);
    world.wait_online(DEVICE, false);
    let output = connect_ssh(&world, &sshd, &["exit 0"]);
    assert_eq!(output.status.code(), Some(20), "{output:?}");
    assert!(stderr(&output).starts_with("device-offline (agent)"), "{output:?}");
}

#[test]
fn a_session_that_ssh_has_done_with_is_on_record_as_ended_by_the_operator() {
    let (world, _agent, sshd) = ssh_world();
    let output = through_proxy_command(&world, &sshd, "ssh").args([DEVICE, "true"]).output().unwrap();
    assert_success(&output);

    // ssh hangs up on its ProxyCommand; the cloud hears a farewell, not a broken connection.
    let session = || world.json(&["sessions", "list", "--device", DEVICE])[0].clone();
    eventually("the session has ended", || session()["end"].is_string());
    assert!(["operator-closed", "finished"].contains(&session()["end"].as_str().unwrap()), "{}", session());
}
