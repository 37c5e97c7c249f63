//! A page's connection to an endpoint: from its ticket to its end, whatever protocol it is.

use std::{sync::Arc, time::Duration};

use hyper::upgrade::OnUpgrade;
use towline_cloud_api::{ErrorCode, Phase, Problem, Protocol, SUBPROTOCOL_RFB, SessionEnd, ToViewer};
use towline_tunnel_proto::{
    Code, Urgency,
    driver::{By, Ended},
};

use crate::{
    api::Failure,
    attempt::{Attempt, MAX_REASON_CHARS},
    auth::Caller,
    screen,
    sessions::Cut,
    store::{audit::clean, target},
    viewer::Viewer,
};

/// How long a ticket is good for.
pub(crate) const TICKET_LIFE: Duration = Duration::from_secs(30);

/// What a ticket stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pass {
    /// The login that it was asked with, and is to be used with.
    pub(crate) token_hash: String,
    pub(crate) device_id: String,
    pub(crate) endpoint_id: String,
    pub(crate) view_only: bool,
    pub(crate) subprotocol: &'static str,
}

/// The subprotocol that a page speaks for an endpoint; `None` if no page can.
pub(crate) fn subprotocol(protocol: Protocol) -> Option<&'static str> {
    match protocol {
        Protocol::Passthrough => None,
        Protocol::Vnc => Some(SUBPROTOCOL_RFB),
    }
}

/// How a connection that came about has ended.
pub(crate) struct End {
    pub(crate) end: SessionEnd,
    /// For the record; empty if it just ended.
    pub(crate) detail: String,
    /// For the page, if it is still there.
    pub(crate) problem: Problem,
}

/// Serves a page's connection from its WebSocket to its end.
pub(crate) async fn serve(caller: Caller, pass: Pass, connection: OnUpgrade) {
    let caller = Arc::new(caller);
    let app = caller.app.clone();
    let Some(viewer) = Viewer::begin(&app.tasks, connection).await else { return };
    match Attempt::begin(caller, &pass.device_id, &pass.endpoint_id).await {
        Ok(attempt) => run(&attempt, &pass, viewer).await,
        Err(failure) => {
            let problem = failure.into_problem();
            app.metrics.operation(problem.code.as_str());
            viewer.end(problem).await;
        }
    }
}

/// What is told of a connection, again and again as it comes along.
pub(crate) struct Progress<'a> {
    attempt: &'a Attempt,
    viewer: &'a Viewer,
    target: String,
    view_only: bool,
}

impl Progress<'_> {
    /// The connection has come this far. That the page is gone is found out elsewhere.
    pub(crate) async fn tell(&self, phase: Phase, session_id: Option<&str>) {
        let text = ToViewer::Phase {
            phase,
            operation_id: self.attempt.operation_id.clone(),
            session_id: session_id.map(str::to_owned),
            target: self.target.clone(),
            view_only: self.view_only,
        };
        let _ = self.viewer.say(&text).await;
    }
}

async fn run(attempt: &Attempt, pass: &Pass, mut viewer: Viewer) {
    let app = &attempt.caller.app;
    let counters = app.metrics.relaying();
    let connected = async {
        let stored = attempt.endpoint()?;
        let view_only = pass.view_only || stored.endpoint.view_only;
        let progress = Progress { attempt, viewer: &viewer, target: target(&stored.endpoint), view_only };
        progress.tell(Phase::Asking, None).await;
        if subprotocol(stored.endpoint.protocol) != Some(pass.subprotocol) {
            return Err(Failure::new(ErrorCode::SessionEnded, "the endpoint was changed"));
        }
        // The device is being asked while the page is told so.
        let (reached, ()) =
            tokio::join!(attempt.reach(Urgency::INTERACTIVE, viewer.gone()), progress.tell(Phase::Opening, None));
        let reached = reached?;
        progress.tell(Phase::Handshake, None).await;
        let mut screen = screen::Screen::new(app, attempt.caller.tenant(), stored, reached, view_only).await?;
        tokio::select! {
            signed_in = screen.sign_in() => signed_in?,
            () = viewer.gone() => return Err(Failure::new(ErrorCode::SessionEnded, "the operator went away during the handshake")),
            () = app.stop.cancelled() => return Err(Failure::new(ErrorCode::ShuttingDown, "")),
        }
        let started = attempt.start(screen.reached(), view_only).await?;
        progress.tell(Phase::Connected, Some(&started.session_id)).await;
        Ok((screen, started))
    };
    let (screen, started) = match connected.await {
        Ok(connected) => connected,
        Err(failure) => {
            let problem = attempt.failed(failure).await;
            return viewer.end(problem).await;
        }
    };
    let over = tokio::select! {
        over = screen.run(&mut viewer, &counters) => over,
        cut = started.place.cut() => cut_off(cut),
    };
    let (record, last_word) = (started.end(over.end, over.detail, &counters), viewer.end(over.problem));
    tokio::join!(record, last_word);
}

/// Somebody ended it.
fn cut_off(cut: Cut) -> End {
    let Cut { end, reason } = cut;
    let code = if end == SessionEnd::CloudStopped { ErrorCode::ShuttingDown } else { ErrorCode::SessionEnded };
    let detail = if end == SessionEnd::CloudStopped { String::new() } else { reason.clone() };
    End { end, detail, problem: Problem::new(code, reason) }
}

/// The page is gone.
pub(crate) async fn page_gone(viewer: &Viewer) -> End {
    viewer.gone().await;
    let end = if viewer.has_closed() { SessionEnd::OperatorClosed } else { SessionEnd::OperatorLost };
    End { end, detail: String::new(), problem: ErrorCode::SessionEnded.into() }
}

/// The channel to the target is no more.
pub(crate) fn channel_gone(ended: Option<&Ended>, what: &str) -> End {
    let (end, code, detail) = match ended {
        None => (SessionEnd::TargetClosed, ErrorCode::TargetClosed, format!("{what} closed the connection")),
        Some(Ended { code: Code::DEVICE_DISABLED | Code::REVOKED, by: By::Local, reason }) => {
            (SessionEnd::Revoked, ErrorCode::SessionEnded, reason.clone())
        }
        Some(Ended { code: Code::SHUTDOWN, by: By::Local, .. }) => {
            (SessionEnd::CloudStopped, ErrorCode::ShuttingDown, String::new())
        }
        Some(Ended { code: Code::NO_ERROR | Code::SHUTDOWN, by: By::Peer, .. }) => {
            (SessionEnd::DeviceLost, ErrorCode::DeviceOffline, "the device's agent went away".into())
        }
        Some(Ended { by: By::Peer, code, reason }) => {
            (SessionEnd::TargetClosed, ErrorCode::from_tunnel_code(code.0), clean(reason, MAX_REASON_CHARS))
        }
        Some(_) => (SessionEnd::DeviceLost, ErrorCode::SessionLost, "the connection to the device was lost".into()),
    };
    let code = match code {
        // A channel that just ends has been ended by the target.
        ErrorCode::SessionEnded if end == SessionEnd::TargetClosed => ErrorCode::TargetClosed,
        code => code,
    };
    End { end, problem: Problem::new(code, detail.clone()), detail }
}
