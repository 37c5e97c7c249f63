//! What has happened: operations, sessions, audit; and the door to what is going to, the operator's tunnel.

use axum::{extract::Request, response::Response};
use serde::Deserialize;
use towline_cloud_api::{AuditRecord, Operation, Page, Permission, Session};

use super::{Failure, Json, Query, bad_cursor, page_limit, upgrade::Upgrade};
use crate::{auth::Caller, relay, store::TimeCursor};

#[derive(Deserialize)]
pub(super) struct HistoryQuery {
    device: Option<String>,
    cursor: Option<String>,
    limit: Option<u32>,
}

#[derive(Deserialize)]
pub(super) struct AuditQuery {
    cursor: Option<String>,
    limit: Option<u32>,
}

impl HistoryQuery {
    async fn check(&self, caller: &Caller, action: &'static str) -> Result<(Option<TimeCursor>, u32), Failure> {
        match &self.device {
            Some(device) => drop(caller.device(device, Permission::RemoteAccessRead, action).await?),
            None => caller.anywhere(Permission::RemoteAccessRead, action).await?,
        }
        let before = self.cursor.as_ref().map(|cursor| cursor.parse().map_err(|()| bad_cursor())).transpose()?;
        Ok((before, page_limit(self.limit)?))
    }
}

pub(super) async fn operations(
    caller: Caller,
    Query(query): Query<HistoryQuery>,
) -> Result<Json<Page<Operation>>, Failure> {
    let (before, limit) = query.check(&caller, "operation.list").await?;
    let (user, device) = (&caller.visitor.user_id, query.device.as_deref());
    Ok(Json(caller.app.store.operations(caller.tenant(), user, device, before.as_ref(), limit).await?))
}

pub(super) async fn sessions(
    caller: Caller,
    Query(query): Query<HistoryQuery>,
) -> Result<Json<Page<Session>>, Failure> {
    let (before, limit) = query.check(&caller, "session.list").await?;
    let (user, device) = (&caller.visitor.user_id, query.device.as_deref());
    Ok(Json(caller.app.store.sessions(caller.tenant(), user, device, before.as_ref(), limit).await?))
}

pub(super) async fn audit(caller: Caller, Query(query): Query<AuditQuery>) -> Result<Json<Page<AuditRecord>>, Failure> {
    caller.anywhere(Permission::UserAdmin, "audit.list").await?;
    let before = query.cursor.map(|cursor| cursor.parse().map_err(|_| bad_cursor())).transpose()?;
    let limit = page_limit(query.limit)?;
    Ok(Json(caller.app.store.audit(caller.tenant(), before, limit).await?))
}

pub(super) async fn tunnel(caller: Caller, mut request: Request) -> Result<Response, Failure> {
    let upgrade = Upgrade::from_request(&mut request)?;
    let (response, connection) = upgrade.answer();
    caller.app.clone().tasks.spawn(relay::serve_operator(caller, connection));
    Ok(response)
}
