//! Connecting the server that the cloud asks for, if the device's policy allows it.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::Path,
    time::Duration,
};

use tokio::{net::TcpStream, time::Instant};
use towline_transport::{Endpoint, Scheme, tcp};
use towline_tunnel_proto::Code;

use crate::policy::Policy;

const RESOLVE_LIMIT: Duration = Duration::from_secs(5);
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
const MAX_ADDRESSES: usize = 16;

/// A refusal as the tunnel carries it: the code says what, the reason says where and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// One of the tunnel's codes for targets.
    pub code: Code,
    /// Names the target and the cause.
    pub reason: String,
}

impl Refusal {
    fn new(code: Code, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }
}

/// Resolves `target` (`tcp://host:port`), checks each address against the policy in `data_dir`, and connects the
/// first allowed one that answers. The address that was checked is the address that is dialled.
///
/// # Errors
///
/// [`Refusal`], with the code that the operator's side shows.
///
/// # Cancel safety
///
/// Cancelling abandons the attempt and leaves nothing behind.
pub async fn connect(target: &str, data_dir: &Path) -> Result<(TcpStream, SocketAddr), Refusal> {
    let endpoint = parse(target)?;
    let policy = Policy::load(data_dir).map_err(|error| {
        tracing::error!(%error, "the policy is unusable, so every target is denied: correct the file");
        Refusal::new(Code::POLICY_DENIED, format!("{}: the device's allow.toml is unusable", endpoint.authority()))
    })?;
    let addresses = resolve(&endpoint).await?;
    let allowed = allowed(&policy, &endpoint, &addresses)?;
    connect_any(&endpoint, &allowed).await
}

fn parse(target: &str) -> Result<Endpoint, Refusal> {
    let shown = crate::single_line(&target.chars().take(200).collect::<String>());
    match target.parse::<Endpoint>() {
        Ok(endpoint) if endpoint.scheme() == Scheme::Tcp => Ok(endpoint),
        Ok(_) => Err(Refusal::new(Code::NO_SERVICE, format!("{shown}: only tcp:// targets are connected"))),
        Err(error) => Err(Refusal::new(Code::NO_SERVICE, format!("{shown}: {error}"))),
    }
}

async fn resolve(endpoint: &Endpoint) -> Result<Vec<SocketAddr>, Refusal> {
    let (host, port) = (endpoint.host(), endpoint.port());
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip.to_canonical(), port)]);
    }
    let unresolved = |cause: &str| Refusal::new(Code::NAME_UNRESOLVED, format!("{}: {cause}", endpoint.authority()));
    let found = match tokio::time::timeout(RESOLVE_LIMIT, tokio::net::lookup_host((host, port))).await {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return Err(unresolved(&error.to_string())),
        Err(_) => return Err(unresolved("the name servers did not answer in time")),
    };
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in found.take(MAX_ADDRESSES) {
        let address = SocketAddr::new(address.ip().to_canonical(), port);
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() { Err(unresolved("the name has no address")) } else { Ok(addresses) }
}

fn allowed(policy: &Policy, endpoint: &Endpoint, addresses: &[SocketAddr]) -> Result<Vec<SocketAddr>, Refusal> {
    let allowed: Vec<_> =
        addresses.iter().copied().filter(|address| policy.allows(address.ip(), address.port())).collect();
    if allowed.is_empty() {
        let tried: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        let reason = format!("{}: {} not in the device's allow.toml", endpoint.authority(), tried.join(", "));
        return Err(Refusal::new(Code::POLICY_DENIED, reason));
    }
    Ok(allowed)
}

async fn connect_any(endpoint: &Endpoint, addresses: &[SocketAddr]) -> Result<(TcpStream, SocketAddr), Refusal> {
    let deadline = Instant::now() + CONNECT_LIMIT;
    let mut worst: Option<Refusal> = None;
    for (index, address) in addresses.iter().enumerate() {
        // Whatever an address leaves of the time is shared among those after it.
        let left = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        let limit = deadline.saturating_duration_since(Instant::now()) / left.max(1);
        match tcp::connect_addr(*address, limit).await {
            Ok(carrier) => return Ok((carrier.into_inner(), *address)),
            Err(error) => {
                let refusal = refusal(endpoint, *address, &error);
                if worst.as_ref().is_none_or(|worst| telling(refusal.code) > telling(worst.code)) {
                    worst = Some(refusal);
                }
            }
        }
    }
    Err(worst.unwrap_or_else(|| Refusal::new(Code::NO_SERVICE, format!("{}: no address", endpoint.authority()))))
}

fn refusal(endpoint: &Endpoint, address: SocketAddr, error: &towline_transport::Error) -> Refusal {
    let code = match error.kind() {
        io::ErrorKind::ConnectionRefused => Code::CONNECT_REFUSED,
        io::ErrorKind::TimedOut => Code::CONNECT_TIMEOUT,
        _ => Code::HOST_UNREACHABLE,
    };
    let cause = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    let place = endpoint.authority();
    let place = if place == address.to_string() { place } else { format!("{place} ({address})") };
    Refusal::new(code, format!("{place}: {cause}"))
}

/// Of several addresses that failed, the one that says most about the target is reported: one that refused is
/// there, one that is silent may be.
fn telling(code: Code) -> u8 {
    match code {
        Code::CONNECT_REFUSED => 2,
        Code::CONNECT_TIMEOUT => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_tcp_target_is_understood() {
        assert_eq!(parse("tcp://127.0.0.1:22").unwrap().authority(), "127.0.0.1:22");
        assert_eq!(parse("tcp://[::1]:5900").unwrap().authority(), "[::1]:5900");
        assert_eq!(parse("tcp://plc.local:23").unwrap().authority(), "plc.local:23");
        for target in [
            "",
            "127.0.0.1:22",
            "tcp://127.0.0.1",
            "tcp://127.0.0.1:0",
            "tcp://127.0.0.1:65536",
            "tcp://127.0.0.1:+22",
            "tcp://127.0.0.1:22/",
            "tcp://127.0.0.1:22?x",
            "tcp://user@127.0.0.1:22",
            "tcp://::1:22",
            "tcp://[fe80::1%eth0]:22",
            "tcp://:22",
            "tcp://a b:22",
            "tls://127.0.0.1:22",
            "wss://127.0.0.1:22",
            "unix:/run/docker.sock",
            "towline:device/1/endpoint/2",
        ] {
            let refusal = parse(target).unwrap_err();
            assert_eq!(refusal.code, Code::NO_SERVICE, "{target}");
            assert!(refusal.reason.starts_with(target), "{}", refusal.reason);
        }
    }

    #[test]
    fn a_reason_cannot_break_the_line() {
        let reason = parse("tcp://a\r\n\x1b[2J:22").unwrap_err().reason;
        assert!(!reason.contains(char::is_control), "{reason:?}");
    }

    #[tokio::test]
    async fn a_target_outside_the_policy_is_denied_before_anything_is_sent() {
        let folder = tempfile::tempdir().unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        std::fs::write(folder.path().join("allow.toml"), "version = 1\nallow = [\"10.0.0.0/8\"]").unwrap();

        for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0"] {
            let refusal = connect(&format!("tcp://{host}:{port}"), folder.path()).await.unwrap_err();
            assert_eq!(refusal.code, Code::POLICY_DENIED, "{refusal}");
            assert!(refusal.reason.contains(&port.to_string()), "{refusal}");
        }
    }

    #[tokio::test]
    async fn a_policy_that_is_not_understood_denies_everything() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("allow.toml"), "version = 1\nallow = [\"everything\"]").unwrap();

        let refusal = connect("tcp://127.0.0.1:22", folder.path()).await.unwrap_err();

        assert_eq!(refusal.code, Code::POLICY_DENIED);
        assert!(refusal.reason.contains("127.0.0.1:22") && refusal.reason.contains("allow.toml"), "{refusal}");
    }

    #[tokio::test]
    async fn refused_and_unresolvable_are_told_apart_and_name_the_target() {
        let folder = tempfile::tempdir().unwrap();
        let closed = {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.local_addr().unwrap()
        };

        let refusal = connect(&format!("tcp://{closed}"), folder.path()).await.unwrap_err();
        assert_eq!(refusal.code, Code::CONNECT_REFUSED);
        assert!(refusal.reason.contains(&closed.to_string()), "{refusal}");

        let refusal = connect("tcp://no-such-name.invalid:22", folder.path()).await.unwrap_err();
        assert_eq!(refusal.code, Code::NAME_UNRESOLVED);
        assert!(refusal.reason.contains("no-such-name.invalid:22"), "{refusal}");
    }

    #[tokio::test]
    async fn a_name_is_connected_at_the_address_that_was_checked() {
        let folder = tempfile::tempdir().unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();

        let (_stream, connected) =
            connect(&format!("tcp://localhost:{}", address.port()), folder.path()).await.unwrap();

        assert_eq!(connected, address);
    }
}
