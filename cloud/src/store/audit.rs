//! The audit: append-only, one hash chain per tenant, written in the transaction of the change it records.

use aws_lc_rs::{digest, hmac};
use serde::{Deserialize, Serialize};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};
use towline_cloud_api::{AuditRecord, ErrorCode, Page};

use super::{Error, Store, Tenant, cut_page, to_i64, to_u64};
use crate::{
    moment::{now_millis, rfc3339},
    random::hex,
};

const RECORD_VERSION: u8 = 1;
const MAX_NAME_CHARS: usize = 128;
const MAX_DETAIL_CHARS: usize = 512;
const VERIFY_ROWS: i64 = 500;
/// What stands before the first record: the hash of nothing that exists.
const GENESIS: [u8; 32] = [0; 32];

/// Who does something, and from where.
#[derive(Clone, Debug)]
pub(crate) struct Actor {
    pub(crate) name: String,
    pub(crate) source: String,
}

impl Actor {
    /// The cloud itself.
    pub(crate) fn cloud() -> Self {
        Self { name: "cloud".into(), source: "cloud".into() }
    }
}

/// What is to be recorded.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    actor: Actor,
    action: &'static str,
    object: String,
    outcome: &'static str,
    detail: String,
}

impl Entry {
    /// `actor` did `action` to `object` (its kind and id), and it worked.
    pub(crate) fn ok(actor: &Actor, action: &'static str, object: impl Into<String>) -> Self {
        Self { actor: actor.clone(), action, object: object.into(), outcome: "ok", detail: String::new() }
    }

    /// `actor` tried to, and it failed.
    pub(crate) fn failed(actor: &Actor, action: &'static str, object: impl Into<String>, code: ErrorCode) -> Self {
        Self { outcome: code.as_str(), ..Self::ok(actor, action, object) }
    }

    /// Says more. Never a secret.
    pub(crate) fn detail(self, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..self }
    }
}

/// The canonical bytes of a record are this, as JSON, in this order of fields.
#[derive(Serialize, Deserialize)]
struct Record {
    version: u8,
    tenant: String,
    sequence: u64,
    at: i64,
    actor: String,
    source: String,
    action: String,
    object: String,
    outcome: String,
    detail: String,
}

/// What [`Cloud::verify_audit`](crate::Cloud::verify_audit) found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuditVerdict {
    /// Every chain is whole.
    Whole {
        /// How many records there are.
        records: u64,
    },
    /// A chain is broken.
    Broken {
        /// Whose chain.
        tenant: String,
        /// The first position that is not as it was written.
        sequence: u64,
        /// What is wrong there.
        reason: &'static str,
    },
}

fn read(row: &SqliteRow) -> Result<AuditRecord, Error> {
    let record: Record = serde_json::from_str(row.try_get("record")?)?;
    Ok(AuditRecord {
        sequence: record.sequence,
        at: rfc3339(record.at),
        actor: record.actor,
        source: record.source,
        action: record.action,
        object: record.object,
        outcome: record.outcome,
        detail: record.detail,
        hash: row.try_get("hash")?,
    })
}

impl Store {
    /// Records something that changed nothing else: a failed attempt, most of all.
    pub(crate) async fn record(&self, tenant: &Tenant, entry: Entry) -> Result<(), Error> {
        let mut change = self.begin().await?;
        self.append(&mut change, tenant, entry).await?;
        Ok(change.commit().await?)
    }

    /// Adds a record to the tenant's chain, as part of the change it is about.
    pub(super) async fn append(
        &self,
        change: &mut SqliteConnection,
        tenant: &Tenant,
        entry: Entry,
    ) -> Result<(), Error> {
        let head = sqlx::query("SELECT sequence, hash FROM audit_head WHERE tenant_id = $1")
            .bind(tenant.as_str())
            .fetch_optional(&mut *change)
            .await?;
        let (last, previous) = match head {
            Some(row) => (row.try_get::<i64, _>("sequence")?, row.try_get::<String, _>("hash")?),
            None => (0, hex(&GENESIS)),
        };
        let sequence = last + 1;
        let record = Record {
            version: RECORD_VERSION,
            tenant: tenant.as_str().into(),
            sequence: to_u64(sequence),
            at: now_millis(),
            actor: clean(&entry.actor.name, MAX_NAME_CHARS),
            source: clean(&entry.actor.source, MAX_NAME_CHARS),
            action: entry.action.into(),
            object: clean(&entry.object, MAX_NAME_CHARS),
            outcome: entry.outcome.into(),
            detail: clean(&entry.detail, MAX_DETAIL_CHARS),
        };
        let text = serde_json::to_string(&record)?;
        let hash = link(&previous, &text);
        sqlx::query("INSERT INTO audit (tenant_id, sequence, record, hash) VALUES ($1, $2, $3, $4)")
            .bind(tenant.as_str())
            .bind(sequence)
            .bind(&text)
            .bind(&hash)
            .execute(&mut *change)
            .await?;
        sqlx::query(
            "INSERT INTO audit_head (tenant_id, sequence, hash, seal) VALUES ($1, $2, $3, $4)
             ON CONFLICT (tenant_id) DO UPDATE SET
                 sequence = excluded.sequence, hash = excluded.hash, seal = excluded.seal",
        )
        .bind(tenant.as_str())
        .bind(sequence)
        .bind(&hash)
        .bind(self.seal(tenant, sequence, &hash))
        .execute(&mut *change)
        .await?;
        Ok(())
    }

    /// One page of the tenant's audit, newest first, below the position `before`.
    pub(crate) async fn audit(
        &self,
        tenant: &Tenant,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Page<AuditRecord>, Error> {
        let rows = sqlx::query(
            "SELECT record, hash FROM audit WHERE tenant_id = $1 AND sequence < $2 ORDER BY sequence DESC LIMIT $3",
        )
        .bind(tenant.as_str())
        .bind(before.map_or(i64::MAX, to_i64))
        .bind(i64::from(limit) + 1)
        .fetch_all(&self.reader)
        .await?;
        let mut items = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let next = cut_page(&mut items, limit, |record| record.sequence.to_string());
        Ok(Page { items, next })
    }

    /// The tenant's records behind the position `after` up to `last`, oldest first, a batch of them.
    pub(crate) async fn audit_from(&self, tenant: &Tenant, after: u64, last: u64) -> Result<Vec<AuditRecord>, Error> {
        let rows = sqlx::query(
            "SELECT record, hash FROM audit WHERE tenant_id = $1 AND sequence > $2 AND sequence <= $3
             ORDER BY sequence LIMIT $4",
        )
        .bind(tenant.as_str())
        .bind(to_i64(after))
        .bind(to_i64(last))
        .bind(VERIFY_ROWS)
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(read).collect()
    }

    /// Walks every chain from its first record to its sealed end.
    pub(crate) async fn verify_audit(&self) -> Result<AuditVerdict, Error> {
        let tenants = sqlx::query("SELECT id FROM tenant ORDER BY id").fetch_all(&self.reader).await?;
        let mut records = 0;
        for row in tenants {
            let tenant = Tenant(row.try_get("id")?);
            match self.verify_chain(&tenant).await? {
                Ok(count) => records += count,
                Err((sequence, reason)) => return Ok(AuditVerdict::Broken { tenant: tenant.0, sequence, reason }),
            }
        }
        Ok(AuditVerdict::Whole { records })
    }

    /// Walks one tenant's chain: how many records it has, or the first position that does not fit, and why.
    pub(crate) async fn verify_chain(&self, tenant: &Tenant) -> Result<Result<u64, (u64, &'static str)>, Error> {
        // One transaction is one snapshot: a running cloud goes on writing meanwhile.
        let mut snapshot = self.reader.begin().await?;
        let head = sqlx::query("SELECT sequence, hash, seal FROM audit_head WHERE tenant_id = $1")
            .bind(tenant.as_str())
            .fetch_optional(&mut *snapshot)
            .await?;
        let Some(head) = head else { return Ok(Err((1, "the end of the chain is not recorded"))) };
        let last: i64 = head.try_get("sequence")?;
        let last_hash: String = head.try_get("hash")?;
        let seal: String = head.try_get("seal")?;

        let mut previous = hex(&GENESIS);
        let mut expected = 1;
        loop {
            let rows = sqlx::query(
                "SELECT sequence, record, hash FROM audit WHERE tenant_id = $1 AND sequence >= $2
                 ORDER BY sequence LIMIT $3",
            )
            .bind(tenant.as_str())
            .bind(expected)
            .bind(VERIFY_ROWS)
            .fetch_all(&mut *snapshot)
            .await?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                let (text, hash): (String, String) = (row.try_get("record")?, row.try_get("hash")?);
                if row.try_get::<i64, _>("sequence")? != expected {
                    return Ok(Err((to_u64(expected), "the record is missing")));
                }
                let stands_here = serde_json::from_str::<Record>(&text)
                    .is_ok_and(|record| record.sequence == to_u64(expected) && record.tenant == tenant.as_str());
                if !stands_here || link(&previous, &text) != hash {
                    return Ok(Err((to_u64(expected), "the record is not what was written")));
                }
                previous = hash;
                expected += 1;
            }
        }
        if expected != last + 1 || previous != last_hash {
            return Ok(Err((to_u64(expected), "records are missing at the end")));
        }
        if seal != self.seal(tenant, last, &last_hash) {
            return Ok(Err((to_u64(last), "the seal at the end of the chain was made with another key")));
        }
        Ok(Ok(to_u64(last)))
    }

    fn seal(&self, tenant: &Tenant, sequence: i64, hash: &str) -> String {
        let text = format!("towline audit head v1\n{}\n{sequence}\n{hash}", tenant.as_str());
        hex(hmac::sign(&self.seal, text.as_bytes()).as_ref())
    }
}

/// SHA-256 over the previous hash and this record's text.
fn link(previous: &str, text: &str) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(previous.as_bytes());
    context.update(text.as_bytes());
    hex(context.finish().as_ref())
}

/// What a stranger wrote, without control characters (those that turn text around too) and of bounded length.
pub(crate) fn clean(text: &str, max_chars: usize) -> String {
    text.chars().filter(|&character| !is_control(character)).take(max_chars).collect()
}

/// Whether a character moves the cursor, hides or turns text: not for names, logs and records.
pub(crate) fn is_control(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_stranger_is_one_line_and_bounded() {
        assert_eq!(clean("a\r\nb\u{1b}[31mc\u{202e}d", 100), "ab[31mcd");
        assert_eq!(clean("äöü", 2), "äö");
    }
}
