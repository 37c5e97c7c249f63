//! The page in a real browser: Debian's Chromium, driven by the scripts beside these files, against the real program and
//! real VNC servers.
//!
//! `TOWLINE_SCREENSHOTS=FOLDER cargo test -p towline-cli --test page every_page` leaves pictures of all pages, light and
//! dark.
#![forbid(unsafe_code)]

mod browser;
#[path = "../../../rfb/tests/real_servers/display.rs"]
#[allow(dead_code, reason = "it draws more than is needed here")]
mod display;
mod endpoints;
mod login;
mod look;
// The real SSH servers of the bridge's own tests, with passwords, and what those need.
#[path = "../../../ssh-bridge/tests/bridge/operator.rs"]
#[allow(dead_code, reason = "that crate's tests do more with it")]
mod operator;
mod place;
mod screen;
#[path = "../../../ssh-bridge/tests/bridge/server.rs"]
#[allow(dead_code, reason = "that crate's tests do more with it")]
mod server;
#[path = "../path/sshd.rs"]
#[allow(dead_code, reason = "plain ssh needs more of it")]
mod sshd;
mod tap;
#[path = "../path/targets.rs"]
#[allow(dead_code, reason = "other targets are not needed here")]
mod targets;
mod terminal;
#[path = "../path/world.rs"]
#[allow(dead_code, reason = "the command line can do more than is needed here")]
mod world;
