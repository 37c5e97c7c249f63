//! What only a person can answer.

use std::fmt;

use tokio::sync::oneshot;

use crate::{keys::PublicKey, secret::Secret};

/// How the key that a server has shown compares with those that were known for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// It is one of them. Nobody is asked.
    Known,
    /// None is known. This is what the first connection looks like.
    Unknown,
    /// A key of the same type is known, and it is another one.
    Changed,
    /// Keys are known, but none of this type. An attacker who cannot forge the known key can offer one of another type,
    /// so this is no better than [`Verdict::Changed`].
    OtherTypeKnown,
}

impl Verdict {
    /// Compares `offered` with the keys in `known`.
    #[must_use]
    pub fn of(offered: &PublicKey, known: &[PublicKey]) -> Self {
        if known.contains(offered) {
            Self::Known
        } else if known.is_empty() {
            Self::Unknown
        } else if known.iter().any(|key| key.algorithm() == offered.algorithm()) {
            Self::Changed
        } else {
            Self::OtherTypeKnown
        }
    }
}

/// Is this the server's key? Dropped without an answer it means no.
///
/// The server waits meanwhile (OpenSSH for two minutes); a key that is accepted should be stored only when
/// [`Event::Ready`](crate::Event::Ready) says that the sign-in has succeeded.
pub struct HostKeyQuestion {
    /// How the key compares with those that were known: anything but [`Verdict::Known`].
    pub verdict: Verdict,
    /// The key that the server has proved to hold.
    pub offered: PublicKey,
    /// The keys that were known.
    pub known: Vec<PublicKey>,
    pub(super) answer: oneshot::Sender<()>,
}

impl HostKeyQuestion {
    /// Yes: go on.
    pub fn accept(self) {
        // Nobody listens any more when the session is over; then the answer does not matter.
        let _ = self.answer.send(());
    }

    /// No: end the session with [`Error::HostKey`](crate::Error::HostKey).
    pub fn reject(self) {}
}

/// What is the user's password? Dropped without an answer it ends the sign-in.
pub struct PasswordQuestion {
    /// Who is signing in.
    pub user: String,
    /// A password was tried already, and was wrong.
    pub wrong_before: bool,
    pub(super) answer: oneshot::Sender<Secret>,
}

impl PasswordQuestion {
    /// Tries this one.
    pub fn answer(self, password: Secret) {
        let _ = self.answer.send(password);
    }
}

/// Questions of the server's own (keyboard-interactive, RFC 4256). Dropped without an answer they end the sign-in.
pub struct PromptsQuestion {
    /// A title, often empty. Control characters are taken out of all these texts, and they are not longer than
    /// [`Limits::max_text_bytes`](crate::Limits::max_text_bytes); they are still the server's words and not ours.
    pub name: String,
    /// What is to be done, often empty.
    pub instructions: String,
    /// One after the other; never empty.
    pub prompts: Vec<Prompt>,
    /// Answers were given already, and were wrong.
    pub wrong_before: bool,
    pub(super) answer: oneshot::Sender<Vec<Secret>>,
}

/// One question of the server's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// The question, such as `Password: `.
    pub text: String,
    /// The answer may be seen while it is typed.
    pub echo: bool,
}

impl PromptsQuestion {
    /// Gives the answers in the order of the prompts; those that are missing are empty.
    pub fn answer(self, answers: Vec<Secret>) {
        let _ = self.answer.send(answers);
    }
}

/// What is the passphrase of the private key? Dropped without an answer it ends the sign-in.
pub struct PassphraseQuestion {
    /// A passphrase was tried already, and was wrong.
    pub wrong_before: bool,
    pub(super) answer: oneshot::Sender<Secret>,
}

impl PassphraseQuestion {
    /// Tries this one.
    pub fn answer(self, passphrase: Secret) {
        let _ = self.answer.send(passphrase);
    }
}

impl fmt::Debug for HostKeyQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostKeyQuestion")
            .field("verdict", &self.verdict)
            .field("offered", &self.offered)
            .field("known", &self.known)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PasswordQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordQuestion")
            .field("user", &self.user)
            .field("wrong_before", &self.wrong_before)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PromptsQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PromptsQuestion")
            .field("name", &self.name)
            .field("instructions", &self.instructions)
            .field("prompts", &self.prompts)
            .field("wrong_before", &self.wrong_before)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PassphraseQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PassphraseQuestion").field("wrong_before", &self.wrong_before).finish_non_exhaustive()
    }
}
