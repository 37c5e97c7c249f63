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

    /// Prints one of many objects that come one after the other: a line of JSON, or what `line` says about it.
    pub(crate) fn next<T: Serialize>(self, item: &T, line: impl FnOnce(&T) -> String) -> Result<(), Problem> {
        match self.0 {
            Format::Json => print(
                &serde_json::to_string(item).map_err(|error| Problem::new(ErrorCode::Internal, error.to_string()))?,
            ),
            Format::Table => print(&single_line(&line(item))),
        }
    }

    /// Prints a line, unless a program reads.
    pub(crate) fn for_people(self, line: impl FnOnce() -> String) -> Result<(), Problem> {
        match self.0 {
            Format::Json => Ok(()),
            Format::Table => print(&single_line(&line())),
        }
    }

    /// Prints `value` as JSON, if a program reads.
    pub(crate) fn for_programs<T: Serialize>(self, value: &T) -> Result<(), Problem> {
        match self.0 {
            Format::Json => print(&json(value)?),
            Format::Table => Ok(()),
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

pub(crate) fn yes_or_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

pub(crate) fn or_dash(text: &Option<String>) -> String {
    text.clone().unwrap_or_else(|| "-".into())
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
