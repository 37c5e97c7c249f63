//! SSH and Telnet terminals through the cloud: real servers behind it, a page in front of it.

use std::{fs, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::{io::copy_bidirectional, net::TcpListener};

use crate::{
    harness::{Device, LIVENESS, World, eventually, serve_targets, serve_targets_at},
    page::{Heard, Page},
    server::{PASSWORD, Server, USER},
    telnetd::telnetd,
};

/// Serves each connection to a free port with a process of the server.
pub(crate) async fn listen(server: Server) -> (Arc<Server>, u16) {
    let server = Arc::new(server);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let dialled = server.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut far = dialled.dial();
            tokio::spawn(async move { copy_bidirectional(&mut stream, &mut far).await });
        }
    });
    (server, port)
}

pub(crate) async fn world() -> (World, Device) {
    let world = World::new().await;
    let device = world.device("pump").await;
    serve_targets(&world.connect(&device).await);
    (world, device)
}

pub(crate) async fn endpoint(world: &World, device: &Device, port: u16, more: Value) -> Value {
    let mut body =
        json!({"name": format!("shell-{port}"), "protocol": "SSH", "host": "127.0.0.1", "port": port, "user": USER});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    world.post(&format!("/devices/{}/endpoints", device.id), body).await.good().body
}

pub(crate) fn id(endpoint: &Value) -> &str {
    endpoint["id"].as_str().unwrap()
}

/// A page with a terminal.
pub(crate) struct Terminal {
    page: Page,
    screen: Vec<u8>,
    received: u64,
    acks: bool,
    session: String,
}

impl Terminal {
    pub(crate) async fn open(world: &World, device: &Device, endpoint: &Value) -> Self {
        Self::with(Page::connect(world, &world.admin, &device.id, id(endpoint), json!({})).await, None).await
    }

    async fn back(world: &World, device: &Device, endpoint: &Value, session: &str, received: Option<u64>) -> Self {
        let wish = json!({"session_id": session});
        Self::with(Page::connect(world, &world.admin, &device.id, id(endpoint), wish).await, received).await
    }

    async fn with(mut page: Page, received: Option<u64>) -> Self {
        page.text(json!({"type": "hello", "columns": 80, "rows": 24, "received": received})).await;
        Self { page, screen: Vec::new(), received: 0, acks: true, session: String::new() }
    }

    /// The next text; what is drawn meanwhile is drawn.
    async fn text(&mut self) -> Value {
        loop {
            match self.page.next().await {
                Heard::Text(text) => {
                    if text["type"] == "attached" {
                        self.received = text["offset"].as_u64().unwrap();
                        self.session = text["session_id"].as_str().unwrap().into();
                    }
                    return text;
                }
                Heard::Bytes(bytes) => self.draw(&bytes).await,
                other => panic!("{other:?} after {:?}", String::from_utf8_lossy(&self.screen)),
            }
        }
    }

    async fn draw(&mut self, bytes: &[u8]) {
        self.screen.extend_from_slice(bytes);
        self.received += bytes.len() as u64;
        if self.acks {
            let drawn = self.received;
            self.page.text(json!({"type": "ack", "bytes": drawn})).await;
        }
    }

    /// The next text of that kind.
    pub(crate) async fn of(&mut self, kind: &str) -> Value {
        loop {
            let text = self.text().await;
            if text["type"] == kind {
                return text;
            }
            assert_ne!(text["type"], "end", "{text}");
        }
    }

    pub(crate) async fn attached(&mut self) -> Value {
        self.of("attached").await
    }

    /// Draws until the screen shows a mark; returns what is before and with it.
    pub(crate) async fn until(&mut self, mark: &str) -> String {
        let mark = mark.as_bytes();
        loop {
            if let Some(at) = self.screen.windows(mark.len()).position(|window| window == mark) {
                let seen = self.screen.drain(..at + mark.len()).collect();
                return String::from_utf8(seen).unwrap();
            }
            match self.page.next().await {
                Heard::Bytes(bytes) => self.draw(&bytes).await,
                Heard::Text(text) => assert_ne!(text["type"], "end", "{text}"),
                other => panic!("{other:?} after {:?}", String::from_utf8_lossy(&self.screen)),
            }
        }
    }

    pub(crate) async fn keys(&mut self, keys: &str) {
        self.page.bytes(keys.as_bytes()).await;
    }

    /// Types until the screen shows a mark: what follows Ctrl+C too soon is thrown away by the target's terminal.
    async fn insist(&mut self, keys: &str, mark: &str) {
        let typing = async {
            loop {
                self.keys(keys).await;
                if tokio::time::timeout(Duration::from_secs(1), self.until(mark)).await.is_ok() {
                    return;
                }
            }
        };
        tokio::time::timeout(LIVENESS, typing).await.unwrap();
    }

    async fn problem(&mut self) -> Value {
        loop {
            let text = self.text().await;
            if text["type"] == "end" {
                return text["problem"].clone();
            }
        }
    }
}

fn with_password() -> Value {
    json!({"sign_in": "password", "password": PASSWORD})
}

pub(crate) fn known(server: &Server) -> Value {
    let mut more = with_password();
    more["host_keys"] = fs::read_to_string(server.path("host_ed25519.pub")).unwrap().into();
    more
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_over_ssh_has_the_windows_size_and_any_text() {
    let (world, device) = world().await;
    let (server, port) = listen(Server::openssh(&[])).await;
    let endpoint = endpoint(&world, &device, port, known(&server)).await;
    assert!(endpoint["host_keys"][0]["fingerprint"].as_str().unwrap().starts_with("SHA256:"), "{endpoint}");
    let mut terminal = Terminal::open(&world, &device, &endpoint).await;
    terminal.attached().await;
    terminal.keys("PS1=; stty -echo; echo quiet-$((40+2))\r").await;
    terminal.until("quiet-42\r\n").await;
    terminal.keys("stty size; echo got-it\r").await;
    assert!(terminal.until("got-it\r\n").await.contains("24 80"));
    terminal.page.text(json!({"type": "resize", "columns": 132, "rows": 50})).await;
    // Sizes and keys go different ways.
    terminal.insist("stty size\r", "50 132\r\n").await;

    // Cut at every byte on its way there.
    terminal.keys("cat\r").await;
    for byte in "é 日本語 🚀 e\u{301}\r".as_bytes() {
        terminal.page.bytes(&[*byte]).await;
    }
    terminal.until("é 日本語 🚀 e\u{301}\r\n").await;
    terminal.keys("\u{4}exit 7\r").await;
    assert_eq!(terminal.of("exit").await["status"], 7);
    assert_eq!(terminal.problem().await["code"], "session-ended");
    let session = async || world.get(&format!("/sessions/{}", terminal.session)).await.good().body;
    eventually(async || session().await["end"] == "finished").await;
    let session = session().await;
    assert_eq!(session["protocol"], "SSH", "{session}");
    assert!(session["bytes_to_target"].as_u64() > Some(50), "{session}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_control_character_arrives_as_it_was_typed() {
    let (world, device) = world().await;
    let (server, port) = listen(Server::openssh(&[])).await;
    let endpoint = endpoint(&world, &device, port, known(&server)).await;
    let mut terminal = Terminal::open(&world, &device, &endpoint).await;
    terminal.attached().await;
    terminal.keys("stty raw -echo; echo go-$((40+2)); exec od -An -tx1 -v -w1\r").await;
    terminal.until("go-42").await;
    let typed: Vec<u8> = (0..=0x1f).chain([0x7f]).chain(b"\x1bf\x1b[<0;1;1M\xc3\xa9".iter().copied()).collect();
    terminal.page.bytes(&typed).await;
    for byte in typed {
        terminal.until(&format!(" {byte:02x}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_host_key_is_asked_about_kept_and_then_watched() {
    let (world, device) = world().await;
    let (server, port) = listen(Server::openssh(&[])).await;
    let endpoint = endpoint(&world, &device, port, with_password()).await;
    let path = format!("/devices/{}/endpoints/{}", device.id, id(&endpoint));

    let mut terminal = Terminal::open(&world, &device, &endpoint).await;
    let question = terminal.of("question").await;
    let fingerprint = server.host_key().fingerprint().to_string();
    assert_eq!((&question["about"], &question["fingerprint"]), (&json!("host-key"), &json!(fingerprint)));
    assert_eq!(question["may_save"], true);
    terminal.page.text(json!({"type": "answer", "id": question["id"], "accept": false})).await;
    let problem = terminal.problem().await;
    assert_eq!(problem["code"], "host-key-unknown", "{problem}");

    let mut terminal = Terminal::open(&world, &device, &endpoint).await;
    let question = terminal.of("question").await;
    terminal.page.text(json!({"type": "answer", "id": question["id"], "accept": true, "save": true})).await;
    terminal.attached().await;
    let kept = world.get(&path).await.good().body;
    assert_eq!(kept["host_keys"][0]["fingerprint"], json!(fingerprint), "{kept}");
    // The session that kept it goes on.
    terminal.keys("echo still-$((40+2))\r").await;
    terminal.until("still-42").await;

    let mut again = Terminal::open(&world, &device, &endpoint).await;
    again.attached().await;

    server.other_host_key("ecdsa", "256");
    let problem = Terminal::open(&world, &device, &endpoint).await.problem().await;
    assert_eq!(problem["code"], "host-key-changed", "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains(&fingerprint), "{problem}");
    let wish = json!({"endpoint": {"name": "x", "protocol": "SSH", "host": "127.0.0.1", "port": port, "user": USER}, "endpoint_id": id(&endpoint)});
    let test = world.post(&format!("/devices/{}/endpoint-tests", device.id), wish).await.good().body;
    assert_eq!(test["problem"]["code"], "host-key-changed", "{test}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_tenants_switch_the_first_host_key_is_kept_unasked() {
    let (world, device) = world().await;
    let (server, port) = listen(Server::dropbear()).await;
    world.call("PATCH", "/settings", Some(&world.admin), Some(json!({"save_host_keys": true}))).await.good();
    let endpoint = endpoint(&world, &device, port, with_password()).await;
    Terminal::open(&world, &device, &endpoint).await.attached().await;
    let kept = world.get(&format!("/devices/{}/endpoints/{}", device.id, id(&endpoint))).await.good().body;
    assert_eq!(kept["host_keys"].as_array().unwrap().len(), 1, "{kept}");
    assert!(world.audit().await.contains(&"endpoint.host-key ok".to_owned()));
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_connects_is_asked_for_the_password_and_a_wrong_one_is_not_the_end() {
    let (world, device) = world().await;
    let (server, port) = listen(Server::openssh(&[])).await;
    let mut more = known(&server);
    more["sign_in"] = "ask".into();
    more.as_object_mut().unwrap().remove("password");
    let endpoint = endpoint(&world, &device, port, more).await;
    let mut terminal = Terminal::open(&world, &device, &endpoint).await;
    for (typed, wrong_before) in [("guess", false), (PASSWORD, true)] {
        let question = terminal.of("question").await;
        assert_eq!((&question["about"], &question["wrong_before"]), (&json!("password"), &json!(wrong_before)));
        terminal.page.text(json!({"type": "answer", "id": question["id"], "texts": [typed]})).await;
    }
    terminal.attached().await;

    let mut cancelled = Terminal::open(&world, &device, &endpoint).await;
    let question = cancelled.of("question").await;
    cancelled.page.text(json!({"type": "answer", "id": question["id"], "cancel": true})).await;
    assert_eq!(cancelled.problem().await["code"], "session-ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_asks_beside_the_password_goes_to_whoever_connects() {
    let (world, device) = world().await;
    let rules = ["required $PASSWORD", "required pam_oath.so usersfile=$FOLDER/oath"];
    let server = Server::openssh_with_pam(&[], &rules);
    server.write("oath", &format!("HOTP {USER} - 3132333435363738393031323334353637383930\n"));
    let (server, port) = listen(server).await;
    let endpoint = endpoint(&world, &device, port, known(&server)).await;
    let mut terminal = Terminal::open(&world, &device, &endpoint).await;
    // The password is the endpoint's; the code is the first of RFC 4226, appendix D.
    let question = terminal.of("question").await;
    assert_eq!(question["about"], "prompts", "{question}");
    assert!(question["prompts"][0]["text"].as_str().unwrap().contains("One-time password"), "{question}");
    terminal.page.text(json!({"type": "answer", "id": question["id"], "texts": ["755224"]})).await;
    terminal.attached().await;
    terminal.keys("echo in-$((40+2))\r").await;
    terminal.until("in-42").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generated_key_pair_signs_in_once_its_public_half_is_installed() {
    let (world, device) = world().await;
    let (server, port) = listen(Server::openssh(&["PasswordAuthentication no"])).await;
    let mut more = known(&server);
    more.as_object_mut().unwrap().retain(|field, _| field == "host_keys");
    more["generate_key"] = true.into();
    let endpoint = endpoint(&world, &device, port, more).await;
    assert_eq!(endpoint["sign_in"], "key-pair", "{endpoint}");
    let problem = Terminal::open(&world, &device, &endpoint).await.problem().await;
    assert_eq!(problem["code"], "target-sign-in", "{problem}");
    server.write("authorized_keys", &format!("{}\n", endpoint["public_key"].as_str().unwrap()));
    Terminal::open(&world, &device, &endpoint).await.attached().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pasted_key_with_a_passphrase_is_opened_by_the_cloud_or_by_who_connects() {
    let (world, device) = world().await;
    let (server, port) = listen(Server::openssh(&["PasswordAuthentication no"])).await;
    let key = server.authorize(&["-t", "ed25519", "-N", "open sesame"]);
    let mut more = known(&server);
    more.as_object_mut().unwrap().retain(|field, _| field == "host_keys");
    more["private_key"] = key.into();
    let asked = endpoint(&world, &device, port, more.clone()).await;
    let mut terminal = Terminal::open(&world, &device, &asked).await;
    let question = terminal.of("question").await;
    assert_eq!(question["about"], "passphrase", "{question}");
    terminal.page.text(json!({"type": "answer", "id": question["id"], "texts": ["open sesame"]})).await;
    terminal.attached().await;

    more["name"] = "with its passphrase".into();
    more["passphrase"] = "wrong".into();
    let path = format!("/devices/{}/endpoints", device.id);
    let body = json!({"protocol": "SSH", "host": "127.0.0.1", "port": port, "user": USER});
    more.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    let refused = world.post(&path, more.clone()).await;
    assert_eq!(refused.body["errors"][0]["field"], "private_key", "{refused:?}");
    more["passphrase"] = "open sesame".into();
    let opened = world.post(&path, more).await.good().body;
    assert!(opened["public_key"].as_str().unwrap().starts_with("ssh-ed25519 "), "{opened}");
    Terminal::open(&world, &device, &opened).await.attached().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_comes_back_to_the_same_shell_and_a_farewell_ends_it() {
    let (world, device) = world().await;
    let (server, port) = listen(Server::openssh(&[])).await;
    let endpoint = endpoint(&world, &device, port, known(&server)).await;
    let mut first = Terminal::open(&world, &device, &endpoint).await;
    first.attached().await;
    first.keys("PS1=; stty -echo; kept=secret-word; echo ready\r").await;
    first.until("ready\r\n").await;
    let session = first.session.clone();
    drop(first);

    let mut second = Terminal::back(&world, &device, &endpoint, &session, None).await;
    let attached = second.attached().await;
    assert_eq!((attached["resumed"].as_bool(), attached["offset"].as_u64()), (Some(true), Some(0)));
    second.until("ready\r\n").await;
    second.keys("echo $kept\r").await;
    second.until("secret-word\r\n").await;

    // Another login of the same user does not get it, nor does a page that is a stranger to it.
    let other = world.login("admin", crate::harness::PASSWORD).await.good().text("token");
    let ticket =
        crate::page::ticket(&world, &other, &device.id, id(&endpoint), json!({"session_id": session})).await.good();
    let protocols = format!("towline.terminal.v1, towline.ticket.v1.{}", ticket.text("ticket"));
    let stranger =
        crate::page::open(&world, &[("authorization", format!("Bearer {other}"))], &protocols).await.unwrap();
    let mut stranger = Terminal::with(stranger, None).await;
    assert_eq!(stranger.problem().await["code"], "session-lost");

    // A second tab takes it over, from where that was.
    let received = second.received;
    let mut third = Terminal::back(&world, &device, &endpoint, &session, Some(received)).await;
    assert_eq!(third.attached().await["offset"].as_u64(), Some(received));
    let ended = second.problem().await;
    assert!(ended["detail"].as_str().unwrap().contains("another tab"), "{ended}");
    third.keys("echo $kept\r").await;
    third.until("secret-word\r\n").await;
    third.page.text(json!({"type": "close"})).await;
    let shown = async || world.get(&format!("/sessions/{session}")).await.body;
    eventually(async || shown().await["end"] == "operator-closed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_does_not_draw_stops_the_flood_and_ctrl_c_still_ends_it() {
    let (world, device) = world().await;
    let (server, port) = listen(Server::openssh(&[])).await;
    let endpoint = endpoint(&world, &device, port, known(&server)).await;
    let mut flooded = Terminal::open(&world, &device, &endpoint).await;
    flooded.attached().await;
    flooded.acks = false;
    flooded.keys("PS1=; stty -echo; yes\r").await;
    // As much as a page may be behind, and no more.
    let mut drawn = 0;
    while drawn < 128 * 1024 - 16 * 1024 {
        if let Heard::Bytes(bytes) = flooded.page.next().await {
            drawn += bytes.len();
        }
    }
    let more = async {
        while drawn <= 128 * 1024 + 16 * 1024 {
            if let Heard::Bytes(bytes) = flooded.page.next().await {
                drawn += bytes.len();
            }
        }
    };
    assert!(
        tokio::time::timeout(Duration::from_millis(500), more).await.is_err(),
        "{drawn} bytes were not acknowledged"
    );

    // Another session is as quick as ever.
    let mut other = Terminal::open(&world, &device, &endpoint).await;
    other.attached().await;
    other.keys("echo quick-$((40+2))\r").await;
    other.until("quick-42").await;

    flooded.keys("\u{3}").await;
    flooded.acks = true;
    flooded.received += drawn as u64;
    let (received, page) = (flooded.received, &mut flooded.page);
    page.text(json!({"type": "ack", "bytes": received})).await;
    flooded.insist("echo it-has-$((40+2))\r", "it-has-42").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_speaks_something_else_and_one_that_refuses_are_told_apart() {
    let (world, device) = world().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                use tokio::io::AsyncWriteExt;
                let _gone_already = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
            });
        }
    });
    let wrong = endpoint(&world, &device, port, with_password()).await;
    let problem = Terminal::open(&world, &device, &wrong).await.problem().await;
    assert_eq!(problem["code"], "target-protocol", "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("HTTP/1.1"), "{problem}");

    let (server, port) = listen(Server::openssh(&[])).await;
    let mut more = known(&server);
    more["password"] = "guess".into();
    let refused = endpoint(&world, &device, port, more).await;
    let mut terminal = Terminal::open(&world, &device, &refused).await;
    // The person may know better.
    let question = terminal.of("question").await;
    assert_eq!((&question["about"], &question["wrong_before"]), (&json!("password"), &json!(true)), "{question}");
    terminal.page.text(json!({"type": "answer", "id": question["id"], "cancel": true})).await;
    terminal.problem().await;
    assert!(world.get("/sessions").await.body["items"].as_array().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_session_is_warned_and_ends_and_a_person_can_go_on() {
    let (world, device) = world().await;
    let (server, port) = listen(Server::openssh(&[])).await;
    let limits = json!({"idle_limit_seconds": 5, "total_limit_seconds": 0});
    world.call("PATCH", "/settings", Some(&world.admin), Some(limits)).await.good();
    let endpoint = endpoint(&world, &device, port, known(&server)).await;
    let mut terminal = Terminal::open(&world, &device, &endpoint).await;
    terminal.attached().await;
    let warned = terminal.of("countdown").await;
    assert_eq!(warned["limit"], "idle", "{warned}");
    terminal.page.text(json!({"type": "extend"})).await;
    assert_eq!(terminal.of("countdown").await["limit"], Value::Null);
    let problem = terminal.problem().await;
    assert_eq!(problem["code"], "session-limit", "{problem}");
    let shown = async || world.get(&format!("/sessions/{}", terminal.session)).await.body;
    eventually(async || shown().await["end"] == "limit-reached").await;
    assert!(world.audit().await.contains(&"session.extend ok".to_owned()));
}

fn telnet(port: u16, charset: &str) -> Value {
    json!({"name": format!("old-{charset}"), "protocol": "TELNET", "host": "127.0.0.1", "port": port, "telnet": {"charset": charset}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shell_over_telnet_has_the_windows_size_and_the_targets_own_characters() {
    let (world, device) = world().await;
    let folder = tempfile::tempdir().unwrap();
    let port = telnetd(folder.path());
    let path = format!("/devices/{}/endpoints", device.id);
    let endpoint = world.post(&path, telnet(port, "utf-8")).await.good().body;
    let mut terminal = Terminal::open(&world, &device, &endpoint).await;
    terminal.attached().await;
    terminal.until("welcome").await;
    terminal.keys("stty -echo; echo quiet-$((40+2))\r").await;
    terminal.until("quiet-42\r\n").await;
    terminal.keys("stty size; echo got-it\r").await;
    assert!(terminal.until("got-it\r\n").await.contains("24 80"));
    terminal.page.text(json!({"type": "resize", "columns": 100, "rows": 30})).await;
    terminal.keys("sleep 0.2; stty size; echo got-it\r").await;
    assert!(terminal.until("got-it\r\n").await.contains("30 100"));
    terminal.keys("echo é日本語🚀 got-it\r").await;
    terminal.until("é日本語🚀 got-it\r\n").await;
    terminal.keys("sleep 100; echo not-this\r").await;
    terminal.keys("\u{3}").await;
    terminal.insist("echo inter-$((40+2))\r", "inter-42").await;

    let endpoint = world.post(&path, telnet(port, "shift_jis")).await.good().body;
    let mut terminal = Terminal::open(&world, &device, &endpoint).await;
    terminal.attached().await;
    terminal.until("welcome").await;
    terminal.keys("stty -echo; printf '\\223\\372\\226\\173 got-%d\\n' 42\r").await;
    terminal.until("日本 got-42").await;
    terminal.keys("cat -v\r").await;
    terminal.keys("日本\r").await;
    terminal.until("M-^SM-zM-^V{\r\n").await;
    terminal.keys("\u{4}exit\r").await;
    assert_eq!(terminal.problem().await["code"], "session-ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_tests_a_telnet_endpoint_hears_that_the_host_speaks_ssh_too() {
    let world = World::new().await;
    let device = world.device("pump").await;
    let (_server, ssh) = listen(Server::openssh(&[])).await;
    let folder = tempfile::tempdir().unwrap();
    let port = telnetd(folder.path());
    serve_targets_at(&world.connect(&device).await, move |mut target| {
        if target.port() == 22 {
            target.set_port(ssh);
        }
        target
    });
    let tested = async |device: &Device| {
        let path = format!("/devices/{}/endpoint-tests", device.id);
        let test = world.post(&path, json!({"endpoint": telnet(port, "UTF-8")})).await.good().body;
        assert_eq!(test["problem"], Value::Null);
        test["ssh_port"].clone()
    };
    assert_eq!(tested(&device).await, 22);

    // Something else answers there.
    let other = world.device("valve").await;
    serve_targets_at(&world.connect(&other).await, move |mut target| {
        target.set_port(port);
        target
    });
    assert_eq!(tested(&other).await, Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_forbids_telnet_has_none_and_loses_what_there_is() {
    let (world, device) = world().await;
    let folder = tempfile::tempdir().unwrap();
    let port = telnetd(folder.path());
    let path = format!("/devices/{}/endpoints", device.id);
    let endpoint = world.post(&path, telnet(port, "utf-8")).await.good().body;
    let mut terminal = Terminal::open(&world, &device, &endpoint).await;
    terminal.attached().await;
    world.call("PATCH", "/settings", Some(&world.admin), Some(json!({"allow_telnet": false}))).await.good();
    let problem = tokio::time::timeout(LIVENESS, terminal.problem()).await.unwrap();
    assert!(problem["detail"].as_str().unwrap().contains("Telnet was switched off"), "{problem}");
    assert_eq!(Terminal::open(&world, &device, &endpoint).await.problem().await["code"], "protocol-forbidden");
    assert_eq!(world.post(&path, telnet(port, "iso-8859-1")).await.code(), "protocol-forbidden");
    let wrong = world.post(&path, telnet(port, "klingon")).await;
    assert_eq!(wrong.code(), "protocol-forbidden");
}
