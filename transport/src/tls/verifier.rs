//! The verifiers behind [`Trust`]: who a server has to be.

use std::sync::Arc;

use rustls::{
    CertificateError, DigitallySignedStruct, OtherError, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{self, CryptoProvider},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};

use super::{KeyPin, PIN_NAME, Trust, root_store, server_name, tls_error};
use crate::Error;

/// The one that believes whom `trust` says.
pub(super) fn verifier(trust: &Trust, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    Ok(match trust {
        Trust::WebPki => Arc::new(rustls_platform_verifier::Verifier::new(Arc::clone(provider)).map_err(tls_error)?),
        Trust::Pin(pin) => Arc::new(PinVerifier { pin: *pin, provider: Arc::clone(provider) }),
        Trust::Roots(roots) => issued_by(roots, provider).map_err(tls_error)?,
        Trust::Proxied { proxy, at_proxy, behind } => Arc::new(ProxiedVerifier {
            proxy: server_name(proxy)?,
            at_proxy: verifier(at_proxy, provider)?,
            behind: verifier(behind, provider)?,
        }),
    })
}

/// Verifies what `roots` issued, by the rules of the web PKI.
fn issued_by(
    roots: &[CertificateDer<'static>],
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, rustls::Error> {
    WebPkiServerVerifier::builder_with_provider(root_store(roots)?.into(), Arc::clone(provider))
        .build()
        .map_err(|error| rustls::Error::General(error.to_string()))
}

/// Trusts one key.
///
/// The end-entity certificate may hold it: then the handshake's own signature proves possession, and nothing else in
/// the certificate says more, its dates neither. Or a certificate sent along holds it: then that one is the only
/// trust anchor, and the end-entity certificate must be valid under it, for [`PIN_NAME`], on some day: a device whose
/// clock stands at 1970 has to find its cloud, and whoever holds the leaf's key holds the pinned key beside it. Sending
/// along a certificate with the pinned key gains nothing without a signature by that key.
#[derive(Debug)]
struct PinVerifier {
    pin: KeyPin,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let mut presented = KeyPin::of_parsed(&ParsedCertificate::try_from(end_entity)?);
        if presented == self.pin {
            return Ok(ServerCertVerified::assertion());
        }
        for certificate in intermediates {
            presented = KeyPin::of_parsed(&ParsedCertificate::try_from(certificate)?);
            if presented == self.pin {
                let verifier = issued_by(&[certificate.clone().into_owned()], &self.provider)?;
                let name = ServerName::try_from(PIN_NAME).map_err(|error| rustls::Error::General(error.to_string()))?;
                let verify = |now| verifier.verify_server_cert(end_entity, intermediates, &name, ocsp_response, now);
                return match verify(now) {
                    Err(rustls::Error::InvalidCertificate(
                        CertificateError::NotValidYetContext { not_before: then, .. }
                        | CertificateError::ExpiredContext { not_after: then, .. },
                    )) => verify(then),
                    result => result,
                };
            }
        }
        Err(OtherError(Arc::new(Error::PinMismatch { expected: self.pin, presented })).into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        crypto::verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        crypto::verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// [`Trust::Proxied`].
#[derive(Debug)]
struct ProxiedVerifier {
    proxy: ServerName<'static>,
    at_proxy: Arc<dyn ServerCertVerifier>,
    behind: Arc<dyn ServerCertVerifier>,
}

/// It is not believed.
#[derive(Debug, thiserror::Error)]
#[error("the proxy's certificate: {0}")]
pub(super) struct ProxyCertificate(rustls::Error);

impl ServerCertVerifier for ProxiedVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if *server_name != self.proxy {
            return self.behind.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        }
        let verified = self.at_proxy.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        verified.map_err(|error| OtherError(Arc::new(ProxyCertificate(error))).into())
    }

    // By the algorithms of the provider, which is the same for both.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.behind.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.behind.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.behind.supported_verify_schemes()
    }
}
