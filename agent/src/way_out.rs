//! How this machine gets out to the cloud: proxy, roots, client certificate. The CLI takes the same flags.

use std::{convert::Infallible, fmt, path::PathBuf, str::FromStr, sync::Arc};

use rustls::{ClientConfig, pki_types::CertificateDer};
use towline_transport::{
    Options,
    proxy::{Proxies, Proxy},
    tls::{self, ClientIdentity, Trust},
};
use zeroize::Zeroizing;

use crate::Error;

/// How to get out to the cloud.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "The way to the cloud")]
pub struct WayOutArgs {
    /// The proxy to the cloud: `http://USER:PASSWORD@HOST:PORT`, or https, socks5, socks5h. A password shows in the
    /// process list: TOWLINE_PROXY does not [default: what HTTPS_PROXY, ALL_PROXY and NO_PROXY say].
    #[arg(long, global = true, value_name = "URL", env = "TOWLINE_PROXY", hide_env_values = true)]
    pub proxy: Option<ProxyText>,
    /// A file in PEM: the roots that vouch for the certificates of the cloud and of an https proxy, instead of the
    /// machine's own. For the cloud a pin counts more.
    #[arg(long, global = true, value_name = "FILE", env = "TOWLINE_ROOTS")]
    pub roots: Option<PathBuf>,
    /// A certificate in PEM to show to whoever asks for one on the way, such as a proxy in front of the cloud.
    #[arg(long, global = true, value_name = "FILE", env = "TOWLINE_CLIENT_CERT", requires = "client_key")]
    pub client_cert: Option<PathBuf>,
    /// The certificate's key, in PEM.
    #[arg(long, global = true, value_name = "FILE", env = "TOWLINE_CLIENT_KEY", requires = "client_cert")]
    pub client_key: Option<PathBuf>,
}

/// A proxy's URL as it was given, which may hold a password.
#[derive(Clone)]
pub struct ProxyText(Zeroizing<String>);

impl FromStr for ProxyText {
    type Err = Infallible;

    /// Takes anything: clap would repeat a value that is refused, password and all.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

impl fmt::Debug for ProxyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProxyText")
    }
}

impl WayOutArgs {
    /// Reads the files and the environment.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for a proxy that is none, and for a file that cannot be read or holds something else.
    pub fn resolve(&self) -> Result<WayOut, Error> {
        let wrong = |error: towline_transport::Error| Error::Usage(crate::reach::chain(&error));
        let proxies = match &self.proxy {
            Some(ProxyText(text)) => Proxies::always(text.parse().map_err(|error| Error::Usage(format!("{error}")))?),
            None => Proxies::from_environment(),
        };
        let roots = self.roots.as_deref().map(tls::certificates_from_pem_file).transpose().map_err(wrong)?;
        let client_identity = match (&self.client_cert, &self.client_key) {
            (Some(certificate), Some(key)) => Some(ClientIdentity::from_pem_files(certificate, key).map_err(wrong)?),
            (None, None) => None,
            // The command line is checked by clap; a configuration file is not.
            _ => return Err(Error::Usage("client-cert and client-key go together".into())),
        };
        let proxy_text = self.proxy.as_ref().map(|ProxyText(text)| text.clone());
        Ok(WayOut { proxies, proxy_text, roots, client_identity: client_identity.map(Arc::new) })
    }
}

/// The way out to the cloud, ready to be used. By default without a proxy and with the machine's own roots.
#[derive(Clone, Default)]
pub struct WayOut {
    /// Which proxy leads to the cloud.
    pub proxies: Proxies,
    proxy_text: Option<Zeroizing<String>>,
    roots: Option<Vec<CertificateDer<'static>>>,
    client_identity: Option<Arc<ClientIdentity>>,
}

impl fmt::Debug for WayOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WayOut")
            .field("proxies", &self.proxies)
            .field("roots", &self.roots.as_ref().map(Vec::len))
            .field("client_identity", &self.client_identity)
            .finish_non_exhaustive()
    }
}

impl WayOut {
    /// Options to dial a cloud with that is recognised by `trust`; `alpn` is what is spoken there.
    pub fn options(&self, trust: &Trust, alpn: &str) -> Options {
        Options {
            trust: self.trust(trust),
            client_identity: self.client_identity.clone(),
            alpn: vec![alpn.into()],
            proxies: self.proxies.clone(),
            proxy_trust: self.trust(&Trust::WebPki),
            ..Options::default()
        }
    }

    /// The same for an HTTP client that does its own dialling, through `proxy` if it is told one.
    ///
    /// # Errors
    ///
    /// Those of [`tls::client_config`].
    pub fn client_config(
        &self,
        trust: &Trust,
        alpn: &str,
        proxy: Option<&Proxy>,
    ) -> Result<Arc<ClientConfig>, towline_transport::Error> {
        let (mut trust, alpn) = (self.trust(trust), [alpn.as_bytes()]);
        if let Some(host) = proxy.and_then(Proxy::tls_host) {
            let at_proxy = self.trust(&Trust::WebPki).into();
            trust = Trust::Proxied { proxy: host.into(), at_proxy, behind: trust.into() };
        }
        match &self.client_identity {
            Some(identity) => tls::client_config_as(identity, &trust, &alpn),
            None => tls::client_config(&trust, &alpn),
        }
    }

    /// The URL of the proxy that was given explicitly, password and all.
    pub fn explicit_proxy(&self) -> Option<&str> {
        self.proxy_text.as_ref().map(|text| text.as_str())
    }

    fn trust(&self, trust: &Trust) -> Trust {
        match (trust, &self.roots) {
            (Trust::WebPki, Some(roots)) => Trust::Roots(roots.clone()),
            _ => trust.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        way_out: WayOutArgs,
    }

    fn parse(line: &[&str]) -> Result<Program, clap::Error> {
        Program::try_parse_from([&["program"], line].concat())
    }

    #[test]
    fn a_proxy_that_is_none_is_refused_without_repeating_its_password() {
        let program = parse(&["--proxy", "ftp://mia:s3cret@proxy"]).unwrap();
        assert!(!format!("{program:?}").contains("s3cret"));
        let error = program.way_out.resolve().unwrap_err().to_string();
        assert!(error.contains("socks5h") && !error.contains("s3cret"), "{error}");

        let program = parse(&["--proxy", "socks5h://mia:s3cret@proxy"]).unwrap();
        let way_out = program.way_out.resolve().unwrap();
        assert!(!format!("{way_out:?}").contains("s3cret"));
        assert!(!format!("{:?}", way_out.options(&Trust::WebPki, "x")).contains("s3cret"));
    }

    #[test]
    fn certificate_and_key_go_together_and_a_file_that_is_not_there_is_named() {
        parse(&["--client-cert", "a.pem"]).unwrap_err();
        for line in
            [&["--roots", "/no/such.pem"][..], &["--client-cert", "/no/such.pem", "--client-key", "/no/such.pem"]]
        {
            let error = parse(line).unwrap().way_out.resolve().unwrap_err();
            assert!(error.to_string().contains("/no/such.pem"), "{error}");
        }
    }

    #[test]
    fn private_roots_stand_in_for_the_machines_own_but_not_for_a_pin() {
        let way_out = WayOut { roots: Some(Vec::new()), ..WayOut::default() };
        let pin = Trust::Pin(tls::KeyPin([7; 32]));
        assert_eq!(way_out.options(&Trust::WebPki, "x").trust, Trust::Roots(Vec::new()));
        assert_eq!(way_out.options(&pin, "x").trust, pin);
        assert_eq!(way_out.options(&pin, "x").proxy_trust, Trust::Roots(Vec::new()), "a proxy has no pin");
        assert_eq!(WayOut::default().options(&Trust::WebPki, "x").trust, Trust::WebPki);
    }
}
