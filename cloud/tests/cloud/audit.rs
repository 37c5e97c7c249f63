//! The audit's chain.

use serde_json::json;
use sqlx::SqlitePool;
use towline_cloud::{AuditVerdict, Cloud};

use crate::harness::World;

/// What is found after `edits` were made to the database of a cloud that has something to tell.
async fn verdict_after(edits: &[&'static str]) -> AuditVerdict {
    let world = World::new().await;
    for name in ["a", "b", "c"] {
        world.post("/enrolment-tokens", json!({"name": name})).await.good();
    }
    let World { cloud, dir, .. } = world;
    cloud.shutdown().await;
    let database: SqlitePool = crate::harness::database(dir.path()).await;
    for edit in edits {
        let done = sqlx::query(*edit).execute(&database).await.unwrap();
        assert!(done.rows_affected() > 0, "{edit}");
    }
    database.close().await;
    Cloud::verify_audit(dir.path()).await.unwrap()
}

fn broken_at(verdict: &AuditVerdict) -> Option<u64> {
    match verdict {
        AuditVerdict::Broken { sequence, .. } => Some(*sequence),
        _ => None,
    }
}

#[tokio::test]
async fn an_untouched_chain_is_whole() {
    assert_eq!(verdict_after(&[]).await, AuditVerdict::Whole { records: 10 });
}

#[tokio::test]
async fn an_edited_record_is_found() {
    let verdict = verdict_after(&["UPDATE audit SET record = replace(record, 'name b', 'name x') WHERE sequence = 6"]);
    assert_eq!(broken_at(&verdict.await), Some(6));
}

#[tokio::test]
async fn a_removed_record_is_found() {
    assert_eq!(broken_at(&verdict_after(&["DELETE FROM audit WHERE sequence = 4"]).await), Some(4));
}

#[tokio::test]
async fn reordered_records_are_found() {
    let verdict = verdict_after(&[
        "UPDATE audit SET sequence = 100 WHERE sequence = 4",
        "UPDATE audit SET sequence = 4 WHERE sequence = 5",
        "UPDATE audit SET sequence = 5 WHERE sequence = 100",
    ]);
    assert_eq!(broken_at(&verdict.await), Some(4));
}

#[tokio::test]
async fn a_cut_tail_is_found_even_if_the_recorded_end_was_moved_with_it() {
    assert_eq!(broken_at(&verdict_after(&["DELETE FROM audit WHERE sequence = 10"]).await), Some(10));
    let verdict = verdict_after(&[
        "DELETE FROM audit WHERE sequence = 10",
        "UPDATE audit_head SET sequence = 9, hash = (SELECT hash FROM audit WHERE sequence = 9)",
    ]);
    assert_eq!(broken_at(&verdict.await), Some(9));
}

#[tokio::test]
async fn a_running_cloud_can_be_verified_and_no_secret_is_in_its_folder_in_the_clear() {
    let world = World::new().await;
    let token = world.post("/enrolment-tokens", json!({"name": "pump"})).await.good().text("token");
    world.login("admin", "canary password").await;
    assert!(matches!(Cloud::verify_audit(world.dir.path()).await, Ok(AuditVerdict::Whole { .. })));

    let secret: towline_cloud_api::EnrolmentToken = token.parse().unwrap();
    for file in std::fs::read_dir(world.dir.path()).unwrap() {
        let path = file.unwrap().path();
        let content = std::fs::read(&path).unwrap();
        for canary in [
            token.as_bytes(),
            &secret.secret,
            world.admin.as_bytes(),
            b"canary password",
            crate::harness::PASSWORD.as_bytes(),
        ] {
            assert!(!content.windows(canary.len()).any(|window| window == canary), "{}", path.display());
        }
    }
}

#[tokio::test]
async fn a_change_is_on_record_with_what_was_there_before() {
    let world = World::new().await;
    let device = world.device("pump").await;
    let endpoints = format!("/devices/{}/endpoints", device.id);
    let shell = json!({"name": "shell", "protocol": "SSH", "host": "10.0.0.7", "port": 22, "user": "ann", "sign_in": "password",
        "password": "canary password"});
    let shell = world.post(&endpoints, shell).await.good().text("id");
    let patch = async |path: &str, body| world.call("PATCH", path, Some(&world.admin), Some(body)).await.good();
    patch(&format!("{endpoints}/{shell}"), json!({"host": "10.0.0.8", "user": "bob"})).await;
    world.delete(&format!("{endpoints}/{shell}")).await.good();
    patch(&format!("/devices/{}", device.id), json!({"name": "valve"})).await;
    patch("/settings", json!({"allow_telnet": false})).await;

    let records = world.get("/audit?limit=1000").await.good().body;
    let detail = |action: &str| {
        let record = records["items"].as_array().unwrap().iter().find(|record| record["action"] == action);
        record.unwrap_or_else(|| panic!("{action} in {records}"))["detail"].as_str().unwrap().to_owned()
    };
    let (before, after) =
        ("shell SSH 10.0.0.7:22, sign-in password, user ann", "shell SSH 10.0.0.8:22, sign-in password, user bob");
    assert_eq!(detail("endpoint.create"), format!("{before}, password set"));
    assert_eq!(detail("endpoint.update"), format!("{after}, was {before}"));
    assert_eq!(detail("endpoint.delete"), format!("was {after}"));
    assert_eq!(detail("device.rename"), "name valve, was pump");
    let (now, was) = (detail("settings.update"), "allow-telnet true idle");
    assert!(now.contains("allow-telnet false idle") && now.split(", was ").nth(1).unwrap().contains(was), "{now}");
    assert!(!records.to_string().contains("canary"));
}
