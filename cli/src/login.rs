//! `towline login` and `towline logout`.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};

use serde::Serialize;
use towline_cloud_api::{ErrorCode, LoginGranted, Problem};
use zeroize::Zeroizing;

use crate::{
    access::{Access, PASSWORD_VARIABLE, Place, USER_VARIABLE, variable},
    args::{Global, Login},
    output::{Output, note},
    session_file::SessionFile,
};

const MAX_PASSWORD_BYTES: u64 = 4096;

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
    let password = password(login, &user)?;
    let granted = place.api()?.login(&user, &password).await?;
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
    let access = Access { cloud, pin, token: session.token.clone(), for_this_command: false };
    // The file goes in any case: it is what this machine knows. The token ends by itself if the cloud does not hear.
    SessionFile::remove(&path)?;
    match access.api()?.post_nothing(&["logout"]).await {
        Err(problem) if problem.code != ErrorCode::Unauthenticated => {
            note(&format!("the cloud was not told, the login ends there at {}:", session.expires_at));
            output.problem(&problem);
        }
        _ => {}
    }
    output.value(&serde_json::json!({ "logged_out": true }), |_| vec![format!("logged out {}", session.user)])
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

fn password(login: &Login, user: &str) -> Result<Zeroizing<String>, Problem> {
    if login.password_stdin {
        let mut text = Zeroizing::new(String::new());
        io::stdin().take(MAX_PASSWORD_BYTES).read_to_string(&mut text).map_err(|error| unreadable(&error))?;
        return Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()));
    }
    if let Some(password) = variable(PASSWORD_VARIABLE) {
        return Ok(Zeroizing::new(password));
    }
    if !io::stdin().is_terminal() {
        return Err(missing("the password", "TOWLINE_PASSWORD or --password-stdin"));
    }
    let prompt = format!("Password of {user}: ");
    rpassword::prompt_password(prompt).map(Zeroizing::new).map_err(|error| unreadable(&error))
}

fn missing(what: &str, how: &str) -> Problem {
    Problem::new(ErrorCode::BadRequest, format!("{what} is missing: give it with {how}"))
}

fn unreadable(error: &io::Error) -> Problem {
    Problem::new(ErrorCode::BadRequest, format!("standard input: {error}"))
}
