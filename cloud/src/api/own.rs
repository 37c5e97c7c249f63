//! Logging in and out, and what people change about themselves: password, second factor, tokens.

use serde::Deserialize;
use towline_cloud_api::{
    AccessToken, ChangePassword, CurrentUser, ErrorCode, Login, LoginGranted, Permission, TotpCode, TotpSetup,
};
use utoipa::IntoParams;
use zeroize::Zeroizing;

use super::{
    Done, Failure, Json, Listed, Path, Query, browser::LoggedOut, page_limit, records::time_cursor,
    users::hash_password,
};
use crate::auth::{self, Caller, Carried, Site, Stranger, totp};

pub(super) async fn login(stranger: Stranger, Json(login): Json<Login>) -> Result<Json<LoginGranted>, Failure> {
    Ok(Json(auth::login(&stranger.app, stranger.source, login, Carried::InHeader).await?.into()))
}

pub(super) async fn logout(caller: Caller, site: Site) -> Result<LoggedOut, Failure> {
    let app = &caller.app;
    let (user_id, hash) = (&caller.visitor.user_id, &caller.token_hash);
    app.store.revoke_token(caller.tenant(), &caller.actor(), "logout", user_id, hash).await?;
    app.revoke_token(hash, "logged out");
    Ok(LoggedOut(site.forget_cookie()?))
}

pub(super) async fn show(caller: Caller) -> Result<Json<CurrentUser>, Failure> {
    Ok(Json(caller.current_user().await?))
}

/// Changes one's own password; every login but this one ends.
pub(super) async fn change_password(caller: Caller, Json(wish): Json<ChangePassword>) -> Result<Done, Failure> {
    let current = Zeroizing::new(wish.current_password);
    let new = Zeroizing::new(wish.new_password);
    auth::check_own_password(&caller, current, "password.change").await?;
    let hash = hash_password(&caller, new).await?;
    let (app, user_id, kept) = (&caller.app, &caller.visitor.user_id, Some(caller.token_hash.as_str()));
    if !app.store.set_password(caller.tenant(), &caller.actor(), user_id, &hash, kept).await? {
        return Err(Failure::new(ErrorCode::NotFound, ""));
    }
    app.revoke_user(user_id, kept, "the password was changed");
    Ok(Done)
}

/// Makes a secret for an authenticator; it is in force once a code of it was seen.
pub(super) async fn begin_totp(caller: Caller) -> Result<Json<TotpSetup>, Failure> {
    let (app, tenant, user_id) = (&caller.app, caller.tenant(), &caller.visitor.user_id);
    let secret = totp::new_secret()?;
    let sealed = app.sealer.seal(&auth::totp_place(tenant, user_id), secret.as_slice())?;
    app.store.begin_totp(tenant, &caller.actor(), user_id, &sealed).await?;
    let uri = totp::uri(&caller.visitor.user_name, secret.as_slice());
    Ok(Json(TotpSetup { secret: totp::base32(secret.as_slice()).to_string(), uri }))
}

pub(super) async fn confirm_totp(caller: Caller, Json(wish): Json<TotpCode>) -> Result<Done, Failure> {
    check_code(&caller, &wish.code, "totp.confirm").await?;
    Ok(Done)
}

pub(super) async fn remove_totp(caller: Caller, Json(wish): Json<TotpCode>) -> Result<Done, Failure> {
    check_code(&caller, &wish.code, "totp.remove").await?;
    caller.app.store.remove_totp(caller.tenant(), &caller.actor(), &caller.visitor.user_id).await?;
    Ok(Done)
}

async fn check_code(caller: &Caller, code: &str, action: &'static str) -> Result<(), Failure> {
    auth::check_code(&caller.app, caller.tenant(), &caller.actor(), &caller.visitor.user_id, code, action).await
}

#[derive(Deserialize, IntoParams)]
pub(super) struct TokenQuery {
    /// The id of somebody else, for an administrator.
    user: Option<String>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// How many at most, 1 to 1000.
    limit: Option<u32>,
}

pub(super) async fn tokens(caller: Caller, Query(query): Query<TokenQuery>) -> Result<Listed<AccessToken>, Failure> {
    const ACTION: &str = "token.list";
    let user_id = query.user.as_ref().unwrap_or(&caller.visitor.user_id);
    if *user_id != caller.visitor.user_id {
        caller.anywhere(Permission::UserAdmin, ACTION).await?;
        if caller.app.store.user(caller.tenant(), user_id).await?.is_none() {
            return Err(caller.not_found(ACTION, &format!("user/{user_id}")).await?);
        }
    }
    let (before, limit) = (time_cursor(query.cursor.as_ref())?, page_limit(query.limit)?);
    let store = &caller.app.store;
    Ok(Listed(store.tokens(caller.tenant(), user_id, &caller.token_hash, before.as_ref(), limit).await?))
}

/// Revokes a token: one's own, or anybody's with user-admin. Others' do not exist for anybody else.
pub(super) async fn revoke_token(caller: Caller, Path(id): Path<String>) -> Result<Done, Failure> {
    const ACTION: &str = "token.revoke";
    let app = &caller.app;
    let object = format!("token/{id}");
    let Some(token) = app.store.token(caller.tenant(), &id).await? else {
        return Err(caller.not_found(ACTION, &object).await?);
    };
    if token.user_id != caller.visitor.user_id && !caller.has_anywhere(Permission::UserAdmin).await? {
        return Err(caller.not_found(ACTION, &object).await?);
    }
    app.store.revoke_token(caller.tenant(), &caller.actor(), ACTION, &token.user_id, &token.hash).await?;
    app.revoke_token(&token.hash, "the token was revoked");
    Ok(Done)
}
