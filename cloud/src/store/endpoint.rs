//! Endpoints: what a device can reach.

use sqlx::{Row, sqlite::SqliteRow};
use towline_cloud_api::{CreateEndpoint, Endpoint, Page, Protocol, UpdateEndpoint};

use super::{Actor, Entry, Error, Store, Tenant, cut_page, unless_exists};
use crate::{
    moment::{now_millis, rfc3339},
    random,
};

fn read(row: &SqliteRow) -> Result<Endpoint, Error> {
    if row.try_get::<&str, _>("protocol")? != Protocol::Passthrough.as_str() {
        return Err(Error::Damaged { what: "an endpoint's protocol" });
    }
    Ok(Endpoint {
        id: row.try_get("id")?,
        device_id: row.try_get("device_id")?,
        name: row.try_get("name")?,
        protocol: Protocol::Passthrough,
        host: row.try_get("host")?,
        port: u16::try_from(row.try_get::<i64, _>("port")?)
            .map_err(|_| Error::Damaged { what: "an endpoint's port" })?,
        created_at: rfc3339(row.try_get("created_at")?),
    })
}

impl Store {
    /// One page of a device's endpoints, by name, behind the name `after`.
    pub(crate) async fn endpoints(
        &self,
        tenant: &Tenant,
        device_id: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Page<Endpoint>, Error> {
        let rows = sqlx::query(
            "SELECT id, device_id, name, protocol, host, port, created_at FROM endpoint
             WHERE tenant_id = $1 AND device_id = $2 AND (CAST($3 AS TEXT) IS NULL OR name > $3)
             ORDER BY name LIMIT $4",
        )
        .bind(tenant.as_str())
        .bind(device_id)
        .bind(after)
        .bind(i64::from(limit) + 1)
        .fetch_all(&self.reader)
        .await?;
        let mut items = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let next = cut_page(&mut items, limit, |endpoint| endpoint.name.clone());
        Ok(Page { items, next })
    }

    /// One endpoint of a device.
    pub(crate) async fn endpoint(
        &self,
        tenant: &Tenant,
        device_id: &str,
        endpoint_id: &str,
    ) -> Result<Option<Endpoint>, Error> {
        let row = sqlx::query(
            "SELECT id, device_id, name, protocol, host, port, created_at FROM endpoint
             WHERE tenant_id = $1 AND device_id = $2 AND id = $3",
        )
        .bind(tenant.as_str())
        .bind(device_id)
        .bind(endpoint_id)
        .fetch_optional(&self.reader)
        .await?;
        row.as_ref().map(read).transpose()
    }

    /// Makes an endpoint. `None` if the device is gone by now.
    pub(crate) async fn create_endpoint(
        &self,
        tenant: &Tenant,
        actor: &Actor,
        device_id: &str,
        new: &CreateEndpoint,
    ) -> Result<Option<Endpoint>, Error> {
        let id = random::id()?;
        let now = now_millis();
        let mut change = self.begin().await?;
        let device = sqlx::query("SELECT id FROM device WHERE tenant_id = $1 AND id = $2")
            .bind(tenant.as_str())
            .bind(device_id)
            .fetch_optional(&mut *change)
            .await?;
        if device.is_none() {
            return Ok(None);
        }
        sqlx::query(
            "INSERT INTO endpoint (id, tenant_id, device_id, name, protocol, host, port, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(&id)
        .bind(tenant.as_str())
        .bind(device_id)
        .bind(&new.name)
        .bind(new.protocol.as_str())
        .bind(&new.host)
        .bind(i64::from(new.port))
        .bind(now)
        .execute(&mut *change)
        .await
        .map_err(|error| unless_exists(error, "endpoint", &new.name))?;
        let entry = Entry::ok(actor, "endpoint.create", object(device_id, &id)).detail(format!(
            "{} {} {}:{}",
            new.name,
            new.protocol.as_str(),
            new.host,
            new.port
        ));
        self.append(&mut change, tenant, entry).await?;
        change.commit().await?;
        Ok(Some(Endpoint {
            id,
            device_id: device_id.into(),
            name: new.name.clone(),
            protocol: new.protocol,
            host: new.host.clone(),
            port: new.port,
            created_at: rfc3339(now),
        }))
    }

    /// Changes an endpoint; what it was and what it is, if there is such an endpoint.
    pub(crate) async fn update_endpoint(
        &self,
        tenant: &Tenant,
        actor: &Actor,
        device_id: &str,
        endpoint_id: &str,
        update: &UpdateEndpoint,
    ) -> Result<Option<(Endpoint, Endpoint)>, Error> {
        let mut change = self.begin().await?;
        let row = sqlx::query(
            "SELECT id, device_id, name, protocol, host, port, created_at FROM endpoint
             WHERE tenant_id = $1 AND device_id = $2 AND id = $3",
        )
        .bind(tenant.as_str())
        .bind(device_id)
        .bind(endpoint_id)
        .fetch_optional(&mut *change)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let before = read(&row)?;
        let now = Endpoint {
            name: update.name.clone().unwrap_or_else(|| before.name.clone()),
            host: update.host.clone().unwrap_or_else(|| before.host.clone()),
            port: update.port.unwrap_or(before.port),
            ..before.clone()
        };
        sqlx::query(
            "UPDATE endpoint SET name = $1, host = $2, port = $3 WHERE tenant_id = $4 AND device_id = $5 AND id = $6",
        )
        .bind(&now.name)
        .bind(&now.host)
        .bind(i64::from(now.port))
        .bind(tenant.as_str())
        .bind(device_id)
        .bind(endpoint_id)
        .execute(&mut *change)
        .await
        .map_err(|error| unless_exists(error, "endpoint", &now.name))?;
        let entry = Entry::ok(actor, "endpoint.update", object(device_id, endpoint_id)).detail(format!(
            "{} {}:{}, was {} {}:{}",
            now.name, now.host, now.port, before.name, before.host, before.port
        ));
        self.append(&mut change, tenant, entry).await?;
        change.commit().await?;
        Ok(Some((before, now)))
    }

    /// Removes an endpoint; says whether there was one.
    pub(crate) async fn delete_endpoint(
        &self,
        tenant: &Tenant,
        actor: &Actor,
        device_id: &str,
        endpoint_id: &str,
    ) -> Result<bool, Error> {
        let mut change = self.begin().await?;
        let row =
            sqlx::query("DELETE FROM endpoint WHERE tenant_id = $1 AND device_id = $2 AND id = $3 RETURNING name")
                .bind(tenant.as_str())
                .bind(device_id)
                .bind(endpoint_id)
                .fetch_optional(&mut *change)
                .await?;
        let Some(row) = row else { return Ok(false) };
        let name: String = row.try_get("name")?;
        let entry = Entry::ok(actor, "endpoint.delete", object(device_id, endpoint_id)).detail(format!("name {name}"));
        self.append(&mut change, tenant, entry).await?;
        change.commit().await?;
        Ok(true)
    }
}

fn object(device_id: &str, endpoint_id: &str) -> String {
    format!("device/{device_id}/endpoint/{endpoint_id}")
}
