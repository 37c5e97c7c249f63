//! Terminals in the browser, with a real SSH server behind the device.

use std::{fs, process::Command};

use serde_json::json;

use crate::{
    browser,
    place::{DEVICE, Place},
    sshd::Sshd,
};

const SCRIPT: &str = "terminal.mjs";

/// A server, and the endpoint that signs in to it with a key and knows its host key.
fn shell(place: &Place) -> Sshd {
    let folder = place.world.path("sshd");
    let sshd = Sshd::start(&folder);
    let file = |name: &str| folder.join(name).display().to_string();
    let user = Command::new("id").arg("-un").output().unwrap();
    let user = String::from_utf8(user.stdout).unwrap();
    let port = sshd.port.to_string();
    place.world.succeed(&[
        "endpoints",
        "create-ssh",
        "--device",
        DEVICE,
        "--name",
        "Shell",
        "--port",
        &port,
        "--user",
        user.trim(),
        "--key-file",
        &file("user_key"),
        "--host-keys-file",
        &file("host_key.pub"),
    ]);
    sshd
}

#[test]
fn a_shell_in_the_browser_has_any_text_the_windows_size_ctrl_c_and_outlives_a_reload() {
    let place = Place::new();
    let _sshd = shell(&place);
    let out = place.world.path("said");
    let site = place.site_with(json!({ "out_file": out }));
    browser::run(SCRIPT, "shell", site, |_| json!(fs::read_to_string(&out).unwrap_or_default()).to_string());
}

#[test]
fn a_host_key_that_has_changed_stops_the_connection() {
    let place = Place::new();
    let mut sshd = Some(shell(&place));
    browser::run(SCRIPT, "changedKey", place.site(), |_| {
        sshd = sshd.take().map(Sshd::replace_host_key);
        String::new()
    });
}
