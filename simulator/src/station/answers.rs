//! What the server's answers to a station's CALLs change.

use chrono::{DateTime, Utc};
use ocpp_kit::RawValue;
use ocpp_kit::decode::{DecodeError, DecodeOptions, decode_payload};
use ocpp_kit::v1_6::{
    AuthorizationStatus, AuthorizeResponse, BootNotificationResponse, ChargePointStatus, Reason,
    RegistrationStatus, StartTransactionResponse,
};

use super::message::{Message, Queued, SessionKey, Start, Stop};
use super::session::Origin;
use super::{BOOT_RETRY, Link, MAX_REFUSALS, REFUSAL_WAIT, Station, Task};
use crate::fault::Fault;
use crate::observe::FleetEvent;

impl Station {
    pub(super) fn on_result(
        &mut self,
        queued: Queued,
        sent_at: DateTime<Utc>,
        payload: &RawValue,
        now: DateTime<Utc>,
    ) {
        let action = queued.message.action();
        let latency = (now - sent_at).to_std().unwrap_or_default();
        self.events.push(FleetEvent::Answered { action, latency });
        let read = match &queued.message {
            Message::Boot { .. } => self.on_boot_answer(payload, now),
            Message::Authorize { session, .. } => self.on_authorize_answer(*session, payload, now),
            Message::Start(start) => self.on_start_answer(start, payload, now),
            Message::Stop(stop) => {
                self.on_stop_answer(stop, &queued);
                Ok(())
            }
            Message::Heartbeat | Message::Status { .. } | Message::Meter { .. } => Ok(()),
        };
        if let Err(error) = read {
            self.events.push(FleetEvent::Unreadable(format!("{action}: {error}")));
            self.give_up(&queued.message, now);
        } else if queued.repeat {
            self.send_once_more(queued);
        }
    }

    /// As if the answer had never arrived: the same again, under a new id.
    fn send_once_more(&mut self, queued: Queued) {
        let fault = match queued.message {
            Message::Start(_) => Fault::RepeatStart,
            Message::Stop(_) => Fault::RepeatStop,
            _ => Fault::RepeatMeter,
        };
        self.events.push(FleetEvent::FaultPlayed(fault));
        self.queue.push_front(Queued { repeat: false, ..queued });
    }

    pub(super) fn on_error(&mut self, mut queued: Queued, code: String, now: DateTime<Utc>) {
        let action = queued.message.action();
        self.events.push(FleetEvent::Refused { action, code });
        queued.refusals += 1;
        if queued.message.is_transaction_related() && queued.refusals < MAX_REFUSALS {
            self.not_before = now + self.pace.compress(REFUSAL_WAIT) * queued.refusals;
            self.queue.push_front(queued);
        } else {
            self.give_up(&queued.message, now);
        }
    }

    /// The server will not take this message, or its answer made no sense.
    fn give_up(&mut self, message: &Message, now: DateTime<Utc>) {
        match message {
            Message::Boot { .. } => {
                self.schedule(now + self.pace.compress(BOOT_RETRY), Task::Boot);
            }
            Message::Authorize { session, .. } => {
                self.end_session(*session, Reason::DeAuthorized, now);
            }
            Message::Stop(stop) => {
                self.sessions.remove(&stop.session);
            }
            _ => {}
        }
    }

    fn on_boot_answer(
        &mut self,
        payload: &RawValue,
        now: DateTime<Utc>,
    ) -> Result<(), DecodeError> {
        let answer: BootNotificationResponse = decode(payload)?;
        self.configuration.set_heartbeat_seconds(answer.interval);
        self.restart_heartbeat(now);
        if answer.status != RegistrationStatus::Accepted {
            let wait = self.pace.compress(self.configuration.heartbeat());
            self.schedule(now + wait, Task::Boot);
            return Ok(());
        }
        self.events.push(FleetEvent::Booted);
        self.link = Link::Up;
        if !std::mem::replace(&mut self.booted, true) {
            self.report_status(0, ChargePointStatus::Available, now);
            for connector in self.connector_numbers() {
                let status = self.connector(connector).map(|one| one.last_status.clone());
                self.report_status(connector, status.unwrap_or(ChargePointStatus::Available), now);
            }
        }
        self.begin_live(now);
        Ok(())
    }

    fn on_authorize_answer(
        &mut self,
        session: SessionKey,
        payload: &RawValue,
        now: DateTime<Utc>,
    ) -> Result<(), DecodeError> {
        let answer: AuthorizeResponse = decode(payload)?;
        if answer.id_tag_info.status == AuthorizationStatus::Accepted {
            self.start_transaction(session, now);
        } else {
            self.events.push(FleetEvent::TokenRefused);
            self.end_session(session, Reason::DeAuthorized, now);
        }
        Ok(())
    }

    fn on_start_answer(
        &mut self,
        start: &Start,
        payload: &RawValue,
        now: DateTime<Utc>,
    ) -> Result<(), DecodeError> {
        let answer: StartTransactionResponse = decode(payload)?;
        let Some(session) = self.sessions.get_mut(&start.session) else { return Ok(()) };
        let first = session.transaction_id.replace(answer.transaction_id);
        match first {
            Some(first) if first != answer.transaction_id => {
                self.events
                    .push(FleetEvent::TransactionIdChanged { first, then: answer.transaction_id });
            }
            None if session.origin != Origin::Past => {
                self.events.push(FleetEvent::SessionStarted {
                    connector: start.connector,
                    transaction_id: answer.transaction_id,
                });
            }
            _ => {}
        }
        if answer.id_tag_info.status != AuthorizationStatus::Accepted && first.is_none() {
            self.events.push(FleetEvent::TokenRefused);
            self.end_session(start.session, Reason::DeAuthorized, now);
        }
        Ok(())
    }

    fn on_stop_answer(&mut self, stop: &Stop, queued: &Queued) {
        if queued.repeat {
            return;
        }
        if let Some(session) = self.sessions.remove(&stop.session) {
            self.events.push(FleetEvent::SessionFinished {
                connector: session.connector,
                energy_wh: session.final_energy_wh,
                replayed: session.origin == Origin::Past,
            });
        }
    }
}

fn decode<T>(payload: &RawValue) -> Result<T, DecodeError>
where
    T: serde::de::DeserializeOwned + serde::Serialize + ocpp_kit::validate::Validate,
{
    decode_payload(payload, &DecodeOptions::strict())
}
