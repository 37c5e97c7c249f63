//! The REST API: where each route leads, how requests are read and failures told.

mod agent;
mod devices;
mod endpoints;
mod records;
mod upgrade;
mod users;

use std::time::Duration;

use axum::{
    Router,
    extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Request},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderValue, StatusCode, header};
use towline_cloud_api::{ErrorCode, Health, Problem};

use crate::{
    auth::{Door, HashFailed},
    random::NoRandom,
    store::{self, audit::is_control},
};

const MAX_BODY_BYTES: usize = 64 * 1024;
/// From a request's head to the answer's: nobody sends a body for ever.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_NAME_CHARS: usize = 64;
const DEFAULT_PAGE: u32 = 100;
const MAX_PAGE: u32 = 1000;

/// Every route there is.
pub(crate) fn routes(door: Door) -> Router {
    Router::new()
        .route("/api/v1/health", get(health))
        .route("/api/v1/login", post(users::login))
        .route("/api/v1/logout", post(users::logout))
        .route("/api/v1/current-user", get(users::current))
        .route("/api/v1/users", post(users::create))
        .route("/api/v1/devices", get(devices::list))
        .route("/api/v1/devices/{device}", get(devices::show).delete(devices::remove))
        .route("/api/v1/enrolment-tokens", post(devices::issue_enrolment_token))
        .route("/api/v1/devices/{device}/endpoints", get(endpoints::list).post(endpoints::create))
        .route("/api/v1/devices/{device}/endpoints/{endpoint}", get(endpoints::show))
        .route("/api/v1/devices/{device}/endpoints/{endpoint}", delete(endpoints::remove))
        .route("/api/v1/operations", get(records::operations))
        .route("/api/v1/sessions", get(records::sessions))
        .route("/api/v1/audit", get(records::audit))
        .route("/api/v1/tunnel", get(records::tunnel))
        .route("/api/v1/agent/challenge", get(agent::challenge))
        .route("/api/v1/agent/enrol", post(agent::enrol))
        .route("/api/v1/agent/tunnel", get(agent::tunnel))
        .fallback(nothing_here)
        .method_not_allowed_fallback(nothing_here)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn(in_time))
        .with_state(door)
}

async fn health() -> Json<Health> {
    Json(Health { status: "ok".into(), version: env!("CARGO_PKG_VERSION").into() })
}

async fn nothing_here() -> Failure {
    Failure::new(ErrorCode::NotFound, "no route has this method and path")
}

async fn in_time(request: Request, next: Next) -> Response {
    let mut response = tokio::time::timeout(REQUEST_TIMEOUT, next.run(request))
        .await
        .unwrap_or_else(|_| Failure::new(ErrorCode::BadRequest, "the request took too long to arrive").into_response());
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

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Exists { .. } => Self::new(ErrorCode::Conflict, error.to_string()),
            error => internal(&error),
        }
    }
}

impl From<NoRandom> for Failure {
    fn from(error: NoRandom) -> Self {
        internal(&error)
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
    let fits = (1..=MAX_NAME_CHARS).contains(&name.chars().count());
    if fits && !name.contains(is_control) && name.trim() == name {
        return Ok(());
    }
    let detail =
        format!("a {what}'s name has 1 to {MAX_NAME_CHARS} characters, no control characters, no blanks at its ends");
    Err(Failure::new(ErrorCode::BadRequest, detail))
}
