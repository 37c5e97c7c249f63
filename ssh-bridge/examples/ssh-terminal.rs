//! A small SSH client on the bridge: `ssh-terminal [--legacy] [--key FILE] [--known FILE] USER@HOST:PORT [COMMAND]`.
//!
//! `--known` names a file of host keys, one a line, which is asked about and written to as ssh does with `known_hosts`.

use std::{
    env,
    error::Error,
    fs,
    io::{self, BufRead, IsTerminal, Write},
};

use bytes::BytesMut;
use rustix::termios::{self, OptionalActions, Termios};
use tokio::{
    io::{AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    signal::unix::{SignalKind, signal},
};
use towline_ssh_bridge::{
    Bridge, Config, Credential, Ended, Event, Exit, HostKeyQuestion, Program, Prompt, Secret, Terminal, Verdict,
    WindowSize,
    keys::{Limits, PublicKey},
};

struct Options {
    config: Config,
    address: String,
    known: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let ended = match options() {
        Ok(options) => run(options).await,
        Err(error) => Err(error),
    };
    let code = ended.unwrap_or_else(|error| {
        eprintln!("ssh-terminal: {error}");
        255
    });
    // Returning would wait for the thread that waits for a key.
    std::process::exit(code)
}

fn options() -> Result<Options, Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (mut legacy, mut key, mut known) = (false, None, None);
    let target = loop {
        let argument =
            arguments.next().ok_or("use: ssh-terminal [--legacy] [--key FILE] [--known FILE] USER@HOST:PORT")?;
        match argument.as_str() {
            "--legacy" => legacy = true,
            "--key" => key = Some(fs::read_to_string(arguments.next().ok_or("--key needs a file")?)?),
            "--known" => known = Some(arguments.next().ok_or("--known needs a file")?),
            _ => break argument,
        }
    };
    let (user, address) = target.split_once('@').ok_or("the target is USER@HOST:PORT")?;
    let mut config = Config::new(user);
    config.legacy_algorithms = legacy;
    config.credentials.extend(key.map(|text| Credential::KeyText(text.into())));
    if let Some(file) = &known {
        let lines = fs::read_to_string(file).unwrap_or_default();
        let limits = Limits::default();
        config.host_keys =
            lines.lines().map(|line| PublicKey::decode(line.as_bytes(), &limits)).collect::<Result<_, _>>()?;
    }
    let command = arguments.collect::<Vec<_>>().join(" ");
    if !command.is_empty() {
        config.program = Program::Command(command);
    }
    config.terminal =
        window_size().map(|size| Terminal { kind: env::var("TERM").unwrap_or_else(|_| "xterm".into()), size });
    config.environment.extend(env::var("LANG").map(|lang| ("LANG".into(), lang)));
    Ok(Options { config, address: address.to_owned(), known })
}

async fn run(options: Options) -> Result<i32, Box<dyn Error>> {
    let stream = TcpStream::connect(&options.address).await.map_err(|error| format!("{}: {error}", options.address))?;
    stream.set_nodelay(true)?;
    let has_terminal = options.config.terminal.is_some();
    let (bridge, mut events) = Bridge::connect(stream, options.config);
    let mut raw = None;
    let mut code = 0;

    while let Some(event) = events.next().await? {
        match event {
            Event::HostKey(question) if is_trusted(&question)? => question.accept(),
            Event::Password(question) => {
                let password = hidden(&format!("Password for {}: ", question.user))?;
                question.answer(password);
            }
            Event::Passphrase(question) => question.answer(hidden("Passphrase of the key: ")?),
            Event::Prompts(question) => {
                eprint!("{}{}", question.name, question.instructions);
                let answer = |prompt: &Prompt| if prompt.echo { line(&prompt.text) } else { hidden(&prompt.text) };
                let answers = question.prompts.iter().map(answer).collect::<io::Result<_>>()?;
                question.answer(answers);
            }
            Event::Banner(text) => eprintln!("{text}"),
            Event::Ready(ready) => {
                if let (Some(file), true) = (&options.known, ready.verdict != Verdict::Known) {
                    let mut file = fs::OpenOptions::new().create(true).append(true).open(file)?;
                    writeln!(file, "{}", ready.host_key)?;
                }
                if has_terminal {
                    raw = Some(RawMode::enter()?);
                    tokio::spawn(pass_sizes(bridge.clone()));
                }
                // A task of its own: keys go out while output comes in.
                tokio::spawn(pass_keys(bridge.clone()));
            }
            Event::Output(bytes) => show(tokio::io::stdout(), &bytes).await?,
            Event::ErrorOutput(bytes) => show(tokio::io::stderr(), &bytes).await?,
            Event::Exit(Exit::Status(status)) => code = i32::try_from(status)?,
            Event::Exit(other) => return Err(format!("{other:?}").into()),
            _ => {}
        }
    }
    drop(raw);
    Ok(code)
}

async fn show(mut to: impl AsyncWrite + Unpin, bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes).await?;
    to.flush().await
}

async fn pass_keys(bridge: Bridge) -> Result<(), Ended> {
    let mut keys = tokio::io::stdin();
    let mut typed = BytesMut::new();
    while keys.read_buf(&mut typed).await.is_ok_and(|bytes| bytes > 0) {
        bridge.send(&mut typed.split().freeze()).await?;
    }
    bridge.finish().await
}

async fn pass_sizes(bridge: Bridge) -> io::Result<()> {
    let mut changes = signal(SignalKind::window_change())?;
    while changes.recv().await.is_some() {
        if let Some(size) = window_size() {
            bridge.resize(size);
        }
    }
    Ok(())
}

fn window_size() -> Option<WindowSize> {
    if !io::stdin().is_terminal() {
        return None;
    }
    let size = termios::tcgetwinsize(io::stdin()).ok()?;
    Some(WindowSize { columns: size.ws_col, rows: size.ws_row })
}

fn is_trusted(question: &HostKeyQuestion) -> io::Result<bool> {
    let offered = question.offered.fingerprint();
    if question.verdict != Verdict::Unknown {
        eprintln!("The host key has changed to {offered}. Remove the old one from the file if that is right.");
        return Ok(false);
    }
    let answer = ask(&format!("The host key is {} {offered}. Right? (yes/no) ", question.offered.algorithm()))?;
    Ok(answer == "yes")
}

fn line(prompt: &str) -> io::Result<Secret> {
    ask(prompt).map(Secret::from)
}

fn ask(prompt: &str) -> io::Result<String> {
    eprint!("{prompt}");
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim_end_matches(['\r', '\n']).to_owned())
}

fn hidden(prompt: &str) -> io::Result<Secret> {
    let before = termios::tcgetattr(io::stdin())?;
    let mut silent = before.clone();
    silent.local_modes.remove(termios::LocalModes::ECHO);
    termios::tcsetattr(io::stdin(), OptionalActions::Now, &silent)?;
    let answer = line(prompt);
    eprintln!();
    termios::tcsetattr(io::stdin(), OptionalActions::Now, &before)?;
    answer
}

/// Every key goes to the other side, until this is dropped.
struct RawMode(Termios);

impl RawMode {
    fn enter() -> io::Result<Self> {
        let before = termios::tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        termios::tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
        Ok(Self(before))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that is gone.
        let _ = termios::tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}
