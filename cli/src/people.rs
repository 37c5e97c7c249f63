//! Commands about people: users, one's own password and second factor, logins that are in force.

use http::Method;
use serde_json::json;
use towline_cloud_api::{
    AccessToken, ChangePassword, CreateUser, CurrentUser, Problem, ResetPassword, TotpCode, TotpSetup, UpdateUser, User,
};

use crate::{
    access::Access,
    api::Api,
    args::{Global, NewPassword, Tokens, Totp, Users},
    output::{Output, or_dash, yes_or_no},
    password, reference,
};

pub(crate) async fn users(global: &Global, command: &Users, output: Output) -> Result<(), Problem> {
    let api = Access::resolve(global).await?.api()?;
    let disable = async |name: &str, disabled: bool| -> Result<(), Problem> {
        let user = find(&api, name).await?;
        let user: User = api.patch(&["users", &user.id], &UpdateUser { disabled: Some(disabled) }).await?;
        output.value(&user, user_lines)
    };
    match command {
        Users::List => {
            let users: Vec<User> = api.list(&["users"], &[], usize::MAX).await?;
            output.list(&users, ["ID", "NAME", "DISABLED", "TOTP", "GROUPS", "LAST LOGIN"], |user| {
                [
                    user.id.clone(),
                    user.name.clone(),
                    yes_or_no(user.disabled).into(),
                    yes_or_no(user.totp).into(),
                    groups(user),
                    or_dash(&user.last_login_at),
                ]
            })
        }
        Users::Create { name, password } => {
            let password = password::new(password.password_stdin, name)?;
            let wish = CreateUser { name: name.clone(), password: password.to_string() };
            let user: User = api.post(&["users"], &wish).await?;
            output.value(&user, user_lines)
        }
        Users::Show(name) => output.value(&find(&api, &name.user).await?, user_lines),
        Users::Disable(name) => disable(&name.user, true).await,
        Users::Enable(name) => disable(&name.user, false).await,
        Users::Remove(name) => {
            let user = find(&api, &name.user).await?;
            api.delete(&["users", &user.id]).await?;
            output.value(&json!({ "id": user.id, "name": user.name, "removed": true }), |_| {
                vec![format!("removed user {} ({})", user.name, user.id)]
            })
        }
        Users::ResetPassword { user, password } => {
            let user = find(&api, &user.user).await?;
            let password = password::new(password.password_stdin, &user.name)?.to_string();
            api.tell(Method::PUT, &["users", &user.id, "password"], &ResetPassword { password }).await?;
            output.value(&json!({ "id": user.id, "name": user.name, "password_reset": true }), |_| {
                vec![format!("user {} has another password and is logged out everywhere", user.name)]
            })
        }
        Users::RemoveTotp(name) => {
            let user = find(&api, &name.user).await?;
            api.delete(&["users", &user.id, "totp"]).await?;
            output.value(&json!({ "id": user.id, "name": user.name, "totp": false }), |_| {
                vec![format!("user {} logs in without a second factor", user.name)]
            })
        }
    }
}

/// The user that `text` means: an id or a name.
pub(crate) async fn find(api: &Api, text: &str) -> Result<User, Problem> {
    reference::object(api, "users", text).await
}

fn groups(user: &User) -> String {
    let names: Vec<_> = user.groups.iter().map(|group| group.name.as_str()).collect();
    if names.is_empty() { "-".into() } else { names.join(", ") }
}

fn user_lines(user: &User) -> Vec<String> {
    vec![
        format!("id          {}", user.id),
        format!("name        {}", user.name),
        format!("disabled    {}", yes_or_no(user.disabled)),
        format!("totp        {}", yes_or_no(user.totp)),
        format!("groups      {}", groups(user)),
        format!("created     {}", user.created_at),
        format!("last login  {}", or_dash(&user.last_login_at)),
    ]
}

pub(crate) async fn passwd(global: &Global, command: &NewPassword, output: Output) -> Result<(), Problem> {
    let api = Access::resolve(global).await?.api()?;
    let user: CurrentUser = api.get(&["current-user"], &[]).await?;
    let change = ChangePassword {
        current_password: password::current(false, &user.name)?.to_string(),
        new_password: password::new(command.password_stdin, &user.name)?.to_string(),
    };
    api.tell(Method::PUT, &["current-user", "password"], &change).await?;
    output.value(&json!({ "user": user.name, "password_changed": true }), |_| {
        vec![format!("user {} has another password; other logins have ended", user.name)]
    })
}

pub(crate) async fn totp(global: &Global, command: &Totp, output: Output) -> Result<(), Problem> {
    const PATH: [&str; 2] = ["current-user", "totp"];
    let api = Access::resolve(global).await?.api()?;
    match command {
        Totp::Setup => {
            let setup: TotpSetup = api.post(&PATH, &json!({})).await?;
            output.value(&setup, |setup| {
                vec![
                    format!("Give your authenticator this secret, shown this once: {}", setup.secret),
                    format!("or, as a QR code: {}", setup.uri),
                    "Then: towline totp confirm CODE".into(),
                ]
            })
        }
        Totp::Confirm(code) => {
            let code = password::totp_code(code.code.as_deref())?.to_string();
            api.tell(Method::POST, &[&PATH[..], &["confirm"]].concat(), &TotpCode { code }).await?;
            output.value(&json!({ "totp": true }), |_| vec!["logging in needs a code from now on".into()])
        }
        Totp::Remove(code) => {
            let code = password::totp_code(code.code.as_deref())?.to_string();
            api.tell(Method::DELETE, &PATH, &TotpCode { code }).await?;
            output.value(&json!({ "totp": false }), |_| vec!["logging in needs no code any more".into()])
        }
    }
}

pub(crate) async fn tokens(global: &Global, command: &Tokens, output: Output) -> Result<(), Problem> {
    let api = Access::resolve(global).await?.api()?;
    match command {
        Tokens::List { user } => {
            let tokens: Vec<AccessToken> = match user {
                None => api.list(&["tokens"], &[], usize::MAX).await?,
                Some(user) => {
                    let user = find(&api, user).await?;
                    api.list(&["tokens"], &[("user", &user.id)], usize::MAX).await?
                }
            };
            output.list(&tokens, ["ID", "USER", "CURRENT", "SOURCE", "CREATED", "EXPIRES"], |token| {
                [
                    token.id.clone(),
                    token.user.clone(),
                    yes_or_no(token.current).into(),
                    token.source.clone(),
                    token.created_at.clone(),
                    token.expires_at.clone(),
                ]
            })
        }
        Tokens::Revoke { token } => {
            api.delete(&["tokens", token]).await?;
            output.value(&json!({ "id": token, "revoked": true }), |_| vec![format!("ended token {token}")])
        }
    }
}
