//! A shell over SSH: the cloud is the client, with the endpoint's credential, and asks the person for the rest.

use tokio::sync::mpsc;
use towline_cloud_api::{Answer, Endpoint, ErrorCode, HostKey, Prompt, Question, Secret as ApiSecret, SignIn};
use towline_ssh_bridge::{
    Bridge, Config, Credential, Error, Event, Events, Exit, HostKeyQuestion, Secret, Terminal, Verdict, WindowSize,
    keys::{Limits, PrivateKey, PublicKey},
};
use towline_tunnel_proto::driver::Channel;
use zeroize::Zeroizing;

use super::{Heard, Said, ShellEnd, Size};
use crate::{
    api::Failure,
    attempt::MAX_REASON_CHARS,
    store::{audit::clean, target},
    vault::{Field, Secrets},
};

/// A session that is wished for.
pub(super) struct Wish {
    config: Config,
    /// The text of a key, and its passphrase if that is kept.
    key: Option<(Zeroizing<String>, Option<Zeroizing<String>>)>,
    /// An endpoint without a host key trusts the first that comes.
    trusts_first: bool,
    target: String,
}

impl Wish {
    pub(super) fn new(
        endpoint: &Endpoint,
        mut secrets: Secrets,
        trusts_first: bool,
        size: Size,
    ) -> Result<Self, Failure> {
        let mut config = Config::new(endpoint.user.clone().unwrap_or_default());
        config.terminal = Some(Terminal { size: window(size), ..Terminal::default() });
        config.legacy_algorithms = endpoint.legacy_algorithms;
        config.host_keys = endpoint.host_keys.iter().filter_map(|key| key.key.parse().ok()).collect();
        let mut take = |field| secrets.take(field).map(|bytes| text(&bytes)).transpose();
        let mut key = None;
        match endpoint.sign_in {
            SignIn::Password => {
                let password = take(Field::Password)?;
                config.credentials.extend(password.map(|password| Credential::Password(password.as_str().into())));
            }
            SignIn::KeyPair => {
                let passphrase = take(Field::Passphrase)?;
                key = take(Field::PrivateKey)?.map(|key| (key, passphrase));
            }
            SignIn::None | SignIn::Ask => {}
        }
        Ok(Self { config, key, trusts_first: trusts_first && endpoint.host_keys.is_empty(), target: target(endpoint) })
    }
}

fn text(bytes: &[u8]) -> Result<Zeroizing<String>, Failure> {
    let text = std::str::from_utf8(bytes).map_err(|_| Failure::new(ErrorCode::Internal, "a kept secret is no text"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

fn window(size: Size) -> WindowSize {
    WindowSize { columns: size.columns, rows: size.rows }
}

/// Runs the session until it or its [`Shell`](super::Shell) ends.
pub(super) async fn run(mut wish: Wish, channel: Channel, end: ShellEnd) {
    let ShellEnd { said, heard } = end;
    match wish.key.take() {
        // Whoever connects is asked for the passphrase, if it has one.
        Some((key, None)) => wish.config.credentials.push(Credential::KeyText(key.as_str().into())),
        Some((key, Some(passphrase))) => match open_key(key, passphrase).await {
            Ok(key) => wish.config.credentials.push(Credential::Key(key.into())),
            Err(failure) => return drop(said.send(Err(failure)).await),
        },
        None => {}
    }
    let Wish { config, trusts_first, target, .. } = wish;
    let (bridge, events) = Bridge::connect(channel, config);
    let (answers, answered) = mpsc::channel(1);
    let talk = Talk { said: said.clone(), answers: answered, trusts_first, target, keeps: false };
    tokio::select! {
        ended = talk.run(events) => {
            if let Err(failure) = ended {
                drop(said.send(Err(failure)).await);
            }
        }
        () = hear(bridge, heard, answers) => {}
        () = said.closed() => {}
    }
}

/// A passphrase costs time on purpose.
async fn open_key(key: Zeroizing<String>, passphrase: Zeroizing<String>) -> Result<PrivateKey, Failure> {
    let opened = tokio::task::spawn_blocking(move || {
        PrivateKey::decode(key.as_bytes(), Some(passphrase.as_bytes()), &key_limits())
    });
    let opened = opened.await.map_err(|_| Failure::new(ErrorCode::Internal, ""))?;
    opened.map_err(|error| Failure::new(ErrorCode::TargetSignIn, format!("the endpoint's private key: {error}")))
}

/// Passes on what the shell hears; returns when nobody speaks to it any more.
async fn hear(bridge: Bridge, mut heard: mpsc::Receiver<Heard>, answers: mpsc::Sender<Answer>) {
    while let Some(heard) = heard.recv().await {
        match heard {
            Heard::Input(mut bytes) => {
                if bridge.send(&mut bytes).await.is_err() {
                    // The session is over; its events say why.
                    return std::future::pending().await;
                }
            }
            Heard::Resize(size) => bridge.resize(window(size)),
            Heard::Answer(answer) => drop(answers.send(answer).await),
            // What Telnet has for these is in SSH a key like any other.
            Heard::Command(_) => {}
        }
    }
}

/// What the session says, and what it asks.
struct Talk {
    said: mpsc::Sender<Result<Said, Failure>>,
    answers: mpsc::Receiver<Answer>,
    trusts_first: bool,
    target: String,
    /// The host key that was accepted is to be kept.
    keeps: bool,
}

impl Talk {
    async fn run(mut self, mut events: Events) -> Result<(), Failure> {
        while let Some(event) = events.next().await.map_err(|error| failure(&error))? {
            match event {
                Event::HostKey(question) => self.host_key(question).await?,
                Event::Password(question) => {
                    let ask = Question::Password { user: question.user.clone(), wrong_before: question.wrong_before };
                    if let Some(password) = self.texts(ask, 1).await?.pop() {
                        question.answer(password);
                    }
                }
                Event::Prompts(question) => {
                    let prompts = question.prompts.iter();
                    let prompts: Vec<_> =
                        prompts.map(|prompt| Prompt { text: prompt.text.clone(), echo: prompt.echo }).collect();
                    let count = prompts.len();
                    let ask = Question::Prompts {
                        name: question.name.clone(),
                        instructions: question.instructions.clone(),
                        prompts,
                        wrong_before: question.wrong_before,
                    };
                    // Some servers have only something to say.
                    let answers = if count == 0 { Vec::new() } else { self.texts(ask, count).await? };
                    question.answer(answers);
                }
                Event::Passphrase(question) => {
                    let ask = Question::Passphrase { wrong_before: question.wrong_before };
                    if let Some(passphrase) = self.texts(ask, 1).await?.pop() {
                        question.answer(passphrase);
                    }
                }
                Event::Banner(text) => self.say(Said::Notice(text)).await?,
                Event::Ready(ready) => {
                    let key = Some(host_key(&ready.host_key));
                    self.say(Said::Ready { host_key: key, keep: self.keeps }).await?;
                }
                Event::Output(bytes) | Event::ErrorOutput(bytes) => self.say(Said::Output(bytes)).await?,
                Event::Exit(Exit::Status(status)) => {
                    self.say(Said::Exit { status: Some(status), signal: None }).await?;
                }
                Event::Exit(Exit::Signal { signal, .. }) => {
                    self.say(Said::Exit { status: None, signal: Some(signal.name().to_owned()) }).await?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    async fn say(&self, said: Said) -> Result<(), Failure> {
        self.said.send(Ok(said)).await.map_err(|_| gone())
    }

    async fn ask(&mut self, question: Question) -> Result<Answer, Failure> {
        self.say(Said::Question(question)).await?;
        self.answers.recv().await.ok_or_else(gone)
    }

    /// What a person types, one text a prompt.
    async fn texts(&mut self, question: Question, count: usize) -> Result<Vec<Secret>, Failure> {
        match self.ask(question).await? {
            Answer::Texts { texts } if texts.len() == count => {
                Ok(texts.iter().map(|text: &ApiSecret| Secret::from(text.expose())).collect())
            }
            _ => Err(Failure::new(ErrorCode::ProtocolMismatch, "the page's answer does not fit the question")),
        }
    }

    async fn host_key(&mut self, question: HostKeyQuestion) -> Result<(), Failure> {
        self.say(Said::HostKey(host_key(&question.offered))).await?;
        if question.verdict != Verdict::Unknown {
            // A changed key stops the connection, whoever asks.
            question.reject();
            return Ok(());
        }
        let (accept, save) = if self.trusts_first {
            (true, true)
        } else {
            let ask = Question::HostKey {
                target: self.target.clone(),
                algorithm: question.offered.algorithm().name().to_owned(),
                fingerprint: question.offered.fingerprint().to_string(),
                may_save: false,
            };
            match self.ask(ask).await? {
                Answer::HostKey { accept, save } => (accept, save),
                _ => (false, false),
            }
        };
        self.keeps = accept && save;
        if accept {
            question.accept();
        } else {
            question.reject();
        }
        Ok(())
    }
}

/// What reading a key may cost on a machine that many share.
pub(crate) fn key_limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_bcrypt_rounds = 64;
    limits
}

/// A key as it is kept and shown.
pub(crate) fn host_key(key: &PublicKey) -> HostKey {
    HostKey { key: key.to_string(), fingerprint: key.fingerprint().to_string() }
}

fn gone() -> Failure {
    Failure::new(ErrorCode::SessionEnded, "")
}

/// What an error of the session means to a person.
pub(super) fn failure(error: &Error) -> Failure {
    let code = match error {
        Error::NotSsh { .. } | Error::Malformed { .. } => ErrorCode::TargetProtocol,
        Error::HostKey { verdict: Verdict::Unknown, .. } => ErrorCode::HostKeyUnknown,
        Error::HostKey { .. } => ErrorCode::HostKeyChanged,
        Error::Key(_) | Error::AuthenticationRefused { .. } => ErrorCode::TargetSignIn,
        Error::OnlySsh1 { .. }
        | Error::NoCommonAlgorithm { .. }
        | Error::WeakKey { .. }
        | Error::SessionRefused { .. }
        | Error::TerminalRefused
        | Error::ProgramRefused { .. } => ErrorCode::TargetUnsupported,
        Error::KeepAliveLost { .. } | Error::TimedOut { .. } => ErrorCode::TargetTimeout,
        Error::Disconnected { .. } | Error::ConnectionLost { .. } => ErrorCode::TargetClosed,
        _ => ErrorCode::Internal,
    };
    Failure::new(code, clean(&error.to_string(), MAX_REASON_CHARS))
}
