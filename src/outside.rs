//! Asking others over HTTP on behalf of stations: OCSP responders, and the service that gives
//! vehicles their contracts. Only whom the operator has named, one request for one question, and
//! all of it bounded.

use anyhow::{Context, bail};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chargebook_commands::message::ContractRequest;
use chargebook_commands::{ContractProvisioning, OcspResponders, Outside};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;

/// How long one question may take, from connecting to the end of the answer: the station waits.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Questions under way at once; more get no answer.
const QUESTIONS_AT_ONCE_MAX: usize = 64;
/// Most hosts of OCSP responders.
const HOSTS_MAX: usize = 64;
/// Longest answer for a vehicle, in characters of base64 (Get15118EVCertificateResponse of 2.1).
const EXI_CHARACTERS_MAX: usize = 17_000;

/// Whom the operator lets be asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct OutsideSettings {
    /// Hosts of OCSP responders, with their port where it is not the usual one, in lower case.
    responders: Vec<String>,
    contract_service: Option<ContractServiceSettings>,
    /// Roots that those asked may lead to, beside the machine's own.
    authority: Option<PathBuf>,
}

#[derive(Clone)]
struct ContractServiceSettings {
    url: Uri,
    token: Option<HeaderValue>,
}

impl std::fmt::Debug for ContractServiceSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ContractServiceSettings").field("host", &self.url.host()).finish()
    }
}

impl OutsideSettings {
    /// Checks what an operator has said.
    pub(crate) fn of(
        responders: Vec<String>,
        contract_service: Option<&str>,
        token: Option<&str>,
        authority: Option<PathBuf>,
    ) -> anyhow::Result<Self> {
        if responders.len() > HOSTS_MAX {
            bail!("at most {HOSTS_MAX} hosts of OCSP responders");
        }
        let is_host = |host: &String| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:[]".contains(&byte);
            !host.is_empty() && host.bytes().all(is_plain)
        };
        if let Some(wrong) = responders.iter().find(|host| !is_host(host)) {
            bail!("`{wrong}` is no host of an OCSP responder: a name or address, without a path");
        }
        let contract_service = match contract_service {
            None if token.is_some() => bail!("a token for contracts, and no --contract-service"),
            None => None,
            Some(url) => {
                let parsed: Uri = url.parse().context("--contract-service is no URL")?;
                if !is_usable(&parsed) {
                    bail!("--contract-service must be an http or https URL with a host");
                }
                let bearer = token.map(|token| HeaderValue::from_str(&format!("Bearer {token}")));
                let mut token = bearer.transpose().context("the token is no header value")?;
                token.iter_mut().for_each(|token| token.set_sensitive(true));
                Some(ContractServiceSettings { url: parsed, token })
            }
        };
        let responders = responders.into_iter().map(|host| host.to_ascii_lowercase()).collect();
        Ok(Self { responders, contract_service, authority })
    }

    /// Who is asked.
    pub(crate) fn open(&self) -> anyhow::Result<Outside> {
        let client = Arc::new(Client::new(self.authority.as_deref())?);
        let mut outside = Outside::default();
        if !self.responders.is_empty() {
            let (hosts, client) = (self.responders.clone(), Arc::clone(&client));
            outside.responders = Arc::new(Responders { client, hosts });
        }
        if let Some(settings) = self.contract_service.clone() {
            outside.contracts = Arc::new(ContractService { client, settings });
        }
        Ok(outside)
    }
}

fn is_usable(url: &Uri) -> bool {
    matches!(url.scheme_str(), Some("http" | "https"))
        && url.host().is_some()
        && url.authority().is_some_and(|authority| !authority.as_str().contains('@'))
}

/// OCSP over HTTP (RFC 6960 appendix A.1).
struct Responders {
    client: Arc<Client>,
    hosts: Vec<String>,
}

#[async_trait]
impl OcspResponders for Responders {
    async fn ask(&self, url: &str, request: Vec<u8>) -> Option<Vec<u8>> {
        let url: Uri = url.parse().ok().filter(is_usable)?;
        let host = url.authority()?.as_str().to_ascii_lowercase();
        if !self.hosts.contains(&host) {
            tracing::info!(
                host,
                "an OCSP responder is not asked: it is not among --ocsp-responder"
            );
            return None;
        }
        let answer = self.client.post(&url, "application/ocsp-request", None, request).await;
        answer.map_err(|error| tracing::warn!(host, %error, "an OCSP responder failed")).ok()
    }
}

/// Who gives vehicles their contracts, in the words of the Open Plug & Charge Protocol
/// (`signedContractData` of the contract certificate pool).
struct ContractService {
    client: Arc<Client>,
    settings: ContractServiceSettings,
}

/// What it answers.
#[derive(Deserialize)]
struct SignedContractData {
    #[serde(rename = "CCPResponse")]
    response: PoolResponse,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PoolResponse {
    emaid_content: Vec<EmaidContent>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EmaidContent {
    message_def: MessageDefinition,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MessageDefinition {
    certificate_installation_res: String,
}

#[async_trait]
impl ContractProvisioning for ContractService {
    async fn provision(&self, request: &ContractRequest) -> Vec<String> {
        let ContractServiceSettings { url, token } = &self.settings;
        let body = json!({
            "certificateInstallationReq": request.exi_request,
            "xsdMsgDefNamespace": request.schema,
            "action": request.action,
            "maximumContractCertificateChains": request.contracts_max,
            "prioritizedEMAIDs": request.contract_ids,
        });
        let body = body.to_string().into_bytes();
        let answer = self.client.post(url, "application/json", token.as_ref(), body).await;
        answer.and_then(|answer| contracts(&answer)).unwrap_or_else(|error| {
            tracing::warn!(%error, "the contract service failed");
            Vec::new()
        })
    }
}

/// The answers for the vehicle, one for each contract.
fn contracts(answer: &[u8]) -> anyhow::Result<Vec<String>> {
    // What is wrong with it is not repeated: it may hold keys.
    let answer: SignedContractData =
        serde_json::from_slice(answer).map_err(|_| anyhow::anyhow!("no contract can be read"))?;
    let contracts = answer.response.emaid_content.into_iter();
    let contracts: Vec<String> =
        contracts.map(|contract| contract.message_def.certificate_installation_res).collect();
    let is_usable = |exi: &String| {
        exi.len() <= EXI_CHARACTERS_MAX && BASE64.decode(exi).is_ok_and(|bytes| !bytes.is_empty())
    };
    if contracts.is_empty() {
        bail!("no contract");
    }
    if !contracts.iter().all(is_usable) {
        bail!("an answer for the vehicle is no base64, or too long");
    }
    Ok(contracts)
}

/// Asks one question over a connection of its own; follows no redirects.
struct Client {
    tls: TlsConnector,
    room: Semaphore,
}

impl Client {
    fn new(authority: Option<&Path>) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        // A machine without roots asks nobody over TLS, and says so when it is to.
        roots.add_parsable_certificates(found.certs);
        if let Some(file) = authority {
            add_authority(&mut roots, file)
                .with_context(|| format!("--outside-authority {}", file.display()))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let room = Semaphore::new(QUESTIONS_AT_ONCE_MAX);
        Ok(Self { tls: TlsConnector::from(Arc::new(config)), room })
    }

    async fn post(
        &self,
        url: &Uri,
        content_type: &'static str,
        authorization: Option<&HeaderValue>,
        body: Vec<u8>,
    ) -> anyhow::Result<Vec<u8>> {
        let _place = self.room.try_acquire().context("too many questions at once")?;
        let path = url.path_and_query().map_or("/", |path| path.as_str());
        let host = url.authority().context("no host")?.as_str();
        let mut request = Request::post(path)
            .header(HOST, host)
            .header(CONTENT_TYPE, content_type)
            .header(CONNECTION, "close")
            .body(Full::new(Bytes::from(body)))?;
        if let Some(authorization) = authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        let asked = tokio::time::timeout(QUESTION_TIMEOUT, self.send(url, request));
        asked.await.context("no answer in time")?
    }

    async fn send(&self, url: &Uri, request: Request<Full<Bytes>>) -> anyhow::Result<Vec<u8>> {
        let host = url.host().context("no host")?;
        let is_tls = url.scheme_str() == Some("https");
        let port = url.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((bare, port)).await?;
        match is_tls {
            true => {
                let name = ServerName::try_from(bare.to_owned())?;
                exchange(self.tls.connect(name, stream).await?, request).await
            }
            false => exchange(stream, request).await,
        }
    }
}

fn add_authority(roots: &mut RootCertStore, file: &Path) -> anyhow::Result<()> {
    let pem = std::fs::read(file)?;
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        roots.add(certificate.context("it holds no PEM that can be read")?)?;
        count += 1;
    }
    match count {
        0 => bail!("it holds no certificate in PEM"),
        _ => Ok(()),
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
) -> anyhow::Result<Vec<u8>> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let asked = async {
        let response = sender.send_request(request).await?;
        if response.status() != StatusCode::OK {
            bail!("answered {}", response.status());
        }
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!("the answer cannot be read: {error}"))?;
        Ok(body.to_bytes().to_vec())
    };
    // The connection lives as long as the question does.
    tokio::select! {
        answer = asked => answer,
        Err(error) = connection => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(
        responders: &[&str],
        service: Option<&str>,
        token: Option<&str>,
    ) -> anyhow::Result<OutsideSettings> {
        let responders = responders.iter().map(|host| (*host).to_owned()).collect();
        OutsideSettings::of(responders, service, token, None)
    }

    #[test]
    fn what_is_no_host_and_no_url_is_refused() {
        assert!(settings(&["OCSP.example", "[::1]"], Some("https://pool.example/x"), None).is_ok());
        for host in ["http://ocsp.example", "ocsp.example/path", ""] {
            assert!(settings(&[host], None, None).is_err(), "{host}");
        }
        for url in ["pool.example", "ftp://pool.example/", "https://user@pool.example/", "/path"] {
            assert!(settings(&[], Some(url), None).is_err(), "{url}");
        }
        assert!(settings(&[], None, Some("secret")).is_err());
        let known = settings(&[], Some("https://pool.example/"), Some("secret")).expect("usable");
        assert!(!format!("{known:?}").contains("secret"), "{known:?}");
    }

    #[test]
    fn a_file_without_a_root_is_refused() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let path = Some(file.path().to_owned());
        let settings = OutsideSettings::of(Vec::new(), None, None, path).expect("settings");
        let error = settings.open().err().map(|error| format!("{error:#}")).unwrap_or_default();
        assert!(error.starts_with("--outside-authority") && error.contains("no certificate"));
    }

    #[test]
    fn only_an_answer_with_a_contract_is_one() {
        let with = |exi: &str| {
            let of = |exi| json!({ "messageDef": { "certificateInstallationRes": exi } });
            json!({ "CCPResponse": { "emaidContent": [of("gJgD"), of(exi)] } }).to_string()
        };
        assert_eq!(contracts(with("gJgC").as_bytes()).expect("contracts"), ["gJgD", "gJgC"]);
        let none = json!({ "CCPResponse": { "emaidContent": [] } }).to_string();
        for answer in [none, with(""), with("no base64"), "no JSON".to_owned()] {
            assert!(contracts(answer.as_bytes()).is_err(), "{answer}");
        }
    }
}
