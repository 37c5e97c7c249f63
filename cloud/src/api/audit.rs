//! The audit: read, verified, taken away whole.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, header};
use serde::Deserialize;
use towline_cloud_api::{AuditRecord, AuditVerdict, ErrorCode, Permission};
use utoipa::IntoParams;

use super::{Failure, Json, Listed, Query, bad_cursor, describe::Special, page_limit};
use crate::{auth::Caller, store::Entry};

#[derive(Deserialize, IntoParams)]
pub(super) struct AuditQuery {
    /// The `next` of the page before.
    cursor: Option<String>,
    /// How many at most, 1 to 1000.
    limit: Option<u32>,
}

#[derive(Deserialize, IntoParams)]
pub(super) struct ExportQuery {
    /// `jsonl` (one record per line, the default) or `csv`.
    format: Option<String>,
}

pub(super) async fn list(caller: Caller, Query(query): Query<AuditQuery>) -> Result<Listed<AuditRecord>, Failure> {
    caller.anywhere(Permission::UserAdmin, "audit.list").await?;
    let before = query.cursor.map(|cursor| cursor.parse().map_err(|_| bad_cursor())).transpose()?;
    let limit = page_limit(query.limit)?;
    Ok(Listed(caller.app.store.audit(caller.tenant(), before, limit).await?))
}

pub(super) async fn verify(caller: Caller) -> Result<Json<AuditVerdict>, Failure> {
    caller.anywhere(Permission::UserAdmin, "audit.verify").await?;
    Ok(Json(match caller.app.store.verify_chain(caller.tenant()).await? {
        Ok(records) => AuditVerdict { whole: true, records, broken_at: None, reason: None },
        Err((sequence, reason)) => {
            AuditVerdict { whole: false, records: sequence, broken_at: Some(sequence), reason: Some(reason.to_owned()) }
        }
    }))
}

/// How records are written into an export.
#[derive(Clone, Copy)]
enum Format {
    Jsonl,
    Csv,
}

/// An export's answer.
pub(super) struct Export(Response);

impl Special for Export {
    const KIND: &'static str = "application/x-ndjson";
    const DESCRIPTION: &'static str = "every record up to now, oldest first; with `format=csv` as text/csv";
}

impl IntoResponse for Export {
    fn into_response(self) -> Response {
        self.0
    }
}

pub(super) async fn export(caller: Caller, Query(query): Query<ExportQuery>) -> Result<Export, Failure> {
    const ACTION: &str = "audit.export";
    caller.anywhere(Permission::UserAdmin, ACTION).await?;
    let (format, kind, name) = match query.format.as_deref() {
        None | Some("jsonl") => (Format::Jsonl, Export::KIND, "attachment; filename=\"audit.jsonl\""),
        Some("csv") => (Format::Csv, "text/csv; charset=utf-8", "attachment; filename=\"audit.csv\""),
        Some(_) => return Err(Failure::new(ErrorCode::BadRequest, "format is to be jsonl or csv")),
    };
    // Who takes the audit away is in it, at its end.
    caller.app.store.record(caller.tenant(), Entry::ok(&caller.actor(), ACTION, "audit")).await?;
    let newest = caller.app.store.audit(caller.tenant(), None, 1).await?;
    let last = newest.items.first().map_or(0, |record| record.sequence);

    let rest = stream::try_unfold((caller, 0), move |(caller, after)| async move {
        let records = caller.app.store.audit_from(caller.tenant(), after, last).await.inspect_err(|error| {
            tracing::error!(%error, "an export of the audit broke off");
        })?;
        let Some(end) = records.last().map(|record| record.sequence) else { return Ok(None) };
        let mut text = if after == 0 { head(format) } else { String::new() };
        for record in &records {
            text += &line(format, record)?;
        }
        Ok::<_, crate::store::Error>(Some((Bytes::from(text), (caller, end))))
    });
    let mut response = Body::from_stream(rest).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(header::CONTENT_DISPOSITION, HeaderValue::from_static(name));
    Ok(Export(response))
}

fn head(format: Format) -> String {
    match format {
        Format::Jsonl => String::new(),
        Format::Csv => "sequence,at,actor,source,action,object,outcome,detail,hash\r\n".into(),
    }
}

fn line(format: Format, record: &AuditRecord) -> Result<String, crate::store::Error> {
    Ok(match format {
        Format::Jsonl => serde_json::to_string(record)? + "\n",
        Format::Csv => {
            let AuditRecord { sequence, at, actor, source, action, object, outcome, detail, hash } = record;
            let cells = [&sequence.to_string(), at, actor, source, action, object, outcome, detail, hash];
            cells.map(|cell| cell_of_csv(cell)).join(",") + "\r\n"
        }
    })
}

/// RFC 4180, and nothing that a spreadsheet would compute: names come from strangers.
fn cell_of_csv(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_ends_where_it_should_and_computes_nothing() {
        assert_eq!(cell_of_csv("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(cell_of_csv("=cmd()"), "\"'=cmd()\"");
    }
}
