//! The one table of routes: from each row come both the route and its entry in the OpenAPI document. What a route takes
//! and gives is read off its handler's types, so that the document cannot say otherwise.

use std::sync::{Arc, OnceLock};

use axum::{
    Router,
    extract::Request,
    handler::Handler,
    middleware,
    response::{IntoResponse, Response},
    routing::{MethodFilter, on},
};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use towline_cloud_api::{Page, Permission, Problem};
use utoipa::{
    IntoParams, PartialSchema, ToSchema,
    openapi::{
        Components, Content, HttpMethod, InfoBuilder, OpenApi, OpenApiBuilder, Paths, Ref, RefOr, Required,
        Response as Described, Schema,
        extensions::Extensions,
        path::{Operation, Parameter, ParameterBuilder, ParameterIn},
        request_body::RequestBodyBuilder,
        schema::{ObjectBuilder, Type},
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use super::{Created, Done, Failure, Json, Listed, Path, Query, agent::Host, idempotency};
use crate::auth::{Caller, Door, Site, Stranger, Visit};

/// Where the whole API is.
const BASE: &str = "/api/v1";
const BEARER: &str = "bearer";
const COOKIE: &str = "cookie";
const DEVICE_PROOF: &str = "device-proof";

/// What a caller needs for a route: `x-permission` and `x-permission-on` in the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Needs {
    /// Nothing: the route comes before a login.
    Nothing,
    /// A login; what is shown or changed is one's own, or what one may see.
    Login,
    /// A device's proof of identity.
    DeviceProof,
    /// A permission on at least one device group.
    Anywhere(Permission),
    /// A permission on the device that it is about; without any on it the device does not exist.
    OnDevice(Permission),
    /// A permission on the device that a record is about, or that the record is one's own.
    OnRecord(Permission),
    /// A permission on all devices, those to come included.
    Everywhere(Permission),
}

impl Needs {
    fn words(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Nothing => ("none", None),
            Self::Login => ("login", None),
            Self::DeviceProof => (DEVICE_PROOF, None),
            Self::Anywhere(permission) => (permission.as_str(), Some("anywhere")),
            Self::OnDevice(permission) => (permission.as_str(), Some("device")),
            Self::OnRecord(permission) => (permission.as_str(), Some("record")),
            Self::Everywhere(permission) => (permission.as_str(), Some("all-devices")),
        }
    }

    fn security(self) -> Vec<SecurityRequirement> {
        match self {
            Self::Nothing => Vec::new(),
            Self::DeviceProof => vec![SecurityRequirement::new::<_, [&str; 0], _>(DEVICE_PROOF, [])],
            _ => [BEARER, COOKIE].map(|scheme| SecurityRequirement::new::<_, [&str; 0], _>(scheme, [])).to_vec(),
        }
    }
}

/// An operation of the document in the making, and the schemas that it refers to.
pub(super) struct Entry<'a> {
    operation: Operation,
    components: &'a mut Components,
}

impl Entry<'_> {
    /// The schema of a type, by reference.
    pub(super) fn schema<T: ToSchema>(&mut self) -> RefOr<Schema> {
        let mut nested = Vec::new();
        T::schemas(&mut nested);
        self.components.schemas.extend(nested);
        let name = T::name();
        self.components.schemas.insert(name.to_string(), T::schema());
        RefOr::Ref(Ref::from_schema_name(name))
    }

    fn answer(&mut self, status: StatusCode, description: &str, content: Option<(&str, Content)>) {
        let mut response = Described::new(description);
        if let Some((kind, content)) = content {
            response.content.insert(kind.into(), content.into());
        }
        self.operation.responses.responses.insert(status.as_str().into(), RefOr::T(response));
    }

    fn parameter(&mut self, parameter: Parameter) {
        self.operation.parameters.get_or_insert_default().push(parameter.into());
    }
}

/// What a handler takes.
pub(super) trait Takes {
    fn describe(entry: &mut Entry<'_>);
}

/// What a handler gives.
pub(super) trait Gives {
    fn describe(entry: &mut Entry<'_>);
}

/// A handler that describes itself.
pub(super) trait Handles<Parts> {
    fn describe(entry: &mut Entry<'_>);
}

macro_rules! handles {
    ($($part:ident)*) => {
        impl<F, Answered, Given, $($part),*> Handles<($($part,)*)> for F
        where
            F: FnOnce($($part),*) -> Answered,
            Answered: Future<Output = Result<Given, Failure>>,
            Given: Gives,
            $($part: Takes,)*
        {
            fn describe(entry: &mut Entry<'_>) {
                $(<$part as Takes>::describe(entry);)*
                Given::describe(entry);
            }
        }
    };
}

handles!();
handles!(A);
handles!(A B);
handles!(A B C);
handles!(A B C D);

impl Takes for Caller {
    fn describe(_: &mut Entry<'_>) {}
}

impl Takes for Stranger {
    fn describe(_: &mut Entry<'_>) {}
}

impl Takes for Site {
    fn describe(_: &mut Entry<'_>) {}
}

impl Takes for Visit {
    fn describe(entry: &mut Entry<'_>) {
        entry.parameter(
            ParameterBuilder::new()
                .name("origin")
                .parameter_in(ParameterIn::Header)
                .required(Required::True)
                .description(Some("the cloud's own: browsers say which page asks"))
                .schema(Some(ObjectBuilder::new().schema_type(Type::String).build()))
                .build(),
        );
    }
}

impl Takes for Host {
    fn describe(_: &mut Entry<'_>) {}
}

impl Takes for Request {
    fn describe(_: &mut Entry<'_>) {}
}

// The route's path names its parameters.
impl<T> Takes for Path<T> {
    fn describe(_: &mut Entry<'_>) {}
}

impl<T: IntoParams> Takes for Query<T> {
    fn describe(entry: &mut Entry<'_>) {
        for parameter in T::into_params(|| Some(ParameterIn::Query)) {
            entry.parameter(parameter);
        }
    }
}

impl<T: ToSchema> Takes for Json<T> {
    fn describe(entry: &mut Entry<'_>) {
        let content = Content::new(Some(entry.schema::<T>()));
        let body = RequestBodyBuilder::new().content("application/json", content).required(Some(Required::True));
        entry.operation.request_body = Some(body.build().into());
    }
}

impl<T: ToSchema> Gives for Json<T> {
    fn describe(entry: &mut Entry<'_>) {
        let content = Content::new(Some(entry.schema::<T>()));
        entry.answer(StatusCode::OK, "as asked", Some(("application/json", content)));
    }
}

impl<T: ToSchema> Gives for Created<T> {
    fn describe(entry: &mut Entry<'_>) {
        let content = Content::new(Some(entry.schema::<T>()));
        entry.answer(StatusCode::CREATED, "made", Some(("application/json", content)));
        let text = ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(128));
        entry.parameter(
            ParameterBuilder::new()
                .name(idempotency::HEADER)
                .parameter_in(ParameterIn::Header)
                .description(Some("the same key within 24 hours gets the same answer, and nothing is made twice"))
                .schema(Some(text.build()))
                .build(),
        );
    }
}

impl<T: ToSchema> Gives for Listed<T> {
    fn describe(entry: &mut Entry<'_>) {
        entry.schema::<T>();
        // Each kind of page is described where it stands: they would all be called Page.
        let content = Content::new(Some(Page::<T>::schema()));
        entry.answer(
            StatusCode::OK,
            "one page; `next` is the cursor of the one after",
            Some(("application/json", content)),
        );
    }
}

impl Gives for Done {
    fn describe(entry: &mut Entry<'_>) {
        entry.answer(StatusCode::NO_CONTENT, "done", None);
    }
}

/// An answer of another kind than JSON, with what the document says of it.
pub(super) trait Special: IntoResponse {
    const STATUS: StatusCode = StatusCode::OK;
    const KIND: &'static str;
    const DESCRIPTION: &'static str;

    /// What the document says of the answer's parts.
    fn schema(_: &mut Entry<'_>) -> Option<RefOr<Schema>> {
        None
    }
}

impl<T: Special> Gives for T {
    fn describe(entry: &mut Entry<'_>) {
        let content = (!T::KIND.is_empty()).then(|| (T::KIND, Content::new(T::schema(entry))));
        entry.answer(T::STATUS, T::DESCRIPTION, content);
    }
}

/// The API in the making.
pub(super) struct Api {
    door: Door,
    router: Router<Door>,
    paths: Paths,
    components: Components,
    document: Arc<OnceLock<Bytes>>,
}

impl Api {
    pub(super) fn new(door: Door) -> Self {
        let document = Arc::default();
        Self { door, router: Router::new(), paths: Paths::new(), components: Components::new(), document }
    }

    pub(super) fn get<H, M, P>(self, path: &str, id: &str, needs: Needs, summary: &str, handler: H) -> Self
    where
        H: Handler<M, Door> + Handles<P>,
        M: 'static,
    {
        self.row((HttpMethod::Get, MethodFilter::GET), path, id, needs, summary, handler)
    }

    pub(super) fn post<H, M, P>(self, path: &str, id: &str, needs: Needs, summary: &str, handler: H) -> Self
    where
        H: Handler<M, Door> + Handles<P>,
        M: 'static,
    {
        self.row((HttpMethod::Post, MethodFilter::POST), path, id, needs, summary, handler)
    }

    pub(super) fn put<H, M, P>(self, path: &str, id: &str, needs: Needs, summary: &str, handler: H) -> Self
    where
        H: Handler<M, Door> + Handles<P>,
        M: 'static,
    {
        self.row((HttpMethod::Put, MethodFilter::PUT), path, id, needs, summary, handler)
    }

    pub(super) fn patch<H, M, P>(self, path: &str, id: &str, needs: Needs, summary: &str, handler: H) -> Self
    where
        H: Handler<M, Door> + Handles<P>,
        M: 'static,
    {
        self.row((HttpMethod::Patch, MethodFilter::PATCH), path, id, needs, summary, handler)
    }

    pub(super) fn delete<H, M, P>(self, path: &str, id: &str, needs: Needs, summary: &str, handler: H) -> Self
    where
        H: Handler<M, Door> + Handles<P>,
        M: 'static,
    {
        self.row((HttpMethod::Delete, MethodFilter::DELETE), path, id, needs, summary, handler)
    }

    /// The document itself.
    pub(super) fn document(self, path: &str, id: &str, summary: &str) -> Self {
        let document = self.document.clone();
        let show = move || async move { Ok::<_, Failure>(Document(document.get().cloned().unwrap_or_default())) };
        self.get(path, id, Needs::Nothing, summary, show)
    }

    fn row<H, M, P>(
        mut self,
        (method, filter): (HttpMethod, MethodFilter),
        path: &str,
        id: &str,
        needs: Needs,
        summary: &str,
        handler: H,
    ) -> Self
    where
        H: Handler<M, Door> + Handles<P>,
        M: 'static,
    {
        let mut entry = Entry { operation: Operation::new(), components: &mut self.components };
        for name in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
            let id = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[0-9]{1,20}$"));
            let parameter = ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Path)
                .required(Required::True)
                .description(Some(format!("the {name}'s id")))
                .schema(Some(id.build()));
            entry.parameter(parameter.build());
        }
        H::describe(&mut entry);
        let problem = Content::new(Some(entry.schema::<Problem>()));
        let mut failure = Described::new("a problem document (RFC 9457)");
        failure.content.insert("application/problem+json".into(), problem.into());
        let Entry { mut operation, .. } = entry;
        operation.responses.responses.insert("default".into(), RefOr::T(failure));
        operation.operation_id = Some(id.into());
        operation.summary = Some(summary.into());
        operation.tags = id.split_once('.').map(|(tag, _)| vec![tag.into()]);
        operation.security = Some(needs.security());
        let (word, on) = needs.words();
        let words = [("x-permission", Some(word)), ("x-permission-on", on)];
        operation.extensions =
            Some(words.into_iter().filter_map(|(key, word)| Some((key, word?))).collect::<Extensions>());

        let mut routes = on_method(filter, handler);
        if operation.responses.responses.contains_key(StatusCode::CREATED.as_str()) {
            routes = routes.layer(middleware::from_fn_with_state(self.door.clone(), idempotency::once));
        }
        let path = format!("{BASE}{path}");
        self.router = self.router.route(&path, routes);
        self.paths.add_path_operation(path, vec![method], operation);
        self
    }

    /// The routes, and the document about them.
    pub(super) fn finish(mut self) -> Router<Door> {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("from `login`")).build();
        self.components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
        let cookie = ApiKeyValue::with_description(
            "__Host-towline",
            "from `browser.login`; on plain loopback `towline-PORT`. What changes something needs the cloud's own `Origin` too",
        );
        self.components.add_security_scheme(COOKIE, SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
        let proof = ApiKeyValue::with_description(
            "authorization",
            "`Towline-Device v1 {device} {nonce} {signature}`: Ed25519 over `towline device v1`, host, device and nonce",
        );
        self.components.add_security_scheme(DEVICE_PROOF, SecurityScheme::ApiKey(ApiKey::Header(proof)));
        let info = InfoBuilder::new()
            .title("Towline")
            .version(env!("CARGO_PKG_VERSION"))
            .description(Some("Reach devices behind NAT. Ids are decimal strings, times RFC 3339 in UTC."))
            .build();
        let document: OpenApi =
            OpenApiBuilder::new().info(info).paths(self.paths).components(Some(self.components)).build();
        // It is made of strings, numbers and lists, all of which JSON can write.
        let _ = self.document.set(serde_json::to_vec(&document).unwrap_or_default().into());
        self.router
    }
}

fn on_method<H, M>(filter: MethodFilter, handler: H) -> axum::routing::MethodRouter<Door>
where
    H: Handler<M, Door>,
    M: 'static,
{
    on(filter, handler)
}

struct Document(Bytes);

impl Special for Document {
    const KIND: &'static str = "application/json";
    const DESCRIPTION: &'static str = "this document";
}

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        let mut response = self.0.into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(Self::KIND));
        response
    }
}
