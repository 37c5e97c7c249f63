//! Operations: each attempt to connect an endpoint, PENDING → EXECUTING → SUCCESSFUL or FAILED.

use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};
use towline_cloud_api::{Endpoint, ErrorCode, Operation, OperationStatus, Page, Permission};

use super::{Actor, Entry, Error, Store, Tenant, TimeCursor, cut_page, endpoint::protocol, error_code};
use crate::{
    moment::{now_millis, rfc3339},
    random,
};

/// An attempt that is about to be made.
#[derive(Clone, Debug)]
pub(crate) struct NewOperation<'a> {
    pub(crate) device_id: &'a str,
    /// `None` if the endpoint that was asked for does not exist.
    pub(crate) endpoint: Option<&'a Endpoint>,
    pub(crate) user_id: &'a str,
    pub(crate) user_name: &'a str,
}

/// Which operations a list is about.
#[derive(Clone, Debug, Default)]
pub(crate) struct OperationFilter<'a> {
    pub(crate) device_id: Option<&'a str>,
    /// A user's name.
    pub(crate) user: Option<&'a str>,
    pub(crate) status: Option<OperationStatus>,
    /// Not before this, in milliseconds since 1970.
    pub(crate) since: Option<i64>,
    /// Before this, in milliseconds since 1970.
    pub(crate) until: Option<i64>,
    pub(crate) before: Option<TimeCursor>,
}

fn status(word: &str) -> Result<OperationStatus, Error> {
    [OperationStatus::Pending, OperationStatus::Executing, OperationStatus::Successful, OperationStatus::Failed]
        .into_iter()
        .find(|status| status.as_str() == word)
        .ok_or(Error::Damaged { what: "an operation's status" })
}

fn read(row: &SqliteRow) -> Result<(TimeCursor, Operation), Error> {
    let id: String = row.try_get("id")?;
    let created_at: i64 = row.try_get("created_at")?;
    let operation = Operation {
        id: id.clone(),
        device_id: row.try_get("device_id")?,
        endpoint_id: row.try_get("endpoint_id")?,
        endpoint_name: row.try_get("endpoint_name")?,
        protocol: row.try_get::<Option<&str>, _>("protocol")?.map(protocol).transpose()?,
        target: row.try_get("target")?,
        user: row.try_get("user_name")?,
        status: status(row.try_get("status")?)?,
        failure: row.try_get::<Option<&str>, _>("failure")?.and_then(error_code),
        detail: row.try_get("detail")?,
        created_at: rfc3339(created_at),
        executing_at: row.try_get::<Option<i64>, _>("executing_at")?.map(rfc3339),
        updated_at: rfc3339(row.try_get("updated_at")?),
        session_id: row.try_get("session_id")?,
    };
    Ok((TimeCursor { at: created_at, id }, operation))
}

impl Store {
    /// Writes an operation down as PENDING, before anything is done for it.
    pub(crate) async fn create_operation(
        &self,
        tenant: &Tenant,
        actor: &Actor,
        new: &NewOperation<'_>,
    ) -> Result<String, Error> {
        let id = random::id()?;
        let now = now_millis();
        let mut change = self.begin().await?;
        sqlx::query(
            "INSERT INTO operation
                 (id, tenant_id, device_id, endpoint_id, endpoint_name, protocol, target, user_id, user_name, status,
                  created_at, updated_at)
             VALUES ($1, $2, $3, $4, $9, $10, $11, $5, $6, $7, $8, $8)",
        )
        .bind(&id)
        .bind(tenant.as_str())
        .bind(new.device_id)
        .bind(new.endpoint.map(|endpoint| endpoint.id.as_str()))
        .bind(new.user_id)
        .bind(new.user_name)
        .bind(OperationStatus::Pending.as_str())
        .bind(now)
        .bind(new.endpoint.map(|endpoint| endpoint.name.as_str()))
        .bind(new.endpoint.map(|endpoint| endpoint.protocol.as_str()))
        .bind(new.endpoint.map(target))
        .execute(&mut *change)
        .await?;
        let wanted = new.endpoint.map_or_else(
            || "?".into(),
            |endpoint| format!("{} {} {} {}", endpoint.id, endpoint.name, endpoint.protocol, target(endpoint)),
        );
        let entry = Entry::ok(actor, "operation.create", format!("operation/{id}"))
            .detail(format!("connect device/{}/endpoint/{wanted}", new.device_id));
        self.append(&mut change, tenant, entry).await?;
        change.commit().await?;
        Ok(id)
    }

    /// The operation is with the device.
    pub(crate) async fn operation_executing(&self, tenant: &Tenant, operation_id: &str) -> Result<(), Error> {
        let mut change = self.begin().await?;
        set_status(&mut change, tenant, operation_id, OperationStatus::Executing, None).await?;
        Ok(change.commit().await?)
    }

    /// The operation came to nothing.
    pub(crate) async fn operation_failed(
        &self,
        tenant: &Tenant,
        actor: &Actor,
        operation_id: &str,
        code: ErrorCode,
        detail: &str,
    ) -> Result<(), Error> {
        let mut change = self.begin().await?;
        set_status(&mut change, tenant, operation_id, OperationStatus::Failed, Some((code, detail))).await?;
        let entry = Entry::failed(actor, "operation.end", format!("operation/{operation_id}"), code).detail(detail);
        self.append(&mut change, tenant, entry).await?;
        Ok(change.commit().await?)
    }

    /// One operation with the id of its user, whoever may see it.
    pub(crate) async fn operation(
        &self,
        tenant: &Tenant,
        operation_id: &str,
    ) -> Result<Option<(Operation, String)>, Error> {
        let row = sqlx::query(
            "SELECT o.id, o.device_id, o.endpoint_id, o.endpoint_name, o.protocol, o.target, o.user_id, o.user_name, o.status,
                    o.failure, o.detail, o.created_at, o.executing_at, o.updated_at, s.id AS session_id
             FROM operation o LEFT JOIN session s ON s.operation_id = o.id AND s.tenant_id = o.tenant_id
             WHERE o.tenant_id = $1 AND o.id = $2",
        )
        .bind(tenant.as_str())
        .bind(operation_id)
        .fetch_optional(&self.reader)
        .await?;
        row.map(|row| Ok((read(&row)?.1, row.try_get("user_id")?))).transpose()
    }

    /// The operations of the devices whose operations `user` may see, newest first.
    pub(crate) async fn operations(
        &self,
        tenant: &Tenant,
        user_id: &str,
        filter: &OperationFilter<'_>,
        limit: u32,
    ) -> Result<Page<Operation>, Error> {
        let rows = sqlx::query(
            "SELECT o.id, o.device_id, o.endpoint_id, o.endpoint_name, o.protocol, o.target, o.user_name, o.status,
                    o.failure, o.detail, o.created_at, o.executing_at, o.updated_at, s.id AS session_id
             FROM operation o LEFT JOIN session s ON s.operation_id = o.id AND s.tenant_id = o.tenant_id
             WHERE o.tenant_id = $1
               AND EXISTS (SELECT 1 FROM device_group_member dm
                   JOIN effective_grant g ON g.device_group_id = dm.device_group_id AND g.tenant_id = $1
                   JOIN user_group_member um ON um.user_group_id = g.user_group_id AND um.tenant_id = $1
                   WHERE dm.tenant_id = $1 AND dm.device_id = o.device_id AND um.user_id = $2 AND g.permission = $3)
               AND (CAST($4 AS TEXT) IS NULL OR o.device_id = $4)
               AND (CAST($5 AS BIGINT) IS NULL OR o.created_at < $5 OR (o.created_at = $5 AND o.id < $6))
               AND (CAST($8 AS TEXT) IS NULL OR o.user_name = $8)
               AND (CAST($9 AS TEXT) IS NULL OR o.status = $9)
               AND (CAST($10 AS BIGINT) IS NULL OR o.created_at >= $10)
               AND (CAST($11 AS BIGINT) IS NULL OR o.created_at < $11)
             ORDER BY o.created_at DESC, o.id DESC LIMIT $7",
        )
        .bind(tenant.as_str())
        .bind(user_id)
        .bind(Permission::RemoteAccessRead.as_str())
        .bind(filter.device_id)
        .bind(filter.before.as_ref().map(|cursor| cursor.at))
        .bind(filter.before.as_ref().map(|cursor| cursor.id.as_str()))
        .bind(i64::from(limit) + 1)
        .bind(filter.user)
        .bind(filter.status.map(OperationStatus::as_str))
        .bind(filter.since)
        .bind(filter.until)
        .fetch_all(&self.reader)
        .await?;
        let mut rows = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let next = cut_page(&mut rows, limit, |(cursor, _)| cursor.to_string());
        Ok(Page { items: rows.into_iter().map(|(_, operation)| operation).collect(), next })
    }
}

/// Moves an operation on, as part of a larger change.
pub(super) async fn set_status(
    change: &mut SqliteConnection,
    tenant: &Tenant,
    operation_id: &str,
    status: OperationStatus,
    failure: Option<(ErrorCode, &str)>,
) -> Result<(), Error> {
    let (code, detail) = failure.map(|(code, detail)| (code.as_str(), detail)).unzip();
    sqlx::query(
        "UPDATE operation SET status = $1, failure = $2, detail = $3, updated_at = $4,
                executing_at = CASE WHEN $1 = 'EXECUTING' THEN $4 ELSE executing_at END
         WHERE tenant_id = $5 AND id = $6",
    )
    .bind(status.as_str())
    .bind(code)
    .bind(detail)
    .bind(now_millis())
    .bind(tenant.as_str())
    .bind(operation_id)
    .execute(change)
    .await?;
    Ok(())
}

/// `host:port` of an endpoint.
pub(crate) fn target(endpoint: &Endpoint) -> String {
    let Endpoint { host, port, .. } = endpoint;
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
