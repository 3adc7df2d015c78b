//! What follows from each kind of message.

use super::sessions::Bay;
use super::start::clock_trust;
use super::{Case, Decision, DeskError, StationDesk, Target};
use crate::clock::derived_id;
use crate::message::{
    Answer, AuthorizeReport, CertificateStatus, DataRefused, Judged, PresentedToken,
    StationMessage, StatusReport, TokenAnswer,
};
use chargebook_domain::events::v1::{
    Authorization, CertificateDeclined, ClockTrust, SeenBy, SessionConnectorStatus,
    StationCertificateRequested, StationConnectorStatus, StationSecurityNoted,
};
use chargebook_domain::ids::{AccountId, CommandId, ConnectorNumber, Outlet, SubjectId, TokenId};
use chargebook_domain::session::Session;
use chargebook_domain::units::Timestamp;

/// A token as a message presents it.
pub(super) struct Presented {
    pub(super) answer: TokenAnswer,
    pub(super) token_id: Option<TokenId>,
    pub(super) account_id: Option<AccountId>,
    /// It may end anybody's session, and begin none.
    pub(super) is_master_pass: bool,
}

impl Presented {
    /// A token that is nobody's here.
    fn nobody() -> Self {
        let answer = TokenAnswer::plain(Authorization::Invalid);
        Self { answer, token_id: None, account_id: None, is_master_pass: false }
    }

    /// Whether it is let in only where it has a session to end: its account has nothing left, or
    /// it is a master pass at a station that knows none (1.6) and would begin to charge for it.
    fn only_ends(&self, token: &PresentedToken) -> bool {
        let is_unknown_pass = self.is_master_pass && token.kind.is_none();
        match self.answer.authorization {
            Authorization::NoCredit => true,
            Authorization::Accepted => is_unknown_pass,
            _ => false,
        }
    }

    /// The same where it has a session to end.
    fn ending(self) -> Self {
        let authorization = Authorization::Accepted;
        Self { answer: TokenAnswer { authorization, ..self.answer }, ..self }
    }

    /// Let in, and no account of ours pays: by its payment, or by a button.
    fn anybody() -> Self {
        Self { answer: TokenAnswer::plain(Authorization::Accepted), ..Self::nobody() }
    }

    /// The same where it is to begin a session, which a master pass may not (2.x part 2, C16).
    pub(super) fn beginning(self) -> Self {
        match self.is_master_pass && self.answer.authorization == Authorization::Accepted {
            true => {
                let authorization = Authorization::Blocked;
                Self { answer: TokenAnswer { authorization, ..self.answer }, ..self }
            }
            false => self,
        }
    }
}

impl StationDesk {
    pub(super) async fn decide(&mut self, case: &mut Case<'_>) -> Result<Decision, DeskError> {
        let received_at = case.receipt.received_at;
        let message = match case.judged {
            Judged::Message(message) | Judged::Told(message) => message,
            Judged::Refused(_) | Judged::Unanswered(_) => return Ok(unjudged()),
        };
        match message {
            StationMessage::Boot(boot) => self.decide_boot(case, boot).await,
            StationMessage::Heartbeat => {
                Ok(Decision::station(Answer::Heartbeat { now: received_at }, Vec::new()))
            }
            StationMessage::Authorize(report) => self.decide_authorize(case, report).await,
            StationMessage::Status(report) => self.decide_status(case, report).await,
            StationMessage::Start(report) => self.decide_start(case, report).await,
            StationMessage::Stop(report) => self.decide_stop(case, report).await,
            StationMessage::Meter(report) => self.decide_meter(case, report).await,
            StationMessage::JobStatus { job, status, request_id } => {
                self.decide_job_status(case, *job, status, *request_id).await
            }
            StationMessage::SecurityEvent { kind, at, detail } => {
                self.decide_security_event(case, kind, *at, detail.as_deref()).await
            }
            StationMessage::SignCertificate { csr, kind, request_id } => {
                Ok(self.decide_certificate(case, csr, kind.as_deref(), *request_id).await)
            }
            StationMessage::DataTransfer { refused, .. } => {
                Ok(Decision::station(Answer::DataRefused(*refused), Vec::new()))
            }
            StationMessage::Unplugged(report) => self.decide_unplugged(case, report).await,
            StationMessage::Carried(carried) => self.decide_carried(case, carried).await,
            StationMessage::Reservation(report) => {
                self.decide_reservation_ended(case, report).await
            }
            StationMessage::Transaction(report) => self.decide_transaction(case, report).await,
            StationMessage::Notice(notice) => self.decide_notice(case, notice).await,
        }
    }

    /// Stations queue these and send them again. The same words of the same instant are a repeat,
    /// unless the station's clock stands where it stands at every start.
    async fn decide_security_event(
        &self,
        case: &Case<'_>,
        kind: &str,
        at: Timestamp,
        detail: Option<&str>,
    ) -> Result<Decision, DeskError> {
        let (personal, station_id) = (self.chargebook.personal(), self.state.station_id);
        let words = (station_id, at.as_millis(), kind, detail);
        let key = personal.name_key("security-event", &format!("{words:?}"));
        let is_dated = clock_trust(at, case.receipt.received_at) == ClockTrust::Plausible;
        if is_dated && let Some(stream) = self.lookup(&key).await? {
            let told_by = self.first_told(&stream, &key).await?;
            return Ok(Decision::station(Answer::Empty, Vec::new()).repeating(told_by));
        }
        let detail = match detail {
            Some(detail) => Some(personal.seal(SubjectId(station_id.0), detail).await?),
            None => None,
        };
        let fact = StationSecurityNoted {
            kind: kind.to_owned(),
            seen_by: SeenBy::Station,
            at,
            detail,
            exchange: Some(case.receipt_id),
        };
        let mut decision = Decision::station(Answer::Empty, vec![fact.into()]);
        decision.keys.extend(is_dated.then_some(key));
        Ok(decision)
    }

    /// What is carried is decided as if it had come by itself.
    async fn decide_carried(
        &mut self,
        case: &Case<'_>,
        carried: &StationMessage,
    ) -> Result<Decision, DeskError> {
        let mut decision = match carried {
            StationMessage::Authorize(report) => self.decide_authorize(case, report).await?,
            StationMessage::SignCertificate { csr, kind, request_id } => {
                self.decide_certificate(case, csr, kind.as_deref(), *request_id).await
            }
            StationMessage::Notice(notice) => self.decide_notice(case, notice).await?,
            _ => {
                let answer = Answer::DataRefused(DataRefused::UnknownMessage);
                return Ok(Decision::station(answer, Vec::new()));
            }
        };
        decision.answer = decision.answer.map(|answer| Answer::Carried(Box::new(answer)));
        Ok(decision)
    }

    /// A request that came again while its certificate is on its way gets no second one. Whoever
    /// has proved nothing gets none: a certificate would let in anybody for a year.
    async fn decide_certificate(
        &self,
        case: &Case<'_>,
        csr: &str,
        kind: Option<&str>,
        request_id: Option<i32>,
    ) -> Decision {
        let last = self.state.certificate_requested.as_deref();
        let is_same = |last: &&StationCertificateRequested| {
            last.csr == csr && last.kind.as_deref() == kind && last.request_id == request_id
        };
        if let Some(last) = last.filter(is_same)
            && self.chargebook.is_certificate_on_its_way(last)
        {
            let answer = Answer::SignCertificate { declined: None };
            return Decision::station(answer, Vec::new()).repeating(Some(last.exchange));
        }
        let exchange = case.receipt_id;
        let command_id = CommandId(derived_id(exchange, "command.requested", 0).0);
        let signed = match self.connection.security_profile {
            0 => Err(CertificateDeclined::NotProven),
            _ => self.chargebook.sign_certificate(&self.state, csr, kind, command_id).await,
        };
        let declined = signed.as_ref().err().copied();
        let fact = StationCertificateRequested {
            csr: csr.to_owned(),
            exchange,
            kind: kind.map(str::to_owned),
            request_id,
            issued: signed.ok(),
            declined,
        };
        Decision::station(Answer::SignCertificate { declined }, vec![fact.into()])
    }

    /// Who presents a contract certificate is let in where that is good as well as the token.
    async fn decide_authorize(
        &mut self,
        case: &Case<'_>,
        report: &AuthorizeReport,
    ) -> Result<Decision, DeskError> {
        let certificate = match &report.certificate {
            Some(presented) => {
                Some(self.contract_certificate_status(case, report, presented).await?)
            }
            None => None,
        };
        let is_refused = certificate.is_some_and(|status| status != CertificateStatus::Accepted);
        let token = match is_refused {
            // 2.x part 2, C07.FR.15.
            true if certificate == Some(CertificateStatus::CertificateExpired) => {
                TokenAnswer::plain(Authorization::Expired)
            }
            true => TokenAnswer::plain(Authorization::Invalid),
            false => {
                let mut presented = self.present_token(&report.token, case).await?;
                if presented.only_ends(&report.token) {
                    let answer = &presented.answer;
                    presented = match self.may_end_one_here(&report.token, answer).await? {
                        true => presented.ending(),
                        false => presented.beginning(),
                    };
                }
                if report.keeps_no_credit {
                    presented = self.for_this_moment(presented, case).await?;
                }
                self.with_price(presented.answer, &report.token, case).await?
            }
        };
        // The chain is good, and the contract is not (2.x part 2, C07.FR.13).
        let is_over = matches!(
            token.authorization,
            Authorization::Blocked | Authorization::Expired | Authorization::Invalid
        );
        let certificate = certificate.map(|status| match status {
            CertificateStatus::Accepted if is_over => CertificateStatus::ContractCancelled,
            status => status,
        });
        let may_charge = token.authorization == Authorization::Accepted;
        let tariff = match report.takes_tariff && may_charge {
            true => self.local_tariff(case).await?,
            false => None,
        };
        let may_discharge =
            report.takes_energy_transfer && self.state.settings.allows_discharging && may_charge;
        let answer = Answer::Authorize { token, certificate, tariff, may_discharge };
        Ok(Decision::station(answer, Vec::new()))
    }

    /// What is said about a token. One that stands for nobody is let in, since the station has
    /// let it in already (2.x part 2, C02.FR.02), and nobody pays: a person has to look where
    /// energy flowed. One that stands for a payment is taken at its station's word: the payment
    /// provider has told it that the amount is held (2.1, C18), or us before we asked for the
    /// session.
    pub(super) async fn present_token(
        &mut self,
        token: &PresentedToken,
        case: &Case<'_>,
    ) -> Result<Presented, DeskError> {
        if token.is_no_authorization() || token.is_direct_payment() {
            return Ok(match self.state.unaccepted {
                None => Presented::anybody(),
                Some(_) => Presented::nobody(),
            });
        }
        self.present(&token.uid, case).await
    }

    /// What hangs on a credit is another thing the next time: a station that kept it would let a
    /// spent card charge, and keep out one that was paid in to (2.1, part 2, C17.FR.01 and FR.02).
    pub(super) async fn for_this_moment(
        &self,
        mut presented: Presented,
        case: &Case<'_>,
    ) -> Result<Presented, DeskError> {
        let hangs_on_credit = matches!(
            presented.answer.authorization,
            Authorization::Accepted | Authorization::NoCredit
        );
        if let Some(account_id) = presented.account_id
            && hangs_on_credit
            && self.chargebook.registry().is_limited(account_id).await?
        {
            presented.answer.expires_at = Some(case.receipt.received_at);
        }
        Ok(presented)
    }

    /// What is said about a uid. At a station that may not work nobody is let in.
    pub(super) async fn present(
        &mut self,
        id_tag: &str,
        case: &Case<'_>,
    ) -> Result<Presented, DeskError> {
        let mut known = self.chargebook.registry().token(id_tag).await?;
        if known.is_none()
            && let Some(reversed) = self.known_in_reverse(id_tag).await?
        {
            known = self.chargebook.registry().token(&reversed).await?;
        }
        let Some(token) = known else { return Ok(Presented::nobody()) };
        let registry = self.chargebook.registry();
        let is_master_pass = registry.is_master_pass(token.group.as_deref()).await?;
        if self.state.unaccepted.is_some() {
            let answer = TokenAnswer::plain(Authorization::Invalid);
            let (token_id, account_id) = (Some(token.token_id), Some(token.account_id));
            return Ok(Presented { answer, token_id, account_id, is_master_pass });
        }
        let authorization = match token.authorization(case.receipt.received_at) {
            Authorization::Accepted if is_master_pass => Authorization::Accepted,
            Authorization::Accepted if !self.has_credit(token.account_id, case).await? => {
                Authorization::NoCredit
            }
            authorization => authorization,
        };
        let group = token.group.as_deref().map(PresentedToken::id_tag);
        Ok(Presented {
            answer: TokenAnswer {
                authorization,
                expires_at: token.expires_at,
                group,
                price_text: None,
            },
            token_id: Some(token.token_id),
            account_id: Some(token.account_id),
            is_master_pass,
        })
    }

    /// A status belongs to the session that held the connector when it was so, whenever it
    /// arrives: idle time needs it.
    pub(super) async fn decide_status(
        &mut self,
        case: &Case<'_>,
        report: &StatusReport,
    ) -> Result<Decision, DeskError> {
        let at = report.at.unwrap_or(case.receipt.received_at);
        let outlet = Outlet { evse: report.evse, connector: report.connector };
        let bay = report.evse.map_or(Bay::Connector(report.connector), Bay::Evse);
        let fact = SessionConnectorStatus {
            evse: report.evse,
            connector: report.connector,
            status: report.status.clone(),
            error_code: report.error_code.clone(),
            at,
            received_at: case.receipt.received_at,
            exchange: case.receipt_id,
        };
        let told_before = |session: &Session| {
            let known = session.status_like(&fact).filter(|_| report.at.is_some());
            known.map(|known| known.exchange)
        };
        let holds = |session: &Session| {
            let is_its = session.holds_connector_at(at) || told_before(session).is_some();
            is_its && uses_connector(session, report.connector)
        };
        if report.connector != ConnectorNumber(0)
            && let Some(stream) = self.holding(bay, at, holds).await?
        {
            let session = self.session(&stream).await?;
            return Ok(match session.and_then(|session| told_before(session)) {
                None => Decision::session(stream, Answer::Empty, vec![fact.into()]),
                known => Decision::session(stream, Answer::Empty, Vec::new()).repeating(known),
            });
        }
        let known = self.state.connectors.get(&outlet).filter(|known| {
            report.at.is_some()
                && known.status.as_ref() == Some(&report.status)
                && known.error_code == report.error_code
                && known.status_at == report.at
                && known.exchange.is_some()
        });
        if let Some(known) = known {
            let exchange = known.exchange;
            return Ok(Decision::station(Answer::Empty, Vec::new()).repeating(exchange));
        }
        let fact = StationConnectorStatus {
            evse: report.evse,
            connector: report.connector,
            status: report.status.clone(),
            error_code: report.error_code.clone(),
            vendor_error_code: report.vendor_error_code.clone(),
            at,
            received_at: Some(case.receipt.received_at),
            exchange: case.receipt_id,
        };
        Ok(Decision::station(Answer::Empty, vec![fact.into()]))
    }
}

/// Whether the session is at this connector, as far as that is known.
fn uses_connector(session: &Session, connector: ConnectorNumber) -> bool {
    let own = session.started().and_then(|started| started.connector);
    own.is_none_or(|own| own == connector)
}

/// What could not be judged as a message is kept and changes nothing.
fn unjudged() -> Decision {
    Decision {
        target: Target::Station,
        answer: None,
        facts: Vec::new(),
        keys: Vec::new(),
        duplicate_of: None,
    }
}
