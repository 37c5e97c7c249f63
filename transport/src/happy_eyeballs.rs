//! Trying the addresses of a name, IPv6 and IPv4 in turn, each a little after the one before (RFC 8305).

use std::{future::Future, io, net::SocketAddr, time::Duration};

use tokio::{net::lookup_host, task::JoinSet, time::timeout};

use crate::{Error, error::Phase};

/// The Connection Attempt Delay of RFC 8305 §8.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// Names with more addresses than this are tried no further.
const MAX_ADDRESSES: usize = 16;

/// The addresses of `host`, a name or an IP address without brackets, in the order to try them. The system's resolver
/// asks for both families and sorts (RFC 6724); we interleave them (RFC 8305 §4).
pub(crate) async fn resolve(host: &str, port: u16, limit: Duration) -> Result<Vec<SocketAddr>, Error> {
    let unresolved = |source| Error::Resolve { host: host.to_owned(), source };
    let lookup = async { lookup_host((host, port)).await.map_err(unresolved) };
    let addresses: Vec<SocketAddr> = Phase::Resolve.within(limit, lookup).await?.take(MAX_ADDRESSES).collect();
    if addresses.is_empty() {
        return Err(unresolved(io::Error::new(io::ErrorKind::NotFound, "the name has no address")));
    }
    Ok(interleaved(addresses))
}

/// The same addresses with the families taking turns, beginning with that of the first.
fn interleaved(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (preferred, others): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let (mut preferred, mut others) = (preferred.into_iter(), others.into_iter());
    let mut order = Vec::new();
    loop {
        let (one, other) = (preferred.next(), others.next());
        if one.is_none() && other.is_none() {
            return order;
        }
        order.extend(one.into_iter().chain(other));
    }
}

/// Begins an attempt at each address, the next one when the last has failed or has taken [`ATTEMPT_DELAY`], until one
/// succeeds: the others are abandoned. The error is that of the last to fail.
pub(crate) async fn race<T, F>(addresses: Vec<SocketAddr>, attempt: impl Fn(SocketAddr) -> F) -> Result<T, Error>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Error>> + Send + 'static,
{
    // Dropping the set ends the tasks, so cancelling leaves nothing behind.
    let mut attempts = JoinSet::new();
    let mut addresses = addresses.into_iter().peekable();
    let mut last = Error::Io(io::Error::new(io::ErrorKind::NotFound, "there is no address"));
    loop {
        match addresses.next() {
            Some(address) => drop(attempts.spawn(attempt(address))),
            None if attempts.is_empty() => return Err(last),
            None => {}
        }
        let patience = if addresses.peek().is_some() { ATTEMPT_DELAY } else { Duration::MAX };
        match timeout(patience, attempts.join_next()).await {
            Ok(Some(Ok(Ok(connected)))) => return Ok(connected),
            Ok(Some(Ok(Err(error)))) => last = error,
            Ok(Some(Err(error))) => last = Error::Io(io::Error::other(error)),
            Ok(None) | Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_families_take_turns_beginning_with_the_resolvers_choice() {
        let order = |texts: &[&str]| {
            let addresses = texts.iter().map(|text| text.parse().unwrap()).collect();
            interleaved(addresses).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(
            order(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "1.1.1.2:1"]),
            ["[::1]:1", "1.1.1.1:1", "[::2]:1", "1.1.1.2:1", "[::3]:1"],
        );
        assert_eq!(order(&["1.1.1.1:1", "[::1]:1"]), ["1.1.1.1:1", "[::1]:1"]);
        assert_eq!(order(&["1.1.1.1:1", "1.1.1.2:1"]), ["1.1.1.1:1", "1.1.1.2:1"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_address_delays_the_next_by_a_moment_only_and_a_refusal_not_at_all() {
        let addresses: Vec<SocketAddr> = (1..=4).map(|port| ([127, 0, 0, 1], port).into()).collect();
        let began = tokio::time::Instant::now();
        let winner = race(addresses, |address| async move {
            match address.port() {
                1 => std::future::pending().await,
                2 => Err(Error::Io(io::ErrorKind::ConnectionRefused.into())),
                3 => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    Ok(address.port())
                }
                _ => std::future::pending().await,
            }
        })
        .await
        .unwrap();
        assert_eq!((winner, began.elapsed()), (3, ATTEMPT_DELAY + Duration::from_millis(100)));
    }

    #[tokio::test(start_paused = true)]
    async fn when_all_fail_it_is_the_last_that_says_why() {
        let addresses: Vec<SocketAddr> = (1..=2).map(|port| ([127, 0, 0, 1], port).into()).collect();
        let error = race(addresses, |address| async move {
            let source = io::ErrorKind::ConnectionRefused.into();
            Err::<(), _>(Error::Connect { endpoint: address.to_string(), source })
        })
        .await
        .unwrap_err();
        assert!(matches!(error, Error::Connect { endpoint, .. } if endpoint == "127.0.0.1:2"));
    }
}
