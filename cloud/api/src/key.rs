//! SSH keys: what a pasted one is, and putting the public half of a pair onto its target.

use serde::{Deserialize, Serialize};

use crate::{HostKey, Secret};

/// `POST /api/v1/key-inspections`: what these are, before an endpoint is made with them. Nothing of it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct InspectKeys {
    /// A private key, in any container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_key: Option<Secret>,
    /// Its passphrase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passphrase: Option<Secret>,
    /// Keys of servers: lines of `known_hosts` or of `ssh_host_*_key.pub`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_keys: Option<String>,
    /// The target that they are for: of a whole `known_hosts` only what is said about it counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Its port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

/// What they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InspectedKeys {
    /// The private key.
    pub private_key: Option<InspectedKey>,
    /// The keys of servers.
    pub host_keys: Vec<InspectedKey>,
}

/// What a key is. What only its passphrase would show is left open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InspectedKey {
    /// The container, such as `openssh-key-v1` or `ppk3`.
    pub format: String,
    /// Such as `ssh-ed25519`.
    pub algorithm: Option<String>,
    /// Its size.
    pub bits: Option<u64>,
    /// `SHA256:…`
    pub fingerprint: Option<String>,
    /// What stands behind it.
    pub comment: Option<String>,
    /// Whether a passphrase is needed.
    pub encrypted: bool,
    /// Whether there is a private key in it.
    pub private: bool,
}

/// `POST /api/v1/devices/{device}/endpoints/{endpoint}/key-installations`: put the public half of the endpoint's key pair into
/// `~/.ssh/authorized_keys` of its user on the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct InstallKey {
    /// The user's password on the target. It signs in once, and is not kept.
    pub password: Secret,
    /// The fingerprint of the host key that is trusted, where none is kept with the endpoint yet; it is kept from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_key: Option<String>,
}

/// The key is there now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InstalledKey {
    /// Whether it was there before, so that nothing was changed.
    pub was_there: bool,
    /// The key that the target has.
    pub host_key: HostKey,
}
