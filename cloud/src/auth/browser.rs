//! What a web page logs in with: a cookie that scripts cannot read, good only for requests of the cloud's own pages.

use http::{HeaderMap, HeaderValue, Uri, header};
use towline_cloud_api::ErrorCode;

use crate::api::Failure;

/// What stands in front of a token that lives in a cookie; it is no bearer token.
pub(crate) const COOKIE_TOKEN_PREFIX: &str = "tlb1_";
/// Over TLS. The prefix makes browsers keep it to this very host.
const SECURE_NAME: &str = "__Host-towline";

/// The host as the client wrote it, with the port if it is not the usual one.
pub(crate) fn host(headers: &HeaderMap, uri: &Uri) -> Result<String, Failure> {
    headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .or_else(|| uri.authority().map(|authority| authority.as_str()))
        .map(str::to_owned)
        .ok_or_else(|| Failure::new(ErrorCode::BadRequest, "the request names no host"))
}

/// The cookie's name: cookies know no ports, so that two clouds on one machine would log each other out.
fn cookie_name(host: &str, is_secure: bool) -> String {
    if is_secure {
        return SECURE_NAME.into();
    }
    let port =
        host.rsplit_once(':').map(|(_, port)| port).filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    format!("towline-{}", port.unwrap_or("80"))
}

/// The token in the request's cookie, if there is one.
pub(crate) fn token<'a>(headers: &'a HeaderMap, host: &str, is_secure: bool) -> Option<&'a str> {
    let name = cookie_name(host, is_secure);
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(found, value)| *found == name && value.starts_with(COOKIE_TOKEN_PREFIX))
        .map(|(_, value)| value)
}

/// The header that gives a browser its token, for so many seconds; an empty one for none takes it away.
pub(crate) fn set_cookie(host: &str, is_secure: bool, token: &str, seconds: u64) -> Result<HeaderValue, Failure> {
    let secure = if is_secure { "; Secure" } else { "" };
    let name = cookie_name(host, is_secure);
    let text = format!("{name}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
    let mut value =
        HeaderValue::try_from(text).map_err(|_| Failure::new(ErrorCode::BadRequest, "the request's host"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Passes a request that a page of this very cloud has made, and no other: browsers say which page it is.
pub(crate) fn check_origin(headers: &HeaderMap, host: &str, is_secure: bool) -> Result<(), Failure> {
    let scheme = if is_secure { "https" } else { "http" };
    let origin = headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or("?"));
    let own = format!("{scheme}://{host}");
    match origin {
        Some(origin) if origin.eq_ignore_ascii_case(&own) => Ok(()),
        Some(origin) => {
            let origin: String = origin.chars().filter(char::is_ascii_graphic).take(128).collect();
            Err(Failure::new(ErrorCode::OriginRefused, format!("{origin} is not {own}")))
        }
        None => Err(Failure::new(ErrorCode::OriginRefused, "the request does not say which page it comes from")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn a_cookie_is_found_among_others_and_only_under_its_own_name() {
        let headers = with(header::COOKIE, "a=b; towline-8080=tlb1_x; __Host-towline=tlb1_y");
        assert_eq!(token(&headers, "localhost:8080", false), Some("tlb1_x"));
        assert_eq!(token(&headers, "localhost:8081", false), None);
        assert_eq!(token(&headers, "cloud.example.com", true), Some("tlb1_y"));
        assert_eq!(token(&with(header::COOKIE, "towline-80=tlt1_x"), "localhost", false), None);
    }

    #[test]
    fn a_page_of_another_origin_is_refused_however_alike_it_looks() {
        let check = |origin, is_secure| check_origin(&with(header::ORIGIN, origin), "cloud.example.com", is_secure);
        assert!(check("https://cloud.example.com", true).is_ok());
        assert!(check("http://cloud.example.com", false).is_ok());
        for origin in [
            "null",
            "",
            "http://cloud.example.com",
            "https://evil.example.com",
            "https://x.cloud.example.com",
            "https://cloud.example.com:8443",
            "https://cloud.example.com.evil.org",
            "https://evilcloud.example.com",
            "https://cloud.example.com/",
            "https://cloud.example.com@evil.org",
        ] {
            assert!(check(origin, true).is_err(), "{origin}");
        }
        assert!(check_origin(&HeaderMap::new(), "cloud.example.com", true).is_err());
    }
}
