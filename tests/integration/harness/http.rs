//! A blocking HTTP client that keeps status, headers and JSON body of an answer.

use serde_json::Value;
use ureq::Agent;
use ureq::http::Response;

use super::PATIENCE;

/// Pages a listing may have before a test calls it endless.
const PAGES_MAX: usize = 10_000;

/// One HTTP answer, whatever its status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The `Chargebook-Position` header of a write.
    pub(crate) position: Option<String>,
    pub(crate) content_type: String,
    pub(crate) text: String,
}

impl Answer {
    /// The answer, if it has this status; a test fails with the whole answer otherwise.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

/// A client of one server, with or without a token.
#[derive(Clone)]
pub(crate) struct Http {
    agent: Agent,
    base: String,
    authorization: Option<String>,
}

impl Http {
    pub(crate) fn new(address: &str, token: Option<&str>) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            // Each request on a connection of its own: servers come and go in these tests.
            .max_idle_connections(0)
            .build();
        Self {
            agent: Agent::new_with_config(config),
            base: format!("http://{address}"),
            authorization: token.map(|token| format!("Bearer {token}")),
        }
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        let mut request = self.agent.get(self.url(path));
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        answer(request.call().expect("the server answers"))
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[], &body.to_string())
    }

    pub(crate) fn put(&self, path: &str, body: &Value) -> Answer {
        self.send("PUT", path, &[], &body.to_string())
    }

    pub(crate) fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send("PATCH", path, &[], &body.to_string())
    }

    /// A request with a body that need not be JSON, and more headers.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let url = self.url(path);
        let mut request = match method {
            "POST" => self.agent.post(url),
            "PUT" => self.agent.put(url),
            "PATCH" => self.agent.patch(url),
            "DELETE" => self.agent.delete(url).force_send_body(),
            other => panic!("no method {other} here"),
        };
        request = request.header("Content-Type", "application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answer(request.send(body).expect("the server answers"))
    }

    /// Every item of a listing, page by page.
    #[track_caller]
    pub(crate) fn list(&self, path: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut page = path.to_owned();
        for _ in 0..PAGES_MAX {
            let answer = self.get(&page).expect(200).json();
            items.extend(answer["items"].as_array().expect("items").iter().cloned());
            let next = match &answer["next"] {
                Value::Null => return items,
                Value::String(next) => next.clone(),
                other => other.to_string(),
            };
            let joint = if path.contains('?') { '&' } else { '?' };
            page = if next.starts_with('/') { next } else { format!("{path}{joint}after={next}") };
        }
        panic!("{path} has more than {PAGES_MAX} pages");
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

fn answer(mut response: Response<ureq::Body>) -> Answer {
    let header = |name: &str| {
        let value = response.headers().get(name)?;
        Some(value.to_str().expect("a plain header").to_owned())
    };
    Answer {
        status: response.status().as_u16(),
        position: header("chargebook-position"),
        content_type: header("content-type").unwrap_or_default(),
        text: response.body_mut().read_to_string().expect("a text body"),
    }
}
