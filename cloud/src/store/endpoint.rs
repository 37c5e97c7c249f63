//! Endpoints: what a device can reach, and the sealed secrets to sign in with.

use serde::{Deserialize, Serialize};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};
use towline_cloud_api::{Endpoint, HostKey, Page, Protocol, SignIn, TelnetOptions};
use towline_ssh_bridge::keys::PublicKey;

use super::{Actor, Entry, Error, Store, Tenant, cut_page, unless_exists};
use crate::{
    moment::{now_millis, rfc3339},
    vault::{Field, Sealed},
};

/// An endpoint as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredEndpoint {
    pub(crate) endpoint: Endpoint,
    /// Counts the changes of where it is and how to sign in.
    pub(crate) revision: i64,
}

/// A change of an endpoint.
pub(crate) struct EndpointChange<'a> {
    pub(crate) before: &'a StoredEndpoint,
    pub(crate) now: &'a Endpoint,
    /// Secrets that take the place of those with the same field.
    pub(crate) secrets: &'a [Sealed],
    /// Whether connections that rest on what it was are to end.
    pub(crate) is_another: bool,
}

pub(super) fn protocol(word: &str) -> Result<Protocol, Error> {
    let found = Protocol::ALL.into_iter().find(|protocol| protocol.as_str() == word);
    found.ok_or(Error::Damaged { what: "an endpoint's protocol" })
}

/// Endpoints `e`, as [`read`] reads them.
macro_rules! select_endpoint {
    ($rest:literal) => {
        concat!(
            "SELECT e.id, e.device_id, e.name, e.protocol, e.host, e.port, e.sign_in, e.view_only, e.user_name, e.public_key,
                    e.host_keys, e.legacy_algorithms, e.telnet, e.revision, e.created_at,
                    (SELECT COUNT(*) FROM credential c WHERE c.endpoint_id = e.id AND c.field = 'password') AS has_password
             FROM endpoint e ",
            $rest
        )
    };
}

/// Telnet's options as they are kept.
#[derive(Serialize, Deserialize)]
struct KeptTelnet {
    version: u8,
    options: TelnetOptions,
}

const TELNET_VERSION: u8 = 1;

fn read(row: &SqliteRow) -> Result<StoredEndpoint, Error> {
    let sign_in: &str = row.try_get("sign_in")?;
    let telnet = match row.try_get::<Option<&str>, _>("telnet")? {
        None => None,
        Some(text) => {
            let kept = serde_json::from_str::<KeptTelnet>(text).ok().filter(|kept| kept.version == TELNET_VERSION);
            Some(kept.ok_or(Error::Damaged { what: "an endpoint's Telnet options" })?.options)
        }
    };
    let host_keys: &str = row.try_get("host_keys")?;
    let endpoint = Endpoint {
        id: row.try_get("id")?,
        device_id: row.try_get("device_id")?,
        name: row.try_get("name")?,
        protocol: protocol(row.try_get("protocol")?)?,
        host: row.try_get("host")?,
        port: u16::try_from(row.try_get::<i64, _>("port")?)
            .map_err(|_| Error::Damaged { what: "an endpoint's port" })?,
        sign_in: SignIn::ALL
            .into_iter()
            .find(|way| way.as_str() == sign_in)
            .ok_or(Error::Damaged { what: "an endpoint's sign-in" })?,
        view_only: row.try_get::<i64, _>("view_only")? != 0,
        has_password: row.try_get::<i64, _>("has_password")? != 0,
        user: row.try_get("user_name")?,
        public_key: row.try_get("public_key")?,
        host_keys: host_keys.lines().filter_map(host_key).collect(),
        legacy_algorithms: row.try_get::<i64, _>("legacy_algorithms")? != 0,
        telnet,
        created_at: rfc3339(row.try_get("created_at")?),
    };
    Ok(StoredEndpoint { endpoint, revision: row.try_get("revision")? })
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
        let rows = sqlx::query(select_endpoint!(
            "WHERE e.tenant_id = $1 AND e.device_id = $2 AND (CAST($3 AS TEXT) IS NULL OR e.name > $3)
             ORDER BY e.name LIMIT $4"
        ))
        .bind(tenant.as_str())
        .bind(device_id)
        .bind(after)
        .bind(i64::from(limit) + 1)
        .fetch_all(&self.reader)
        .await?;
        let mut stored = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let next = cut_page(&mut stored, limit, |stored| stored.endpoint.name.clone());
        Ok(Page { items: stored.into_iter().map(|stored| stored.endpoint).collect(), next })
    }

    /// One endpoint of a device.
    pub(crate) async fn endpoint(
        &self,
        tenant: &Tenant,
        device_id: &str,
        endpoint_id: &str,
    ) -> Result<Option<StoredEndpoint>, Error> {
        let row = sqlx::query(select_endpoint!("WHERE e.tenant_id = $1 AND e.device_id = $2 AND e.id = $3"))
            .bind(tenant.as_str())
            .bind(device_id)
            .bind(endpoint_id)
            .fetch_optional(&self.reader)
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// The sealed secrets of an endpoint: field and text.
    pub(crate) async fn credentials(&self, tenant: &Tenant, endpoint_id: &str) -> Result<Vec<(String, String)>, Error> {
        let rows = sqlx::query("SELECT field, sealed FROM credential WHERE tenant_id = $1 AND endpoint_id = $2")
            .bind(tenant.as_str())
            .bind(endpoint_id)
            .fetch_all(&self.reader)
            .await?;
        rows.iter().map(|row| Ok((row.try_get("field")?, row.try_get("sealed")?))).collect()
    }

    /// Makes an endpoint; says no if the device is gone by now.
    pub(crate) async fn create_endpoint(
        &self,
        tenant: &Tenant,
        actor: &Actor,
        new: &Endpoint,
        secrets: &[Sealed],
    ) -> Result<bool, Error> {
        let mut change = self.begin().await?;
        let device = sqlx::query("SELECT id FROM device WHERE tenant_id = $1 AND id = $2")
            .bind(tenant.as_str())
            .bind(&new.device_id)
            .fetch_optional(&mut *change)
            .await?;
        if device.is_none() {
            return Ok(false);
        }
        sqlx::query(
            "INSERT INTO endpoint (id, tenant_id, device_id, name, protocol, host, port, sign_in, view_only, created_at,
                                   user_name, public_key, host_keys, legacy_algorithms, telnet)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        )
        .bind(&new.id)
        .bind(tenant.as_str())
        .bind(&new.device_id)
        .bind(&new.name)
        .bind(new.protocol.as_str())
        .bind(&new.host)
        .bind(i64::from(new.port))
        .bind(new.sign_in.as_str())
        .bind(i64::from(new.view_only))
        .bind(now_millis())
        .bind(&new.user)
        .bind(&new.public_key)
        .bind(host_key_lines(new))
        .bind(i64::from(new.legacy_algorithms))
        .bind(kept_telnet(new)?)
        .execute(&mut *change)
        .await
        .map_err(|error| unless_exists(error, "endpoint", &new.name))?;
        put_secrets(&mut change, tenant, &new.id, secrets).await?;
        let entry =
            Entry::ok(actor, "endpoint.create", object(&new.device_id, &new.id)).detail(described(new, secrets));
        self.append(&mut change, tenant, entry).await?;
        change.commit().await?;
        Ok(true)
    }

    /// Changes an endpoint; says no if there is no such endpoint.
    pub(crate) async fn update_endpoint(
        &self,
        tenant: &Tenant,
        actor: &Actor,
        update: &EndpointChange<'_>,
    ) -> Result<bool, Error> {
        let EndpointChange { before, now, secrets, is_another } = update;
        let mut change = self.begin().await?;
        let done = sqlx::query(
            "UPDATE endpoint SET name = $1, host = $2, port = $3, sign_in = $4, view_only = $5, revision = revision + $6,
                    user_name = $11, public_key = $12, host_keys = $13, legacy_algorithms = $14, telnet = $15
             WHERE tenant_id = $7 AND device_id = $8 AND id = $9 AND revision = $10",
        )
        .bind(&now.name)
        .bind(&now.host)
        .bind(i64::from(now.port))
        .bind(now.sign_in.as_str())
        .bind(i64::from(now.view_only))
        .bind(i64::from(*is_another))
        .bind(tenant.as_str())
        .bind(&now.device_id)
        .bind(&now.id)
        .bind(before.revision)
        .bind(&now.user)
        .bind(&now.public_key)
        .bind(host_key_lines(now))
        .bind(i64::from(now.legacy_algorithms))
        .bind(kept_telnet(now)?)
        .execute(&mut *change)
        .await
        .map_err(|error| unless_exists(error, "endpoint", &now.name))?;
        if done.rows_affected() == 0 {
            let row = sqlx::query("SELECT 1 FROM endpoint WHERE tenant_id = $1 AND device_id = $2 AND id = $3")
                .bind(tenant.as_str())
                .bind(&now.device_id)
                .bind(&now.id)
                .fetch_optional(&mut *change)
                .await?;
            return match row {
                Some(_) => Err(Error::Conflict("the endpoint was changed meanwhile")),
                None => Ok(false),
            };
        }
        // Another way to sign in, or another key, whose passphrase the old one's is not.
        let has_new_key = secrets.iter().any(|secret| secret.field == Field::PrivateKey);
        if now.sign_in != before.endpoint.sign_in || has_new_key {
            sqlx::query("DELETE FROM credential WHERE tenant_id = $1 AND endpoint_id = $2")
                .bind(tenant.as_str())
                .bind(&now.id)
                .execute(&mut *change)
                .await?;
        }
        put_secrets(&mut change, tenant, &now.id, secrets).await?;
        let detail = format!("{}, was {}", described(now, secrets), described(&before.endpoint, &[]));
        let entry = Entry::ok(actor, "endpoint.update", object(&now.device_id, &now.id)).detail(detail);
        self.append(&mut change, tenant, entry).await?;
        change.commit().await?;
        Ok(true)
    }

    /// Keeps a host key with an endpoint that has none, or not this one. Connections that rest on the endpoint go on.
    pub(crate) async fn add_host_key(
        &self,
        tenant: &Tenant,
        actor: &Actor,
        endpoint: &Endpoint,
        key: &HostKey,
    ) -> Result<(), Error> {
        let mut change = self.begin().await?;
        let done = sqlx::query(
            "UPDATE endpoint SET host_keys = CASE WHEN host_keys = '' THEN $1 ELSE host_keys || $2 || $1 END
             WHERE tenant_id = $3 AND id = $4 AND host_keys = $5",
        )
        .bind(&key.key)
        .bind("\n")
        .bind(tenant.as_str())
        .bind(&endpoint.id)
        .bind(host_key_lines(endpoint))
        .execute(&mut *change)
        .await?;
        if done.rows_affected() > 0 {
            let detail = format!("{} host key {} kept", endpoint.name, key.fingerprint);
            let entry = Entry::ok(actor, "endpoint.host-key", object(&endpoint.device_id, &endpoint.id)).detail(detail);
            self.append(&mut change, tenant, entry).await?;
        }
        Ok(change.commit().await?)
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
        let row = sqlx::query(select_endpoint!("WHERE e.tenant_id = $1 AND e.device_id = $2 AND e.id = $3"))
            .bind(tenant.as_str())
            .bind(device_id)
            .bind(endpoint_id)
            .fetch_optional(&mut *change)
            .await?;
        let Some(row) = row else { return Ok(false) };
        let before = read(&row)?.endpoint;
        sqlx::query("DELETE FROM endpoint WHERE tenant_id = $1 AND device_id = $2 AND id = $3")
            .bind(tenant.as_str())
            .bind(device_id)
            .bind(endpoint_id)
            .execute(&mut *change)
            .await?;
        let entry = Entry::ok(actor, "endpoint.delete", object(device_id, endpoint_id))
            .detail(format!("was {}", described(&before, &[])));
        self.append(&mut change, tenant, entry).await?;
        change.commit().await?;
        Ok(true)
    }
}

/// A line that is kept as a host key.
fn host_key(line: &str) -> Option<HostKey> {
    let key = line.parse::<PublicKey>().ok()?;
    Some(HostKey { key: line.to_owned(), fingerprint: key.fingerprint().to_string() })
}

fn host_key_lines(endpoint: &Endpoint) -> String {
    endpoint.host_keys.iter().map(|key| key.key.as_str()).collect::<Vec<_>>().join("\n")
}

fn kept_telnet(endpoint: &Endpoint) -> Result<Option<String>, Error> {
    let kept = |options| serde_json::to_string(&KeptTelnet { version: TELNET_VERSION, options });
    Ok(endpoint.telnet.clone().map(kept).transpose()?)
}

async fn put_secrets(
    change: &mut SqliteConnection,
    tenant: &Tenant,
    endpoint_id: &str,
    secrets: &[Sealed],
) -> Result<(), Error> {
    for Sealed { field, text } in secrets {
        sqlx::query(
            "INSERT INTO credential (endpoint_id, tenant_id, field, sealed) VALUES ($1, $2, $3, $4)
             ON CONFLICT (endpoint_id, field) DO UPDATE SET sealed = excluded.sealed
             WHERE credential.tenant_id = excluded.tenant_id",
        )
        .bind(endpoint_id)
        .bind(tenant.as_str())
        .bind(field.as_str())
        .bind(text)
        .execute(&mut *change)
        .await?;
    }
    Ok(())
}

/// An endpoint as the audit tells it: everything but the secrets, of which it names the fields that were set.
fn described(endpoint: &Endpoint, secrets: &[Sealed]) -> String {
    let Endpoint { name, protocol, host, port, sign_in, view_only, user, .. } = endpoint;
    let Endpoint { host_keys, legacy_algorithms, telnet, .. } = endpoint;
    let mut text = format!("{name} {protocol} {host}:{port}");
    if *sign_in != SignIn::None {
        text += &format!(", sign-in {}", sign_in.as_str());
    }
    if *view_only {
        text += ", view only";
    }
    if let Some(user) = user {
        text += &format!(", user {user}");
    }
    for key in host_keys {
        text += &format!(", host key {}", key.fingerprint);
    }
    if *legacy_algorithms {
        text += ", legacy algorithms";
    }
    if let Some(options) = telnet.as_ref().filter(|options| **options != TelnetOptions::default()) {
        text += &format!(", telnet {}", serde_json::to_string(options).unwrap_or_default());
    }
    for secret in secrets {
        text += &format!(", {} set", secret.field.as_str());
    }
    text
}

fn object(device_id: &str, endpoint_id: &str) -> String {
    format!("device/{device_id}/endpoint/{endpoint_id}")
}
