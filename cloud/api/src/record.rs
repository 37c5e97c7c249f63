//! What happened: operations, sessions, the audit; and lists in pages.

use serde::{Deserialize, Serialize};

use crate::{ErrorCode, Protocol};

/// One page of a list; pass `next` as the query's `cursor` for what follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Page<T> {
    /// The objects, in the list's order.
    pub items: Vec<T>,
    /// Where the next page begins; `None` on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// How far an operation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum OperationStatus {
    /// Asked for, not yet with the device.
    Pending,
    /// With the device.
    Executing,
    /// The target is connected.
    Successful,
    /// It did not come about; the operation says why.
    Failed,
}

impl OperationStatus {
    /// The word in JSON and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Executing => "EXECUTING",
            Self::Successful => "SUCCESSFUL",
            Self::Failed => "FAILED",
        }
    }
}

/// One attempt to connect an endpoint, in the scope of the user who made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Operation {
    /// Id.
    pub id: String,
    /// The device asked.
    pub device_id: String,
    /// The endpoint asked for; `None` if it was unknown.
    pub endpoint_id: Option<String>,
    /// The endpoint's name at that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_name: Option<String>,
    /// The endpoint's protocol at that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// `host:port` of the endpoint at that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Who asked.
    pub user: String,
    /// How far it has come.
    pub status: OperationStatus,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<ErrorCode>,
    /// What is special about the failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// When it was asked for.
    pub created_at: String,
    /// When the device was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executing_at: Option<String>,
    /// When its status last changed.
    pub updated_at: String,
    /// The session that it became.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum SessionEnd {
    /// Both sides had said all they had to say.
    Finished,
    /// The operator's side broke off.
    OperatorClosed,
    /// The target or the agent broke off.
    TargetClosed,
    /// The connection to the device was lost.
    DeviceLost,
    /// The connection to the operator was lost.
    OperatorLost,
    /// A right, the endpoint, the user or the device was taken away.
    Revoked,
    /// The cloud stopped, orderly or not.
    CloudStopped,
    /// A limit of idle or total time was reached.
    LimitReached,
}

impl SessionEnd {
    /// The word in JSON and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::OperatorClosed => "operator-closed",
            Self::TargetClosed => "target-closed",
            Self::DeviceLost => "device-lost",
            Self::OperatorLost => "operator-lost",
            Self::Revoked => "revoked",
            Self::CloudStopped => "cloud-stopped",
            Self::LimitReached => "limit-reached",
        }
    }
}

/// A connection that came about: who, where, when, how much and why it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Session {
    /// Id.
    pub id: String,
    /// The operation it came from.
    pub operation_id: String,
    /// The device.
    pub device_id: String,
    /// The endpoint.
    pub endpoint_id: String,
    /// The endpoint's name at that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_name: Option<String>,
    /// The endpoint's protocol at that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// `host:port` of the endpoint at that time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Whether the cloud passed no keys, pointer or clipboard on.
    #[serde(default)]
    pub view_only: bool,
    /// Who.
    pub user: String,
    /// The operator's address, as the cloud sees it.
    pub source: String,
    /// When the target was connected.
    pub started_at: String,
    /// When it ended; `None` while it lasts.
    pub ended_at: Option<String>,
    /// Why it ended.
    pub end: Option<SessionEnd>,
    /// What was taken away, by whom it was ended, or what broke; nothing if it just ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_detail: Option<String>,
    /// Bytes from the operator to the target.
    pub bytes_to_target: u64,
    /// Bytes from the target to the operator.
    pub bytes_from_target: u64,
}

/// One link of the audit chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditRecord {
    /// Position in the chain, from 1, without gaps.
    pub sequence: u64,
    /// When.
    pub at: String,
    /// Who: a user's or device's name, `cloud`, or what an unknown caller claimed.
    pub actor: String,
    /// From where: an address.
    pub source: String,
    /// What: `login`, `device.create`, `session.start` …
    pub action: String,
    /// To what: an object's kind and id.
    pub object: String,
    /// `ok`, or the code of the failure.
    pub outcome: String,
    /// More about it. Never a secret.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// SHA-256 over the previous hash and this record's stored bytes, in hex.
    pub hash: String,
}

/// `GET /api/v1/health`, without login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Health {
    /// `ok`.
    pub status: String,
    /// The cloud's version.
    pub version: String,
}

/// `GET /api/v1/audit/verify`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AuditVerdict {
    /// Whether the chain is whole.
    pub whole: bool,
    /// How many records were looked at.
    pub records: u64,
    /// The first record that does not fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken_at: Option<u64>,
    /// What does not fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One event of `GET /api/v1/events` (server-sent events): `event` is the variant's name, `data` this as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Change {
    /// A device was made, changed, removed, or went on or off line.
    Device {
        /// The device's id; look it up for the rest, it may be gone.
        device_id: String,
        /// Whether the agent is connected now.
        online: bool,
        /// Whether its connection was lost a short while ago, and its sessions wait for another.
        #[serde(default)]
        reconnecting: bool,
    },
    /// An operation was made or its status changed.
    Operation(Operation),
    /// A session began or ended.
    Session(Session),
}
