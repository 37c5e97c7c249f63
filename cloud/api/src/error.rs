//! The closed list of errors: one word, the hop it names, its cause and what to do.

use serde::{Deserialize, Serialize};

/// Where on the path browser or CLI → cloud → agent → target something went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Hop {
    /// The operator's side: this program, its arguments, its machine.
    Operator,
    /// The cloud, or the way to it.
    Cloud,
    /// A proxy on the way to the cloud.
    Proxy,
    /// The device's agent, or its connection to the cloud.
    Agent,
    /// The server the agent was asked to connect.
    Target,
}

impl Hop {
    /// The hop as it is written in documents and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Cloud => "cloud",
            Self::Proxy => "proxy",
            Self::Agent => "agent",
            Self::Target => "target",
        }
    }
}

impl std::fmt::Display for Hop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One row of the list: everything that is said about an error, in one place.
struct Row {
    code: ErrorCode,
    word: &'static str,
    hop: Hop,
    http_status: u16,
    tunnel_code: u32,
    exit_code: u8,
    cause: &'static str,
    remedy: &'static str,
}

macro_rules! errors {
    ($($variant:ident $word:literal $hop:ident $status:literal $tunnel:literal $exit:literal
       $cause:literal $remedy:literal;)*) => {
        /// What went wrong, as one word of a closed list. The page, the CLI and the audit use the same words.
        ///
        /// The table of all of them is in `cloud/api/ERRORS.md`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ErrorCode {
            $(
                #[doc = $cause]
                #[serde(rename = $word)]
                $variant,
            )*
        }

        const ROWS: &[Row] = &[$(
            Row {
                code: ErrorCode::$variant, word: $word, hop: Hop::$hop, http_status: $status,
                tunnel_code: $tunnel, exit_code: $exit, cause: $cause, remedy: $remedy,
            },
        )*];
    };
}

// Tunnel codes are those of tunnel-proto/PROTOCOL.md section 9; 0 means that no tunnel code carries this error.
// Where two errors would share a tunnel code, the first row with it is what the code maps back to.
// Exit codes follow c8ylp where it has one: 3 not authorised or unknown device, 6 no passthrough endpoint,
// 7 no endpoint matches, 8 permission missing, 10 ssh missing, 12 command not found.
errors! {
    BadRequest "bad-request" Operator 400 0x20 2
        "the request is not understood" "correct what the detail names";
    Unauthenticated "unauthenticated" Operator 401 0 3
        "nobody is logged in" "run `towline login`, or set TOWLINE_TOKEN";
    AuthFailed "auth-failed" Operator 401 0x0f 3
        "user name or password is wrong" "check both; after several failures wait a minute";
    TotpRequired "totp-required" Operator 401 0 3
        "a code of the second factor is needed" "log in again with the six digits of your authenticator: `towline login --totp-code`";
    UserDisabled "user-disabled" Operator 403 0 3
        "the user is disabled" "ask an administrator";
    Forbidden "forbidden" Cloud 403 0x34 8
        "the permission for this is missing" "ask an administrator for the permission that the detail names";
    UnknownDevice "unknown-device" Cloud 404 0x30 3
        "no such device, or it is not visible to you" "see `towline devices list` for the names and ids";
    UnknownEndpoint "unknown-endpoint" Cloud 404 0x31 7
        "the device has no such endpoint" "see `towline endpoints list --device D`";
    NotFound "not-found" Cloud 404 0 4
        "there is no such object" "check the id";
    NoPassthroughEndpoint "no-passthrough-endpoint" Operator 404 0 6
        "the device has no PASSTHROUGH endpoint" "make one: `towline endpoints create-passthrough --device D --name native-ssh --port 22`";
    EndpointAmbiguous "endpoint-ambiguous" Operator 409 0 7
        "several endpoints fit" "name one with --endpoint";
    Conflict "conflict" Cloud 409 0 9
        "this does not go together with what there is" "the detail says with what: choose another name, or change the other object first";
    RateLimited "rate-limited" Cloud 429 0x08 13
        "too many attempts" "wait, then try again";
    QuotaExceeded "quota-exceeded" Cloud 429 0x35 13
        "a limit of the cloud is reached" "close something, or ask for a higher limit";
    TicketInvalid "ticket-invalid" Operator 401 0 3
        "the ticket for this connection is unknown, used or expired" "connect again";
    OriginRefused "origin-refused" Operator 403 0 3
        "the request comes from a page that is not this cloud's" "open the cloud's own address; behind a proxy, name the proxy with --trusted-proxy and pass Host on";
    EnrolmentTokenInvalid "enrolment-token-invalid" Cloud 401 0 14
        "the enrolment token is unknown, used or expired" "get a new one with `towline devices enrol --name N`";
    DeviceIdentityRejected "device-identity-rejected" Cloud 401 0 14
        "the device's proof of identity was not accepted" "if the device was removed or enrolled again elsewhere, enrol it anew";
    DeviceOffline "device-offline" Agent 503 0x32 20
        "the device is not connected to the cloud" "check the device's power and network, and that the agent runs";
    DeviceDisabled "device-disabled" Agent 403 0x37 20
        "the device is disabled" "an administrator can enable it: `towline devices enable D`";
    DeviceTimeout "device-timeout" Agent 504 0x33 21
        "the device did not answer in time" "try again; if it stays so, look at the agent's log";
    DeviceReplaced "device-replaced" Agent 503 0x0d 20
        "another agent connected with the same identity" "make sure that the device's data folder was not copied to a second machine";
    AgentInternal "agent-internal" Agent 500 0x02 23
        "the agent failed" "look at the agent's log";
    PolicyDenied "policy-denied" Agent 403 0x25 22
        "the device's own policy does not allow this target" "add the address to allow.toml on the device, or choose another target";
    TargetRefused "target-refused" Target 502 0x21 30
        "nothing listens on the target's port" "start the server on the target, or correct the endpoint's port";
    TargetTimeout "target-timeout" Target 504 0x22 31
        "the target did not answer in time" "check that the target is up and that no firewall drops the connection";
    TargetUnreachable "target-unreachable" Target 502 0x23 32
        "there is no route from the device to the target" "check the device's network and the endpoint's host";
    DnsFailed "dns-failed" Target 502 0x24 33
        "the device cannot resolve the target's name" "correct the endpoint's host, or the device's name servers";
    TargetClosed "target-closed" Target 502 0x26 34
        "the target broke the connection" "look at the target server's log";
    TargetProtocol "target-protocol" Target 502 0 35
        "the target speaks another protocol than the endpoint says" "correct the endpoint's protocol or port";
    TargetSignIn "target-sign-in" Target 502 0 36
        "the target refused the sign-in" "correct the endpoint's password or key";
    TargetUnsupported "target-unsupported" Target 502 0 37
        "the target asks for something that the cloud cannot do" "change the target's settings as the detail says";
    HostKeyUnknown "host-key-unknown" Target 502 0 38
        "the target's host key is not known and was not accepted" "compare the fingerprint with the one on the target, then accept it or keep it with the endpoint";
    HostKeyChanged "host-key-changed" Target 502 0 38
        "the target's host key is not the one that is kept with the endpoint" "somebody may be in between: if the target was installed anew, replace the endpoint's host key";
    ProtocolForbidden "protocol-forbidden" Cloud 403 0x39 8
        "this protocol is switched off here" "use SSH, or ask an administrator to allow it in the settings";
    SessionLimit "session-limit" Cloud 403 0 42
        "the session has reached a limit of time" "connect again; an administrator can change the limits in the settings";
    ProtocolMismatch "protocol-mismatch" Cloud 502 0x01 40
        "the two sides do not speak the same protocol" "bring agent, cloud and CLI to versions that fit";
    VersionUnsupported "version-unsupported" Cloud 426 0x05 40
        "the peer's version is too old or too new" "update the older side";
    SessionLost "session-lost" Cloud 502 0x12 41
        "the connection broke and did not come back in time" "try again";
    SessionEnded "session-ended" Cloud 403 0x0e 42
        "the session was ended: a right, the endpoint or the device was taken away" "ask an administrator for the reason";
    ShuttingDown "shutting-down" Cloud 503 0x0c 43
        "the cloud is shutting down" "try again in a minute";
    Overloaded "overloaded" Cloud 503 0x0b 43
        "the memory set aside for connections is used up" "try again in a minute";
    StorageFailed "storage-failed" Cloud 503 0x38 50
        "the cloud cannot write its records, so it begins nothing new" "make room on the cloud's disk; its log has the reason";
    CloudUnreachable "cloud-unreachable" Cloud 503 0 44
        "the cloud cannot be reached" "check the address, the name server, the firewall, and that the cloud runs";
    ProxyFailed "proxy-failed" Proxy 502 0 46
        "the proxy on the way to the cloud let nothing through" "check the proxy's address, user name and password (--proxy, HTTPS_PROXY), and that it allows the cloud's address";
    PinMismatch "pin-mismatch" Cloud 495 0 45
        "the cloud's key is not the one that was pinned" "somebody may be in between: ask the cloud's administrator for the pin, then log in again with it";
    TlsFailed "tls-failed" Cloud 495 0 45
        "the cloud's certificate is not trusted" "log in with `--pin sha256:…` (the cloud prints that line at its start), or install a certificate that is trusted here";
    PlainRefused "plain-refused" Operator 400 0 45
        "an unencrypted connection is only made to this machine itself" "use https:// in the cloud's address";
    SshMissing "ssh-missing" Operator 500 0 10
        "no ssh client was found on this machine" "install OpenSSH's client";
    CommandNotFound "command-not-found" Operator 500 0 12
        "the command was not found on this machine" "check its name and PATH";
    ListenFailed "listen-failed" Operator 500 0 11
        "the local address cannot be listened on" "choose another with --listen, or port 0 for any free one";
    Internal "internal" Cloud 500 0x36 50
        "the cloud failed" "try again; the cloud's log has the reason";
}

impl ErrorCode {
    /// Every error there is, in the order of the table.
    pub fn all() -> impl Iterator<Item = Self> {
        ROWS.iter().map(|row| row.code)
    }

    fn row(self) -> &'static Row {
        // The macro makes a row for each variant, so the search always ends with one.
        ROWS.iter().find(|row| row.code == self).unwrap_or(&ROWS[0])
    }

    /// The word, as in JSON and in messages: `target-refused`.
    pub fn as_str(self) -> &'static str {
        self.row().word
    }

    /// The hop at fault.
    pub fn hop(self) -> Hop {
        self.row().hop
    }

    /// What happened, as a clause in lower case without a full stop.
    pub fn cause(self) -> &'static str {
        self.row().cause
    }

    /// What a person can do about it.
    pub fn remedy(self) -> &'static str {
        self.row().remedy
    }

    /// The HTTP status a [`Problem`] with this code is sent with.
    pub fn http_status(self) -> u16 {
        self.row().http_status
    }

    /// The exit code of a `towline` command that fails with this.
    pub fn exit_code(self) -> u8 {
        self.row().exit_code
    }

    /// The tunnel's code for this (`tunnel-proto/PROTOCOL.md` section 9); `INTERNAL` (2) where it has none.
    pub fn tunnel_code(self) -> u32 {
        match self.row().tunnel_code {
            0 => 2,
            code => code,
        }
    }

    /// What a code of the tunnel means; [`ErrorCode::ProtocolMismatch`] for codes this version does not know.
    pub fn from_tunnel_code(code: u32) -> Self {
        match code {
            // NO_ERROR, REFUSED and CANCEL end a channel without anything having gone wrong on the path.
            0 | 6 | 7 | 9 | 10 => Self::SessionEnded,
            // A session that cannot be resumed, or went silent, is lost.
            0x10 | 0x11 => Self::SessionLost,
            3 | 4 => Self::ProtocolMismatch,
            0..=u32::MAX => {
                ROWS.iter().find(|row| row.tunnel_code == code).map_or(Self::ProtocolMismatch, |row| row.code)
            }
        }
    }
}

// By hand: utoipa's derive does not see words that come through a macro.
#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for ErrorCode {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::schema::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .enum_values(Some(Self::all().map(Self::as_str)))
            .description(Some("What went wrong, as one word of a closed list."))
            .into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for ErrorCode {}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failure as the API tells it (RFC 9457), with the hop, the cause (`title`) and the remedy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// `urn:towline:error:v1:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The cause: [`ErrorCode::cause`].
    pub title: String,
    /// The HTTP status, repeated.
    pub status: u16,
    /// What is special about this occurrence: names, numbers. Never a secret.
    #[serde(default)]
    pub detail: String,
    /// The word of the closed list.
    pub code: ErrorCode,
    /// Where it went wrong.
    pub hop: Hop,
    /// What to do.
    pub remedy: String,
    /// What is wrong with single fields of what was sent.
    #[serde(default, skip_serializing_if = "is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<FieldError>))]
    pub errors: Box<[FieldError]>,
}

/// What is wrong with one field of what was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FieldError {
    /// Its name in JSON.
    pub field: String,
    /// What it has to be.
    pub detail: String,
}

fn is_empty(errors: &[FieldError]) -> bool {
    errors.is_empty()
}

impl Problem {
    /// A problem with the list's cause and remedy, and a `detail` of its own.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:towline:error:v1:{code}"),
            title: code.cause().into(),
            status: code.http_status(),
            detail: detail.into(),
            code,
            hop: code.hop(),
            remedy: code.remedy().into(),
            errors: Box::default(),
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}): {}", self.code, self.hop, self.title)?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        write!(f, " — {}", self.remedy)
    }
}

impl std::error::Error for Problem {}

impl From<ErrorCode> for Problem {
    fn from(code: ErrorCode) -> Self {
        Self::new(code, "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_survives_json_and_has_a_word_of_its_own() {
        let mut words = std::collections::HashSet::new();
        for code in ErrorCode::all() {
            let json = serde_json::to_string(&Problem::new(code, "pump-7")).unwrap();
            assert_eq!(serde_json::from_str::<Problem>(&json).unwrap().code, code);
            assert!(words.insert(code.as_str()), "{code} stands twice");
            assert!((400..600).contains(&code.http_status()), "{code}");
            assert!(code.exit_code() > 0, "{code} would look like success");
        }
    }

    #[test]
    fn an_error_that_the_tunnel_carries_comes_back_as_itself() {
        for row in ROWS.iter().filter(|row| row.tunnel_code != 0) {
            assert_eq!(ErrorCode::from_tunnel_code(row.tunnel_code), row.code);
        }
    }

    #[test]
    fn the_printed_table_is_the_list() {
        let mut table =
            String::from("| code | hop | cause | what to do | HTTP | tunnel | exit |\n|---|---|---|---|---|---|---|\n");
        for row in ROWS {
            let tunnel = if row.tunnel_code == 0 { "–".into() } else { format!("{:#04x}", row.tunnel_code) };
            table += &format!(
                "| `{}` | {} | {} | {} | {} | {tunnel} | {} |\n",
                row.word, row.hop, row.cause, row.remedy, row.http_status, row.exit_code,
            );
        }
        let printed = include_str!("../ERRORS.md");
        assert!(printed.contains(&table), "cloud/api/ERRORS.md wants this table:\n{table}");
    }
}
