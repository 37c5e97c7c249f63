//! `towline`: cloud, agent and operator's commands in one program.
#![forbid(unsafe_code)]

mod access;
mod api;
mod args;
mod backup;
mod child;
mod cloud;
mod completions;
mod demo;
mod devices;
mod doctor;
mod endpoints;
mod events;
mod exit_codes;
mod groups;
mod keys;
mod listen;
mod login;
mod output;
mod password;
mod people;
mod progress;
mod records;
mod reference;
mod run;
mod server;
mod session_file;
mod settings;
mod signal;
mod ssh;
mod ssh_config;
mod stdio;
mod telnet;
mod terminal;
mod tunnel;
mod up;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::FromArgMatches as _;
use towline_agent::{Log, configured};
use towline_cloud_api::Problem;

use crate::{
    args::{Command, Connect, Format, Program},
    output::Output,
    signal::interrupted,
};

fn main() -> anyhow::Result<ExitCode> {
    completions::answer_shell();
    let program = match program() {
        Ok(program) => program,
        Err(problem) => {
            Output::new(Format::Table).problem(&problem);
            return Ok(ExitCode::from(problem.code.exit_code()));
        }
    };
    log(&program.command);
    let output = Output::new(program.global.output);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("the async runtime cannot start")?;
    let outcome = runtime.block_on(obey(program, output));
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

async fn obey(program: Program, output: Output) -> Result<u8, Problem> {
    let Program { global, command } = program;
    match command {
        Command::Up(command) => up::run(&command, output).await?,
        Command::Cloud(command) => cloud::run(&command, output).await?,
        Command::Backup(command) => backup::back_up(&command, output).await?,
        Command::Restore(command) => backup::restore(&command, output).await?,
        Command::Agent(command) => command.run(interrupted()).await.map_err(|error| error.problem())?,
        Command::Login(command) => login::login(global, &command, output).await?,
        Command::Logout => login::logout(&global, output).await?,
        Command::Passwd(command) => people::passwd(&global, &command, output).await?,
        Command::Totp(command) => people::totp(&global, &command, output).await?,
        Command::Devices(command) => devices::devices(&global, &command, output).await?,
        Command::Endpoints(command) => endpoints::endpoints(&global, &command, output).await?,
        Command::Server(command) => server::run(&global, &command, output).await?,
        Command::Run(command) => return run::run(&global, &command, output).await,
        Command::Connect(Connect::Ssh(command)) => return ssh::run(&global, &command).await,
        Command::Connect(Connect::Telnet(command)) => telnet::run(&global, &command).await?,
        Command::SshConfig(command) => ssh_config::run(&global, &command, output).await?,
        Command::Operations(command) => records::operations(&global, &command, output).await?,
        Command::Sessions(command) => records::sessions(&global, &command, output).await?,
        Command::Events => events::run(&global, output).await?,
        Command::Audit(command) => records::audit(&global, &command, output).await?,
        Command::Users(command) => people::users(&global, &command, output).await?,
        Command::Groups(command) => groups::groups(&global, &command, output).await?,
        Command::DeviceGroups(command) => groups::device_groups(&global, &command, output).await?,
        Command::Grants(command) => groups::grants(&global, &command, output).await?,
        Command::Settings(command) => settings::run(&global, &command, output).await?,
        Command::Tokens(command) => people::tokens(&global, &command, output).await?,
        Command::Keys(command) => keys::run(command, output).await?,
        Command::Doctor(command) => return doctor::run(&global, &command, output).await,
        Command::Completions { shell } => completions::print(shell)?,
        Command::ExitCodes => exit_codes::run(output)?,
    }
    Ok(0)
}

/// The command line, with what configuration files and the environment say where it says nothing.
fn program() -> Result<Program, Problem> {
    let matches = configured(Program::definition(), &["cloud", "agent"], std::env::args_os());
    let matches = matches.map_err(|error| error.problem())?;
    Ok(Program::from_arg_matches(&matches).unwrap_or_else(|error| error.exit()))
}

/// Logs go to standard error: standard output belongs to results and to the bytes of targets.
fn log(command: &Command) {
    match command {
        Command::Cloud(command) => command.log.start("info"),
        Command::Agent(command) => command.log.start("info"),
        Command::Up(_) => Log::default().start("info"),
        _ => Log::default().start("warn"),
    }
}
