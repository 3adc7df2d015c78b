//! Reservations: one stands, or stands no more, from the station's `Accepted`.

use crate::payload::Payload;
use chargebook_commands::StationEffect;
use chargebook_commands::message::{PresentedToken, ReservationTerms};
use chargebook_domain::ids::{ConnectorNumber, EvseNumber, ReservationId};
use ocpp_kit::Version;

/// The word for it. Every other answer leaves what was agreed before as it is.
const ACCEPTED: &str = "Accepted";

/// What an answer to ReserveNow or CancelReservation changes; no other changes anything here.
pub(super) fn of_answer(
    version: Version,
    action: &str,
    call: &Payload<'_, '_>,
    answer: &Payload<'_, '_>,
) -> Option<StationEffect> {
    if answer.string("status")? != ACCEPTED {
        return None;
    }
    match action {
        "ReserveNow" if version == Version::V1_6 => {
            terms_of_v16(call).map(StationEffect::ReservationMade)
        }
        "ReserveNow" => terms_of_v2(call).map(StationEffect::ReservationMade),
        "CancelReservation" => {
            let reservation_id = ReservationId(call.integer("reservationId")?);
            Some(StationEffect::ReservationCancelled(reservation_id))
        }
        _ => None,
    }
}

fn terms_of_v16(call: &Payload<'_, '_>) -> Option<ReservationTerms> {
    Some(ReservationTerms {
        reservation_id: ReservationId(call.integer("reservationId")?),
        evse: None,
        connector: Some(ConnectorNumber(call.integer("connectorId")?)),
        token: PresentedToken::id_tag(call.text("idTag")?),
        group: call.text("parentIdTag").map(PresentedToken::id_tag),
        expires_at: call.time("expiryDate")?,
    })
}

fn terms_of_v2(call: &Payload<'_, '_>) -> Option<ReservationTerms> {
    Some(ReservationTerms {
        reservation_id: ReservationId(call.integer("id")?),
        evse: call.integer("evseId").map(EvseNumber),
        connector: None,
        token: token(&call.object("idToken")?)?,
        group: call.object("groupIdToken").and_then(|group| token(&group)),
        expires_at: call.time("expiryDateTime")?,
    })
}

fn token(payload: &Payload<'_, '_>) -> Option<PresentedToken> {
    Some(PresentedToken { uid: payload.text("idToken")?, kind: payload.text("type") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::json::Document;

    fn effect(version: Version, action: &str, call: &str, status: &str) -> Option<StationEffect> {
        let (call, _) = Document::read(call);
        let call = Payload { document: &call, node: call.root().expect("a request") };
        let answer = format!(r#"{{"status":"{status}"}}"#);
        let (answer, _) = Document::read(&answer);
        let answer = Payload { document: &answer, node: answer.root().expect("an answer") };
        of_answer(version, action, &call, &answer)
    }

    const REFUSALS: [&str; 4] = ["Faulted", "Occupied", "Rejected", "Unavailable"];

    #[track_caller]
    fn check(version: Version, call: &str, expected: &ReservationTerms) {
        let made = Some(StationEffect::ReservationMade(expected.clone()));
        assert_eq!(effect(version, "ReserveNow", call, "Accepted"), made);
        for refusal in REFUSALS {
            assert_eq!(effect(version, "ReserveNow", call, refusal), None, "{refusal}");
        }
    }

    #[test]
    fn a_reservation_stands_from_accepted_in_every_version() {
        let call = r#"{"connectorId":0,"expiryDate":"2026-11-22T13:00:00Z","idTag":"A",
            "parentIdTag":"G","reservationId":7}"#;
        let expires_at = crate::time::read("2026-11-22T13:00:00Z").expect("an instant").instant;
        let terms = ReservationTerms {
            reservation_id: ReservationId(7),
            evse: None,
            connector: Some(ConnectorNumber(0)),
            token: PresentedToken::id_tag("A"),
            group: Some(PresentedToken::id_tag("G")),
            expires_at,
        };
        check(Version::V1_6, call, &terms);
        let call = r#"{"id":7,"expiryDateTime":"2026-11-22T13:00:00Z","evseId":2,
            "idToken":{"idToken":"A","type":"ISO14443"},
            "groupIdToken":{"idToken":"G","type":"Central"}}"#;
        let of_kind = |uid: &str, kind: &str| PresentedToken {
            uid: uid.to_owned(),
            kind: Some(kind.to_owned()),
        };
        let terms = ReservationTerms {
            evse: Some(EvseNumber(2)),
            connector: None,
            token: of_kind("A", "ISO14443"),
            group: Some(of_kind("G", "Central")),
            ..terms
        };
        check(Version::V2_0_1, call, &terms);
        check(Version::V2_1, call, &terms);
    }

    #[test]
    fn a_refused_cancel_leaves_the_reservation_in_force() {
        let call = r#"{"reservationId":7}"#;
        let cancelled = StationEffect::ReservationCancelled(ReservationId(7));
        for version in [Version::V1_6, Version::V2_0_1, Version::V2_1] {
            let cancel = |status| effect(version, "CancelReservation", call, status);
            assert_eq!(cancel("Accepted"), Some(cancelled.clone()));
            assert_eq!(cancel("Rejected"), None);
        }
    }
}
