//! What a station does when the server asks: it really acts.

use chrono::{DateTime, Utc};
use ocpp_kit::RawValue;
use ocpp_kit::decode::DecodeOptions;
use ocpp_kit::rpc::CallError;
use ocpp_kit::types::MessageId;
use ocpp_kit::v1_6::{
    Action, AvailabilityStatus, AvailabilityType, ChangeAvailabilityRequest,
    ChangeAvailabilityResponse, ChangeConfigurationResponse, ChargePointStatus, ClearCacheResponse,
    ClearCacheStatus, CsmsRequest, DataTransferResponse, DataTransferStatus,
    GetConfigurationResponse, MessageTrigger, ReadingContext, Reason, RemoteStartStopStatus,
    RemoteStartTransactionRequest, RemoteStartTransactionResponse, RemoteStopTransactionResponse,
    ResetResponse, ResetStatus, ResetType, TriggerMessageRequest, TriggerMessageResponse,
    TriggerMessageStatus, UnlockConnectorResponse, UnlockStatus,
};

use super::configuration::Change;
use super::message::{Message, SessionKey};
use super::meter::Reading;
use super::session::{Origin, Phase};
use super::{MAX_ANSWERS, Reboot, Station};
use crate::observe::FleetEvent;
use crate::wire;

type Answer = Result<Box<RawValue>, CallError>;

impl Station {
    /// Serves a CALL of the server.
    pub(super) fn on_call(
        &mut self,
        id: &MessageId,
        action: &str,
        payload: &RawValue,
        now: DateTime<Utc>,
    ) {
        self.events.push(FleetEvent::Commanded { action: action.to_owned() });
        let outcome = self.serve(action, payload, now);
        match wire::answer(id, outcome) {
            Ok(text) if self.answers.len() < MAX_ANSWERS => self.answers.push_back(text),
            Ok(_) => {
                let reason = "more open calls than a station answers".to_owned();
                self.events.push(FleetEvent::Unreadable(reason));
            }
            Err(error) => self.events.push(FleetEvent::Unreadable(error.to_string())),
        }
        self.take_time(now);
    }

    fn serve(&mut self, action: &str, payload: &RawValue, now: DateTime<Utc>) -> Answer {
        let known = Action::from_wire(action).ok_or_else(|| CallError::not_implemented(action))?;
        let request = CsmsRequest::decode(known, payload, &DecodeOptions::strict())?;
        match request {
            CsmsRequest::RemoteStartTransaction(request) => self.remote_start(request, now),
            CsmsRequest::RemoteStopTransaction(request) => {
                self.remote_stop(request.transaction_id, now)
            }
            CsmsRequest::Reset(request) => self.reset(&request.r#type, now),
            CsmsRequest::UnlockConnector(request) => self.unlock(request.connector_id, now),
            CsmsRequest::ChangeAvailability(request) => self.change_availability(&request, now),
            CsmsRequest::GetConfiguration(request) => {
                let (known, unknown) = self.configuration.read(request.key.as_deref());
                let mut answer = GetConfigurationResponse::new().with_configuration_key(known);
                if !unknown.is_empty() {
                    answer.unknown_key = Some(unknown);
                }
                wire::payload(&answer)
            }
            CsmsRequest::ChangeConfiguration(request) => {
                let (status, change) = self.configuration.write(&request.key, &request.value);
                match change {
                    Change::None => {}
                    Change::Heartbeat => self.restart_heartbeat(now),
                    Change::Password => self.reboot = Some(Reboot::Reconnect),
                }
                wire::payload(&ChangeConfigurationResponse::new(status))
            }
            CsmsRequest::TriggerMessage(request) => self.trigger(&request, now),
            CsmsRequest::ClearCache(_) => {
                wire::payload(&ClearCacheResponse::new(ClearCacheStatus::Accepted))
            }
            CsmsRequest::DataTransfer(_) => {
                wire::payload(&DataTransferResponse::new(DataTransferStatus::UnknownVendorId))
            }
            _ => Err(CallError::not_supported(action)),
        }
    }

    fn remote_start(
        &mut self,
        request: RemoteStartTransactionRequest,
        now: DateTime<Utc>,
    ) -> Answer {
        let free = |station: &Self, number: u32| {
            station.connector(number).is_some_and(|one| one.operative && one.session.is_none())
        };
        let connector = match request.connector_id {
            Some(number) => u32::try_from(number).ok().filter(|number| free(self, *number)),
            None => self.connector_numbers().find(|number| free(self, *number)),
        };
        let blocked = self.stopping || self.reboot.is_some();
        let status = match connector.filter(|_| !blocked) {
            None => RemoteStartStopStatus::Rejected,
            Some(connector) => {
                let random = self.next_session_random(connector);
                let authorize = self.configuration.authorize_remote();
                let tag = request.id_tag;
                self.begin_session(random, connector, tag, Origin::Remote, authorize, now);
                RemoteStartStopStatus::Accepted
            }
        };
        wire::payload(&RemoteStartTransactionResponse::new(status))
    }

    fn remote_stop(&mut self, transaction_id: i32, now: DateTime<Utc>) -> Answer {
        let running = self.sessions.iter().find(|(_, session)| {
            session.transaction_id == Some(transaction_id) && session.phase == Phase::Running
        });
        let status = match running.map(|(key, _)| *key) {
            None => RemoteStartStopStatus::Rejected,
            Some(key) => {
                self.end_session(key, Reason::Remote, now);
                RemoteStartStopStatus::Accepted
            }
        };
        wire::payload(&RemoteStopTransactionResponse::new(status))
    }

    fn reset(&mut self, kind: &ResetType, now: DateTime<Utc>) -> Answer {
        let (reboot, reason) = match kind {
            ResetType::Hard => (Reboot::Hard, Reason::HardReset),
            _ => (Reboot::Soft, Reason::SoftReset),
        };
        let open: Vec<SessionKey> = self.sessions.keys().copied().collect();
        for key in open {
            self.end_session(key, reason.clone(), now);
        }
        self.reboot = Some(reboot);
        wire::payload(&ResetResponse::new(ResetStatus::Accepted))
    }

    fn unlock(&mut self, connector: i32, now: DateTime<Utc>) -> Answer {
        let number = u32::try_from(connector).unwrap_or(0);
        let status = match self.connector(number) {
            None => UnlockStatus::NotSupported,
            Some(one) => {
                if let Some(key) = one.session {
                    self.end_session(key, Reason::UnlockCommand, now);
                }
                UnlockStatus::Unlocked
            }
        };
        wire::payload(&UnlockConnectorResponse::new(status))
    }

    fn change_availability(
        &mut self,
        request: &ChangeAvailabilityRequest,
        now: DateTime<Utc>,
    ) -> Answer {
        let operative = request.r#type == AvailabilityType::Operative;
        let numbers: Vec<u32> = match u32::try_from(request.connector_id) {
            Ok(0) => self.connector_numbers().collect(),
            Ok(number) if self.connector(number).is_some() => vec![number],
            _ => Vec::new(),
        };
        let mut status = if numbers.is_empty() {
            AvailabilityStatus::Rejected
        } else {
            AvailabilityStatus::Accepted
        };
        for number in numbers {
            let Some(connector) = self.connector_mut(number) else { continue };
            if !operative && connector.session.is_some() {
                connector.closes_after_session = true;
                status = AvailabilityStatus::Scheduled;
                continue;
            }
            connector.closes_after_session = false;
            if connector.operative != operative {
                connector.operative = operative;
                let now_status = if operative {
                    ChargePointStatus::Available
                } else {
                    ChargePointStatus::Unavailable
                };
                self.report_status(number, now_status, now);
            }
        }
        wire::payload(&ChangeAvailabilityResponse::new(status))
    }

    fn trigger(&mut self, request: &TriggerMessageRequest, now: DateTime<Utc>) -> Answer {
        let asked = request.connector_id.and_then(|number| u32::try_from(number).ok());
        let known = asked.is_none_or(|number| number == 0 || self.connector(number).is_some());
        let numbers: Vec<u32> = match asked {
            Some(number) if number > 0 => vec![number],
            _ => self.connector_numbers().collect(),
        };
        let status = match request.requested_message {
            _ if !known => TriggerMessageStatus::Rejected,
            MessageTrigger::BootNotification => {
                self.queue_boot();
                TriggerMessageStatus::Accepted
            }
            MessageTrigger::Heartbeat => {
                self.enqueue(Message::Heartbeat);
                TriggerMessageStatus::Accepted
            }
            MessageTrigger::StatusNotification => {
                for number in numbers {
                    let status = self.connector(number).map(|one| one.last_status.clone());
                    self.report_status(number, status.unwrap_or(ChargePointStatus::Available), now);
                }
                TriggerMessageStatus::Accepted
            }
            MessageTrigger::MeterValues => {
                for number in numbers {
                    self.queue_triggered_reading(number, now);
                }
                TriggerMessageStatus::Accepted
            }
            _ => TriggerMessageStatus::NotImplemented,
        };
        wire::payload(&TriggerMessageResponse::new(status))
    }

    fn queue_triggered_reading(&mut self, number: u32, now: DateTime<Utc>) {
        let Some(connector) = self.connector(number) else { return };
        let running = connector
            .session
            .filter(|key| self.sessions.get(key).is_some_and(|one| one.phase == Phase::Running));
        let reading = match running.and_then(|key| self.sessions.get(&key)) {
            Some(session) => session.reading(
                self.plan.hardware,
                session.elapsed(now),
                ReadingContext::Trigger,
                self.quirks.clock_skew_seconds,
            ),
            None => Reading {
                at: self.station_time(now),
                register_wh: connector.register_wh,
                power_w: 0,
                state_of_charge_percent: None,
                context: ReadingContext::Trigger,
            },
        };
        let value = reading.meter_value(self.plan.hardware, self.quirks.register_unit);
        self.enqueue(Message::Meter { session: running, connector: number, value });
    }
}
