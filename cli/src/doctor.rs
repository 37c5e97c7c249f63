//! `towline doctor`: walks the way from this machine to a target, says how far it comes and what to do.

mod report;

use std::time::{Duration, Instant};

use time::{OffsetDateTime, PrimitiveDateTime, format_description::well_known::Rfc3339, macros::format_description};
use towline_agent::dial_problem;
use towline_cloud_api::{AccessToken, CurrentUser, Device, Endpoint, ErrorCode, Health, Problem};
use towline_transport::{Endpoint as Address, dial, tcp};

use self::report::Report;
use crate::{
    access::{Access, Origin, Place, trust},
    api::Api,
    args::{Doctor, Global},
    output::Output,
    progress::waiting,
    reference::{self, Purpose},
    tunnel,
};

const VERSION: &str = env!("CARGO_PKG_VERSION");
const LIMIT: Duration = Duration::from_secs(10);
/// What a second factor, and an agent's proof of identity, still put up with.
const CLOCK_TOLERANCE_SECONDS: i64 = 30;
const ENDS_SOON: time::Duration = time::Duration::HOUR;

/// Checks one thing after the other, as far as the next one can still work; the exit code of the first failure.
pub(crate) async fn run(global: &Global, doctor: &Doctor, output: Output) -> Result<u8, Problem> {
    let mut report = Report::new(output);
    if let Err((check, problem)) = examine(global, doctor, &mut report).await {
        report.failed(check, &problem)?;
    }
    report.finish()
}

/// What failed in a way that nothing after it can work.
type Stop = (&'static str, Problem);

fn at(check: &'static str) -> impl Fn(Problem) -> Stop {
    move |problem| (check, problem)
}

async fn examine(global: &Global, doctor: &Doctor, report: &mut Report) -> Result<(), Stop> {
    let place = Place::resolve(global).map_err(at("address"))?;
    let cloud = &place.cloud;
    cloud.check_encryption().map_err(at("address"))?;
    report.ok("address", &cloud.to_string()).map_err(at("address"))?;

    reach(&place, report).await?;
    let health = health(&place, report).await?;
    let access = login(global, report).await?;
    let api = access.api().map_err(at("login"))?;
    tunnel::try_out(&access).await.map_err(at("tunnel"))?;
    report.ok("tunnel", "it opens and closes").map_err(at("tunnel"))?;

    match &doctor.device {
        Some(device) => device_and_targets(&access, &api, &health, device, doctor.endpoint.as_deref(), report).await,
        None => Ok(()),
    }
}

/// Name, port, TLS and pin.
async fn reach(place: &Place, report: &mut Report) -> Result<(), Stop> {
    let cloud = &place.cloud;
    let endpoint = cloud.stream().map_err(|error| ("address", dial_problem(cloud, &error)))?;
    let proxy = place.way_out.proxies.for_endpoint(&endpoint);
    if let Some(proxy) = proxy.map_err(|error| ("proxy", dial_problem(cloud, &error)))? {
        // Names and ports are the proxy's affair; whether it lets us through is seen with TLS.
        report.ok("proxy", &proxy.to_string()).map_err(at("proxy"))?;
        return shake(place, &endpoint, report).await;
    }
    let (host, port) = (endpoint.host(), endpoint.port());
    let unresolved =
        |cause: String| ("name", Problem::new(ErrorCode::CloudUnreachable, format!("{host} has no address: {cause}")));
    let lookup = tokio::time::timeout(LIMIT, tokio::net::lookup_host((host, port)));
    let found = waiting(|| format!("looking {host} up"), lookup).await;
    let found = found.map_err(|_| unresolved(format!("no answer within {LIMIT:?}")))?;
    let addresses: Vec<_> = found.map_err(|error| unresolved(error.to_string()))?.collect();
    let list: Vec<_> = addresses.iter().map(|address| address.ip().to_string()).collect();
    report.ok("name", &list.join(", ")).map_err(at("name"))?;

    // Programs take the first address that answers, so one is enough; the others are worth a word.
    let mut connected = Vec::new();
    let mut failures = Vec::new();
    for address in addresses {
        let began = Instant::now();
        match waiting(|| format!("connecting to {address}"), tcp::connect_addr(address, LIMIT)).await {
            Ok(_) => connected.push(format!("{address} in {} ms", began.elapsed().as_millis())),
            Err(error) => failures.push(dial_problem(cloud, &error)),
        }
    }
    let failed: Vec<_> = failures.iter().map(|problem| problem.detail.clone()).collect();
    match (connected.is_empty(), failures.into_iter().next()) {
        (true, first) => {
            let problem = first.unwrap_or_else(|| Problem::new(ErrorCode::CloudUnreachable, "there is no address"));
            return Err(("port", problem));
        }
        (false, None) => report.ok("port", &connected.join(", ")),
        (false, Some(_)) => report.warning(
            "port",
            &format!("{}; not {}", connected.join(", "), failed.join(", ")),
            "each connection may first wait for the address that does not answer: correct the name's addresses",
        ),
    }
    .map_err(at("port"))?;

    shake(place, &endpoint, report).await
}

/// TLS and pin.
async fn shake(place: &Place, endpoint: &Address, report: &mut Report) -> Result<(), Stop> {
    let Place { cloud, pin, .. } = place;
    if !cloud.is_secure() {
        return report.ok("tls", "none, and none is needed within this machine").map_err(at("tls"));
    }
    let options = place.way_out.options(&trust(*pin), "http/1.1");
    let dialled = waiting(|| format!("connecting to {cloud}"), dial(endpoint, &options)).await;
    dialled.map_err(|error| ("tls", dial_problem(cloud, &error)))?;
    match pin {
        Some(pin) => report.ok("tls", &format!("the cloud's key is the pinned {pin}")),
        None => report.ok("tls", "this machine's roots vouch for the certificate"),
    }
    .map_err(at("tls"))
}

/// Whether a cloud answers; its clock and version.
async fn health(place: &Place, report: &mut Report) -> Result<Health, Stop> {
    let answered = async { place.api()?.get_dated::<Health>(&["health"], &[]).await };
    let (health, date) = answered.await.map_err(at("health"))?;
    report.ok("health", &health.status).map_err(at("health"))?;

    let clock = date.as_deref().and_then(http_date).map(|theirs| OffsetDateTime::now_utc() - theirs);
    match clock.map(time::Duration::whole_seconds) {
        None => report.warning("clock", "the cloud does not tell its time", "look whether a proxy takes it out"),
        Some(seconds) if seconds.abs() > CLOCK_TOLERANCE_SECONDS => {
            let direction = if seconds > 0 { "ahead of" } else { "behind" };
            let detail = format!("this machine is {} s {direction} the cloud", seconds.abs());
            report.warning(
                "clock",
                &detail,
                "set the clock that is wrong, by NTP: certificates, codes and logins end by it",
            )
        }
        Some(_) => report.ok("clock", "the same as the cloud's"),
    }
    .map_err(at("clock"))?;

    if fits(&health.version) {
        report.ok("version", &format!("towline {VERSION}, cloud {}", health.version))
    } else {
        let detail = format!("towline {VERSION}, cloud {}", health.version);
        report.warning("version", &detail, ErrorCode::VersionUnsupported.remedy())
    }
    .map_err(at("version"))?;
    Ok(health)
}

/// Who one is, until when, and what one may do.
async fn login(global: &Global, report: &mut Report) -> Result<Access, Stop> {
    let access = Access::resolve(global).await.map_err(at("login"))?;
    let api = access.api().map_err(at("login"))?;
    let user: CurrentUser = api.get(&["current-user"], &[]).await.map_err(at("login"))?;
    let expires_at = match &access.origin {
        Origin::Session { expires_at } => Some(expires_at.clone()),
        _ => token_end(&api).await,
    };
    let left = expires_at
        .as_deref()
        .and_then(|end| OffsetDateTime::parse(end, &Rfc3339).ok())
        .map(|end| end - OffsetDateTime::now_utc());
    let until = expires_at.map_or_else(String::new, |end| format!(" until {end}"));
    let detail = format!("as {}{until}", user.name);
    match left {
        Some(left) if left < ENDS_SOON && access.origin != Origin::Password => {
            report.warning("login", &detail, "it ends soon: run `towline login`")
        }
        _ => report.ok("login", &detail),
    }
    .map_err(at("login"))?;

    let permissions: Vec<_> = user.permissions.iter().map(|permission| permission.as_str()).collect();
    if permissions.is_empty() {
        report.warning("permissions", "none", "ask an administrator to put you into a group that has some")
    } else {
        report.ok("permissions", &permissions.join(", "))
    }
    .map_err(at("permissions"))?;
    Ok(access)
}

async fn token_end(api: &Api) -> Option<String> {
    let tokens: Vec<AccessToken> = api.list(&["tokens"], &[], usize::MAX).await.ok()?;
    tokens.into_iter().find(|token| token.current).map(|token| token.expires_at)
}

/// A device, its agent, and whether it reaches its endpoints' targets.
async fn device_and_targets(
    access: &Access,
    api: &Api,
    health: &Health,
    device: &str,
    endpoint: Option<&str>,
    report: &mut Report,
) -> Result<(), Stop> {
    let device = reference::device(api, device).await.map_err(at("device"))?;
    if device.disabled {
        return Err(("device", Problem::new(ErrorCode::DeviceDisabled, format!("device {:?}", device.name))));
    }
    if !device.online {
        return Err(("device", Problem::new(ErrorCode::DeviceOffline, last_seen(&device))));
    }
    let agent = device.agent_version.as_deref().unwrap_or("of an unknown version");
    let detail = format!("{} is online, agent {agent}", device.name);
    if fits(agent) {
        report.ok("device", &detail)
    } else {
        let detail = format!("{detail}, cloud {}", health.version);
        report.warning("device", &detail, ErrorCode::VersionUnsupported.remedy())
    }
    .map_err(at("device"))?;

    let endpoints: Vec<Endpoint> = match endpoint {
        Some(_) => {
            vec![reference::endpoint(api, &device, endpoint, Purpose::Bytes).await.map_err(at("endpoints"))?]
        }
        None => api.list(&["devices", &device.id, "endpoints"], &[], usize::MAX).await.map_err(at("endpoints"))?,
    };
    if endpoints.is_empty() {
        let problem = Problem::new(ErrorCode::NoPassthroughEndpoint, format!("device {:?}", device.name));
        return Err(("endpoints", problem));
    }
    let names: Vec<_> = endpoints.iter().map(|endpoint| endpoint.name.as_str()).collect();
    report.ok("endpoints", &names.join(", ")).map_err(at("endpoints"))?;
    for endpoint in &endpoints {
        let began = Instant::now();
        match tunnel::ask(access, &device, endpoint).await {
            Ok(address) => {
                let address = address.unwrap_or_else(|| format!("{}:{}", endpoint.host, endpoint.port));
                let took = began.elapsed().as_millis();
                report.ok("target", &format!("{} at {address} in {took} ms", endpoint.name))
            }
            // Each target is there or not by itself.
            Err(mut problem) => {
                problem.detail = format!("{}: {}", endpoint.name, problem.detail);
                report.failed("target", &problem)
            }
        }
        .map_err(at("target"))?;
    }
    Ok(())
}

fn last_seen(device: &Device) -> String {
    match &device.last_seen_at {
        Some(last) => format!("device {:?} was last seen at {last}", device.name),
        None if device.enrolled => format!("device {:?} was never seen", device.name),
        None => format!("device {:?} is not enrolled: no agent has used its token yet", device.name),
    }
}

/// Whether a version is one that was made together with ours: the first two numbers are the same.
fn fits(version: &str) -> bool {
    let first_two = |version: &str| version.split('.').take(2).map(str::to_owned).collect::<Vec<_>>();
    first_two(version) == first_two(VERSION)
}

/// The time in an HTTP `Date` header.
fn http_date(text: &str) -> Option<OffsetDateTime> {
    let format =
        format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");
    PrimitiveDateTime::parse(text, format).ok().map(PrimitiveDateTime::assume_utc)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clouds_time_is_read() {
        let read = http_date("Sun, 06 Nov 1994 08:49:37 GMT").map(OffsetDateTime::unix_timestamp);
        assert_eq!(read, Some(784_111_777));
        assert_eq!(http_date("yesterday"), None);
    }

    #[test]
    fn versions_that_differ_behind_the_second_number_fit() {
        let mut numbers = VERSION.split('.');
        let (major, minor) = (numbers.next().unwrap(), numbers.next().unwrap());
        assert!(fits(VERSION) && fits(&format!("{major}.{minor}.99")));
        assert!(!fits(&format!("{major}.9{minor}.0")) && !fits("") && !fits("of an unknown version"));
    }
}
