//! Logins that live in a cookie, login links, tickets: what a page has, and what another page must not get.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::{
    harness::{Answer, PASSWORD, World, echo, exchange, serve_targets},
    page::{self, open, ticket, vnc},
};

/// A request with headers of a browser.
async fn ask(world: &World, method: &str, path: &str, headers: &[(&str, &str)], body: Option<Value>) -> Answer {
    let host = world.cloud.local_addr();
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    let mut request = format!(
        "{method} /api/v1{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    exchange(TcpStream::connect(host).await.unwrap(), &format!("{request}\r\n{body}")).await
}

fn origin(world: &World) -> String {
    format!("http://{}", world.cloud.local_addr())
}

/// `name=value` of the cookie that an answer sets, and its attributes.
fn cookie(answer: &Answer) -> (String, String) {
    let line = answer.head.lines().find(|line| line.starts_with("set-cookie:")).expect("no cookie");
    let (pair, attributes) = line["set-cookie:".len()..].trim().split_once(';').unwrap();
    (pair.to_owned(), attributes.to_owned())
}

/// The head of an answer is in lower case, so that the token has to be read off the wire.
async fn login(world: &World) -> String {
    let host = world.cloud.local_addr();
    let body = json!({"user": "admin", "password": PASSWORD}).to_string();
    let request = format!(
        "POST /api/v1/browser/login HTTP/1.1\r\nhost: {host}\r\norigin: http://{host}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    set_cookie(host, &request).await
}

async fn set_cookie(host: std::net::SocketAddr, request: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = TcpStream::connect(host).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let line = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    line.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_page_logs_in_with_a_cookie_that_no_script_and_no_other_site_can_use() {
    let world = World::new().await;
    let origin = origin(&world);
    let wish = Some(json!({"user": "admin", "password": PASSWORD}));
    let answer = ask(&world, "POST", "/browser/login", &[("origin", &origin)], wish.clone()).await.good();
    assert_eq!(answer.body["user"]["name"], "admin");
    assert!(answer.body.get("token").is_none(), "{answer:?}");
    let (pair, attributes) = cookie(&answer);
    assert!(pair.starts_with(&format!("towline-{}=tlb1_", world.cloud.local_addr().port())), "{pair}");
    assert_eq!(attributes.trim(), "path=/; httponly; samesite=strict; max-age=43200");

    for wrong in [None, Some("null"), Some("https://evil.example.com"), Some("http://127.0.0.1:1")] {
        let headers: Vec<_> = wrong.into_iter().map(|origin| ("origin", origin)).collect();
        let refused = ask(&world, "POST", "/browser/login", &headers, wish.clone()).await;
        assert_eq!((refused.status, refused.code()), (403, "origin-refused"), "{wrong:?}");
    }
}

#[tokio::test]
async fn a_cookie_reads_from_anywhere_and_changes_from_the_clouds_own_pages_only() {
    let world = World::new().await;
    let (cookie, origin) = (login(&world).await, origin(&world));
    let who = ask(&world, "GET", "/current-user", &[("cookie", &cookie)], None).await.good();
    assert_eq!(who.body["name"], "admin");

    let create = Some(json!({"name": "field"}));
    let forged = [("cookie", cookie.as_str()), ("origin", "https://evil.example.com")];
    assert_eq!(ask(&world, "POST", "/user-groups", &forged, create.clone()).await.code(), "origin-refused");
    assert_eq!(ask(&world, "POST", "/user-groups", &forged[..1], create.clone()).await.code(), "origin-refused");
    let own = [("cookie", cookie.as_str()), ("origin", origin.as_str())];
    ask(&world, "POST", "/user-groups", &own, create).await.good();

    // It is no bearer token, and a bearer token is no cookie.
    let token = cookie.split_once('=').unwrap().1;
    assert_eq!(world.call("GET", "/current-user", Some(token), None).await.status, 401);
    let bearer = format!("{}={}", cookie.split_once('=').unwrap().0, world.admin);
    assert_eq!(ask(&world, "GET", "/current-user", &[("cookie", &bearer)], None).await.status, 401);

    let out = ask(&world, "POST", "/logout", &own, None).await.good();
    assert!(self::cookie(&out).1.contains("max-age=0"), "{out:?}");
    assert_eq!(ask(&world, "GET", "/current-user", &own, None).await.status, 401);
}

#[tokio::test]
async fn a_login_link_is_good_once() {
    let world = World::new().await;
    let origin = origin(&world);
    let fragment = world.cloud.login_fragment().unwrap();
    let code = fragment.strip_prefix("#login=").unwrap();
    let redeem = async |code: &str| {
        ask(&world, "POST", "/browser/login-link", &[("origin", &origin)], Some(json!({"code": code}))).await
    };
    assert_eq!(redeem("guessed").await.code(), "auth-failed");
    assert_eq!(redeem(code).await.good().body["user"]["name"], "admin");
    assert_eq!(redeem(code).await.code(), "auth-failed");
    assert_eq!(world.audit().await.iter().filter(|line| *line == "login auth-failed").count(), 2);
}

#[tokio::test]
async fn a_ticket_is_good_once_and_with_the_login_that_it_was_asked_with() {
    let world = Arc::new(World::new().await);
    let device = world.device("pump").await;
    serve_targets(&world.connect(&device).await);
    let endpoint = vnc(&world, &device.id, echo().await, None, false).await;
    let other = world.user("mona", &["remote-access-connect"]).await;
    let admin = format!("Bearer {}", world.admin);
    let protocols = |ticket: &Answer| format!("towline.rfb.v1, towline.ticket.v1.{}", ticket.text("ticket"));
    let bearer = |token: &str| vec![("authorization", token.to_owned())];

    let mine = ticket(&world, &world.admin, &device.id, &endpoint, json!({})).await.good();
    assert_eq!(mine.text("subprotocol"), "towline.rfb.v1");
    let stolen = open(&world, &bearer(&format!("Bearer {other}")), &protocols(&mine)).await;
    assert_eq!(stolen.err().unwrap().1["code"], "ticket-invalid");
    let spent = open(&world, &bearer(&admin), &protocols(&mine)).await;
    assert_eq!(spent.err().unwrap().1["code"], "ticket-invalid", "a ticket that was tried is still good");

    let mine = ticket(&world, &world.admin, &device.id, &endpoint, json!({})).await.good();
    let anonymous = open(&world, &[], &protocols(&mine)).await;
    assert_eq!(anonymous.err().unwrap().0, 401);
    let without = open(&world, &bearer(&admin), "towline.rfb.v1").await;
    assert_eq!(without.err().unwrap().1["code"], "ticket-invalid");
    assert!(open(&world, &bearer(&admin), &protocols(&mine)).await.is_ok());

    let reader = world.user("rita", &["remote-access-read"]).await;
    assert_eq!(ticket(&world, &reader, &device.id, &endpoint, json!({})).await.code(), "forbidden");
    let passthrough = world.endpoint(&device.id, 22).await;
    assert_eq!(ticket(&world, &world.admin, &device.id, &passthrough, json!({})).await.code(), "bad-request");
}

#[tokio::test]
async fn a_hundred_at_once_with_one_ticket_are_one() {
    let world = Arc::new(World::new().await);
    let device = world.device("pump").await;
    serve_targets(&world.connect(&device).await);
    let endpoint = vnc(&world, &device.id, echo().await, None, false).await;
    let ticket = ticket(&world, &world.admin, &device.id, &endpoint, json!({})).await.good();
    let protocols = format!("towline.rfb.v1, towline.ticket.v1.{}", ticket.text("ticket"));
    let tries = (0..100).map(|_| {
        let (world, protocols) = (world.clone(), protocols.clone());
        tokio::spawn(async move {
            let headers = [("authorization", format!("Bearer {}", world.admin))];
            open(&world, &headers, &protocols).await.is_ok()
        })
    });
    let mut opened = 0;
    for one in tries.collect::<Vec<_>>() {
        opened += usize::from(one.await.unwrap());
    }
    assert_eq!(opened, 1);
}

#[tokio::test]
async fn another_sites_page_opens_no_websocket_with_the_cookie() {
    let world = Arc::new(World::new().await);
    let device = world.device("pump").await;
    serve_targets(&world.connect(&device).await);
    let endpoint = vnc(&world, &device.id, echo().await, None, false).await;
    let (cookie, own) = (login(&world).await, origin(&world));
    let address = world.cloud.local_addr();
    for evil in [
        "",
        "null",
        "https://evil.example.com",
        &format!("https://{address}"),
        &format!("http://x.{address}"),
        &format!("http://{address}.evil.org"),
        "http://127.0.0.1",
    ] {
        let headers = [("cookie", cookie.clone()), ("origin", evil.to_owned())];
        let refused = open(&world, &headers, "towline.rfb.v1, towline.ticket.v1.x").await.err().unwrap();
        assert_eq!((refused.0, refused.1["code"].as_str()), (403, Some("origin-refused")), "{evil}");
    }
    let headers = [("cookie", cookie.as_str()), ("origin", own.as_str())];
    let path = format!("/devices/{}/endpoints/{endpoint}/tickets", device.id);
    let ticket = ask(&world, "POST", &path, &headers, Some(json!({}))).await.good();
    let protocols = format!("towline.rfb.v1, towline.ticket.v1.{}", ticket.text("ticket"));
    let headers = headers.map(|(name, value)| (name, value.to_owned()));
    let mut page = open(&world, &headers, &protocols).await.unwrap();
    assert!(matches!(page.next().await, page::Heard::Text(text) if text["phase"] == "asking"));
}

#[tokio::test]
async fn every_wrong_field_of_an_endpoint_is_named() {
    let world = World::new().await;
    let device = world.device("pump").await;
    let path = format!("/devices/{}/endpoints", device.id);
    let create = async |body: Value| {
        let answer = world.post(&path, body).await;
        let errors = answer.body["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|error| error["field"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let body = json!({"name": " x\u{202e}", "protocol": "VNC", "host": "a b", "port": 0, "sign_in": "password"});
    assert_eq!(create(body).await, ["name", "host", "port", "password"]);
    let body = json!({"name": "x", "protocol": "PASSTHROUGH", "host": "h", "port": 1, "view_only": true, "sign_in": "password", "password": "p"});
    assert_eq!(create(body).await, ["sign_in", "view_only"]);
    let body = json!({"name": "x", "protocol": "VNC", "host": "h", "port": 1, "sign_in": "none", "password": "p"});
    assert_eq!(create(body).await, ["password"]);
}

#[tokio::test]
async fn a_password_goes_in_and_never_comes_out() {
    let world = World::new().await;
    let device = world.device("pump").await;
    let endpoint = vnc(&world, &device.id, 5900, Some("canary-secret"), false).await;
    let path = format!("/devices/{}/endpoints/{endpoint}", device.id);
    let shown = world.get(&path).await.good();
    assert_eq!((&shown.body["has_password"], &shown.body["sign_in"]), (&json!(true), &json!("password")));
    let patch = async |body: Value| world.call("PATCH", &path, Some(&world.admin), Some(body)).await;
    assert_eq!(patch(json!({"name": "panel"})).await.good().body["has_password"], true);
    assert_eq!(patch(json!({"sign_in": "none"})).await.good().body["has_password"], false);
    assert_eq!(patch(json!({"sign_in": "password"})).await.body["errors"][0]["field"], "password");

    let audit = world.get("/audit?limit=1000").await.good().body.to_string();
    assert!(audit.contains("password set") && !audit.contains("canary-secret"), "{audit}");
    let database = std::fs::read(world.dir.path().join("towline.db")).unwrap();
    let log = std::fs::read(world.dir.path().join("towline.db-wal")).unwrap_or_default();
    assert!(![database, log].concat().windows(13).any(|window| window == b"canary-secret"));
}
