//! Whether certificates still count (OCSP, RFC 6960): of those that were issued here we say so
//! ourselves; of others whoever issued them is asked, where the operator lets that one be asked.
//!
//! It must not know OCPP, nor how anybody outside is reached: that is behind the port.

mod proof;
mod wire;

pub(crate) use wire::{CertificateId, OcspStatus};

use crate::Chargebook;
use crate::message::CertificateQuestion;
use crate::outside::OcspResponders;
use crate::registry::TrustAnchor;
use crate::station::StationState;
use chargebook_domain::units::Timestamp;
use chrono::TimeDelta;
use proof::Proof;
use rcgen::KeyPair;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::timeout;
use x509_parser::certificate::X509Certificate;
use x509_parser::time::ASN1Time;

/// How long an answer of our own holds: a withdrawal is known everywhere a day later.
const OWN_HOLDS_FOR: TimeDelta = TimeDelta::days(1);
/// An answer is not kept longer, whatever its responder says (2.x part 2, M06).
const KEPT_FOR_MAX: TimeDelta = TimeDelta::days(7);
/// How long all responders of one question may take together: the station waits.
const ASKING_TIMEOUT: Duration = Duration::from_secs(10);
/// Most answers that are kept; beyond that they are asked for afresh.
const KEPT_MAX: usize = 4_096;

/// What is known of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OcspAnswer {
    /// The signed answer (OCSPResponse), in DER.
    pub(crate) response: Vec<u8>,
    pub(crate) status: OcspStatus,
    /// Whether it is known to be the word of whoever issued the certificate.
    pub(crate) is_proven: bool,
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

impl OcspAnswer {
    /// What may be gone by here. That a certificate counts is believed of whoever issued it alone;
    /// an answer that is passed on is held against the issuer by whoever it is for.
    pub(crate) fn believed(&self) -> Option<OcspStatus> {
        Some(self.status).filter(|status| self.is_proven || *status != OcspStatus::Good)
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
        let has_responders = !question.responders.is_empty();
        if let Some(answer) = self.status_of_own(station, &certificate, has_responders, now).await {
            return Some(answer);
        }
        let (responders, cache) = (&*self.outside.responders, &self.inner.ocsp_cache);
        let urls = &question.responders;
        let anchors = self.registry().trust_anchors().await.unwrap_or_default();
        let asked = Asked { certificate: &certificate, anchors: &anchors, now };
        ask_in_turn(responders, cache, urls, asked, ASKING_TIMEOUT).await
    }

    /// Of a certificate that was issued here. Only what the station that asks has, or had, is
    /// known; a certificate of another station is none of its business. An operator may have the
    /// authority for vehicles sign elsewhere too: what is not known here is left to the responders
    /// that the question names, where it names some.
    async fn status_of_own(
        &self,
        station: &StationState,
        certificate: &CertificateId,
        has_responders: bool,
        now: Timestamp,
    ) -> Option<OcspAnswer> {
        let status = station.status_of_certificate(&certificate.serial_number());
        let sign = |authority: &X509Certificate<'_>, key: &KeyPair| {
            let until = Timestamp::new(now.utc() + OWN_HOLDS_FOR);
            let response = wire::response(certificate, status, authority, key, now, until)?;
            Some(OcspAnswer { response, status, is_proven: true, next_update: Some(until) })
        };
        let own = self.authority().await.ok()?;
        if let Some(answer) = own.answering(certificate, sign) {
            return Some(answer);
        }
        if status == OcspStatus::Unknown && has_responders {
            return None;
        }
        self.v2g_authority().await.ok()??.answering(certificate, sign)
    }
}

/// What is asked.
#[derive(Clone, Copy)]
struct Asked<'a> {
    certificate: &'a CertificateId,
    /// Where an issuer's certificate may be found.
    anchors: &'a [Arc<TrustAnchor>],
    now: Timestamp,
}

impl Asked<'_> {
    /// Whose word a response is.
    fn proof(&self, response: &[u8]) -> Proof {
        let known: Vec<X509Certificate<'_>> =
            self.anchors.iter().filter_map(|anchor| anchor.parsed()).collect();
        match ASN1Time::from_timestamp(self.now.utc().timestamp()) {
            Ok(now) => proof::proof(response, self.certificate, &known, now),
            Err(_) => Proof::Missing,
        }
    }
}

/// What the first responder says that says something; of what is kept, without asking. Each has an
/// equal share of the time, so that a silent one does not keep the next from being asked.
async fn ask_in_turn(
    responders: &dyn OcspResponders,
    cache: &OcspCache,
    urls: &[String],
    asked: Asked<'_>,
    limit: Duration,
) -> Option<OcspAnswer> {
    let Asked { certificate, now, .. } = asked;
    let share = limit / u32::try_from(urls.len()).unwrap_or(u32::MAX).max(1);
    for url in urls {
        let key = (url.clone(), certificate.clone());
        if let Some(known) = cache.get(&key, now) {
            return Some(known);
        }
        let answered = timeout(share, responders.ask(url, wire::request(certificate))).await;
        let Ok(Some(response)) = answered else { continue };
        let Some(single) = wire::read_response(&response, certificate) else {
            tracing::warn!("an OCSP responder says nothing of what it was asked");
            continue;
        };
        // What was true once is no answer: somebody may have kept it.
        if single.next_update.is_some_and(|at| at <= now) {
            tracing::warn!("an OCSP responder gives an answer that is out of date");
            continue;
        }
        let proof = asked.proof(&response);
        if proof == Proof::Missing {
            tracing::warn!("an OCSP responder gives an answer that its issuer has not signed");
            continue;
        }
        let (status, next_update) = (single.status, single.next_update);
        let is_proven = proof == Proof::Given;
        let answer = OcspAnswer { response, status, is_proven, next_update };
        cache.keep(key, &answer, now);
        return Some(answer);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use chargebook_domain::events::v1::CertificateHash;

    /// Answers nobody, and remembers who was asked.
    #[derive(Default)]
    struct Silent(Mutex<Vec<String>>);

    #[async_trait]
    impl OcspResponders for Silent {
        async fn ask(&self, url: &str, _: Vec<u8>) -> Option<Vec<u8>> {
            self.0.lock().unwrap().push(url.to_owned());
            std::future::pending().await
        }
    }

    #[tokio::test]
    async fn a_silent_responder_does_not_keep_the_next_from_being_asked() {
        let certificate = CertificateId::read(&CertificateHash {
            hash_algorithm: "SHA256".to_owned(),
            issuer_name_hash: "aa".to_owned(),
            issuer_key_hash: Some("bb".to_owned()),
            serial_number: "01".to_owned(),
        });
        let certificate = certificate.expect("readable");
        let urls: Vec<String> = (0..5).map(|number| format!("http://{number}.example/")).collect();
        let (responders, cache) = (Silent::default(), OcspCache::default());
        let now = Timestamp::from_millis(0).expect("an instant");
        let limit = Duration::from_millis(50);
        let asked = Asked { certificate: &certificate, anchors: &[], now };
        let answer = ask_in_turn(&responders, &cache, &urls, asked, limit);
        assert_eq!(answer.await, None);
        assert_eq!(*responders.0.lock().unwrap(), urls);
    }
}
