//! What 2.1 payloads say of controls for the grid (part 2, block R) and of batteries that are
//! swapped (block S).

use super::translate::token;
use crate::payload::Payload;
use crate::rpc::json::{Kind, NodeId};
use chargebook_commands::message::{EnergyNews, ReportedBattery};
use chargebook_domain::events::v1::{DerControl, DerSetting};
use chargebook_domain::ids::EvseNumber;
use std::collections::BTreeMap;

/// Most members of one control that are kept; a curve of 10 points has some 40.
const SETTINGS_MAX: usize = 96;
/// Where the standard leaves open what stands there.
const CUSTOM: &str = "customData";

/// Where the controls of each kind stand in a ReportDERControl: the list, the control in its
/// items, and the kind, which the items of curves name themselves.
const KINDS: &[(&str, &str, Option<&str>)] = &[
    ("curve", "curve", None),
    ("enterService", "enterService", Some("EnterService")),
    ("fixedPFAbsorb", "fixedPF", Some("FixedPFAbsorb")),
    ("fixedPFInject", "fixedPF", Some("FixedPFInject")),
    ("fixedVar", "fixedVar", Some("FixedVar")),
    ("freqDroop", "freqDroop", Some("FreqDroop")),
    ("gradient", "gradient", Some("Gradients")),
    ("limitMaxDischarge", "limitMaxDischarge", Some("LimitMaxDischarge")),
];

/// A NotifyDERAlarm.
pub(super) fn alarm(payload: &Payload<'_, '_>) -> Option<EnergyNews> {
    Some(EnergyNews::Alarm {
        control_type: payload.text("controlType")?,
        fault: payload.text("gridEventFault"),
        has_ended: payload.boolean("alarmEnded").unwrap_or(false),
        at: payload.time("timestamp")?,
        detail: payload.text("extraInfo"),
    })
}

/// A NotifyDERStartStop.
pub(super) fn start_stop(payload: &Payload<'_, '_>) -> Option<EnergyNews> {
    Some(EnergyNews::ControlTold {
        control_id: payload.text("controlId")?,
        has_started: payload.boolean("started")?,
        superseded: payload.texts("supersededIds").collect(),
        at: payload.time("timestamp")?,
    })
}

/// A ReportDERControl.
pub(super) fn controls(payload: &Payload<'_, '_>) -> Option<EnergyNews> {
    let mut controls = Vec::new();
    for (list, member, kind) in KINDS {
        for item in payload.objects(list) {
            let control_type =
                kind.map_or_else(|| item.text("curveType"), |kind| Some(kind.into()));
            controls.push(DerControl {
                control_id: item.text("id")?,
                control_type: control_type?,
                is_default: item.boolean("isDefault"),
                is_superseded: item.boolean("isSuperseded"),
                settings: settings(&item.object(member)?),
            });
        }
    }
    Some(EnergyNews::ControlsReported(controls))
}

/// The text of everything in a control, by its place.
fn settings(control: &Payload<'_, '_>) -> Vec<DerSetting> {
    let document = control.document;
    let mut settings = BTreeMap::new();
    let mut open: Vec<(String, NodeId)> = vec![(String::new(), control.node)];
    while let Some((place, node)) = open.pop() {
        let below = |name: &str| match place.is_empty() {
            true => name.to_owned(),
            false => format!("{place}/{name}"),
        };
        match document.kind(node) {
            Kind::Object => {
                for (name, value) in document.members(node) {
                    let name = document.string(name).unwrap_or_default();
                    if name != CUSTOM {
                        open.push((below(&name), value));
                    }
                }
            }
            Kind::Array => {
                let items = document.children(node).enumerate();
                open.extend(items.map(|(index, item)| (below(&index.to_string()), item)));
            }
            _ if settings.len() >= SETTINGS_MAX => {}
            _ => {
                let text = document.string(node).map(std::borrow::Cow::into_owned);
                settings.insert(place, text.unwrap_or_else(|| document.raw(node).to_owned()));
            }
        }
    }
    settings.into_iter().map(|(place, text)| DerSetting { place, text }).collect()
}

/// A BatterySwap.
pub(super) fn swap(payload: &Payload<'_, '_>) -> Option<EnergyNews> {
    Some(EnergyNews::Swapped {
        kind: payload.text("eventType")?,
        request_id: payload.integer("requestId")?,
        token: token(&payload.object("idToken")?)?,
        batteries: payload.objects("batteryData").map(|it| battery(&it)).collect::<Option<_>>()?,
    })
}

fn battery(data: &Payload<'_, '_>) -> Option<ReportedBattery> {
    Some(ReportedBattery {
        evse: EvseNumber(data.integer("evseId")?),
        serial_number: data.text("serialNumber")?,
        state_of_charge_percent: data.decimal("soC")?,
        state_of_health_percent: data.decimal("soH")?,
        produced_at: data.time("productionDate"),
        vendor_information: data.text("vendorInfo"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::json::Document;

    #[test]
    fn the_controls_of_a_report_are_read_whatever_their_kind() {
        let text = r#"{"requestId":1,
            "curve":[{"id":"C-1","curveType":"VoltVar","isDefault":false,"isSuperseded":true,
                "curve":{"priority":2,"yUnit":"PctMaxVar","startTime":"2026-11-23T10:00:00Z",
                    "curveData":[{"x":92.50,"y":44},{"x":98,"y":0}],
                    "hysteresis":{"hysteresisHigh":1.5},
                    "customData":{"vendorId":"V","x":1}}}],
            "gradient":[{"id":"G-1","gradient":{"priority":0,"gradient":1,"softGradient":2}}]}"#;
        let (document, _) = Document::read(text);
        let payload = Payload { document: &document, node: document.root().expect("a payload") };
        let Some(EnergyNews::ControlsReported(controls)) = controls(&payload) else {
            panic!("a report")
        };
        let settings = |told: &[(&str, &str)]| {
            let setting = |(place, text): &(&str, &str)| DerSetting {
                place: (*place).to_owned(),
                text: (*text).to_owned(),
            };
            told.iter().map(setting).collect()
        };
        let curve = DerControl {
            control_id: "C-1".to_owned(),
            control_type: "VoltVar".to_owned(),
            is_default: Some(false),
            is_superseded: Some(true),
            settings: settings(&[
                ("curveData/0/x", "92.50"),
                ("curveData/0/y", "44"),
                ("curveData/1/x", "98"),
                ("curveData/1/y", "0"),
                ("hysteresis/hysteresisHigh", "1.5"),
                ("priority", "2"),
                ("startTime", "2026-11-23T10:00:00Z"),
                ("yUnit", "PctMaxVar"),
            ]),
        };
        let gradient = DerControl {
            control_id: "G-1".to_owned(),
            control_type: "Gradients".to_owned(),
            is_default: None,
            is_superseded: None,
            settings: settings(&[("gradient", "1"), ("priority", "0"), ("softGradient", "2")]),
        };
        assert_eq!(controls, [curve, gradient]);
    }
}
