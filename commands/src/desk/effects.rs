//! What a station's answer to a CALL of ours changes on our side.

use super::{DECISION_RETRIES_MAX, DeskError, StationDesk};
use crate::journal::{Draft, JournalError};
use crate::message::{DynamicValues, MonitoringNews, ReservationTerms};
use crate::registry::NewPassword;
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    CertificateHash, ChargingPlace, ChargingProfile, HeldTariff, InstalledCertificate, LearntValue,
    ReservationCancelled, ReservationMade, SessionDeliveryTold, StationCertificateDeleted,
    StationCertificateDelivered, StationCertificateInstalled, StationCertificatesReported,
    StationChargingProfileSet, StationChargingProfilesCleared, StationChargingScheduleUpdated,
    StationDefaultTariffSet, StationPriorityChargingTold, StationTariffsCleared,
    StationTariffsReported, StationTransactionTariffChanged,
};
use chargebook_domain::ids::{EventId, EvseNumber, ReservationId, TransactionName};
use chargebook_domain::units::Timestamp;
use chargebook_store::{AppendError, ExpectedVersion};

/// What a station has taken over or given up with its answer to a CALL of ours, whichever way
/// the CALL was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StationEffect {
    /// It logs in with this password from now on (1.6: security white paper, A01; 2.x: part 2,
    /// A01).
    NewPassword(NewPassword),
    /// This password is on its way to it: whatever becomes of the answer, it may log in with it.
    PasswordOffered(NewPassword),
    /// It has not taken over this password.
    PasswordDeclined(NewPassword),
    /// It connects with this OCPP security profile from now on, if it can (A05).
    SecurityProfileAgreed(u8),
    /// It will send this action, since we asked for it.
    WillSend(&'static str),
    /// It trusts this certificate from now on (M05).
    CertificateInstalled(InstalledCertificate),
    /// It has answered the certificate that it was sent as its own (2.x: A02; 1.6: the same).
    CertificateDelivered {
        /// Whether it took it.
        accepted: bool,
        /// What it is for, in the station's word (2.x).
        kind: Option<String>,
        /// Its serial number, hexadecimal.
        serial_number: String,
        /// The end of its validity.
        not_after: Timestamp,
    },
    /// It does not hold this certificate any more, or never did (M04).
    CertificateDeleted(CertificateHash),
    /// It holds these certificates (M03).
    CertificatesReported {
        /// The purposes that were asked for; none: all.
        purposes: Vec<String>,
        /// What it holds of them.
        certificates: Vec<InstalledCertificate>,
    },
    /// These are values of its variables (2.x: part 2, B05, B06; 1.6: sections 5.3, 5.8).
    ValuesLearnt(Vec<LearntValue<String>>),
    /// It has changed what it watches, or tells of it (2.x: part 2, block N).
    Monitoring(MonitoringNews),
    /// It keeps this charging profile (1.6: section 5.16; 2.x: part 2, K01).
    ChargingProfileSet {
        /// Where it holds.
        place: ChargingPlace,
        /// Which.
        profile: ChargingProfile,
        /// The number of the remote start that brought it (2.x: F01.FR.08).
        remote_start_id: Option<i32>,
    },
    /// It has given up charging profiles (1.6: section 5.4; 2.x: part 2, K10).
    ChargingProfilesCleared(ClearedProfiles),
    /// Its tariffs have changed, or it has told which it holds (2.1, I07, I09 to I11).
    Tariffs(TariffsTold),
    /// It has taken over new values for a dynamic charging profile (2.1: part 2, K28).
    ChargingScheduleUpdated(i64, DynamicValues),
    /// It charges a transaction before others, or does so no more (2.1: part 2, K21).
    PriorityCharging(TransactionName, bool),
    /// It has told whether a transaction goes on, and whether messages of it wait (2.x: part 2,
    /// E14).
    DeliveryTold {
        /// Which transaction.
        transaction: TransactionName,
        /// Whether it goes on.
        is_ongoing: bool,
        /// Whether messages of it wait.
        has_messages: bool,
    },
    /// It keeps a place for a token (1.6: section 5.13; 2.x: part 2, H01).
    ReservationMade(ReservationTerms),
    /// It keeps that place no more (1.6: section 5.2; 2.x: part 2, H02).
    ReservationCancelled(ReservationId),
}

/// What a 2.1 station tells of the tariffs that it computes costs by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TariffsTold {
    /// It holds one for whoever has no other; EVSE 0 is every one.
    DefaultSet {
        /// At which EVSE.
        evse: EvseNumber,
        /// Which.
        tariff: String,
        /// From when on; at once if absent.
        valid_from: Option<Timestamp>,
    },
    /// A transaction has another one from now on.
    TransactionChanged {
        /// Which transaction.
        transaction: TransactionName,
        /// Which tariff.
        tariff: String,
    },
    /// It holds these no more, or never did.
    Cleared {
        /// At which EVSE; anywhere if absent.
        evse: Option<EvseNumber>,
        /// Which; all if empty.
        tariffs: Vec<String>,
    },
    /// It holds these, and no others.
    Held {
        /// At which EVSE.
        evse: EvseNumber,
        /// Which.
        tariffs: Vec<HeldTariff>,
    },
}

impl TariffsTold {
    fn fact(self, exchange: EventId) -> Event {
        match self {
            Self::DefaultSet { evse, tariff, valid_from } => {
                StationDefaultTariffSet { evse, tariff, valid_from, exchange }.into()
            }
            Self::TransactionChanged { transaction, tariff } => {
                StationTransactionTariffChanged { transaction, tariff, exchange }.into()
            }
            Self::Cleared { evse, tariffs } => {
                StationTariffsCleared { evse, tariffs, exchange }.into()
            }
            Self::Held { evse, tariffs } => {
                StationTariffsReported { evse, tariffs, exchange }.into()
            }
        }
    }
}

/// Which charging profiles a station has given up; what is absent narrows nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClearedProfiles {
    /// The one of this number.
    pub profile_id: Option<i64>,
    /// Those that hold here.
    pub place: Option<ChargingPlace>,
    /// Those for this purpose.
    pub purpose: Option<String>,
    /// Those of this stack level.
    pub stack_level: Option<u32>,
}

impl StationDesk {
    /// Does what an effect asks for elsewhere than in the command's own stream. `exchange` is the
    /// one that shows it.
    pub(super) async fn take_effect(
        &mut self,
        effect: &StationEffect,
        exchange: EventId,
    ) -> Result<(), DeskError> {
        match effect {
            StationEffect::NewPassword(password) => {
                let identity = self.state.identity.as_str();
                self.chargebook.registry().accept_password(identity, password).await?;
            }
            StationEffect::PasswordOffered(password) => {
                let identity = self.state.identity.as_str();
                self.chargebook.registry().offer_password(identity, password).await?;
            }
            StationEffect::PasswordDeclined(password) => {
                let identity = self.state.identity.as_str();
                self.chargebook.registry().decline_password(identity, password).await?;
            }
            StationEffect::SecurityProfileAgreed(profile) => {
                let identity = self.state.identity.as_str();
                self.chargebook.registry().agree_security_profile(identity, *profile).await?;
            }
            StationEffect::WillSend(action) => self.has_agreed_to_send(action),
            StationEffect::ValuesLearnt(values) => self.learn_from_values(values).await?,
            StationEffect::CertificateDelivered { accepted: false, serial_number, .. } => {
                let (registry, identity) = (self.chargebook.registry(), &self.state.identity);
                let identity = identity.as_str();
                registry.withdraw_certificate(identity, serial_number, "station").await?;
            }
            StationEffect::ChargingProfileSet { .. }
            | StationEffect::ChargingProfilesCleared(_)
            | StationEffect::ChargingScheduleUpdated(..)
            | StationEffect::PriorityCharging(..) => {
                if let Some(fact) = charging_fact(effect, exchange) {
                    self.note_of_station(exchange, fact).await?;
                }
            }
            StationEffect::DeliveryTold { transaction, is_ongoing, has_messages } => {
                let (is_ongoing, has_messages) = (*is_ongoing, *has_messages);
                let fact = SessionDeliveryTold { is_ongoing, has_messages, exchange };
                self.note_of_session(transaction, exchange, fact.into()).await?;
            }
            StationEffect::CertificateInstalled(_)
            | StationEffect::CertificateDelivered { .. }
            | StationEffect::CertificateDeleted(_)
            | StationEffect::CertificatesReported { .. }
            | StationEffect::Monitoring(_)
            | StationEffect::Tariffs(_)
            | StationEffect::ReservationMade(_)
            | StationEffect::ReservationCancelled(_) => {}
        }
        Ok(())
    }

    /// The fact that an effect leaves in the command's own stream, beside the exchange that
    /// showed it.
    pub(super) async fn effect_fact(
        &self,
        effect: &StationEffect,
        exchange: EventId,
    ) -> Result<Option<Event>, DeskError> {
        Ok(Some(match effect {
            StationEffect::NewPassword(_)
            | StationEffect::PasswordOffered(_)
            | StationEffect::PasswordDeclined(_)
            | StationEffect::SecurityProfileAgreed(_)
            | StationEffect::ChargingProfileSet { .. }
            | StationEffect::ChargingProfilesCleared(_)
            | StationEffect::ChargingScheduleUpdated(..)
            | StationEffect::PriorityCharging(..)
            | StationEffect::DeliveryTold { .. }
            | StationEffect::WillSend(_) => return Ok(None),
            StationEffect::CertificateInstalled(certificate) => {
                let certificate = certificate.clone();
                StationCertificateInstalled { certificate, exchange }.into()
            }
            StationEffect::CertificateDelivered { accepted, kind, serial_number, not_after } => {
                StationCertificateDelivered {
                    accepted: *accepted,
                    kind: kind.clone(),
                    serial_number: serial_number.clone(),
                    not_after: *not_after,
                    exchange,
                }
                .into()
            }
            StationEffect::CertificateDeleted(certificate) => {
                let certificate = certificate.clone();
                StationCertificateDeleted { certificate, exchange }.into()
            }
            StationEffect::CertificatesReported { purposes, certificates } => {
                let (purposes, certificates) = (purposes.clone(), certificates.clone());
                StationCertificatesReported { purposes, certificates, exchange }.into()
            }
            StationEffect::ValuesLearnt(values) => {
                self.values_learnt(values, exchange).await?.into()
            }
            StationEffect::Tariffs(told) => told.clone().fact(exchange),
            StationEffect::Monitoring(news) => self.monitoring_told(news, exchange).await?,
            StationEffect::ReservationMade(terms) => {
                self.reservation_made(terms, exchange).await?.into()
            }
            StationEffect::ReservationCancelled(reservation_id) => {
                let (reservation_id, station_id) = (*reservation_id, self.state.station_id);
                ReservationCancelled { reservation_id, station_id, exchange }.into()
            }
        }))
    }

    /// Writes to the station's stream what its desk has to go by. A second time changes nothing.
    async fn note_of_station(&mut self, exchange: EventId, fact: Event) -> Result<(), DeskError> {
        for _ in 0..DECISION_RETRIES_MAX {
            let draft = Draft::following(exchange, 0, fact.clone()).by("station");
            let registry = self.chargebook.registry();
            match registry.append_to_station(&mut self.state, vec![draft]).await {
                Err(JournalError::Append(AppendError::WrongVersion { .. })) => {
                    self.load_state().await?;
                }
                appended => {
                    appended?;
                    return Ok(());
                }
            }
        }
        Err(DeskError::Contended)
    }

    /// Writes to a session's stream what the station told of its transaction, where that is known.
    /// A second time changes nothing.
    async fn note_of_session(
        &mut self,
        transaction: &TransactionName,
        exchange: EventId,
        fact: Event,
    ) -> Result<(), DeskError> {
        for _ in 0..DECISION_RETRIES_MAX {
            let Some(stream) = self.latest_of_transaction(transaction).await? else {
                return Ok(());
            };
            let Some(session) = self.session(&stream).await? else { return Ok(()) };
            let Some(version) = session.version() else { return Ok(()) };
            let (expected, station_id) = (ExpectedVersion::Exact(version), self.state.station_id);
            let draft = Draft::following(exchange, 0, fact.clone()).by("station").about(station_id);
            let appended = self.chargebook.journal().append(&stream, expected, &[draft]).await;
            self.sessions.forget(&stream);
            match appended {
                Err(JournalError::Append(AppendError::WrongVersion { .. })) => {}
                appended => {
                    appended?;
                    return Ok(());
                }
            }
        }
        Err(DeskError::Contended)
    }

    async fn reservation_made(
        &self,
        terms: &ReservationTerms,
        exchange: EventId,
    ) -> Result<ReservationMade, DeskError> {
        let personal = self.chargebook.personal();
        let group = match &terms.group {
            Some(group) => Some(personal.seal_uid(&group.uid).await?),
            None => None,
        };
        Ok(ReservationMade {
            reservation_id: terms.reservation_id,
            station_id: self.state.station_id,
            station: self.state.identity.clone(),
            evse: terms.evse,
            connector: terms.connector,
            token: personal.seal_uid(&terms.token.uid).await?,
            group,
            expires_at: terms.expires_at,
            exchange,
        })
    }
}

/// What becomes of a station's charging profiles.
fn charging_fact(effect: &StationEffect, exchange: EventId) -> Option<Event> {
    Some(match effect.clone() {
        StationEffect::ChargingProfileSet { place, profile, remote_start_id } => {
            StationChargingProfileSet { place, profile, remote_start_id, exchange }.into()
        }
        StationEffect::ChargingProfilesCleared(cleared) => {
            let ClearedProfiles { profile_id, place, purpose, stack_level } = cleared;
            StationChargingProfilesCleared { profile_id, place, purpose, stack_level, exchange }
                .into()
        }
        StationEffect::ChargingScheduleUpdated(profile_id, values) => {
            let DynamicValues { limit, setpoint, discharge_limit } = values;
            StationChargingScheduleUpdated {
                profile_id,
                limit,
                setpoint,
                discharge_limit,
                exchange,
            }
            .into()
        }
        StationEffect::PriorityCharging(transaction, is_active) => {
            StationPriorityChargingTold { transaction, is_active, exchange }.into()
        }
        _ => return None,
    })
}
