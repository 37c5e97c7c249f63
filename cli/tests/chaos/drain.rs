//! SIGTERM: nothing new, whoever is connected hears when to come back, sessions get their time.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::site::{ADMIN_PASSWORD, Site, connect, echo, echoes, eventually};

#[test]
fn a_cloud_that_is_asked_to_stop_lets_sessions_go_on_for_a_while_and_devices_come_back_unasked() {
    let mut site = Site::with(&["--drain-seconds", "4"]);
    let (device, mut agent) = site.device("pump-7");
    site.endpoint(&device, "echo", echo());
    let (_server, tunnel) = site.server(&device);
    let mut session = connect(&tunnel);
    echoes(&mut session).unwrap();
    assert_eq!(site.api("GET", "/ready", None).status, 200);

    let began = Instant::now();
    site.cloud.signal("TERM");
    eventually("it is no longer ready", || site.api("GET", "/ready", None).code() == "shutting-down");
    assert_eq!(site.api("GET", "/health", None).status, 200, "it still lives");
    let login = site.api("POST", "/login", Some(&json!({ "user": "admin", "password": ADMIN_PASSWORD })));
    assert_eq!((login.status, login.code()), (503, "shutting-down"));
    assert!(login.head.contains("retry-after:"), "{login:?}");
    assert!(echoes(&mut connect(&tunnel)).is_err(), "a new channel was opened");
    echoes(&mut session).expect("a session that lives goes on");

    assert_eq!(site.cloud.wait(), Some(0));
    assert!(began.elapsed() >= Duration::from_secs(3), "the session had only {:?}", began.elapsed());
    assert!(echoes(&mut session).is_err(), "the session outlived the cloud");
    eventually("the agent knows", || site.read_log("agent-pump-7").contains("the cloud went away as it had said"));

    site.start();
    site.wait_online(&device, true);
    assert!(
        agent.is_running() && !site.read_log("agent-pump-7").contains("the session ended"),
        "the drain counted as a failure"
    );
    let session = site.list("/sessions").pop().unwrap();
    assert_eq!(session["end"], "cloud-stopped");
    assert!(site.is_audited("cloud.drain", "ok") && site.is_audited("cloud.stop", "ok"));
    eventually("the server works again", || echoes(&mut connect(&tunnel)).is_ok());
}

#[test]
fn without_sessions_there_is_nothing_to_wait_for_and_a_second_signal_waits_for_nobody() {
    let mut idle = Site::with(&["--drain-seconds", "600"]);
    let (_device, _agent) = idle.device("pump-7");
    idle.cloud.signal("TERM");
    assert_eq!(idle.cloud.wait(), Some(0));

    let mut busy = Site::with(&["--drain-seconds", "600"]);
    let (device, _agent) = busy.device("pump-7");
    busy.endpoint(&device, "echo", echo());
    let (_server, tunnel) = busy.server(&device);
    let mut session = connect(&tunnel);
    echoes(&mut session).unwrap();
    busy.cloud.signal("TERM");
    eventually("it drains", || busy.api("GET", "/ready", None).code() == "shutting-down");
    assert!(busy.cloud.is_running());
    busy.cloud.signal("TERM");
    assert_eq!(busy.cloud.wait(), Some(0));
}
