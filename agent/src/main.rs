//! `towline-agent`: the device side alone, small enough for a device.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use towline_agent::{Error, configured};

/// Towline's agent: makes this machine reachable through a Towline cloud, without an open port.
#[derive(Parser)]
#[command(name = "towline-agent", version)]
struct Program {
    #[command(flatten)]
    args: towline_agent::Args,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let problem = error.problem();
            eprintln!("{}", towline_agent::single_line(&problem.to_string()));
            ExitCode::from(problem.code.exit_code())
        }
    }
}

async fn run() -> Result<(), Error> {
    let matches = configured(Program::command(), &[], std::env::args_os())?;
    let Program { args } = Program::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    args.log.start("info");
    args.run(interrupted()).await
}

/// Ready when the process is asked to end.
async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    drop(tokio::signal::ctrl_c().await);
}
