//! A device's endpoints.

mod draft;

use serde::Deserialize;
use towline_cloud_api::{
    CreateEndpoint, Endpoint, ErrorCode, FieldError, Page, Permission, Protocol, SignIn, TelnetOptions, UpdateEndpoint,
};
use utoipa::IntoParams;

pub(super) use self::draft::{Draft, blocking, host_keys};
use super::{Created, Done, Failure, Json, Listed, Path, Query, name_cursor, page_limit, to_name_cursor};
use crate::{
    auth::Caller,
    moment::{now_millis, rfc3339},
    random,
    store::EndpointChange,
    terminal::check_allowed,
    vault::Sealed,
};

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
        Some(stored) => Ok(Json(stored.endpoint)),
        None => Err(unknown(&device.name)),
    }
}

pub(super) async fn create(
    caller: Caller,
    Path(device): Path<String>,
    Json(new): Json<CreateEndpoint>,
) -> Result<Created<Endpoint>, Failure> {
    let device = caller.device(&device, Permission::RemoteAccessAdmin, "endpoint.create").await?;
    check_allowed(new.protocol, &caller.app.store.settings(caller.tenant()).await?)?;
    let draft = Draft::new(blank(new.protocol, random::id()?, device.id), wish(new)).await?;
    let secrets = sealed(&caller, &draft)?;
    let endpoint = draft.endpoint;
    if !caller.app.store.create_endpoint(caller.tenant(), &caller.actor(), &endpoint, &secrets).await? {
        return Err(Failure::new(ErrorCode::UnknownDevice, ""));
    }
    Ok(Created(endpoint))
}

pub(super) async fn update(
    caller: Caller,
    Path((device, endpoint)): Path<(String, String)>,
    Json(update): Json<UpdateEndpoint>,
) -> Result<Json<Endpoint>, Failure> {
    let device = caller.device(&device, Permission::RemoteAccessAdmin, "endpoint.update").await?;
    if update == UpdateEndpoint::default() {
        return Err(Failure::new(ErrorCode::BadRequest, "say what is to change: name, host, port, sign_in, …"));
    }
    let store = &caller.app.store;
    let Some(before) = store.endpoint(caller.tenant(), &device.id, &endpoint).await? else {
        return Err(unknown(&device.name));
    };
    let draft = Draft::new(before.endpoint.clone(), update).await?;
    let secrets = sealed(&caller, &draft)?;
    let (was, now) = (&before.endpoint, draft.endpoint);
    let is_another = !secrets.is_empty() || Endpoint { name: was.name.clone(), ..now.clone() } != *was;
    let change = EndpointChange { before: &before, now: &now, secrets: &secrets, is_another };
    if !store.update_endpoint(caller.tenant(), &caller.actor(), &change).await? {
        return Err(unknown(&device.name));
    }
    if is_another {
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

/// One field is wrong.
pub(super) fn fault(field: &str, detail: String) -> Failure {
    Failure::fields(vec![FieldError { field: field.into(), detail }])
}

pub(super) fn unknown(device: &str) -> Failure {
    Failure::new(ErrorCode::UnknownEndpoint, format!("on device \"{device}\""))
}

/// An endpoint of which nothing is said yet but what it can never change.
pub(super) fn blank(protocol: Protocol, id: String, device_id: String) -> Endpoint {
    Endpoint {
        id,
        device_id,
        protocol,
        sign_in: protocol.sign_ins().first().copied().unwrap_or(SignIn::None),
        telnet: (protocol == Protocol::Telnet).then(TelnetOptions::default),
        created_at: rfc3339(now_millis()),
        ..Endpoint::default()
    }
}

/// A new endpoint is one that all of this is changed on.
pub(super) fn wish(new: CreateEndpoint) -> UpdateEndpoint {
    UpdateEndpoint {
        name: Some(new.name),
        host: Some(new.host),
        port: Some(new.port),
        sign_in: new.sign_in,
        view_only: Some(new.view_only),
        password: new.password,
        user: new.user,
        private_key: new.private_key,
        passphrase: new.passphrase,
        generate_key: new.generate_key,
        host_keys: new.host_keys,
        legacy_algorithms: Some(new.legacy_algorithms),
        telnet: new.telnet,
    }
}

fn sealed(caller: &Caller, draft: &Draft) -> Result<Vec<Sealed>, Failure> {
    let secrets = draft.secrets.iter();
    let sealed = secrets.map(|(field, secret)| caller.app.seal(caller.tenant(), &draft.endpoint.id, *field, secret));
    Ok(sealed.collect::<Result<_, _>>()?)
}
