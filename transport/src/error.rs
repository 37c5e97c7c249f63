use std::{future::Future, io, time::Duration};

/// Why a carrier could not be made, by the phase that failed.
///
/// Once a carrier stands, its reads and writes fail with [`io::Error`] like those of any other stream.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is not an endpoint. Correct it.
    #[error("invalid endpoint: {reason}")]
    InvalidEndpoint {
        /// The rule it breaks.
        reason: &'static str,
    },
    /// Correct, but not something we implement (or this build leaves it out).
    #[error("unsupported {what} {value}")]
    Unsupported {
        /// The kind of thing, such as `scheme`.
        what: &'static str,
        /// The one that was asked for.
        value: String,
    },
    /// The host name has no address: the name is wrong, or the name server did not answer.
    #[error("cannot resolve {host}")]
    Resolve {
        /// The name that was looked up.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// The host did not take the connection. [`Error::kind`] tells refused, unreachable and timed out apart.
    #[error("cannot connect to {endpoint}")]
    Connect {
        /// The address that was tried last.
        endpoint: String,
        /// What the system said; of kind [`io::ErrorKind::TimedOut`] when our own limit was over.
        source: io::Error,
    },
    /// This machine did not give us the address to listen on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address that was asked for.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The peer took the connection, then said too little for too long.
    #[error("{phase} took longer than {after:?}")]
    TimedOut {
        /// What was under way.
        phase: Phase,
        /// The limit that was over.
        after: Duration,
    },
    /// The TLS handshake failed, or the configuration for it is unusable.
    #[error("TLS failed")]
    Tls {
        /// What the TLS library said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The peer holds another key than the pinned one: it was reinstalled, or it is somebody else.
    #[cfg(feature = "tls")]
    #[error("the peer's key is {presented}, not the pinned {expected}")]
    PinMismatch {
        /// The pin we were given.
        expected: crate::tls::KeyPin,
        /// The pin of the last certificate the peer presented: its issuer, if it sent one, else itself.
        presented: crate::tls::KeyPin,
    },
    /// The QUIC connection was refused or broke before it stood.
    #[cfg(feature = "quic")]
    #[error("QUIC failed")]
    Quic {
        /// What the QUIC library said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The proxy on the way out, of which this gives scheme, host and port.
    #[cfg(feature = "proxy")]
    #[error("the proxy {proxy} failed")]
    Proxy {
        /// Which one.
        proxy: String,
        /// What went wrong there.
        source: crate::proxy::ProxyError,
    },
    /// The server answered a WebSocket request with something other than 101.
    #[error("the server answered with HTTP status {status}")]
    HttpStatus {
        /// The status code.
        status: u16,
        /// The first 16 KiB of the body, as far as it arrived in time.
        body: Vec<u8>,
    },
    /// The peer broke the WebSocket protocol, or wants another subprotocol.
    #[error("WebSocket failed: {reason}")]
    WebSocket {
        /// What it did.
        reason: String,
    },
    /// The connection broke.
    #[error("the connection broke")]
    Io(#[from] io::Error),
}

impl Error {
    /// The closest [`io::ErrorKind`]: `ConnectionRefused` means that nothing listens there, `HostUnreachable` and
    /// `NetworkUnreachable` that there is no way, `TimedOut` that nobody answered.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            Self::InvalidEndpoint { .. } => io::ErrorKind::InvalidInput,
            Self::Unsupported { .. } => io::ErrorKind::Unsupported,
            Self::Resolve { .. } => io::ErrorKind::NotFound,
            Self::Connect { source, .. } | Self::Listen { source, .. } | Self::Io(source) => source.kind(),
            Self::TimedOut { .. } => io::ErrorKind::TimedOut,
            #[cfg(feature = "tls")]
            Self::PinMismatch { .. } => io::ErrorKind::PermissionDenied,
            #[cfg(feature = "quic")]
            Self::Quic { .. } => io::ErrorKind::ConnectionReset,
            #[cfg(feature = "proxy")]
            Self::Proxy { source, .. } => source.kind(),
            Self::Tls { .. } | Self::WebSocket { .. } => io::ErrorKind::InvalidData,
            Self::HttpStatus { .. } => io::ErrorKind::ConnectionRefused,
        }
    }
}

/// A phase of making a carrier that has a time limit of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Looking up the host name.
    Resolve,
    /// The TLS handshake.
    Tls,
    /// The QUIC handshake, TLS included.
    Quic,
    /// The WebSocket handshake.
    WebSocket,
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Resolve => "the name lookup",
            Self::Tls => "the TLS handshake",
            Self::Quic => "the QUIC handshake",
            Self::WebSocket => "the WebSocket handshake",
        })
    }
}

impl Phase {
    /// Runs `step`, for `limit` at most.
    pub(crate) async fn within<T>(
        self,
        limit: Duration,
        step: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        match tokio::time::timeout(limit, step).await {
            Ok(result) => result,
            Err(_) => Err(Error::TimedOut { phase: self, after: limit }),
        }
    }
}
