//! The command line.

mod keys;
mod people;
mod records;
mod telnet;

use std::{ffi::OsString, net::SocketAddr, path::PathBuf};

use clap::{CommandFactory as _, Parser, Subcommand, ValueEnum};
use clap_complete::engine::ArgValueCompleter;
use towline_agent::{CloudUrl, Log, WayOutArgs};
use towline_cloud::Network;
use towline_transport::tls::KeyPin;

pub(crate) use self::{
    keys::{Container, Convert, Generate, KeyFile, Keys, Kind, Written},
    people::{DeviceGroups, Grants, Groups, Login, NewPassword, Tokens, Totp, Users},
    records::{Audit, ExportFormat, Operations, Sessions},
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
pub(crate) struct Up {
    /// Where the cloud listens.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// Where everything is kept [default: towline in the user's data folder; with --demo a folder demo in that].
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Take devices' tunnels over QUIC too, at this address (UDP).
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) quic_listen: Option<SocketAddr>,
    /// Make no device of this machine: show a demo device, whose servers are in this program and on loopback only.
    #[arg(long)]
    pub(crate) demo: bool,
}

#[derive(clap::Args)]
pub(crate) struct Cloud {
    /// Where to listen; TLS and (from this machine) plain HTTP on one port.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8443")]
    pub(crate) listen: SocketAddr,
    /// Where the cloud's state is kept.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: PathBuf,
    /// A certificate chain in PEM, instead of the cloud's own.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The certificate's key in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Serve plain HTTP to others than this machine: for a proxy in front that ends TLS, on a network of its own.
    #[arg(long)]
    pub(crate) plain_from_anywhere: bool,
    /// A proxy in front, as address or network: its X-Forwarded-For counts, and it may ask without TLS.
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    pub(crate) trusted_proxy: Vec<Network>,
    /// Whatever stands in front has a public certificate: enrolment tokens pin nothing, devices use their own roots.
    #[arg(long)]
    pub(crate) web_pki: bool,
    /// Take devices' tunnels over QUIC too, at this address (UDP); agents then prefer it, and fall back where it does
    /// not get through.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) quic_listen: Option<SocketAddr>,
    /// Serve /metrics for Prometheus at this address, in plain HTTP and without a login.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// How long sessions may go on after SIGTERM; a second SIGTERM ends them at once.
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    pub(crate) drain_seconds: u64,
    /// A TOML file with `version = 1` and settings named like these flags; flags and TOWLINE_* variables win over it.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) log: Log,
}

#[derive(clap::Args)]
pub(crate) struct Backup {
    /// The cloud's data folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: PathBuf,
    /// The file to write; it must not exist yet.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) secrecy: Secrecy,
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Secrecy {
    /// A file with the passphrase that the backup is encrypted with.
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Do not encrypt: whoever has the backup has the cloud's keys.
    #[arg(long)]
    pub(crate) unencrypted: bool,
}

#[derive(clap::Args)]
pub(crate) struct Restore {
    /// The backup.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The data folder to make; one that exists must be empty.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: PathBuf,
    /// A file with the passphrase that the backup was encrypted with.
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
}

#[derive(Subcommand)]
pub(crate) enum Devices {
    /// List the devices and whether they are online.
    #[command(visible_alias = "ls")]
    List,
    /// Get a one-time token for a new device, or for one whose key is to be replaced.
    Enrol {
        /// The device's name.
        #[arg(long, value_name = "NAME")]
        name: String,
        /// How long the token is good for [default: an hour].
        #[arg(long, value_name = "SECONDS")]
        valid_for: Option<u64>,
    },
    /// Show a device.
    #[command(alias = "get")]
    Show(DeviceName),
    /// Give a device another name.
    Rename {
        #[command(flatten)]
        device: DeviceName,
        /// The new name.
        new_name: String,
    },
    /// Keep a device from connecting; its sessions end at once.
    Disable(DeviceName),
    /// Let a device connect again.
    Enable(DeviceName),
    /// Remove a device; its agent is cut off.
    #[command(visible_alias = "delete")]
    Remove(DeviceName),
}

#[derive(Subcommand)]
pub(crate) enum Endpoints {
    /// List a device's endpoints.
    #[command(visible_alias = "ls")]
    List {
        #[command(flatten)]
        device: DeviceArg,
    },
    /// Show an endpoint.
    #[command(alias = "get")]
    Show {
        #[command(flatten)]
        device: DeviceArg,
        #[command(flatten)]
        endpoint: EndpointName,
    },
    /// Create an endpoint that passes bytes on as they are.
    CreatePassthrough {
        #[command(flatten)]
        device: DeviceArg,
        /// Its name.
        #[arg(long, value_name = "NAME")]
        name: String,
        /// Host name or address as the device sees it.
        #[arg(long, value_name = "HOST", default_value = "127.0.0.1")]
        host: String,
        /// TCP port.
        #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
        port: u16,
    },
    /// Create an endpoint whose screen opens in the browser.
    CreateVnc {
        #[command(flatten)]
        target: NewTarget,
        /// A file with the VNC server's password.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        /// Nobody may send keys, pointer or clipboard.
        #[arg(long)]
        view_only: bool,
    },
    /// Create an endpoint whose SSH terminal opens in the browser. Without a password or a key, whoever connects is asked.
    CreateSsh {
        #[command(flatten)]
        target: NewTarget,
        /// The user to sign in as.
        #[arg(long, value_name = "USER")]
        user: String,
        /// A file with the user's password.
        #[arg(long, value_name = "FILE", conflicts_with_all = ["key_file", "generate_key"])]
        password_file: Option<PathBuf>,
        /// A private key, in any format.
        #[arg(long, value_name = "FILE", conflicts_with = "generate_key")]
        key_file: Option<PathBuf>,
        /// A file with the key's passphrase; without it whoever connects is asked.
        #[arg(long, value_name = "FILE", requires = "key_file")]
        passphrase_file: Option<PathBuf>,
        /// Make a key pair, and print the line for `authorized_keys`.
        #[arg(long)]
        generate_key: bool,
        /// The keys that the server may have, one a line, such as its `ssh_host_ed25519_key.pub`.
        #[arg(long, value_name = "FILE")]
        host_keys_file: Option<PathBuf>,
        /// Allow algorithms that are not safe any more, for old servers.
        #[arg(long)]
        legacy_algorithms: bool,
    },
    /// Create an endpoint whose Telnet terminal opens in the browser. Telnet protects nothing: use SSH where you can.
    CreateTelnet {
        #[command(flatten)]
        target: NewTarget,
        #[command(flatten)]
        modes: TelnetModes,
    },
    /// Put the public half of an SSH endpoint's key pair into ~/.ssh/authorized_keys on its target, with the user's
    /// password there. The password comes from a file or a prompt, signs in once, and is not kept.
    InstallKey {
        #[command(flatten)]
        device: DeviceArg,
        #[command(flatten)]
        endpoint: EndpointName,
        /// A file with the user's password on the target [default: ask for it].
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
        /// The host key that is trusted if none is kept with the endpoint yet; it is kept from then on.
        #[arg(long, value_name = "SHA256:…")]
        trust_host_key: Option<String>,
    },
    /// Change an endpoint. A new host or port ends its sessions at once.
    Update {
        #[command(flatten)]
        device: DeviceArg,
        #[command(flatten)]
        endpoint: EndpointName,
        #[command(flatten)]
        change: EndpointChange,
    },
    /// Delete an endpoint.
    #[command(alias = "remove")]
    Delete {
        #[command(flatten)]
        device: DeviceArg,
        #[command(flatten)]
        endpoint: EndpointName,
    },
}

/// What an endpoint of any kind has.
#[derive(clap::Args)]
pub(crate) struct NewTarget {
    #[command(flatten)]
    pub(crate) device: DeviceArg,
    /// Its name.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: String,
    /// Host name or address as the device sees it.
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1")]
    pub(crate) host: String,
    /// TCP port [default: the protocol's own].
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
}

#[derive(clap::Args)]
#[group(required = true, multiple = true)]
pub(crate) struct EndpointChange {
    /// A new name.
    #[arg(long, value_name = "NAME")]
    pub(crate) new_name: Option<String>,
    /// A new host name or address, as the device sees it.
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Option<String>,
    /// A new TCP port.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
}

#[derive(clap::Args)]
pub(crate) struct DeviceName {
    /// Name, id, or ext:TYPE/VALUE.
    #[arg(add = ArgValueCompleter::new(completions::devices))]
    pub(crate) device: String,
}

#[derive(clap::Args)]
pub(crate) struct DeviceArg {
    /// Name, id, or ext:TYPE/VALUE.
    #[arg(long, value_name = "DEVICE", add = ArgValueCompleter::new(completions::devices))]
    pub(crate) device: String,
}

#[derive(clap::Args)]
pub(crate) struct EndpointName {
    /// Name or id of the endpoint.
    #[arg(value_name = "ENDPOINT", required_unless_present = "endpoint")]
    #[arg(add = ArgValueCompleter::new(completions::endpoints))]
    pub(crate) positional: Option<String>,
    /// Name or id of the endpoint.
    #[arg(id = "endpoint", long = "endpoint", value_name = "ENDPOINT", conflicts_with = "positional", alias = "name")]
    #[arg(add = ArgValueCompleter::new(completions::endpoints))]
    pub(crate) flag: Option<String>,
}

impl EndpointName {
    pub(crate) fn name(&self) -> &str {
        self.flag.as_deref().or(self.positional.as_deref()).unwrap_or_default()
    }
}

#[derive(clap::Args)]
pub(crate) struct Server {
    #[command(flatten)]
    pub(crate) device: DeviceArg,
    /// Name or id of the endpoint [default: the only PASSTHROUGH].
    #[arg(long, value_name = "ENDPOINT", alias = "configuration", add = ArgValueCompleter::new(completions::endpoints))]
    pub(crate) endpoint: Option<String>,
    /// A loopback address with a port (0 for any free one), unix:///PATH for a socket that only this user may use, or
    /// `-` for standard input and output.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub(crate) listen: String,
}

/// The program finds a port of this machine that leads to the endpoint in its environment: TARGET (127.0.0.1) and PORT;
/// DEVICE is the device's id. Nothing in its arguments is replaced: `sh -c` does that.
///
/// For example: towline run --device pump-7 --endpoint web -- sh -c 'curl http://$TARGET:$PORT/'
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) device: DeviceArg,
    /// Name or id of the endpoint [default: the only PASSTHROUGH].
    #[arg(long, value_name = "ENDPOINT", alias = "configuration", add = ArgValueCompleter::new(completions::endpoints))]
    pub(crate) endpoint: Option<String>,
    /// The program and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND", value_hint = clap::ValueHint::CommandWithArguments)]
    pub(crate) command: Vec<OsString>,
}

#[derive(Subcommand)]
pub(crate) enum Connect {
    /// Run ssh to the device; its exit code is passed on.
    Ssh(Ssh),
    /// Have this terminal on a Telnet target of the device.
    Telnet(Box<Telnet>),
}

#[derive(clap::Args)]
pub(crate) struct Ssh {
    #[command(flatten)]
    pub(crate) device: DeviceArg,
    /// Name or id of the endpoint [default: the only PASSTHROUGH, else the one on port 22, else one named like ssh].
    #[arg(long, value_name = "ENDPOINT", alias = "configuration", add = ArgValueCompleter::new(completions::endpoints))]
    pub(crate) endpoint: Option<String>,
    /// User on the device [default: $TOWLINE_SSH_USER, or what ssh itself takes].
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<String>,
    /// An option for ssh, as after its -o.
    #[arg(short = 'o', long = "ssh-option", value_name = "OPTION")]
    pub(crate) options: Vec<OsString>,
    /// A command to run instead of a shell.
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

#[derive(clap::Args)]
pub(crate) struct SshConfig {
    #[command(flatten)]
    pub(crate) device: DeviceArg,
    /// Name or id of the endpoint [default: the only PASSTHROUGH, else the one on port 22, else one named like ssh].
    #[arg(long, value_name = "ENDPOINT", alias = "configuration", add = ArgValueCompleter::new(completions::endpoints))]
    pub(crate) endpoint: Option<String>,
    /// User on the device [default: $TOWLINE_SSH_USER, or what ssh itself takes].
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<String>,
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
