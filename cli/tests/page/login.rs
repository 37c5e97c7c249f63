//! Getting in.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::{
    browser,
    place::Place,
    world::{Process, program},
};

const SCRIPT: &str = "login.mjs";

/// `towline up --demo`, and what it printed.
pub(crate) fn demo(folder: &std::path::Path) -> (Process, Value) {
    let mut command = program(folder);
    command.args(["up", "--demo", "--listen", "127.0.0.1:0", "--output", "json"]).env("RUST_LOG", "warn");
    let mut demo = Process::spawn(command.stdout(Stdio::piped()));
    let started = demo.first_json();
    (demo, started)
}

/// What a scenario has to know of it.
pub(crate) fn demo_site(started: &Value) -> Value {
    let link = started["login_link"].as_str().unwrap();
    let (url, _) = link.split_once("/#").unwrap_or_else(|| panic!("{link}"));
    json!({ "url": url, "link": link })
}

#[test]
fn a_login_link_logs_in_once_and_leaves_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    let (_demo, started) = demo(folder.path());
    browser::run_alone(SCRIPT, "link", demo_site(&started));
}

#[test]
fn a_password_logs_in_and_leads_to_the_page_that_was_wanted() {
    browser::run_alone(SCRIPT, "password", Place::new().site());
}
