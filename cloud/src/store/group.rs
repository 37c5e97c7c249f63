//! Groups: of users, who have rights, and of devices, which rights are about.

use sqlx::Row;
use towline_cloud_api::{DeviceGroup, GroupRef, Page, UserGroup};

use super::{Actor, Change, Entry, Error, Store, Tenant, cut_page, rights, to_u64, unless_exists};
use crate::{moment::now_millis, random};

/// The device group that every device is in.
pub(super) const ALL_DEVICES: &str = "all";
const ALL_STAYS: Error = Error::Conflict("every device is in the group \"all\"");

/// What a group has in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GroupKind {
    Users,
    Devices,
}

/// What a change to a group's members came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Membership {
    /// It is as asked, now or already.
    Done,
    NoGroup,
    NoMember,
}

impl GroupKind {
    fn object(self, id: &str) -> String {
        match self {
            Self::Users => format!("user-group/{id}"),
            Self::Devices => format!("device-group/{id}"),
        }
    }

    fn member(self, id: &str) -> String {
        match self {
            Self::Users => format!("user/{id}"),
            Self::Devices => format!("device/{id}"),
        }
    }
}

impl Store {
    /// One page of the user groups, by name, behind the name `after`; only the one called `name`, if that is given.
    pub(crate) async fn user_groups(
        &self,
        tenant: &Tenant,
        name: Option<&str>,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Page<UserGroup>, Error> {
        let rows = sqlx::query(
            "SELECT id, name FROM user_group
             WHERE tenant_id = $1
               AND (CAST($2 AS TEXT) IS NULL OR name = $2)
               AND (CAST($3 AS TEXT) IS NULL OR name > $3)
             ORDER BY name LIMIT $4",
        )
        .bind(tenant.as_str())
        .bind(name)
        .bind(after)
        .bind(i64::from(limit) + 1)
        .fetch_all(&self.reader)
        .await?;
        let mut items = rows
            .iter()
            .map(|row| Ok(UserGroup { id: row.try_get("id")?, name: row.try_get("name")?, members: Vec::new() }))
            .collect::<Result<Vec<_>, Error>>()?;
        let next = cut_page(&mut items, limit, |group| group.name.clone());
        self.add_members(tenant, &mut items).await?;
        Ok(Page { items, next })
    }

    /// One user group.
    pub(crate) async fn user_group(&self, tenant: &Tenant, group_id: &str) -> Result<Option<UserGroup>, Error> {
        let row = sqlx::query("SELECT id, name FROM user_group WHERE tenant_id = $1 AND id = $2")
            .bind(tenant.as_str())
            .bind(group_id)
            .fetch_optional(&self.reader)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let mut group = UserGroup { id: row.try_get("id")?, name: row.try_get("name")?, members: Vec::new() };
        self.add_members(tenant, std::slice::from_mut(&mut group)).await?;
        Ok(Some(group))
    }

    /// Fills in the members of groups that are sorted by name.
    async fn add_members(&self, tenant: &Tenant, groups: &mut [UserGroup]) -> Result<(), Error> {
        let (Some(first), Some(last)) = (groups.first(), groups.last()) else { return Ok(()) };
        let rows = sqlx::query(
            "SELECT um.user_group_id, u.id, u.name FROM user_group_member um
             JOIN user_group g ON g.id = um.user_group_id AND g.tenant_id = um.tenant_id
             JOIN user_account u ON u.id = um.user_id AND u.tenant_id = um.tenant_id
             WHERE um.tenant_id = $1 AND g.name BETWEEN $2 AND $3 ORDER BY u.name",
        )
        .bind(tenant.as_str())
        .bind(&first.name)
        .bind(&last.name)
        .fetch_all(&self.reader)
        .await?;
        for row in rows {
            let group_id: &str = row.try_get("user_group_id")?;
            if let Some(group) = groups.iter_mut().find(|group| group.id == group_id) {
                group.members.push(GroupRef { id: row.try_get("id")?, name: row.try_get("name")? });
            }
        }
        Ok(())
    }

    /// One page of the device groups, by name, behind the name `after`; only the one called `name` or with this id,
    /// if that is given.
    pub(crate) async fn device_groups(
        &self,
        tenant: &Tenant,
        id: Option<&str>,
        name: Option<&str>,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Page<DeviceGroup>, Error> {
        let rows = sqlx::query(
            "SELECT g.id, g.name, (SELECT COUNT(*) FROM device_group_member dm
                 JOIN device d ON d.id = dm.device_id AND d.tenant_id = dm.tenant_id
                 WHERE dm.tenant_id = $1 AND dm.device_group_id = g.id) AS device_count
             FROM device_group g
             WHERE g.tenant_id = $1
               AND (CAST($2 AS TEXT) IS NULL OR g.id = $2)
               AND (CAST($3 AS TEXT) IS NULL OR g.name = $3)
               AND (CAST($4 AS TEXT) IS NULL OR g.name > $4)
             ORDER BY g.name LIMIT $5",
        )
        .bind(tenant.as_str())
        .bind(id)
        .bind(name)
        .bind(after)
        .bind(i64::from(limit) + 1)
        .fetch_all(&self.reader)
        .await?;
        let mut items = rows
            .iter()
            .map(|row| {
                let device_count = to_u64(row.try_get("device_count")?);
                Ok(DeviceGroup { id: row.try_get("id")?, name: row.try_get("name")?, device_count })
            })
            .collect::<Result<Vec<_>, Error>>()?;
        let next = cut_page(&mut items, limit, |group| group.name.clone());
        Ok(Page { items, next })
    }

    /// Makes an empty group; its id.
    pub(crate) async fn create_group(
        &self,
        tenant: &Tenant,
        actor: &Actor,
        kind: GroupKind,
        name: &str,
    ) -> Result<String, Error> {
        let id = random::id()?;
        let mut change = self.begin().await?;
        let (insert, what, action) = match kind {
            GroupKind::Users => (
                "INSERT INTO user_group (id, tenant_id, name, created_at) VALUES ($1, $2, $3, $4)",
                "user group",
                "user-group.create",
            ),
            GroupKind::Devices => (
                "INSERT INTO device_group (id, tenant_id, name, created_at) VALUES ($1, $2, $3, $4)",
                "device group",
                "device-group.create",
            ),
        };
        sqlx::query(insert)
            .bind(&id)
            .bind(tenant.as_str())
            .bind(name)
            .bind(now_millis())
            .execute(&mut *change)
            .await
            .map_err(|error| unless_exists(error, what, name))?;
        let entry = Entry::ok(actor, action, kind.object(&id)).detail(format!("name {name}"));
        self.append(&mut change, tenant, entry).await?;
        change.commit().await?;
        Ok(id)
    }

    /// Removes a group with what was granted to it or on it; says whether there was one.
    pub(crate) async fn delete_group(
        &self,
        tenant: &Tenant,
        actor: &Actor,
        kind: GroupKind,
        group_id: &str,
    ) -> Result<bool, Error> {
        let mut change = self.begin().await?;
        let (delete, action) = match kind {
            GroupKind::Users => {
                ("DELETE FROM user_group WHERE tenant_id = $1 AND id = $2 RETURNING name", "user-group.delete")
            }
            GroupKind::Devices => {
                ("DELETE FROM device_group WHERE tenant_id = $1 AND id = $2 RETURNING name", "device-group.delete")
            }
        };
        let row = sqlx::query(delete).bind(tenant.as_str()).bind(group_id).fetch_optional(&mut *change).await?;
        let Some(row) = row else { return Ok(false) };
        let name: String = row.try_get("name")?;
        if kind == GroupKind::Devices && name == ALL_DEVICES {
            return Err(ALL_STAYS);
        }
        rights::keep_an_administrator(&mut change, tenant).await?;
        let entry = Entry::ok(actor, action, kind.object(group_id)).detail(format!("name {name}"));
        self.append(&mut change, tenant, entry).await?;
        change.commit().await?;
        Ok(true)
    }

    /// Puts a user or a device into a group.
    pub(crate) async fn add_member(
        &self,
        tenant: &Tenant,
        actor: &Actor,
        kind: GroupKind,
        group_id: &str,
        member_id: &str,
    ) -> Result<Membership, Error> {
        let mut change = self.begin().await?;
        if group_name(&mut change, tenant, kind, group_id).await?.is_none() {
            return Ok(Membership::NoGroup);
        }
        if !has_member(&mut change, tenant, kind, member_id).await? {
            return Ok(Membership::NoMember);
        }
        let (insert, action) = match kind {
            GroupKind::Users => (
                "INSERT INTO user_group_member (tenant_id, user_group_id, user_id) VALUES ($1, $2, $3)
                 ON CONFLICT DO NOTHING",
                "user-group.add",
            ),
            GroupKind::Devices => (
                "INSERT INTO device_group_member (tenant_id, device_group_id, device_id) VALUES ($1, $2, $3)
                 ON CONFLICT DO NOTHING",
                "device-group.add",
            ),
        };
        sqlx::query(insert).bind(tenant.as_str()).bind(group_id).bind(member_id).execute(&mut *change).await?;
        let entry = Entry::ok(actor, action, kind.object(group_id)).detail(kind.member(member_id));
        self.append(&mut change, tenant, entry).await?;
        change.commit().await?;
        Ok(Membership::Done)
    }

    /// Takes a user or a device out of a group.
    pub(crate) async fn remove_member(
        &self,
        tenant: &Tenant,
        actor: &Actor,
        kind: GroupKind,
        group_id: &str,
        member_id: &str,
    ) -> Result<Membership, Error> {
        let mut change = self.begin().await?;
        let Some(name) = group_name(&mut change, tenant, kind, group_id).await? else {
            return Ok(Membership::NoGroup);
        };
        if !has_member(&mut change, tenant, kind, member_id).await? {
            return Ok(Membership::NoMember);
        }
        if kind == GroupKind::Devices && name == ALL_DEVICES {
            return Err(ALL_STAYS);
        }
        let (delete, action) = match kind {
            GroupKind::Users => (
                "DELETE FROM user_group_member WHERE tenant_id = $1 AND user_group_id = $2 AND user_id = $3",
                "user-group.remove",
            ),
            GroupKind::Devices => (
                "DELETE FROM device_group_member WHERE tenant_id = $1 AND device_group_id = $2 AND device_id = $3",
                "device-group.remove",
            ),
        };
        sqlx::query(delete).bind(tenant.as_str()).bind(group_id).bind(member_id).execute(&mut *change).await?;
        rights::keep_an_administrator(&mut change, tenant).await?;
        let entry = Entry::ok(actor, action, kind.object(group_id)).detail(kind.member(member_id));
        self.append(&mut change, tenant, entry).await?;
        change.commit().await?;
        Ok(Membership::Done)
    }
}

async fn group_name(
    change: &mut Change,
    tenant: &Tenant,
    kind: GroupKind,
    group_id: &str,
) -> Result<Option<String>, Error> {
    let select = match kind {
        GroupKind::Users => "SELECT name FROM user_group WHERE tenant_id = $1 AND id = $2",
        GroupKind::Devices => "SELECT name FROM device_group WHERE tenant_id = $1 AND id = $2",
    };
    let row = sqlx::query(select).bind(tenant.as_str()).bind(group_id).fetch_optional(&mut **change).await?;
    Ok(row.map(|row| row.try_get("name")).transpose()?)
}

async fn has_member(change: &mut Change, tenant: &Tenant, kind: GroupKind, member_id: &str) -> Result<bool, Error> {
    let select = match kind {
        GroupKind::Users => "SELECT 1 FROM user_account WHERE tenant_id = $1 AND id = $2",
        GroupKind::Devices => "SELECT 1 FROM device WHERE tenant_id = $1 AND id = $2",
    };
    let row = sqlx::query(select).bind(tenant.as_str()).bind(member_id).fetch_optional(&mut **change).await?;
    Ok(row.is_some())
}
