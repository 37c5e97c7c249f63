//! Users, groups, grants, second factors, and requests that are made twice.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::harness::{Answer, PASSWORD, World, exchange};

#[tokio::test]
async fn a_colleague_gets_exactly_the_rights_of_the_groups_they_are_in() {
    let world = World::new().await;
    let (pump, valve) = (world.device("pump").await.id, world.device("valve").await.id);
    let ann = world.person("ann", &[]).await;
    let pumps = world.post("/device-groups", json!({"name": "pumps"})).await.good();
    assert_eq!(pumps.body["device_count"], 0);
    let pumps = pumps.text("id");
    world.call("PUT", &format!("/device-groups/{pumps}/devices/{pump}"), Some(&world.admin), None).await.good();
    world.grant(&ann.group, &pumps, "device-control-read").await;
    let inside = world.get(&format!("/devices?group={pumps}")).await.good().body;
    assert_eq!(inside["items"].as_array().unwrap().len(), 1, "{inside}");
    assert_eq!(inside["items"][0]["id"], pump.as_str());
    let curious = world.call("GET", &format!("/devices?group={pumps}"), Some(&ann.token), None).await;
    assert_eq!(curious.code(), "forbidden");

    let sees = async || {
        let list = world.call("GET", "/devices", Some(&ann.token), None).await;
        list.body["items"].as_array().map(|items| items.iter().map(|item| item["name"].to_string()).collect::<Vec<_>>())
    };
    assert_eq!(sees().await.unwrap(), ["\"pump\""]);
    assert_eq!(world.call("GET", &format!("/devices/{valve}"), Some(&ann.token), None).await.code(), "unknown-device");
    let user = world.get(&format!("/users/{}", ann.id)).await.good().body;
    assert_eq!(user["groups"][0]["name"], "group of ann");
    assert!(user["last_login_at"].is_string());
    let group = world.get(&format!("/user-groups/{}", ann.group)).await.good().body;
    assert_eq!(group["members"], json!([{"id": ann.id, "name": "ann"}]));
    let grants = world.get(&format!("/grants?user_group={}", ann.group)).await.good().body;
    assert_eq!(grants["items"][0]["device_group"]["name"], "pumps");

    world.delete(&format!("/device-groups/{pumps}")).await.good();
    assert_eq!(sees().await, None);
    assert_eq!(world.get(&format!("/grants?user_group={}", ann.group)).await.good().body["items"], json!([]));
}

#[tokio::test]
async fn nobody_gives_themselves_a_right_without_user_admin() {
    let world = World::new().await;
    let all: Vec<_> = [
        "remote-access-read",
        "remote-access-connect",
        "remote-access-admin",
        "device-control-read",
        "device-control-admin",
    ]
    .into();
    let ann = world.person("ann", &all).await;
    let admins = world.get("/user-groups?name=administrators").await.good().body["items"][0]["id"].clone();
    let admins = admins.as_str().unwrap();
    let grant = json!({
        "user_group_id": ann.group, "device_group_id": world.all_devices().await, "permission": "user-admin"
    });
    for (method, path, body) in [
        ("POST", "/grants".to_owned(), Some(grant)),
        ("PUT", format!("/user-groups/{admins}/members/{}", ann.id), None),
        ("POST", "/user-groups".into(), Some(json!({"name": "mine"}))),
        ("PATCH", format!("/users/{}", ann.id), Some(json!({"disabled": false}))),
        ("PUT", format!("/users/{}/password", ann.id), Some(json!({"password": "long enough"}))),
    ] {
        assert_eq!(world.call(method, &path, Some(&ann.token), body).await.code(), "forbidden", "{method} {path}");
    }
    let me = world.call("GET", "/current-user", Some(&ann.token), None).await.good().body;
    assert_eq!(me["permissions"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn the_last_administrator_cannot_lose_the_way_back_in() {
    let world = World::new().await;
    let admin = world.get("/users?name=admin").await.good().body["items"][0].clone();
    let (id, group) = (admin["id"].as_str().unwrap(), admin["groups"][0]["id"].as_str().unwrap());
    let grants = world.get(&format!("/grants?user_group={group}")).await.good().body;
    let grants = grants["items"].as_array().unwrap();
    let grant = grants.iter().find(|grant| grant["permission"] == "user-admin").unwrap();
    let ways_out = [
        ("DELETE", format!("/users/{id}"), None),
        ("PATCH", format!("/users/{id}"), Some(json!({"disabled": true}))),
        ("DELETE", format!("/user-groups/{group}"), None),
        ("DELETE", format!("/user-groups/{group}/members/{id}"), None),
        ("DELETE", format!("/grants/{}", grant["id"].as_str().unwrap()), None),
    ];
    // A disabled administrator is none.
    let second = world.person("second", &["user-admin"]).await;
    let disable = |disabled: bool| Some(json!({"disabled": disabled}));
    let path = format!("/users/{}", second.id);
    world.call("PATCH", &path, Some(&world.admin), disable(true)).await.good();
    for (method, path, body) in ways_out {
        let answer = world.call(method, &path, Some(&world.admin), body).await;
        assert_eq!((answer.status, answer.code()), (409, "conflict"), "{method} {path}");
        assert!(answer.text("detail").contains("user-admin"));
    }
    assert_eq!(world.get(&format!("/users/{id}")).await.good().body["disabled"], false);
    let all = world.all_devices().await;
    assert_eq!(world.delete(&format!("/device-groups/{all}")).await.code(), "conflict");
    let device = world.device("pump").await.id;
    assert_eq!(world.delete(&format!("/device-groups/{all}/devices/{device}")).await.code(), "conflict");

    world.call("PATCH", &path, Some(&world.admin), disable(false)).await.good();
    world.delete(&format!("/users/{id}")).await.good();
    assert_eq!(world.get("/users").await.code(), "unauthenticated");
    let token = world.login("second", PASSWORD).await.good().text("token");
    let users = world.call("GET", "/users", Some(&token), None).await.good().body;
    assert_eq!(users["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn names_that_deceive_are_refused_everywhere_and_lists_are_whole_page_by_page() {
    let world = World::new().await;
    let device = world.device("pump").await.id;
    for name in ["", " a", "a ", "a\u{1b}[2J", "a\nb", "a\u{202e}b", "a\u{200b}b", &"n".repeat(65)] {
        for (method, path, body) in [
            ("POST", "/users".to_owned(), json!({"name": name, "password": "long enough"})),
            ("POST", "/user-groups".into(), json!({"name": name})),
            ("POST", "/device-groups".into(), json!({"name": name})),
            ("POST", "/enrolment-tokens".into(), json!({"name": name})),
            ("PATCH", format!("/devices/{device}"), json!({"name": name})),
        ] {
            let answer = world.call(method, &path, Some(&world.admin), Some(body)).await;
            assert_eq!((answer.status, answer.code()), (400, "bad-request"), "{method} {path} {name:?}");
        }
    }
    for name in ["a", "b", "c", "d", "e"] {
        world.post("/user-groups", json!({"name": name})).await.good();
        world.post("/device-groups", json!({"name": name})).await.good();
        world.login("admin", PASSWORD).await.good();
    }
    assert_eq!(world.post("/user-groups", json!({"name": "a"})).await.code(), "conflict");
    for (list, count) in [("user-groups", 6), ("device-groups", 6), ("tokens", 6), ("grants", 6), ("users", 1)] {
        let mut seen = std::collections::HashSet::new();
        let mut path = format!("/{list}?limit=2");
        loop {
            let page = world.get(&path).await.good().body;
            for item in page["items"].as_array().unwrap() {
                assert!(seen.insert(item["id"].to_string()), "{list} shows {item} twice");
            }
            let Some(next) = page["next"].as_str() else { break };
            path = format!("/{list}?limit=2&cursor={next}");
        }
        assert_eq!(seen.len(), count, "{list}");
        if list != "users" {
            assert_eq!(world.get(&format!("/{list}?cursor=!")).await.code(), "bad-request", "{list}");
        }
    }
}

/// The code of an authenticator with this secret, so many steps from now.
fn code(secret: &str, steps: i64) -> String {
    let bits: String = secret
        .chars()
        .map(|character| "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(character).unwrap())
        .map(|value| format!("{value:05b}"))
        .collect();
    let key: Vec<u8> = bits
        .as_bytes()
        .chunks_exact(8)
        .map(|byte| u8::from_str_radix(str::from_utf8(byte).unwrap(), 2).unwrap())
        .collect();
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let step = i64::try_from(seconds).unwrap() / 30 + steps;
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key), &step.to_be_bytes());
    let offset = usize::from(mac.as_ref()[19] & 0xf);
    let number = u32::from_be_bytes(mac.as_ref()[offset..offset + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

/// Waits until the step is young, so that it does not end within the test.
async fn a_fresh_step() {
    let into = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() % 30;
    while into() > 15 {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn a_second_factor_is_asked_for_once_confirmed_and_no_code_is_good_twice() {
    let world = World::new().await;
    let token = world.user("ann", &[]).await;
    let own = async |method: &str, path: &str, body: Option<Value>| {
        world.call(method, &format!("/current-user/totp{path}"), Some(&token), body).await
    };
    let login = async |code: Option<String>| {
        let body = json!({"user": "ann", "password": PASSWORD, "totp_code": code});
        world.call("POST", "/login", None, Some(body)).await
    };
    a_fresh_step().await;
    let setup = own("POST", "", None).await.good();
    let secret = setup.text("secret");
    assert_eq!(setup.text("uri"), format!("otpauth://totp/Towline:ann?secret={secret}&issuer=Towline"));
    // Until it is confirmed it counts for nothing.
    login(None).await.good();
    assert_eq!(own("POST", "/confirm", Some(json!({"code": code(&secret, 9)}))).await.code(), "auth-failed");
    let is_on = async || world.call("GET", "/current-user", Some(&token), None).await.good().body["totp"].clone();
    assert_eq!(is_on().await, false);
    own("POST", "/confirm", Some(json!({"code": code(&secret, -1)}))).await.good();
    assert_eq!(is_on().await, true);
    assert_eq!(own("POST", "", None).await.code(), "conflict");

    let without = login(None).await;
    assert_eq!((without.status, without.code()), (401, "totp-required"));
    assert_eq!(login(Some(code(&secret, 9))).await.code(), "auth-failed");
    assert_eq!(login(Some(code(&secret, -1))).await.code(), "auth-failed", "a code was good twice");
    login(Some(code(&secret, 0))).await.good();
    assert_eq!(login(Some(code(&secret, 0))).await.code(), "auth-failed", "a code was good twice");

    // It is in no file in the clear, and a wrong password says nothing about it.
    let wrong = json!({"user": "ann", "password": "wrong"});
    assert_eq!(world.call("POST", "/login", None, Some(wrong)).await.code(), "auth-failed");
    for file in std::fs::read_dir(world.dir.path()).unwrap() {
        let content = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!content.windows(secret.len()).any(|window| window == secret.as_bytes()));
    }

    assert_eq!(own("DELETE", "", Some(json!({"code": "000"}))).await.code(), "auth-failed");
    own("DELETE", "", Some(json!({"code": code(&secret, 1)}))).await.good();
    login(None).await.good();

    // And an administrator helps who has lost the telephone.
    let secret = own("POST", "", None).await.good().text("secret");
    own("POST", "/confirm", Some(json!({"code": code(&secret, 0)}))).await.good();
    let ann = world.get("/users?name=ann").await.good().body["items"][0].clone();
    assert_eq!(ann["totp"], true);
    world.delete(&format!("/users/{}/totp", ann["id"].as_str().unwrap())).await.good();
    login(None).await.good();
}

#[tokio::test]
async fn who_knows_the_password_does_not_get_to_guess_the_code() {
    let world = World::new().await;
    let token = world.user("ann", &[]).await;
    let setup = world.call("POST", "/current-user/totp", Some(&token), None).await.good();
    let secret = setup.text("secret");
    let confirm = json!({"code": code(&secret, 0)});
    world.call("POST", "/current-user/totp/confirm", Some(&token), Some(confirm)).await.good();
    let mut answers = Vec::new();
    for _ in 0..11 {
        let wrong = Some(json!({"code": "12345x"}));
        answers.push(world.call("DELETE", "/current-user/totp", Some(&token), wrong).await.code().to_owned());
    }
    assert_eq!(answers.iter().filter(|code| *code == "auth-failed").count(), 10, "{answers:?}");
    assert_eq!(answers.last().unwrap(), "rate-limited");
    // Neither with the token nor with a login, the right code or not.
    let body = json!({"user": "ann", "password": PASSWORD, "totp_code": code(&secret, 1)});
    assert_eq!(world.call("POST", "/login", None, Some(body)).await.code(), "rate-limited");
}

async fn keyed(world: &World, path: &str, keys: &[&str], body: &Value) -> Answer {
    let (host, token, body) = (world.cloud.local_addr(), &world.admin, body.to_string());
    let keys: String = keys.iter().map(|key| format!("idempotency-key: {key}\r\n")).collect();
    let request = format!(
        "POST /api/v1{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\nauthorization: Bearer {token}\r\n{keys}\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    exchange(TcpStream::connect(host).await.unwrap(), &request).await
}

#[tokio::test]
async fn a_request_that_is_made_twice_is_done_once_and_answered_alike() {
    let world = World::new().await;
    let body = json!({"name": "pump"});
    let first = keyed(&world, "/enrolment-tokens", &["k1"], &body).await.good();
    let second = keyed(&world, "/enrolment-tokens", &["k1"], &body).await.good();
    assert_eq!((first.status, &first.body), (201, &second.body));
    assert!(second.head.contains("idempotency-replayed: true") && !first.head.contains("idempotency-replayed"));
    assert_ne!(keyed(&world, "/enrolment-tokens", &["k2"], &body).await.good().body, first.body);
    assert_eq!(world.audit().await.iter().filter(|record| *record == "enrolment-token.create ok").count(), 2);

    // Another request with the same key, and keys that are none.
    assert_eq!(keyed(&world, "/enrolment-tokens", &["k1"], &json!({"name": "valve"})).await.code(), "conflict");
    assert_eq!(keyed(&world, "/user-groups", &["k1"], &body).await.code(), "conflict");
    for keys in [&[""][..], &["a b"], &["ä"], &[&"k".repeat(129)], &["a", "b"]] {
        assert_eq!(keyed(&world, "/user-groups", keys, &body).await.code(), "bad-request", "{keys:?}");
    }
    // What failed is not kept: it may be tried again.
    let user = |password: &str| json!({"name": "ann", "password": password});
    assert_eq!(keyed(&world, "/users", &["k3"], &user("short")).await.code(), "bad-request");
    let ann = keyed(&world, "/users", &["k3"], &user("long enough canary")).await.good();
    assert_eq!(keyed(&world, "/users", &["k3"], &user("long enough canary")).await.good().body, ann.body);

    // Both at once: one is done, the other waits for nobody.
    let body = json!({"name": "both"});
    let both =
        tokio::join!(keyed(&world, "/user-groups", &["k4"], &body), keyed(&world, "/user-groups", &["k4"], &body));
    for answer in [&both.0, &both.1] {
        assert!(answer.status == 201 || answer.code() == "conflict", "{answer:?}");
    }
    assert_eq!(world.get("/user-groups?name=both").await.good().body["items"].as_array().unwrap().len(), 1);

    // Another's key is another key, and after a day it is forgotten.
    let database = world.database().await;
    sqlx::query("UPDATE idempotency SET created_at = created_at - 86400001").execute(&database).await.unwrap();
    assert_eq!(keyed(&world, "/user-groups", &["k4"], &body).await.code(), "conflict");
    keyed(&world, "/user-groups", &["k4"], &json!({"name": "anew"})).await.good();

    let token = first.text("token");
    for file in std::fs::read_dir(world.dir.path()).unwrap() {
        let content = std::fs::read(file.unwrap().path()).unwrap();
        for canary in [token.as_bytes(), b"long enough canary"] {
            assert!(!content.windows(canary.len()).any(|window| window == canary), "a secret is in a file");
        }
    }
}

#[tokio::test]
async fn who_hangs_up_early_does_not_keep_a_change_from_its_consequences() {
    let world = World::new().await;
    let host = world.cloud.local_addr();
    let body = json!({"name": "ann", "password": "long enough"}).to_string();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let request = format!(
        "POST /api/v1/users HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {}\r\nidempotency-key: k\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        world.admin,
        body.len()
    );
    tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
    // Hashing a password takes longer than this.
    tokio::time::sleep(Duration::from_millis(5)).await;
    drop(stream);
    crate::harness::eventually(async || {
        let again = keyed(&world, "/users", &["k"], &json!({"name": "ann", "password": "long enough"})).await;
        again.status == 201
    })
    .await;
    assert_eq!(world.audit().await.iter().filter(|record| *record == "user.create ok").count(), 1);
}
