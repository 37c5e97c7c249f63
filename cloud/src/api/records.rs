//! What has happened: operations and sessions; and the door to what is going to, the operator's tunnel.

use axum::extract::Request;
use http::StatusCode;
use serde::Deserialize;
use towline_cloud_api::{ErrorCode, Operation, OperationStatus, Permission, SUBPROTOCOL_TUNNEL, Session};
use utoipa::IntoParams;

use super::{Done, Failure, Json, Listed, Path, Query, bad_cursor, describe::Special, page_limit, upgrade::Upgrade};
use crate::{
    auth::Caller,
    moment::from_rfc3339,
    relay,
    store::{Entry, OperationFilter, SessionFilter, TimeCursor},
};

#[derive(Deserialize, IntoParams)]
pub(super) struct OperationQuery {
    /// Of this device only.
    device: Option<String>,
    /// Of the user of this name only.
    user: Option<String>,
    /// In this status only.
    status: Option<OperationStatus>,
    /// Not before this time (RFC 3339).
    since: Option<String>,
    /// Before this time (RFC 3339).
    until: Option<String>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// How many at most, 1 to 1000.
    limit: Option<u32>,
}

#[derive(Deserialize, IntoParams)]
pub(super) struct SessionQuery {
    /// Of this device only.
    device: Option<String>,
    /// `true`: those that last; `false`: those that ended.
    live: Option<bool>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// How many at most, 1 to 1000.
    limit: Option<u32>,
}

async fn check(caller: &Caller, device: Option<&str>, action: &'static str) -> Result<(), Failure> {
    match device {
        Some(device) => drop(caller.device(device, Permission::RemoteAccessRead, action).await?),
        None => caller.anywhere(Permission::RemoteAccessRead, action).await?,
    }
    Ok(())
}

pub(super) fn time_cursor(cursor: Option<&String>) -> Result<Option<TimeCursor>, Failure> {
    cursor.map(|cursor| cursor.parse().map_err(|()| bad_cursor())).transpose()
}

pub(super) async fn operations(
    caller: Caller,
    Query(query): Query<OperationQuery>,
) -> Result<Listed<Operation>, Failure> {
    let device = query.device.as_deref();
    check(&caller, device, "operation.list").await?;
    let time = |text: &Option<String>| {
        let wrong = || Failure::new(ErrorCode::BadRequest, "since and until are times such as 2026-01-31T12:00:00Z");
        text.as_deref().map(|text| from_rfc3339(text).ok_or_else(wrong)).transpose()
    };
    let filter = OperationFilter {
        device_id: device,
        user: query.user.as_deref(),
        status: query.status,
        since: time(&query.since)?,
        until: time(&query.until)?,
        before: time_cursor(query.cursor.as_ref())?,
    };
    let limit = page_limit(query.limit)?;
    Ok(Listed(caller.app.store.operations(caller.tenant(), &caller.visitor.user_id, &filter, limit).await?))
}

pub(super) async fn operation(caller: Caller, Path(id): Path<String>) -> Result<Json<Operation>, Failure> {
    const ACTION: &str = "operation.show";
    let object = format!("operation/{id}");
    let Some((operation, user_id)) = caller.app.store.operation(caller.tenant(), &id).await? else {
        return Err(caller.not_found(ACTION, &object).await?);
    };
    if user_id != caller.visitor.user_id {
        caller.record_of(&operation.device_id, Permission::RemoteAccessRead, ACTION, &object).await?;
    }
    Ok(Json(operation))
}

pub(super) async fn sessions(caller: Caller, Query(query): Query<SessionQuery>) -> Result<Listed<Session>, Failure> {
    let device_id = query.device.as_deref();
    check(&caller, device_id, "session.list").await?;
    let before = time_cursor(query.cursor.as_ref())?;
    let limit = page_limit(query.limit)?;
    let filter = SessionFilter { device_id, live: query.live, before: before.as_ref() };
    Ok(Listed(caller.app.store.sessions(caller.tenant(), &caller.visitor.user_id, filter, limit).await?))
}

pub(super) async fn session(caller: Caller, Path(id): Path<String>) -> Result<Json<Session>, Failure> {
    const ACTION: &str = "session.show";
    let object = format!("session/{id}");
    let Some((session, user_id)) = caller.app.store.session(caller.tenant(), &id).await? else {
        return Err(caller.not_found(ACTION, &object).await?);
    };
    if user_id != caller.visitor.user_id {
        caller.record_of(&session.device_id, Permission::RemoteAccessRead, ACTION, &object).await?;
    }
    Ok(Json(session))
}

/// Ends a session; one that has ended already stays as it is.
pub(super) async fn kill(caller: Caller, Path(id): Path<String>) -> Result<Done, Failure> {
    const ACTION: &str = "session.kill";
    let object = format!("session/{id}");
    let Some((session, user_id)) = caller.app.store.session(caller.tenant(), &id).await? else {
        return Err(caller.not_found(ACTION, &object).await?);
    };
    let name = &caller.visitor.user_name;
    let reason = if user_id == caller.visitor.user_id {
        format!("ended by {name}")
    } else {
        caller.record_of(&session.device_id, Permission::RemoteAccessAdmin, ACTION, &object).await?;
        format!("ended by administrator {name}")
    };
    if session.ended_at.is_none() {
        caller.app.store.record(caller.tenant(), Entry::ok(&caller.actor(), ACTION, object)).await?;
        caller.app.sessions.revoke_one(&id, &reason);
    }
    Ok(Done)
}

/// The answer to a WebSocket handshake.
pub(super) struct Switched(pub(super) axum::response::Response);

impl Special for Switched {
    const STATUS: StatusCode = StatusCode::SWITCHING_PROTOCOLS;
    const KIND: &'static str = "";
    const DESCRIPTION: &'static str = "a WebSocket of the subprotocol that was agreed to";
}

impl axum::response::IntoResponse for Switched {
    fn into_response(self) -> axum::response::Response {
        self.0
    }
}

pub(super) async fn tunnel(caller: Caller, mut request: Request) -> Result<Switched, Failure> {
    let upgrade = Upgrade::for_tunnel(&mut request)?;
    let exporter = upgrade.exporter();
    let (response, connection) = upgrade.answer(SUBPROTOCOL_TUNNEL);
    caller.app.clone().tasks.spawn(relay::serve_operator(caller, connection, exporter));
    Ok(Switched(response))
}
