//! What fails says what, where, why and what to do, in the CLI and in the audit.

use std::process::Output;

use serde_json::{Value, json};

use crate::{
    targets::{echo, nobody},
    world::{World, stderr},
};

const DEVICE: &str = "pump-7";

/// Fails with `code` at `hop`: its exit code, and code, hop and a remedy on standard error, nothing on standard output.
pub(crate) fn assert_fails(output: &Output, code: &str, hop: &str, exit_code: i32) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(exit_code), "{said}");
    assert!(said.contains(&format!("{code} ({hop}): ")), "{said}");
    assert!(said.trim_end().lines().last().is_some_and(|line| line.contains(" — ")), "no remedy: {said}");
    assert!(output.stdout.is_empty(), "{output:?}");
}

fn connect(world: &World, device: &str, endpoint: &str) -> Output {
    world.run(&["server", "--device", device, "--endpoint", endpoint, "--listen", "-"], b"hello")
}

#[test]
fn a_device_that_is_offline_or_unknown_is_told_apart() {
    let world = World::new();
    world.token(DEVICE);
    world.endpoint(DEVICE, "ssh", "127.0.0.1", 22);

    assert_fails(&connect(&world, DEVICE, "ssh"), "device-offline", "agent", 20);
    world.audited("", "device-offline");

    assert_fails(&connect(&world, "pump-8", "ssh"), "unknown-device", "cloud", 3);
    world.audited("", "unknown-device");

    assert_fails(&connect(&world, DEVICE, "vnc"), "unknown-endpoint", "cloud", 7);
}

#[test]
fn a_target_that_refuses_and_one_that_is_denied_are_told_apart() {
    let world = World::new();
    let _agent = world.device(DEVICE);
    let closed = nobody();
    world.endpoint(DEVICE, "closed", "127.0.0.1", closed);
    world.endpoint(DEVICE, "elsewhere", "192.0.2.1", 22);
    world.endpoint(DEVICE, "nameless", "no-such-name.invalid", 22);

    let output = connect(&world, DEVICE, "closed");
    assert_fails(&output, "target-refused", "target", 30);
    assert!(stderr(&output).contains(&format!("127.0.0.1:{closed}")), "{output:?}");
    world.audited("", "target-refused");

    let output = connect(&world, DEVICE, "elsewhere");
    assert_fails(&output, "policy-denied", "agent", 22);
    assert!(stderr(&output).contains("192.0.2.1:22"), "{output:?}");
    world.audited("", "policy-denied");

    assert_fails(&connect(&world, DEVICE, "nameless"), "dns-failed", "target", 33);
    world.audited("", "dns-failed");

    let operations = world.json(&["operations", "list"]);
    let failures: Vec<_> = operations.as_array().unwrap().iter().map(|operation| &operation["failure"]).collect();
    assert_eq!(failures, ["dns-failed", "policy-denied", "target-refused"]);
}

#[test]
fn an_edit_of_the_devices_policy_counts_for_the_next_connection() {
    let world = World::new();
    let _agent = world.device(DEVICE);
    world.endpoint(DEVICE, "echo", "127.0.0.1", echo());
    assert_eq!(connect(&world, DEVICE, "echo").stdout, b"hello");

    std::fs::write(world.path("agent-pump-7/allow.toml"), "version = 1\nallow = []").unwrap();
    assert_fails(&connect(&world, DEVICE, "echo"), "policy-denied", "agent", 22);

    std::fs::write(world.path("agent-pump-7/allow.toml"), "allow everything").unwrap();
    assert_fails(&connect(&world, DEVICE, "echo"), "policy-denied", "agent", 22);
}

#[test]
fn a_user_without_permissions_may_do_nothing() {
    let world = World::new();
    let _agent = world.device(DEVICE);
    world.endpoint(DEVICE, "echo", "127.0.0.1", echo());
    assert_eq!(world.post("/api/v1/users", &json!({ "name": "guest", "password": "guest's own" })), 201);
    let device = world.json(&["devices", "show", DEVICE]);
    let id = device["id"].as_str().unwrap();

    for line in [
        ["devices", "list"].as_slice(),
        &["devices", "enrol", "--name", "mine"],
        &["audit", "list"],
        &["server", "--device", DEVICE, "--listen", "-"],
    ] {
        let output = world
            .towline(line)
            .envs([("TOWLINE_HOST", &*world.url), ("TOWLINE_USER", "guest"), ("TOWLINE_PASSWORD", "guest's own")])
            .output()
            .unwrap();
        assert_fails(&output, "forbidden", "cloud", 8);
    }
    let record = world.audited("", "forbidden");
    assert_eq!(record["actor"], "guest");

    // A device that one may not see looks like one that is not there.
    let output = world
        .towline(&["devices", "show", id])
        .envs([("TOWLINE_HOST", &*world.url), ("TOWLINE_USER", "guest"), ("TOWLINE_PASSWORD", "guest's own")])
        .output()
        .unwrap();
    assert!([Some(3), Some(8)].contains(&output.status.code()), "{output:?}");
}

#[test]
fn a_wrong_password_and_a_wrong_pin_are_told_apart() {
    let world = World::new();
    let line = ["login", &world.url, "--pin", &world.pin, "--user", "admin"];
    let output = world.towline(&line).env("TOWLINE_PASSWORD", "wrong").output().unwrap();
    assert_fails(&output, "auth-failed", "operator", 3);
    let record = world.audited("login", "auth-failed");
    assert_eq!(record["actor"], "admin");

    let other = "sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let line = ["login", &world.url, "--pin", other, "--user", "admin"];
    let output = world.towline(&line).env("TOWLINE_PASSWORD", "wrong").output().unwrap();
    assert_fails(&output, "pin-mismatch", "cloud", 45);

    // Without a pin the machine's own roots decide, and they do not know this cloud.
    let line = ["login", &world.url.replace("127.0.0.1", "localhost"), "--user", "admin"];
    let output = world.towline(&line).env("TOWLINE_PASSWORD", "wrong").output().unwrap();
    assert_fails(&output, "tls-failed", "cloud", 45);

    let mut command = world.towline(&["login", "http://cloud.example.com", "--user", "admin"]);
    let output = command.env("TOWLINE_PASSWORD", "wrong").output().unwrap();
    assert_fails(&output, "plain-refused", "operator", 45);

    let nobody = format!("https://127.0.0.1:{}", nobody());
    let output = world.towline(&["login", &nobody, "--user", "admin"]).env("TOWLINE_PASSWORD", "x").output().unwrap();
    assert_fails(&output, "cloud-unreachable", "cloud", 44);
}

#[test]
fn a_token_is_good_once() {
    let world = World::new();
    let token = world.token(DEVICE);
    let _agent = world.agent(DEVICE, Some(&token));
    world.wait_online(DEVICE, true);

    let mut second = world.towline(&["agent", "--cloud", &world.url, "--data-dir"]);
    let output = second.arg(world.path("second")).env("TOWLINE_ENROL_TOKEN", &token).output().unwrap();

    assert_fails(&output, "enrolment-token-invalid", "cloud", 14);
    world.audited("enrol", "enrolment-token-invalid");
    assert!(!world.path("second/identity.toml").exists());
}

#[test]
fn a_failure_is_json_on_standard_error_if_json_is_asked_for() {
    let world = World::new();

    let output = world.towline(&["devices", "show", "pump-8", "--output", "json"]).output().unwrap();

    let problem: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(problem["code"], "unknown-device");
    assert_eq!(problem["hop"], "cloud");
    assert!(problem["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()));
    assert!(output.stdout.is_empty());
}
