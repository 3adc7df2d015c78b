//! What a program is told of a verification.

use crate::world::{INVOICE, World, signing_key};
use chargebook_audit::verify;
use serde_json::{Value, json};

/// The kinds of findings, with the event of each.
fn findings(report: &Value) -> Vec<(&str, &Value)> {
    let findings = report["findings"].as_array().unwrap();
    assert!(findings.iter().all(|finding| finding["text"].is_string()), "{report:#}");
    findings.iter().map(|it| (it["kind"].as_str().unwrap(), &it["event"])).collect()
}

#[test]
fn a_proven_bill_is_told_with_what_was_checked() {
    let world = World::billed();
    let key = signing_key().verifier_key();
    let report = verify(&world.bundle(), Some(&key.to_string())).unwrap().to_json();
    assert_eq!((&report["verdict"], &report["findings"]), (&json!("proven"), &json!([])));
    let invoice = &report["invoice"];
    assert_eq!((&invoice["number"], &invoice["kind"]), (&json!(INVOICE), &json!("invoice")));
    assert_eq!(invoice["total_gross_minor"], 343);
    assert_eq!(report["takes_back"], Value::Null);
    let session = &report["session"];
    assert_eq!((&session["energy_wh"], &session["transaction_id"]), (&json!("1500"), &json!("17")));
    let end = &session["register_end"];
    assert_eq!((&end["pointer"], &end["raw"]), (&json!("/3/meterStop"), &json!("2500")));
    let checked = &report["checked"];
    assert_eq!(checked["frames"].as_array().unwrap().len(), 6);
    assert_eq!((&checked["samples"], &checked["disclosures"]), (&json!(2), &json!(0)));
    let log = &report["log"];
    assert_eq!((&log["size"], &log["is_pinned"]), (&json!(20), &json!(true)));
    assert_eq!(log["fingerprint"], key.fingerprint().to_string());
}

#[test]
fn what_somebody_has_to_look_at_is_a_finding() {
    let mut world = World::billed();
    world.forge("session.rated", 0, |rated| {
        rated["rating"]["local_time"]["utc_offsets"][0]["offset_seconds"] = json!(7200);
        rated["rating"]["local_time"]["tzdb_version"] = json!("1999z");
    });
    world.forge("exchange.recorded", 2, |exchange| {
        exchange["dialect"] = json!(["unit_missing_is_kwh"]);
    });
    let [rated, read] = ["session.rated", "exchange.recorded"].map(|event_type| {
        let nth = if event_type == "session.rated" { 0 } else { 2 };
        let of_type = world.events.iter().filter(|e| e.event_type == event_type);
        json!(of_type.clone().nth(nth).unwrap().id)
    });
    let report = verify(&world.bundle(), None).unwrap().to_json();
    let expected = [
        ("local_time_not_confirmed", &rated),
        ("values_read_in_a_dialect", &read),
        ("key_not_pinned", &Value::Null),
    ];
    assert_eq!(findings(&report), expected);

    let mut decided = World::default();
    let tariff = decided.publish_tariff();
    decided.start("10:00:00", 9_000);
    decided.stop("10:30:00", 2_500);
    let decision = json!(decided.decide(1_500, None));
    decided.bill(tariff);
    let report = verify(&decided.bundle(), None).unwrap().to_json();
    assert_eq!(findings(&report)[0], ("decided_by_a_person", &decision));
}

#[test]
fn what_is_not_proven_is_told_with_the_event_that_is_wrong() {
    let mut world = World::billed();
    world.forge("session.stopped", 0, |stopped| stopped["meter_stop"]["register_wh"] = json!("9"));
    let stopped = world.events.iter().find(|e| e.event_type == "session.stopped").unwrap();
    let refused = verify(&world.bundle(), None).unwrap_err().to_json();
    assert_eq!(refused["verdict"], "not_proven");
    assert_eq!(findings(&refused), [("refused", &json!(stopped.id))]);
    let text = refused["findings"][0]["text"].as_str().unwrap();
    assert!(text.contains("the register is 9 in the fact and 2500"), "{text}");
    let refused = verify("{}", None).unwrap_err().to_json();
    assert_eq!(findings(&refused), [("refused", &Value::Null)]);
}
