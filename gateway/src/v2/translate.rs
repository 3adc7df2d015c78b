//! Payloads that fit their shapes, as [`StationMessage`]s. One reading for both editions: what a
//! 2.0.1 payload cannot have is absent.
//!
//! Every reading here leans on the check that went before; where it would fail all the same, the
//! answer is `None` and the CALL is refused, never taken half.

use super::V2;
use super::certificates;
use super::device_model;
use super::energy;
use super::events;
use super::meter;
use super::monitoring;
use crate::charging;
use crate::payload::Payload;
use chargebook_commands::message::{
    AuthorizeReport, DataRefused, MeterReport, MonitoringNews, Notice, NoticeContent, NoticePart,
    NoticeSubject, PresentedCertificate, PresentedToken, ReservationReport, StationMessage,
    StatusReport, TransactionEventKind, TransactionReport,
};
use chargebook_domain::events::v1::{
    BootInformation, Job, ReservationEnd, StationCost, TerminalPayment, TransactionLimit,
};
use chargebook_domain::ids::{ConnectorNumber, EvseNumber, ReservationId, TransactionName};
use chargebook_domain::units::WattHours;

/// What a request says.
pub(super) fn message(
    edition: V2,
    payload: &Payload<'_, '_>,
    action: &'static str,
) -> Option<StationMessage> {
    Some(match action {
        "Authorize" => StationMessage::Authorize(authorize(edition, payload)?),
        "BootNotification" => StationMessage::Boot(boot(payload)?.into()),
        "DataTransfer" => StationMessage::DataTransfer {
            vendor_id: payload.text("vendorId")?,
            refused: DataRefused::UnknownVendor,
        },
        "FirmwareStatusNotification" => job(payload, Job::Firmware)?,
        "Heartbeat" => StationMessage::Heartbeat,
        "LogStatusNotification" => job(payload, Job::Log)?,
        "MeterValues" => StationMessage::Meter(MeterReport {
            evse: Some(EvseNumber(payload.integer("evseId")?)),
            connector: None,
            transaction_id: None,
            samples: meter::samples(payload),
        }),
        "SecurityEventNotification" => StationMessage::SecurityEvent {
            kind: payload.text("type")?,
            at: payload.time("timestamp")?,
            detail: payload.text("techInfo"),
        },
        "SignCertificate" => StationMessage::SignCertificate {
            csr: payload.text("csr")?,
            kind: payload.text("certificateType"),
            request_id: payload.integer("requestId"),
        },
        "StatusNotification" => StationMessage::Status(StatusReport {
            evse: Some(EvseNumber(payload.integer("evseId")?)),
            connector: ConnectorNumber(payload.integer("connectorId")?),
            status: payload.text("connectorStatus")?,
            error_code: None,
            vendor_error_code: None,
            at: Some(payload.time("timestamp")?),
        }),
        "ReservationStatusUpdate" => StationMessage::Reservation(reservation(payload)?),
        "TransactionEvent" => StationMessage::Transaction(Box::new(transaction(edition, payload)?)),
        "NotifyEvent" => events::message(payload, notice(payload, action)?)?,
        _ => StationMessage::Notice(notice(payload, action)?),
    })
}

/// The message's own time, as the station wrote it.
pub(super) fn station_time(payload: &Payload<'_, '_>) -> Option<String> {
    let own = ["timestamp", "generatedAt", "settlementTime", "timeBase"];
    own.iter().find_map(|name| payload.text(name)).or_else(|| {
        // MeterValues has no time of its own; its first sample's stands for it.
        payload.objects("meterValue").next().and_then(|first| first.text("timestamp"))
    })
}

pub(super) fn token(payload: &Payload<'_, '_>) -> Option<PresentedToken> {
    Some(PresentedToken { uid: payload.text("idToken")?, kind: payload.text("type") })
}

fn authorize(edition: V2, payload: &Payload<'_, '_>) -> Option<AuthorizeReport> {
    let chain = payload.text("certificate");
    let hashes = payload.objects("iso15118CertificateHashData");
    let hashes = hashes.map(|it| certificates::question(&it)).collect::<Option<Vec<_>>>()?;
    let is_presented = chain.is_some() || !hashes.is_empty();
    Some(AuthorizeReport {
        token: token(&payload.object("idToken")?)?,
        certificate: is_presented.then_some(PresentedCertificate { chain, hashes }),
        takes_tariff: edition == V2::V21,
        takes_energy_transfer: edition == V2::V21,
        keeps_no_credit: edition == V2::V21,
    })
}

fn boot(payload: &Payload<'_, '_>) -> Option<BootInformation> {
    let station = payload.object("chargingStation")?;
    let modem = station.object("modem");
    let modem = |name| modem.and_then(|modem| modem.text(name));
    Some(BootInformation {
        vendor: station.text("vendorName")?,
        model: station.text("model")?,
        serial_number: station.text("serialNumber"),
        firmware_version: station.text("firmwareVersion"),
        iccid: modem("iccid"),
        imsi: modem("imsi"),
        meter_type: None,
        meter_serial_number: None,
        reason: payload.text("reason"),
    })
}

fn job(payload: &Payload<'_, '_>, job: Job) -> Option<StationMessage> {
    Some(StationMessage::JobStatus {
        job,
        status: payload.text("status")?,
        request_id: payload.integer("requestId"),
    })
}

fn transaction(edition: V2, payload: &Payload<'_, '_>) -> Option<TransactionReport> {
    let transaction = payload.object("transactionInfo")?;
    let evse = payload.object("evse");
    let kind = match payload.string("eventType")?.as_ref() {
        "Started" => TransactionEventKind::Started,
        "Updated" => TransactionEventKind::Updated,
        "Ended" => TransactionEventKind::Ended,
        _ => return None,
    };
    Some(TransactionReport {
        kind,
        transaction_id: TransactionName::parse(&transaction.string("transactionId")?).ok()?,
        sequence: payload.integer("seqNo")?,
        at: payload.time("timestamp")?,
        trigger: payload.text("triggerReason")?,
        is_offline: payload.boolean("offline").unwrap_or(false),
        evse: evse.and_then(|evse| evse.integer("id")).map(EvseNumber),
        connector: evse.and_then(|evse| evse.integer("connectorId")).map(ConnectorNumber),
        token: payload.object("idToken").and_then(|id_token| token(&id_token)),
        reservation_id: payload.integer("reservationId"),
        remote_start_id: transaction.integer("remoteStartId"),
        charging_state: transaction.text("chargingState"),
        stopped_reason: transaction.text("stoppedReason"),
        phases: payload.integer("numberOfPhasesUsed"),
        time_spent_charging_seconds: transaction.integer("timeSpentCharging"),
        limit: transaction.object("transactionLimit").map(|object| limit(&object)),
        samples: meter::samples(payload),
        cost: payload.object("costDetails").and_then(|details| cost(&details, &transaction)),
        is_priced_on_the_way: edition == V2::V21,
        keeps_no_credit: edition == V2::V21,
    })
}

fn limit(limit: &Payload<'_, '_>) -> TransactionLimit {
    TransactionLimit {
        cost: limit.decimal("maxCost"),
        energy_wh: limit.decimal("maxEnergy").map(WattHours),
        duration_seconds: limit.integer("maxTime"),
        state_of_charge_percent: limit.integer("maxSoC"),
    }
}

/// What the station has computed, and the tariff that it says it did so by.
fn cost(details: &Payload<'_, '_>, transaction: &Payload<'_, '_>) -> Option<StationCost> {
    let cost = details.object("totalCost")?;
    let total = cost.object("total")?;
    Some(StationCost {
        currency: cost.text("currency")?,
        excl_tax: total.decimal("exclTax"),
        incl_tax: total.decimal("inclTax"),
        tariff: transaction.text("tariffId"),
        has_failed: details.boolean("failureToCalculate").unwrap_or(false),
    })
}

fn payment(payload: &Payload<'_, '_>) -> Option<TerminalPayment<String>> {
    Some(TerminalPayment {
        status: payload.text("status")?,
        amount: payload.decimal("settlementAmount")?,
        at: payload.time("settlementTime")?,
        reference: payload.text("pspRef")?,
        receipt_id: payload.text("receiptId"),
        receipt_url: payload.text("receiptUrl"),
    })
}

fn reservation(payload: &Payload<'_, '_>) -> Option<ReservationReport> {
    let because = match payload.string("reservationUpdateStatus")?.as_ref() {
        "Expired" => ReservationEnd::Expired,
        "Removed" => ReservationEnd::Removed,
        "NoTransaction" => ReservationEnd::NoTransaction,
        _ => return None,
    };
    let reservation_id = ReservationId(payload.integer("reservationId")?);
    Some(ReservationReport { reservation_id, because })
}

fn notice(payload: &Payload<'_, '_>, action: &str) -> Option<Notice> {
    let subject = NoticeSubject::ALL.iter().copied().find(|s| s.action() == action)?;
    let status = ["status", "eventType"];
    let transaction_id = payload.string("transactionId");
    Some(Notice {
        subject,
        request_id: payload.integer("requestId"),
        part: part(payload, subject),
        evse: payload.integer("evseId").map(EvseNumber),
        transaction_id: transaction_id.and_then(|id| TransactionName::parse(&id).ok()),
        status: status.iter().find_map(|name| payload.text(name)),
        at: ["timestamp", "generatedAt", "settlementTime"].iter().find_map(|n| payload.time(n)),
        content: content(payload, subject)?,
    })
}

fn content(payload: &Payload<'_, '_>, subject: NoticeSubject) -> Option<NoticeContent> {
    Some(match subject {
        NoticeSubject::ReportChargingProfiles => {
            let source = limit_source(payload)?;
            let profiles = payload.objects("chargingProfile").map(|it| charging::profile(&it));
            NoticeContent::ChargingProfiles { source, profiles: profiles.collect::<Option<_>>()? }
        }
        NoticeSubject::NotifyChargingLimit => {
            let limit = payload.object("chargingLimit")?;
            NoticeContent::ChargingLimit {
                source: limit_source(&limit)?,
                is_grid_critical: limit.boolean("isGridCritical"),
                schedules: charging::schedules(payload)?,
            }
        }
        NoticeSubject::ClearedChargingLimit => {
            NoticeContent::ChargingLimitOver { source: limit_source(payload)? }
        }
        NoticeSubject::NotifyEVChargingNeeds => {
            NoticeContent::ChargingNeeds(Box::new(charging::needs(payload)?))
        }
        NoticeSubject::NotifyEVChargingSchedule => NoticeContent::VehicleSchedule {
            time_base: payload.time("timeBase")?,
            schedule: Box::new(charging::schedule(&payload.object("chargingSchedule")?)?),
        },
        NoticeSubject::Get15118EVCertificate => {
            NoticeContent::ContractRequest(Box::new(certificates::contract_request(payload)?))
        }
        NoticeSubject::GetCertificateStatus => {
            let question = certificates::question(&payload.object("ocspRequestData")?)?;
            NoticeContent::CertificateStatus(question)
        }
        NoticeSubject::GetCertificateChainStatus => {
            NoticeContent::CertificateChain(certificates::chain(payload)?)
        }
        NoticeSubject::BatterySwap => NoticeContent::Energy(energy::swap(payload)?),
        NoticeSubject::NotifyDERAlarm => NoticeContent::Energy(energy::alarm(payload)?),
        NoticeSubject::NotifyDERStartStop => NoticeContent::Energy(energy::start_stop(payload)?),
        NoticeSubject::ReportDERControl => NoticeContent::Energy(energy::controls(payload)?),
        NoticeSubject::NotifyMonitoringReport => {
            NoticeContent::Monitoring(monitoring::reported(payload)?)
        }
        NoticeSubject::OpenPeriodicEventStream => {
            NoticeContent::Monitoring(monitoring::opened(payload)?)
        }
        NoticeSubject::NotifyPeriodicEventStream => {
            NoticeContent::Monitoring(monitoring::continued(payload)?)
        }
        NoticeSubject::ClosePeriodicEventStream => {
            NoticeContent::Monitoring(MonitoringNews::StreamClosed(payload.integer("id")?))
        }
        NoticeSubject::NotifyPriorityCharging => {
            NoticeContent::PriorityCharging { is_active: payload.boolean("activated")? }
        }
        NoticeSubject::PullDynamicScheduleUpdate => {
            let profile_id = payload.integer("chargingProfileId")?;
            NoticeContent::DynamicScheduleWanted { profile_id }
        }
        NoticeSubject::NotifyReport => NoticeContent::Variables(device_model::variables(payload)?),
        NoticeSubject::NotifySettlement => NoticeContent::Payment(payment(payload)?),
        NoticeSubject::VatNumberValidation => NoticeContent::VatNumber(payload.text("vatNumber")?),
        _ => NoticeContent::Verbatim,
    })
}

fn limit_source(payload: &Payload<'_, '_>) -> Option<String> {
    payload.text("chargingLimitSource")
}

/// Which part of a report it is. A report of one part may leave both members out.
fn part(payload: &Payload<'_, '_>, subject: NoticeSubject) -> Option<NoticePart> {
    use NoticeSubject::*;
    let comes_in_parts = matches!(
        subject,
        NotifyCustomerInformation
            | NotifyDisplayMessages
            | NotifyEvent
            | NotifyMonitoringReport
            | NotifyReport
            | ReportChargingProfiles
            | ReportDERControl
    );
    comes_in_parts.then(|| NoticePart {
        sequence: payload.integer("seqNo"),
        to_be_continued: payload.boolean("tbc").unwrap_or(false),
    })
}
