//! Commands about the endpoints of devices.

use std::path::Path;

use serde_json::json;
use towline_cloud_api::{
    CreateEndpoint, Endpoint, ErrorCode, InstallKey, InstalledKey, Problem, Protocol, Secret, TelnetOptions,
    UpdateEndpoint,
};

use crate::{
    access::Access,
    api::Api,
    args::{Endpoints, Global, NewTarget},
    output::Output,
    password,
    reference::{self, Purpose},
};

const VNC_PORT: u16 = 5900;
const SSH_PORT: u16 = 22;
const TELNET_PORT: u16 = 23;
/// A file with a key or a password has fewer bytes than this.
const MAX_FILE_BYTES: u64 = 256 * 1024;

pub(crate) async fn endpoints(global: &Global, command: &Endpoints, output: Output) -> Result<(), Problem> {
    let api = Access::resolve(global).await?.api()?;
    let find = async |device: &str, endpoint: &str| -> Result<Endpoint, Problem> {
        let device = reference::device(&api, device).await?;
        reference::endpoint(&api, &device, Some(endpoint), Purpose::Bytes).await
    };
    match command {
        Endpoints::List { device } => {
            let device = reference::device(&api, &device.device).await?;
            let endpoints: Vec<Endpoint> = api.list(&["devices", &device.id, "endpoints"], &[], usize::MAX).await?;
            output.list(&endpoints, ["ID", "NAME", "PROTOCOL", "HOST", "PORT"], |endpoint| {
                [
                    endpoint.id.clone(),
                    endpoint.name.clone(),
                    endpoint.protocol.as_str().into(),
                    endpoint.host.clone(),
                    endpoint.port.to_string(),
                ]
            })
        }
        Endpoints::Show { device, endpoint } => {
            output.value(&find(&device.device, endpoint.name()).await?, endpoint_lines)
        }
        Endpoints::CreatePassthrough { device, name, host, port } => {
            let device = reference::device(&api, &device.device).await?;
            let wish = CreateEndpoint::new(name, Protocol::Passthrough, host, *port);
            let endpoint: Endpoint = api.post(&["devices", &device.id, "endpoints"], &wish).await?;
            output.value(&endpoint, endpoint_lines)
        }
        Endpoints::CreateVnc { target, password_file, view_only } => {
            let mut wish = wish(target, Protocol::Vnc, VNC_PORT);
            wish.view_only = *view_only;
            wish.password = secret(password_file.as_deref())?;
            create(&api, target, &wish, output).await
        }
        Endpoints::CreateSsh {
            target,
            user,
            password_file,
            key_file,
            passphrase_file,
            generate_key,
            host_keys_file,
            legacy_algorithms,
        } => {
            let mut wish = wish(target, Protocol::Ssh, SSH_PORT);
            wish.user = Some(user.clone());
            wish.password = secret(password_file.as_deref())?;
            wish.private_key = key_file.as_deref().map(text).transpose()?.map(Secret::from);
            wish.passphrase = secret(passphrase_file.as_deref())?;
            wish.generate_key = *generate_key;
            wish.host_keys = host_keys_file.as_deref().map(text).transpose()?;
            wish.legacy_algorithms = *legacy_algorithms;
            create(&api, target, &wish, output).await
        }
        Endpoints::CreateTelnet { target, modes } => {
            let mut wish = wish(target, Protocol::Telnet, TELNET_PORT);
            wish.telnet = Some(modes.over(TelnetOptions::default()));
            create(&api, target, &wish, output).await
        }
        Endpoints::InstallKey { device, endpoint, password_file, trust_host_key } => {
            let endpoint = find(&device.device, endpoint.name()).await?;
            let password = match secret(password_file.as_deref())? {
                Some(password) => password,
                None => password::on_target(endpoint.user.as_deref().unwrap_or_default())?.to_string().into(),
            };
            let wish = InstallKey { password, host_key: trust_host_key.clone() };
            let path = ["devices", &endpoint.device_id, "endpoints", &endpoint.id, "key-installations"];
            let installed: InstalledKey = api.post(&path, &wish).await?;
            output.value(&installed, |InstalledKey { was_there, host_key }| {
                let done = if *was_there { "the key was there already" } else { "the key is installed" };
                vec![done.into(), format!("host key  {}", host_key.fingerprint)]
            })
        }
        Endpoints::Update { device, endpoint, change } => {
            let endpoint = find(&device.device, endpoint.name()).await?;
            let change = UpdateEndpoint {
                name: change.new_name.clone(),
                host: change.host.clone(),
                port: change.port,
                ..UpdateEndpoint::default()
            };
            let endpoint: Endpoint =
                api.patch(&["devices", &endpoint.device_id, "endpoints", &endpoint.id], &change).await?;
            output.value(&endpoint, endpoint_lines)
        }
        Endpoints::Delete { device, endpoint } => {
            let endpoint = find(&device.device, endpoint.name()).await?;
            api.delete(&["devices", &endpoint.device_id, "endpoints", &endpoint.id]).await?;
            output.value(&json!({ "id": endpoint.id, "name": endpoint.name, "removed": true }), |_| {
                vec![format!("removed endpoint {} ({})", endpoint.name, endpoint.id)]
            })
        }
    }
}

fn wish(target: &NewTarget, protocol: Protocol, usual_port: u16) -> CreateEndpoint {
    CreateEndpoint::new(&target.name, protocol, &target.host, target.port.unwrap_or(usual_port))
}

async fn create(api: &Api, target: &NewTarget, wish: &CreateEndpoint, output: Output) -> Result<(), Problem> {
    let device = reference::device(api, &target.device.device).await?;
    let endpoint: Endpoint = api.post(&["devices", &device.id, "endpoints"], wish).await?;
    output.value(&endpoint, endpoint_lines)
}

/// A file's first line: passwords are written with a line end behind them.
fn secret(file: Option<&Path>) -> Result<Option<Secret>, Problem> {
    let text = file.map(text).transpose()?;
    Ok(text.map(|text| text.trim_end_matches(['\r', '\n']).to_owned().into()))
}

fn text(file: &Path) -> Result<String, Problem> {
    let unreadable =
        |reason: &str| Problem::new(ErrorCode::BadRequest, format!("{} cannot be read: {reason}", file.display()));
    let length = std::fs::metadata(file).map_err(|error| unreadable(&error.to_string()))?.len();
    if length > MAX_FILE_BYTES {
        return Err(unreadable("it is too long"));
    }
    std::fs::read_to_string(file).map_err(|error| unreadable(&error.to_string()))
}

fn endpoint_lines(endpoint: &Endpoint) -> Vec<String> {
    let mut lines = vec![
        format!("id        {}", endpoint.id),
        format!("name      {}", endpoint.name),
        format!("protocol  {}", endpoint.protocol.as_str()),
        format!("host      {}", endpoint.host),
        format!("port      {}", endpoint.port),
        format!("device    {}", endpoint.device_id),
        format!("sign-in   {}", endpoint.sign_in.as_str()),
        format!("created   {}", endpoint.created_at),
    ];
    lines.extend(endpoint.user.as_ref().map(|user| format!("user      {user}")));
    lines.extend(endpoint.public_key.as_ref().map(|key| format!("public    {key}")));
    lines.extend(endpoint.host_keys.iter().map(|key| format!("host key  {}", key.fingerprint)));
    lines
}
