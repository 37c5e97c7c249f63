//! A session's way from one carrier to the next.
//!
//! ```text
//!   dialer                                          acceptor
//!   resume ──► [preamble]                           a Connection of its own for the carrier
//!                     ◄─────────────────── HELLO (what is offered binds the proof)
//!              RESUME ──────────────────►           Event::Resuming
//!                                                   resume_with, on the session that is meant
//!   Event::Resumed    ◄───────────────── RESUMED    Event::Resumed
//!              what the other side does not have, again ◄──►
//! ```
//!
//! Spec: PROTOCOL.md §10.

use super::{CarrierKind, Connection, Event, Micros, Phase, Role, pace::Pace};
use crate::{Binding, Error, Frame, Hello, Resume, Resumption, Secret, SessionId};

/// An acknowledgement waits no longer than this for something that it can go along with, in milliseconds.
const ACKNOWLEDGE_AFTER_MILLIS: u32 = 20;
/// Of much data every so many bytes are acknowledged, but not more often than this: it is what the peer measures the
/// path by.
const ACKNOWLEDGE_BYTES: u64 = 4 * 1024;
const ACKNOWLEDGE_EVERY_MICROS: u64 = 2_000;

/// What both sides have agreed on.
#[derive(Debug)]
pub(super) struct Agreed {
    session: SessionId,
    /// The secret that the dialer surely knows.
    secret: Secret,
    /// Acceptor: the one that it knows if the last RESUMED has arrived.
    next: Option<Secret>,
    /// The highest that was used.
    epoch: u32,
    pub(super) max_age_millis: u32,
    pub(super) lost_since: Option<Micros>,
    /// Dialer: the exporter of the carrier that the session is resumed on.
    exporter: Option<[u8; 32]>,
    /// Dialer: there has been a HELLO on that carrier, and so a RESUME.
    asked: bool,
    /// RESUME or RESUMED.
    pub(super) unsaid: Option<Frame>,
}

impl Agreed {
    /// When a session without a carrier has waited long enough.
    pub(super) fn expiry(&self) -> Option<Micros> {
        self.lost_since.map(|since| since.plus_millis(self.max_age_millis))
    }

    /// The dialer says nothing before it has read RESUMED: now it knows the next secret, and the old one is dead.
    pub(super) fn heard(&mut self) {
        if let Some(next) = self.next.take() {
            self.secret = next;
        }
    }
}

/// What is to be acknowledged to the peer: one number, whatever has arrived.
#[derive(Debug, Default)]
pub(super) struct Acknowledgement {
    said: u64,
    /// As much as may wait for the timer, in bytes.
    threshold: u64,
    pub(super) is_wanted: bool,
    at: Option<Micros>,
    said_at: Micros,
    /// What was last heard, and when it will have been said if it is said now.
    now: Micros,
    /// What has arrived, and when the last of it did.
    counted: u64,
    arrived_at: Micros,
}

impl Acknowledgement {
    pub(super) fn at(&self) -> Option<Micros> {
        self.at.filter(|_| !self.is_wanted)
    }

    pub(super) fn arrived(&mut self, counted: u64, now: Micros) {
        self.now = now;
        if counted != self.counted {
            (self.counted, self.arrived_at) = (counted, now);
        }
        if counted != self.said {
            let unsaid = counted - self.said;
            let is_time = now.0.saturating_sub(self.said_at.0) >= ACKNOWLEDGE_EVERY_MICROS;
            self.is_wanted |= unsaid >= self.threshold || (unsaid >= ACKNOWLEDGE_BYTES && is_time);
            self.at.get_or_insert(now.plus_millis(ACKNOWLEDGE_AFTER_MILLIS));
        }
    }

    pub(super) fn is_due(&self, counted: u64, sends: bool) -> bool {
        counted != self.said && (self.is_wanted || sends)
    }

    pub(super) fn say(&mut self, counted: u64) -> Frame {
        self.said = counted;
        self.said_at = self.now;
        self.is_wanted = false;
        self.at = None;
        Frame::Ack { received: counted, arrived_at: self.arrived_at }
    }
}

impl Connection {
    /// The session's name, if it can be resumed.
    pub fn session_id(&self) -> Option<SessionId> {
        self.agreed.as_ref().map(|agreed| agreed.session)
    }

    /// What this side's HELLO offered: half of what a proof on this carrier is bound to.
    pub fn offered(&self) -> Option<SessionId> {
        self.offer.as_ref().map(|(id, _)| *id)
    }

    /// Dialer: begins to resume on a new carrier, of the same kind as the first. [`Event::Resumed`] follows, or another
    /// [`Event::Lost`], or the end. A carrier that is still there is given up.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] for an acceptor; [`Error::ResumeRefused`] if the session cannot be resumed, or has ended.
    ///
    /// Spec: PROTOCOL.md §10.2.
    pub fn resume(&mut self, now: Micros, exporter: Option<[u8; 32]>) -> Result<(), Error> {
        if self.config.role != Role::Dialer {
            return Err(Error::Misuse("resume by the acceptor"));
        }
        let Some(agreed) = &mut self.agreed else {
            return Err(Error::ResumeRefused { reason: "it has ended, or has never been one that can be resumed" });
        };
        agreed.lost_since.get_or_insert(now);
        agreed.exporter = exporter;
        agreed.asked = false;
        self.interrupt();
        self.phase = Phase::Resuming;
        self.preamble_unsaid = self.config.carrier == CarrierKind::Magic;
        self.last_heard = now;
        Ok(())
    }

    /// Acceptor: goes on with this session on the carrier that `resume` came from, if it is proved to be from the
    /// session's other side. What the carrier's own `Connection` has not sent yet must not be sent; from now on its bytes
    /// belong here. `next` is random, and proves the next wish.
    ///
    /// # Errors
    ///
    /// [`Error::ResumeRefused`], and nothing has changed: tell the peer with the carrier's own `Connection`.
    ///
    /// Spec: PROTOCOL.md §10.3.
    pub fn resume_with(&mut self, now: Micros, resume: &Resume, binding: &Binding, next: Secret) -> Result<(), Error> {
        let refused = |reason| Err(Error::ResumeRefused { reason });
        if self.config.role != Role::Acceptor {
            return Err(Error::Misuse("resume_with by the dialer"));
        }
        let Some(agreed) = &mut self.agreed else { return refused("it has ended, or cannot be resumed") };
        // Whoever never read the last RESUMED still has the secret from before it.
        let by_old = agreed.secret.is_proved_by(resume, binding);
        let by_next = agreed.next.as_ref().is_some_and(|next| next.is_proved_by(resume, binding));
        if agreed.session != resume.session || !(by_old || by_next) {
            return refused("the proof does not fit");
        }
        if resume.epoch <= agreed.epoch {
            return refused("its epoch has been used");
        }
        if let Err(reason) = self.replay.pieces_up_to(resume.received) {
            return refused(reason);
        }
        if by_next {
            agreed.heard();
        }
        agreed.epoch = resume.epoch;
        agreed.next = Some(next.clone());
        self.offer = None;

        self.interrupt();
        // It was looked at above.
        let _ = self.replay.rewind(resume.received);
        let received = self.input.counted();
        self.acknowledgement.say(received);
        if let Some(agreed) = &mut self.agreed {
            agreed.unsaid = Some(Frame::Resumed { epoch: resume.epoch, received, next });
            agreed.lost_since = None;
        }
        self.phase = Phase::Running;
        self.last_heard = now;
        self.events.push_back(Event::Resumed);
        Ok(())
    }

    /// Everything that belongs to a carrier is forgotten.
    pub(super) fn interrupt(&mut self) {
        // A carrier that an acceptor resumes on has begun already: its `Connection` has read the preamble.
        let with_preamble = self.config.carrier == CarrierKind::Magic && self.config.role == Role::Dialer;
        self.input.interrupt(with_preamble);
        self.replay.interrupt();
        self.preamble_unsaid = false;
        self.ping = None;
        self.ping_unsaid = false;
        self.ping_said_at = None;
        self.pong_unsaid = None;
        self.pace = Pace::default();
        self.bulk_at = None;
        if let Some(agreed) = &mut self.agreed {
            agreed.unsaid = None;
        }
    }

    /// Looks at what the peer's HELLO says of resumption, and takes the secret out of it.
    pub(super) fn agree(&mut self, hello: &mut Hello) {
        let (Some(ours), Some(theirs)) = (&self.config.resumption, &mut hello.resumption) else { return };
        let session = match self.config.role {
            Role::Dialer => theirs.session.take(),
            Role::Acceptor => self.offer.clone(),
        };
        theirs.session = None;
        let Some((session, secret)) = session else { return };
        self.replay.keep(usize::try_from(ours.replay_bytes).unwrap_or(usize::MAX));
        self.acknowledgement.threshold = u64::from(theirs.replay_bytes / 4);
        self.agreed = Some(Agreed {
            session,
            secret,
            next: None,
            epoch: 0,
            max_age_millis: ours.max_age_millis.min(theirs.max_age_millis),
            lost_since: None,
            exporter: None,
            asked: false,
            unsaid: None,
        });
    }

    /// On a fresh carrier: the peer means another session.
    pub(super) fn handle_resume(&mut self, resume: Resume) -> Result<(), Error> {
        if self.config.role != Role::Acceptor || self.offer.is_none() {
            return Err(Error::Malformed { what: "RESUME", reason: "where resumption was not offered" });
        }
        if self.input.has_unread() {
            return Err(Error::Malformed { what: "session", reason: "more after RESUME, before the answer" });
        }
        self.phase = Phase::Yielded;
        self.events.push_back(Event::Resuming(resume));
        Ok(())
    }

    /// Dialer, between the preamble and RESUMED.
    pub(super) fn handle_frame_while_resuming(&mut self, frame: Frame) -> Result<(), Error> {
        let received = self.input.counted();
        match frame {
            Frame::Hello(Hello { resumption, .. }) => {
                let Some(Resumption { session: Some((offered, _)), .. }) = resumption else {
                    return Err(Error::ResumeRefused { reason: "the peer does not resume any more" });
                };
                let Some(agreed) = self.agreed.as_mut().filter(|agreed| !agreed.asked) else {
                    return Err(Error::Malformed { what: "session", reason: "a second HELLO" });
                };
                agreed.asked = true;
                agreed.epoch = agreed.epoch.saturating_add(1);
                let resume = Resume { session: agreed.session, epoch: agreed.epoch, received, proof: [0; 32] };
                let binding = Binding { offered, exporter: agreed.exporter };
                agreed.unsaid = Some(Frame::Resume(agreed.secret.prove(resume, &binding)));
            }
            Frame::Resumed { epoch, received: theirs, next } => {
                let Some(agreed) = self.agreed.as_mut().filter(|agreed| agreed.asked && agreed.unsaid.is_none()) else {
                    return Err(Error::Malformed { what: "RESUMED", reason: "before RESUME" });
                };
                if epoch != agreed.epoch {
                    return Err(Error::Malformed { what: "RESUMED", reason: "of another epoch" });
                }
                agreed.secret = next;
                agreed.lost_since = None;
                let rewound = self.replay.rewind(theirs);
                rewound.map_err(|reason| Error::Malformed { what: "RESUMED", reason })?;
                self.acknowledgement.say(received);
                self.phase = Phase::Running;
                self.events.push_back(Event::Resumed);
            }
            // Between RESUME and RESUMED nothing is said, not even that.
            Frame::Ping { .. } => {}
            Frame::Close { code, reason } => self.handle_close(code, reason),
            _ => return Err(Error::Malformed { what: "session", reason: "neither HELLO nor RESUMED" }),
        }
        Ok(())
    }
}
