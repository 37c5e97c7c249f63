//! `towline ssh-config`: an entry for `~/.ssh/config`.

use serde::Serialize;
use towline_cloud_api::{Device, Endpoint, ErrorCode, Problem};

use crate::{
    access::{Access, variable},
    args::{Global, SshConfig},
    output::{Output, note},
    reference::{self, Purpose},
    ssh::{SSH_USER_VARIABLE, destination, host_key_alias, proxy_command, this_program},
};

#[derive(Serialize)]
struct Entry {
    host: String,
    entry: String,
}

pub(crate) async fn run(global: &Global, command: &SshConfig, output: Output) -> Result<(), Problem> {
    let access = Access::resolve(global).await?;
    let api = access.api()?;
    let device = reference::device(&api, &command.device.device).await?;
    let endpoint = reference::endpoint(&api, &device, command.endpoint.as_deref(), Purpose::Ssh).await?;
    let user = command.user.clone().or_else(|| variable(SSH_USER_VARIABLE));
    let lines = entry(&this_program()?, &access, &device, &endpoint, user.as_deref())?;
    if access.origin.is_of_this_shell() {
        note("the login comes from this shell's TOWLINE_ variables: ssh needs them too");
    }
    output.value(&Entry { host: destination(&device), entry: lines.join("\n") }, |_| lines)
}

/// The lines of the entry. The login is not in it: the command that ssh runs finds it where this one did.
fn entry(
    program: &str,
    access: &Access,
    device: &Device,
    endpoint: &Endpoint,
    user: Option<&str>,
) -> Result<Vec<String>, Problem> {
    let mut lines = vec![format!("Host {}", destination(device))];
    if let Some(user) = user {
        lines.push(format!("    User {}", checked_user(user)?));
    }
    lines.extend([
        format!("    HostKeyAlias {}", host_key_alias(device)),
        "    CheckHostIP no".into(),
        format!("    ProxyCommand {}", proxy_command(program, access, device, endpoint, None)),
    ]);
    Ok(lines)
}

/// A name that is one word in ssh's configuration, whatever it holds.
fn checked_user(user: &str) -> Result<&str, Problem> {
    let fits = |char: char| char.is_alphanumeric() || matches!(char, '-' | '.' | '_' | '@' | '+' | '$');
    if !user.is_empty() && user.chars().all(fits) {
        return Ok(user);
    }
    Err(Problem::new(ErrorCode::BadRequest, format!("{user:?} is not a user's name that ssh's configuration can hold")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_name_cannot_become_another_line_or_word() {
        for user in ["root", "jörg", "a.b-c_d", "me@example.com"] {
            assert_eq!(checked_user(user), Ok(user));
        }
        for user in ["", "a b", "a\nProxyCommand x", "a#b", "\"a", "%h"] {
            assert!(checked_user(user).is_err(), "{user:?}");
        }
    }
}
