//! One attempt to connect an endpoint, whoever asks for it: the way from the wish to a session that is on record.
//!
//! ```text
//! begin ─► who? ─► may they? ─► PENDING        reach ─► online? ─► EXECUTING ─► connected?        start ─► SUCCESSFUL
//!            │         │           │                       │                        │                 start on record
//!            └─────────┴───────────┴───────────────────────┴────────────────────────┴─► failed: FAILED, on record
//! ```

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use towline_cloud_api::{Endpoint, ErrorCode, Permission, Problem, SessionEnd};
use towline_tunnel_proto::{
    Code, FieldKey, Fields, Open,
    driver::{By, Channel, Counters, Ended, Mux},
};

use crate::{
    api::Failure,
    app::App,
    auth::Caller,
    moment::{ago, now_millis},
    sessions::Place,
    store::{
        Actor, Entry, Footing, NewOperation, NewSession, SessionClose, Starting, StoredDevice, StoredEndpoint,
        audit::clean, new_session_id, target,
    },
};

/// How long a device that has just lost its connection has to be back.
const BACK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a device has to connect a target.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// When the store could not be written, a full disk for one.
const RECORD_AGAIN: Duration = Duration::from_secs(5);
pub(crate) const MAX_REASON_CHARS: usize = 256;

/// What is left of a problem where only one text fits.
pub(crate) fn reason(problem: &Problem) -> String {
    if problem.detail.is_empty() { problem.title.clone() } else { problem.detail.clone() }
}

/// An operation under way.
pub(crate) struct Attempt {
    pub(crate) caller: Arc<Caller>,
    pub(crate) device: StoredDevice,
    pub(crate) operation_id: String,
    endpoint: Option<StoredEndpoint>,
    actor: Actor,
}

/// A target that the device has connected.
pub(crate) struct Reached {
    /// The session that the channel is in.
    pub(crate) agent: Mux,
    pub(crate) channel: Channel,
    /// The address that the agent connected, as it says.
    pub(crate) peer_address: String,
}

/// A session whose start is on record.
pub(crate) struct Started {
    pub(crate) session_id: String,
    pub(crate) place: Place,
    device_id: String,
    caller: Arc<Caller>,
    actor: Actor,
}

impl Attempt {
    /// Looks at who asks and for what, and writes the operation down.
    ///
    /// Refusals from before there is an operation are on record themselves.
    pub(crate) async fn begin(caller: Arc<Caller>, device_id: &str, endpoint_id: &str) -> Result<Self, Failure> {
        const ACTION: &str = "operation.create";
        let (app, tenant, actor) = (&caller.app, caller.tenant(), caller.actor());
        if app.drain.is_on() {
            return Err(Failure::new(ErrorCode::ShuttingDown, ""));
        }
        if app.store.visitor(&caller.token_hash).await?.as_ref() != Some(&caller.visitor) {
            let entry = Entry::failed(&actor, ACTION, "tenant", ErrorCode::Unauthenticated);
            app.store.record(tenant, entry.detail("the bearer token has ended")).await?;
            return Err(Failure::new(ErrorCode::Unauthenticated, "the bearer token has ended"));
        }
        let device = caller.device(device_id, Permission::RemoteAccessConnect, ACTION).await?;
        let endpoint = app.store.endpoint(tenant, &device.id, endpoint_id).await?;
        let new = NewOperation {
            device_id: &device.id,
            endpoint: endpoint.as_ref().map(|stored| &stored.endpoint),
            user_id: &caller.visitor.user_id,
            user_name: &caller.visitor.user_name,
        };
        let operation_id = app.store.create_operation(tenant, &actor, &new).await?;
        app.operation_changed(tenant, &operation_id).await;
        Ok(Self { caller, device, operation_id, endpoint, actor })
    }

    fn app(&self) -> &Arc<App> {
        &self.caller.app
    }

    /// The caller as the audit names them.
    pub(crate) fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The endpoint that is asked for.
    pub(crate) fn endpoint(&self) -> Result<&StoredEndpoint, Failure> {
        let unknown = || Failure::new(ErrorCode::UnknownEndpoint, format!("on device \"{}\"", self.device.name));
        self.endpoint.as_ref().ok_or_else(unknown)
    }

    /// Has the device connect the endpoint, unless `gone` is ready before. The channel to it is as urgent as `like`, and may
    /// be idle and last as long.
    pub(crate) async fn reach(&self, like: &Open, gone: impl Future<Output = ()>) -> Result<Reached, Failure> {
        let (app, tenant) = (self.app(), self.caller.tenant());
        let endpoint = &self.endpoint()?.endpoint;
        let agent = agent(app, &self.device)?;
        app.store.operation_executing(tenant, &self.operation_id).await?;
        app.operation_changed(tenant, &self.operation_id).await;
        let Open { urgency, idle_millis, deadline_millis, .. } = *like;
        let mut open =
            Open { urgency, idle_millis, deadline_millis, ..Open::to(format!("tcp://{}", target(endpoint))) };
        open.fields.insert(FieldKey::SESSION_ID, self.operation_id.clone());
        open.fields.insert(FieldKey::USER, self.caller.visitor.user_name.clone());
        tokio::select! {
            reached = reach(app, &self.device, &agent, open) => reached,
            () = gone => {
                Err(Failure::new(ErrorCode::SessionEnded, "the operator went away while the device was connecting"))
            }
        }
    }

    /// Records the start of the session, if what it rests on still holds.
    pub(crate) async fn start(&self, peer_address: &str, view_only: bool) -> Result<Started, Failure> {
        let (app, tenant) = (self.app(), self.caller.tenant());
        let endpoint = self.endpoint()?;
        let session_id = new_session_id()?;
        let footing = Footing {
            tenant: tenant.clone(),
            user_id: self.caller.visitor.user_id.clone(),
            token_hash: self.caller.token_hash.clone(),
            device_id: self.device.id.clone(),
            endpoint_id: endpoint.endpoint.id.clone(),
        };
        let place = app.sessions.enter(&session_id, footing.clone());
        let start = NewSession {
            id: &session_id,
            operation_id: &self.operation_id,
            footing: &footing,
            endpoint,
            view_only,
            user_name: &self.caller.visitor.user_name,
            peer_address,
        };
        match app.store.start_session(&self.actor, &start).await? {
            Starting::Started => {
                app.metrics.operation("ok");
                app.operation_changed(tenant, &self.operation_id).await;
                app.session_changed(tenant, &session_id).await;
                let device_id = self.device.id.clone();
                Ok(Started { session_id, place, device_id, caller: self.caller.clone(), actor: self.actor.clone() })
            }
            Starting::Revoked => {
                Err(Failure::new(ErrorCode::SessionEnded, "the endpoint or the right to it was taken away"))
            }
        }
    }

    /// Records that it came to nothing; returns what to tell the operator.
    pub(crate) async fn failed(&self, failure: Failure) -> Problem {
        let (app, tenant) = (self.app(), self.caller.tenant());
        let mut problem = failure.into_problem();
        problem.detail = clean(&reason(&problem), MAX_REASON_CHARS);
        app.metrics.operation(problem.code.as_str());
        let (code, detail) = (problem.code, &problem.detail);
        if let Err(error) = app.store.operation_failed(tenant, &self.actor, &self.operation_id, code, detail).await {
            return Failure::from(error).into_problem();
        }
        app.operation_changed(tenant, &self.operation_id).await;
        problem
    }
}

impl Started {
    /// The device that it is on.
    pub(crate) fn device_id(&self) -> &str {
        &self.device_id
    }

    /// Records that the person went on beyond a limit.
    pub(crate) async fn extended(&self) {
        let entry = Entry::ok(&self.actor, "session.extend", format!("session/{}", self.session_id));
        if let Err(error) = self.caller.app.store.record(self.caller.tenant(), entry).await {
            tracing::error!(%error, session = self.session_id, "a session's extension could not be recorded");
        }
    }

    /// Records the end of the session, again and again until that has worked.
    pub(crate) async fn end(self, end: SessionEnd, reason: String, counters: &Counters) {
        let Self { session_id, place, caller, actor, .. } = self;
        drop(place);
        let (app, tenant) = (&caller.app, caller.tenant());
        let close = SessionClose {
            end,
            reason,
            bytes_to_target: counters.a_to_b.load(Ordering::Relaxed),
            bytes_from_target: counters.b_to_a.load(Ordering::Relaxed),
        };
        loop {
            match app.store.end_session(tenant, &actor, &session_id, &close).await {
                Ok(()) => return app.session_changed(tenant, &session_id).await,
                Err(error) => tracing::error!(%error, session = session_id, "a session's end could not be recorded"),
            }
            if app.stop.is_cancelled() {
                // It stays open on paper until the next start, which ends it.
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(RECORD_AGAIN) => {}
                () = app.stop.cancelled() => {}
            }
        }
    }
}

/// The device's session, if it may have one and is connected or about to be again.
pub(crate) fn agent(app: &App, device: &StoredDevice) -> Result<Mux, Failure> {
    let name = &device.name;
    if device.disabled {
        return Err(Failure::new(ErrorCode::DeviceDisabled, format!("device \"{name}\"")));
    }
    app.agents.mux(&device.id).ok_or_else(|| {
        let detail = match device.last_seen_at {
            Some(at) => format!("device \"{name}\" was last seen {}", ago(at, now_millis())),
            None if device.enrolled => format!("device \"{name}\" has not connected yet"),
            None => format!("device \"{name}\" has not been enrolled yet"),
        };
        Failure::new(ErrorCode::DeviceOffline, detail)
    })
}

/// Has a device connect a target.
pub(crate) async fn reach(app: &App, device: &StoredDevice, agent: &Mux, open: Open) -> Result<Reached, Failure> {
    if !agent.is_connected() && !matches!(tokio::time::timeout(BACK_TIMEOUT, agent.is_back()).await, Ok(true)) {
        let detail = format!("device \"{}\" has lost its connection a moment ago", device.name);
        return Err(Failure::new(ErrorCode::DeviceOffline, detail));
    }
    let mut channel = agent.open(open).map_err(|ended| refused(device, &ended))?;
    tokio::select! {
        accepted = tokio::time::timeout(CONNECT_TIMEOUT, channel.accepted()) => match accepted {
            Ok(Ok(fields)) => Ok(Reached { agent: agent.clone(), channel, peer_address: peer_address(&fields) }),
            Ok(Err(ended)) => Err(refused(device, &ended)),
            Err(_) => {
                channel.reset(Code::DEADLINE, "the device took too long to connect");
                let (name, seconds) = (&device.name, CONNECT_TIMEOUT.as_secs());
                Err(Failure::new(ErrorCode::DeviceTimeout, format!("device \"{name}\" has not answered in {seconds} s")))
            }
        },
        () = app.stop.cancelled() => Err(Failure::new(ErrorCode::ShuttingDown, "")),
    }
}

fn peer_address(fields: &Fields) -> String {
    clean(fields.text(FieldKey::PEER_ADDRESS).unwrap_or("?"), MAX_REASON_CHARS)
}

/// Why the device's side came to nothing.
fn refused(device: &StoredDevice, ended: &Ended) -> Failure {
    let name = &device.name;
    if ended.by == By::Carrier {
        return Failure::new(ErrorCode::SessionLost, format!("device \"{name}\" was lost while it was connecting"));
    }
    if ended.by == By::Peer && matches!(ended.code, Code::NO_ERROR | Code::SHUTDOWN) {
        return Failure::new(ErrorCode::DeviceOffline, format!("device \"{name}\" went away while it was connecting"));
    }
    if ended.code == Code::BUDGET {
        let detail = match ended.by {
            By::Local => "the cloud's tunnels".into(),
            By::Peer | By::Carrier => format!("the tunnel of device \"{name}\", on the device"),
        };
        return Failure::new(ErrorCode::Overloaded, detail);
    }
    if ended.by == By::Local && ended.code == Code::LIMIT {
        return Failure::new(ErrorCode::QuotaExceeded, format!("device \"{name}\" has as many sessions as it can"));
    }
    Failure::new(ErrorCode::from_tunnel_code(ended.code.0), clean(&ended.reason, MAX_REASON_CHARS))
}

/// Refuses an endpoint of another protocol than the one that is spoken here.
pub(crate) fn expect_protocol(endpoint: &Endpoint, fits: bool, wanted: &str) -> Result<(), Failure> {
    if fits {
        return Ok(());
    }
    let Endpoint { name, protocol, .. } = endpoint;
    Err(Failure::new(ErrorCode::BadRequest, format!("endpoint \"{name}\" is {protocol}: {wanted}")))
}
