//! Logging in, and what happens to those who guess.

use std::time::Duration;

use serde_json::json;

use crate::harness::{PASSWORD, World, start};

#[tokio::test]
async fn the_right_password_gives_a_token_that_works_until_logout() {
    let world = World::new().await;
    let granted = world.login("admin", PASSWORD).await.good();
    let token = granted.text("token");
    assert!(token.starts_with("tlt1_"));
    assert_eq!(granted.body["user"]["permissions"].as_array().unwrap().len(), 6);

    let me = world.call("GET", "/current-user", Some(&token), None).await.good();
    assert_eq!(me.body["name"], "admin");
    assert!(me.head.contains("cache-control: no-store"));

    assert_eq!(world.call("POST", "/logout", Some(&token), None).await.status, 204);
    let after = world.call("GET", "/current-user", Some(&token), None).await;
    assert_eq!((after.status, after.code()), (401, "unauthenticated"));
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_are_told_the_same_and_recorded() {
    let world = World::new().await;
    let wrong = world.login("admin", "wrong").await;
    let unknown = world.login("ad\u{1b}[2Jmin\r\nx", "wrong").await;
    assert_eq!((wrong.status, wrong.code()), (401, "auth-failed"));
    assert_eq!(wrong.body, unknown.body);
    assert!(wrong.head.contains("application/problem+json"));

    let audit = world.get("/audit").await.good();
    let failed: Vec<_> = audit.body["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|record| record["outcome"] == "auth-failed")
        .map(|record| record["actor"].as_str().unwrap())
        .collect();
    assert_eq!(failed, ["ad[2Jminx", "admin"]);
    assert!(!audit.body.to_string().contains("wrong"), "a password stands in the audit");
}

#[tokio::test]
async fn after_five_failures_even_the_right_password_has_to_wait_a_while() {
    let world = World::new().await;
    for _ in 0..5 {
        assert_eq!(world.login("admin", "wrong").await.status, 401);
    }
    let answer = world.login("admin", PASSWORD).await;
    assert_eq!((answer.status, answer.code()), (429, "rate-limited"));
    assert!(world.audit().await.contains(&"login rate-limited".to_owned()));
    // Another account is not held responsible, and it is not for ever.
    assert_eq!(world.login("ann", "wrong").await.status, 401);
    tokio::time::sleep(Duration::from_millis(2200)).await;
    world.login("admin", PASSWORD).await.good();
}

#[tokio::test]
async fn many_accounts_tried_from_one_source_end_in_a_wait_for_that_source_alone() {
    let world = World::new().await;
    let mut answers = Vec::new();
    for number in 0..51 {
        answers.push(world.login(&format!("user {number}"), "wrong").await.code().to_owned());
    }
    assert_eq!(answers.iter().filter(|code| *code == "auth-failed").count(), 50, "{answers:?}");
    assert_eq!(answers.last().unwrap(), "rate-limited");

    let host = world.cloud.local_addr();
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let body = json!({"user": "admin", "password": PASSWORD}).to_string();
    let request = format!(
        "POST /api/v1/login HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    crate::harness::exchange(socket.connect(host).await.unwrap(), &request).await.good();
}

#[tokio::test]
async fn without_a_password_one_is_generated_at_the_first_start_and_told_once() {
    let dir = tempfile::tempdir().unwrap();
    let config = || towline_cloud::Config::new("127.0.0.1:0".parse().unwrap(), dir.path());
    let cloud = towline_cloud::Cloud::start(config()).await.unwrap();
    let password = cloud.first_start_password().unwrap().to_owned();
    assert!(password.len() >= 32);
    cloud.shutdown().await;

    let cloud = towline_cloud::Cloud::start(config()).await.unwrap();
    assert_eq!(cloud.first_start_password(), None);
    let body = json!({"user": "admin", "password": password});
    crate::harness::call(cloud.local_addr(), "POST", "/login", None, Some(body)).await.good();
}

#[tokio::test]
async fn an_expired_token_is_as_good_as_none() {
    let world = World::new().await;
    sqlx::query("UPDATE access_token SET expires_at = 1").execute(&world.database().await).await.unwrap();
    let answer = world.get("/devices").await;
    assert_eq!((answer.status, answer.code()), (401, "unauthenticated"));
    for forged in ["", "tlt1_", "tlt1_AAAA", "'; DROP TABLE access_token; --"] {
        assert_eq!(world.call("GET", "/devices", Some(forged), None).await.status, 401);
    }
}

#[tokio::test]
async fn two_clouds_do_not_share_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let first = start(dir.path()).await;
    let config = towline_cloud::Config::new("127.0.0.1:0".parse().unwrap(), dir.path());
    let second = towline_cloud::Cloud::start(config.clone()).await;
    assert!(matches!(second, Err(towline_cloud::Error::InUse { .. })), "{second:?}");
    first.shutdown().await;
    towline_cloud::Cloud::start(config).await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn what_the_cloud_writes_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("data");
    let cloud = start(&dir).await;
    cloud.local_login().await.unwrap();
    assert_eq!(dir.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    for file in std::fs::read_dir(&dir).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
    cloud.shutdown().await;
}
