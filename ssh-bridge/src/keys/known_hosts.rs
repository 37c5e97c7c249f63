//! known_hosts: which keys belong to which hosts.
//!
//! Spec: sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT".

use base64ct::{Base64, Encoding as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

use crate::keys::{Algorithm, Certificate, CertificateKind, Error, Limits, PublicKey, error::corrupt, pattern, text};

const SSH_PORT: u16 = 22;
const HASH_BYTES: usize = 20;

/// What a known_hosts file says about a host's key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// This very key is known for this host, or its certificate is of an authority that is trusted for it.
    Known {
        /// The line that says so, from 1.
        line: usize,
    },
    /// Nothing is known about this host. The only verdict on which a key may be learned.
    Unknown,
    /// Another key of the same algorithm is known: somebody is in between, or the host was set up anew.
    Changed {
        /// The line with the other key, from 1.
        line: usize,
        /// The other key.
        known: PublicKey,
    },
    /// Keys of other algorithms are known for this host, none of this one. To learn this key would let anybody in who has
    /// a key of an algorithm that the host does not use.
    OtherAlgorithmKnown {
        /// The algorithms that are known; ask the host for these.
        algorithms: Vec<Algorithm>,
    },
    /// This key must not be used any more.
    Revoked {
        /// The line that says so, from 1.
        line: usize,
    },
}

/// A known_hosts file. What is not understood is kept, and written back as it was.
///
/// ```
/// use towline_ssh_bridge::keys::{KnownHosts, Limits, PublicKey, Verdict};
///
/// let limits = Limits::default();
/// let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0TBZ0Dw4/mMxcbzJFBJUzXqXEbpJjVHMvEzUWnI7fM";
/// let known_hosts = KnownHosts::decode(format!("pump-7.example.com {key}\n").as_bytes(), &limits)?;
/// let key = PublicKey::decode(key.as_bytes(), &limits)?;
/// assert_eq!(known_hosts.check("Pump-7.example.com", 22, &key), Verdict::Known { line: 1 });
/// assert_eq!(known_hosts.check("pump-7.example.com", 2222, &key), Verdict::Unknown);
/// # Ok::<(), towline_ssh_bridge::keys::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownHosts {
    text: Vec<u8>,
    limits: Limits,
}

/// A line of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownHost {
    marker: Marker,
    hosts: String,
    key: PublicKey,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Marker {
    None,
    CertAuthority,
    Revoked,
}

/// A line about the host that is looked for.
struct Entry<'a> {
    line: usize,
    marker: Marker,
    algorithm: &'a [u8],
    base64: &'a [u8],
}

impl KnownHosts {
    /// Takes the file as it is. Lines that are not understood say nothing about any host.
    ///
    /// # Errors
    ///
    /// [`Error::TooCostly`] if it is longer than [`Limits::max_list_bytes`] or has more lines than
    /// [`Limits::max_list_lines`].
    pub fn decode(input: &[u8], limits: &Limits) -> Result<Self, Error> {
        limits.list(input.len())?;
        limits.list_lines(memchr::memchr_iter(b'\n', input).count())?;
        Ok(Self { text: input.to_vec(), limits: limits.clone() })
    }

    /// The file, byte for byte.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// Its lines, counted from 1, without those that are empty or comments. A line that is not understood says nothing about
    /// any host.
    pub fn entries(&self) -> impl Iterator<Item = (usize, Result<KnownHost, Error>)> {
        (1..).zip(lines(&self.text)).filter_map(|(number, line)| {
            let line = line.trim_ascii();
            let speaks = !line.is_empty() && !line.starts_with(b"#");
            speaks.then(|| (number, KnownHost::parse(line, &self.limits)))
        })
    }

    /// What the file says about `key` as that of `host`, a name or an address, on `port`. Names are compared without
    /// regard to case.
    pub fn check(&self, host: &str, port: u16, key: &PublicKey) -> Verdict {
        let mut verdict = Verdict::Unknown;
        for entry in self.about(host, port) {
            let Some(known) = entry.key(&self.limits) else { continue };
            match entry.marker {
                Marker::Revoked if known == *key => return Verdict::Revoked { line: entry.line },
                Marker::None => entry.weigh(known, key, &mut verdict),
                Marker::Revoked | Marker::CertAuthority => {}
            }
        }
        verdict
    }

    /// What the file says about a host that shows a certificate, at `now` (seconds since 1970): *known* if an authority
    /// that is trusted for the host signed it, and it is valid; otherwise what is said about the key in it.
    pub fn check_certificate(&self, host: &str, port: u16, certificate: &Certificate, now: u64) -> Verdict {
        let mut trusted = None;
        for entry in self.about(host, port) {
            let Some(known) = entry.key(&self.limits) else { continue };
            let is_authority = known == *certificate.authority();
            match entry.marker {
                Marker::Revoked if is_authority || known == *certificate.public_key() => {
                    return Verdict::Revoked { line: entry.line };
                }
                Marker::CertAuthority if is_authority => trusted = trusted.or(Some(entry.line)),
                _ => {}
            }
        }
        let host_name = host.to_ascii_lowercase();
        match trusted {
            // Principals of all hosts are no principals: OpenSSH refuses host certificates without any.
            Some(line)
                if !certificate.principals().is_empty()
                    && certificate.is_valid_for(CertificateKind::Host, &host_name, now)
                    && certificate.critical_options().next().is_none()
                    && certificate.verify().is_ok() =>
            {
                Verdict::Known { line }
            }
            _ => self.check(host, port, certificate.public_key()),
        }
    }

    /// The algorithms of the keys that are known for a host: ask it for these first, or it may show a key that is not known.
    pub fn algorithms(&self, host: &str, port: u16) -> Vec<Algorithm> {
        let mut found = Vec::new();
        for entry in self.about(host, port).filter(|entry| entry.marker == Marker::None) {
            if let Some(key) = entry.key(&self.limits)
                && !found.contains(key.algorithm())
            {
                found.push(key.algorithm().clone());
            }
        }
        found
    }

    /// The keys that are known for a host, without those of authorities and those that are revoked.
    pub fn keys(&self, host: &str, port: u16) -> Vec<PublicKey> {
        let revoked = |key: &PublicKey| matches!(self.check(host, port, key), Verdict::Revoked { .. });
        let own = self.about(host, port).filter(|entry| entry.marker == Marker::None);
        own.filter_map(|entry| entry.key(&self.limits)).filter(|key| !revoked(key)).collect()
    }

    /// Whether certificates of some authority are trusted for a host: then ask it for one.
    pub fn has_authority(&self, host: &str, port: u16) -> bool {
        self.about(host, port).any(|entry| entry.marker == Marker::CertAuthority && entry.key(&self.limits).is_some())
    }

    /// Adds a line at the end. With a `salt`, which has to be random, the line does not show which host it is about.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] if `host` could not stand in such a file; [`Error::TooCostly`] if the file becomes too long.
    pub fn add(&mut self, host: &str, port: u16, key: &PublicKey, salt: Option<[u8; HASH_BYTES]>) -> Result<(), Error> {
        let odd = |char: char| char.is_whitespace() || char.is_control() || ",*?!|#@".contains(char);
        if host.is_empty() || host.contains(odd) {
            return Err(corrupt("host name", "it has characters that known_hosts gives a meaning to"));
        }
        let name = lookup_name(host, port);
        let name = match salt {
            None => name,
            Some(salt) => {
                format!("|1|{}|{}", Base64::encode_string(&salt), Base64::encode_string(&hash(&salt, name.as_bytes())))
            }
        };
        let line = format!("{name} {key}\n");
        let separator: &[u8] = if matches!(self.text.last(), None | Some(b'\n')) { b"" } else { b"\n" };
        self.limits.list(self.text.len() + separator.len() + line.len())?;
        self.text.extend_from_slice(separator);
        self.text.extend_from_slice(line.as_bytes());
        Ok(())
    }

    /// Takes a line out, counted from 1; whether there was one.
    pub fn remove(&mut self, line: usize) -> bool {
        let mut from = 0;
        for number in 1.. {
            let Some(rest) = self.text.get(from..).filter(|rest| !rest.is_empty()) else { return false };
            let length = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
            if number == line {
                self.text.drain(from..from + length);
                return true;
            }
            from += length;
        }
        false
    }

    fn about(&self, host: &str, port: u16) -> impl Iterator<Item = Entry<'_>> {
        let name = lookup_name(host, port);
        (1..).zip(lines(&self.text)).filter_map(move |(line, text)| entry(line, text, name.as_bytes()))
    }
}

impl KnownHost {
    fn parse(line: &[u8], limits: &Limits) -> Result<Self, Error> {
        limits.file(line.len())?;
        let mut rest = line;
        let (marker, hosts) =
            marker_and_hosts(&mut rest).ok_or(Error::NotAKey("the line has no host, or its marker is unknown"))?;
        let (Some(algorithm), Some(base64)) = (word(&mut rest), word(&mut rest)) else {
            return Err(Error::NotAKey("the line has no algorithm and key after its hosts"));
        };
        let key = key(algorithm, base64, limits)?.with_comment(&String::from_utf8_lossy(rest));
        Ok(Self { marker, hosts: String::from_utf8_lossy(hosts).into_owned(), key })
    }

    /// The hosts that the line is about, as it has them: patterns between commas, or a hash.
    pub fn hosts(&self) -> &str {
        &self.hosts
    }

    /// `@cert-authority`: certificates that the key signed are trusted, the key itself is no host's.
    pub fn is_authority(&self) -> bool {
        self.marker == Marker::CertAuthority
    }

    /// `@revoked`: the key must not be used any more.
    pub fn is_revoked(&self) -> bool {
        self.marker == Marker::Revoked
    }

    /// The key, with its comment.
    pub fn public_key(&self) -> &PublicKey {
        &self.key
    }
}

impl Entry<'_> {
    /// The key, if it can be read and is what the line says.
    fn key(&self, limits: &Limits) -> Option<PublicKey> {
        key(self.algorithm, self.base64, limits).ok()
    }

    /// Makes the verdict worse or better by what this line knows. A key that is known stays known.
    fn weigh(&self, known: PublicKey, key: &PublicKey, verdict: &mut Verdict) {
        match verdict {
            Verdict::Known { .. } => {}
            _ if known == *key => *verdict = Verdict::Known { line: self.line },
            Verdict::Changed { .. } => {}
            _ if known.algorithm() == key.algorithm() => *verdict = Verdict::Changed { line: self.line, known },
            Verdict::OtherAlgorithmKnown { algorithms } => {
                if !algorithms.contains(known.algorithm()) {
                    algorithms.push(known.algorithm().clone());
                }
            }
            _ => *verdict = Verdict::OtherAlgorithmKnown { algorithms: vec![known.algorithm().clone()] },
        }
    }
}

/// The key of a line, if it is what the line says.
fn key(algorithm: &[u8], base64: &[u8], limits: &Limits) -> Result<PublicKey, Error> {
    let key = PublicKey::from_blob(&text::base64("known_hosts", base64)?, limits)?;
    if key.algorithm().name().as_bytes() != algorithm {
        return Err(corrupt("known_hosts", "the algorithm before the key is not the one in it"));
    }
    Ok(key)
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = memchr::memchr_iter(b'\n', text).chain([text.len()]);
    ends.scan(0, |from, end| {
        let line = text.get(*from..end);
        *from = end + 1;
        line
    })
}

/// A host as the file has it.
fn lookup_name(host: &str, port: u16) -> String {
    let host = host.to_ascii_lowercase();
    if port == SSH_PORT { host } else { format!("[{host}]:{port}") }
}

/// The line as an entry, if it is about the host that is called `name`.
fn entry<'a>(line: usize, text: &'a [u8], name: &[u8]) -> Option<Entry<'a>> {
    let mut rest = text;
    let (marker, hosts) = marker_and_hosts(&mut rest)?;
    let is_about = match hosts {
        [b'|', hashed @ ..] => hashes_to(hashed, name),
        hosts => pattern::list_fits(hosts, |pattern| pattern::fits(pattern, name)),
    };
    if !is_about {
        return None;
    }
    Some(Entry { line, marker, algorithm: word(&mut rest)?, base64: word(&mut rest)? })
}

/// The words before the key, unless the line is a comment or has an unknown marker.
fn marker_and_hosts<'a>(rest: &mut &'a [u8]) -> Option<(Marker, &'a [u8])> {
    Some(match word(rest)? {
        [b'#', ..] => return None,
        b"@cert-authority" => (Marker::CertAuthority, word(rest)?),
        b"@revoked" => (Marker::Revoked, word(rest)?),
        [b'@', ..] => return None,
        hosts => (Marker::None, hosts),
    })
}

/// The next word of a line: blanks and tabs are between.
fn word<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let text = rest.trim_ascii_start();
    let end = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
    let (word, after) = text.split_at_checked(end)?;
    *rest = after;
    (!word.is_empty()).then_some(word)
}

fn hash(salt: &[u8], name: &[u8]) -> [u8; HASH_BYTES] {
    // A key of any length will do, so this does not fail.
    match Hmac::<Sha1>::new_from_slice(salt) {
        Ok(mac) => mac.chain_update(name).finalize().into_bytes().into(),
        Err(_) => [0; HASH_BYTES],
    }
}

/// `1|salt|hash`, as it stands after the first bar.
fn hashes_to(hashed: &[u8], name: &[u8]) -> bool {
    let Some(rest) = hashed.strip_prefix(b"1|") else { return false };
    let Some((salt, expected)) = memchr::memchr(b'|', rest).and_then(|at| rest.split_at_checked(at)) else {
        return false;
    };
    let (mut salt_bytes, mut expected_bytes) = ([0; HASH_BYTES], [0; HASH_BYTES]);
    let salt = Base64::decode(salt, &mut salt_bytes);
    let expected = Base64::decode(expected.get(1..).unwrap_or_default(), &mut expected_bytes);
    matches!((salt, expected), (Ok(salt), Ok(expected))
        if salt.len() == HASH_BYTES && expected.len() == HASH_BYTES && hash(salt, name) == expected)
}
