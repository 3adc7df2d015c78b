//! The certificates that stations hold, as their answers to commands tell, and those that they
//! ask for.

use super::{Decoded, Refusal, State, stream_id};
use crate::tables::{Json, StationCertificatesRow};
use crate::views::{OwnCertificate, OwnCertificateStatus, StationCertificate};
use chargebook_domain::events::v1::{
    InstalledCertificate, StationCertificateDeleted, StationCertificateDelivered,
    StationCertificateInstalled, StationCertificateRequested, StationCertificateWithdrawn,
    StationCertificatesReported,
};
use chargebook_domain::ids::{CommandId, StationId};

/// Certificates of one station that are kept; the oldest gives way.
const CERTIFICATES_MAX: usize = 256;
/// Certificates that a station was to get as its own and that are kept: a decade of them.
const OWN_CERTIFICATES_MAX: usize = 16;

impl State {
    pub(super) fn certificate_installed(
        &mut self,
        event: &Decoded,
        fact: &StationCertificateInstalled,
    ) -> Result<(), Refusal> {
        let known = self.certificates_of_command(event)?;
        let installed_at = Some(event.recorded_at);
        let named = take(known, &fact.certificate);
        let reported_at = named.and_then(|named| named.reported_at);
        let certificate = fact.certificate.clone();
        push(known, StationCertificate { certificate, installed_at, reported_at });
        Ok(())
    }

    pub(super) fn certificate_deleted(
        &mut self,
        event: &Decoded,
        fact: &StationCertificateDeleted,
    ) -> Result<(), Refusal> {
        let known = self.certificates_of_command(event)?;
        known.retain(|held| !held.certificate.hash.is_same_as(&fact.certificate));
        Ok(())
    }

    pub(super) fn certificates_reported(
        &mut self,
        event: &Decoded,
        fact: &StationCertificatesReported,
    ) -> Result<(), Refusal> {
        let known = self.certificates_of_command(event)?;
        let is_asked = |held: &StationCertificate| {
            fact.purposes.is_empty() || fact.purposes.contains(&held.certificate.purpose)
        };
        let (mut before, kept) = known.drain(..).partition(is_asked);
        *known = kept;
        for certificate in &fact.certificates {
            let named = take(&mut before, certificate);
            let installed_at = named.and_then(|named| named.installed_at);
            let reported_at = Some(event.recorded_at);
            let certificate = certificate.clone();
            push(known, StationCertificate { certificate, installed_at, reported_at });
        }
        Ok(())
    }

    pub(super) fn certificate_requested(
        &mut self,
        event: &Decoded,
        fact: &StationCertificateRequested,
    ) -> Result<(), Refusal> {
        let station_id = StationId(stream_id(event)?);
        self.heard(station_id, event.recorded_at);
        let issued = fact.issued.as_ref();
        let status = match issued {
            Some(_) => OwnCertificateStatus::Signed,
            None => OwnCertificateStatus::Declined,
        };
        let certificate = OwnCertificate {
            kind: fact.kind.clone(),
            status,
            declined: fact.declined,
            serial_number: issued.map(|issued| issued.serial_number.clone()),
            not_after: issued.map(|issued| issued.not_after),
            command_id: issued.map(|issued| issued.command_id),
            requested_at: Some(event.recorded_at),
            answered_at: None,
        };
        push_own(&mut self.certificates_of(station_id).own.0, certificate);
        Ok(())
    }

    pub(super) fn certificate_delivered(
        &mut self,
        event: &Decoded,
        fact: &StationCertificateDelivered,
    ) -> Result<(), Refusal> {
        let command_id = CommandId(stream_id(event)?);
        let station_id = self.station_of_command(event)?;
        let own = &mut self.certificates_of(station_id).own.0;
        let is_meant =
            |own: &OwnCertificate| own.serial_number.as_ref() == Some(&fact.serial_number);
        let known = own.iter().position(is_meant).map(|index| own.remove(index));
        let is_withdrawn =
            known.as_ref().is_some_and(|known| known.status == OwnCertificateStatus::Withdrawn);
        let status = match fact.accepted {
            true if is_withdrawn => OwnCertificateStatus::Withdrawn,
            true => OwnCertificateStatus::Accepted,
            false => OwnCertificateStatus::Rejected,
        };
        let certificate = OwnCertificate {
            kind: fact.kind.clone(),
            status,
            declined: None,
            serial_number: Some(fact.serial_number.clone()),
            not_after: Some(fact.not_after),
            command_id: Some(command_id),
            requested_at: known.and_then(|known| known.requested_at),
            answered_at: Some(event.recorded_at),
        };
        push_own(own, certificate);
        Ok(())
    }

    pub(super) fn certificate_withdrawn(
        &mut self,
        event: &Decoded,
        fact: &StationCertificateWithdrawn,
    ) -> Result<(), Refusal> {
        let own = &mut self.certificates_of(StationId(stream_id(event)?)).own.0;
        let is_meant =
            |own: &&mut OwnCertificate| own.serial_number.as_ref() == Some(&fact.serial_number);
        if let Some(own) = own.iter_mut().find(is_meant) {
            own.status = OwnCertificateStatus::Withdrawn;
        }
        Ok(())
    }

    fn station_of_command(&self, event: &Decoded) -> Result<StationId, Refusal> {
        let id = CommandId(stream_id(event)?);
        let command = self.commands.get(id);
        Ok(command.ok_or_else(|| format!("no command {id} was requested"))?.station_id)
    }

    /// The certificates of the station that the event's command went to.
    fn certificates_of_command(
        &mut self,
        event: &Decoded,
    ) -> Result<&mut Vec<StationCertificate>, Refusal> {
        let station_id = self.station_of_command(event)?;
        Ok(&mut self.certificates_of(station_id).certificates.0)
    }

    fn certificates_of(&mut self, station_id: StationId) -> &mut StationCertificatesRow {
        let row = || StationCertificatesRow {
            station_id,
            certificates: Json(Vec::new()),
            own: Json(Vec::new()),
        };
        self.certificates.touch_or_insert(station_id, row)
    }
}

fn take(
    held: &mut Vec<StationCertificate>,
    certificate: &InstalledCertificate,
) -> Option<StationCertificate> {
    let is_named = |held: &StationCertificate| {
        held.certificate.purpose == certificate.purpose
            && held.certificate.hash.is_same_as(&certificate.hash)
    };
    let index = held.iter().position(is_named)?;
    Some(held.remove(index))
}

/// The newest comes first; the oldest gives way.
fn push_own(own: &mut Vec<OwnCertificate>, certificate: OwnCertificate) {
    own.insert(0, certificate);
    own.truncate(OWN_CERTIFICATES_MAX);
}

fn push(held: &mut Vec<StationCertificate>, certificate: StationCertificate) {
    if held.len() >= CERTIFICATES_MAX {
        held.remove(0);
    }
    held.push(certificate);
}
