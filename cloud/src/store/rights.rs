//! Who may do what: permissions through user groups, grants and device groups.

use sqlx::{Row, SqliteConnection};
use towline_cloud_api::Permission;

use super::{Error, Store, Tenant, group::ALL_DEVICES};

/// What a live session rests on.
#[derive(Clone, Debug)]
pub(crate) struct Footing {
    pub(crate) tenant: Tenant,
    pub(crate) user_id: String,
    pub(crate) token_hash: String,
    pub(crate) device_id: String,
    pub(crate) endpoint_id: String,
}

impl Store {
    /// What the user may do on at least one device group.
    pub(crate) async fn permissions(&self, tenant: &Tenant, user_id: &str) -> Result<Vec<Permission>, Error> {
        let rows = sqlx::query(
            "SELECT DISTINCT g.permission FROM effective_grant g
             JOIN user_group_member um ON um.user_group_id = g.user_group_id AND um.tenant_id = g.tenant_id
             WHERE g.tenant_id = $1 AND um.user_id = $2",
        )
        .bind(tenant.as_str())
        .bind(user_id)
        .fetch_all(&self.reader)
        .await?;
        let words = rows.iter().map(|row| row.try_get::<String, _>("permission")).collect::<Result<Vec<_>, _>>()?;
        let mut permissions: Vec<_> = words.iter().filter_map(|word| Permission::from_word(word)).collect();
        permissions.sort_unstable();
        Ok(permissions)
    }

    /// What the user may do on a device, which may be gone: its records can still be seen by who could see them.
    pub(crate) async fn permissions_on(
        &self,
        tenant: &Tenant,
        user_id: &str,
        device_id: &str,
    ) -> Result<Vec<Permission>, Error> {
        let rows = sqlx::query(
            "SELECT DISTINCT g.permission FROM device_group_member dm
             JOIN effective_grant g ON g.device_group_id = dm.device_group_id AND g.tenant_id = dm.tenant_id
             JOIN user_group_member um ON um.user_group_id = g.user_group_id AND um.tenant_id = dm.tenant_id
             WHERE dm.tenant_id = $1 AND um.user_id = $2 AND dm.device_id = $3 AND g.permission <> $4",
        )
        .bind(tenant.as_str())
        .bind(user_id)
        .bind(device_id)
        .bind(Permission::UserAdmin.as_str())
        .fetch_all(&self.reader)
        .await?;
        let words = rows.iter().map(|row| row.try_get::<String, _>("permission")).collect::<Result<Vec<_>, _>>()?;
        Ok(words.iter().filter_map(|word| Permission::from_word(word)).collect())
    }

    /// Whether the user has a permission on the group of all devices: that is what decides about new devices.
    pub(crate) async fn has_everywhere(
        &self,
        tenant: &Tenant,
        user_id: &str,
        permission: Permission,
    ) -> Result<bool, Error> {
        let row = sqlx::query(
            "SELECT 1 FROM effective_grant g
             JOIN user_group_member um ON um.user_group_id = g.user_group_id AND um.tenant_id = g.tenant_id
             JOIN device_group dg ON dg.id = g.device_group_id AND dg.tenant_id = g.tenant_id
             WHERE g.tenant_id = $1 AND um.user_id = $2 AND g.permission = $3 AND dg.name = $4 LIMIT 1",
        )
        .bind(tenant.as_str())
        .bind(user_id)
        .bind(permission.as_str())
        .bind(ALL_DEVICES)
        .fetch_optional(&self.reader)
        .await?;
        Ok(row.is_some())
    }

    /// Whether what a session rests on still holds: endpoint, device, user, token and the permission to connect.
    pub(crate) async fn holds(&self, footing: &Footing) -> Result<bool, Error> {
        holds(&mut *self.reader.acquire().await?, footing).await
    }
}

/// Whether what a session rests on holds, as part of a larger change.
pub(super) async fn holds(connection: &mut SqliteConnection, footing: &Footing) -> Result<bool, Error> {
    let row = sqlx::query(
        "SELECT 1 FROM endpoint e
         JOIN device d ON d.id = e.device_id AND d.tenant_id = e.tenant_id AND d.disabled = 0
         JOIN device_group_member dm ON dm.device_id = e.device_id AND dm.tenant_id = e.tenant_id
         JOIN effective_grant g ON g.device_group_id = dm.device_group_id AND g.tenant_id = e.tenant_id
         JOIN user_group_member um ON um.user_group_id = g.user_group_id AND um.tenant_id = e.tenant_id
         JOIN user_account u ON u.id = um.user_id AND u.tenant_id = e.tenant_id AND u.disabled = 0
         JOIN access_token t ON t.user_id = u.id AND t.tenant_id = e.tenant_id AND t.hash = $6
         WHERE e.tenant_id = $1 AND e.device_id = $2 AND e.id = $3 AND um.user_id = $4 AND g.permission = $5
         LIMIT 1",
    )
    .bind(footing.tenant.as_str())
    .bind(&footing.device_id)
    .bind(&footing.endpoint_id)
    .bind(&footing.user_id)
    .bind(Permission::RemoteAccessConnect.as_str())
    .bind(&footing.token_hash)
    .fetch_optional(connection)
    .await?;
    Ok(row.is_some())
}

/// Fails if a change leaves nobody who can log in and has user-admin: the way back in would be closed.
pub(super) async fn keep_an_administrator(change: &mut SqliteConnection, tenant: &Tenant) -> Result<(), Error> {
    let row = sqlx::query(
        "SELECT 1 FROM permission_grant g
         JOIN user_group_member um ON um.user_group_id = g.user_group_id AND um.tenant_id = g.tenant_id
         JOIN user_account u ON u.id = um.user_id AND u.tenant_id = g.tenant_id AND u.disabled = 0
         WHERE g.tenant_id = $1 AND g.permission = $2 LIMIT 1",
    )
    .bind(tenant.as_str())
    .bind(Permission::UserAdmin.as_str())
    .fetch_optional(change)
    .await?;
    row.map(drop).ok_or(Error::Conflict("nobody would be left who can log in and has user-admin"))
}
