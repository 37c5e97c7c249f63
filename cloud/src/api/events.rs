//! Server-sent events: what changes, as it changes, for who may see it.

use std::{convert::Infallible, time::Duration};

use axum::response::{
    IntoResponse, Response,
    sse::{Event, KeepAlive, Sse},
};
use futures_util::stream;
use http::HeaderValue;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use towline_cloud_api::{Change, ErrorCode};
use utoipa::openapi::{RefOr, Schema};

use super::{
    Failure,
    describe::{Entry, Special},
};
use crate::{
    auth::Caller,
    changes::News,
    moment::now_millis,
    sessions::{Line, LinePlace},
};

const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How much a user has open when no stream is added to it.
const MAX_LINES: usize = 64;

/// The stream's answer.
pub(super) struct Events(Response);

impl Special for Events {
    const KIND: &'static str = "text/event-stream";
    const DESCRIPTION: &'static str = "events `device`, `operation` and `session`; `data` is a Change as JSON. The stream ends \
         with the token, and for who falls too far behind: then read the lists again";

    fn schema(entry: &mut Entry<'_>) -> Option<RefOr<Schema>> {
        Some(entry.schema::<Change>())
    }
}

impl IntoResponse for Events {
    fn into_response(self) -> Response {
        self.0
    }
}

pub(super) async fn listen(caller: Caller) -> Result<Events, Failure> {
    let app = caller.app.clone();
    if app.operators.lines_of(&caller.visitor.user_id) >= MAX_LINES {
        return Err(Failure::new(ErrorCode::QuotaExceeded, format!("{MAX_LINES} tunnels and streams are open")));
    }
    let news = app.changes.listen();
    let end = CancellationToken::new();
    let place = app.operators.enter(&caller.visitor, &caller.token_hash, Line::Events(end.clone()));
    // Revoked before it stood where that would have ended it.
    if app.store.visitor(&caller.token_hash).await?.is_none() {
        return Err(Failure::new(ErrorCode::Unauthenticated, "the bearer token is unknown or has expired"));
    }
    let left = u64::try_from(caller.visitor.expires_at.saturating_sub(now_millis())).unwrap_or(0);
    let expires = tokio::time::Instant::now() + Duration::from_millis(left);
    let listener = Listener { caller, news, end, expires, greeted: false, _place: place };
    let events = stream::unfold(listener, |mut listener| async {
        let event = listener.next().await?;
        Some((Ok::<_, Infallible>(event), listener))
    });
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response();
    // Proxies that collect answers are not to collect this one.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(Events(response))
}

struct Listener {
    caller: Caller,
    news: broadcast::Receiver<News>,
    end: CancellationToken,
    expires: tokio::time::Instant,
    greeted: bool,
    _place: LinePlace,
}

impl Listener {
    /// The next event for this caller; `None` when the stream is over.
    async fn next(&mut self) -> Option<Event> {
        if !std::mem::replace(&mut self.greeted, true) {
            return Some(Event::default().comment("listening"));
        }
        loop {
            let news = tokio::select! {
                news = self.news.recv() => news.ok()?,
                () = self.end.cancelled() => return None,
                () = self.caller.app.stop.cancelled() => return None,
                () = tokio::time::sleep_until(self.expires) => return None,
            };
            if self.may_hear(&news).await? {
                let name = match news.change {
                    Change::Device { .. } => "device",
                    Change::Operation(_) => "operation",
                    Change::Session(_) => "session",
                };
                return Event::default().event(name).json_data(&news.change).ok();
            }
        }
    }

    /// Whether the caller may hear of it now: rights may have changed since the stream began.
    async fn may_hear(&self, news: &News) -> Option<bool> {
        if news.tenant != *self.caller.tenant() {
            return Some(false);
        }
        let (device_id, permission) = news.audience();
        let user_id = &self.caller.visitor.user_id;
        let permissions = self.caller.app.store.permissions_on(&news.tenant, user_id, device_id).await.ok()?;
        Some(permissions.contains(&permission))
    }
}
