//! Devices and the tokens they are enrolled with.

use serde::Deserialize;
use towline_cloud_api::{Device, EnrolmentTicket, ErrorCode, IssueEnrolmentToken, Page, Permission, UpdateDevice};
use towline_tunnel_proto::Code;
use utoipa::IntoParams;

use super::{Created, Done, Failure, Json, Listed, Path, Query, check_name, name_cursor, page_limit, to_name_cursor};
use crate::{auth::Caller, store::DeviceFilter};

#[derive(Deserialize, IntoParams)]
pub(super) struct DeviceQuery {
    /// The one of this name only.
    name: Option<String>,
    /// Those with this in their name, in upper or lower case.
    q: Option<String>,
    /// The one with this external id only, together with `external_value`.
    external_type: Option<String>,
    /// The external id's value.
    external_value: Option<String>,
    /// Those of this device group only; who is in which is for those with user-admin.
    group: Option<String>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// How many at most, 1 to 1000.
    limit: Option<u32>,
}

pub(super) async fn list(caller: Caller, Query(query): Query<DeviceQuery>) -> Result<Listed<Device>, Failure> {
    caller.anywhere(Permission::DeviceControlRead, "device.list").await?;
    let external = match (query.external_type, query.external_value) {
        (Some(kind), Some(value)) => Some((kind, value)),
        (None, None) => None,
        _ => return Err(Failure::new(ErrorCode::BadRequest, "external_type and external_value go together")),
    };
    if query.group.is_some() {
        caller.anywhere(Permission::UserAdmin, "device.list").await?;
    }
    let after = name_cursor(query.cursor)?;
    let filter = DeviceFilter { name: query.name, part: query.q, external, group: query.group, after };
    let limit = page_limit(query.limit)?;
    let app = &caller.app;
    let page = app.store.devices(caller.tenant(), &caller.visitor.user_id, &filter, limit).await?;
    let items = page.items.iter().map(|device| device.to_api(app.agents.presence(&device.id))).collect();
    Ok(Listed(Page { items, next: page.next.map(to_name_cursor) }))
}

pub(super) async fn show(caller: Caller, Path(device): Path<String>) -> Result<Json<Device>, Failure> {
    let device = caller.device(&device, Permission::DeviceControlRead, "device.show").await?;
    Ok(Json(device.to_api(caller.app.agents.presence(&device.id))))
}

pub(super) async fn update(
    caller: Caller,
    Path(device): Path<String>,
    Json(update): Json<UpdateDevice>,
) -> Result<Json<Device>, Failure> {
    let device = caller.device(&device, Permission::DeviceControlAdmin, "device.update").await?;
    let app = &caller.app;
    if update == UpdateDevice::default() {
        return Err(Failure::new(ErrorCode::BadRequest, "say what is to change: name, disabled"));
    }
    if let Some(name) = &update.name {
        check_name("device", name)?;
    }
    if !app.store.update_device(caller.tenant(), &caller.actor(), &device.id, &update).await? {
        return Err(Failure::new(ErrorCode::UnknownDevice, ""));
    }
    if update.disabled == Some(true) {
        app.revoke_device(&device.id, Code::DEVICE_DISABLED, "the device was disabled");
    }
    app.device_changed(caller.tenant(), &device.id);
    let found = app.store.device_for(caller.tenant(), &caller.visitor.user_id, &device.id).await?;
    let device = found.ok_or_else(|| Failure::new(ErrorCode::UnknownDevice, ""))?;
    Ok(Json(device.to_api(app.agents.presence(&device.id))))
}

pub(super) async fn remove(caller: Caller, Path(device): Path<String>) -> Result<Done, Failure> {
    let device = caller.device(&device, Permission::DeviceControlAdmin, "device.delete").await?;
    let app = &caller.app;
    if !app.store.delete_device(caller.tenant(), &caller.actor(), &device.id).await? {
        return Err(Failure::new(ErrorCode::UnknownDevice, ""));
    }
    app.revoke_device(&device.id, Code::REVOKED, "the device was removed");
    app.device_changed(caller.tenant(), &device.id);
    Ok(Done)
}

pub(super) async fn issue_enrolment_token(
    caller: Caller,
    Json(wish): Json<IssueEnrolmentToken>,
) -> Result<Created<EnrolmentTicket>, Failure> {
    const ACTION: &str = "enrolment-token.create";
    let app = &caller.app;
    // Who may not see the device of that name is told the same as if there were none.
    let visible = match app.store.device_named(caller.tenant(), &wish.name).await? {
        Some(id) => app.store.device_for(caller.tenant(), &caller.visitor.user_id, &id).await?,
        None => None,
    };
    match visible {
        Some(device) => drop(caller.device(&device.id, Permission::DeviceControlAdmin, ACTION).await?),
        None => caller.everywhere(Permission::DeviceControlAdmin, ACTION).await?,
    }
    let ticket =
        app.issue_enrolment_token(caller.tenant(), &caller.actor(), &wish.name, wish.valid_for_seconds).await?;
    Ok(Created(ticket))
}
