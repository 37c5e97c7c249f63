//! Going away in order: nothing new begins, whoever is connected hears when to come back, sessions get time to end.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, header};
use tokio_util::sync::CancellationToken;
use towline_cloud_api::ErrorCode;

use crate::{
    api::Failure,
    app::App,
    data_dir::private,
    random,
    store::{Actor, Entry, Tenant},
};

const LOGIN: &str = "/api/v1/login";
/// What begins something that would have to be ended again at once.
const BEGINNINGS: [&str; 5] =
    [LOGIN, "/api/v1/tunnel", "/api/v1/agent/challenge", "/api/v1/agent/enrol", "/api/v1/agent/tunnel"];
const GOING_DOWN: &str = "the cloud is shutting down";
/// The earliest return: a restart takes about as long.
const FIRST_RETURN: Duration = Duration::from_secs(1);
/// The returns are spread over at least this long, and longer with many devices.
const SHORTEST_SPREAD: Duration = Duration::from_secs(4);
const SPREAD_PER_DEVICE: Duration = Duration::from_millis(2);
const LONGEST_SPREAD: Duration = Duration::from_secs(5 * 60);
/// So long the news takes to everybody, generously.
const NEWS: Duration = Duration::from_millis(250);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// An answer about readiness is good for this long: asking more often costs no more writes.
const READINESS_FRESH: Duration = Duration::from_secs(1);

/// Room for the records of a session and more; with less on the disk the cloud is not ready.
const ROOM_BYTES: usize = 64 * 1024;
/// The file that readiness is tried with.
const PROBE: &str = "probe.tmp";

/// Whether the cloud is going away, and whether it could write when it was last asked.
pub(crate) struct Drain {
    data_dir: PathBuf,
    begun: CancellationToken,
    writable: Mutex<Option<(Instant, bool)>>,
}

impl Drain {
    /// Not yet; state is kept in `data_dir`.
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self { data_dir: data_dir.into(), begun: CancellationToken::new(), writable: Mutex::default() }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.begun.is_cancelled()
    }
}

/// Stands before all routes: refuses what would begin something while the cloud goes away, and counts answers.
pub(crate) async fn gate(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_login = path == LOGIN;
    let response = if app.drain.is_on() && BEGINNINGS.contains(&path) {
        let mut response = Failure::new(ErrorCode::ShuttingDown, "").into_response();
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        response
    } else {
        next.run(request).await
    };
    app.metrics.answered(is_login, response.status());
    response
}

/// Whether the cloud can do its work: it can write, and is not going away.
pub(crate) async fn ready(app: &App) -> Result<(), Failure> {
    if app.drain.is_on() {
        return Err(Failure::new(ErrorCode::ShuttingDown, ""));
    }
    let known = *app.drain.writable.lock().unwrap_or_else(PoisonError::into_inner);
    let writable = match known.filter(|(at, _)| at.elapsed() < READINESS_FRESH) {
        Some((_, writable)) => writable,
        None => {
            let writable = is_writable(app).await;
            *app.drain.writable.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), writable));
            writable
        }
    };
    match writable {
        true => Ok(()),
        false => Err(Failure::new(ErrorCode::StorageFailed, "")),
    }
}

async fn is_writable(app: &App) -> bool {
    let path = app.drain.data_dir.join(PROBE);
    let there_is_room = tokio::task::spawn_blocking(move || {
        let written = private()
            .create(true)
            .truncate(true)
            .write(true)
            .open(&path)
            .and_then(|mut file| file.write_all(&[0; ROOM_BYTES]).and_then(|()| file.sync_all()));
        let removed = fs::remove_file(&path);
        written.and(removed)
    });
    let room = there_is_room.await.map_err(io::Error::other).flatten();
    if let Err(error) = &room {
        tracing::error!(%error, "the data folder cannot be written");
    }
    let probed = app.store.probe().await;
    if let Err(error) = &probed {
        tracing::error!(%error, "the store cannot be written");
    }
    room.is_ok() && probed.is_ok()
}

/// Begins to go away, and returns when no session lives any more, or after `patience`, or when the cloud is stopped.
pub(crate) async fn drain(app: &App, patience: Duration) {
    if app.drain.is_on() {
        return;
    }
    app.drain.begun.cancel();
    let (agents, operators) = (app.agents.muxes(), app.operators.muxes());
    let spread = spread(agents.len());
    tracing::info!(agents = agents.len(), operators = operators.len(), sessions = app.sessions.count(), "draining");
    let entry = Entry::ok(&Actor::cloud(), "cloud.drain", "cloud").detail(format!(
        "{} sessions have {} s",
        app.sessions.count(),
        patience.as_secs()
    ));
    if let Err(error) = app.store.record(&Tenant::first(), entry).await {
        tracing::error!(%error, "the beginning of the drain could not be recorded");
    }
    for mux in agents.iter().chain(&operators) {
        mux.drain(FIRST_RETURN + share(spread), GOING_DOWN);
    }
    let ended = async {
        tokio::time::sleep(NEWS).await;
        while app.sessions.count() > 0 {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    tokio::select! {
        ended = tokio::time::timeout(patience.max(NEWS * 2), ended) => if ended.is_err() {
            tracing::warn!(sessions = app.sessions.count(), "sessions are cut: their time is over");
        },
        () = app.stop.cancelled() => {}
    }
}

fn spread(agents: usize) -> Duration {
    let agents = u32::try_from(agents).unwrap_or(u32::MAX);
    SPREAD_PER_DEVICE.saturating_mul(agents).clamp(SHORTEST_SPREAD, LONGEST_SPREAD)
}

/// A random share of a time.
fn share(of: Duration) -> Duration {
    let random = random::bytes().map_or(u32::MAX / 2, u32::from_be_bytes);
    of.mul_f64(f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_devices_come_back_over_a_longer_time() {
        assert_eq!(spread(10), SHORTEST_SPREAD);
        assert_eq!(spread(100_000), Duration::from_secs(200));
        assert_eq!(spread(usize::MAX), LONGEST_SPREAD);
        let shares: Vec<_> = (0..100).map(|_| share(Duration::from_secs(10))).collect();
        let spread_out = |seconds: u64| shares.iter().filter(|share| share.as_secs() >= seconds).count();
        assert!((1..100).contains(&spread_out(5)), "{shares:?}");
    }
}
