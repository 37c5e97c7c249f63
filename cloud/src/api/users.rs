//! Logging in and out, and users.

use http::StatusCode;
use towline_cloud_api::{CreateUser, CurrentUser, ErrorCode, Login, LoginGranted, Permission, User};
use zeroize::Zeroizing;

use super::{Failure, Json, check_name};
use crate::{
    auth::{self, Caller, MAX_PASSWORD_BYTES, Stranger},
    store::Actor,
};

const MIN_PASSWORD_CHARS: usize = 8;

pub(super) async fn login(stranger: Stranger, Json(login): Json<Login>) -> Result<Json<LoginGranted>, Failure> {
    let Stranger { app, source } = stranger;
    // A task of its own: whoever hangs up early does not thereby keep the attempt out of the audit.
    let attempt = app.clone().tasks.spawn(async move { auth::login(&app, source, login).await });
    let granted = attempt.await.map_err(|_| Failure::new(ErrorCode::Internal, ""))??;
    Ok(Json(granted))
}

pub(super) async fn logout(caller: Caller) -> Result<StatusCode, Failure> {
    let actor: Actor = caller.actor();
    let app = &caller.app;
    app.store.revoke_token(caller.tenant(), &actor, &caller.visitor.user_id, &caller.token_hash).await?;
    app.sessions.revoke_token(&caller.token_hash);
    app.operators.revoke_token(&caller.token_hash);
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn current(caller: Caller) -> Result<Json<CurrentUser>, Failure> {
    Ok(Json(caller.current_user().await?))
}

pub(super) async fn create(caller: Caller, Json(new): Json<CreateUser>) -> Result<(StatusCode, Json<User>), Failure> {
    let CreateUser { name, password } = new;
    let password = Zeroizing::new(password);
    caller.anywhere(Permission::UserAdmin, "user.create").await?;
    check_name("user", &name)?;
    if password.chars().count() < MIN_PASSWORD_CHARS || password.len() > MAX_PASSWORD_BYTES {
        let detail =
            format!("a password has {MIN_PASSWORD_CHARS} characters or more, {MAX_PASSWORD_BYTES} bytes at most");
        return Err(Failure::new(ErrorCode::BadRequest, detail));
    }
    let hash = caller.app.passwords.hash(password).await?;
    let user = caller.app.store.create_user(caller.tenant(), &caller.actor(), &name, &hash).await?;
    Ok((StatusCode::CREATED, Json(user)))
}
