//! The types of Towline's REST API, version 1 (`/api/v1`), and its closed list of errors.
//!
//! Serde types only: no I/O, no client, no server. The cloud, the agent and the CLI share them, so that a
//! field has one name everywhere. Ids are decimal strings, times are RFC 3339 in UTC, failures are
//! [`Problem`] documents (RFC 9457).
//!
//! ```
//! use towline_cloud_api::{ErrorCode, Hop, Problem};
//!
//! // What a client does with an answer that is not 2xx:
//! let body = r#"{"type":"urn:towline:error:v1:device-offline","title":"the device is not connected to the cloud",
//!   "status":503,"detail":"device \"pump-7\" was last seen 2 minutes ago","code":"device-offline","hop":"agent",
//!   "remedy":"check the device's power and network, and that the agent runs"}"#;
//! let problem: Problem = serde_json::from_str(body)?;
//!
//! assert_eq!(problem.code, ErrorCode::DeviceOffline);
//! assert_eq!(problem.code.hop(), Hop::Agent);
//! assert_eq!(problem.code.exit_code(), 20);
//! # Ok::<(), serde_json::Error>(())
//! ```

#![forbid(unsafe_code)]

mod agent;
mod browser;
mod device;
mod endpoint;
mod error;
mod key;
mod people;
mod record;
mod secret;
mod settings;
mod terminal;
mod token;

pub use agent::{
    BINDING_HEADER, BINDING_TLS_EXPORTER, Challenge, Enrol, Enrolled, EnrolmentTicket, IssueEnrolmentToken,
    SUBPROTOCOL_TUNNEL,
};
pub use browser::{
    BrowserSession, CLOSE_ENDED, FromViewer, IssueTicket, LoginLink, PageInfo, Phase, SUBPROTOCOL_RFB, SessionLimit,
    TICKET_PREFIX, Ticket, ToViewer,
};
pub use device::{Device, ExternalId, UpdateDevice};
pub use endpoint::{
    CreateEndpoint, Endpoint, EndpointTest, HostKey, Protocol, SignIn, TelnetBackspace, TelnetInterrupt, TelnetNewline,
    TelnetOptions, TelnetWhen, TestEndpoint, TestStep, TestedStep, UpdateEndpoint,
};
pub use error::{ErrorCode, FieldError, Hop, Problem};
pub use key::{InspectKeys, InspectedKey, InspectedKeys, InstallKey, InstalledKey};
pub use people::{
    AccessToken, ChangePassword, CreateGrant, CreateGroup, CreateUser, CurrentUser, DeviceGroup, Grant, GroupRef,
    Login, LoginGranted, Permission, ResetPassword, TotpCode, TotpSetup, UpdateUser, User, UserGroup,
};
pub use record::{AuditRecord, AuditVerdict, Change, Health, Operation, OperationStatus, Page, Session, SessionEnd};
pub use secret::Secret;
pub use settings::{Settings, UpdateSettings};
pub use terminal::{
    Answer, FromTerminal, Prompt, Question, SUBPROTOCOL_TERMINAL, TERMINAL_KEPT_SECONDS, TERMINAL_WINDOW_BYTES,
    TerminalCommand, ToTerminal,
};
pub use token::{CloudTrust, EnrolmentToken, TokenError};
