//! Arguments of the commands that connect to a device.

use std::ffi::OsString;

use clap::{Subcommand, ValueEnum};
use clap_complete::engine::ArgValueCompleter;
use towline_tunnel_proto::Urgency;

use super::{DeviceArg, Telnet};
use crate::completions;

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
    #[command(flatten)]
    pub(crate) urgency: UrgencyArg,
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
    #[command(flatten)]
    pub(crate) urgency: UrgencyArg,
    /// The program and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND", value_hint = clap::ValueHint::CommandWithArguments)]
    pub(crate) command: Vec<OsString>,
}

#[derive(Subcommand)]
pub(crate) enum Connect {
    /// Run ssh to the device; its exit code is passed on.
    Ssh(Ssh),
    /// Have this terminal on a Telnet target of the device.
    ///
    /// Telnet protects nothing between the device and its target: use SSH where you can.
    ///
    /// Ctrl+] and q end the connection; Ctrl+] alone shows what else there is. Standard input that is no terminal is sent as it
    /// is, and its end is no end: the target has the last word.
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
pub(crate) struct UrgencyArg {
    /// What comes first where bytes have to wait for one another.
    #[arg(long, value_enum, value_name = "KIND", default_value_t = Kind::Normal)]
    urgency: Kind,
}

impl UrgencyArg {
    pub(crate) fn value(&self) -> Urgency {
        match self.urgency {
            Kind::Interactive => Urgency::INTERACTIVE,
            Kind::Normal => Urgency::NORMAL,
            Kind::Bulk => Urgency::BULK,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Keystrokes and what they cause: `connect telnet` and a shell of `connect ssh` are that anyway.
    Interactive,
    /// When nothing is known.
    Normal,
    /// Copying files: leaves room for all others.
    Bulk,
}
