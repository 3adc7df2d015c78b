//! What becomes of the tariffs at a 2.1 station with its answers to requests of ours (part 2,
//! I07, I09 to I11).

use crate::payload::Payload;
use chargebook_commands::{StationEffect, TariffsTold};
use chargebook_domain::events::v1::HeldTariff;
use chargebook_domain::ids::{EvseNumber, TransactionName};

/// The word for it.
const ACCEPTED: &str = "Accepted";
/// The word for there being none.
const NO_TARIFF: &str = "NoTariff";

/// What the station holds, or holds no more.
pub(super) fn of_answer(
    action: &str,
    call: &Payload<'_, '_>,
    answer: &Payload<'_, '_>,
) -> Option<StationEffect> {
    let status = answer.string("status");
    let is_accepted = status.as_deref() == Some(ACCEPTED);
    let told = match action {
        "SetDefaultTariff" if is_accepted => {
            let tariff = call.object("tariff")?;
            TariffsTold::DefaultSet {
                evse: EvseNumber(call.integer("evseId")?),
                tariff: tariff.text("tariffId")?,
                valid_from: tariff.time("validFrom"),
            }
        }
        "ChangeTransactionTariff" if is_accepted => TariffsTold::TransactionChanged {
            transaction: TransactionName::parse(&call.string("transactionId")?).ok()?,
            tariff: call.object("tariff")?.text("tariffId")?,
        },
        "ClearTariffs" => cleared(call, answer)?,
        "GetTariffs" if is_accepted || status.as_deref() == Some(NO_TARIFF) => TariffsTold::Held {
            evse: EvseNumber(call.integer("evseId")?),
            tariffs: answer.objects("tariffAssignments").filter_map(|it| held(&it)).collect(),
        },
        _ => return None,
    };
    Some(StationEffect::Tariffs(told))
}

/// Each that was asked for has its own verdict. Where all were, and none was refused, there are
/// none left, whichever the station names.
fn cleared(call: &Payload<'_, '_>, answer: &Payload<'_, '_>) -> Option<TariffsTold> {
    let is_over = |result: &Payload<'_, '_>| {
        result.string("status").is_some_and(|status| status == ACCEPTED || status == NO_TARIFF)
    };
    let results = || answer.objects("clearTariffsResult");
    let asked_for_all = call.texts("tariffIds").next().is_none();
    let evse = call.integer("evseId").map(EvseNumber);
    if asked_for_all && results().next().is_some() && results().all(|result| is_over(&result)) {
        return Some(TariffsTold::Cleared { evse, tariffs: Vec::new() });
    }
    let over = results().filter(is_over).filter_map(|result| result.text("tariffId"));
    let tariffs: Vec<_> = over.collect();
    (!tariffs.is_empty()).then_some(TariffsTold::Cleared { evse, tariffs })
}

fn held(assignment: &Payload<'_, '_>) -> Option<HeldTariff> {
    Some(HeldTariff {
        tariff: assignment.text("tariffId")?,
        kind: assignment.text("tariffKind")?,
        evses: assignment.integers("evseIds").map(EvseNumber).collect(),
        valid_from: assignment.time("validFrom"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::json::Document;

    fn told(action: &str, call: &str, answer: &str) -> Option<TariffsTold> {
        let (call, _) = Document::read(call);
        let (answer, _) = Document::read(answer);
        let call = Payload { document: &call, node: call.root().expect("a call") };
        let answer = Payload { document: &answer, node: answer.root().expect("an answer") };
        of_answer(action, &call, &answer).map(|effect| match effect {
            StationEffect::Tariffs(told) => told,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn a_tariff_counts_once_it_is_accepted() {
        let tariff = r#""tariff":{"tariffId":"T","currency":"EUR",
            "validFrom":"2026-12-01T00:00:00Z"}"#;
        let default = format!(r#"{{"evseId":0,{tariff}}}"#);
        let changed = format!(r#"{{"transactionId":"X",{tariff}}}"#);
        let valid_from = crate::time::read("2026-12-01T00:00:00Z").map(|time| time.instant);
        let (evse, tariff) = (EvseNumber(0), "T".to_owned());
        let set = TariffsTold::DefaultSet { evse, tariff: tariff.clone(), valid_from };
        let transaction = TransactionName::parse("X").expect("a name");
        let change = TariffsTold::TransactionChanged { transaction, tariff };
        for (action, call, expected) in
            [("SetDefaultTariff", default, set), ("ChangeTransactionTariff", changed, change)]
        {
            let accepted = told(action, &call, r#"{"status":"Accepted"}"#);
            assert_eq!(accepted, Some(expected), "{action}");
            for refused in ["Rejected", "TooManyElements", "ConditionNotSupported"] {
                let answer = format!(r#"{{"status":"{refused}"}}"#);
                assert_eq!(told(action, &call, &answer), None, "{action} {refused}");
            }
        }
    }

    #[test]
    fn tariffs_are_cleared_one_by_one_or_all() {
        let result = |results: &str| format!(r#"{{"clearTariffsResult":[{results}]}}"#);
        let done = r#"{"tariffId":"A","status":"Accepted"}"#;
        let refused = r#"{"tariffId":"B","status":"Rejected"}"#;
        let none = r#"{"status":"NoTariff"}"#;
        let cleared = |evse: Option<u32>, tariffs: &[&str]| {
            let tariffs = tariffs.iter().map(|tariff| (*tariff).to_owned()).collect();
            Some(TariffsTold::Cleared { evse: evse.map(EvseNumber), tariffs })
        };
        for (call, results, expected) in [
            (r#"{"tariffIds":["A","B"]}"#, format!("{done},{refused}"), cleared(None, &["A"])),
            (r#"{"tariffIds":["B"]}"#, refused.to_owned(), None),
            (r#"{"evseId":2}"#, done.to_owned(), cleared(Some(2), &[])),
            ("{}", none.to_owned(), cleared(None, &[])),
            ("{}", format!("{done},{refused}"), cleared(None, &["A"])),
        ] {
            assert_eq!(told("ClearTariffs", call, &result(&results)), expected, "{call} {results}");
        }
    }

    #[test]
    fn what_is_held_is_all_there_is() {
        let answer = r#"{"status":"Accepted","tariffAssignments":[{"tariffId":"T",
            "tariffKind":"DriverTariff","evseIds":[1,2]}]}"#;
        let evses = vec![EvseNumber(1), EvseNumber(2)];
        let (tariff, kind) = ("T".to_owned(), "DriverTariff".to_owned());
        let tariffs = vec![HeldTariff { tariff, kind, evses, valid_from: None }];
        for (answer, tariffs) in [(answer, tariffs), (r#"{"status":"NoTariff"}"#, Vec::new())] {
            let expected = TariffsTold::Held { evse: EvseNumber(0), tariffs };
            assert_eq!(told("GetTariffs", r#"{"evseId":0}"#, answer), Some(expected));
        }
        assert_eq!(told("GetTariffs", r#"{"evseId":0}"#, r#"{"status":"Rejected"}"#), None);
    }
}
