//! `towline ssh-config`: its entry, used by ssh itself.

use std::{fs, process::Command};

use crate::{
    ssh::{DEVICE, ssh_world},
    sshd::Sshd,
    world::{World, assert_success, stderr},
};

/// ssh with the entry as its only configuration, in the operator's environment.
fn ssh(world: &World, sshd: &Sshd, config: &std::path::Path) -> Command {
    let mut command = Command::new("ssh");
    for (name, value) in world.towline(&[]).get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.arg("-F").arg(config);
    for option in sshd.client_options() {
        command.args(["-o", &option]);
    }
    command
}

#[test]
fn ssh_reaches_the_device_by_its_name_and_checks_its_host_key() {
    let (world, _agent, sshd) = ssh_world();
    let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
    let output = world.towline(&["ssh-config", "--device", DEVICE, "--user", user.trim()]).output().unwrap();
    assert_success(&output);
    let entry = String::from_utf8(output.stdout).unwrap();
    let config = world.path("ssh_config");
    fs::write(&config, &entry).unwrap();

    let output = ssh(&world, &sshd, &config).args([DEVICE, "echo hello; exit 7"]).output().unwrap();
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    assert_eq!(output.stdout, b"hello\n");
    let id = world.json(&["devices", "show", DEVICE])["id"].as_str().unwrap().to_owned();
    assert!(sshd.known_hosts().starts_with(&format!("towline-{id} ")), "{}", sshd.known_hosts());

    let sshd = sshd.replace_host_key();
    let output = ssh(&world, &sshd, &config).args([DEVICE, "exit 0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(255), "{output:?}");
    assert!(stderr(&output).contains("IDENTIFICATION HAS CHANGED"), "{output:?}");
}

#[test]
fn the_entry_holds_no_secret_and_turns_no_check_off() {
    let (world, _agent, _sshd) = ssh_world();

    let entry = world.json(&["ssh-config", "--device", DEVICE]);

    assert_eq!(entry["host"], DEVICE);
    let text = entry["entry"].as_str().unwrap();
    assert!(text.contains(&world.pin) && text.contains("CheckHostIP no") && !text.contains("User "), "{text}");
    let session = fs::read_to_string(world.path("config/towline/session.json")).unwrap();
    let session: serde_json::Value = serde_json::from_str(&session).unwrap();
    assert!(!text.contains(session["token"].as_str().unwrap()), "{text}");
    assert!(!text.contains("StrictHostKeyChecking") && !text.contains("UserKnownHostsFile"), "{text}");
}
