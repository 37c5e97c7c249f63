use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

use crate::Error;

/// The longest host an [`Endpoint`] may have, in bytes.
pub const MAX_HOST_BYTES: usize = 255;

/// The longest path an [`Endpoint`] may have, in bytes, the query included.
pub const MAX_PATH_BYTES: usize = 2048;

/// The longest path of a Unix socket, in bytes: what fits into every system's `sockaddr_un`.
pub const MAX_SOCKET_PATH_BYTES: usize = 103;

/// The way to speak to an [`Endpoint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// `tcp`: bytes over TCP.
    Tcp,
    /// `tls`: bytes over TLS.
    Tls,
    /// `ws`: WebSocket, port 80 by default.
    Ws,
    /// `wss`: WebSocket over TLS, port 443 by default.
    Wss,
    /// `quic`: bytes over one stream of a QUIC connection.
    Quic,
    /// `unix`: bytes over a Unix socket of this machine.
    Unix,
}

impl Scheme {
    /// The word before `://`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws => "ws",
            Self::Wss => "wss",
            Self::Quic => "quic",
            Self::Unix => "unix",
        }
    }

    /// Whether TLS is part of it.
    #[must_use]
    pub const fn is_encrypted(self) -> bool {
        matches!(self, Self::Tls | Self::Wss | Self::Quic)
    }

    const fn default_port(self) -> Option<u16> {
        match self {
            Self::Tcp | Self::Tls | Self::Quic | Self::Unix => None,
            Self::Ws => Some(80),
            Self::Wss => Some(443),
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where to connect and how, as a URL: `tcp://host:port`, `tls://host:port`, `ws://host[:port][/path]`,
/// `wss://host[:port][/path]`, `quic://host:port`, `unix:/path` (`unix:///path` is the same).
///
/// IPv6 addresses stand in brackets. A path may have a query, never a fragment; there is no user information, since
/// secrets do not belong in a URL. The path of a Unix socket is taken as it is written.
///
/// ```
/// use towline_transport::Endpoint;
///
/// let endpoint: Endpoint = "wss://Cloud.example/tunnel".parse()?;
/// assert_eq!(endpoint.authority(), "cloud.example");
/// assert_eq!(endpoint.port(), 443);
/// assert_eq!(endpoint.to_string(), "wss://cloud.example/tunnel");
/// # Ok::<(), towline_transport::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    scheme: Scheme,
    // INVARIANT: the host is empty and the port 0 for unix, and only then.
    host: String,
    port: u16,
    // INVARIANT: empty for tcp and tls, starts with `/` for the others.
    path: String,
}

impl Endpoint {
    /// How to speak to it.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host name in lower case, or the IP address without brackets; empty for `unix`.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; 0 for `unix`.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The path with its query; empty for `tcp` and `tls`, at least `/` for `ws` and `wss`, the socket's file for `unix`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The host and, unless it is the scheme's default, the port: what an HTTP `Host` header wants. Empty for `unix`.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.scheme == Scheme::Unix {
            return String::new();
        }
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.scheme.default_port() == Some(self.port) { host } else { format!("{host}:{}", self.port) }
    }

    /// Whether it is this machine for certain: an address in 127.0.0.0/8, `::1`, `localhost`, or a Unix socket.
    ///
    /// No name is looked up, so that whoever answers name queries has no say in it.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.scheme == Scheme::Unix
            || self.host == "localhost"
            || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

impl FromStr for Endpoint {
    type Err = Error;

    /// # Errors
    ///
    /// [`Error::InvalidEndpoint`] with the rule that was broken; [`Error::Unsupported`] for a scheme we do not speak
    /// (`quic://` among them, for now).
    fn from_str(text: &str) -> Result<Self, Error> {
        let (scheme, rest) = text.split_once(':').ok_or(invalid("it does not start with a scheme such as wss://"))?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "tcp" => Scheme::Tcp,
            "tls" => Scheme::Tls,
            "ws" => Scheme::Ws,
            "wss" => Scheme::Wss,
            "unix" => return unix(rest),
            "quic" => Scheme::Quic,
            // `host:port` has a colon too: only `://` makes the word before it a scheme.
            _ if !rest.starts_with("//") => return Err(invalid("it does not start with a scheme such as wss://")),
            _ => {
                let value = scheme.chars().filter(|c| !c.is_control()).take(32).collect();
                return Err(Error::Unsupported { what: "scheme", value });
            }
        };
        let rest = rest.strip_prefix("//").ok_or(invalid("there is no // after the scheme"))?;
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));

        let (host, port) = split_authority(authority)?;
        let port = match port {
            Some(port) => port,
            None => scheme.default_port().ok_or(invalid("the port is missing"))?,
        };
        Ok(Self { scheme, host: checked_host(host)?, port, path: checked_path(scheme, path)? })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slashes = if self.scheme == Scheme::Unix { "" } else { "//" };
        write!(f, "{}:{slashes}{}{}", self.scheme, self.authority(), self.path)
    }
}

fn invalid(reason: &'static str) -> Error {
    Error::InvalidEndpoint { reason }
}

/// What stands after `unix:`: `/path` or `///path`.
fn unix(rest: &str) -> Result<Endpoint, Error> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if !path.starts_with('/') || path.ends_with('/') {
        return Err(invalid("the path of a Unix socket starts with / and ends with a file"));
    }
    if path.len() > MAX_SOCKET_PATH_BYTES {
        return Err(invalid("the path of a Unix socket is longer than 103 bytes"));
    }
    if path.chars().any(char::is_control) {
        return Err(invalid("the path of a Unix socket has a control character"));
    }
    Ok(Endpoint { scheme: Scheme::Unix, host: String::new(), port: 0, path: path.to_owned() })
}

/// The host, with the brackets of an IPv6 address, and the port if there is one.
fn split_authority(authority: &str) -> Result<(&str, Option<u16>), Error> {
    if authority.contains('@') {
        return Err(invalid("a user name or password has no place in it"));
    }
    let host_end = match authority.find(']') {
        Some(bracket) => bracket + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at(host_end);
    let Some(digits) = port.strip_prefix(':') else {
        return if port.is_empty() { Ok((host, None)) } else { Err(invalid("there is something after the ]")) };
    };
    let port = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten();
    match port {
        Some(0) | None => Err(invalid("the port is not a number from 1 to 65535")),
        port => Ok((host, port)),
    }
}

fn checked_host(host: &str) -> Result<String, Error> {
    if host.is_empty() {
        return Err(invalid("the host is missing"));
    }
    if host.len() > MAX_HOST_BYTES {
        return Err(invalid("the host is longer than 255 bytes"));
    }
    if let Some(address) = host.strip_prefix('[') {
        let address = address.strip_suffix(']').and_then(|address| address.parse::<Ipv6Addr>().ok());
        return address.map(|address| address.to_string()).ok_or(invalid("there is no IPv6 address in the brackets"));
    }
    if !host.is_ascii() {
        return Err(invalid("the host is not in ASCII: write the xn-- form of the name"));
    }
    if !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')) {
        return Err(invalid("the host has a character that no host name has"));
    }
    Ok(host.to_ascii_lowercase())
}

fn checked_path(scheme: Scheme, path: &str) -> Result<String, Error> {
    match scheme {
        Scheme::Tcp | Scheme::Tls | Scheme::Quic if path.is_empty() => return Ok(String::new()),
        Scheme::Tcp | Scheme::Tls | Scheme::Quic => return Err(invalid("tcp, tls and quic have no path")),
        Scheme::Ws | Scheme::Wss | Scheme::Unix => {}
    }
    if path.contains('#') {
        return Err(invalid("a fragment has no place in it"));
    }
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    if path.len() > MAX_PATH_BYTES {
        return Err(invalid("the path is longer than 2048 bytes"));
    }
    // The characters that `http` takes in a path, so that what parses here can be sent.
    if !path.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`')) {
        return Err(invalid("the path has a character that must be percent-encoded"));
    }
    Ok(path)
}
