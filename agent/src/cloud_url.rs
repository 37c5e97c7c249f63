//! The cloud's address, as people write it.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use towline_cloud_api::{ErrorCode, Problem};
use towline_transport::{Endpoint, Scheme};

/// The cloud's address: `https://host[:port]`, or `http://` to this machine itself.
///
/// A bare `host[:port]` means `https://`. There is no path: the API's own begin at the root.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CloudUrl {
    // INVARIANT: `ws` or `wss`, with the path `/`.
    root: Endpoint,
}

/// Why a text is not a cloud's address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cloud's address looks like https://cloud.example.com or https://10.0.0.1:8443: {0}")]
pub struct CloudUrlError(String);

impl CloudUrl {
    /// The address of a cloud on this machine that listens on `address`.
    ///
    /// # Errors
    ///
    /// [`CloudUrlError`] for port 0, which nobody listens on.
    pub fn local(address: SocketAddr) -> Result<Self, CloudUrlError> {
        let ip = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        SocketAddr::new(ip, address.port()).to_string().parse()
    }

    /// Whether the address asks for TLS.
    pub fn is_secure(&self) -> bool {
        self.root.scheme().is_encrypted()
    }

    /// Whether the host is this machine itself by its very name: `localhost` or a loopback address.
    pub fn is_loopback(&self) -> bool {
        self.root.is_loopback()
    }

    /// Refuses an unencrypted connection to anywhere but this machine.
    ///
    /// # Errors
    ///
    /// [`ErrorCode::PlainRefused`].
    pub fn check_encryption(&self) -> Result<(), Problem> {
        if self.is_secure() || self.is_loopback() {
            return Ok(());
        }
        Err(Problem::new(ErrorCode::PlainRefused, format!("{self} is not this machine")))
    }

    /// What stands in the `Host` header: the port only where it is not the scheme's own.
    pub fn authority(&self) -> String {
        self.root.authority()
    }

    /// Where a WebSocket at `path` is dialled.
    ///
    /// # Errors
    ///
    /// The transport's, if `path` is not one.
    pub fn websocket(&self, path: &str) -> Result<Endpoint, towline_transport::Error> {
        format!("{}://{}{path}", self.root.scheme(), self.authority()).parse()
    }

    /// Where QUIC is dialled, at a UDP port that the cloud has named.
    ///
    /// # Errors
    ///
    /// The transport's, for port 0.
    pub fn quic(&self, port: u16) -> Result<Endpoint, towline_transport::Error> {
        format!("{}://{}:{port}", Scheme::Quic, self.host()).parse()
    }

    /// Where the bare byte stream below HTTP is dialled.
    ///
    /// # Errors
    ///
    /// None that a [`CloudUrl`] could have.
    pub fn stream(&self) -> Result<Endpoint, towline_transport::Error> {
        let scheme = if self.is_secure() { Scheme::Tls } else { Scheme::Tcp };
        format!("{scheme}://{}:{}", self.host(), self.root.port()).parse()
    }

    /// The host as it stands in a URL.
    fn host(&self) -> String {
        let host = self.root.host();
        if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
    }
}

impl std::fmt::Display for CloudUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", if self.is_secure() { "https" } else { "http" }, self.authority())
    }
}

impl FromStr for CloudUrl {
    type Err = CloudUrlError;

    fn from_str(text: &str) -> Result<Self, CloudUrlError> {
        let text = text.trim();
        let (scheme, rest) = match text.split_once("://") {
            None => ("wss", text),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => ("wss", rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => ("ws", rest),
            Some(_) => return Err(CloudUrlError("its scheme is neither https nor http".into())),
        };
        let root: Endpoint = format!("{scheme}://{rest}")
            .parse()
            .map_err(|error: towline_transport::Error| CloudUrlError(crate::single_line(&error.to_string())))?;
        if root.path() != "/" {
            return Err(CloudUrlError("nothing may follow host and port".into()));
        }
        Ok(Self { root })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_understood_as_people_write_it() {
        for (text, shown, authority, loopback) in [
            ("https://Cloud.example.com/", "https://cloud.example.com", "cloud.example.com", false),
            ("cloud.example.com:8443", "https://cloud.example.com:8443", "cloud.example.com:8443", false),
            ("http://localhost:8080", "http://localhost:8080", "localhost:8080", true),
            ("https://127.0.0.1:443", "https://127.0.0.1", "127.0.0.1", true),
            ("https://[::1]:8443", "https://[::1]:8443", "[::1]:8443", true),
            ("https://[::ffff:127.0.0.1]:8443", "https://[::ffff:127.0.0.1]:8443", "[::ffff:127.0.0.1]:8443", false),
            ("http://127.example.com", "http://127.example.com", "127.example.com", false),
        ] {
            let url: CloudUrl = text.parse().unwrap();
            assert_eq!(url.to_string(), shown);
            assert_eq!(url.authority(), authority);
            assert_eq!(url.is_loopback(), loopback, "{text}");
            assert_eq!(shown.parse(), Ok(url));
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "https://",
            "ftp://host",
            "https://host/path",
            "https://host?x",
            "https://user:pass@host",
            "https://host:0",
            "https://host:65536",
            "https://host:+80",
            "https://::1",
            "https://[::1",
            "https://[::1]8443",
            "https://ho st",
            "https://host\r\nX: y",
        ] {
            assert!(text.parse::<CloudUrl>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_unencrypted_connection_is_only_made_to_this_machine() {
        let check = |text: &str| text.parse::<CloudUrl>().unwrap().check_encryption().map_err(|problem| problem.code);

        assert_eq!(check("http://127.0.0.1:8080"), Ok(()));
        assert_eq!(check("http://localhost"), Ok(()));
        assert_eq!(check("https://cloud.example.com"), Ok(()));
        assert_eq!(check("http://cloud.example.com"), Err(ErrorCode::PlainRefused));
        assert_eq!(check("http://localhost.example.com"), Err(ErrorCode::PlainRefused));
        assert_eq!(check("http://192.168.1.1"), Err(ErrorCode::PlainRefused));
    }
}
