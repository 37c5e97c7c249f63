//! Trying an endpoint out: a real handshake through the device, up to the point where an operator would come in.

use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use towline_cloud_api::{
    Endpoint, EndpointTest, HostKey, Permission, Problem, Protocol, Settings, SignIn, TestEndpoint, TestStep,
    TestedStep,
};
use towline_rfb::Password;
use towline_tunnel_proto::{Code, FieldKey, Open};
use zeroize::Zeroizing;

use super::{
    Failure, Json, Path,
    endpoints::{Draft, blank, unknown, wish},
};
use crate::{
    attempt::{Reached, agent, reach},
    auth::Caller,
    screen::Screen,
    store::{Entry, StoredDevice, target},
    terminal::{self, check_allowed},
    vault::{Field, Secrets},
};

const ACTION: &str = "endpoint.test";

const SSH_PORT: u16 = 22;
/// What every SSH server says first (RFC 4253, section 4.2), and how long it has for that.
const SSH_GREETING: &[u8] = b"SSH-";
const SSH_GREETING_TIMEOUT: Duration = Duration::from_secs(3);

pub(super) async fn test(
    caller: Caller,
    Path(device): Path<String>,
    Json(request): Json<TestEndpoint>,
) -> Result<Json<EndpointTest>, Failure> {
    let device = caller.device(&device, Permission::RemoteAccessAdmin, ACTION).await?;
    let settings = caller.app.store.settings(caller.tenant()).await?;
    let TestEndpoint { endpoint: new, endpoint_id } = request;
    check_allowed(new.protocol, &settings)?;
    // What is kept for an endpoint counts where nothing else is given.
    let (base, mut secrets) = match endpoint_id {
        None => (blank(new.protocol, "0".into(), device.id.clone()), Secrets::default()),
        Some(id) => {
            let known = caller.app.store.endpoint(caller.tenant(), &device.id, &id).await?;
            let known = known.ok_or_else(|| unknown(&device.name))?.endpoint;
            (known, caller.app.secrets(caller.tenant(), &id).await?)
        }
    };
    let base = Endpoint { protocol: new.protocol, ..base };
    let draft = Draft::new(base, wish(new)).await?;
    if draft.endpoint.sign_in == SignIn::None {
        secrets = Secrets::default();
    }
    for (field, secret) in draft.secrets {
        secrets.put(field, Zeroizing::new(secret.expose().as_bytes().to_vec()));
    }

    let mut outcome = EndpointTest { passed: Vec::new(), problem: None, host_key: None, ssh_port: None };
    let tested = Tested { caller: &caller, device: &device, endpoint: &draft.endpoint, settings: &settings };
    outcome.problem =
        tested.run(secrets, &mut outcome.passed, &mut outcome.host_key).await.err().map(Failure::into_problem);
    if draft.endpoint.protocol == Protocol::Telnet && tested.speaks_ssh().await {
        outcome.ssh_port = Some(SSH_PORT);
    }
    tested.record(outcome.problem.as_ref()).await?;
    Ok(Json(outcome))
}

struct Tested<'a> {
    caller: &'a Caller,
    device: &'a StoredDevice,
    endpoint: &'a Endpoint,
    settings: &'a Settings,
}

impl Tested<'_> {
    async fn run(
        &self,
        secrets: Secrets,
        passed: &mut Vec<TestedStep>,
        host_key: &mut Option<HostKey>,
    ) -> Result<(), Failure> {
        let Self { caller, device, endpoint, settings } = self;
        let app = &caller.app;
        let mut pass = |step, detail| passed.push(TestedStep { step, detail });
        let agent = agent(app, device)?;
        pass(TestStep::Device, format!("\"{}\" is online", device.name));

        let reached = reach(app, device, &agent, self.open(endpoint)).await?;
        pass(TestStep::Target, format!("connected to {}", reached.peer_address));

        match endpoint.protocol {
            // Telnet has no handshake that would tell it from anything else.
            Protocol::Passthrough | Protocol::Telnet => Ok(()),
            Protocol::Vnc => screen(reached, secrets, pass).await,
            Protocol::Ssh => {
                let tried = terminal::try_ssh(app, endpoint, secrets, settings, reached).await;
                if let Some(key) = tried.host_key {
                    pass(TestStep::Protocol, format!("it speaks SSH; its host key is {}", key.fingerprint));
                    *host_key = Some(key);
                }
                tried.signed_in?;
                pass(TestStep::SignIn, format!("signed in as {}", endpoint.user.as_deref().unwrap_or_default()));
                Ok(())
            }
        }
    }

    /// Whether the target's host could be reached with SSH instead.
    async fn speaks_ssh(&self) -> bool {
        let ssh = Endpoint { port: SSH_PORT, ..self.endpoint.clone() };
        let asked = async {
            let agent = agent(&self.caller.app, self.device)?;
            let mut channel = reach(&self.caller.app, self.device, &agent, self.open(&ssh)).await?.channel;
            let mut greeting = [0; SSH_GREETING.len()];
            let read = channel.read_exact(&mut greeting).await;
            channel.reset(Code::NO_ERROR, "the test is over");
            Ok::<_, Failure>(read.is_ok() && greeting == SSH_GREETING)
        };
        matches!(tokio::time::timeout(SSH_GREETING_TIMEOUT, asked).await, Ok(Ok(true)))
    }

    fn open(&self, endpoint: &Endpoint) -> Open {
        let mut open = Open::to(format!("tcp://{}", target(endpoint)));
        open.fields.insert(FieldKey::SESSION_ID, ACTION.to_owned());
        open.fields.insert(FieldKey::USER, self.caller.visitor.user_name.clone());
        open
    }

    async fn record(&self, problem: Option<&Problem>) -> Result<(), Failure> {
        let Self { caller, device, endpoint, .. } = self;
        let (actor, object) = (caller.actor(), format!("device/{}", device.id));
        let detail = format!("{} {}", endpoint.protocol, target(endpoint));
        let entry = match problem {
            None => Entry::ok(&actor, ACTION, object).detail(detail),
            Some(problem) => {
                Entry::failed(&actor, ACTION, object, problem.code).detail(format!("{detail}: {}", problem.detail))
            }
        };
        caller.app.store.record(caller.tenant(), entry).await?;
        Ok(())
    }
}

async fn screen(reached: Reached, mut secrets: Secrets, mut pass: impl FnMut(TestStep, String)) -> Result<(), Failure> {
    let password = secrets.take(Field::Password).map(|password| Password::new(password.as_slice()));
    let mut screen = Screen::with_password(password, reached, true);
    let signed_in = screen.sign_in().await;
    if screen.speaks_rfb() {
        pass(TestStep::Protocol, "it speaks VNC".into());
    }
    signed_in?;
    let how = screen.security().map_or_else(String::new, |security| security.to_string());
    pass(TestStep::SignIn, format!("signed in with {how}"));
    Ok(())
}
