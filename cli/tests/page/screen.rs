//! Screens: connecting, keys and pointer, and every way in which a connection ends.

use serde_json::json;

use crate::{
    browser,
    login::{demo, demo_site},
    place::{Place, Terminal},
    tap::Tap,
    world::eventually,
};

const SCRIPT: &str = "screen.mjs";

#[test]
fn the_demo_screen_takes_clicks_and_text() {
    let folder = tempfile::tempdir().unwrap();
    let (_demo, started) = demo(folder.path());
    browser::run_alone(SCRIPT, "demo", demo_site(&started));
}

#[test]
fn a_screen_shows_what_is_typed_and_clicked_there() {
    let place = Place::new();
    let terminal = Terminal::start(&place, None);
    let site = place.site_with(json!({ "port": terminal.display.port }));
    browser::run(SCRIPT, "xterm", site, |_| terminal.typed_json());
}

#[test]
fn a_wrong_password_is_told_and_the_right_one_opens_the_screen() {
    let place = Place::new();
    let terminal = Terminal::start(&place, Some("sesame"));
    let site = place.site_with(json!({ "port": terminal.display.port, "secret": "sesame" }));
    browser::run(SCRIPT, "wrongPassword", site, |_| terminal.typed_json());
}

#[test]
fn a_server_that_dies_is_told_over_the_last_picture() {
    let place = Place::new();
    let terminal = Terminal::start(&place, None);
    let site = place.site_with(json!({ "port": terminal.display.port }));
    let mut terminal = Some(terminal);
    browser::run(SCRIPT, "serverDies", site, |_| {
        drop(terminal.take());
        String::new()
    });
}

#[test]
fn an_agent_that_dies_is_told_and_the_screen_comes_back_with_it() {
    let mut place = Place::new();
    let terminal = Terminal::start(&place, None);
    let site = place.site_with(json!({ "port": terminal.display.port }));
    browser::run(SCRIPT, "agentDies", site, |what| {
        match what {
            "kill the agent" => place.kill_agent(),
            "start the agent" => place.start_agent(),
            other => panic!("{other}?"),
        }
        String::new()
    });
}

#[test]
fn a_reload_connects_again() {
    let place = Place::new();
    let terminal = Terminal::start(&place, None);
    browser::run_alone(SCRIPT, "reload", place.site_with(json!({ "port": terminal.display.port })));
}

#[test]
fn two_people_see_the_same_screen_and_one_is_told_that_the_other_ended_it() {
    let place = Place::new();
    let terminal = Terminal::start(&place, None);
    let site = place.site_with(json!({ "port": terminal.display.port }));
    browser::run(SCRIPT, "two", site, |_| terminal.typed_json());
}

#[test]
fn view_only_lets_no_key_and_no_pointer_through() {
    let place = Place::new();
    let terminal = Terminal::start(&place, None);
    let tap = Tap::on(terminal.display.port);
    let site = place.site_with(json!({ "port": tap.port }));
    browser::run(SCRIPT, "viewOnly", site, |_| json!(tap.counts()).to_string());
    eventually("updates were asked for", || tap.counts()[2] > 0);
    assert_eq!(terminal.typed(), "as told\n", "only what was typed while that was allowed");
}

#[test]
fn a_phone_shows_the_screen_and_its_touches_arrive() {
    let place = Place::new();
    let terminal = Terminal::start(&place, None);
    let site = place.site_with(json!({ "port": terminal.display.port }));
    browser::run(SCRIPT, "phone", site, |_| terminal.typed_json());
}
