//! Devices.

use serde::{Deserialize, Serialize};

use crate::Permission;

/// A machine with an agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Device {
    /// Id, a decimal string.
    pub id: String,
    /// Name, unique in the tenant.
    pub name: String,
    /// Whether the agent is connected now.
    pub online: bool,
    /// Whether its connection was lost a short while ago, and its sessions wait for another.
    #[serde(default)]
    pub reconnecting: bool,
    /// Whether an agent has taken the enrolment token.
    pub enrolled: bool,
    /// Whether it is kept from connecting.
    pub disabled: bool,
    /// When the agent was last connected.
    pub last_seen_at: Option<String>,
    /// When the device was made.
    pub created_at: String,
    /// The agent's version, as it says.
    pub agent_version: Option<String>,
    /// Names of the device in other systems.
    pub external_ids: Vec<ExternalId>,
    /// What whoever asks may do with it.
    #[serde(default)]
    pub permissions: Vec<Permission>,
}

impl Device {
    /// Whether a connection can be tried: its agent is connected, or about to be again.
    pub fn is_reachable(&self) -> bool {
        self.online || self.reconnecting
    }
}

/// A name of a device in another system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExternalId {
    /// The system, such as `c8y_Serial`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The name there.
    pub value: String,
}

/// `PATCH /api/v1/devices/{device}`. Disabling ends its connection and sessions at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateDevice {
    /// A new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether it is kept from connecting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
}
