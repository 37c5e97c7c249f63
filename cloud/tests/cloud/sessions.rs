//! Channels from an operator through the cloud to a device, and what is written down about them.

use bytes::Bytes;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use towline_tunnel_proto::{Code, FieldKey, Fields, Open, Urgency};

use crate::harness::{World, echo, eventually, open, serve_targets};

async fn newest(world: &World, list: &str) -> Value {
    world.get(&format!("/{list}?limit=1")).await.good().body["items"][0].clone()
}

#[tokio::test]
async fn bytes_reach_the_target_and_come_back_and_the_session_is_on_record_from_start_to_end() {
    let world = World::new().await;
    let device = world.device("pump").await;
    serve_targets(&world.connect(&device).await);
    let endpoint = world.endpoint(&device.id, echo().await).await;
    let operator = world.operator(&world.admin).await;

    let mut channel = open(&operator, &device.id, &endpoint);
    channel.write_all(b"sent before anybody accepted").await.unwrap();
    let fields = channel.accepted().await.unwrap();
    assert!(fields.text(FieldKey::PEER_ADDRESS).unwrap().starts_with("127.0.0.1:"));

    let session = newest(&world, "sessions").await;
    assert_eq!(session["ended_at"], Value::Null);
    assert_eq!(newest(&world, "operations").await["status"], "SUCCESSFUL");

    channel.shutdown().await.unwrap();
    let mut answer = Vec::new();
    channel.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, b"sent before anybody accepted");

    eventually(async || newest(&world, "sessions").await["end"] == "finished").await;
    let session = newest(&world, "sessions").await;
    assert_eq!((&session["bytes_to_target"], &session["bytes_from_target"]), (&28.into(), &28.into()));
    assert_eq!(session["user"], "admin");
    let audit = world.audit().await;
    let of_session: Vec<_> =
        audit.iter().filter(|record| record.contains("session.") || record.contains("operation.")).collect();
    assert_eq!(of_session, ["operation.create ok", "session.start ok", "session.end ok"]);
}

#[tokio::test]
async fn an_operator_who_reads_no_more_can_still_send() {
    let world = World::new().await;
    let device = world.device("pump").await;
    let agent = world.connect(&device).await;
    let endpoint = world.endpoint(&device.id, 22).await;
    let operator = world.operator(&world.admin).await;
    let channel = open(&operator, &device.id, &endpoint);
    let mut target = agent.accept().await.unwrap().accept(Fields::new());
    let (mut receive, mut send) = channel.split();
    receive.accepted().await.unwrap();
    receive.stop(Code::CANCEL, "seen enough");
    let stopped = loop {
        if let Err(ended) = target.send(Bytes::from_static(b"more")).await {
            break ended;
        }
    };
    assert_eq!(stopped.reason, "seen enough");
    send.send(Bytes::from_static(b"last words")).await.unwrap();
    send.finish().unwrap();
    assert_eq!(target.recv().await.unwrap().unwrap(), "last words");
    assert_eq!(target.recv().await.unwrap(), None);
}

#[tokio::test]
async fn a_large_answer_arrives_whole_after_the_question_has_ended() {
    const CHUNK: usize = 64 * 1024;
    const CHUNKS: usize = 64;
    let world = World::new().await;
    let device = world.device("pump").await;
    let agent = world.connect(&device).await;
    let endpoint = world.endpoint(&device.id, 22).await;
    let operator = world.operator(&world.admin).await;
    let mut channel = open(&operator, &device.id, &endpoint);
    let mut target = agent.accept().await.unwrap().accept(Fields::new());
    channel.accepted().await.unwrap();
    channel.finish().await.unwrap();
    tokio::spawn(async move {
        for _ in 0..CHUNKS {
            target.send(Bytes::from(vec![7; CHUNK])).await.unwrap();
        }
        target.finish().await.unwrap();
        while target.recv().await.unwrap().is_some() {}
    });
    let mut bytes = 0;
    while let Some(data) = channel.recv().await.unwrap() {
        bytes += data.len();
    }
    assert_eq!(bytes, CHUNK * CHUNKS);
    eventually(async || newest(&world, "sessions").await["bytes_from_target"] == CHUNK * CHUNKS).await;
}

#[tokio::test]
async fn a_channels_urgency_and_limits_of_time_are_passed_on_to_the_device() {
    let world = World::new().await;
    let device = world.device("pump").await;
    let agent = world.connect(&device).await;
    let endpoint = world.endpoint(&device.id, 22).await;
    let operator = world.operator(&world.admin).await;
    let target = format!("towline:device/{}/endpoint/{endpoint}", device.id);
    for urgency in [Urgency::INTERACTIVE, Urgency::NORMAL, Urgency::BULK] {
        let wish = Open { urgency, idle_millis: 61_000, deadline_millis: 3_600_000, ..Open::to(target.clone()) };
        let _channel = operator.open(wish).unwrap();
        let incoming = agent.accept().await.unwrap();
        let open = incoming.open();
        assert_eq!((open.urgency, open.idle_millis, open.deadline_millis), (urgency, 61_000, 3_600_000));
    }
}

#[tokio::test]
async fn a_session_that_reaches_a_limit_of_its_channel_ends_on_both_sides_and_is_recorded_as_that() {
    let world = World::new().await;
    let device = world.device("pump").await;
    let agent = world.connect(&device).await;
    let endpoint = world.endpoint(&device.id, 22).await;
    let operator = world.operator(&world.admin).await;
    let target = format!("towline:device/{}/endpoint/{endpoint}", device.id);
    let idle = Open { idle_millis: 500, ..Open::to(target.clone()) };
    let deadline = Open { deadline_millis: 500, ..Open::to(target) };
    for (wish, code, reason) in [
        (idle, Code::IDLE_TIMEOUT, "nobody has used it"),
        (deadline, Code::DEADLINE, "it has lasted as long as a session may"),
    ] {
        let mut channel = operator.open(wish).unwrap();
        let mut target = agent.accept().await.unwrap().accept(Fields::new());
        channel.accepted().await.unwrap();
        assert_eq!(channel.recv().await.unwrap_err().code, code);
        assert_eq!(target.recv().await.unwrap_err().code, code);
        eventually(async || newest(&world, "sessions").await["end"] == "limit-reached").await;
        assert_eq!(newest(&world, "sessions").await["end_detail"], reason);
    }
}

#[tokio::test]
async fn what_stands_in_the_way_is_told_and_recorded_with_its_own_code() {
    let world = World::new().await;
    let (online, offline) = (world.device("online").await, world.device("offline").await);
    serve_targets(&world.connect(&online).await);
    let endpoint = world.endpoint(&online.id, 1).await;
    let offline_endpoint = world.endpoint(&offline.id, 22).await;
    let operator = world.operator(&world.admin).await;

    let ended = open(&operator, &online.id, &endpoint).accepted().await.unwrap_err();
    assert_eq!((ended.code, ended.reason.as_str()), (Code::CONNECT_REFUSED, "127.0.0.1:1 refused"));
    let operation = newest(&world, "operations").await;
    assert_eq!((&operation["status"], &operation["failure"]), (&"FAILED".into(), &"target-refused".into()));
    assert_eq!(operation["detail"], "127.0.0.1:1 refused");

    let ended = open(&operator, &offline.id, &offline_endpoint).accepted().await.unwrap_err();
    assert_eq!(ended.code, Code::DEVICE_OFFLINE);
    assert_eq!(newest(&world, "operations").await["failure"], "device-offline");
    assert_eq!(ended.reason, "device \"offline\" has not connected yet");

    let ended = open(&operator, &online.id, "42").accepted().await.unwrap_err();
    assert_eq!(ended.code, Code::UNKNOWN_ENDPOINT);
    assert_eq!(newest(&world, "operations").await["endpoint_id"], Value::Null);

    let ended = open(&operator, "42", &endpoint).accepted().await.unwrap_err();
    assert_eq!(ended.code, Code::UNKNOWN_DEVICE);
    let ended = operator.open(Open::to("tcp://127.0.0.1:22")).unwrap().accepted().await.unwrap_err();
    assert_eq!(ended.code, Code::NO_SERVICE);

    let audit = world.audit().await;
    for record in [
        "operation.end target-refused",
        "operation.end device-offline",
        "operation.end unknown-endpoint",
        "operation.create unknown-device",
        "operation.create bad-request",
    ] {
        assert!(audit.contains(&record.to_owned()), "{record}");
    }
    assert!(!audit.contains(&"session.start ok".to_owned()));
}

#[tokio::test]
async fn to_connect_takes_the_permission_to_at_each_channel() {
    let world = World::new().await;
    let device = world.device("pump").await;
    serve_targets(&world.connect(&device).await);
    let endpoint = world.endpoint(&device.id, echo().await).await;

    let reader = world.user("reader", &["remote-access-read", "remote-access-admin", "device-control-admin"]).await;
    let ended = open(&world.operator(&reader).await, &device.id, &endpoint).accepted().await.unwrap_err();
    assert_eq!(ended.code, Code::FORBIDDEN);
    assert!(ended.reason.contains("remote-access-connect"), "{ended}");
    assert!(world.audit().await.contains(&"operation.create forbidden".to_owned()));

    let nobody = world.user("nobody", &[]).await;
    let ended = open(&world.operator(&nobody).await, &device.id, &endpoint).accepted().await.unwrap_err();
    assert_eq!(ended.code, Code::UNKNOWN_DEVICE);

    let connector = world.user("connector", &["remote-access-connect"]).await;
    let operator = world.operator(&connector).await;
    open(&operator, &device.id, &endpoint).accepted().await.unwrap();
    sqlx::query("DELETE FROM permission_grant WHERE permission = 'remote-access-connect'")
        .execute(&world.database().await)
        .await
        .unwrap();
    let ended = open(&operator, &device.id, &endpoint).accepted().await.unwrap_err();
    assert_eq!(ended.code, Code::UNKNOWN_DEVICE);
}

#[tokio::test]
async fn a_live_session_ends_when_its_endpoint_is_deleted_or_its_operator_logs_out() {
    let world = World::new().await;
    let device = world.device("pump").await;
    serve_targets(&world.connect(&device).await);
    let port = echo().await;

    let endpoint = world.endpoint(&device.id, port).await;
    let operator = world.operator(&world.admin).await;
    let mut channel = open(&operator, &device.id, &endpoint);
    channel.accepted().await.unwrap();
    world.delete(&format!("/devices/{}/endpoints/{endpoint}", device.id)).await.good();
    assert_eq!(channel.recv().await.unwrap_err().code, Code::REVOKED);
    eventually(async || newest(&world, "sessions").await["end"] == "revoked").await;

    let endpoint = world.endpoint(&device.id, port).await;
    let token = world.user("ann", &["remote-access-connect"]).await;
    let operator = world.operator(&token).await;
    let mut channel = open(&operator, &device.id, &endpoint);
    channel.accepted().await.unwrap();
    world.call("POST", "/logout", Some(&token), None).await.good();
    assert_eq!(operator.ended().await.code, Code::REVOKED);
    assert_eq!(channel.recv().await.unwrap_err().code, Code::REVOKED);
    eventually(async || newest(&world, "sessions").await["end"] == "revoked").await;
}

#[tokio::test]
async fn each_end_of_a_session_has_its_reason() {
    let world = World::new().await;
    let device = world.device("pump").await;
    let agent = world.connect(&device).await;
    serve_targets(&agent);
    let endpoint = world.endpoint(&device.id, echo().await).await;

    let operator = world.operator(&world.admin).await;
    let mut channel = open(&operator, &device.id, &endpoint);
    channel.accepted().await.unwrap();
    channel.reset(Code::CANCEL, "");
    eventually(async || newest(&world, "sessions").await["end"] == "operator-closed").await;

    let mut channel = open(&operator, &device.id, &endpoint);
    channel.accepted().await.unwrap();
    agent.close(Code::NO_ERROR, "");
    assert!(channel.recv().await.is_err());
    eventually(async || newest(&world, "sessions").await["end"] == "target-closed").await;
}

#[tokio::test]
async fn a_cloud_that_stops_ends_its_sessions_and_one_that_crashed_finds_them_at_its_start() {
    let world = World::new().await;
    let device = world.device("pump").await;
    serve_targets(&world.connect(&device).await);
    let endpoint = world.endpoint(&device.id, echo().await).await;
    let operator = world.operator(&world.admin).await;
    let mut channel = open(&operator, &device.id, &endpoint);
    channel.accepted().await.unwrap();

    let world = world.restarted().await;
    assert_eq!(channel.recv().await.unwrap_err().code, Code::SHUTDOWN);
    assert_eq!(newest(&world, "sessions").await["end"], "cloud-stopped");
    assert!(world.audit().await.contains(&"device.offline ok".to_owned()));

    // As a crash would have left it.
    let database = world.database().await;
    for change in ["UPDATE session SET ended_at = NULL, end_reason = NULL", "UPDATE operation SET status = 'EXECUTING'"]
    {
        sqlx::query(change).execute(&database).await.unwrap();
    }
    database.close().await;
    let world = world.restarted().await;
    let session = newest(&world, "sessions").await;
    assert_eq!(session["end"], "cloud-stopped");
    assert!(session["ended_at"].is_string());
    let operation = newest(&world, "operations").await;
    assert_eq!((&operation["status"], &operation["failure"]), (&"FAILED".into(), &"session-lost".into()));
    let audit = world.audit().await;
    assert!(audit.contains(&"operation.end session-lost".to_owned()));
    assert_eq!(audit.iter().filter(|record| *record == "session.end ok").count(), 2);
}

#[tokio::test]
async fn a_device_that_does_not_answer_and_an_operator_who_does_not_wait_are_both_told_apart() {
    let world = World::new().await;
    let device = world.device("pump").await;
    let _silent = world.connect(&device).await;
    let endpoint = world.endpoint(&device.id, 22).await;
    let operator = world.operator(&world.admin).await;

    let gone = open(&operator, &device.id, &endpoint);
    eventually(async || newest(&world, "operations").await["status"] == "EXECUTING").await;
    gone.reset(Code::CANCEL, "");
    eventually(async || newest(&world, "operations").await["failure"] == "session-ended").await;

    let ended = open(&operator, &device.id, &endpoint).accepted().await.unwrap_err();
    assert_eq!(ended.code, Code::DEVICE_TIMEOUT);
    assert_eq!(newest(&world, "operations").await["failure"], "device-timeout");
}

#[tokio::test]
async fn what_an_agent_says_reaches_the_operator_without_control_characters() {
    let world = World::new().await;
    let device = world.device("pump").await;
    let agent = world.connect(&device).await;
    let endpoint = world.endpoint(&device.id, 22).await;
    let operator = world.operator(&world.admin).await;
    let mut channel = open(&operator, &device.id, &endpoint);
    agent.accept().await.unwrap().refuse(Code::POLICY_DENIED, "no\u{1b}[2J\r\nway");
    let ended = channel.accepted().await.unwrap_err();
    assert_eq!((ended.code, ended.reason.as_str()), (Code::POLICY_DENIED, "no[2Jway"));
    assert_eq!(newest(&world, "operations").await["failure"], "policy-denied");
}
