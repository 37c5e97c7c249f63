//! What the cloud counts, and how it says so to Prometheus.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    ops::Deref,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{Router, extract::State, response::IntoResponse, routing::get};
use http::{StatusCode, header};
use towline_tunnel_proto::driver::Counters;

use crate::app::App;

const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Upper bounds of the classes of a write's duration, in microseconds, and as Prometheus writes them in seconds.
const CLASSES: [(u64, &str); 11] = [
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1"),
    (2_500_000, "2.5"),
];

/// The cloud's counters.
#[derive(Default)]
pub(crate) struct Metrics {
    operations: Mutex<BTreeMap<&'static str, u64>>,
    relayed: Arc<Mutex<Relayed>>,
    login_failures: AtomicU64,
    requests: [AtomicU64; 5],
    /// Connections that were dropped because there were too many of their kind.
    pub(crate) dropped_connections: Arc<AtomicU64>,
}

#[derive(Default)]
struct Relayed {
    next: u64,
    live: HashMap<u64, Arc<Counters>>,
    finished: [u64; 2],
}

/// The counters of one session; what they say stays counted when it is over.
pub(crate) struct Relaying {
    number: u64,
    counters: Arc<Counters>,
    relayed: Arc<Mutex<Relayed>>,
}

impl Deref for Relaying {
    type Target = Counters;

    fn deref(&self) -> &Counters {
        &self.counters
    }
}

impl Drop for Relaying {
    fn drop(&mut self) {
        let mut relayed = self.relayed.lock().unwrap_or_else(PoisonError::into_inner);
        relayed.live.remove(&self.number);
        let [to, from] = bytes_of(&self.counters);
        let [total_to, total_from] = relayed.finished;
        relayed.finished = [total_to.saturating_add(to), total_from.saturating_add(from)];
    }
}

fn bytes_of(counters: &Counters) -> [u64; 2] {
    [counters.a_to_b.load(Relaxed), counters.b_to_a.load(Relaxed)]
}

impl Metrics {
    /// An operation came to its outcome: `ok`, or an error's word.
    pub(crate) fn operation(&self, outcome: &'static str) {
        *self.operations.lock().unwrap_or_else(PoisonError::into_inner).entry(outcome).or_default() += 1;
    }

    /// Counters for a session that begins.
    pub(crate) fn relaying(&self) -> Relaying {
        let counters = Arc::new(Counters::default());
        let mut relayed = self.relayed.lock().unwrap_or_else(PoisonError::into_inner);
        let number = relayed.next;
        relayed.next += 1;
        relayed.live.insert(number, counters.clone());
        Relaying { number, counters, relayed: self.relayed.clone() }
    }

    /// A request was answered.
    pub(crate) fn answered(&self, is_login: bool, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(requests) = self.requests.get(class) {
            requests.fetch_add(1, Relaxed);
        }
        if is_login && matches!(status, StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS) {
            self.login_failures.fetch_add(1, Relaxed);
        }
    }

    fn relayed(&self) -> [u64; 2] {
        let relayed = self.relayed.lock().unwrap_or_else(PoisonError::into_inner);
        relayed.live.values().fold(relayed.finished, |[to, from], counters| {
            let [more_to, more_from] = bytes_of(counters);
            [to.saturating_add(more_to), from.saturating_add(more_from)]
        })
    }
}

/// How long things took, in classes.
#[derive(Default)]
pub(crate) struct Latency {
    classes: [AtomicU64; CLASSES.len()],
    count: AtomicU64,
    micros: AtomicU64,
}

impl Latency {
    pub(crate) fn add(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        for ((bound, _), class) in CLASSES.iter().zip(&self.classes) {
            if micros <= *bound {
                class.fetch_add(1, Relaxed);
            }
        }
        self.count.fetch_add(1, Relaxed);
        self.micros.fetch_add(micros, Relaxed);
    }
}

/// What the metrics' own port serves.
pub(crate) fn routes(app: Arc<App>) -> Router {
    Router::new().route("/metrics", get(show)).with_state(app)
}

async fn show(State(app): State<Arc<App>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, TEXT_FORMAT)], render(&app))
}

/// The text for Prometheus. It names no user, device or address.
fn render(app: &App) -> String {
    let metrics = &app.metrics;
    let mut page = Page(String::new());
    page.family("towline_build_info", "gauge", "The version that runs.");
    page.sample("towline_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    page.single("towline_agents_online", "gauge", "Devices whose agent is connected.", count(app.agents.count()));
    page.single("towline_operator_tunnels", "gauge", "Tunnels of operators.", count(app.operators.muxes().len()));
    page.single("towline_sessions_live", "gauge", "Sessions that live now.", count(app.sessions.count()));
    let (promised, most) = (app.budget.promised_bytes(), app.budget.max_bytes());
    page.single("towline_tunnel_memory_promised_bytes", "gauge", "What peers of tunnels may send.", count(promised));
    page.single("towline_tunnel_memory_limit_bytes", "gauge", "What they may be allowed to in all.", count(most));
    page.single("towline_draining", "gauge", "1 while the cloud goes away.", u64::from(app.drain.is_on()));
    page.family("towline_operations_total", "counter", "Attempts to connect an endpoint, by outcome.");
    for (outcome, number) in metrics.operations.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        page.sample("towline_operations_total", &[("outcome", outcome)], *number);
    }
    let [to, from] = metrics.relayed();
    page.family("towline_relayed_bytes_total", "counter", "Bytes passed on.");
    page.sample("towline_relayed_bytes_total", &[("direction", "to-target")], to);
    page.sample("towline_relayed_bytes_total", &[("direction", "from-target")], from);
    let failures = metrics.login_failures.load(Relaxed);
    page.single("towline_login_failures_total", "counter", "Logins that were refused.", failures);
    page.family("towline_http_requests_total", "counter", "Requests answered, by class of status.");
    for (class, requests) in ["1xx", "2xx", "3xx", "4xx", "5xx"].iter().zip(&metrics.requests) {
        page.sample("towline_http_requests_total", &[("status", class)], requests.load(Relaxed));
    }
    let dropped = metrics.dropped_connections.load(Relaxed);
    let help = "Connections dropped because too many had not asked anything.";
    page.single("towline_connections_dropped_total", "counter", help, dropped);
    page.latency("towline_store_write_seconds", "How long changes of the store took.", app.store.writes());
    if let Some(bytes) = resident_bytes() {
        page.single("process_resident_memory_bytes", "gauge", "Memory in use.", bytes);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        page.single("process_open_fds", "gauge", "File descriptors in use.", count(open.count()));
    }
    page.0
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Prometheus' text format, as it is written. Writing to a String cannot fail.
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        self.family(name, kind, help);
        self.sample(name, &[], value);
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: u64) {
        let labels: Vec<_> = labels.iter().map(|(key, text)| format!("{key}=\"{text}\"")).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    fn latency(&mut self, name: &str, help: &str, latency: &Latency) {
        self.family(name, "histogram", help);
        let all = latency.count.load(Relaxed);
        for ((_, bound), class) in CLASSES.iter().zip(&latency.classes) {
            self.sample(&format!("{name}_bucket"), &[("le", bound)], class.load(Relaxed).min(all));
        }
        self.sample(&format!("{name}_bucket"), &[("le", "+Inf")], all);
        let sum = Duration::from_micros(latency.micros.load(Relaxed)).as_secs_f64();
        let _ = writeln!(self.0, "{name}_sum {sum}\n{name}_count {all}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_session_carried_stays_counted_when_it_is_over() {
        let metrics = Metrics::default();
        let first = metrics.relaying();
        first.a_to_b.fetch_add(10, Relaxed);
        assert_eq!(metrics.relayed(), [10, 0]);
        drop(first);
        let second = metrics.relaying();
        second.b_to_a.fetch_add(5, Relaxed);
        assert_eq!(metrics.relayed(), [10, 5]);
    }

    #[test]
    fn a_latency_falls_into_every_class_above_it() {
        let latency = Latency::default();
        latency.add(Duration::from_millis(3));
        latency.add(Duration::from_secs(60));
        let mut page = Page(String::new());
        page.latency("x", "Help.", &latency);
        assert!(page.0.contains("x_bucket{le=\"0.0025\"} 0\nx_bucket{le=\"0.005\"} 1\n"), "{}", page.0);
        assert!(page.0.contains("x_bucket{le=\"+Inf\"} 2\nx_sum 60.003\nx_count 2\n"), "{}", page.0);
    }
}
