//! `towline connect ssh`: the system's own ssh, through `towline server --listen -`.

use std::{ffi::OsString, io};

use tokio::process::Command;
use towline_agent::single_line;
use towline_cloud_api::{Device, Endpoint, ErrorCode, Problem};

use crate::{
    access::{Access, PASSWORD_VARIABLE, TOKEN_VARIABLE, USER_VARIABLE, variable},
    args::{Global, Ssh},
    child,
    output::note,
    reference::{self, Purpose},
    tunnel,
};

pub(crate) const SSH_USER_VARIABLE: &str = "TOWLINE_SSH_USER";

const INTERACTIVE: &str = "--urgency=interactive";

/// Runs ssh and returns its exit code.
pub(crate) async fn run(global: &Global, ssh: &Ssh) -> Result<u8, Problem> {
    let access = Access::resolve(global).await?;
    let api = access.api()?;
    let device = reference::device(&api, &ssh.device.device).await?;
    let endpoint = reference::endpoint(&api, &device, ssh.endpoint.as_deref(), Purpose::Ssh).await?;
    if !device.is_reachable() {
        tunnel::ask(&access, &device, &endpoint).await?;
    }
    if ssh.command.is_empty() {
        let name = single_line(&device.name);
        note(&format!("Starting interactive ssh session with {name} ({})", access.cloud));
    }
    let mut command = Command::new("ssh");
    command.args(arguments(ssh, &access, &device, &endpoint, &this_program()?));
    if access.is_for_this_command() {
        // ssh's child uses this login instead of making another; the password goes no further.
        command.env(TOKEN_VARIABLE, &access.token).env_remove(USER_VARIABLE).env_remove(PASSWORD_VARIABLE);
    }
    child::run(&mut command).await.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => ErrorCode::SshMissing.into(),
        _ => Problem::new(ErrorCode::SshMissing, error.to_string()),
    })
}

/// The path of this program, as ssh can be told it.
pub(crate) fn this_program() -> Result<String, Problem> {
    let failed = |cause: String| Problem::new(ErrorCode::CommandNotFound, format!("this program itself: {cause}"));
    let program = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
    program.into_os_string().into_string().map_err(|_| failed("its path is not UTF-8, which ssh cannot be told".into()))
}

fn arguments(ssh: &Ssh, access: &Access, device: &Device, endpoint: &Endpoint, program: &str) -> Vec<OsString> {
    // A command may print a file; what ssh forwards besides a shell (-o LocalForward=…) goes with the shell.
    let is_shell = ssh.command.is_empty();
    // Ours come first: ssh takes the first value of an option.
    let mut arguments: Vec<OsString> = vec![
        "-o".into(),
        format!("ProxyCommand={}", proxy_command(program, access, device, endpoint, is_shell.then_some(INTERACTIVE)))
            .into(),
        "-o".into(),
        format!("HostKeyAlias={}", host_key_alias(device)).into(),
        "-o".into(),
        "CheckHostIP=no".into(),
    ];
    for option in &ssh.options {
        arguments.extend(["-o".into(), option.clone()]);
    }
    if let Some(user) = ssh.user.clone().or_else(|| variable(SSH_USER_VARIABLE)) {
        arguments.extend(["-l".into(), user.into()]);
    }
    arguments.extend(["--".into(), destination(device).into()]);
    arguments.extend(ssh.command.iter().cloned());
    arguments
}

/// The name that the device's host keys are kept under, whatever the device is called.
pub(crate) fn host_key_alias(device: &Device) -> String {
    format!("towline-{}", device.id)
}

/// The command that ssh gives to a shell, after it has replaced its own `%` tokens.
pub(crate) fn proxy_command(
    program: &str,
    access: &Access,
    device: &Device,
    endpoint: &Endpoint,
    urgency: Option<&str>,
) -> String {
    let mut words = vec![program.to_owned(), "--cloud".into(), access.cloud.to_string()];
    words.extend(access.pin.map(|pin| format!("--pin={pin}")));
    words.push("server".into());
    words.push(format!("--device={}", device.id));
    words.push(format!("--endpoint={}", endpoint.id));
    words.push("--listen=-".into());
    words.extend(urgency.map(str::to_owned));
    words.iter().map(|word| quoted(word).replace('%', "%%")).collect::<Vec<_>>().join(" ")
}

/// One word for a POSIX shell, whatever it holds.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// What ssh shows, and what `Host` in its configuration matches: the device's name if it looks like a host's.
pub(crate) fn destination(device: &Device) -> String {
    let name = &device.name;
    let host_like = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '.' | '_');
    if name.starts_with(|char: char| char.is_ascii_alphanumeric()) && name.chars().all(host_like) {
        name.clone()
    } else {
        host_key_alias(device)
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;
    use crate::access::Origin;

    fn device(name: &str) -> Device {
        Device { id: "4711".into(), name: name.into(), online: true, enrolled: true, ..Device::default() }
    }

    fn endpoint() -> Endpoint {
        Endpoint {
            id: "42".into(),
            device_id: "4711".into(),
            name: "ssh".into(),
            host: "127.0.0.1".into(),
            port: 22,
            ..Endpoint::default()
        }
    }

    fn access() -> Access {
        let cloud = "https://127.0.0.1:8443".parse().unwrap();
        let way_out = towline_agent::WayOut::default();
        Access { cloud, pin: None, way_out, token: "the-secret".into(), origin: Origin::Variable }
    }

    #[test]
    fn a_devices_name_cannot_become_an_option_or_a_command() {
        for (name, destination_shown) in [
            ("pump-7", "pump-7"),
            ("plc.local", "plc.local"),
            ("-oProxyCommand=x", "towline-4711"),
            ("a b", "towline-4711"),
            ("a;b", "towline-4711"),
            ("user@host", "towline-4711"),
            ("", "towline-4711"),
            ("pümp", "towline-4711"),
        ] {
            assert_eq!(destination(&device(name)), destination_shown);
        }
    }

    #[test]
    fn the_proxy_command_survives_ssh_and_the_shell_and_holds_no_secret() {
        let command = proxy_command("/opt/it's 100% here/towline", &access(), &device("pump-7"), &endpoint(), None);

        assert_eq!(
            command,
            r"'/opt/it'\''s 100%% here/towline' '--cloud' 'https://127.0.0.1:8443' 'server' '--device=4711' '--endpoint=42' '--listen=-'"
        );
    }

    #[test]
    fn a_shell_comes_before_what_else_is_carried_and_a_command_does_not() {
        let line = |command: Vec<OsString>| {
            let device_arg = crate::args::DeviceArg { device: "pump-7".into() };
            let ssh = Ssh { device: device_arg, endpoint: None, user: None, options: Vec::new(), command };
            let arguments = arguments(&ssh, &access(), &device("pump-7"), &endpoint(), "/towline");
            arguments.join(OsStr::new(" ")).into_string().unwrap()
        };
        assert!(line(Vec::new()).contains("'--listen=-' '--urgency=interactive'"), "{}", line(Vec::new()));
        assert!(!line(vec!["cat /var/log/big".into()]).contains("--urgency"));
    }

    #[test]
    fn host_key_checking_stays_on_under_a_name_of_its_own() {
        let ssh = Ssh {
            device: crate::args::DeviceArg { device: "pump-7".into() },
            endpoint: None,
            user: Some("root".into()),
            options: vec!["HostKeyAlias=other".into()],
            command: vec!["exit 7".into()],
        };
        let arguments = arguments(&ssh, &access(), &device("pump-7"), &endpoint(), "/towline");
        let line = arguments.join(OsStr::new(" ")).into_string().unwrap();

        assert!(line.contains("-o HostKeyAlias=towline-4711 -o CheckHostIP=no -o HostKeyAlias=other"), "{line}");
        assert!(line.ends_with("-l root -- pump-7 exit 7"), "{line}");
        assert!(!line.contains("StrictHostKeyChecking") && !line.contains("the-secret"), "{line}");
    }
}
