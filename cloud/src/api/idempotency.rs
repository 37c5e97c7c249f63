//! `Idempotency-Key`: the same request again gets the same answer, and nothing is made twice.
//!
//! An answer is kept after the change that it tells of. If the cloud dies between the two, a repetition is made anew,
//! and meets what is there already.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use axum::{
    body::{Body, to_bytes},
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header, request::Parts};
use towline_cloud_api::ErrorCode;

use super::{Failure, MAX_BODY_BYTES, internal};
use crate::{auth::Caller, store::Given};

pub(super) const HEADER: &str = "idempotency-key";
const REPEATED: &str = "idempotency-replayed";
const MAX_KEY_BYTES: usize = 128;
const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// The keys of requests that are being answered now.
#[derive(Default)]
pub(crate) struct Answering(Mutex<HashSet<(String, String)>>);

struct Turn<'a> {
    answering: &'a Answering,
    key: (String, String),
}

impl Answering {
    fn take(&self, user_id: &str, key: &str) -> Option<Turn<'_>> {
        let key = (user_id.to_owned(), key.to_owned());
        let is_first = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone());
        is_first.then_some(Turn { answering: self, key })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.answering.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

/// Answers a request that carries a key: as before, if it was answered before.
pub(super) async fn once(caller: Result<Caller, Failure>, request: Request, next: Next) -> Response {
    if !request.headers().contains_key(HEADER) {
        return next.run(request).await;
    }
    match caller {
        Ok(caller) => answer(&caller, request, next).await.unwrap_or_else(Failure::into_response),
        Err(failure) => failure.into_response(),
    }
}

async fn answer(caller: &Caller, request: Request, next: Next) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let key = key(&parts)?;
    let body = to_bytes(body, MAX_BODY_BYTES).await.map_err(|_| {
        Failure::new(ErrorCode::BadRequest, format!("the body has more than {MAX_BODY_BYTES} bytes, or did not arrive"))
    })?;
    let (app, tenant, user_id) = (&caller.app, caller.tenant(), &caller.visitor.user_id);
    let target = parts.uri.path_and_query().map_or("", |target| target.as_str());
    let fingerprint = app.sealer.fingerprint(&[parts.method.as_str().as_bytes(), target.as_bytes(), &body]);
    let place = format!("towline answer v1/{}/{user_id}/{key}", tenant.as_str());

    let Some(_turn) = app.answering.take(user_id, &key) else {
        return Err(Failure::new(ErrorCode::Conflict, "a request with this Idempotency-Key is being answered"));
    };
    if let Some(given) = app.store.given(tenant, user_id, &key).await? {
        if given.fingerprint != fingerprint {
            return Err(Failure::new(ErrorCode::Conflict, "this Idempotency-Key came with another request before"));
        }
        let answer = app.sealer.open(&place, &given.answer)?.to_vec();
        let mut response = json(StatusCode::from_u16(given.status).unwrap_or(StatusCode::OK), answer);
        response.headers_mut().insert(REPEATED, HeaderValue::from_static("true"));
        return Ok(response);
    }
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    if !response.status().is_success() {
        return Ok(response);
    }
    let status = response.status();
    let answer = to_bytes(response.into_body(), MAX_ANSWER_BYTES).await.map_err(|error| internal(&error))?;
    let given = Given { fingerprint, status: status.as_u16(), answer: app.sealer.seal(&place, &answer)? };
    if let Err(error) = app.store.keep_given(tenant, user_id, &key, &given).await {
        // What was asked for is done, and that is what the caller is to hear.
        tracing::error!(%error, "an answer could not be kept");
    }
    Ok(json(status, answer.into()))
}

fn key(parts: &Parts) -> Result<String, Failure> {
    let mut keys = parts.headers.get_all(HEADER).iter();
    let key = keys.next().and_then(|key| key.to_str().ok()).unwrap_or_default();
    let fits = (1..=MAX_KEY_BYTES).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    if fits && keys.next().is_none() {
        return Ok(key.to_owned());
    }
    let detail = format!("an Idempotency-Key is one header of 1 to {MAX_KEY_BYTES} visible ASCII characters");
    Err(Failure::new(ErrorCode::BadRequest, detail))
}

fn json(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = (status, body).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
