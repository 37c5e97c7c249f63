//! The terminals that live, for pages that come back to theirs.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::mpsc;
use towline_cloud_api::{ErrorCode, Problem};

use super::{Size, hello};
use crate::viewer::Viewer;

/// A page that comes back to a terminal.
pub(super) struct Return {
    pub(super) viewer: Viewer,
    pub(super) size: Size,
    pub(super) received: Option<u64>,
}

struct Kept {
    token_hash: String,
    door: mpsc::Sender<Return>,
}

/// The terminals that live, for pages that come back.
#[derive(Default)]
pub(crate) struct Terminals {
    kept: Arc<Mutex<HashMap<String, Kept>>>,
}

/// A terminal's place among those; dropping it gives it up.
pub(super) struct Place {
    session_id: String,
    kept: Arc<Mutex<HashMap<String, Kept>>>,
    pub(super) returns: mpsc::Receiver<Return>,
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.kept).remove(&self.session_id);
    }
}

fn lock(kept: &Mutex<HashMap<String, Kept>>) -> MutexGuard<'_, HashMap<String, Kept>> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Terminals {
    pub(super) fn enter(&self, session_id: &str, token_hash: &str) -> Place {
        let (door, returns) = mpsc::channel(1);
        lock(&self.kept).insert(session_id.into(), Kept { token_hash: token_hash.into(), door });
        Place { session_id: session_id.into(), kept: self.kept.clone(), returns }
    }

    /// Gives a page the terminal that it comes back to, if that lives and was begun with the same login.
    pub(crate) async fn come_back(&self, session_id: &str, token_hash: &str, mut viewer: Viewer) {
        let lost = || Problem::new(ErrorCode::SessionLost, "the terminal is no more");
        let found =
            lock(&self.kept).get(session_id).filter(|kept| kept.token_hash == token_hash).map(|kept| kept.door.clone());
        let Some(door) = found else { return viewer.end(lost()).await };
        match hello(&mut viewer).await {
            Ok((size, received)) => {
                if let Err(refused) = door.send(Return { viewer, size, received }).await {
                    refused.0.viewer.end(lost()).await;
                }
            }
            Err(failure) => viewer.end(failure.into_problem()).await,
        }
    }
}
