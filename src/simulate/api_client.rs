//! The few calls of the HTTP API that a simulation or a benchmark makes before it begins.

use std::time::Duration;

use anyhow::{Context, bail};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

/// How long one call may take; a server under load hashes passwords slowly.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// Most of an error's body that is shown.
const SHOWN_BODY: usize = 300;

/// One kept-alive connection to the API.
pub(crate) struct ApiClient {
    authority: String,
    bearer: String,
    connection: SendRequest<Full<Bytes>>,
}

impl ApiClient {
    /// Connects to `base`, of the form `http://HOST:PORT`.
    pub(crate) async fn connect(base: &str, token: &str) -> anyhow::Result<Self> {
        let authority = authority_of(base)
            .with_context(|| format!("{base:?} is no API address; use http://HOST:PORT"))?;
        let socket = TcpStream::connect(&authority)
            .await
            .with_context(|| format!("cannot reach the API at {authority}"))?;
        socket.set_nodelay(true)?;
        let (connection, driver) = handshake(TokioIo::new(socket)).await?;
        // Its end shows as the failure of the next call.
        tokio::spawn(driver);
        Ok(Self { authority, bearer: format!("Bearer {token}"), connection })
    }

    /// Registers a charging station; one that exists already is left as it is.
    pub(crate) async fn add_station(
        &mut self,
        id: &str,
        password: Option<&str>,
    ) -> anyhow::Result<()> {
        let body = match password {
            Some(password) => json!({ "id": id, "password": password }),
            None => json!({ "id": id }),
        };
        self.write(Method::POST, "/v1/stations", &body).await
    }

    /// Registers an RFID token; one that exists already is left as it is.
    pub(crate) async fn add_token(&mut self, uid: &str) -> anyhow::Result<()> {
        self.write(Method::POST, "/v1/tokens", &json!({ "uid": uid, "type": "RFID" })).await
    }

    /// Sets a tariff and makes it the default.
    pub(crate) async fn set_default_tariff(&mut self, tariff: &Value) -> anyhow::Result<()> {
        let id = tariff["id"].as_str().context("a tariff has an id")?;
        self.write(Method::PUT, &format!("/v1/tariffs/{id}"), tariff).await?;
        let choice = json!({ "tariff": id });
        self.write(Method::PUT, "/v1/settings/default-tariff", &choice).await
    }

    /// One write: 2xx is done, 409 was there before.
    async fn write(&mut self, method: Method, path: &str, body: &Value) -> anyhow::Result<()> {
        let what = format!("{method} {path}");
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, &self.authority)
            .header(AUTHORIZATION, &self.bearer)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body.to_string())))?;
        let exchange = async {
            self.connection.ready().await?;
            let response = self.connection.send_request(request).await?;
            let status = response.status();
            let body = response.into_body().collect().await?.to_bytes();
            anyhow::Ok((status, body))
        };
        let (status, body) = tokio::time::timeout(CALL_TIMEOUT, exchange)
            .await
            .with_context(|| format!("{what}: no answer within {} s", CALL_TIMEOUT.as_secs()))?
            .with_context(|| what.clone())?;
        if status.is_success() || status == StatusCode::CONFLICT {
            return Ok(());
        }
        let body: String = String::from_utf8_lossy(&body).chars().take(SHOWN_BODY).collect();
        bail!("{what} was answered with {status}: {body}");
    }
}

fn authority_of(base: &str) -> Option<String> {
    let authority = base.strip_prefix("http://")?.trim_end_matches('/');
    let (host, port) = authority.rsplit_once(':')?;
    let plain = !authority.contains('/') && !host.is_empty() && port.parse::<u16>().is_ok();
    plain.then(|| authority.to_owned())
}

#[cfg(test)]
mod tests {
    use super::authority_of;

    #[test]
    fn an_api_address_names_host_and_port() {
        assert_eq!(authority_of("http://127.0.0.1:8080/").as_deref(), Some("127.0.0.1:8080"));
        assert_eq!(authority_of("http://[::1]:80").as_deref(), Some("[::1]:80"));
        for bad in ["127.0.0.1:8080", "https://a:1", "http://a", "http://a:1/v1", "http://:1"] {
            assert_eq!(authority_of(bad), None, "{bad}");
        }
    }
}
