//! What the API sends and takes, resource by resource.

use serde::{Deserialize, Serialize};

use crate::ErrorCode;

/// The WebSocket subprotocol and ALPN name of the tunnel, version 1.
pub const SUBPROTOCOL_TUNNEL: &str = "towline.tunnel.v1";

/// One page of a list; pass `next` as the query's `cursor` for what follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The objects, in the list's order.
    pub items: Vec<T>,
    /// Where the next page begins; `None` on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// `POST /api/v1/login`.
#[derive(Clone, Serialize, Deserialize)]
pub struct Login {
    /// User name.
    pub user: String,
    /// Password, write-only.
    pub password: String,
}

/// The answer to a [`Login`].
#[derive(Clone, Serialize, Deserialize)]
pub struct LoginGranted {
    /// Bearer token: goes into `Authorization: Bearer …`.
    pub token: String,
    /// When the token ends.
    pub expires_at: String,
    /// Who it stands for.
    pub user: CurrentUser,
}

/// `GET /api/v1/current-user`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CurrentUser {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// What the user may do on at least one device group, or everywhere where it is not about devices.
    pub permissions: Vec<Permission>,
}

/// A right that is given to a user group, on a device group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Permission {
    /// List endpoints, operations and sessions.
    RemoteAccessRead,
    /// Open sessions.
    RemoteAccessConnect,
    /// Create, change and delete endpoints.
    RemoteAccessAdmin,
    /// See devices.
    DeviceControlRead,
    /// Enrol, rename and remove devices.
    DeviceControlAdmin,
    /// Create users, groups and grants; read the whole audit.
    UserAdmin,
}

impl Permission {
    /// Every permission there is.
    pub const ALL: [Self; 6] = [
        Self::RemoteAccessRead,
        Self::RemoteAccessConnect,
        Self::RemoteAccessAdmin,
        Self::DeviceControlRead,
        Self::DeviceControlAdmin,
        Self::UserAdmin,
    ];

    /// The word in JSON, in the store and in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RemoteAccessRead => "remote-access-read",
            Self::RemoteAccessConnect => "remote-access-connect",
            Self::RemoteAccessAdmin => "remote-access-admin",
            Self::DeviceControlRead => "device-control-read",
            Self::DeviceControlAdmin => "device-control-admin",
            Self::UserAdmin => "user-admin",
        }
    }

    /// The permission that a word stands for.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|permission| permission.as_str() == word)
    }
}

impl std::fmt::Display for Permission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `POST /api/v1/users`.
#[derive(Clone, Serialize, Deserialize)]
pub struct CreateUser {
    /// Name, 1 to 64 characters.
    pub name: String,
    /// Password, write-only, at least 8 characters.
    pub password: String,
}

/// A person who logs in. A new one is in no group and may do nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Id.
    pub id: String,
    /// Name, unique in the tenant.
    pub name: String,
}

/// A machine with an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Id, a decimal string.
    pub id: String,
    /// Name, unique in the tenant.
    pub name: String,
    /// Whether the agent is connected now.
    pub online: bool,
    /// Whether an agent has taken the enrolment token.
    pub enrolled: bool,
    /// When the agent was last connected.
    pub last_seen_at: Option<String>,
    /// When the device was made.
    pub created_at: String,
    /// The agent's version, as it says.
    pub agent_version: Option<String>,
    /// Names of the device in other systems.
    pub external_ids: Vec<ExternalId>,
}

/// A name of a device in another system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalId {
    /// The system, such as `c8y_Serial`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The name there.
    pub value: String,
}

/// `POST /api/v1/enrolment-tokens`: makes the device if there is none of that name yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssueEnrolmentToken {
    /// The device's name.
    pub name: String,
    /// How long the token is good for, in seconds; the cloud's default is one hour, its maximum 30 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_for_seconds: Option<u64>,
}

/// The answer: the token is shown this once.
#[derive(Clone, Serialize, Deserialize)]
pub struct EnrolmentTicket {
    /// The token as text: [`EnrolmentToken`](crate::EnrolmentToken).
    pub token: String,
    /// The device it is for.
    pub device: Device,
    /// When it ends.
    pub expires_at: String,
}

/// `POST /api/v1/agent/enrol`.
#[derive(Clone, Serialize, Deserialize)]
pub struct Enrol {
    /// The token's secret, base64url.
    pub secret: String,
    /// The device's Ed25519 public key, 32 bytes, base64url.
    pub public_key: String,
    /// A [`Challenge`]'s nonce.
    pub nonce: String,
    /// Ed25519 signature over `towline enrol v1\n` host `\n` nonce, base64url.
    pub signature: String,
    /// A name the agent wants instead of the token's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The agent's version.
    pub agent_version: String,
}

/// The answer to [`Enrol`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolled {
    /// The device's id.
    pub device_id: String,
    /// The device's name.
    pub name: String,
}

/// `GET /api/v1/agent/challenge`: what the agent signs, once, within 30 seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// Opaque to the agent: version, time, random and MAC, base64url.
    pub nonce: String,
}

/// What the cloud passes on for an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    /// Bytes, end to end.
    Passthrough,
}

impl Protocol {
    /// The word in JSON and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passthrough => "PASSTHROUGH",
        }
    }
}

/// `POST /api/v1/devices/{device}/endpoints`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateEndpoint {
    /// Name, unique on the device.
    pub name: String,
    /// Protocol.
    pub protocol: Protocol,
    /// Host name or address as the device sees it.
    pub host: String,
    /// TCP port, 1 to 65535.
    pub port: u16,
}

/// A server that the device can reach: a remote-access configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Id.
    pub id: String,
    /// The device it belongs to.
    pub device_id: String,
    /// Name, unique on the device.
    pub name: String,
    /// Protocol.
    pub protocol: Protocol,
    /// Host name or address as the device sees it.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// When it was made.
    pub created_at: String,
}

/// How far an operation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
pub struct Operation {
    /// Id.
    pub id: String,
    /// The device asked.
    pub device_id: String,
    /// The endpoint asked for; `None` if it was unknown.
    pub endpoint_id: Option<String>,
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
    /// When its status last changed.
    pub updated_at: String,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
        }
    }
}

/// A connection that came about: who, where, when, how much and why it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Id.
    pub id: String,
    /// The operation it came from.
    pub operation_id: String,
    /// The device.
    pub device_id: String,
    /// The endpoint.
    pub endpoint_id: String,
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
    /// Bytes from the operator to the target.
    pub bytes_to_target: u64,
    /// Bytes from the target to the operator.
    pub bytes_from_target: u64,
}

/// One link of the audit chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
pub struct Health {
    /// `ok`.
    pub status: String,
    /// The cloud's version.
    pub version: String,
}
