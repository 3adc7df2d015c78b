//! Blocks C and D: who may charge, groups and master passes, the cache and the local list.

use serde_json::{Value, json};

use super::{Bench, Transaction, V21, by, in_both, reason, register, status_is, token};
use crate::harness::eventually;
use crate::messages::{TAG, an_hour_ago, finished_sessions, invoice_of};

#[track_caller]
fn add_token(bench: &Bench, uid: &str, further: Value) {
    let mut token = json!({ "uid": uid, "type": "RFID" });
    super::merge(&mut token, further);
    bench.csms.post("/v1/tokens", &token).expect(201);
}

/// TC_C_02 (unknown), TC_C_06 (blocked), TC_C_07 (expired), and TC_C_20: the same of a token that
/// the station has in its cache.
#[test]
fn a_token_that_may_not_charge_is_told_why() {
    in_both(|bench| {
        add_token(bench, "BLOCKED", json!({ "status": "blocked" }));
        add_token(bench, "EXPIRED", json!({ "expires_at": "2026-01-01T00:00:00Z" }));
        for (uid, why) in [("NOBODY", "Invalid"), ("BLOCKED", "Blocked"), ("EXPIRED", "Expired")] {
            let answer = bench.station.call("Authorize", by(uid));
            assert_eq!(answer["idTokenInfo"]["status"], why, "{uid}");
            let mut transaction = Transaction::new(uid, an_hour_ago());
            bench.tells(&mut transaction, ("Started", "EVDetected"), &[]);
            let answer = bench.tells(&mut transaction, ("Updated", "Authorized"), &[by(uid)]);
            assert_eq!(answer["idTokenInfo"]["status"], why, "{uid}");
            bench.tells(&mut transaction, ("Ended", "Deauthorized"), &[reason("DeAuthorized")]);
        }
        assert_eq!(bench.csms.invoices(), Vec::<Value>::new());
    });
}

/// TC_C_08: a token of the cache is not asked about before its transaction.
#[test]
fn a_cached_token_is_checked_in_its_transaction() {
    in_both(|bench| {
        let mut transaction = Transaction::new("T-1", an_hour_ago());
        bench.tells(&mut transaction, ("Started", "EVDetected"), &[]);
        let answer = bench.tells(&mut transaction, ("Updated", "Authorized"), &[by(TAG)]);
        assert_eq!(answer["idTokenInfo"]["status"], "Accepted");
    });
}

/// TC_C_37 (accepted), TC_C_38 (rejected).
#[test]
fn the_cache_is_cleared() {
    in_both(|bench| {
        for answer in ["Accepted", "Rejected"] {
            let body = json!({ "verb": "clear_cache" });
            assert_eq!(bench.commands(body, "ClearCache", status_is(answer)), json!({}));
        }
    });
}

/// How `SISTER` stands on the station's own list, where that is sent at all.
#[derive(Clone, Copy, PartialEq)]
enum Listed {
    Nowhere,
    Accepted,
    Invalid,
}

impl Listed {
    /// Sends the list: the first token of the group by our verb, which knows its group, and the
    /// whole in OCPP's words where it says what only they have a word for.
    #[track_caller]
    fn send(self, bench: &mut Bench) {
        let entry = |uid: &str, status: &str| {
            json!({ "idToken": token(uid), "idTokenInfo": { "status": status,
                "groupIdToken": { "idToken": "FAMILY", "type": "Central" } } })
        };
        let sister = match self {
            Self::Nowhere => return,
            Self::Accepted => "Accepted",
            Self::Invalid => "Invalid",
        };
        let sent = json!({ "versionNumber": 1, "updateType": "Full",
            "localAuthorizationList": [entry(TAG, "Accepted"), entry("SISTER", sister)] });
        if self == Self::Invalid {
            bench.asks("SendLocalList", sent, status_is("Accepted"));
            return;
        }
        let tokens = ["SISTER", TAG].map(|uid| json!({ "token": uid, "allowed": true }));
        let [second, first] = tokens;
        let body = json!({ "verb": "send_local_list", "version": 1, "replace": true,
            "tokens": [first, second] });
        assert_eq!(bench.commands(body, "SendLocalList", status_is("Accepted")), sent);
    }
}

/// TC_C_39, TC_C_40 (both are on the station's list), TC_C_43 (one of them is invalid there, so
/// the station asks): another of the group ends what the first began.
#[test]
fn another_of_the_group_ends_the_session() {
    for listed in [Listed::Nowhere, Listed::Accepted, Listed::Invalid] {
        in_both(|bench| another_ends(bench, listed));
    }
}

fn another_ends(bench: &mut Bench, listed: Listed) {
    let family = json!({ "group": "FAMILY" });
    bench.csms.patch(&format!("/v1/tokens/{TAG}"), &family).expect(200);
    add_token(bench, "SISTER", family);
    listed.send(bench);
    let of_family = |answer: Value| {
        let info = &answer["idTokenInfo"];
        let shown = (&info["status"], &info["groupIdToken"]["idToken"]);
        assert_eq!(shown, (&json!("Accepted"), &json!("FAMILY")), "{answer}");
    };
    // Who is accepted on the list is not asked about.
    if listed == Listed::Nowhere {
        of_family(bench.station.call("Authorize", by(TAG)));
    }
    let mut transaction = Transaction::new("T-1", an_hour_ago());
    let begun = [by(TAG), register("Transaction.Begin", 1_000)];
    of_family(bench.tells(&mut transaction, ("Started", "Authorized"), &begun));
    if listed != Listed::Accepted {
        of_family(bench.station.call("Authorize", by("SISTER")));
    }
    let stopped = ("Updated", "StopAuthorized");
    of_family(bench.tells(&mut transaction, stopped, &[by("SISTER")]));
    let ended = [reason("Local"), register("Transaction.End", 11_000)];
    bench.tells(&mut transaction, ("Ended", "EVCommunicationLost"), &ended);
    bench.connector_is("Available");
    let session = finished_sessions(&bench.csms, "CP-1", 1).remove(0);
    assert_eq!(session["token"], TAG, "who began it pays");
    invoice_of(&bench.csms, &session, 10_000);
}

/// TC_C_47 (with a display, all sessions), TC_C_48 (with a display, one of two), TC_C_49 (without
/// one: the sessions end in the name of their own tokens).
#[test]
fn a_master_pass_ends_sessions_of_others() {
    in_both(|bench| {
        bench.csms.put("/v1/settings/master-pass", &json!({ "group": "MASTER" })).expect(200);
        add_token(bench, "PASS", json!({ "group": "MASTER" }));
        add_token(bench, "OTHER", json!({}));
        for (case, by_pass, chosen) in [("C_47", true, 2), ("C_48", true, 1), ("C_49", false, 2)] {
            let running = (1..).zip([TAG, "OTHER"]).map(|(evse, uid)| {
                let transaction = Transaction::new(&format!("{case}-{uid}"), an_hour_ago());
                let mut transaction = transaction.at_evse(evse);
                bench.begins(&mut transaction, uid);
                (uid, transaction)
            });
            let mut running: Vec<_> = running.collect();
            is_let_as_master(&bench.station.call("Authorize", by("PASS")));
            let goes_on = running.split_off(chosen);
            for (uid, mut transaction) in running {
                let who = if by_pass { "PASS" } else { uid };
                let ended = [by(who), reason("MasterPass"), register("Transaction.End", 11_000)];
                let answer = bench.tells(&mut transaction, ("Ended", "StopAuthorized"), &ended);
                match by_pass {
                    true => is_let_as_master(&answer),
                    false => assert_eq!(answer["idTokenInfo"]["status"], "Accepted", "{answer}"),
                }
            }
            for (uid, mut transaction) in goes_on {
                eventually("that the other one goes on", || {
                    let sessions = bench.csms.sessions("CP-1");
                    let stopped_as = |uid: &str| {
                        let id = json!(format!("{case}-{uid}"));
                        let session = sessions.iter().find(|it| it["transaction_id"] == id)?;
                        Some(session["stop_reason"].clone())
                    };
                    let reasons = [stopped_as(TAG)?, stopped_as(uid)?];
                    (reasons == [json!("MasterPass"), Value::Null]).then_some(())
                });
                bench.ends_as(&mut transaction, uid);
            }
            bench.connector_is("Available");
        }
        let sessions = finished_sessions(&bench.csms, "CP-1", 6);
        let by_master = |session: &&Value| session["stop_reason"] == "MasterPass";
        assert_eq!(sessions.iter().filter(by_master).count(), 5);
        for session in &sessions {
            assert_ne!(session["token"], "PASS", "who began it pays");
            assert_eq!(session["anomalies"], json!([]), "a master pass may end it");
        }
    });
}

#[track_caller]
fn is_let_as_master(answer: &Value) {
    let info = &answer["idTokenInfo"];
    let known = (&info["status"], &info["groupIdToken"]["idToken"]);
    assert_eq!(known, (&json!("Accepted"), &json!("MASTER")), "{answer}");
}

/// TC_D_01 (full), TC_D_02 (differential), TC_D_03 (tokens taken off), TC_D_04 (empty), TC_D_08
/// (the version), TC_D_09 (there is none).
#[test]
fn the_local_list_is_sent_and_its_version_asked_for() {
    let list = |version: u32, replace: bool, tokens: Value| {
        json!({ "verb": "send_local_list", "version": version, "replace": replace,
            "tokens": tokens })
    };
    let sent = |version: u32, kind: &str, entry: Option<Value>| {
        let mut sent = json!({ "versionNumber": version, "updateType": kind });
        if let Some(entry) = entry {
            sent["localAuthorizationList"] = json!([entry]);
        }
        sent
    };
    let allowed = json!([{ "token": TAG, "allowed": true }]);
    let named = json!([{ "token": TAG }]);
    let entry = json!({ "idToken": token(TAG), "idTokenInfo": { "status": "Accepted" } });
    let nothing = json!({ "idToken": token(TAG) });
    in_both(|bench| {
        for held in [0, 7] {
            let body = json!({ "verb": "get_local_list_version" });
            let answer = json!({ "versionNumber": held });
            assert_eq!(bench.commands(body, "GetLocalListVersion", answer), json!({}));
        }
        for (body, expected) in [
            (list(8, true, allowed.clone()), sent(8, "Full", Some(entry.clone()))),
            (list(9, false, allowed.clone()), sent(9, "Differential", Some(entry.clone()))),
            (list(10, false, named.clone()), sent(10, "Differential", Some(nothing.clone()))),
            (list(11, true, json!([])), sent(11, "Full", None)),
        ] {
            assert_eq!(bench.commands(body, "SendLocalList", status_is("Accepted")), expected);
        }
    });
}

/// TC_C_117 (settled by us), TC_C_118 (settled by the station), TC_C_119 (that failed), TC_C_120
/// (it was rejected), of 2.1: what the station says of the payment at its terminal is answered,
/// and its session shows it.
#[test]
fn a_settlement_at_the_station_is_told_to_its_session() {
    let mut bench = Bench::booted(V21);
    let settled = |transaction: &str, status: &str| {
        json!({ "pspRef": "1234", "status": status, "settlementAmount": 5.95, "receiptId": "R-1",
            "settlementTime": "2026-11-20T10:00:00Z", "transactionId": transaction })
    };
    let answer = bench.station.call("NotifySettlement", settled("T-OTHER", "Settled"));
    assert!(answer.is_object(), "of no session: {answer}");
    bench.charges("T-1");
    for status in ["Canceled", "Failed", "Rejected", "Settled"] {
        let answer = bench.station.call("NotifySettlement", settled("T-1", status));
        assert!(answer.is_object(), "{status}: {answer}");
    }
    let settlement = eventually("the settlement at the session", || {
        let settlement = bench.csms.sessions("CP-1").first()?["settlement"].clone();
        (settlement["status"] == "Settled").then_some(settlement)
    });
    let expected = json!({ "status": "Settled", "amount": "5.95", "reference": "1234",
        "settled_at": "2026-11-20T10:00:00.000Z", "receipt_id": "R-1", "receipt_url": null });
    assert_eq!(settlement, expected);
}
