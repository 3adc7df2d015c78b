//! With which OCPP security profile a station must connect (1.6 security white paper and 2.x
//! part 2, use case A05): 0 none, 1 basic auth, 2 basic auth over TLS, 3 TLS with a client's
//! certificate.
//!
//! Over OCPP it is raised in two steps. The station accepts a higher profile (agreed), and comes
//! with it (required): only from then on a lower one is refused, since a station that cannot
//! connect with the higher one falls back, and would otherwise be locked out. It is never lowered
//! but by an operator.

use crate::registry::{Registered, Registry, RegistryError};
use crate::station::StationState;
use crate::{AdmissionRefused, Admitted, Chargebook};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    SeenBy, StationSecurityNoted, StationSecurityProfileAgreed, StationSecurityProfileRequired,
};
use chargebook_domain::units::Timestamp;
use chrono::TimeDelta;

/// The highest profile there is.
pub const SECURITY_PROFILE_MAX: u8 = 3;

/// The kind of a security event: a connection with a lower profile than required was refused.
const LOWER_PROFILE_REFUSED: &str = "lower_security_profile_refused";

/// The kind of a security event: somebody came with the certificate of another station.
const FOREIGN_CERTIFICATE: &str = "foreign_certificate_refused";

/// The kind of a security event: somebody came with a certificate that was signed for the station
/// and counts no more.
const WITHDRAWN_CERTIFICATE: &str = "withdrawn_certificate_refused";

/// The kind of a security event: the station has booted with another serial number than an
/// operator knows it by.
pub(crate) const OTHER_SERIAL_NUMBER: &str = "other_serial_number";

/// The kinds of security events that are noted once in a while.
pub(crate) const REFUSALS: &[&str] =
    &[LOWER_PROFILE_REFUSED, FOREIGN_CERTIFICATE, WITHDRAWN_CERTIFICATE, OTHER_SERIAL_NUMBER];

/// A refused station tries again all the time; one security event is enough for so long.
const SILENT_FOR: TimeDelta = TimeDelta::hours(1);

/// The profile of a connection, as far as it can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecurityProfileSeen {
    /// What was seen of it.
    pub profile: u8,
    /// Whether TLS would have been seen. Where it ends in a proxy that does not tell, profile 2
    /// looks like 1, and 3 like 0.
    pub is_tls_visible: bool,
}

impl SecurityProfileSeen {
    fn satisfies(self, required: u8) -> bool {
        let visible = match required {
            2 if !self.is_tls_visible => 1,
            3 if !self.is_tls_visible => 0,
            required => required,
        };
        self.profile >= visible
    }
}

/// What a connection with this profile makes required: it has come as agreed.
pub(crate) fn required_by_coming(state: &StationState, profile: u8) -> Option<Event> {
    let security_profile = state.security_profile_agreed.filter(|agreed| profile >= *agreed)?;
    Some(StationSecurityProfileRequired { security_profile }.into())
}

impl StationState {
    /// Whether a security event of a kind was noted, and the next one is not yet due.
    pub(crate) fn was_noted_lately(&self, kind: &str, at: Timestamp) -> bool {
        let noted_at = self.refusals_noted_at.get(kind);
        noted_at.is_some_and(|noted_at| at.utc() - noted_at.utc() < SILENT_FOR)
    }
}

impl Registry {
    /// The station has accepted to connect with this profile from now on.
    pub(crate) async fn agree_security_profile(
        &self,
        id: &str,
        security_profile: u8,
    ) -> Result<Registered, RegistryError> {
        self.amend_station(id, "station", |state| {
            let higher = state.security_profile_required + 1..=SECURITY_PROFILE_MAX;
            // The last word counts: a station may never manage what it agreed to before.
            let is_new = higher.contains(&security_profile)
                && state.security_profile_agreed != Some(security_profile);
            let fact = is_new.then(|| StationSecurityProfileAgreed { security_profile }.into());
            fact.into_iter().collect()
        })
        .await
    }
}

impl Chargebook {
    /// Refuses a connection with a lower profile than the station's, and notes it.
    ///
    /// # Errors
    /// It is refused, or cannot be decided now.
    pub async fn check_security_profile(
        &self,
        admitted: &Admitted,
        seen: SecurityProfileSeen,
    ) -> Result<(), AdmissionRefused> {
        let required = admitted.security_profile_required;
        if seen.satisfies(required) {
            return Ok(());
        }
        self.note_refusal(admitted.identity.as_str(), LOWER_PROFILE_REFUSED).await;
        Err(AdmissionRefused::LowerSecurityProfile { required })
    }

    /// Notes that somebody has asked to be let in as this station with the certificate of another.
    pub async fn note_foreign_certificate(&self, identity: &str) {
        self.note_refusal(identity, FOREIGN_CERTIFICATE).await;
    }

    /// Notes that somebody has come with a certificate of the station's that counts no more.
    pub(crate) async fn note_withdrawn_certificate(&self, identity: &str) {
        self.note_refusal(identity, WITHDRAWN_CERTIFICATE).await;
    }

    /// A security event of ours; nothing rests on its being written.
    async fn note_refusal(&self, station: &str, kind: &str) {
        let at = self.journal().now();
        let noted = self.registry().amend_station(station, "system", |state| {
            if state.was_noted_lately(kind, at) {
                return Vec::new();
            }
            let (seen_by, detail, exchange) = (SeenBy::System, None, None);
            vec![
                StationSecurityNoted { kind: kind.to_owned(), seen_by, at, detail, exchange }
                    .into(),
            ]
        });
        match noted.await {
            // Whoever names no station of ours is none of ours.
            Ok(_) | Err(RegistryError::NotFound(_)) => {}
            Err(error) => tracing::warn!(station, kind, %error, "a refusal was not noted"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_not_missed_and_what_can_is() {
        let satisfies = |profile, is_tls_visible| {
            let seen = SecurityProfileSeen { profile, is_tls_visible };
            [0, 1, 2, 3].map(|required| seen.satisfies(required))
        };
        assert_eq!(satisfies(0, true), [true, false, false, false]);
        assert_eq!(satisfies(1, true), [true, true, false, false]);
        assert_eq!(satisfies(2, true), [true, true, true, false]);
        assert_eq!(satisfies(3, true), [true, true, true, true]);
        assert_eq!(satisfies(0, false), [true, false, false, true]);
        assert_eq!(satisfies(1, false), [true, true, true, true]);
    }
}
