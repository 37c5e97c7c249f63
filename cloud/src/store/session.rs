//! Sessions: connections that came about. None exists without the record of its start.

use sqlx::{Row, sqlite::SqliteRow};
use towline_cloud_api::{ErrorCode, OperationStatus, Page, Permission, Session, SessionEnd};

use super::{Actor, Entry, Error, Store, Tenant, TimeCursor, cut_page, operation::set_status, to_i64, to_u64};
use crate::{
    moment::{now_millis, rfc3339},
    random,
};

const ENDS: [SessionEnd; 7] = [
    SessionEnd::Finished,
    SessionEnd::OperatorClosed,
    SessionEnd::TargetClosed,
    SessionEnd::DeviceLost,
    SessionEnd::OperatorLost,
    SessionEnd::Revoked,
    SessionEnd::CloudStopped,
];

/// A connection that the device has made, about to be joined to the operator.
#[derive(Clone, Debug)]
pub(crate) struct NewSession<'a> {
    pub(crate) id: &'a str,
    pub(crate) operation_id: &'a str,
    pub(crate) device_id: &'a str,
    pub(crate) endpoint_id: &'a str,
    pub(crate) user_id: &'a str,
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
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionClose {
    pub(crate) end: SessionEnd,
    pub(crate) bytes_to_target: u64,
    pub(crate) bytes_from_target: u64,
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
        user: row.try_get("user_name")?,
        source: row.try_get("source")?,
        started_at: rfc3339(started_at),
        ended_at: row.try_get::<Option<i64>, _>("ended_at")?.map(rfc3339),
        end,
        bytes_to_target: to_u64(row.try_get("bytes_to_target")?),
        bytes_from_target: to_u64(row.try_get("bytes_from_target")?),
    };
    Ok((TimeCursor { at: started_at, id }, session))
}

impl Store {
    /// Records that a session starts, if what it rests on still holds; its operation has succeeded with that.
    pub(crate) async fn start_session(
        &self,
        tenant: &Tenant,
        actor: &Actor,
        new: &NewSession<'_>,
    ) -> Result<Starting, Error> {
        let mut change = self.begin().await?;
        let holds = sqlx::query(
            "SELECT 1 FROM endpoint e
             JOIN device_group_member dm ON dm.device_id = e.device_id AND dm.tenant_id = e.tenant_id
             JOIN permission_grant g ON g.device_group_id = dm.device_group_id AND g.tenant_id = e.tenant_id
             JOIN user_group_member um ON um.user_group_id = g.user_group_id AND um.tenant_id = e.tenant_id
             JOIN user_account u ON u.id = um.user_id AND u.tenant_id = e.tenant_id AND u.disabled = 0
             WHERE e.tenant_id = $1 AND e.device_id = $2 AND e.id = $3 AND um.user_id = $4 AND g.permission = $5
             LIMIT 1",
        )
        .bind(tenant.as_str())
        .bind(new.device_id)
        .bind(new.endpoint_id)
        .bind(new.user_id)
        .bind(Permission::RemoteAccessConnect.as_str())
        .fetch_optional(&mut *change)
        .await?;
        if holds.is_none() {
            return Ok(Starting::Revoked);
        }
        set_status(&mut change, tenant, new.operation_id, OperationStatus::Successful, None).await?;
        sqlx::query(
            "INSERT INTO session
                 (id, tenant_id, operation_id, device_id, endpoint_id, user_id, user_name, source, started_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(new.id)
        .bind(tenant.as_str())
        .bind(new.operation_id)
        .bind(new.device_id)
        .bind(new.endpoint_id)
        .bind(new.user_id)
        .bind(new.user_name)
        .bind(&actor.source)
        .bind(now_millis())
        .execute(&mut *change)
        .await?;
        let entry = Entry::ok(actor, "session.start", format!("session/{}", new.id)).detail(format!(
            "operation/{} device/{}/endpoint/{} connected {}",
            new.operation_id, new.device_id, new.endpoint_id, new.peer_address
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
            "UPDATE session SET ended_at = $1, end_reason = $2, bytes_to_target = $3, bytes_from_target = $4
             WHERE tenant_id = $5 AND id = $6",
        )
        .bind(now_millis())
        .bind(close.end.as_str())
        .bind(to_i64(close.bytes_to_target))
        .bind(to_i64(close.bytes_from_target))
        .bind(tenant.as_str())
        .bind(session_id)
        .execute(&mut *change)
        .await?;
        let entry = Entry::ok(actor, "session.end", format!("session/{session_id}")).detail(format!(
            "{}, {} bytes to the target, {} from it",
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
        device_id: Option<&str>,
        before: Option<&TimeCursor>,
        limit: u32,
    ) -> Result<Page<Session>, Error> {
        let rows = sqlx::query(
            "SELECT s.id, s.operation_id, s.device_id, s.endpoint_id, s.user_name, s.source, s.started_at,
                    s.ended_at, s.end_reason, s.bytes_to_target, s.bytes_from_target
             FROM session s
             WHERE s.tenant_id = $1
               AND EXISTS (SELECT 1 FROM device_group_member dm
                   JOIN permission_grant g ON g.device_group_id = dm.device_group_id AND g.tenant_id = $1
                   JOIN user_group_member um ON um.user_group_id = g.user_group_id AND um.tenant_id = $1
                   WHERE dm.tenant_id = $1 AND dm.device_id = s.device_id AND um.user_id = $2 AND g.permission = $3)
               AND (CAST($4 AS TEXT) IS NULL OR s.device_id = $4)
               AND (CAST($5 AS BIGINT) IS NULL OR s.started_at < $5 OR (s.started_at = $5 AND s.id < $6))
             ORDER BY s.started_at DESC, s.id DESC LIMIT $7",
        )
        .bind(tenant.as_str())
        .bind(user_id)
        .bind(Permission::RemoteAccessRead.as_str())
        .bind(device_id)
        .bind(before.map(|cursor| cursor.at))
        .bind(before.map(|cursor| cursor.id.as_str()))
        .bind(i64::from(limit) + 1)
        .fetch_all(&self.reader)
        .await?;
        let mut rows = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let next = cut_page(&mut rows, limit, |(cursor, _)| cursor.to_string());
        Ok(Page { items: rows.into_iter().map(|(_, session)| session).collect(), next })
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
