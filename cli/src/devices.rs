//! Commands about devices and their endpoints.

use serde_json::json;
use towline_cloud_api::{
    CreateEndpoint, Device, Endpoint, EnrolmentTicket, IssueEnrolmentToken, Problem, Protocol, UpdateDevice,
    UpdateEndpoint,
};

use crate::{
    access::Access,
    args::{Devices, Endpoints, Global},
    output::{Output, or_dash, yes_or_no},
    reference::{self, Purpose},
};

pub(crate) async fn devices(global: &Global, command: &Devices, output: Output) -> Result<(), Problem> {
    let access = Access::resolve(global).await?;
    let api = access.api()?;
    let update = async |change: UpdateDevice, device: &str| -> Result<(), Problem> {
        let device = reference::device(&api, device).await?;
        let device: Device = api.patch(&["devices", &device.id], &change).await?;
        output.value(&device, device_lines)
    };
    match command {
        Devices::List => {
            let devices: Vec<Device> = api.list(&["devices"], &[], usize::MAX).await?;
            let header = ["ID", "NAME", "ONLINE", "LAST SEEN", "AGENT"];
            output.list(&devices, header, |device| {
                [
                    device.id.clone(),
                    device.name.clone(),
                    presence(device).into(),
                    or_dash(&device.last_seen_at),
                    or_dash(&device.agent_version),
                ]
            })
        }
        Devices::Enrol { name, valid_for } => {
            let wish = IssueEnrolmentToken { name: name.clone(), valid_for_seconds: *valid_for };
            let ticket: EnrolmentTicket = api.post(&["enrolment-tokens"], &wish).await?;
            output.value(&ticket, |ticket| {
                vec![
                    format!("Run this on the device {} before {}, once:", ticket.device.name, ticket.expires_at),
                    format!("  TOWLINE_ENROL_TOKEN={} towline agent --cloud {}", ticket.token, access.cloud),
                ]
            })
        }
        Devices::Show(name) => output.value(&reference::device(&api, &name.device).await?, device_lines),
        Devices::Rename { device, new_name } => {
            update(UpdateDevice { name: Some(new_name.clone()), disabled: None }, &device.device).await
        }
        Devices::Disable(name) => update(UpdateDevice { name: None, disabled: Some(true) }, &name.device).await,
        Devices::Enable(name) => update(UpdateDevice { name: None, disabled: Some(false) }, &name.device).await,
        Devices::Remove(name) => {
            let device = reference::device(&api, &name.device).await?;
            api.delete(&["devices", &device.id]).await?;
            output.value(&json!({ "id": device.id, "name": device.name, "removed": true }), |_| {
                vec![format!("removed device {} ({})", device.name, device.id)]
            })
        }
    }
}

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

fn device_lines(device: &Device) -> Vec<String> {
    let mut lines = vec![
        format!("id         {}", device.id),
        format!("name       {}", device.name),
        format!("online     {}", presence(device)),
        format!("enrolled   {}", yes_or_no(device.enrolled)),
        format!("last seen  {}", or_dash(&device.last_seen_at)),
        format!("created    {}", device.created_at),
        format!("agent      {}", or_dash(&device.agent_version)),
    ];
    let external = |id: &towline_cloud_api::ExternalId| format!("external   {}/{}", id.kind, id.value);
    lines.extend(device.external_ids.iter().map(external));
    lines
}

fn endpoint_lines(endpoint: &Endpoint) -> Vec<String> {
    vec![
        format!("id        {}", endpoint.id),
        format!("name      {}", endpoint.name),
        format!("protocol  {}", endpoint.protocol.as_str()),
        format!("host      {}", endpoint.host),
        format!("port      {}", endpoint.port),
        format!("device    {}", endpoint.device_id),
        format!("created   {}", endpoint.created_at),
    ]
}

fn presence(device: &Device) -> &'static str {
    match device {
        Device { disabled: true, .. } => "disabled",
        Device { online: true, .. } => "online",
        Device { .. } => "offline",
    }
}
