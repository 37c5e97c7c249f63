//! Towline's server: who may reach which device, the way there, and the record of it.
//!
//! [`Cloud::start`] opens the data folder, listens, and serves until [`Running::shutdown`]. The REST API is described
//! by `towline-cloud-api`, the tunnel by `towline-tunnel-proto`.
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
mod auth;
mod data_dir;
mod identity;
mod listen;
mod moment;
mod random;
mod relay;
mod sessions;
mod store;

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use towline_cloud_api::{CloudTrust, EnrolmentTicket, LoginGranted, Problem};
use towline_transport::tls::KeyPin;
use towline_tunnel_proto::Code;
use zeroize::Zeroizing;

pub use self::store::audit::AuditVerdict;
use self::{
    app::App,
    data_dir::DataDir,
    identity::{Identity, ServerKey},
    store::{Actor, Entry, Store, Tenant},
};

/// For farewells and last records when the cloud stops.
const LAST_WORDS: Duration = Duration::from_secs(10);
const GOING_DOWN: &str = "the cloud is shutting down";
const SEAL: &str = "towline audit seal v1";
const CHALLENGE: &str = "towline challenge v1";

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
}

impl Config {
    /// The defaults: own certificate, plain HTTP to this machine only.
    pub fn new(listen: SocketAddr, data_dir: impl Into<PathBuf>) -> Self {
        Self { listen, data_dir: data_dir.into(), admin_password: None, tls: None, plain_from_anywhere: false }
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
        let Config { listen, data_dir, admin_password, tls, plain_from_anywhere } = config;
        let dir = DataDir::open(&data_dir)?;
        let identity = Identity::open(&dir, listen.ip(), tls.as_ref())?;
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
        let listener = TcpListener::bind(listen).await.map_err(|source| Error::Listen { address: listen, source })?;
        let local_addr = listener.local_addr().map_err(|source| Error::Listen { address: listen, source })?;
        store.end_what_was_left_open().await?;
        let entry = Entry::ok(&Actor::cloud(), "cloud.start", "cloud")
            .detail(format!("version {}, listening on {local_addr}", env!("CARGO_PKG_VERSION")));
        store.record(&Tenant::first(), entry).await?;

        let app = Arc::new(App {
            store,
            agents: agents::Agents::default(),
            sessions: sessions::LiveSessions::default(),
            operators: sessions::Operators::default(),
            passwords,
            penalties: auth::Penalties::default(),
            challenges: auth::Challenges::new(server_key.derive(CHALLENGE), moment::now_millis()),
            trust: identity.trust,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        });
        let service = Arc::new(listen::Service {
            routes: api::routes(auth::Door::new(app.clone())),
            tls: identity.tls,
            plain_from_anywhere,
            tasks: app.tasks.clone(),
            stop: app.stop.clone(),
        });
        let stopped = CancellationToken::new();
        app.tasks.spawn(listen::listen(listener, service));
        tokio::spawn(stop_in_order(app.clone(), dir, stopped.clone()));
        Ok(Running { app, local_addr, first_start_password, stopped })
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

/// Waits for the signal, and then ends everything: sessions first, so that their ends are on record, the store last.
async fn stop_in_order(app: Arc<App>, dir: DataDir, stopped: CancellationToken) {
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
