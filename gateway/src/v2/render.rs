//! Answers as OCPP 2.x responses, members in an order that both schemas have. What is answered
//! here has the same members in both editions.

use super::certificates;
use super::declined::push_personal;
use crate::message::Written;
use crate::rpc::error::push_string;
use crate::tariff;
use chargebook_commands::message::{
    Answer, CertificateStatus, DynamicValues, PersonalKind, PersonalPlace, PresentedToken,
    RenderedReply, StationTariff, TokenAnswer, TransactionAnswer,
};
use chargebook_domain::events::v1::{
    Authorization, CertificateDeclined, Registration, TransactionLimit,
};
use chargebook_domain::ids::EvseNumber;

/// All ways in which energy may flow (EnergyTransferModeEnumType of 2.1), for who may choose any.
const ENERGY_TRANSFERS: &str = concat!(
    r#""AC_single_phase","AC_two_phase","AC_three_phase","DC","AC_BPT","AC_BPT_DER","AC_DER","#,
    r#""DC_BPT","DC_ACDP","DC_ACDP_BPT","WPT""#
);

/// The frame that answers the CALL `message_id`; `declined` is the CALL's own word for "no".
pub(crate) fn render(
    message_id: &str,
    answer: &Answer,
    declined: Option<&Written>,
) -> RenderedReply {
    payload(answer, declined).result(message_id)
}

/// The payload of that frame.
pub(crate) fn payload(answer: &Answer, declined: Option<&Written>) -> Written {
    let json = match answer {
        Answer::Boot { registration, now, interval_seconds } => {
            let status = match registration {
                Registration::Accepted => "Accepted",
                Registration::Pending => "Pending",
                Registration::Rejected => "Rejected",
            };
            // The schema's integer; no station waits longer than 68 years.
            let interval = (*interval_seconds).min(i32::MAX.unsigned_abs());
            format!(r#"{{"currentTime":"{now}","interval":{interval},"status":"{status}"}}"#)
        }
        Answer::Heartbeat { now } => format!(r#"{{"currentTime":"{now}"}}"#),
        Answer::Authorize { token, certificate, tariff, may_discharge } => {
            return authorize(token, *certificate, tariff.as_ref(), *may_discharge);
        }
        Answer::Transaction(answer) => return transaction(answer),
        Answer::Accepted | Answer::SignCertificate { declined: None } => {
            r#"{"status":"Accepted"}"#.to_owned()
        }
        Answer::SignCertificate { declined: Some(declined) } => {
            let (code, words) = why_declined(*declined);
            let why = format!(r#"{{"reasonCode":"{code}","additionalInfo":"{words}"}}"#);
            format!(r#"{{"status":"Rejected","statusInfo":{why}}}"#)
        }
        Answer::CertificateStatus(response) => {
            let written = certificates::status(response).or_else(|| declined.cloned());
            return written.unwrap_or_else(nothing);
        }
        Answer::CertificateChain(answers) => return certificates::chain_status(answers),
        Answer::Contract(answer) => return certificates::contract(answer),
        Answer::VatNumber { number, evse, is_valid } => {
            return vat_number(number, *evse, *is_valid);
        }
        Answer::Rejected => r#"{"status":"Rejected"}"#.to_owned(),
        Answer::DynamicSchedule(values) => dynamic_schedule(*values),
        Answer::DataRefused(refused) => format!(r#"{{"status":"{}"}}"#, refused.word()),
        Answer::Declined => return declined.cloned().unwrap_or_else(nothing),
        // What only 1.6 asks is never answered here.
        Answer::Empty | Answer::Start { .. } | Answer::Stop { .. } | Answer::Carried(_) => {
            return nothing();
        }
    };
    Written { json, personal: Vec::new() }
}

/// The standard's code (appendix 5 of 2.0.1), and words for a person at the station.
fn why_declined(declined: CertificateDeclined) -> (&'static str, &'static str) {
    match declined {
        CertificateDeclined::Unreadable => ("InvalidCSR", "no PKCS #10 request"),
        CertificateDeclined::WrongSignature => ("InvalidCSR", "the signature does not hold"),
        CertificateDeclined::UnsuitableKey => {
            ("InvalidCSR", "the key is too weak or of an unknown kind")
        }
        CertificateDeclined::OtherStation => {
            ("InvalidCSR", "the common name is not this station's id")
        }
        CertificateDeclined::OtherKind => {
            ("UnsupportedRequest", "no authority here signs certificates of that kind")
        }
        CertificateDeclined::NotProven => {
            ("UnsupportedRequest", "connect with a password or a certificate first")
        }
        CertificateDeclined::AuthorityFailed => ("InternalError", "ask again later"),
    }
}

/// Whose number it is nobody here knows: the answer names no company.
fn vat_number(number: &str, evse: Option<EvseNumber>, is_valid: bool) -> Written {
    let mut written = Written { json: r#"{"vatNumber":"#.to_owned(), personal: Vec::new() };
    push_personal(&mut written, number);
    if let Some(EvseNumber(evse)) = evse {
        written.json.push_str(&format!(r#","evseId":{evse}"#));
    }
    let status = if is_valid { "Accepted" } else { "Rejected" };
    written.json.push_str(&format!(r#","status":"{status}"}}"#));
    written
}

fn dynamic_schedule(values: DynamicValues) -> String {
    let named = [
        ("limit", values.limit),
        ("dischargeLimit", values.discharge_limit),
        ("setpoint", values.setpoint),
    ];
    let members = named.into_iter().filter_map(|(name, value)| {
        value.map(|value| format!(r#""{name}":{}"#, value.normalize()))
    });
    let members: Vec<String> = members.collect();
    format!(r#"{{"scheduleUpdate":{{{}}},"status":"Accepted"}}"#, members.join(","))
}

fn nothing() -> Written {
    Written { json: "{}".to_owned(), personal: Vec::new() }
}

/// A tariff that OCPP has no words for is left out: the station has a default, or asks nobody to
/// pay by its own reckoning.
fn authorize(
    token: &TokenAnswer,
    certificate: Option<CertificateStatus>,
    local: Option<&StationTariff>,
    may_discharge: bool,
) -> Written {
    let mut written = Written { json: r#"{"idTokenInfo":"#.to_owned(), personal: Vec::new() };
    push_id_token_info(&mut written, token);
    if let Some(certificate) = certificate {
        let status = match certificate {
            CertificateStatus::Accepted => "Accepted",
            CertificateStatus::CertificateChainError => "CertChainError",
            CertificateStatus::CertificateExpired => "CertificateExpired",
            CertificateStatus::CertificateRevoked => "CertificateRevoked",
            CertificateStatus::NoCertificateAvailable => "NoCertificateAvailable",
            CertificateStatus::ContractCancelled => "ContractCancelled",
        };
        written.json.push_str(&format!(r#","certificateStatus":"{status}""#));
    }
    if may_discharge {
        written.json.push_str(&format!(r#","allowedEnergyTransfer":[{ENERGY_TRANSFERS}]"#));
    }
    if let Some(Ok(tariff)) = local.map(|it| tariff::written_for_driver(&it.tariff, &it.id)) {
        written.json.push_str(&format!(r#","tariff":{tariff}"#));
    }
    written.json.push('}');
    written
}

fn transaction(answer: &TransactionAnswer) -> Written {
    let mut written = Written { json: "{".to_owned(), personal: Vec::new() };
    let mut separator = "";
    if let Some(total_cost) = answer.total_cost {
        written.json.push_str(&format!(r#""totalCost":{total_cost}"#));
        separator = ",";
    }
    if let Some(token) = &answer.token {
        written.json.push_str(&format!(r#"{separator}"idTokenInfo":"#));
        push_id_token_info(&mut written, token);
        separator = ",";
    }
    if let Some(limit) = transaction_limit(&answer.limit) {
        written.json.push_str(&format!(r#"{separator}"transactionLimit":{limit}"#));
    }
    written.json.push('}');
    written
}

/// A limit as TransactionLimitType; `None` where there is none.
fn transaction_limit(limit: &TransactionLimit) -> Option<String> {
    let members = [
        ("maxCost", limit.cost.map(|cost| cost.to_string())),
        ("maxEnergy", limit.energy_wh.map(|energy| energy.0.to_string())),
        ("maxTime", limit.duration_seconds.map(|seconds| seconds.to_string())),
        ("maxSoC", limit.state_of_charge_percent.map(|percent| percent.to_string())),
    ];
    let members = members.iter().filter_map(|(name, value)| value.as_ref().map(|it| (name, it)));
    let members: Vec<_> = members.map(|(name, value)| format!(r#""{name}":{value}"#)).collect();
    (!members.is_empty()).then(|| format!("{{{}}}", members.join(",")))
}

fn push_id_token_info(written: &mut Written, token: &TokenAnswer) {
    let status = match token.authorization {
        Authorization::Accepted => "Accepted",
        Authorization::Blocked => "Blocked",
        Authorization::Expired => "Expired",
        Authorization::Invalid => "Invalid",
        Authorization::NoCredit => "NoCredit",
    };
    written.json.push_str(&format!(r#"{{"status":"{status}""#));
    if let Some(expires_at) = token.expires_at {
        written.json.push_str(&format!(r#","cacheExpiryDateTime":"{expires_at}""#));
    }
    if let Some(group) = &token.group {
        written.json.push_str(r#","groupIdToken":"#);
        push_id_token(written, group);
    }
    if let Some(text) = &token.price_text {
        written.json.push_str(r#","personalMessage":{"format":"UTF8","content":"#);
        push_string(&mut written.json, text);
        written.json.push('}');
    }
    written.json.push('}');
}

fn push_id_token(written: &mut Written, token: &PresentedToken) {
    written.json.push_str(r#"{"idToken":"#);
    let range = push_string(&mut written.json, &token.uid);
    written.personal.push(PersonalPlace { range, kind: PersonalKind::IdTag(token.uid.clone()) });
    written.json.push_str(r#","type":"#);
    push_string(&mut written.json, token.kind.as_deref().unwrap_or("Central"));
    written.json.push('}');
}

#[cfg(test)]
mod tests {
    use super::super::V2;
    use super::*;
    use crate::payload::Payload;
    use crate::rpc::json::Document;
    use chargebook_commands::message::{ChainAnswer, ChainStatus, ContractAnswer};
    use chargebook_domain::events::v1::CertificateHash;
    use chargebook_domain::tariff::Tariff;
    use chargebook_domain::units::Timestamp;
    use ocpp_kit::decode::{DecodeOptions, decode_payload};
    use ocpp_kit::{v2_0_1, v2_1};
    use rust_decimal::Decimal;
    use serde::de::DeserializeOwned;
    use std::sync::Arc;

    fn now() -> Timestamp {
        Timestamp::from_millis(1_763_812_800_123).expect("an instant")
    }

    fn token() -> TokenAnswer {
        let uid = "GRP \"1\"".to_owned();
        TokenAnswer {
            authorization: Authorization::Accepted,
            expires_at: Some(now()),
            group: Some(PresentedToken { uid, kind: None }),
            price_text: Some("0.60 EUR/kWh".to_owned()),
        }
    }

    fn decodes<T: DeserializeOwned + serde::Serialize + ocpp_kit::validate::Validate>(json: &str) {
        let raw = serde_json::value::RawValue::from_string(json.to_owned()).expect("JSON");
        decode_payload::<T>(&raw, &DecodeOptions::pedantic()).expect(json);
    }

    /// Renders, and has an independent library read it as the response of both editions.
    #[track_caller]
    fn check<A, B>(answer: Answer, expected: &str) -> RenderedReply
    where
        A: DeserializeOwned + serde::Serialize + ocpp_kit::validate::Validate,
        B: DeserializeOwned + serde::Serialize + ocpp_kit::validate::Validate,
    {
        let reply = render("a\"1", &answer, None);
        assert_eq!(reply.frame, format!(r#"[3,"a\"1",{expected}]"#));
        decodes::<A>(expected);
        decodes::<B>(expected);
        reply
    }

    #[test]
    fn answers_are_the_standards_responses() {
        let registration = Registration::Accepted;
        check::<v2_0_1::BootNotificationResponse, v2_1::BootNotificationResponse>(
            Answer::Boot { registration, now: now(), interval_seconds: u32::MAX },
            concat!(
                r#"{"currentTime":"2025-11-22T12:00:00.123Z","interval":2147483647,"#,
                r#""status":"Accepted"}"#
            ),
        );
        check::<v2_0_1::HeartbeatResponse, v2_1::HeartbeatResponse>(
            Answer::Heartbeat { now: now() },
            r#"{"currentTime":"2025-11-22T12:00:00.123Z"}"#,
        );
        check::<v2_0_1::StatusNotificationResponse, v2_1::StatusNotificationResponse>(
            Answer::Empty,
            "{}",
        );
        check::<v2_0_1::SignCertificateResponse, v2_1::SignCertificateResponse>(
            Answer::SignCertificate { declined: Some(CertificateDeclined::AuthorityFailed) },
            concat!(
                r#"{"status":"Rejected","statusInfo":{"reasonCode":"InternalError","#,
                r#""additionalInfo":"ask again later"}}"#
            ),
        );
        check::<v2_0_1::NotifyEVChargingScheduleResponse, v2_1::NotifyEVChargingScheduleResponse>(
            Answer::Accepted,
            r#"{"status":"Accepted"}"#,
        );
        check::<v2_0_1::DataTransferResponse, v2_1::DataTransferResponse>(
            Answer::DataRefused(chargebook_commands::message::DataRefused::UnknownVendor),
            r#"{"status":"UnknownVendorId"}"#,
        );
        check::<v2_0_1::TransactionEventResponse, v2_1::TransactionEventResponse>(
            Answer::Transaction(TransactionAnswer::default()),
            "{}",
        );
        check::<v2_0_1::TransactionEventResponse, v2_1::TransactionEventResponse>(
            Answer::Transaction(TransactionAnswer {
                token: Some(TokenAnswer::plain(Authorization::Blocked)),
                total_cost: Some(Decimal::new(1_230, 2)),
                limit: TransactionLimit::default(),
            }),
            r#"{"totalCost":12.30,"idTokenInfo":{"status":"Blocked"}}"#,
        );
        check::<v2_0_1::TransactionEventResponse, v2_1::TransactionEventResponse>(
            Answer::Transaction(TransactionAnswer {
                total_cost: Some(Decimal::new(0, 2)),
                ..TransactionAnswer::default()
            }),
            r#"{"totalCost":0.00}"#,
        );
        check::<v2_0_1::AuthorizeResponse, v2_1::AuthorizeResponse>(
            Answer::Authorize {
                token: TokenAnswer::plain(Authorization::NoCredit),
                certificate: None,
                tariff: None,
                may_discharge: false,
            },
            r#"{"idTokenInfo":{"status":"NoCredit"}}"#,
        );
        let allowed = format!(
            r#"{{"idTokenInfo":{{"status":"Accepted"}},"allowedEnergyTransfer":[{ENERGY_TRANSFERS}]}}"#
        );
        check::<v2_1::AuthorizeResponse, v2_1::AuthorizeResponse>(
            Answer::Authorize {
                token: TokenAnswer::plain(Authorization::Accepted),
                certificate: None,
                tariff: None,
                may_discharge: true,
            },
            &allowed,
        );
        check::<v2_0_1::NotifyEVChargingNeedsResponse, v2_1::NotifyEVChargingNeedsResponse>(
            Answer::Rejected,
            r#"{"status":"Rejected"}"#,
        );
        check::<v2_1::PullDynamicScheduleUpdateResponse, v2_1::PullDynamicScheduleUpdateResponse>(
            Answer::DynamicSchedule(DynamicValues {
                limit: Some(Decimal::new(1_050, 2)),
                setpoint: Some(Decimal::from(-3_000)),
                discharge_limit: Some(Decimal::from(-5_000)),
            }),
            concat!(
                r#"{"scheduleUpdate":{"limit":10.5,"dischargeLimit":-5000,"setpoint":-3000},"#,
                r#""status":"Accepted"}"#
            ),
        );
        check::<v2_1::TransactionEventResponse, v2_1::TransactionEventResponse>(
            Answer::Transaction(TransactionAnswer {
                token: Some(TokenAnswer::plain(Authorization::Accepted)),
                total_cost: Some(Decimal::new(0, 2)),
                limit: TransactionLimit {
                    cost: Some(Decimal::new(1_500, 2)),
                    ..TransactionLimit::default()
                },
            }),
            concat!(
                r#"{"totalCost":0.00,"idTokenInfo":{"status":"Accepted"},"#,
                r#""transactionLimit":{"maxCost":15.00}}"#
            ),
        );
    }

    #[test]
    fn a_tariff_goes_with_the_token_and_is_left_out_where_it_cannot_be_said() {
        let answer = |component: &str| {
            let text = format!(
                r#"{{"currency":"EUR","start_date_time":"2026-01-01T00:00:00Z",
                    "elements":[{{"price_components":[{component}]}}]}}"#
            );
            let tariff = Arc::new(Tariff::parse(&text).expect("a tariff"));
            let tariff = Some(StationTariff { id: "T-1".to_owned(), tariff });
            let token = TokenAnswer::plain(Authorization::Accepted);
            Answer::Authorize { token, certificate: None, tariff, may_discharge: false }
        };
        check::<v2_1::AuthorizeResponse, v2_1::AuthorizeResponse>(
            answer(r#"{"type":"ENERGY","price":"0.39","step_size":1}"#),
            concat!(
                r#"{"idTokenInfo":{"status":"Accepted"},"tariff":{"tariffId":"T-1","#,
                r#""currency":"EUR","energy":{"prices":[{"priceKwh":0.39}]}}}"#
            ),
        );
        check::<v2_1::AuthorizeResponse, v2_1::AuthorizeResponse>(
            answer(r#"{"type":"ENERGY","price":"0.39","step_size":1000}"#),
            r#"{"idTokenInfo":{"status":"Accepted"}}"#,
        );
    }

    #[test]
    fn a_group_is_personal() {
        let reply = check::<v2_0_1::AuthorizeResponse, v2_1::AuthorizeResponse>(
            Answer::Authorize {
                token: token(),
                certificate: Some(CertificateStatus::CertificateChainError),
                tariff: None,
                may_discharge: false,
            },
            concat!(
                r#"{"idTokenInfo":{"status":"Accepted","#,
                r#""cacheExpiryDateTime":"2025-11-22T12:00:00.123Z","groupIdToken":"#,
                r#"{"idToken":"GRP \"1\"","type":"Central"},"#,
                r#""personalMessage":{"format":"UTF8","content":"0.60 EUR/kWh"}},"#,
                r#""certificateStatus":"CertChainError"}"#
            ),
        );
        let [place] = reply.personal.as_slice() else { panic!("one place") };
        assert_eq!(&reply.frame[place.range.clone()], r#"GRP \"1\""#);
        assert_eq!(place.kind, PersonalKind::IdTag("GRP \"1\"".to_owned()));
    }

    #[test]
    fn a_vat_number_is_repeated_with_its_verdict_and_sealed() {
        let asked = |evse, is_valid| Answer::VatNumber { number: "DE1".into(), evse, is_valid };
        let reply = check::<v2_1::VatNumberValidationResponse, v2_1::VatNumberValidationResponse>(
            asked(Some(EvseNumber(1)), false),
            r#"{"vatNumber":"DE1","evseId":1,"status":"Rejected"}"#,
        );
        let [place] = reply.personal.as_slice() else { panic!("one place") };
        assert_eq!(&reply.frame[place.range.clone()], "DE1");
        check::<v2_1::VatNumberValidationResponse, v2_1::VatNumberValidationResponse>(
            asked(None, true),
            r#"{"vatNumber":"DE1","status":"Accepted"}"#,
        );
    }

    fn declined(edition: V2, action: &str, asked: &str) -> RenderedReply {
        let (document, outcome) = Document::read(asked);
        outcome.expect("JSON");
        let asked = Payload { document: &document, node: document.root().expect("a root") };
        let declined = super::super::declined::declined(edition, action, &asked);
        render("1", &Answer::Declined, Some(&declined.expect("can be declined")))
    }

    #[track_caller]
    fn check_declined<T>(edition: V2, action: &str, expected: &str, personal: &[&str])
    where
        T: DeserializeOwned + serde::Serialize + ocpp_kit::validate::Validate,
    {
        let reply = declined(edition, action, "{}");
        assert_eq!(reply.frame, format!(r#"[3,"1",{expected}]"#));
        decodes::<T>(expected);
        let places: Vec<_> =
            reply.personal.iter().map(|place| &reply.frame[place.range.clone()]).collect();
        assert_eq!(places, personal);
    }

    #[test]
    fn every_question_has_its_no() {
        check_declined::<v2_0_1::Get15118EVCertificateResponse>(
            V2::V201,
            "Get15118EVCertificate",
            r#"{"status":"Failed","exiResponse":""}"#,
            &[],
        );
        check_declined::<v2_1::Get15118EVCertificateResponse>(
            V2::V21,
            "Get15118EVCertificate",
            r#"{"status":"Failed","exiResponse":""}"#,
            &[],
        );
        check_declined::<v2_1::GetCertificateStatusResponse>(
            V2::V21,
            "GetCertificateStatus",
            r#"{"status":"Failed"}"#,
            &[],
        );
        let rejected = r#"{"status":"Rejected"}"#;
        check_declined::<v2_0_1::NotifyEVChargingNeedsResponse>(
            V2::V201,
            "NotifyEVChargingNeeds",
            rejected,
            &[],
        );
        check_declined::<v2_1::NotifyEVChargingNeedsResponse>(
            V2::V21,
            "NotifyEVChargingNeeds",
            rejected,
            &[],
        );
        let asked = r#"{"chargingNeeds":{"v2xChargingParameters":{}}}"#;
        let reply = declined(V2::V21, "NotifyEVChargingNeeds", asked);
        let no_profile = r#"{"status":"NoChargingProfile"}"#;
        assert_eq!(reply.frame, format!(r#"[3,"1",{no_profile}]"#));
        decodes::<v2_1::NotifyEVChargingNeedsResponse>(no_profile);
        check_declined::<v2_1::PullDynamicScheduleUpdateResponse>(
            V2::V21,
            "PullDynamicScheduleUpdate",
            rejected,
            &[],
        );
    }

    #[test]
    fn what_is_known_of_certificates_is_told_in_the_questions_words() {
        type In201 = v2_0_1::GetCertificateStatusResponse;
        type In21 = v2_1::GetCertificateStatusResponse;
        let reply = check::<In201, In21>(
            Answer::CertificateStatus(vec![0x30, 0x03]),
            r#"{"status":"Accepted","ocspResult":"MAM="}"#,
        );
        let [place] = reply.personal.as_slice() else { panic!("one place") };
        assert_eq!(&reply.frame[place.range.clone()], "MAM=");
        let declined = Written { json: r#"{"status":"Failed"}"#.to_owned(), personal: Vec::new() };
        let too_long = Answer::CertificateStatus(vec![0; 4_126]);
        assert_eq!(payload(&too_long, Some(&declined)), declined);
        let certificate = |serial_number: &str| CertificateHash {
            hash_algorithm: "SHA256".to_owned(),
            issuer_name_hash: "a".to_owned(),
            issuer_key_hash: Some("b".to_owned()),
            serial_number: serial_number.to_owned(),
        };
        let answer = |serial_number, status| ChainAnswer {
            certificate: certificate(serial_number),
            source: "OCSP".to_owned(),
            status,
            next_update: now(),
        };
        let reply = check::<
            v2_1::GetCertificateChainStatusResponse,
            v2_1::GetCertificateChainStatusResponse,
        >(
            Answer::CertificateChain(vec![
                answer("c", ChainStatus::Revoked),
                answer("d", ChainStatus::Failed),
            ]),
            concat!(
                r#"{"certificateStatus":[{"certificateHashData":{"hashAlgorithm":"SHA256","#,
                r#""issuerNameHash":"a","issuerKeyHash":"b","serialNumber":"c"},"#,
                r#""source":"OCSP","status":"Revoked","nextUpdate":"2025-11-22T12:00:00.123Z"},"#,
                r#"{"certificateHashData":{"hashAlgorithm":"SHA256","#,
                r#""issuerNameHash":"a","issuerKeyHash":"b","serialNumber":"d"},"#,
                r#""source":"OCSP","status":"Failed","nextUpdate":"2025-11-22T12:00:00.123Z"}]}"#
            ),
        );
        let places: Vec<_> =
            reply.personal.iter().map(|place| &reply.frame[place.range.clone()]).collect();
        assert_eq!(places, ["c", "d"]);
    }

    #[test]
    fn a_contract_is_for_the_vehicle_alone() {
        let exi_response = "gJgC".to_owned();
        let reply =
            check::<v2_0_1::Get15118EVCertificateResponse, v2_1::Get15118EVCertificateResponse>(
                Answer::Contract(ContractAnswer { exi_response, remaining: None }),
                r#"{"status":"Accepted","exiResponse":"gJgC"}"#,
            );
        let [place] = reply.personal.as_slice() else { panic!("one place") };
        assert_eq!(&reply.frame[place.range.clone()], "gJgC");
    }
}
