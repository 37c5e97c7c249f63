//! What a device's agent asks of the cloud.

use serde::{Deserialize, Serialize};

use crate::device::Device;

/// The WebSocket subprotocol and ALPN name of the tunnel, version 1.
pub const SUBPROTOCOL_TUNNEL: &str = "towline.tunnel.v1";

/// The header with which a client says that its proofs are bound to the TLS of this connection, because it knows that
/// nobody in between ends it.
pub const BINDING_HEADER: &str = "towline-binding";

/// The value of [`BINDING_HEADER`]: the exporter of RFC 9266.
pub const BINDING_TLS_EXPORTER: &str = "tls-exporter";

/// `POST /api/v1/enrolment-tokens`: makes the device if there is none of that name yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct IssueEnrolmentToken {
    /// The device's name.
    pub name: String,
    /// How long the token is good for, in seconds; the cloud's default is one hour, its maximum 30 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_for_seconds: Option<u64>,
}

/// The answer: the token is shown this once.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Enrolled {
    /// The device's id.
    pub device_id: String,
    /// The device's name.
    pub name: String,
}

/// `GET /api/v1/agent/challenge`: what the agent signs, once, within 30 seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Challenge {
    /// Opaque to the agent: version, time, random and MAC, base64url.
    pub nonce: String,
    /// The UDP port of the same host on which the cloud takes the tunnel over QUIC, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quic_port: Option<u16>,
}
