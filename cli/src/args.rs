//! The command line.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf};

use clap::{Parser, Subcommand, ValueEnum};
use towline_agent::CloudUrl;
use towline_transport::tls::KeyPin;

/// Reach devices behind NAT: SSH, VNC, Telnet and any TCP, through your own cloud.
#[derive(Parser)]
#[command(name = "towline", version, max_term_width = 100)]
pub(crate) struct Program {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
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
    /// Start a cloud and make this machine its first device.
    Up(Up),
    /// Run the cloud.
    Cloud(Cloud),
    /// Run this machine's agent: dials out to the cloud and connects what its allow-list allows.
    Agent(towline_agent::Args),
    /// Log in to a cloud; later commands use that login. The password comes from TOWLINE_PASSWORD or a prompt.
    Login(Login),
    /// End the login.
    Logout,
    /// List, enrol and remove devices.
    #[command(subcommand)]
    Devices(Devices),
    /// List, create and delete what can be reached on a device.
    #[command(subcommand, visible_alias = "configurations")]
    Endpoints(Endpoints),
    /// Listen on this machine and pass each connection to a device's endpoint.
    Server(Server),
    /// Connect to a device with a program of this machine.
    #[command(subcommand)]
    Connect(Connect),
    /// Attempts to connect.
    #[command(subcommand)]
    Operations(Operations),
    /// Connections that came about: when, how long, how much, why they ended.
    #[command(subcommand)]
    Sessions(Sessions),
    /// Who did what.
    #[command(subcommand)]
    Audit(Audit),
}

#[derive(clap::Args)]
pub(crate) struct Up {
    /// Where the cloud listens.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// Where everything is kept [default: towline in the user's data folder].
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
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
}

#[derive(clap::Args)]
pub(crate) struct Login {
    /// The cloud's address.
    #[arg(value_name = "URL")]
    pub(crate) url: Option<CloudUrl>,
    /// User name [default: $TOWLINE_USER, or a prompt].
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<String>,
    /// Read the password from standard input.
    #[arg(long)]
    pub(crate) password_stdin: bool,
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
    Show {
        /// Name, id, or ext:TYPE/VALUE.
        device: String,
    },
    /// Remove a device; its agent is cut off.
    #[command(visible_alias = "delete")]
    Remove {
        /// Name, id, or ext:TYPE/VALUE.
        device: String,
    },
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
    /// Delete an endpoint.
    #[command(alias = "remove")]
    Delete {
        #[command(flatten)]
        device: DeviceArg,
        #[command(flatten)]
        endpoint: EndpointName,
    },
}

#[derive(clap::Args)]
pub(crate) struct DeviceArg {
    /// Name, id, or ext:TYPE/VALUE.
    #[arg(long, value_name = "DEVICE")]
    pub(crate) device: String,
}

#[derive(clap::Args)]
pub(crate) struct EndpointName {
    /// Name or id of the endpoint.
    #[arg(value_name = "ENDPOINT", required_unless_present = "endpoint")]
    pub(crate) positional: Option<String>,
    /// Name or id of the endpoint.
    #[arg(id = "endpoint", long = "endpoint", value_name = "ENDPOINT", conflicts_with = "positional", alias = "name")]
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
    #[arg(long, value_name = "ENDPOINT", alias = "configuration")]
    pub(crate) endpoint: Option<String>,
    /// A loopback address with a port (0 for any free one), or `-` for standard input and output.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub(crate) listen: String,
}

#[derive(Subcommand)]
pub(crate) enum Connect {
    /// Run ssh to the device; its exit code is passed on.
    Ssh(Ssh),
}

#[derive(clap::Args)]
pub(crate) struct Ssh {
    #[command(flatten)]
    pub(crate) device: DeviceArg,
    /// Name or id of the endpoint [default: the only PASSTHROUGH, else the one on port 22, else one named like ssh].
    #[arg(long, value_name = "ENDPOINT", alias = "configuration")]
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

#[derive(Subcommand)]
pub(crate) enum Operations {
    /// List them, newest first.
    #[command(visible_alias = "ls")]
    List {
        /// Only this device's: name, id, or ext:TYPE/VALUE.
        #[arg(long, value_name = "DEVICE")]
        device: Option<String>,
        #[command(flatten)]
        limit: Limit,
    },
}

#[derive(Subcommand)]
pub(crate) enum Sessions {
    /// List them, newest first.
    #[command(visible_alias = "ls")]
    List {
        /// Only this device's: name, id, or ext:TYPE/VALUE.
        #[arg(long, value_name = "DEVICE")]
        device: Option<String>,
        #[command(flatten)]
        limit: Limit,
    },
}

#[derive(Subcommand)]
pub(crate) enum Audit {
    /// List its records, newest first.
    #[command(visible_alias = "ls")]
    List {
        #[command(flatten)]
        limit: Limit,
    },
}

#[derive(clap::Args)]
pub(crate) struct Limit {
    /// How many at most.
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    pub(crate) limit: usize,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Program::command().debug_assert();
    }

    #[test]
    fn a_remote_command_keeps_its_dashes() {
        let line = ["towline", "connect", "ssh", "--device", "pump", "--", "ls", "-l", "--color"];
        let Command::Connect(Connect::Ssh(ssh)) = Program::parse_from(line).command else { unreachable!() };
        assert_eq!(ssh.command, ["ls", "-l", "--color"]);
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
