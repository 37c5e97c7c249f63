//! What a tenant has decided for all of its sessions.

use towline_cloud_api::{FieldError, Permission, Protocol, Settings, UpdateSettings};

use super::{Failure, Json};
use crate::auth::Caller;

const MAX_LIMIT_SECONDS: u64 = 30 * 24 * 60 * 60;
/// Shorter ones would end a session before its warning.
const MIN_LIMIT_SECONDS: u64 = 5;

pub(super) async fn show(caller: Caller) -> Result<Json<Settings>, Failure> {
    Ok(Json(caller.app.store.settings(caller.tenant()).await?))
}

pub(super) async fn update(caller: Caller, Json(update): Json<UpdateSettings>) -> Result<Json<Settings>, Failure> {
    caller.anywhere(Permission::UserAdmin, "settings.update").await?;
    let wrong = |field: &str, seconds: Option<u64>| {
        let fits = |seconds| seconds == 0 || (MIN_LIMIT_SECONDS..=MAX_LIMIT_SECONDS).contains(&seconds);
        let detail = format!("a limit is {MIN_LIMIT_SECONDS} to {MAX_LIMIT_SECONDS} seconds, or 0 for none");
        seconds.filter(|seconds| !fits(*seconds)).map(|_| FieldError { field: field.into(), detail })
    };
    let errors: Vec<_> = wrong("idle_limit_seconds", update.idle_limit_seconds)
        .into_iter()
        .chain(wrong("total_limit_seconds", update.total_limit_seconds))
        .collect();
    if !errors.is_empty() {
        return Err(Failure::fields(errors));
    }
    let settings = caller.app.store.update_settings(caller.tenant(), &caller.actor(), &update).await?;
    if update.allow_telnet == Some(false) {
        caller.app.revoke_protocol(caller.tenant(), Protocol::Telnet, "Telnet was switched off").await;
    }
    Ok(Json(settings))
}
