//! `towline run`: a program of this machine that reaches a device.

use crate::{
    failures::assert_fails,
    targets::echo,
    world::{World, assert_success},
};

const DEVICE: &str = "pump-7";

#[test]
fn a_program_gets_its_place_in_the_environment_and_passes_its_exit_code_on() {
    let world = World::new();
    let _agent = world.device(DEVICE);
    world.endpoint(DEVICE, "echo", "127.0.0.1", echo());
    let id = world.json(&["devices", "show", DEVICE])["id"].as_str().unwrap().to_owned();

    let script = "echo \"$TARGET $DEVICE $OUR_OWN $1 $2\"; test \"$PORT\" -gt 0 && exit 7";
    let line = ["run", "--device", DEVICE, "--", "sh", "-c", script, "sh", "%h", "%p"];
    let output = world.towline(&line).env("OUR_OWN", "variable").output().unwrap();

    assert_eq!(output.status.code(), Some(7), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("127.0.0.1 {id} variable %h %p\n"));
}

#[test]
fn a_program_reaches_the_endpoint_with_as_many_connections_as_it_likes() {
    let world = World::new();
    let _agent = world.device(DEVICE);
    world.endpoint(DEVICE, "echo", "127.0.0.1", echo());
    world.endpoint(DEVICE, "other", "127.0.0.1", 9);

    let script = "exec 3<>/dev/tcp/$TARGET/$PORT 4<>/dev/tcp/$TARGET/$PORT; echo one >&3; echo two >&4; \
                  head -n1 <&4; head -n1 <&3";
    let output =
        world.towline(&["run", "--device", DEVICE, "--endpoint", "echo", "--", "bash", "-c", script]).output().unwrap();

    assert_success(&output);
    assert_eq!(output.stdout, b"two\none\n");
}

#[test]
fn a_program_that_is_missing_and_a_device_that_is_offline_are_told_apart() {
    let world = World::new();
    let agent = world.device(DEVICE);
    world.endpoint(DEVICE, "echo", "127.0.0.1", echo());

    let output = world.towline(&["run", "--device", DEVICE, "--", "no-such-program-here"]).output().unwrap();
    assert_fails(&output, "command-not-found", "operator", 12);

    drop(agent);
    world.wait_online(DEVICE, false);
    let output = world.towline(&["run", "--device", DEVICE, "--", "echo", "ran"]).output().unwrap();
    assert_fails(&output, "device-offline", "agent", 20);
}

#[test]
fn being_asked_to_end_is_passed_on() {
    let world = World::new();
    let _agent = world.device(DEVICE);
    world.endpoint(DEVICE, "echo", "127.0.0.1", echo());

    let script = "trap 'exit 9' TERM; kill -TERM $PPID; while :; do sleep 0.1; done";
    let output = world.towline(&["run", "--device", DEVICE, "--", "sh", "-c", script]).output().unwrap();
    assert_eq!(output.status.code(), Some(9), "{output:?}");

    let script = "kill -KILL $$";
    let output = world.towline(&["run", "--device", DEVICE, "--", "sh", "-c", script]).output().unwrap();
    assert_eq!(output.status.code(), Some(128 + 9), "{output:?}");
}
