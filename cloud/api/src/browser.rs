//! What a web page asks of the cloud: logging in with a cookie, and connections to endpoints.

use serde::{Deserialize, Serialize};

use crate::{CurrentUser, Problem, Protocol};

/// The WebSocket subprotocol of a screen, version 1: text messages are [`ToViewer`] and [`FromViewer`] as JSON, binary ones
/// are RFB 3.8 with security None.
pub const SUBPROTOCOL_RFB: &str = "towline.rfb.v1";

/// What stands in front of a ticket in the list of subprotocols that a page offers: a ticket stands in no URL.
pub const TICKET_PREFIX: &str = "towline.ticket.v1.";

/// The WebSocket close code behind [`ToViewer::End`].
pub const CLOSE_ENDED: u16 = 4000;

/// The answer to `POST /api/v1/browser/login` and `/browser/login-link`. The login itself is in a cookie that scripts cannot read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BrowserSession {
    /// Who is logged in.
    pub user: CurrentUser,
    /// When the login ends.
    pub expires_at: String,
}

/// `POST /api/v1/browser/login-link`.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LoginLink {
    /// The single-use code of the link's fragment.
    pub code: String,
}

/// `GET /api/v1/page`: what the page has to know before anybody logs in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PageInfo {
    /// The cloud's version.
    pub version: String,
    /// Which protocols endpoints may have.
    pub protocols: Vec<Protocol>,
}

/// `POST /api/v1/devices/{device}/endpoints/{endpoint}/tickets`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct IssueTicket {
    /// VNC: look only. The cloud passes no keys, pointer or clipboard on.
    #[serde(default)]
    pub view_only: bool,
    /// A terminal: come back to this session, with the login that began it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
}

/// A ticket for one connection, good once and for half a minute, together with the login that it was asked with.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Ticket {
    /// Offer [`TICKET_PREFIX`] and this as a subprotocol of the WebSocket `/api/v1/connect`.
    pub ticket: String,
    /// The subprotocol to offer beside it.
    pub subprotocol: String,
    /// When it ends.
    pub expires_at: String,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The device is being asked.
    Asking,
    /// The device is connecting the target.
    Opening,
    /// The target is connected and the protocol begins.
    Handshake,
    /// The operator's turn.
    Connected,
}

/// A text message of the cloud on the WebSocket of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum ToViewer {
    /// The connection has come this far.
    Phase {
        /// Where it is.
        phase: Phase,
        /// The operation on record.
        operation_id: String,
        /// The session on record, once it has begun.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session_id: Option<String>,
        /// `host:port` of the endpoint.
        target: String,
        /// Whether the cloud passes no keys, pointer or clipboard on.
        view_only: bool,
    },
    /// The answer to [`FromViewer::Ping`].
    Pong {
        /// The ping's number.
        id: u32,
    },
    /// The device's own connection was lost, or is back. What is sent meanwhile waits for it.
    Device {
        /// Whether it is there.
        connected: bool,
    },
    /// The connection is about to end because a limit is near; without a limit, it is no longer.
    Countdown {
        /// Which.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<SessionLimit>,
        /// How long it still has.
        seconds: u64,
    },
    /// The last message: what ended the connection. The cloud closes with [`CLOSE_ENDED`] behind it.
    End {
        /// Why.
        problem: Problem,
    },
}

/// A text message to the cloud on the WebSocket of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum FromViewer {
    /// Answer this: it measures the round trip.
    Ping {
        /// Any number.
        id: u32,
    },
    /// The person wants to go on: idle time and total time begin anew.
    Extend,
}

/// What a session has only so much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionLimit {
    /// Time without a key or a click.
    Idle,
    /// Time at all.
    Total,
}
