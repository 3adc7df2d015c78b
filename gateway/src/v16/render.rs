//! Answers as OCPP 1.6 confirmations, members in the schema's order.

use super::plug_and_charge;
use crate::message::Written;
use crate::rpc::error::push_string;
use chargebook_commands::message::{
    Answer, PersonalKind, PersonalPlace, RenderedReply, TokenAnswer,
};
use chargebook_domain::events::v1::{Authorization, Registration};

/// The frame that answers the CALL `message_id`.
/// `declined` is the word for "no" of what a DataTransfer carries.
pub(crate) fn render(
    message_id: &str,
    answer: &Answer,
    declined: Option<&Written>,
) -> RenderedReply {
    let payload = match answer {
        Answer::Carried(answer) => plug_and_charge::answer(answer, declined),
        answer => payload(answer),
    };
    payload.result(message_id)
}

fn payload(answer: &Answer) -> Written {
    let json = match answer {
        Answer::Boot { registration, now, interval_seconds } => {
            let status = match registration {
                Registration::Accepted => "Accepted",
                Registration::Pending => "Pending",
                Registration::Rejected => "Rejected",
            };
            // The schema's integer; no station waits longer than 68 years.
            let interval = (*interval_seconds).min(i32::MAX.unsigned_abs());
            format!(r#"{{"status":"{status}","currentTime":"{now}","interval":{interval}}}"#)
        }
        Answer::Heartbeat { now } => format!(r#"{{"currentTime":"{now}"}}"#),
        Answer::Authorize { token, .. } | Answer::Stop { token: Some(token) } => {
            return with_id_tag_info(token, "");
        }
        Answer::Start { transaction_id, token } => {
            return with_id_tag_info(token, &format!(r#","transactionId":{transaction_id}"#));
        }
        Answer::Stop { token: None }
        | Answer::Empty
        | Answer::Declined
        | Answer::DynamicSchedule(_)
        | Answer::Carried(_)
        | Answer::CertificateStatus(_)
        | Answer::CertificateChain(_)
        | Answer::Contract(_)
        | Answer::VatNumber { .. }
        | Answer::Transaction(_) => "{}".to_owned(),
        Answer::Accepted | Answer::SignCertificate { declined: None } => {
            r#"{"status":"Accepted"}"#.to_owned()
        }
        Answer::Rejected | Answer::SignCertificate { declined: Some(_) } => {
            r#"{"status":"Rejected"}"#.to_owned()
        }
        Answer::DataRefused(refused) => format!(r#"{{"status":"{}"}}"#, refused.word()),
    };
    Written { json, personal: Vec::new() }
}

/// What is said about a token, and the members behind it.
fn with_id_tag_info(token: &TokenAnswer, behind: &str) -> Written {
    let status = match token.authorization {
        Authorization::Accepted => "Accepted",
        // 1.6 has no word for it.
        Authorization::Blocked | Authorization::NoCredit => "Blocked",
        Authorization::Expired => "Expired",
        Authorization::Invalid => "Invalid",
    };
    let mut json = r#"{"idTagInfo":{"#.to_owned();
    let mut personal = Vec::new();
    if let Some(expires_at) = token.expires_at {
        json.push_str(&format!(r#""expiryDate":"{expires_at}","#));
    }
    if let Some(group) = &token.group {
        json.push_str(r#""parentIdTag":"#);
        let range = push_string(&mut json, &group.uid);
        personal.push(PersonalPlace { range, kind: PersonalKind::IdTag(group.uid.clone()) });
        json.push(',');
    }
    json.push_str(&format!(r#""status":"{status}"}}{behind}}}"#));
    Written { json, personal }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chargebook_commands::message::{DataRefused, PresentedToken};
    use chargebook_domain::events::v1::CertificateDeclined;
    use chargebook_domain::ids::TransactionNumber;
    use chargebook_domain::units::Timestamp;
    use ocpp_kit::decode::{DecodeOptions, decode_payload};
    use ocpp_kit::v1_6::*;

    fn now() -> Timestamp {
        Timestamp::from_millis(1_763_812_800_123).expect("an instant")
    }

    fn token(expires: bool) -> TokenAnswer {
        let expires_at = expires.then(now);
        TokenAnswer { expires_at, ..TokenAnswer::plain(Authorization::Expired) }
    }

    /// Renders, and has an independent library read it as the action's confirmation.
    #[track_caller]
    fn check<T>(answer: Answer, expected: &str)
    where
        T: serde::de::DeserializeOwned + serde::Serialize + ocpp_kit::validate::Validate,
    {
        let reply = render("a\"1", &answer, None);
        assert_eq!(reply.frame, format!(r#"[3,"a\"1",{expected}]"#));
        assert_eq!(reply.personal, []);
        let payload = serde_json::value::RawValue::from_string(expected.to_owned()).expect("JSON");
        decode_payload::<T>(&payload, &DecodeOptions::pedantic()).expect("a confirmation");
    }

    #[test]
    fn a_parent_tag_is_said_and_personal() {
        let group = Some(PresentedToken::id_tag("GRP \"1\""));
        let token = TokenAnswer { group, ..TokenAnswer::plain(Authorization::Accepted) };
        let answer = Answer::Start { transaction_id: TransactionNumber(7), token };
        let reply = render("1", &answer, None);
        let info = r#"{"idTagInfo":{"parentIdTag":"GRP \"1\"","status":"Accepted"}"#;
        assert_eq!(reply.frame, format!(r#"[3,"1",{info},"transactionId":7}}]"#));
        let [place] = reply.personal.as_slice() else { panic!("one place") };
        assert_eq!(&reply.frame[place.range.clone()], r#"GRP \"1\""#);
        assert_eq!(place.kind, PersonalKind::IdTag("GRP \"1\"".to_owned()));
    }

    #[test]
    fn every_answer_is_a_confirmation_of_the_standard() {
        let registration = Registration::Accepted;
        check::<BootNotificationResponse>(
            Answer::Boot { registration, now: now(), interval_seconds: 300 },
            r#"{"status":"Accepted","currentTime":"2025-11-22T12:00:00.123Z","interval":300}"#,
        );
        let registration = Registration::Pending;
        check::<BootNotificationResponse>(
            Answer::Boot { registration, now: now(), interval_seconds: u32::MAX },
            concat!(
                r#"{"status":"Pending","currentTime":"2025-11-22T12:00:00.123Z","#,
                r#""interval":2147483647}"#
            ),
        );
        check::<HeartbeatResponse>(
            Answer::Heartbeat { now: now() },
            r#"{"currentTime":"2025-11-22T12:00:00.123Z"}"#,
        );
        check::<AuthorizeResponse>(
            Answer::Authorize {
                token: token(true),
                certificate: None,
                tariff: None,
                may_discharge: false,
            },
            r#"{"idTagInfo":{"expiryDate":"2025-11-22T12:00:00.123Z","status":"Expired"}}"#,
        );
        check::<StartTransactionResponse>(
            Answer::Start { transaction_id: TransactionNumber(7), token: token(false) },
            r#"{"idTagInfo":{"status":"Expired"},"transactionId":7}"#,
        );
        check::<StopTransactionResponse>(
            Answer::Stop { token: Some(token(false)) },
            r#"{"idTagInfo":{"status":"Expired"}}"#,
        );
        check::<StopTransactionResponse>(Answer::Stop { token: None }, "{}");
        check::<StatusNotificationResponse>(Answer::Empty, "{}");
        check::<MeterValuesResponse>(Answer::Empty, "{}");
        check::<SignCertificateResponse>(
            Answer::SignCertificate { declined: None },
            r#"{"status":"Accepted"}"#,
        );
        check::<SignCertificateResponse>(
            Answer::SignCertificate { declined: Some(CertificateDeclined::Unreadable) },
            r#"{"status":"Rejected"}"#,
        );
        check::<DataTransferResponse>(
            Answer::DataRefused(DataRefused::UnknownVendor),
            r#"{"status":"UnknownVendorId"}"#,
        );
    }
}
