//! How every page looks, and whether everybody can use it.

use serde_json::json;

use crate::{
    browser,
    login::{demo, demo_site},
};

const SCRIPT: &str = "look.mjs";
/// Where pictures of all pages go, if anywhere.
pub(crate) const SCREENSHOTS: &str = "TOWLINE_SCREENSHOTS";

#[test]
fn every_page_is_accessible_in_light_and_dark() {
    let folder = tempfile::tempdir().unwrap();
    let (_demo, started) = demo(folder.path());
    let mut site = demo_site(&started);
    site["deviceId"] = started["device"]["id"].clone();
    if let Some(screenshots) = std::env::var_os(SCREENSHOTS) {
        site["screenshots"] = json!(std::path::absolute(screenshots).unwrap());
    }
    browser::run_alone(SCRIPT, "everyPage", site);
}
