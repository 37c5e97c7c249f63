//! `towline doctor` on what is whole and on what is broken.

use std::process::Command;

use serde_json::Value;

use crate::{
    targets::{echo, nobody},
    world::{World, assert_success},
};

const DEVICE: &str = "pump-7";

/// The exit code and the checks: name, status and code of each.
fn checks(command: &mut Command) -> (Option<i32>, Vec<(String, String, String)>) {
    let output = command.args(["--output", "json"]).output().unwrap();
    let checks: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let text = |check: &Value, key: &str| check[key].as_str().unwrap_or_default().to_owned();
    let row = |check: &Value| (text(check, "check"), text(check, "status"), text(check, "code"));
    (output.status.code(), checks.as_array().unwrap().iter().map(row).collect())
}

/// The last check failed with `code`; those before it did not.
fn assert_stops_at(command: &mut Command, check: &str, code: &str, exit_code: i32) {
    let (exit, mut checks) = checks(command);
    assert_eq!(exit, Some(exit_code), "{checks:?}");
    assert_eq!(checks.pop().unwrap(), (check.into(), "failed".into(), code.into()), "after {checks:?}");
    assert!(checks.iter().all(|(_, status, _)| status == "ok"), "{checks:?}");
}

#[test]
fn where_all_is_well_it_walks_the_whole_way() {
    let world = World::new();
    let _agent = world.device(DEVICE);
    world.endpoint(DEVICE, "echo", "127.0.0.1", echo());

    let (exit, checks) = checks(&mut world.towline(&["doctor", "--device", DEVICE]));

    assert_eq!(exit, Some(0), "{checks:?}");
    let names: Vec<_> = checks.iter().map(|(check, ..)| check.as_str()).collect();
    let expected = [
        "address",
        "name",
        "port",
        "tls",
        "health",
        "clock",
        "version",
        "login",
        "permissions",
        "tunnel",
        "device",
        "endpoints",
        "target",
    ];
    assert_eq!(names, expected);
    assert!(checks.iter().all(|(_, status, _)| status == "ok"), "{checks:?}");

    let output = world.towline(&["doctor"]).output().unwrap();
    assert_success(&output);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.lines().all(|line| line.starts_with("ok ")) && said.contains(&world.pin), "{said}");
}

#[test]
fn each_broken_hop_is_named() {
    let world = World::new();
    let other = "sha256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    assert_stops_at(&mut world.towline(&["doctor", "--pin", other]), "tls", "pin-mismatch", 45);

    let url = "https://no-such-name.invalid";
    assert_stops_at(&mut world.towline(&["doctor", "--cloud", url]), "name", "cloud-unreachable", 44);

    let url = format!("https://127.0.0.1:{}", nobody());
    assert_stops_at(&mut world.towline(&["doctor", "--cloud", &url]), "port", "cloud-unreachable", 44);

    let url = "http://cloud.example.com";
    assert_stops_at(&mut world.towline(&["doctor", "--cloud", url]), "address", "plain-refused", 45);

    let url = world.url.replace("127.0.0.1", "localhost");
    let (exit, checks) = checks(&mut world.towline(&["doctor", "--cloud", &url]));
    assert_eq!(exit, Some(45), "{checks:?}");
    assert_eq!(checks.last().unwrap().2, "tls-failed");

    // Another server than a cloud.
    let url = format!("http://127.0.0.1:{}", echo());
    let (exit, checks) = self::checks(&mut world.towline(&["doctor", "--cloud", &url]));
    assert_eq!((exit, checks.last().unwrap().0.as_str()), (Some(44), "health"), "{checks:?}");
}

#[test]
fn a_login_that_has_ended_is_told_from_one_that_never_was() {
    let world = World::new();
    let tokens = world.json(&["tokens", "list"]);
    let id = tokens[0]["id"].as_str().unwrap().to_owned();
    world.succeed(&["tokens", "revoke", &id]);

    assert_stops_at(&mut world.towline(&["doctor"]), "login", "unauthenticated", 3);

    let output = world.towline(&["doctor"]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.lines().last().unwrap().contains(" — run `towline login`"), "{said}");
    world.succeed(&["logout"]);
    assert_stops_at(&mut world.towline(&["doctor"]), "address", "unauthenticated", 3);
}

#[test]
fn a_device_and_each_of_its_targets_are_looked_at() {
    let world = World::new();
    world.token("silent");
    assert_stops_at(&mut world.towline(&["doctor", "--device", "silent"]), "device", "device-offline", 20);
    assert_stops_at(&mut world.towline(&["doctor", "--device", "nowhere"]), "device", "unknown-device", 3);

    let _agent = world.device(DEVICE);
    assert_stops_at(&mut world.towline(&["doctor", "--device", DEVICE]), "endpoints", "no-passthrough-endpoint", 6);

    world.endpoint(DEVICE, "closed", "127.0.0.1", nobody());
    world.endpoint(DEVICE, "echo", "127.0.0.1", echo());
    let (exit, checks) = checks(&mut world.towline(&["doctor", "--device", DEVICE]));
    assert_eq!(exit, Some(30), "{checks:?}");
    let targets: Vec<_> = checks.iter().filter(|(check, ..)| check == "target").map(|row| row.1.as_str()).collect();
    assert_eq!(targets, ["failed", "ok"]);

    let (exit, _) = self::checks(&mut world.towline(&["doctor", "--device", DEVICE, "--endpoint", "echo"]));
    assert_eq!(exit, Some(0));

    world.succeed(&["devices", "disable", DEVICE]);
    assert_stops_at(&mut world.towline(&["doctor", "--device", DEVICE]), "device", "device-disabled", 20);
}

#[test]
fn who_may_do_nothing_is_warned() {
    let world = World::new();
    world.person("mona");

    let (exit, checks) = checks(&mut world.towline_as("mona", &["doctor"]));

    assert_eq!(exit, Some(0), "{checks:?}");
    assert!(checks.contains(&("permissions".into(), "warning".into(), String::new())), "{checks:?}");
}
