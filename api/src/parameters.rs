//! The parameters of queries: each route takes those that the OpenAPI document says, and refuses
//! others by name. A misspelt filter would otherwise give the whole list.

use crate::problem::Problem;
use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::collections::HashMap;
use std::sync::Arc;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::{OpenApi, PathItem, RefOr};

/// The names of the parameters that each route takes. Cheap to clone.
#[derive(Clone)]
pub(crate) struct KnownParameters(Arc<HashMap<(Method, String), Vec<String>>>);

impl KnownParameters {
    /// What a document says of its routes.
    pub(crate) fn of(document: &OpenApi) -> Self {
        let routes = document.paths.paths.iter().flat_map(|(path, item)| {
            operations(item).map(move |(method, operation)| ((method, path.clone()), operation))
        });
        Self(Arc::new(routes.map(|(route, operation)| (route, names(operation))).collect()))
    }

    fn at(&self, method: &Method, path: &str) -> &[String] {
        // A HEAD is a GET without its body.
        let method = if method == Method::HEAD { &Method::GET } else { method };
        self.0.get(&(method.clone(), path.to_owned())).map_or(&[], Vec::as_slice)
    }
}

/// Lets requests through whose query has no parameter that the route does not take.
pub(crate) async fn known_parameters(
    State(known): State<KnownParameters>,
    path: MatchedPath,
    request: Request,
    next: Next,
) -> Response {
    type Given = axum::extract::Query<Vec<(String, String)>>;
    let known = known.at(request.method(), path.as_str());
    // What is no query at all is said where it is read.
    let given = Given::try_from_uri(request.uri()).map(|query| query.0).unwrap_or_default();
    match given.iter().find(|(name, _)| !known.contains(name)) {
        Some((name, _)) => Problem::unknown_parameter(name, known).into_response(),
        None => next.run(request).await,
    }
}

fn operations(item: &PathItem) -> impl Iterator<Item = (Method, &Operation)> {
    let operations = [
        (Method::GET, &item.get),
        (Method::PUT, &item.put),
        (Method::POST, &item.post),
        (Method::PATCH, &item.patch),
        (Method::DELETE, &item.delete),
    ];
    operations.into_iter().filter_map(|(method, operation)| Some((method, operation.as_ref()?)))
}

fn names(operation: &Operation) -> Vec<String> {
    let parameters = operation.parameters.iter().flatten();
    let named = parameters.filter_map(|parameter| match parameter {
        RefOr::T(parameter) => Some(parameter),
        RefOr::Ref(_) => None,
    });
    let in_query = named.filter(|parameter| parameter.parameter_in == ParameterIn::Query);
    in_query.map(|parameter| parameter.name.clone()).collect()
}
