//! VNC through the cloud: real servers behind it, a page in front of it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use towline_rfb::{
    ClientMessage, Encoder, Encoding, Framebuffer, Limits, PixelFormat, ServerInit,
    server::{Event, Handshake, Security},
};

use self::{display::Display, viewer::Viewer};
use crate::{
    harness::{Device, World, echo, eventually, serve_targets},
    page::{self, Heard, Page, vnc},
};

// The displays and the viewer of the protocol crate's own tests.
#[path = "../../../rfb/tests/real_servers/display.rs"]
mod display;
#[path = "../../../rfb/tests/real_servers/viewer.rs"]
#[allow(dead_code, reason = "that crate's tests look at more of it")]
mod viewer;

async fn world() -> (Arc<World>, Device) {
    let world = Arc::new(World::new().await);
    let device = world.device("pump").await;
    serve_targets(&world.connect(&device).await);
    (world, device)
}

/// The display as a page sees it, pixel for pixel.
async fn looks_the_same(mut display: Display, password: Option<&'static str>) -> Vec<Value> {
    let (world, device) = world().await;
    let endpoint = vnc(&world, &device.id, display.port, password, false).await;
    let (port, heard) = page::port(world.clone(), device.id, endpoint, json!({})).await;
    let seen = tokio::task::spawn_blocking(move || {
        display.draw();
        // The page has no password, and is asked for none.
        let mut viewer = Viewer::open(port, None, PixelFormat::RGBX, Encoding::DECODED);
        display.wait_for_equality(|| {
            viewer.refresh();
            viewer.picture.clone()
        });
        display.change();
        display.wait_for_equality(|| {
            viewer.refresh();
            viewer.picture.clone()
        });
    });
    seen.await.unwrap();
    let texts = heard.lock().unwrap().clone();
    eventually(async || world.get("/sessions").await.body["items"][0]["end"] == "operator-closed").await;
    let session = world.get("/sessions").await.body["items"][0].clone();
    assert_eq!((session["protocol"].as_str(), session["view_only"].as_bool()), (Some("VNC"), Some(false)), "{session}");
    assert!(session["bytes_from_target"].as_u64().unwrap() > 1000, "{session}");
    texts
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_sees_tigervnc_pixel_for_pixel_and_is_told_how_it_goes() {
    let texts = looks_the_same(Display::tigervnc(None, &[]), None).await;
    let phases: Vec<_> = texts.iter().filter_map(|text| text["phase"].as_str()).collect();
    assert_eq!(phases, ["asking", "opening", "handshake", "connected"]);
    assert!(texts[3]["session_id"].is_string() && texts[0]["operation_id"].is_string(), "{texts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cloud_proves_the_password() {
    looks_the_same(Display::tigervnc(Some("s3cret"), &[]), Some("s3cret")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_server_is_shown_as_a_new_one() {
    looks_the_same(Display::tigervnc(Some("s3cret"), &["-Protocol3.3"]), Some("s3cret")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_sees_x11vnc_pixel_for_pixel() {
    looks_the_same(Display::x11vnc(&[]), None).await;
}

async fn problem_at(port: u16, password: Option<&str>) -> (Value, Value) {
    let (world, device) = world().await;
    let endpoint = vnc(&world, &device.id, port, password, false).await;
    let mut page = Page::connect(&world, &world.admin, &device.id, &endpoint, json!({})).await;
    let problem = page.problem().await;
    let operation = world.get("/operations").await.body["items"][0].clone();
    assert_eq!(
        (&operation["failure"], operation["status"].as_str()),
        (&problem["code"], Some("FAILED")),
        "{operation}"
    );
    assert!(world.get("/sessions").await.body["items"].as_array().unwrap().is_empty());
    let wish = json!({"endpoint": {"name": "x", "protocol": "VNC", "host": "127.0.0.1", "port": port}, "endpoint_id": endpoint});
    let test = world.post(&format!("/devices/{}/endpoint-tests", device.id), wish).await.good().body;
    assert_eq!(test["problem"]["code"], problem["code"], "{test}");
    (problem, test)
}

fn passed(test: &Value) -> Vec<&str> {
    test["passed"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_or_missing_password_is_told_as_such() {
    let display = Display::tigervnc(Some("s3cret"), &[]);
    let (wrong, test) = problem_at(display.port, Some("guess")).await;
    assert_eq!(wrong["code"], "target-sign-in");
    assert!(wrong["detail"].as_str().unwrap().contains("refused the password"), "{wrong}");
    assert_eq!(passed(&test), ["device", "target", "protocol"]);
    let (missing, _) = problem_at(display.port, None).await;
    assert!(missing["detail"].as_str().unwrap().contains("the endpoint has none"), "{missing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_no_common_sign_in_and_one_that_is_none_are_told_in_words() {
    // What RealVNC and an Apple machine say first.
    for (greeting, words) in
        [(&b"RFB 005.000\n\x03\x05\x0d\x81"[..], "RealVNC Server"), (b"RFB 003.889\n\x02\x1e\x23", "macOS")]
    {
        let (problem, test) = problem_at(greeter(greeting).await, Some("x")).await;
        assert_eq!(problem["code"], "target-unsupported", "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(words), "{problem}");
        assert_eq!(passed(&test), ["device", "target", "protocol"]);
    }
    let (problem, test) = problem_at(greeter(b"SSH-2.0-OpenSSH_9.2\r\n").await, None).await;
    assert_eq!(problem["code"], "target-protocol");
    assert!(problem["detail"].as_str().unwrap().contains("SSH-2.0-OpenSSH_9.2"), "{problem}");
    assert_eq!(passed(&test), ["device", "target"]);
    let (problem, test) = problem_at(1, None).await;
    assert_eq!(problem["code"], "target-refused", "{problem}");
    assert_eq!(passed(&test), ["device"]);
}

/// A server that says something and then reads.
async fn greeter(greeting: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _gone_already = stream.write_all(greeting).await;
                let mut sink = Vec::new();
                let _broken = stream.read_to_end(&mut sink).await;
            });
        }
    });
    port
}

/// A server of our own that keeps what its clients say.
async fn listening_server(said: tokio::sync::mpsc::UnboundedSender<ClientMessage>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let said = said.clone();
            tokio::spawn(async move {
                let init = ServerInit { width: 64, height: 48, format: PixelFormat::BGRX, name: "panel".into() };
                let mut handshake = Handshake::new(Limits::default());
                handshake.offer(Security::None).unwrap();
                let mut buffer = [0; 4096];
                let mut is_over = false;
                loop {
                    while let Some(event) = handshake.poll_event().unwrap() {
                        if matches!(event, Event::Asked(_)) {
                            handshake.initialise(&init).unwrap();
                            is_over = true;
                        }
                    }
                    while let Some(bytes) = handshake.poll_transmit() {
                        stream.write_all(&bytes).await.unwrap();
                    }
                    if is_over {
                        break;
                    }
                    let Ok(length @ 1..) = stream.read(&mut buffer).await else { return };
                    handshake.handle_input(Bytes::copy_from_slice(&buffer[..length]));
                }
                let mut session = Encoder::new(&init, Limits::default()).unwrap();
                session.handle_input(handshake.finish().unwrap());
                let picture = Framebuffer::new(64, 48, &Limits::default()).unwrap();
                loop {
                    while let Some(message) = session.poll_event().unwrap() {
                        said.send(message).unwrap();
                    }
                    session.update(&picture);
                    while let Some(bytes) = session.poll_transmit() {
                        stream.write_all(&bytes).await.unwrap();
                    }
                    let Ok(length @ 1..) = stream.read(&mut buffer).await else { return };
                    session.handle_input(Bytes::copy_from_slice(&buffer[..length]));
                }
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_look_sends_nothing_whatever_the_page_sends() {
    for (endpoint_says, page_says) in [(true, false), (false, true), (false, false)] {
        let (world, device) = world().await;
        let (to_said, mut said) = tokio::sync::mpsc::unbounded_channel();
        let endpoint = vnc(&world, &device.id, listening_server(to_said).await, None, endpoint_says).await;
        let wish = json!({"view_only": page_says});
        let (port, heard) = page::port(world.clone(), device.id, endpoint, wish).await;
        tokio::task::spawn_blocking(move || {
            let mut viewer = Viewer::open(port, None, PixelFormat::RGBX, Encoding::DECODED);
            viewer.send(&ClientMessage::KeyEvent { down: true, keysym: 0x61 });
            viewer.send(&ClientMessage::PointerEvent { buttons: 1, x: 1, y: 2 });
            viewer.send(&ClientMessage::CutText(Bytes::from_static(b"paste")));
            // The first answers what was asked for before those, the second what was asked for after them.
            viewer.refresh();
            viewer.refresh();
        })
        .await
        .unwrap();
        let looks_only = endpoint_says || page_says;
        let mut passed = 0;
        while let Ok(message) = said.try_recv() {
            passed += usize::from(matches!(
                message,
                ClientMessage::KeyEvent { .. } | ClientMessage::PointerEvent { .. } | ClientMessage::CutText(_)
            ));
        }
        assert_eq!(passed, if looks_only { 0 } else { 3 });
        assert_eq!(heard.lock().unwrap().last().unwrap()["view_only"], looks_only);
        assert_eq!(world.get("/sessions").await.body["items"][0]["view_only"], looks_only);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_session_a_changed_endpoint_and_a_lost_device_end_the_page_with_a_reason() {
    let display = Display::tigervnc(None, &[]);
    let (world, device) = world().await;
    let endpoint = vnc(&world, &device.id, display.port, None, false).await;
    let connected = async || {
        let mut page = Page::connect(&world, &world.admin, &device.id, &endpoint, json!({})).await;
        loop {
            match page.next().await {
                Heard::Text(text) if text["phase"] == "connected" => {
                    return (page, text["session_id"].as_str().unwrap().to_owned());
                }
                Heard::Closed(_) | Heard::Silence => panic!("it was never connected"),
                _ => {}
            }
        }
    };
    let (mut page, session) = connected().await;
    page.text(json!({"type": "ping", "id": 7})).await;
    world.delete(&format!("/sessions/{session}")).await.good();
    let (texts, code) = page.texts().await;
    assert!(texts.contains(&json!({"type": "pong", "id": 7})), "{texts:?}");
    let last = texts.last().unwrap();
    assert_eq!((last["problem"]["code"].as_str(), code), (Some("session-ended"), 4000));
    assert!(last["problem"]["detail"].as_str().unwrap().contains("ended by admin"), "{last}");
    let shown = async || world.get(&format!("/sessions/{session}")).await.body;
    eventually(async || shown().await["end"] == "revoked").await;
    assert_eq!(shown().await["end_detail"], "ended by admin");

    let (mut page, _) = connected().await;
    let path = format!("/devices/{}/endpoints/{endpoint}", device.id);
    world.call("PATCH", &path, Some(&world.admin), Some(json!({"view_only": true}))).await.good();
    let problem = page.problem().await;
    assert!(problem["detail"].as_str().unwrap().contains("the endpoint was changed"), "{problem}");

    let (mut page, _) = connected().await;
    drop(display);
    assert_eq!(page.problem().await["code"], "target-closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_gets_no_screen_past_the_cloud() {
    let (world, device) = world().await;
    let endpoint = vnc(&world, &device.id, echo().await, None, true).await;
    let operator = world.operator(&world.admin).await;
    let mut channel = crate::harness::open(&operator, &device.id, &endpoint);
    let refused = tokio::time::timeout(Duration::from_secs(30), channel.accepted()).await.unwrap().unwrap_err();
    assert!(refused.reason.contains("PASSTHROUGH"), "{refused:?}");
}
