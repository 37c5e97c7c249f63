//! Sessions through the public API: two machines on a perfect wire, one machine against a hostile peer, and the driver.

mod document;
mod driver;
mod hostile;
mod known_attacks;
mod link;
mod pair;
mod receive_many;
mod relay;
mod resumption;
mod returning;
mod two_machines;
mod urgency;
