//! authorized_keys: which keys may log in, and what they may do then.
//!
//! Spec: sshd(8), "AUTHORIZED_KEYS FILE FORMAT".

use std::net::IpAddr;

use crate::keys::{Certificate, Error, Limits, PublicKey, error::corrupt, file::Content, one_line, pattern};

const WHAT: &str = "authorized_keys";

/// An authorized_keys file. What is not understood is kept, and written back as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthorizedKeys {
    text: Vec<u8>,
    limits: Limits,
}

/// An option as it was written.
type NameAndValue = (String, Option<String>);

/// A line of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizedKey {
    options: Vec<NameAndValue>,
    permissions: Permissions,
    key: PublicKey,
    certificate: Option<Certificate>,
}

/// What a key's options come to, read from the left to the right.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Permissions {
    /// `cert-authority`: the key itself does not log in, certificates that it signed do.
    pub is_authority: bool,
    /// `command`: what runs, whatever is asked for.
    pub command: Option<String>,
    /// `environment`: names and values to set.
    pub environment: Vec<(String, String)>,
    /// `expiry-time`: from when the key is not good any more, in seconds since 1970. A time without a zone is taken as UTC.
    pub expires_at: Option<u64>,
    /// `from`: patterns of names and addresses to come from.
    pub from: Option<String>,
    /// `permitlisten`: where the other side may listen, as `host:port` or `port`; empty means anywhere.
    pub permit_listen: Vec<String>,
    /// `permitopen`: what may be connected to, as `host:port`; empty means anything.
    pub permit_open: Vec<String>,
    /// `principals`: for whom certificates have to be.
    pub principals: Option<Vec<String>>,
    /// `tunnel`: the device to use.
    pub tunnel: Option<String>,
    /// Whether authentication agents may be forwarded.
    pub agent_forwarding: bool,
    /// Whether ports may be forwarded.
    pub port_forwarding: bool,
    /// Whether a terminal may be had.
    pub pty: bool,
    /// Whether ~/.ssh/rc is run.
    pub user_rc: bool,
    /// Whether X11 may be forwarded.
    pub x11_forwarding: bool,
    /// Whether the security key has to be touched.
    pub touch_required: bool,
    /// Whether the security key has to know who touches it.
    pub verify_required: bool,
}

impl Default for Permissions {
    fn default() -> Self {
        Self {
            is_authority: false,
            command: None,
            environment: Vec::new(),
            expires_at: None,
            from: None,
            permit_listen: Vec::new(),
            permit_open: Vec::new(),
            principals: None,
            tunnel: None,
            agent_forwarding: true,
            port_forwarding: true,
            pty: true,
            user_rc: true,
            x11_forwarding: true,
            touch_required: true,
            verify_required: false,
        }
    }
}

impl AuthorizedKeys {
    /// Takes the file as it is.
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

    /// Its lines, counted from 1, without those that are empty or comments. A line that is not understood lets nobody in.
    pub fn entries(&self) -> impl Iterator<Item = (usize, Result<AuthorizedKey, Error>)> {
        (1..).zip(self.text.split(|byte| *byte == b'\n')).filter_map(|(number, line)| {
            let line = line.trim_ascii();
            let speaks = !line.is_empty() && !line.starts_with(b"#");
            speaks.then(|| (number, AuthorizedKey::parse(&String::from_utf8_lossy(line), &self.limits)))
        })
    }

    /// The first line that lets `key` itself in.
    pub fn find(&self, key: &PublicKey) -> Option<AuthorizedKey> {
        let entries = self.entries().filter_map(|(_, entry)| entry.ok());
        entries.into_iter().find(|entry| !entry.permissions.is_authority && entry.key == *key)
    }

    /// The first line whose authority signed `certificate`. Verify the certificate, and compare its principals.
    pub fn find_authority(&self, certificate: &Certificate) -> Option<AuthorizedKey> {
        let entries = self.entries().filter_map(|(_, entry)| entry.ok());
        entries.into_iter().find(|entry| entry.permissions.is_authority && entry.key == *certificate.authority())
    }

    /// Adds a line at the end.
    ///
    /// # Errors
    ///
    /// [`Error::TooCostly`] if the file becomes too long.
    pub fn add(&mut self, key: &PublicKey) -> Result<(), Error> {
        let separator: &[u8] = if matches!(self.text.last(), None | Some(b'\n')) { b"" } else { b"\n" };
        let line = format!("{key}\n");
        self.limits.list(self.text.len() + separator.len() + line.len())?;
        self.text.extend_from_slice(separator);
        self.text.extend_from_slice(line.as_bytes());
        Ok(())
    }
}

impl AuthorizedKey {
    /// A line: options, algorithm, base64, comment.
    ///
    /// # Errors
    ///
    /// [`Error::NotAKey`] if it does not look like one; [`Error::Unsupported`] for an option that is not known: what it
    /// restricts would be allowed; [`Error::Corrupt`] and [`Error::TooCostly`] for the key in it.
    pub fn parse(line: &str, limits: &Limits) -> Result<Self, Error> {
        limits.file(line.len())?;
        let line = line.trim();
        let (options, words) = match one_line::words(line) {
            Some(words) => (Vec::new(), words),
            None => {
                let (options, rest) = options(line)?;
                (options, one_line::words(rest).ok_or(one_line::NO_KEY)?)
            }
        };
        let (key, certificate) = match words.decode(limits)? {
            (_, Content::Certificate(certificate)) => (certificate.public_key().clone(), Some(*certificate)),
            (_, Content::Public(key)) => (key, None),
            _ => return Err(corrupt(WHAT, "neither key nor certificate")),
        };
        let permissions = permissions(&options)?;
        Ok(Self { options, permissions, key, certificate })
    }

    /// The options as they were written: names in lower case, values without quotes.
    pub fn options(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.options.iter().map(|(name, value)| (name.as_str(), value.as_deref()))
    }

    /// What the options come to.
    pub fn permissions(&self) -> &Permissions {
        &self.permissions
    }

    /// The key, with its comment.
    pub fn public_key(&self) -> &PublicKey {
        &self.key
    }

    /// The certificate, if the line has one: in `-cert.pub` files.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_ref()
    }
}

impl Permissions {
    /// Whether somebody may come from `address`, whose name is `host` if that is known.
    pub fn permits_from(&self, address: IpAddr, host: Option<&str>) -> bool {
        let Some(from) = &self.from else { return true };
        let written = address.to_canonical().to_string();
        pattern::list_fits(from.as_bytes(), |one| {
            let network = std::str::from_utf8(one).ok().and_then(|one| pattern::network_has(one, address));
            network.unwrap_or_else(|| {
                pattern::fits(one, written.as_bytes()) || host.is_some_and(|host| pattern::fits(one, host.as_bytes()))
            })
        })
    }

    /// Whether the key is still good at `now`, in seconds since 1970.
    pub fn permits_at(&self, now: u64) -> bool {
        self.expires_at.is_none_or(|expires_at| now < expires_at)
    }
}

/// Options in front of a key, and what follows them.
fn options(line: &str) -> Result<(Vec<NameAndValue>, &str), Error> {
    let unfinished = corrupt(WHAT, "a quote that does not end");
    let mut found = Vec::new();
    let mut rest = line;
    loop {
        let end = rest.find(['=', ',', ' ', '\t']).ok_or(Error::NotAKey("no line of it has an algorithm and a key"))?;
        let (name, after) = rest.split_at_checked(end).unwrap_or_default();
        let name = name.to_ascii_lowercase();
        rest = after;
        let value = match rest.strip_prefix("=\"") {
            None if rest.starts_with('=') => return Err(corrupt(WHAT, "an option's value without quotes")),
            None => None,
            Some(quoted) => {
                let mut value = String::new();
                let mut chars = quoted.chars();
                loop {
                    match (chars.next().ok_or(unfinished.clone())?, chars.as_str()) {
                        ('\\', after) if after.starts_with('"') => {
                            chars.next();
                            value.push('"');
                        }
                        ('"', _) => break,
                        (char, _) => value.push(char),
                    }
                }
                rest = chars.as_str();
                Some(value)
            }
        };
        found.push((name, value));
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None => return Ok((found, rest.trim_start())),
        }
    }
}

fn permissions(options: &[NameAndValue]) -> Result<Permissions, Error> {
    let mut permissions = Permissions::default();
    for (name, value) in options {
        option(&mut permissions, name, value.as_deref())?;
    }
    Ok(permissions)
}

fn option(to: &mut Permissions, name: &str, value: Option<&str>) -> Result<(), Error> {
    let list = |value: &str| value.split(',').map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect();
    match (name, value) {
        ("cert-authority", None) => to.is_authority = true,
        ("command", Some(value)) if to.command.is_none() => to.command = Some(value.into()),
        ("environment", Some(value)) => {
            let (name, value) = value.split_once('=').ok_or(corrupt(WHAT, "an environment without a value"))?;
            to.environment.push((name.into(), value.into()));
        }
        ("expiry-time", Some(value)) => {
            let time = expiry_time(value).ok_or(corrupt(WHAT, "an expiry-time that is none"))?;
            to.expires_at = Some(to.expires_at.map_or(time, |earlier| earlier.min(time)));
        }
        ("from", Some(value)) if to.from.is_none() => to.from = Some(value.into()),
        ("permitlisten", Some(value)) => to.permit_listen.push(value.into()),
        ("permitopen", Some(value)) => to.permit_open.push(value.into()),
        ("principals", Some(value)) if to.principals.is_none() => to.principals = Some(list(value)),
        ("tunnel", Some(value)) if to.tunnel.is_none() => to.tunnel = Some(value.into()),
        ("agent-forwarding", None) => to.agent_forwarding = true,
        ("no-agent-forwarding", None) => to.agent_forwarding = false,
        ("port-forwarding", None) => to.port_forwarding = true,
        ("no-port-forwarding", None) => to.port_forwarding = false,
        ("pty", None) => to.pty = true,
        ("no-pty", None) => to.pty = false,
        ("user-rc", None) => to.user_rc = true,
        ("no-user-rc", None) => to.user_rc = false,
        ("x11-forwarding", None) => to.x11_forwarding = true,
        ("no-x11-forwarding", None) => to.x11_forwarding = false,
        ("no-touch-required", None) => to.touch_required = false,
        ("touch-required", None) => to.touch_required = true,
        ("verify-required", None) => to.verify_required = true,
        ("no-verify-required", None) => to.verify_required = false,
        ("restrict", None) => {
            to.agent_forwarding = false;
            to.port_forwarding = false;
            to.pty = false;
            to.user_rc = false;
            to.x11_forwarding = false;
        }
        (name, _) => return Err(Error::unsupported("option of authorized_keys", name)),
    }
    Ok(())
}

/// `YYYYMMDD`, `YYYYMMDDHHMM` or `YYYYMMDDHHMMSS`, with or without a `Z`, in seconds since 1970.
fn expiry_time(text: &str) -> Option<u64> {
    let digits = text.strip_suffix(['Z', 'z']).unwrap_or(text);
    if !matches!(digits.len(), 8 | 12 | 14) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize, to: usize| digits.get(from..to).map_or(Some(0), |part| part.parse::<u64>().ok());
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days_of = |month: u64| match month {
        2 if leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if year < 1970 || !(1..=12).contains(&month) || !(1..=days_of(month)).contains(&day) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let years: u64 = (1970..year).map(|year| if leap(year) { 366 } else { 365 }).sum();
    let months: u64 = (1..month).map(days_of).sum();
    Some(((years + months + day - 1) * 24 + hour) * 3600 + minute * 60 + second)
}
