//! The cloud's REST API.

use std::{error::Error as StdError, io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, header};
use reqwest::{Client, Response, Url, redirect};
use serde::{Serialize, de::DeserializeOwned};
use towline_agent::{CloudUrl, WayOut, answer_problem};
use towline_cloud_api::{ErrorCode, Login, LoginGranted, Page, Problem};
use towline_transport::tls::{self, Trust};

use crate::progress::waiting;

const LIMIT: Duration = Duration::from_secs(30);
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
const PAGE_ITEMS: usize = 100;
const NOTHING: Option<&()> = None;
const ROOT: [&str; 2] = ["api", "v1"];

/// A client of `/api/v1`. Failures come back in the words of the closed list.
pub(crate) struct Api {
    client: Client,
    cloud: CloudUrl,
    root: Url,
    /// The proxy that leads there, without its secrets.
    proxy: Option<String>,
    token: Option<String>,
}

impl Api {
    pub(crate) fn new(cloud: &CloudUrl, trust: &Trust, way_out: &WayOut, token: Option<&str>) -> Result<Self, Problem> {
        cloud.check_encryption()?;
        let dial_problem = |error| towline_agent::dial_problem(cloud, &error);
        let proxy =
            cloud.stream().and_then(|endpoint| way_out.proxies.for_endpoint(&endpoint)).map_err(dial_problem)?;
        let tls = way_out.client_config(trust, "http/1.1", proxy.as_ref()).map_err(dial_problem)?;
        let mut builder = Client::builder()
            .tls_backend_preconfigured(Arc::unwrap_or_clone(tls))
            .http1_only()
            .redirect(redirect::Policy::none())
            .referer(false)
            .connect_timeout(CONNECT_LIMIT)
            .user_agent(concat!("towline/", env!("CARGO_PKG_VERSION")));
        let unusable = |error: &dyn StdError| Problem::new(ErrorCode::BadRequest, format!("{cloud}: {error}"));
        // As the tunnel does: what is said explicitly, else what the environment says, but for this machine itself.
        if let Some(proxy) = way_out.explicit_proxy() {
            builder = builder.proxy(reqwest::Proxy::all(proxy).map_err(|error| unusable(&error))?);
        } else if cloud.is_loopback() {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| unusable(&error))?;
        let root = cloud.to_string().parse().map_err(|error| unusable(&error))?;
        let proxy = proxy.map(|proxy| proxy.to_string());
        Ok(Self { client, cloud: cloud.clone(), root, proxy, token: token.map(Into::into) })
    }

    /// Trades a password, and the code of the second factor if there is one, for a token.
    pub(crate) async fn login(
        &self,
        user: &str,
        password: &str,
        totp_code: Option<&str>,
    ) -> Result<LoginGranted, Problem> {
        let login = Login { user: user.into(), password: password.into(), totp_code: totp_code.map(Into::into) };
        self.post(&["login"], &login).await
    }

    pub(crate) async fn get<A: DeserializeOwned>(&self, path: &[&str], query: &[(&str, &str)]) -> Result<A, Problem> {
        Ok(self.get_dated(path, query).await?.0)
    }

    /// The answer, and the time of it as the cloud's clock has it.
    pub(crate) async fn get_dated<A: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<(A, Option<String>), Problem> {
        let answer = self.send(Method::GET, path, query, NOTHING, Some(LIMIT)).await?;
        let date = answer.headers().get(header::DATE).and_then(|date| date.to_str().ok()).map(Into::into);
        Ok((self.parsed(&self.body(answer).await?)?, date))
    }

    /// An answer that comes bit by bit, for as long as it takes.
    pub(crate) async fn get_stream(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Stream<'_>, Problem> {
        let answer = self.send(Method::GET, path, query, NOTHING, None).await?;
        Ok(Stream { api: self, answer })
    }

    pub(crate) async fn post<A: DeserializeOwned>(&self, path: &[&str], body: &impl Serialize) -> Result<A, Problem> {
        let answer = self.send(Method::POST, path, &[], Some(body), Some(LIMIT)).await?;
        self.parsed(&self.body(answer).await?)
    }

    pub(crate) async fn patch<A: DeserializeOwned>(&self, path: &[&str], body: &impl Serialize) -> Result<A, Problem> {
        let answer = self.send(Method::PATCH, path, &[], Some(body), Some(LIMIT)).await?;
        self.parsed(&self.body(answer).await?)
    }

    /// A request whose answer does not matter, as long as it is a success.
    pub(crate) async fn tell(&self, method: Method, path: &[&str], body: &impl Serialize) -> Result<(), Problem> {
        self.send(method, path, &[], Some(body), Some(LIMIT)).await.map(drop)
    }

    /// A POST without a body, whose answer does not matter.
    pub(crate) async fn post_nothing(&self, path: &[&str]) -> Result<(), Problem> {
        self.send(Method::POST, path, &[], NOTHING, Some(LIMIT)).await.map(drop)
    }

    /// A PUT without a body, whose answer does not matter.
    pub(crate) async fn put_nothing(&self, path: &[&str]) -> Result<(), Problem> {
        self.send(Method::PUT, path, &[], NOTHING, Some(LIMIT)).await.map(drop)
    }

    pub(crate) async fn delete(&self, path: &[&str]) -> Result<(), Problem> {
        self.send(Method::DELETE, path, &[], NOTHING, Some(LIMIT)).await.map(drop)
    }

    /// The objects of a list, page after page, up to `limit`.
    pub(crate) async fn list<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        limit: usize,
    ) -> Result<Vec<T>, Problem> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        while items.len() < limit {
            let page_items = limit.saturating_sub(items.len()).min(PAGE_ITEMS).to_string();
            let mut query = query.to_vec();
            query.push(("limit", &page_items));
            query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let page: Page<T> = self.get(path, &query).await?;
            let nothing_came = page.items.is_empty();
            items.extend(page.items);
            match page.next {
                Some(next) if !nothing_came => cursor = Some(next),
                _ => break,
            }
        }
        items.truncate(limit);
        Ok(items)
    }

    async fn send(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&impl Serialize>,
        limit: Option<Duration>,
    ) -> Result<Response, Problem> {
        let mut url = self.root.clone();
        match url.path_segments_mut() {
            Ok(mut segments) => {
                segments.clear().extend(ROOT).extend(path);
            }
            Err(()) => return Err(Problem::new(ErrorCode::BadRequest, format!("{} has no paths", self.cloud))),
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut request = self.client.request(method, url);
        if let Some(limit) = limit {
            request = request.timeout(limit);
        }
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let asked = async {
            let answer = request.send().await.map_err(|error| self.problem(&error))?;
            let status = answer.status();
            if status.is_success() {
                return Ok(answer);
            }
            Err(answer_problem(&self.cloud, status.as_u16(), &self.body(answer).await?))
        };
        waiting(|| format!("asking {}", self.cloud), asked).await
    }

    async fn body(&self, answer: Response) -> Result<Vec<u8>, Problem> {
        answer.bytes().await.map(Into::into).map_err(|error| self.problem(&error))
    }

    fn parsed<A: DeserializeOwned>(&self, body: &[u8]) -> Result<A, Problem> {
        serde_json::from_slice(body).map_err(|error| {
            Problem::new(ErrorCode::ProtocolMismatch, format!("{} answered something else: {error}", self.cloud))
        })
    }

    fn problem(&self, error: &reqwest::Error) -> Problem {
        let code = if tls::pin_mismatch(error).is_some() {
            ErrorCode::PinMismatch
        } else if is_of_tls(error) {
            ErrorCode::TlsFailed
        } else if let Some(proxy) = self.proxy.as_ref().filter(|_| error.is_connect()) {
            let detail = format!("{} through the proxy {proxy}: {}", self.cloud, root_cause(error));
            return Problem::new(ErrorCode::ProxyFailed, detail);
        } else {
            ErrorCode::CloudUnreachable
        };
        Problem::new(code, format!("{}: {}", self.cloud, root_cause(error)))
    }
}

/// What comes of an answer, bit by bit.
pub(crate) struct Stream<'a> {
    api: &'a Api,
    answer: Response,
}

impl Stream<'_> {
    /// The next bytes; `None` at the end.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        self.answer.chunk().await.map_err(|error| self.api.problem(&error))
    }
}

/// What lies at the bottom says most: the layers above only repeat that a request failed.
fn root_cause(error: &dyn StdError) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

fn is_of_tls(error: &(dyn StdError + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<rustls::Error>() {
            return true;
        }
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    false
}
