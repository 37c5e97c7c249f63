//! What the exit codes mean: the closed list of errors, by exit code.

use serde::Serialize;
use towline_cloud_api::{ErrorCode, Hop, Problem};

use crate::output::Output;

#[derive(Serialize)]
struct Row {
    exit_code: u8,
    code: ErrorCode,
    hop: Hop,
    cause: &'static str,
    remedy: &'static str,
}

fn rows() -> Vec<Row> {
    let row = |code: ErrorCode| Row {
        exit_code: code.exit_code(),
        code,
        hop: code.hop(),
        cause: code.cause(),
        remedy: code.remedy(),
    };
    let mut rows: Vec<_> = ErrorCode::all().map(row).collect();
    rows.sort_by_key(|row| row.exit_code);
    rows
}

/// For the long help.
pub(crate) fn table() -> String {
    let mut lines = vec![
        "  0  it worked".to_owned(),
        "  1  this program itself failed".to_owned(),
        "  2  the command line is not understood".to_owned(),
    ];
    lines.extend(rows().iter().map(|row| format!("{:>3}  {} ({}): {}", row.exit_code, row.code, row.hop, row.cause)));
    lines.push(
        "`connect ssh` and `run` end with the exit code of ssh or the program, 128 and the signal if one ended it."
            .into(),
    );
    lines.join("\n")
}

pub(crate) fn run(output: Output) -> Result<(), Problem> {
    output.list(&rows(), ["EXIT", "ERROR", "HOP", "CAUSE", "WHAT TO DO"], |row| {
        [row.exit_code.to_string(), row.code.to_string(), row.hop.to_string(), row.cause.into(), row.remedy.into()]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_error_once_in_the_order_of_exit_codes() {
        let table = table();
        for code in ErrorCode::all() {
            let row = format!("{:>3}  {code} (", code.exit_code());
            assert_eq!(table.matches(&row).count(), 1, "{row}");
        }
        assert!(rows().is_sorted_by_key(|row| row.exit_code));
    }
}
