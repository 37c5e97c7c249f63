//! Server-sent events, and the audit through the API.

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{LIVENESS, World, echo, exchange, open, serve_targets};

/// A stream of events.
struct Events {
    stream: TcpStream,
    text: String,
}

impl Events {
    async fn listen(world: &World, token: &str) -> Self {
        let host = world.cloud.local_addr();
        let mut stream = TcpStream::connect(host).await.unwrap();
        let request = format!("GET /api/v1/events HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut events = Self { stream, text: String::new() };
        events.until(": listening").await;
        assert!(events.text.contains("text/event-stream"), "{}", events.text);
        events
    }

    /// Reads until this text has come.
    async fn until(&mut self, wanted: &str) {
        while !self.text.contains(wanted) {
            assert!(self.read().await > 0, "the stream ended without {wanted}: {}", self.text);
        }
    }

    async fn read(&mut self) -> usize {
        let mut chunk = [0; 4096];
        let count = tokio::time::timeout(LIVENESS, self.stream.read(&mut chunk)).await.expect("nothing came").unwrap();
        self.text += std::str::from_utf8(&chunk[..count]).unwrap();
        count
    }

    /// Name and data of what has come so far.
    fn all(&self) -> Vec<(String, Value)> {
        let mut lines = self.text.lines();
        let mut all = Vec::new();
        while let Some(line) = lines.next() {
            let Some(name) = line.strip_prefix("event: ") else { continue };
            let data = lines.next().unwrap().strip_prefix("data: ").unwrap();
            all.push((name.to_owned(), serde_json::from_str(data).unwrap()));
        }
        all
    }
}

#[tokio::test]
async fn a_listener_hears_of_devices_operations_and_sessions_as_they_come_and_go() {
    let world = World::new().await;
    let mut events = Events::listen(&world, &world.admin).await;
    let device = world.device("pump").await;
    let agent = world.connect(&device).await;
    serve_targets(&agent);
    let endpoint = world.endpoint(&device.id, echo().await).await;
    let operator = world.operator(&world.admin).await;
    let mut channel = open(&operator, &device.id, &endpoint);
    channel.accepted().await.unwrap();
    channel.finish().await.unwrap();
    events.until("\"end\":\"finished\"").await;

    let all = events.all();
    let statuses: Vec<_> =
        all.iter().filter(|(name, _)| name == "operation").map(|(_, data)| data["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["PENDING", "EXECUTING", "SUCCESSFUL"]);
    let ends: Vec<_> = all.iter().filter(|(name, _)| name == "session").map(|(_, data)| &data["end"]).collect();
    assert_eq!(ends, [&Value::Null, &json!("finished")]);
    let online: Vec<_> = all.iter().filter(|(name, _)| name == "device").map(|(_, data)| &data["online"]).collect();
    assert_eq!(online.first(), Some(&&json!(false)));
    assert_eq!(online.last(), Some(&&json!(true)));

    events.text.clear();
    world.delete(&format!("/devices/{}", device.id)).await.good();
    events.until(&format!("\"device_id\":\"{}\"", device.id)).await;
}

#[tokio::test]
async fn a_listener_hears_of_what_they_may_see_and_only_until_the_token_goes() {
    let world = World::new().await;
    let ann = world.person("ann", &[]).await;
    let (pump, valve) = (world.device("pump").await, world.device("valve").await);
    let group = world.post("/device-groups", json!({"name": "pumps"})).await.good().text("id");
    world.call("PUT", &format!("/device-groups/{group}/devices/{}", pump.id), Some(&world.admin), None).await.good();
    world.grant(&ann.group, &group, "device-control-read").await;
    let mut events = Events::listen(&world, &ann.token).await;

    let _valve = world.connect(&valve).await;
    let agent = world.connect(&pump).await;
    serve_targets(&agent);
    let endpoint = world.endpoint(&pump.id, echo().await).await;
    let operator = world.operator(&world.admin).await;
    open(&operator, &pump.id, &endpoint).accepted().await.unwrap();
    let rename = async |name: &str| {
        let path = format!("/devices/{}", pump.id);
        world.call("PATCH", &path, Some(&world.admin), Some(json!({"name": name}))).await.good();
    };
    rename("pump 8").await;
    // Online, and then the new name: neither the other device, nor operations, nor sessions.
    while events.all().len() < 2 {
        events.read().await;
    }
    for (name, data) in events.all() {
        assert_eq!((name.as_str(), &data["device_id"]), ("device", &json!(pump.id)), "{}", events.text);
    }

    let token = world.call("GET", "/tokens", Some(&ann.token), None).await.good().body["items"][0]["id"].clone();
    world.delete(&format!("/tokens/{}", token.as_str().unwrap())).await.good();
    while events.read().await > 0 {}
}

/// The body of a chunked answer.
async fn body(world: &World, path: &str) -> (String, String) {
    let host = world.cloud.local_addr();
    // HTTP/1.0 has no chunks.
    let request =
        format!("GET /api/v1{path} HTTP/1.0\r\nhost: {host}\r\nauthorization: Bearer {}\r\n\r\n", world.admin);
    let mut stream = TcpStream::connect(host).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), body.to_owned())
}

#[tokio::test]
async fn the_audit_is_taken_away_whole_and_says_so_itself_and_a_forged_record_is_found() {
    let world = World::new().await;
    // More than one batch, and a name that a spreadsheet would compute.
    world.login("=1+1,\"x\"", "wrong").await;
    for number in 0..300 {
        world.post("/enrolment-tokens", json!({"name": format!("d{number}")})).await.good();
    }
    let verdict = world.get("/audit/verify").await.good().body;
    assert_eq!(verdict["whole"], true);
    let (head, jsonl) = body(&world, "/audit/export").await;
    assert!(head.contains("application/x-ndjson"), "{head}");
    let records: Vec<Value> = jsonl.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(json!(records.len()), json!(verdict["records"].as_u64().unwrap() + 1));
    assert!((1..).zip(&records).all(|(sequence, record)| record["sequence"] == json!(sequence)));
    assert_eq!(records.last().unwrap()["action"], "audit.export");

    let (head, csv) = body(&world, "/audit/export?format=csv").await;
    assert!(head.contains("text/csv"), "{head}");
    assert_eq!(csv.lines().count(), records.len() + 2);
    assert!(csv.starts_with("sequence,at,actor,"));
    assert!(csv.contains("\"'=1+1,\"\"x\"\"\""), "{csv}");
    assert_eq!(world.get("/audit/export?format=xml").await.code(), "bad-request");

    let forge = "UPDATE audit SET record = replace(record, 'name d7,', 'name d8,') WHERE sequence > 3";
    sqlx::query(forge).execute(&world.database().await).await.unwrap();
    let verdict = world.get("/audit/verify").await.good().body;
    assert_eq!(verdict["whole"], false);
    let sequence = verdict["broken_at"].as_u64().unwrap();
    let first = records.iter().find(|record| record["detail"].as_str().is_some_and(|text| text.contains("name d7,")));
    assert_eq!(json!(sequence), first.unwrap()["sequence"]);
    assert!(verdict["reason"].is_string());
}

#[tokio::test]
async fn a_listener_leaves_when_the_cloud_stops() {
    let world = World::new().await;
    let mut events = Events::listen(&world, &world.admin).await;
    let host = world.cloud.local_addr();
    let health = format!("GET /api/v1/health HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    exchange(TcpStream::connect(host).await.unwrap(), &health).await.good();
    world.cloud.shutdown().await;
    while events.read().await > 0 {}
}
