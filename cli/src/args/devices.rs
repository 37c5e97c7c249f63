//! Arguments of the commands about devices and their endpoints.

use std::path::PathBuf;

use clap::Subcommand;
use clap_complete::engine::ArgValueCompleter;

use super::TelnetModes;
use crate::completions;

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
