//! The REST API: where each route leads, how requests are read and failures told.

mod agent;
mod audit;
mod browser;
mod describe;
mod devices;
mod endpoint_tests;
mod endpoints;
mod events;
mod groups;
mod idempotency;
mod keys;
mod own;
mod records;
mod settings;
mod upgrade;
mod users;

use std::time::Duration;

use axum::{
    Router,
    extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Request},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderValue, StatusCode, header};
use towline_cloud_api::{ErrorCode, FieldError, Health, Page, Permission, Problem};

use self::describe::{Api, Needs};
pub(crate) use self::idempotency::Answering;
pub use self::keys::inspected;
use crate::{
    auth::{Door, HashFailed, Stranger},
    page,
    random::NoRandom,
    seal::Unsealable,
    store::{self, audit::is_control},
    vault,
};

const MAX_BODY_BYTES: usize = 64 * 1024;
/// From a request's head to the answer's: nobody sends a body for ever.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_NAME_CHARS: usize = 64;
const DEFAULT_PAGE: u32 = 100;
const MAX_PAGE: u32 = 1000;

/// Every route there is.
pub(crate) fn routes(door: Door) -> Router {
    use Needs::{Anywhere, DeviceProof, Everywhere, Login, Nothing, OnDevice, OnRecord};
    use Permission::{
        DeviceControlAdmin, DeviceControlRead, RemoteAccessAdmin, RemoteAccessConnect, RemoteAccessRead, UserAdmin,
    };

    // The id of each is also what the audit calls it.
    #[rustfmt::skip]
    let api = Api::new(door.clone())
        .get("/health", "health.show", Nothing, "whether the cloud runs", health)
        .get("/ready", "readiness.show", Nothing, "whether the cloud can do its work now", ready)
        .document("/openapi.json", "openapi.show", "this document")

        .get("/page", "page.show", Nothing, "what the page has to know before a login", browser::page)

        .post("/login", "login", Nothing, "log in", own::login)
        .post("/browser/login", "browser.login", Nothing, "log a page in, with a cookie", browser::login)
        .post("/browser/login-link", "browser.login-link", Nothing, "log a page in with the code of a login link", browser::login_link)
        .post("/logout", "logout", Login, "end the token that this is asked with", own::logout)
        .get("/current-user", "current-user.show", Login, "who I am and what I may do", own::show)
        .put("/current-user/password", "password.change", Login, "change my password", own::change_password)
        .post("/current-user/totp", "totp.begin", Login, "get a secret for a second factor", own::begin_totp)
        .post("/current-user/totp/confirm", "totp.confirm", Login, "put my second factor in force", own::confirm_totp)
        .delete("/current-user/totp", "totp.remove", Login, "remove my second factor", own::remove_totp)
        .get("/tokens", "token.list", Login, "my logins; another user's with user-admin", own::tokens)
        .delete("/tokens/{token}", "token.revoke", Login, "end a login of mine; anybody's with user-admin", own::revoke_token)

        .get("/users", "user.list", Anywhere(UserAdmin), "all users", users::list)
        .post("/users", "user.create", Anywhere(UserAdmin), "make a user, who may do nothing yet", users::create)
        .get("/users/{user}", "user.show", Anywhere(UserAdmin), "one user", users::show)
        .patch("/users/{user}", "user.update", Anywhere(UserAdmin), "disable or enable a user", users::update)
        .delete("/users/{user}", "user.delete", Anywhere(UserAdmin), "remove a user", users::remove)
        .put("/users/{user}/password", "password.reset", Anywhere(UserAdmin), "give a user another password", users::reset_password)
        .delete("/users/{user}/totp", "user-totp.remove", Anywhere(UserAdmin), "remove a user's second factor", users::remove_totp)

        .get("/user-groups", "user-group.list", Anywhere(UserAdmin), "all user groups", groups::user_groups)
        .post("/user-groups", "user-group.create", Anywhere(UserAdmin), "make a user group", groups::create_user_group)
        .get("/user-groups/{group}", "user-group.show", Anywhere(UserAdmin), "one user group", groups::user_group)
        .delete("/user-groups/{group}", "user-group.delete", Anywhere(UserAdmin), "remove a user group", groups::remove_user_group)
        .put("/user-groups/{group}/members/{user}", "user-group.add", Anywhere(UserAdmin), "put a user into a group", groups::add_user)
        .delete("/user-groups/{group}/members/{user}", "user-group.remove", Anywhere(UserAdmin), "take a user out of a group", groups::remove_user)

        .get("/device-groups", "device-group.list", Anywhere(UserAdmin), "all device groups", groups::device_groups)
        .post("/device-groups", "device-group.create", Anywhere(UserAdmin), "make a device group", groups::create_device_group)
        .get("/device-groups/{group}", "device-group.show", Anywhere(UserAdmin), "one device group", groups::device_group)
        .delete("/device-groups/{group}", "device-group.delete", Anywhere(UserAdmin), "remove a device group", groups::remove_device_group)
        .put("/device-groups/{group}/devices/{device}", "device-group.add", Anywhere(UserAdmin), "put a device into a group", groups::add_device)
        .delete("/device-groups/{group}/devices/{device}", "device-group.remove", Anywhere(UserAdmin), "take a device out of a group", groups::remove_device)

        .get("/grants", "grant.list", Anywhere(UserAdmin), "all grants", groups::grants)
        .post("/grants", "grant.create", Anywhere(UserAdmin), "give a user group a permission on a device group", groups::create_grant)
        .delete("/grants/{grant}", "grant.delete", Anywhere(UserAdmin), "take a permission away", groups::remove_grant)

        .get("/devices", "device.list", Anywhere(DeviceControlRead), "the devices that I may see", devices::list)
        .get("/devices/{device}", "device.show", OnDevice(DeviceControlRead), "one device", devices::show)
        .patch("/devices/{device}", "device.update", OnDevice(DeviceControlAdmin), "rename, disable or enable a device", devices::update)
        .delete("/devices/{device}", "device.delete", OnDevice(DeviceControlAdmin), "remove a device", devices::remove)
        .post("/enrolment-tokens", "enrolment-token.create", Everywhere(DeviceControlAdmin), "get a token to enrol a device with; of an existing device, with the permission on it", devices::issue_enrolment_token)

        .get("/devices/{device}/endpoints", "endpoint.list", OnDevice(RemoteAccessRead), "a device's endpoints", endpoints::list)
        .post("/devices/{device}/endpoints", "endpoint.create", OnDevice(RemoteAccessAdmin), "make an endpoint", endpoints::create)
        .get("/devices/{device}/endpoints/{endpoint}", "endpoint.show", OnDevice(RemoteAccessRead), "one endpoint", endpoints::show)
        .patch("/devices/{device}/endpoints/{endpoint}", "endpoint.update", OnDevice(RemoteAccessAdmin), "change an endpoint", endpoints::update)
        .delete("/devices/{device}/endpoints/{endpoint}", "endpoint.delete", OnDevice(RemoteAccessAdmin), "remove an endpoint", endpoints::remove)

        .post("/devices/{device}/endpoints/{endpoint}/key-installations", "endpoint.install-key", OnDevice(RemoteAccessAdmin), "put the public half of an endpoint's key pair onto its target, with a password", keys::install_key)
        .post("/key-inspections", "key.inspect", Anywhere(RemoteAccessAdmin), "find out what keys are", keys::inspect)
        .post("/devices/{device}/endpoint-tests", "endpoint.test", OnDevice(RemoteAccessAdmin), "try whether an endpoint would work", endpoint_tests::test)
        .post("/devices/{device}/endpoints/{endpoint}/tickets", "ticket.create", OnDevice(RemoteAccessConnect), "get a ticket for one connection of a page", browser::issue_ticket)
        .get("/connect", "ticket.use", Login, "the WebSocket that a ticket is for", browser::connect)

        .get("/operations", "operation.list", Anywhere(RemoteAccessRead), "attempts to connect, newest first", records::operations)
        .get("/operations/{operation}", "operation.show", OnRecord(RemoteAccessRead), "one attempt to connect", records::operation)
        .get("/sessions", "session.list", Anywhere(RemoteAccessRead), "sessions, newest first", records::sessions)
        .get("/sessions/{session}", "session.show", OnRecord(RemoteAccessRead), "one session", records::session)
        .delete("/sessions/{session}", "session.kill", OnRecord(RemoteAccessAdmin), "end a session", records::kill)

        .get("/settings", "settings.show", Login, "what holds for all sessions", settings::show)
        .patch("/settings", "settings.update", Anywhere(UserAdmin), "change what holds for all sessions", settings::update)

        .get("/audit", "audit.list", Anywhere(UserAdmin), "the audit, newest first", audit::list)
        .get("/audit/verify", "audit.verify", Anywhere(UserAdmin), "whether the audit's chain is whole", audit::verify)
        .get("/audit/export", "audit.export", Anywhere(UserAdmin), "the whole audit, oldest first", audit::export)
        .get("/events", "event.listen", Login, "what changes, as it changes", events::listen)

        // Each channel of the tunnel takes the permission on its device.
        .get("/tunnel", "tunnel.open", Login, "an operator's tunnel", records::tunnel)
        .get("/agent/challenge", "challenge.show", Nothing, "what an agent signs", agent::challenge)
        .post("/agent/enrol", "device.enrol", Nothing, "become a device, with an enrolment token", agent::enrol)
        .get("/agent/tunnel", "device.connect", DeviceProof, "a device's tunnel", agent::tunnel);

    api.finish()
        .method_not_allowed_fallback(nothing_here)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn_with_state(door.clone(), in_time))
        // Behind the layers: what the page says of caching stays as it is.
        .fallback(page::show)
        .with_state(door)
}

async fn health() -> Result<Json<Health>, Failure> {
    Ok(Json(Health { status: "ok".into(), version: env!("CARGO_PKG_VERSION").into() }))
}

async fn ready(stranger: Stranger) -> Result<Json<Health>, Failure> {
    crate::drain::ready(&stranger.app).await?;
    health().await
}

async fn nothing_here() -> Failure {
    Failure::new(ErrorCode::NotFound, "no route has this method and path")
}

async fn in_time(stranger: Stranger, request: Request, next: Next) -> Response {
    let changes_nothing = request.method().is_safe();
    let answer = async {
        tokio::time::timeout(REQUEST_TIMEOUT, next.run(request))
            .await
            .unwrap_or_else(|_| Failure::new(ErrorCode::BadRequest, "the request took too long").into_response())
    };
    let mut response = if changes_nothing {
        answer.await
    } else {
        // In a task of its own: who hangs up early does not keep a change from its consequences.
        let answer = stranger.app.tasks.spawn(answer);
        answer.await.unwrap_or_else(|_| Failure::new(ErrorCode::Internal, "").into_response())
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// What a handler answers when it does not do what it was asked: a problem document.
#[derive(Debug)]
pub(crate) struct Failure(Box<Problem>);

impl Failure {
    pub(crate) fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self(Box::new(Problem::new(code, detail)))
    }

    /// The request is not understood, because of these fields.
    pub(crate) fn fields(errors: Vec<FieldError>) -> Self {
        let detail = errors.iter().map(|error| error.detail.as_str()).collect::<Vec<_>>().join("; ");
        let mut problem = Problem::new(ErrorCode::BadRequest, detail);
        problem.errors = errors.into();
        Self(Box::new(problem))
    }

    pub(crate) fn into_problem(self) -> Problem {
        *self.0
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        let kind = HeaderValue::from_static("application/problem+json");
        let mut response = (status, body).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Exists { .. } | store::Error::Conflict(_) => {
                Self::new(ErrorCode::Conflict, error.to_string())
            }
            error if error.is_storage() => {
                tracing::error!(%error, "the store cannot be written");
                Self::new(ErrorCode::StorageFailed, "")
            }
            error => internal(&error),
        }
    }
}

impl From<NoRandom> for Failure {
    fn from(error: NoRandom) -> Self {
        internal(&error)
    }
}

impl From<Unsealable> for Failure {
    fn from(error: Unsealable) -> Self {
        internal(&error)
    }
}

impl From<vault::Error> for Failure {
    fn from(error: vault::Error) -> Self {
        match error {
            vault::Error::Store(error) => error.into(),
            vault::Error::Unsealable(error) => error.into(),
        }
    }
}

impl From<HashFailed> for Failure {
    fn from(error: HashFailed) -> Self {
        internal(&error)
    }
}

/// The log gets the reason; the caller only that it was not their fault.
fn internal(error: &dyn std::error::Error) -> Failure {
    tracing::error!(%error, "a request failed");
    Failure::new(ErrorCode::Internal, "")
}

/// JSON, in and out.
#[derive(FromRequest)]
#[from_request(via(axum::Json), rejection(Failure))]
struct Json<T>(T);

impl<T: serde::Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// Something that was made, as the answer of a route that makes.
struct Created<T>(T);

impl<T: serde::Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        (StatusCode::CREATED, axum::Json(self.0)).into_response()
    }
}

/// One page of a list.
struct Listed<T>(Page<T>);

impl<T: serde::Serialize> IntoResponse for Listed<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// There is nothing to say but that it was done.
struct Done;

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl From<axum::extract::rejection::JsonRejection> for Failure {
    fn from(rejection: axum::extract::rejection::JsonRejection) -> Self {
        // Serde's messages repeat what was sent; what was sent may be a password.
        let detail = match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => format!("the body has more than {MAX_BODY_BYTES} bytes"),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => "the body is to be application/json".into(),
            _ => "the body is not the JSON that this route takes".into(),
        };
        Self::new(ErrorCode::BadRequest, detail)
    }
}

/// A path's parameters.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Failure))]
struct Path<T>(T);

impl From<axum::extract::rejection::PathRejection> for Failure {
    fn from(rejection: axum::extract::rejection::PathRejection) -> Self {
        Self::new(ErrorCode::BadRequest, rejection.body_text())
    }
}

/// A query's parameters.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Failure))]
struct Query<T>(T);

impl From<axum::extract::rejection::QueryRejection> for Failure {
    fn from(rejection: axum::extract::rejection::QueryRejection) -> Self {
        Self::new(ErrorCode::BadRequest, rejection.body_text())
    }
}

fn page_limit(limit: Option<u32>) -> Result<u32, Failure> {
    match limit.unwrap_or(DEFAULT_PAGE) {
        limit @ 1..=MAX_PAGE => Ok(limit),
        _ => Err(Failure::new(ErrorCode::BadRequest, format!("limit is to be 1 to {MAX_PAGE}"))),
    }
}

fn bad_cursor() -> Failure {
    Failure::new(ErrorCode::BadRequest, "the cursor is not one that this list gave")
}

/// A list by name goes on behind a name.
fn name_cursor(cursor: Option<String>) -> Result<Option<String>, Failure> {
    cursor
        .map(|cursor| {
            let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| bad_cursor())?;
            String::from_utf8(bytes).map_err(|_| bad_cursor())
        })
        .transpose()
}

fn to_name_cursor(name: String) -> String {
    URL_SAFE_NO_PAD.encode(name)
}

/// A name of anything: 1 to 64 characters, none of which moves the cursor or turns text, no blanks at the ends.
pub(crate) fn check_name(what: &str, name: &str) -> Result<(), Failure> {
    let wrong = wrong_name(what, name).map(|detail| Failure::new(ErrorCode::BadRequest, detail));
    wrong.map_or(Ok(()), Err)
}

/// What is wrong with a name.
fn wrong_name(what: &str, name: &str) -> Option<String> {
    let fits = (1..=MAX_NAME_CHARS).contains(&name.chars().count());
    if fits && !name.contains(is_control) && name.trim() == name {
        return None;
    }
    Some(format!("a {what}'s name has 1 to {MAX_NAME_CHARS} characters, no control characters, no blanks at its ends"))
}
