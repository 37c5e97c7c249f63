//! What a failed dial to the cloud means, in the words of the closed list.

use std::io;

use towline_cloud_api::{ErrorCode, Problem};
use towline_transport::Error;

use crate::CloudUrl;

/// The problem behind an error of dialling `cloud`. An answer with a problem document is passed on as it is.
pub fn dial_problem(cloud: &CloudUrl, error: &Error) -> Problem {
    let detail = format!("{cloud}: {}", chain(error));
    match error {
        Error::Proxy { .. } => Problem::new(ErrorCode::ProxyFailed, detail),
        Error::PinMismatch { .. } => Problem::new(ErrorCode::PinMismatch, detail),
        Error::Tls { .. } => Problem::new(ErrorCode::TlsFailed, detail),
        Error::HttpStatus { status, body } => answer_problem(cloud, *status, body),
        Error::WebSocket { .. } => Problem::new(ErrorCode::ProtocolMismatch, detail),
        Error::InvalidEndpoint { .. } | Error::Unsupported { .. } => Problem::new(ErrorCode::BadRequest, detail),
        // A connection that ends without an answer is mostly one whose other end is not a cloud, or is just stopping.
        Error::Io(source) if source.kind() == io::ErrorKind::InvalidData => {
            Problem::new(ErrorCode::ProtocolMismatch, detail)
        }
        _ => Problem::new(ErrorCode::CloudUnreachable, detail),
    }
}

/// An error and its causes, one after the other.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// The problem in an HTTP answer that is not a success. Without a problem document the answer did not come from a
/// cloud, but from a proxy in front of it or from another program.
pub fn answer_problem(cloud: &CloudUrl, status: u16, body: &[u8]) -> Problem {
    if let Ok(problem) = serde_json::from_slice::<Problem>(body) {
        return problem;
    }
    let code = match status {
        401 => ErrorCode::Unauthenticated,
        403 => ErrorCode::Forbidden,
        429 => ErrorCode::RateLimited,
        502..=504 => ErrorCode::CloudUnreachable,
        _ => ErrorCode::ProtocolMismatch,
    };
    Problem::new(code, format!("{cloud} answered with HTTP status {status} and no problem document"))
}

#[cfg(test)]
mod tests {
    use towline_transport::proxy::ProxyError;

    use super::*;

    #[test]
    fn each_phase_of_a_failed_dial_has_its_word() {
        let cloud: CloudUrl = "https://cloud.example.com".parse().unwrap();
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let told = serde_json::to_vec(&Problem::new(ErrorCode::DeviceIdentityRejected, "removed")).unwrap();
        for (error, code) in [
            (Error::Resolve { host: "x".into(), source: refused() }, ErrorCode::CloudUnreachable),
            (Error::Connect { endpoint: "x".into(), source: refused() }, ErrorCode::CloudUnreachable),
            (Error::Proxy { proxy: "http://p:1".into(), source: ProxyError::Unauthorized }, ErrorCode::ProxyFailed),
            (Error::Tls { source: "unknown issuer".into() }, ErrorCode::TlsFailed),
            (Error::HttpStatus { status: 401, body: told }, ErrorCode::DeviceIdentityRejected),
            (Error::HttpStatus { status: 502, body: b"<html>".to_vec() }, ErrorCode::CloudUnreachable),
            (Error::HttpStatus { status: 200, body: Vec::new() }, ErrorCode::ProtocolMismatch),
            (Error::WebSocket { reason: "x".into() }, ErrorCode::ProtocolMismatch),
        ] {
            assert_eq!(dial_problem(&cloud, &error).code, code, "{error:?}");
        }
    }
}
