//! Sessions: connections that came about. None exists without the record of its start.

use sqlx::{Row, sqlite::SqliteRow};
use towline_cloud_api::{ErrorCode, OperationStatus, Page, Permission, Session, SessionEnd};

use super::{
    Actor, Entry, Error, Footing, Store, StoredEndpoint, Tenant, TimeCursor, cut_page, endpoint::protocol,
    operation::set_status, rights, to_i64, to_u64,
};
use crate::{
    moment::{now_millis, rfc3339},
    random,
};

const ENDS: [SessionEnd; 8] = [
    SessionEnd::Finished,
    SessionEnd::OperatorClosed,
    SessionEnd::TargetClosed,
    SessionEnd::DeviceLost,
    SessionEnd::OperatorLost,
    SessionEnd::Revoked,
    SessionEnd::CloudStopped,
    SessionEnd::LimitReached,
];

/// A connection that the device has made, about to be joined to the operator.
#[derive(Clone, Debug)]
pub(crate) struct NewSession<'a> {
    pub(crate) id: &'a str,
    pub(crate) operation_id: &'a str,
    pub(crate) footing: &'a Footing,
    /// What the endpoint was when the device was asked to connect it: it may have been changed since.
    pub(crate) endpoint: &'a StoredEndpoint,
    /// Whether the operator may only look.
    pub(crate) view_only: bool,
    pub(crate) user_name: &'a str,
    /// The address that the agent connected, as it says.
    pub(crate) peer_address: &'a str,
}

/// Whether a session may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Starting {
    /// The start is on record.
    Started,
    /// The endpoint, the device or the right was taken away while the device was connecting.
    Revoked,
}

/// How a session ended.
#[derive(Clone, Debug)]
pub(crate) struct SessionClose {
    pub(crate) end: SessionEnd,
    /// What was taken away or by whom it was ended; empty if nobody did.
    pub(crate) reason: String,
    pub(crate) bytes_to_target: u64,
    pub(crate) bytes_from_target: u64,
}

/// Which sessions a list is about.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SessionFilter<'a> {
    pub(crate) device_id: Option<&'a str>,
    /// Only those that last, or only those that ended.
    pub(crate) live: Option<bool>,
    pub(crate) before: Option<&'a TimeCursor>,
}

fn read(row: &SqliteRow) -> Result<(TimeCursor, Session), Error> {
    let id: String = row.try_get("id")?;
    let started_at: i64 = row.try_get("started_at")?;
    let end = row
        .try_get::<Option<&str>, _>("end_reason")?
        .map(|word| {
            ENDS.into_iter()
                .find(|end| end.as_str() == word)
                .ok_or(Error::Damaged { what: "the reason of a session's end" })
        })
        .transpose()?;
    let session = Session {
        id: id.clone(),
        operation_id: row.try_get("operation_id")?,
        device_id: row.try_get("device_id")?,
        endpoint_id: row.try_get("endpoint_id")?,
        endpoint_name: row.try_get("endpoint_name")?,
        protocol: row.try_get::<Option<&str>, _>("protocol")?.map(protocol).transpose()?,
        target: row.try_get("target")?,
        view_only: row.try_get::<i64, _>("view_only")? != 0,
        user: row.try_get("user_name")?,
        source: row.try_get("source")?,
        started_at: rfc3339(started_at),
        ended_at: row.try_get::<Option<i64>, _>("ended_at")?.map(rfc3339),
        end,
        end_detail: row.try_get("end_detail")?,
        bytes_to_target: to_u64(row.try_get("bytes_to_target")?),
        bytes_from_target: to_u64(row.try_get("bytes_from_target")?),
    };
    Ok((TimeCursor { at: started_at, id }, session))
}

impl Store {
    /// Records that a session starts, if what it rests on still holds; its operation has succeeded with that.
    pub(crate) async fn start_session(&self, actor: &Actor, new: &NewSession<'_>) -> Result<Starting, Error> {
        let footing = new.footing;
        let tenant = &footing.tenant;
        let mut change = self.begin().await?;
        let unchanged = sqlx::query("SELECT 1 FROM endpoint WHERE tenant_id = $1 AND id = $2 AND revision = $3")
            .bind(tenant.as_str())
            .bind(&footing.endpoint_id)
            .bind(new.endpoint.revision)
            .fetch_optional(&mut *change)
            .await?;
        if unchanged.is_none() || !rights::holds(&mut change, footing).await? {
            return Ok(Starting::Revoked);
        }
        set_status(&mut change, tenant, new.operation_id, OperationStatus::Successful, None).await?;
        sqlx::query(
            "INSERT INTO session
                 (id, tenant_id, operation_id, device_id, endpoint_id, user_id, user_name, source, started_at, view_only)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .bind(new.id)
        .bind(tenant.as_str())
        .bind(new.operation_id)
        .bind(&footing.device_id)
        .bind(&footing.endpoint_id)
        .bind(&footing.user_id)
        .bind(new.user_name)
        .bind(&actor.source)
        .bind(now_millis())
        .bind(i64::from(new.view_only))
        .execute(&mut *change)
        .await?;
        let entry = Entry::ok(actor, "session.start", format!("session/{}", new.id)).detail(format!(
            "operation/{} device/{}/endpoint/{} {} connected {}{}",
            new.operation_id,
            footing.device_id,
            footing.endpoint_id,
            new.endpoint.endpoint.protocol,
            new.peer_address,
            if new.view_only { ", view only" } else { "" }
        ));
        self.append(&mut change, tenant, entry).await?;
        change.commit().await?;
        Ok(Starting::Started)
    }

    /// Records that a session ended, and why.
    pub(crate) async fn end_session(
        &self,
        tenant: &Tenant,
        actor: &Actor,
        session_id: &str,
        close: &SessionClose,
    ) -> Result<(), Error> {
        let mut change = self.begin().await?;
        sqlx::query(
            "UPDATE session SET ended_at = $1, end_reason = $2, bytes_to_target = $3, bytes_from_target = $4, end_detail = $7
             WHERE tenant_id = $5 AND id = $6",
        )
        .bind(now_millis())
        .bind(close.end.as_str())
        .bind(to_i64(close.bytes_to_target))
        .bind(to_i64(close.bytes_from_target))
        .bind(tenant.as_str())
        .bind(session_id)
        .bind((!close.reason.is_empty()).then_some(close.reason.as_str()))
        .execute(&mut *change)
        .await?;
        let reason = if close.reason.is_empty() { String::new() } else { format!(" ({})", close.reason) };
        let entry = Entry::ok(actor, "session.end", format!("session/{session_id}")).detail(format!(
            "{}{reason}, {} bytes to the target, {} from it",
            close.end.as_str(),
            close.bytes_to_target,
            close.bytes_from_target
        ));
        self.append(&mut change, tenant, entry).await?;
        Ok(change.commit().await?)
    }

    /// The sessions of the devices whose sessions `user` may see, newest first.
    pub(crate) async fn sessions(
        &self,
        tenant: &Tenant,
        user_id: &str,
        filter: SessionFilter<'_>,
        limit: u32,
    ) -> Result<Page<Session>, Error> {
        let rows = sqlx::query(
            "SELECT s.id, s.operation_id, s.device_id, s.endpoint_id, o.endpoint_name, o.protocol, o.target, s.view_only,
                    s.user_name, s.source, s.started_at, s.ended_at, s.end_reason, s.end_detail, s.bytes_to_target,
                    s.bytes_from_target
             FROM session s JOIN operation o ON o.id = s.operation_id AND o.tenant_id = s.tenant_id
             WHERE s.tenant_id = $1
               AND EXISTS (SELECT 1 FROM device_group_member dm
                   JOIN effective_grant g ON g.device_group_id = dm.device_group_id AND g.tenant_id = $1
                   JOIN user_group_member um ON um.user_group_id = g.user_group_id AND um.tenant_id = $1
                   WHERE dm.tenant_id = $1 AND dm.device_id = s.device_id AND um.user_id = $2 AND g.permission = $3)
               AND (CAST($4 AS TEXT) IS NULL OR s.device_id = $4)
               AND (CAST($5 AS BIGINT) IS NULL OR s.started_at < $5 OR (s.started_at = $5 AND s.id < $6))
               AND (CAST($8 AS BIGINT) IS NULL OR (s.ended_at IS NULL AND $8 = 1) OR (s.ended_at IS NOT NULL AND $8 = 0))
             ORDER BY s.started_at DESC, s.id DESC LIMIT $7",
        )
        .bind(tenant.as_str())
        .bind(user_id)
        .bind(Permission::RemoteAccessRead.as_str())
        .bind(filter.device_id)
        .bind(filter.before.map(|cursor| cursor.at))
        .bind(filter.before.map(|cursor| cursor.id.as_str()))
        .bind(i64::from(limit) + 1)
        .bind(filter.live.map(i64::from))
        .fetch_all(&self.reader)
        .await?;
        let mut rows = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let next = cut_page(&mut rows, limit, |(cursor, _)| cursor.to_string());
        Ok(Page { items: rows.into_iter().map(|(_, session)| session).collect(), next })
    }

    /// One session with the id of its user, whoever may see it.
    pub(crate) async fn session(&self, tenant: &Tenant, session_id: &str) -> Result<Option<(Session, String)>, Error> {
        let row = sqlx::query(
            "SELECT s.id, s.operation_id, s.device_id, s.endpoint_id, o.endpoint_name, o.protocol, o.target, s.view_only,
                    s.user_id, s.user_name, s.source, s.started_at, s.ended_at, s.end_reason, s.end_detail,
                    s.bytes_to_target, s.bytes_from_target
             FROM session s JOIN operation o ON o.id = s.operation_id AND o.tenant_id = s.tenant_id
             WHERE s.tenant_id = $1 AND s.id = $2",
        )
        .bind(tenant.as_str())
        .bind(session_id)
        .fetch_optional(&self.reader)
        .await?;
        row.map(|row| Ok((read(&row)?.1, row.try_get("user_id")?))).transpose()
    }

    /// Ends on paper what a cloud that is no more left open: its sessions and its operations.
    pub(crate) async fn end_what_was_left_open(&self) -> Result<(), Error> {
        let actor = Actor::cloud();
        let now = now_millis();
        let mut change = self.begin().await?;
        let sessions = sqlx::query(
            "UPDATE session SET ended_at = $1, end_reason = $2 WHERE ended_at IS NULL RETURNING id, tenant_id",
        )
        .bind(now)
        .bind(SessionEnd::CloudStopped.as_str())
        .fetch_all(&mut *change)
        .await?;
        for row in sessions {
            let (id, tenant): (String, String) = (row.try_get("id")?, row.try_get("tenant_id")?);
            let entry = Entry::ok(&actor, "session.end", format!("session/{id}"))
                .detail(format!("{}, found open at start", SessionEnd::CloudStopped.as_str()));
            self.append(&mut change, &Tenant(tenant), entry).await?;
        }
        let operations = sqlx::query(
            "UPDATE operation SET status = $1, failure = $2, detail = $3, updated_at = $4
             WHERE status IN ('PENDING', 'EXECUTING') RETURNING id, tenant_id",
        )
        .bind(OperationStatus::Failed.as_str())
        .bind(ErrorCode::SessionLost.as_str())
        .bind("the cloud stopped while it was connecting")
        .bind(now)
        .fetch_all(&mut *change)
        .await?;
        for row in operations {
            let (id, tenant): (String, String) = (row.try_get("id")?, row.try_get("tenant_id")?);
            let entry = Entry::failed(&actor, "operation.end", format!("operation/{id}"), ErrorCode::SessionLost)
                .detail("found open at start");
            self.append(&mut change, &Tenant(tenant), entry).await?;
        }
        Ok(change.commit().await?)
    }
}

/// An id for a session that is about to start.
pub(crate) fn new_session_id() -> Result<String, Error> {
    Ok(random::id()?)
}
