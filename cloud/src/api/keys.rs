//! SSH keys of endpoints: what they are, and getting one onto its target.

use std::time::Duration;

use towline_cloud_api::{
    ErrorCode, InspectKeys, InspectedKey, InspectedKeys, InstallKey, InstalledKey, Permission, SignIn,
};
use towline_ssh_bridge::keys::{KeyFile, PrivateKey, PublicKey};
use towline_tunnel_proto::{FieldKey, Open};

use super::{
    Failure, Json, Path,
    endpoints::{blocking, fault, host_keys, unknown},
};
use crate::{
    attempt::{agent, reach},
    auth::Caller,
    store::{Entry, target},
    terminal::{Installed, install, key_limits},
};

const INSTALL: &str = "endpoint.install-key";
/// Less than a request may take, so that what failed is told and recorded.
const INSTALL_TIMEOUT: Duration = Duration::from_secs(25);

/// What a key file is; `opened` is the key in it, if it was opened.
pub fn inspected(file: &KeyFile, opened: Option<&PrivateKey>) -> InspectedKey {
    let key = opened.map(PrivateKey::public_key).or(file.public_key());
    InspectedKey {
        format: file.format().name().to_owned(),
        algorithm: key.map(|key| key.algorithm().to_string()),
        bits: key.and_then(PublicKey::bits),
        fingerprint: key.map(|key| key.fingerprint().to_string()),
        comment: key.map(|key| key.comment().to_owned()),
        encrypted: file.is_encrypted(),
        private: file.is_private(),
    }
}

pub(super) async fn inspect(caller: Caller, Json(asked): Json<InspectKeys>) -> Result<Json<InspectedKeys>, Failure> {
    caller.anywhere(Permission::RemoteAccessAdmin, "key.inspect").await?;
    blocking(move || look(&asked)).await?.map(Json)
}

fn look(asked: &InspectKeys) -> Result<InspectedKeys, Failure> {
    let mut found = InspectedKeys::default();
    if let Some(text) = &asked.private_key {
        let wrong = |detail: String| fault("private_key", detail);
        let limits = key_limits();
        let file = KeyFile::decode(text.expose().as_bytes(), &limits).map_err(|error| wrong(error.to_string()))?;
        if !file.is_private() {
            return Err(wrong("this is the public half: the private one is wanted".into()));
        }
        let passphrase = asked.passphrase.as_ref().filter(|passphrase| !passphrase.expose().is_empty());
        let opened = match passphrase {
            Some(passphrase) => {
                let opened = file.private_key(Some(passphrase.expose().as_bytes()));
                Some(opened.map_err(|error| fault("passphrase", error.to_string()))?)
            }
            None => None,
        };
        found.private_key = Some(inspected(&file, opened.as_ref()));
    }
    if let Some(text) = &asked.host_keys {
        let (host, port) = (asked.host.as_deref().unwrap_or_default(), asked.port.unwrap_or_default());
        let keys = host_keys(text, host, port).map_err(|detail| fault("host_keys", detail))?;
        let file = |key: &str| KeyFile::decode(key.as_bytes(), &key_limits());
        let files = keys.iter().map(|key| file(&key.key)).collect::<Result<Vec<_>, _>>();
        let files = files.map_err(|error| fault("host_keys", error.to_string()))?;
        found.host_keys = files.iter().map(|file| inspected(file, None)).collect();
    }
    Ok(found)
}

pub(super) async fn install_key(
    caller: Caller,
    Path((device, endpoint)): Path<(String, String)>,
    Json(wish): Json<InstallKey>,
) -> Result<Json<InstalledKey>, Failure> {
    let device = caller.device(&device, Permission::RemoteAccessAdmin, INSTALL).await?;
    let (app, tenant) = (&caller.app, caller.tenant());
    let stored = app.store.endpoint(tenant, &device.id, &endpoint).await?;
    let endpoint = stored.ok_or_else(|| unknown(&device.name))?.endpoint;
    let key = endpoint.public_key.as_deref().filter(|_| endpoint.sign_in == SignIn::KeyPair);
    let key = key.and_then(|line| line.parse::<PublicKey>().ok()).ok_or_else(|| {
        let detail = "the endpoint has no key pair, or its public half is hidden by the passphrase";
        Failure::new(ErrorCode::BadRequest, detail)
    })?;
    let settings = app.store.settings(tenant).await?;

    let attempt = async {
        let agent = agent(app, &device)?;
        let mut open = Open::to(format!("tcp://{}", target(&endpoint)));
        open.fields.insert(FieldKey::SESSION_ID, INSTALL.to_owned());
        open.fields.insert(FieldKey::USER, caller.visitor.user_name.clone());
        let reached = reach(app, &device, &agent, open).await?;
        let (password, trusted) = (wish.password.expose(), wish.host_key.as_deref());
        Ok(install(&endpoint, &key, password, trusted, settings.save_host_keys, reached.channel).await)
    };
    let late = || Err(Failure::new(ErrorCode::TargetTimeout, "the target took too long"));
    let (installed, done) = match tokio::time::timeout(INSTALL_TIMEOUT, attempt).await.unwrap_or_else(|_| late()) {
        Ok(outcome) => outcome,
        Err(failure) => (Installed::default(), Err(failure)),
    };
    let Installed { host_key, keeps, was_there } = installed;
    if let Some(key) = host_key.as_ref().filter(|_| keeps && done.is_ok()) {
        app.store.add_host_key(tenant, &caller.actor(), &endpoint, key).await?;
    }

    let object = format!("device/{}/endpoint/{}", device.id, endpoint.id);
    let user = endpoint.user.as_deref().unwrap_or_default();
    let what = format!("{} for {user} at {}", key.fingerprint(), target(&endpoint));
    match (done, host_key) {
        (Ok(()), Some(host_key)) => {
            let how = if was_there { "was there" } else { "added" };
            let entry = Entry::ok(&caller.actor(), INSTALL, object).detail(format!("{what}: {how}"));
            app.store.record(tenant, entry).await?;
            Ok(Json(InstalledKey { was_there, host_key }))
        }
        (done, host_key) => {
            let mut problem = done.err().unwrap_or_else(|| Failure::new(ErrorCode::Internal, "")).into_problem();
            if let (ErrorCode::HostKeyUnknown, Some(key)) = (problem.code, host_key) {
                problem.detail = key.fingerprint;
            }
            let entry = Entry::failed(&caller.actor(), INSTALL, object, problem.code);
            app.store.record(tenant, entry.detail(format!("{what}: {}", problem.detail))).await?;
            Err(problem.into())
        }
    }
}
