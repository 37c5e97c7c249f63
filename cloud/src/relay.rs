//! The relay: joins a channel that an operator opens to one that the cloud opens on the device's session.
//!
//! ```text
//! OPEN ─► who? ─► may they? ─► PENDING ─► online? ─► EXECUTING ─► connected? ─► SUCCESSFUL ─► ACCEPT, bytes flow ─► end
//!          │         │            │          │                        │          start on record
//!          └─────────┴────────────┴──────────┴────────────────────────┴─► refused: FAILED, on record, told to the CLI
//! ```

use std::{sync::Arc, time::Duration};

use hyper::upgrade::OnUpgrade;
use towline_cloud_api::{Endpoint, ErrorCode, Permission, Problem, SessionEnd};
use towline_tunnel_proto::{
    Code, FieldKey, Fields, Open,
    driver::{By, Channel, Ended, Incoming, Mux, RelayEnd, Side, relay_until},
};

use crate::{
    agents,
    api::Failure,
    app::App,
    auth::Caller,
    moment::{ago, now_millis},
    sessions::{Cut, Line, Place},
    store::{
        Actor, Entry, Footing, NewOperation, NewSession, SessionClose, Starting, StoredDevice, Tenant, audit::clean,
        new_session_id,
    },
};

/// How long a device has to connect a target.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// When the store could not be written, a full disk for one.
const RECORD_AGAIN: Duration = Duration::from_secs(5);
const MAX_REASON_CHARS: usize = 256;

/// Holds an operator's session: each channel of it is one operation.
pub(crate) async fn serve_operator(caller: Caller, connection: OnUpgrade) {
    let app = caller.app.clone();
    let Some(mux) = agents::begin(&app, connection).await else { return };
    let _place = app.operators.enter(&caller.visitor, &caller.token_hash, Line::Tunnel(mux.clone()));
    // Revoked after the handshake and before it stood where that would have ended it.
    if !matches!(app.store.visitor(&caller.token_hash).await, Ok(Some(_))) {
        mux.close(Code::REVOKED, "the bearer token has ended");
    }
    if app.stop.is_cancelled() {
        mux.close(Code::SHUTDOWN, "the cloud is shutting down");
    }
    let caller = Arc::new(caller);
    while let Some(incoming) = mux.accept().await {
        app.tasks.spawn(serve_channel(caller.clone(), incoming));
    }
}

/// Serves one channel from its opening to its end.
async fn serve_channel(caller: Arc<Caller>, mut incoming: Incoming) {
    // The start of a session is on record before the operator's channel is accepted and read from.
    match connect(&caller, &mut incoming).await {
        Ok(connection) => {
            caller.app.metrics.operation("ok");
            connection.run(&caller, incoming).await;
        }
        Err(refusal) => {
            let problem = refusal.into_problem();
            caller.app.metrics.operation(problem.code.as_str());
            let code = match problem.code {
                ErrorCode::Unauthenticated => Code::AUTH,
                code => Code(code.tunnel_code()),
            };
            incoming.refuse(code, &reason(&problem));
        }
    }
}

fn reason(problem: &Problem) -> String {
    if problem.detail.is_empty() { problem.title.clone() } else { problem.detail.clone() }
}

/// A channel to the target, connected, whose session has begun.
struct Connection {
    session_id: String,
    place: Place,
    channel: Channel,
    peer_address: String,
}

/// Does everything up to the recorded start of the session.
async fn connect(caller: &Caller, incoming: &mut Incoming) -> Result<Connection, Failure> {
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
    let Some((device_id, endpoint_id)) = parse_target(&incoming.open().target) else {
        let entry = Entry::failed(&actor, ACTION, "tenant", ErrorCode::BadRequest);
        app.store.record(tenant, entry.detail("the channel's target is not understood")).await?;
        return Err(Failure::new(ErrorCode::BadRequest, "a target is towline:device/{id}/endpoint/{id}"));
    };
    let device = caller.device(&device_id, Permission::RemoteAccessConnect, ACTION).await?;
    let endpoint = app.store.endpoint(tenant, &device.id, &endpoint_id).await?;
    let operation_id = app
        .store
        .create_operation(
            tenant,
            &actor,
            &NewOperation {
                device_id: &device.id,
                endpoint_id: endpoint.as_ref().map(|endpoint| endpoint.id.as_str()),
                user_id: &caller.visitor.user_id,
                user_name: &caller.visitor.user_name,
            },
        )
        .await?;
    app.operation_changed(tenant, &operation_id).await;
    let attempt = Attempt { caller, actor: &actor, device: &device, operation_id: &operation_id };
    match attempt.run(endpoint, incoming).await {
        Ok(connection) => Ok(connection),
        Err(failure) => {
            let problem = failure.into_problem();
            let detail = clean(&reason(&problem), MAX_REASON_CHARS);
            app.store.operation_failed(tenant, &actor, &operation_id, problem.code, &detail).await?;
            app.operation_changed(tenant, &operation_id).await;
            Err(Failure::new(problem.code, detail))
        }
    }
}

/// An operation under way.
struct Attempt<'a> {
    caller: &'a Caller,
    actor: &'a Actor,
    device: &'a StoredDevice,
    operation_id: &'a str,
}

impl Attempt<'_> {
    async fn run(&self, endpoint: Option<Endpoint>, incoming: &mut Incoming) -> Result<Connection, Failure> {
        let (app, tenant) = (&self.caller.app, self.caller.tenant());
        let Some(endpoint) = endpoint else {
            let detail = format!("on device \"{}\"", self.device.name);
            return Err(Failure::new(ErrorCode::UnknownEndpoint, detail));
        };
        if self.device.disabled {
            let detail = format!("device \"{}\"", self.device.name);
            return Err(Failure::new(ErrorCode::DeviceDisabled, detail));
        }
        let Some(agent) = app.agents.mux(&self.device.id) else { return Err(self.offline()) };
        app.store.operation_executing(tenant, self.operation_id).await?;
        app.operation_changed(tenant, self.operation_id).await;
        let (channel, fields) = self.reach(&agent, &endpoint, incoming).await?;

        let session_id = new_session_id()?;
        let footing = Footing {
            tenant: tenant.clone(),
            user_id: self.caller.visitor.user_id.clone(),
            token_hash: self.caller.token_hash.clone(),
            device_id: self.device.id.clone(),
            endpoint_id: endpoint.id.clone(),
        };
        let place = app.sessions.enter(&session_id, footing.clone());
        let peer_address = clean(fields.text(FieldKey::PEER_ADDRESS).unwrap_or("?"), MAX_REASON_CHARS);
        let start = NewSession {
            id: &session_id,
            operation_id: self.operation_id,
            footing: &footing,
            host: &endpoint.host,
            port: endpoint.port,
            user_name: &self.caller.visitor.user_name,
            peer_address: &peer_address,
        };
        match app.store.start_session(self.actor, &start).await? {
            Starting::Started => {
                app.operation_changed(tenant, self.operation_id).await;
                app.session_changed(tenant, &session_id).await;
                Ok(Connection { session_id, place, channel, peer_address })
            }
            Starting::Revoked => {
                channel.reset(Code::REVOKED, "the right to connect was taken away");
                Err(Failure::new(ErrorCode::SessionEnded, "the endpoint or the right to it was taken away"))
            }
        }
    }

    /// Has the device connect the endpoint.
    async fn reach(
        &self,
        agent: &Mux,
        endpoint: &Endpoint,
        incoming: &mut Incoming,
    ) -> Result<(Channel, Fields), Failure> {
        let mut open = Open::to(target_url(endpoint));
        open.urgency = incoming.open().urgency;
        open.fields.insert(FieldKey::SESSION_ID, self.operation_id.to_owned());
        open.fields.insert(FieldKey::USER, self.caller.visitor.user_name.clone());
        let mut channel = agent.open(open).map_err(|ended| self.refused(&ended))?;
        tokio::select! {
            accepted = tokio::time::timeout(CONNECT_TIMEOUT, channel.accepted()) => match accepted {
                Ok(Ok(fields)) => Ok((channel, fields)),
                Ok(Err(ended)) => Err(self.refused(&ended)),
                Err(_) => {
                    channel.reset(Code::DEADLINE, "the device took too long to connect");
                    let (name, seconds) = (&self.device.name, CONNECT_TIMEOUT.as_secs());
                    Err(Failure::new(ErrorCode::DeviceTimeout, format!("device \"{name}\" has not answered in {seconds} s")))
                }
            },
            _ = incoming.broken() => {
                Err(Failure::new(ErrorCode::SessionEnded, "the operator went away while the device was connecting"))
            }
            () = self.caller.app.stop.cancelled() => Err(Failure::new(ErrorCode::ShuttingDown, "")),
        }
    }

    /// Why the device's side came to nothing.
    fn refused(&self, ended: &Ended) -> Failure {
        if ended.by == By::Carrier {
            let detail = format!("device \"{}\" was lost while it was connecting", self.device.name);
            return Failure::new(ErrorCode::SessionLost, detail);
        }
        if ended.by == By::Peer && matches!(ended.code, Code::NO_ERROR | Code::SHUTDOWN) {
            let detail = format!("device \"{}\" went away while it was connecting", self.device.name);
            return Failure::new(ErrorCode::DeviceOffline, detail);
        }
        if ended.by == By::Local && ended.code == Code::LIMIT {
            let detail = format!("device \"{}\" has as many sessions as it can", self.device.name);
            return Failure::new(ErrorCode::QuotaExceeded, detail);
        }
        Failure::new(ErrorCode::from_tunnel_code(ended.code.0), clean(&ended.reason, MAX_REASON_CHARS))
    }

    fn offline(&self) -> Failure {
        let name = &self.device.name;
        let detail = match self.device.last_seen_at {
            Some(at) => format!("device \"{name}\" was last seen {}", ago(at, now_millis())),
            None if self.device.enrolled => format!("device \"{name}\" has not connected yet"),
            None => format!("device \"{name}\" has not been enrolled yet"),
        };
        Failure::new(ErrorCode::DeviceOffline, detail)
    }
}

impl Connection {
    /// Joins the two channels until one of them, or somebody, ends it.
    async fn run(self, caller: &Caller, incoming: Incoming) {
        let Self { session_id, place, channel, peer_address } = self;
        let fields =
            Fields::new().with(FieldKey::SESSION_ID, session_id.clone()).with(FieldKey::PEER_ADDRESS, peer_address);
        let operator = incoming.accept(fields);
        let counters = caller.app.metrics.relaying();
        let cut = async {
            let Cut { end, reason } = place.cut().await;
            let code = if end == SessionEnd::CloudStopped { Code::SHUTDOWN } else { Code::REVOKED };
            (code, reason)
        };
        let (end, reason) = session_end(relay_until(operator, channel, &counters, cut, tell).await);
        let close = SessionClose {
            end,
            reason,
            bytes_to_target: counters.a_to_b.load(std::sync::atomic::Ordering::Relaxed),
            bytes_from_target: counters.b_to_a.load(std::sync::atomic::Ordering::Relaxed),
        };
        drop(place);
        record_end(&caller.app, caller.tenant(), &caller.actor(), &session_id, &close).await;
    }
}

async fn record_end(app: &App, tenant: &Tenant, actor: &Actor, session_id: &str, close: &SessionClose) {
    loop {
        match app.store.end_session(tenant, actor, session_id, close).await {
            Ok(()) => return app.session_changed(tenant, session_id).await,
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

/// What the other side hears when one breaks off.
fn tell(side: Side, ended: &Ended) -> (Code, String) {
    match (side, ended) {
        (_, Ended { by: By::Carrier, .. }) => (Code::SILENT, "the connection broke".into()),
        // Of these the operator would think that the cloud is meant.
        (Side::B, Ended { code: Code::NO_ERROR | Code::SHUTDOWN, by: By::Peer, .. }) => {
            (Code::TARGET_LOST, "the device's agent went away".into())
        }
        (_, Ended { code: Code::DEVICE_DISABLED, by: By::Local, reason }) => (Code::REVOKED, reason.clone()),
        (_, ended) => (ended.code, clean(&ended.reason, MAX_REASON_CHARS)),
    }
}

/// How a session ended, and for those that were ended the reason that both sides heard.
fn session_end(end: RelayEnd) -> (SessionEnd, String) {
    match end {
        RelayEnd::Cut(Code::REVOKED, reason)
        | RelayEnd::Broken(_, Ended { code: Code::REVOKED | Code::DEVICE_DISABLED, by: By::Local, reason }) => {
            (SessionEnd::Revoked, reason)
        }
        end => (unforced_end(end), String::new()),
    }
}

fn unforced_end(end: RelayEnd) -> SessionEnd {
    match end {
        RelayEnd::Finished => SessionEnd::Finished,
        RelayEnd::Cut(..) => SessionEnd::CloudStopped,
        RelayEnd::Broken(_, Ended { code: Code::SHUTDOWN, by: By::Local, .. }) => SessionEnd::CloudStopped,
        RelayEnd::Broken(Side::A, Ended { by: By::Peer, .. }) => SessionEnd::OperatorClosed,
        RelayEnd::Broken(Side::A, _) => SessionEnd::OperatorLost,
        RelayEnd::Broken(Side::B, Ended { by: By::Peer, .. }) => SessionEnd::TargetClosed,
        RelayEnd::Broken(Side::B, _) => SessionEnd::DeviceLost,
    }
}

/// Device and endpoint of `towline:device/{id}/endpoint/{id}`.
fn parse_target(target: &str) -> Option<(String, String)> {
    let (device, endpoint) = target.strip_prefix("towline:device/")?.split_once("/endpoint/")?;
    let is_id = |id: &str| (1..=20).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit());
    (is_id(device) && is_id(endpoint)).then(|| (device.into(), endpoint.into()))
}

fn target_url(endpoint: &Endpoint) -> String {
    let Endpoint { host, port, .. } = endpoint;
    if host.contains(':') { format!("tcp://[{host}]:{port}") } else { format!("tcp://{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_of_the_tunnel_has_an_error_that_says_what_to_do() {
        let breaches = [Code::PROTOCOL, Code::FLOW_CONTROL, Code::LIMIT];
        for code in Code::ALL {
            let error = ErrorCode::from_tunnel_code(code.0);
            assert_eq!(error == ErrorCode::ProtocolMismatch, breaches.contains(code), "{code} is {error}");
        }
        for error in ErrorCode::all() {
            assert!(Code(error.tunnel_code()).name().is_some(), "{error} has a code that PROTOCOL.md does not name");
        }
    }

    #[test]
    fn a_target_names_a_device_and_an_endpoint_by_id_and_nothing_else() {
        assert_eq!(parse_target("towline:device/12/endpoint/34"), Some(("12".into(), "34".into())));
        for wrong in [
            "tcp://127.0.0.1:22",
            "towline:device//endpoint/1",
            "towline:device/1/endpoint/1/x",
            "towline:device/a/endpoint/1",
        ] {
            assert_eq!(parse_target(wrong), None, "{wrong}");
        }
    }
}
