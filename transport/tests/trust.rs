//! Whom a TLS client believes.

#[path = "conformance/identity.rs"]
mod identity;

use std::time::Duration;

use identity::Identity;
use rcgen::{CertificateParams, KeyPair, PublicKeyData, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::DuplexStream;
use towline_transport::{
    Carrier, Error, memory,
    tls::{self, KeyPin, PIN_NAME, TlsInfo, TlsStream, Trust},
};

const LIMIT: Duration = Duration::from_secs(30);

type Chain = Vec<CertificateDer<'static>>;
type Key = PrivateKeyDer<'static>;

/// The client's end of a handshake with a server that presents `chain`.
async fn handshake(
    trust: &Trust,
    host: &str,
    chain: Chain,
    key: Key,
) -> Result<Carrier<TlsStream<DuplexStream>>, Error> {
    let (client, server) = both_ends(trust, host, chain, key, &[], &[]).await;
    assert_eq!(client.is_ok(), server.is_ok(), "both ends agree");
    client
}

async fn both_ends(
    trust: &Trust,
    host: &str,
    chain: Chain,
    key: Key,
    client_alpn: &[&[u8]],
    server_alpn: &[&[u8]],
) -> (Result<Carrier<TlsStream<DuplexStream>>, Error>, Result<Carrier<TlsStream<DuplexStream>>, Error>) {
    let client = tls::client_config(trust, client_alpn).unwrap();
    let server = tls::server_config(chain, key, server_alpn).unwrap();
    let (near, far) = memory::pair(16 * 1024);
    tokio::join!(tls::connect(Carrier::new(near), host, client, LIMIT), tls::accept(Carrier::new(far), server, LIMIT),)
}

fn self_signed(params: &CertificateParams) -> (CertificateDer<'static>, Key, KeyPin) {
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap().der().clone();
    let pin = KeyPin::of_public_key(&key.subject_public_key_info());
    (certificate, PrivateKeyDer::try_from(key.serialize_der()).unwrap(), pin)
}

fn named(name: &str) -> CertificateParams {
    CertificateParams::new(vec![name.to_owned()]).unwrap()
}

/// Valid no longer.
fn expired(name: &str) -> CertificateParams {
    let mut params = named(name);
    params.not_before = date_time_ymd(2001, 1, 1);
    params.not_after = date_time_ymd(2002, 1, 1);
    params
}

#[tokio::test]
async fn a_pin_on_the_issuer_trusts_the_certificates_it_issued_whatever_the_host() {
    let identity = Identity::new();
    let (leaf, key) = identity.leaf(PIN_NAME);
    for host in ["cloud.example", "192.0.2.7"] {
        let chain = vec![leaf.clone(), identity.certificate.clone()];
        handshake(&Trust::Pin(identity.pin()), host, chain, key.clone_key()).await.unwrap();
    }
}

#[tokio::test]
async fn a_pin_on_the_peers_own_key_is_trusted_whatever_its_name_and_dates() {
    let (certificate, key, pin) = self_signed(&expired("somewhere.else"));
    handshake(&Trust::Pin(pin), "cloud.example", vec![certificate], key).await.unwrap();
}

#[tokio::test]
async fn another_key_is_a_pin_mismatch_that_names_both() {
    let (pinned, identity) = (Identity::new(), Identity::new());
    let (leaf, key) = identity.leaf(PIN_NAME);
    let chain = vec![leaf.clone(), identity.certificate.clone()];
    match handshake(&Trust::Pin(pinned.pin()), "cloud.example", chain, key.clone_key()).await {
        Err(Error::PinMismatch { expected, presented }) => {
            assert_eq!((expected, presented), (pinned.pin(), identity.pin()));
        }
        other => panic!("{other:?}"),
    }
    match handshake(&Trust::Pin(pinned.pin()), "cloud.example", vec![leaf.clone()], key).await {
        Err(Error::PinMismatch { presented, .. }) => {
            assert_eq!(presented, KeyPin::of_certificate(&leaf).unwrap());
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn sending_the_pinned_certificate_along_does_not_make_another_issuers_leaf_trusted() {
    let (pinned, other) = (Identity::new(), Identity::new());
    let (leaf, key) = other.leaf(PIN_NAME);
    for chain in [
        vec![leaf.clone(), pinned.certificate.clone()],
        vec![leaf.clone(), other.certificate.clone(), pinned.certificate.clone()],
    ] {
        let result = handshake(&Trust::Pin(pinned.pin()), "cloud.example", chain, key.clone_key()).await;
        assert!(matches!(result, Err(Error::Tls { .. })), "{result:?}");
    }
}

#[tokio::test]
async fn a_leaf_of_the_pinned_issuer_must_be_for_the_pin_name() {
    let identity = Identity::new();
    for params in [named("cloud.example"), expired("cloud.example")] {
        let (leaf, key) = identity.leaf_with(params);
        let chain = vec![leaf, identity.certificate.clone()];
        let result = handshake(&Trust::Pin(identity.pin()), "cloud.example", chain, key).await;
        assert!(matches!(result, Err(Error::Tls { .. })), "{result:?}");
    }
}

#[tokio::test]
async fn a_clock_that_goes_wrong_does_not_keep_anybody_from_a_pinned_issuer() {
    let identity = Identity::new();
    let mut future = named(PIN_NAME);
    future.not_before = date_time_ymd(2201, 1, 1);
    future.not_after = date_time_ymd(2202, 1, 1);
    for params in [expired(PIN_NAME), future] {
        let (leaf, key) = identity.leaf_with(params);
        let chain = vec![leaf, identity.certificate.clone()];
        let result = handshake(&Trust::Pin(identity.pin()), "cloud.example", chain, key).await;
        assert!(result.is_ok(), "{result:?}");
    }
}

#[tokio::test]
async fn a_peer_that_presents_the_pinned_certificate_without_its_key_is_refused() {
    // The server's own check of key and certificate is passed over, as an impostor would.
    let (certificate, _, pin) = self_signed(&named(PIN_NAME));
    let other = KeyPair::generate().unwrap();
    let key = PrivateKeyDer::try_from(other.serialize_der()).unwrap();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let signing_key = provider.key_provider.load_private_key(key).unwrap();
    let impostor = rustls::sign::CertifiedKey::new(vec![certificate], signing_key);
    let server = rustls::ServerConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(std::sync::Arc::new(rustls::sign::SingleCertAndKey::from(impostor)));

    let client = tls::client_config(&Trust::Pin(pin), &[]).unwrap();
    let (near, far) = memory::pair(16 * 1024);
    let (result, _) = tokio::join!(
        tls::connect(Carrier::new(near), "cloud.example", client, LIMIT),
        tls::accept(Carrier::new(far), server.into(), LIMIT),
    );
    assert!(matches!(result, Err(Error::Tls { .. })), "{result:?}");
}

#[tokio::test]
async fn given_roots_verify_the_host_name() {
    let identity = Identity::new();
    let (leaf, key) = identity.leaf("cloud.example");
    let trust = Trust::Roots(vec![identity.certificate.clone()]);
    handshake(&trust, "cloud.example", vec![leaf.clone()], key.clone_key()).await.unwrap();
    for (trust, host) in [(trust, "other.example"), (Trust::Roots(vec![Identity::new().certificate]), "cloud.example")]
    {
        let result = handshake(&trust, host, vec![leaf.clone()], key.clone_key()).await;
        assert!(matches!(result, Err(Error::Tls { .. })), "{result:?}");
    }
    let result = tls::client_config(&Trust::Roots(Vec::new()), &[]);
    assert!(matches!(result, Err(Error::Tls { .. })), "{result:?}");
}

#[tokio::test]
async fn the_machines_own_roots_do_not_trust_somebody_elses() {
    // A machine without any roots says so at once.
    if tls::client_config(&Trust::WebPki, &[]).is_err() {
        return;
    }
    let identity = Identity::new();
    let (leaf, key) = identity.leaf("cloud.example");
    let chain = vec![leaf, identity.certificate.clone()];
    let result = handshake(&Trust::WebPki, "cloud.example", chain, key).await;
    assert!(matches!(result, Err(Error::Tls { .. })), "{result:?}");
}

#[tokio::test]
async fn both_ends_learn_the_protocol_the_certificate_and_the_same_channel_binding() {
    let identity = Identity::new();
    let (leaf, key) = identity.leaf(PIN_NAME);
    let chain = vec![leaf.clone(), identity.certificate.clone()];
    let trust = Trust::Pin(identity.pin());
    let mut exporters = Vec::new();
    for _ in 0..2 {
        let (client, server) =
            both_ends(&trust, "cloud.example", chain.clone(), key.clone_key(), &[b"towline"], &[b"h2", b"towline"])
                .await;
        let client: TlsInfo = client.unwrap().info().tls.clone().unwrap();
        let server: TlsInfo = server.unwrap().info().tls.clone().unwrap();
        assert_eq!(client.alpn.as_deref(), Some(&b"towline"[..]));
        assert_eq!(client.alpn, server.alpn);
        assert_eq!((client.peer_certificate, server.peer_certificate), (Some(leaf.clone()), None));
        assert_eq!(client.exporter, server.exporter);
        exporters.push(client.exporter.unwrap());
    }
    assert_ne!(exporters[0], exporters[1], "each connection has its own");
}

#[tokio::test]
async fn a_peer_that_does_not_speak_tls_is_an_error_of_tls() {
    use tokio::io::AsyncWriteExt;

    let (near, mut far) = memory::pair(16 * 1024);
    far.write_all(b"SSH-2.0-OpenSSH_9.9\r\n").await.unwrap();
    let config = tls::client_config(&Trust::Pin(KeyPin([0; 32])), &[]).unwrap();
    let result = tls::connect(Carrier::new(near), "cloud.example", config, LIMIT).await;
    assert!(matches!(result, Err(Error::Tls { .. })), "{result:?}");
}

#[tokio::test]
async fn a_peer_that_goes_away_in_the_handshake_is_not_an_error_of_tls() {
    let (near, far) = memory::pair(16 * 1024);
    drop(far);
    let config = tls::client_config(&Trust::Pin(KeyPin([0; 32])), &[]).unwrap();
    let result = tls::connect(Carrier::new(near), "cloud.example", config, LIMIT).await;
    assert!(matches!(result, Err(Error::Io(_))), "{result:?}");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_stays_silent_is_given_up_at_the_limit() {
    let (near, _far) = memory::pair(16 * 1024);
    let config = tls::client_config(&Trust::Pin(KeyPin([0; 32])), &[]).unwrap();
    let result = tls::connect(Carrier::new(near), "cloud.example", config, LIMIT).await;
    assert!(matches!(result, Err(Error::TimedOut { after: LIMIT, .. })), "{result:?}");
}

#[test]
fn a_pin_is_displayed_as_it_is_parsed() {
    let pin = KeyPin::of_public_key(b"");
    assert_eq!(pin.to_string(), "sha256:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU");
    assert_eq!(pin.to_string().parse(), Ok(pin));
    for text in [
        "",
        "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
        "sha256:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=",
        "sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
        "sha256:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFV",
        "sha256:47DEQpj8HBSa-_TImW",
        "sha1:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU",
    ] {
        assert!(text.parse::<KeyPin>().is_err(), "{text}");
    }
}

#[test]
fn a_pin_mismatch_is_found_among_the_causes_of_other_errors() {
    let (expected, presented) = (KeyPin([1; 32]), KeyPin([2; 32]));
    let inner =
        rustls::Error::Other(rustls::OtherError(std::sync::Arc::new(Error::PinMismatch { expected, presented })));
    let outer = std::io::Error::other(std::io::Error::other(inner));
    assert_eq!(tls::pin_mismatch(&outer), Some((expected, presented)));
    assert_eq!(tls::pin_mismatch(&std::io::Error::other("something else")), None);
}

#[test]
fn no_process_wide_provider_is_installed() {
    let identity = Identity::new();
    let (leaf, key) = identity.leaf(PIN_NAME);
    tls::client_config(&Trust::Pin(identity.pin()), &[]).unwrap();
    tls::server_config(vec![leaf], key, &[]).unwrap();
    assert!(rustls::crypto::CryptoProvider::get_default().is_none());
}
