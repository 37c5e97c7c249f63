//! What the device itself allows: `allow.toml`, checked against each resolved address.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::RangeInclusive,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::Deserialize;

use crate::text::toml_reason;

/// Name of the allow-list file inside the data folder.
pub const FILE_NAME: &str = "allow.toml";
const VERSION: u32 = 1;
const MAX_FILE_BYTES: u64 = 64 * 1024;
const MAX_RULES: usize = 1024;

/// Where clouds serve credentials to their machines. Only a rule for the very address opens one.
const METADATA: [IpAddr; 4] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

/// Addresses and ports that the agent may connect. What no rule names is denied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    rules: Vec<Rule>,
}

/// Why there is no policy; until there is one everything is denied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The file is there and cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not what it should be.
    #[error("{} is not understood: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What and where.
        reason: String,
    },
}

impl Policy {
    /// The policy of the data folder: that of its file, or [`Policy::loopback_only`] if there is none.
    ///
    /// It is read anew for each connection, so an edit counts at once.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] if the file cannot be read or understood. The caller denies everything then.
    pub fn load(data_dir: &Path) -> Result<Self, PolicyError> {
        let path = data_dir.join(FILE_NAME);
        let text = match read_bounded(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::loopback_only()),
            Err(source) => return Err(PolicyError::Read { path, source }),
        };
        Self::parse(&text).map_err(|reason| PolicyError::Malformed { path, reason })
    }

    /// The default: this machine's loopback addresses, every port.
    pub fn loopback_only() -> Self {
        let rule = |network, prefix_bits| Rule { network, prefix_bits, ports: Vec::new() };
        Self { rules: vec![rule(Ipv4Addr::new(127, 0, 0, 0).into(), 8), rule(Ipv6Addr::LOCALHOST.into(), 128)] }
    }

    /// Whether the agent may connect `address`. The caller connects this very address, not a name.
    ///
    /// An IPv4 address in IPv6 clothes counts as the IPv4 address. Unspecified and multicast addresses are never
    /// allowed; link-local ones only by a rule inside the link-local range, and the addresses where clouds serve
    /// credentials only by a rule for exactly that address.
    pub fn allows(&self, address: IpAddr, port: u16) -> bool {
        let address = address.to_canonical();
        if address.is_unspecified() || address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST) {
            return false;
        }
        let by_name = METADATA.contains(&address);
        let link_local = is_link_local(address);
        self.rules
            .iter()
            .filter(|rule| rule.contains(address, port))
            .any(|rule| (!by_name || rule.is_single()) && (!link_local || rule.is_link_local()))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| toml_reason(text, &error))?;
        if file.version != VERSION {
            return Err(format!("version {} is not {VERSION}", file.version));
        }
        if file.allow.len() > MAX_RULES {
            return Err(format!("{} rules are more than {MAX_RULES}", file.allow.len()));
        }
        let rule = |text: &String| text.parse().map_err(|error| format!("rule {text:?}: {error}"));
        Ok(Self { rules: file.allow.iter().map(rule).collect::<Result<_, _>>()? })
    }
}

fn read_bounded(path: &Path) -> io::Result<String> {
    use io::Read as _;
    let mut text = String::new();
    std::fs::File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("it is larger than {MAX_FILE_BYTES} bytes")));
    }
    Ok(text)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    allow: Vec<String>,
}

/// One line of the list: a network and, if given, its ports. No ports means all.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    network: IpAddr,
    prefix_bits: u32,
    ports: Vec<RangeInclusive<u16>>,
}

impl Rule {
    fn contains(&self, address: IpAddr, port: u16) -> bool {
        let network = match (self.network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                network.to_bits() == masked_v4(address.to_bits(), self.prefix_bits)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                network.to_bits() == masked_v6(address.to_bits(), self.prefix_bits)
            }
            _ => false,
        };
        network && (self.ports.is_empty() || self.ports.iter().any(|range| range.contains(&port)))
    }

    fn is_single(&self) -> bool {
        self.prefix_bits == full_bits(self.network)
    }

    fn is_link_local(&self) -> bool {
        is_link_local(self.network) && self.prefix_bits >= if self.network.is_ipv4() { 16 } else { 10 }
    }
}

impl FromStr for Rule {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (network, ports) = match text.strip_prefix('[') {
            Some(rest) => {
                let (network, rest) = rest.split_once(']').ok_or("a bracket is not closed")?;
                if !network.contains(':') {
                    return Err("only an IPv6 address stands in brackets");
                }
                match rest {
                    "" => (network, None),
                    _ => (network, Some(rest.strip_prefix(':').ok_or("ports follow the bracket after a colon")?)),
                }
            }
            None => match text.split_once(':') {
                Some((_, ports)) if ports.contains(':') => (text, None),
                Some((network, ports)) => (network, Some(ports)),
                None => (text, None),
            },
        };
        let (network, prefix_bits) = parse_network(network)?;
        let ports = ports.map_or(Ok(Vec::new()), |ports| ports.split(',').map(parse_ports).collect())?;
        Ok(Self { network, prefix_bits, ports })
    }
}

fn parse_network(text: &str) -> Result<(IpAddr, u32), &'static str> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(decimal(prefix).ok_or("the prefix is not a number")?)),
        None => (text, None),
    };
    let written: IpAddr = address.parse().map_err(|_| "neither an address nor a network (names are not allowed)")?;
    let written_bits = full_bits(written);
    let prefix_bits = prefix.unwrap_or(written_bits);
    if prefix_bits > written_bits {
        return Err("the prefix is longer than the address");
    }
    // A mapped network is the IPv4 network; one that reaches beyond the mapped range stays what it is.
    let (network, prefix_bits) = match written.to_canonical() {
        network @ IpAddr::V4(_) if written.is_ipv6() && prefix_bits >= 96 => (network, prefix_bits - 96),
        _ => (written, prefix_bits),
    };
    let masked = match network {
        IpAddr::V4(address) => IpAddr::V4(Ipv4Addr::from_bits(masked_v4(address.to_bits(), prefix_bits))),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(masked_v6(address.to_bits(), prefix_bits))),
    };
    if masked != network {
        return Err("the address has bits beyond its prefix: write the network, or leave the prefix out");
    }
    Ok((network, prefix_bits))
}

fn parse_ports(text: &str) -> Result<RangeInclusive<u16>, &'static str> {
    let port = |text: &str| {
        let port = decimal(text).and_then(|port| u16::try_from(port).ok());
        port.filter(|port| *port != 0).ok_or("a port is not 1 to 65535")
    };
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (port(first)?, port(last)?),
        None => (port(text)?, port(text)?),
    };
    if first > last {
        return Err("a range of ports runs backwards");
    }
    Ok(first..=last)
}

/// Digits only: `u32::from_str` would let a sign pass.
fn decimal(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn full_bits(address: IpAddr) -> u32 {
    if address.is_ipv4() { Ipv4Addr::BITS } else { Ipv6Addr::BITS }
}

fn masked_v4(bits: u32, prefix_bits: u32) -> u32 {
    bits & u32::MAX.checked_shl(Ipv4Addr::BITS.saturating_sub(prefix_bits)).unwrap_or(0)
}

fn masked_v6(bits: u128, prefix_bits: u32) -> u128 {
    bits & u128::MAX.checked_shl(Ipv6Addr::BITS.saturating_sub(prefix_bits)).unwrap_or(0)
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(rules: &[&str], address: &str, port: u16) -> bool {
        let list: Vec<String> = rules.iter().map(|rule| format!("{rule:?}")).collect();
        let policy = Policy::parse(&format!("version = 1\nallow = [{}]", list.join(", "))).unwrap();
        policy.allows(address.parse().unwrap(), port)
    }

    #[test]
    fn without_a_file_only_loopback_is_allowed() {
        let folder = tempfile::tempdir().unwrap();
        let policy = Policy::load(folder.path()).unwrap();
        for (address, allowed) in [
            ("127.0.0.1", true),
            ("127.255.255.255", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("126.255.255.255", false),
            ("128.0.0.0", false),
            ("::2", false),
            ("::", false),
            ("0.0.0.0", false),
            ("192.168.1.1", false),
            ("::ffff:192.168.1.1", false),
            ("169.254.169.254", false),
        ] {
            assert_eq!(policy.allows(address.parse().unwrap(), 22), allowed, "{address}");
        }
    }

    #[test]
    fn a_rule_allows_its_network_and_ports_and_nothing_else() {
        for (rule, address, port, allowed) in [
            ("10.1.2.3", "10.1.2.3", 1, true),
            ("10.1.2.3", "10.1.2.4", 1, false),
            ("192.168.1.0/24", "192.168.1.0", 80, true),
            ("192.168.1.0/24", "192.168.1.255", 80, true),
            ("192.168.1.0/24", "192.168.0.255", 80, false),
            ("192.168.1.0/24", "192.168.2.0", 80, false),
            ("192.168.1.0/24", "::ffff:192.168.1.7", 80, true),
            ("192.168.1.0/24:22,5900-5910", "192.168.1.7", 22, true),
            ("192.168.1.0/24:22,5900-5910", "192.168.1.7", 23, false),
            ("192.168.1.0/24:22,5900-5910", "192.168.1.7", 5899, false),
            ("192.168.1.0/24:22,5900-5910", "192.168.1.7", 5900, true),
            ("192.168.1.0/24:22,5900-5910", "192.168.1.7", 5910, true),
            ("192.168.1.0/24:22,5900-5910", "192.168.1.7", 5911, false),
            ("0.0.0.0/0", "8.8.8.8", 53, true),
            ("0.0.0.0/0", "::ffff:8.8.8.8", 53, true),
            ("0.0.0.0/0", "2001:db8::1", 53, false),
            ("::/0", "2001:db8::1", 53, true),
            ("::/0", "8.8.8.8", 53, false),
            ("10.0.0.0/31", "10.0.0.1", 1, true),
            ("10.0.0.0/31", "10.0.0.2", 1, false),
            ("2001:db8::/32", "2001:db8:ffff::1", 22, true),
            ("2001:db8::/32", "2001:db9::1", 22, false),
            ("[2001:db8::/32]:22", "2001:db8::1", 22, true),
            ("[2001:db8::/32]:22", "2001:db8::1", 23, false),
            ("[::1]:22", "::1", 22, true),
            ("[::1]", "::1", 23, true),
            ("::ffff:10.0.0.0/104", "10.9.9.9", 22, true),
            ("::ffff:10.0.0.1", "10.0.0.1", 22, true),
            ("::ffff:10.0.0.1", "10.0.0.2", 22, false),
        ] {
            assert_eq!(allows(&[rule], address, port), allowed, "{rule} and {address} port {port}");
        }
    }

    #[test]
    fn link_local_and_metadata_addresses_must_be_named() {
        for (rules, address, allowed) in [
            (["0.0.0.0/0", "::/0"].as_slice(), "169.254.169.254", false),
            (&["0.0.0.0/0", "::/0"], "::ffff:169.254.169.254", false),
            (&["0.0.0.0/0", "::/0"], "169.254.7.7", false),
            (&["0.0.0.0/0", "::/0"], "fe80::1", false),
            (&["0.0.0.0/0", "::/0"], "fd00:ec2::254", false),
            (&["0.0.0.0/0", "::/0"], "100.100.100.200", false),
            (&["0.0.0.0/0", "::/0"], "fd00:ec2::253", true),
            (&["169.254.0.0/16"], "169.254.7.7", true),
            (&["169.254.0.0/16"], "169.254.169.254", false),
            (&["169.254.169.254"], "169.254.169.254", true),
            (&["169.254.169.254/32:80"], "169.254.169.254", true),
            (&["169.254.0.0/15"], "169.254.7.7", false),
            (&["fe80::/10"], "fe80::1", true),
            (&["0.0.0.0/0", "::/0"], "0.0.0.0", false),
            (&["0.0.0.0/0", "::/0"], "::", false),
            (&["0.0.0.0/0", "::/0"], "224.0.0.1", false),
            (&["0.0.0.0/0", "::/0"], "ff02::1", false),
            (&["0.0.0.0/0", "::/0"], "255.255.255.255", false),
        ] {
            assert_eq!(allows(rules, address, 80), allowed, "{rules:?} and {address}");
        }
    }

    #[test]
    fn an_empty_list_denies_everything() {
        assert!(!allows(&[], "127.0.0.1", 22));
    }

    #[test]
    fn garbage_is_refused_and_says_which_rule() {
        for rule in [
            "",
            " 10.0.0.1",
            "localhost",
            "10.0.0.1/33",
            "10.0.0.1/-1",
            "10.0.0.1/+8",
            "10.0.0.1/",
            "192.168.1.5/24",
            "::1/129",
            "10.0.0.1:0",
            "10.0.0.1:65536",
            "10.0.0.1:",
            "10.0.0.1:22,",
            "10.0.0.1:+22",
            "10.0.0.1:30-20",
            "10.0.0.1:20-",
            "[::1",
            "[::1]22",
            "[10.0.0.1]:22",
            "fe80::1%eth0",
            "010.0.0.1",
            "0x7f.0.0.1",
            "*",
        ] {
            let error = Policy::parse(&format!("version = 1\nallow = [{rule:?}]")).unwrap_err();
            assert!(error.contains(&format!("{rule:?}")), "{error}");
        }
        for file in
            ["", "allow = []", "version = 2\nallow = []", "version = 1", "version = 1\nallow = []\ndeny = []", "{"]
        {
            assert!(Policy::parse(file).is_err(), "{file:?}");
        }
    }

    #[test]
    fn a_file_that_is_not_understood_is_an_error_and_an_edit_counts_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        std::fs::write(&path, "allow everything, please").unwrap();
        assert!(matches!(Policy::load(folder.path()), Err(PolicyError::Malformed { .. })));

        std::fs::write(&path, "version = 1\nallow = [\"10.0.0.0/8\"]").unwrap();
        let policy = Policy::load(folder.path()).unwrap();
        assert!(policy.allows("10.0.0.1".parse().unwrap(), 22));
        assert!(!policy.allows("127.0.0.1".parse().unwrap(), 22));

        std::fs::write(&path, vec![b'#'; 70_000]).unwrap();
        assert!(matches!(Policy::load(folder.path()), Err(PolicyError::Read { .. })));
    }
}
