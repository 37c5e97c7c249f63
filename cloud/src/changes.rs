//! What has just changed, told to those who listen. Nobody listens most of the time, and then nothing is looked up.

use tokio::sync::broadcast;
use towline_cloud_api::{Change, Permission};

use crate::{agents::Presence, app::App, store::Tenant};

/// Who is further behind than this is cut off, and reads the lists again.
const BACKLOG: usize = 1024;

/// A change and whose it is.
#[derive(Clone, Debug)]
pub(crate) struct News {
    pub(crate) tenant: Tenant,
    pub(crate) change: Change,
}

impl News {
    /// The device that it is about, and what it takes on that to hear of it.
    pub(crate) fn audience(&self) -> (&str, Permission) {
        match &self.change {
            Change::Device { device_id, .. } => (device_id, Permission::DeviceControlRead),
            Change::Operation(operation) => (&operation.device_id, Permission::RemoteAccessRead),
            Change::Session(session) => (&session.device_id, Permission::RemoteAccessRead),
        }
    }
}

/// The way from those who change something to those who listen.
pub(crate) struct Changes(broadcast::Sender<News>);

impl Default for Changes {
    fn default() -> Self {
        Self(broadcast::Sender::new(BACKLOG))
    }
}

impl Changes {
    pub(crate) fn listen(&self) -> broadcast::Receiver<News> {
        self.0.subscribe()
    }

    fn is_heard(&self) -> bool {
        self.0.receiver_count() > 0
    }

    fn tell(&self, tenant: &Tenant, change: Change) {
        // Whoever listened may be gone by now.
        let _ = self.0.send(News { tenant: tenant.clone(), change });
    }
}

impl App {
    /// A device was made, changed or removed, or its agent came or went.
    pub(crate) fn device_changed(&self, tenant: &Tenant, device_id: &str) {
        if self.changes.is_heard() {
            let presence = self.agents.presence(device_id);
            let (online, reconnecting) = (presence == Presence::Online, presence == Presence::Reconnecting);
            self.changes.tell(tenant, Change::Device { device_id: device_id.into(), online, reconnecting });
        }
    }

    /// An operation was made or has come further.
    pub(crate) async fn operation_changed(&self, tenant: &Tenant, operation_id: &str) {
        if !self.changes.is_heard() {
            return;
        }
        match self.store.operation(tenant, operation_id).await {
            Ok(Some((operation, _))) => self.changes.tell(tenant, Change::Operation(operation)),
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "an operation's change could not be told"),
        }
    }

    /// A session began or ended.
    pub(crate) async fn session_changed(&self, tenant: &Tenant, session_id: &str) {
        if !self.changes.is_heard() {
            return;
        }
        match self.store.session(tenant, session_id).await {
            Ok(Some((session, _))) => self.changes.tell(tenant, Change::Session(session)),
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "a session's change could not be told"),
        }
    }
}
