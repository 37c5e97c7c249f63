//! Proxies on the way out: HTTP CONNECT (RFC 9110 §9.3.6) and SOCKS5 (RFC 1928), with user name and password.
//!
//! Which proxy leads where is said explicitly or by `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, by the rules
//! of curl, as hyper-util has them. User names and passwords are in no error, no log and no `Debug`.

use std::{fmt, io, str::FromStr, sync::Arc};

use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::{BoxTransport, Carrier, Endpoint, Error, Options, happy_eyeballs::resolve, tcp};

/// The most we read of a proxy's answer to CONNECT, in bytes.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// A proxy: `http://[user:password@]host[:port]`, or `https`, `socks5` (names are resolved here) or `socks5h` (names are
/// resolved there).
#[derive(Clone)]
pub struct Proxy {
    intercept: Intercept,
    protocol: Protocol,
    host: String,
    port: u16,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Http,
    Https,
    Socks5,
    Socks5h,
}

/// The text is not a [`Proxy`]. It is not repeated here, since it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a proxy looks like http://host:port or socks5h://user:password@host:port (http, https, socks5 or socks5h)")]
pub struct InvalidProxy;

impl FromStr for Proxy {
    type Err = InvalidProxy;

    fn from_str(text: &str) -> Result<Self, InvalidProxy> {
        // The parser of the environment's variables, so that the two understand the same.
        let anywhere = Uri::from_static("https://anywhere.invalid/");
        let intercept = Matcher::builder().all(text).build().intercept(&anywhere).ok_or(InvalidProxy)?;
        Self::new(intercept).ok_or(InvalidProxy)
    }
}

impl Proxy {
    fn new(intercept: Intercept) -> Option<Self> {
        let uri = intercept.uri();
        let (protocol, default_port) = match uri.scheme_str()? {
            "http" => (Protocol::Http, 80),
            "https" => (Protocol::Https, 443),
            "socks5" => (Protocol::Socks5, 1080),
            "socks5h" => (Protocol::Socks5h, 1080),
            _ => return None,
        };
        let port = uri.port_u16().unwrap_or(default_port);
        let host = uri.host().map(|host| host.trim_start_matches('[').trim_end_matches(']').to_owned());
        let host = host.filter(|host| !host.is_empty())?;
        Some(Self { protocol, host, port, intercept })
    }

    /// The host whose certificate is looked at, if the way to the proxy itself is encrypted.
    pub fn tls_host(&self) -> Option<&str> {
        (self.protocol == Protocol::Https).then_some(&self.host)
    }

    /// A connection to `to` through this proxy.
    pub(crate) async fn connect(&self, to: &Endpoint, options: &Options) -> Result<Carrier<BoxTransport>, Error> {
        let timeouts = &options.timeouts;
        let failed = |source| Error::Proxy { proxy: self.to_string(), source };
        let unreachable = |error| failed(ProxyError::Unreachable(Box::new(error)));
        let carrier = tcp::connect_within(&self.host, self.port, timeouts.resolve, timeouts.connect).await;
        let carrier = carrier.map_err(unreachable)?;
        tcp::shorten_unsent_queue(carrier.stream());
        let carrier = carrier.boxed();
        let carrier = match self.protocol {
            #[cfg(feature = "tls")]
            Protocol::Https => {
                let config = crate::tls::client_config(&options.proxy_trust, &[]).map_err(unreachable)?;
                let carrier = crate::tls::connect(carrier, &self.host, config, timeouts.tls).await;
                carrier.map_err(unreachable)?.boxed()
            }
            #[cfg(not(feature = "tls"))]
            Protocol::Https => return Err(Error::Unsupported { what: "proxy", value: self.to_string() }),
            Protocol::Http | Protocol::Socks5 | Protocol::Socks5h => carrier,
        };
        let (mut stream, mut info) = carrier.into_parts();
        let address = match self.protocol {
            Protocol::Socks5 => resolve(to.host(), to.port(), timeouts.resolve).await?.into_iter().next(),
            Protocol::Http | Protocol::Https | Protocol::Socks5h => None,
        };
        let negotiation = async {
            match self.protocol {
                Protocol::Http | Protocol::Https => http_connect(&mut stream, to, self.intercept.basic_auth()).await,
                Protocol::Socks5 | Protocol::Socks5h => {
                    let target = match address {
                        Some(address) => Target::Address(address),
                        None => Target::named(to),
                    };
                    socks5(&mut stream, &target, self.intercept.raw_auth()).await
                }
            }
        };
        match tokio::time::timeout(timeouts.proxy, negotiation).await {
            Ok(result) => result.map_err(failed)?,
            Err(_) => return Err(failed(ProxyError::TimedOut { after: timeouts.proxy })),
        }
        info.proxy = Some(self.to_string());
        // What the layers above learn is of the peer behind the proxy.
        #[cfg(feature = "tls")]
        {
            info.tls = None;
        }
        Ok(Carrier::from_parts(stream, info))
    }
}

/// Without user name and password.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.protocol {
            Protocol::Http => "http",
            Protocol::Https => "https",
            Protocol::Socks5 => "socks5",
            Protocol::Socks5h => "socks5h",
        };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        write!(f, "{scheme}://{host}:{}", self.port)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

/// Which endpoints are reached through which proxy. None by default.
#[derive(Clone, Default)]
pub struct Proxies(Rule);

#[derive(Clone, Default)]
enum Rule {
    #[default]
    Direct,
    Always(Proxy),
    Environment(Arc<Matcher>),
}

impl Proxies {
    /// Everything through this one.
    #[must_use]
    pub fn always(proxy: Proxy) -> Self {
        Self(Rule::Always(proxy))
    }

    /// As the environment's `HTTPS_PROXY` (for TLS), `HTTP_PROXY` (for the rest), `ALL_PROXY` and `NO_PROXY` say, in
    /// capitals or not; this machine itself is reached without a proxy. A value that is no proxy counts as none.
    #[must_use]
    pub fn from_environment() -> Self {
        Self(Rule::Environment(Arc::new(Matcher::from_env())))
    }

    /// The proxy that leads to `to`, if it is reached through one.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] when the environment names a kind of proxy that we do not speak to.
    pub fn for_endpoint(&self, to: &Endpoint) -> Result<Option<Proxy>, Error> {
        let matcher = match &self.0 {
            Rule::Direct => return Ok(None),
            Rule::Always(proxy) => return Ok(Some(proxy.clone())),
            Rule::Environment(_) if to.host().is_empty() || to.is_loopback() => return Ok(None),
            Rule::Environment(matcher) => matcher,
        };
        let scheme = if to.scheme().is_encrypted() { "https" } else { "http" };
        let place = format!("{scheme}://{}/", host_and_port(to));
        let Some(intercept) = place.parse().ok().and_then(|place| matcher.intercept(&place)) else { return Ok(None) };
        let kind = intercept.uri().scheme_str().unwrap_or_default().to_owned();
        let unsupported = || Error::Unsupported { what: "kind of proxy", value: kind };
        Proxy::new(intercept).map(Some).ok_or_else(unsupported)
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Rule::Direct => f.write_str("Direct"),
            Rule::Always(proxy) => write!(f, "Always({proxy})"),
            Rule::Environment(_) => f.write_str("Environment"),
        }
    }
}

/// What went wrong at a proxy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// No connection to the proxy came about.
    #[error("it cannot be reached")]
    Unreachable(#[source] Box<Error>),
    /// It took the connection and did not answer.
    #[error("it did not answer within {after:?}")]
    TimedOut {
        /// The limit that was over.
        after: std::time::Duration,
    },
    /// It asks for a user name and a password, or for others.
    #[error("it does not accept the user name and password, or wants one")]
    Unauthorized,
    /// It is not willing, or not able, to connect the peer.
    #[error("it did not connect {to}: {answer}")]
    Refused {
        /// The peer.
        to: String,
        /// What it answered.
        answer: String,
    },
    /// It broke the protocol: it may be something else than a proxy of this kind.
    #[error("it is not such a proxy: {reason}")]
    Malformed {
        /// What it did.
        reason: &'static str,
    },
    /// The user name or the password cannot be said in SOCKS5: each has 1 to 255 bytes.
    #[error("user name and password have 1 to 255 bytes each")]
    Credentials,
    /// The connection to the proxy broke.
    #[error("the connection broke")]
    Io(#[from] io::Error),
}

impl ProxyError {
    pub(crate) fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Unreachable(error) => error.kind(),
            Self::TimedOut { .. } => io::ErrorKind::TimedOut,
            Self::Unauthorized => io::ErrorKind::PermissionDenied,
            Self::Refused { .. } => io::ErrorKind::ConnectionRefused,
            Self::Malformed { .. } => io::ErrorKind::InvalidData,
            Self::Credentials => io::ErrorKind::InvalidInput,
            Self::Io(error) => error.kind(),
        }
    }
}

fn host_and_port(to: &Endpoint) -> String {
    let host = to.host();
    if host.contains(':') { format!("[{host}]:{}", to.port()) } else { format!("{host}:{}", to.port()) }
}

async fn http_connect(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    to: &Endpoint,
    authorization: Option<&HeaderValue>,
) -> Result<(), ProxyError> {
    let authority = host_and_port(to);
    let mut head = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n").into_bytes();
    if let Some(authorization) = authorization {
        head.extend_from_slice(b"Proxy-Authorization: ");
        head.extend_from_slice(authorization.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    stream.write_all(&head).await?;
    stream.flush().await?;

    // Byte by byte: the first byte after the head is the peer's, who may speak first.
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() >= MAX_HEAD_BYTES {
            return Err(ProxyError::Malformed { reason: "its answer does not end" });
        }
        let [byte] = read(stream).await?;
        answer.push(byte);
    }
    match status(&answer) {
        Some(200..=299) => Ok(()),
        // tinyproxy says 401 where 407 is meant.
        Some(401 | 407) => Err(ProxyError::Unauthorized),
        Some(status) => Err(ProxyError::Refused { to: authority, answer: format!("HTTP status {status}") }),
        None => Err(ProxyError::Malformed { reason: "it does not speak HTTP/1" }),
    }
}

/// The status code of an HTTP/1 response (RFC 9112 §4).
fn status(head: &[u8]) -> Option<u16> {
    let line = head.strip_prefix(b"HTTP/1.")?;
    let digits = line.get(2..5).filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Whom a SOCKS5 proxy is to connect.
enum Target {
    Address(std::net::SocketAddr),
    Named(String, u16),
}

impl Target {
    /// An IP address as one, everything else as a name.
    fn named(to: &Endpoint) -> Self {
        match to.host().parse() {
            Ok(ip) => Self::Address(std::net::SocketAddr::new(ip, to.port())),
            Err(_) => Self::Named(to.host().to_owned(), to.port()),
        }
    }

    /// Address type, address and port (RFC 1928 §4).
    fn encode(&self, to: &mut Vec<u8>) -> Result<(), ProxyError> {
        let port = match self {
            Self::Address(address) => {
                match address.ip() {
                    std::net::IpAddr::V4(ip) => {
                        to.push(1);
                        to.extend_from_slice(&ip.octets());
                    }
                    std::net::IpAddr::V6(ip) => {
                        to.push(4);
                        to.extend_from_slice(&ip.octets());
                    }
                }
                address.port()
            }
            Self::Named(name, port) => {
                to.push(3);
                counted(name, to)?;
                *port
            }
        };
        to.extend_from_slice(&port.to_be_bytes());
        Ok(())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Named(name, port) => write!(f, "{name}:{port}"),
        }
    }
}

/// A text with its length before it, in one byte.
fn counted(text: &str, to: &mut Vec<u8>) -> Result<(), ProxyError> {
    let length = u8::try_from(text.len()).ok().filter(|length| *length > 0).ok_or(ProxyError::Credentials)?;
    to.push(length);
    to.extend_from_slice(text.as_bytes());
    Ok(())
}

async fn socks5(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    target: &Target,
    credentials: Option<(&str, &str)>,
) -> Result<(), ProxyError> {
    const VERSION: u8 = 5;
    const NO_AUTHENTICATION: u8 = 0;
    const USER_NAME_AND_PASSWORD: u8 = 2;
    const NONE_ACCEPTED: u8 = 0xff;
    const OTHER_VERSION: ProxyError = ProxyError::Malformed { reason: "it does not speak SOCKS5" };

    let greeting: &[u8] = match credentials {
        Some(_) => &[VERSION, 2, NO_AUTHENTICATION, USER_NAME_AND_PASSWORD],
        None => &[VERSION, 1, NO_AUTHENTICATION],
    };
    stream.write_all(greeting).await?;
    stream.flush().await?;
    let [version, method] = read(stream).await?;
    match (version, method, credentials) {
        (VERSION, NO_AUTHENTICATION, _) => {}
        (VERSION, USER_NAME_AND_PASSWORD, Some((user, password))) => {
            // RFC 1929.
            let mut request = vec![1];
            counted(user, &mut request)?;
            counted(password, &mut request)?;
            stream.write_all(&request).await?;
            stream.flush().await?;
            let [_, status] = read(stream).await?;
            if status != 0 {
                return Err(ProxyError::Unauthorized);
            }
        }
        (VERSION, NONE_ACCEPTED, _) => return Err(ProxyError::Unauthorized),
        _ => return Err(OTHER_VERSION),
    }

    let mut request = vec![VERSION, 1, 0];
    target.encode(&mut request)?;
    stream.write_all(&request).await?;
    stream.flush().await?;
    let [version, reply, _, address_type] = read(stream).await?;
    if version != VERSION {
        return Err(OTHER_VERSION);
    }
    if let Some(answer) = refusal(reply) {
        return Err(ProxyError::Refused { to: target.to_string(), answer: answer.to_owned() });
    }
    // The address it connects from, and the port: nobody asks, but they stand before the peer's bytes.
    match address_type {
        1 => drop(read::<6>(stream).await?),
        4 => drop(read::<18>(stream).await?),
        3 => {
            let [length] = read(stream).await?;
            let mut rest = vec![0; usize::from(length) + 2];
            fill(stream, &mut rest).await?;
        }
        _ => return Err(OTHER_VERSION),
    }
    Ok(())
}

async fn read<const BYTES: usize>(stream: &mut (impl AsyncRead + Unpin)) -> Result<[u8; BYTES], ProxyError> {
    let mut bytes = [0; BYTES];
    fill(stream, &mut bytes).await?;
    Ok(bytes)
}

async fn fill(stream: &mut (impl AsyncRead + Unpin), bytes: &mut [u8]) -> Result<(), ProxyError> {
    match stream.read_exact(bytes).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(ProxyError::Malformed { reason: "its answer ended early" })
        }
        Err(error) => Err(error.into()),
    }
}

/// What a reply means (RFC 1928 §6); `None` is a success.
fn refusal(reply: u8) -> Option<&'static str> {
    Some(match reply {
        0 => return None,
        2 => "its rules do not allow it",
        3 => "the network is unreachable",
        4 => "the host is unreachable",
        5 => "the connection was refused",
        6 => "it took too many hops",
        7 | 8 => "it cannot do this",
        _ => "it failed",
    })
}
