//! Every role on every route, from the document that the cloud itself serves: a new route cannot be forgotten.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sqlx::SqlitePool;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{Answer, LIVENESS, PASSWORD, World};

const PERMISSIONS: [&str; 6] = [
    "remote-access-read",
    "remote-access-connect",
    "remote-access-admin",
    "device-control-read",
    "device-control-admin",
    "user-admin",
];
const NO_SUCH_ID: &str = "4242424242424242";

/// A route as the document tells it.
#[derive(Clone, Debug)]
struct Route {
    id: String,
    method: String,
    path: String,
    permission: String,
    on: String,
    query: Vec<String>,
    takes_body: bool,
    good: Vec<u16>,
}

async fn routes(world: &World) -> Vec<Route> {
    let document = world.call("GET", "/openapi.json", None, None).await.good().body;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{document}");
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let word = |field: &str| operation[field].as_str().unwrap_or_default().to_owned();
            let empty = Vec::new();
            let parameters = operation["parameters"].as_array().unwrap_or(&empty);
            routes.push(Route {
                id: word("operationId"),
                method: method.to_uppercase(),
                path: path.strip_prefix("/api/v1").unwrap().to_owned(),
                permission: word("x-permission"),
                on: word("x-permission-on"),
                query: parameters
                    .iter()
                    .filter(|parameter| parameter["in"] == "query")
                    .map(|parameter| parameter["name"].as_str().unwrap().to_owned())
                    .collect(),
                takes_body: operation["requestBody"].is_object(),
                good: operation["responses"].as_object().unwrap().keys().filter_map(|key| key.parse().ok()).collect(),
            });
        }
    }
    routes
}

/// One object of each kind in a tenant, made beside the cloud; the key is the path's word for it.
type Objects = BTreeMap<&'static str, String>;

async fn plant(database: &SqlitePool, tenant: &str) -> Objects {
    let id = || (u64::from_be_bytes(std::array::from_fn(|_| random_byte())) >> 2).max(1).to_string();
    let kinds = ["user", "user-group", "device", "device-group", "grant", "endpoint", "operation", "session", "token"];
    let objects: Objects = kinds.into_iter().map(|kind| (kind, id())).collect();
    let mut change = database.begin().await.unwrap();
    for (insert, kinds) in [
        (
            "INSERT INTO user_account (id, tenant_id, name, password_hash, created_at) VALUES ($2, $1, 'u' || $2, 'x', 0)",
            &["user"][..],
        ),
        ("INSERT INTO user_group (id, tenant_id, name, created_at) VALUES ($2, $1, 'g' || $2, 0)", &["user-group"]),
        (
            "INSERT INTO user_group_member (tenant_id, user_group_id, user_id) VALUES ($1, $2, $3)",
            &["user-group", "user"],
        ),
        ("INSERT INTO device (id, tenant_id, name, created_at) VALUES ($2, $1, 'd' || $2, 0)", &["device"]),
        ("INSERT INTO device_group (id, tenant_id, name, created_at) VALUES ($2, $1, 'g' || $2, 0)", &["device-group"]),
        (
            "INSERT INTO device_group_member (tenant_id, device_group_id, device_id) VALUES ($1, $2, $3)",
            &["device-group", "device"],
        ),
        (
            "INSERT INTO device_group_member (tenant_id, device_group_id, device_id)
             SELECT $1, id, $2 FROM device_group WHERE tenant_id = $1 AND name = 'all'",
            &["device"],
        ),
        (
            "INSERT INTO permission_grant (id, tenant_id, user_group_id, device_group_id, permission)
             VALUES ($2, $1, $3, $4, 'device-control-read')",
            &["grant", "user-group", "device-group"],
        ),
        (
            "INSERT INTO endpoint (id, tenant_id, device_id, name, protocol, host, port, created_at)
             VALUES ($2, $1, $3, 'e' || $2, 'PASSTHROUGH', 'localhost', 22, 0)",
            &["endpoint", "device"],
        ),
        (
            "INSERT INTO operation (id, tenant_id, device_id, endpoint_id, user_id, user_name, status, created_at, updated_at)
             VALUES ($2, $1, $3, $4, $5, 'u', 'SUCCESSFUL', 0, 0)",
            &["operation", "device", "endpoint", "user"],
        ),
        (
            "INSERT INTO session (id, tenant_id, operation_id, device_id, endpoint_id, user_id, user_name, source, started_at)
             VALUES ($2, $1, $3, $4, $5, $6, 'u', 'x', 0)",
            &["session", "operation", "device", "endpoint", "user"],
        ),
        (
            "INSERT INTO access_token (hash, id, tenant_id, user_id, source, created_at, expires_at)
             VALUES ('h' || $2, $2, $1, $3, 'x', 0, 99999999999999)",
            &["token", "user"],
        ),
        ("INSERT INTO user_totp (user_id, tenant_id, secret) VALUES ($2, $1, 'x')", &["user"]),
    ] {
        let query = kinds.iter().fold(sqlx::query(insert).bind(tenant), |query, kind| query.bind(&objects[kind]));
        query.execute(&mut *change).await.unwrap_or_else(|error| panic!("{insert}: {error}"));
    }
    change.commit().await.unwrap();
    objects
}

fn random_byte() -> u8 {
    let mut byte = [0];
    aws_lc_rs::rand::fill(&mut byte).unwrap();
    byte[0]
}

/// The kind of object that a parameter of a path names.
fn kind(path: &str, parameter: &str) -> &'static str {
    match parameter {
        "group" if path.starts_with("/user-groups") => "user-group",
        "group" => "device-group",
        "user" => "user",
        "device" => "device",
        "endpoint" => "endpoint",
        "grant" => "grant",
        "operation" => "operation",
        "session" => "session",
        "token" => "token",
        other => panic!("a new kind of object has no entry here: {other}"),
    }
}

fn parameters(path: &str) -> Vec<&str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect()
}

fn fill(path: &str, id_of: impl Fn(&str) -> String) -> String {
    parameters(path)
        .into_iter()
        .fold(path.to_owned(), |filled, parameter| filled.replace(&format!("{{{parameter}}}"), &id_of(parameter)))
}

/// What to send, and what somebody who may is answered: `""` for success, or the word of a problem that comes after the
/// permission was looked at.
fn plan(route: &Route, objects: &Objects) -> (Option<Value>, &'static [&'static str]) {
    let name = format!("n{}", &objects["device"]);
    let good: &[&str] = &[""];
    match route.id.as_str() {
        "login" => (Some(json!({"user": "admin", "password": PASSWORD})), good),
        "password.change" => {
            (Some(json!({"current_password": "not this one", "new_password": "long enough"})), &["auth-failed"])
        }
        "totp.begin" => (None, good),
        "totp.confirm" | "totp.remove" => (Some(json!({"code": "12345"})), &["auth-failed", "not-found"]),
        "user.create" => (Some(json!({"name": name, "password": "long enough"})), good),
        "user.update" => (Some(json!({"disabled": true})), good),
        "password.reset" => (Some(json!({"password": "long enough"})), good),
        "user-group.create" | "device-group.create" => (Some(json!({"name": name})), good),
        "grant.create" => {
            let body = json!({
                "user_group_id": objects["user-group"],
                "device_group_id": objects["device-group"],
                "permission": "remote-access-connect",
            });
            (Some(body), good)
        }
        "settings.update" => (Some(json!({"idle_limit_seconds": 900})), good),
        "device.update" => (Some(json!({"name": name})), good),
        "enrolment-token.create" => (Some(json!({"name": name})), good),
        "endpoint.create" => {
            (Some(json!({"name": "e", "protocol": "PASSTHROUGH", "host": "localhost", "port": 22})), good)
        }
        "endpoint.update" => (Some(json!({"port": 23})), good),
        "device.enrol" => {
            let body = json!({"secret": "", "public_key": "", "nonce": "", "signature": "", "agent_version": ""});
            (Some(body), &["bad-request"])
        }
        // No handshake of a WebSocket: that is looked at after the permission.
        "tunnel.open" | "ticket.use" => (None, &["bad-request"]),
        // No page asks.
        "browser.login" => (Some(json!({"user": "admin", "password": PASSWORD})), &["origin-refused"]),
        "browser.login-link" => (Some(json!({"code": "x"})), &["origin-refused"]),
        "endpoint.test" => {
            let endpoint = json!({"name": "e", "protocol": "VNC", "host": "localhost", "port": 5900});
            (Some(json!({"endpoint": endpoint})), good)
        }
        // The endpoint has no key pair.
        "endpoint.install-key" => (Some(json!({"password": PASSWORD})), &["bad-request"]),
        "key.inspect" => (Some(json!({})), good),
        // The endpoint is one for the CLI.
        "ticket.create" => (Some(json!({})), &["bad-request"]),
        "health.show"
        | "page.show"
        | "readiness.show"
        | "openapi.show"
        | "logout"
        | "current-user.show"
        | "token.list"
        | "token.revoke"
        | "user.list"
        | "user.show"
        | "user.delete"
        | "user-totp.remove"
        | "user-group.list"
        | "user-group.show"
        | "user-group.delete"
        | "user-group.add"
        | "user-group.remove"
        | "device-group.list"
        | "device-group.show"
        | "device-group.delete"
        | "device-group.add"
        | "device-group.remove"
        | "grant.list"
        | "grant.delete"
        | "device.list"
        | "device.show"
        | "device.delete"
        | "endpoint.list"
        | "endpoint.show"
        | "endpoint.delete"
        | "operation.list"
        | "operation.show"
        | "session.list"
        | "session.show"
        | "session.kill"
        | "settings.show"
        | "audit.list"
        | "audit.verify"
        | "audit.export"
        | "event.listen"
        | "challenge.show"
        | "device.connect" => (None, good),
        new => panic!("the route {new} has no entry here"),
    }
}

/// Somebody who calls.
struct Principal {
    name: String,
    /// What goes into the header Authorization.
    authorization: Option<String>,
    is_logged_in: bool,
    permissions: Vec<&'static str>,
}

/// A permission, and what it is of no use without.
pub(crate) fn comes_with(granted: &str) -> &[&str] {
    match granted {
        "remote-access-read" => &["remote-access-read", "device-control-read"],
        "remote-access-connect" => &["remote-access-connect", "remote-access-read", "device-control-read"],
        "remote-access-admin" => &["remote-access-admin", "remote-access-read", "device-control-read"],
        "device-control-read" => &["device-control-read"],
        "device-control-admin" => &["device-control-admin", "device-control-read"],
        "user-admin" => &["user-admin"],
        other => panic!("{other} is no permission"),
    }
}

impl Principal {
    fn expected(&self, route: &Route) -> Result<(), (u16, &'static str)> {
        let has = self.permissions.iter().any(|granted| comes_with(granted).contains(&route.permission.as_str()));
        let sees_devices = self.permissions.iter().any(|permission| *permission != "user-admin");
        match (route.permission.as_str(), route.on.as_str()) {
            ("none", "") => Ok(()),
            ("device-proof", "") => Err((401, "unauthenticated")),
            _ if !self.is_logged_in => Err((401, "unauthenticated")),
            ("login", "") => Ok(()),
            _ if has => Ok(()),
            (_, "anywhere" | "all-devices") => Err((403, "forbidden")),
            (_, "device" | "record") if sees_devices => Err((403, "forbidden")),
            (_, "device") => Err((404, "unknown-device")),
            (_, "record") => Err((404, "not-found")),
            other => panic!("{} declares {other:?}", route.id),
        }
    }
}

/// Calls with any Authorization; of a stream of events only the head is waited for.
async fn call(world: &World, route: &Route, path: &str, authorization: Option<&str>, body: Option<&Value>) -> Answer {
    let host = world.cloud.local_addr();
    let authorization = authorization.map(|value| format!("authorization: {value}\r\n")).unwrap_or_default();
    let body = body.map(Value::to_string).unwrap_or_default();
    let request = format!(
        "{} /api/v1{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{authorization}\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        route.method,
        body.len()
    );
    let mut stream = TcpStream::connect(host).await.unwrap();
    if route.id != "event.listen" {
        return crate::harness::exchange(stream, &request).await;
    }
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    let mut chunk = [0; 4096];
    let is_over = |text: &str| match text.split_once("\r\n\r\n") {
        Some((head, body)) => head.contains("event-stream") || serde_json::from_str::<Value>(body).is_ok(),
        None => false,
    };
    while !is_over(&text) {
        let count = tokio::time::timeout(LIVENESS, stream.read(&mut chunk)).await.unwrap().unwrap();
        assert!(count > 0, "{text}");
        text += std::str::from_utf8(&chunk[..count]).unwrap();
    }
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let (head, text) = (head.to_lowercase(), body.to_owned());
    Answer { status, head, body: serde_json::from_str(body).unwrap_or(Value::Null), text }
}

async fn principals(world: &World) -> Vec<Principal> {
    let device = world.device("the matrix's own").await;
    let nonce = world.nonce().await;
    let proof = world.proof(&device.id, &device.key, &nonce);
    let ticket = world.post("/enrolment-tokens", json!({"name": "the matrix's own"})).await.good().text("token");
    let gone = world.person("gone", &PERMISSIONS).await;
    let stranger = |name: &str, authorization: Option<String>| Principal {
        name: name.into(),
        authorization,
        is_logged_in: false,
        permissions: Vec::new(),
    };
    let mut principals = vec![
        stranger("nobody", None),
        stranger("garbage", Some("Bearer tlt1_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".into())),
        stranger("disabled", Some(format!("Bearer {}", gone.token))),
        stranger("device", Some(proof)),
        stranger("enrolment", Some(format!("Bearer {ticket}"))),
    ];
    world
        .call("PATCH", &format!("/users/{}", gone.id), Some(&world.admin), Some(json!({"disabled": true})))
        .await
        .good();
    for (name, permissions) in [("nothing", &[][..]), ("everything", &PERMISSIONS)]
        .into_iter()
        .chain(PERMISSIONS.iter().map(|permission| (*permission, std::slice::from_ref(permission))))
    {
        let token = world.user(name, permissions).await;
        principals.push(Principal {
            name: name.into(),
            authorization: Some(format!("Bearer {token}")),
            is_logged_in: true,
            permissions: permissions.to_vec(),
        });
    }
    principals
}

#[tokio::test]
async fn every_role_may_on_every_route_exactly_what_the_document_says() {
    let world = World::new().await;
    let database = world.database().await;
    let routes = routes(&world).await;
    assert!(routes.len() > 50, "{}", routes.len());
    for principal in principals(&world).await {
        let mut objects = plant(&database, "1").await;
        let mut authorization = principal.authorization.clone();
        for route in &routes {
            // A device's tunnel takes a device's proof, and gets no further than the handshake without one.
            let is_device_at_its_door = principal.name == "device" && route.permission == "device-proof";
            if is_device_at_its_door {
                continue;
            }
            let (body, good) = plan(route, &objects);
            assert_eq!(body.is_some(), route.takes_body, "{route:?}");
            let mut path = fill(&route.path, |parameter| objects[kind(&route.path, parameter)].clone());
            if route.id == "token.revoke" && !principal.permissions.contains(&"user-admin") {
                // Others' tokens do not exist, except for administrators: one's own is looked at elsewhere.
                path = format!("/tokens/{NO_SUCH_ID}");
            }
            let answer = call(&world, route, &path, authorization.as_deref(), body.as_ref()).await;
            let context = format!("{} as {}: {answer:?}", route.id, principal.name);
            match principal.expected(route) {
                Ok(()) if path.ends_with(NO_SUCH_ID) => assert_eq!(answer.code(), "not-found", "{context}"),
                Ok(()) => {
                    assert!(good.contains(&answer.code()), "{context}");
                    let is_good = (100..300).contains(&answer.status);
                    assert_eq!(is_good, answer.code().is_empty(), "{context}");
                    assert!(!is_good || route.good.contains(&answer.status), "not in the document: {context}");
                    if is_good && route.method != "GET" {
                        objects = plant(&database, "1").await;
                    }
                    if route.id == "logout" {
                        let token = world.login(&principal.name, PASSWORD).await.good().text("token");
                        authorization = Some(format!("Bearer {token}"));
                    }
                }
                Err((status, code)) => {
                    assert_eq!((answer.status, answer.code()), (status, code), "{context}");
                    if code == "forbidden" {
                        assert!(answer.text("detail").contains(&route.permission), "{context}");
                    }
                }
            }
        }
    }
}

/// A second tenant, of which the first one's administrator must see nothing.
async fn second_tenant(database: &SqlitePool) -> Objects {
    for insert in [
        "INSERT INTO tenant (id, name, created_at) VALUES ('2', 'second', 0)",
        "INSERT INTO device_group (id, tenant_id, name, created_at) VALUES ('222', '2', 'all', 0)",
    ] {
        sqlx::query(insert).execute(database).await.unwrap();
    }
    plant(database, "2").await
}

async fn everything_of_the_second(database: &SqlitePool) -> Vec<String> {
    let mut found = Vec::new();
    for select in [
        "SELECT id || name || password_hash || disabled FROM user_account WHERE tenant_id = '2'",
        "SELECT id || name FROM user_group WHERE tenant_id = '2'",
        "SELECT user_group_id || user_id FROM user_group_member WHERE tenant_id = '2'",
        "SELECT id || name || disabled FROM device WHERE tenant_id = '2'",
        "SELECT id || name FROM device_group WHERE tenant_id = '2'",
        "SELECT device_group_id || device_id FROM device_group_member WHERE tenant_id = '2'",
        "SELECT id || permission FROM permission_grant WHERE tenant_id = '2'",
        "SELECT id || name || host || port FROM endpoint WHERE tenant_id = '2'",
        "SELECT id || status FROM operation WHERE tenant_id = '2'",
        "SELECT id || COALESCE(ended_at, '-') FROM session WHERE tenant_id = '2'",
        "SELECT id FROM access_token WHERE tenant_id = '2'",
        "SELECT user_id || confirmed FROM user_totp WHERE tenant_id = '2'",
        "SELECT record FROM audit WHERE tenant_id = '2'",
    ] {
        let rows: Vec<(String,)> = sqlx::query_as(select).fetch_all(database).await.unwrap();
        found.extend(rows.into_iter().map(|(row,)| row));
    }
    found
}

#[tokio::test]
async fn another_tenants_objects_are_answered_like_those_that_do_not_exist() {
    let world = World::new().await;
    let database = world.database().await;
    let theirs = second_tenant(&database).await;
    let before = everything_of_the_second(&database).await;
    let admin = format!("Bearer {}", world.admin);
    let mut compared = 0;
    for route in routes(&world).await {
        if route.id == "logout" || route.permission == "device-proof" || route.id == "event.listen" {
            continue;
        }
        let ours = plant(&database, "1").await;
        let parameters = parameters(&route.path);
        // Each parameter alone is foreign, and all of them are.
        for mask in 1..(1_u32 << parameters.len()) {
            let ask = async |foreign: &dyn Fn(&str) -> String| {
                let path = fill(&route.path, |parameter| {
                    let position = parameters.iter().position(|other| *other == parameter).unwrap();
                    let kind = kind(&route.path, parameter);
                    if mask >> position & 1 == 1 { foreign(kind) } else { ours[kind].clone() }
                });
                let (body, _) = plan(&route, &ours);
                call(&world, &route, &path, Some(&admin), body.as_ref()).await
            };
            let foreign = ask(&|kind| theirs[kind].clone()).await;
            let missing = ask(&|_| NO_SUCH_ID.into()).await;
            same(&route, &foreign, &missing, &theirs);
            assert!(foreign.status >= 400, "{}: {foreign:?}", route.id);
            compared += 1;
        }
        for word in
            route.query.iter().filter(|word| ["device", "user", "user_group", "device_group"].contains(&&***word))
        {
            let kind = word.replace('_', "-");
            let ask =
                async |id: &str| call(&world, &route, &format!("{}?{word}={id}", route.path), Some(&admin), None).await;
            same(&route, &ask(&theirs[kind.as_str()]).await, &ask(NO_SUCH_ID).await, &theirs);
            compared += 1;
        }
        if route.id == "grant.create" {
            for word in ["user_group_id", "device_group_id"] {
                let kind = word.strip_suffix("_id").unwrap().replace('_', "-");
                let ask = async |id: &str| {
                    let mut body = plan(&route, &ours).0.unwrap();
                    body[word] = id.into();
                    call(&world, &route, &route.path, Some(&admin), Some(&body)).await
                };
                let foreign = ask(&theirs[kind.as_str()]).await;
                assert!(foreign.status >= 400, "{foreign:?}");
                same(&route, &foreign, &ask(NO_SUCH_ID).await, &theirs);
                compared += 1;
            }
        }
        // No list shows anything of theirs. The audit names what was asked for.
        if route.method == "GET" && parameters.is_empty() && !route.id.starts_with("audit.") {
            let text = call(&world, &route, &route.path, Some(&admin), None).await.body.to_string();
            for id in theirs.values() {
                assert!(!text.contains(id), "{} shows {id}: {text}", route.id);
            }
        }
    }
    assert!(compared > 30, "{compared}");
    assert_eq!(everything_of_the_second(&database).await, before, "something of theirs was changed");
}

#[track_caller]
fn same(route: &Route, foreign: &Answer, missing: &Answer, theirs: &Objects) {
    let plain = |answer: &Answer| {
        let text = answer.body.to_string();
        theirs.values().chain([&NO_SUCH_ID.to_owned()]).fold(text, |text, id| text.replace(id.as_str(), "ID"))
    };
    assert_eq!(foreign.status, missing.status, "{}: {foreign:?} {missing:?}", route.id);
    assert_eq!(plain(foreign), plain(missing), "{}", route.id);
}

#[tokio::test]
async fn what_a_body_should_not_have_is_refused_or_ignored_and_never_kept() {
    const CANARY: &str = "canary-31337";
    let world = World::new().await;
    let database = world.database().await;
    let admin = format!("Bearer {}", world.admin);
    let mut looked_at = 0;
    for route in routes(&world).await.into_iter().filter(|route| route.takes_body) {
        let objects = plant(&database, "1").await;
        let (body, _) = plan(&route, &objects);
        let mut body = body.unwrap();
        for field in [
            "id",
            "tenant_id",
            "user_id",
            "device_id",
            "permissions",
            "groups",
            "created_at",
            "password_hash",
            "public_key",
            "hash",
            "admin",
            "online",
            "enrolled",
            "last_login_at",
            "external_ids",
            "__proto__",
        ] {
            if body.get(field).is_none() {
                body[field] = CANARY.into();
            }
        }
        let path = fill(&route.path, |parameter| objects[kind(&route.path, parameter)].clone());
        let answer = call(&world, &route, &path, Some(&admin), Some(&body)).await;
        assert!(answer.status != 500, "{}: {answer:?}", route.id);
        assert!(!answer.body.to_string().contains(CANARY), "{}: {answer:?}", route.id);
        looked_at += 1;
    }
    assert!(looked_at > 10, "{looked_at}");
    for file in std::fs::read_dir(world.dir.path()).unwrap() {
        let content = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!content.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()));
    }
}

#[tokio::test]
async fn the_document_names_what_it_refers_to_and_says_how_each_route_is_reached() {
    let world = World::new().await;
    let document = world.call("GET", "/openapi.json", None, None).await.good().body;
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#/").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(document.pointer(&format!("/{reference}")).is_some(), "{reference} leads nowhere");
    }
    let mut ids = std::collections::HashSet::new();
    for route in routes(&world).await {
        assert!(!route.permission.is_empty() && !route.good.is_empty(), "{route:?}");
        assert!(ids.insert(route.id.clone()), "{} stands twice", route.id);
    }
    let words: Vec<_> = towline_cloud_api::ErrorCode::all().map(|code| code.as_str()).collect();
    assert_eq!(document["components"]["schemas"]["ErrorCode"]["enum"], json!(words));
    let create = &document["paths"]["/api/v1/users"]["post"];
    assert_eq!(
        create["requestBody"]["content"]["application/json"]["schema"]["$ref"],
        "#/components/schemas/CreateUser"
    );
    assert_eq!(create["x-permission"], "user-admin");
    let list = &document["paths"]["/api/v1/devices"]["get"];
    let page = &list["responses"]["200"]["content"]["application/json"]["schema"];
    assert_eq!(page["properties"]["items"]["items"]["$ref"], "#/components/schemas/Device", "{page}");
}
