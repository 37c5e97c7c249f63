//! Who may do what.

use serde_json::{Value, json};

use crate::harness::World;
use crate::matrix::comes_with;

const DEVICE_PERMISSIONS: [&str; 5] = [
    "remote-access-read",
    "remote-access-connect",
    "remote-access-admin",
    "device-control-read",
    "device-control-admin",
];

/// Every call that needs a permission: method, path, body, the permission, and whether it is about one device.
fn calls(device: &str, endpoint: &str) -> Vec<(&'static str, String, Option<Value>, &'static str, bool)> {
    let new_endpoint = json!({"name": "x", "protocol": "PASSTHROUGH", "host": "localhost", "port": 0});
    vec![
        ("GET", "/devices".into(), None, "device-control-read", false),
        ("GET", format!("/devices/{device}"), None, "device-control-read", true),
        ("DELETE", format!("/devices/{device}"), None, "device-control-admin", true),
        ("GET", format!("/devices/{device}/endpoints"), None, "remote-access-read", true),
        ("GET", format!("/devices/{device}/endpoints/{endpoint}"), None, "remote-access-read", true),
        ("POST", format!("/devices/{device}/endpoints"), Some(new_endpoint), "remote-access-admin", true),
        ("DELETE", format!("/devices/{device}/endpoints/{endpoint}"), None, "remote-access-admin", true),
        ("POST", "/enrolment-tokens".into(), Some(json!({"name": "new"})), "device-control-admin", false),
        ("GET", "/operations".into(), None, "remote-access-read", false),
        ("GET", format!("/operations?device={device}"), None, "remote-access-read", true),
        ("GET", "/sessions".into(), None, "remote-access-read", false),
        ("GET", format!("/sessions?device={device}"), None, "remote-access-read", true),
        ("GET", "/audit".into(), None, "user-admin", false),
        ("POST", "/users".into(), Some(json!({"name": "eve", "password": "short"})), "user-admin", false),
    ]
}

#[tokio::test]
async fn each_call_needs_exactly_its_permission_and_nobody_has_any_until_granted() {
    let world = World::new().await;
    let mut users = vec![("nothing", world.user("nothing", &[]).await)];
    for permission in DEVICE_PERMISSIONS.into_iter().chain(["user-admin"]) {
        users.push((permission, world.user(permission, &[permission]).await));
    }
    for (has, token) in &users {
        // Anew for each user, since those who may delete do.
        let ticket = world.post("/enrolment-tokens", json!({"name": format!("pump of {has}")})).await.good();
        let device = ticket.body["device"]["id"].as_str().unwrap();
        let endpoint = world.endpoint(device, 22).await;
        let mut calls = calls(device, &endpoint);
        // What removes the device comes last.
        calls.sort_by_key(|(method, path, ..)| *method == "DELETE" && path.ends_with(device));
        for (method, path, body, needs, about_one_device) in calls {
            let answer = world.call(method, &path, Some(token), body).await;
            let expected = if *has != "nothing" && comes_with(has).contains(&needs) {
                "allowed"
            } else if about_one_device && !DEVICE_PERMISSIONS.contains(has) {
                "unknown-device"
            } else {
                "forbidden"
            };
            let got = match answer.code() {
                // The bodies of some calls are wrong on purpose: that is looked at after the permission.
                "" | "bad-request" => "allowed",
                code => code,
            };
            assert_eq!(got, expected, "{method} {path} with {has}: {answer:?}");
            if expected == "forbidden" {
                assert!(answer.text("detail").contains(needs), "{answer:?}");
            }
        }
    }
    let audit = world.audit().await;
    assert!(audit.contains(&"device.delete forbidden".to_owned()));
    assert!(audit.contains(&"user.create forbidden".to_owned()));
}

#[tokio::test]
async fn a_device_that_is_not_visible_is_answered_like_one_that_does_not_exist() {
    let world = World::new().await;
    let token = world.user("ann", &[]).await;
    let device = world.device("pump").await;
    let endpoint = world.endpoint(&device.id, 22).await;
    let paths = |device: &str| {
        [
            format!("/devices/{device}"),
            format!("/devices/{device}/endpoints"),
            format!("/devices/{device}/endpoints/{endpoint}"),
            format!("/operations?device={device}"),
            format!("/sessions?device={device}"),
        ]
    };
    for (hidden, missing) in paths(&device.id).into_iter().zip(paths("42")) {
        let hidden = world.call("GET", &hidden, Some(&token), None).await;
        let missing = world.call("GET", &missing, Some(&token), None).await;
        assert_eq!((hidden.status, hidden.code()), (404, "unknown-device"));
        assert_eq!(hidden.body, missing.body);
    }
    // And so is its name, when somebody tries to enrol it.
    let try_name = async |name: &str| {
        world.call("POST", "/enrolment-tokens", Some(&token), Some(json!({"name": name}))).await.body
    };
    assert_eq!(try_name("pump").await, try_name("no such pump").await);
}

#[tokio::test]
async fn without_a_token_nothing_is_answered_but_what_comes_before_a_login() {
    let world = World::new().await;
    for (method, path, body, ..) in calls("1", "2") {
        let answer = world.call(method, &path, None, body).await;
        assert_eq!((answer.status, answer.code()), (401, "unauthenticated"), "{method} {path}");
    }
    for path in ["/current-user", "/tunnel", "/agent/tunnel"] {
        assert_eq!(world.call("GET", path, None, None).await.code(), "unauthenticated", "{path}");
    }
    assert_eq!(world.call("POST", "/logout", None, None).await.code(), "unauthenticated");
    assert_eq!(world.call("GET", "/health", None, None).await.good().body["status"], "ok");
    for (method, path) in [("GET", "/nothing"), ("DELETE", "/login")] {
        let answer = world.call(method, path, None, None).await;
        assert_eq!((answer.status, answer.code()), (404, "not-found"), "{method} {path}");
    }
}

#[tokio::test]
async fn names_hosts_ports_and_limits_are_checked_and_names_are_unique() {
    let world = World::new().await;
    let device = world.device("pump").await.id;
    let endpoints = format!("/devices/{device}/endpoints");
    let endpoint = |name: &str, host: &str, port: u16| json!({"name": name, "protocol": "PASSTHROUGH", "host": host, "port": port});
    for (name, host, port) in [
        ("", "localhost", 22),
        (" a", "localhost", 22),
        ("a\u{7}", "localhost", 22),
        ("a\u{202e}b", "localhost", 22),
        (&*"n".repeat(65), "localhost", 22),
        ("a", "", 22),
        ("a", "user@host", 22),
        ("a", "host/path", 22),
        ("a", "two words", 22),
        ("a", "host:22", 22),
        ("a", "[::1]", 22),
        ("a", &"h".repeat(256), 22),
        ("a", "localhost", 0),
    ] {
        let answer = world.post(&endpoints, endpoint(name, host, port)).await;
        assert_eq!((answer.status, answer.code()), (400, "bad-request"), "{name:?} {host:?} {port}");
    }
    world.post(&endpoints, endpoint("ssh", "::1", 22)).await.good();
    let again = world.post(&endpoints, endpoint("ssh", "localhost", 22)).await;
    assert_eq!((again.status, again.code()), (409, "conflict"));
    for path in
        ["/devices?limit=0", "/devices?limit=1001", "/devices?limit=x", "/audit?cursor=x", "/operations?cursor=x"]
    {
        assert_eq!(world.get(path).await.code(), "bad-request", "{path}");
    }
    let huge = world.post(&endpoints, json!({"name": "x".repeat(70_000)})).await;
    assert_eq!((huge.status, huge.code()), (400, "bad-request"));
    assert!(!world.post("/login", json!({"password": ["canary"]})).await.body.to_string().contains("canary"));
}

#[tokio::test]
async fn a_list_is_whole_when_it_is_read_page_by_page() {
    let world = World::new().await;
    for name in ["a", "b", "c", "d", "e"] {
        world.post("/enrolment-tokens", json!({"name": name})).await.good();
    }
    let mut names = Vec::new();
    let mut path = "/devices?limit=2".to_owned();
    loop {
        let page = world.get(&path).await.good();
        names.extend(page.body["items"].as_array().unwrap().iter().map(|device| device["name"].to_string()));
        let Some(next) = page.body["next"].as_str() else { break };
        path = format!("/devices?limit=2&cursor={next}");
    }
    assert_eq!(names.join(""), r#""a""b""c""d""e""#);

    let found = world.get("/devices?external_type=c8y_Serial&external_value=c").await.good();
    assert_eq!(found.body["items"][0]["name"], "c");
    assert_eq!(found.body["items"][0]["external_ids"], json!([{"type": "c8y_Serial", "value": "c"}]));
    assert_eq!(world.get("/devices?name=d").await.good().body["items"].as_array().unwrap().len(), 1);
}
