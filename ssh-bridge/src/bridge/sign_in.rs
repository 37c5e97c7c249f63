//! Signing in: what is stored first, then the person, as long as the server goes on.
//!
//! ```text
//!  none ──► which methods? ──► next credential that fits ──► success ──► in
//!                ▲                    │ none left: ask           │
//!                │                    ▼                          │
//!                └──── refused, or accepted in part ◄────────────┘
//! ```

use std::sync::Arc;

use russh::{
    MethodKind,
    client::{AuthResult, Handle, KeyboardInteractiveAuthResponse as Response},
    keys::{HashAlg, PrivateKeyWithHashAlg},
};
use tokio::sync::oneshot;

use super::{
    Event,
    client::{Client, malformed, refuse_if_weak},
    error::{Error, KeyOwner},
    flow::Flow,
    question::{PassphraseQuestion, PasswordQuestion, Prompt, PromptsQuestion},
    session::step,
    text,
};
use crate::{
    Config, Credential,
    keys::{self, Algorithm, PrivateKey},
    secret::Secret,
};

/// Wrong passphrases for one key.
const MAX_PASSPHRASES: u32 = 3;
const STEP: &str = "the sign-in";

pub(super) struct SignIn<'a> {
    handle: &'a mut Handle<Client>,
    config: &'a Config,
    flow: &'a Flow,
    /// What has not been tried yet, in order.
    credentials: Vec<&'a Credential>,
    attempts: u32,
    /// The person's last answer was wrong.
    wrong_before: bool,
    /// The server offers keyboard-interactive and then asks nothing.
    asks_nothing: bool,
    partial: bool,
    /// The methods that the server was content with.
    accepted: Vec<String>,
}

/// What came of one attempt.
enum Outcome {
    In,
    More { methods: Vec<MethodKind>, partial: bool },
}

impl From<AuthResult> for Outcome {
    fn from(result: AuthResult) -> Self {
        match result {
            AuthResult::Success => Self::In,
            AuthResult::Failure { remaining_methods, partial_success } => {
                Self::More { methods: remaining_methods.to_vec(), partial: partial_success }
            }
        }
    }
}

impl<'a> SignIn<'a> {
    pub(super) fn new(handle: &'a mut Handle<Client>, config: &'a Config, flow: &'a Flow) -> Self {
        Self {
            handle,
            config,
            flow,
            credentials: config.credentials.iter().collect(),
            attempts: 0,
            wrong_before: false,
            asks_nothing: false,
            partial: false,
            accepted: Vec::new(),
        }
    }

    /// Signs in; returns the methods that it took.
    pub(super) async fn run(mut self) -> Result<Vec<String>, Error> {
        let mut method = MethodKind::None;
        let none = self.handle.authenticate_none(&self.config.user);
        let mut outcome = step(self.flow, &self.config.limits, STEP, none).await?.into();
        loop {
            let methods = match outcome {
                Outcome::In => {
                    self.accepted.push(String::from(&method));
                    return Ok(self.accepted);
                }
                Outcome::More { methods, partial } => {
                    if partial {
                        self.partial = true;
                        self.wrong_before = false;
                        self.asks_nothing = false;
                        self.accepted.push(String::from(&method));
                    }
                    methods
                }
            };
            if methods.is_empty() {
                // Also what russh says when the connection has ended.
                return Err(self.flow.known_fault().unwrap_or_else(|| self.refused(&methods)));
            }
            if self.attempts >= self.config.limits.max_sign_in_attempts {
                return Err(self.refused(&methods));
            }
            self.attempts += 1;
            (method, outcome) = self.attempt(methods).await?;
        }
    }

    /// One attempt with whatever comes next.
    async fn attempt(&mut self, methods: Vec<MethodKind>) -> Result<(MethodKind, Outcome), Error> {
        let password = methods.contains(&MethodKind::Password);
        let prompts = methods.contains(&MethodKind::KeyboardInteractive) && !self.asks_nothing;
        let next = self.credentials.iter().position(|credential| match credential {
            Credential::Key(_) | Credential::KeyText(_) => methods.contains(&MethodKind::PublicKey),
            Credential::Password(_) => password || prompts,
        });
        if let Some(at) = next {
            return match self.credentials.remove(at) {
                Credential::Key(key) => self.key((**key).clone(), methods).await,
                Credential::KeyText(text) => {
                    let key = self.open(text).await?;
                    self.key(key, methods).await
                }
                Credential::Password(secret) if password => self.password(secret).await,
                Credential::Password(secret) => self.prompts(methods, Some(secret)).await,
            };
        }
        if prompts {
            return self.prompts(methods, None).await;
        }
        if password {
            let (user, wrong_before) = (self.config.user.clone(), self.wrong_before);
            let question = |answer| Event::Password(PasswordQuestion { user, wrong_before, answer });
            let Some(secret) = self.ask(question).await? else {
                return Err(self.refused(&methods));
            };
            return self.password(&secret).await;
        }
        Err(self.refused(&methods))
    }

    async fn password(&mut self, password: &Secret) -> Result<(MethodKind, Outcome), Error> {
        let attempt = self.handle.authenticate_password(&self.config.user, password.expose());
        let result = step(self.flow, &self.config.limits, STEP, attempt).await?;
        self.wrong_before = true;
        Ok((MethodKind::Password, result.into()))
    }

    async fn key(&mut self, key: PrivateKey, methods: Vec<MethodKind>) -> Result<(MethodKind, Outcome), Error> {
        let legacy = self.config.legacy_algorithms;
        let mut hashes = vec![None];
        if !legacy {
            refuse_if_weak(key.public_key(), KeyOwner::User)?;
        }
        if *key.public_key().algorithm() == Algorithm::Rsa {
            let best = self.handle.best_supported_rsa_hash();
            hashes = match step(self.flow, &self.config.limits, STEP, best).await? {
                Some(Some(hash)) => vec![Some(hash)],
                // The server did not say: SHA-256 is what most of them know.
                None if legacy => vec![Some(HashAlg::Sha256), None],
                None => vec![Some(HashAlg::Sha256)],
                Some(None) if legacy => vec![None],
                Some(None) => Vec::new(),
            };
        }
        let key = Arc::new(key.to_russh()?);
        let mut outcome = Outcome::More { methods, partial: false };
        for hash in hashes {
            let attempt =
                self.handle.authenticate_publickey(&self.config.user, PrivateKeyWithHashAlg::new(key.clone(), hash));
            outcome = step(self.flow, &self.config.limits, STEP, attempt).await?.into();
            if matches!(outcome, Outcome::In | Outcome::More { partial: true, .. }) {
                break;
            }
        }
        Ok((MethodKind::PublicKey, outcome))
    }

    /// Opens the text of a private key, with the person's help if it is encrypted.
    async fn open(&self, text: &Secret) -> Result<PrivateKey, Error> {
        let mut passphrase = None;
        for tries in 0.. {
            let (text, given) = (text.clone(), passphrase.take());
            // Slow on purpose of whoever encrypted it.
            let opened = tokio::task::spawn_blocking(move || {
                let passphrase = given.as_ref().map(|given: &Secret| given.expose().as_bytes());
                PrivateKey::decode(text.expose().as_bytes(), passphrase, &keys::Limits::default())
            });
            let error = match opened.await {
                Ok(Ok(key)) => return Ok(key),
                Ok(Err(error @ (keys::Error::NeedsPassphrase | keys::Error::WrongPassphrase)))
                    if tries < MAX_PASSPHRASES =>
                {
                    error
                }
                Ok(Err(error)) => return Err(error.into()),
                Err(_) => return Err(Error::Misuse("the runtime is shutting down")),
            };
            let wrong_before = error == keys::Error::WrongPassphrase;
            passphrase = self.ask(|answer| Event::Passphrase(PassphraseQuestion { wrong_before, answer })).await?;
            if passphrase.is_none() {
                return Err(error.into());
            }
        }
        Err(keys::Error::WrongPassphrase.into())
    }

    /// keyboard-interactive: the server's questions go to the person. A stored password answers the one that is a
    /// question for the password, once.
    async fn prompts(
        &mut self,
        methods: Vec<MethodKind>,
        mut password: Option<&Secret>,
    ) -> Result<(MethodKind, Outcome), Error> {
        let limits = &self.config.limits;
        let start = self.handle.authenticate_keyboard_interactive_start(&self.config.user, None);
        let mut response = step(self.flow, limits, STEP, start).await?;
        let mut answered = false;
        for _ in 0..limits.max_prompt_rounds {
            let (name, instructions, prompts) = match response {
                Response::InfoRequest { name, instructions, prompts } => (name, instructions, prompts),
                Response::Success => return Ok((MethodKind::KeyboardInteractive, Outcome::In)),
                Response::Failure { remaining_methods, partial_success } => {
                    self.wrong_before |= answered;
                    self.asks_nothing = !answered;
                    let outcome = Outcome::More { methods: remaining_methods.to_vec(), partial: partial_success };
                    return Ok((MethodKind::KeyboardInteractive, outcome));
                }
            };
            if prompts.len() > limits.max_prompts {
                return Err(malformed("too many questions at once"));
            }
            let prompts: Vec<Prompt> = prompts
                .into_iter()
                .map(|prompt| Prompt {
                    text: text::printable(&prompt.prompt, limits.max_text_bytes),
                    echo: prompt.echo,
                })
                .collect();
            let (name, instructions) =
                (text::printable(&name, limits.max_text_bytes), text::printable(&instructions, limits.max_text_bytes));
            let answers = match prompts.as_slice() {
                [] => {
                    if !instructions.is_empty() {
                        self.flow.push_event(Event::Banner(instructions));
                    }
                    Vec::new()
                }
                [Prompt { text, echo: false }] if password.is_some() && is_about_password(text) => {
                    answered = true;
                    password.take().into_iter().cloned().collect()
                }
                prompts => {
                    answered = true;
                    let (prompts, wrong_before, count) = (prompts.to_vec(), self.wrong_before, prompts.len());
                    let question =
                        |answer| Event::Prompts(PromptsQuestion { name, instructions, prompts, wrong_before, answer });
                    let Some(mut answers) = self.ask(question).await? else {
                        return Err(self.refused(&methods));
                    };
                    answers.resize(count, Secret::default());
                    answers
                }
            };
            let answers = answers.iter().map(|answer| answer.expose().to_owned()).collect();
            let respond = self.handle.authenticate_keyboard_interactive_respond(answers);
            response = step(self.flow, limits, STEP, respond).await?;
        }
        Err(malformed("questions without end"))
    }

    /// Asks the person. `None` if there is no answer.
    async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Event) -> Result<Option<T>, Error> {
        let (answer, answered) = oneshot::channel();
        self.flow.push_event(question(answer));
        tokio::select! {
            answer = answered => Ok(answer.ok()),
            error = self.flow.faulted() => Err(error),
        }
    }

    fn refused(&self, methods: &[MethodKind]) -> Error {
        Error::AuthenticationRefused { methods: methods.iter().map(String::from).collect(), partial: self.partial }
    }
}

/// "Password:", "Password for root@device:", "(root@device) Password:"; not a one-time code.
fn is_about_password(prompt: &str) -> bool {
    prompt.to_ascii_lowercase().contains("password")
}
