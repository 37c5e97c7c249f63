use std::time::Duration;

use crate::{BoxTransport, Carrier, Endpoint, Error, Scheme, tcp};

/// How [`dial`] goes about it.
#[derive(Clone)]
pub struct Options {
    /// Whom to believe, for `tls`, `wss` and `quic`.
    #[cfg(feature = "tls")]
    pub trust: crate::tls::Trust,
    /// Who we are, for a server that asks for a certificate.
    #[cfg(feature = "tls")]
    pub client_identity: Option<std::sync::Arc<crate::tls::ClientIdentity>>,
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
    /// Which proxy leads to `tcp`, `tls`, `ws` and `wss`. QUIC goes through none.
    #[cfg(feature = "proxy")]
    pub proxies: crate::proxy::Proxies,
    /// Whom to believe at an `https` proxy: whoever pins the peer behind it does not pin the proxy.
    #[cfg(all(feature = "tls", feature = "proxy"))]
    pub proxy_trust: crate::tls::Trust,
    /// How long each phase may take.
    pub timeouts: Timeouts,
}

/// How long each phase of making a carrier may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// The name lookup.
    pub resolve: Duration,
    /// An address, to take the connection.
    pub connect: Duration,
    /// A proxy's answer.
    pub proxy: Duration,
    /// The TLS handshake.
    pub tls: Duration,
    /// The QUIC handshake, TLS included.
    pub quic: Duration,
    /// The WebSocket handshake.
    pub upgrade: Duration,
}

impl Default for Timeouts {
    /// 10 s for each phase.
    fn default() -> Self {
        let each = Duration::from_secs(10);
        Self { resolve: each, connect: each, proxy: each, tls: each, quic: each, upgrade: each }
    }
}

impl Default for Options {
    /// The machine's own roots, no proxy, nothing extra said, 10 s for each phase.
    fn default() -> Self {
        Self {
            #[cfg(feature = "tls")]
            trust: crate::tls::Trust::WebPki,
            #[cfg(feature = "tls")]
            client_identity: None,
            #[cfg(feature = "tls")]
            alpn: Vec::new(),
            #[cfg(feature = "websocket")]
            headers: Vec::new(),
            #[cfg(feature = "websocket")]
            subprotocol: None,
            #[cfg(feature = "proxy")]
            proxies: crate::proxy::Proxies::default(),
            #[cfg(all(feature = "tls", feature = "proxy"))]
            proxy_trust: crate::tls::Trust::WebPki,
            timeouts: Timeouts::default(),
        }
    }
}

#[cfg(feature = "tls")]
impl Options {
    fn client_config(&self) -> Result<std::sync::Arc<rustls::ClientConfig>, Error> {
        let alpn: Vec<&[u8]> = self.alpn.iter().map(Vec::as_slice).collect();
        match &self.client_identity {
            Some(identity) => crate::tls::client_config_as(identity, &self.trust, &alpn),
            None => crate::tls::client_config(&self.trust, &alpn),
        }
    }
}

/// Without the values of headers, which may be secrets.
impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut debug = f.debug_struct("Options");
        #[cfg(feature = "tls")]
        debug.field("trust", &self.trust).field("client_identity", &self.client_identity).field("alpn", &self.alpn);
        #[cfg(feature = "websocket")]
        debug
            .field("headers", &self.headers.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("subprotocol", &self.subprotocol);
        #[cfg(feature = "proxy")]
        debug.field("proxies", &self.proxies);
        #[cfg(all(feature = "tls", feature = "proxy"))]
        debug.field("proxy_trust", &self.proxy_trust);
        debug.field("timeouts", &self.timeouts).finish()
    }
}

/// Makes a carrier to `to`, by its scheme.
///
/// # Errors
///
/// The phase that failed: [`Error::Resolve`], [`Error::Connect`], [`Error::TimedOut`], [`Error::Tls`],
/// [`Error::PinMismatch`], `Error::Quic`, `Error::Proxy`, [`Error::HttpStatus`], [`Error::WebSocket`];
/// [`Error::Unsupported`] when this build leaves the scheme out.
///
/// # Cancel safety
///
/// Cancelling abandons the attempt and leaves nothing behind.
pub async fn dial(to: &Endpoint, options: &Options) -> Result<Carrier<BoxTransport>, Error> {
    let carrier = match to.scheme() {
        Scheme::Tcp => tcp(to, options).await?,
        #[cfg(unix)]
        Scheme::Unix => crate::unix::connect(to.path(), options.timeouts.connect).await?.boxed(),
        #[cfg(feature = "tls")]
        Scheme::Tls => tls(to, options).await?,
        #[cfg(feature = "quic")]
        Scheme::Quic => quic(to, options).await?,
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
    #[cfg(feature = "proxy")]
    if let Some(proxy) = options.proxies.for_endpoint(to)? {
        return proxy.connect(to, options).await;
    }
    let Timeouts { resolve, connect, .. } = options.timeouts;
    let carrier = tcp::connect_within(to.host(), to.port(), resolve, connect).await?;
    tcp::shorten_unsent_queue(carrier.stream());
    Ok(carrier.boxed())
}

#[cfg(feature = "tls")]
async fn tls(to: &Endpoint, options: &Options) -> Result<Carrier<BoxTransport>, Error> {
    let config = options.client_config()?;
    let carrier = tcp(to, options).await?;
    Ok(crate::tls::connect(carrier, to.host(), config, options.timeouts.tls).await?.boxed())
}

#[cfg(feature = "quic")]
async fn quic(to: &Endpoint, options: &Options) -> Result<Carrier<BoxTransport>, Error> {
    #[cfg(feature = "proxy")]
    if let Some(proxy) = options.proxies.for_endpoint(to)? {
        return Err(Error::Unsupported { what: "QUIC through the proxy", value: proxy.to_string() });
    }
    let Timeouts { resolve, quic, .. } = options.timeouts;
    Ok(crate::quic::connect(to.host(), to.port(), options.client_config()?, resolve, quic).await?.boxed())
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
    let (carrier, _) = crate::websocket::connect(carrier, &request, options.timeouts.upgrade).await?;
    Ok(carrier.boxed())
}
