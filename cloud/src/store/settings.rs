//! What a tenant has decided for all of its sessions.

use sqlx::{Row, sqlite::SqliteRow};
use towline_cloud_api::{Settings, UpdateSettings};

use super::{Actor, Entry, Error, Store, Tenant, to_i64, to_u64};

fn read(row: &SqliteRow) -> Result<Settings, Error> {
    Ok(Settings {
        save_host_keys: row.try_get::<i64, _>("save_host_keys")? != 0,
        allow_telnet: row.try_get::<i64, _>("allow_telnet")? != 0,
        idle_limit_seconds: to_u64(row.try_get("idle_limit_seconds")?),
        total_limit_seconds: to_u64(row.try_get("total_limit_seconds")?),
    })
}

impl Store {
    pub(crate) async fn settings(&self, tenant: &Tenant) -> Result<Settings, Error> {
        let row = sqlx::query(
            "SELECT save_host_keys, allow_telnet, idle_limit_seconds, total_limit_seconds FROM tenant WHERE id = $1",
        )
        .bind(tenant.as_str())
        .fetch_one(&self.reader)
        .await?;
        read(&row)
    }

    /// Changes what `update` names; returns what holds now.
    pub(crate) async fn update_settings(
        &self,
        tenant: &Tenant,
        actor: &Actor,
        update: &UpdateSettings,
    ) -> Result<Settings, Error> {
        let mut change = self.begin().await?;
        let row = sqlx::query(
            "SELECT save_host_keys, allow_telnet, idle_limit_seconds, total_limit_seconds FROM tenant WHERE id = $1",
        )
        .bind(tenant.as_str())
        .fetch_one(&mut *change)
        .await?;
        let before = read(&row)?;
        let now = Settings {
            save_host_keys: update.save_host_keys.unwrap_or(before.save_host_keys),
            allow_telnet: update.allow_telnet.unwrap_or(before.allow_telnet),
            idle_limit_seconds: update.idle_limit_seconds.unwrap_or(before.idle_limit_seconds),
            total_limit_seconds: update.total_limit_seconds.unwrap_or(before.total_limit_seconds),
        };
        sqlx::query(
            "UPDATE tenant SET save_host_keys = $1, allow_telnet = $2, idle_limit_seconds = $3, total_limit_seconds = $4
             WHERE id = $5",
        )
        .bind(i64::from(now.save_host_keys))
        .bind(i64::from(now.allow_telnet))
        .bind(to_i64(now.idle_limit_seconds))
        .bind(to_i64(now.total_limit_seconds))
        .bind(tenant.as_str())
        .execute(&mut *change)
        .await?;
        let detail = format!("{}, was {}", described(&now), described(&before));
        self.append(&mut change, tenant, Entry::ok(actor, "settings.update", "tenant").detail(detail)).await?;
        change.commit().await?;
        Ok(now)
    }
}

fn described(settings: &Settings) -> String {
    let Settings { save_host_keys, allow_telnet, idle_limit_seconds, total_limit_seconds } = settings;
    format!(
        "save-host-keys {save_host_keys} allow-telnet {allow_telnet} idle {idle_limit_seconds} s total {total_limit_seconds} s"
    )
}
