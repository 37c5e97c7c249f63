//! Signs of life: asking for one, and giving the carrier up.
//!
//! Spec: PROTOCOL.md §7.

use super::{Connection, Micros, Phase};
use crate::Error;

impl Connection {
    /// When [`Connection::handle_timeout`] has to be called at the latest; `None` after the end.
    pub fn poll_timeout(&self) -> Option<Micros> {
        if self.phase == Phase::Ended {
            return None;
        }
        Some(match self.ping {
            None => self.last_heard.plus_millis(self.config.keepalive_millis.min(self.config.dead_after_millis)),
            Some(_) => self.last_heard.plus_millis(self.config.dead_after_millis),
        })
    }

    /// Asks for a sign of life, or gives the carrier up: [`Connection::poll_event`] then returns [`Error::Silent`].
    pub fn handle_timeout(&mut self, now: Micros) {
        if self.phase == Phase::Ended {
            return;
        }
        if now >= self.last_heard.plus_millis(self.config.dead_after_millis) {
            let millis = now.0.saturating_sub(self.last_heard.0) / 1000;
            self.fail(Error::Silent { millis });
        } else if self.ping.is_none() && now >= self.last_heard.plus_millis(self.config.keepalive_millis) {
            self.pings += 1;
            self.ping = Some(self.pings);
            self.ping_unsaid = true;
        }
    }
}
