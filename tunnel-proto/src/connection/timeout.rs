//! Signs of life: asking for one, and giving the carrier up; giving up a session that waited too long.
//!
//! Spec: PROTOCOL.md §7 and §10.

use super::{Connection, Event, Micros, Phase, channel::Channel};
use crate::{ChannelId, Error};

impl Connection {
    /// When [`Connection::handle_timeout`] has to be called at the latest; `None` after the end.
    pub fn poll_timeout(&self) -> Option<Micros> {
        let expiry = self.agreed.as_ref().and_then(|agreed| agreed.expiry());
        match self.phase {
            Phase::Ended => None,
            Phase::Waiting => [expiry, self.next_end].into_iter().flatten().min(),
            _ => {
                let patience = match self.may_ping() {
                    true => self.config.keepalive_millis.min(self.config.dead_after_millis),
                    false => self.config.dead_after_millis,
                };
                let patience = Some(self.last_heard.plus_millis(patience));
                let deadlines = [patience, self.acknowledgement.at(), self.bulk_at, expiry, self.next_end];
                deadlines.into_iter().flatten().min()
            }
        }
    }

    /// Asks for a sign of life, acknowledges, or gives up: the carrier, which [`Connection::poll_event`] reports with
    /// [`Event::Lost`] or [`Error::Silent`], or the session.
    pub fn handle_timeout(&mut self, now: Micros) {
        if self.phase == Phase::Ended {
            return;
        }
        if let Some(agreed) = &self.agreed
            && agreed.expiry().is_some_and(|expiry| now >= expiry)
        {
            let millis = agreed.max_age_millis.into();
            self.fail(Error::ResumeExpired { millis });
            return;
        }
        if self.next_end.is_some_and(|at| now >= at) {
            self.end_channels(now);
        }
        if self.phase == Phase::Waiting {
            return;
        }
        if self.bulk_at.is_some_and(|at| now >= at) {
            // It is found by whoever asks for the next bytes.
            self.bulk_at = None;
        }
        if self.acknowledgement.at().is_some_and(|at| now >= at) {
            self.acknowledgement.is_wanted = true;
        }
        if now >= self.last_heard.plus_millis(self.config.dead_after_millis) {
            let millis = now.0.saturating_sub(self.last_heard.0) / 1000;
            if !self.carrier_lost(now) {
                self.fail(Error::Silent { millis });
            }
        } else if self.may_ping() && now >= self.last_heard.plus_millis(self.config.keepalive_millis) {
            self.pings += 1;
            self.ping = Some(self.pings);
            self.ping_unsaid = true;
        }
    }

    /// Notes when a channel ends by itself.
    pub(super) fn time(&mut self, id: ChannelId, channel: &Channel) {
        if let Some((at, _)) = channel.end() {
            self.timed.insert(id);
            self.next_end = Some(self.next_end.map_or(at, |next| next.min(at)));
        }
    }

    /// Ends the channels whose time is over.
    fn end_channels(&mut self, now: Micros) {
        self.next_end = None;
        for id in self.timed.clone() {
            match self.channels.get(&id).and_then(|channel| channel.end()) {
                Some((at, code)) if at <= now => {
                    self.timed.remove(&id);
                    // It lives, so that this is no misuse.
                    let _ = self.reset(id, code, "");
                    self.events.push_back(Event::TimedOut { channel: id, code });
                }
                Some((at, _)) => self.next_end = Some(self.next_end.map_or(at, |next| next.min(at))),
                None => {
                    self.timed.remove(&id);
                }
            }
        }
    }

    fn may_ping(&self) -> bool {
        self.ping.is_none() && !matches!(self.phase, Phase::Resuming | Phase::Yielded)
    }

    /// The carrier is gone. If the session can be resumed, it waits for another from now on ([`Event::Lost`] follows) and
    /// this returns true. If not, nothing has changed.
    pub fn carrier_lost(&mut self, now: Micros) -> bool {
        let Some(agreed) = &mut self.agreed else { return false };
        if !matches!(self.phase, Phase::Running | Phase::Resuming) {
            return self.phase == Phase::Waiting;
        }
        agreed.lost_since.get_or_insert(now);
        self.phase = Phase::Waiting;
        self.interrupt();
        self.events.push_back(Event::Lost);
        true
    }
}
