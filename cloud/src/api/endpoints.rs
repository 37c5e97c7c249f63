//! A device's endpoints.

use std::net::Ipv6Addr;

use serde::Deserialize;
use towline_cloud_api::{
    CreateEndpoint, Endpoint, ErrorCode, FieldError, Page, Permission, Protocol, Secret, SignIn, UpdateEndpoint,
};
use utoipa::IntoParams;

use super::{Created, Done, Failure, Json, Listed, Path, Query, name_cursor, page_limit, to_name_cursor, wrong_name};
use crate::{
    auth::Caller,
    moment::{now_millis, rfc3339},
    random,
    store::{EndpointChange, audit::is_control},
    vault::{Field, Sealed},
};

const MAX_HOST_BYTES: usize = 255;
const MAX_PASSWORD_BYTES: usize = 255;

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
    let endpoint = checked(&new, random::id()?, device.id)?;
    let secrets = sealed(&caller, &endpoint, new.password.as_ref())?;
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
        let detail = "say what is to change: name, host, port, sign_in, view_only, password";
        return Err(Failure::new(ErrorCode::BadRequest, detail));
    }
    let store = &caller.app.store;
    let Some(before) = store.endpoint(caller.tenant(), &device.id, &endpoint).await? else {
        return Err(unknown(&device.name));
    };
    let was = &before.endpoint;
    let UpdateEndpoint { name, host, port, sign_in, view_only, password } = update;
    let sign_in = sign_in.unwrap_or(was.sign_in);
    let keeps_password = was.has_password && sign_in == was.sign_in;
    let now = Endpoint {
        name: name.unwrap_or_else(|| was.name.clone()),
        host: host.unwrap_or_else(|| was.host.clone()),
        port: port.unwrap_or(was.port),
        sign_in,
        view_only: view_only.unwrap_or(was.view_only),
        has_password: keeps_password || password.is_some(),
        ..was.clone()
    };
    check(&now, password.as_ref())?;
    let secrets = sealed(&caller, &now, password.as_ref())?;
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

pub(super) fn unknown(device: &str) -> Failure {
    Failure::new(ErrorCode::UnknownEndpoint, format!("on device \"{device}\""))
}

/// The endpoint that somebody wishes for, if everything about it is right.
pub(super) fn checked(new: &CreateEndpoint, id: String, device_id: String) -> Result<Endpoint, Failure> {
    let CreateEndpoint { name, protocol, host, port, sign_in, view_only, password } = new;
    let usual = protocol.sign_ins().first().copied().unwrap_or(SignIn::None);
    let endpoint = Endpoint {
        id,
        device_id,
        name: name.clone(),
        protocol: *protocol,
        host: host.clone(),
        port: *port,
        sign_in: sign_in.unwrap_or(if password.is_some() { SignIn::Password } else { usual }),
        view_only: *view_only,
        has_password: password.is_some(),
        created_at: rfc3339(now_millis()),
    };
    check(&endpoint, password.as_ref())?;
    Ok(endpoint)
}

/// Looks at every field, so that a form can show all that is wrong at once.
fn check(endpoint: &Endpoint, password: Option<&Secret>) -> Result<(), Failure> {
    let Endpoint { name, protocol, host, port, sign_in, view_only, has_password, .. } = endpoint;
    let wrong_sign_in = || {
        let ways: Vec<_> = protocol.sign_ins().iter().map(|way| way.as_str()).collect();
        format!("sign_in of {protocol} is one of: {}", ways.join(", "))
    };
    let wrong = [
        ("name", wrong_name("endpoint", name)),
        ("host", wrong_host(host)),
        ("port", (*port == 0).then(|| "a port is 1 to 65535".into())),
        ("sign_in", (!protocol.sign_ins().contains(sign_in)).then(wrong_sign_in)),
        ("view_only", (*view_only && *protocol != Protocol::Vnc).then(|| "only a screen can be looked at only".into())),
        ("password", wrong_password(*sign_in, *has_password, password)),
    ];
    let errors: Vec<_> = wrong
        .into_iter()
        .filter_map(|(field, detail)| Some(FieldError { field: field.into(), detail: detail? }))
        .collect();
    if errors.is_empty() { Ok(()) } else { Err(Failure::fields(errors)) }
}

fn wrong_password(sign_in: SignIn, has_password: bool, password: Option<&Secret>) -> Option<String> {
    if let Some(password) = password {
        let length = password.expose().len();
        if !(1..=MAX_PASSWORD_BYTES).contains(&length) {
            return Some(format!("a password has 1 to {MAX_PASSWORD_BYTES} bytes"));
        }
    }
    match sign_in {
        SignIn::Password if !has_password => Some("signing in with a password takes a password".into()),
        SignIn::None if password.is_some() => Some("without a sign-in there is no password".into()),
        _ => None,
    }
}

/// A host name or an address: it goes into a URL and into messages, so nothing that could end it early.
fn wrong_host(host: &str) -> Option<String> {
    let forbidden =
        |character: char| is_control(character) || character.is_whitespace() || "/@\\?#[]".contains(character);
    let is_colon_right = !host.contains(':') || host.parse::<Ipv6Addr>().is_ok();
    if (1..=MAX_HOST_BYTES).contains(&host.len()) && !host.contains(forbidden) && is_colon_right {
        return None;
    }
    Some(format!(
        "a host has 1 to {MAX_HOST_BYTES} bytes, no blanks, no control characters, none of / @ \\ ? # [ ], and a colon in an IPv6 address only"
    ))
}

fn sealed(caller: &Caller, endpoint: &Endpoint, password: Option<&Secret>) -> Result<Vec<Sealed>, Failure> {
    let Some(password) = password else { return Ok(Vec::new()) };
    Ok(vec![caller.app.seal(caller.tenant(), &endpoint.id, Field::Password, password)?])
}
