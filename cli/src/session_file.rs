//! The login that stays: a file of this user's.

use std::{
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use towline_agent::CloudUrl;
use towline_cloud_api::{ErrorCode, LoginGranted, Problem};
use towline_transport::tls::KeyPin;

pub(crate) const PATH_VARIABLE: &str = "TOWLINE_SESSION_FILE";
const VERSION: u32 = 1;

/// A login: where, as whom, and the token that stands for it. Never a password.
#[derive(Serialize, Deserialize)]
pub(crate) struct SessionFile {
    version: u32,
    cloud: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pin: Option<String>,
    pub(crate) user: String,
    pub(crate) token: String,
    pub(crate) expires_at: String,
}

impl SessionFile {
    pub(crate) fn new(cloud: &CloudUrl, pin: Option<KeyPin>, granted: &LoginGranted) -> Self {
        Self {
            version: VERSION,
            cloud: cloud.to_string(),
            pin: pin.map(|pin| pin.to_string()),
            user: granted.user.name.clone(),
            token: granted.token.clone(),
            expires_at: granted.expires_at.clone(),
        }
    }

    /// The file that commands use: `$TOWLINE_SESSION_FILE`, else `towline/session.json` in the user's configuration.
    pub(crate) fn default_path() -> Result<PathBuf, Problem> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        if let Some(path) = variable(PATH_VARIABLE) {
            return Ok(path);
        }
        let config = variable("XDG_CONFIG_HOME").or_else(|| std::env::home_dir().map(|home| home.join(".config")));
        let config = config.ok_or_else(|| {
            Problem::new(ErrorCode::BadRequest, format!("there is no home folder for the login: set {PATH_VARIABLE}"))
        })?;
        Ok(config.join("towline").join("session.json"))
    }

    /// What is in the file; `None` if there is no login.
    pub(crate) fn load(path: &Path) -> Result<Option<Self>, Problem> {
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unusable(path, &error)),
        };
        let file: Self = serde_json::from_slice(&text).map_err(|error| unusable(path, &error))?;
        if file.version != VERSION {
            return Err(unusable(path, &format_args!("version {} is not {VERSION}", file.version)));
        }
        Ok(Some(file))
    }

    /// Writes the file in one step, readable by this user only.
    pub(crate) fn save(&self, path: &Path) -> Result<(), Problem> {
        if let Some(folder) = path.parent() {
            let mut builder = std::fs::DirBuilder::new();
            builder.recursive(true);
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder.create(folder).map_err(|error| unusable(folder, &error))?;
        }
        let text = serde_json::to_vec_pretty(self).map_err(|error| unusable(path, &error))?;
        towline_agent::write_atomically(path, &text)
            .map_err(|error| Problem::new(ErrorCode::BadRequest, error.to_string()))
    }

    /// Removes the file; it need not be there.
    pub(crate) fn remove(path: &Path) -> Result<(), Problem> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unusable(path, &error)),
            _ => Ok(()),
        }
    }

    pub(crate) fn cloud(&self, path: &Path) -> Result<CloudUrl, Problem> {
        self.cloud.parse().map_err(|error| unusable(path, &error))
    }

    pub(crate) fn pin(&self, path: &Path) -> Result<Option<KeyPin>, Problem> {
        self.pin.as_ref().map(|pin| pin.parse()).transpose().map_err(|error| unusable(path, &error))
    }
}

fn unusable(path: &Path, cause: &dyn std::fmt::Display) -> Problem {
    Problem::new(ErrorCode::BadRequest, format!("{}: {cause}", path.display()))
}

#[cfg(test)]
mod tests {
    use towline_cloud_api::CurrentUser;

    use super::*;

    fn session() -> SessionFile {
        let user = CurrentUser { id: "1".into(), name: "admin".into(), permissions: Vec::new(), totp: false };
        let granted = LoginGranted { token: "secret".into(), expires_at: "2026-01-01T00:00:00Z".into(), user };
        SessionFile::new(&"https://127.0.0.1:8443".parse().unwrap(), Some(KeyPin([7; 32])), &granted)
    }

    #[test]
    fn a_login_survives_being_written_and_read_and_is_this_users_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/session.json");
        assert!(SessionFile::load(&path).unwrap().is_none());
        session().save(&path).unwrap();

        let read = SessionFile::load(&path).unwrap().unwrap();

        assert_eq!((read.user.as_str(), read.token.as_str()), ("admin", "secret"));
        assert_eq!(read.cloud(&path).unwrap().authority(), "127.0.0.1:8443");
        assert_eq!(read.pin(&path).unwrap(), Some(KeyPin([7; 32])));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        SessionFile::remove(&path).unwrap();
        SessionFile::remove(&path).unwrap();
    }

    #[test]
    fn a_file_that_is_not_understood_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("session.json");
        for text in ["{", "{}", &serde_json::to_string(&session()).unwrap().replace("\"version\":1", "\"version\":2")] {
            std::fs::write(&path, text).unwrap();
            let problem = SessionFile::load(&path).err().unwrap();
            assert!(problem.detail.contains("session.json"), "{problem}");
        }
    }
}
