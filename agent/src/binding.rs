//! What binds a proof to one connection: its TLS, if nobody in between can end that.

use http::{HeaderName, HeaderValue};
use towline_cloud_api::{BINDING_HEADER, BINDING_TLS_EXPORTER};
use towline_transport::{BoxTransport, Carrier, tls::Trust};

/// The header that tells the cloud that proofs on this connection are bound to its TLS: when the cloud's own key is pinned,
/// so that no proxy can stand in between.
pub fn binding(trust: &Trust) -> Option<(HeaderName, HeaderValue)> {
    let header = (HeaderName::from_static(BINDING_HEADER), HeaderValue::from_static(BINDING_TLS_EXPORTER));
    matches!(trust, Trust::Pin(_)).then_some(header)
}

/// What they are bound to.
pub fn exporter(trust: &Trust, carrier: &Carrier<BoxTransport>) -> Option<[u8; 32]> {
    match trust {
        Trust::Pin(_) => carrier.info().tls.as_ref().and_then(|tls| tls.exporter),
        _ => None,
    }
}
