//! What a station says of itself when it starts up (BootNotification), and whether it is the one
//! that it should be.
//!
//! Where an operator has registered its serial number, another one is a security event. Where its
//! certificate is what names that number, whoever booted is not whom the certificate was made for:
//! the station is rejected, nothing of its boot counts, and the connection ends (2.x part 2,
//! B01.FR.11 and FR.12).

use super::{Case, Decision, DeskError, StationDesk};
use crate::message::{Answer, BootReport};
use crate::security_profile::OTHER_SERIAL_NUMBER;
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{Registration, SeenBy, StationBooted, StationSecurityNoted};
use chargebook_domain::ids::SubjectId;

/// A boot, beside the serial number that an operator knows the station by.
#[derive(Clone, Copy)]
enum Told<'b> {
    Registered,
    Nothing,
    Another(&'b str),
}

impl StationDesk {
    pub(super) async fn decide_boot(
        &mut self,
        case: &Case<'_>,
        report: &BootReport,
    ) -> Result<Decision, DeskError> {
        let told = self.serial_number_told(report);
        self.is_refuted = self.is_named_by_serial_number
            && match told {
                Told::Registered => false,
                Told::Nothing => self.state.has_other_serial_number,
                Told::Another(_) => true,
            };
        let registration = match self.is_refuted {
            true => Registration::Rejected,
            false => self.state.settings.registration,
        };
        let mut facts: Vec<Event> = Vec::new();
        if !self.is_refuted {
            let boot = report.boot.clone();
            facts.push(StationBooted { boot, registration, exchange: case.receipt_id }.into());
        }
        if let Told::Another(other) = told {
            facts.extend(self.note_serial_number(case, other).await?);
        }
        let answer = Answer::Boot {
            registration,
            now: case.receipt.received_at,
            interval_seconds: self.chargebook.settings().heartbeat_interval_seconds,
        };
        Ok(Decision::station(answer, facts))
    }

    /// Whether the station has booted with another serial number than its certificate names, over
    /// this connection or one before, and not with the right one since: its connection is to be
    /// closed.
    pub fn is_refuted(&self) -> bool {
        self.is_refuted
    }

    /// What a boot says of the number that the station is known by. One that names none, or has
    /// left it blank, contradicts nothing; of two either may be it.
    fn serial_number_told<'b>(&self, report: &'b BootReport) -> Told<'b> {
        let Some(registered) = self.state.serial_number_registered.as_deref() else {
            return Told::Nothing;
        };
        let is_it = |told: &str| match report.has_case {
            true => told == registered,
            false => told.eq_ignore_ascii_case(registered),
        };
        let told = [&report.boot.serial_number, &report.further_serial_number];
        let told = told.into_iter().filter_map(|told| told.as_deref());
        let mut told = told.filter(|told| !told.trim().is_empty());
        match told.clone().any(is_it) {
            true => Told::Registered,
            false => told.next().map_or(Told::Nothing, Told::Another),
        }
    }

    /// Noted once in a while: a station that restarts all the time says it every time. What
    /// refutes a station is noted at once, since it is remembered by that.
    async fn note_serial_number(
        &self,
        case: &Case<'_>,
        other: &str,
    ) -> Result<Option<Event>, DeskError> {
        let at = case.receipt.received_at;
        let is_news = self.is_refuted && !self.state.has_other_serial_number;
        if self.state.was_noted_lately(OTHER_SERIAL_NUMBER, at) && !is_news {
            return Ok(None);
        }
        let detail = format!("it booted with the serial number {other}");
        let subject = SubjectId(self.state.station_id.0);
        let fact = StationSecurityNoted {
            kind: OTHER_SERIAL_NUMBER.to_owned(),
            seen_by: SeenBy::System,
            at,
            detail: Some(self.chargebook.personal().seal(subject, &detail).await?),
            exchange: Some(case.receipt_id),
        };
        Ok(Some(fact.into()))
    }
}
