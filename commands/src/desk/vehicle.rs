//! What a station asks on behalf of a vehicle and only others, or an authority of our own, can
//! answer (ISO 15118): the status of certificates, and contracts.

use super::{Case, DeskError, StationDesk};
use crate::contract::status_of_chain;
use crate::message::{
    Answer, AuthorizeReport, CertificateQuestion, CertificateStatus, ChainAnswer, ChainQuestion,
    ChainStatus, NoticeContent, PresentedCertificate,
};
use crate::ocsp::OcspStatus;
use chargebook_domain::units::Timestamp;
use futures::future::join_all;

/// How the status of a certificate is found out here; of lists (CRL) nothing is known.
const BY_OCSP: &str = "OCSP";
/// Most certificates of one message that are asked for (2.x: the schemas' bounds).
const CERTIFICATES_MAX: usize = 4;

impl StationDesk {
    /// The answer to what a notification asks for; `None` where it asks nothing of the kind, or
    /// nobody can tell. Nobody is asked again because a message is read again.
    pub(super) async fn answer_for_vehicle(
        &mut self,
        case: &Case<'_>,
        content: &NoticeContent,
    ) -> Option<Answer> {
        if case.cause != case.receipt_id {
            return None;
        }
        match content {
            NoticeContent::CertificateStatus(question) => {
                let known = self.chargebook.certificate_status(&self.state, question).await;
                known.map(|answer| Answer::CertificateStatus(answer.response))
            }
            NoticeContent::CertificateChain(chain) => {
                let now = case.receipt.received_at;
                let answers = chain.iter().map(|asked| self.status_in_chain(asked, now));
                Some(Answer::CertificateChain(join_all(answers).await))
            }
            NoticeContent::ContractRequest(request) => {
                let (message, now) = (case.receipt_id, case.receipt.received_at);
                if let Some(next) = self.contracts.next(request, message, now) {
                    return Some(Answer::Contract(next));
                }
                let given = self.chargebook.outside.contracts.provision(request).await;
                self.contracts.first(request, given, message, now).map(Answer::Contract)
            }
            _ => None,
        }
    }

    /// Where nobody could tell, it may be asked for again at once.
    async fn status_in_chain(&self, asked: &ChainQuestion, now: Timestamp) -> ChainAnswer {
        let known = match asked.source == BY_OCSP {
            true => self.chargebook.certificate_status(&self.state, &asked.question).await,
            false => None,
        };
        let status = match known.as_ref().and_then(|answer| answer.believed()) {
            Some(OcspStatus::Good) => ChainStatus::Good,
            Some(OcspStatus::Revoked(_)) => ChainStatus::Revoked,
            Some(OcspStatus::Unknown) => ChainStatus::Unknown,
            None => ChainStatus::Failed,
        };
        ChainAnswer {
            certificate: asked.question.certificate.clone(),
            source: asked.source.clone(),
            status,
            next_update: known.and_then(|answer| answer.next_update).unwrap_or(now),
        }
    }

    /// What is to be said of a contract certificate: by its chain where that came along, and by
    /// whoever issued it where they may be asked. Of hashes alone nobody else could tell.
    pub(super) async fn contract_certificate_status(
        &self,
        case: &Case<'_>,
        report: &AuthorizeReport,
        presented: &PresentedCertificate,
    ) -> Result<CertificateStatus, DeskError> {
        let by_chain = match &presented.chain {
            None => CertificateStatus::NoCertificateAvailable,
            Some(chain) => {
                let anchors = self.chargebook.registry().trust_anchors().await?;
                status_of_chain(chain, &report.token, &anchors, case.receipt.received_at)
            }
        };
        let may_count = presented.chain.is_none() || by_chain == CertificateStatus::Accepted;
        if !may_count || presented.hashes.is_empty() {
            return Ok(by_chain);
        }
        Ok(self.status_by_responders(&presented.hashes).await.unwrap_or(by_chain))
    }

    /// Revoked where one of them is, and good where all are.
    async fn status_by_responders(
        &self,
        questions: &[CertificateQuestion],
    ) -> Option<CertificateStatus> {
        let questions = questions.iter().take(CERTIFICATES_MAX);
        let answers = questions.map(|it| self.chargebook.certificate_status(&self.state, it));
        let answers =
            join_all(answers).await.into_iter().map(|known| known.and_then(|it| it.believed()));
        let statuses: Vec<Option<OcspStatus>> = answers.collect();
        let is_revoked = |status: &Option<_>| matches!(status, Some(OcspStatus::Revoked(_)));
        if statuses.iter().any(is_revoked) {
            return Some(CertificateStatus::CertificateRevoked);
        }
        let all_good = statuses.iter().all(|status| *status == Some(OcspStatus::Good));
        all_good.then_some(CertificateStatus::Accepted)
    }
}
