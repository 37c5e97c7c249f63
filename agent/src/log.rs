//! The log: to standard error, for people or for programs.

use std::io::{IsTerminal as _, stderr};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// How a program logs.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub struct Log {
    /// How the log is written to standard error.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub log_format: LogFormat,
    /// How much is logged: this level and graver [default: what RUST_LOG says, else info].
    #[arg(long, value_enum, value_name = "LEVEL")]
    pub log_level: Option<LogLevel>,
}

/// How a log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object in each line.
    Json,
}

/// How much is logged. No level shows a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What failed.
    Error,
    /// What may become a failure.
    Warn,
    /// What happened.
    Info,
    /// What is of use in finding a mistake.
    Debug,
    /// Everything.
    Trace,
}

impl Log {
    /// Begins to log, for the rest of the process. `default` holds where neither flag nor `RUST_LOG` says anything.
    pub fn start(self, default: &str) {
        let filter = match self.log_level {
            Some(level) => EnvFilter::new(level.as_str()),
            None => EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default)),
        };
        // Records of the crate `log` are left out for good: tungstenite writes payloads there.
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
        match self.log_format {
            LogFormat::Text => log.with_ansi(stderr().is_terminal()).init(),
            LogFormat::Json => log.json().flatten_event(true).with_current_span(false).with_span_list(false).init(),
        }
    }
}

impl LogLevel {
    fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}
