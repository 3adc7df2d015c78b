//! The shapes of the 14 requests a station sends in OCPP 1.6: the 10 of the specification
//! (section 6) and the 4 of the security white paper.
//!
//! Words come from the wire types' enumerations; lengths and cardinalities are checked against
//! them in the tests.

use crate::rpc::shape::{Content, Member, Sensitivity, Shape};
use ocpp_kit::v1_6::{
    Action, ChargePointErrorCode, ChargePointStatus, DiagnosticsStatus, FirmwareStatus, Location,
    Measurand, Phase, ReadingContext, Reason, SignedFirmwareStatus, UnitOfMeasure, UploadLogStatus,
    ValueFormat,
};

const ID_TAG: Content = Content::Text(20);

/// Whether a stop's reason is one of the standard's.
pub(super) fn is_reason(word: &str) -> bool {
    Reason::VARIANTS.contains(&word)
}

/// Whether a reading's occasion is one of the standard's.
pub(super) fn is_context(word: &str) -> bool {
    ReadingContext::VARIANTS.contains(&word)
}

/// Whether a phase is one of the standard's.
pub(super) fn is_phase(word: &str) -> bool {
    Phase::VARIANTS.contains(&word)
}

/// The shape of a request, or `None` where no station sends that action.
pub(super) fn request(action: Action) -> Option<&'static Shape> {
    Some(match action {
        Action::Authorize => &AUTHORIZE,
        Action::BootNotification => &BOOT_NOTIFICATION,
        Action::DataTransfer => &DATA_TRANSFER,
        Action::DiagnosticsStatusNotification => &DIAGNOSTICS_STATUS,
        Action::FirmwareStatusNotification => &FIRMWARE_STATUS,
        Action::Heartbeat => &HEARTBEAT,
        Action::LogStatusNotification => &LOG_STATUS,
        Action::MeterValues => &METER_VALUES,
        Action::SecurityEventNotification => &SECURITY_EVENT,
        Action::SignCertificate => &SIGN_CERTIFICATE,
        Action::SignedFirmwareStatusNotification => &SIGNED_FIRMWARE_STATUS,
        Action::StartTransaction => &START_TRANSACTION,
        Action::StatusNotification => &STATUS_NOTIFICATION,
        Action::StopTransaction => &STOP_TRANSACTION,
        _ => return None,
    })
}

static AUTHORIZE: Shape =
    Shape { members: &[Member::required("idTag", ID_TAG).personal(Sensitivity::IdTag)] };

static BOOT_NOTIFICATION: Shape = Shape {
    members: &[
        Member::required("chargePointVendor", Content::Text(20)),
        Member::required("chargePointModel", Content::Text(20)),
        Member::optional("chargePointSerialNumber", Content::Text(25)),
        Member::optional("chargeBoxSerialNumber", Content::Text(25)),
        Member::optional("firmwareVersion", Content::Text(50)),
        Member::optional("iccid", Content::Text(20)),
        Member::optional("imsi", Content::Text(20)),
        Member::optional("meterType", Content::Text(25)),
        Member::optional("meterSerialNumber", Content::Text(25)),
    ],
};

static DATA_TRANSFER: Shape = Shape {
    members: &[
        Member::required("vendorId", Content::Text(255)),
        Member::optional("messageId", Content::Text(50)),
        Member::optional("data", Content::LongText).personal(Sensitivity::FreeText),
    ],
};

static DIAGNOSTICS_STATUS: Shape =
    Shape { members: &[Member::required("status", Content::OneOf(DiagnosticsStatus::VARIANTS))] };

static FIRMWARE_STATUS: Shape =
    Shape { members: &[Member::required("status", Content::OneOf(FirmwareStatus::VARIANTS))] };

static HEARTBEAT: Shape = Shape { members: &[] };

static LOG_STATUS: Shape = Shape {
    members: &[
        Member::required("status", Content::OneOf(UploadLogStatus::VARIANTS)),
        Member::optional("requestId", Content::Integer32),
    ],
};

static METER_VALUES: Shape = Shape {
    members: &[
        Member::required("connectorId", Content::Connector),
        Member::optional("transactionId", Content::Integer32),
        Member::required("meterValue", Content::List(&METER_VALUE, 1)),
    ],
};

static METER_VALUE: Shape = Shape {
    members: &[
        Member::required("timestamp", Content::Time),
        Member::required("sampledValue", Content::List(&SAMPLED_VALUE, 1)),
    ],
};

static SAMPLED_VALUE: Shape = Shape {
    members: &[
        Member::required("value", Content::LongText).personal(Sensitivity::WhenSigned),
        Member::optional("context", Content::OneOf(ReadingContext::VARIANTS)),
        Member::optional("format", Content::OneOf(ValueFormat::VARIANTS)),
        Member::optional("measurand", Content::OneOf(Measurand::VARIANTS)),
        Member::optional("phase", Content::OneOf(Phase::VARIANTS)),
        Member::optional("location", Content::OneOf(Location::VARIANTS)),
        Member::optional("unit", Content::OneOf(UnitOfMeasure::VARIANTS)),
    ],
};

static SECURITY_EVENT: Shape = Shape {
    members: &[
        Member::required("type", Content::Text(50)),
        Member::required("timestamp", Content::Time),
        Member::optional("techInfo", Content::Text(255)).personal(Sensitivity::FreeText),
    ],
};

static SIGN_CERTIFICATE: Shape = Shape { members: &[Member::required("csr", Content::Text(5500))] };

static SIGNED_FIRMWARE_STATUS: Shape = Shape {
    members: &[
        Member::required("status", Content::OneOf(SignedFirmwareStatus::VARIANTS)),
        Member::optional("requestId", Content::Integer32),
    ],
};

static START_TRANSACTION: Shape = Shape {
    members: &[
        Member::required("connectorId", Content::Connector),
        Member::required("idTag", ID_TAG).personal(Sensitivity::IdTag),
        Member::required("meterStart", Content::Register),
        Member::optional("reservationId", Content::Integer32),
        Member::required("timestamp", Content::Time),
    ],
};

static STATUS_NOTIFICATION: Shape = Shape {
    members: &[
        Member::required("connectorId", Content::Connector),
        Member::required("errorCode", Content::OneOf(ChargePointErrorCode::VARIANTS)),
        Member::optional("info", Content::Text(50)).personal(Sensitivity::FreeText),
        Member::required("status", Content::OneOf(ChargePointStatus::VARIANTS)),
        Member::optional("timestamp", Content::Time),
        Member::optional("vendorId", Content::Text(255)),
        Member::optional("vendorErrorCode", Content::Text(50)),
    ],
};

static STOP_TRANSACTION: Shape = Shape {
    members: &[
        Member::optional("idTag", ID_TAG).personal(Sensitivity::IdTag),
        Member::required("meterStop", Content::Register),
        Member::required("timestamp", Content::Time),
        Member::required("transactionId", Content::Integer32),
        Member::optional("reason", Content::OneOf(Reason::VARIANTS)),
        Member::optional("transactionData", Content::List(&TRANSACTION_DATA, 0)),
    ],
};

/// Like [`METER_VALUE`], but without values is allowed here.
static TRANSACTION_DATA: Shape = Shape {
    members: &[
        Member::required("timestamp", Content::Time),
        Member::required("sampledValue", Content::List(&SAMPLED_VALUE, 0)),
    ],
};
