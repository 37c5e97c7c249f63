//! The command line.

mod cloud;
mod connecting;
mod devices;
mod keys;
mod people;
mod records;
mod settings;
mod telnet;

use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum};
use clap_complete::engine::ArgValueCompleter;
use towline_agent::{CloudUrl, WayOutArgs};
use towline_transport::tls::KeyPin;

pub(crate) use self::{
    cloud::{Backup, Cloud, Restore, Up},
    connecting::{Connect, Run, Server, Ssh, SshConfig},
    devices::{DeviceArg, DeviceName, Devices, Endpoints, NewTarget},
    keys::{Container, Convert, Generate, KeyFile, Keys, Kind, Written},
    people::{DeviceGroups, Grants, Groups, Login, NewPassword, Tokens, Totp, Users},
    records::{Audit, ExportFormat, Operations, Sessions},
    settings::Settings,
    telnet::{Telnet, TelnetModes},
};
use crate::{completions, exit_codes};

/// Reach devices behind NAT: SSH, VNC, Telnet and any TCP, through your own cloud.
#[derive(Parser)]
#[command(name = "towline", version, max_term_width = 100)]
#[command(
    after_long_help = "Exit codes: 0 when it worked, the child's own where one is run, else one that names what \
                             failed: see `towline exit-codes`."
)]
pub(crate) struct Program {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Program {
    /// The command line as clap has it.
    pub(crate) fn definition() -> clap::Command {
        without_empty_variables(Self::command())
    }
}

/// An environment variable that is empty counts as one that is not set.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |name: &std::ffi::OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    command
        .mut_args(|argument| match argument.get_env() {
            Some(name) if is_empty(name) => argument.env(None),
            _ => argument,
        })
        .mut_subcommands(without_empty_variables)
}

/// What every command takes.
#[derive(clap::Args)]
pub(crate) struct Global {
    /// How results are printed, and failures on standard error.
    #[arg(long, global = true, value_enum, default_value_t = Format::Table)]
    pub(crate) output: Format,
    /// The cloud's address [default: that of `towline login`].
    #[arg(long, global = true, value_name = "URL", env = "TOWLINE_HOST")]
    pub(crate) cloud: Option<CloudUrl>,
    /// The cloud's key, as the cloud prints it at its start [default: that of `towline login`].
    #[arg(long, global = true, value_name = "sha256:…", env = "TOWLINE_PIN")]
    pub(crate) pin: Option<KeyPin>,
    #[command(flatten)]
    pub(crate) way_out: WayOutArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Start a cloud and make this machine, or a demo device, its first device.
    Up(Up),
    /// Run the cloud.
    Cloud(Cloud),
    /// Write a cloud's database, identity and keys to one file, whether the cloud runs or not.
    Backup(Backup),
    /// Make a data folder of a backup.
    Restore(Restore),
    /// Run this machine's agent: dials out to the cloud and connects what its allow-list allows.
    Agent(towline_agent::Args),
    /// Log in to a cloud; later commands use that login. The password comes from TOWLINE_PASSWORD or a prompt.
    Login(Login),
    /// End the login.
    Logout,
    /// Change one's own password. Ends one's other logins.
    Passwd(NewPassword),
    /// Set up and remove one's own second factor.
    #[command(subcommand)]
    Totp(Totp),
    /// List, enrol, change and remove devices.
    #[command(subcommand)]
    Devices(Devices),
    /// List, create, change and delete what can be reached on a device.
    #[command(subcommand, visible_alias = "configurations")]
    Endpoints(Endpoints),
    /// Listen on this machine and pass each connection to a device's endpoint.
    Server(Server),
    /// Run a program of this machine that connects to a device's endpoint; its exit code is passed on.
    Run(Run),
    /// Connect to a device: with ssh, or over Telnet.
    #[command(subcommand)]
    Connect(Connect),
    /// Print an entry for ~/.ssh/config, with which `ssh`, `scp` and `sftp` reach a device by its name.
    SshConfig(SshConfig),
    /// Attempts to connect.
    #[command(subcommand)]
    Operations(Operations),
    /// Connections that came about: when, how long, how much, why they ended.
    #[command(subcommand)]
    Sessions(Sessions),
    /// Follow what happens: devices, operations and sessions, a line for each change.
    Events,
    /// Who did what.
    #[command(subcommand)]
    Audit(Audit),
    /// People who log in.
    #[command(subcommand)]
    Users(Users),
    /// Groups of users: rights are given to them.
    #[command(subcommand, visible_alias = "user-groups")]
    Groups(Groups),
    /// Groups of devices: rights are given on them.
    #[command(subcommand)]
    DeviceGroups(DeviceGroups),
    /// Rights of user groups on device groups.
    #[command(subcommand)]
    Grants(Grants),
    /// What holds for all connections: host keys, Telnet, limits of time.
    #[command(subcommand)]
    Settings(Settings),
    /// Logins that are in force.
    #[command(subcommand)]
    Tokens(Tokens),
    /// Look at SSH keys in any container, convert and make them. Needs no cloud.
    #[command(subcommand)]
    Keys(Keys),
    /// Look for what is wrong between this machine, the cloud and a device, and say what to do.
    Doctor(Doctor),
    /// Print a script that makes a shell complete commands, devices and endpoints.
    ///
    /// bash: `source <(towline completions bash)`, zsh: `source <(towline completions zsh)`,
    /// fish: `towline completions fish | source`, each in the shell's start-up file.
    #[command(verbatim_doc_comment)]
    Completions {
        /// Which shell.
        shell: Shell,
    },
    /// What each exit code means.
    #[command(after_long_help = exit_codes::table())]
    ExitCodes,
}

#[derive(clap::Args)]
pub(crate) struct Doctor {
    /// Look at this device too: name, id, or ext:TYPE/VALUE.
    #[arg(long, value_name = "DEVICE", add = ArgValueCompleter::new(completions::devices))]
    pub(crate) device: Option<String>,
    /// Only this endpoint of the device [default: all of them].
    #[arg(long, value_name = "ENDPOINT", alias = "configuration", requires = "device")]
    #[arg(add = ArgValueCompleter::new(completions::endpoints))]
    pub(crate) endpoint: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// GNU Bash.
    Bash,
    /// Z shell.
    Zsh,
    /// fish.
    Fish,
}

#[cfg(test)]
mod tests {
    use towline_cloud_api::{TelnetNewline, TelnetOptions, TelnetWhen};

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Program::definition().debug_assert();
    }

    #[test]
    fn a_remote_command_keeps_its_dashes() {
        let line = ["towline", "connect", "ssh", "--device", "pump", "--", "ls", "-l", "--color"];
        let Command::Connect(Connect::Ssh(ssh)) = Program::parse_from(line).command else { unreachable!() };
        assert_eq!(ssh.command, ["ls", "-l", "--color"]);
    }

    #[test]
    fn a_telnet_connection_is_as_the_endpoint_has_it_but_for_what_is_said() {
        let base = TelnetOptions { charset: "koi8-r".into(), speak_first: true, ..TelnetOptions::default() };
        let modes = |flags: &[&str]| {
            let line = [&["towline", "connect", "telnet", "--device", "plc"], flags].concat();
            let Command::Connect(Connect::Telnet(telnet)) = Program::try_parse_from(line)?.command else {
                unreachable!()
            };
            Ok::<_, clap::Error>(telnet.modes.over(base.clone()))
        };
        assert_eq!(modes(&[]).unwrap(), base);
        let said = modes(&["--newline", "cr-lf", "--local-echo", "always", "--speak-first=false"]).unwrap();
        assert_eq!((said.newline, said.local_echo), (TelnetNewline::CrLf, TelnetWhen::Always));
        assert_eq!((said.speak_first, said.charset.as_str()), (false, "koi8-r"));
        for wrong in [["--charset", "klingon"], ["--newline", "crlf"]] {
            assert!(modes(&wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_help_of_a_telnet_connection_says_how_it_ends() {
        let program = Program::definition();
        let telnet = program.find_subcommand("connect").and_then(|connect| connect.find_subcommand("telnet"));
        let help = telnet.unwrap().clone().render_long_help().to_string();
        assert!(help.contains("Ctrl+] and q end the connection") && help.contains("use SSH where you can"), "{help}");
    }

    #[test]
    fn a_program_to_run_keeps_its_own_arguments_and_must_be_named() {
        let line = ["towline", "run", "--device", "pump", "--", "nc", "-v", "%h", "%p"];
        let Command::Run(run) = Program::parse_from(line).command else { unreachable!() };
        assert_eq!(run.command, ["nc", "-v", "%h", "%p"]);
        assert!(Program::try_parse_from(["towline", "run", "--device", "pump"]).is_err());
        assert!(Program::try_parse_from(["towline", "run", "--device", "pump", "nc"]).is_err());
    }

    #[test]
    fn a_change_of_an_endpoint_changes_something() {
        let line = ["towline", "endpoints", "update", "--device", "pump", "ssh"];
        assert!(Program::try_parse_from(line).is_err());
        assert!(Program::try_parse_from([&line[..], &["--port", "22"]].concat()).is_ok());
        assert!(Program::try_parse_from([&line[..], &["--port", "0"]].concat()).is_err());
    }

    #[test]
    fn standard_input_and_output_are_a_listener() {
        let line = ["towline", "server", "--device", "pump", "--listen", "-"];
        let Command::Server(server) = Program::parse_from(line).command else { unreachable!() };
        assert_eq!(server.listen, "-");
    }

    #[test]
    fn the_agent_takes_the_clouds_address_too() {
        let line = ["towline", "agent", "--cloud", "https://127.0.0.1:8443", "--enrol-token", "tl1_x"];
        let Command::Agent(agent) = Program::parse_from(line).command else { unreachable!() };
        assert_eq!(agent.cloud.unwrap().authority(), "127.0.0.1:8443");
    }
}
