//! Who the cloud is: a long-lived identity key that tokens pin, the certificates it signs, and the server's key.

use std::{
    net::IpAddr,
    path::Path,
    sync::{Arc, PoisonError, RwLock},
    time::SystemTime,
};

use ::aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SanType,
};
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use towline_cloud_api::{CloudTrust, SUBPROTOCOL_TUNNEL};
use towline_transport::tls::{KeyPin, PIN_NAME};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::{
    Error, TlsFiles,
    data_dir::{self, DataDir},
    moment::millis,
    random,
};

const IDENTITY: &str = "identity.pem";
const LEAF: &str = "leaf.json";
const SERVER_KEY: &str = "server.key";
const LEAF_VERSION: u8 = 1;
const IDENTITY_NAME: &str = "towline cloud identity v1";
const IDENTITY_YEARS: i64 = 50;
/// As long as browsers put up with.
const LEAF_DAYS: i64 = 397;
const RENEW_DAYS: i64 = 30;
/// Clocks of devices go wrong: what is new is good from a day ago.
const BACKDATED: Duration = Duration::DAY;
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// What the cloud shows of itself.
pub(crate) struct Identity {
    /// What the port answers TLS with.
    pub(crate) tls: Arc<ServerConfig>,
    /// The same for QUIC, on which only tunnels are spoken.
    pub(crate) quic: Arc<ServerConfig>,
    /// What enrolment tokens say about recognising the cloud.
    pub(crate) trust: CloudTrust,
    /// The certificate that is served now.
    pub(crate) certificates: Arc<Certificates>,
}

/// A leaf certificate with its key, as it is kept.
#[derive(Serialize, Deserialize, ZeroizeOnDrop)]
struct Leaf {
    version: u8,
    /// DER in base64.
    certificate: String,
    /// PKCS #8 DER in base64.
    key: String,
    not_after_millis: i64,
    names: Vec<String>,
}

impl Identity {
    /// The identity in `dir`, made if there is none, with a leaf certificate for this machine and `listen_host`;
    /// or, with `files`, somebody else's certificate. With `web_pki` tokens say that the devices' own roots vouch for
    /// whatever stands in front of the cloud.
    pub(crate) fn open(
        dir: Arc<DataDir>,
        listen_host: IpAddr,
        files: Option<TlsFiles>,
        web_pki: bool,
    ) -> Result<Self, Error> {
        let trust = match &files {
            Some(_) => CloudTrust::WebPki,
            None if web_pki => CloudTrust::WebPki,
            None => CloudTrust::Pin(KeyPin::of_public_key(&identity(&dir)?.0.subject_public_key_info()).0),
        };
        let origin = match files {
            Some(files) => Origin::Files(files),
            None => Origin::Own { dir, listen_host },
        };
        let provider = Arc::new(aws_lc_rs::default_provider());
        let seen = origin.stamp();
        let current = origin.load(&provider)?;
        let certificates = Arc::new(Certificates {
            origin,
            provider: provider.clone(),
            served: RwLock::new(Served { current, seen }),
        });
        let mut tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(cannot_serve)?
            .with_no_client_auth()
            .with_cert_resolver(certificates.clone());
        let mut quic = tls.clone();
        quic.alpn_protocols = vec![SUBPROTOCOL_TUNNEL.into()];
        tls.alpn_protocols = ALPN.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(Self { tls: tls.into(), quic: quic.into(), trust, certificates })
    }
}

/// The certificate that is served, which may change while the cloud runs.
#[derive(Debug)]
pub(crate) struct Certificates {
    origin: Origin,
    provider: Arc<CryptoProvider>,
    served: RwLock<Served>,
}

#[derive(Debug)]
struct Served {
    current: Arc<CertifiedKey>,
    seen: Stamp,
}

/// When certificate and key were last written.
type Stamp = [Option<SystemTime>; 2];

enum Origin {
    /// Signed by the identity key, kept in the data folder.
    Own { dir: Arc<DataDir>, listen_host: IpAddr },
    /// Somebody else's, in files that somebody else renews.
    Files(TlsFiles),
}

impl std::fmt::Debug for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Own { .. } => "Own",
            Self::Files(_) => "Files",
        })
    }
}

impl Certificates {
    /// Takes the certificate that is to be served now: a new leaf if the old one is about to expire, or what the files
    /// hold. If that cannot be done, the old one stays. Says whether another is served than before.
    pub(crate) fn renew(&self) -> Result<bool, Error> {
        let seen = self.origin.stamp();
        let loaded = self.origin.load(&self.provider)?;
        let mut served = self.served.write().unwrap_or_else(PoisonError::into_inner);
        let is_new = served.current.cert != loaded.cert;
        *served = Served { current: loaded, seen };
        Ok(is_new)
    }

    /// Whether the files have been written since they were read.
    pub(crate) fn is_outdated(&self) -> bool {
        self.origin.stamp() != self.served.read().unwrap_or_else(PoisonError::into_inner).seen
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.served.read().unwrap_or_else(PoisonError::into_inner).current.clone())
    }
}

impl Origin {
    fn load(&self, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, Error> {
        let (chain, key) = match self {
            Self::Own { dir, listen_host } => {
                let (key, certificate) = identity(dir)?;
                let leaf = leaf(dir, &key, names(*listen_host))?;
                let decode = |text: &str| STANDARD.decode(text).map_err(|_| damaged(LEAF));
                let chain = vec![CertificateDer::from(decode(&leaf.certificate)?), certificate];
                (chain, PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(decode(&leaf.key)?)))
            }
            Self::Files(files) => {
                let unreadable = |path: &Path, error: rustls::pki_types::pem::Error| Error::Identity {
                    reason: format!("{} holds no PEM of the kind that is needed: {error}", path.display()),
                };
                let chain = CertificateDer::pem_file_iter(&files.certificate)
                    .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                    .map_err(|error| unreadable(&files.certificate, error))?;
                let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| unreadable(&files.key, error))?;
                (chain, key)
            }
        };
        Ok(Arc::new(CertifiedKey::from_der(chain, key, provider).map_err(cannot_serve)?))
    }

    /// Only other people's files change behind our back.
    fn stamp(&self) -> Stamp {
        let written = |path: &Path| path.metadata().and_then(|file| file.modified()).ok();
        match self {
            Self::Own { .. } => [None; 2],
            Self::Files(files) => [written(&files.certificate), written(&files.key)],
        }
    }
}

/// The key under which the cloud authenticates what it said itself, a key of its own for each purpose.
pub(crate) struct ServerKey(hmac::Key);

impl ServerKey {
    /// The key in `dir`, made if there is none.
    pub(crate) fn open(dir: &DataDir) -> Result<Self, Error> {
        match dir.read(SERVER_KEY)? {
            Some(bytes) => Self::decode(&Zeroizing::new(bytes)),
            None => {
                let bytes = Zeroizing::new(random::bytes::<32>()?);
                dir.write(SERVER_KEY, bytes.as_slice())?;
                Self::decode(bytes.as_slice())
            }
        }
    }

    /// The key in a folder that another process may hold.
    pub(crate) fn read(data_dir: &Path) -> Result<Self, Error> {
        let bytes = data_dir::read(&data_dir.join(SERVER_KEY))?.ok_or_else(|| damaged(SERVER_KEY))?;
        Self::decode(&Zeroizing::new(bytes))
    }

    fn decode(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() != 32 {
            return Err(damaged(SERVER_KEY));
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, bytes)))
    }

    /// The key for one purpose.
    pub(crate) fn derive(&self, purpose: &str) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&self.0, purpose.as_bytes()).as_ref())
    }
}

fn identity(dir: &DataDir) -> Result<(KeyPair, CertificateDer<'static>), Error> {
    if let Some(pem) = dir.read(IDENTITY)? {
        let pem = Zeroizing::new(pem);
        let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| damaged(IDENTITY))?;
        let certificate = CertificateDer::from_pem_slice(&pem).map_err(|_| damaged(IDENTITY))?;
        return Ok((KeyPair::try_from(&key).map_err(|_| damaged(IDENTITY))?, certificate));
    }
    let key = KeyPair::generate().map_err(cannot_make)?;
    let certificate = identity_params().self_signed(&key).map_err(cannot_make)?;
    let pem = Zeroizing::new(key.serialize_pem() + &certificate.pem());
    dir.write(IDENTITY, pem.as_bytes())?;
    Ok((key, certificate.der().clone()))
}

fn identity_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, IDENTITY_NAME);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    params.not_before = OffsetDateTime::now_utc() - BACKDATED;
    params.not_after = params.not_before + Duration::days(365 * IDENTITY_YEARS);
    params
}

/// The leaf certificate that is kept if it still serves, or else a new one.
fn leaf(dir: &DataDir, identity: &KeyPair, names: Vec<String>) -> Result<Leaf, Error> {
    let now = OffsetDateTime::now_utc();
    let kept = dir.read(LEAF)?.and_then(|text| serde_json::from_slice::<Leaf>(&Zeroizing::new(text)).ok());
    if let Some(kept) = kept {
        let serves_until = millis(now + Duration::days(RENEW_DAYS));
        if kept.version == LEAF_VERSION && kept.names == names && kept.not_after_millis > serves_until {
            return Ok(kept);
        }
    }
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "towline cloud");
    params.subject_alt_names = names.iter().map(|name| alternative_name(name)).collect::<Result<_, _>>()?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params.not_before = now - BACKDATED;
    params.not_after = params.not_before + Duration::days(LEAF_DAYS);
    let key = KeyPair::generate().map_err(cannot_make)?;
    let issuer = Issuer::new(identity_params(), identity);
    let certificate = params.signed_by(&key, &issuer).map_err(cannot_make)?;
    let leaf = Leaf {
        version: LEAF_VERSION,
        certificate: STANDARD.encode(certificate.der()),
        key: STANDARD.encode(key.serialized_der()),
        not_after_millis: millis(params.not_after),
        names,
    };
    let text = Zeroizing::new(serde_json::to_vec(&leaf).map_err(|_| damaged(LEAF))?);
    dir.write(LEAF, &text)?;
    Ok(leaf)
}

/// What this machine may be called: the name that pins are verified under, and what people type.
fn names(listen_host: IpAddr) -> Vec<String> {
    let mut names = vec![PIN_NAME.to_owned(), "localhost".into(), "127.0.0.1".into(), "::1".into()];
    if !listen_host.is_unspecified() {
        names.push(listen_host.to_canonical().to_string());
    }
    if let Ok(machine) = gethostname::gethostname().into_string() {
        let machine = machine.to_lowercase();
        // Not every machine's name is one that a certificate can carry.
        if alternative_name(&machine).is_ok() && !machine.is_empty() {
            names.push(machine);
        }
    }
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

fn alternative_name(name: &str) -> Result<SanType, Error> {
    match name.parse::<IpAddr>() {
        Ok(address) => Ok(SanType::IpAddress(address)),
        Err(_) => Ok(SanType::DnsName(name.try_into().map_err(cannot_make)?)),
    }
}

fn cannot_serve(error: rustls::Error) -> Error {
    Error::Identity { reason: error.to_string() }
}

fn cannot_make(error: rcgen::Error) -> Error {
    Error::Identity { reason: error.to_string() }
}

fn damaged(file: &str) -> Error {
    Error::Identity { reason: format!("the file {file} in the data folder is missing or damaged") }
}
