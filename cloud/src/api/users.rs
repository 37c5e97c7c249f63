//! Users, by administrators.

use serde::Deserialize;
use towline_cloud_api::{CreateUser, ErrorCode, Page, Permission, ResetPassword, UpdateUser, User};
use utoipa::IntoParams;
use zeroize::Zeroizing;

use super::{Created, Done, Failure, Json, Listed, Path, Query, check_name, name_cursor, page_limit, to_name_cursor};
use crate::auth::{Caller, MAX_PASSWORD_BYTES};

const MIN_PASSWORD_CHARS: usize = 8;

/// Which users or groups.
#[derive(Deserialize, IntoParams)]
pub(super) struct NameQuery {
    /// The one of this name only.
    pub(super) name: Option<String>,
    /// The `next` of the page before.
    pub(super) cursor: Option<String>,
    /// How many at most, 1 to 1000.
    pub(super) limit: Option<u32>,
}

pub(super) async fn list(caller: Caller, Query(query): Query<NameQuery>) -> Result<Listed<User>, Failure> {
    caller.anywhere(Permission::UserAdmin, "user.list").await?;
    let (after, limit) = (name_cursor(query.cursor)?, page_limit(query.limit)?);
    let page = caller.app.store.users(caller.tenant(), query.name.as_deref(), after.as_deref(), limit).await?;
    Ok(Listed(Page { items: page.items, next: page.next.map(to_name_cursor) }))
}

pub(super) async fn create(caller: Caller, Json(new): Json<CreateUser>) -> Result<Created<User>, Failure> {
    let CreateUser { name, password } = new;
    let password = Zeroizing::new(password);
    caller.anywhere(Permission::UserAdmin, "user.create").await?;
    check_name("user", &name)?;
    let hash = hash_password(&caller, password).await?;
    let user = caller.app.store.create_user(caller.tenant(), &caller.actor(), &name, &hash).await?;
    Ok(Created(user))
}

pub(super) async fn show(caller: Caller, Path(user): Path<String>) -> Result<Json<User>, Failure> {
    caller.anywhere(Permission::UserAdmin, "user.show").await?;
    find(&caller, &user).await.map(Json)
}

async fn find(caller: &Caller, user_id: &str) -> Result<User, Failure> {
    caller.app.store.user(caller.tenant(), user_id).await?.ok_or_else(unknown)
}

pub(super) async fn update(
    caller: Caller,
    Path(user): Path<String>,
    Json(update): Json<UpdateUser>,
) -> Result<Json<User>, Failure> {
    caller.anywhere(Permission::UserAdmin, "user.update").await?;
    let Some(disabled) = update.disabled else {
        return Err(Failure::new(ErrorCode::BadRequest, "say what is to change: disabled"));
    };
    if !caller.app.store.set_user_disabled(caller.tenant(), &caller.actor(), &user, disabled).await? {
        return Err(unknown());
    }
    if disabled {
        caller.app.revoke_user(&user, None, "the user was disabled");
    }
    find(&caller, &user).await.map(Json)
}

pub(super) async fn remove(caller: Caller, Path(user): Path<String>) -> Result<Done, Failure> {
    caller.anywhere(Permission::UserAdmin, "user.delete").await?;
    if !caller.app.store.delete_user(caller.tenant(), &caller.actor(), &user).await? {
        return Err(unknown());
    }
    caller.app.revoke_user(&user, None, "the user was removed");
    Ok(Done)
}

pub(super) async fn reset_password(
    caller: Caller,
    Path(user): Path<String>,
    Json(wish): Json<ResetPassword>,
) -> Result<Done, Failure> {
    let password = Zeroizing::new(wish.password);
    caller.anywhere(Permission::UserAdmin, "password.reset").await?;
    let hash = hash_password(&caller, password).await?;
    if !caller.app.store.set_password(caller.tenant(), &caller.actor(), &user, &hash, None).await? {
        return Err(unknown());
    }
    caller.app.revoke_user(&user, None, "the password was reset");
    Ok(Done)
}

pub(super) async fn remove_totp(caller: Caller, Path(user): Path<String>) -> Result<Done, Failure> {
    caller.anywhere(Permission::UserAdmin, "totp.remove").await?;
    if !caller.app.store.remove_totp(caller.tenant(), &caller.actor(), &user).await? {
        return Err(unknown());
    }
    Ok(Done)
}

/// The hash to keep for a new password, if it is long enough and not too long.
pub(super) async fn hash_password(caller: &Caller, password: Zeroizing<String>) -> Result<String, Failure> {
    if password.chars().count() < MIN_PASSWORD_CHARS || password.len() > MAX_PASSWORD_BYTES {
        let detail =
            format!("a password has {MIN_PASSWORD_CHARS} characters or more, {MAX_PASSWORD_BYTES} bytes at most");
        return Err(Failure::new(ErrorCode::BadRequest, detail));
    }
    Ok(caller.app.passwords.hash(password).await?)
}

fn unknown() -> Failure {
    Failure::new(ErrorCode::NotFound, "")
}
