//! The sessions that live now and the operators' lines they came through: what has to end when a right is taken away.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use towline_cloud_api::SessionEnd;
use towline_tunnel_proto::{Code, SessionId, driver::Mux};

use crate::store::{Footing, Visitor};

/// Why a session has to end, in the words that both sides hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) end: SessionEnd,
    pub(crate) reason: String,
}

struct Live {
    footing: Footing,
    cut: watch::Sender<Option<Cut>>,
}

#[derive(Default)]
struct Register {
    sessions: HashMap<String, Live>,
    stopped: bool,
}

/// The sessions that live now.
#[derive(Default)]
pub(crate) struct LiveSessions {
    register: Arc<Mutex<Register>>,
}

/// One session's place among those that live; dropping it gives it up.
pub(crate) struct Place {
    session_id: String,
    register: Arc<Mutex<Register>>,
    cut: watch::Receiver<Option<Cut>>,
}

impl LiveSessions {
    fn register(&self) -> MutexGuard<'_, Register> {
        self.register.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for a session. From here on whatever ends it reaches it.
    pub(crate) fn enter(&self, session_id: &str, footing: Footing) -> Place {
        let mut register = self.register();
        let (sender, cut) = watch::channel(register.stopped.then(stopped));
        register.sessions.insert(session_id.into(), Live { footing, cut: sender });
        Place { session_id: session_id.into(), register: self.register.clone(), cut }
    }

    /// The sessions that live now, each with what it rests on.
    pub(crate) fn live(&self) -> Vec<(String, Footing)> {
        self.register().sessions.iter().map(|(id, live)| (id.clone(), live.footing.clone())).collect()
    }

    pub(crate) fn count(&self) -> usize {
        self.register().sessions.len()
    }

    /// Ends those that rest on something that was taken away.
    pub(crate) fn revoke(&self, reason: &str, concerns: impl Fn(&Footing) -> bool) {
        self.cut(&revoked(reason), |_, live| concerns(&live.footing));
    }

    /// Ends one; says whether it lived.
    pub(crate) fn revoke_one(&self, session_id: &str, reason: &str) -> bool {
        self.cut(&revoked(reason), |id, _| id == session_id) > 0
    }

    /// Ends all of them, and those that are still to come.
    pub(crate) fn stop(&self) {
        self.register().stopped = true;
        self.cut(&stopped(), |_, _| true);
    }

    fn cut(&self, cut: &Cut, concerns: impl Fn(&str, &Live) -> bool) -> usize {
        let register = self.register();
        let concerned = register.sessions.iter().filter(|(id, live)| concerns(id, live));
        concerned
            .map(|(_, live)| {
                // The first reason stays.
                live.cut.send_if_modified(|slot| slot.is_none() && slot.replace(cut.clone()).is_none());
            })
            .count()
    }
}

fn revoked(reason: &str) -> Cut {
    Cut { end: SessionEnd::Revoked, reason: reason.into() }
}

fn stopped() -> Cut {
    Cut { end: SessionEnd::CloudStopped, reason: "the cloud is shutting down".into() }
}

impl Place {
    /// Waits until the session has to end.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub(crate) async fn cut(&self) -> Cut {
        let mut cut = self.cut.clone();
        match cut.wait_for(Option::is_some).await.ok().and_then(|cut| cut.clone()) {
            Some(cut) => cut,
            // The sender lives as long as the place.
            None => revoked("the session was ended by the cloud"),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.register.lock().unwrap_or_else(PoisonError::into_inner).sessions.remove(&self.session_id);
    }
}

/// What an operator keeps open: a tunnel, or a stream of events.
#[derive(Clone)]
pub(crate) enum Line {
    Tunnel(Mux),
    Events(CancellationToken),
}

struct Open {
    user_id: String,
    token_hash: String,
    line: Line,
}

/// The operators' lines that are open.
#[derive(Default)]
pub(crate) struct Operators {
    open: Arc<Mutex<HashMap<u64, Open>>>,
    next: AtomicU64,
}

/// A line's place among those that are open; dropping it gives it up.
pub(crate) struct LinePlace {
    number: u64,
    open: Arc<Mutex<HashMap<u64, Open>>>,
}

impl Drop for LinePlace {
    fn drop(&mut self) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}

impl Operators {
    pub(crate) fn enter(&self, visitor: &Visitor, token_hash: &str, line: Line) -> LinePlace {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let open = Open { user_id: visitor.user_id.clone(), token_hash: token_hash.into(), line };
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(number, open);
        LinePlace { number, open: self.open.clone() }
    }

    /// The tunnels among them.
    pub(crate) fn muxes(&self) -> Vec<Mux> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = open.values().map(|open| &open.line);
        lines.filter_map(|line| if let Line::Tunnel(mux) = line { Some(mux.clone()) } else { None }).collect()
    }

    /// A user's tunnel that they want to go on with.
    pub(crate) fn resumable(&self, visitor: &Visitor, session: SessionId) -> Option<Mux> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.values().filter(|open| open.user_id == visitor.user_id).find_map(|open| match &open.line {
            Line::Tunnel(mux) if mux.session_id() == Some(session) => Some(mux.clone()),
            _ => None,
        })
    }

    /// How many lines a user has open.
    pub(crate) fn lines_of(&self, user_id: &str) -> usize {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.values().filter(|open| open.user_id == user_id).count()
    }

    /// Ends a user's lines, but those that were opened with the token `kept`.
    pub(crate) fn revoke_user(&self, user_id: &str, kept: Option<&str>, reason: &str) {
        let concerns = |open: &Open| open.user_id == user_id && Some(open.token_hash.as_str()) != kept;
        self.close(Code::REVOKED, reason, concerns);
    }

    /// Ends the lines that were opened with a token.
    pub(crate) fn revoke_token(&self, token_hash: &str, reason: &str) {
        self.close(Code::REVOKED, reason, |open| open.token_hash == token_hash);
    }

    /// Ends all of them.
    pub(crate) fn close_all(&self, code: Code, reason: &str) {
        self.close(code, reason, |_| true);
    }

    fn close(&self, code: Code, reason: &str, concerns: impl Fn(&Open) -> bool) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let lines: Vec<_> = open.values().filter(|open| concerns(open)).map(|open| open.line.clone()).collect();
        drop(open);
        for line in lines {
            match line {
                Line::Tunnel(mux) => mux.close(code, reason),
                Line::Events(end) => end.cancel(),
            }
        }
    }
}
