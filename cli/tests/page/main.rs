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
mod gate;
mod login;
mod look;
#[path = "../../../ssh-bridge/tests/bridge/operator.rs"]
#[allow(dead_code, reason = "the browser is the operator here; the servers need its patience")]
mod operator;
mod place;
mod screen;
#[path = "../../../ssh-bridge/tests/bridge/server.rs"]
#[allow(dead_code, reason = "a server can do more than is needed here")]
mod server;
#[path = "../path/sshd.rs"]
#[allow(dead_code, reason = "plain ssh needs more of it")]
mod sshd;
mod tap;
#[path = "../path/targets.rs"]
#[allow(dead_code, reason = "other targets are not needed here")]
mod targets;
#[path = "../../../cloud/tests/cloud/telnetd.rs"]
mod telnetd;
mod terminal;
#[path = "../path/world.rs"]
#[allow(dead_code, reason = "the command line can do more than is needed here")]
mod world;
