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
    /// A terminal. The cloud is the SSH client.
    Ssh,
    /// A terminal, over a protocol that protects nothing between the device and the target.
    Telnet,
}

impl Protocol {
    /// Every protocol there is.
    pub const ALL: [Self; 4] = [Self::Passthrough, Self::Vnc, Self::Ssh, Self::Telnet];

    /// The word in JSON and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passthrough => "PASSTHROUGH",
            Self::Vnc => "VNC",
            Self::Ssh => "SSH",
            Self::Telnet => "TELNET",
        }
    }

    /// How an endpoint of this protocol can be signed in to; the first is what it is unless somebody says otherwise.
    pub fn sign_ins(self) -> &'static [SignIn] {
        match self {
            Self::Passthrough | Self::Telnet => &[SignIn::None],
            Self::Vnc => &[SignIn::None, SignIn::Password],
            Self::Ssh => &[SignIn::Ask, SignIn::Password, SignIn::KeyPair],
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
    /// With the private key that is kept for the endpoint.
    KeyPair,
    /// Whoever connects is asked, each time.
    Ask,
}

impl SignIn {
    /// Every way there is.
    pub const ALL: [Self; 4] = [Self::None, Self::Password, Self::KeyPair, Self::Ask];

    /// The word in JSON and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Password => "password",
            Self::KeyPair => "key-pair",
            Self::Ask => "ask",
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
    /// SSH: the user to sign in as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// SSH: the private key to sign in with, as the text of its file, write-only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_key: Option<Secret>,
    /// SSH: the private key's passphrase, write-only. Without it whoever connects is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passphrase: Option<Secret>,
    /// SSH: make a key pair; the private half never leaves the cloud.
    #[serde(default)]
    pub generate_key: bool,
    /// SSH: the keys that the server may have, one a line as in `known_hosts` without the host's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_keys: Option<String>,
    /// SSH: allow algorithms that are not safe any more, for old servers.
    #[serde(default)]
    pub legacy_algorithms: bool,
    /// Telnet: how keys and text are treated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telnet: Option<TelnetOptions>,
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
    /// SSH: the user to sign in as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// SSH: the public half of the key that is kept for it, as a line for `authorized_keys`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// SSH: the keys that the server may have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub host_keys: Vec<HostKey>,
    /// SSH: whether algorithms are allowed that are not safe any more.
    #[serde(default)]
    pub legacy_algorithms: bool,
    /// Telnet: how keys and text are treated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telnet: Option<TelnetOptions>,
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
    /// SSH: another user to sign in as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// SSH: another private key, write-only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_key: Option<Secret>,
    /// SSH: another passphrase, write-only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passphrase: Option<Secret>,
    /// SSH: make another key pair.
    #[serde(default)]
    pub generate_key: bool,
    /// SSH: other keys that the server may have; empty for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_keys: Option<String>,
    /// SSH: whether algorithms are allowed that are not safe any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legacy_algorithms: Option<bool>,
    /// Telnet: how keys and text are treated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telnet: Option<TelnetOptions>,
}

/// A key that a server may have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HostKey {
    /// The key, as a line of `known_hosts` without the host's name.
    pub key: String,
    /// `SHA256:…`
    pub fingerprint: String,
}

/// How keys and text are treated on a Telnet connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct TelnetOptions {
    /// What Enter sends.
    pub newline: TelnetNewline,
    /// What Backspace sends.
    pub backspace: TelnetBackspace,
    /// What Ctrl+C sends.
    pub interrupt: TelnetInterrupt,
    /// Whether keys are shown before the target shows them.
    pub local_echo: TelnetWhen,
    /// Whether lines are edited before the target has them, and sent when they are whole.
    pub local_editing: TelnetWhen,
    /// Whether to offer options at once; some consoles take an offer for typed text.
    pub speak_first: bool,
    /// The target's character set, by a name of the Encoding Standard, such as `utf-8` or `shift_jis`, or `cp437`.
    pub charset: String,
}

impl Default for TelnetOptions {
    fn default() -> Self {
        Self {
            newline: TelnetNewline::default(),
            backspace: TelnetBackspace::default(),
            interrupt: TelnetInterrupt::default(),
            local_echo: TelnetWhen::default(),
            local_editing: TelnetWhen::default(),
            speak_first: false,
            charset: "utf-8".into(),
        }
    }
}

/// What Enter sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum TelnetNewline {
    /// CR NUL, as RFC 854 has it for a lone CR.
    #[default]
    CrNul,
    /// CR LF.
    CrLf,
    /// LF.
    Lf,
    /// CR alone.
    Raw,
}

/// What Backspace sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum TelnetBackspace {
    /// What the terminal sends: DEL.
    #[default]
    AsIs,
    /// DEL (0x7F).
    Delete,
    /// BS (0x08).
    ControlH,
}

/// What Ctrl+C sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum TelnetInterrupt {
    /// The byte 0x03.
    #[default]
    Byte,
    /// IP and a Synch.
    Process,
    /// BRK.
    Break,
}

/// Whether this side does what the target could do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum TelnetWhen {
    /// As the options say.
    #[default]
    Negotiated,
    /// Always.
    Always,
    /// Never.
    Never,
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
    /// SSH: the key that the target has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_key: Option<HostKey>,
    /// Telnet: where the same host speaks SSH, which is encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh_port: Option<u16>,
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
