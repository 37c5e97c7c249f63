//! The store: all SQL of the cloud. Here is where tenants are kept apart: every query takes the tenant.
//!
//! One writer connection, whose transactions begin IMMEDIATE, and a pool of readers. Each method that changes
//! something is one transaction, and writes the audit record of the change within it.

use std::{
    path::Path,
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant},
};

use aws_lc_rs::hmac;
use sqlx::{
    SqlSafeStr, Sqlite, SqliteConnection, SqlitePool, Transaction,
    migrate::{Migration, MigrationType, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use towline_cloud_api::ErrorCode;

use crate::metrics::Latency;

pub(crate) mod audit;
mod device;
mod endpoint;
mod grant;
mod group;
mod idempotency;
mod operation;
mod rights;
mod session;
mod settings;
mod token;
mod totp;
mod upkeep;
mod user;

pub(crate) use audit::{Actor, Entry};
pub(crate) use device::{DeviceFilter, EnrolRequest, StoredDevice};
pub(crate) use endpoint::{EndpointChange, StoredEndpoint};
pub(crate) use grant::GrantFilter;
pub(crate) use group::{GroupKind, Membership};
pub(crate) use idempotency::Given;
pub(crate) use operation::{NewOperation, OperationFilter, target};
pub(crate) use rights::Footing;
pub(crate) use session::{NewSession, SessionClose, SessionFilter, Starting, new_session_id};
pub(crate) use token::Visitor;
pub(crate) use user::{ADMIN, Account};

/// The one file of the store in the data folder.
pub(crate) const FILE_NAME: &str = "towline.db";
const READERS: u32 = 4;
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Whose data: the first argument of every query.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Tenant(String);

impl Tenant {
    /// The tenant that exists from the first start.
    pub(crate) fn first() -> Self {
        Self("1".into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    #[error("the database cannot be brought to this version: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    #[error("the database holds {what} that this version does not understand")]
    Damaged { what: &'static str },
    #[error("{what} \"{name}\" exists already")]
    Exists { what: &'static str, name: String },
    #[error("{0}")]
    Conflict(&'static str),
    #[error("the audit record cannot be written: {0}")]
    Record(#[from] serde_json::Error),
    #[error(transparent)]
    Random(#[from] crate::random::NoRandom),
}

/// The store, open.
pub(crate) struct Store {
    writer: SqlitePool,
    reader: SqlitePool,
    seal: hmac::Key,
    writes: Arc<Latency>,
}

impl Store {
    /// Opens the store in `data_dir`, makes it if there is none, and brings its schema up to date.
    pub(crate) async fn open(data_dir: &Path, seal: hmac::Key) -> Result<Self, Error> {
        let options = options(data_dir)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .min_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options.clone())
            .await?;
        migrations().run(&writer).await?;
        let reader = SqlitePoolOptions::new().max_connections(READERS).connect_with(options).await?;
        Ok(Self { writer, reader, seal, writes: Arc::default() })
    }

    /// Opens the store in `data_dir` to look at it only; it may be in use by a running cloud.
    pub(crate) async fn open_to_read(data_dir: &Path, seal: hmac::Key) -> Result<Self, Error> {
        let reader = SqlitePoolOptions::new().max_connections(1).connect_with(options(data_dir)).await?;
        Ok(Self { writer: reader.clone(), reader, seal, writes: Arc::default() })
    }

    /// Closes the connections; the write-ahead log is folded into the file.
    pub(crate) async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }

    /// Begins a change. Nothing of it stays unless it is committed.
    async fn begin(&self) -> Result<Change, Error> {
        let began = Instant::now();
        // IMMEDIATE: a transaction that first reads and then writes cannot lose the race for the lock in between.
        let transaction = match self.writer.begin_with("BEGIN IMMEDIATE").await {
            // A commit that failed on a full disk leaves a connection that believes to be within a transaction.
            Err(sqlx::Error::InvalidSavePointStatement) => {
                drop(self.writer.acquire().await?.close().await);
                self.writer.begin_with("BEGIN IMMEDIATE").await?
            }
            begun => begun?,
        };
        Ok(Change { transaction, began, writes: self.writes.clone() })
    }

    /// How long changes took.
    pub(crate) fn writes(&self) -> &Latency {
        &self.writes
    }
}

/// A change under way. Dropping it undoes it.
pub(crate) struct Change {
    transaction: Transaction<'static, Sqlite>,
    began: Instant,
    writes: Arc<Latency>,
}

impl Change {
    /// Makes the change last: when this returns it is on the disk.
    async fn commit(self) -> Result<(), sqlx::Error> {
        self.transaction.commit().await?;
        self.writes.add(self.began.elapsed());
        Ok(())
    }
}

impl std::ops::Deref for Change {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.transaction
    }
}

impl std::ops::DerefMut for Change {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.transaction
    }
}

fn options(data_dir: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(data_dir.join(FILE_NAME))
        .create_if_missing(false)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
}

fn migrations() -> Migrator {
    let first = include_str!("../migrations/0001_first.sql").into_sql_str();
    let people = include_str!("../migrations/0002_people.sql").into_sql_str();
    let access = include_str!("../migrations/0003_access.sql").into_sql_str();
    let terminals = include_str!("../migrations/0004_terminals.sql").into_sql_str();
    Migrator::with_migrations(vec![
        Migration::new(1, "first".into(), MigrationType::Simple, first, false),
        Migration::new(2, "people".into(), MigrationType::Simple, people, false),
        Migration::new(3, "access".into(), MigrationType::Simple, access, false),
        Migration::new(4, "terminals".into(), MigrationType::Simple, terminals, false),
    ])
}

impl Error {
    /// Whether the disk has no room, or cannot be written at all (SQLite's FULL, IOERR, READONLY and CANTOPEN).
    pub(crate) fn is_storage(&self) -> bool {
        let Self::Database(sqlx::Error::Database(error)) = self else { return false };
        let code = error.code().and_then(|code| code.parse::<u32>().ok());
        code.is_some_and(|code| [13, 10, 8, 14].contains(&(code & 0xff)))
    }
}

/// A position in a list that is sorted by time, newest first: time and id of the last object seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TimeCursor {
    at: i64,
    id: String,
}

impl FromStr for TimeCursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (at, id) = text.split_once('-').ok_or(())?;
        Ok(Self { at: at.parse().map_err(|_| ())?, id: id.parse::<u64>().map_err(|_| ())?.to_string() })
    }
}

impl std::fmt::Display for TimeCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.at, self.id)
    }
}

/// Takes the one row too many off a page, and says where the next page begins.
fn cut_page<T>(rows: &mut Vec<T>, limit: u32, cursor: impl Fn(&T) -> String) -> Option<String> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if rows.len() <= limit {
        return None;
    }
    rows.truncate(limit);
    rows.last().map(cursor)
}

/// An insertion that hit a unique index becomes [`Error::Exists`].
fn unless_exists(error: sqlx::Error, what: &'static str, name: &str) -> Error {
    match &error {
        sqlx::Error::Database(database) if database.is_unique_violation() => Error::Exists { what, name: name.into() },
        _ => Error::Database(error),
    }
}

fn error_code(word: &str) -> Option<ErrorCode> {
    ErrorCode::all().find(|code| code.as_str() == word)
}

fn to_u64(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn to_i64(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
