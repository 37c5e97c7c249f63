//! Which device and which endpoint somebody means.

use serde::de::DeserializeOwned;
use towline_cloud_api::{Device, Endpoint, ErrorCode, Problem, Protocol};

use crate::api::Api;

const SSH_PORT: u16 = 22;
const TELNET_PORT: u16 = 23;

/// A device as people name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reference<'a> {
    /// `ext:TYPE/VALUE`: its name in another system.
    External {
        kind: &'a str,
        value: &'a str,
    },
    /// Digits only: an id, and if there is none, a name.
    IdOrName(&'a str),
    Name(&'a str),
}

impl<'a> Reference<'a> {
    fn parse(text: &'a str) -> Result<Self, Problem> {
        if let Some(external) = text.strip_prefix("ext:") {
            return match external.split_once('/') {
                Some((kind, value)) if !kind.is_empty() && !value.is_empty() => Ok(Self::External { kind, value }),
                _ => Err(Problem::new(ErrorCode::BadRequest, format!("{text:?} is not ext:TYPE/VALUE"))),
            };
        }
        // These two mean something else in a path.
        if matches!(text, "" | "." | "..") {
            return Err(Problem::new(ErrorCode::UnknownDevice, format!("{text:?} is no name of a device")));
        }
        Ok(if text.bytes().all(|byte| byte.is_ascii_digit()) { Self::IdOrName(text) } else { Self::Name(text) })
    }
}

/// The device that `text` means: a name, an id, or `ext:TYPE/VALUE`.
pub(crate) async fn device(api: &Api, text: &str) -> Result<Device, Problem> {
    let found: Vec<Device> = match Reference::parse(text)? {
        Reference::External { kind, value } => {
            api.list(&["devices"], &[("external_type", kind), ("external_value", value)], 2).await?
        }
        Reference::IdOrName(id) => match api.get(&["devices", id], &[]).await {
            Err(problem) if problem.code == ErrorCode::UnknownDevice => {
                api.list(&["devices"], &[("name", id)], 2).await?
            }
            device => return device,
        },
        Reference::Name(name) => api.list(&["devices"], &[("name", name)], 2).await?,
    };
    match found.into_iter().next() {
        Some(device) => Ok(device),
        // The cloud has the last word, and the attempt stands in its audit.
        None => api.get(&["devices", text], &[]).await,
    }
}

/// The object of a list that `text` means: an id (digits only), or a name.
pub(crate) async fn object<T: DeserializeOwned>(api: &Api, list: &str, text: &str) -> Result<T, Problem> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        match api.get(&[list, text], &[]).await {
            Err(problem) if problem.code == ErrorCode::NotFound => {}
            found => return found,
        }
    }
    let found: Vec<T> = api.list(&[list], &[("name", text)], 1).await?;
    found.into_iter().next().ok_or_else(|| Problem::new(ErrorCode::NotFound, format!("{text:?} among the {list}")))
}

/// The endpoint of `device` that is meant: by id or name, or [`chosen`].
pub(crate) async fn endpoint(
    api: &Api,
    device: &Device,
    wanted: Option<&str>,
    purpose: Purpose,
) -> Result<Endpoint, Problem> {
    let endpoints: Vec<Endpoint> = api.list(&["devices", &device.id, "endpoints"], &[], usize::MAX).await?;
    let Some(wanted) = wanted else { return chosen(&device.name, endpoints, purpose) };
    let by_id = endpoints.iter().position(|endpoint| endpoint.id == wanted);
    let by_name = || endpoints.iter().position(|endpoint| endpoint.name == wanted);
    match by_id.or_else(by_name).and_then(|index| endpoints.get(index)) {
        Some(endpoint) => Ok(endpoint.clone()),
        None => {
            let detail = format!("device {:?} has no {wanted:?}, only {}", device.name, names(&endpoints));
            Err(Problem::new(ErrorCode::UnknownEndpoint, detail))
        }
    }
}

/// What an endpoint is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Any bytes.
    Bytes,
    /// SSH.
    Ssh,
    /// Telnet.
    Telnet,
}

/// The endpoint to take when none is named: the only PASSTHROUGH; for SSH else the one on port 22, else the one whose
/// name contains "ssh". For Telnet one that is TELNET goes before those.
fn chosen(device: &str, endpoints: Vec<Endpoint>, purpose: Purpose) -> Result<Endpoint, Problem> {
    let is_any = |protocol| endpoints.iter().any(|endpoint| endpoint.protocol == protocol);
    let protocol = match purpose {
        Purpose::Telnet if is_any(Protocol::Telnet) => Protocol::Telnet,
        _ => Protocol::Passthrough,
    };
    let mut fitting: Vec<_> = endpoints.into_iter().filter(|endpoint| endpoint.protocol == protocol).collect();
    if fitting.is_empty() {
        return Err(Problem::new(ErrorCode::NoPassthroughEndpoint, format!("device {device:?}")));
    }
    let usual = match purpose {
        Purpose::Bytes => None,
        Purpose::Ssh => Some((SSH_PORT, "ssh")),
        Purpose::Telnet => Some((TELNET_PORT, "telnet")),
    };
    if let Some((port, word)) = usual.filter(|_| fitting.len() > 1) {
        let on_port = |endpoint: &Endpoint| endpoint.port == port;
        let named = |endpoint: &Endpoint| endpoint.name.to_lowercase().contains(word);
        if let Some(endpoint) = only(&fitting, on_port).or_else(|| only(&fitting, named)) {
            return Ok(endpoint);
        }
    }
    let list = names(&fitting);
    match (fitting.pop(), fitting.is_empty()) {
        (Some(endpoint), true) => Ok(endpoint),
        _ => Err(Problem::new(ErrorCode::EndpointAmbiguous, format!("device {device:?} has {list}"))),
    }
}

fn only(endpoints: &[Endpoint], fits: impl Fn(&Endpoint) -> bool) -> Option<Endpoint> {
    let mut fitting = endpoints.iter().filter(|endpoint| fits(endpoint));
    let first = fitting.next()?;
    fitting.next().is_none().then(|| first.clone())
}

fn names(endpoints: &[Endpoint]) -> String {
    if endpoints.is_empty() {
        return "none".into();
    }
    let names: Vec<_> = endpoints.iter().map(|endpoint| format!("{:?}", endpoint.name)).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint((name, port): &(&str, u16)) -> Endpoint {
        Endpoint {
            id: "1".into(),
            device_id: "2".into(),
            name: (*name).into(),
            host: "127.0.0.1".into(),
            port: *port,
            ..Endpoint::default()
        }
    }

    fn choose(endpoints: &[(&str, u16)], purpose: Purpose) -> Result<String, ErrorCode> {
        let endpoints = endpoints.iter().map(endpoint).collect();
        chosen("pump", endpoints, purpose).map(|endpoint| endpoint.name).map_err(|problem| problem.code)
    }

    #[test]
    fn when_none_is_named_the_one_that_fits_is_taken() {
        use Purpose::{Bytes, Ssh, Telnet};
        for (endpoints, purpose, expected) in [
            ([].as_slice(), Bytes, Err(ErrorCode::NoPassthroughEndpoint)),
            (&[], Ssh, Err(ErrorCode::NoPassthroughEndpoint)),
            (&[("web", 80)], Bytes, Ok("web")),
            (&[("web", 80)], Ssh, Ok("web")),
            (&[("web", 80), ("shell", 22)], Ssh, Ok("shell")),
            (&[("web", 80), ("shell", 22)], Bytes, Err(ErrorCode::EndpointAmbiguous)),
            (&[("web", 80), ("native-SSH", 2222)], Ssh, Ok("native-SSH")),
            (&[("web", 80), ("ssh", 2222), ("shell", 22)], Ssh, Ok("shell")),
            (&[("ssh-a", 2222), ("ssh-b", 2223)], Ssh, Err(ErrorCode::EndpointAmbiguous)),
            (&[("a", 22), ("ssh-b", 22)], Ssh, Ok("ssh-b")),
            (&[("a", 80), ("b", 81)], Ssh, Err(ErrorCode::EndpointAmbiguous)),
            (&[("ssh", 22), ("console", 23)], Telnet, Ok("console")),
            (&[("ssh", 22), ("old-telnet", 2323)], Telnet, Ok("old-telnet")),
        ] {
            assert_eq!(choose(endpoints, purpose), expected.map(String::from), "{endpoints:?} {purpose:?}");
        }
        let telnet = Endpoint { protocol: Protocol::Telnet, ..endpoint(&("plc", 4000)) };
        let both = || vec![endpoint(&("console", 23)), telnet.clone()];
        assert_eq!(chosen("pump", both(), Telnet), Ok(telnet.clone()));
        assert_eq!(chosen("pump", both(), Bytes), Ok(endpoint(&("console", 23))));
    }

    #[test]
    fn a_device_is_meant_by_name_id_or_external_id() {
        assert_eq!(Reference::parse("pump-7"), Ok(Reference::Name("pump-7")));
        assert_eq!(Reference::parse("4711"), Ok(Reference::IdOrName("4711")));
        assert_eq!(
            Reference::parse("ext:c8y_Serial/a/b"),
            Ok(Reference::External { kind: "c8y_Serial", value: "a/b" })
        );
        for text in ["", ".", "..", "ext:", "ext:c8y_Serial", "ext:/x", "ext:x/"] {
            assert!(Reference::parse(text).is_err(), "{text:?}");
        }
    }
}
