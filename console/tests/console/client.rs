//! A browser without a screen: keeps its cookie, reads pages whole.

use crate::world::{ADMIN_TOKEN, World};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use tower::ServiceExt;

pub(crate) struct Browser {
    router: Router,
    pub(crate) cookie: Option<String>,
}

pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Page {
    pub(crate) fn location(&self) -> &str {
        self.headers.get(header::LOCATION).and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    #[track_caller]
    pub(crate) fn shows(&self, text: &str) -> &Self {
        assert!(self.text.contains(text), "no `{text}` in:\n{}", self.text);
        self
    }

    #[track_caller]
    pub(crate) fn hides(&self, text: &str) -> &Self {
        assert!(!self.text.contains(text), "`{text}` in:\n{}", self.text);
        self
    }

    /// The CSRF token of the page's forms.
    pub(crate) fn csrf(&self) -> String {
        let (_, rest) = self.text.split_once("name=\"csrf\" value=\"").unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    }
}

impl Browser {
    pub(crate) fn new(world: &World) -> Self {
        Self { router: world.router(), cookie: None }
    }

    pub(crate) async fn logged_in(world: &World) -> Self {
        let mut browser = Self::new(world);
        let page = browser.log_in(ADMIN_TOKEN).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
        browser
    }

    pub(crate) fn router(&self) -> Router {
        self.router.clone()
    }

    pub(crate) async fn log_in(&mut self, token: &str) -> Page {
        let page = self.post("/login", &format!("token={token}&next=%2F")).await;
        if let Some(cookie) = page.headers.get(header::SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            self.cookie = cookie.split(';').next().map(str::to_owned);
        }
        page
    }

    pub(crate) async fn get(&self, address: &str) -> Page {
        self.send(self.request("GET", address), "").await
    }

    pub(crate) async fn post(&self, address: &str, form: &str) -> Page {
        let request = self
            .request("POST", address)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request, form).await
    }

    pub(crate) fn request(&self, method: &str, address: &str) -> axum::http::request::Builder {
        let request = Request::builder().method(method).uri(address);
        match &self.cookie {
            Some(cookie) => request.header(header::COOKIE, cookie),
            None => request,
        }
    }

    pub(crate) async fn send(&self, request: axum::http::request::Builder, body: &str) -> Page {
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.into_body().collect().await.unwrap().to_bytes();
        Page { status, headers, text: String::from_utf8(body.to_vec()).unwrap() }
    }
}
