//! The opening handshake of both ends (RFC 6455 §4).

use std::{fmt, str::FromStr, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, uri::PathAndQuery};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout_at},
};
use tokio_tungstenite::tungstenite::{
    handshake::{
        client::{Response, generate_key},
        derive_accept_key,
        machine::TryParse,
        server::{Request, create_response, write_response},
    },
    protocol::Role,
};

use super::WebSocket;
use crate::{Carrier, Error, Transport, error::Phase};

/// The most we read of a request's or a response's head, in bytes.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// The most we keep of the body of an answer that is not 101, in bytes.
const MAX_BODY_BYTES: usize = 16 * 1024;

const FIRST_READ_BYTES: usize = 1024;

/// What a client asks the server for.
#[derive(Clone)]
pub struct ClientRequest {
    /// The `Host` header; [`Endpoint::authority`](crate::Endpoint::authority) has it.
    pub authority: String,
    /// The path with its query.
    pub path: String,
    /// More headers, such as `Authorization`. Those of the handshake itself are not for the caller to set.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The subprotocol that the server must agree to.
    pub subprotocol: Option<String>,
}

/// Without the values of headers, which may be secrets.
impl fmt::Debug for ClientRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientRequest")
            .field("authority", &self.authority)
            .field("path", &self.path)
            .field("headers", &self.headers.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("subprotocol", &self.subprotocol)
            .finish()
    }
}

/// Does the client's handshake over `carrier`, within `limit`. Also returns the headers of the server's answer.
///
/// # Errors
///
/// [`Error::HttpStatus`] with the answer's body when the server refuses; [`Error::WebSocket`] when it breaks the
/// protocol or does not agree to the subprotocol; [`Error::TimedOut`]; [`Error::Io`]; [`Error::InvalidEndpoint`] and
/// [`Error::Unsupported`] when `request` is not one that can be sent.
///
/// # Cancel safety
///
/// Cancelling drops the connection.
pub async fn connect<S: Transport>(
    carrier: Carrier<S>,
    request: &ClientRequest,
    limit: Duration,
) -> Result<(Carrier<WebSocket<S>>, HeaderMap), Error> {
    let deadline = Instant::now() + limit;
    let key = generate_key();
    let head = request.head(&key)?;
    let (mut io, mut info) = carrier.into_parts();

    let exchange = async {
        io.write_all(&head).await?;
        io.flush().await?;
        read_head::<Response>(&mut io).await
    };
    let (response, received) = Phase::WebSocket.within(limit, exchange).await?;
    let (response, _) = response.into_parts();
    if response.status != StatusCode::SWITCHING_PROTOCOLS {
        let mut body = Body::new(&response.headers, received);
        // What has come by then is better than nothing, so neither a failure nor the end of time is an error here.
        let _ = timeout_at(deadline, body.read(&mut io)).await;
        return Err(Error::HttpStatus { status: response.status.as_u16(), body: body.into_bytes() });
    }
    check_response(&response.headers, &key, request.subprotocol.as_deref())?;

    info.subprotocol.clone_from(&request.subprotocol);
    let stream = WebSocket::start(io, received, Role::Client).await;
    Ok((Carrier::from_parts(stream, info), response.headers))
}

impl ClientRequest {
    fn head(&self, key: &str) -> Result<Vec<u8>, Error> {
        if !self.path.starts_with('/') || PathAndQuery::from_str(&self.path).is_err() {
            return Err(Error::InvalidEndpoint { reason: "the path cannot stand in an HTTP request" });
        }
        let value = |text: &str, reason| HeaderValue::from_str(text).map_err(|_| Error::InvalidEndpoint { reason });
        let authority = value(&self.authority, "the host cannot stand in an HTTP request")?;
        let subprotocol = match &self.subprotocol {
            Some(name) => Some(value(name, "the subprotocol cannot stand in an HTTP request")?),
            None => None,
        };

        let mut head = format!("GET {} HTTP/1.1\r\n", self.path).into_bytes();
        let mut line = |name: &str, value: &[u8]| {
            for part in [name.as_bytes(), b": ", value, b"\r\n"] {
                head.extend_from_slice(part);
            }
        };
        line("Host", authority.as_bytes());
        line("Connection", b"Upgrade");
        line("Upgrade", b"websocket");
        line("Sec-WebSocket-Version", b"13");
        line("Sec-WebSocket-Key", key.as_bytes());
        if let Some(subprotocol) = &subprotocol {
            line("Sec-WebSocket-Protocol", subprotocol.as_bytes());
        }
        for (name, value) in &self.headers {
            if is_of_the_handshake(name) {
                return Err(Error::Unsupported { what: "header", value: name.to_string() });
            }
            line(name.as_str(), value.as_bytes());
        }
        head.extend_from_slice(b"\r\n");
        Ok(head)
    }
}

fn is_of_the_handshake(name: &HeaderName) -> bool {
    name == header::HOST
        || name == header::CONNECTION
        || name == header::UPGRADE
        || name == header::CONTENT_LENGTH
        || name == header::TRANSFER_ENCODING
        || name.as_str().starts_with("sec-websocket-")
}

/// The rules of RFC 6455 §4.1 for the server's answer; we ask for no extensions.
fn check_response(headers: &HeaderMap, key: &str, subprotocol: Option<&str>) -> Result<(), Error> {
    if !has_token(headers, &header::UPGRADE, "websocket") || !has_token(headers, &header::CONNECTION, "upgrade") {
        return Err(broken("the server's answer is not an upgrade to WebSocket"));
    }
    if headers.get(header::SEC_WEBSOCKET_ACCEPT).is_none_or(|accept| accept != &accept_key(key)) {
        return Err(broken("the server's answer belongs to another request"));
    }
    if headers.contains_key(header::SEC_WEBSOCKET_EXTENSIONS) {
        return Err(broken("the server uses an extension that was not asked for"));
    }
    match (headers.get(header::SEC_WEBSOCKET_PROTOCOL), subprotocol) {
        (None, None) => Ok(()),
        (Some(answer), Some(asked)) if answer == asked => Ok(()),
        (None, Some(asked)) => Err(broken(format!("the server does not know the subprotocol {asked}"))),
        (Some(_), _) => Err(broken("the server speaks a subprotocol that was not asked for")),
    }
}

/// The `Sec-WebSocket-Accept` header that answers a request's `Sec-WebSocket-Key` (RFC 6455 §4.2.2).
#[must_use]
pub fn accept_key(sec_websocket_key: &str) -> String {
    derive_accept_key(sec_websocket_key.as_bytes())
}

/// Does the server's handshake over `carrier`, within `limit`, whatever the path. With a `subprotocol`, the client must
/// have offered it; without one, what it offers is ignored. A client that is refused gets status 400.
///
/// # Errors
///
/// [`Error::WebSocket`] when the client asks for something else; [`Error::TimedOut`]; [`Error::Io`].
///
/// # Cancel safety
///
/// Cancelling drops the connection.
pub async fn accept<S: Transport>(
    carrier: Carrier<S>,
    subprotocol: Option<&str>,
    limit: Duration,
) -> Result<Carrier<WebSocket<S>>, Error> {
    let (mut io, mut info) = carrier.into_parts();
    let exchange = async {
        let (request, received) = read_head::<Request>(&mut io).await?;
        let answer = response_head(&request, subprotocol);
        io.write_all(answer.as_deref().unwrap_or(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")).await?;
        io.flush().await?;
        answer.map(|_| received)
    };
    let received = Phase::WebSocket.within(limit, exchange).await?;
    info.subprotocol = subprotocol.map(str::to_owned);
    let stream = WebSocket::start(io, received, Role::Server).await;
    Ok(Carrier::from_parts(stream, info))
}

fn response_head(request: &Request, subprotocol: Option<&str>) -> Result<Vec<u8>, Error> {
    let mut response = create_response(request).map_err(|error| broken(error.to_string()))?;
    if let Some(subprotocol) = subprotocol {
        if !has_token(request.headers(), &header::SEC_WEBSOCKET_PROTOCOL, subprotocol) {
            return Err(broken(format!("the client does not offer the subprotocol {subprotocol}")));
        }
        let value = HeaderValue::from_str(subprotocol).map_err(|error| broken(error.to_string()))?;
        response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, value);
    }
    let mut head = Vec::new();
    write_response(&mut head, &response).map_err(|error| broken(error.to_string()))?;
    Ok(head)
}

fn broken(reason: impl Into<String>) -> Error {
    Error::WebSocket { reason: reason.into() }
}

/// Whether one of the comma-separated values of the header `name` is `token`, whatever its case.
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(token))
}

/// Reads the head of an HTTP/1.1 message; what came after it is returned as it is.
async fn read_head<T: TryParse>(io: &mut (impl AsyncRead + Unpin)) -> Result<(T, Bytes), Error> {
    let mut buffer = BytesMut::with_capacity(FIRST_READ_BYTES);
    let mut searched_bytes: usize = 0;
    loop {
        if io.read_buf(&mut buffer).await? == 0 {
            return Err(broken("the connection ended inside the handshake"));
        }
        let fresh = buffer.get(searched_bytes..).unwrap_or_default();
        if let Some(at) = fresh.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = buffer.split_to(searched_bytes + at + 4);
            return match T::try_parse(&head) {
                Ok(Some((_, message))) => Ok((message, buffer.freeze())),
                Ok(None) => Err(broken("the peer does not speak HTTP/1.1")),
                Err(error) => Err(broken(error.to_string())),
            };
        }
        if buffer.len() > MAX_HEAD_BYTES {
            return Err(broken(format!("the head is longer than {MAX_HEAD_BYTES} bytes")));
        }
        searched_bytes = buffer.len().saturating_sub(3);
    }
}

/// The body of a refusal, as far as we want it.
struct Body {
    framing: Framing,
    received: BytesMut,
}

#[derive(Clone, Copy)]
enum Framing {
    Length(usize),
    Chunked,
    UntilEnd,
}

impl Body {
    fn new(headers: &HeaderMap, received: Bytes) -> Self {
        let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let framing = match length {
            _ if has_token(headers, &header::TRANSFER_ENCODING, "chunked") => Framing::Chunked,
            Some(length) => Framing::Length(length),
            None => Framing::UntilEnd,
        };
        Self { framing, received: BytesMut::from(received) }
    }

    async fn read(&mut self, io: &mut (impl AsyncRead + Unpin)) {
        while self.received.len() < MAX_BODY_BYTES && !self.is_complete() {
            if !matches!(io.read_buf(&mut self.received).await, Ok(1..)) {
                return;
            }
        }
    }

    fn is_complete(&self) -> bool {
        match self.framing {
            Framing::Length(length) => self.received.len() >= length,
            Framing::Chunked => dechunk(&self.received).1,
            Framing::UntilEnd => false,
        }
    }

    fn into_bytes(self) -> Vec<u8> {
        let mut body = match self.framing {
            Framing::Chunked => dechunk(&self.received).0,
            Framing::Length(_) | Framing::UntilEnd => self.received.to_vec(),
        };
        let length = if let Framing::Length(length) = self.framing { length } else { MAX_BODY_BYTES };
        body.truncate(length.min(MAX_BODY_BYTES));
        body
    }
}

/// The content of the chunks that have arrived (RFC 9112 §7.1), and whether there is nothing more to come.
fn dechunk(mut wire: &[u8]) -> (Vec<u8>, bool) {
    let mut content = Vec::new();
    while let Some(line_end) = wire.windows(2).position(|window| window == b"\r\n") {
        let (line, rest) = wire.split_at(line_end);
        let digits = line.split(|byte| *byte == b';').next().and_then(|digits| std::str::from_utf8(digits).ok());
        let size = digits.and_then(|digits| usize::from_str_radix(digits.trim(), 16).ok());
        // A size that is none ends the body: what is left cannot be understood.
        let Some(size @ 1..) = size else { return (content, true) };
        let rest = rest.get(2..).unwrap_or_default();
        let Some(chunk) = rest.get(..size) else {
            content.extend_from_slice(rest);
            return (content, false);
        };
        content.extend_from_slice(chunk);
        wire = rest.get(size.saturating_add(2)..).unwrap_or_default();
    }
    (content, false)
}
