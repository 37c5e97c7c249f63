use std::{io, path::PathBuf};

use towline_cloud_api::{ErrorCode, Problem, TokenError};

/// Why the agent cannot be set up. Once it runs it never gives up, so [`Agent::run`](crate::Agent::run) has no errors.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder of the agent cannot be read or written.
    #[error("{}: {source}", path.display())]
    Storage {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file of the identity is damaged or of another version.
    #[error("{} is not understood: {reason}", path.display())]
    Identity {
        /// Which one.
        path: PathBuf,
        /// What and where.
        reason: String,
    },
    /// No key could be made.
    #[error("this system has no random numbers to make a key from")]
    Key,
    /// The enrolment token is not one.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// An argument is missing or contradicts another.
    #[error("{0}")]
    Usage(String),
    /// The cloud said no, or cannot be reached.
    #[error(transparent)]
    Cloud(Box<Problem>),
}

impl Error {
    /// The same in the words of the closed list.
    pub fn problem(&self) -> Problem {
        match self {
            Self::Cloud(problem) => (**problem).clone(),
            Self::Token(error) => Problem::new(ErrorCode::EnrolmentTokenInvalid, error.to_string()),
            Self::Usage(reason) => Problem::new(ErrorCode::BadRequest, reason),
            Self::Storage { .. } | Self::Identity { .. } | Self::Key => {
                Problem::new(ErrorCode::AgentInternal, self.to_string())
            }
        }
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Cloud(Box::new(problem))
    }
}
