//! Which cloud, how to recognise it, and as whom.

use towline_agent::CloudUrl;
use towline_cloud_api::{ErrorCode, LoginGranted, Problem};
use towline_transport::tls::{KeyPin, Trust};

use crate::{api::Api, args::Global, session_file::SessionFile};

const TOKEN_VARIABLE: &str = "TOWLINE_TOKEN";
pub(crate) const USER_VARIABLE: &str = "TOWLINE_USER";
pub(crate) const PASSWORD_VARIABLE: &str = "TOWLINE_PASSWORD";

/// The way into a cloud.
#[derive(Clone)]
pub(crate) struct Access {
    pub(crate) cloud: CloudUrl,
    pub(crate) pin: Option<KeyPin>,
    pub(crate) token: String,
    /// The token was got with a password just now, for this command only.
    pub(crate) for_this_command: bool,
}

impl Access {
    /// The access that flags, environment and login give: a token from the environment, else user and password from
    /// it, else the login. The login's token goes to the login's cloud only.
    pub(crate) async fn resolve(global: &Global) -> Result<Self, Problem> {
        let place = Place::resolve(global)?;
        let Place { cloud, pin, session } = &place;
        let with = |token, for_this_command| Self { cloud: cloud.clone(), pin: *pin, token, for_this_command };
        if let Some(token) = variable(TOKEN_VARIABLE) {
            return Ok(with(token, false));
        }
        if let (Some(user), Some(password)) = (variable(USER_VARIABLE), variable(PASSWORD_VARIABLE)) {
            let LoginGranted { token, .. } = place.api()?.login(&user, &password).await?;
            return Ok(with(token, true));
        }
        match session {
            Some(session) => Ok(with(session.token.clone(), false)),
            None => Err(Problem::new(ErrorCode::Unauthenticated, format!("at {cloud}"))),
        }
    }

    pub(crate) fn trust(&self) -> Trust {
        trust(self.pin)
    }

    /// A client of the REST API with this access.
    pub(crate) fn api(&self) -> Result<Api, Problem> {
        Api::new(&self.cloud, &self.trust(), Some(&self.token))
    }
}

/// A cloud, before it is known as whom.
pub(crate) struct Place {
    pub(crate) cloud: CloudUrl,
    pub(crate) pin: Option<KeyPin>,
    /// The login, if it is at this cloud.
    pub(crate) session: Option<SessionFile>,
}

impl Place {
    pub(crate) fn resolve(global: &Global) -> Result<Self, Problem> {
        let path = SessionFile::default_path()?;
        let session = match SessionFile::load(&path) {
            // A login that is not understood is in nobody's way who does not need it.
            Err(_) if global.cloud.is_some() => None,
            session => session?,
        };
        let at = session.as_ref().map(|session| session.cloud(&path)).transpose()?;
        let cloud = global.cloud.clone().or_else(|| at.clone()).ok_or_else(|| {
            Problem::new(ErrorCode::Unauthenticated, "no cloud is named: `towline login URL`, or set TOWLINE_HOST")
        })?;
        let session = session.filter(|_| at.as_ref() == Some(&cloud));
        let known = session.as_ref().map(|session| session.pin(&path)).transpose()?.flatten();
        Ok(Self { cloud, pin: global.pin.or(known), session })
    }

    /// A client of the REST API that is not logged in.
    pub(crate) fn api(&self) -> Result<Api, Problem> {
        Api::new(&self.cloud, &trust(self.pin), None)
    }
}

fn trust(pin: Option<KeyPin>) -> Trust {
    pin.map_or(Trust::WebPki, Trust::Pin)
}

pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
