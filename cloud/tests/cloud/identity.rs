//! How a device becomes one, and proves that it is.

use aws_lc_rs::signature::Ed25519KeyPair;
use futures_util::future::join_all;
use serde_json::json;
use towline_transport::Error as TransportError;
use towline_tunnel_proto::Code;

use crate::harness::{World, eventually};

async fn refused(world: &World, proof: &str) -> String {
    match world.dial("/agent/tunnel", proof).await {
        Err(TransportError::HttpStatus { body, .. }) => {
            let problem: serde_json::Value = serde_json::from_slice(body.as_ref()).unwrap();
            problem["code"].as_str().unwrap().to_owned()
        }
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("connected"),
    }
}

#[tokio::test]
async fn a_token_enrols_one_device_once() {
    let world = World::new().await;
    let token = world.post("/enrolment-tokens", json!({"name": "pump"})).await.good().text("token");
    let (first, second) = (Ed25519KeyPair::generate().unwrap(), Ed25519KeyPair::generate().unwrap());
    let (first, second) = tokio::join!(world.enrol(&token, &first, None), world.enrol(&token, &second, None));
    let (winner, loser) = if first.status == 200 { (first, second) } else { (second, first) };
    assert_eq!(winner.good().body["name"], "pump");
    assert_eq!((loser.status, loser.code()), (401, "enrolment-token-invalid"));
    assert_eq!(loser.body["detail"], "the token was used already");
    let audit = world.audit().await;
    assert!(audit.contains(&"device.enrol ok".to_owned()));
    assert!(audit.contains(&"device.enrol enrolment-token-invalid".to_owned()));
}

#[tokio::test]
async fn an_expired_or_unknown_token_enrols_nobody() {
    let world = World::new().await;
    let token = world.post("/enrolment-tokens", json!({"name": "pump"})).await.good().text("token");
    sqlx::query("UPDATE enrolment_token SET expires_at = 1").execute(&world.database().await).await.unwrap();
    let key = Ed25519KeyPair::generate().unwrap();
    let answer = world.enrol(&token, &key, None).await;
    assert_eq!((answer.code(), answer.text("detail").as_str()), ("enrolment-token-invalid", "the token has expired"));
    let invented = towline_cloud_api::EnrolmentToken { secret: [7; 32], trust: towline_cloud_api::CloudTrust::WebPki };
    let answer = world.enrol(&invented.to_string(), &key, None).await;
    assert_eq!(answer.code(), "enrolment-token-invalid");
    for seconds in [0, 40 * 24 * 3600] {
        let answer = world.post("/enrolment-tokens", json!({"name": "pump", "valid_for_seconds": seconds})).await;
        assert_eq!(answer.code(), "bad-request");
    }
}

#[tokio::test]
async fn a_device_takes_the_name_it_asks_for_if_that_is_free() {
    let world = World::new().await;
    world.device("taken").await;
    for (asks, gets) in [("better", "better"), ("taken", "pump")] {
        let token = world.post("/enrolment-tokens", json!({"name": "pump"})).await.good().text("token");
        let answer = world.enrol(&token, &Ed25519KeyPair::generate().unwrap(), Some(asks)).await.good();
        assert_eq!(answer.body["name"], gets);
    }
    let found = world.get("/devices?external_type=c8y_Serial&external_value=better").await.good();
    assert_eq!(found.body["items"][0]["name"], "better");
}

#[tokio::test]
async fn only_the_devices_own_fresh_signature_opens_its_tunnel() {
    let world = World::new().await;
    let device = world.device("pump").await;
    let stranger = Ed25519KeyPair::generate().unwrap();

    let wrong_key = world.proof(&device.id, &stranger, &world.nonce().await);
    assert_eq!(refused(&world, &wrong_key).await, "device-identity-rejected");
    let no_device = world.proof("42", &stranger, &world.nonce().await);
    assert_eq!(refused(&world, &no_device).await, "device-identity-rejected");
    let invented_nonce = world.proof(&device.id, &device.key, "AAAA");
    assert_eq!(refused(&world, &invented_nonce).await, "device-identity-rejected");
    assert_eq!(refused(&world, "Towline-Device v1").await, "unauthenticated");
    assert_eq!(refused(&world, &format!("Bearer {}", world.admin)).await, "unauthenticated");

    let good = world.proof(&device.id, &device.key, &world.nonce().await);
    let _tunnel = world.dial("/agent/tunnel", &good).await.unwrap();
    assert_eq!(refused(&world, &good).await, "device-identity-rejected", "a proof was good twice");
    let rejected =
        world.audit().await.iter().filter(|record| *record == "device.connect device-identity-rejected").count();
    assert_eq!(rejected, 4);
}

#[tokio::test]
async fn a_device_with_a_good_proof_does_not_wait_for_those_behind_its_address_that_have_none() {
    let world = World::new().await;
    let device = world.device("pump").await;
    let stranger = Ed25519KeyPair::generate().unwrap();
    let nonce = world.nonce().await;
    let mut answers = Vec::new();
    for number in 0..600 {
        answers.push(refused(&world, &world.proof(&number.to_string(), &stranger, &nonce)).await);
    }
    assert_eq!((answers.first().unwrap().as_str(), answers.last().unwrap().as_str()), {
        ("device-identity-rejected", "rate-limited")
    });

    // The device itself has failed as often as is allowed, too: what counts is that this proof is good.
    for _ in 0..20 {
        refused(&world, &world.proof(&device.id, &stranger, &nonce)).await;
    }
    world.connect(&device).await;
}

#[tokio::test]
async fn many_devices_of_one_address_may_come_at_once() {
    let world = World::new().await;
    let device = world.device("pump").await;
    let attempts = (0..200).map(async |_| {
        let proof = world.proof(&device.id, &device.key, &world.nonce().await);
        world.dial("/agent/tunnel", &proof).await.map(drop)
    });
    for attempt in join_all(attempts).await {
        attempt.unwrap();
    }
}

#[tokio::test]
async fn a_second_agent_with_the_same_identity_replaces_the_first_and_raises_an_alarm() {
    let world = World::new().await;
    let device = world.device("pump").await;
    let first = world.connect(&device).await;
    let second = world.connect(&device).await;
    assert_eq!(first.ended().await.code, Code::REPLACED);
    eventually(async || world.audit().await.contains(&"device.replaced device-replaced".to_owned())).await;
    assert_eq!(world.get(&format!("/devices/{}", device.id)).await.body["online"], true);

    second.close(Code::NO_ERROR, "");
    eventually(async || world.audit().await.last().unwrap() == "device.offline ok").await;
    let device = world.get(&format!("/devices/{}", device.id)).await;
    assert_eq!(device.body["online"], false);
    assert!(device.body["last_seen_at"].is_string());
}

#[tokio::test]
async fn a_removed_device_is_cut_off_and_its_key_is_forgotten() {
    let world = World::new().await;
    let device = world.device("pump").await;
    let agent = world.connect(&device).await;
    assert_eq!(world.delete(&format!("/devices/{}", device.id)).await.status, 204);
    assert_eq!(agent.ended().await.code, Code::REVOKED);
    let proof = world.proof(&device.id, &device.key, &world.nonce().await);
    assert_eq!(refused(&world, &proof).await, "device-identity-rejected");
}

#[tokio::test]
async fn enrolling_again_puts_a_new_key_in_the_place_of_the_old() {
    let world = World::new().await;
    let old = world.device("pump").await;
    let agent = world.connect(&old).await;
    let new = world.device("pump").await;
    assert_eq!(old.id, new.id);
    assert_eq!(agent.ended().await.code, Code::REVOKED);
    let proof = world.proof(&old.id, &old.key, &world.nonce().await);
    assert_eq!(refused(&world, &proof).await, "device-identity-rejected");
    world.connect(&new).await;
}
