//! Secrets that somebody types, or that come through the environment or standard input. Never from the command line.

use std::io::{self, IsTerminal as _, Read as _};

use towline_cloud_api::{ErrorCode, Problem};
use zeroize::Zeroizing;

use crate::access::{PASSWORD_VARIABLE, variable};

const NEW_PASSWORD_VARIABLE: &str = "TOWLINE_NEW_PASSWORD";
const MAX_PASSWORD_BYTES: u64 = 4096;

/// The password somebody has: from standard input if that is asked for, else TOWLINE_PASSWORD, else a prompt.
pub(crate) fn current(from_stdin: bool, user: &str) -> Result<Zeroizing<String>, Problem> {
    if from_stdin {
        return from_standard_input();
    }
    if let Some(password) = variable(PASSWORD_VARIABLE) {
        return Ok(Zeroizing::new(password));
    }
    if !io::stdin().is_terminal() {
        return Err(missing("the password", "TOWLINE_PASSWORD or --password-stdin"));
    }
    prompt(&format!("Password of {user}: "))
}

/// The password somebody is to have: from standard input if that is asked for, else TOWLINE_NEW_PASSWORD, else two
/// prompts.
pub(crate) fn new(from_stdin: bool, user: &str) -> Result<Zeroizing<String>, Problem> {
    if from_stdin {
        return from_standard_input();
    }
    if let Some(password) = variable(NEW_PASSWORD_VARIABLE) {
        return Ok(Zeroizing::new(password));
    }
    if !io::stdin().is_terminal() {
        return Err(missing("the new password", "TOWLINE_NEW_PASSWORD or --password-stdin"));
    }
    let password = prompt(&format!("New password of {user}: "))?;
    if *prompt("The same again: ")? != *password {
        return Err(Problem::new(ErrorCode::BadRequest, "the two are not the same"));
    }
    Ok(password)
}

/// The password somebody has on a target, from a prompt.
pub(crate) fn on_target(user: &str) -> Result<Zeroizing<String>, Problem> {
    if !io::stdin().is_terminal() {
        return Err(missing("the password", "--password-file"));
    }
    prompt(&format!("Password of {user} on the target: "))
}

/// The code of the second factor, from the command line or a prompt. It is good once, and only for a moment.
pub(crate) fn totp_code(given: Option<&str>) -> Result<Zeroizing<String>, Problem> {
    match given {
        Some(code) => Ok(Zeroizing::new(code.to_owned())),
        None if io::stdin().is_terminal() => prompt("Code of the second factor: "),
        None => Err(missing("the code of the second factor", "the command line")),
    }
}

fn from_standard_input() -> Result<Zeroizing<String>, Problem> {
    let mut text = Zeroizing::new(String::new());
    io::stdin().take(MAX_PASSWORD_BYTES).read_to_string(&mut text).map_err(|error| unreadable(&error))?;
    Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

fn prompt(question: &str) -> Result<Zeroizing<String>, Problem> {
    rpassword::prompt_password(question).map(Zeroizing::new).map_err(|error| unreadable(&error))
}

pub(crate) fn missing(what: &str, how: &str) -> Problem {
    Problem::new(ErrorCode::BadRequest, format!("{what} is missing: give it with {how}"))
}

pub(crate) fn unreadable(error: &io::Error) -> Problem {
    Problem::new(ErrorCode::BadRequest, format!("standard input: {error}"))
}
