//! Commands about what happened: operations, sessions, the audit.

use std::io::{self, Write as _};

use serde::de::DeserializeOwned;
use serde_json::json;
use towline_cloud_api::{AuditRecord, AuditVerdict, ErrorCode, Operation, Problem, Session, SessionEnd};

use crate::{
    access::Access,
    api::Api,
    args::{Audit, ExportFormat, Global, Operations, Sessions},
    output::{Output, or_dash},
    reference,
};

pub(crate) async fn operations(global: &Global, command: &Operations, output: Output) -> Result<(), Problem> {
    let api = Access::resolve(global).await?.api()?;
    match command {
        Operations::List { device, limit } => {
            let operations: Vec<Operation> =
                list(&api, "operations", device.device.as_deref(), &[], limit.limit).await?;
            let header = ["ID", "CREATED", "DEVICE", "ENDPOINT", "USER", "STATUS", "FAILURE"];
            output.list(&operations, header, |operation| {
                [
                    operation.id.clone(),
                    operation.created_at.clone(),
                    operation.device_id.clone(),
                    or_dash(&operation.endpoint_id),
                    operation.user.clone(),
                    operation.status.as_str().into(),
                    or_dash(&failure(operation)),
                ]
            })
        }
        Operations::Show { operation } => {
            let operation: Operation = api.get(&["operations", operation], &[]).await?;
            output.value(&operation, |operation| {
                vec![
                    format!("id        {}", operation.id),
                    format!("device    {}", operation.device_id),
                    format!("endpoint  {}", or_dash(&operation.endpoint_id)),
                    format!("user      {}", operation.user),
                    format!("status    {}", operation.status.as_str()),
                    format!("failure   {}", or_dash(&failure(operation))),
                    format!("created   {}", operation.created_at),
                    format!("updated   {}", operation.updated_at),
                ]
            })
        }
    }
}

pub(crate) fn failure(operation: &Operation) -> Option<String> {
    operation.failure.map(|code| match operation.detail.as_deref() {
        Some(detail) if !detail.is_empty() => format!("{code}: {detail}"),
        _ => code.to_string(),
    })
}

pub(crate) async fn sessions(global: &Global, command: &Sessions, output: Output) -> Result<(), Problem> {
    let api = Access::resolve(global).await?.api()?;
    match command {
        Sessions::List { device, live, limit } => {
            let query: &[(&str, &str)] = if *live { &[("live", "true")] } else { &[] };
            let sessions: Vec<Session> = list(&api, "sessions", device.device.as_deref(), query, limit.limit).await?;
            let header = ["ID", "STARTED", "ENDED", "END", "DEVICE", "USER", "SOURCE", "TO TARGET", "FROM TARGET"];
            output.list(&sessions, header, |session| {
                [
                    session.id.clone(),
                    session.started_at.clone(),
                    or_dash(&session.ended_at),
                    session.end.map_or("-", SessionEnd::as_str).into(),
                    session.device_id.clone(),
                    session.user.clone(),
                    session.source.clone(),
                    session.bytes_to_target.to_string(),
                    session.bytes_from_target.to_string(),
                ]
            })
        }
        Sessions::Show { session } => {
            let session: Session = api.get(&["sessions", session], &[]).await?;
            output.value(&session, |session| {
                vec![
                    format!("id           {}", session.id),
                    format!("operation    {}", session.operation_id),
                    format!("device       {}", session.device_id),
                    format!("endpoint     {}", session.endpoint_id),
                    format!("user         {}", session.user),
                    format!("source       {}", session.source),
                    format!("started      {}", session.started_at),
                    format!("ended        {}", or_dash(&session.ended_at)),
                    format!("end          {}", session.end.map_or("-", SessionEnd::as_str)),
                    format!("to target    {} bytes", session.bytes_to_target),
                    format!("from target  {} bytes", session.bytes_from_target),
                ]
            })
        }
        Sessions::Kill { session } => {
            api.delete(&["sessions", session]).await?;
            output.value(&json!({ "id": session, "killed": true }), |_| vec![format!("ended session {session}")])
        }
    }
}

pub(crate) async fn audit(global: &Global, command: &Audit, output: Output) -> Result<(), Problem> {
    let api = Access::resolve(global).await?.api()?;
    match command {
        Audit::List { limit } => {
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
        Audit::Verify => verify(&api, output).await,
        Audit::Export { format } => export(&api, *format).await,
    }
}

async fn verify(api: &Api, output: Output) -> Result<(), Problem> {
    let verdict: AuditVerdict = api.get(&["audit", "verify"], &[]).await?;
    output.value(&verdict, |verdict| match verdict.whole {
        true => vec![format!("the audit is whole: {} records", verdict.records)],
        false => vec![format!("the audit is broken, {} records were looked at", verdict.records)],
    })?;
    if verdict.whole {
        return Ok(());
    }
    let place = verdict.broken_at.map_or_else(String::new, |sequence| format!(" at record {sequence}"));
    let reason = verdict.reason.unwrap_or_else(|| "it does not fit".into());
    Err(Problem::new(ErrorCode::Internal, format!("the chain of the audit is broken{place}: {reason}")))
}

/// Passes the export on as it comes: it may be larger than the memory.
async fn export(api: &Api, format: ExportFormat) -> Result<(), Problem> {
    let mut records = api.get_stream(&["audit", "export"], &[("format", format.as_str())]).await?;
    while let Some(bytes) = records.next().await? {
        match io::stdout().lock().write_all(&bytes) {
            Ok(()) => {}
            // Whoever reads has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(Problem::new(ErrorCode::BadRequest, format!("standard output: {error}"))),
        }
    }
    io::stdout()
        .lock()
        .flush()
        .map_err(|error| Problem::new(ErrorCode::BadRequest, format!("standard output: {error}")))
}

async fn list<T: DeserializeOwned>(
    api: &Api,
    what: &str,
    device: Option<&str>,
    query: &[(&str, &str)],
    limit: usize,
) -> Result<Vec<T>, Problem> {
    match device {
        None => api.list(&[what], query, limit).await,
        Some(device) => {
            let device = reference::device(api, device).await?;
            let query = [query, &[("device", device.id.as_str())]].concat();
            api.list(&[what], &query, limit).await
        }
    }
}
