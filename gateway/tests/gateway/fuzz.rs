//! The doors of `fuzz/` under proptest: random inputs, and real ones that were damaged.

use chargebook_gateway::fuzz;
use proptest::prelude::*;

/// Messages of each version that are whole, to be damaged.
const WHOLE: &[&str] = &[
    r#"[2,"1","MeterValues",{"connectorId":1,"transactionId":7,"meterValue":[{"timestamp":"2026-11-02T09:15:00Z","sampledValue":[{"value":"1500.5","unit":"Wh","measurand":"Energy.Active.Import.Register"}]}]}]"#,
    r#"[2,"2","StopTransaction",{"transactionId":7,"idTag":"04A1B2C3","meterStop":2000,"timestamp":"2026-11-02T10:00:00Z","reason":"Local"}]"#,
    r#"[2,"3","TransactionEvent",{"eventType":"Ended","timestamp":"2026-11-02T10:00:00Z","triggerReason":"EVDeparted","seqNo":4,"transactionInfo":{"transactionId":"t-1","stoppedReason":"EVDisconnected"},"idToken":{"idToken":"04A1B2C3","type":"ISO14443"},"meterValue":[{"timestamp":"2026-11-02T10:00:00Z","sampledValue":[{"value":2000.25,"context":"Transaction.End"}]}]}]"#,
    r#"[2,"4","NotifyReport",{"requestId":1,"generatedAt":"2026-11-02T10:00:00Z","seqNo":0,"tbc":true,"reportData":[{"component":{"name":"EVSE","evse":{"id":1}},"variable":{"name":"Power"},"variableAttribute":[{"value":"11"}]}]}]"#,
    r#"[3,"5",{"status":"Accepted","configurationKey":[{"key":"AuthorizationKey","readonly":false,"value":"secret"}]}]"#,
    r#"[4,"6","FormationViolation","the payload is no object",{"where":[1,2]}]"#,
    r#"[5,"7","GenericError","",{}]"#,
    r#"[6,"8","NotifyPeriodicEventStream",{"id":1,"pending":0,"basetime":"2026-11-02T10:00:00Z","data":[{"t":0.5,"v":"1"}]}]"#,
];

/// Requests of ours, and answers that say something together with them.
const ASKED: &[(&str, &str)] = &[
    (r#"{"key":"AuthorizationKey","value":"new"}"#, r#"[3,"1",{"status":"Accepted"}]"#),
    (r#"{"key":"SecurityProfile","value":"2"}"#, r#"[3,"1",{"status":"RebootRequired"}]"#),
    (
        r#"{"setVariableData":[{"component":{"name":"SecurityCtrlr"},"variable":{"name":"BasicAuthPassword"},"attributeValue":"new"}]}"#,
        r#"[3,"1",{"setVariableResult":[{"component":{"name":"SecurityCtrlr"},"variable":{"name":"BasicAuthPassword"},"attributeStatus":"Rejected"}]}]"#,
    ),
    (
        r#"{"configurationSlot":1,"connectionData":{"ocppVersion":"OCPP20","ocppTransport":"JSON","ocppCsmsUrl":"wss://host","messageTimeout":30,"securityProfile":3,"ocppInterface":"Wired0"}}"#,
        r#"[3,"1",{"status":"Accepted"}]"#,
    ),
    (
        r#"{"certificateType":"V2GRootCertificate","certificate":"-----BEGIN CERTIFICATE-----"}"#,
        r#"[3,"1",{"status":"Failed"}]"#,
    ),
    (
        r#"{"certificateHashData":{"hashAlgorithm":"SHA256","issuerNameHash":"aa","issuerKeyHash":"bb","serialNumber":"1"}}"#,
        r#"[3,"1",{"status":"NotFound"}]"#,
    ),
    (
        r#"{"certificateType":["V2GRootCertificate"]}"#,
        r#"[3,"1",{"status":"Accepted","certificateHashDataChain":[{"certificateType":"V2GRootCertificate","certificateHashData":{"hashAlgorithm":"SHA256","issuerNameHash":"aa","issuerKeyHash":"bb","serialNumber":"1"},"childCertificateHashData":[]}]}]"#,
    ),
    (
        r#"{"vendorId":"org.openchargealliance.iso15118pnc","messageId":"DeleteCertificate","data":"{\"certificateHashData\":{}}"}"#,
        r#"[3,"1",{"status":"Accepted","data":"{\"status\":\"Accepted\"}"}]"#,
    ),
    (r#"{"transactionId":"t-1"}"#, r#"[3,"1",{"ongoingIndicator":false,"messagesInQueue":true}]"#),
    (
        r#"{"evseId":1,"chargingProfile":{"id":1,"stackLevel":0,"chargingProfilePurpose":"TxProfile","chargingProfileKind":"Absolute","transactionId":"t-1","chargingSchedule":[{"id":1,"chargingRateUnit":"W","chargingSchedulePeriod":[{"startPeriod":0,"limit":1.5}]}]}}"#,
        r#"[4,"1","InternalError","no",{}]"#,
    ),
    (
        r#"{"id":1,"expiryDateTime":"2026-11-02T10:00:00Z","idToken":{"idToken":"T","type":"ISO14443"}}"#,
        r#"[3,"1",{"status":"Occupied"}]"#,
    ),
    (
        r#"{"connectorId":1,"expiryDate":"2026-11-02T10:00:00Z","idTag":"T","reservationId":7}"#,
        r#"[3,"1",{"status":"Accepted"}]"#,
    ),
];

/// A whole message with pieces cut out, put in and repeated.
fn damaged() -> impl Strategy<Value = String> {
    prop::sample::select(WHOLE).prop_flat_map(|whole| damaged_of(whole.to_owned()))
}

/// Such a pair, of which either may be damaged.
fn damaged_pair() -> impl Strategy<Value = (String, String)> {
    let either =
        |whole: &'static str| prop_oneof![Just(whole.to_owned()), damaged_of(whole.to_owned())];
    prop::sample::select(ASKED)
        .prop_flat_map(move |(request, answer)| (either(request), either(answer)))
}

fn damaged_of(whole: String) -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[\\[\\]{}:,\"\\\\0-9a-z. -]{0,6}",
        Just("null".to_owned()),
        Just("1e999".to_owned()),
        Just("\\ud800".to_owned()),
        Just("[".repeat(200)),
        "\\PC{1,3}",
    ];
    let damage = (any::<prop::sample::Index>(), 0..12_usize, piece);
    prop::collection::vec(damage, 1..4).prop_map(move |damages| {
        let mut characters: Vec<char> = whole.chars().collect();
        for (at, cut, piece) in damages {
            let at = at.index(characters.len().max(1)).min(characters.len());
            let end = (at + cut).min(characters.len());
            characters.splice(at..end, piece.chars());
        }
        characters.into_iter().collect()
    })
}

/// JSON of any shape.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| format!("{number:e}")),
        "\\PC{0,12}".prop_map(|text| serde_json_string(&text)),
    ];
    let name = prop_oneof![
        prop::sample::select(
            &["status", "timestamp", "meterValue", "idTag", "idToken", "value"][..]
        )
        .prop_map(str::to_owned),
        "[a-zA-Z]{1,8}".prop_map(String::from),
    ];
    leaf.prop_recursive(4, 32, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5)
                .prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((name.clone(), inner), 0..5).prop_map(|members| {
                let members: Vec<String> = members
                    .into_iter()
                    .map(|(name, value)| format!("\"{name}\":{value}"))
                    .collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

fn serde_json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[test]
fn whole_messages_keep_the_promises() {
    for whole in WHOLE {
        fuzz::text(whole);
        fuzz::answer("{}", whole);
    }
}

#[test]
fn whole_requests_and_answers_keep_the_promises() {
    for (request, answer) in ASKED {
        fuzz::payload(request);
        fuzz::answer(request, answer);
    }
    fuzz::payload(
        r#"{"id":1,"pending":0,"basetime":"2026-11-02T10:00:00Z","data":[{"t":0.5,"v":"1"}]}"#,
    );
}

#[test]
fn depth_without_end_is_read_in_bounded_stack() {
    for open in ["[", "{\"a\":", "[2,\"1\",\"Heartbeat\","] {
        fuzz::text(&open.repeat(20_000));
        fuzz::answer("{}", &open.repeat(20_000));
        fuzz::answer(&open.repeat(20_000), r#"[3,"1",{}]"#);
    }
}

proptest! {
    #[test]
    fn any_text_keeps_the_promises(text in any::<String>()) {
        fuzz::text(&text);
        fuzz::answer("{}", &text);
    }

    #[test]
    fn a_damaged_message_keeps_the_promises(text in damaged()) {
        fuzz::text(&text);
        fuzz::answer("{}", &text);
    }

    #[test]
    fn any_bytes_are_inflated_within_bounds(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        fuzz::compressed(&bytes);
    }

    #[test]
    fn any_path_names_one_station_or_none(path in "/(ocpp/)?[ -~]{0,40}") {
        fuzz::path(&path);
    }
}

proptest! {
    // Each runs a payload through every action of three versions.
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_payload_keeps_the_promises(payload in json()) {
        fuzz::payload(&payload);
    }

    #[test]
    fn any_answer_to_any_request_keeps_the_promises(request in json(), payload in json()) {
        fuzz::answer(&request, &format!("[3,\"1\",{payload}]"));
    }

    #[test]
    fn a_damaged_answer_to_a_damaged_request_keeps_the_promises(
        (request, answer) in damaged_pair(),
    ) {
        fuzz::answer(&request, &answer);
    }
}
