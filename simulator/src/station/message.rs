//! The CALLs a station sends, kept unrendered until they leave: only then is the transaction
//! id known, and only then does the message get its id.

use chrono::{DateTime, Utc};
use ocpp_kit::v1_6::{
    AuthorizeRequest, BootNotificationRequest, ChargePointErrorCode, ChargePointStatus,
    HeartbeatRequest, MeterValue, MeterValuesRequest, Reason, StartTransactionRequest,
    StatusNotificationRequest, StopTransactionRequest,
};

use crate::wire;

/// Names a session inside one station.
pub(crate) type SessionKey = u64;

/// What a charger writes as transaction id when it never learnt one.
pub(crate) const UNKNOWN_TRANSACTION: i32 = -1;

/// One CALL of a station.
#[derive(Debug, Clone)]
pub(crate) enum Message {
    Boot { model: &'static str, serial: String },
    Heartbeat,
    Status { connector: u32, status: ChargePointStatus, at: DateTime<Utc> },
    Authorize { session: SessionKey, tag: String },
    Start(Start),
    Meter { session: Option<SessionKey>, connector: u32, value: MeterValue },
    Stop(Stop),
}

/// A StartTransaction.
#[derive(Debug, Clone)]
pub(crate) struct Start {
    pub(crate) session: SessionKey,
    pub(crate) connector: u32,
    pub(crate) tag: String,
    pub(crate) meter_start_wh: i64,
    pub(crate) at: DateTime<Utc>,
}

/// A StopTransaction.
#[derive(Debug, Clone)]
pub(crate) struct Stop {
    pub(crate) session: SessionKey,
    pub(crate) tag: Option<String>,
    pub(crate) meter_stop_wh: i64,
    pub(crate) at: DateTime<Utc>,
    pub(crate) reason: Reason,
    pub(crate) data: Vec<MeterValue>,
}

/// A message waiting to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Queued {
    pub(crate) message: Message,
    /// How often the server has answered it with an error.
    pub(crate) refusals: u32,
    /// Sent once more after its answer, as if that had been lost.
    pub(crate) repeat: bool,
    /// The connection breaks right after it is sent.
    pub(crate) drop_link: bool,
}

impl From<Message> for Queued {
    fn from(message: Message) -> Self {
        Self { message, refusals: 0, repeat: false, drop_link: false }
    }
}

impl Message {
    /// The OCPP action.
    pub(crate) fn action(&self) -> &'static str {
        match self {
            Self::Boot { .. } => "BootNotification",
            Self::Heartbeat => "Heartbeat",
            Self::Status { .. } => "StatusNotification",
            Self::Authorize { .. } => "Authorize",
            Self::Start(_) => "StartTransaction",
            Self::Meter { .. } => "MeterValues",
            Self::Stop(_) => "StopTransaction",
        }
    }

    /// Whether the message outlives a lost connection.
    pub(crate) fn is_kept_offline(&self) -> bool {
        !matches!(self, Self::Boot { .. } | Self::Heartbeat)
    }

    /// Whether an offline charger must deliver it, however late (1.6: transaction-related).
    pub(crate) fn is_transaction_related(&self) -> bool {
        match self {
            Self::Start(_) | Self::Stop(_) => true,
            Self::Meter { session, .. } => session.is_some(),
            _ => false,
        }
    }

    /// The session it needs a transaction id of.
    pub(crate) fn needs_transaction_of(&self) -> Option<SessionKey> {
        match self {
            Self::Stop(stop) => Some(stop.session),
            Self::Meter { session, .. } => *session,
            _ => None,
        }
    }

    /// The CALL as text. `transaction_id` is that of [`Message::needs_transaction_of`].
    pub(crate) fn render(
        &self,
        id: &str,
        transaction_id: Option<i32>,
    ) -> Result<String, serde_json::Error> {
        let action = self.action();
        match self {
            Self::Boot { model, serial } => {
                let request = BootNotificationRequest::new("Chargebook", *model)
                    .with_charge_point_serial_number(serial.clone())
                    .with_firmware_version(env!("CARGO_PKG_VERSION"));
                wire::call(id, action, &request)
            }
            Self::Heartbeat => wire::call(id, action, &HeartbeatRequest::new()),
            Self::Status { connector, status, at } => {
                let error = match status {
                    ChargePointStatus::Faulted => ChargePointErrorCode::GroundFailure,
                    _ => ChargePointErrorCode::NoError,
                };
                let connector = wire_integer(i64::from(*connector));
                let request = StatusNotificationRequest::new(connector, error, status.clone())
                    .with_timestamp(wire::ocpp_time(*at));
                wire::call(id, action, &request)
            }
            Self::Authorize { tag, .. } => {
                wire::call(id, action, &AuthorizeRequest::new(tag.clone()))
            }
            Self::Start(start) => wire::call(id, action, &start.request()),
            Self::Meter { connector, value, session } => {
                let connector = wire_integer(i64::from(*connector));
                let mut request = MeterValuesRequest::new(connector, vec![value.clone()]);
                request.transaction_id = session.and(transaction_id);
                wire::call(id, action, &request)
            }
            Self::Stop(stop) => {
                let transaction_id = transaction_id.unwrap_or(UNKNOWN_TRANSACTION);
                wire::call(id, action, &stop.request(transaction_id))
            }
        }
    }
}

impl Start {
    fn request(&self) -> StartTransactionRequest {
        StartTransactionRequest::new(
            wire_integer(i64::from(self.connector)),
            self.tag.clone(),
            wire_integer(self.meter_start_wh),
            wire::ocpp_time(self.at),
        )
    }
}

impl Stop {
    fn request(&self, transaction_id: i32) -> StopTransactionRequest {
        let mut request = StopTransactionRequest::new(
            wire_integer(self.meter_stop_wh),
            wire::ocpp_time(self.at),
            transaction_id,
        )
        .with_reason(self.reason.clone());
        request.id_tag.clone_from(&self.tag);
        if !self.data.is_empty() {
            request.transaction_data = Some(self.data.clone());
        }
        request
    }
}

/// OCPP 1.6 integers are 32 bits; meters here wrap long before.
fn wire_integer(value: i64) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}
