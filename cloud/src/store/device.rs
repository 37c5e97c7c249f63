//! Devices, their external ids, and how they are enrolled.

use std::collections::HashMap;

use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};
use towline_cloud_api::{Device, ErrorCode, ExternalId, Page, Permission, UpdateDevice};

use super::{Actor, Entry, Error, Store, Tenant, cut_page, group::ALL_DEVICES, unless_exists};
use crate::{
    agents::Presence,
    moment::{now_millis, rfc3339},
    random,
};

/// The type of the external id that every device gets: other systems know it as the serial number.
const SERIAL: &str = "c8y_Serial";

/// A device as it is kept: what the store knows, without what only the agents' registry knows.
#[derive(Clone, Debug)]
pub(crate) struct StoredDevice {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) enrolled: bool,
    pub(crate) disabled: bool,
    pub(crate) last_seen_at: Option<i64>,
    created_at: i64,
    agent_version: Option<String>,
    external_ids: Vec<ExternalId>,
    /// What the user it was looked up for may do with it.
    pub(crate) permissions: Vec<Permission>,
}

impl StoredDevice {
    fn read(row: &SqliteRow) -> Result<Self, Error> {
        Ok(Self {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            enrolled: row.try_get::<Option<String>, _>("public_key")?.is_some(),
            disabled: row.try_get::<i64, _>("disabled")? != 0,
            last_seen_at: row.try_get("last_seen_at")?,
            created_at: row.try_get("created_at")?,
            agent_version: row.try_get("agent_version")?,
            external_ids: Vec::new(),
            permissions: Vec::new(),
        })
    }

    /// The device as the API shows it.
    pub(crate) fn to_api(&self, presence: Presence) -> Device {
        Device {
            id: self.id.clone(),
            name: self.name.clone(),
            online: presence == Presence::Online,
            reconnecting: presence == Presence::Reconnecting,
            enrolled: self.enrolled,
            disabled: self.disabled,
            last_seen_at: self.last_seen_at.map(rfc3339),
            created_at: rfc3339(self.created_at),
            agent_version: self.agent_version.clone(),
            external_ids: self.external_ids.clone(),
            permissions: self.permissions.clone(),
        }
    }
}

/// Which devices a list is about.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeviceFilter {
    pub(crate) name: Option<String>,
    /// A part of the name, in upper or lower case.
    pub(crate) part: Option<String>,
    pub(crate) external: Option<(String, String)>,
    /// The id of a device group.
    pub(crate) group: Option<String>,
    /// The name of the last device of the page before.
    pub(crate) after: Option<String>,
}

/// What is needed to check a device's proof of identity.
#[derive(Clone, Debug)]
pub(crate) struct DeviceKey {
    pub(crate) tenant: Tenant,
    pub(crate) name: String,
    /// Ed25519, base64url; `None` until the device has enrolled.
    pub(crate) public_key: Option<String>,
    pub(crate) disabled: bool,
}

/// An agent's wish to become a device.
pub(crate) struct EnrolRequest<'a> {
    pub(crate) secret_hash: &'a str,
    pub(crate) public_key: &'a str,
    pub(crate) name: Option<&'a str>,
    pub(crate) agent_version: &'a str,
    pub(crate) source: &'a str,
}

/// Why an enrolment token was not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenFault {
    Unknown,
    Used,
    Expired,
}

impl TokenFault {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "the token is unknown",
            Self::Used => "the token was used already",
            Self::Expired => "the token has expired",
        }
    }
}

impl Store {
    /// The device with what `user` may do on it; `None` if it does not exist or the user may do nothing with it.
    ///
    /// The two are one query and one answer, so that nobody can tell them apart.
    pub(crate) async fn device_for(
        &self,
        tenant: &Tenant,
        user_id: &str,
        device_id: &str,
    ) -> Result<Option<StoredDevice>, Error> {
        let rows = sqlx::query(
            "SELECT DISTINCT d.id, d.name, d.public_key, d.disabled, d.last_seen_at, d.created_at, d.agent_version, g.permission
             FROM device d
             JOIN device_group_member dm ON dm.device_id = d.id AND dm.tenant_id = d.tenant_id
             JOIN effective_grant g ON g.device_group_id = dm.device_group_id AND g.tenant_id = d.tenant_id
             JOIN user_group_member um ON um.user_group_id = g.user_group_id AND um.tenant_id = d.tenant_id
             WHERE d.tenant_id = $1 AND um.user_id = $2 AND d.id = $3 AND g.permission <> $4",
        )
        .bind(tenant.as_str())
        .bind(user_id)
        .bind(device_id)
        .bind(Permission::UserAdmin.as_str())
        .fetch_all(&self.reader)
        .await?;
        let Some(first) = rows.first() else { return Ok(None) };
        let mut device = StoredDevice::read(first)?;
        let words = rows.iter().map(|row| row.try_get::<String, _>("permission")).collect::<Result<Vec<_>, _>>()?;
        device.permissions = words.iter().filter_map(|word| Permission::from_word(word)).collect();
        device.permissions.sort_unstable();
        self.add_external_ids(tenant, std::slice::from_mut(&mut device)).await?;
        Ok(Some(device))
    }

    /// The devices that `user` may see, by name.
    pub(crate) async fn devices(
        &self,
        tenant: &Tenant,
        user_id: &str,
        filter: &DeviceFilter,
        limit: u32,
    ) -> Result<Page<StoredDevice>, Error> {
        let (kind, value) = filter.external.as_ref().map(|(kind, value)| (kind.as_str(), value.as_str())).unzip();
        let rows = sqlx::query(
            "SELECT d.id, d.name, d.public_key, d.disabled, d.last_seen_at, d.created_at, d.agent_version
             FROM device d
             WHERE d.tenant_id = $1
               AND EXISTS (SELECT 1 FROM device_group_member dm
                   JOIN effective_grant g ON g.device_group_id = dm.device_group_id AND g.tenant_id = $1
                   JOIN user_group_member um ON um.user_group_id = g.user_group_id AND um.tenant_id = $1
                   WHERE dm.tenant_id = $1 AND dm.device_id = d.id AND um.user_id = $2 AND g.permission = $3)
               AND (CAST($4 AS TEXT) IS NULL OR d.name = $4)
               AND (CAST($5 AS TEXT) IS NULL OR EXISTS (SELECT 1 FROM external_id e
                   WHERE e.tenant_id = $1 AND e.device_id = d.id AND e.type = $5 AND e.value = $6))
               AND (CAST($7 AS TEXT) IS NULL OR d.name > $7)
               AND (CAST($9 AS TEXT) IS NULL OR LOWER(d.name) LIKE $9 ESCAPE '!')
               AND (CAST($10 AS TEXT) IS NULL OR EXISTS (SELECT 1 FROM device_group_member m
                   WHERE m.tenant_id = $1 AND m.device_id = d.id AND m.device_group_id = $10))
             ORDER BY d.name LIMIT $8",
        )
        .bind(tenant.as_str())
        .bind(user_id)
        .bind(Permission::DeviceControlRead.as_str())
        .bind(&filter.name)
        .bind(kind)
        .bind(value)
        .bind(&filter.after)
        .bind(i64::from(limit) + 1)
        .bind(filter.part.as_ref().map(|part| pattern(part)))
        .bind(&filter.group)
        .fetch_all(&self.reader)
        .await?;
        let mut items = rows.iter().map(StoredDevice::read).collect::<Result<Vec<_>, _>>()?;
        let next = cut_page(&mut items, limit, |device| device.name.clone());
        self.add_external_ids(tenant, &mut items).await?;
        self.add_permissions(tenant, user_id, &mut items).await?;
        Ok(Page { items, next })
    }

    /// Fills in the external ids of devices that are sorted by name.
    async fn add_external_ids(&self, tenant: &Tenant, devices: &mut [StoredDevice]) -> Result<(), Error> {
        let (Some(first), Some(last)) = (devices.first(), devices.last()) else { return Ok(()) };
        let rows = sqlx::query(
            "SELECT e.device_id, e.type, e.value FROM external_id e
             JOIN device d ON d.id = e.device_id AND d.tenant_id = e.tenant_id
             WHERE e.tenant_id = $1 AND d.name BETWEEN $2 AND $3 ORDER BY e.type, e.value",
        )
        .bind(tenant.as_str())
        .bind(&first.name)
        .bind(&last.name)
        .fetch_all(&self.reader)
        .await?;
        for row in rows {
            let device_id: &str = row.try_get("device_id")?;
            if let Some(device) = devices.iter_mut().find(|device| device.id == device_id) {
                device.external_ids.push(ExternalId { kind: row.try_get("type")?, value: row.try_get("value")? });
            }
        }
        Ok(())
    }

    /// Fills in what `user` may do with devices that are sorted by name.
    async fn add_permissions(&self, tenant: &Tenant, user_id: &str, devices: &mut [StoredDevice]) -> Result<(), Error> {
        let (Some(first), Some(last)) = (devices.first(), devices.last()) else { return Ok(()) };
        let rows = sqlx::query(
            "SELECT DISTINCT d.id, g.permission FROM device d
             JOIN device_group_member dm ON dm.device_id = d.id AND dm.tenant_id = d.tenant_id
             JOIN effective_grant g ON g.device_group_id = dm.device_group_id AND g.tenant_id = d.tenant_id
             JOIN user_group_member um ON um.user_group_id = g.user_group_id AND um.tenant_id = d.tenant_id
             WHERE d.tenant_id = $1 AND um.user_id = $2 AND g.permission <> $3 AND d.name BETWEEN $4 AND $5",
        )
        .bind(tenant.as_str())
        .bind(user_id)
        .bind(Permission::UserAdmin.as_str())
        .bind(&first.name)
        .bind(&last.name)
        .fetch_all(&self.reader)
        .await?;
        let mut granted: HashMap<String, Vec<Permission>> = HashMap::new();
        for row in rows {
            if let Some(permission) = Permission::from_word(row.try_get("permission")?) {
                granted.entry(row.try_get("id")?).or_default().push(permission);
            }
        }
        for device in devices {
            device.permissions = granted.remove(&device.id).unwrap_or_default();
            device.permissions.sort_unstable();
        }
        Ok(())
    }

    /// The id of the device of that name, whoever may see it.
    pub(crate) async fn device_named(&self, tenant: &Tenant, name: &str) -> Result<Option<String>, Error> {
        let row = sqlx::query("SELECT id FROM device WHERE tenant_id = $1 AND name = $2")
            .bind(tenant.as_str())
            .bind(name)
            .fetch_optional(&self.reader)
            .await?;
        Ok(row.map(|row| row.try_get("id")).transpose()?)
    }

    /// Makes the device if there is none of that name, and a token with which an agent can become it.
    pub(crate) async fn issue_enrolment_token(
        &self,
        tenant: &Tenant,
        actor: &Actor,
        name: &str,
        secret_hash: &str,
        expires_at: i64,
    ) -> Result<StoredDevice, Error> {
        let now = now_millis();
        let mut change = self.begin().await?;
        let existing = sqlx::query("SELECT id FROM device WHERE tenant_id = $1 AND name = $2")
            .bind(tenant.as_str())
            .bind(name)
            .fetch_optional(&mut *change)
            .await?;
        let id: String = match existing {
            Some(row) => row.try_get("id")?,
            None => {
                let id = random::id()?;
                insert_device(&mut change, tenant, &id, name, now).await?;
                let entry = Entry::ok(actor, "device.create", format!("device/{id}")).detail(format!("name {name}"));
                self.append(&mut change, tenant, entry).await?;
                id
            }
        };
        sqlx::query(
            "INSERT INTO enrolment_token (hash, tenant_id, device_id, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(secret_hash)
        .bind(tenant.as_str())
        .bind(&id)
        .bind(now)
        .bind(expires_at)
        .execute(&mut *change)
        .await?;
        let entry = Entry::ok(actor, "enrolment-token.create", format!("device/{id}"))
            .detail(format!("name {name}, good until {}", rfc3339(expires_at)));
        self.append(&mut change, tenant, entry).await?;
        let row = sqlx::query(
            "SELECT id, name, public_key, disabled, last_seen_at, created_at, agent_version FROM device
             WHERE tenant_id = $1 AND id = $2",
        )
        .bind(tenant.as_str())
        .bind(&id)
        .fetch_one(&mut *change)
        .await?;
        change.commit().await?;
        let mut device = StoredDevice::read(&row)?;
        self.add_external_ids(tenant, std::slice::from_mut(&mut device)).await?;
        Ok(device)
    }

    /// Uses an enrolment token up, and gives its device the agent's key. Of several agents with one token, one wins.
    pub(crate) async fn enrol(
        &self,
        request: &EnrolRequest<'_>,
    ) -> Result<Result<(Tenant, StoredDevice), TokenFault>, Error> {
        let now = now_millis();
        let mut change = self.begin().await?;
        let token =
            sqlx::query("SELECT tenant_id, device_id, expires_at, used_at FROM enrolment_token WHERE hash = $1")
                .bind(request.secret_hash)
                .fetch_optional(&mut *change)
                .await?;
        let Some(token) = token else {
            // The secret is nobody's, so it is the first tenant's audit that hears of it.
            let tenant = Tenant::first();
            return self.refuse_token(change, &tenant, request, "device/?", TokenFault::Unknown).await;
        };
        let tenant = Tenant(token.try_get("tenant_id")?);
        let id: String = token.try_get("device_id")?;
        let object = format!("device/{id}");
        if token.try_get::<Option<i64>, _>("used_at")?.is_some() {
            return self.refuse_token(change, &tenant, request, &object, TokenFault::Used).await;
        }
        if token.try_get::<i64, _>("expires_at")? <= now {
            return self.refuse_token(change, &tenant, request, &object, TokenFault::Expired).await;
        }
        // The writer's transactions exclude each other, so nobody used the token between the look and this.
        sqlx::query("UPDATE enrolment_token SET used_at = $1 WHERE tenant_id = $2 AND hash = $3")
            .bind(now)
            .bind(tenant.as_str())
            .bind(request.secret_hash)
            .execute(&mut *change)
            .await?;
        sqlx::query("UPDATE device SET public_key = $1, agent_version = $2 WHERE tenant_id = $3 AND id = $4")
            .bind(request.public_key)
            .bind(request.agent_version)
            .bind(tenant.as_str())
            .bind(&id)
            .execute(&mut *change)
            .await?;
        if let Some(name) = request.name {
            rename_if_free(&mut change, &tenant, &id, name).await?;
        }
        let row = sqlx::query(
            "SELECT id, name, public_key, disabled, last_seen_at, created_at, agent_version FROM device
             WHERE tenant_id = $1 AND id = $2",
        )
        .bind(tenant.as_str())
        .bind(&id)
        .fetch_one(&mut *change)
        .await?;
        let device = StoredDevice::read(&row)?;
        let actor = Actor { name: device.name.clone(), source: request.source.into() };
        let entry = Entry::ok(&actor, "device.enrol", object).detail(format!("key {}", request.public_key));
        self.append(&mut change, &tenant, entry).await?;
        change.commit().await?;
        Ok(Ok((tenant, device)))
    }

    async fn refuse_token<T>(
        &self,
        mut change: super::Change,
        tenant: &Tenant,
        request: &EnrolRequest<'_>,
        object: &str,
        fault: TokenFault,
    ) -> Result<Result<T, TokenFault>, Error> {
        let actor = Actor { name: request.name.unwrap_or("an agent").into(), source: request.source.into() };
        let entry = Entry::failed(&actor, "device.enrol", object, ErrorCode::EnrolmentTokenInvalid);
        self.append(&mut change, tenant, entry.detail(fault.as_str())).await?;
        change.commit().await?;
        Ok(Err(fault))
    }

    /// What a device proves its identity against. The id comes from a stranger, so the tenant comes out, not in.
    pub(crate) async fn device_key(&self, device_id: &str) -> Result<Option<DeviceKey>, Error> {
        let row = sqlx::query("SELECT tenant_id, name, public_key, disabled FROM device WHERE id = $1")
            .bind(device_id)
            .fetch_optional(&self.reader)
            .await?;
        row.map(|row| {
            Ok(DeviceKey {
                tenant: Tenant(row.try_get("tenant_id")?),
                name: row.try_get("name")?,
                public_key: row.try_get("public_key")?,
                disabled: row.try_get::<i64, _>("disabled")? != 0,
            })
        })
        .transpose()
    }

    /// Records that a device's agent came or went, and when it was seen.
    pub(crate) async fn device_seen(
        &self,
        tenant: &Tenant,
        device_id: &str,
        agent_version: Option<&str>,
        entries: impl IntoIterator<Item = Entry>,
    ) -> Result<(), Error> {
        let mut change = self.begin().await?;
        sqlx::query(
            "UPDATE device SET last_seen_at = $1, agent_version = COALESCE($2, agent_version)
             WHERE tenant_id = $3 AND id = $4",
        )
        .bind(now_millis())
        .bind(agent_version)
        .bind(tenant.as_str())
        .bind(device_id)
        .execute(&mut *change)
        .await?;
        for entry in entries {
            self.append(&mut change, tenant, entry).await?;
        }
        Ok(change.commit().await?)
    }

    /// Renames a device, and its serial with it unless another has that; switches it off or on. Says whether there is
    /// such a device.
    pub(crate) async fn update_device(
        &self,
        tenant: &Tenant,
        actor: &Actor,
        device_id: &str,
        update: &UpdateDevice,
    ) -> Result<bool, Error> {
        let mut change = self.begin().await?;
        let row = sqlx::query("SELECT name FROM device WHERE tenant_id = $1 AND id = $2")
            .bind(tenant.as_str())
            .bind(device_id)
            .fetch_optional(&mut *change)
            .await?;
        let Some(row) = row else { return Ok(false) };
        let before: String = row.try_get("name")?;
        let object = format!("device/{device_id}");
        if let Some(name) = &update.name {
            if !rename_if_free(&mut change, tenant, device_id, name).await? {
                return Err(Error::Exists { what: "device", name: name.clone() });
            }
            let entry = Entry::ok(actor, "device.rename", object.as_str()).detail(format!("name {name}, was {before}"));
            self.append(&mut change, tenant, entry).await?;
        }
        if let Some(disabled) = update.disabled {
            sqlx::query("UPDATE device SET disabled = $1 WHERE tenant_id = $2 AND id = $3")
                .bind(i64::from(disabled))
                .bind(tenant.as_str())
                .bind(device_id)
                .execute(&mut *change)
                .await?;
            let action = if disabled { "device.disable" } else { "device.enable" };
            self.append(&mut change, tenant, Entry::ok(actor, action, object)).await?;
        }
        change.commit().await?;
        Ok(true)
    }

    /// Removes a device with its endpoints, tokens, external ids and key; says whether there was one.
    pub(crate) async fn delete_device(&self, tenant: &Tenant, actor: &Actor, device_id: &str) -> Result<bool, Error> {
        let mut change = self.begin().await?;
        let row = sqlx::query("DELETE FROM device WHERE tenant_id = $1 AND id = $2 RETURNING name")
            .bind(tenant.as_str())
            .bind(device_id)
            .fetch_optional(&mut *change)
            .await?;
        let Some(row) = row else { return Ok(false) };
        let name: String = row.try_get("name")?;
        let entry = Entry::ok(actor, "device.delete", format!("device/{device_id}")).detail(format!("name {name}"));
        self.append(&mut change, tenant, entry).await?;
        change.commit().await?;
        Ok(true)
    }
}

/// What LIKE finds a part of a name with.
fn pattern(part: &str) -> String {
    let mut pattern = String::from("%");
    for character in part.to_ascii_lowercase().chars() {
        if matches!(character, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

async fn insert_device(
    change: &mut SqliteConnection,
    tenant: &Tenant,
    id: &str,
    name: &str,
    now: i64,
) -> Result<(), Error> {
    sqlx::query("INSERT INTO device (id, tenant_id, name, created_at) VALUES ($1, $2, $3, $4)")
        .bind(id)
        .bind(tenant.as_str())
        .bind(name)
        .bind(now)
        .execute(&mut *change)
        .await
        .map_err(|error| unless_exists(error, "device", name))?;
    sqlx::query(
        "INSERT INTO device_group_member (tenant_id, device_group_id, device_id)
         SELECT tenant_id, id, $1 FROM device_group WHERE tenant_id = $2 AND name = $3",
    )
    .bind(id)
    .bind(tenant.as_str())
    .bind(ALL_DEVICES)
    .execute(&mut *change)
    .await?;
    // A serial that an older, renamed device still holds stays with that one.
    sqlx::query(
        "INSERT INTO external_id (tenant_id, device_id, type, value) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
    )
    .bind(tenant.as_str())
    .bind(id)
    .bind(SERIAL)
    .bind(name)
    .execute(&mut *change)
    .await?;
    Ok(())
}

/// Gives the device another name, and its serial with it, unless either is taken; says whether it has that name now.
async fn rename_if_free(change: &mut SqliteConnection, tenant: &Tenant, id: &str, name: &str) -> Result<bool, Error> {
    let renamed = sqlx::query(
        "UPDATE device SET name = $1 WHERE tenant_id = $2 AND id = $3
           AND NOT EXISTS (SELECT 1 FROM device WHERE tenant_id = $2 AND name = $1 AND id <> $3)",
    )
    .bind(name)
    .bind(tenant.as_str())
    .bind(id)
    .execute(&mut *change)
    .await?;
    sqlx::query(
        "UPDATE external_id SET value = $1 WHERE tenant_id = $2 AND device_id = $3 AND type = $4
           AND EXISTS (SELECT 1 FROM device WHERE tenant_id = $2 AND id = $3 AND name = $1)
           AND NOT EXISTS (SELECT 1 FROM external_id WHERE tenant_id = $2 AND type = $4 AND value = $1)",
    )
    .bind(name)
    .bind(tenant.as_str())
    .bind(id)
    .bind(SERIAL)
    .execute(&mut *change)
    .await?;
    Ok(renamed.rows_affected() > 0)
}
