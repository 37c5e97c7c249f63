//! Putting the public half of a key pair onto its target, with the user's password.

use std::{fs, os::unix::fs::PermissionsExt as _};

use serde_json::{Value, json};

use crate::{
    harness::{Answer, Device, World},
    server::{PASSWORD, Server},
    terminal::{Terminal, endpoint, id, known, listen, world},
};

const FILE: &str = ".ssh/authorized_keys";

/// Where a user's keys are on every machine, and with what rights they have to be.
const USUAL: [&str; 2] = ["AuthorizedKeysFile .ssh/authorized_keys", "StrictModes yes"];

/// An endpoint with a key pair that the cloud made.
async fn with_pair(world: &World, device: &Device, port: u16, mut more: Value) -> Value {
    let more_fields = more.as_object_mut().unwrap();
    more_fields.retain(|field, _| field == "host_keys");
    more_fields.insert("generate_key".into(), true.into());
    endpoint(world, device, port, more).await
}

async fn install(world: &World, device: &Device, endpoint: &Value, wish: Value) -> Answer {
    world.post(&format!("/devices/{}/endpoints/{}/key-installations", device.id, id(endpoint)), wish).await
}

fn mode(server: &Server, name: &str) -> u32 {
    fs::metadata(server.path(name)).unwrap().permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_installs_the_key_once_and_then_the_key_signs_in() {
    let (world, device) = world().await;
    let (server, port) = listen(Server::openssh(&USUAL)).await;
    let endpoint = with_pair(&world, &device, port, known(&server)).await;
    let question = Terminal::open(&world, &device, &endpoint).await.of("question").await;
    assert_eq!(question["about"], "password", "the key is not let in yet: {question}");

    let installed = install(&world, &device, &endpoint, json!({"password": PASSWORD})).await.good().body;
    assert_eq!(
        (&installed["was_there"], &installed["host_key"]["key"]),
        (&false.into(), &endpoint["host_keys"][0]["key"])
    );
    let line = format!("{}\n", endpoint["public_key"].as_str().unwrap());
    assert_eq!(fs::read_to_string(server.path(FILE)).unwrap(), line);
    assert_eq!((mode(&server, ".ssh"), mode(&server, FILE)), (0o700, 0o600));
    let mut terminal = Terminal::open(&world, &device, &endpoint).await;
    terminal.attached().await;
    terminal.keys("echo it-$((40+2))\r").await;
    terminal.until("it-42").await;

    // Again: nothing changes. Beside other keys, of which the last line has no end: those stay.
    let installed = install(&world, &device, &endpoint, json!({"password": PASSWORD})).await.good().body;
    assert_eq!(installed["was_there"], true, "{installed}");
    assert_eq!(fs::read_to_string(server.path(FILE)).unwrap(), line);
    server.write(FILE, "# mine\nssh-rsa not-a-key, but \"quoted\"");
    install(&world, &device, &endpoint, json!({"password": PASSWORD})).await.good();
    let file = fs::read_to_string(server.path(FILE)).unwrap();
    assert_eq!(file, format!("# mine\nssh-rsa not-a-key, but \"quoted\"\n{line}"));

    let records = world.get("/audit?limit=1000").await.good().body;
    let records = records["items"].as_array().unwrap();
    let installations: Vec<_> = records.iter().filter(|record| record["action"] == "endpoint.install-key").collect();
    assert_eq!(installations.len(), 3, "{installations:?}");
    assert!(installations.iter().all(|record| record["outcome"] == "ok"), "{installations:?}");
    assert!(!format!("{records:?}").contains(PASSWORD));
}

#[tokio::test(flavor = "multi_thread")]
async fn dropbear_takes_the_key_and_its_host_key_is_kept_once_it_is_trusted() {
    let (world, device) = world().await;
    let (server, port) = listen(Server::dropbear()).await;
    let endpoint = with_pair(&world, &device, port, json!({})).await;

    // Nobody sends a password to a server that nobody knows.
    let refused = install(&world, &device, &endpoint, json!({"password": PASSWORD})).await;
    assert_eq!(refused.code(), "host-key-unknown");
    let fingerprint = refused.body["detail"].as_str().unwrap().to_owned();
    assert!(fingerprint.starts_with("SHA256:"), "{refused:?}");
    let other = json!({"password": PASSWORD, "host_key": "SHA256:another"});
    assert_eq!(install(&world, &device, &endpoint, other).await.code(), "host-key-unknown");

    let wish = json!({"password": PASSWORD, "host_key": fingerprint});
    let installed = install(&world, &device, &endpoint, wish).await.good().body;
    assert_eq!(installed["host_key"]["fingerprint"], fingerprint.as_str(), "{installed}");
    let kept = world.get(&format!("/devices/{}/endpoints/{}", device.id, id(&endpoint))).await.good().body;
    assert_eq!(kept["host_keys"][0]["fingerprint"], fingerprint.as_str(), "{kept}");
    assert_eq!(mode(&server, FILE), 0o600);
    Terminal::open(&world, &device, &endpoint).await.attached().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_the_way_is_told_and_recorded() {
    let (world, device) = world().await;
    let (server, port) = listen(Server::openssh(&USUAL)).await;
    let endpoint = with_pair(&world, &device, port, known(&server)).await;

    let wrong = install(&world, &device, &endpoint, json!({"password": "a guess"})).await;
    assert_eq!(wrong.code(), "target-sign-in", "{wrong:?}");
    // A file where the folder would be.
    server.write(".ssh", "");
    let refused = install(&world, &device, &endpoint, json!({"password": PASSWORD})).await;
    assert_eq!(refused.code(), "target-unsupported", "{refused:?}");
    assert!(refused.body["detail"].as_str().unwrap().contains("exists"), "{refused:?}");
    let log = world.audit().await;
    assert!(log.contains(&"endpoint.install-key target-sign-in".to_owned()), "{log:?}");

    server.other_host_key("ecdsa", "256");
    let wish = json!({"password": PASSWORD, "host_key": server.host_key().fingerprint().to_string()});
    assert_eq!(install(&world, &device, &endpoint, wish).await.code(), "host-key-changed");

    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let closed = with_pair(&world, &device, nobody, json!({})).await;
    assert_eq!(install(&world, &device, &closed, json!({"password": PASSWORD})).await.code(), "target-refused");
    let asks = crate::terminal::endpoint(&world, &device, port, json!({"name": "asks"})).await;
    assert_eq!(install(&world, &device, &asks, json!({"password": PASSWORD})).await.code(), "bad-request");
}
