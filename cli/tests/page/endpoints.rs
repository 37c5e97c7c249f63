//! Endpoints and what is said when something is wrong with them.

use serde_json::json;

use crate::{
    browser,
    place::{Place, Terminal},
    server::{PASSWORD, Server, USER},
    targets::{nobody, ssh_with_passwords},
};

const SCRIPT: &str = "endpoints.mjs";

#[test]
fn an_endpoint_is_added_tried_changed_and_removed_with_the_keyboard_alone() {
    let place = Place::new();
    let terminal = Terminal::start(&place, None);
    browser::run_alone(SCRIPT, "keyboard", place.site_with(json!({ "port": terminal.display.port })));
}

#[test]
fn wrong_input_is_told_beside_its_field() {
    browser::run_alone(SCRIPT, "faults", Place::new().site());
}

#[test]
fn names_that_are_markup_or_turn_text_around_are_shown_as_text() {
    browser::run_alone(SCRIPT, "names", Place::new().site());
}

#[test]
fn a_port_that_nobody_listens_on_is_told_and_stands_in_the_history() {
    browser::run_alone(SCRIPT, "closed", Place::new().site_with(json!({ "port": nobody() })));
}

#[test]
fn a_pasted_key_is_told_for_what_it_is_and_a_pair_that_is_made_is_installed_with_a_password() {
    let server = Server::openssh(&["AuthorizedKeysFile .ssh/authorized_keys", "StrictModes yes"]);
    let fingerprint = server.host_key().fingerprint().to_string();
    let (key, line) = (server.user_key(), std::fs::read_to_string(server.path("user_key.pub")).unwrap());
    let pasted = towline_ssh_bridge::keys::PublicKey::decode(line.as_bytes(), &Default::default()).unwrap();
    let installed = server.path(".ssh/authorized_keys");
    let target = json!({
        "port": ssh_with_passwords(server), "targetUser": USER, "targetPassword": PASSWORD, "hostFingerprint": fingerprint,
        "key": key, "line": line, "fingerprint": pasted.fingerprint().to_string(),
    });
    browser::run_alone(SCRIPT, "keys", Place::new().site_with(target));
    assert!(std::fs::read_to_string(installed).unwrap().starts_with("ssh-ed25519 "));
}
