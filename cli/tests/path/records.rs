//! What happened, read, followed and taken away.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{
    targets::echo,
    world::{Process, World, assert_success},
};

const DEVICE: &str = "pump-7";

#[test]
fn the_audit_is_whole_and_its_export_has_every_record() {
    let world = World::new();
    world.token(DEVICE);
    let verdict = world.json(&["audit", "verify"]);
    assert_eq!(verdict["whole"], true, "{verdict}");

    let output = world.towline(&["audit", "export"]).output().unwrap();
    assert_success(&output);
    let text = String::from_utf8(output.stdout).unwrap();
    let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(records.len() >= usize::try_from(verdict["records"].as_u64().unwrap()).unwrap());
    for (index, record) in records.iter().enumerate() {
        assert_eq!(record["sequence"], index + 1, "oldest first, without gaps");
    }

    let output = world.towline(&["audit", "export", "--format", "csv"]).output().unwrap();
    assert_success(&output);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("sequence,at,actor,"), "{text}");
    assert!(text.lines().count() > records.len(), "a header, and a line for each");

    world.person("mona");
    let output = world.towline_as("mona", &["audit", "export"]).output().unwrap();
    assert_eq!(output.status.code(), Some(8), "{output:?}");
}

#[test]
fn an_operation_and_its_session_are_shown() {
    let world = World::new();
    let _agent = world.device(DEVICE);
    world.endpoint(DEVICE, "echo", "127.0.0.1", echo());
    assert_success(&world.run(&["server", "--device", DEVICE, "--listen", "-"], b"hello"));

    let id = world.json(&["operations", "list"])[0]["id"].as_str().unwrap().to_owned();
    let operation = world.json(&["operations", "show", &id]);
    assert_eq!((&operation["status"], &operation["user"]), (&"SUCCESSFUL".into(), &"admin".into()));
    let session = world.json(&["sessions", "list"])[0].clone();
    assert_eq!(session["operation_id"], id.as_str());
    assert_eq!(world.json(&["sessions", "list", "--live"]), serde_json::json!([]));

    let output = world.towline(&["operations", "show", "4711"]).output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
}

#[test]
fn changes_are_followed_as_they_happen_until_the_follower_is_asked_to_end() {
    let world = World::new();
    let mut command = world.towline(&["events", "--output", "json"]);
    let mut follower = Process::spawn(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
    let mut notes = BufReader::new(follower.0.stderr.take().unwrap()).lines();
    assert!(notes.next().unwrap().unwrap().starts_with("Following"));

    let _agent = world.device(DEVICE);
    world.endpoint(DEVICE, "echo", "127.0.0.1", echo());
    assert_success(&world.run(&["server", "--device", DEVICE, "--listen", "-"], b"hello"));

    let id = world.json(&["devices", "show", DEVICE])["id"].clone();
    let mut lines = BufReader::new(follower.0.stdout.take().unwrap()).lines();
    let mut next = |what: &str, fits: &dyn Fn(&Value) -> bool| loop {
        let line = lines.next().unwrap_or_else(|| panic!("the events end before {what}")).unwrap();
        let event: Value = serde_json::from_str(&line).unwrap();
        if fits(&event) {
            break;
        }
    };
    next("online", &|event| event["event"] == "device" && event["device_id"] == id && event["online"] == true);
    next("connected", &|event| event["event"] == "operation" && event["status"] == "SUCCESSFUL");
    next("the end", &|event| event["event"] == "session" && event["end"] == "finished");

    let terminate = format!("kill -TERM {}", follower.0.id());
    assert!(Command::new("sh").args(["-c", &terminate]).status().unwrap().success());
    assert!(follower.0.wait().unwrap().success());
}

#[test]
fn the_exit_codes_are_told() {
    let world = World::new();
    let codes = world.json(&["exit-codes"]);
    let offline = codes.as_array().unwrap().iter().find(|row| row["code"] == "device-offline").unwrap();
    assert_eq!(offline["exit_code"], 20);
    let help = world.towline(&["help", "exit-codes"]).output().unwrap();
    assert_success(&help);
    assert!(String::from_utf8(help.stdout).unwrap().contains(" 20  device-offline (agent)"));
}
