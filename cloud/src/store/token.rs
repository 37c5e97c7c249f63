//! The bearer tokens that people are logged in with.

use sqlx::{Row, sqlite::SqliteRow};
use towline_cloud_api::{AccessToken, Page};

use super::{Actor, Entry, Error, Store, Tenant, TimeCursor, cut_page};
use crate::{
    moment::{now_millis, rfc3339},
    random,
};

/// Somebody with a valid bearer token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Visitor {
    pub(crate) tenant: Tenant,
    pub(crate) user_id: String,
    pub(crate) user_name: String,
    /// When the token ends by itself.
    pub(crate) expires_at: i64,
}

/// A token in the list of tokens: whose, and under which hash.
pub(crate) struct StoredToken {
    pub(crate) hash: String,
    pub(crate) user_id: String,
}

fn read(row: &SqliteRow, current: &str) -> Result<(TimeCursor, AccessToken), Error> {
    let id: String = row.try_get("id")?;
    let created_at: i64 = row.try_get("created_at")?;
    let token = AccessToken {
        id: id.clone(),
        user: row.try_get("name")?,
        current: row.try_get::<&str, _>("hash")? == current,
        source: row.try_get("source")?,
        created_at: rfc3339(created_at),
        expires_at: rfc3339(row.try_get("expires_at")?),
    };
    Ok((TimeCursor { at: created_at, id }, token))
}

impl Store {
    /// Writes a bearer token down, and with it the login that it was given for. Says no if the user was disabled
    /// meanwhile, or the password is no longer the one with this hash.
    pub(crate) async fn grant_token(
        &self,
        tenant: &Tenant,
        actor: &Actor,
        user_id: &str,
        password_hash: &str,
        token_hash: &str,
        expires_at: i64,
    ) -> Result<bool, Error> {
        let now = now_millis();
        let mut change = self.begin().await?;
        let done = sqlx::query(
            "UPDATE user_account SET last_login_at = $1
             WHERE tenant_id = $2 AND id = $3 AND disabled = 0 AND password_hash = $4",
        )
        .bind(now)
        .bind(tenant.as_str())
        .bind(user_id)
        .bind(password_hash)
        .execute(&mut *change)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query("DELETE FROM access_token WHERE tenant_id = $1 AND expires_at <= $2")
            .bind(tenant.as_str())
            .bind(now)
            .execute(&mut *change)
            .await?;
        sqlx::query(
            "INSERT INTO access_token (hash, id, tenant_id, user_id, source, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(token_hash)
        .bind(random::id()?)
        .bind(tenant.as_str())
        .bind(user_id)
        .bind(&actor.source)
        .bind(now)
        .bind(expires_at)
        .execute(&mut *change)
        .await?;
        self.append(&mut change, tenant, Entry::ok(actor, "login", format!("user/{user_id}"))).await?;
        change.commit().await?;
        Ok(true)
    }

    /// Whose token this is, if it is good now. The tenant comes out, since it is the token that says it.
    pub(crate) async fn visitor(&self, token_hash: &str) -> Result<Option<Visitor>, Error> {
        let row = sqlx::query(
            "SELECT t.tenant_id, t.expires_at, u.id, u.name FROM access_token t
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
                expires_at: row.try_get("expires_at")?,
            })
        })
        .transpose()
    }

    /// A user's tokens that are in force, newest first; `current` is the hash of the one who asks.
    pub(crate) async fn tokens(
        &self,
        tenant: &Tenant,
        user_id: &str,
        current: &str,
        before: Option<&TimeCursor>,
        limit: u32,
    ) -> Result<Page<AccessToken>, Error> {
        let rows = sqlx::query(
            "SELECT t.hash, t.id, t.source, t.created_at, t.expires_at, u.name FROM access_token t
             JOIN user_account u ON u.id = t.user_id AND u.tenant_id = t.tenant_id
             WHERE t.tenant_id = $1 AND t.user_id = $2 AND t.expires_at > $3
               AND (CAST($4 AS BIGINT) IS NULL OR t.created_at < $4 OR (t.created_at = $4 AND t.id < $5))
             ORDER BY t.created_at DESC, t.id DESC LIMIT $6",
        )
        .bind(tenant.as_str())
        .bind(user_id)
        .bind(now_millis())
        .bind(before.map(|cursor| cursor.at))
        .bind(before.map(|cursor| cursor.id.as_str()))
        .bind(i64::from(limit) + 1)
        .fetch_all(&self.reader)
        .await?;
        let mut rows = rows.iter().map(|row| read(row, current)).collect::<Result<Vec<_>, _>>()?;
        let next = cut_page(&mut rows, limit, |(cursor, _)| cursor.to_string());
        Ok(Page { items: rows.into_iter().map(|(_, token)| token).collect(), next })
    }

    /// Whose token this is, by its id.
    pub(crate) async fn token(&self, tenant: &Tenant, token_id: &str) -> Result<Option<StoredToken>, Error> {
        let row = sqlx::query("SELECT hash, user_id FROM access_token WHERE tenant_id = $1 AND id = $2")
            .bind(tenant.as_str())
            .bind(token_id)
            .fetch_optional(&self.reader)
            .await?;
        row.map(|row| Ok(StoredToken { hash: row.try_get("hash")?, user_id: row.try_get("user_id")? })).transpose()
    }

    /// Ends a bearer token, by `action`: logging out, or being revoked.
    pub(crate) async fn revoke_token(
        &self,
        tenant: &Tenant,
        actor: &Actor,
        action: &'static str,
        user_id: &str,
        token_hash: &str,
    ) -> Result<(), Error> {
        let mut change = self.begin().await?;
        sqlx::query("DELETE FROM access_token WHERE tenant_id = $1 AND hash = $2")
            .bind(tenant.as_str())
            .bind(token_hash)
            .execute(&mut *change)
            .await?;
        self.append(&mut change, tenant, Entry::ok(actor, action, format!("user/{user_id}"))).await?;
        Ok(change.commit().await?)
    }
}
