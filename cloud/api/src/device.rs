//! Devices and the endpoints they reach.

use serde::{Deserialize, Serialize};

/// A machine with an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Device {
    /// Id, a decimal string.
    pub id: String,
    /// Name, unique in the tenant.
    pub name: String,
    /// Whether the agent is connected now.
    pub online: bool,
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

/// What the cloud passes on for an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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

/// `PATCH /api/v1/devices/{device}/endpoints/{endpoint}`. A new host or port ends the endpoint's sessions at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateEndpoint {
    /// A new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A new host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// A new port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}
