use std::time::Duration;

use crate::{BoxTransport, Carrier, Endpoint, Error, Scheme, tcp};

/// How [`dial`] goes about it.
#[derive(Clone)]
pub struct Options {
    /// Whom to believe, for `tls` and `wss`.
    #[cfg(feature = "tls")]
    pub trust: crate::tls::Trust,
    /// Application protocols to offer in TLS, the preferred one first. The server may ignore them:
    /// [`TlsInfo::alpn`](crate::tls::TlsInfo::alpn) tells what it chose.
    #[cfg(feature = "tls")]
    pub alpn: Vec<Vec<u8>>,
    /// More headers for the request, for `ws` and `wss`.
    #[cfg(feature = "websocket")]
    pub headers: Vec<(http::HeaderName, http::HeaderValue)>,
    /// The subprotocol that the server must agree to, for `ws` and `wss`.
    #[cfg(feature = "websocket")]
    pub subprotocol: Option<String>,
    /// How long the name lookup, and each address, may take to answer.
    pub connect_timeout: Duration,
    /// How long each handshake may take.
    pub handshake_timeout: Duration,
}

impl Default for Options {
    /// The machine's own roots, nothing extra said, 10 s for each step.
    fn default() -> Self {
        Self {
            #[cfg(feature = "tls")]
            trust: crate::tls::Trust::WebPki,
            #[cfg(feature = "tls")]
            alpn: Vec::new(),
            #[cfg(feature = "websocket")]
            headers: Vec::new(),
            #[cfg(feature = "websocket")]
            subprotocol: None,
            connect_timeout: Duration::from_secs(10),
            handshake_timeout: Duration::from_secs(10),
        }
    }
}

/// Without the values of headers, which may be secrets.
impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("Options");
        #[cfg(feature = "tls")]
        debug.field("trust", &self.trust).field("alpn", &self.alpn);
        #[cfg(feature = "websocket")]
        debug
            .field("headers", &self.headers.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("subprotocol", &self.subprotocol);
        debug
            .field("connect_timeout", &self.connect_timeout)
            .field("handshake_timeout", &self.handshake_timeout)
            .finish()
    }
}

/// Makes a carrier to `to`, by its scheme.
///
/// # Errors
///
/// The phase that failed: [`Error::Resolve`], [`Error::Connect`], [`Error::TimedOut`], [`Error::Tls`],
/// [`Error::PinMismatch`], [`Error::HttpStatus`], [`Error::WebSocket`]; [`Error::Unsupported`] when this build leaves
/// the scheme out.
///
/// # Cancel safety
///
/// Cancelling abandons the attempt and leaves nothing behind.
pub async fn dial(to: &Endpoint, options: &Options) -> Result<Carrier<BoxTransport>, Error> {
    let carrier = match to.scheme() {
        Scheme::Tcp => tcp(to, options).await?,
        #[cfg(unix)]
        Scheme::Unix => crate::unix::connect(to.path(), options.connect_timeout).await?.boxed(),
        #[cfg(feature = "tls")]
        Scheme::Tls => tls(to, options).await?,
        #[cfg(feature = "websocket")]
        Scheme::Ws => websocket(tcp(to, options).await?, to, options).await?,
        #[cfg(all(feature = "tls", feature = "websocket"))]
        Scheme::Wss => websocket(tls(to, options).await?, to, options).await?,
        #[allow(unreachable_patterns, reason = "which schemes are left depends on the features and the system")]
        scheme => return Err(Error::Unsupported { what: "scheme", value: scheme.to_string() }),
    };
    let (stream, mut info) = carrier.into_parts();
    info.endpoint = Some(to.clone());
    Ok(Carrier::from_parts(stream, info))
}

async fn tcp(to: &Endpoint, options: &Options) -> Result<Carrier<BoxTransport>, Error> {
    Ok(tcp::connect(to.host(), to.port(), options.connect_timeout).await?.boxed())
}

#[cfg(feature = "tls")]
async fn tls(to: &Endpoint, options: &Options) -> Result<Carrier<BoxTransport>, Error> {
    let alpn: Vec<&[u8]> = options.alpn.iter().map(Vec::as_slice).collect();
    let config = crate::tls::client_config(&options.trust, &alpn)?;
    let carrier = tcp(to, options).await?;
    Ok(crate::tls::connect(carrier, to.host(), config, options.handshake_timeout).await?.boxed())
}

#[cfg(feature = "websocket")]
async fn websocket(
    carrier: Carrier<BoxTransport>,
    to: &Endpoint,
    options: &Options,
) -> Result<Carrier<BoxTransport>, Error> {
    let request = crate::websocket::ClientRequest {
        authority: to.authority(),
        path: to.path().to_owned(),
        headers: options.headers.clone(),
        subprotocol: options.subprotocol.clone(),
    };
    let (carrier, _) = crate::websocket::connect(carrier, &request, options.handshake_timeout).await?;
    Ok(carrier.boxed())
}
