//! A page's side of a connection: a ticket, the WebSocket, and what is heard on it.

use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest},
};

use crate::harness::{Answer, LIVENESS, World};

pub(crate) struct Page(WebSocketStream<TcpStream>);

/// What came over the WebSocket.
#[derive(Debug)]
pub(crate) enum Heard {
    Text(Value),
    Bytes(Vec<u8>),
    Closed(u16),
    /// Nothing, for longer than anything takes.
    Silence,
}

pub(crate) async fn ticket(world: &World, token: &str, device: &str, endpoint: &str, wish: Value) -> Answer {
    let path = format!("/devices/{device}/endpoints/{endpoint}/tickets");
    world.call("POST", &path, Some(token), Some(wish)).await
}

/// Opens the WebSocket with these headers and subprotocols; the status and body of a refusal otherwise.
pub(crate) async fn open(
    world: &World,
    headers: &[(&'static str, String)],
    protocols: &str,
) -> Result<Page, (u16, Value)> {
    let address = world.cloud.local_addr();
    let mut request = format!("ws://{address}/api/v1/connect").into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", protocols.parse().unwrap());
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    match client_async(request, TcpStream::connect(address).await.unwrap()).await {
        Ok((stream, _)) => Ok(Page(stream)),
        Err(Error::Http(response)) => {
            let body = response.body().as_deref().unwrap_or_default();
            Err((response.status().as_u16(), serde_json::from_slice(body).unwrap_or(Value::Null)))
        }
        Err(error) => panic!("{error}"),
    }
}

impl Page {
    /// Asks for a ticket and uses it.
    pub(crate) async fn connect(world: &World, token: &str, device: &str, endpoint: &str, wish: Value) -> Self {
        let ticket = ticket(world, token, device, endpoint, wish).await.good();
        let protocols = format!("{}, towline.ticket.v1.{}", ticket.text("subprotocol"), ticket.text("ticket"));
        open(world, &[("authorization", format!("Bearer {token}"))], &protocols).await.unwrap()
    }

    pub(crate) async fn next(&mut self) -> Heard {
        loop {
            let Ok(next) = tokio::time::timeout(LIVENESS, self.0.next()).await else { return Heard::Silence };
            return match next {
                Some(Ok(Message::Text(text))) => Heard::Text(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Binary(bytes))) => Heard::Bytes(bytes.to_vec()),
                Some(Ok(Message::Close(frame))) => Heard::Closed(frame.map_or(1005, |frame| frame.code.into())),
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => Heard::Closed(1006),
            };
        }
    }

    pub(crate) async fn bytes(&mut self, bytes: &[u8]) {
        self.0.send(Message::binary(bytes.to_vec())).await.unwrap();
    }

    /// Says something; a connection that is over is found out by listening.
    pub(crate) async fn text(&mut self, text: Value) {
        drop(self.0.send(Message::text(text.to_string())).await);
    }

    /// The texts up to the end of the connection; the last is its problem.
    pub(crate) async fn texts(&mut self) -> (Vec<Value>, u16) {
        let mut texts = Vec::new();
        loop {
            match self.next().await {
                Heard::Text(text) => texts.push(text),
                Heard::Bytes(_) => {}
                Heard::Closed(code) => return (texts, code),
                Heard::Silence => panic!("nothing was heard after {texts:?}"),
            }
        }
    }

    /// The problem that ends the connection.
    pub(crate) async fn problem(&mut self) -> Value {
        let (mut texts, code) = self.texts().await;
        let last = texts.pop().unwrap_or_default();
        assert_eq!((last["type"].as_str(), code), (Some("end"), 4000), "{last} {texts:?}");
        last["problem"].clone()
    }
}

/// A port of this machine behind which any viewer finds the endpoint as a page does; and all that the pages heard.
pub(crate) async fn port(
    world: Arc<World>,
    device: String,
    endpoint: String,
    wish: Value,
) -> (u16, Arc<Mutex<Vec<Value>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let texts = heard.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let page = Page::connect(&world, &world.admin, &device, &endpoint, wish.clone()).await;
            tokio::spawn(pump(page, stream, texts.clone()));
        }
    });
    (port, heard)
}

async fn pump(page: Page, mut stream: TcpStream, texts: Arc<Mutex<Vec<Value>>>) {
    let (mut out, mut back) = page.0.split();
    let (mut input, mut output) = stream.split();
    let forth = async {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(length @ 1..) = input.read(&mut buffer).await {
            if out.send(Message::binary(buffer[..length].to_vec())).await.is_err() {
                return;
            }
        }
        let _gone_already = out.send(Message::Close(None)).await;
    };
    let back = async {
        while let Some(Ok(message)) = back.next().await {
            match message {
                Message::Binary(bytes) if output.write_all(&bytes).await.is_err() => return,
                Message::Text(text) => texts.lock().unwrap().push(serde_json::from_str(&text).unwrap()),
                _ => {}
            }
        }
    };
    tokio::select! {
        () = forth => {}
        () = back => {}
    }
}

/// A VNC endpoint on a device.
pub(crate) async fn vnc(world: &World, device: &str, port: u16, password: Option<&str>, view_only: bool) -> String {
    let mut body = json!({
        "name": format!("vnc-{port}"),
        "protocol": "VNC",
        "host": "127.0.0.1",
        "port": port,
        "view_only": view_only,
    });
    if let Some(password) = password {
        body["password"] = password.into();
    }
    world.post(&format!("/devices/{device}/endpoints"), body).await.good().text("id")
}
