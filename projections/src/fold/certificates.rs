//! The certificates that stations hold, as their answers to commands tell.

use super::{Decoded, Refusal, State, stream_id};
use crate::tables::{Json, StationCertificatesRow};
use crate::views::StationCertificate;
use chargebook_domain::events::v1::{
    InstalledCertificate, StationCertificateDeleted, StationCertificateInstalled,
    StationCertificatesReported,
};
use chargebook_domain::ids::CommandId;

/// Certificates of one station that are kept; the oldest gives way.
const CERTIFICATES_MAX: usize = 256;

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

    /// The certificates of the station that the event's command went to.
    fn certificates_of_command(
        &mut self,
        event: &Decoded,
    ) -> Result<&mut Vec<StationCertificate>, Refusal> {
        let id = CommandId(stream_id(event)?);
        let command = self.commands.get(id);
        let station_id =
            command.ok_or_else(|| format!("no command {id} was requested"))?.station_id;
        let certificates = Json(Vec::new());
        let row = || StationCertificatesRow { station_id, certificates };
        Ok(&mut self.certificates.touch_or_insert(station_id, row).certificates.0)
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

fn push(held: &mut Vec<StationCertificate>, certificate: StationCertificate) {
    if held.len() >= CERTIFICATES_MAX {
        held.remove(0);
    }
    held.push(certificate);
}
