//! Which devices are connected, and the task that holds each one's session.
//!
//! A session with channels outlives its connection: it waits for the agent to come back, and whoever uses the channels
//! notices nothing. One without has nothing to lose, and ends with its connection.

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
use tokio::sync::Semaphore;
use towline_cloud_api::ErrorCode;
use towline_transport::websocket;
use towline_tunnel_proto::{
    CarrierKind, Code, Config, Limits, Resumption, Secret, SessionId,
    driver::{Ended, Greeting, Mux, Returning},
};

use crate::{
    app::App,
    random,
    store::{Actor, Entry, Tenant, audit::clean},
};

/// From the answer to the handshake until the peer has introduced itself.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// The store writes one thing after the other, and who waits there for too long has failed. When thousands of devices come
/// at once, as after a restart, they wait for their turn here instead, for as long as it takes.
const RECORDED_AT_A_TIME: usize = 8;
const MAX_REASON_CHARS: usize = 256;
/// What sessions without a connection may hold together, in bytes; one more ends with its connection.
const MAX_WAITING_BYTES: u64 = 256 << 20;

/// A device that has proved who it is, and is about to speak.
pub(crate) struct Arrival {
    pub(crate) tenant: Tenant,
    pub(crate) device_id: String,
    pub(crate) device_name: String,
    /// The key that the proof was made with.
    pub(crate) public_key: String,
    pub(crate) version: String,
    pub(crate) source: String,
    /// What proofs on this connection are bound to.
    pub(crate) exporter: Option<[u8; 32]>,
}

/// How a device stands with the cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    Online,
    /// Its connection was lost, and its session waits for another.
    Reconnecting,
    Offline,
}

struct Agent {
    /// Which of a device's connections this is: an old one leaves later than the new one comes.
    connection: u64,
    mux: Mux,
    source: String,
}

/// The devices that are connected now.
pub(crate) struct Agents {
    online: Mutex<HashMap<String, Agent>>,
    /// The devices that are refused because they are disabled, as far as they have asked.
    refused: Mutex<HashSet<String>>,
    connections: AtomicU64,
    /// Whose coming or going may be written down now.
    turns: Semaphore,
}

impl Default for Agents {
    fn default() -> Self {
        let turns = Semaphore::new(RECORDED_AT_A_TIME);
        Self { online: Mutex::default(), refused: Mutex::default(), connections: AtomicU64::default(), turns }
    }
}

impl Agents {
    fn online(&self) -> MutexGuard<'_, HashMap<String, Agent>> {
        self.online.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn presence(&self, device_id: &str) -> Presence {
        match self.mux(device_id) {
            Some(mux) if mux.is_connected() => Presence::Online,
            Some(_) => Presence::Reconnecting,
            None => Presence::Offline,
        }
    }

    pub(crate) fn is_online(&self, device_id: &str) -> bool {
        self.presence(device_id) == Presence::Online
    }

    /// The device's session, if it is connected or may be again.
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
        self.online().values().filter(|agent| agent.mux.is_connected()).count()
    }

    /// What sessions without a connection hold.
    fn waiting_bytes(&self) -> u64 {
        self.online().values().filter(|agent| !agent.mux.is_connected()).map(|agent| agent.mux.held_bytes()).sum()
    }

    /// The session of a device that somebody wants to go on with, and where its agent was.
    fn resumable(&self, device_id: &str, session: SessionId) -> Option<(Mux, String)> {
        let online = self.online();
        let agent = online.get(device_id).filter(|agent| agent.mux.session_id() == Some(session))?;
        Some((agent.mux.clone(), agent.source.clone()))
    }

    fn moved(&self, device_id: &str, mux: &Mux, source: &str) {
        if let Some(agent) = self.online().get_mut(device_id).filter(|agent| agent.mux.is_same(mux)) {
            agent.source = source.into();
        }
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

/// Begins a tunnel session on a connection that has just become a WebSocket, and hears whether it is to be that, or for
/// one there was before; `None` if the peer does not speak it.
pub(crate) async fn begin(app: &App, connection: OnUpgrade) -> Option<(Mux, Greeting)> {
    let io = tokio::time::timeout(HELLO_TIMEOUT, connection).await.ok()?.ok()?;
    let io = websocket::server(TokioIo::new(io)).await;
    let mut config = Config::acceptor(CarrierKind::Negotiated);
    if !app.resume_age.is_zero() {
        let (id, secret) = (SessionId(random::bytes().ok()?), Secret::new(random::bytes().ok()?));
        let max_age_millis = u32::try_from(app.resume_age.as_millis()).unwrap_or(u32::MAX);
        config.resumption = Some(Resumption { max_age_millis, ..Resumption::acceptor(id, secret) });
    }
    let mut limits = Limits::default();
    limits.budget = app.budget.clone();
    let (mux, driver) = Mux::new(io, config, limits);
    app.tasks.spawn(driver);
    match tokio::time::timeout(HELLO_TIMEOUT, mux.greeting()).await {
        Ok(Ok(greeting)) => Some((mux, greeting)),
        _ => {
            mux.close(Code::PROTOCOL, "no hello in time");
            None
        }
    }
}

/// Goes on with a session over another connection, if whoever made that proves to be its other side.
pub(crate) fn resume(returning: Returning, session: &Mux, exporter: Option<[u8; 32]>) -> Result<(), String> {
    match random::bytes() {
        Ok(next) => returning.resume(session, exporter, Secret::new(next)).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

/// Holds a device's session from its proof of identity to its end.
///
/// What takes a moment is boxed: its room would be kept for as long as the device is online.
pub(crate) async fn serve(app: Arc<App>, arrival: Arrival, connection: OnUpgrade) {
    let mux = match Box::pin(begin(&app, connection)).await {
        Some((mux, Greeting::Hello(_))) => mux,
        Some((_, Greeting::Returning(returning))) => return Box::pin(come_back(&app, &arrival, returning)).await,
        None => return,
    };
    if app.stop.is_cancelled() {
        mux.close(Code::SHUTDOWN, "the cloud is shutting down");
        return;
    }
    let (connection, replaced) = app.agents.enter(&arrival, mux.clone());
    if let Err(error) = Box::pin(welcome(&app, &arrival, &mux, replaced)).await {
        tracing::error!(%error, device = arrival.device_id, "a device's arrival could not be recorded");
        mux.close(Code::INTERNAL, "the cloud failed");
    }

    let ended = hold(&app, &arrival, &mux).await;
    if app.agents.leave(&arrival.device_id, connection) {
        let detail = format!("{} {}", ended.code, clean(&ended.reason, MAX_REASON_CHARS));
        let entry = Entry::ok(&actor(&arrival), "device.offline", object(&arrival)).detail(detail.trim());
        if let Err(error) = Box::pin(seen(&app, &arrival, None, [entry])).await {
            tracing::error!(%error, device = arrival.device_id, "a device's leaving could not be recorded");
        }
        app.device_changed(&arrival.tenant, &arrival.device_id);
    }
}

/// Waits for the end of a device's session, across its connections.
async fn hold(app: &App, arrival: &Arrival, mux: &Mux) -> Ended {
    loop {
        tokio::select! {
            // Devices open no channels: what they want goes through the API.
            incoming = mux.accept() => match incoming {
                Some(incoming) => incoming.refuse(Code::NO_SERVICE, "a device opens no channels"),
                None => return mux.ended().await,
            },
            reason = mux.lost() => {
                if mux.is_idle() {
                    mux.close(Code::SILENT, &reason);
                } else if app.agents.waiting_bytes() > MAX_WAITING_BYTES {
                    mux.close(Code::BUDGET, "too much waits for devices that are away");
                } else {
                    let reason = clean(&reason, MAX_REASON_CHARS);
                    tracing::info!(device = arrival.device_id, reason, "a device's connection was lost, its sessions wait");
                    app.device_changed(&arrival.tenant, &arrival.device_id);
                    mux.is_back().await;
                    app.device_changed(&arrival.tenant, &arrival.device_id);
                }
            }
        }
    }
}

/// A device that has proved who it is wants to go on with its session.
async fn come_back(app: &App, arrival: &Arrival, returning: Returning) {
    const ACTION: &str = "device.resume";
    let found = app.agents.resumable(&arrival.device_id, returning.session_id());
    let entry = match found {
        // An agent that was away for too long, or a cloud that was: nothing to be alarmed about.
        None => return returning.refuse(Code::RESUME_REFUSED, "the session is over"),
        Some((mux, before)) => match resume(returning, &mux, arrival.exporter) {
            Ok(()) => {
                app.agents.moved(&arrival.device_id, &mux, &arrival.source);
                Entry::ok(&actor(arrival), ACTION, object(arrival)).detail(format!("its connection was from {before}"))
            }
            Err(reason) => {
                tracing::warn!(
                    device = arrival.device_id,
                    source = arrival.source,
                    reason,
                    "a session was not resumed"
                );
                let entry = Entry::failed(&actor(arrival), ACTION, object(arrival), ErrorCode::DeviceIdentityRejected);
                entry.detail(reason)
            }
        },
    };
    if let Err(error) = seen(app, arrival, Some(&arrival.version), [entry]).await {
        tracing::error!(%error, device = arrival.device_id, "a device's return could not be recorded");
    }
}

/// Writes down that a device came or went, when it is its turn.
async fn seen(
    app: &App,
    arrival: &Arrival,
    version: Option<&str>,
    entries: impl IntoIterator<Item = Entry>,
) -> Result<(), crate::store::Error> {
    // It is never closed.
    let _turn = app.agents.turns.acquire().await;
    app.store.device_seen(&arrival.tenant, &arrival.device_id, version, entries).await
}

async fn welcome(app: &App, arrival: &Arrival, mux: &Mux, replaced: Option<Agent>) -> Result<(), crate::store::Error> {
    let mut entries = Vec::new();
    // One that lost its connection was started again, or its network is another: that is no second one.
    let replaced = replaced.filter(|old| {
        let is_alive = old.mux.is_connected();
        if !is_alive {
            old.mux.close(Code::SILENT, "the device's agent began anew");
        }
        is_alive
    });
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
    seen(app, arrival, Some(&arrival.version), entries).await?;
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
