//! TLS 1.2 and 1.3 over any transport, and whom to trust.
//!
//! The provider is always aws-lc-rs, passed explicitly; no process-wide provider is installed or looked for. Its own
//! order of cipher suites holds: AES-GCM first, which is right wherever the CPU has AES.

mod verifier;

use std::{fmt, io, path::Path, str::FromStr, sync::Arc, time::Duration};

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rustls::{
    ClientConfig, ConfigBuilder, OtherError, ProtocolVersion, RootCertStore, ServerConfig,
    client::WantsClientCert,
    crypto::{self, CryptoProvider},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::{ParsedCertificate, WebPkiClientVerifier, danger::ClientCertVerifier},
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use self::verifier::{ProxyCertificate, verifier};
use crate::{Carrier, Dialer, Error, Incoming, Listener, Transport, error::Phase};

/// A transport inside TLS. Half-closing works: shutting down sends `close_notify`, and reading goes on.
pub type TlsStream<S> = tokio_rustls::TlsStream<S>;

/// The name that every leaf certificate issued by a pinned identity key carries, as a DNS name.
///
/// A pinned peer is known by its key and may move between hosts, so its host name proves nothing.
pub const PIN_NAME: &str = "towline.invalid";

/// The label of RFC 9266 §3 under which both ends derive the channel binding.
pub(crate) const CHANNEL_BINDING_LABEL: &[u8] = b"EXPORTER-Channel-Binding";

/// Whom a client believes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The roots this machine trusts, for the host name that is dialled.
    WebPki,
    /// Whoever holds this key, or a certificate it issued for [`PIN_NAME`]; the host name does not matter.
    Pin(KeyPin),
    /// These roots and no others, for the host name that is dialled.
    Roots(Vec<CertificateDer<'static>>),
    /// For a client that has one trust for all that it dials, an `https` proxy and what is behind it.
    Proxied {
        /// The proxy's host. Who is dialled by that name is the proxy.
        proxy: String,
        /// Whom to believe there.
        at_proxy: Box<Self>,
        /// Whom to believe elsewhere.
        behind: Box<Self>,
    },
}

/// The SHA-256 of a `SubjectPublicKeyInfo` in DER; as text `sha256:` and base64url without padding.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyPin(pub [u8; 32]);

impl KeyPin {
    /// The pin of the key in `certificate`.
    ///
    /// # Errors
    ///
    /// [`Error::Tls`] when `certificate` is not an X.509 version 3 certificate in DER.
    pub fn of_certificate(certificate: &CertificateDer<'_>) -> Result<Self, Error> {
        Ok(Self::of_parsed(&ParsedCertificate::try_from(certificate).map_err(tls_error)?))
    }

    /// The pin of a `SubjectPublicKeyInfo` in DER.
    #[must_use]
    pub fn of_public_key(subject_public_key_info: &[u8]) -> Self {
        let mut pin = [0; 32];
        // INVARIANT: SHA-256 is 32 bytes, so that the two always have the same length.
        for (to, from) in pin.iter_mut().zip(digest::digest(&digest::SHA256, subject_public_key_info).as_ref()) {
            *to = *from;
        }
        Self(pin)
    }

    fn of_parsed(certificate: &ParsedCertificate<'_>) -> Self {
        Self::of_public_key(&certificate.subject_public_key_info())
    }
}

impl fmt::Display for KeyPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for KeyPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPin({self})")
    }
}

/// The text is not a [`KeyPin`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a pin is sha256: and 43 characters of base64url")]
pub struct InvalidPin;

impl FromStr for KeyPin {
    type Err = InvalidPin;

    fn from_str(text: &str) -> Result<Self, InvalidPin> {
        let digits = text.strip_prefix("sha256:").filter(|digits| digits.len() == 43).ok_or(InvalidPin)?;
        let bytes = URL_SAFE_NO_PAD.decode(digits).map_err(|_| InvalidPin)?;
        Ok(Self(bytes.try_into().map_err(|_| InvalidPin)?))
    }
}

/// A client's certificate and its key, for servers that ask who connects.
pub struct ClientIdentity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl ClientIdentity {
    /// A certificate chain, the client's own first, and the key of that one.
    #[must_use]
    pub fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Self {
        Self { chain, key }
    }

    /// The same from two files in PEM, which may be one.
    ///
    /// # Errors
    ///
    /// [`Error::Tls`] when a file cannot be read or holds no certificate or no key.
    pub fn from_pem_files(chain: &Path, key: &Path) -> Result<Self, Error> {
        let key_of = |path| PrivateKeyDer::from_pem_file(path).map_err(|error| unreadable(path, &error));
        Ok(Self { chain: certificates_from_pem_file(chain)?, key: key_of(key)? })
    }
}

/// Without the key.
impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pin = self.chain.first().and_then(|certificate| KeyPin::of_certificate(certificate).ok());
        f.debug_struct("ClientIdentity").field("key", &pin).finish_non_exhaustive()
    }
}

/// All certificates in a file in PEM, such as private roots for [`Trust::Roots`].
///
/// # Errors
///
/// [`Error::Tls`] when the file cannot be read or holds none.
pub fn certificates_from_pem_file(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(certificates) if certificates.is_empty() => Err(unreadable(path, &"there is no certificate in it")),
        read => read.map_err(|error| unreadable(path, &error)),
    }
}

fn unreadable(path: &Path, cause: &dyn fmt::Display) -> Error {
    Error::Tls { source: format!("{}: {cause}", path.display()).into() }
}

/// What a TLS handshake settled.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TlsInfo {
    /// The application protocol the server chose, if it chose one.
    pub alpn: Option<Vec<u8>>,
    /// The peer's own certificate, if it presented one.
    pub peer_certificate: Option<CertificateDer<'static>>,
    /// The `tls-exporter` channel binding of RFC 9266: the same 32 bytes at both ends of this connection and nowhere
    /// else. Only with TLS 1.3, where it is safe without conditions.
    pub exporter: Option<[u8; 32]>,
}

/// Without the channel binding, which has no place in a log.
impl fmt::Debug for TlsInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pin = self.peer_certificate.as_ref().and_then(|certificate| KeyPin::of_certificate(certificate).ok());
        f.debug_struct("TlsInfo")
            .field("alpn", &self.alpn.as_deref().map(String::from_utf8_lossy))
            .field("peer_key", &pin)
            .finish_non_exhaustive()
    }
}

impl TlsInfo {
    /// Of a connection whose handshake is over.
    pub fn of<S>(stream: &TlsStream<S>) -> Self {
        let (_, connection) = stream.get_ref();
        let exported = match stream {
            TlsStream::Client(client) => {
                client.get_ref().1.export_keying_material([0; 32], CHANNEL_BINDING_LABEL, None)
            }
            TlsStream::Server(server) => {
                server.get_ref().1.export_keying_material([0; 32], CHANNEL_BINDING_LABEL, None)
            }
        };
        let is_tls13 = connection.protocol_version() == Some(ProtocolVersion::TLSv1_3);
        Self {
            alpn: connection.alpn_protocol().map(<[u8]>::to_vec),
            peer_certificate: connection.peer_certificates().and_then(|chain| chain.first()).cloned(),
            exporter: exported.ok().filter(|_| is_tls13),
        }
    }
}

/// A client's configuration: TLS 1.2 and later, verification by `trust`, `alpn` in order of preference.
///
/// With [`Trust::WebPki`] this reads the machine's roots: make it once and share it.
///
/// # Errors
///
/// [`Error::Tls`] when the machine has no roots, [`Trust::Roots`] is empty, or one of them is not a
/// certificate.
pub fn client_config(trust: &Trust, alpn: &[&[u8]]) -> Result<Arc<ClientConfig>, Error> {
    let builder = client_builder(trust)?;
    Ok(finished(builder.with_no_client_auth(), alpn))
}

/// The same, for a client that has a certificate to show if the server asks for one.
///
/// # Errors
///
/// Those of [`client_config`], and [`Error::Tls`] when the key is not that of the certificate, or of a kind we do not
/// know.
pub fn client_config_as(identity: &ClientIdentity, trust: &Trust, alpn: &[&[u8]]) -> Result<Arc<ClientConfig>, Error> {
    let ClientIdentity { chain, key } = identity;
    let config = client_builder(trust)?.with_client_auth_cert(chain.clone(), key.clone_key()).map_err(tls_error)?;
    Ok(finished(config, alpn))
}

fn finished(mut config: ClientConfig, alpn: &[&[u8]]) -> Arc<ClientConfig> {
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Arc::new(config)
}

fn client_builder(trust: &Trust) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, Error> {
    let provider = provider();
    let verifier = verifier(trust, &provider)?;
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(tls_error)?
        .dangerous()
        .with_custom_certificate_verifier(verifier))
}

fn server_name(host: &str) -> Result<ServerName<'static>, Error> {
    ServerName::try_from(host.to_owned())
        .map_err(|_| Error::InvalidEndpoint { reason: "the host is not a name that a certificate can have" })
}

/// A server's configuration: TLS 1.2 and later, `cert_chain` with the leaf first, `alpn` in order of preference.
///
/// # Errors
///
/// [`Error::Tls`] when `key` is not the key of the leaf, or of a kind we do not know.
pub fn server_config(
    cert_chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    alpn: &[&[u8]],
) -> Result<Arc<ServerConfig>, Error> {
    served(WebPkiClientVerifier::no_client_auth(), cert_chain, key, alpn)
}

/// The same, for a server that takes clients only whose certificate one of `client_roots` has issued. Who it was stands
/// in [`TlsInfo::peer_certificate`].
///
/// # Errors
///
/// Those of [`server_config`], and [`Error::Tls`] when `client_roots` is empty or one of them is not a certificate.
pub fn server_config_for(
    client_roots: &[CertificateDer<'static>],
    cert_chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    alpn: &[&[u8]],
) -> Result<Arc<ServerConfig>, Error> {
    let roots = root_store(client_roots).map_err(tls_error)?;
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider())
        .build()
        .map_err(|error| Error::Tls { source: error.into() })?;
    served(verifier, cert_chain, key, alpn)
}

fn served(
    clients: Arc<dyn ClientCertVerifier>,
    cert_chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    alpn: &[&[u8]],
) -> Result<Arc<ServerConfig>, Error> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(tls_error)?
        .with_client_cert_verifier(clients)
        .with_single_cert(cert_chain, key)
        .map_err(tls_error)?;
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(Arc::new(config))
}

/// Does the client's handshake over `carrier`, within `limit`. `host` is the name or IP address to verify; with
/// [`Trust::Pin`] it is only said to the server.
///
/// # Errors
///
/// [`Error::PinMismatch`] when the peer holds another key; [`Error::Tls`] when it is not trusted for another reason
/// or does not speak TLS; [`Error::Io`] when the connection breaks; [`Error::TimedOut`]; [`Error::InvalidEndpoint`] when
/// `host` is no name TLS can carry.
///
/// # Cancel safety
///
/// Cancelling drops the connection.
pub async fn connect<S: Transport>(
    carrier: Carrier<S>,
    host: &str,
    config: Arc<ClientConfig>,
    limit: Duration,
) -> Result<Carrier<TlsStream<S>>, Error> {
    let name = server_name(host)?;
    let (stream, info) = carrier.into_parts();
    let handshake = async { TlsConnector::from(config).connect(name, stream).await.map_err(handshake_error) };
    let stream = Phase::Tls.within(limit, handshake).await?;
    Ok(carrier_over(TlsStream::Client(stream), info))
}

/// Does the server's handshake over `carrier`, within `limit`.
///
/// # Errors
///
/// [`Error::Tls`] when the peer does not speak TLS or does not trust us; [`Error::Io`] when the connection breaks;
/// [`Error::TimedOut`].
///
/// # Cancel safety
///
/// Cancelling drops the connection.
pub async fn accept<S: Transport>(
    carrier: Carrier<S>,
    config: Arc<ServerConfig>,
    limit: Duration,
) -> Result<Carrier<TlsStream<S>>, Error> {
    let (stream, info) = carrier.into_parts();
    let handshake = async { TlsAcceptor::from(config).accept(stream).await.map_err(handshake_error) };
    let stream = Phase::Tls.within(limit, handshake).await?;
    Ok(carrier_over(TlsStream::Server(stream), info))
}

fn carrier_over<S>(stream: TlsStream<S>, mut info: crate::CarrierInfo) -> Carrier<TlsStream<S>> {
    info.tls = Some(TlsInfo::of(&stream));
    Carrier::from_parts(stream, info)
}

/// The two pins of an [`Error::PinMismatch`] anywhere among the causes of `error`: `(expected, presented)`.
///
/// For users of [`client_config`] in another library, such as an HTTP client, which wraps the error in its own.
#[must_use]
pub fn pin_mismatch(error: &(dyn std::error::Error + 'static)) -> Option<(KeyPin, KeyPin)> {
    causes(error).find_map(|error| match error.downcast_ref() {
        Some(Error::PinMismatch { expected, presented }) => Some((*expected, *presented)),
        _ => None,
    })
}

/// Whether it is the proxy of [`Trust::Proxied`] that was not believed. For the same users.
#[must_use]
pub fn is_of_proxy(error: &(dyn std::error::Error + 'static)) -> bool {
    causes(error).any(|error| error.is::<ProxyCertificate>())
}

/// The error and what caused it, as deep as it goes.
fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            // An io::Error's source is that of what it wraps, which would be passed over.
            io.get_ref().map(|inner| inner as &(dyn std::error::Error + 'static))
        } else if let Some(rustls::Error::Other(OtherError(inner))) = error.downcast_ref() {
            Some(inner.as_ref() as &(dyn std::error::Error + 'static))
        } else {
            error.source()
        }
    })
}

fn handshake_error(error: io::Error) -> Error {
    match pin_mismatch(&error) {
        Some((expected, presented)) => Error::PinMismatch { expected, presented },
        None if error.kind() == io::ErrorKind::InvalidData => Error::Tls { source: error.into() },
        // Nothing is wrong with TLS, or not that we know: the peer is gone.
        None => Error::Io(error),
    }
}

fn tls_error(error: rustls::Error) -> Error {
    Error::Tls { source: error.into() }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(crypto::aws_lc_rs::default_provider())
}

fn root_store(roots: &[CertificateDer<'static>]) -> Result<RootCertStore, rustls::Error> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root.clone())?;
    }
    Ok(store)
}

/// Adds TLS to what another dialer makes.
#[derive(Clone, Debug)]
pub struct TlsDialer<D> {
    /// Makes the transport underneath.
    pub inner: D,
    /// The name or IP address to verify; see [`connect`].
    pub host: String,
    /// From [`client_config`].
    pub config: Arc<ClientConfig>,
    /// How long the handshake may take.
    pub handshake_timeout: Duration,
}

impl<D: Dialer> Dialer for TlsDialer<D> {
    type Stream = TlsStream<D::Stream>;

    async fn dial(&self) -> Result<Carrier<Self::Stream>, Error> {
        let carrier = self.inner.dial().await?;
        connect(carrier, &self.host, Arc::clone(&self.config), self.handshake_timeout).await
    }
}

/// Adds TLS to what another listener takes in.
#[derive(Clone, Debug)]
pub struct TlsListener<L> {
    /// Takes in the transport underneath.
    pub inner: L,
    /// From [`server_config`].
    pub config: Arc<ServerConfig>,
    /// How long the handshake may take.
    pub handshake_timeout: Duration,
}

impl<L: Listener> Listener for TlsListener<L> {
    type Incoming = TlsIncoming<L::Incoming>;

    async fn accept(&mut self) -> Result<Self::Incoming, Error> {
        let inner = self.inner.accept().await?;
        Ok(TlsIncoming { inner, config: Arc::clone(&self.config), handshake_timeout: self.handshake_timeout })
    }
}

/// A connection whose TLS handshake is still to come.
#[derive(Debug)]
pub struct TlsIncoming<I> {
    inner: I,
    config: Arc<ServerConfig>,
    handshake_timeout: Duration,
}

impl<I: Incoming> Incoming for TlsIncoming<I> {
    type Stream = TlsStream<I::Stream>;

    async fn handshake(self) -> Result<Carrier<Self::Stream>, Error> {
        let carrier = self.inner.handshake().await?;
        accept(carrier, self.config, self.handshake_timeout).await
    }
}
