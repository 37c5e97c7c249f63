//! Arguments of the commands about what happened.

use clap::{Subcommand, ValueEnum};
use clap_complete::engine::ArgValueCompleter;

use crate::completions;

#[derive(Subcommand)]
pub(crate) enum Operations {
    /// List them, newest first.
    #[command(visible_alias = "ls")]
    List {
        #[command(flatten)]
        device: OfDevice,
        #[command(flatten)]
        limit: Limit,
    },
    /// Show one.
    #[command(alias = "get")]
    Show {
        /// Its id.
        operation: String,
    },
}

#[derive(Subcommand)]
pub(crate) enum Sessions {
    /// List them, newest first.
    #[command(visible_alias = "ls")]
    List {
        #[command(flatten)]
        device: OfDevice,
        /// Only those that have not ended.
        #[arg(long)]
        live: bool,
        #[command(flatten)]
        limit: Limit,
    },
    /// Show one.
    #[command(alias = "get")]
    Show {
        /// Its id.
        session: String,
    },
    /// End one at once; both ends are told why.
    Kill {
        /// Its id.
        session: String,
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
    /// Check that no record was changed, added or taken out.
    Verify,
    /// Write all records to standard output, oldest first.
    Export {
        /// As what.
        #[arg(long, value_enum, default_value_t = ExportFormat::Jsonl)]
        format: ExportFormat,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// A JSON object in each line.
    Jsonl,
    /// Comma-separated values, with a header.
    Csv,
}

impl ExportFormat {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
        }
    }
}

#[derive(clap::Args)]
pub(crate) struct OfDevice {
    /// Only this device's: name, id, or ext:TYPE/VALUE.
    #[arg(long, value_name = "DEVICE", add = ArgValueCompleter::new(completions::devices))]
    pub(crate) device: Option<String>,
}

#[derive(clap::Args)]
pub(crate) struct Limit {
    /// How many at most.
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    pub(crate) limit: usize,
}
