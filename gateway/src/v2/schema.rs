//! The requests a station sends: 25 in OCPP 2.0.1, 37 in 2.1. Their shapes are the wire types.

use super::V2;
use crate::call::CallKind;
use crate::rpc::json::{Document, NodeId};
use crate::rpc::shape::{Findings, Violation};
use crate::rpc::typed::{self, PersonalMembers};
use ocpp_kit::message::{MessageKind, Request};

/// Checks a payload against one wire type.
pub(super) type Check = fn(&Document<'_>, NodeId, PersonalMembers) -> Result<Findings, Violation>;

/// A request, and how it is sent.
struct Entry {
    action: &'static str,
    kind: CallKind,
    check: Check,
}

/// The check of an action's payload; `None` where no station sends it as this kind of message.
pub(super) fn request(edition: V2, action: &str, kind: CallKind) -> Option<Check> {
    let entry = entries(edition).iter().find(|entry| entry.action == action)?;
    (entry.kind == kind).then_some(entry.check)
}

/// The action of that name, whoever sends it.
pub(super) fn action(edition: V2, name: &str) -> Option<&'static str> {
    match edition {
        V2::V201 => ocpp_kit::v2_0_1::Action::from_wire(name).map(|action| action.as_str()),
        V2::V21 => ocpp_kit::v2_1::Action::from_wire(name).map(|action| action.as_str()),
    }
}

fn entries(edition: V2) -> &'static [Entry] {
    match edition {
        V2::V201 => V201,
        V2::V21 => V21,
    }
}

const fn entry<R: Request>(action: &'static str) -> Entry {
    let kind = match R::KIND {
        MessageKind::Call => CallKind::Call,
        MessageKind::Send => CallKind::Send,
    };
    Entry { action, kind, check: typed::check::<R> }
}

/// A table of the requests of one edition.
macro_rules! requests {
    ($table:ident, $edition:ident: $($request:ident)*) => {
        static $table: &[Entry] = {
            use ocpp_kit::$edition::*;
            &[$(entry::<$request>($request::ACTION.as_str())),*]
        };
    };
}

requests! { V201, v2_0_1:
    AuthorizeRequest
    BootNotificationRequest
    ClearedChargingLimitRequest
    DataTransferRequest
    FirmwareStatusNotificationRequest
    Get15118EVCertificateRequest
    GetCertificateStatusRequest
    HeartbeatRequest
    LogStatusNotificationRequest
    MeterValuesRequest
    NotifyChargingLimitRequest
    NotifyCustomerInformationRequest
    NotifyDisplayMessagesRequest
    NotifyEVChargingNeedsRequest
    NotifyEVChargingScheduleRequest
    NotifyEventRequest
    NotifyMonitoringReportRequest
    NotifyReportRequest
    PublishFirmwareStatusNotificationRequest
    ReportChargingProfilesRequest
    ReservationStatusUpdateRequest
    SecurityEventNotificationRequest
    SignCertificateRequest
    StatusNotificationRequest
    TransactionEventRequest
}

// NotifyWebPaymentStarted is sent by the CSMS (use case C25), whatever the wire type says.
requests! { V21, v2_1:
    AuthorizeRequest
    BatterySwapRequest
    BootNotificationRequest
    ClearedChargingLimitRequest
    ClosePeriodicEventStreamRequest
    DataTransferRequest
    FirmwareStatusNotificationRequest
    Get15118EVCertificateRequest
    GetCertificateChainStatusRequest
    GetCertificateStatusRequest
    HeartbeatRequest
    LogStatusNotificationRequest
    MeterValuesRequest
    NotifyChargingLimitRequest
    NotifyCustomerInformationRequest
    NotifyDERAlarmRequest
    NotifyDERStartStopRequest
    NotifyDisplayMessagesRequest
    NotifyEVChargingNeedsRequest
    NotifyEVChargingScheduleRequest
    NotifyEventRequest
    NotifyMonitoringReportRequest
    NotifyPeriodicEventStreamRequest
    NotifyPriorityChargingRequest
    NotifyReportRequest
    NotifySettlementRequest
    OpenPeriodicEventStreamRequest
    PublishFirmwareStatusNotificationRequest
    PullDynamicScheduleUpdateRequest
    ReportChargingProfilesRequest
    ReportDERControlRequest
    ReservationStatusUpdateRequest
    SecurityEventNotificationRequest
    SignCertificateRequest
    StatusNotificationRequest
    TransactionEventRequest
    VatNumberValidationRequest
}

#[cfg(test)]
mod tests {
    use super::*;
    use ocpp_kit::message::{ActionName, Origin};
    use std::collections::BTreeSet;

    fn sent_by_stations<A: ActionName>() -> BTreeSet<&'static str> {
        let up = |action: &&A| matches!(action.origin(), Origin::ChargingStation | Origin::Both);
        A::all().iter().filter(up).map(ActionName::as_str).collect()
    }

    fn known(edition: V2) -> BTreeSet<&'static str> {
        entries(edition).iter().map(|entry| entry.action).collect()
    }

    #[test]
    fn every_request_of_a_station_has_its_shape() {
        assert_eq!(known(V2::V201), sent_by_stations::<ocpp_kit::v2_0_1::Action>());
        let mut v21 = sent_by_stations::<ocpp_kit::v2_1::Action>();
        assert!(v21.remove("NotifyWebPaymentStarted"));
        assert_eq!(known(V2::V21), v21);
        assert_eq!((known(V2::V201).len(), known(V2::V21).len()), (25, 37));
    }

    #[test]
    fn one_request_is_a_send() {
        let sends = |edition| {
            let is_send = |entry: &&Entry| entry.kind == CallKind::Send;
            entries(edition).iter().filter(is_send).map(|entry| entry.action).collect::<Vec<_>>()
        };
        assert_eq!(sends(V2::V201), [""; 0]);
        assert_eq!(sends(V2::V21), ["NotifyPeriodicEventStream"]);
        let check = |kind| request(V2::V21, "NotifyPeriodicEventStream", kind).is_some();
        assert!(check(CallKind::Send) && !check(CallKind::Call));
        assert!(request(V2::V21, "Heartbeat", CallKind::Send).is_none());
    }
}
