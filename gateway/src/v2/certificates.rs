//! What stations ask about certificates and for vehicles, and what they are answered.

use super::declined::push_personal;
use crate::message::Written;
use crate::payload::Payload;
use crate::rpc::error::push_string;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chargebook_commands::message::{
    CertificateQuestion, ChainAnswer, ChainQuestion, ChainStatus, ContractAnswer, ContractRequest,
};
use chargebook_domain::events::v1::CertificateHash;

/// Longest OCSP answer, in base64 (GetCertificateStatusResponse of 2.0.1, the narrower one).
const OCSP_RESULT_CHARACTERS_MAX: usize = 5_500;

/// A certificate whose status is asked for (OCSPRequestData).
pub(super) fn question(data: &Payload<'_, '_>) -> Option<CertificateQuestion> {
    let responders = data.text("responderURL").into_iter().collect();
    Some(CertificateQuestion { certificate: hash(data)?, responders })
}

/// The certificates of a chain (2.1).
pub(super) fn chain(payload: &Payload<'_, '_>) -> Option<Vec<ChainQuestion>> {
    let asked = payload.objects("certificateStatusRequests").map(|asked| {
        let certificate = hash(&asked.object("certificateHashData")?)?;
        let responders = asked.texts("urls").collect();
        let question = CertificateQuestion { certificate, responders };
        Some(ChainQuestion { question, source: asked.text("source")? })
    });
    asked.collect()
}

/// As it stands there: it is repeated in the answer.
fn hash(data: &Payload<'_, '_>) -> Option<CertificateHash> {
    Some(CertificateHash {
        hash_algorithm: data.text("hashAlgorithm")?,
        issuer_name_hash: data.text("issuerNameHash")?,
        issuer_key_hash: Some(data.text("issuerKeyHash")?),
        serial_number: data.text("serialNumber")?,
    })
}

/// A vehicle's wish for contracts.
pub(super) fn contract_request(payload: &Payload<'_, '_>) -> Option<ContractRequest> {
    Some(ContractRequest {
        schema: payload.text("iso15118SchemaVersion")?,
        action: payload.text("action")?,
        exi_request: payload.text("exiRequest")?,
        contracts_max: payload.integer("maximumContractCertificateChains"),
        contract_ids: payload.texts("prioritizedEMAIDs").collect(),
    })
}

/// The answer to GetCertificateStatus, which names the certificate as the question does; `None`
/// where it is longer than the standard allows.
pub(super) fn status(response: &[u8]) -> Option<Written> {
    let response = BASE64.encode(response);
    let fits = response.len() <= OCSP_RESULT_CHARACTERS_MAX;
    let mut written = Written::default();
    written.json.push_str(r#"{"status":"Accepted","ocspResult":"#);
    push_personal(&mut written, &response);
    written.json.push('}');
    fits.then_some(written)
}

/// The answer to GetCertificateChainStatus.
pub(super) fn chain_status(answers: &[ChainAnswer]) -> Written {
    let mut written = Written::default();
    written.json.push_str(r#"{"certificateStatus":["#);
    for (index, answer) in answers.iter().enumerate() {
        let ChainAnswer { certificate, source, status, next_update } = answer;
        written.json.push_str(if index > 0 { "," } else { "" });
        written.json.push_str(r#"{"certificateHashData":{"#);
        let key_hash = certificate.issuer_key_hash.as_deref().unwrap_or_default();
        for (name, value) in [
            ("hashAlgorithm", certificate.hash_algorithm.as_str()),
            ("issuerNameHash", &certificate.issuer_name_hash),
            ("issuerKeyHash", key_hash),
        ] {
            written.json.push_str(&format!(r#""{name}":"#));
            push_string(&mut written.json, value);
            written.json.push(',');
        }
        written.json.push_str(r#""serialNumber":"#);
        push_personal(&mut written, &certificate.serial_number);
        written.json.push_str(r#"},"source":"#);
        push_string(&mut written.json, source);
        let status = match status {
            ChainStatus::Good => "Good",
            ChainStatus::Revoked => "Revoked",
            ChainStatus::Unknown => "Unknown",
            ChainStatus::Failed => "Failed",
        };
        written.json.push_str(&format!(r#","status":"{status}","nextUpdate":"{next_update}"}}"#));
    }
    written.json.push_str("]}");
    written
}

/// The answer to Get15118EVCertificate; a contract's keys are in it.
pub(super) fn contract(answer: &ContractAnswer) -> Written {
    let mut written = Written::default();
    written.json.push_str(r#"{"status":"Accepted","exiResponse":"#);
    push_personal(&mut written, &answer.exi_response);
    if let Some(remaining) = answer.remaining {
        written.json.push_str(&format!(r#","remainingContracts":{remaining}"#));
    }
    written.json.push('}');
    written
}
