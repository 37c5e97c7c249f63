//! Second factors: sealed secrets, and which codes were used.

use sqlx::Row;

use super::{Actor, Entry, Error, Store, Tenant};

/// A user's second factor as it is kept.
pub(crate) struct StoredTotp {
    /// Sealed; the store cannot open it.
    pub(crate) secret: String,
    pub(crate) confirmed: bool,
}

impl Store {
    /// The user's second factor, in force or still to be confirmed.
    pub(crate) async fn totp(&self, tenant: &Tenant, user_id: &str) -> Result<Option<StoredTotp>, Error> {
        let row = sqlx::query("SELECT secret, confirmed FROM user_totp WHERE tenant_id = $1 AND user_id = $2")
            .bind(tenant.as_str())
            .bind(user_id)
            .fetch_optional(&self.reader)
            .await?;
        row.map(|row| {
            Ok(StoredTotp { secret: row.try_get("secret")?, confirmed: row.try_get::<i64, _>("confirmed")? != 0 })
        })
        .transpose()
    }

    /// Keeps a secret that is still to be confirmed, in place of another such; not in place of one in force.
    pub(crate) async fn begin_totp(
        &self,
        tenant: &Tenant,
        actor: &Actor,
        user_id: &str,
        secret: &str,
    ) -> Result<(), Error> {
        let mut change = self.begin().await?;
        let done = sqlx::query(
            "INSERT INTO user_totp (user_id, tenant_id, secret) VALUES ($1, $2, $3)
             ON CONFLICT (user_id) DO UPDATE SET secret = excluded.secret, last_step = 0
             WHERE user_totp.confirmed = 0 AND user_totp.tenant_id = excluded.tenant_id",
        )
        .bind(user_id)
        .bind(tenant.as_str())
        .bind(secret)
        .execute(&mut *change)
        .await?;
        if done.rows_affected() == 0 {
            return Err(Error::Conflict("a second factor is in force: remove it first"));
        }
        self.append(&mut change, tenant, Entry::ok(actor, "totp.begin", format!("user/{user_id}"))).await?;
        Ok(change.commit().await?)
    }

    /// Uses up the code of a step of thirty seconds; says whether it was still good. A secret that was to be confirmed
    /// is in force with that.
    pub(crate) async fn use_totp_step(
        &self,
        tenant: &Tenant,
        actor: &Actor,
        user_id: &str,
        step: i64,
    ) -> Result<bool, Error> {
        let mut change = self.begin().await?;
        let row = sqlx::query("SELECT confirmed, last_step FROM user_totp WHERE tenant_id = $1 AND user_id = $2")
            .bind(tenant.as_str())
            .bind(user_id)
            .fetch_optional(&mut *change)
            .await?;
        let Some(row) = row else { return Ok(false) };
        if row.try_get::<i64, _>("last_step")? >= step {
            return Ok(false);
        }
        sqlx::query("UPDATE user_totp SET confirmed = 1, last_step = $1 WHERE tenant_id = $2 AND user_id = $3")
            .bind(step)
            .bind(tenant.as_str())
            .bind(user_id)
            .execute(&mut *change)
            .await?;
        if row.try_get::<i64, _>("confirmed")? == 0 {
            self.append(&mut change, tenant, Entry::ok(actor, "totp.confirm", format!("user/{user_id}"))).await?;
        }
        change.commit().await?;
        Ok(true)
    }

    /// Takes the second factor away; says whether there was one.
    pub(crate) async fn remove_totp(&self, tenant: &Tenant, actor: &Actor, user_id: &str) -> Result<bool, Error> {
        let mut change = self.begin().await?;
        let done = sqlx::query("DELETE FROM user_totp WHERE tenant_id = $1 AND user_id = $2")
            .bind(tenant.as_str())
            .bind(user_id)
            .execute(&mut *change)
            .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        self.append(&mut change, tenant, Entry::ok(actor, "totp.remove", format!("user/{user_id}"))).await?;
        change.commit().await?;
        Ok(true)
    }
}
