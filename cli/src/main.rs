//! `towline`: cloud, agent and operator's commands in one program.
#![forbid(unsafe_code)]

mod access;
mod api;
mod args;
mod cloud;
mod lists;
mod login;
mod output;
mod reference;
mod server;
mod session_file;
mod signal;
mod ssh;
mod stdio;
mod tunnel;
mod up;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use towline_cloud_api::Problem;
use tracing_subscriber::EnvFilter;

use crate::{
    args::{Command, Connect, Program},
    output::Output,
    signal::interrupted,
};

fn main() -> anyhow::Result<ExitCode> {
    let program = Program::parse();
    log(&program.command);
    let output = Output::new(program.global.output);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("the async runtime cannot start")?;
    let outcome = runtime.block_on(run(program, output));
    // A read of standard input that nobody waits for any more must not keep the process.
    runtime.shutdown_background();
    Ok(match outcome {
        Ok(code) => ExitCode::from(code),
        Err(problem) => {
            output.problem(&problem);
            ExitCode::from(problem.code.exit_code())
        }
    })
}

async fn run(program: Program, output: Output) -> Result<u8, Problem> {
    let Program { global, command } = program;
    match command {
        Command::Up(command) => up::run(&command, output).await?,
        Command::Cloud(command) => cloud::run(&command, output).await?,
        Command::Agent(command) => command.run(interrupted()).await.map_err(|error| error.problem())?,
        Command::Login(command) => login::login(global, &command, output).await?,
        Command::Logout => login::logout(&global, output).await?,
        Command::Devices(command) => lists::devices(&global, &command, output).await?,
        Command::Endpoints(command) => lists::endpoints(&global, &command, output).await?,
        Command::Server(command) => server::run(&global, &command, output).await?,
        Command::Connect(Connect::Ssh(command)) => return ssh::run(&global, &command).await,
        Command::Operations(command) => lists::operations(&global, &command, output).await?,
        Command::Sessions(command) => lists::sessions(&global, &command, output).await?,
        Command::Audit(command) => lists::audit(&global, &command, output).await?,
    }
    Ok(0)
}

/// Logs go to standard error: standard output belongs to results and to the bytes of targets.
fn log(command: &Command) {
    let default = match command {
        Command::Up(_) | Command::Cloud(_) | Command::Agent(_) => "info",
        _ => "warn",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(is_terminal).with_writer(std::io::stderr).init();
}
