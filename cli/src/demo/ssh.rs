//! The SSH server of the demo device: its shell, for whoever knows the password that everybody may know.

use std::{sync::Arc, time::Duration};

use russh::{
    Channel, ChannelId, ChannelMsg, Pty,
    server::{Auth, ChannelOpenHandle, Config, Handler, Msg, Session, run_stream},
};
use tokio::{
    net::TcpStream,
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};

use super::shell::{Shell, Size};

/// Any user may sign in with it: nothing is behind it, and it is asked for only to show that it can be.
pub(super) const PASSWORD: &str = "demo";
pub(super) const USER: &str = "demo";

/// How long a terminal may take for what it is sent.
const PATIENCE: Duration = Duration::from_secs(30);
/// Shells of one connection at once.
const MAX_SHELLS: usize = 4;
/// What a terminal may send ahead of the shell, in bytes.
const WINDOW_BYTES: u32 = 64 * 1024;
const WRONG_PASSWORD_PAUSE: Duration = Duration::from_millis(300);

/// The server's settings, with a host key that is made anew: it holds as long as the server.
pub(super) fn config() -> Result<(Arc<Config>, String), russh::keys::ssh_key::Error> {
    let key = russh::keys::PrivateKey::random(&mut russh::keys::key::safe_rng(), russh::keys::Algorithm::Ed25519)?;
    let public = key.public_key().to_openssh()?;
    let config = Config {
        keys: vec![key],
        methods: (&[russh::MethodKind::Password][..]).into(),
        auth_rejection_time: WRONG_PASSWORD_PAUSE,
        auth_rejection_time_initial: Some(Duration::ZERO),
        window_size: WINDOW_BYTES,
        nodelay: true,
        ..Config::default()
    };
    Ok((Arc::new(config), public))
}

/// Serves a connection to its end.
pub(super) async fn serve(stream: TcpStream, config: Arc<Config>) {
    let outcome = async { run_stream(config, stream, Visitor::default()).await?.await };
    if let Err(error) = outcome.await {
        tracing::debug!(%error, "a terminal of the demo device is gone");
    }
}

/// Who is connected. The shells end with the connection.
#[derive(Default)]
struct Visitor {
    shells: JoinSet<()>,
}

impl Handler for Visitor {
    type Error = russh::Error;

    async fn auth_password(&mut self, _user: &str, password: &str) -> Result<Auth, russh::Error> {
        Ok(if password == PASSWORD { Auth::Accept } else { Auth::reject() })
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), russh::Error> {
        while self.shells.try_join_next().is_some() {}
        // Without an answer the channel is refused.
        if self.shells.len() < MAX_SHELLS {
            reply.accept().await;
            self.shells.spawn(async {
                if let Err(error) = talk(channel).await {
                    tracing::debug!(%error, "a shell of the demo device is gone");
                }
            });
        }
        Ok(())
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _term: &str,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        _modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        session.channel_success(channel)
    }

    async fn shell_request(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), russh::Error> {
        session.channel_success(channel)
    }

    async fn exec_request(&mut self, channel: ChannelId, _: &[u8], session: &mut Session) -> Result<(), russh::Error> {
        session.channel_success(channel)
    }
}

/// Between a channel and its shell.
async fn talk(mut channel: Channel<Msg>) -> Result<(), russh::Error> {
    let mut shell: Option<Shell> = None;
    let mut size = None;
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        if let Some(shell) = &mut shell {
            while let Some(text) = shell.poll_transmit() {
                // The terminal's window is waited for: what it does not take is not made either.
                timeout(PATIENCE, channel.data_bytes(text)).await.map_err(|_| russh::Error::ConnectionTimeout)??;
            }
            if shell.is_over() {
                channel.exit_status(0).await?;
                channel.eof().await?;
                return channel.close().await;
            }
        }
        tokio::select! {
            message = channel.wait() => match message {
                None | Some(ChannelMsg::Eof | ChannelMsg::Close) => return Ok(()),
                Some(
                    ChannelMsg::RequestPty { col_width: columns, row_height: rows, .. }
                    | ChannelMsg::WindowChange { col_width: columns, row_height: rows, .. },
                ) => {
                    let now = Size { columns, rows };
                    size = Some(now);
                    shell.iter_mut().for_each(|shell| shell.resize(now));
                }
                Some(ChannelMsg::RequestShell { .. }) if shell.is_none() => shell = Some(Shell::new(size)),
                Some(ChannelMsg::Exec { command, .. }) if shell.is_none() => {
                    shell = Some(Shell::one_line(&String::from_utf8_lossy(&command), size));
                }
                Some(ChannelMsg::Data { data }) => shell.iter_mut().for_each(|shell| shell.handle_input(&data)),
                Some(_) => {}
            },
            _ = seconds.tick(), if shell.as_ref().is_some_and(Shell::wants_ticks) => {
                shell.iter_mut().for_each(Shell::tick);
            }
        }
    }
}
