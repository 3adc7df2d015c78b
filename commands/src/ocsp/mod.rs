//! Whether certificates still count (OCSP, RFC 6960): of those that were issued here we say so
//! ourselves; of others whoever issued them is asked, where the operator lets that one be asked.
//!
//! It must not know OCPP, nor how anybody outside is reached: that is behind the port.

mod wire;

pub(crate) use wire::{CertificateId, OcspStatus};

use crate::Chargebook;
use crate::message::CertificateQuestion;
use crate::station::StationState;
use chargebook_domain::units::Timestamp;
use chrono::TimeDelta;
use rcgen::KeyPair;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use x509_parser::certificate::X509Certificate;

/// How long an answer of our own holds: a withdrawal is known everywhere a day later.
const OWN_HOLDS_FOR: TimeDelta = TimeDelta::days(1);
/// An answer is not kept longer, whatever its responder says (2.x part 2, M06).
const KEPT_FOR_MAX: TimeDelta = TimeDelta::days(7);
/// Most answers that are kept; beyond that they are asked for afresh.
const KEPT_MAX: usize = 4_096;

/// What is known of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OcspAnswer {
    /// The signed answer (OCSPResponse), in DER.
    pub(crate) response: Vec<u8>,
    pub(crate) status: OcspStatus,
    /// When more will be known; `None`: at any time.
    pub(crate) next_update: Option<Timestamp>,
}

/// Answers of others, until more would be known.
#[derive(Default)]
pub(crate) struct OcspCache {
    kept: Mutex<HashMap<(String, CertificateId), (OcspAnswer, Timestamp)>>,
}

impl OcspCache {
    fn get(&self, key: &(String, CertificateId), now: Timestamp) -> Option<OcspAnswer> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(key).filter(|(_, until)| now < *until).map(|(answer, _)| answer.clone())
    }

    fn keep(&self, key: (String, CertificateId), answer: &OcspAnswer, now: Timestamp) {
        let longest = Timestamp::new(now.utc() + KEPT_FOR_MAX);
        let Some(until) = answer.next_update.map(|at| at.min(longest)) else { return };
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX && !kept.contains_key(&key) {
            kept.clear();
        }
        kept.insert(key, (answer.clone(), until));
    }
}

impl Chargebook {
    /// The status of a certificate that a station asks for; `None` where nobody can tell.
    pub(crate) async fn certificate_status(
        &self,
        station: &StationState,
        question: &CertificateQuestion,
    ) -> Option<OcspAnswer> {
        let certificate = CertificateId::read(&question.certificate)?;
        let now = self.journal().now();
        if let Some(answer) = self.status_of_own(station, &certificate, now).await {
            return Some(answer);
        }
        for url in &question.responders {
            let key = (url.clone(), certificate.clone());
            if let Some(known) = self.inner.ocsp_cache.get(&key, now) {
                return Some(known);
            }
            let asked = self.outside.responders.ask(url, wire::request(&certificate)).await;
            let Some(response) = asked else { continue };
            let Some(single) = wire::read_response(&response, &certificate) else {
                tracing::warn!("an OCSP responder says nothing of what it was asked");
                continue;
            };
            // What was true once is no answer: somebody may have kept it.
            if single.next_update.is_some_and(|at| at <= now) {
                tracing::warn!("an OCSP responder gives an answer that is out of date");
                continue;
            }
            let (status, next_update) = (single.status, single.next_update);
            let answer = OcspAnswer { response, status, next_update };
            self.inner.ocsp_cache.keep(key, &answer, now);
            return Some(answer);
        }
        None
    }

    /// Of a certificate that was issued here. Only what the station that asks has, or had, is
    /// known; a certificate of another station is none of its business.
    async fn status_of_own(
        &self,
        station: &StationState,
        certificate: &CertificateId,
        now: Timestamp,
    ) -> Option<OcspAnswer> {
        let status = station.status_of_certificate(&certificate.serial_number());
        let sign = |authority: &X509Certificate<'_>, key: &KeyPair| {
            let until = Timestamp::new(now.utc() + OWN_HOLDS_FOR);
            let response = wire::response(certificate, status, authority, key, now, until)?;
            Some(OcspAnswer { response, status, next_update: Some(until) })
        };
        let own = self.authority().await.ok()?;
        let v2g = self.v2g_authority().await.ok()?;
        own.answering(certificate, sign)
            .or_else(|| v2g.as_ref().and_then(|authority| authority.answering(certificate, sign)))
    }
}
