//! A page's connection to an endpoint: from its ticket to its end, whatever protocol it is.

use std::{convert::Infallible, sync::Arc, time::Duration};

use hyper::upgrade::OnUpgrade;
use towline_cloud_api::{
    ErrorCode, Phase, Problem, Protocol, SUBPROTOCOL_RFB, SUBPROTOCOL_TERMINAL, SessionEnd, SessionLimit, Settings,
    ToViewer,
};
use towline_tunnel_proto::{
    Code, Open, Urgency,
    driver::{By, Ended, Mux},
};

use crate::{
    api::Failure,
    attempt::{Attempt, MAX_REASON_CHARS, Started},
    auth::Caller,
    limits::{Activity, Limits, Tick},
    screen::Screen,
    sessions::Cut,
    store::{audit::clean, target},
    terminal::{self, Session, Terminal, check_allowed},
    viewer::{Sender, Viewer},
};

/// How long a ticket is good for.
pub(crate) const TICKET_LIFE: Duration = Duration::from_secs(30);

/// Why a session has reached a limit of time.
pub(crate) const IDLE: &str = "nobody has used it";
pub(crate) const OVER: &str = "it has lasted as long as a session may";

/// A device that is back sooner was not away.
const MOMENT: Duration = Duration::from_secs(1);

/// What a ticket stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pass {
    /// The login that it was asked with, and is to be used with.
    pub(crate) token_hash: String,
    pub(crate) device_id: String,
    pub(crate) endpoint_id: String,
    pub(crate) view_only: bool,
    /// The terminal that the page comes back to.
    pub(crate) session_id: Option<String>,
    pub(crate) subprotocol: &'static str,
}

/// The subprotocol that a page speaks for an endpoint; `None` if no page can.
pub(crate) fn subprotocol(protocol: Protocol) -> Option<&'static str> {
    match protocol {
        Protocol::Passthrough => None,
        Protocol::Vnc => Some(SUBPROTOCOL_RFB),
        Protocol::Ssh | Protocol::Telnet => Some(SUBPROTOCOL_TERMINAL),
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
    if let Some(session_id) = &pass.session_id {
        return app.terminals.come_back(session_id, &caller.token_hash, viewer).await;
    }
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
struct Progress<'a> {
    attempt: &'a Attempt,
    target: String,
    view_only: bool,
}

impl Progress<'_> {
    /// The connection has come this far. That the page is gone is found out elsewhere.
    async fn tell(&self, viewer: &Viewer, phase: Phase, session_id: Option<&str>) {
        let text = ToViewer::Phase {
            phase,
            operation_id: self.attempt.operation_id.clone(),
            session_id: session_id.map(str::to_owned),
            target: self.target.clone(),
            view_only: self.view_only,
        };
        let _ = viewer.say(&text).await;
    }
}

/// A connection that stands.
struct Connected {
    side: Side,
    started: Started,
    settings: Settings,
    agent: Mux,
}

/// What is joined to the page.
enum Side {
    Screen(Box<Screen>),
    Terminal(Terminal),
}

async fn run(attempt: &Attempt, pass: &Pass, mut viewer: Viewer) {
    let Connected { side, started, settings, agent } = match connect(attempt, pass, &mut viewer).await {
        Ok(connected) => connected,
        Err(failure) => {
            let problem = attempt.failed(failure).await;
            return viewer.end(problem).await;
        }
    };
    let app = &attempt.caller.app;
    let counters = app.metrics.relaying();
    let mut limits = Limits::new(&settings);
    match side {
        Side::Screen(screen) => {
            let (activity, (_, sender)) = (viewer.activity(), viewer.split());
            let over = tokio::select! {
                over = screen.run(&mut viewer, &started, &counters) => over,
                cut = started.place.cut() => cut_off(cut),
                limit = limited(&mut limits, &activity, &sender) => limit_reached(limit),
                never = watch(&agent, &sender) => match never {},
            };
            // The sender is one of those that the page waits for.
            drop(sender);
            let (record, last_word) = (started.end(over.end, over.detail, &counters), viewer.end(over.problem));
            tokio::join!(record, last_word);
        }
        Side::Terminal(terminal) => {
            let session = Session { app, started: &started, counters: &counters, agent: &agent, limits };
            let (over, viewer) = session.run(terminal, viewer, &attempt.caller.token_hash).await;
            let record = started.end(over.end, over.detail, &counters);
            let last_word = async {
                if let Some(viewer) = viewer {
                    viewer.end(over.problem).await;
                }
            };
            tokio::join!(record, last_word);
        }
    }
}

/// Tells a screen's page when its device is lost and when it is back.
async fn watch(agent: &Mux, page: &Sender) -> Infallible {
    let mut connected = true;
    loop {
        connected = device_changed(agent, connected).await;
        let _ = page.text(&ToViewer::Device { connected }).await;
    }
}

/// Waits until the device is lost for longer than a moment, or is back, and says whether it is there. Once the session with it
/// has ended, which its channels hear by themselves, never.
pub(crate) async fn device_changed(agent: &Mux, connected: bool) -> bool {
    let is_back = if connected {
        loop {
            agent.lost().await;
            match tokio::time::timeout(MOMENT, agent.is_back()).await {
                Err(_) => return false,
                Ok(true) => {}
                Ok(false) => break false,
            }
        }
    } else {
        agent.is_back().await
    };
    if is_back { true } else { std::future::pending().await }
}

/// Tells a screen's page of its limits until one is reached.
async fn limited(limits: &mut Limits, activity: &Activity, page: &Sender) -> SessionLimit {
    loop {
        match limits.next(activity).await {
            Tick::Reached(limit) => return limit,
            tick => drop(page.text(&countdown(tick)).await),
        }
    }
}

/// Does everything up to the recorded start of the session.
async fn connect(attempt: &Attempt, pass: &Pass, viewer: &mut Viewer) -> Result<Connected, Failure> {
    let (app, tenant) = (&attempt.caller.app, attempt.caller.tenant());
    let stored = attempt.endpoint()?;
    let protocol = stored.endpoint.protocol;
    let view_only = protocol == Protocol::Vnc && (pass.view_only || stored.endpoint.view_only);
    let progress = Progress { attempt, target: target(&stored.endpoint), view_only };
    progress.tell(viewer, Phase::Asking, None).await;
    if subprotocol(protocol) != Some(pass.subprotocol) {
        return Err(Failure::new(ErrorCode::SessionEnded, "the endpoint was changed"));
    }
    let settings = app.store.settings(tenant).await?;
    check_allowed(protocol, &settings)?;
    let is_terminal = protocol != Protocol::Vnc;
    let size = if is_terminal { Some(terminal::hello(viewer).await?.0) } else { None };
    progress.tell(viewer, Phase::Opening, None).await;
    let reached = attempt.reach(&Open { urgency: Urgency::INTERACTIVE, ..Open::to("") }, viewer.gone()).await?;
    let (peer_address, agent) = (reached.peer_address.clone(), reached.agent.clone());
    progress.tell(viewer, Phase::Handshake, None).await;
    let gone = viewer.gone();
    let stop = app.stop.clone();
    let sign_in = async {
        match size {
            None => {
                let mut screen = Screen::new(app, tenant, stored, reached, view_only).await?;
                screen.sign_in().await?;
                Ok(Side::Screen(screen.into()))
            }
            Some(size) => Terminal::sign_in(attempt, &settings, reached, viewer, size).await.map(Side::Terminal),
        }
    };
    let side = tokio::select! {
        side = sign_in => side?,
        () = gone => {
            return Err(Failure::new(ErrorCode::SessionEnded, "the operator went away during the handshake"));
        }
        () = stop.cancelled() => return Err(Failure::new(ErrorCode::ShuttingDown, "")),
    };
    let started = attempt.start(&peer_address, view_only).await?;
    progress.tell(viewer, Phase::Connected, Some(&started.session_id)).await;
    Ok(Connected { side, started, settings, agent })
}

/// A limit of time was reached.
pub(crate) fn limit_reached(limit: SessionLimit) -> End {
    let detail = match limit {
        SessionLimit::Idle => IDLE,
        SessionLimit::Total => OVER,
    };
    let problem = Problem::new(ErrorCode::SessionLimit, detail);
    End { end: SessionEnd::LimitReached, detail: detail.into(), problem }
}

/// What a page hears of a limit.
pub(crate) fn countdown(tick: Tick) -> ToViewer {
    match tick {
        Tick::Near(limit, left) => ToViewer::Countdown { limit: Some(limit), seconds: left.as_secs() },
        Tick::Lifted | Tick::Reached(_) => ToViewer::Countdown { limit: None, seconds: 0 },
    }
}

/// Somebody ended it.
pub(crate) fn cut_off(cut: Cut) -> End {
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
