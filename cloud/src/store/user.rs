//! Users, groups, grants and the tokens that people log in with.

use sqlx::Row;
use towline_cloud_api::{Permission, User};

use super::{Actor, Entry, Error, Store, Tenant, unless_exists};
use crate::{moment::now_millis, random};

/// The name of the first user.
pub(crate) const ADMIN: &str = "admin";
/// The device group that every device is in.
const ALL_DEVICES: &str = "all";

/// Somebody with a valid bearer token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Visitor {
    pub(crate) tenant: Tenant,
    pub(crate) user_id: String,
    pub(crate) user_name: String,
}

/// What a password is checked against.
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) password_hash: String,
    pub(crate) disabled: bool,
}

impl Store {
    /// Whether a tenant exists: if not, this is the first start.
    pub(crate) async fn is_empty(&self) -> Result<bool, Error> {
        Ok(sqlx::query("SELECT 1 FROM tenant LIMIT 1").fetch_optional(&self.reader).await?.is_none())
    }

    /// Makes the first tenant with the user `admin`, who may do everything on every device.
    pub(crate) async fn first_start(&self, password_hash: &str) -> Result<(), Error> {
        let tenant = Tenant::first();
        let now = now_millis();
        let (user, user_group, device_group) = (random::id()?, random::id()?, random::id()?);
        let mut change = self.begin().await?;
        sqlx::query("INSERT INTO tenant (id, name, created_at) VALUES ($1, 'default', $2)")
            .bind(tenant.as_str())
            .bind(now)
            .execute(&mut *change)
            .await?;
        sqlx::query(
            "INSERT INTO user_account (id, tenant_id, name, password_hash, created_at) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(&user)
        .bind(tenant.as_str())
        .bind(ADMIN)
        .bind(password_hash)
        .bind(now)
        .execute(&mut *change)
        .await?;
        sqlx::query("INSERT INTO user_group (id, tenant_id, name, created_at) VALUES ($1, $2, 'administrators', $3)")
            .bind(&user_group)
            .bind(tenant.as_str())
            .bind(now)
            .execute(&mut *change)
            .await?;
        sqlx::query("INSERT INTO user_group_member (tenant_id, user_group_id, user_id) VALUES ($1, $2, $3)")
            .bind(tenant.as_str())
            .bind(&user_group)
            .bind(&user)
            .execute(&mut *change)
            .await?;
        sqlx::query("INSERT INTO device_group (id, tenant_id, name, created_at) VALUES ($1, $2, $3, $4)")
            .bind(&device_group)
            .bind(tenant.as_str())
            .bind(ALL_DEVICES)
            .bind(now)
            .execute(&mut *change)
            .await?;
        for permission in Permission::ALL {
            sqlx::query(
                "INSERT INTO permission_grant (tenant_id, user_group_id, device_group_id, permission)
                 VALUES ($1, $2, $3, $4)",
            )
            .bind(tenant.as_str())
            .bind(&user_group)
            .bind(&device_group)
            .bind(permission.as_str())
            .execute(&mut *change)
            .await?;
        }
        let entry = Entry::ok(&Actor::cloud(), "cloud.first-start", format!("user/{user}"));
        self.append(&mut change, &tenant, entry.detail("made the user admin, who may do everything")).await?;
        Ok(change.commit().await?)
    }

    /// The user of that name, with what the password is checked against.
    pub(crate) async fn account(&self, tenant: &Tenant, name: &str) -> Result<Option<Account>, Error> {
        let row =
            sqlx::query("SELECT id, password_hash, disabled FROM user_account WHERE tenant_id = $1 AND name = $2")
                .bind(tenant.as_str())
                .bind(name)
                .fetch_optional(&self.reader)
                .await?;
        row.map(|row| {
            Ok(Account {
                id: row.try_get("id")?,
                password_hash: row.try_get("password_hash")?,
                disabled: row.try_get::<i64, _>("disabled")? != 0,
            })
        })
        .transpose()
    }

    /// Makes a user who is in no group.
    pub(crate) async fn create_user(
        &self,
        tenant: &Tenant,
        actor: &Actor,
        name: &str,
        password_hash: &str,
    ) -> Result<User, Error> {
        let id = random::id()?;
        let mut change = self.begin().await?;
        sqlx::query(
            "INSERT INTO user_account (id, tenant_id, name, password_hash, created_at) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(&id)
        .bind(tenant.as_str())
        .bind(name)
        .bind(password_hash)
        .bind(now_millis())
        .execute(&mut *change)
        .await
        .map_err(|error| unless_exists(error, "user", name))?;
        let entry = Entry::ok(actor, "user.create", format!("user/{id}")).detail(format!("name {name}"));
        self.append(&mut change, tenant, entry).await?;
        change.commit().await?;
        Ok(User { id, name: name.into() })
    }

    /// What the user may do on at least one device group.
    pub(crate) async fn permissions(&self, tenant: &Tenant, user_id: &str) -> Result<Vec<Permission>, Error> {
        let rows = sqlx::query(
            "SELECT DISTINCT g.permission FROM permission_grant g
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

    /// Whether the user has a permission on the group of all devices: that is what decides about new devices.
    pub(crate) async fn has_everywhere(
        &self,
        tenant: &Tenant,
        user_id: &str,
        permission: Permission,
    ) -> Result<bool, Error> {
        let row = sqlx::query(
            "SELECT 1 FROM permission_grant g
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

    /// Writes a bearer token down, and with it the login that it was given for.
    pub(crate) async fn grant_token(
        &self,
        tenant: &Tenant,
        actor: &Actor,
        user_id: &str,
        token_hash: &str,
        expires_at: i64,
    ) -> Result<(), Error> {
        let now = now_millis();
        let mut change = self.begin().await?;
        sqlx::query("DELETE FROM access_token WHERE tenant_id = $1 AND expires_at <= $2")
            .bind(tenant.as_str())
            .bind(now)
            .execute(&mut *change)
            .await?;
        sqlx::query(
            "INSERT INTO access_token (hash, tenant_id, user_id, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(token_hash)
        .bind(tenant.as_str())
        .bind(user_id)
        .bind(now)
        .bind(expires_at)
        .execute(&mut *change)
        .await?;
        self.append(&mut change, tenant, Entry::ok(actor, "login", format!("user/{user_id}"))).await?;
        Ok(change.commit().await?)
    }

    /// Whose token this is, if it is good now. The tenant comes out, since it is the token that says it.
    pub(crate) async fn visitor(&self, token_hash: &str) -> Result<Option<Visitor>, Error> {
        let row = sqlx::query(
            "SELECT t.tenant_id, u.id, u.name FROM access_token t
             JOIN user_account u ON u.id = t.user_id AND u.tenant_id = t.tenant_id
             WHERE t.hash = $1 AND t.expires_at > $2 AND u.disabled = 0",
        )
        .bind(token_hash)
        .bind(now_millis())
        .fetch_optional(&self.reader)
        .await?;
        row.map(|row| {
            Ok(Visitor {
                tenant: Tenant(row.try_get("tenant_id")?),
                user_id: row.try_get("id")?,
                user_name: row.try_get("name")?,
            })
        })
        .transpose()
    }

    /// Ends a bearer token.
    pub(crate) async fn revoke_token(
        &self,
        tenant: &Tenant,
        actor: &Actor,
        user_id: &str,
        token_hash: &str,
    ) -> Result<(), Error> {
        let mut change = self.begin().await?;
        sqlx::query("DELETE FROM access_token WHERE tenant_id = $1 AND hash = $2")
            .bind(tenant.as_str())
            .bind(token_hash)
            .execute(&mut *change)
            .await?;
        self.append(&mut change, tenant, Entry::ok(actor, "logout", format!("user/{user_id}"))).await?;
        Ok(change.commit().await?)
    }
}
