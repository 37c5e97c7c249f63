//! What only web pages ask for: a login that lives in a cookie, tickets, and the WebSockets that they are for.

use std::time::Instant;

use axum::{
    extract::Request,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use towline_cloud_api::{
    BrowserSession, ErrorCode, IssueTicket, Login, LoginLink, PageInfo, Permission, Protocol, TICKET_PREFIX, Ticket,
};
use utoipa::openapi::{RefOr, Schema};

use super::{
    Created, Failure, Json, Path,
    describe::{Entry, Special},
    endpoints::unknown,
    records::Switched,
    upgrade::Upgrade,
};
use crate::{
    auth::{self, Caller, Carried, Granted, Stranger, Visit},
    connect::{self, Pass, subprotocol},
    moment::{now_millis, rfc3339},
    single_use::NotIssued,
    store,
};

/// An answer that gives the browser its token, or takes it away.
pub(super) struct LoggedIn(Json<BrowserSession>, HeaderValue);

impl Special for LoggedIn {
    const KIND: &'static str = "application/json";
    const DESCRIPTION: &'static str = "logged in; the cookie is the login";

    fn schema(entry: &mut Entry<'_>) -> Option<RefOr<Schema>> {
        Some(entry.schema::<BrowserSession>())
    }
}

impl IntoResponse for LoggedIn {
    fn into_response(self) -> Response {
        let mut response = self.0.into_response();
        response.headers_mut().insert(header::SET_COOKIE, self.1);
        response
    }
}

fn logged_in(visit: &Visit, granted: Granted) -> Result<LoggedIn, Failure> {
    let cookie = visit.set_cookie(&granted)?;
    let Granted { expires_at, user, .. } = granted;
    Ok(LoggedIn(Json(BrowserSession { user, expires_at }), cookie))
}

pub(super) async fn login(stranger: Stranger, visit: Visit, Json(wish): Json<Login>) -> Result<LoggedIn, Failure> {
    let granted = auth::login(&stranger.app, stranger.source, wish, Carried::InCookie).await?;
    logged_in(&visit, granted)
}

pub(super) async fn login_link(
    stranger: Stranger,
    visit: Visit,
    Json(link): Json<LoginLink>,
) -> Result<LoggedIn, Failure> {
    let granted = auth::redeem_link(&stranger.app, stranger.source, &link.code).await?;
    logged_in(&visit, granted)
}

pub(super) async fn page() -> Result<Json<PageInfo>, Failure> {
    let protocols = Protocol::ALL.to_vec();
    Ok(Json(PageInfo { version: env!("CARGO_PKG_VERSION").into(), protocols }))
}

/// A ticket for one connection of a page.
pub(super) async fn issue_ticket(
    caller: Caller,
    Path((device, endpoint)): Path<(String, String)>,
    Json(wish): Json<IssueTicket>,
) -> Result<Created<Ticket>, Failure> {
    let device = caller.device(&device, Permission::RemoteAccessConnect, "ticket.create").await?;
    let stored = caller.app.store.endpoint(caller.tenant(), &device.id, &endpoint).await?;
    let store::StoredEndpoint { endpoint, .. } = stored.ok_or_else(|| unknown(&device.name))?;
    let Some(subprotocol) = subprotocol(endpoint.protocol) else {
        let detail = format!("endpoint \"{}\" is {}: use `towline server`", endpoint.name, endpoint.protocol);
        return Err(Failure::new(ErrorCode::BadRequest, detail));
    };
    if let Some(session_id) = &wish.session_id {
        let found = caller.app.store.session(caller.tenant(), session_id).await?;
        let is_own = found.is_some_and(|(session, user_id)| {
            user_id == caller.visitor.user_id && session.endpoint_id == endpoint.id && session.ended_at.is_none()
        });
        if !is_own {
            return Err(Failure::new(ErrorCode::SessionLost, "the terminal is no more"));
        }
    }
    let pass = Pass {
        token_hash: caller.token_hash.clone(),
        device_id: device.id,
        endpoint_id: endpoint.id,
        view_only: wish.view_only,
        session_id: wish.session_id,
        subprotocol,
    };
    let tickets = &caller.app.tickets;
    let ticket = tickets.issue(&caller.visitor.user_id, pass, Instant::now()).map_err(|error| match error {
        NotIssued::TooMany => Failure::new(ErrorCode::QuotaExceeded, error.to_string()),
        NotIssued::Random(error) => error.into(),
    })?;
    let life = i64::try_from(tickets.life().as_millis()).unwrap_or(i64::MAX);
    let expires_at = rfc3339(now_millis().saturating_add(life));
    Ok(Created(Ticket { ticket, subprotocol: subprotocol.into(), expires_at }))
}

/// The WebSocket that a ticket is for.
pub(super) async fn connect(caller: Caller, mut request: Request) -> Result<Switched, Failure> {
    let upgrade = Upgrade::from_request(&mut request)?;
    let ticket = upgrade.offered().iter().find_map(|offered| offered.strip_prefix(TICKET_PREFIX));
    let pass = ticket.and_then(|ticket| caller.app.tickets.redeem(ticket, Instant::now()));
    let Some(pass) = pass.filter(|pass| pass.token_hash == caller.token_hash) else {
        let entry = store::Entry::failed(&caller.actor(), "ticket.use", "tenant", ErrorCode::TicketInvalid);
        caller.app.store.record(caller.tenant(), entry).await?;
        return Err(Failure::new(ErrorCode::TicketInvalid, ""));
    };
    if !upgrade.offered().iter().any(|offered| offered == pass.subprotocol) {
        let detail = format!("the subprotocol is to be {}", pass.subprotocol);
        return Err(Failure::new(ErrorCode::VersionUnsupported, detail));
    }
    let (response, connection) = upgrade.answer(pass.subprotocol);
    let tasks = caller.app.tasks.clone();
    tasks.spawn(connect::serve(caller, pass, connection));
    Ok(Switched(response))
}

/// The answer to a logout: a browser forgets its cookie.
pub(super) struct LoggedOut(pub(super) HeaderValue);

impl Special for LoggedOut {
    const STATUS: StatusCode = StatusCode::NO_CONTENT;
    const KIND: &'static str = "";
    const DESCRIPTION: &'static str = "done";
}

impl IntoResponse for LoggedOut {
    fn into_response(self) -> Response {
        (StatusCode::NO_CONTENT, [(header::SET_COOKIE, self.0)]).into_response()
    }
}
