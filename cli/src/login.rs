//! `towline login` and `towline logout`.

use std::io::{self, BufRead as _, IsTerminal as _};

use serde::Serialize;
use towline_cloud_api::{ErrorCode, LoginGranted, Problem};

use crate::{
    access::{Place, USER_VARIABLE, trust, variable},
    api::Api,
    args::{Global, Login},
    completions,
    output::{Output, note},
    password::{self, missing, unreadable},
    session_file::SessionFile,
};

#[derive(Serialize)]
struct LoggedIn<'a> {
    cloud: String,
    user: &'a str,
    expires_at: &'a str,
}

pub(crate) async fn login(mut global: Global, login: &Login, output: Output) -> Result<(), Problem> {
    // The address next to the command wins over the environment's.
    global.cloud = login.url.clone().or(global.cloud);
    let place = Place::resolve(&global)?;
    let user = user(login)?;
    let password = password::current(login.password_stdin, &user)?;
    let api = place.api()?;
    let granted = match api.login(&user, &password, login.totp_code.as_deref()).await {
        Err(problem) if problem.code == ErrorCode::TotpRequired && can_ask(login) => {
            let code = password::totp_code(None)?;
            api.login(&user, &password, Some(&code)).await?
        }
        granted => granted?,
    };
    let path = SessionFile::default_path()?;
    let file = SessionFile::new(&place.cloud, place.pin, &granted);
    file.save(&path)?;
    let LoginGranted { expires_at, user, .. } = &granted;
    let logged_in = LoggedIn { cloud: place.cloud.to_string(), user: &user.name, expires_at };
    output.value(&logged_in, |said| vec![format!("logged in at {} as {} until {}", said.cloud, said.user, expires_at)])
}

pub(crate) async fn logout(global: &Global, output: Output) -> Result<(), Problem> {
    let path = SessionFile::default_path()?;
    let Some(session) = SessionFile::load(&path)? else {
        return output.value(&serde_json::json!({ "logged_out": false }), |_| vec!["nobody was logged in".into()]);
    };
    let (cloud, pin) = (session.cloud(&path)?, session.pin(&path)?.or(global.pin));
    // The file goes in any case: it is what this machine knows. The token ends by itself if the cloud does not hear.
    SessionFile::remove(&path)?;
    completions::forget();
    let way_out = global.way_out.resolve().map_err(|error| error.problem())?;
    let api = Api::new(&cloud, &trust(pin), &way_out, Some(&session.token))?;
    match api.post_nothing(&["logout"]).await {
        Err(problem) if problem.code != ErrorCode::Unauthenticated => {
            note(&format!("the cloud was not told, the login ends there at {}:", session.expires_at));
            output.problem(&problem);
        }
        _ => {}
    }
    output.value(&serde_json::json!({ "logged_out": true }), |_| vec![format!("logged out {}", session.user)])
}

/// Whether there is somebody who can be asked for the code of the second factor.
fn can_ask(login: &Login) -> bool {
    login.totp_code.is_none() && !login.password_stdin && io::stdin().is_terminal()
}

fn user(login: &Login) -> Result<String, Problem> {
    if let Some(user) = login.user.clone().or_else(|| variable(USER_VARIABLE)) {
        return Ok(user);
    }
    if login.password_stdin || !io::stdin().is_terminal() {
        return Err(missing("the user's name", "--user or TOWLINE_USER"));
    }
    eprint!("User: ");
    let mut user = String::new();
    io::stdin().lock().read_line(&mut user).map_err(|error| unreadable(&error))?;
    let user = user.trim();
    if user.is_empty() { Err(missing("the user's name", "--user or TOWLINE_USER")) } else { Ok(user.into()) }
}
