//! Which cloud, how to recognise it, and as whom.

use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use towline_agent::{CloudUrl, WayOut};
use towline_cloud_api::{ErrorCode, LoginGranted, Problem};
use towline_transport::tls::{KeyPin, Trust};

use crate::{
    api::Api,
    args::Global,
    session_file::{self, SessionFile},
};

pub(crate) const TOKEN_VARIABLE: &str = "TOWLINE_TOKEN";
pub(crate) const USER_VARIABLE: &str = "TOWLINE_USER";
pub(crate) const PASSWORD_VARIABLE: &str = "TOWLINE_PASSWORD";

/// The way into a cloud.
#[derive(Clone)]
pub(crate) struct Access {
    pub(crate) cloud: CloudUrl,
    pub(crate) pin: Option<KeyPin>,
    pub(crate) way_out: WayOut,
    pub(crate) token: String,
    pub(crate) origin: Origin,
}

/// Where a token comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The environment holds it.
    Variable,
    /// It was got with the environment's password, for this command only.
    Password,
    /// The login that stays.
    Session {
        /// As the session file has it.
        expires_at: String,
    },
}

impl Origin {
    /// Whether a program without this shell's environment would not find the token.
    pub(crate) fn is_of_this_shell(&self) -> bool {
        !matches!(self, Self::Session { .. }) || variable(session_file::PATH_VARIABLE).is_some()
    }
}

impl Access {
    /// The access that flags, environment and login give: a token from the environment, else user and password from
    /// it, else the login. The login's token goes to the login's cloud only.
    pub(crate) async fn resolve(global: &Global) -> Result<Self, Problem> {
        Self::at(Place::resolve(global)?).await
    }

    async fn at(place: Place) -> Result<Self, Problem> {
        let Place { cloud, pin, way_out, session } = &place;
        let with = |token, origin| Self { cloud: cloud.clone(), pin: *pin, way_out: way_out.clone(), token, origin };
        if let Some(token) = variable(TOKEN_VARIABLE) {
            return Ok(with(token, Origin::Variable));
        }
        if let (Some(user), Some(password)) = (variable(USER_VARIABLE), variable(PASSWORD_VARIABLE)) {
            let LoginGranted { token, .. } = place.api()?.login(&user, &password, None).await?;
            return Ok(with(token, Origin::Password));
        }
        match session {
            Some(session) => {
                Ok(with(session.token.clone(), Origin::Session { expires_at: session.expires_at.clone() }))
            }
            None => Err(Problem::new(ErrorCode::Unauthenticated, format!("at {cloud}"))),
        }
    }

    /// What the token is replaced by once it has ended: that of a login made since, or another for the password. `None`
    /// if there is no other.
    pub(crate) async fn renewed(&self) -> Result<Option<Self>, Problem> {
        let place = || Place::find(Some(self.cloud.clone()), self.pin, self.way_out.clone());
        let renewed = match self.origin {
            Origin::Variable => return Ok(None),
            Origin::Password => Self::at(place()?).await?,
            Origin::Session { .. } => match place()?.session {
                Some(SessionFile { token, expires_at, .. }) => {
                    Self { token, origin: Origin::Session { expires_at }, ..self.clone() }
                }
                None => return Ok(None),
            },
        };
        Ok(Some(renewed).filter(|renewed| renewed.token != self.token))
    }

    /// Whether the token has ended, as far as this machine's clock knows.
    pub(crate) fn is_over(&self) -> bool {
        let Origin::Session { expires_at } = &self.origin else { return false };
        OffsetDateTime::parse(expires_at, &Rfc3339).is_ok_and(|end| end <= OffsetDateTime::now_utc())
    }

    /// Whether the token was got for this command only.
    pub(crate) fn is_for_this_command(&self) -> bool {
        self.origin == Origin::Password
    }

    pub(crate) fn trust(&self) -> Trust {
        trust(self.pin)
    }

    /// A client of the REST API with this access.
    pub(crate) fn api(&self) -> Result<Api, Problem> {
        Api::new(&self.cloud, &self.trust(), &self.way_out, Some(&self.token))
    }
}

/// A cloud, before it is known as whom.
pub(crate) struct Place {
    pub(crate) cloud: CloudUrl,
    pub(crate) pin: Option<KeyPin>,
    /// How to get there.
    pub(crate) way_out: WayOut,
    /// The login, if it is at this cloud.
    pub(crate) session: Option<SessionFile>,
}

impl Place {
    pub(crate) fn resolve(global: &Global) -> Result<Self, Problem> {
        let way_out = global.way_out.resolve().map_err(|error| error.problem())?;
        Self::find(global.cloud.clone(), global.pin, way_out)
    }

    fn find(named: Option<CloudUrl>, pin: Option<KeyPin>, way_out: WayOut) -> Result<Self, Problem> {
        let path = SessionFile::default_path()?;
        let session = match SessionFile::load(&path) {
            // A login that is not understood is in nobody's way who does not need it.
            Err(_) if named.is_some() => None,
            session => session?,
        };
        let at = session.as_ref().map(|session| session.cloud(&path)).transpose()?;
        let cloud = named.or_else(|| at.clone()).ok_or_else(|| {
            Problem::new(ErrorCode::Unauthenticated, "no cloud is named: `towline login URL`, or set TOWLINE_HOST")
        })?;
        let session = session.filter(|_| at.as_ref() == Some(&cloud));
        let known = session.as_ref().map(|session| session.pin(&path)).transpose()?.flatten();
        Ok(Self { cloud, pin: pin.or(known), way_out, session })
    }

    /// A client of the REST API that is not logged in.
    pub(crate) fn api(&self) -> Result<Api, Problem> {
        Api::new(&self.cloud, &trust(self.pin), &self.way_out, None)
    }
}

pub(crate) fn trust(pin: Option<KeyPin>) -> Trust {
    pin.map_or(Trust::WebPki, Trust::Pin)
}

pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_login_that_stays_is_known_to_be_over() {
        let is_over = |origin| {
            let cloud = "https://127.0.0.1:8443".parse().unwrap();
            Access { cloud, pin: None, way_out: WayOut::default(), token: "secret".into(), origin }.is_over()
        };
        let session = |expires_at: &str| Origin::Session { expires_at: expires_at.into() };
        assert!(is_over(session("2001-01-01T00:00:00Z")));
        assert!(!is_over(session("2999-01-01T00:00:00.5Z")));
        assert!(!is_over(session("soon")));
        assert!(!is_over(Origin::Variable) && !is_over(Origin::Password));
    }
}
