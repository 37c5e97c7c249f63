//! Arguments of the command about what holds for all connections.

use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum Settings {
    /// Show them.
    #[command(alias = "get")]
    Show,
    /// Change some of them; the others stay.
    #[command(alias = "update")]
    Set(SettingsChange),
}

#[derive(clap::Args)]
#[group(required = true, multiple = true)]
pub(crate) struct SettingsChange {
    /// SSH: trust a server whose endpoint has no host key at its first connection, and keep the key from then on.
    #[arg(long, value_name = "BOOL")]
    pub(crate) save_host_keys: Option<bool>,
    /// Whether Telnet endpoints may be made and connected. Forbidding it ends what is open.
    #[arg(long, value_name = "BOOL")]
    pub(crate) allow_telnet: Option<bool>,
    /// A session in the browser ends after so long without a key or a click; 0: never.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) idle_limit_seconds: Option<u64>,
    /// A session in the browser ends after so long, unless it is extended; 0: never.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) total_limit_seconds: Option<u64>,
}
