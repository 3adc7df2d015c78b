//! Payloads that fit their shapes, as [`StationMessage`]s.
//!
//! Every reading here leans on the check that went before; where it would fail all the same, the
//! answer is `None` and the CALL is refused, never taken half.

use super::{meter, plug_and_charge, schema, unplugged};
use crate::meter::json_number;
use crate::payload::Payload;
use crate::rpc::json::{Document, NodeId};
use chargebook_commands::message::{
    AuthorizeReport, BootReport, DataRefused, MeterReport, Pointed, PresentedToken, StartReport,
    StationMessage, StatusReport, StopReport,
};
use chargebook_domain::events::v1::{BootInformation, Job, Quirk};
use chargebook_domain::ids::{ConnectorNumber, TransactionNumber};
use chargebook_domain::units::WattHours;
use ocpp_kit::v1_6::Action;

/// What a request says, and its own time as the station wrote it.
pub(super) fn message(
    document: &Document<'_>,
    payload: NodeId,
    action: Action,
) -> Option<(StationMessage, Option<String>)> {
    let payload = Payload { document, node: payload };
    // MeterValues has no time of its own; its first sample's stands for it.
    let time_member = match action {
        Action::StartTransaction
        | Action::StopTransaction
        | Action::StatusNotification
        | Action::SecurityEventNotification => payload.text("timestamp"),
        Action::MeterValues => {
            payload.objects("meterValue").next().and_then(|first| first.text("timestamp"))
        }
        _ => None,
    };
    let message = match action {
        Action::Authorize => {
            let token = PresentedToken::id_tag(payload.text("idTag")?);
            StationMessage::Authorize(AuthorizeReport {
                token,
                certificate: None,
                takes_tariff: false,
                takes_energy_transfer: false,
                keeps_no_credit: false,
            })
        }
        Action::BootNotification => StationMessage::Boot(boot(&payload)?),
        Action::DataTransfer if unplugged::is_meant(&payload) => {
            match unplugged::report(&payload) {
                Ok(report) => StationMessage::Unplugged(report),
                Err(refused) => {
                    let vendor_id = payload.text("vendorId")?;
                    StationMessage::DataTransfer { vendor_id, refused }
                }
            }
        }
        Action::DataTransfer => {
            let vendor_id = payload.text("vendorId")?;
            let is_known =
                plug_and_charge::is_meant(&payload) && document.meets(Quirk::PlugAndChargeData);
            let carried = match is_known {
                true => plug_and_charge::carried(&payload),
                false => Err(DataRefused::UnknownVendor),
            };
            match carried {
                Ok(message) => StationMessage::Carried(Box::new(message)),
                Err(refused) => StationMessage::DataTransfer { vendor_id, refused },
            }
        }
        Action::Heartbeat => StationMessage::Heartbeat,
        Action::FirmwareStatusNotification => job(&payload, Job::Firmware)?,
        Action::SignedFirmwareStatusNotification => job(&payload, Job::SignedFirmware)?,
        Action::DiagnosticsStatusNotification => job(&payload, Job::Diagnostics)?,
        Action::LogStatusNotification => job(&payload, Job::Log)?,
        Action::MeterValues => StationMessage::Meter(meter_values(&payload)?),
        Action::SecurityEventNotification => StationMessage::SecurityEvent {
            kind: payload.text("type")?,
            at: payload.time("timestamp")?,
            detail: payload.text("techInfo"),
        },
        Action::SignCertificate => {
            let csr = payload.text("csr")?;
            StationMessage::SignCertificate { csr, kind: None, request_id: None }
        }
        Action::StartTransaction => StationMessage::Start(start(&payload)?),
        Action::StatusNotification => StationMessage::Status(status(&payload)?),
        Action::StopTransaction => StationMessage::Stop(stop(&payload)?),
        _ => return None,
    };
    Some((message, time_member))
}

fn connector(payload: &Payload<'_, '_>) -> Option<ConnectorNumber> {
    payload.integer("connectorId").map(ConnectorNumber)
}

fn transaction(payload: &Payload<'_, '_>) -> Option<TransactionNumber> {
    payload.integer("transactionId").map(TransactionNumber)
}

/// A register in Wh, with its place in the frame.
fn register(payload: &Payload<'_, '_>, name: &str) -> Option<Pointed<WattHours>> {
    let node = payload.member(name)?;
    Some(Pointed {
        value: WattHours(json_number(payload.document.number(node)?)?),
        pointer: format!("/3/{name}"),
        raw: payload.document.raw(node).to_owned(),
    })
}

fn boot(payload: &Payload<'_, '_>) -> Option<BootReport> {
    // `chargeBoxSerialNumber` is the older name of the same thing (section 6.5); one of them blank
    // does not hide the other.
    let number = |name| payload.text(name).filter(|number| !number.trim().is_empty());
    let mut serial_numbers =
        ["chargePointSerialNumber", "chargeBoxSerialNumber"].into_iter().filter_map(number);
    let boot = BootInformation {
        vendor: payload.text("chargePointVendor")?,
        model: payload.text("chargePointModel")?,
        serial_number: serial_numbers.next(),
        firmware_version: payload.text("firmwareVersion"),
        iccid: payload.text("iccid"),
        imsi: payload.text("imsi"),
        meter_type: payload.text("meterType"),
        meter_serial_number: payload.text("meterSerialNumber"),
        reason: None,
    };
    // Both are a CiString25Type.
    Some(BootReport { boot, further_serial_number: serial_numbers.next(), has_case: false })
}

fn job(payload: &Payload<'_, '_>, job: Job) -> Option<StationMessage> {
    Some(StationMessage::JobStatus {
        job,
        status: payload.text("status")?,
        request_id: payload.integer("requestId"),
    })
}

fn meter_values(payload: &Payload<'_, '_>) -> Option<MeterReport> {
    let list = payload.member("meterValue")?;
    Some(MeterReport {
        evse: None,
        connector: Some(connector(payload)?),
        transaction_id: transaction(payload),
        samples: meter::samples(payload.document, list, "/3/meterValue"),
    })
}

fn start(payload: &Payload<'_, '_>) -> Option<StartReport> {
    Some(StartReport {
        connector: connector(payload)?,
        id_tag: payload.text("idTag")?,
        meter_start: register(payload, "meterStart")?,
        started_at: payload.time("timestamp")?,
        reservation_id: payload.integer("reservationId"),
    })
}

fn status(payload: &Payload<'_, '_>) -> Option<StatusReport> {
    Some(StatusReport {
        evse: None,
        connector: connector(payload)?,
        status: payload.text("status")?,
        error_code: Some(payload.text("errorCode")?),
        vendor_error_code: payload.text("vendorErrorCode"),
        at: payload.time("timestamp"),
    })
}

fn stop(payload: &Payload<'_, '_>) -> Option<StopReport> {
    let samples = payload
        .member("transactionData")
        .map(|list| meter::samples(payload.document, list, "/3/transactionData"))
        .unwrap_or_default();
    Some(StopReport {
        transaction_id: transaction(payload)?,
        id_tag: payload.text("idTag"),
        meter_stop: register(payload, "meterStop")?,
        stopped_at: payload.time("timestamp")?,
        reason: payload.text("reason").filter(|reason| schema::is_reason(reason)),
        samples,
    })
}
