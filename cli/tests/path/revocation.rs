//! What was opened ends when the right to it goes, and says why.

use std::{
    io::Read as _,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use crate::{
    ssh::{DEVICE, ssh_world},
    sshd::Sshd,
    world::{World, eventually},
};

/// Ten times the goal, and something for a machine that has much to do.
const LIMIT: Duration = Duration::from_secs(20);

/// An ssh of mona's that runs until it is ended.
fn start(world: &World, sshd: &Sshd) -> Child {
    let mut command = world.towline_as("mona", &["connect", "ssh", "--device", DEVICE]);
    for option in sshd.client_options() {
        command.args(["-o", &option]);
    }
    let mut child = command
        .args(["--", "echo ready; sleep 600"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = [0; 6];
    child.stdout.as_mut().unwrap().read_exact(&mut said).unwrap();
    assert_eq!(&said, b"ready\n");
    child
}

/// What the ssh says as it ends.
fn end(mut child: Child) -> String {
    let began = Instant::now();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(255), "{said}");
    assert!(began.elapsed() < LIMIT, "{:?}", began.elapsed());
    said
}

#[test]
fn a_running_ssh_ends_when_its_right_goes_and_says_why() {
    let (world, _agent, sshd) = ssh_world();
    world.person("mona");
    world.succeed(&["groups", "create", "crew"]);
    let grant = |verb: &str, permission: &str| {
        world.succeed(&["grants", verb, "--to", "crew", "--on", "all", "--permission", permission]);
    };
    for permission in ["device-control-read", "remote-access-read", "remote-access-connect"] {
        grant("add", permission);
    }
    let arrive = || {
        world.succeed(&["groups", "add-member", "crew", "mona"]);
        start(&world, &sshd)
    };

    let ssh = arrive();
    grant("remove", "remote-access-connect");
    let said = end(ssh);
    assert!(said.contains("session-ended (cloud)") && said.contains("remote-access-connect"), "{said}");
    grant("add", "remote-access-connect");

    let ssh = arrive();
    world.succeed(&["groups", "remove-member", "crew", "mona"]);
    let said = end(ssh);
    assert!(said.contains("session-ended (cloud)"), "{said}");

    let ssh = arrive();
    let live = world.json(&["sessions", "list", "--live", "--device", DEVICE]);
    assert_eq!(live.as_array().unwrap().len(), 1);
    let id = live[0]["id"].as_str().unwrap();
    assert_eq!(world.json(&["sessions", "show", id])["user"], "mona");
    world.succeed(&["sessions", "kill", id]);
    let said = end(ssh);
    assert!(said.contains("session-ended (cloud)") && said.contains("admin"), "{said}");
    assert_eq!(world.json(&["sessions", "show", id])["end"], "revoked");

    let ssh = arrive();
    world.succeed(&["endpoints", "update", "--device", DEVICE, "native-ssh", "--port", "9"]);
    let said = end(ssh);
    assert!(said.contains("session-ended (cloud)"), "{said}");
    let port = sshd.port.to_string();
    world.succeed(&["endpoints", "update", "--device", DEVICE, "native-ssh", "--port", &port, "--new-name", "shell"]);
    assert_eq!(world.json(&["endpoints", "show", "--device", DEVICE, "shell"])["host"], "127.0.0.1");

    let ssh = arrive();
    world.succeed(&["users", "disable", "mona"]);
    let said = end(ssh);
    assert!(said.contains("the user was disabled"), "{said}");
}

#[test]
fn a_device_that_is_disabled_is_cut_off_until_it_is_enabled() {
    let (world, _agent, sshd) = ssh_world();
    world.person("mona");
    world.succeed(&["groups", "create", "crew"]);
    world.succeed(&["groups", "add-member", "crew", "mona"]);
    for permission in ["device-control-read", "remote-access-read", "remote-access-connect"] {
        world.succeed(&["grants", "add", "--to", "crew", "--on", "all", "--permission", permission]);
    }
    let ssh = start(&world, &sshd);

    world.succeed(&["devices", "disable", DEVICE]);
    let said = end(ssh);
    assert!(said.contains("the device was disabled"), "{said}");
    let output = world.towline_as("mona", &["run", "--device", DEVICE, "--", "true"]).output().unwrap();
    assert_eq!(output.status.code(), Some(20), "{output:?}");

    world.succeed(&["devices", "enable", DEVICE]);
    eventually("the device is back", || world.json(&["devices", "show", DEVICE])["online"] == true);
    world.succeed(&["devices", "rename", DEVICE, "pump-8"]);
    assert_eq!(world.json(&["devices", "show", "pump-8"])["disabled"], false);
}
