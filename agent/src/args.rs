//! The agent's command line, the same for `towline-agent` and `towline agent`.

use std::{future::Future, io::Read as _, path::PathBuf};

use towline_cloud_api::EnrolmentToken;
use zeroize::Zeroizing;

use crate::{
    Agent, CarrierChoice, CloudUrl, DEFAULT_TUNNEL_MEMORY_BYTES, Enrolment, Error, Log, WayOut, WayOutArgs,
    identity::Identity,
};

/// The environment variable that holds the enrolment token, so that it need not stand in the process list.
const TOKEN_VARIABLE: &str = "TOWLINE_ENROL_TOKEN";
const MAX_TOKEN_BYTES: u64 = 4096;

/// Runs this machine's agent: dials out to the cloud and connects what its allow-list allows.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The cloud's address; needed to enrol.
    #[arg(long, value_name = "URL")]
    pub cloud: Option<CloudUrl>,
    /// The one-time token from `towline devices enrol`. It shows in the process list: TOWLINE_ENROL_TOKEN and
    /// --enrol-token-file do not.
    #[arg(long, value_name = "TOKEN", conflicts_with = "enrol_token_file")]
    pub enrol_token: Option<String>,
    /// A file that holds the token, or `-` for standard input.
    #[arg(long, value_name = "FILE")]
    pub enrol_token_file: Option<PathBuf>,
    /// A name for the device instead of the one that the token was made for.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Where identity, key and allow.toml are kept [default: $STATE_DIRECTORY, or towline/agent in the user's state
    /// folder].
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Enrol again although there is an identity already; it is replaced.
    #[arg(long)]
    pub re_enrol: bool,
    /// A TOML file with `version = 1` and settings named like these flags; flags and TOWLINE_* variables win over it.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What the tunnel runs on.
    #[arg(long, value_enum, value_name = "KIND", default_value_t = CarrierChoice::Auto)]
    pub carrier: CarrierChoice,
    /// Memory that the tunnel may promise to connections before their targets take the bytes; what no longer fits is
    /// refused.
    #[arg(long, value_name = "MIB", default_value_t = DEFAULT_TUNNEL_MEMORY_BYTES >> 20)]
    pub tunnel_memory_mib: usize,
    /// How to get out to the cloud.
    #[command(flatten)]
    pub way_out: WayOutArgs,
    /// How to log.
    #[command(flatten)]
    pub log: Log,
}

impl Args {
    /// Enrols if there is no identity yet (or it is asked for) and runs until `shutdown` is ready.
    ///
    /// # Errors
    ///
    /// [`Error`] for what a person has to put right before the agent can run.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe while it enrols.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
        warn_if_root();
        let (carrier, way_out) = (self.carrier, self.way_out.resolve()?);
        let tunnel_memory_bytes = self.tunnel_memory_mib.saturating_mul(1 << 20);
        let mut agent = self.agent(way_out.clone()).await?;
        (agent.carrier, agent.way_out, agent.tunnel_memory_bytes) = (carrier, way_out, tunnel_memory_bytes);
        let Identity { device_id, name, cloud, .. } = agent.identity();
        tracing::info!(device = device_id, name, %cloud, "towline-agent {}", env!("CARGO_PKG_VERSION"));
        agent.run(shutdown).await;
        Ok(())
    }

    async fn agent(self, way_out: WayOut) -> Result<Agent, Error> {
        let data_dir =
            self.data_dir.clone().or_else(default_data_dir).ok_or_else(|| {
                Error::Usage("there is no home folder to keep the identity in: give --data-dir".into())
            })?;
        let token = self.token()?;
        if Identity::exists(&data_dir) && !self.re_enrol {
            let agent = Agent::load(&data_dir)?;
            if token.is_some() {
                tracing::warn!("this device is enrolled already: the token is ignored (--re-enrol makes it count)");
            }
            let current = &agent.identity().cloud;
            if self.cloud.as_ref().is_some_and(|cloud| cloud != current) {
                tracing::warn!(%current, "this device is enrolled already: --cloud is ignored (see --re-enrol)");
            }
            return Ok(agent);
        }
        let Some(token) = token else {
            return Err(Error::Usage(format!(
                "{} holds no identity: give a token from `towline devices enrol`, with {TOKEN_VARIABLE}, \
                 --enrol-token-file or --enrol-token",
                data_dir.display()
            )));
        };
        let cloud = self.cloud.ok_or_else(|| Error::Usage("give the cloud's address with --cloud".into()))?;
        let token = token.parse::<EnrolmentToken>()?;
        Agent::enrol(&Enrolment { cloud, token, name: self.name, data_dir, way_out }).await
    }

    fn token(&self) -> Result<Option<Zeroizing<String>>, Error> {
        if let Some(token) = &self.enrol_token {
            return Ok(Some(Zeroizing::new(token.clone())));
        }
        let Some(path) = &self.enrol_token_file else {
            return Ok(std::env::var(TOKEN_VARIABLE).ok().filter(|token| !token.is_empty()).map(Zeroizing::new));
        };
        let mut token = Zeroizing::new(String::new());
        let read = if path.as_os_str() == "-" {
            std::io::stdin().take(MAX_TOKEN_BYTES).read_to_string(&mut token)
        } else {
            std::fs::File::open(path).and_then(|file| file.take(MAX_TOKEN_BYTES).read_to_string(&mut token))
        };
        read.map_err(|source| Error::Storage { path: path.clone(), source })?;
        Ok(Some(token))
    }
}

/// Where the identity is kept unless somebody says otherwise: `$STATE_DIRECTORY` (a systemd unit's), else
/// `towline/agent` in `$XDG_STATE_HOME` or `~/.local/state`.
pub fn default_data_dir() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(folders) = variable("STATE_DIRECTORY") {
        // Several folders are separated by colons; the first is ours.
        return std::env::split_paths(&folders).next();
    }
    let state = variable("XDG_STATE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".local").join("state")))?;
    Some(state.join("towline").join("agent"))
}

fn warn_if_root() {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::MetadataExt as _;
        if std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0) {
            tracing::warn!("running as root, which the agent does not need: give it a user of its own");
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use towline_cloud_api::ErrorCode;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        args: Args,
    }

    fn args(line: &[&str]) -> Args {
        Program::parse_from([&["agent"], line].concat()).args
    }

    #[tokio::test]
    async fn without_identity_and_token_it_says_what_to_give() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().to_str().unwrap();

        let error = args(&["--data-dir", data_dir]).run(std::future::ready(())).await.unwrap_err();

        assert_eq!(error.problem().code, ErrorCode::BadRequest);
        assert!(error.to_string().contains("towline devices enrol"), "{error}");
    }

    #[tokio::test]
    async fn a_token_that_is_none_is_refused_before_anything_is_dialled() {
        let folder = tempfile::tempdir().unwrap();
        let token = folder.path().join("token");
        std::fs::write(&token, "secret\n").unwrap();
        let (data_dir, token) = (folder.path().to_str().unwrap(), token.to_str().unwrap());
        let line = ["--data-dir", data_dir, "--cloud", "https://cloud.invalid", "--enrol-token-file", token];

        let error = args(&line).run(std::future::ready(())).await.unwrap_err();

        assert_eq!(error.problem().code, ErrorCode::EnrolmentTokenInvalid);
    }

    #[tokio::test]
    async fn a_token_is_never_sent_in_the_clear() {
        let folder = tempfile::tempdir().unwrap();
        let trust = towline_cloud_api::CloudTrust::WebPki;
        let token = EnrolmentToken { secret: [7; 32], trust }.to_string();
        let data_dir = folder.path().to_str().unwrap();
        let line = ["--data-dir", data_dir, "--cloud", "http://cloud.invalid", "--enrol-token", &token];

        let error = args(&line).run(std::future::ready(())).await.unwrap_err();

        assert_eq!(error.problem().code, ErrorCode::PlainRefused);
    }
}
