//! What agents ask for: a challenge, to be enrolled, and their tunnel.

use std::{net::SocketAddr, time::Instant};

use axum::extract::Request;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::header;
use towline_cloud_api::{Challenge, Enrol, Enrolled, ErrorCode, SUBPROTOCOL_TUNNEL};
use towline_tunnel_proto::Code;

use super::{Failure, Json, check_name, records::Switched, upgrade::Upgrade};
use crate::{
    agents::{self, Arrival},
    app::App,
    auth::{Allowance, Fault, Stranger, Wait, browser::host},
    moment::now_millis,
    random,
    store::{Actor, EnrolRequest, Entry, Tenant, audit::clean},
};

const SCHEME: &str = "Towline-Device";
const PUBLIC_KEY_BYTES: usize = 32;
const MAX_ID_CHARS: usize = 20;
const MAX_VERSION_CHARS: usize = 64;
/// Many devices share a source behind NAT. What counts is a proof that is not good, and it delays nobody's who has a good one.
const DEVICE_ALLOWANCE: Allowance = Allowance { per_account: 10, per_source: 500 };
const ENROL_ALLOWANCE: Allowance = Allowance { per_account: 20, per_source: 500 };

pub(super) async fn challenge(stranger: Stranger) -> Result<Json<Challenge>, Failure> {
    let app = &stranger.app;
    Ok(Json(Challenge { nonce: app.challenges.issue(now_millis())?, quic_port: app.quic_port }))
}

/// The host that a request was sent to, as the client wrote it: it is part of what is signed, so that a proof is good for
/// one cloud only.
pub(super) struct Host(String);

impl axum::extract::FromRequestParts<crate::auth::Door> for Host {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut http::request::Parts, _: &crate::auth::Door) -> Result<Self, Failure> {
        host(&parts.headers, &parts.uri).map(Self)
    }
}

pub(super) async fn enrol(
    stranger: Stranger,
    Host(host): Host,
    Json(wish): Json<Enrol>,
) -> Result<Json<Enrolled>, Failure> {
    let Stranger { app, source } = stranger;
    app.penalties.check(source.ip(), " enrol", Instant::now()).map_err(wait)?;
    let enrolled = enrol_now(&app, source, &host, &wish).await;
    // What failed here is not the caller's fault.
    if enrolled.as_ref().is_err_and(|failure| failure.0.status < 500) {
        app.penalties.failed(source.ip(), " enrol", ENROL_ALLOWANCE, Instant::now());
    }
    enrolled.map(Json)
}

async fn enrol_now(app: &App, source: SocketAddr, host: &str, wish: &Enrol) -> Result<Enrolled, Failure> {
    let bad = |detail: &str| Failure::new(ErrorCode::BadRequest, detail);
    let secret = URL_SAFE_NO_PAD.decode(&wish.secret).map_err(|_| bad("secret is to be base64url"))?;
    let key = URL_SAFE_NO_PAD.decode(&wish.public_key).map_err(|_| bad("public_key is to be base64url"))?;
    let signature = URL_SAFE_NO_PAD.decode(&wish.signature).map_err(|_| bad("signature is to be base64url"))?;
    if key.len() != PUBLIC_KEY_BYTES {
        return Err(bad("public_key is to have 32 bytes"));
    }
    if let Some(name) = &wish.name {
        check_name("device", name)?;
    }
    let message = format!("towline enrol v1\n{host}\n{}", wish.nonce);
    if let Err(fault) = app.challenges.verify(&wish.nonce, message.as_bytes(), &key, &signature, now_millis()) {
        return Err(rejected(app, &Tenant::first(), source, "device.enrol", "an agent", "?", fault).await?);
    }
    let agent_version = clean(&wish.agent_version, MAX_VERSION_CHARS);
    let request = EnrolRequest {
        secret_hash: &random::sha256_hex(&secret),
        // Encoded anew, so that there is one spelling of each key.
        public_key: &URL_SAFE_NO_PAD.encode(&key),
        name: wish.name.as_deref(),
        agent_version: &agent_version,
        source: &source.to_string(),
    };
    match app.store.enrol(&request).await? {
        Ok((tenant, device)) => {
            // Whoever is connected with the key from before is the device no more.
            app.revoke_device(&device.id, Code::REVOKED, "the device was enrolled again");
            app.device_changed(&tenant, &device.id);
            Ok(Enrolled { device_id: device.id, name: device.name })
        }
        Err(fault) => Err(Failure::new(ErrorCode::EnrolmentTokenInvalid, fault.as_str())),
    }
}

pub(super) async fn tunnel(stranger: Stranger, mut request: Request) -> Result<Switched, Failure> {
    const ACTION: &str = "device.connect";
    let Stranger { app, source } = stranger;
    let proof = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(proof);
    let Some((device_id, nonce, signature)) = proof else {
        let detail = format!("the request carries no `Authorization: {SCHEME} v1 …`");
        return Err(Failure::new(ErrorCode::Unauthenticated, detail));
    };
    let host = host(request.headers(), request.uri())?;
    let version = request.headers().get("towline-agent").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let version = clean(version, MAX_VERSION_CHARS);

    let device = app.store.device_key(&device_id).await?;
    let tenant = device.as_ref().map_or_else(Tenant::first, |device| device.tenant.clone());
    let name = device.as_ref().map_or("an agent", |device| &device.name);
    let key_text = device.as_ref().and_then(|device| device.public_key.clone());
    let key = key_text.as_deref().and_then(|key| URL_SAFE_NO_PAD.decode(key).ok());
    let message = format!("towline device v1\n{host}\n{device_id}\n{nonce}");
    // Removed, never enrolled or invented: looked at with a key of nobody's, and answered like a wrong signature.
    let nobody = [0; PUBLIC_KEY_BYTES];
    let verified =
        app.challenges.verify(&nonce, message.as_bytes(), key.as_deref().unwrap_or(&nobody), &signature, now_millis());
    if let Err(fault) = verified.and_then(|()| key.map(drop).ok_or(Fault::Signature)) {
        // The blank keeps these apart from the accounts of people: no user's name begins with one.
        let account = format!(" {device_id}");
        app.penalties.admit(source.ip(), &account, DEVICE_ALLOWANCE, Instant::now()).map_err(wait)?;
        return Err(rejected(&app, &tenant, source, ACTION, name, &device_id, fault).await?);
    }
    // Only to who has proved to be the device.
    if device.as_ref().is_some_and(|device| device.disabled) {
        // It keeps asking, so that it is back soon after it is enabled: that is on record once.
        if app.agents.is_first_refusal(&device_id) {
            let actor = Actor { name: name.into(), source: source.to_string() };
            let entry = Entry::failed(&actor, ACTION, format!("device/{device_id}"), ErrorCode::DeviceDisabled);
            app.store.record(&tenant, entry).await?;
        }
        return Err(Failure::new(ErrorCode::DeviceDisabled, format!("device \"{name}\"")));
    }

    let upgrade = Upgrade::for_tunnel(&mut request)?;
    let exporter = upgrade.exporter();
    let (response, connection) = upgrade.answer(SUBPROTOCOL_TUNNEL);
    let arrival = Arrival {
        tenant,
        exporter,
        device_id,
        device_name: name.to_owned(),
        public_key: key_text.unwrap_or_default(),
        version,
        source: source.to_string(),
    };
    app.clone().tasks.spawn(agents::serve(app, arrival, connection));
    Ok(Switched(response))
}

/// Device id, nonce and signature of `Towline-Device v1 {device} {nonce} {signature}`.
fn proof(header: &str) -> Option<(String, String, Vec<u8>)> {
    let mut words = header.split_ascii_whitespace();
    if !words.next()?.eq_ignore_ascii_case(SCHEME) || words.next()? != "v1" {
        return None;
    }
    let (device_id, nonce, signature) = (words.next()?, words.next()?, words.next()?);
    if words.next().is_some() || device_id.len() > MAX_ID_CHARS {
        return None;
    }
    Some((device_id.into(), nonce.into(), URL_SAFE_NO_PAD.decode(signature).ok()?))
}

fn wait(wait: Wait) -> Failure {
    Failure::new(ErrorCode::RateLimited, format!("try again in {} seconds", wait.time.as_secs() + 1))
}

async fn rejected(
    app: &App,
    tenant: &Tenant,
    source: SocketAddr,
    action: &'static str,
    actor: &str,
    device_id: &str,
    fault: Fault,
) -> Result<Failure, Failure> {
    let code = match fault {
        // Of these a new challenge is the cure, and not a person.
        Fault::Expired => ErrorCode::DeviceTimeout,
        Fault::Full => ErrorCode::RateLimited,
        Fault::Forged | Fault::Replayed | Fault::Signature => ErrorCode::DeviceIdentityRejected,
    };
    let actor = Actor { name: actor.into(), source: source.to_string() };
    let entry = Entry::failed(&actor, action, format!("device/{device_id}"), code);
    app.store.record(tenant, entry.detail(fault.as_str())).await?;
    Ok(Failure::new(code, fault.as_str()))
}
