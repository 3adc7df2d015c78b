//! Whether certificates still count (OCSP, RFC 6960): of those that were issued here we say so
//! ourselves; of others whoever issued them is asked, where the operator lets that one be asked.
//!
//! It must not know OCPP, nor how anybody outside is reached: that is behind the port.

mod wire;

pub(crate) use wire::{CertificateId, OcspStatus};

use crate::Chargebook;
use crate::message::CertificateQuestion;
use crate::outside::OcspResponders;
use crate::station::StationState;
use chargebook_domain::units::Timestamp;
use chrono::TimeDelta;
use rcgen::KeyPair;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::timeout;
use x509_parser::certificate::X509Certificate;

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
        let has_responders = !question.responders.is_empty();
        if let Some(answer) = self.status_of_own(station, &certificate, has_responders, now).await {
            return Some(answer);
        }
        let (responders, cache) = (&*self.outside.responders, &self.inner.ocsp_cache);
        let urls = &question.responders;
        ask_in_turn(responders, cache, urls, &certificate, now, ASKING_TIMEOUT).await
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
            Some(OcspAnswer { response, status, next_update: Some(until) })
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

/// What the first responder says that says something; of what is kept, without asking. Each has an
/// equal share of the time, so that a silent one does not keep the next from being asked.
async fn ask_in_turn(
    responders: &dyn OcspResponders,
    cache: &OcspCache,
    urls: &[String],
    certificate: &CertificateId,
    now: Timestamp,
    limit: Duration,
) -> Option<OcspAnswer> {
    let share = limit / u32::try_from(urls.len()).unwrap_or(u32::MAX).max(1);
    for url in urls {
        let key = (url.clone(), certificate.clone());
        if let Some(known) = cache.get(&key, now) {
            return Some(known);
        }
        let asked = timeout(share, responders.ask(url, wire::request(certificate))).await;
        let Ok(Some(response)) = asked else { continue };
        let Some(single) = wire::read_response(&response, certificate) else {
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
        let asked = ask_in_turn(&responders, &cache, &urls, &certificate, now, limit);
        assert_eq!(asked.await, None);
        assert_eq!(*responders.0.lock().unwrap(), urls);
    }
}
