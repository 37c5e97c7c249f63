//! User groups, device groups, and what the one is granted on the other.

use serde::Deserialize;
use towline_cloud_api::{CreateGrant, CreateGroup, DeviceGroup, ErrorCode, Grant, Page, Permission, UserGroup};
use utoipa::IntoParams;

use super::{
    Created, Done, Failure, Json, Listed, Path, Query, bad_cursor, check_name, name_cursor, page_limit, to_name_cursor,
    users::NameQuery,
};
use crate::{
    auth::Caller,
    store::{GrantFilter, GroupKind, Membership},
};

/// What live sessions lose when a grant or a membership goes.
const TAKEN_AWAY: &str = "the permission remote-access-connect was taken away";

pub(super) async fn user_groups(caller: Caller, Query(query): Query<NameQuery>) -> Result<Listed<UserGroup>, Failure> {
    caller.anywhere(Permission::UserAdmin, "user-group.list").await?;
    let (after, limit) = (name_cursor(query.cursor)?, page_limit(query.limit)?);
    let page = caller.app.store.user_groups(caller.tenant(), query.name.as_deref(), after.as_deref(), limit).await?;
    Ok(Listed(Page { items: page.items, next: page.next.map(to_name_cursor) }))
}

pub(super) async fn user_group(caller: Caller, Path(group): Path<String>) -> Result<Json<UserGroup>, Failure> {
    caller.anywhere(Permission::UserAdmin, "user-group.show").await?;
    caller.app.store.user_group(caller.tenant(), &group).await?.map(Json).ok_or_else(unknown)
}

pub(super) async fn create_user_group(
    caller: Caller,
    Json(new): Json<CreateGroup>,
) -> Result<Created<UserGroup>, Failure> {
    caller.anywhere(Permission::UserAdmin, "user-group.create").await?;
    check_name("group", &new.name)?;
    let name = new.name;
    let id = caller.app.store.create_group(caller.tenant(), &caller.actor(), GroupKind::Users, &name).await?;
    Ok(Created(UserGroup { id, name, members: Vec::new() }))
}

pub(super) async fn remove_user_group(caller: Caller, Path(group): Path<String>) -> Result<Done, Failure> {
    caller.anywhere(Permission::UserAdmin, "user-group.delete").await?;
    remove(&caller, GroupKind::Users, &group).await
}

pub(super) async fn add_user(caller: Caller, Path((group, user)): Path<(String, String)>) -> Result<Done, Failure> {
    caller.anywhere(Permission::UserAdmin, "user-group.add").await?;
    let (tenant, actor) = (caller.tenant(), caller.actor());
    done(caller.app.store.add_member(tenant, &actor, GroupKind::Users, &group, &user).await?, ErrorCode::NotFound)
}

pub(super) async fn remove_user(caller: Caller, Path((group, user)): Path<(String, String)>) -> Result<Done, Failure> {
    caller.anywhere(Permission::UserAdmin, "user-group.remove").await?;
    let (tenant, actor) = (caller.tenant(), caller.actor());
    let came_to = caller.app.store.remove_member(tenant, &actor, GroupKind::Users, &group, &user).await?;
    caller.app.reconsider(tenant, TAKEN_AWAY, |footing| footing.user_id == user).await;
    done(came_to, ErrorCode::NotFound)
}

pub(super) async fn device_groups(
    caller: Caller,
    Query(query): Query<NameQuery>,
) -> Result<Listed<DeviceGroup>, Failure> {
    caller.anywhere(Permission::UserAdmin, "device-group.list").await?;
    let (after, limit) = (name_cursor(query.cursor)?, page_limit(query.limit)?);
    let (store, name) = (&caller.app.store, query.name.as_deref());
    let page = store.device_groups(caller.tenant(), None, name, after.as_deref(), limit).await?;
    Ok(Listed(Page { items: page.items, next: page.next.map(to_name_cursor) }))
}

pub(super) async fn device_group(caller: Caller, Path(group): Path<String>) -> Result<Json<DeviceGroup>, Failure> {
    caller.anywhere(Permission::UserAdmin, "device-group.show").await?;
    let page = caller.app.store.device_groups(caller.tenant(), Some(&group), None, None, 1).await?;
    page.items.into_iter().next().map(Json).ok_or_else(unknown)
}

pub(super) async fn create_device_group(
    caller: Caller,
    Json(new): Json<CreateGroup>,
) -> Result<Created<DeviceGroup>, Failure> {
    caller.anywhere(Permission::UserAdmin, "device-group.create").await?;
    check_name("group", &new.name)?;
    let name = new.name;
    let id = caller.app.store.create_group(caller.tenant(), &caller.actor(), GroupKind::Devices, &name).await?;
    Ok(Created(DeviceGroup { id, name, device_count: 0 }))
}

pub(super) async fn remove_device_group(caller: Caller, Path(group): Path<String>) -> Result<Done, Failure> {
    caller.anywhere(Permission::UserAdmin, "device-group.delete").await?;
    remove(&caller, GroupKind::Devices, &group).await
}

pub(super) async fn add_device(caller: Caller, Path((group, device)): Path<(String, String)>) -> Result<Done, Failure> {
    caller.anywhere(Permission::UserAdmin, "device-group.add").await?;
    let (tenant, actor) = (caller.tenant(), caller.actor());
    let came_to = caller.app.store.add_member(tenant, &actor, GroupKind::Devices, &group, &device).await?;
    done(came_to, ErrorCode::UnknownDevice)
}

pub(super) async fn remove_device(
    caller: Caller,
    Path((group, device)): Path<(String, String)>,
) -> Result<Done, Failure> {
    caller.anywhere(Permission::UserAdmin, "device-group.remove").await?;
    let (tenant, actor) = (caller.tenant(), caller.actor());
    let came_to = caller.app.store.remove_member(tenant, &actor, GroupKind::Devices, &group, &device).await?;
    caller.app.reconsider(tenant, TAKEN_AWAY, |footing| footing.device_id == device).await;
    done(came_to, ErrorCode::UnknownDevice)
}

async fn remove(caller: &Caller, kind: GroupKind, group_id: &str) -> Result<Done, Failure> {
    if !caller.app.store.delete_group(caller.tenant(), &caller.actor(), kind, group_id).await? {
        return Err(unknown());
    }
    caller.app.reconsider(caller.tenant(), TAKEN_AWAY, |_| true).await;
    Ok(Done)
}

fn done(came_to: Membership, no_member: ErrorCode) -> Result<Done, Failure> {
    match came_to {
        Membership::Done => Ok(Done),
        Membership::NoGroup => Err(unknown()),
        Membership::NoMember => Err(Failure::new(no_member, "")),
    }
}

fn unknown() -> Failure {
    Failure::new(ErrorCode::NotFound, "")
}

#[derive(Deserialize, IntoParams)]
pub(super) struct GrantQuery {
    /// Given to this user group only.
    user_group: Option<String>,
    /// On this device group only.
    device_group: Option<String>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// How many at most, 1 to 1000.
    limit: Option<u32>,
}

pub(super) async fn grants(caller: Caller, Query(query): Query<GrantQuery>) -> Result<Listed<Grant>, Failure> {
    caller.anywhere(Permission::UserAdmin, "grant.list").await?;
    let GrantQuery { user_group, device_group, cursor: after, limit } = query;
    if after.as_ref().is_some_and(|after| after.parse::<u64>().is_err()) {
        return Err(bad_cursor());
    }
    let filter = GrantFilter { user_group, device_group, after };
    Ok(Listed(caller.app.store.grants(caller.tenant(), &filter, page_limit(limit)?).await?))
}

pub(super) async fn create_grant(caller: Caller, Json(new): Json<CreateGrant>) -> Result<Created<Grant>, Failure> {
    caller.anywhere(Permission::UserAdmin, "grant.create").await?;
    match caller.app.store.create_grant(caller.tenant(), &caller.actor(), &new).await? {
        Some(grant) => Ok(Created(grant)),
        None => Err(Failure::new(ErrorCode::NotFound, "the user group or the device group")),
    }
}

pub(super) async fn remove_grant(caller: Caller, Path(grant): Path<String>) -> Result<Done, Failure> {
    caller.anywhere(Permission::UserAdmin, "grant.delete").await?;
    let (app, tenant) = (&caller.app, caller.tenant());
    match app.store.delete_grant(tenant, &caller.actor(), &grant).await? {
        None => Err(unknown()),
        Some(Permission::RemoteAccessConnect) => {
            app.reconsider(tenant, TAKEN_AWAY, |_| true).await;
            Ok(Done)
        }
        Some(_) => Ok(Done),
    }
}
