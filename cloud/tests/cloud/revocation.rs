//! What ends at once when something is taken away, and what both sides hear.

use std::time::Duration;

use serde_json::{Value, json};
use towline_tunnel_proto::{
    Code,
    driver::{Channel, Ended, Mux},
};

use crate::harness::{Device, PASSWORD, Person, World, echo, eventually, open, serve_targets};

/// The goal is a second; this is for slow machines.
const AT_ONCE: Duration = Duration::from_secs(10);

/// A live session of somebody who may connect, and nothing else.
struct Scene {
    world: World,
    device: Device,
    agent: Mux,
    endpoint: String,
    person: Person,
    operator: Mux,
    channel: Channel,
}

impl Scene {
    async fn new() -> Self {
        let world = World::new().await;
        let device = world.device("pump").await;
        let agent = world.connect(&device).await;
        serve_targets(&agent);
        let endpoint = world.endpoint(&device.id, echo().await).await;
        let person = world.person("ann", &["remote-access-connect"]).await;
        let operator = world.operator(&person.token).await;
        let mut channel = open(&operator, &device.id, &endpoint);
        channel.accepted().await.unwrap();
        Self { world, device, agent, endpoint, person, operator, channel }
    }

    async fn admin(&self, method: &str, path: &str, body: Option<Value>) {
        self.world.call(method, path, Some(&self.world.admin), body).await.good();
    }

    async fn ended(&mut self) -> Ended {
        tokio::time::timeout(AT_ONCE, self.channel.recv()).await.expect("the session lives on").unwrap_err()
    }

    /// The session ends with this reason, on both sides and on record.
    async fn ends_because(mut self, reason: &str) -> Self {
        let ended = self.ended().await;
        assert_eq!((ended.code, ended.reason.as_str()), (Code::REVOKED, reason));
        eventually(async || self.newest().await["end"] == "revoked").await;
        let audit = self.world.get("/audit?limit=1000").await.good();
        let told =
            |record: &Value| record["action"] == "session.end" && record["detail"].as_str().unwrap().contains(reason);
        assert!(audit.body["items"].as_array().unwrap().iter().any(told), "{reason} is not in the audit");
        self
    }

    async fn newest(&self) -> Value {
        self.world.get("/sessions?limit=1").await.good().body["items"][0].clone()
    }

    async fn lives_on(&mut self) {
        self.channel.send(b"hello".to_vec().into()).await.unwrap();
        assert_eq!(self.channel.recv().await.unwrap().unwrap(), "hello");
    }
}

const TAKEN_AWAY: &str = "the permission remote-access-connect was taken away";

#[tokio::test]
async fn a_session_ends_when_its_grant_goes_and_not_when_another_does() {
    let mut scene = Scene::new().await;
    let all = scene.world.all_devices().await;
    let other = scene.world.grant(&scene.person.group, &all, "device-control-read").await;
    scene.admin("DELETE", &format!("/grants/{other}"), None).await;
    scene.lives_on().await;
    // While the right comes from elsewhere too, nothing ends.
    let group = scene.world.post("/user-groups", json!({"name": "second"})).await.good().text("id");
    let second = scene.world.grant(&group, &all, "remote-access-connect").await;
    scene.admin("PUT", &format!("/user-groups/{group}/members/{}", scene.person.id), None).await;
    scene.admin("DELETE", &format!("/grants/{}", scene.person.grants[0]), None).await;
    scene.lives_on().await;
    scene.admin("DELETE", &format!("/grants/{second}"), None).await;
    scene.ends_because(TAKEN_AWAY).await;
}

#[tokio::test]
async fn a_session_ends_when_its_user_leaves_the_group() {
    let scene = Scene::new().await;
    let path = format!("/user-groups/{}/members/{}", scene.person.group, scene.person.id);
    scene.admin("DELETE", &path, None).await;
    scene.ends_because(TAKEN_AWAY).await;
}

#[tokio::test]
async fn a_session_ends_when_its_user_group_is_removed() {
    let scene = Scene::new().await;
    scene.admin("DELETE", &format!("/user-groups/{}", scene.person.group), None).await;
    scene.ends_because(TAKEN_AWAY).await;
}

#[tokio::test]
async fn a_session_ends_when_its_device_leaves_the_group_or_the_group_goes() {
    for whole in [false, true] {
        let scene = Scene::new().await;
        let group = scene.world.post("/device-groups", json!({"name": "pumps"})).await.good().text("id");
        scene.admin("PUT", &format!("/device-groups/{group}/devices/{}", scene.device.id), None).await;
        scene.world.grant(&scene.person.group, &group, "remote-access-connect").await;
        scene.admin("DELETE", &format!("/grants/{}", scene.person.grants[0]), None).await;
        let path = if whole { String::new() } else { format!("/devices/{}", scene.device.id) };
        scene.admin("DELETE", &format!("/device-groups/{group}{path}"), None).await;
        scene.ends_because(TAKEN_AWAY).await;
    }
}

#[tokio::test]
async fn a_session_ends_when_its_endpoint_leads_elsewhere_and_not_when_it_is_renamed() {
    let mut scene = Scene::new().await;
    let path = format!("/devices/{}/endpoints/{}", scene.device.id, scene.endpoint);
    scene.admin("PATCH", &path, Some(json!({"name": "another name"}))).await;
    scene.lives_on().await;
    scene.admin("PATCH", &path, Some(json!({"port": 9}))).await;
    let scene = scene.ends_because("the endpoint was changed").await;
    let endpoint = scene.world.get(&path).await.good().body;
    assert_eq!((&endpoint["name"], &endpoint["port"]), (&"another name".into(), &9.into()));
}

#[tokio::test]
async fn a_session_ends_when_its_endpoint_is_removed() {
    let scene = Scene::new().await;
    scene.admin("DELETE", &format!("/devices/{}/endpoints/{}", scene.device.id, scene.endpoint), None).await;
    scene.ends_because("the endpoint was removed").await;
}

#[tokio::test]
async fn a_disabled_user_is_out_at_once_and_stays_out() {
    let scene = Scene::new().await;
    let path = format!("/users/{}", scene.person.id);
    scene.admin("PATCH", &path, Some(json!({"disabled": true}))).await;
    let scene = scene.ends_because("the user was disabled").await;
    assert_eq!(scene.operator.ended().await.code, Code::REVOKED);
    let login = scene.world.login("ann", PASSWORD).await;
    assert_eq!((login.status, login.code()), (403, "user-disabled"));
    assert_eq!(scene.world.login("ann", "wrong").await.code(), "auth-failed");

    // What was ended does not come back with the user.
    scene.admin("PATCH", &path, Some(json!({"disabled": false}))).await;
    let old = scene.world.call("GET", "/current-user", Some(&scene.person.token), None).await;
    assert_eq!(old.code(), "unauthenticated");
    scene.world.login("ann", PASSWORD).await.good();
}

#[tokio::test]
async fn a_session_ends_when_its_user_is_removed_or_gets_another_password() {
    let scene = Scene::new().await;
    scene.admin("DELETE", &format!("/users/{}", scene.person.id), None).await;
    let scene = scene.ends_because("the user was removed").await;
    assert_eq!(scene.operator.ended().await.reason, "the user was removed");

    let scene = Scene::new().await;
    let path = format!("/users/{}/password", scene.person.id);
    scene.admin("PUT", &path, Some(json!({"password": "another password"}))).await;
    let scene = scene.ends_because("the password was reset").await;
    assert_eq!(scene.world.login("ann", PASSWORD).await.code(), "auth-failed");
    scene.world.login("ann", "another password").await.good();
}

#[tokio::test]
async fn changing_ones_own_password_ends_every_login_but_the_one_it_was_done_with() {
    let mut scene = Scene::new().await;
    let wish = |current: &str| json!({"current_password": current, "new_password": "another password"});
    let change = async |token: &str, current: &str| {
        scene.world.call("PUT", "/current-user/password", Some(token), Some(wish(current))).await
    };
    let here = scene.world.login("ann", PASSWORD).await.good().text("token");
    assert_eq!(change(&here, "wrong").await.code(), "auth-failed");
    change(&here, PASSWORD).await.good();
    let ended = scene.ended().await;
    assert_eq!((ended.code, ended.reason.as_str()), (Code::REVOKED, "the password was changed"));
    scene.world.call("GET", "/current-user", Some(&here), None).await.good();
    assert_eq!(scene.world.login("ann", PASSWORD).await.code(), "auth-failed");
}

#[tokio::test]
async fn a_disabled_device_is_cut_off_and_told_why_until_it_is_enabled() {
    let scene = Scene::new().await;
    let path = format!("/devices/{}", scene.device.id);
    scene.admin("PATCH", &path, Some(json!({"disabled": true}))).await;
    let scene = scene.ends_because("the device was disabled").await;
    assert_eq!(scene.agent.ended().await.code, Code::DEVICE_DISABLED);

    let nonce = scene.world.nonce().await;
    let proof = scene.world.proof(&scene.device.id, &scene.device.key, &nonce);
    let refused = scene.world.dial("/agent/tunnel", &proof).await.unwrap_err().to_string();
    assert!(refused.contains("403"), "{refused}");
    assert!(scene.world.audit().await.contains(&"device.connect device-disabled".to_owned()));
    let ended = open(&scene.operator, &scene.device.id, &scene.endpoint).accepted().await.unwrap_err();
    assert_eq!(ended.code, Code::DEVICE_DISABLED);
    assert_eq!(scene.world.get(&path).await.good().body["disabled"], true);

    scene.admin("PATCH", &path, Some(json!({"disabled": false, "name": "pump 8"}))).await;
    serve_targets(&scene.world.connect(&scene.device).await);
    open(&scene.operator, &scene.device.id, &scene.endpoint).accepted().await.unwrap();
    assert_eq!(scene.world.get(&path).await.good().body["name"], "pump 8");
}

#[tokio::test]
async fn a_session_ends_when_its_device_is_removed() {
    let scene = Scene::new().await;
    scene.admin("DELETE", &format!("/devices/{}", scene.device.id), None).await;
    let scene = scene.ends_because("the device was removed").await;
    assert_eq!(scene.agent.ended().await.reason, "the device was removed");
}

#[tokio::test]
async fn a_token_can_be_seen_and_revoked_and_what_came_through_it_ends() {
    let scene = Scene::new().await;
    let list = scene.world.call("GET", "/tokens", Some(&scene.person.token), None).await.good().body;
    let token = &list["items"][0];
    assert_eq!((&token["user"], &token["current"]), (&"ann".into(), &true.into()));
    assert!(token["source"].as_str().unwrap().starts_with("127.0.0.1"));
    assert!(!list.to_string().contains("tlt1_"));

    // The administrator sees it, another user does not.
    let of_ann = format!("/tokens?user={}", scene.person.id);
    assert_eq!(scene.world.get(&of_ann).await.good().body["items"].as_array().unwrap().len(), 1);
    let bob = scene.world.user("bob", &[]).await;
    assert_eq!(scene.world.call("GET", &of_ann, Some(&bob), None).await.code(), "forbidden");
    let path = format!("/tokens/{}", token["id"].as_str().unwrap());
    let hidden = scene.world.call("DELETE", &path, Some(&bob), None).await;
    let missing = scene.world.call("DELETE", "/tokens/42", Some(&bob), None).await;
    assert_eq!((hidden.status, &hidden.body), (404, &missing.body));

    scene.admin("DELETE", &path, None).await;
    let scene = scene.ends_because("the token was revoked").await;
    assert_eq!(scene.operator.ended().await.reason, "the token was revoked");
    let after = scene.world.call("GET", "/tokens", Some(&scene.person.token), None).await;
    assert_eq!(after.code(), "unauthenticated");
}

#[tokio::test]
async fn a_session_is_ended_by_administrators_of_its_device_and_by_its_own_user() {
    let scene = Scene::new().await;
    let live = scene.world.get("/sessions?live=true").await.good().body;
    let path = format!("/sessions/{}", live["items"][0]["id"].as_str().unwrap());
    assert_eq!(scene.world.get(&path).await.good().body["user"], "ann");
    let operation = live["items"][0]["operation_id"].as_str().unwrap();
    assert_eq!(scene.world.get(&format!("/operations/{operation}")).await.good().body["status"], "SUCCESSFUL");

    let reader = scene.world.user("reader", &["remote-access-read"]).await;
    assert_eq!(scene.world.call("DELETE", &path, Some(&reader), None).await.code(), "forbidden");
    let nobody = scene.world.user("nobody", &["user-admin"]).await;
    assert_eq!(scene.world.call("DELETE", &path, Some(&nobody), None).await.code(), "not-found");

    scene.admin("DELETE", &path, None).await;
    let scene = scene.ends_because("ended by administrator admin").await;
    assert_eq!(scene.world.get("/sessions?live=true").await.good().body["items"], json!([]));
    assert_eq!(scene.world.get("/sessions?live=false").await.good().body["items"].as_array().unwrap().len(), 1);
    // It has ended already, and stays ended as it was.
    scene.admin("DELETE", &path, None).await;

    let mut channel = open(&scene.operator, &scene.device.id, &scene.endpoint);
    channel.accepted().await.unwrap();
    let newest = scene.newest().await["id"].as_str().unwrap().to_owned();
    scene.world.call("DELETE", &format!("/sessions/{newest}"), Some(&scene.person.token), None).await.good();
    assert_eq!(channel.recv().await.unwrap_err().reason, "ended by ann");
}

#[tokio::test]
async fn no_session_slips_through_while_the_right_to_it_goes() {
    for _ in 0..5 {
        let scene = Scene::new().await;
        let (operator, device, endpoint) = (scene.operator.clone(), scene.device.id.clone(), scene.endpoint.clone());
        let opening = tokio::spawn(async move {
            let mut channels = Vec::new();
            for _ in 0..20 {
                let mut channel = open(&operator, &device, &endpoint);
                let accepted = channel.accepted().await;
                channels.push(channel);
                if accepted.is_err() {
                    break;
                }
            }
            channels
        });
        tokio::time::sleep(Duration::from_millis(10)).await;
        scene.admin("DELETE", &format!("/grants/{}", scene.person.grants[0]), None).await;
        let channels = opening.await.unwrap();
        for mut channel in channels {
            let ended = tokio::time::timeout(AT_ONCE, channel.recv()).await.expect("a session lives on").unwrap_err();
            assert!([Code::REVOKED, Code::UNKNOWN_DEVICE].contains(&ended.code), "{ended:?}");
        }
        eventually(async || scene.world.get("/sessions?live=true").await.good().body["items"] == json!([])).await;
    }
}
