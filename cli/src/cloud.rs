//! `towline cloud`.

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
    pin: Option<String>,
    user: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_password: Option<&'a str>,
}

pub(crate) async fn run(command: &Cloud, output: Output) -> Result<(), Problem> {
    let mut config = Config::new(command.listen, &command.data_dir);
    if let (Some(certificate), Some(key)) = (&command.tls_cert, &command.tls_key) {
        config.tls = Some(TlsFiles { certificate: certificate.clone(), key: key.clone() });
    }
    let running = start(config).await?;
    let started = Started {
        address: running.local_addr().to_string(),
        url: url(&running)?.to_string(),
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
        if let Some(password) = started.first_password {
            lines.push(format!("Password of {}, shown this once: {}", started.user, password));
        }
        lines
    })?;
    tokio::select! {
        () = interrupted() => note("Stopping"),
        () = running.wait() => {}
    }
    running.shutdown().await;
    Ok(())
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
