//! Endpoints: the servers that a device reaches, and how the cloud signs in to them.

use serde::{Deserialize, Serialize};

use crate::Secret;

/// What the cloud speaks with an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    /// Bytes, end to end.
    #[default]
    Passthrough,
    /// A screen.
    Vnc,
}

impl Protocol {
    /// Every protocol there is.
    pub const ALL: [Self; 2] = [Self::Passthrough, Self::Vnc];

    /// The word in JSON and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passthrough => "PASSTHROUGH",
            Self::Vnc => "VNC",
        }
    }

    /// How an endpoint of this protocol can be signed in to; the first is what it is unless somebody says otherwise.
    pub fn sign_ins(self) -> &'static [SignIn] {
        match self {
            Self::Passthrough => &[SignIn::None],
            Self::Vnc => &[SignIn::None, SignIn::Password],
        }
    }
}

impl std::fmt::Display for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How the cloud signs in to an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum SignIn {
    /// Not at all: it asks for nothing, or whoever connects signs in.
    #[default]
    None,
    /// With the password that is kept for the endpoint.
    Password,
}

impl SignIn {
    /// Every way there is.
    pub const ALL: [Self; 2] = [Self::None, Self::Password];

    /// The word in JSON and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Password => "password",
        }
    }
}

/// `POST /api/v1/devices/{device}/endpoints`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateEndpoint {
    /// Name, unique on the device.
    pub name: String,
    /// Protocol.
    pub protocol: Protocol,
    /// Host name or address as the device sees it.
    pub host: String,
    /// TCP port, 1 to 65535.
    pub port: u16,
    /// How to sign in; without it the protocol's usual way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_in: Option<SignIn>,
    /// VNC: nobody may send keys, pointer or clipboard.
    #[serde(default)]
    pub view_only: bool,
    /// The password to sign in with, write-only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
}

impl CreateEndpoint {
    /// An endpoint that needs no sign-in.
    pub fn new(name: impl Into<String>, protocol: Protocol, host: impl Into<String>, port: u16) -> Self {
        Self { name: name.into(), protocol, host: host.into(), port, ..Self::default() }
    }
}

/// A server that the device can reach: a remote-access configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// How the cloud signs in.
    pub sign_in: SignIn,
    /// Whether nobody may send keys, pointer or clipboard.
    pub view_only: bool,
    /// Whether a password is kept for it.
    pub has_password: bool,
    /// When it was made.
    pub created_at: String,
}

/// `PATCH /api/v1/devices/{device}/endpoints/{endpoint}`: what is left out stays. A change of where it is or how to sign in
/// ends the endpoint's sessions at once.
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
    /// Another way to sign in. What is kept for the way until now is forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_in: Option<SignIn>,
    /// VNC: whether nobody may send keys, pointer or clipboard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view_only: Option<bool>,
    /// Another password, write-only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
}

/// `POST /api/v1/devices/{device}/endpoint-tests`: whether an endpoint like this would work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TestEndpoint {
    /// What it would be.
    pub endpoint: CreateEndpoint,
    /// An endpoint of the device whose secrets are taken where `endpoint` has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_id: Option<String>,
}

/// How far a test came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EndpointTest {
    /// What worked, in order.
    pub passed: Vec<TestedStep>,
    /// What did not; the step after the last that passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<crate::Problem>,
}

/// Something that worked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TestedStep {
    /// Which.
    pub step: TestStep,
    /// What was found.
    pub detail: String,
}

/// The steps of a connection, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum TestStep {
    /// The device answers.
    Device,
    /// The device has connected the target.
    Target,
    /// The target speaks the protocol.
    Protocol,
    /// The target is content with the sign-in.
    SignIn,
}
