//! A device's endpoints.

use std::net::Ipv6Addr;

use serde::Deserialize;
use towline_cloud_api::{CreateEndpoint, Endpoint, ErrorCode, Page, Permission, UpdateEndpoint};
use utoipa::IntoParams;

use super::{Created, Done, Failure, Json, Listed, Path, Query, check_name, name_cursor, page_limit, to_name_cursor};
use crate::{auth::Caller, store::audit::is_control};

const MAX_HOST_BYTES: usize = 255;

#[derive(Deserialize, IntoParams)]
pub(super) struct EndpointQuery {
    /// The `next` of the page before.
    cursor: Option<String>,
    /// How many at most, 1 to 1000.
    limit: Option<u32>,
}

pub(super) async fn list(
    caller: Caller,
    Path(device): Path<String>,
    Query(query): Query<EndpointQuery>,
) -> Result<Listed<Endpoint>, Failure> {
    let device = caller.device(&device, Permission::RemoteAccessRead, "endpoint.list").await?;
    let after = name_cursor(query.cursor)?;
    let limit = page_limit(query.limit)?;
    let page = caller.app.store.endpoints(caller.tenant(), &device.id, after.as_deref(), limit).await?;
    Ok(Listed(Page { items: page.items, next: page.next.map(to_name_cursor) }))
}

pub(super) async fn show(
    caller: Caller,
    Path((device, endpoint)): Path<(String, String)>,
) -> Result<Json<Endpoint>, Failure> {
    let device = caller.device(&device, Permission::RemoteAccessRead, "endpoint.show").await?;
    match caller.app.store.endpoint(caller.tenant(), &device.id, &endpoint).await? {
        Some(endpoint) => Ok(Json(endpoint)),
        None => Err(unknown(&device.name)),
    }
}

pub(super) async fn create(
    caller: Caller,
    Path(device): Path<String>,
    Json(new): Json<CreateEndpoint>,
) -> Result<Created<Endpoint>, Failure> {
    let device = caller.device(&device, Permission::RemoteAccessAdmin, "endpoint.create").await?;
    check_name("endpoint", &new.name)?;
    check_host(&new.host)?;
    check_port(new.port)?;
    match caller.app.store.create_endpoint(caller.tenant(), &caller.actor(), &device.id, &new).await? {
        Some(endpoint) => Ok(Created(endpoint)),
        None => Err(Failure::new(ErrorCode::UnknownDevice, "")),
    }
}

pub(super) async fn update(
    caller: Caller,
    Path((device, endpoint)): Path<(String, String)>,
    Json(update): Json<UpdateEndpoint>,
) -> Result<Json<Endpoint>, Failure> {
    let device = caller.device(&device, Permission::RemoteAccessAdmin, "endpoint.update").await?;
    if update == UpdateEndpoint::default() {
        return Err(Failure::new(ErrorCode::BadRequest, "say what is to change: name, host, port"));
    }
    update.name.as_deref().map_or(Ok(()), |name| check_name("endpoint", name))?;
    update.host.as_deref().map_or(Ok(()), check_host)?;
    update.port.map_or(Ok(()), check_port)?;
    let store = &caller.app.store;
    let changed = store.update_endpoint(caller.tenant(), &caller.actor(), &device.id, &endpoint, &update).await?;
    let (before, now) = changed.ok_or_else(|| unknown(&device.name))?;
    if (&before.host, before.port) != (&now.host, now.port) {
        caller.app.revoke_endpoint(&now.id, "the endpoint was changed");
    }
    Ok(Json(now))
}

pub(super) async fn remove(caller: Caller, Path((device, endpoint)): Path<(String, String)>) -> Result<Done, Failure> {
    let device = caller.device(&device, Permission::RemoteAccessAdmin, "endpoint.delete").await?;
    if !caller.app.store.delete_endpoint(caller.tenant(), &caller.actor(), &device.id, &endpoint).await? {
        return Err(unknown(&device.name));
    }
    caller.app.revoke_endpoint(&endpoint, "the endpoint was removed");
    Ok(Done)
}

fn check_port(port: u16) -> Result<(), Failure> {
    if port == 0 {
        return Err(Failure::new(ErrorCode::BadRequest, "a port is 1 to 65535"));
    }
    Ok(())
}

fn unknown(device: &str) -> Failure {
    Failure::new(ErrorCode::UnknownEndpoint, format!("on device \"{device}\""))
}

/// A host name or an address: it goes into a URL and into messages, so nothing that could end it early.
fn check_host(host: &str) -> Result<(), Failure> {
    let forbidden =
        |character: char| is_control(character) || character.is_whitespace() || "/@\\?#[]".contains(character);
    let is_colon_right = !host.contains(':') || host.parse::<Ipv6Addr>().is_ok();
    if (1..=MAX_HOST_BYTES).contains(&host.len()) && !host.contains(forbidden) && is_colon_right {
        return Ok(());
    }
    let detail = format!(
        "a host has 1 to {MAX_HOST_BYTES} bytes, no blanks, no control characters, none of / @ \\ ? # [ ], and a colon in an IPv6 address only"
    );
    Err(Failure::new(ErrorCode::BadRequest, detail))
}
