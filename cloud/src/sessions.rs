//! The sessions that live now and the operators' tunnels they came through: what has to end when a right is taken away.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::watch;
use towline_cloud_api::SessionEnd;
use towline_tunnel_proto::{Code, driver::Mux};

struct Live {
    device_id: String,
    endpoint_id: String,
    token_hash: String,
    cut: watch::Sender<Option<SessionEnd>>,
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
    cut: watch::Receiver<Option<SessionEnd>>,
}

impl LiveSessions {
    /// Takes a place for a session. From here on whatever ends it reaches it.
    pub(crate) fn enter(&self, session_id: &str, device_id: &str, endpoint_id: &str, token_hash: &str) -> Place {
        let mut register = self.register.lock().unwrap_or_else(PoisonError::into_inner);
        let (sender, cut) = watch::channel(register.stopped.then_some(SessionEnd::CloudStopped));
        let live = Live {
            device_id: device_id.into(),
            endpoint_id: endpoint_id.into(),
            token_hash: token_hash.into(),
            cut: sender,
        };
        register.sessions.insert(session_id.into(), live);
        Place { session_id: session_id.into(), register: self.register.clone(), cut }
    }

    pub(crate) fn revoke_device(&self, device_id: &str) {
        self.cut(SessionEnd::Revoked, |live| live.device_id == device_id);
    }

    pub(crate) fn revoke_endpoint(&self, endpoint_id: &str) {
        self.cut(SessionEnd::Revoked, |live| live.endpoint_id == endpoint_id);
    }

    pub(crate) fn revoke_token(&self, token_hash: &str) {
        self.cut(SessionEnd::Revoked, |live| live.token_hash == token_hash);
    }

    /// Ends all of them, and those that are still to come.
    pub(crate) fn stop(&self) {
        self.register.lock().unwrap_or_else(PoisonError::into_inner).stopped = true;
        self.cut(SessionEnd::CloudStopped, |_| true);
    }

    fn cut(&self, end: SessionEnd, concerns: impl Fn(&Live) -> bool) {
        let register = self.register.lock().unwrap_or_else(PoisonError::into_inner);
        for live in register.sessions.values().filter(|live| concerns(live)) {
            live.cut.send_if_modified(|cut| cut.replace(end).is_none());
        }
    }
}

impl Place {
    /// Waits until the session has to end.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub(crate) async fn cut(&self) -> SessionEnd {
        let mut cut = self.cut.clone();
        match cut.wait_for(Option::is_some).await {
            Ok(end) => end.unwrap_or(SessionEnd::Revoked),
            // The sender lives as long as the place.
            Err(_) => SessionEnd::Revoked,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.register.lock().unwrap_or_else(PoisonError::into_inner).sessions.remove(&self.session_id);
    }
}

/// The operators' tunnels that are open.
#[derive(Default)]
pub(crate) struct Operators {
    open: Mutex<HashMap<u64, (String, Mux)>>,
    next: AtomicU64,
}

impl Operators {
    pub(crate) fn enter(&self, token_hash: &str, mux: Mux) -> u64 {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(number, (token_hash.into(), mux));
        number
    }

    pub(crate) fn leave(&self, number: u64) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
    }

    /// Ends the tunnels that were opened with a token.
    pub(crate) fn revoke_token(&self, token_hash: &str) {
        self.close(Code::REVOKED, "logged out", |hash| hash == token_hash);
    }

    /// Ends all of them.
    pub(crate) fn close_all(&self, code: Code, reason: &str) {
        self.close(code, reason, |_| true);
    }

    fn close(&self, code: Code, reason: &str, concerns: impl Fn(&str) -> bool) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let muxes: Vec<_> = open.values().filter(|(hash, _)| concerns(hash)).map(|(_, mux)| mux.clone()).collect();
        drop(open);
        for mux in muxes {
            mux.close(code, reason);
        }
    }
}
