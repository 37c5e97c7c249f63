//! Answers that are given again to a request that carries the same key.

use sqlx::Row;

use super::{Error, Store, Tenant};
use crate::moment::now_millis;

/// How long an answer is kept.
const KEPT_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// An answer that was given.
pub(crate) struct Given {
    /// MAC of the request that it was given to.
    pub(crate) fingerprint: String,
    pub(crate) status: u16,
    /// The body, sealed.
    pub(crate) answer: String,
}

impl Store {
    /// The answer that a user's request with this key was given within the last day.
    pub(crate) async fn given(&self, tenant: &Tenant, user_id: &str, key: &str) -> Result<Option<Given>, Error> {
        let row = sqlx::query(
            "SELECT fingerprint, status, answer FROM idempotency
             WHERE tenant_id = $1 AND user_id = $2 AND key_name = $3 AND created_at > $4",
        )
        .bind(tenant.as_str())
        .bind(user_id)
        .bind(key)
        .bind(now_millis() - KEPT_MILLIS)
        .fetch_optional(&self.reader)
        .await?;
        row.map(|row| {
            Ok(Given {
                fingerprint: row.try_get("fingerprint")?,
                status: u16::try_from(row.try_get::<i64, _>("status")?)
                    .map_err(|_| Error::Damaged { what: "an answer's status" })?,
                answer: row.try_get("answer")?,
            })
        })
        .transpose()
    }

    /// Keeps an answer for a day. Nothing for the audit: what the request changed is there.
    pub(crate) async fn keep_given(
        &self,
        tenant: &Tenant,
        user_id: &str,
        key: &str,
        given: &Given,
    ) -> Result<(), Error> {
        let now = now_millis();
        let mut change = self.begin().await?;
        sqlx::query("DELETE FROM idempotency WHERE tenant_id = $1 AND created_at <= $2")
            .bind(tenant.as_str())
            .bind(now - KEPT_MILLIS)
            .execute(&mut *change)
            .await?;
        sqlx::query(
            "INSERT INTO idempotency (tenant_id, user_id, key_name, fingerprint, status, answer, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(tenant.as_str())
        .bind(user_id)
        .bind(key)
        .bind(&given.fingerprint)
        .bind(i64::from(given.status))
        .bind(&given.answer)
        .bind(now)
        .execute(&mut *change)
        .await?;
        Ok(change.commit().await?)
    }
}
