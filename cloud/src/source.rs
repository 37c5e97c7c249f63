//! Where a request comes from, with a proxy in between or not.

use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use http::HeaderMap;

const FORWARDED_FOR: &str = "x-forwarded-for";
const FORWARDED_PROTO: &str = "x-forwarded-proto";
const MAX_HOPS: usize = 16;

/// A network of addresses: `10.0.0.0/8`, `2001:db8::/32`, or a single address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// The text is not a [`Network`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a network is an address, or an address and a number of bits, such as 10.0.0.0/8")]
pub struct InvalidNetwork;

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse().map_err(|_| InvalidNetwork)?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| InvalidNetwork)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        match prefix.unwrap_or(longest) {
            prefix if prefix <= longest => Ok(Self { address, prefix }),
            _ => Err(InvalidNetwork),
        }
    }
}

impl Network {
    /// Whether the address is in the network.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (ours, theirs, width) = match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => (ours.to_bits().into(), theirs.to_bits().into(), 32),
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => (ours.to_bits(), theirs.to_bits(), 128),
            _ => return false,
        };
        let bits: u128 = ours ^ theirs;
        bits.checked_shr(width - u32::from(self.prefix)).unwrap_or(0) == 0
    }
}

/// Who asks: the peer of the connection, unless that is a trusted proxy; then the last address in `X-Forwarded-For`
/// that no trusted proxy has. What stands before that one anybody may have written.
pub(crate) fn source(peer: SocketAddr, headers: &HeaderMap, trusted: &[Network]) -> SocketAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(peer.ip()) {
        return peer;
    }
    let lists = headers.get_all(FORWARDED_FOR).iter().rev().map(|list| list.to_str().unwrap_or(""));
    let mut nearest = peer;
    for hop in lists.flat_map(|list| list.rsplit(',')).take(MAX_HOPS) {
        let Some(address) = address(hop.trim()) else { break };
        nearest = SocketAddr::new(address, 0);
        if !is_trusted(address) {
            break;
        }
    }
    nearest
}

/// Whether a trusted proxy says that the client came over TLS.
pub(crate) fn said_to_be_secure(headers: &HeaderMap) -> bool {
    headers.get(FORWARDED_PROTO).is_some_and(|scheme| scheme.as_bytes().eq_ignore_ascii_case(b"https"))
}

/// An address, with a port or without.
fn address(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']')).unwrap_or(hop);
    let with_port = || hop.parse::<SocketAddr>().map(|address| address.ip());
    bare.parse().or_else(|_| with_port()).ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn asked_by(peer: &str, forwarded: &[&'static str], trusted: &[&str]) -> String {
        let trusted: Vec<Network> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        let mut headers = HeaderMap::new();
        for list in forwarded {
            headers.append(FORWARDED_FOR, HeaderValue::from_static(list));
        }
        source(peer.parse().unwrap(), &headers, &trusted).ip().to_string()
    }

    #[test]
    fn the_header_counts_from_a_trusted_proxy_only_and_only_as_far_as_that_wrote_it() {
        assert_eq!(asked_by("192.0.2.1:5", &["198.51.100.7"], &[]), "192.0.2.1");
        assert_eq!(asked_by("192.0.2.1:5", &["198.51.100.7"], &["10.0.0.0/8"]), "192.0.2.1");
        assert_eq!(asked_by("10.1.2.3:5", &["198.51.100.7"], &["10.0.0.0/8"]), "198.51.100.7");
        assert_eq!(asked_by("10.1.2.3:5", &["127.0.0.1, 198.51.100.7"], &["10.0.0.0/8"]), "198.51.100.7");
        assert_eq!(asked_by("10.1.2.3:5", &["127.0.0.1", "198.51.100.7, 10.9.9.9"], &["10.0.0.0/8"]), "198.51.100.7");
        assert_eq!(asked_by("10.1.2.3:5", &["[2001:db8::1]:443"], &["10.0.0.0/8"]), "2001:db8::1");
        assert_eq!(asked_by("10.1.2.3:5", &["nonsense"], &["10.0.0.0/8"]), "10.1.2.3");
        assert_eq!(asked_by("10.1.2.3:5", &[], &["10.0.0.0/8"]), "10.1.2.3");
    }

    #[test]
    fn a_network_is_an_address_and_as_many_bits_as_it_has() {
        let within = |network: &str, address: &str| {
            network.parse::<Network>().map(|network| network.contains(address.parse().unwrap()))
        };
        assert_eq!(within("10.0.0.0/8", "10.255.0.1"), Ok(true));
        assert_eq!(within("10.0.0.0/8", "11.0.0.1"), Ok(false));
        assert_eq!(within("10.0.0.1", "::ffff:10.0.0.1"), Ok(true));
        assert_eq!(within("0.0.0.0/0", "203.0.113.1"), Ok(true));
        assert_eq!(within("::/0", "2001:db8::1"), Ok(true));
        assert_eq!(within("2001:db8::/32", "2001:db9::1"), Ok(false));
        for wrong in ["", "10.0.0.0/33", "10.0.0.0/x", "pump"] {
            assert_eq!(wrong.parse::<Network>(), Err(InvalidNetwork), "{wrong}");
        }
    }
}
