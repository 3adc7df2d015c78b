//! The OpenAPI document: what the routes say of themselves, and what is true of all of them.

use crate::past::{MomentParameters, is_of_any_moment};
use crate::problem::{MEDIA_TYPE, Problem};
use crate::request::WaitParameters;
use crate::routes::{guarded_routes, open_routes};
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, ParameterIn, PathItem};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Content, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoParams, OpenApi};
use utoipa_axum::router::OpenApiRouter;

/// The header of writes, as people write it.
const POSITION: &str = "Chargebook-Position";
/// Where every answer that has no entry of its own is described.
const ANY_STATUS: &str = "default";

/// The OpenAPI document, pretty JSON that ends with a newline.
pub fn openapi() -> String {
    // A document of plain maps and strings always has a JSON form.
    let text = document().to_pretty_json().unwrap_or_default();
    format!("{text}\n")
}

/// The OpenAPI document.
pub(crate) fn document() -> utoipa::openapi::OpenApi {
    let mut document = OpenApiRouter::with_openapi(Description::openapi())
        .merge(open_routes())
        .merge(guarded_routes())
        .into_openapi();
    for (path, item) in &mut document.paths.paths {
        describe(path, item);
    }
    document
}

/// Adds what every route has: its problems, the position of its writes, and that its reads wait.
fn describe(path: &str, item: &mut PathItem) {
    let guarded = path.starts_with("/v1/");
    if let Some(read) = item.get.as_mut().filter(|_| guarded) {
        add_parameters::<WaitParameters>(read);
    }
    if let Some(read) = item.get.as_mut().filter(|_| is_of_any_moment(path)) {
        add_parameters::<MomentParameters>(read);
    }
    let reads = item.get.iter_mut().map(|operation| (operation, false));
    let writes = [&mut item.put, &mut item.post, &mut item.patch];
    let writes = writes.into_iter().flatten().map(|operation| (operation, true));
    for (operation, is_write) in reads.chain(writes) {
        if guarded {
            add_problems(operation);
        }
        for (status, response) in &mut operation.responses.responses {
            let RefOr::T(response) = response else { continue };
            if is_write && status.starts_with('2') {
                add_position(response);
            }
            let is_problem = response.content.values().any(|content| {
                matches!(content, RefOr::T(content) if content.schema == Some(problem_schema()))
            });
            if is_problem {
                response.content = [(MEDIA_TYPE.to_owned(), problem_content())].into();
            }
        }
    }
}

fn add_problems(operation: &mut Operation) {
    let responses = &mut operation.responses.responses;
    for (status, description) in [
        ("400", "The request cannot be read"),
        ("401", "No valid token"),
        (ANY_STATUS, "What else can go wrong: 413, 415, 500, 503, 504"),
    ] {
        let problem = ResponseBuilder::new().description(description);
        let problem = problem.content(MEDIA_TYPE, Content::new(Some(problem_schema()))).build();
        responses.entry(status.to_owned()).or_insert(RefOr::T(problem));
    }
}

fn add_parameters<P: IntoParams>(operation: &mut Operation) {
    let parameters = operation.parameters.get_or_insert_default();
    for parameter in P::into_params(|| Some(ParameterIn::Query)) {
        let parameter = RefOr::T(parameter);
        if !parameters.contains(&parameter) {
            parameters.push(parameter);
        }
    }
}

fn add_position(response: &mut Response) {
    let position = HeaderBuilder::new()
        .schema(Some(ObjectBuilder::new().schema_type(Type::Integer)))
        .description(Some("Where the log stands with this write; a read's `wait_for`"))
        .build();
    response.headers.insert(POSITION.to_owned(), RefOr::T(position));
}

fn problem_schema() -> RefOr<utoipa::openapi::Schema> {
    RefOr::Ref(Ref::from_schema_name("Problem"))
}

fn problem_content() -> RefOr<Content> {
    RefOr::T(Content::new(Some(problem_schema())))
}

/// What the document says beside the routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Chargebook",
        description = "A charging management system. Everything that happens is an event in a \
            log; what is read here is derived from it.\n\n\
            Everything under `/v1` needs `Authorization: Bearer TOKEN`. Every write answers the \
            header `Chargebook-Position` and is in force when the answer arrives; a read that \
            must have seen it takes `?wait_for=POSITION`. Reads of what changes answer for any \
            moment: `?as_of=` what had happened by a time, `?known_at=` what was known by a \
            time or position. Lists are pages: send `next` as `after` to get the next one. \
            Instants are RFC 3339 in UTC, money is a decimal string in major units, \
            energy is in Wh. What cannot be done is answered with a problem (RFC 9457). A \
            parameter that a route does not take is refused by name; a \
            filter by a thing that there is not gives an empty list.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    components(schemas(Problem)),
    security(("token" = [])),
    modifiers(&TokenScheme),
    tags(
        (name = "stations", description = "Charge points and their connectors"),
        (name = "commands", description = "Intents to stations"),
        (name = "tokens", description = "What drivers present"),
        (name = "drivers", description = "Who charges and pays"),
        (name = "sites", description = "Where stations stand"),
        (name = "tariffs", description = "What charging costs"),
        (name = "sessions", description = "Charging sessions"),
        (name = "invoices", description = "What was billed, and its proof"),
        (name = "accounts", description = "Who owes, and what was paid in"),
        (name = "log", description = "The log itself, and live changes"),
        (name = "analytics", description = "Sums over time"),
        (name = "server", description = "The state of this server"),
    ),
)]
struct Description;

struct TokenScheme;

impl utoipa::Modify for TokenScheme {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        components.add_security_scheme("token", scheme);
    }
}
