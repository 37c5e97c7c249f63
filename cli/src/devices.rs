//! Commands about devices.

use serde_json::json;
use towline_cloud_api::{Device, EnrolmentTicket, IssueEnrolmentToken, Problem, UpdateDevice};

use crate::{
    access::Access,
    args::{Devices, Global},
    output::{Output, or_dash, yes_or_no},
    reference,
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

fn presence(device: &Device) -> &'static str {
    match device {
        Device { disabled: true, .. } => "disabled",
        Device { online: true, .. } => "online",
        Device { reconnecting: true, .. } => "reconnecting",
        Device { .. } => "offline",
    }
}
