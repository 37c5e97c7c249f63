//! What a tenant has decided for all of its sessions.

use serde::{Deserialize, Serialize};

/// `GET /api/v1/settings`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Settings {
    /// SSH: a server whose endpoint has no host key is trusted at its first connection, and its key is kept from then on.
    pub save_host_keys: bool,
    /// Whether Telnet endpoints may be made and connected.
    pub allow_telnet: bool,
    /// After so many seconds without a key or a click a page's session ends; 0 for never.
    pub idle_limit_seconds: u64,
    /// After so many seconds a page's session ends, unless it is extended; 0 for never.
    pub total_limit_seconds: u64,
}

/// `PATCH /api/v1/settings`: what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateSettings {
    /// Whether unknown host keys are trusted at the first connection, and kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub save_host_keys: Option<bool>,
    /// Whether Telnet endpoints may be made and connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_telnet: Option<bool>,
    /// Seconds without a key or a click, at most 30 days; 0 for no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_limit_seconds: Option<u64>,
    /// Seconds at all, at most 30 days; 0 for no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_limit_seconds: Option<u64>,
}
