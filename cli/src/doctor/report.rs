//! What was checked, and with which outcome.

use serde::Serialize;
use towline_cloud_api::{ErrorCode, Problem};

use crate::output::Output;

/// One thing that was looked at.
#[derive(Serialize)]
struct Check {
    check: &'static str,
    status: Status,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<ErrorCode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Status {
    Ok,
    Warning,
    Failed,
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}

/// The checks so far. People see each at once, programs all of them at the end.
pub(super) struct Report {
    output: Output,
    checks: Vec<Check>,
}

impl Report {
    pub(super) fn new(output: Output) -> Self {
        Self { output, checks: Vec::new() }
    }

    pub(super) fn ok(&mut self, check: &'static str, detail: &str) -> Result<(), Problem> {
        self.add(Check { check, status: Status::Ok, detail: detail.into(), code: None, remedy: None })
    }

    pub(super) fn warning(&mut self, check: &'static str, detail: &str, remedy: &str) -> Result<(), Problem> {
        let remedy = Some(remedy.into());
        self.add(Check { check, status: Status::Warning, detail: detail.into(), code: None, remedy })
    }

    pub(super) fn failed(&mut self, check: &'static str, problem: &Problem) -> Result<(), Problem> {
        let detail = match problem.detail.as_str() {
            "" => problem.title.clone(),
            detail => format!("{}: {detail}", problem.title),
        };
        let (code, remedy) = (Some(problem.code), Some(problem.remedy.clone()));
        self.add(Check { check, status: Status::Failed, detail, code, remedy })
    }

    fn add(&mut self, check: Check) -> Result<(), Problem> {
        self.output.for_people(|| {
            let Check { check, status, detail, code, remedy } = &check;
            let code = code.map_or_else(String::new, |code| format!("{code} ({}): ", code.hop()));
            let remedy = remedy.as_ref().map_or_else(String::new, |remedy| format!(" — {remedy}"));
            format!("{:<8} {check:<12} {code}{detail}{remedy}", status.as_str())
        })?;
        self.checks.push(check);
        Ok(())
    }

    /// The exit code of the first failure, 0 if there is none.
    pub(super) fn finish(self) -> Result<u8, Problem> {
        self.output.for_programs(&self.checks)?;
        let failed = self.checks.iter().find(|check| check.status == Status::Failed);
        Ok(failed.and_then(|check| check.code).map_or(0, ErrorCode::exit_code))
    }
}
