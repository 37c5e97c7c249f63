//! From a page's first message to a shell that runs: what a person is asked on the way.

use std::time::Duration;

use towline_cloud_api::{
    Answer, Endpoint, ErrorCode, FromTerminal, HostKey, Permission, Question, Settings, ToTerminal,
};

use super::{Heard, Said, Shell, Size, gone, open, over, scrollback::Scrollback};
use crate::{
    api::Failure,
    app::App,
    attempt::{Attempt, Reached},
    vault::Secrets,
    viewer::{Input, Viewer},
};

/// How long a page has for its first message.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a person has for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

/// The first message of a page.
pub(crate) async fn hello(viewer: &mut Viewer) -> Result<(Size, Option<u64>), Failure> {
    let (input, _) = viewer.split();
    let first = tokio::time::timeout(HELLO_TIMEOUT, input.recv()).await;
    let Ok(Some(Input::Text(text))) = first else {
        return Err(Failure::new(ErrorCode::ProtocolMismatch, "the page has not said hello"));
    };
    match serde_json::from_str(&text) {
        Ok(FromTerminal::Hello { columns, rows, received }) => Ok((Size { columns, rows }, received)),
        _ => Err(Failure::new(ErrorCode::ProtocolMismatch, "the page has not said hello")),
    }
}

/// A shell that runs.
pub(crate) struct Terminal {
    pub(super) shell: Shell,
    pub(super) scrollback: Scrollback,
}

impl Terminal {
    /// Opens the shell, and has the person answer what it asks.
    pub(crate) async fn sign_in(
        attempt: &Attempt,
        settings: &Settings,
        reached: Reached,
        viewer: &mut Viewer,
        size: Size,
    ) -> Result<Self, Failure> {
        let (app, tenant) = (&attempt.caller.app, attempt.caller.tenant());
        let endpoint = &attempt.endpoint()?.endpoint;
        let secrets = app.secrets(tenant, &endpoint.id).await?;
        let mut shell = open(app, endpoint, secrets, settings, reached, size)?;
        let may_save = attempt.device.permissions.contains(&Permission::RemoteAccessAdmin);
        let mut scrollback = Scrollback::default();
        let mut questions = 0;
        loop {
            let said = tokio::select! {
                said = shell.said.recv() => said,
                () = viewer.gone() => return Err(gone()),
            };
            match said {
                Some(Ok(Said::Question(mut question))) => {
                    questions += 1;
                    if let Question::HostKey { may_save: allowed, .. } = &mut question {
                        *allowed = may_save;
                    }
                    let answer = ask(viewer, &mut shell, questions, question).await?;
                    shell.heard.send(Heard::Answer(answer)).await.map_err(|_| over())?;
                }
                Some(Ok(Said::Notice(text))) => viewer.say(&ToTerminal::Notice { text }).await.map_err(|_| gone())?,
                Some(Ok(Said::Ready { host_key, keep })) => {
                    if let Some(key) = host_key.filter(|_| keep) {
                        app.store.add_host_key(tenant, attempt.actor(), endpoint, &key).await?;
                    }
                    return Ok(Self { shell, scrollback });
                }
                Some(Ok(Said::HostKey(_))) => {}
                Some(Ok(Said::Output(bytes))) => scrollback.push(&bytes),
                Some(Ok(Said::Exit { .. })) | None => return Err(over()),
                Some(Err(failure)) => return Err(failure),
            }
        }
    }
}

/// How far a sign-in without a person came.
pub(crate) struct Tried {
    /// The server's key, if it has shown one.
    pub(crate) host_key: Option<HostKey>,
    pub(crate) signed_in: Result<(), Failure>,
}

/// Tries a sign-in over SSH out: what a person would be asked ends it.
pub(crate) async fn try_ssh(
    app: &App,
    endpoint: &Endpoint,
    secrets: Secrets,
    settings: &Settings,
    reached: Reached,
) -> Tried {
    let mut host_key = None;
    let signed_in = match open(app, endpoint, secrets, settings, reached, Size { columns: 80, rows: 24 }) {
        Ok(shell) => try_shell(shell, &mut host_key).await,
        Err(failure) => Err(failure),
    };
    Tried { host_key, signed_in }
}

async fn try_shell(mut shell: Shell, shown: &mut Option<HostKey>) -> Result<(), Failure> {
    loop {
        match shell.said.recv().await {
            Some(Ok(Said::HostKey(key))) => *shown = Some(key),
            Some(Ok(Said::Ready { host_key, .. })) => {
                *shown = host_key;
                return Ok(());
            }
            Some(Ok(Said::Question(Question::HostKey { algorithm, fingerprint, .. }))) => {
                return Err(Failure::new(ErrorCode::HostKeyUnknown, format!("{algorithm} {fingerprint}")));
            }
            Some(Ok(Said::Question(Question::Passphrase { .. }))) => {
                let detail = "the key has a passphrase, which whoever connects is asked for";
                return Err(Failure::new(ErrorCode::TargetSignIn, detail));
            }
            Some(Ok(Said::Question(_))) => {
                let detail = "the target wants something that whoever connects is asked for";
                return Err(Failure::new(ErrorCode::TargetSignIn, detail));
            }
            Some(Ok(Said::Output(_) | Said::Notice(_) | Said::Exit { .. })) => {}
            Some(Err(failure)) => return Err(failure),
            None => return Err(over()),
        }
    }
}

/// Has the page answer a question.
async fn ask(viewer: &mut Viewer, shell: &mut Shell, id: u32, question: Question) -> Result<Answer, Failure> {
    viewer.say(&ToTerminal::Question { id, question }).await.map_err(|_| gone())?;
    let (input, _) = viewer.split();
    let answered = async {
        loop {
            match input.recv().await.ok_or_else(gone)? {
                Input::Text(text) => match serde_json::from_str(&text) {
                    Ok(FromTerminal::Answer { answer: Answer::Cancel { .. }, .. }) => {
                        return Err(Failure::new(ErrorCode::SessionEnded, "the operator cancelled the sign-in"));
                    }
                    Ok(FromTerminal::Answer { id: answered, answer }) if answered == id => return Ok(answer),
                    Ok(FromTerminal::Resize { columns, rows }) => {
                        // The size at the beginning is what the shell was opened with.
                        let _over = shell.heard.send(Heard::Resize(Size { columns, rows })).await;
                    }
                    Ok(FromTerminal::Close) => return Err(gone()),
                    Ok(_) => {}
                    Err(_) => {
                        return Err(Failure::new(ErrorCode::ProtocolMismatch, "the page's answer is not understood"));
                    }
                },
                Input::Bytes(_) | Input::Extend => {}
            }
        }
    };
    let late = || Failure::new(ErrorCode::SessionEnded, format!("no answer within {} s", ANSWER_TIMEOUT.as_secs()));
    tokio::time::timeout(ANSWER_TIMEOUT, answered).await.unwrap_or_else(|_| Err(late()))
}
