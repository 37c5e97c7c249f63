//! `towline-agent`: the device side alone, small enough for a device.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

/// Towline's agent: makes this machine reachable through a Towline cloud, without an open port.
#[derive(Parser)]
#[command(name = "towline-agent", version)]
struct Program {
    #[command(flatten)]
    args: towline_agent::Args,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Program { args } = Program::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(is_terminal).with_writer(std::io::stderr).init();
    match args.run(interrupted()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let problem = error.problem();
            eprintln!("{}", towline_agent::single_line(&problem.to_string()));
            ExitCode::from(problem.code.exit_code())
        }
    }
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
