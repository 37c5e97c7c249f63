//! An endpoint as somebody wants it, with every field looked at, so that a form can show all that is wrong at once.

use std::net::Ipv6Addr;

use getrandom::{SysRng, rand_core::UnwrapErr};
use towline_cloud_api::{Endpoint, ErrorCode, FieldError, HostKey, Protocol, Secret, SignIn, UpdateEndpoint};
use towline_ssh_bridge::keys::{Error as KeyError, Format, KnownHosts, NewKey, PrivateKey, PublicKey};

use crate::{
    api::{Failure, wrong_name},
    console::is_charset,
    store::audit::is_control,
    terminal::{host_key, key_limits},
    vault::Field,
};

const MAX_HOST_BYTES: usize = 255;
const MAX_PASSWORD_BYTES: usize = 255;
const MAX_USER_BYTES: usize = 255;
const MAX_HOST_KEYS: usize = 16;

/// An endpoint that is right, and the secrets that go with it.
pub(crate) struct Draft {
    pub(crate) endpoint: Endpoint,
    pub(crate) secrets: Vec<(Field, Secret)>,
}

/// What is wrong, field by field.
#[derive(Default)]
struct Faults(Vec<FieldError>);

impl Faults {
    fn add(&mut self, field: &str, detail: impl Into<String>) {
        self.0.push(FieldError { field: field.into(), detail: detail.into() });
    }
}

impl Draft {
    /// `base` with all that `wish` wants.
    pub(crate) async fn new(base: Endpoint, wish: UpdateEndpoint) -> Result<Self, Failure> {
        let mut faults = Faults::default();
        let mut endpoint = base.clone();
        endpoint.name = wish.name.unwrap_or(endpoint.name);
        endpoint.host = wish.host.unwrap_or(endpoint.host);
        endpoint.port = wish.port.unwrap_or(endpoint.port);
        endpoint.view_only = wish.view_only.unwrap_or(endpoint.view_only);
        endpoint.legacy_algorithms = wish.legacy_algorithms.unwrap_or(endpoint.legacy_algorithms);
        endpoint.telnet = wish.telnet.or(endpoint.telnet);
        endpoint.user = wish.user.filter(|user| !user.is_empty()).or(endpoint.user);
        // Whoever gives a secret wants to sign in with it.
        let implied = match (&wish.password, &wish.private_key, wish.generate_key) {
            (Some(_), None, false) => Some(SignIn::Password),
            (None, None, false) => None,
            (_, _, _) => Some(SignIn::KeyPair),
        };
        endpoint.sign_in = wish.sign_in.or(implied).unwrap_or(endpoint.sign_in);
        if let Some(text) = &wish.host_keys {
            match host_keys(text, &endpoint.host, endpoint.port) {
                Ok(keys) => endpoint.host_keys = keys,
                Err(detail) => faults.add("host_keys", detail),
            }
        }
        check_fields(&endpoint, &mut faults);

        let keeps = endpoint.sign_in == base.sign_in;
        endpoint.has_password = (keeps && base.has_password) || wish.password.is_some();
        let mut secrets = Vec::new();
        match endpoint.sign_in {
            SignIn::Password => {
                check_password(wish.password.as_ref(), endpoint.has_password, &mut faults);
                secrets.extend(wish.password.map(|password| (Field::Password, password)));
                endpoint.public_key = None;
            }
            SignIn::KeyPair => {
                endpoint.has_password = false;
                let had_key = keeps && base.sign_in == SignIn::KeyPair;
                let key = Key { text: wish.private_key, passphrase: wish.passphrase, generate: wish.generate_key };
                key.settle(&mut endpoint, had_key, &mut secrets, &mut faults).await?;
            }
            SignIn::None | SignIn::Ask => {
                endpoint.has_password = false;
                endpoint.public_key = None;
                if wish.password.is_some() {
                    faults.add("password", "without signing in with a password there is none to keep");
                }
            }
        }
        if faults.0.is_empty() { Ok(Self { endpoint, secrets }) } else { Err(Failure::fields(faults.0)) }
    }
}

fn check_fields(endpoint: &Endpoint, faults: &mut Faults) {
    let Endpoint { name, protocol, host, port, sign_in, view_only, user, legacy_algorithms, telnet, .. } = endpoint;
    if let Some(detail) = wrong_name("endpoint", name) {
        faults.add("name", detail);
    }
    if let Some(detail) = wrong_host(host) {
        faults.add("host", detail);
    }
    if *port == 0 {
        faults.add("port", "a port is 1 to 65535");
    }
    if !protocol.sign_ins().contains(sign_in) {
        let ways: Vec<_> = protocol.sign_ins().iter().map(|way| way.as_str()).collect();
        faults.add("sign_in", format!("sign_in of {protocol} is one of: {}", ways.join(", ")));
    }
    if *view_only && *protocol != Protocol::Vnc {
        faults.add("view_only", "only a screen can be looked at only");
    }
    match user {
        Some(_) if *protocol != Protocol::Ssh => faults.add("user", "only SSH signs in as a user"),
        Some(user) if user.len() > MAX_USER_BYTES || user.contains(is_control) => {
            faults.add("user", format!("a user has at most {MAX_USER_BYTES} bytes and no control characters"));
        }
        None if *protocol == Protocol::Ssh => faults.add("user", "SSH signs in as a user"),
        _ => {}
    }
    if *protocol != Protocol::Ssh {
        if *legacy_algorithms {
            faults.add("legacy_algorithms", "only SSH has algorithms");
        }
        if !endpoint.host_keys.is_empty() {
            faults.add("host_keys", "only SSH servers have host keys");
        }
    }
    match telnet {
        Some(_) if *protocol != Protocol::Telnet => faults.add("telnet", "these are for Telnet"),
        Some(telnet) if !is_charset(&telnet.charset) => {
            faults.add(
                "telnet",
                "a character set is one of the Encoding Standard, such as utf-8, iso-8859-1, shift_jis, or cp437",
            );
        }
        _ => {}
    }
}

fn check_password(password: Option<&Secret>, has_password: bool, faults: &mut Faults) {
    match password {
        Some(password) if !(1..=MAX_PASSWORD_BYTES).contains(&password.expose().len()) => {
            faults.add("password", format!("a password has 1 to {MAX_PASSWORD_BYTES} bytes"));
        }
        None if !has_password => faults.add("password", "signing in with a password takes a password"),
        _ => {}
    }
}

/// A host name or an address: it goes into a URL and into messages, so nothing that could end it early.
fn wrong_host(host: &str) -> Option<String> {
    let forbidden =
        |character: char| is_control(character) || character.is_whitespace() || "/@\\?#[]".contains(character);
    let is_colon_right = !host.contains(':') || host.parse::<Ipv6Addr>().is_ok();
    if (1..=MAX_HOST_BYTES).contains(&host.len()) && !host.contains(forbidden) && is_colon_right {
        return None;
    }
    Some(format!(
        "a host has 1 to {MAX_HOST_BYTES} bytes, no blanks, no control characters, none of / @ \\ ? # [ ], and a colon in an IPv6 address only"
    ))
}

/// The keys that a server may have, from lines of `known_hosts` or of `.pub` files. Of a whole `known_hosts` in which the
/// target's own name stands, only what is said about that name counts.
pub(crate) fn host_keys(text: &str, host: &str, port: u16) -> Result<Vec<HostKey>, String> {
    let known_hosts = KnownHosts::decode(text.as_bytes(), &key_limits()).map_err(|error| error.to_string())?;
    let mut keys: Vec<_> = known_hosts.keys(host, port).iter().map(host_key).collect();
    if keys.is_empty() {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        keys = lines.map(host_key_of).collect::<Result<_, _>>()?;
    }
    if keys.len() > MAX_HOST_KEYS {
        return Err(format!("at most {MAX_HOST_KEYS} host keys"));
    }
    Ok(keys)
}

fn host_key_of(line: &str) -> Result<HostKey, String> {
    let key = line.parse::<PublicKey>().or_else(|error| {
        // A line of known_hosts has the host's name in front.
        let (_, rest) = line.split_once(char::is_whitespace).ok_or(error)?;
        rest.parse()
    });
    // Without the comment, which says nothing about the host.
    let key = key.map(|key| key.with_comment(""));
    key.map(|key| host_key(&key)).map_err(|error| format!("a host key is a line as in ssh_host_*_key.pub: {error}"))
}

/// A key pair that somebody wants to sign in with.
struct Key {
    text: Option<Secret>,
    passphrase: Option<Secret>,
    generate: bool,
}

impl Key {
    async fn settle(
        self,
        endpoint: &mut Endpoint,
        had_key: bool,
        secrets: &mut Vec<(Field, Secret)>,
        faults: &mut Faults,
    ) -> Result<(), Failure> {
        let Self { text, passphrase, generate } = self;
        match (text, generate) {
            (Some(_), true) => faults.add("private_key", "a key is either given or made"),
            (Some(text), false) => {
                let found = blocking({
                    let (text, passphrase) = (text.clone(), passphrase.clone());
                    move || public_half(text.expose(), passphrase.as_ref().map(Secret::expose))
                });
                match found.await? {
                    Ok(public_key) => endpoint.public_key = public_key,
                    Err(detail) => faults.add("private_key", detail),
                }
                secrets.push((Field::PrivateKey, text));
                secrets.extend(passphrase.map(|passphrase| (Field::Passphrase, passphrase)));
            }
            (None, true) => {
                let (private, public) = blocking(generate_pair).await??;
                endpoint.public_key = Some(public.to_string());
                secrets.push((Field::PrivateKey, private));
            }
            (None, false) if !had_key => faults.add("private_key", "signing in with a key pair takes a key"),
            (None, false) => secrets.extend(passphrase.map(|passphrase| (Field::Passphrase, passphrase))),
        }
        Ok(())
    }
}

/// Opening a key costs time on purpose, making one by nature.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Failure::new(ErrorCode::Internal, ""))
}

/// The public half of a private key; none if only its passphrase would show it.
fn public_half(text: &str, passphrase: Option<&str>) -> Result<Option<String>, String> {
    match PrivateKey::decode(text.as_bytes(), passphrase.map(str::as_bytes), &key_limits()) {
        Ok(key) => Ok(Some(key.public_key().to_string())),
        // Whoever connects will be asked for it.
        Err(KeyError::NeedsPassphrase) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

fn generate_pair() -> Result<(Secret, PublicKey), Failure> {
    let failed = |error: KeyError| Failure::new(ErrorCode::Internal, error.to_string());
    let key = PrivateKey::generate(NewKey::Ed25519, "towline", &mut UnwrapErr(SysRng)).map_err(failed)?;
    let text = key.encode(Format::OpensshKeyV1, None, &mut UnwrapErr(SysRng)).map_err(failed)?;
    Ok((Secret::from(text.as_str().to_owned()), key.public_key().clone()))
}
