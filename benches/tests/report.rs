//! The report's program for a moment, so that it goes on to work.

use std::process::Command;

#[test]
fn every_arm_of_the_report_moves_its_bytes() {
    let output = Command::new(env!("CARGO_BIN_EXE_report")).arg("--quick").output().unwrap();

    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(said.lines().filter(|line| line.ends_with(": bytes move")).count(), 11, "{said}");
}
