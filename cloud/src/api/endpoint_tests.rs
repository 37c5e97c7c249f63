//! Trying an endpoint out: a real handshake through the device, up to the point where an operator would come in.

use towline_cloud_api::{
    Endpoint, EndpointTest, Permission, Problem, Protocol, SignIn, TestEndpoint, TestStep, TestedStep,
};
use towline_rfb::Password;
use towline_tunnel_proto::{FieldKey, Open};
use zeroize::Zeroizing;

use super::{
    Failure, Json, Path,
    endpoints::{checked, unknown},
};
use crate::{
    attempt::{Reached, agent, reach},
    auth::Caller,
    screen::Screen,
    store::{Entry, StoredDevice, target},
    vault::Field,
};

const ACTION: &str = "endpoint.test";

pub(super) async fn test(
    caller: Caller,
    Path(device): Path<String>,
    Json(wish): Json<TestEndpoint>,
) -> Result<Json<EndpointTest>, Failure> {
    let device = caller.device(&device, Permission::RemoteAccessAdmin, ACTION).await?;
    let TestEndpoint { endpoint: new, endpoint_id } = wish;
    let mut password = new.password.as_ref().map(|password| Zeroizing::new(password.expose().as_bytes().to_vec()));
    let mut checked_as = new.clone();
    if let (Some(id), None) = (&endpoint_id, &password) {
        let known = caller.app.store.endpoint(caller.tenant(), &device.id, id).await?;
        known.ok_or_else(|| unknown(&device.name))?;
        password = caller.app.secret(caller.tenant(), id, Field::Password).await?;
        // What is kept was right when it was kept; only that there is one counts here.
        checked_as.password = password.as_ref().map(|_| "kept".to_owned().into());
    }
    if checked_as.sign_in == Some(SignIn::None) {
        checked_as.password = new.password.clone();
    }
    let endpoint = checked(&checked_as, "0".into(), device.id.clone())?;
    let password = password.filter(|_| endpoint.sign_in == SignIn::Password);

    let mut passed = Vec::new();
    let outcome = steps(&caller, &device, &endpoint, password, &mut passed).await;
    let problem = outcome.err().map(Failure::into_problem);
    record(&caller, &device, &endpoint, problem.as_ref()).await?;
    Ok(Json(EndpointTest { passed, problem }))
}

async fn steps(
    caller: &Caller,
    device: &StoredDevice,
    endpoint: &Endpoint,
    password: Option<Zeroizing<Vec<u8>>>,
    passed: &mut Vec<TestedStep>,
) -> Result<(), Failure> {
    let app = &caller.app;
    let mut pass = |step, detail| passed.push(TestedStep { step, detail });
    let agent = agent(app, device)?;
    pass(TestStep::Device, format!("\"{}\" is online", device.name));

    let mut open = Open::to(format!("tcp://{}", target(endpoint)));
    open.fields.insert(FieldKey::SESSION_ID, ACTION.to_owned());
    open.fields.insert(FieldKey::USER, caller.visitor.user_name.clone());
    let reached = reach(app, device, &agent, open).await?;
    pass(TestStep::Target, format!("connected to {}", reached.peer_address));

    match endpoint.protocol {
        Protocol::Passthrough => Ok(()),
        Protocol::Vnc => screen(reached, password, pass).await,
    }
}

async fn screen(
    reached: Reached,
    password: Option<Zeroizing<Vec<u8>>>,
    mut pass: impl FnMut(TestStep, String),
) -> Result<(), Failure> {
    let password = password.map(|password| Password::new(password.as_slice()));
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

async fn record(
    caller: &Caller,
    device: &StoredDevice,
    endpoint: &Endpoint,
    problem: Option<&Problem>,
) -> Result<(), Failure> {
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
