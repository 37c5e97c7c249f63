//! Towline's server: who may reach which device, the way there, and the record of it.
//!
//! [`Cloud::start`] opens the data folder, listens, and serves until [`Running::shutdown`]. The REST API is described
//! by `towline-cloud-api`, the tunnel by `towline-tunnel-proto`. What the command line does in the same way is shared with
//! it: [`Console`], a person's end of Telnet, and [`inspected`], what a key file is.
//!
//! ```
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! use towline_cloud::{Cloud, Config};
//!
//! let mut config = Config::new("127.0.0.1:0".parse()?, folder.path());
//! config.admin_password = Some("correct horse".to_owned().into());
//! let cloud = Cloud::start(config).await?;
//!
//! println!("listening on https://{}, {}", cloud.local_addr(), cloud.pin().map(|pin| pin.to_string()).unwrap_or_default());
//! let ticket = cloud.issue_enrolment_token("pump-7").await?;
//! assert!(ticket.token.starts_with("tl1_"));
//! cloud.shutdown().await;
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod agents;
mod api;
mod app;
mod attempt;
mod auth;
mod backup;
mod certificates;
mod changes;
mod connect;
mod console;
mod data_dir;
mod drain;
mod identity;
mod limits;
mod listen;
mod metrics;
mod moment;
mod page;
mod random;
mod relay;
mod revocation;
mod screen;
mod seal;
mod sessions;
mod single_use;
mod source;
mod store;
mod terminal;
mod unfinished;
mod vault;
mod viewer;

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::middleware::from_fn_with_state;
use tokio::{net::TcpListener, sync::Notify};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use towline_cloud_api::{CloudTrust, EnrolmentTicket, ErrorCode, LoginGranted, Problem};
use towline_transport::{quic::QuicListener, tls::KeyPin};
use towline_tunnel_proto::{Code, MemoryBudget};
use zeroize::Zeroizing;

pub use self::{
    api::inspected,
    backup::{BackupError, Protection},
    console::{Console, is_charset},
    source::{InvalidNetwork, Network},
    store::audit::AuditVerdict,
};
use self::{
    app::App,
    data_dir::DataDir,
    identity::{Identity, ServerKey},
    single_use::SingleUse,
    store::{Actor, Entry, Store, Tenant},
};

/// For farewells and last records when the cloud stops.
const LAST_WORDS: Duration = Duration::from_secs(10);
/// How long a login link is good for, unless it is used.
const LOGIN_LINK_LIFE: Duration = Duration::from_secs(60 * 60);
const GOING_DOWN: &str = "the cloud is shutting down";
const SEAL: &str = "towline audit seal v1";
const SEALED: &str = "towline sealed v1";
const CHALLENGE: &str = "towline challenge v1";

/// [`Config::tunnel_memory_bytes`] unless somebody says otherwise: 4,096 connections of operators before windows are so
/// many that new ones are refused.
pub const DEFAULT_TUNNEL_MEMORY_BYTES: usize = 2 << 30;
/// [`Config::resume_age`] unless somebody says otherwise.
pub const DEFAULT_RESUME_AGE: Duration = Duration::from_secs(10 * 60);

/// How a cloud is to run.
#[derive(Clone)]
pub struct Config {
    /// Where to listen; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Where all state is kept; made if there is none.
    pub data_dir: PathBuf,
    /// The password of the user `admin`, taken at the first start only. Without one, one is generated.
    pub admin_password: Option<Zeroizing<String>>,
    /// A certificate that the machines' own roots vouch for, instead of one that tokens pin.
    pub tls: Option<TlsFiles>,
    /// Serve plain HTTP to others than this machine itself: for a proxy in front that ends TLS.
    pub plain_from_anywhere: bool,
    /// Proxies in front: what they say in `X-Forwarded-For` counts, and they may ask without TLS.
    pub trusted_proxies: Vec<Network>,
    /// What stands in front of the cloud has a certificate that the machines' own roots vouch for: enrolment tokens pin
    /// nothing.
    pub web_pki: bool,
    /// Where to take devices' tunnels over QUIC, on UDP; nowhere if there is none. The certificate is the same.
    pub quic_listen: Option<SocketAddr>,
    /// What the tunnels of all devices and operators together may promise to take in before it is passed on, in bytes.
    pub tunnel_memory_bytes: usize,
    /// How long what is open waits for a device, or an operator's command, that has lost its connection; zero: not at all.
    pub resume_age: Duration,
    /// Where to serve `/metrics`, in plain HTTP and to everybody who can reach it; nowhere if there is none.
    pub metrics_listen: Option<SocketAddr>,
}

impl Config {
    /// The defaults: own certificate, plain HTTP to this machine only, 2 GiB for tunnels, 10 minutes to come back.
    pub fn new(listen: SocketAddr, data_dir: impl Into<PathBuf>) -> Self {
        Self {
            listen,
            data_dir: data_dir.into(),
            admin_password: None,
            tls: None,
            plain_from_anywhere: false,
            trusted_proxies: Vec::new(),
            web_pki: false,
            quic_listen: None,
            tunnel_memory_bytes: DEFAULT_TUNNEL_MEMORY_BYTES,
            resume_age: DEFAULT_RESUME_AGE,
            metrics_listen: None,
        }
    }
}

/// A certificate and its key, as PEM files.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The chain, leaf first.
    pub certificate: PathBuf,
    /// The leaf's key.
    pub key: PathBuf,
}

/// Why a cloud does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The data folder cannot be used.
    #[error("the data folder's {} cannot be used: {source}", path.display())]
    DataDir {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another cloud runs on the same data folder.
    #[error("another cloud is running on the data folder {}", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// A key or a certificate cannot be made or read.
    #[error("the cloud's identity: {reason}")]
    Identity {
        /// What is wrong.
        reason: String,
    },
    /// The certificate and the key cannot be served.
    #[error("the cloud's certificate: {0}")]
    Tls(#[from] towline_transport::Error),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The store, or something as basic, failed.
    #[error("the cloud cannot start: {reason}")]
    Internal {
        /// What failed.
        reason: String,
    },
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Internal { reason: error.to_string() }
    }
}

impl From<random::NoRandom> for Error {
    fn from(error: random::NoRandom) -> Self {
        Self::Internal { reason: error.to_string() }
    }
}

impl From<seal::Unsealable> for Error {
    fn from(error: seal::Unsealable) -> Self {
        Self::Internal { reason: error.to_string() }
    }
}

impl From<auth::HashFailed> for Error {
    fn from(error: auth::HashFailed) -> Self {
        Self::Internal { reason: error.to_string() }
    }
}

/// The server.
#[derive(Debug)]
pub struct Cloud;

impl Cloud {
    /// Starts a cloud. It serves when this returns.
    ///
    /// # Errors
    ///
    /// [`Error::InUse`] if another cloud holds the data folder; otherwise what cannot be made, read or listened on.
    pub async fn start(config: Config) -> Result<Running, Error> {
        let Config { listen, data_dir, admin_password, tls, plain_from_anywhere, trusted_proxies, .. } = config;
        let dir = Arc::new(DataDir::open(&data_dir)?);
        let identity = Identity::open(dir.clone(), listen.ip(), tls, config.web_pki)?;
        let server_key = ServerKey::open(&dir)?;
        // SQLite gives its log the rights of its file.
        dir.touch(store::FILE_NAME)?;
        let store = Store::open(dir.path(), server_key.derive(SEAL)).await?;
        let passwords = auth::Passwords::new().await?;
        let mut first_start_password = None;
        if store.is_empty().await? {
            let password = match admin_password {
                Some(password) => password,
                None => {
                    let generated = Zeroizing::new(random::secret("")?);
                    first_start_password = Some(generated.clone());
                    generated
                }
            };
            let hash = passwords.hash(password).await?;
            store.first_start(&hash).await?;
        }
        let (listener, local_addr) = bind(listen).await?;
        let quic_listener = match config.quic_listen {
            Some(address) => Some(bind_quic(address, identity.quic)?),
            None => None,
        };
        let quic_addr = quic_listener.as_ref().map(QuicListener::local_addr).transpose()?;
        let metrics_listener = match config.metrics_listen {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        store.end_what_was_left_open().await?;
        let entry = Entry::ok(&Actor::cloud(), "cloud.start", "cloud")
            .detail(format!("version {}, listening on {local_addr}", env!("CARGO_PKG_VERSION")));
        store.record(&Tenant::first(), entry).await?;

        let app = Arc::new(App {
            store,
            agents: agents::Agents::default(),
            changes: changes::Changes::default(),
            sessions: sessions::LiveSessions::default(),
            operators: sessions::Operators::default(),
            passwords,
            sealer: seal::Sealer::new(&server_key.derive(SEALED))?,
            answering: api::Answering::default(),
            penalties: auth::Penalties::default(),
            challenges: auth::Challenges::new(server_key.derive(CHALLENGE), moment::now_millis()),
            tickets: SingleUse::new(connect::TICKET_LIFE),
            login_links: SingleUse::new(LOGIN_LINK_LIFE),
            terminals: terminal::Terminals::default(),
            trust: identity.trust,
            quic_port: quic_addr.map(|address| address.port()),
            budget: MemoryBudget::new(config.tunnel_memory_bytes),
            resume_age: config.resume_age,
            metrics: metrics::Metrics::default(),
            drain: drain::Drain::new(dir.path()),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        });
        let routes = api::routes(auth::Door::new(app.clone()));
        let service = Arc::new(listen::Service {
            routes: routes.layer(from_fn_with_state(app.clone(), drain::gate)),
            tls: Some(identity.tls),
            plain_from_anywhere,
            trusted_proxies,
            unfinished: unfinished::Unfinished::new(app.metrics.dropped_connections.clone()),
            tasks: app.tasks.clone(),
            stop: app.stop.clone(),
        });
        let stopped = CancellationToken::new();
        if let Some(listener) = quic_listener {
            app.tasks.spawn(listen::listen_quic(listener, service.clone()));
        }
        app.tasks.spawn(listen::listen(listener, service));
        let metrics_addr = metrics_listener.map(|(listener, address)| {
            app.tasks.spawn(listen::listen(listener, metrics_service(&app)));
            address
        });
        let renew = Arc::new(Notify::new());
        app.tasks.spawn(certificates::keep(identity.certificates, renew.clone(), app.stop.clone()));
        tokio::spawn(stop_in_order(app.clone(), dir, stopped.clone()));
        Ok(Running { app, local_addr, quic_addr, metrics_addr, renew, first_start_password, stopped })
    }

    /// Checks the audit of a data folder, whether a cloud runs on it or not: every record, their chain, and its end.
    ///
    /// What it cannot see is a folder that was put back whole to what it once was.
    ///
    /// # Errors
    ///
    /// [`Error`] if the folder holds no audit that can be read.
    pub async fn verify_audit(data_dir: &Path) -> Result<AuditVerdict, Error> {
        let seal = ServerKey::read(data_dir)?.derive(SEAL);
        let store = Store::open_to_read(data_dir, seal).await?;
        let verdict = store.verify_audit().await;
        store.close().await;
        Ok(verdict?)
    }
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
    let failed = |source| Error::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let local = listener.local_addr().map_err(failed)?;
    Ok((listener, local))
}

fn bind_quic(address: SocketAddr, config: Arc<rustls::ServerConfig>) -> Result<QuicListener, Error> {
    QuicListener::bind(address, config, listen::PATIENCE).map_err(|error| match error {
        towline_transport::Error::Listen { source, .. } => Error::Listen { address, source },
        error => error.into(),
    })
}

fn metrics_service(app: &Arc<App>) -> Arc<listen::Service> {
    Arc::new(listen::Service {
        routes: metrics::routes(app.clone()),
        tls: None,
        plain_from_anywhere: true,
        trusted_proxies: Vec::new(),
        unfinished: unfinished::Unfinished::new(app.metrics.dropped_connections.clone()),
        tasks: app.tasks.clone(),
        stop: app.stop.clone(),
    })
}

/// Waits for the signal, and then ends everything: sessions first, so that their ends are on record, the store last.
async fn stop_in_order(app: Arc<App>, dir: Arc<DataDir>, stopped: CancellationToken) {
    app.stop.cancelled().await;
    app.sessions.stop();
    app.operators.close_all(Code::SHUTDOWN, GOING_DOWN);
    app.agents.close_all(Code::SHUTDOWN, GOING_DOWN);
    app.tasks.close();
    if tokio::time::timeout(LAST_WORDS, app.tasks.wait()).await.is_err() {
        tracing::warn!("some connections were not over in time");
    }
    let entry = Entry::ok(&Actor::cloud(), "cloud.stop", "cloud");
    if let Err(error) = app.store.record(&Tenant::first(), entry).await {
        tracing::error!(%error, "the cloud's stop could not be recorded");
    }
    app.store.close().await;
    drop(dir);
    stopped.cancel();
}

/// A cloud that serves. Dropping it stops the cloud too, but nobody waits for the end.
pub struct Running {
    app: Arc<App>,
    local_addr: SocketAddr,
    quic_addr: Option<SocketAddr>,
    metrics_addr: Option<SocketAddr>,
    renew: Arc<Notify>,
    first_start_password: Option<Zeroizing<String>>,
    stopped: CancellationToken,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("local_addr", &self.local_addr).finish_non_exhaustive()
    }
}

impl Running {
    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Where it takes tunnels over QUIC, if it does.
    pub fn quic_addr(&self) -> Option<SocketAddr> {
        self.quic_addr
    }

    /// Where `/metrics` is served, if it is.
    pub fn metrics_addr(&self) -> Option<SocketAddr> {
        self.metrics_addr
    }

    /// The pin of the identity key; `None` with a certificate from outside, which needs none.
    pub fn pin(&self) -> Option<KeyPin> {
        match self.app.trust {
            CloudTrust::Pin(pin) => Some(KeyPin(pin)),
            CloudTrust::WebPki => None,
        }
    }

    /// The password that was generated for the user `admin`, if this is the first start and none was given.
    pub fn first_start_password(&self) -> Option<&str> {
        self.first_start_password.as_ref().map(|password| password.as_str())
    }

    /// A one-time enrolment token for the device of that name, as the API would give it to an administrator.
    ///
    /// # Errors
    ///
    /// The problem that the API would answer with.
    pub async fn issue_enrolment_token(&self, name: &str) -> Result<EnrolmentTicket, Problem> {
        let (tenant, actor) = (Tenant::first(), Actor::cloud());
        let ticket = self.app.issue_enrolment_token(&tenant, &actor, name, None).await;
        ticket.map_err(api::Failure::into_problem)
    }

    /// A bearer token of the user `admin`, for whoever runs this process.
    ///
    /// # Errors
    ///
    /// The problem that the API would answer with.
    pub async fn local_login(&self) -> Result<LoginGranted, Problem> {
        auth::local_login(&self.app).await.map_err(api::Failure::into_problem)
    }

    /// What stands behind the cloud's address in a link that logs a browser in as `admin`, for whoever runs this process:
    /// `#login=` and a code that is good once, for an hour.
    ///
    /// # Errors
    ///
    /// The problem that the API would answer with.
    pub fn login_fragment(&self) -> Result<String, Problem> {
        let issued = self.app.login_links.issue(store::ADMIN, (), Instant::now());
        let code = issued.map_err(|error| Problem::new(ErrorCode::Internal, error.to_string()))?;
        Ok(format!("#login={code}"))
    }

    /// Looks at the certificate now: one of the cloud's own that is about to expire is renewed, files are read again. It
    /// happens by itself too, once a day and when files change.
    pub fn renew_certificate(&self) {
        self.renew.notify_one();
    }

    /// Goes away in order: refuses what is new, tells devices and operators when to come back, and returns when the last
    /// session has ended, or after `patience`. [`Running::shutdown`] then ends what is left.
    ///
    /// # Cancel safety
    ///
    /// Cancelling stops the waiting; the cloud stays on its way out.
    pub async fn drain(&self, patience: Duration) {
        drain::drain(&self.app, patience).await;
    }

    /// Stops: sessions end and are told why, records are completed, the store is closed.
    pub async fn shutdown(self) {
        self.app.stop.cancel();
        self.stopped.cancelled().await;
    }

    /// Waits until the cloud has stopped.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn wait(&self) {
        self.stopped.cancelled().await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.app.stop.cancel();
    }
}
