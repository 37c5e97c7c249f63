//! Users.

use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};
use towline_cloud_api::{GroupRef, Page, Permission, User};

use super::{Actor, Entry, Error, Store, Tenant, cut_page, group::ALL_DEVICES, rights, unless_exists};
use crate::{
    moment::{now_millis, rfc3339},
    random,
};

/// The name of the first user.
pub(crate) const ADMIN: &str = "admin";

/// What a login is checked against.
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) password_hash: String,
    pub(crate) disabled: bool,
}

fn read(row: &SqliteRow) -> Result<User, Error> {
    Ok(User {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        disabled: row.try_get::<i64, _>("disabled")? != 0,
        totp: row.try_get::<Option<i64>, _>("confirmed")?.is_some_and(|confirmed| confirmed != 0),
        groups: Vec::new(),
        created_at: rfc3339(row.try_get("created_at")?),
        last_login_at: row.try_get::<Option<i64>, _>("last_login_at")?.map(rfc3339),
    })
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
        insert(&mut change, &tenant, &user, ADMIN, password_hash, now).await?;
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
                "INSERT INTO permission_grant (id, tenant_id, user_group_id, device_group_id, permission)
                 VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(random::id()?)
            .bind(tenant.as_str())
            .bind(&user_group)
            .bind(&device_group)
            .bind(permission.as_str())
            .execute(&mut *change)
            .await?;
        }
        let entry = Entry::ok(&Actor::cloud(), "cloud.first-start", object(&user));
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

    /// One page of the users, by name, behind the name `after`; only the one called `name`, if that is given.
    pub(crate) async fn users(
        &self,
        tenant: &Tenant,
        name: Option<&str>,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Page<User>, Error> {
        let rows = sqlx::query(
            "SELECT u.id, u.name, u.disabled, u.created_at, u.last_login_at, t.confirmed FROM user_account u
             LEFT JOIN user_totp t ON t.user_id = u.id AND t.tenant_id = u.tenant_id
             WHERE u.tenant_id = $1
               AND (CAST($2 AS TEXT) IS NULL OR u.name = $2)
               AND (CAST($3 AS TEXT) IS NULL OR u.name > $3)
             ORDER BY u.name LIMIT $4",
        )
        .bind(tenant.as_str())
        .bind(name)
        .bind(after)
        .bind(i64::from(limit) + 1)
        .fetch_all(&self.reader)
        .await?;
        let mut items = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let next = cut_page(&mut items, limit, |user| user.name.clone());
        self.add_groups(tenant, &mut items).await?;
        Ok(Page { items, next })
    }

    /// One user.
    pub(crate) async fn user(&self, tenant: &Tenant, user_id: &str) -> Result<Option<User>, Error> {
        let row = sqlx::query(
            "SELECT u.id, u.name, u.disabled, u.created_at, u.last_login_at, t.confirmed FROM user_account u
             LEFT JOIN user_totp t ON t.user_id = u.id AND t.tenant_id = u.tenant_id
             WHERE u.tenant_id = $1 AND u.id = $2",
        )
        .bind(tenant.as_str())
        .bind(user_id)
        .fetch_optional(&self.reader)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let mut user = read(&row)?;
        self.add_groups(tenant, std::slice::from_mut(&mut user)).await?;
        Ok(Some(user))
    }

    /// Fills in the groups of users that are sorted by name.
    async fn add_groups(&self, tenant: &Tenant, users: &mut [User]) -> Result<(), Error> {
        let (Some(first), Some(last)) = (users.first(), users.last()) else { return Ok(()) };
        let rows = sqlx::query(
            "SELECT um.user_id, g.id, g.name FROM user_group_member um
             JOIN user_account u ON u.id = um.user_id AND u.tenant_id = um.tenant_id
             JOIN user_group g ON g.id = um.user_group_id AND g.tenant_id = um.tenant_id
             WHERE um.tenant_id = $1 AND u.name BETWEEN $2 AND $3 ORDER BY g.name",
        )
        .bind(tenant.as_str())
        .bind(&first.name)
        .bind(&last.name)
        .fetch_all(&self.reader)
        .await?;
        for row in rows {
            let user_id: &str = row.try_get("user_id")?;
            if let Some(user) = users.iter_mut().find(|user| user.id == user_id) {
                user.groups.push(GroupRef { id: row.try_get("id")?, name: row.try_get("name")? });
            }
        }
        Ok(())
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
        let now = now_millis();
        let mut change = self.begin().await?;
        insert(&mut change, tenant, &id, name, password_hash, now).await?;
        let entry = Entry::ok(actor, "user.create", object(&id)).detail(format!("name {name}"));
        self.append(&mut change, tenant, entry).await?;
        change.commit().await?;
        let created_at = rfc3339(now);
        let name = name.into();
        Ok(User { id, name, disabled: false, totp: false, groups: Vec::new(), created_at, last_login_at: None })
    }

    /// Lets a user log in, or not: then the tokens end with it. Says whether there is such a user.
    pub(crate) async fn set_user_disabled(
        &self,
        tenant: &Tenant,
        actor: &Actor,
        user_id: &str,
        disabled: bool,
    ) -> Result<bool, Error> {
        let mut change = self.begin().await?;
        let done = sqlx::query("UPDATE user_account SET disabled = $1 WHERE tenant_id = $2 AND id = $3")
            .bind(i64::from(disabled))
            .bind(tenant.as_str())
            .bind(user_id)
            .execute(&mut *change)
            .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        if disabled {
            rights::keep_an_administrator(&mut change, tenant).await?;
            end_tokens(&mut change, tenant, user_id, None).await?;
        }
        let action = if disabled { "user.disable" } else { "user.enable" };
        self.append(&mut change, tenant, Entry::ok(actor, action, object(user_id))).await?;
        change.commit().await?;
        Ok(true)
    }

    /// Gives a user another password; all tokens but `kept` end. Says whether there is such a user.
    pub(crate) async fn set_password(
        &self,
        tenant: &Tenant,
        actor: &Actor,
        user_id: &str,
        password_hash: &str,
        kept: Option<&str>,
    ) -> Result<bool, Error> {
        let mut change = self.begin().await?;
        let done = sqlx::query("UPDATE user_account SET password_hash = $1 WHERE tenant_id = $2 AND id = $3")
            .bind(password_hash)
            .bind(tenant.as_str())
            .bind(user_id)
            .execute(&mut *change)
            .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        end_tokens(&mut change, tenant, user_id, kept).await?;
        let action = if kept.is_some() { "password.change" } else { "password.reset" };
        self.append(&mut change, tenant, Entry::ok(actor, action, object(user_id))).await?;
        change.commit().await?;
        Ok(true)
    }

    /// Removes a user with tokens, second factor and memberships; says whether there was one.
    pub(crate) async fn delete_user(&self, tenant: &Tenant, actor: &Actor, user_id: &str) -> Result<bool, Error> {
        let mut change = self.begin().await?;
        let row = sqlx::query("DELETE FROM user_account WHERE tenant_id = $1 AND id = $2 RETURNING name")
            .bind(tenant.as_str())
            .bind(user_id)
            .fetch_optional(&mut *change)
            .await?;
        let Some(row) = row else { return Ok(false) };
        rights::keep_an_administrator(&mut change, tenant).await?;
        let name: String = row.try_get("name")?;
        let entry = Entry::ok(actor, "user.delete", object(user_id)).detail(format!("name {name}"));
        self.append(&mut change, tenant, entry).await?;
        change.commit().await?;
        Ok(true)
    }
}

async fn insert(
    change: &mut SqliteConnection,
    tenant: &Tenant,
    id: &str,
    name: &str,
    password_hash: &str,
    now: i64,
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO user_account (id, tenant_id, name, password_hash, created_at) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(id)
    .bind(tenant.as_str())
    .bind(name)
    .bind(password_hash)
    .bind(now)
    .execute(change)
    .await
    .map_err(|error| unless_exists(error, "user", name))?;
    Ok(())
}

async fn end_tokens(
    change: &mut SqliteConnection,
    tenant: &Tenant,
    user_id: &str,
    kept: Option<&str>,
) -> Result<(), Error> {
    sqlx::query("DELETE FROM access_token WHERE tenant_id = $1 AND user_id = $2 AND hash <> $3")
        .bind(tenant.as_str())
        .bind(user_id)
        .bind(kept.unwrap_or_default())
        .execute(change)
        .await?;
    Ok(())
}

fn object(user_id: &str) -> String {
    format!("user/{user_id}")
}
