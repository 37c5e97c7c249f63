//! The relay: joins a channel that an operator opens to one that the cloud opens on the device's session.

use std::{sync::Arc, time::Duration};

use hyper::upgrade::OnUpgrade;
use towline_cloud_api::{ErrorCode, Problem, Protocol, SessionEnd};
use towline_tunnel_proto::{
    Code, FieldKey, Fields,
    driver::{By, Ended, Greeting, Incoming, Mux, RelayEnd, Returning, Side, relay_until},
};

use crate::{
    agents,
    api::Failure,
    app::App,
    attempt::{Attempt, MAX_REASON_CHARS, Reached, Started, expect_protocol, reason},
    auth::Caller,
    connect::{IDLE, OVER},
    sessions::{Cut, Line},
    store::{Entry, audit::clean},
    terminal::check_allowed,
};

/// A session without a channel waits only so long for its connection to be made anew: for a wish for one that was under way.
const IDLE_PATIENCE: Duration = Duration::from_secs(30);

/// Holds an operator's session: each channel of it is one operation. It outlives its connection.
pub(crate) async fn serve_operator(caller: Caller, connection: OnUpgrade, exporter: Option<[u8; 32]>) {
    let app = caller.app.clone();
    let mux = match agents::begin(&app, connection).await {
        Some((mux, Greeting::Hello(_))) => mux,
        Some((_, Greeting::Returning(returning))) => return come_back(&caller, returning, exporter).await,
        None => return,
    };
    let _place = app.operators.enter(&caller.visitor, &caller.token_hash, Line::Tunnel(mux.clone()));
    // Revoked after the handshake and before it stood where that would have ended it.
    if !matches!(app.store.visitor(&caller.token_hash).await, Ok(Some(_))) {
        mux.close(Code::REVOKED, "the bearer token has ended");
    }
    if app.stop.is_cancelled() {
        mux.close(Code::SHUTDOWN, "the cloud is shutting down");
    }
    let caller = Arc::new(caller);
    loop {
        tokio::select! {
            incoming = mux.accept() => match incoming {
                Some(incoming) => drop(app.tasks.spawn(serve_channel(caller.clone(), incoming))),
                None => return,
            },
            reason = mux.lost() => wait(&mux, &reason).await,
        }
    }
}

/// Until the session goes on, or has ended.
async fn wait(mux: &Mux, reason: &str) {
    if mux.is_idle() && tokio::time::timeout(IDLE_PATIENCE, mux.is_back()).await.is_err() {
        mux.close(Code::SILENT, reason);
    }
    mux.is_back().await;
}

/// Somebody who is logged in wants to go on with a session of theirs.
async fn come_back(caller: &Caller, returning: Returning, exporter: Option<[u8; 32]>) {
    const ACTION: &str = "tunnel.resume";
    let app = &caller.app;
    let Some(mux) = app.operators.resumable(&caller.visitor, returning.session_id()) else {
        return returning.refuse(Code::RESUME_REFUSED, "the session is over");
    };
    let entry = match agents::resume(returning, &mux, exporter) {
        Ok(()) => Entry::ok(&caller.actor(), ACTION, "tenant"),
        Err(reason) => Entry::failed(&caller.actor(), ACTION, "tenant", ErrorCode::Unauthenticated).detail(reason),
    };
    if let Err(error) = app.store.record(caller.tenant(), entry).await {
        tracing::error!(%error, "an operator's return could not be recorded");
    }
}

/// Serves one channel from its opening to its end.
async fn serve_channel(caller: Arc<Caller>, mut incoming: Incoming) {
    // The start of a session is on record before the operator's channel is accepted and read from.
    match connect(&caller, &mut incoming).await {
        Ok((reached, started)) => run(&caller.app, reached, started, incoming).await,
        Err(problem) => {
            let code = match problem.code {
                ErrorCode::Unauthenticated => Code::AUTH,
                code => Code(code.tunnel_code()),
            };
            incoming.refuse(code, &reason(&problem));
        }
    }
}

/// Does everything up to the recorded start of the session.
async fn connect(caller: &Arc<Caller>, incoming: &mut Incoming) -> Result<(Reached, Started), Problem> {
    let attempt = begin(caller, &incoming.open().target).await.map_err(|failure| {
        let problem = failure.into_problem();
        caller.app.metrics.operation(problem.code.as_str());
        problem
    })?;
    let like = incoming.open().clone();
    let connected = async {
        let endpoint = &attempt.endpoint()?.endpoint;
        // Of both the cloud holds no secret that it would have to sign in with.
        let has_no_sign_in = matches!(endpoint.protocol, Protocol::Passthrough | Protocol::Telnet);
        expect_protocol(endpoint, has_no_sign_in, "a tunnel goes to PASSTHROUGH and TELNET endpoints only")?;
        check_allowed(endpoint.protocol, &caller.app.store.settings(caller.tenant()).await?)?;
        let reached = attempt.reach(&like, async { drop(incoming.broken().await) }).await?;
        let started = attempt.start(&reached.peer_address, false).await?;
        Ok((reached, started))
    };
    match connected.await {
        Ok(connected) => Ok(connected),
        Err(failure) => Err(attempt.failed(failure).await),
    }
}

async fn begin(caller: &Arc<Caller>, target: &str) -> Result<Attempt, Failure> {
    let Some((device_id, endpoint_id)) = parse_target(target) else {
        let entry = Entry::failed(&caller.actor(), "operation.create", "tenant", ErrorCode::BadRequest);
        caller.app.store.record(caller.tenant(), entry.detail("the channel's target is not understood")).await?;
        return Err(Failure::new(ErrorCode::BadRequest, "a target is towline:device/{id}/endpoint/{id}"));
    };
    Attempt::begin(caller.clone(), &device_id, &endpoint_id).await
}

/// Joins the two channels until one of them, or somebody, ends it.
async fn run(app: &App, reached: Reached, started: Started, incoming: Incoming) {
    let Reached { channel, peer_address, .. } = reached;
    let fields =
        Fields::new().with(FieldKey::SESSION_ID, started.session_id.clone()).with(FieldKey::PEER_ADDRESS, peer_address);
    let operator = incoming.accept(fields);
    let counters = app.metrics.relaying();
    let cut = async {
        let Cut { end, reason } = started.place.cut().await;
        let code = if end == SessionEnd::CloudStopped { Code::SHUTDOWN } else { Code::REVOKED };
        (code, reason)
    };
    let (end, reason) = session_end(relay_until(operator, channel, &counters, cut, tell).await);
    started.end(end, reason, &counters).await;
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
        RelayEnd::Broken(_, Ended { code: Code::IDLE_TIMEOUT, .. }) => (SessionEnd::LimitReached, IDLE.into()),
        RelayEnd::Broken(_, Ended { code: Code::DEADLINE, .. }) => (SessionEnd::LimitReached, OVER.into()),
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
