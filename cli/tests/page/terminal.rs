//! Terminals in the browser, with real SSH and Telnet servers behind the device.

use std::{fs, process::Command, sync::Arc};

use serde_json::json;
use tokio::{io::copy_bidirectional, net::TcpListener, runtime::Runtime};

use crate::{
    browser,
    look::SCREENSHOTS,
    place::{DEVICE, Place},
    server::{PASSWORD, Server, USER},
    sshd::Sshd,
    telnetd::telnetd,
};

const SCRIPT: &str = "terminal.mjs";
/// What a flood may cost the cloud: a stalled page costs less than one of these MiB, the rest is the allocator's.
const FLOOD_KIB: u64 = 64 * 1024;

fn create(place: &Place, protocol: &str, port: u16, more: &[&str]) {
    let port = port.to_string();
    let mut arguments = vec!["endpoints", protocol, "--device", DEVICE, "--name", "Shell", "--port", &port];
    arguments.extend(more);
    place.world.succeed(&arguments);
}

/// OpenSSH, and the endpoint that signs in to it with a key and knows its host key.
fn openssh(place: &Place) -> Sshd {
    let folder = place.world.path("sshd");
    let sshd = Sshd::start(&folder);
    let file = |name: &str| folder.join(name).display().to_string();
    let user = Command::new("id").arg("-un").output().unwrap();
    let user = String::from_utf8(user.stdout).unwrap();
    let (key, host_keys) = (file("user_key"), file("host_key.pub"));
    let sign_in = ["--user", user.trim(), "--key-file", &key, "--host-keys-file", &host_keys];
    create(place, "create-ssh", sshd.port, &sign_in);
    sshd
}

/// dropbear, and the endpoint that signs in to it with a password.
fn dropbear(place: &Place) -> Runtime {
    let runtime = Runtime::new().unwrap();
    let server = Arc::new(Server::dropbear());
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    runtime.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut far = server.dial();
            tokio::spawn(async move { copy_bidirectional(&mut stream, &mut far).await });
        }
    });
    let password = place.world.path("password");
    fs::write(&password, PASSWORD).unwrap();
    create(place, "create-ssh", port, &["--user", USER, "--password-file", &password.display().to_string()]);
    runtime
}

/// A figure of the cloud's memory in KiB, as `/proc` names it, such as `VmRSS`.
fn memory(place: &Place, figure: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", place.world.cloud.0.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(figure)?.strip_prefix(':')).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Runs a scenario that reads back what the device has in its file `out_file`.
fn run(place: &Place, scenario: &str) {
    let out = place.world.path("said");
    let site = place.site_with(json!({ "out_file": out }));
    let mut before = 0;
    browser::run(SCRIPT, scenario, site, |what| match what {
        "read what was said" => json!(fs::read_to_string(&out).unwrap_or_default()).to_string(),
        "measure the cloud's memory" => {
            before = memory(place, "VmRSS");
            String::new()
        }
        "compare the cloud's memory" => {
            let most = memory(place, "VmHWM");
            assert!(most < before + FLOOD_KIB, "{before} KiB before, {most} KiB at most");
            String::new()
        }
        other => panic!("nobody knows how to {other}"),
    });
}

#[test]
fn a_shell_whose_device_was_cut_off_says_so_and_goes_on_when_it_is_back() {
    let (place, gate) = Place::behind_a_gate();
    let _sshd = openssh(&place);
    let out = place.world.path("said");
    let mut site = place.site_with(json!({ "out_file": out }));
    if let Some(screenshots) = std::env::var_os(SCREENSHOTS) {
        site["screenshots"] = json!(std::path::absolute(screenshots).unwrap());
    }
    browser::run(SCRIPT, "lostDevice", site, |what| match what {
        "read what was said" => json!(fs::read_to_string(&out).unwrap_or_default()).to_string(),
        "shut the gate" => {
            gate.shut();
            String::new()
        }
        "open the gate" => {
            gate.open();
            String::new()
        }
        other => panic!("nobody knows how to {other}"),
    });
    let sessions = place.world.json(&["sessions", "list"]);
    assert_eq!(sessions.as_array().unwrap().len(), 1, "{sessions}");
}

#[test]
fn a_shell_in_the_browser_has_any_text_the_windows_size_ctrl_c_and_outlives_a_reload() {
    let place = Place::new();
    let _sshd = openssh(&place);
    run(&place, "shell");
}

#[test]
fn a_shell_behind_dropbear_does_too_once_its_host_key_is_trusted() {
    let place = Place::new();
    let _dropbear = dropbear(&place);
    run(&place, "shellOfAnUnknownHost");
}

#[test]
fn a_shell_behind_telnetd_does_too() {
    let place = Place::new();
    create(&place, "create-telnet", telnetd(&place.world.path("")), &[]);
    run(&place, "shell");
}

#[test]
fn every_control_and_alt_key_arrives_as_its_bytes() {
    let place = Place::new();
    let _sshd = openssh(&place);
    run(&place, "keys");
}

#[test]
fn a_hundred_kilobytes_are_asked_about_and_pasted_whole() {
    let place = Place::new();
    let _sshd = openssh(&place);
    run(&place, "paste");
}

#[test]
fn vim_takes_the_mouse() {
    let place = Place::new();
    let _sshd = openssh(&place);
    run(&place, "mouse");
}

#[test]
fn a_flood_is_drawn_to_its_end_in_bounded_memory_and_leaves_the_other_terminal_alone() {
    let place = Place::new();
    let _sshd = openssh(&place);
    run(&place, "flood");
}

#[test]
fn a_host_key_that_has_changed_stops_the_connection() {
    let place = Place::new();
    let mut sshd = Some(openssh(&place));
    browser::run(SCRIPT, "changedKey", place.site(), |_| {
        sshd = sshd.take().map(Sshd::replace_host_key);
        String::new()
    });
}
