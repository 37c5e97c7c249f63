//! The cloud through its public API: a real one on a free port, a small HTTP client, and devices made for the test.

mod assets;
mod audit;
mod browser;
mod events;
mod harness;
mod identity;
mod login;
mod matrix;
mod page;
mod people;
mod permissions;
mod port;
mod revocation;
mod screen;
mod sessions;
mod upgrade;
