//! The course of a session: connect, sign in, open, start, serve. One task does it all; russh has another for the protocol.

use std::{
    future::{Future, pending},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use russh::{
    ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Pty, Sig,
    client::{self, Handle, Msg},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{mpsc, watch},
    time::{Instant, sleep_until, timeout},
};

use super::{
    Event, Exit, Limits, Program, Ready, Signal, WindowSize, algorithms,
    client::{Client, Facts, Failure, LastAsked, malformed, translated},
    error::Error,
    flow::{Flow, Gated, Output},
    sign_in::SignIn,
    text,
};
use crate::Config;

/// How long the farewell may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// What the caller sends.
pub(super) struct Commands {
    pub(super) input: mpsc::Receiver<Input>,
    pub(super) signals: mpsc::Receiver<Signal>,
    pub(super) size: watch::Receiver<WindowSize>,
}

/// What goes to the program in order.
pub(super) enum Input {
    Data(Bytes),
    End,
}

/// A session from its first byte to its last.
pub(super) async fn run<S>(stream: S, config: Config, commands: Commands, flow: Arc<Flow>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut handle = None;
    let end = tokio::select! {
        biased;
        () = flow.closed() => Ok(()),
        end = converse(stream, &config, commands, &flow, &mut handle) => end,
    };
    flow.finish(end);
    if let Some(handle) = handle {
        let farewell = async {
            // Whoever is gone already does not hear it.
            let _ = handle.disconnect(russh::Disconnect::ByApplication, "", "").await;
            let _ = handle.await;
        };
        let _ = timeout(FAREWELL, farewell).await;
    }
    flow.cut();
}

async fn converse<S>(
    stream: S,
    config: &Config,
    mut commands: Commands,
    flow: &Arc<Flow>,
    handle: &mut Option<Handle<Client>>,
) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let facts = Arc::new(Mutex::new(Facts::default()));
    let handle = handle.insert(connect(stream, config, flow, &facts).await?);
    let signed_in_with = SignIn::new(handle, config, flow).run().await?;

    let limits = &config.limits;
    let opened = step(flow, limits, "opening a session", handle.channel_open_session()).await;
    let channel = opened.map_err(|error| match error {
        Error::Malformed { reason } => Error::SessionRefused { reason },
        error => error,
    })?;
    let (mut output, input) = channel.split();
    let size = *commands.size.borrow_and_update();
    start(&mut output, &input, config, size, flow).await?;
    flow.push_event(Event::Ready(ready(flow, &facts, signed_in_with)?));

    tokio::select! {
        end = pass_output(&mut output, flow) => end,
        never = pass_input(&input, commands.input) => never,
        never = pass_signals(&input, commands.signals) => never,
        never = pass_sizes(&input, commands.size) => never,
        end = keep_alive(handle, config, flow) => end,
    }
}

/// Key exchange and host key. The time in which a person looks at the host key does not count.
async fn connect<S>(
    stream: S,
    config: &Config,
    flow: &Arc<Flow>,
    facts: &Arc<Mutex<Facts>>,
) -> Result<Handle<Client>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let client = Client::new(config, flow.clone(), facts.clone());
    let stream = Gated::new(stream, flow.clone());
    let connecting = client::connect_stream(Arc::new(russh_config(config)), stream, client);
    let max_step = config.limits.max_step;
    let mut deadline = Instant::now() + max_step;
    tokio::pin!(connecting);
    loop {
        tokio::select! {
            connected = &mut connecting => {
                return connected.map_err(|Failure(error)| flow.known_fault().unwrap_or(error));
            }
            () = sleep_until(deadline) => {
                let last_asked = facts.lock().unwrap_or_else(PoisonError::into_inner).last_asked;
                let later = match last_asked {
                    LastAsked::Never => deadline,
                    LastAsked::Now => Instant::now() + max_step,
                    LastAsked::Until(answered) => answered + max_step,
                };
                if later <= deadline {
                    return Err(flow.known_fault().unwrap_or(Error::TimedOut {
                        step: "the SSH handshake",
                        seconds: max_step.as_secs(),
                    }));
                }
                deadline = later;
            }
        }
    }
}

fn russh_config(config: &Config) -> client::Config {
    client::Config {
        client_id: russh::SshId::Standard(concat!("SSH-2.0-Towline_", env!("CARGO_PKG_VERSION")).into()),
        window_size: config.limits.channel_window_bytes,
        maximum_packet_size: 32 * 1024,
        // The session's task takes messages at once: this is only what may pile up before it gets its turn.
        channel_buffer_size: 4,
        preferred: algorithms::offered(&config.host_keys, config.legacy_algorithms),
        // Ours knows when this side does not read.
        keepalive_interval: None,
        inactivity_timeout: None,
        ..client::Config::default()
    }
}

/// Waits for the server, but not for ever; a fault that is known says more than russh's error does.
pub(super) async fn step<T>(
    flow: &Flow,
    limits: &Limits,
    step: &'static str,
    future: impl Future<Output = Result<T, russh::Error>>,
) -> Result<T, Error> {
    match timeout(limits.max_step, future).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(flow.known_fault().unwrap_or_else(|| translated(error))),
        Err(_) => Err(Error::TimedOut { step, seconds: limits.max_step.as_secs() }),
    }
}

/// Variables, terminal, program. No size is sent before the program has started: some servers hang on it.
async fn start(
    output: &mut ChannelReadHalf,
    input: &ChannelWriteHalf<Msg>,
    config: &Config,
    size: WindowSize,
    flow: &Flow,
) -> Result<(), Error> {
    let limits = &config.limits;
    for (name, value) in &config.environment {
        step(flow, limits, "the environment", input.set_env(false, name, value)).await?;
    }
    if let Some(terminal) = &config.terminal {
        // The characters are UTF-8, and the erase key of today's terminals is DEL.
        let modes = [(Pty::IUTF8, 1), (Pty::VERASE, 0x7F)];
        let (columns, rows) = (size.columns.into(), size.rows.into());
        step(flow, limits, "a terminal", input.request_pty(true, &terminal.kind, columns, rows, 0, 0, &modes)).await?;
        if !step(flow, limits, "a terminal", granted(output, flow)).await? {
            return Err(Error::TerminalRefused);
        }
    }
    let program = match &config.program {
        Program::Shell => {
            step(flow, limits, "the shell", input.request_shell(true)).await?;
            "shell"
        }
        Program::Command(command) => {
            step(flow, limits, "the command", input.exec(true, command.as_str())).await?;
            "command"
        }
    };
    if step(flow, limits, "the program", granted(output, flow)).await? {
        Ok(())
    } else {
        Err(Error::ProgramRefused { program })
    }
}

/// The answer to a request. Output that overtakes it is kept.
async fn granted(output: &mut ChannelReadHalf, flow: &Flow) -> Result<bool, russh::Error> {
    loop {
        match output.wait().await {
            Some(ChannelMsg::Success) => return Ok(true),
            Some(ChannelMsg::Failure) => return Ok(false),
            Some(ChannelMsg::Data { data }) => flow.push_data(Output::Standard, &data),
            Some(ChannelMsg::ExtendedData { data, ext: 1 }) => flow.push_data(Output::Error, &data),
            Some(ChannelMsg::Close) | None => return Err(russh::Error::Disconnect),
            Some(_) => {}
        }
    }
}

fn ready(flow: &Flow, facts: &Mutex<Facts>, signed_in_with: Vec<String>) -> Result<Ready, Error> {
    let facts = facts.lock().unwrap_or_else(PoisonError::into_inner);
    let (host_key, verdict) = facts.host_key.clone().ok_or_else(|| malformed("no host key"))?;
    Ok(Ready {
        server_version: flow.server_version().unwrap_or_default(),
        host_key,
        verdict,
        signed_in_with,
        key_exchange: facts.key_exchange.clone(),
        cipher: facts.cipher.clone(),
    })
}

/// From the channel to the caller. Never waits for the caller, so that russh never waits for this.
async fn pass_output(output: &mut ChannelReadHalf, flow: &Flow) -> Result<(), Error> {
    // Servers tell the program's end as soon as it is there, often before the last of its output.
    let mut exit = None;
    loop {
        match output.wait().await {
            Some(ChannelMsg::Data { data }) => flow.push_data(Output::Standard, &data),
            Some(ChannelMsg::ExtendedData { data, ext: 1 }) => flow.push_data(Output::Error, &data),
            Some(ChannelMsg::ExitStatus { exit_status }) => exit = Some(Exit::Status(exit_status)),
            Some(ChannelMsg::ExitSignal { signal_name, core_dumped, error_message, .. }) => {
                let message = text::printable(&error_message, 256);
                exit = Some(Exit::Signal { signal: signal_of(signal_name), core_dumped, message });
            }
            Some(ChannelMsg::Close) => break,
            Some(_) => {}
            // Small servers end the connection with the program.
            None if exit.is_some() => break,
            None => {
                let lost = Error::ConnectionLost { reason: "it ended before the program did".into() };
                return Err(flow.known_fault().unwrap_or(lost));
            }
        }
    }
    if let Some(exit) = exit {
        flow.push_event(Event::Exit(exit));
    }
    Ok(())
}

/// From the caller to the program. When nobody can or wants to send any more, there is still output.
async fn pass_input(input: &ChannelWriteHalf<Msg>, mut commands: mpsc::Receiver<Input>) -> Result<(), Error> {
    while let Some(command) = commands.recv().await {
        let sent = match command {
            Input::Data(data) => input.data_bytes(data).await,
            Input::End => input.eof().await,
        };
        if sent.is_err() {
            break;
        }
    }
    pending().await
}

/// Beside the input, so that a signal does not wait behind what the program does not read.
async fn pass_signals(input: &ChannelWriteHalf<Msg>, mut signals: mpsc::Receiver<Signal>) -> Result<(), Error> {
    while let Some(signal) = signals.recv().await {
        if input.signal(Sig::Custom(signal.name().to_owned())).await.is_err() {
            break;
        }
    }
    pending().await
}

async fn pass_sizes(input: &ChannelWriteHalf<Msg>, mut sizes: watch::Receiver<WindowSize>) -> Result<(), Error> {
    while sizes.changed().await.is_ok() {
        let size = *sizes.borrow_and_update();
        if input.window_change(size.columns.into(), size.rows.into(), 0, 0).await.is_err() {
            break;
        }
    }
    pending().await
}

async fn keep_alive(handle: &Handle<Client>, config: &Config, flow: &Flow) -> Result<(), Error> {
    let keep_alive = &config.keep_alive;
    let (mut heard, _) = flow.liveness();
    let mut unanswered = 0;
    loop {
        tokio::time::sleep(keep_alive.interval).await;
        let (now_heard, stopped) = flow.liveness();
        if now_heard != heard || stopped {
            heard = now_heard;
            unanswered = 0;
            continue;
        }
        if unanswered >= keep_alive.max_unanswered {
            let silence = keep_alive.interval.saturating_mul(unanswered.saturating_add(1));
            return Err(Error::KeepAliveLost { seconds: silence.as_secs() });
        }
        unanswered += 1;
        // When it cannot even be sent, that is no answer either.
        let _ = timeout(keep_alive.interval, handle.send_keepalive(true)).await;
    }
}

fn signal_of(signal: Sig) -> Signal {
    match signal {
        Sig::ABRT => Signal::ABRT,
        Sig::ALRM => Signal::ALRM,
        Sig::FPE => Signal::FPE,
        Sig::HUP => Signal::HUP,
        Sig::ILL => Signal::ILL,
        Sig::INT => Signal::INT,
        Sig::KILL => Signal::KILL,
        Sig::PIPE => Signal::PIPE,
        Sig::QUIT => Signal::QUIT,
        Sig::SEGV => Signal::SEGV,
        Sig::TERM => Signal::TERM,
        Sig::USR1 => Signal::USR1,
        Sig::Custom(name) => Signal::named(text::printable(&name, 64)),
    }
}
