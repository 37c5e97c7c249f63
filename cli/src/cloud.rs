//! `towline cloud`.

use std::time::Duration;

use serde::Serialize;
use towline_agent::CloudUrl;
use towline_cloud::{Config, Running, TlsFiles};
use towline_cloud_api::{ErrorCode, Problem};
use zeroize::Zeroizing;

use crate::{
    access::variable,
    args::Cloud,
    output::{Output, note},
    signal::interrupted,
};

const ADMIN_PASSWORD_VARIABLE: &str = "TOWLINE_ADMIN_PASSWORD";

#[derive(Serialize)]
struct Started<'a> {
    address: String,
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    quic: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pin: Option<String>,
    user: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_password: Option<&'a str>,
}

pub(crate) async fn run(command: &Cloud, output: Output) -> Result<(), Problem> {
    let running = start(config(command)?).await?;
    let started = Started {
        address: running.local_addr().to_string(),
        url: url(&running)?.to_string(),
        quic: running.quic_addr().map(|address| address.to_string()),
        metrics: running.metrics_addr().map(|address| format!("http://{address}/metrics")),
        pin: running.pin().map(|pin| pin.to_string()),
        user: "admin",
        first_password: running.first_start_password(),
    };
    output.value(&started, |started| {
        let pin = started.pin.as_ref().map_or_else(String::new, |pin| format!(" --pin {pin}"));
        let mut lines = vec![
            format!("Listening on {}", started.address),
            format!("Log in with: towline login {}{pin} --user {}", started.url, started.user),
        ];
        lines.extend(started.quic.as_ref().map(|quic| format!("Tunnels over QUIC at {quic} (UDP)")));
        lines.extend(started.metrics.as_ref().map(|metrics| format!("Metrics at {metrics}")));
        if let Some(password) = started.first_password {
            lines.push(format!("Password of {}, shown this once: {}", started.user, password));
        }
        lines
    })?;
    let stop = async {
        interrupted().await;
        note(&format!("Stopping: sessions have {} s; once more to stop at once", command.drain_seconds));
        tokio::select! {
            () = running.drain(Duration::from_secs(command.drain_seconds)) => {}
            () = interrupted() => {}
        }
    };
    tokio::select! {
        () = stop => {}
        () = running.wait() => {}
        () = renew_when_asked(&running) => {}
    }
    running.shutdown().await;
    Ok(())
}

fn config(command: &Cloud) -> Result<Config, Problem> {
    let mut config = Config::new(command.listen, &command.data_dir);
    config.tls = match (&command.tls_cert, &command.tls_key) {
        (Some(certificate), Some(key)) => Some(TlsFiles { certificate: certificate.clone(), key: key.clone() }),
        (None, None) => None,
        // The command line is checked by clap; a configuration file is not.
        _ => return Err(Problem::new(ErrorCode::BadRequest, "tls-cert and tls-key go together")),
    };
    config.plain_from_anywhere = command.plain_from_anywhere;
    config.trusted_proxies = command.trusted_proxy.clone();
    config.web_pki = command.web_pki;
    config.quic_listen = command.quic_listen;
    config.tunnel_memory_bytes = command.tunnel_memory_mib.saturating_mul(1 << 20);
    config.resume_age = Duration::from_secs(command.resume_seconds);
    config.metrics_listen = command.metrics_listen;
    Ok(config)
}

/// Looks at the certificate at each SIGHUP. Never ends.
async fn renew_when_asked(running: &Running) {
    #[cfg(unix)]
    if let Ok(mut hangup) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()) {
        while hangup.recv().await.is_some() {
            running.renew_certificate();
        }
    }
    std::future::pending::<()>().await;
}

/// Starts a cloud with the administrator's first password from the environment, if there is one.
pub(crate) async fn start(mut config: Config) -> Result<Running, Problem> {
    config.admin_password = variable(ADMIN_PASSWORD_VARIABLE).map(Zeroizing::new);
    towline_cloud::Cloud::start(config).await.map_err(|error| {
        let code = match error {
            towline_cloud::Error::Listen { .. } => ErrorCode::ListenFailed,
            towline_cloud::Error::DataDir { .. } | towline_cloud::Error::InUse { .. } => ErrorCode::BadRequest,
            _ => ErrorCode::Internal,
        };
        Problem::new(code, error.to_string())
    })
}

/// The address under which this machine reaches the cloud.
pub(crate) fn url(running: &Running) -> Result<CloudUrl, Problem> {
    CloudUrl::local(running.local_addr()).map_err(|error| Problem::new(ErrorCode::Internal, error.to_string()))
}
