//! Commands that show and change what the cloud knows.

use serde_json::json;
use towline_cloud_api::{
    AuditRecord, CreateEndpoint, Device, Endpoint, EnrolmentTicket, IssueEnrolmentToken, Operation, Problem, Protocol,
    Session,
};

use crate::{
    access::Access,
    api::Api,
    args::{Audit, Devices, Endpoints, Global, Operations, Sessions},
    output::Output,
    reference::{self, Purpose},
};

pub(crate) async fn devices(global: &Global, command: &Devices, output: Output) -> Result<(), Problem> {
    let access = Access::resolve(global).await?;
    let api = access.api()?;
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
        Devices::Show { device } => {
            let device = reference::device(&api, device).await?;
            output.value(&device, |device| {
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
            })
        }
        Devices::Remove { device } => {
            let device = reference::device(&api, device).await?;
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
            let wish =
                CreateEndpoint { name: name.clone(), protocol: Protocol::Passthrough, host: host.clone(), port: *port };
            let endpoint: Endpoint = api.post(&["devices", &device.id, "endpoints"], &wish).await?;
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

pub(crate) async fn operations(global: &Global, command: &Operations, output: Output) -> Result<(), Problem> {
    let api = Access::resolve(global).await?.api()?;
    let Operations::List { device, limit } = command;
    let operations: Vec<Operation> = of_device(&api, "operations", device.as_deref(), limit.limit).await?;
    let header = ["ID", "CREATED", "DEVICE", "ENDPOINT", "USER", "STATUS", "FAILURE"];
    output.list(&operations, header, |operation| {
        let failure = operation.failure.map(|code| match operation.detail.as_deref() {
            Some(detail) if !detail.is_empty() => format!("{code}: {detail}"),
            _ => code.to_string(),
        });
        [
            operation.id.clone(),
            operation.created_at.clone(),
            operation.device_id.clone(),
            or_dash(&operation.endpoint_id),
            operation.user.clone(),
            operation.status.as_str().into(),
            or_dash(&failure),
        ]
    })
}

pub(crate) async fn sessions(global: &Global, command: &Sessions, output: Output) -> Result<(), Problem> {
    let api = Access::resolve(global).await?.api()?;
    let Sessions::List { device, limit } = command;
    let sessions: Vec<Session> = of_device(&api, "sessions", device.as_deref(), limit.limit).await?;
    let header = ["ID", "STARTED", "ENDED", "END", "DEVICE", "USER", "SOURCE", "TO TARGET", "FROM TARGET"];
    output.list(&sessions, header, |session| {
        [
            session.id.clone(),
            session.started_at.clone(),
            or_dash(&session.ended_at),
            session.end.map_or("-", towline_cloud_api::SessionEnd::as_str).into(),
            session.device_id.clone(),
            session.user.clone(),
            session.source.clone(),
            session.bytes_to_target.to_string(),
            session.bytes_from_target.to_string(),
        ]
    })
}

pub(crate) async fn audit(global: &Global, command: &Audit, output: Output) -> Result<(), Problem> {
    let api = Access::resolve(global).await?.api()?;
    let Audit::List { limit } = command;
    let records: Vec<AuditRecord> = api.list(&["audit"], &[], limit.limit).await?;
    let header = ["NO", "AT", "ACTOR", "SOURCE", "ACTION", "OBJECT", "OUTCOME", "DETAIL"];
    output.list(&records, header, |record| {
        [
            record.sequence.to_string(),
            record.at.clone(),
            record.actor.clone(),
            record.source.clone(),
            record.action.clone(),
            record.object.clone(),
            record.outcome.clone(),
            record.detail.clone(),
        ]
    })
}

async fn of_device<T: serde::de::DeserializeOwned>(
    api: &Api,
    what: &str,
    device: Option<&str>,
    limit: usize,
) -> Result<Vec<T>, Problem> {
    match device {
        None => api.list(&[what], &[], limit).await,
        Some(device) => {
            let device = reference::device(api, device).await?;
            api.list(&[what], &[("device", &device.id)], limit).await
        }
    }
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
    if device.online { "online" } else { "offline" }
}

fn yes_or_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

fn or_dash(text: &Option<String>) -> String {
    text.clone().unwrap_or_else(|| "-".into())
}
