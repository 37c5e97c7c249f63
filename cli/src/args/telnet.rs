//! How keys and text are treated on a Telnet connection.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap_complete::engine::ArgValueCompleter;
use serde::de::DeserializeOwned;
use serde_json::Value;
use towline_cloud_api::{TelnetBackspace, TelnetInterrupt, TelnetNewline, TelnetOptions, TelnetWhen};

use super::DeviceArg;
use crate::completions;

#[derive(clap::Args)]
pub(crate) struct Telnet {
    #[command(flatten)]
    pub(crate) device: DeviceArg,
    /// Name or id of the endpoint [default: the only TELNET; without one a PASSTHROUGH: the only one, else the one on
    /// port 23, else the one named like telnet].
    #[arg(long, value_name = "ENDPOINT", alias = "configuration", add = ArgValueCompleter::new(completions::endpoints))]
    pub(crate) endpoint: Option<String>,
    #[command(flatten)]
    pub(crate) modes: TelnetModes,
}

/// What is said of a Telnet connection; the rest is as the endpoint has it, or as it is for most targets.
#[derive(clap::Args)]
#[command(next_help_heading = "Modes")]
pub(crate) struct TelnetModes {
    /// What Enter sends [default: cr-nul].
    #[arg(long, value_name = "BYTES", value_parser = one_of::<TelnetNewline>(&["cr-nul", "cr-lf", "lf", "raw"]))]
    pub(crate) newline: Option<TelnetNewline>,
    /// What Backspace sends [default: as-is].
    #[arg(long, value_name = "BYTE", value_parser = one_of::<TelnetBackspace>(&["as-is", "delete", "control-h"]))]
    pub(crate) backspace: Option<TelnetBackspace>,
    /// What Ctrl+C sends: the byte, IP with a Synch, or BRK [default: byte].
    #[arg(long, value_name = "SIGNAL", value_parser = one_of::<TelnetInterrupt>(&["byte", "process", "break"]))]
    pub(crate) interrupt: Option<TelnetInterrupt>,
    /// Whether keys are shown before the target shows them [default: negotiated].
    #[arg(long, value_name = "WHEN", value_parser = one_of::<TelnetWhen>(&WHEN))]
    pub(crate) local_echo: Option<TelnetWhen>,
    /// Whether a line is edited here and sent when it is whole [default: negotiated].
    #[arg(long, value_name = "WHEN", value_parser = one_of::<TelnetWhen>(&WHEN))]
    pub(crate) local_editing: Option<TelnetWhen>,
    /// Offer options at once; some consoles take an offer for typed text [default: false].
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) speak_first: Option<bool>,
    /// The target's character set, such as utf-8, iso-8859-1, shift_jis, cp437 [default: utf-8].
    #[arg(long, value_name = "NAME", value_parser = charset)]
    pub(crate) charset: Option<String>,
}

const WHEN: [&str; 3] = ["negotiated", "always", "never"];

impl TelnetModes {
    /// `base`, except for what was said.
    pub(crate) fn over(&self, base: TelnetOptions) -> TelnetOptions {
        TelnetOptions {
            newline: self.newline.unwrap_or(base.newline),
            backspace: self.backspace.unwrap_or(base.backspace),
            interrupt: self.interrupt.unwrap_or(base.interrupt),
            local_echo: self.local_echo.unwrap_or(base.local_echo),
            local_editing: self.local_editing.unwrap_or(base.local_editing),
            speak_first: self.speak_first.unwrap_or(base.speak_first),
            charset: self.charset.clone().unwrap_or(base.charset),
        }
    }
}

/// The words of the API, which reads them too.
fn one_of<T: DeserializeOwned + Clone + Send + Sync + 'static>(
    words: &'static [&'static str],
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(words).try_map(|word| serde_json::from_value(Value::String(word)))
}

fn charset(name: &str) -> Result<String, &'static str> {
    match towline_cloud::is_charset(name) {
        true => Ok(name.to_owned()),
        false => Err("a character set is one of the Encoding Standard, or cp437"),
    }
}
