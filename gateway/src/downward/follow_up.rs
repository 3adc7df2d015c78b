//! Which requests a station answers twice: at once, and later in messages of its own that repeat
//! the request's number.

use crate::payload::Payload;
use crate::rpc::json::Document;
use chargebook_domain::events::v1::{FollowUp, ReportTopic};
use ocpp_kit::Version;

/// A report of everything there is (GetBaseReport, part 2, B07).
const FULL_INVENTORY: &str = "FullInventory";

/// What the station will report on a request with this payload.
pub(super) fn of_request(version: Version, action: &str, payload: &str) -> Option<FollowUp> {
    let topic = topic(version, action)?;
    let (document, _) = Document::read(payload);
    let payload = Payload { document: &document, node: document.root()? };
    // Without a report only the customer's data is deleted.
    if topic == ReportTopic::CustomerInformation && payload.boolean("report") != Some(true) {
        return None;
    }
    let is_inventory = match topic {
        // Without criteria all of them are reported (part 2, N02.FR.11).
        ReportTopic::Monitors => {
            ["monitoringCriteria", "componentVariable"].iter().all(|n| payload.member(n).is_none())
        }
        _ => payload.string("reportBase").is_some_and(|base| base == FULL_INVENTORY),
    };
    Some(FollowUp {
        topic,
        request_id: payload.integer("requestId"),
        is_inventory: is_inventory.then_some(true),
    })
}

/// Whether an answer says that there is nothing to report: without the name of a file there are
/// no diagnostics (1.6, section 6.24).
pub(super) fn has_nothing(version: Version, action: &str, answer: &Payload<'_, '_>) -> bool {
    version == Version::V1_6
        && action == "GetDiagnostics"
        && answer.string("fileName").is_none_or(|name| name.is_empty())
}

fn topic(version: Version, action: &str) -> Option<ReportTopic> {
    Some(match action {
        "CustomerInformation" => ReportTopic::CustomerInformation,
        "GetBaseReport" | "GetReport" => ReportTopic::DeviceModel,
        "GetChargingProfiles" => ReportTopic::ChargingProfiles,
        "GetDERControl" => ReportTopic::DerControls,
        "GetDiagnostics" if version == Version::V1_6 => ReportTopic::Diagnostics,
        "GetDisplayMessages" => ReportTopic::DisplayMessages,
        "GetLog" => ReportTopic::Log,
        "GetMonitoringReport" => ReportTopic::Monitors,
        "PublishFirmware" => ReportTopic::FirmwarePublication,
        "RequestBatterySwap" => ReportTopic::BatterySwap,
        "SignedUpdateFirmware" | "UpdateFirmware" => ReportTopic::Firmware,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(action: &str, payload: &str, expected: Option<(ReportTopic, Option<i32>, bool)>) {
        let expected = expected.map(|(topic, request_id, is_inventory)| FollowUp {
            topic,
            request_id,
            is_inventory: is_inventory.then_some(true),
        });
        assert_eq!(of_request(Version::V2_0_1, action, payload), expected, "{action} {payload}");
    }

    #[test]
    fn reports_repeat_the_number_of_their_request() {
        let model = ReportTopic::DeviceModel;
        let full = r#"{"requestId":7,"reportBase":"FullInventory"}"#;
        check("GetBaseReport", full, Some((model, Some(7), true)));
        let summary = r#"{"requestId":-7,"reportBase":"SummaryInventory"}"#;
        check("GetBaseReport", summary, Some((model, Some(-7), false)));
        check("GetReport", r#"{"requestId":8}"#, Some((model, Some(8), false)));
        check("GetLog", r#"{"requestId":9}"#, Some((ReportTopic::Log, Some(9), false)));
        let monitors = ReportTopic::Monitors;
        check("GetMonitoringReport", r#"{"requestId":8}"#, Some((monitors, Some(8), true)));
        let of_a_kind = r#"{"requestId":8,"monitoringCriteria":["DeltaMonitoring"]}"#;
        check("GetMonitoringReport", of_a_kind, Some((monitors, Some(8), false)));
        check("Reset", r#"{"type":"Immediate"}"#, None);
        let customer = ReportTopic::CustomerInformation;
        let asked = |report| format!(r#"{{"requestId":1,"report":{report},"clear":true}}"#);
        check("CustomerInformation", &asked(true), Some((customer, Some(1), false)));
        check("CustomerInformation", &asked(false), None);
    }

    #[test]
    fn the_jobs_of_1_6_have_no_number() {
        let of = |action, payload| of_request(Version::V1_6, action, payload);
        let diagnostics = of("GetDiagnostics", r#"{"location":"ftp://x"}"#);
        let unnumbered = |topic| Some(FollowUp { topic, request_id: None, is_inventory: None });
        assert_eq!(diagnostics, unnumbered(ReportTopic::Diagnostics));
        assert_eq!(of("UpdateFirmware", "{}"), unnumbered(ReportTopic::Firmware));
        let signed = of("SignedUpdateFirmware", r#"{"requestId":3}"#);
        assert_eq!(signed.and_then(|follow_up| follow_up.request_id), Some(3));
    }
}
