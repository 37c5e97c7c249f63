//! Grants: a permission of a user group on a device group.

use sqlx::{Row, sqlite::SqliteRow};
use towline_cloud_api::{CreateGrant, Grant, GroupRef, Page, Permission};

use super::{Actor, Entry, Error, Store, Tenant, cut_page, rights};
use crate::random;

/// Which grants a list is about.
#[derive(Clone, Debug, Default)]
pub(crate) struct GrantFilter {
    pub(crate) user_group: Option<String>,
    pub(crate) device_group: Option<String>,
    /// The id of the last grant of the page before.
    pub(crate) after: Option<String>,
}

fn read(row: &SqliteRow) -> Result<Grant, Error> {
    Ok(Grant {
        id: row.try_get("id")?,
        user_group: GroupRef { id: row.try_get("user_group_id")?, name: row.try_get("user_group_name")? },
        device_group: GroupRef { id: row.try_get("device_group_id")?, name: row.try_get("device_group_name")? },
        permission: Permission::from_word(row.try_get("permission")?)
            .ok_or(Error::Damaged { what: "a grant's permission" })?,
    })
}

impl Store {
    /// One page of the grants, by id.
    pub(crate) async fn grants(&self, tenant: &Tenant, filter: &GrantFilter, limit: u32) -> Result<Page<Grant>, Error> {
        let rows = sqlx::query(
            "SELECT g.id, g.permission, g.user_group_id, ug.name AS user_group_name,
                    g.device_group_id, dg.name AS device_group_name
             FROM permission_grant g
             JOIN user_group ug ON ug.id = g.user_group_id AND ug.tenant_id = g.tenant_id
             JOIN device_group dg ON dg.id = g.device_group_id AND dg.tenant_id = g.tenant_id
             WHERE g.tenant_id = $1
               AND (CAST($2 AS TEXT) IS NULL OR g.user_group_id = $2)
               AND (CAST($3 AS TEXT) IS NULL OR g.device_group_id = $3)
               AND (CAST($4 AS TEXT) IS NULL OR g.id > $4)
             ORDER BY g.id LIMIT $5",
        )
        .bind(tenant.as_str())
        .bind(&filter.user_group)
        .bind(&filter.device_group)
        .bind(&filter.after)
        .bind(i64::from(limit) + 1)
        .fetch_all(&self.reader)
        .await?;
        let mut items = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let next = cut_page(&mut items, limit, |grant| grant.id.clone());
        Ok(Page { items, next })
    }

    /// Gives a permission. `None` if one of the groups does not exist.
    pub(crate) async fn create_grant(
        &self,
        tenant: &Tenant,
        actor: &Actor,
        new: &CreateGrant,
    ) -> Result<Option<Grant>, Error> {
        let id = random::id()?;
        let mut change = self.begin().await?;
        let names = sqlx::query(
            "SELECT ug.name AS user_group_name, dg.name AS device_group_name FROM user_group ug
             JOIN device_group dg ON dg.tenant_id = ug.tenant_id
             WHERE ug.tenant_id = $1 AND ug.id = $2 AND dg.id = $3",
        )
        .bind(tenant.as_str())
        .bind(&new.user_group_id)
        .bind(&new.device_group_id)
        .fetch_optional(&mut *change)
        .await?;
        let Some(names) = names else { return Ok(None) };
        let user_group = GroupRef { id: new.user_group_id.clone(), name: names.try_get("user_group_name")? };
        let device_group = GroupRef { id: new.device_group_id.clone(), name: names.try_get("device_group_name")? };
        let done = sqlx::query(
            "INSERT INTO permission_grant (id, tenant_id, user_group_id, device_group_id, permission)
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        )
        .bind(&id)
        .bind(tenant.as_str())
        .bind(&user_group.id)
        .bind(&device_group.id)
        .bind(new.permission.as_str())
        .execute(&mut *change)
        .await?;
        if done.rows_affected() == 0 {
            return Err(Error::Conflict("the group has this permission already"));
        }
        let entry = Entry::ok(actor, "grant.create", format!("grant/{id}")).detail(format!(
            "{} for user-group/{} {} on device-group/{} {}",
            new.permission, user_group.id, user_group.name, device_group.id, device_group.name
        ));
        self.append(&mut change, tenant, entry).await?;
        change.commit().await?;
        Ok(Some(Grant { id, user_group, device_group, permission: new.permission }))
    }

    /// Takes a permission away; says which, if there was such a grant.
    pub(crate) async fn delete_grant(
        &self,
        tenant: &Tenant,
        actor: &Actor,
        grant_id: &str,
    ) -> Result<Option<Permission>, Error> {
        let mut change = self.begin().await?;
        let row = sqlx::query(
            "DELETE FROM permission_grant WHERE tenant_id = $1 AND id = $2
             RETURNING user_group_id, device_group_id, permission",
        )
        .bind(tenant.as_str())
        .bind(grant_id)
        .fetch_optional(&mut *change)
        .await?;
        let Some(row) = row else { return Ok(None) };
        rights::keep_an_administrator(&mut change, tenant).await?;
        let word: String = row.try_get("permission")?;
        let (user_group, device_group): (String, String) =
            (row.try_get("user_group_id")?, row.try_get("device_group_id")?);
        let entry = Entry::ok(actor, "grant.delete", format!("grant/{grant_id}"))
            .detail(format!("{word} for user-group/{user_group} on device-group/{device_group}"));
        self.append(&mut change, tenant, entry).await?;
        change.commit().await?;
        Permission::from_word(&word).map(Some).ok_or(Error::Damaged { what: "a grant's permission" })
    }
}
