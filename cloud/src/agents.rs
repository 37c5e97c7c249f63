//! Which devices are connected, and the task that holds each one's session.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use towline_cloud_api::ErrorCode;
use towline_transport::websocket;
use towline_tunnel_proto::{CarrierKind, Code, Config, Limits, driver::Mux};

use crate::{
    app::App,
    store::{Actor, Entry, Tenant, audit::clean},
};

/// From the answer to the handshake until the peer has introduced itself.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_REASON_CHARS: usize = 256;

/// A device that has proved who it is, and is about to speak.
pub(crate) struct Arrival {
    pub(crate) tenant: Tenant,
    pub(crate) device_id: String,
    pub(crate) device_name: String,
    /// The key that the proof was made with.
    pub(crate) public_key: String,
    pub(crate) version: String,
    pub(crate) source: String,
}

struct Agent {
    /// Which of a device's connections this is: an old one leaves later than the new one comes.
    connection: u64,
    mux: Mux,
    source: String,
}

/// The devices that are connected now.
#[derive(Default)]
pub(crate) struct Agents {
    online: Mutex<HashMap<String, Agent>>,
    /// The devices that are refused because they are disabled, as far as they have asked.
    refused: Mutex<HashSet<String>>,
    connections: AtomicU64,
}

impl Agents {
    fn online(&self) -> MutexGuard<'_, HashMap<String, Agent>> {
        self.online.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_online(&self, device_id: &str) -> bool {
        self.mux(device_id).is_some()
    }

    /// The device's session, if it is connected.
    pub(crate) fn mux(&self, device_id: &str) -> Option<Mux> {
        self.online().get(device_id).map(|agent| agent.mux.clone()).filter(|mux| !mux.is_ended())
    }

    /// Whether this refusal of a disabled device is the first since it was last allowed.
    pub(crate) fn is_first_refusal(&self, device_id: &str) -> bool {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).insert(device_id.into())
    }

    /// Ends the device's session, if it is connected.
    pub(crate) fn close(&self, device_id: &str, code: Code, reason: &str) {
        if let Some(mux) = self.mux(device_id) {
            mux.close(code, reason);
        }
    }

    /// All sessions.
    pub(crate) fn muxes(&self) -> Vec<Mux> {
        self.online().values().map(|agent| agent.mux.clone()).collect()
    }

    pub(crate) fn count(&self) -> usize {
        self.online().len()
    }

    /// Ends all sessions.
    pub(crate) fn close_all(&self, code: Code, reason: &str) {
        for mux in self.muxes() {
            mux.close(code, reason);
        }
    }

    /// Puts a connection in the device's place; returns its number, and the one that was there.
    fn enter(&self, arrival: &Arrival, mux: Mux) -> (u64, Option<Agent>) {
        let connection = self.connections.fetch_add(1, Ordering::Relaxed);
        let agent = Agent { connection, mux, source: arrival.source.clone() };
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).remove(&arrival.device_id);
        (connection, self.online().insert(arrival.device_id.clone(), agent))
    }

    /// Takes a connection out, unless another has its place by now.
    fn leave(&self, device_id: &str, connection: u64) -> bool {
        let mut online = self.online();
        let is_current = online.get(device_id).is_some_and(|agent| agent.connection == connection);
        if is_current {
            online.remove(device_id);
        }
        is_current
    }
}

/// Begins a tunnel session on a connection that has just become a WebSocket; `None` if the peer does not speak it.
pub(crate) async fn begin(app: &App, connection: OnUpgrade) -> Option<Mux> {
    let io = tokio::time::timeout(HELLO_TIMEOUT, connection).await.ok()?.ok()?;
    let io = websocket::server(TokioIo::new(io)).await;
    let (mux, driver) = Mux::new(io, Config::acceptor(CarrierKind::Negotiated), Limits::default());
    app.tasks.spawn(driver);
    match tokio::time::timeout(HELLO_TIMEOUT, mux.connected()).await {
        Ok(Ok(_)) => Some(mux),
        _ => {
            mux.close(Code::PROTOCOL, "no hello in time");
            None
        }
    }
}

/// Holds a device's session from its proof of identity to its end.
pub(crate) async fn serve(app: Arc<App>, arrival: Arrival, connection: OnUpgrade) {
    let Some(mux) = begin(&app, connection).await else { return };
    if app.stop.is_cancelled() {
        mux.close(Code::SHUTDOWN, "the cloud is shutting down");
        return;
    }
    let (connection, replaced) = app.agents.enter(&arrival, mux.clone());
    if let Err(error) = welcome(&app, &arrival, &mux, replaced).await {
        tracing::error!(%error, device = arrival.device_id, "a device's arrival could not be recorded");
        mux.close(Code::INTERNAL, "the cloud failed");
    }

    // Devices open no channels: what they want goes through the API.
    while let Some(incoming) = mux.accept().await {
        incoming.refuse(Code::NO_SERVICE, "a device opens no channels");
    }
    let ended = mux.ended().await;
    if app.agents.leave(&arrival.device_id, connection) {
        let detail = format!("{} {}", ended.code, clean(&ended.reason, MAX_REASON_CHARS));
        let entry = Entry::ok(&actor(&arrival), "device.offline", object(&arrival)).detail(detail.trim());
        if let Err(error) = app.store.device_seen(&arrival.tenant, &arrival.device_id, None, [entry]).await {
            tracing::error!(%error, device = arrival.device_id, "a device's leaving could not be recorded");
        }
        app.device_changed(&arrival.tenant, &arrival.device_id);
    }
}

async fn welcome(app: &App, arrival: &Arrival, mux: &Mux, replaced: Option<Agent>) -> Result<(), crate::store::Error> {
    let mut entries = Vec::new();
    if let Some(old) = replaced {
        old.mux.close(Code::REPLACED, "another agent connected with the same identity");
        let detail = format!("the agent at {} was replaced by one at {}", old.source, arrival.source);
        tracing::warn!(device = arrival.device_id, "two agents have one identity: {detail}");
        let entry = Entry::failed(&actor(arrival), "device.replaced", object(arrival), ErrorCode::DeviceReplaced);
        entries.push(entry.detail(detail));
    }
    entries.push(
        Entry::ok(&actor(arrival), "device.online", object(arrival)).detail(format!("agent {}", arrival.version)),
    );
    app.store.device_seen(&arrival.tenant, &arrival.device_id, Some(&arrival.version), entries).await?;
    // Removed, disabled, or enrolled again, after the proof and before it stood in the register where that would have ended it.
    let now = app.store.device_key(&arrival.device_id).await?;
    if now.as_ref().is_some_and(|device| device.disabled) {
        mux.close(Code::DEVICE_DISABLED, "the device was disabled");
    } else if now.and_then(|device| device.public_key).as_ref() != Some(&arrival.public_key) {
        mux.close(Code::REVOKED, "the device was removed or enrolled again");
    }
    app.device_changed(&arrival.tenant, &arrival.device_id);
    Ok(())
}

fn actor(arrival: &Arrival) -> Actor {
    Actor { name: arrival.device_name.clone(), source: arrival.source.clone() }
}

fn object(arrival: &Arrival) -> String {
    format!("device/{}", arrival.device_id)
}
