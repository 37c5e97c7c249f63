//! One JSON request to the cloud over a carrier of its own: all that enrolment needs of HTTP.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use towline_cloud_api::{ErrorCode, Problem};
use towline_transport::{dial, tls::Trust};

use crate::{CloudUrl, WayOut, answer_problem, dial_problem};

const LIMIT: Duration = Duration::from_secs(30);
/// The application protocol of requests, and of a WebSocket's handshake.
pub(crate) const HTTP: &str = "http/1.1";
const MAX_ANSWER_BYTES: usize = 64 * 1024;

pub(crate) async fn get<A: DeserializeOwned>(
    cloud: &CloudUrl,
    trust: &Trust,
    way_out: &WayOut,
    path: &str,
) -> Result<A, Problem> {
    request(cloud, trust, way_out, Method::GET, path, Bytes::new()).await
}

pub(crate) async fn post<A: DeserializeOwned>(
    cloud: &CloudUrl,
    trust: &Trust,
    way_out: &WayOut,
    path: &str,
    body: &impl Serialize,
) -> Result<A, Problem> {
    let body = serde_json::to_vec(body).map_err(|error| Problem::new(ErrorCode::BadRequest, error.to_string()))?;
    request(cloud, trust, way_out, Method::POST, path, body.into()).await
}

async fn request<A: DeserializeOwned>(
    cloud: &CloudUrl,
    trust: &Trust,
    way_out: &WayOut,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<A, Problem> {
    let unreachable = |cause: String| Problem::new(ErrorCode::CloudUnreachable, format!("{cloud}: {cause}"));
    let exchange = async {
        cloud.check_encryption()?;
        let endpoint = cloud.stream().map_err(|error| dial_problem(cloud, &error))?;
        let carrier =
            dial(&endpoint, &way_out.options(trust, HTTP)).await.map_err(|error| dial_problem(cloud, &error))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(carrier)).await.map_err(|error| unreachable(error.to_string()))?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, cloud.authority())
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, crate::IMPLEMENTATION)
            .body(Full::new(body))
            .map_err(|error| Problem::new(ErrorCode::BadRequest, error.to_string()))?;
        let answer = async {
            let answer = sender.send_request(request).await.map_err(|error| unreachable(error.to_string()))?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect().await;
            Ok::<_, Problem>((status, body.map_err(|error| unreachable(error.to_string()))?.to_bytes()))
        };
        // The connection does the reading and writing; when it ends first, the answer's future says why.
        let mut connection = std::pin::pin!(connection);
        let mut answer = std::pin::pin!(answer);
        let (status, body) = tokio::select! {
            answer = &mut answer => answer?,
            _ = &mut connection => answer.await?,
        };
        if !status.is_success() {
            return Err(answer_problem(cloud, status.as_u16(), &body));
        }
        serde_json::from_slice(&body)
            .map_err(|error| Problem::new(ErrorCode::ProtocolMismatch, format!("{cloud} answered {path}: {error}")))
    };
    tokio::time::timeout(LIMIT, exchange).await.map_err(|_| unreachable(format!("no answer within {LIMIT:?}")))?
}
