//! Arguments of the commands that run a cloud.

use std::{net::SocketAddr, path::PathBuf};

use towline_agent::Log;
use towline_cloud::{DEFAULT_RESUME_AGE, DEFAULT_TUNNEL_MEMORY_BYTES, Network};

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
    /// Memory that all tunnels together may promise to connections before the other side takes the bytes; what no longer
    /// fits is refused.
    #[arg(long, value_name = "MIB", default_value_t = DEFAULT_TUNNEL_MEMORY_BYTES >> 20)]
    pub(crate) tunnel_memory_mib: usize,
    /// How long what is open waits for a device, or an operator's command, that has lost its connection; 0: not at all.
    #[arg(long, value_name = "SECONDS", default_value_t = DEFAULT_RESUME_AGE.as_secs())]
    pub(crate) resume_seconds: u64,
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
