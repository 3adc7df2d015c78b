//! What a station reports in messages of its own: how things stand with it, and what it was asked
//! for by a command, which then keeps them in its stream.

use super::charging::{self, Meaning};
use super::{Case, Decision, DeskError, StationDesk};
use crate::journal::{Draft, Journal, JournalError, read_event};
use crate::message::{
    Answer, Judged, Notice, NoticeContent, NoticeSubject, Receipt, ReservationReport,
    StationMessage, topic_of_job,
};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{
    Job, ReportTopic, ReservationEnd, ReservationEnded, StationJobStatus, StationNotified,
};
use chargebook_domain::follow_up::{Gathering, is_about_no_job};
use chargebook_domain::ids::{CommandId, EventId, ReportPartKey};
use chargebook_domain::vat_number::is_vat_number;
use chargebook_store::{LookupKey, StreamName};
use std::collections::HashMap;

/// Commands that one desk keeps at hand; beyond that it starts afresh and loads again.
const COMMANDS_MAX: usize = 4;

/// A command that is reported on, as its stream tells it.
struct Reported {
    command_id: CommandId,
    version: u64,
    gathering: Gathering,
    /// The exchange that each numbered part came with, by its words too where they are known.
    parts: HashMap<(u32, Option<ReportPartKey>), EventId>,
    /// How the reservation that it made ended, and the exchange that said so first.
    ended: Option<(ReservationEnd, EventId)>,
}

/// Parts of one report that are known again when they are repeated; far more than any report has.
const PARTS_MAX: usize = 16_384;

impl Reported {
    fn apply(&mut self, version: u64, event: &Event) {
        self.version = version;
        self.gathering.apply(event);
        match event {
            Event::StationNotified(fact) => {
                if let Some(sequence) = fact.sequence
                    && self.parts.len() < PARTS_MAX
                {
                    self.parts.entry((sequence, fact.key)).or_insert(fact.exchange);
                }
            }
            Event::ReservationEnded(fact) => {
                self.ended.get_or_insert((fact.because, fact.exchange));
            }
            _ => {}
        }
    }

    /// The exchange that brought a part before. Its number alone tells that only where nothing
    /// more is known of what came: some stations give all parts the same.
    fn exchange_of(&self, sequence: u32, key: ReportPartKey) -> Option<EventId> {
        let known = self.parts.get(&(sequence, Some(key)));
        known.or_else(|| self.parts.get(&(sequence, None))).copied()
    }

    fn has_part(&self, sequence: u32) -> bool {
        self.parts.keys().any(|(known, _)| *known == sequence)
    }
}

/// Folds by stream.
#[derive(Default)]
pub(super) struct ReportCache {
    commands: HashMap<StreamName, Reported>,
}

impl ReportCache {
    /// The last version that is known of a command's stream.
    pub(super) fn version(&self, stream: &StreamName) -> Option<u64> {
        self.commands.get(stream).map(|reported| reported.version)
    }

    /// Takes in what was just appended.
    pub(super) fn take_in(&mut self, stream: &StreamName, first_version: u64, drafts: &[Draft]) {
        if let Some(reported) = self.commands.get_mut(stream) {
            for (version, draft) in (first_version..).zip(drafts) {
                reported.apply(version, draft.event());
            }
        }
    }

    /// Forgets a stream.
    pub(super) fn forget(&mut self, stream: &StreamName) {
        self.commands.remove(stream);
    }
}

impl StationDesk {
    /// A status of a job belongs to the command that the number names or, where the station's
    /// version has no numbers, to the latest of its kind that it took on and has not ended.
    pub(super) async fn decide_job_status(
        &mut self,
        case: &Case<'_>,
        job: Job,
        status: &str,
        request_id: Option<i32>,
    ) -> Result<Decision, DeskError> {
        let topic = topic_of_job(job);
        let is_of_a_job = request_id.is_some() || !is_about_no_job(status);
        let mut stream = match is_of_a_job {
            true => self.reported_on(topic, request_id).await?,
            false => None,
        };
        if request_id.is_none() {
            stream = stream.filter(|stream| self.is_under_way(stream));
        }
        let fact = StationJobStatus {
            job,
            status: status.to_owned(),
            request_id,
            command: stream.as_ref().and_then(|stream| self.command_of(stream)),
            exchange: case.receipt_id,
        };
        Ok(Decision::report(stream, Answer::Empty, vec![fact.into()]))
    }

    /// A part of a report that is there already changes nothing.
    pub(super) async fn decide_notice(
        &mut self,
        case: &Case<'_>,
        notice: &Notice,
    ) -> Result<Decision, DeskError> {
        if let NoticeContent::Payment(payment) = &notice.content {
            return self.decide_payment(case, notice, payment).await;
        }
        let stream = match (notice.subject.topic(), notice.request_id) {
            (Some(topic), Some(number)) => self.reported_on(topic, Some(number)).await?,
            _ => None,
        };
        let answer = self.answer_for_vehicle(case, &notice.content).await;
        let answer = answer.unwrap_or_else(|| answer_to_notice(notice));
        let sequence = notice.part.and_then(|part| part.sequence);
        let known = stream.as_ref().and_then(|stream| self.reports.commands.get(stream));
        let key = self.part_key(case.receipt);
        let part = known.zip(sequence.zip(key));
        let repeated = part.and_then(|(known, (part, key))| known.exchange_of(part, key));
        if let Some(exchange) = repeated {
            return Ok(Decision::report(stream, answer, Vec::new()).repeating(Some(exchange)));
        }
        let mut of_statuses = Vec::new();
        if let NoticeContent::Events { reported, statuses } = &notice.content {
            let told = self.decide_statuses(case, statuses).await?;
            let repeated = match (self.repeated_events(reported), told.repeats) {
                (Some(exchange), _) => Some(exchange),
                (None, exchange) => exchange.filter(|_| reported.is_empty()),
            };
            if let Some(exchange) = repeated.filter(|_| !told.has_news) {
                return Ok(Decision::report(stream, answer, Vec::new()).repeating(Some(exchange)));
            }
            of_statuses = told.of_no_session;
        }
        let meaning = match self.meaning_of_charging(notice, case.receipt_id).await? {
            Some(meaning) => meaning,
            None => Meaning {
                answer,
                facts: self.facts_of_content(notice, case.receipt_id).await?,
                repeats: None,
            },
        };
        if meaning.repeats.is_some() {
            let decision = Decision::report(stream, meaning.answer, Vec::new());
            return Ok(decision.repeating(meaning.repeats));
        }
        let fact = StationNotified {
            command: stream.as_ref().and_then(|stream| self.command_of(stream)),
            key: key.filter(|_| stream.is_some() && sequence.is_some()),
            ..notified(notice, case.receipt_id)
        };
        let mut facts = vec![fact.into()];
        facts.extend(meaning.facts);
        facts.extend(of_statuses);
        Ok(Decision::report(stream, meaning.answer, facts))
    }

    /// What a part of a report is known by: its frame from its payload on.
    fn part_key(&self, receipt: &Receipt) -> Option<ReportPartKey> {
        let text = receipt.text.as_deref()?;
        let payload = text.get(text.find('{')?..)?;
        Some(self.chargebook.personal().report_part_key(self.state.station_id, payload))
    }

    /// The end of a reservation belongs to the command that made it. Told again, it changes
    /// nothing.
    pub(super) async fn decide_reservation_ended(
        &mut self,
        case: &Case<'_>,
        report: &ReservationReport,
    ) -> Result<Decision, DeskError> {
        let personal = self.chargebook.personal();
        let key = personal.reservation_key(self.state.station_id, report.reservation_id);
        let stream = self.command_at(&key).await?;
        let known = stream.as_ref().and_then(|stream| self.reports.commands.get(stream));
        if let Some((because, exchange)) = known.and_then(|known| known.ended)
            && because == report.because
        {
            let decision = Decision::report(stream, Answer::Empty, Vec::new());
            return Ok(decision.repeating(Some(exchange)));
        }
        let fact = ReservationEnded {
            reservation_id: report.reservation_id,
            station_id: self.state.station_id,
            because: report.because,
            exchange: case.receipt_id,
        };
        Ok(Decision::report(stream, Answer::Empty, vec![fact.into()]))
    }

    /// The facts that a notification's content is.
    async fn facts_of_content(
        &self,
        notice: &Notice,
        exchange: EventId,
    ) -> Result<Vec<Event>, DeskError> {
        match &notice.content {
            NoticeContent::Events { reported, .. } => {
                self.events_reported(reported, exchange).await
            }
            NoticeContent::Energy(news) => Ok(vec![self.energy_told(news, exchange).await?]),
            NoticeContent::Monitoring(news) => {
                Ok(vec![self.monitoring_told(news, exchange).await?])
            }
            NoticeContent::Variables(reported) => self.variables_reported(reported, exchange).await,
            _ => Ok(charging::fact_of(notice, exchange).into_iter().collect()),
        }
    }

    /// The stream of the command that a report belongs to, at hand from now on.
    async fn reported_on(
        &mut self,
        topic: ReportTopic,
        request_id: Option<i32>,
    ) -> Result<Option<StreamName>, DeskError> {
        let personal = self.chargebook.personal();
        let key = personal.report_key(self.state.station_id, topic, request_id);
        self.command_at(&key).await
    }

    /// The stream of the command that a key finds, at hand from now on.
    async fn command_at(&mut self, key: &LookupKey) -> Result<Option<StreamName>, DeskError> {
        let Some(stream) = self.lookup(key).await? else { return Ok(None) };
        if !self.reports.commands.contains_key(&stream) {
            let Some(reported) = load(self.chargebook.journal(), &stream).await? else {
                return Ok(None);
            };
            if self.reports.commands.len() >= COMMANDS_MAX {
                self.reports.commands.clear();
            }
            self.reports.commands.insert(stream.clone(), reported);
        }
        Ok(Some(stream))
    }

    /// Whether a message is a part of what a command of ours asked for, over whichever connection,
    /// and the station has not refused. Once all parts are there, only repeats of them are, and of
    /// those without numbers the last one.
    ///
    /// # Errors
    /// The log.
    pub async fn is_part_of_a_report(&mut self, judged: &Judged) -> Result<bool, DeskError> {
        let Judged::Message(StationMessage::Notice(notice)) = judged else { return Ok(false) };
        let (Some(topic), Some(number)) = (notice.subject.topic(), notice.request_id) else {
            return Ok(false);
        };
        let Some(stream) = self.reported_on(topic, Some(number)).await? else { return Ok(false) };
        let Some(reported) = self.reports.commands.get(&stream) else { return Ok(false) };
        let sequence = notice.part.and_then(|part| part.sequence);
        let is_last = notice.part.is_some_and(|part| !part.to_be_continued);
        let is_known = || sequence.map_or(is_last, |sequence| reported.has_part(sequence));
        Ok(reported.gathering.is_complete().is_some_and(|is_complete| !is_complete || is_known()))
    }

    fn command_of(&self, stream: &StreamName) -> Option<CommandId> {
        self.reports.commands.get(stream).map(|reported| reported.command_id)
    }

    fn is_under_way(&self, stream: &StreamName) -> bool {
        let reported = self.reports.commands.get(stream);
        reported.is_some_and(|reported| reported.gathering.is_under_way())
    }
}

/// A command from its stream; `None` where it is none.
async fn load(journal: &Journal, stream: &StreamName) -> Result<Option<Reported>, JournalError> {
    let mut reported: Option<Reported> = None;
    journal
        .replay(stream, 0, |recorded| {
            let version = recorded.version;
            match (read_event(recorded)?, &mut reported) {
                (Event::CommandRequested(requested), None) => {
                    reported = Some(Reported {
                        command_id: requested.command_id,
                        version,
                        gathering: Gathering::default(),
                        parts: HashMap::new(),
                        ended: None,
                    });
                }
                (event, Some(reported)) => reported.apply(version, &event),
                _ => {}
            }
            Ok(())
        })
        .await?;
    Ok(reported)
}

/// That a notification came, of no command as far as it says itself.
pub(super) fn notified(notice: &Notice, exchange: EventId) -> StationNotified {
    StationNotified {
        action: notice.subject.action().to_owned(),
        request_id: notice.request_id,
        command: None,
        sequence: notice.part.and_then(|part| part.sequence),
        key: None,
        to_be_continued: notice.part.map(|part| part.to_be_continued),
        evse: notice.evse,
        transaction: notice.transaction_id.clone(),
        status: notice.status.clone(),
        at: notice.at,
        exchange,
    }
}

/// What a notification is answered: that it came; and where it asks for something, that nothing
/// here can give it.
fn answer_to_notice(notice: &Notice) -> Answer {
    use NoticeSubject::*;
    if let NoticeContent::VatNumber(number) = &notice.content {
        let is_valid = is_vat_number(number);
        return Answer::VatNumber { number: number.clone(), evse: notice.evse, is_valid };
    }
    match notice.subject {
        Get15118EVCertificate | GetCertificateChainStatus | GetCertificateStatus => {
            Answer::Declined
        }
        // Every stream is taken (N11.FR.06).
        OpenPeriodicEventStream => Answer::Accepted,
        _ => Answer::Empty,
    }
}
