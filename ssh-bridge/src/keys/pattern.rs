//! Patterns of names and addresses, as OpenSSH has them.
//!
//! Spec: ssh_config(5), "PATTERNS".

use std::net::IpAddr;

/// Whether `name` fits `pattern`, in which `*` stands for any characters and `?` for one. Case does not count.
pub(crate) fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut in_name) = (0, 0);
    // Where to go on if what follows the last `*` does not fit: linear in the pattern for each character of the name.
    let mut star: Option<(usize, usize)> = None;
    loop {
        match (pattern.get(at), name.get(in_name)) {
            (Some(b'*'), _) => {
                star = Some((at + 1, in_name));
                at += 1;
            }
            (Some(b'?'), Some(_)) => (at, in_name) = (at + 1, in_name + 1),
            (Some(one), Some(other)) if one.eq_ignore_ascii_case(other) => (at, in_name) = (at + 1, in_name + 1),
            (None, None) => return true,
            _ => match star {
                Some((after, taken)) if taken < name.len() => {
                    star = Some((after, taken + 1));
                    (at, in_name) = (after, taken + 1);
                }
                _ => return false,
            },
        }
    }
}

/// Whether one of a list of patterns fits, and none that is negated does.
pub(crate) fn list_fits(list: &[u8], fits: impl Fn(&[u8]) -> bool) -> bool {
    let mut found = false;
    for pattern in list.split(|byte| *byte == b',') {
        let (pattern, negated) = match pattern.strip_prefix(b"!") {
            Some(pattern) => (pattern, true),
            None => (pattern, false),
        };
        if !pattern.is_empty() && fits(pattern) {
            if negated {
                return false;
            }
            found = true;
        }
    }
    found
}

/// Whether `address` is in the network `pattern`, such as `192.0.2.0/24`; `None` if it is no network.
pub(crate) fn network_has(pattern: &str, address: IpAddr) -> Option<bool> {
    let (network, bits) = pattern.split_once('/')?;
    let (network, bits): (IpAddr, u32) = (network.parse().ok()?, bits.parse().ok()?);
    let prefix = |address: u128, width: u32| address.checked_shr(width.saturating_sub(bits)).unwrap_or_default();
    match (network, address.to_canonical()) {
        (IpAddr::V4(network), IpAddr::V4(address)) if bits <= 32 => {
            Some(prefix(network.to_bits().into(), 32) == prefix(address.to_bits().into(), 32))
        }
        (IpAddr::V6(network), IpAddr::V6(address)) if bits <= 128 => {
            Some(prefix(network.to_bits(), 128) == prefix(address.to_bits(), 128))
        }
        (IpAddr::V4(_), _) if bits <= 32 => Some(false),
        (IpAddr::V6(_), _) if bits <= 128 => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_stand_for_characters() {
        for (pattern, name, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*.example.com", "A.EXAMPLE.COM", true),
            ("*.example.com", "example.com", false),
            ("10.0.?.1", "10.0.7.1", true),
            ("10.0.?.1", "10.0.77.1", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("**a", "bba", true),
        ] {
            assert_eq!(fits(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_of_stars_takes_no_time() {
        let (pattern, name) = ("*a".repeat(2000), "a".repeat(1999));
        assert!(!fits(pattern.as_bytes(), name.as_bytes()));
    }

    #[test]
    fn a_network_has_its_addresses() {
        let has = |network, address: &str| network_has(network, address.parse().unwrap());
        assert_eq!(has("192.0.2.0/24", "192.0.2.77"), Some(true));
        assert_eq!(has("192.0.2.0/24", "::ffff:192.0.2.77"), Some(true));
        assert_eq!(has("192.0.2.0/24", "192.0.3.1"), Some(false));
        assert_eq!(has("0.0.0.0/0", "192.0.3.1"), Some(true));
        assert_eq!(has("2001:db8::/32", "2001:db8::1"), Some(true));
        assert_eq!(has("2001:db8::/32", "192.0.2.1"), Some(false));
        assert_eq!(has("192.0.2.0/33", "192.0.2.1"), None);
        assert_eq!(has("192.0.2.1", "192.0.2.1"), None);
    }
}
