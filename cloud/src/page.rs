//! The page: what `web/` was built to, out of the program itself, for whatever is not the API's.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use towline_cloud_api::ErrorCode;

use crate::api::Failure;

const API: &str = "/api/";
/// Files whose names change with their content.
const ASSETS: &str = "assets/";
const INDEX: &str = "index.html";
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const ASK_EACH_TIME: HeaderValue = HeaderValue::from_static("no-cache");
/// Encodings that files were compressed to when the page was built, best first, with their names' ends.
const ENCODINGS: [(&str, &str); 2] = [("br", ".br"), ("gzip", ".gz")];

/// Nothing from elsewhere, nothing inline but styles (which terminals write), in nobody's frame.
const SECURITY: [(&str, &str); 7] = [
    (
        "content-security-policy",
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self'; \
         frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
];

const NOT_BUILT: &str = "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Towline</title>\n\
    <h1>Towline runs, without its page</h1>\n\
    <p>This program was built without Node.js, so it has no page. The API and the command line work.\n\
    <p>To get the page, install Node.js 18 or newer with npm, and build again: <code>cargo build --release</code>. \
    Or build it elsewhere (<code>npm ci &amp;&amp; npm run build</code> in <code>cloud/web</code>) and say where it is: \
    <code>TOWLINE_WEB_DIST=…/dist cargo build --release</code>.\n</html>\n";

/// Answers what no route of the API answers: a file of the page, or the page itself, which knows what the path means.
pub(crate) async fn show(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path();
    let name = path.trim_start_matches('/');
    if path.starts_with(API) || !matches!(method, Method::GET | Method::HEAD) {
        return nothing_here();
    }
    if !name.starts_with(ASSETS) {
        return secured(index(&headers));
    }
    // A name of an older page, too, is to fail here and not to be answered with another page.
    match file(name) {
        Some(file) => secured(encoded(name, file.content, FOR_EVER, &headers)),
        None => nothing_here(),
    }
}

fn nothing_here() -> Response {
    let mut response = Failure::new(ErrorCode::NotFound, "no route has this method and path").into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn index(headers: &HeaderMap) -> Response {
    let Some(File { content, tag }) = file(INDEX) else {
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::CONTENT_TYPE, kind(INDEX))], NOT_BUILT).into_response();
    };
    let known = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    let is_known = known.is_some_and(|tags| tags.split(',').any(|known| known.trim() == tag));
    let mut response = if is_known {
        (StatusCode::NOT_MODIFIED, [(header::CACHE_CONTROL, ASK_EACH_TIME)]).into_response()
    } else {
        encoded(INDEX, content, ASK_EACH_TIME, headers)
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// The file, compressed if there is a form of it that the browser takes.
fn encoded(name: &str, plain: Bytes, keep: HeaderValue, headers: &HeaderMap) -> Response {
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let compressed =
        ENCODINGS.iter().filter(|(encoding, _)| accepts(accepted, encoding)).find_map(|(encoding, end)| {
            let file = file(&format!("{name}{end}"))?;
            Some((file.content, HeaderValue::from_static(encoding)))
        });
    let (content, encoding) = match compressed {
        Some((content, encoding)) => (content, Some(encoding)),
        None => (plain, None),
    };
    let mut response = Response::new(Body::from(content));
    let answer = response.headers_mut();
    answer.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind(name)));
    answer.insert(header::CACHE_CONTROL, keep);
    answer.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Some(encoding) = encoding {
        answer.insert(header::CONTENT_ENCODING, encoding);
    }
    response
}

/// Whether an `Accept-Encoding` takes this one: named, and not with a quality of zero (RFC 9110 §12.5.3).
fn accepts(accepted: &str, encoding: &str) -> bool {
    accepted.split(',').any(|entry| {
        let mut parts = entry.split(';').map(str::trim);
        let is_named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(encoding));
        let quality = parts.find_map(|part| part.strip_prefix("q=")).map_or(Ok(1.0), str::parse::<f32>);
        is_named && quality.is_ok_and(|quality| quality > 0.0)
    })
}

fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, end)| end) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

fn secured(mut response: Response) -> Response {
    for (name, value) in SECURITY {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A file of the built page.
struct File {
    content: Bytes,
    /// Its hash as an entity tag; weak, because every encoding of it has the same.
    tag: String,
}

#[cfg(feature = "web")]
fn file(name: &str) -> Option<File> {
    #[derive(rust_embed::RustEmbed)]
    #[folder = "$TOWLINE_WEB"]
    struct Built;

    let file = Built::get(name)?;
    let content = match file.data {
        std::borrow::Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        std::borrow::Cow::Owned(bytes) => bytes.into(),
    };
    let hash = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, file.metadata.sha256_hash());
    Some(File { content, tag: format!("W/\"{hash}\"") })
}

#[cfg(not(feature = "web"))]
fn file(_name: &str) -> Option<File> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoding_is_taken_only_if_it_is_named_and_wanted() {
        assert!(accepts("gzip, deflate, br", "br"));
        assert!(accepts("BR;q=0.5", "br"));
        assert!(!accepts("gzip, br;q=0", "br"));
        assert!(!accepts("brotli", "br"));
        assert!(!accepts("", "gzip"));
    }
}
