//! What goes wrong in the world: processes killed, stopped and cut off, clocks set wrong, a full disk, proxies in
//! between, strangers on the port. The real program as cloud and agent, each test with a cloud of its own.
#![forbid(unsafe_code)]

mod agents;
mod crashes;
mod disk;
mod drain;
mod port;
mod power_cut;
mod proxy;
mod secrets;
mod site;
mod upkeep;
mod ways;
