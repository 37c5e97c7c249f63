//! A cloud in a temporary folder, an HTTP client, a device and an operator that speak the wire.

use std::{net::SocketAddr, path::Path, time::Duration};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderValue, header};
use serde_json::{Value, json};
use sqlx::SqlitePool;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use towline_cloud::{Cloud, Config, Running};
use towline_cloud_api::{EnrolmentToken, SUBPROTOCOL_TUNNEL};
use towline_transport::{BoxTransport, Carrier, Error as TransportError, Options, dial, tcp};
use towline_tunnel_proto::{
    CarrierKind, Code, Config as TunnelConfig, FieldKey, Fields, Limits, Open,
    driver::{Channel, Mux},
};

pub(crate) const PASSWORD: &str = "correct horse battery";
/// For what has to happen, however slow the machine is.
pub(crate) const LIVENESS: Duration = Duration::from_secs(30);

/// A running cloud and its folder.
pub(crate) struct World {
    pub(crate) cloud: Running,
    pub(crate) dir: TempDir,
    pub(crate) admin: String,
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) text: String,
    pub(crate) body: Value,
}

impl Answer {
    /// The word of a problem document.
    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    pub(crate) fn text(&self, field: &str) -> String {
        self.body[field].as_str().unwrap_or_else(|| panic!("no {field} in {self:?}")).to_owned()
    }

    /// The answer, if it is a good one.
    #[track_caller]
    pub(crate) fn good(self) -> Self {
        assert!((200..300).contains(&self.status), "{self:?}");
        self
    }
}

pub(crate) async fn start(dir: &Path) -> Running {
    Cloud::start(config(dir)).await.unwrap()
}

fn config(dir: &Path) -> Config {
    let mut config = Config::new("127.0.0.1:0".parse().unwrap(), dir);
    config.admin_password = Some(PASSWORD.to_owned().into());
    config
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// One that is set up in another way.
    pub(crate) async fn with(set: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(dir.path());
        set(&mut config);
        let cloud = Cloud::start(config).await.unwrap();
        let admin = cloud.local_login().await.unwrap().token;
        Self { cloud, dir, admin }
    }

    /// Stops the cloud and starts it anew on its folder.
    pub(crate) async fn restarted(self) -> Self {
        let Self { cloud, dir, .. } = self;
        cloud.shutdown().await;
        let cloud = start(dir.path()).await;
        let admin = cloud.local_login().await.unwrap().token;
        Self { cloud, dir, admin }
    }

    pub(crate) async fn call(&self, method: &str, path: &str, token: Option<&str>, body: Option<Value>) -> Answer {
        call(self.cloud.local_addr(), method, path, token, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, Some(&self.admin), None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call("POST", path, Some(&self.admin), Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path, Some(&self.admin), None).await
    }

    pub(crate) async fn login(&self, user: &str, password: &str) -> Answer {
        self.call("POST", "/login", None, Some(json!({"user": user, "password": password}))).await
    }

    /// The database, beside the cloud.
    pub(crate) async fn database(&self) -> SqlitePool {
        database(self.dir.path()).await
    }

    /// A user with these permissions on all devices, logged in: the bearer token.
    pub(crate) async fn user(&self, name: &str, permissions: &[&str]) -> String {
        self.person(name, permissions).await.token
    }

    /// A user with these permissions on all devices, logged in.
    pub(crate) async fn person(&self, name: &str, permissions: &[&str]) -> Person {
        let id = self.post("/users", json!({"name": name, "password": PASSWORD})).await.good().text("id");
        let group = self.post("/user-groups", json!({"name": format!("group of {name}")})).await.good().text("id");
        self.call("PUT", &format!("/user-groups/{group}/members/{id}"), Some(&self.admin), None).await.good();
        let mut grants = Vec::new();
        for permission in permissions {
            grants.push(self.grant(&group, &self.all_devices().await, permission).await);
        }
        let token = self.login(name, PASSWORD).await.good().text("token");
        Person { id, group, grants, token }
    }

    /// The id of the group that every device is in.
    pub(crate) async fn all_devices(&self) -> String {
        self.get("/device-groups?name=all").await.good().body["items"][0]["id"].as_str().unwrap().to_owned()
    }

    /// The id of a new grant.
    pub(crate) async fn grant(&self, user_group: &str, device_group: &str, permission: &str) -> String {
        let body = json!({"user_group_id": user_group, "device_group_id": device_group, "permission": permission});
        self.post("/grants", body).await.good().text("id")
    }

    /// A device that has enrolled and is not connected.
    pub(crate) async fn device(&self, name: &str) -> Device {
        let ticket = self.post("/enrolment-tokens", json!({"name": name})).await.good();
        let key = Ed25519KeyPair::generate().unwrap();
        let answer = self.enrol(&ticket.text("token"), &key, None).await.good();
        Device { id: answer.text("device_id"), key }
    }

    pub(crate) async fn enrol(&self, token: &str, key: &Ed25519KeyPair, name: Option<&str>) -> Answer {
        let token: EnrolmentToken = token.parse().unwrap();
        let nonce = self.nonce().await;
        let message = format!("towline enrol v1\n{}\n{nonce}", self.cloud.local_addr());
        let body = json!({
            "secret": URL_SAFE_NO_PAD.encode(token.secret),
            "public_key": URL_SAFE_NO_PAD.encode(key.public_key()),
            "nonce": nonce,
            "signature": URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes())),
            "name": name,
            "agent_version": "test",
        });
        self.call("POST", "/agent/enrol", None, Some(body)).await
    }

    pub(crate) async fn nonce(&self) -> String {
        self.call("GET", "/agent/challenge", None, None).await.good().text("nonce")
    }

    /// Connects a device's agent.
    pub(crate) async fn connect(&self, device: &Device) -> Mux {
        let nonce = self.nonce().await;
        let proof = self.proof(&device.id, &device.key, &nonce);
        let mux = tunnel(self.dial("/agent/tunnel", &proof).await.unwrap()).await;
        let path = format!("/devices/{}", device.id);
        eventually(async || self.get(&path).await.body["online"] == true).await;
        mux
    }

    /// What a device shows to prove its identity.
    pub(crate) fn proof(&self, device_id: &str, key: &Ed25519KeyPair, nonce: &str) -> String {
        let message = format!("towline device v1\n{}\n{device_id}\n{nonce}", self.cloud.local_addr());
        let signature = URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes()));
        format!("Towline-Device v1 {device_id} {nonce} {signature}")
    }

    /// Connects an operator.
    pub(crate) async fn operator(&self, token: &str) -> Mux {
        tunnel(self.dial("/tunnel", &format!("Bearer {token}")).await.unwrap()).await
    }

    pub(crate) async fn dial(&self, path: &str, authorization: &str) -> Result<Carrier<BoxTransport>, TransportError> {
        let options = Options {
            headers: vec![(header::AUTHORIZATION, HeaderValue::from_str(authorization).unwrap())],
            subprotocol: Some(SUBPROTOCOL_TUNNEL.into()),
            ..Options::default()
        };
        dial(&format!("ws://{}/api/v1{path}", self.cloud.local_addr()).parse().unwrap(), &options).await
    }

    pub(crate) async fn endpoint(&self, device_id: &str, port: u16) -> String {
        let body =
            json!({"name": format!("port-{port}"), "protocol": "PASSTHROUGH", "host": "127.0.0.1", "port": port});
        self.post(&format!("/devices/{device_id}/endpoints"), body).await.good().text("id")
    }

    /// The audit, oldest first, as `action outcome`.
    pub(crate) async fn audit(&self) -> Vec<String> {
        let answer = self.get("/audit?limit=1000").await.good();
        let records = answer.body["items"].as_array().unwrap().iter().rev();
        records
            .map(|record| format!("{} {}", record["action"].as_str().unwrap(), record["outcome"].as_str().unwrap()))
            .collect()
    }
}

/// A user with a group of their own.
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) group: String,
    pub(crate) grants: Vec<String>,
    pub(crate) token: String,
}

/// A device's identity.
pub(crate) struct Device {
    pub(crate) id: String,
    pub(crate) key: Ed25519KeyPair,
}

pub(crate) async fn database(dir: &Path) -> SqlitePool {
    SqlitePool::connect_with(sqlx::sqlite::SqliteConnectOptions::new().filename(dir.join("towline.db"))).await.unwrap()
}

pub(crate) async fn call(to: SocketAddr, method: &str, path: &str, token: Option<&str>, body: Option<Value>) -> Answer {
    let authorization = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    let request = format!(
        "{method} /api/v1{path} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\n{authorization}\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    exchange(TcpStream::connect(to).await.unwrap(), &request).await
}

pub(crate) async fn exchange(mut stream: impl tokio::io::AsyncRead + AsyncWriteExt + Unpin, request: &str) -> Answer {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    tokio::time::timeout(LIVENESS, stream.read_to_end(&mut bytes)).await.unwrap().unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let (head, text) = (head.to_lowercase(), body.to_owned());
    Answer { status, head, body: serde_json::from_str(body).unwrap_or(Value::Null), text }
}

async fn tunnel(carrier: Carrier<BoxTransport>) -> Mux {
    let (mux, driver) =
        Mux::new(carrier.into_inner(), TunnelConfig::dialer(CarrierKind::Negotiated), Limits::default());
    tokio::spawn(driver);
    mux.connected().await.unwrap();
    mux
}

/// Waits until something is so.
pub(crate) async fn eventually(mut is_so: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIVENESS, wait).await.expect("it never came about");
}

/// Serves a device's session as an agent does: connects what it is asked to.
pub(crate) fn serve_targets(mux: &Mux) {
    serve_targets_at(mux, |target| target);
}

/// The same for a device that has what it is asked for at other addresses.
pub(crate) fn serve_targets_at(mux: &Mux, place: impl Fn(SocketAddr) -> SocketAddr + Copy + Send + 'static) {
    let mux = mux.clone();
    tokio::spawn(async move {
        while let Some(incoming) = mux.accept().await {
            tokio::spawn(async move {
                let target = incoming.open().target.strip_prefix("tcp://").unwrap().to_owned();
                assert!(incoming.open().fields.text(FieldKey::SESSION_ID).is_some());
                assert!(incoming.open().fields.text(FieldKey::USER).is_some());
                match tcp::connect_addr(place(target.parse().unwrap()), LIVENESS).await {
                    Ok(mut stream) => {
                        let mut channel = incoming.accept(Fields::new().with(FieldKey::PEER_ADDRESS, target));
                        let _ = tokio::io::copy_bidirectional(&mut channel, &mut stream).await;
                    }
                    Err(_) => incoming.refuse(Code::CONNECT_REFUSED, &format!("{target} refused")),
                }
            });
        }
    });
}

/// A server that sends everything back.
pub(crate) async fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut input, mut output) = stream.split();
                let _ = tokio::io::copy(&mut input, &mut output).await;
                let _ = output.shutdown().await;
            });
        }
    });
    port
}

pub(crate) fn open(operator: &Mux, device_id: &str, endpoint_id: &str) -> Channel {
    operator.open(Open::to(format!("towline:device/{device_id}/endpoint/{endpoint_id}"))).unwrap()
}
