//! Endpoints and what is said when something is wrong with them.

use serde_json::json;

use crate::{
    browser,
    place::{Place, Terminal},
    targets::nobody,
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
