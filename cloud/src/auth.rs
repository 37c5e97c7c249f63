//! Who calls, and what they may do. The only way from a request to the store leads through here.

pub(crate) mod browser;
mod challenge;
mod password;
mod penalty;
pub(crate) mod totp;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::extract::FromRequestParts;
use http::{HeaderValue, header, request::Parts};
use towline_cloud_api::{CurrentUser, ErrorCode, Login, LoginGranted, Permission};
use zeroize::Zeroizing;

pub(crate) use self::{
    challenge::{Challenges, Fault},
    password::{HashFailed, MAX_PASSWORD_BYTES, Passwords},
    penalty::{Allowance, Penalties, Wait},
};
use crate::{
    api::Failure,
    app::App,
    moment::{now_millis, rfc3339},
    random,
    store::{Account, Actor, Entry, StoredDevice, Tenant, Visitor},
};

const TOKEN_PREFIX: &str = "tlt1_";
const TOKEN_LIFE: Duration = Duration::from_secs(12 * 60 * 60);
const LOGIN_ALLOWANCE: Allowance = Allowance { per_account: 5, per_source: 50 };
/// Who guesses codes knows the password already, and six digits are few: counted from wherever they come.
const CODE_ALLOWANCE: Allowance = Allowance { per_account: 10, per_source: u32::MAX };
const ANYWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// The other end of a request's connection; the listener puts it into each request.
#[derive(Clone, Copy)]
pub(crate) struct Peer {
    /// Where the request comes from.
    pub(crate) source: SocketAddr,
    /// Whether it came over TLS, as far as the cloud or a proxy that it trusts can tell.
    pub(crate) is_secure: bool,
    /// The exporter of the TLS that ends here (RFC 9266).
    pub(crate) exporter: Option<[u8; 32]>,
}

/// The routes' state. What is behind it comes out only as a [`Caller`] or a [`Stranger`].
#[derive(Clone)]
pub(crate) struct Door(Arc<App>);

impl Door {
    pub(crate) fn new(app: Arc<App>) -> Self {
        Self(app)
    }
}

/// Somebody who has shown a valid token with this request: a bearer token, or a cookie from a page of this cloud.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) app: Arc<App>,
    pub(crate) visitor: Visitor,
    pub(crate) token_hash: String,
    pub(crate) source: SocketAddr,
}

/// Anybody: for the few routes that come before a login.
pub(crate) struct Stranger {
    pub(crate) app: Arc<App>,
    pub(crate) source: SocketAddr,
}

/// The cloud as whoever asks sees it.
pub(crate) struct Site {
    host: String,
    is_secure: bool,
}

/// A browser with a page of this cloud, logged in or not.
pub(crate) struct Visit(Site);

impl FromRequestParts<Door> for Stranger {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, door: &Door) -> Result<Self, Failure> {
        // The listener always says where a connection comes from; without that nothing is answered.
        let Peer { source, .. } = peer(parts)?;
        Ok(Self { app: door.0.clone(), source })
    }
}

fn peer(parts: &Parts) -> Result<Peer, Failure> {
    parts.extensions.get::<Peer>().copied().ok_or_else(|| Failure::new(ErrorCode::Internal, ""))
}

impl FromRequestParts<Door> for Site {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &Door) -> Result<Self, Failure> {
        let Peer { is_secure, .. } = peer(parts)?;
        Ok(Self { host: browser::host(&parts.headers, &parts.uri)?, is_secure })
    }
}

impl FromRequestParts<Door> for Visit {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, door: &Door) -> Result<Self, Failure> {
        let site = Site::from_request_parts(parts, door).await?;
        browser::check_origin(&parts.headers, &site.host, site.is_secure)?;
        Ok(Self(site))
    }
}

impl Site {
    /// The header that takes a browser's token away.
    pub(crate) fn forget_cookie(&self) -> Result<HeaderValue, Failure> {
        browser::set_cookie(&self.host, self.is_secure, "", 0)
    }
}

impl Visit {
    /// The header that gives the browser its token.
    pub(crate) fn set_cookie(&self, granted: &Granted) -> Result<HeaderValue, Failure> {
        let Self(Site { host, is_secure }) = self;
        browser::set_cookie(host, *is_secure, &granted.token, TOKEN_LIFE.as_secs())
    }
}

impl FromRequestParts<Door> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, door: &Door) -> Result<Self, Failure> {
        let Stranger { app, source } = Stranger::from_request_parts(parts, door).await?;
        let Some(token) = token(parts)? else {
            return Err(Failure::new(ErrorCode::Unauthenticated, "the request carries no bearer token"));
        };
        // The store knows hashes only, and looks up by hash: how long that takes says nothing about any token.
        let token_hash = random::sha256_hex(token.as_bytes());
        match app.store.visitor(&token_hash).await? {
            Some(visitor) => Ok(Self { app, visitor, token_hash, source }),
            None => Err(Failure::new(ErrorCode::Unauthenticated, "the bearer token is unknown or has expired")),
        }
    }
}

/// The token that a request carries. A browser sends its cookie whoever asks it to: what changes something or opens a
/// WebSocket has to come from a page of this cloud.
fn token(parts: &Parts) -> Result<Option<&str>, Failure> {
    let bearer = parts.headers.get(header::AUTHORIZATION).and_then(|value| {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    if let Some(token) = bearer.filter(|token| token.starts_with(TOKEN_PREFIX)) {
        return Ok(Some(token));
    }
    if !parts.headers.contains_key(header::COOKIE) {
        return Ok(None);
    }
    let Peer { is_secure, .. } = peer(parts)?;
    let host = browser::host(&parts.headers, &parts.uri)?;
    let Some(token) = browser::token(&parts.headers, &host, is_secure) else { return Ok(None) };
    if !parts.method.is_safe() || parts.headers.contains_key(header::UPGRADE) {
        browser::check_origin(&parts.headers, &host, is_secure)?;
    }
    Ok(Some(token))
}

impl Caller {
    /// The caller as the audit names them.
    pub(crate) fn actor(&self) -> Actor {
        Actor { name: self.visitor.user_name.clone(), source: self.source.to_string() }
    }

    pub(crate) fn tenant(&self) -> &Tenant {
        &self.visitor.tenant
    }

    /// The device, if the caller may see it and has `permission` on it. A refusal of `action` is recorded.
    ///
    /// A device that the caller may do nothing with is answered like one that does not exist.
    pub(crate) async fn device(
        &self,
        device_id: &str,
        permission: Permission,
        action: &'static str,
    ) -> Result<StoredDevice, Failure> {
        let found = self.app.store.device_for(self.tenant(), &self.visitor.user_id, device_id).await?;
        match found {
            Some(device) if device.permissions.contains(&permission) => Ok(device),
            Some(device) => {
                let detail = format!("{permission} on device \"{}\"", device.name);
                Err(self.denied(action, &format!("device/{}", device.id), ErrorCode::Forbidden, detail).await?)
            }
            None => {
                let object = format!("device/{device_id}");
                Err(self.denied(action, &object, ErrorCode::UnknownDevice, String::new()).await?)
            }
        }
    }

    /// Passes if the caller has `permission` on at least one device group.
    pub(crate) async fn anywhere(&self, permission: Permission, action: &'static str) -> Result<(), Failure> {
        if self.has_anywhere(permission).await? {
            return Ok(());
        }
        Err(self.denied(action, "tenant", ErrorCode::Forbidden, permission.to_string()).await?)
    }

    /// Whether the caller has `permission` on at least one device group.
    pub(crate) async fn has_anywhere(&self, permission: Permission) -> Result<bool, Failure> {
        Ok(self.app.store.permissions(self.tenant(), &self.visitor.user_id).await?.contains(&permission))
    }

    /// Passes if the caller has `permission` on all devices, those to come included.
    pub(crate) async fn everywhere(&self, permission: Permission, action: &'static str) -> Result<(), Failure> {
        if self.app.store.has_everywhere(self.tenant(), &self.visitor.user_id, permission).await? {
            return Ok(());
        }
        let detail = format!("{permission} on all devices");
        Err(self.denied(action, "tenant", ErrorCode::Forbidden, detail).await?)
    }

    /// Passes if the caller has `permission` on the device that a record is about; the device may be gone. A record that
    /// the caller may do nothing about is answered like one that does not exist.
    pub(crate) async fn record_of(
        &self,
        device_id: &str,
        permission: Permission,
        action: &'static str,
        object: &str,
    ) -> Result<(), Failure> {
        let permissions = self.app.store.permissions_on(self.tenant(), &self.visitor.user_id, device_id).await?;
        if permissions.contains(&permission) {
            return Ok(());
        }
        if permissions.is_empty() {
            return Err(self.denied(action, object, ErrorCode::NotFound, String::new()).await?);
        }
        let detail = format!("{permission} on device {device_id}");
        Err(self.denied(action, object, ErrorCode::Forbidden, detail).await?)
    }

    /// There is no such object, on record.
    pub(crate) async fn not_found(&self, action: &'static str, object: &str) -> Result<Failure, Failure> {
        self.denied(action, object, ErrorCode::NotFound, String::new()).await
    }

    async fn denied(
        &self,
        action: &'static str,
        object: &str,
        code: ErrorCode,
        detail: String,
    ) -> Result<Failure, Failure> {
        let entry = Entry::failed(&self.actor(), action, object, code).detail(detail.as_str());
        self.app.store.record(self.tenant(), entry).await?;
        Ok(Failure::new(code, detail))
    }

    /// Who the caller is, as the API shows it.
    pub(crate) async fn current_user(&self) -> Result<CurrentUser, Failure> {
        current_user(&self.app, &self.visitor.tenant, &self.visitor.user_id, &self.visitor.user_name).await
    }
}

async fn current_user(app: &App, tenant: &Tenant, user_id: &str, name: &str) -> Result<CurrentUser, Failure> {
    let permissions = app.store.permissions(tenant, user_id).await?;
    let totp = app.store.totp(tenant, user_id).await?.is_some_and(|totp| totp.confirmed);
    Ok(CurrentUser { id: user_id.into(), name: name.into(), permissions, totp })
}

/// A token that was granted, in one of its two forms.
pub(crate) struct Granted {
    pub(crate) token: Zeroizing<String>,
    pub(crate) expires_at: String,
    pub(crate) user: CurrentUser,
}

impl From<Granted> for LoginGranted {
    fn from(granted: Granted) -> Self {
        let Granted { token, expires_at, user } = granted;
        Self { token: token.as_str().to_owned(), expires_at, user }
    }
}

/// What a token is carried in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carried {
    InHeader,
    InCookie,
}

/// Checks a password and grants a token for it.
pub(crate) async fn login(app: &App, source: SocketAddr, login: Login, carried: Carried) -> Result<Granted, Failure> {
    let Login { user, password, totp_code } = login;
    let password = Zeroizing::new(password);
    let tenant = Tenant::first();
    let actor = Actor { name: user.clone(), source: source.to_string() };
    admit(app, source.ip(), &user, LOGIN_ALLOWANCE, &tenant, &actor, "login").await?;
    if password.len() > MAX_PASSWORD_BYTES {
        let detail = format!("a password has at most {MAX_PASSWORD_BYTES} bytes");
        return Err(Failure::new(ErrorCode::BadRequest, detail));
    }
    let account = app.store.account(&tenant, &user).await?;
    let hash = account.as_ref().map(|account| account.password_hash.clone());
    let matches = app.passwords.verify(password, hash).await?;
    let Some(account) = account.filter(|_| matches) else {
        app.store.record(&tenant, Entry::failed(&actor, "login", "user", ErrorCode::AuthFailed)).await?;
        return Err(Failure::new(ErrorCode::AuthFailed, ""));
    };
    // From here on it is somebody who knows the password.
    if account.disabled {
        app.store.record(&tenant, Entry::failed(&actor, "login", "user", ErrorCode::UserDisabled)).await?;
        return Err(Failure::new(ErrorCode::UserDisabled, ""));
    }
    if app.store.totp(&tenant, &account.id).await?.is_some_and(|totp| totp.confirmed) {
        let Some(code) = totp_code else {
            app.store.record(&tenant, Entry::failed(&actor, "login", "user", ErrorCode::TotpRequired)).await?;
            return Err(Failure::new(ErrorCode::TotpRequired, ""));
        };
        check_code(app, &tenant, &actor, &account.id, &code, "login").await?;
    }
    app.penalties.forgive(source.ip(), &user);
    grant(app, &tenant, &actor, &account, &user, carried).await
}

/// Trades the code of a login link for a token.
pub(crate) async fn redeem_link(app: &App, source: SocketAddr, code: &str) -> Result<Granted, Failure> {
    let (tenant, name) = (Tenant::first(), crate::store::ADMIN);
    let actor = Actor { name: name.into(), source: source.to_string() };
    // The blank keeps this apart from the accounts of people: no user's name begins with one.
    admit(app, source.ip(), " link", LOGIN_ALLOWANCE, &tenant, &actor, "login").await?;
    if app.login_links.redeem(code, Instant::now()).is_none() {
        let entry = Entry::failed(&actor, "login", "user", ErrorCode::AuthFailed);
        app.store.record(&tenant, entry.detail("a login link that is unknown, used or expired")).await?;
        return Err(Failure::new(ErrorCode::AuthFailed, "the login link is unknown, used or expired"));
    }
    app.penalties.forgive(source.ip(), " link");
    let account = first_account(app, &tenant).await?;
    grant(app, &tenant, &actor, &account, name, Carried::InCookie).await
}

/// A bearer token for the first user, without a password: for who already owns the process.
pub(crate) async fn local_login(app: &App) -> Result<LoginGranted, Failure> {
    let (tenant, name) = (Tenant::first(), crate::store::ADMIN);
    let account = first_account(app, &tenant).await?;
    let actor = Actor { name: name.into(), source: "this machine".into() };
    Ok(grant(app, &tenant, &actor, &account, name, Carried::InHeader).await?.into())
}

async fn first_account(app: &App, tenant: &Tenant) -> Result<Account, Failure> {
    let Some(account) = app.store.account(tenant, crate::store::ADMIN).await? else {
        return Err(Failure::new(ErrorCode::NotFound, "the user admin is no more"));
    };
    if account.disabled {
        return Err(Failure::new(ErrorCode::UserDisabled, "the user admin"));
    }
    Ok(account)
}

async fn grant(
    app: &App,
    tenant: &Tenant,
    actor: &Actor,
    account: &Account,
    name: &str,
    carried: Carried,
) -> Result<Granted, Failure> {
    let prefix = match carried {
        Carried::InHeader => TOKEN_PREFIX,
        Carried::InCookie => browser::COOKIE_TOKEN_PREFIX,
    };
    let token = Zeroizing::new(random::secret(prefix)?);
    let life = i64::try_from(TOKEN_LIFE.as_millis()).unwrap_or(i64::MAX);
    let expires_at = now_millis().saturating_add(life);
    let user = current_user(app, tenant, &account.id, name).await?;
    let hash = random::sha256_hex(token.as_bytes());
    if !app.store.grant_token(tenant, actor, &account.id, &account.password_hash, &hash, expires_at).await? {
        return Err(Failure::new(ErrorCode::AuthFailed, "the user was changed meanwhile"));
    }
    Ok(Granted { token, expires_at: rfc3339(expires_at), user })
}

/// Lets a guess through, or says how long to wait; the first refusal of each wait is recorded.
async fn admit(
    app: &App,
    source: IpAddr,
    account: &str,
    allowance: Allowance,
    tenant: &Tenant,
    actor: &Actor,
    action: &'static str,
) -> Result<(), Failure> {
    let Err(wait) = app.penalties.admit(source, account, allowance, Instant::now()) else { return Ok(()) };
    let seconds = wait.time.as_secs() + 1;
    if wait.first {
        let entry = Entry::failed(actor, action, "user", ErrorCode::RateLimited);
        app.store.record(tenant, entry.detail(format!("waits {seconds} s"))).await?;
    }
    Err(Failure::new(ErrorCode::RateLimited, format!("try again in {seconds} seconds")))
}

/// Where a user's second factor is sealed.
pub(crate) fn totp_place(tenant: &Tenant, user_id: &str) -> String {
    format!("towline totp v1/{}/{user_id}", tenant.as_str())
}

/// Checks a code of the user's second factor, in force or to be confirmed, and uses it up.
pub(crate) async fn check_code(
    app: &App,
    tenant: &Tenant,
    actor: &Actor,
    user_id: &str,
    code: &str,
    action: &'static str,
) -> Result<(), Failure> {
    // The blank keeps these apart from the accounts of people: no user's name begins with one.
    let account = format!(" code {user_id}");
    admit(app, ANYWHERE, &account, CODE_ALLOWANCE, tenant, actor, action).await?;
    let Some(totp) = app.store.totp(tenant, user_id).await? else {
        return Err(Failure::new(ErrorCode::NotFound, "there is no second factor"));
    };
    let secret = app.sealer.open(&totp_place(tenant, user_id), &totp.secret)?;
    let good = match totp::step_of(&secret, code, now_millis()) {
        Some(step) => app.store.use_totp_step(tenant, actor, user_id, step).await?,
        None => false,
    };
    if good {
        app.penalties.forgive(ANYWHERE, &account);
        return Ok(());
    }
    let entry = Entry::failed(actor, action, format!("user/{user_id}"), ErrorCode::AuthFailed);
    app.store.record(tenant, entry.detail("the code of the second factor")).await?;
    Err(Failure::new(ErrorCode::AuthFailed, "the code of the second factor is wrong or was used already"))
}

/// Checks the password of somebody who is logged in: a borrowed token is not enough for what needs it.
pub(crate) async fn check_own_password(
    caller: &Caller,
    password: Zeroizing<String>,
    action: &'static str,
) -> Result<(), Failure> {
    let (app, tenant, actor) = (&caller.app, caller.tenant(), caller.actor());
    let account = format!(" password {}", caller.visitor.user_id);
    admit(app, caller.source.ip(), &account, LOGIN_ALLOWANCE, tenant, &actor, action).await?;
    let hash = app.store.account(tenant, &caller.visitor.user_name).await?.map(|account| account.password_hash);
    if password.len() <= MAX_PASSWORD_BYTES && app.passwords.verify(password, hash).await? {
        app.penalties.forgive(caller.source.ip(), &account);
        return Ok(());
    }
    let entry = Entry::failed(&actor, action, format!("user/{}", caller.visitor.user_id), ErrorCode::AuthFailed);
    app.store.record(tenant, entry).await?;
    Err(Failure::new(ErrorCode::AuthFailed, "the password until now is wrong"))
}
