//! The WebSocket handshake. The frames are the transport's; here is only the HTTP part.

use axum::{body::Body, extract::Request, response::Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use towline_cloud_api::{BINDING_HEADER, BINDING_TLS_EXPORTER, ErrorCode, SUBPROTOCOL_TUNNEL};
use towline_transport::websocket;

use super::Failure;
use crate::auth::Peer;

/// A request that is a correct WebSocket handshake.
pub(super) struct Upgrade {
    accept: HeaderValue,
    offered: Vec<String>,
    connection: OnUpgrade,
    exporter: Option<[u8; 32]>,
}

impl Upgrade {
    /// A handshake for a tunnel. Its peers are programs: a page has no business there.
    pub(super) fn for_tunnel(request: &mut Request) -> Result<Self, Failure> {
        if request.headers().contains_key(header::ORIGIN) {
            return Err(Failure::new(ErrorCode::BadRequest, "web pages have no business at this route"));
        }
        let upgrade = Self::from_request(request)?;
        if !upgrade.offered.iter().any(|offered| offered == SUBPROTOCOL_TUNNEL) {
            let detail = format!("the subprotocol is to be {SUBPROTOCOL_TUNNEL}");
            return Err(Failure::new(ErrorCode::VersionUnsupported, detail));
        }
        Ok(upgrade)
    }

    /// Any handshake; who calls looks at what is offered.
    pub(super) fn from_request(request: &mut Request) -> Result<Self, Failure> {
        let headers = request.headers();
        let is_handshake = has_word(headers, &header::UPGRADE, "websocket")
            && has_word(headers, &header::CONNECTION, "upgrade")
            && has_word(headers, &header::SEC_WEBSOCKET_VERSION, "13");
        let key = headers.get(header::SEC_WEBSOCKET_KEY).and_then(|key| key.to_str().ok());
        let (true, Some(key)) = (is_handshake, key) else {
            return Err(Failure::new(ErrorCode::BadRequest, "this route takes WebSocket handshakes only"));
        };
        let accept = HeaderValue::from_str(&websocket::accept_key(key))
            .map_err(|_| Failure::new(ErrorCode::BadRequest, "Sec-WebSocket-Key"))?;
        let offered = words(headers, &header::SEC_WEBSOCKET_PROTOCOL).map(str::to_owned).collect();
        // Whether a proxy ends the TLS of its connection the client has to know.
        let is_bound = headers.get(BINDING_HEADER).is_some_and(|value| value == BINDING_TLS_EXPORTER);
        let exporter = request.extensions().get::<Peer>().and_then(|peer| peer.exporter).filter(|_| is_bound);
        let connection = request
            .extensions_mut()
            .remove::<OnUpgrade>()
            .ok_or_else(|| Failure::new(ErrorCode::BadRequest, "this connection cannot become a WebSocket"))?;
        Ok(Self { accept, offered, connection, exporter })
    }

    /// What the client's proofs on this connection are bound to, if they are.
    pub(super) fn exporter(&self) -> Option<[u8; 32]> {
        self.exporter
    }

    /// The subprotocols that the client offers.
    pub(super) fn offered(&self) -> &[String] {
        &self.offered
    }

    /// The answer, which agrees to a subprotocol, and the connection that follows it.
    pub(super) fn answer(self, subprotocol: &'static str) -> (Response, OnUpgrade) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, self.accept);
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(subprotocol));
        (response, self.connection)
    }
}

/// The words of the comma-separated list of a header.
fn words<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

/// Whether a word stands in the comma-separated list of a header.
fn has_word(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    words(headers, name).any(|part| part.eq_ignore_ascii_case(word))
}
