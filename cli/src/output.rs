//! What goes to standard output, and failures to standard error.

use std::io::{self, Write as _};

use comfy_table::{Table, presets};
use serde::Serialize;
use towline_agent::single_line;
use towline_cloud_api::{ErrorCode, Problem};

use crate::args::Format;

/// Prints in the format that was asked for.
#[derive(Clone, Copy)]
pub(crate) struct Output(Format);

impl Output {
    pub(crate) fn new(format: Format) -> Self {
        Self(format)
    }

    /// Prints `value` as JSON, or what `lines` says about it for people. Control characters that a peer put into a
    /// name are escaped in JSON and replaced in lines.
    pub(crate) fn value<T: Serialize>(self, value: &T, lines: impl FnOnce(&T) -> Vec<String>) -> Result<(), Problem> {
        let text = match self.0 {
            Format::Json => json(value)?,
            Format::Table => lines(value).iter().map(|line| single_line(line)).collect::<Vec<_>>().join("\n"),
        };
        print(&text)
    }

    /// Prints objects as a JSON array or as a table with a row for each.
    pub(crate) fn list<T: Serialize, const N: usize>(
        self,
        items: &[T],
        header: [&str; N],
        row: impl Fn(&T) -> [String; N],
    ) -> Result<(), Problem> {
        match self.0 {
            Format::Json => print(&json(&items)?),
            Format::Table => {
                let mut table = Table::new();
                table.load_style(presets::NOTHING).set_header(header);
                table.add_rows(items.iter().map(|item| row(item).map(|cell| single_line(&cell))));
                print(&table.trim_fmt())
            }
        }
    }

    /// Says on standard error what failed: code, hop, cause, detail and remedy.
    pub(crate) fn problem(self, problem: &Problem) {
        let text = match (self.0, serde_json::to_string(problem)) {
            (Format::Json, Ok(text)) => text,
            _ => single_line(&problem.to_string()),
        };
        note(&text);
    }
}

/// A line on standard error. One that cannot be written is nobody's loss.
pub(crate) fn note(line: &str) {
    drop(writeln!(io::stderr().lock(), "{line}"));
}

fn json(value: &impl Serialize) -> Result<String, Problem> {
    serde_json::to_string_pretty(value).map_err(|error| Problem::new(ErrorCode::Internal, error.to_string()))
}

fn print(text: &str) -> Result<(), Problem> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        // Whoever reads has seen enough (`towline … | head -1`).
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Problem::new(ErrorCode::BadRequest, format!("standard output: {error}"))),
        Ok(()) => Ok(()),
    }
}
