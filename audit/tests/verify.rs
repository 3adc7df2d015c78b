//! An honest log's bundle is proven; a bundle that was changed, cut or lacks an event is
//! refused, and so is a log whose operator wrote down what does not follow.

#![allow(clippy::unwrap_used)]

mod dialects;
mod neighbours;
mod numbers;
mod summary;
mod transaction;
mod unplugged;
mod world;

use chargebook_audit::{AuditError, LocalTimeCheck, cited_exchanges, verify};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{PriceByHand, StopMatch};
use chargebook_domain::units::WattHours;
use chargebook_proof::Envelope;
use chargebook_proof::bundle::BundleError;
use chargebook_proof::checkpoint::{Origin, SigningKey};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use world::{
    INVOICE, TAG, TRANSACTION, World, disclosure, session_before, session_stream, signing_key,
};

fn belongs(envelope: &Envelope) -> bool {
    !envelope.stream.ends_with("noise")
}

#[test]
fn an_honest_bill_is_proven_and_the_report_shows_the_chain() {
    let world = World::billed();
    let report = verify(&world.bundle(), None).unwrap();
    assert_eq!(report.invoice.what.number, INVOICE);
    assert_eq!(report.invoice.what.total_gross_minor, 343);
    assert_eq!(report.checkpoint.size, world.events.len() as u64);
    assert_eq!((report.samples, report.frames.len(), report.postings.len()), (2, 6, 1));
    assert_eq!(report.local_time, LocalTimeCheck::Confirmed);
    let text = report.to_string();
    for shown in [
        "PROVEN: invoice R2026-000001 of 2026-11-22T10:43:02.000Z over 3.43 EUR",
        "ENERGY           1.5 kWh x 0.45 EUR, VAT 19 %: 0.68 EUR",
        "<- rating: 1020 s used, 1020 billed, by element 2 of the tariff",
        "AC version 1",
        "1000 Wh: 1000 in the frame of",
        r#""idTag":"(sealed)","meterStop":2500"#,
        "charging.example/log, 20 events, root ",
        "NOT PINNED",
        &signing_key().verifier_key().fingerprint().to_string(),
    ] {
        assert!(text.contains(shown), "{shown} is not in:\n{text}");
    }
    assert!(!text.contains(TAG));
}

/// A bundle that was handed out must verify for ever, by every later release. The file is
/// written anew with `UPDATE_GOLDEN=1`, which only a new schema or rules version justifies.
#[test]
fn a_bundle_of_the_first_release_is_still_proven() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/invoice-bundle-1.json");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let bundle = World::billed().bundle_of(belongs, vec![disclosure()]).unwrap();
        std::fs::write(path, bundle).unwrap();
    }
    let bundle = std::fs::read_to_string(path).unwrap();
    let key = "charging.example/log+a8830332+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs";
    let report = verify(&bundle, Some(key)).unwrap();
    assert_eq!(report.invoice.what.number, INVOICE);
    assert_eq!(report.invoice.what.total_gross_minor, 343);
}

#[test]
fn a_pinned_key_is_confirmed_and_another_one_refused() {
    let bundle = World::billed().bundle();
    let key = signing_key().verifier_key();
    for given in [key.to_string(), format!("{key}\n"), key.fingerprint().to_string()] {
        let report = verify(&bundle, Some(&given)).unwrap();
        assert!(report.pinned);
        assert!(report.to_string().contains("the key is the one that was given"));
    }
    let other = SigningKey::from_seed(Origin::new("charging.example/log").unwrap(), &[8; 32]);
    for given in [other.verifier_key().to_string(), "00".repeat(32)] {
        let found = key.fingerprint();
        let refused = Err(AuditError::Bundle(BundleError::NotThePinnedKey { found }));
        assert_eq!(verify(&bundle, Some(&given)), refused);
    }
    assert!(matches!(verify(&bundle, Some("nonsense")), Err(AuditError::Key(_))));
}

#[test]
fn what_the_bundle_discloses_is_shown_and_nothing_else_is() {
    let world = World::billed();
    let bundle = world.bundle_of(belongs, vec![disclosure()]).unwrap();
    let report = verify(&bundle, None).unwrap();
    assert!(report.to_string().contains(r#""idTag":"04A1B2C3","meterStop":2500"#));
    assert_eq!(report.disclosures, 1);
}

#[test]
fn every_changed_byte_is_refused() {
    let bundle = World::billed().bundle_of(belongs, vec![disclosure()]).unwrap();
    for index in 0..bundle.len() {
        let mut changed = bundle.clone().into_bytes();
        // Another bit each time, and never the top one: the text stays UTF-8.
        changed[index] ^= 1 << (index % 7);
        if let Ok(changed) = String::from_utf8(changed) {
            assert!(verify(&changed, None).is_err(), "byte {index}");
        }
    }
}

#[test]
fn every_truncation_is_refused() {
    let bundle = World::billed().bundle();
    for length in (0..bundle.len()).filter(|length| bundle.is_char_boundary(*length)) {
        assert!(verify(&bundle[..length], None).is_err(), "cut to {length}");
    }
}

#[test]
fn a_bundle_without_any_one_of_its_events_is_refused() {
    let world = World::billed();
    for missing in world.events.iter().filter(|envelope| belongs(envelope)) {
        // What comes after the invoice is good to have and not needed.
        let spare = ["ledger.posted", "session.outcome_decided"];
        let bundle = world.bundle_of(|e| belongs(e) && e.id != missing.id, Vec::new()).unwrap();
        let proven = verify(&bundle, None);
        assert_eq!(proven.is_ok(), spare.contains(&missing.event_type.as_str()), "{missing:?}");
    }
}

fn read(envelope: &Envelope) -> Event {
    Event::read(&envelope.event_type, 1, envelope.data.as_str()).unwrap()
}

fn refusal(bundle: &str) -> String {
    verify(bundle, None).unwrap_err().to_string()
}

#[test]
fn an_event_that_has_no_part_in_the_bill_is_refused() {
    let refusal = refusal(&World::billed().bundle_of(|_| true, Vec::new()).unwrap());
    assert!(refusal.contains("(account.opened) has no part in the bill"), "{refusal}");
}

#[test]
fn a_bundle_is_about_one_invoice() {
    let world = World::billed();
    let none = world.bundle_of(|e| belongs(e) && e.event_type != "invoice.issued", Vec::new());
    assert_eq!(verify(&none.unwrap(), None), Err(AuditError::Invoices(0)));
    let mut twice = world;
    let mut again = twice.events.iter().find(|e| e.event_type == "invoice.issued").unwrap().clone();
    again.id = twice.next_id().0;
    again.version += 1;
    twice.events.push(again);
    assert_eq!(verify(&twice.bundle(), None), Err(AuditError::Invoices(2)));
}

/// A log into which the operator wrote something else, sealed and signed: the proof holds, the
/// bill does not.
#[track_caller]
fn check_forged(event_type: &str, nth: usize, change: impl FnOnce(&mut Value), expected: &str) {
    let mut world = World::billed();
    world.forge(event_type, nth, change);
    let refusal = refusal(&world.bundle());
    assert!(refusal.contains(expected), "{refusal}");
}

#[test]
fn an_invoice_that_does_not_follow_from_its_rating_is_refused() {
    let check =
        |change: fn(&mut Value), expected| check_forged("invoice.issued", 0, change, expected);
    check(|i| i["total_gross_minor"] = json!(344), "total_gross_minor is 344, but 343 follows");
    check(|i| i["total_net_minor"] = json!(287), "total_net_minor is 287, but 288 follows");
    check(|i| i["total_vat_minor"] = json!(54), "total_vat_minor is 54, but 55 follows");
    check(|i| i["lines"][1]["net_minor"] = json!(69), "line 2 is {");
    check(|i| i["lines"][1]["unit_price"] = json!("0.46"), "line 2 is {");
    check(|i| i["lines"][2]["quantity"] = json!("0.29"), "line 3 is {");
    check(
        |i| i["lines"].as_array_mut().unwrap().truncate(2),
        "the number of lines is 2, but 3 follows",
    );
    check(
        |i| {
            let line = i["lines"][0].clone();
            i["lines"].as_array_mut().unwrap().push(line);
        },
        "the number of lines is 4, but 3 follows",
    );
    check(|i| i["vat"][0]["vat_minor"] = json!(56), "vat is [");
    check(|i| i["currency"] = json!("SEK"), "currency is SEK, but EUR follows");
    check(|i| i["currency_exponent"] = json!(3), "currency_exponent is 3, but 2 follows");
    check(|i| i["sequence"] = json!(2), "sequence is 2, but 1 follows");
    check(
        |i| i["number"] = json!("R2026-000002"),
        "number is R2026-000002, but R2026-000001 follows",
    );
    check(|i| i["series"] = json!("R2027"), "it belongs in invoice_series-R2027");
    check(
        |i| i["account_id"] = i["session_id"].clone(),
        "account_id is 01935000-0000-7000-8000-000000000001",
    );
    check(|i| i["delivered_from"] = json!("2026-11-22T09:00:00.000Z"), "delivered_from is");
    check(|i| i["delivered_to"] = json!("2026-11-22T11:00:00.000Z"), "delivered_to is");
    check(|i| i["tariff"]["version"] = json!(2), "tariff is {");
    check(|i| i["rated"] = i["session_id"].clone(), "the rating (01935000");
    check(|i| i["rated"] = i["tariff"]["event_id"].clone(), "it belongs in session-");
    check(|i| i["session_id"] = i["account_id"].clone(), "it belongs in session-");
}

#[test]
fn a_rating_that_does_not_follow_from_session_and_tariff_is_refused() {
    let check =
        |change: fn(&mut Value), expected| check_forged("session.rated", 0, change, expected);
    check(|r| r["rating"]["total_cost"]["excl_vat"] = json!("9"), "rating.total_cost is");
    check(|r| r["rating"]["lines"][0]["unit_price"] = json!("0.6"), "rating.lines is");
    check(|r| r["rating"]["total_energy_kwh"] = json!("1.50"), "rating.total_energy_kwh is");
    check(|r| r["rating"]["tariff_sha256"] = json!("00"), "rating.tariff_sha256 is");
    check(|r| r["rating"]["rules_version"] = json!("0"), "no rating rules of version `0`");
    check(
        |r| r["rating"]["local_time"]["utc_offsets"][0]["offset_seconds"] = json!(7200),
        "rating.local_time.utc_offsets is",
    );
    check(|r| r["time_zone"] = json!("Europe/Lisbon"), "time_zone is Europe/Lisbon");
    check(
        |r| r["rating"]["local_time"]["time_zone"] = json!("Europe/Lisbon"),
        "rating.local_time.time_zone is Europe/Lisbon",
    );
    check(|r| r["tariff"]["content_sha256"] = json!("00"), "the tariff's content_sha256 is 00");
    check(|r| r["tariff"]["version"] = json!(2), "the tariff's version is 2, but 1 follows");
    check(|r| r["settled"] = r["tariff"]["event_id"].clone(), "it belongs in session-");
}

#[test]
fn other_time_zone_data_is_told_and_not_refused() {
    let mut world = World::billed();
    world.forge("session.rated", 0, |r| {
        // An hour more than the program's own data says; the same bill all the same.
        r["rating"]["local_time"]["utc_offsets"][0]["offset_seconds"] = json!(7200);
        r["rating"]["local_time"]["tzdb_version"] = json!("1999z");
    });
    let report = verify(&world.bundle(), None).unwrap();
    assert!(
        matches!(&report.local_time, LocalTimeCheck::OtherRelease { rated_with, .. } if rated_with == "1999z")
    );
    assert!(report.to_string().contains("LOCAL TIME NOT CONFIRMED"));
}

#[test]
fn a_tariff_that_is_not_the_one_named_is_refused() {
    let check = |change: fn(&mut Value), expected| {
        check_forged("tariff.version_published", 0, change, expected);
    };
    let cheaper = |t: &mut Value| {
        let content = t["content"].as_str().unwrap().replace("0.45", "0.40");
        t["content"] = json!(content);
    };
    check(cheaper, "content_sha256 is");
    check(|t| t["version"] = json!(2), "the tariff's version is 1, but 2 follows");
    check(|t| t["tariff"] = json!("DC"), "the tariff's name is AC, but DC follows");
}

#[test]
fn a_settlement_that_does_not_follow_from_the_facts_is_refused() {
    let check = |change: fn(&mut Value), expected| {
        check_forged("session.settled", 0, change, expected);
    };
    check(|s| s["energy_wh"] = json!("1600"), "energy_wh is 1600, but 1500 follows");
    check(|s| s["register_end"]["register_wh"] = json!("2600"), "register_end is 2600 Wh");
    check(|s| s["register_start"]["evidence"]["pointer"] = json!("/3/x"), "register_start is");
    check(|s| s["released_at"] = json!(null), "released_at is unknown");
    check(|s| s["started_at"] = json!("2026-11-22T09:00:00.000Z"), "started_at is");
    check(|s| s["ended_at"] = json!("2026-11-22T10:31:00.000Z"), "ended_at is");
    check(|s| s["as_of_version"] = json!(3), "as_of_version is 3, but 11 follows");
}

#[test]
fn a_fact_that_the_charger_did_not_say_is_refused() {
    let stop =
        |change: fn(&mut Value), expected| check_forged("session.stopped", 0, change, expected);
    stop(
        |s| s["meter_stop"]["register_wh"] = json!("2600"),
        "the register is 2600 in the fact and 2500 in the frame",
    );
    stop(
        |s| {
            s["meter_stop"]["register_wh"] = json!("2600");
            s["meter_stop"]["evidence"]["raw"] = json!("2600");
        },
        "the frame says 2500 at /3/meterStop, the fact repeats it as 2600",
    );
    stop(
        |s| s["meter_stop"]["evidence"]["pointer"] = json!("/3/meterEnd"),
        "the frame has nothing at /3/meterEnd",
    );
    stop(|s| s["stopped_at"] = json!("2026-11-22T10:31:00.000Z"), "the time of the stop is");
    stop(|s| s["received_at"] = json!("2026-11-22T10:31:00.000Z"), "the time of receipt is");
    stop(
        |s| s["meter_stop"]["evidence"]["event_id"] = s["id_tag"][0]["subject"].clone(),
        "comes from another",
    );
    stop(|s| s["exchange"] = s["id_tag"][0]["subject"].clone(), "own frame (01935000");

    let start =
        |change: fn(&mut Value), expected| check_forged("session.started", 0, change, expected);
    start(|s| s["meter_start"]["register_wh"] = json!("900"), "the register is 900 in the fact");
    start(|s| s["started_at"] = json!("2026-11-22T09:59:00.000Z"), "the time of the start is");
    start(|s| s["connector"] = json!(2), "the connector is 2 in the fact and 1 in the frame");
    start(|s| s["authorization"] = json!("invalid"), "the word about the token is Invalid");
    start(|s| s["transaction_id"] = json!(18), "the transaction is 18 in the fact and 17");
    start(|s| s["station_id"] = s["session_id"].clone(), "the station is");

    let meter = |change: fn(&mut Value), expected| {
        check_forged("session.meter_recorded", 1, change, expected);
    };
    meter(|m| m["samples"][0]["value"] = json!("2251"), "a sample is 2251 in the fact");
    meter(|m| m["samples"][0]["context"] = json!("Transaction.End"), "the context is");
    meter(|m| m["samples"][0]["phase"] = json!("L1"), "the phase is L1 in the fact");
    meter(|m| m["samples"][0]["quantity"] = json!("power_import_w"), "the measurand is");
    meter(
        |m| m["samples"][0]["sampled_at"] = json!("2026-11-22T10:19:00.000Z"),
        "the time of a sample is",
    );
    meter(
        |m| m["samples"][0]["evidence"]["pointer"] = json!("/3/meterValue/0/sampledValue/0/unit"),
        "the frame says",
    );

    let status = |change: fn(&mut Value), expected| {
        check_forged("session.connector_status", 0, change, expected);
    };
    status(|s| s["status"] = json!("Charging"), "the status is Charging in the fact");
    status(|s| s["at"] = json!("2026-11-22T10:29:00.000Z"), "the time is");
    status(|s| s["connector"] = json!(2), "the connector is 2 in the fact");
    status(|s| s["received_at"] = json!("2026-11-22T10:29:00.000Z"), "the time of receipt is");
}

/// A log without the `nth` event of a type; the versions of what follows it close the hole.
fn without(mut world: World, event_type: &str, nth: usize) -> World {
    let mut found = world.events.iter().enumerate().filter(|(_, e)| e.event_type == event_type);
    let (place, _) = found.nth(nth).unwrap();
    let removed = world.events.remove(place);
    for later in world.events.iter_mut().skip(place).filter(|e| e.stream == removed.stream) {
        later.version -= 1;
    }
    world
}

#[test]
fn a_frame_whose_fact_was_left_out_is_refused() {
    for (event_type, nth, expected) in [
        ("session.connector_status", 0, "the frame's StatusNotification is not among"),
        ("session.meter_recorded", 1, "the frame's register of 2250 Wh at 2026-11-22T10:20"),
    ] {
        let mut world = World::default();
        let tariff = world.publish_tariff();
        world.charge();
        let mut world = without(world, event_type, nth);
        world.bill(tariff);
        let refusal = refusal(&world.bundle());
        assert!(refusal.contains(expected), "{refusal}");
    }
}

#[test]
fn a_repeat_is_no_new_fact_and_must_be_one() {
    let mut world = World::default();
    let tariff = world.publish_tariff();
    world.charge();
    let stop = world.events.iter().rfind(|e| e.event_type == "session.stopped").unwrap();
    let first: Value = serde_json::from_str(stop.data.as_str()).unwrap();
    world.stop_frame(&session_stream(), "10:30:00", 2_500, TRANSACTION);
    let exchanges = world.events.iter().filter(|e| e.event_type == "exchange.recorded").count();
    let repeat = |e: &mut Value| e["duplicate_of"] = first["exchange"].clone();
    world.forge("exchange.recorded", exchanges - 1, repeat);
    let mut other = world.clone();
    world.bill(tariff.clone());
    verify(&world.bundle(), None).unwrap();

    other.forge("exchange.recorded", exchanges - 1, |e| request(e, "2500", "2400"));
    other.bill(tariff);
    let refusal = refusal(&other.bundle());
    assert!(refusal.contains("the frame's StopTransaction is not among"), "{refusal}");
}

/// Changes the plain spans of a request with sealed holes.
fn request(exchange: &mut Value, old: &str, new: &str) {
    for part in exchange["request"].as_array_mut().unwrap() {
        if let Some(text) = part.as_str() {
            *part = json!(text.replace(old, new));
        }
    }
}

#[test]
fn a_frame_that_says_something_else_is_refused() {
    // The stop's exchange: its request is an array with the sealed tag in the middle.
    let check =
        |change: fn(&mut Value), expected| check_forged("exchange.recorded", 4, change, expected);
    check(|e| request(e, "2500", "2600"), "the frame says 2600 at /3/meterStop");
    check(|e| request(e, "Id\":17", "Id\":71"), "the transaction is 17 in the fact and 71");
    check(|e| request(e, "StopT", "StartT"), "the action is StopTransaction in the fact");
    check(|e| request(e, "[2,", "[4,"), "no frame that can be read");
    check(|e| request(e, "}]", "]"), "no frame that can be read");
    check(|e| e["request"] = json!(null), "no frame that can be read");
    check(|e| e["direction"] = json!("to_station"), "the message was not the charger's");
    check(|e| e["verdict"] = json!("refused"), "the message was refused");
    check(|e| e["duplicate_of"] = e["station_id"].clone(), "the message was a repeat");
    check(|e| e["station_id"] = e["request"][1]["subject"].clone(), "the station is");
}

#[test]
fn a_posting_that_does_not_move_the_invoices_sums_is_refused() {
    let check =
        |change: fn(&mut Value), expected| check_forged("ledger.posted", 0, change, expected);
    check(|p| p["legs"][0]["amount_minor"] = json!(344), "the sum of all legs is 1, but 0 follows");
    check(
        |p| {
            p["legs"][0]["amount_minor"] = json!(344);
            p["legs"][1]["amount_minor"] = json!(-289);
        },
        "the posting is {",
    );
    check(
        |p| {
            p["legs"][1]["amount_minor"] = json!(-289);
            p["legs"][2]["amount_minor"] = json!(-54);
        },
        "the posting is {",
    );
    check(|p| p["legs"][2]["account"] = json!("private"), "the posting is {");
    check(|p| p["currency"] = json!("SEK"), "the posting is {");
    check(|p| p["invoice"] = json!("R2026-9"), "(ledger.posted) has no part in the bill");
}

#[test]
fn data_that_no_release_knows_is_refused_by_name() {
    let mut world = World::billed();
    let envelope = world.events.iter_mut().find(|e| e.event_type == "session.rated").unwrap();
    envelope.schema_version = 9;
    let refusal = refusal(&world.bundle());
    assert!(refusal.contains("`session.rated` version 9 is not known"), "{refusal}");
}

#[test]
fn causes_stand_before_their_effects() {
    let mut world = World::billed();
    let invoice = world.events.iter().position(|e| e.event_type == "invoice.issued").unwrap();
    let first = world.events.remove(invoice);
    world.events.insert(0, first);
    let refusal = refusal(&world.bundle());
    assert!(refusal.contains("stands in the log before"), "{refusal}");
}

#[test]
fn a_stop_that_came_before_its_start_is_proven_from_the_stations_stream() {
    let mut world = World::default();
    let tariff = world.publish_tariff();
    let exchange = world.stop_frame("station-1-2026-11", "10:30:00", 2_500, -1);
    world.start("10:00:00", 1_000);
    world.stop_fact(exchange, "10:30:00", 2_500, StopMatch::StartCameLater);
    world.status("10:42:00", "Available");
    world.bill(tariff);
    let report = verify(&world.bundle(), None).unwrap();
    assert_eq!(report.settled.what.energy_wh, WattHours::from_whole(1_500));
    assert_eq!(report.frames[0].id, exchange);
    let events: Vec<Event> =
        world.events.iter().filter(|e| e.stream == session_stream()).map(read).collect();
    assert!(cited_exchanges(&events).contains(&exchange));
    let without = world.bundle_of(|e| e.id != exchange.0, Vec::new()).unwrap();
    assert_eq!(
        verify(&without, None),
        Err(AuditError::Missing {
            what: "the exchange with the charger's own frame",
            id: exchange
        })
    );
}

#[test]
fn a_session_whose_end_the_next_one_shows_is_proven() {
    let mut world = World::default();
    let tariff = world.publish_tariff();
    world.start("10:00:00", 1_000);
    world.sample("10:20:00", r#"{"value":"2000"}"#, "\"2000\"", Decimal::from(2_000));
    let next = world.superseded("10:42:00", 2_100);
    world.bill(tariff);
    let report = verify(&world.bundle(), None).unwrap();
    assert_eq!(report.settled.what.energy_wh, WattHours::from_whole(1_100));
    assert!(report.frames.iter().any(|frame| frame.id == next));
    world.forge("session.superseded", 0, |s| s["register"]["register_wh"] = json!("1900"));
    let refusal = refusal(&world.bundle());
    assert!(refusal.contains("the register is 1900 in the fact and 2100"), "{refusal}");
}

#[test]
fn a_credit_note_is_proven_with_the_invoice_that_it_takes_back() {
    let mut world = World::default();
    let tariff = world.publish_tariff();
    world.charge();
    world.bill(tariff.clone());
    // The connector was free sooner: a word that the charger had kept to itself.
    world.status("10:36:00", "Available");
    world.bill(tariff);
    // The register's and the account's events, by their number there.
    let with = |numbers: &'static [u64]| {
        move |envelope: &Envelope| match envelope.event_type.as_str() {
            "invoice.issued" | "ledger.posted" => numbers.contains(&envelope.version),
            _ => true,
        }
    };
    let report = verify(&world.bundle_of(with(&[0, 1]), Vec::new()).unwrap(), None).unwrap();
    assert_eq!(report.invoice.what.total_gross_minor, -343);
    assert_eq!(report.corrects.as_ref().unwrap().what.number, INVOICE);
    let text = report.to_string();
    assert!(text.contains("PROVEN: credit note R2026-000002"), "{text}");
    assert!(text.contains("over -3.43 EUR"), "{text}");
    assert!(text.contains("<- taken back from R2026-000001"), "{text}");

    let report = verify(&world.bundle_of(with(&[2]), Vec::new()).unwrap(), None).unwrap();
    assert_eq!(report.invoice.what.number, "R2026-000003");
    assert_eq!(report.invoice.what.total_gross_minor, 271);

    for numbers in [&[1][..], &[0, 2], &[1, 2], &[0, 1, 2]] {
        let bundle = world.bundle_of(with(numbers), Vec::new()).unwrap();
        assert_eq!(verify(&bundle, None), Err(AuditError::Invoices(numbers.len())));
    }
    world.forge("invoice.issued", 1, |i| i["total_gross_minor"] = json!(-300));
    let refusal = refusal(&world.bundle_of(with(&[0, 1]), Vec::new()).unwrap());
    assert!(refusal.contains("total_gross_minor is -300, but -343 follows"), "{refusal}");
}

#[test]
fn two_events_of_one_id_are_refused() {
    let mut world = World::billed();
    let id = world.events[1].id;
    world.events[3].id = id;
    assert!(matches!(verify(&world.bundle(), None), Err(AuditError::IdTwice(_))));
}

/// A start that gives no register: the end of the session before is held against its frame.
#[test]
fn a_begin_register_of_the_session_before_is_proven() {
    let billed = |claimed: i64| {
        let mut world = World::default();
        let tariff = world.publish_tariff();
        let exchange = world.stop_frame(&session_before(), "09:00:00", 1_000, 16);
        world.start_after("10:00:00", 0, Some((exchange, claimed)));
        world.stop("10:30:00", 2_500);
        world.status("10:42:00", "Available");
        world.bill(tariff);
        verify(&world.bundle(), None)
    };
    let report = billed(1_000).unwrap();
    assert_eq!(report.settled.what.energy_wh, WattHours::from_whole(1_500));
    assert!(matches!(billed(500), Err(AuditError::Frame { .. })), "another register is refused");
}

/// A bill that a person entered is proven to be theirs, and the report says so.
#[test]
fn a_bill_by_hand_is_proven_to_rest_on_a_decision() {
    let price = |net: &str| PriceByHand {
        net: net.parse().unwrap(),
        vat_percent: Some(Decimal::from(19)),
        currency: "EUR".to_owned(),
    };
    let billed = |price: Option<PriceByHand>, claimed: Option<PriceByHand>| {
        let mut world = World::default();
        let tariff = price.is_none().then(|| world.publish_tariff());
        world.start("10:00:00", 9_000);
        world.stop("10:30:00", 2_500);
        world.decide(1_500, price);
        match (tariff, claimed) {
            (Some(tariff), _) => world.bill(tariff),
            (None, Some(claimed)) => world.bill_by_hand(&claimed),
            (None, None) => panic!("a price is claimed"),
        }
        verify(&world.bundle(), None)
    };
    let report = billed(None, None).unwrap();
    // 1.5 kWh at 0.45 and 0.50 for the session, 19 % VAT: the times are those of the charger.
    assert_eq!(report.invoice.what.total_net_minor, 118);
    let first = report.to_string().lines().next().unwrap_or_default().to_owned();
    assert!(first.starts_with("PROVEN, DECIDED BY A PERSON: "), "{first}");
    let report = billed(Some(price("4.20")), Some(price("4.20"))).unwrap();
    assert_eq!(report.invoice.what.total_gross_minor, 500);
    assert_eq!(report.tariff.what.tariff, "by-hand");
    let refused = billed(Some(price("4.20")), Some(price("42.00")));
    assert!(matches!(refused, Err(AuditError::Differs { .. })), "{refused:?}");
}
