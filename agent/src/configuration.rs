//! A configuration file whose keys are a command's long flags. The environment stands over it, flags over both.

use std::{
    ffi::OsString,
    fs::File,
    io::Read as _,
    ops::Range,
    path::{Path, PathBuf},
};

use clap::{Arg, ArgAction, ArgMatches, Command};
use toml::de::{DeTable, DeValue};

use crate::{Error, text::toml_reason};

const MAX_FILE_BYTES: u64 = 256 * 1024;
const VERSION: &str = "1";
/// The flag that names the file; it cannot stand in the file itself.
const CONFIG: &str = "config";
/// Flags that look up their environment variables themselves.
const ON_THEIR_OWN: [&str; 1] = ["enrol_token"];

/// Parses `arguments` for `program`, of which the subcommands in `commands` (or, if there are none in it, the program
/// itself) take a configuration file with `--config` and `TOWLINE_…` variables for all their long flags.
///
/// The file is TOML with `version = 1`; every other key is the name of a long flag without its dashes.
///
/// # Errors
///
/// [`Error`] for a file that cannot be read, is not TOML or holds a key that is no flag; it names key and line. What is
/// wrong with the arguments themselves ends the process, as clap does it.
pub fn configured(
    mut program: Command,
    commands: &[&str],
    arguments: impl IntoIterator<Item = OsString>,
) -> Result<ArgMatches, Error> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if commands.is_empty() {
        program = with_environment(program);
        if let Some(path) = config_of(&program, None, &arguments) {
            program = with_file(program, &path)?;
        }
    }
    for &name in commands {
        program = program.mut_subcommand(name, with_environment);
        if let Some(path) = config_of(&program, Some(name), &arguments) {
            let mut failed = None;
            program = program.mut_subcommand(name, |command| {
                with_file(command.clone(), &path).unwrap_or_else(|error| {
                    failed = Some(error);
                    command
                })
            });
            if let Some(error) = failed {
                return Err(error);
            }
        }
    }
    Ok(program.get_matches_from(arguments))
}

/// The file that the arguments or the environment name, if it is `command` that is called.
fn config_of(program: &Command, command: Option<&str>, arguments: &[OsString]) -> Option<PathBuf> {
    // What is wrong or missing is for the parse that counts.
    let matches = program.clone().ignore_errors(true).try_get_matches_from(arguments).ok()?;
    let matches = match command {
        None => &matches,
        Some(name) => matches.subcommand_matches(name)?,
    };
    matches.try_get_one::<PathBuf>(CONFIG).ok().flatten().cloned()
}

fn with_environment(command: Command) -> Command {
    let is_empty = |name: &std::ffi::OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    command.mut_args(|arg| match arg.get_long() {
        // One that is empty counts as one that is not set.
        _ if arg.get_env().is_some_and(is_empty) => arg.env(None),
        Some(long) if arg.get_env().is_none() && !ON_THEIR_OWN.contains(&arg.get_id().as_str()) => {
            let variable = format!("TOWLINE_{}", long.replace('-', "_").to_uppercase());
            if is_empty(variable.as_ref()) { arg } else { arg.env(variable) }
        }
        _ => arg,
    })
}

/// The command with what the file says as its defaults.
fn with_file(mut command: Command, path: &Path) -> Result<Command, Error> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text));
    let length = read.map_err(|source| Error::Storage { path: path.into(), source })?;
    let wrong = |reason: String| Error::Usage(format!("{}: {reason}", path.display()));
    if u64::try_from(length).is_ok_and(|length| length > MAX_FILE_BYTES) {
        return Err(wrong(format!("a configuration file has at most {MAX_FILE_BYTES} bytes")));
    }
    let table = DeTable::parse(&text).map_err(|error| wrong(toml_reason(&text, &error)))?;
    let mut version = None;
    for (key, value) in table.get_ref() {
        let name = key.get_ref().as_ref();
        let at = |reason: &str| wrong(format!("{}: {reason}", line(&text, &key.span())));
        if name == "version" {
            version = scalar(value.get_ref());
            continue;
        }
        let known = command.get_arguments().find(|arg| arg.get_long() == Some(name) && name != CONFIG);
        let Some(arg) = known else { return Err(at(&format!("there is no setting {}", quoted(name)))) };
        let values = values(arg, value.get_ref()).map_err(|reason| at(&format!("{} {reason}", quoted(name))))?;
        let id = arg.get_id().clone();
        command = command.mut_arg(id, |arg| match values {
            values if values.is_empty() => arg,
            values => arg.required(false).default_values(values),
        });
    }
    match version.as_deref() {
        Some(VERSION) => Ok(command),
        Some(_) => Err(wrong("the version is one that this program does not know: update it".into())),
        None => Err(wrong(format!("a configuration file says `version = {VERSION}`"))),
    }
}

/// A setting's values as they would stand on the command line; none for a flag that is off.
fn values(arg: &Arg, value: &DeValue<'_>) -> Result<Vec<String>, &'static str> {
    match (arg.get_action(), value) {
        (ArgAction::SetTrue, DeValue::Boolean(true)) => Ok(vec!["true".into()]),
        (ArgAction::SetTrue, DeValue::Boolean(false)) => Ok(Vec::new()),
        (ArgAction::SetTrue, _) => Err("is to be true or false"),
        (ArgAction::Append, DeValue::Array(items)) => {
            let items = items.iter().map(|item| scalar(item.get_ref()));
            items.collect::<Option<_>>().ok_or("is to be a list of texts or numbers")
        }
        (_, value) => scalar(value).map(|value| vec![value]).ok_or("is to be a text or a number"),
    }
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.clone().into_owned()),
        DeValue::Integer(number) => Some(number.to_string()),
        _ => None,
    }
}

fn line(text: &str, span: &Range<usize>) -> String {
    let before = text.get(..span.start).unwrap_or_default();
    format!("line {}", before.matches('\n').count() + 1)
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", crate::single_line(&name.chars().take(64).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    #[command(name = "program")]
    struct Program {
        #[command(subcommand)]
        command: Sub,
    }

    #[derive(clap::Subcommand)]
    enum Sub {
        Serve(Serve),
    }

    #[derive(clap::Args)]
    struct Serve {
        #[arg(long)]
        config: Option<PathBuf>,
        #[arg(long)]
        data_dir: PathBuf,
        #[arg(long, default_value_t = 20)]
        drain_seconds: u64,
        #[arg(long)]
        open: bool,
        #[arg(long)]
        proxy: Vec<String>,
    }

    fn parse(file: &str, line: &[&str]) -> Result<Serve, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.toml");
        std::fs::write(&path, file).unwrap();
        let line = [&["program", "serve", "--config", path.to_str().unwrap()], line].concat();
        let command = <Program as clap::CommandFactory>::command();
        let matches = configured(command, &["serve"], line.into_iter().map(OsString::from))?;
        let Sub::Serve(serve) = <Program as clap::FromArgMatches>::from_arg_matches(&matches).unwrap().command;
        Ok(serve)
    }

    #[test]
    fn a_file_fills_in_what_the_flags_leave_open() {
        let file = "version = 1\ndata-dir = \"/var/a\"\ndrain-seconds = 7\nopen = true\nproxy = [\"a\", \"b\"]\n";
        let serve = parse(file, &[]).unwrap();
        assert_eq!((serve.data_dir, serve.drain_seconds, serve.open), ("/var/a".into(), 7, true));
        assert_eq!(serve.proxy, ["a", "b"]);

        let serve = parse(file, &["--data-dir", "/var/b", "--drain-seconds=8", "--proxy", "c"]).unwrap();
        assert_eq!((serve.data_dir, serve.drain_seconds), ("/var/b".into(), 8));
        assert_eq!(serve.proxy, ["c"]);
        assert!(serve.config.is_some());
    }

    #[test]
    fn a_mistake_in_the_file_is_named_with_its_line_and_without_its_value() {
        for (file, parts) in [
            ("version = 1\n\ndata_dir = \"s3cret\"\n", ["line 3", "\"data_dir\""]),
            ("version = 1\nconfig = \"s3cret\"\n", ["line 2", "\"config\""]),
            ("version = 1\nopen = \"s3cret\"\n", ["line 2", "true or false"]),
            ("version = 1\ndata-dir = [\"s3cret\"]\n", ["line 2", "\"data-dir\""]),
            ("version = 1\ndata-dir = s3cret\n", ["line 2", ""]),
            ("version = 2\n", ["version", "update"]),
            ("data-dir = \"s3cret\"\n", ["version = 1", "x.toml"]),
        ] {
            let Err(error) = parse(file, &[]) else { panic!("{file} was taken") };
            let error = error.to_string();
            assert!(parts.iter().all(|part| error.contains(part)) && !error.contains("s3cret"), "{error}");
        }
    }
}
