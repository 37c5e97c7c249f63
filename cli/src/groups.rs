//! Commands about rights: user groups, device groups, and what the former may do on the latter.

use serde_json::json;
use towline_cloud_api::{CreateGrant, CreateGroup, DeviceGroup, ErrorCode, Grant, Permission, Problem, UserGroup};

use crate::{
    access::Access,
    api::Api,
    args::{DeviceGroups, Global, Grants, Groups},
    output::Output,
    people, reference,
};

const USER_GROUPS: &str = "user-groups";
const DEVICE_GROUPS: &str = "device-groups";
const GRANTS: &str = "grants";

pub(crate) async fn groups(global: &Global, command: &Groups, output: Output) -> Result<(), Problem> {
    let api = Access::resolve(global).await?.api()?;
    match command {
        Groups::List => {
            let groups: Vec<UserGroup> = api.list(&[USER_GROUPS], &[], usize::MAX).await?;
            output.list(&groups, ["ID", "NAME", "MEMBERS"], |group| {
                let members: Vec<_> = group.members.iter().map(|member| member.name.as_str()).collect();
                [group.id.clone(), group.name.clone(), if members.is_empty() { "-".into() } else { members.join(", ") }]
            })
        }
        Groups::Create { name } => {
            let group: UserGroup = api.post(&[USER_GROUPS], &CreateGroup { name: name.clone() }).await?;
            output.value(&group, |group| vec![format!("created group {} ({})", group.name, group.id)])
        }
        Groups::Remove(name) => {
            let group = user_group(&api, &name.group).await?;
            api.delete(&[USER_GROUPS, &group.id]).await?;
            output.value(&json!({ "id": group.id, "name": group.name, "removed": true }), |_| {
                vec![format!("removed group {} ({})", group.name, group.id)]
            })
        }
        Groups::AddMember { group, user } => {
            let (group, user) = (user_group(&api, &group.group).await?, people::find(&api, &user.user).await?);
            api.put_nothing(&[USER_GROUPS, &group.id, "members", &user.id]).await?;
            output.value(&json!({ "group": group.name, "user": user.name, "member": true }), |_| {
                vec![format!("user {} is in group {}", user.name, group.name)]
            })
        }
        Groups::RemoveMember { group, user } => {
            let (group, user) = (user_group(&api, &group.group).await?, people::find(&api, &user.user).await?);
            api.delete(&[USER_GROUPS, &group.id, "members", &user.id]).await?;
            output.value(&json!({ "group": group.name, "user": user.name, "member": false }), |_| {
                vec![format!("user {} is no longer in group {}", user.name, group.name)]
            })
        }
    }
}

pub(crate) async fn device_groups(global: &Global, command: &DeviceGroups, output: Output) -> Result<(), Problem> {
    let api = Access::resolve(global).await?.api()?;
    match command {
        DeviceGroups::List => {
            let groups: Vec<DeviceGroup> = api.list(&[DEVICE_GROUPS], &[], usize::MAX).await?;
            output.list(&groups, ["ID", "NAME", "DEVICES"], |group| {
                [group.id.clone(), group.name.clone(), group.device_count.to_string()]
            })
        }
        DeviceGroups::Create { name } => {
            let group: DeviceGroup = api.post(&[DEVICE_GROUPS], &CreateGroup { name: name.clone() }).await?;
            output.value(&group, |group| vec![format!("created device group {} ({})", group.name, group.id)])
        }
        DeviceGroups::Remove(name) => {
            let group = device_group(&api, &name.group).await?;
            api.delete(&[DEVICE_GROUPS, &group.id]).await?;
            output.value(&json!({ "id": group.id, "name": group.name, "removed": true }), |_| {
                vec![format!("removed device group {} ({})", group.name, group.id)]
            })
        }
        DeviceGroups::AddDevice { group, device } => {
            let group = device_group(&api, &group.group).await?;
            let device = reference::device(&api, &device.device).await?;
            api.put_nothing(&[DEVICE_GROUPS, &group.id, "devices", &device.id]).await?;
            output.value(&json!({ "group": group.name, "device": device.name, "member": true }), |_| {
                vec![format!("device {} is in device group {}", device.name, group.name)]
            })
        }
        DeviceGroups::RemoveDevice { group, device } => {
            let group = device_group(&api, &group.group).await?;
            let device = reference::device(&api, &device.device).await?;
            api.delete(&[DEVICE_GROUPS, &group.id, "devices", &device.id]).await?;
            output.value(&json!({ "group": group.name, "device": device.name, "member": false }), |_| {
                vec![format!("device {} is no longer in device group {}", device.name, group.name)]
            })
        }
    }
}

pub(crate) async fn grants(global: &Global, command: &Grants, output: Output) -> Result<(), Problem> {
    let api = Access::resolve(global).await?.api()?;
    match command {
        Grants::List { to, on } => {
            let grants = matching(&api, to.as_deref(), on.as_deref()).await?;
            output.list(&grants, ["ID", "TO", "ON", "PERMISSION"], |grant| {
                [
                    grant.id.clone(),
                    grant.user_group.name.clone(),
                    grant.device_group.name.clone(),
                    grant.permission.to_string(),
                ]
            })
        }
        Grants::Add(right) => {
            let wish = CreateGrant {
                user_group_id: user_group(&api, &right.to).await?.id,
                device_group_id: device_group(&api, &right.on).await?.id,
                permission: right.permission,
            };
            let grant: Grant = api.post(&[GRANTS], &wish).await?;
            output.value(&grant, |grant| {
                let Grant { id, user_group, device_group, permission } = grant;
                vec![format!("group {} has {permission} on device group {} ({id})", user_group.name, device_group.name)]
            })
        }
        Grants::Remove(which) => {
            let id = match &which.grant {
                Some(id) => id.clone(),
                None => only(matching(&api, which.to.as_deref(), which.on.as_deref()).await?, which.permission)?,
            };
            api.delete(&[GRANTS, &id]).await?;
            output.value(&json!({ "id": id, "removed": true }), |_| vec![format!("removed grant {id}")])
        }
    }
}

async fn matching(api: &Api, to: Option<&str>, on: Option<&str>) -> Result<Vec<Grant>, Problem> {
    let mut query = Vec::new();
    let (user_group, device_group) = (
        match to {
            Some(to) => Some(user_group(api, to).await?),
            None => None,
        },
        match on {
            Some(on) => Some(device_group(api, on).await?),
            None => None,
        },
    );
    query.extend(user_group.as_ref().map(|group| ("user_group", group.id.as_str())));
    query.extend(device_group.as_ref().map(|group| ("device_group", group.id.as_str())));
    api.list(&[GRANTS], &query, usize::MAX).await
}

fn only(grants: Vec<Grant>, permission: Option<Permission>) -> Result<String, Problem> {
    let grant = grants.into_iter().find(|grant| Some(grant.permission) == permission);
    grant.map(|grant| grant.id).ok_or_else(|| Problem::new(ErrorCode::NotFound, "no such grant"))
}

async fn user_group(api: &Api, text: &str) -> Result<UserGroup, Problem> {
    reference::object(api, USER_GROUPS, text).await
}

async fn device_group(api: &Api, text: &str) -> Result<DeviceGroup, Problem> {
    reference::object(api, DEVICE_GROUPS, text).await
}
