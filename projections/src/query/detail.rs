//! One session in full: meter curve, timeline and what it costs so far, read from its stream
//! when somebody asks. No row is kept for what few look at.

use super::select::Select;
use super::{DEFAULT_TARIFF_SETTING, SessionRead};
use crate::error::{ProjectionError, QueryError};
use crate::read_models::ReadModels;
use crate::tables::{Row as _, SettingRow, TariffVersionRow};
use crate::views::{Cost, CurvePoint, SessionDetail, TimelineEntry};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{Quantity, ReviewDecision};
use chargebook_domain::ids::{EventId, SessionId, TariffId};
use chargebook_domain::invoice::InvoiceFigures;
use chargebook_domain::rating::Rating;
use chargebook_domain::session::{Session as Facts, running_price};
use chargebook_domain::tariff::{Tariff, in_force};
use chargebook_domain::units::{Timestamp, WattHours};
use chargebook_store::port::PAGE_EVENTS_MAX;
use chargebook_store::{Position, RecordedEvent, StreamName};
use std::collections::BTreeMap;

/// Most events of a session that one detail is made of.
pub const DETAIL_EVENTS_MAX: usize = 50_000;

impl ReadModels {
    /// One session in full, as of where the read models stand; `now` is until when time that
    /// costs is counted for a session that still runs.
    pub async fn session_detail(
        &self,
        id: SessionId,
        now: Timestamp,
    ) -> Result<Option<SessionDetail>, QueryError> {
        let position = *self.position().borrow();
        let Some(SessionRead { session, register_start_wh }) = self.session_read(id).await? else {
            return Ok(None);
        };
        let mut told = Told::new(register_start_wh);
        let truncated = self.read_session(id, position, &mut told).await?;
        let running_cost = match session.cost {
            Some(_) => None,
            None => self.running_cost(&told, now).await?,
        };
        Ok(Some(SessionDetail {
            curve: told.curve(),
            timeline: told.timeline,
            session,
            running_cost,
            truncated,
        }))
    }

    /// Reads the session's stream; true if it is longer than what is read.
    async fn read_session(
        &self,
        id: SessionId,
        until: Position,
        told: &mut Told,
    ) -> Result<bool, ProjectionError> {
        let stream = StreamName::of("session", id.0);
        let mut version = 0;
        let mut events = 0;
        while events < DETAIL_EVENTS_MAX {
            let page = self.log().read_stream(&stream, version, PAGE_EVENTS_MAX).await?;
            let Some(last) = page.last() else { return Ok(false) };
            version = last.version + 1;
            events += page.len();
            for event in page.iter().take_while(|event| event.position <= until) {
                told.take(event);
            }
        }
        Ok(true)
    }

    /// What it would cost if it ended now: by the tariff version that was in force when it
    /// began, priced by the function that prices the bill.
    async fn running_cost(
        &self,
        told: &Told,
        now: Timestamp,
    ) -> Result<Option<Cost>, ProjectionError> {
        let Some(started) = told.facts.started() else { return Ok(None) };
        let (at, known_at) = (started.started_at, started.received_at);
        let Some(content) = self.tariff_in_force(at, known_at).await? else { return Ok(None) };
        let rating = told.rate(&content, now);
        // As an invoice over it would have it.
        let figures = rating.and_then(|rating| InvoiceFigures::of(&rating).ok());
        Ok(figures.map(|figures| Cost {
            net: figures.total_net(),
            gross: figures.total_gross(),
            currency: figures.currency,
        }))
    }

    /// The content of the default tariff in force at `at`; where none was yet, of the first
    /// one that was by `known_at`.
    async fn tariff_in_force(
        &self,
        at: Timestamp,
        known_at: Timestamp,
    ) -> Result<Option<String>, ProjectionError> {
        let mut transaction = self.pool().begin().await?;
        let columns = SettingRow::TABLE.column_list("");
        let mut select = Select::new(format!("SELECT {columns} FROM settings"));
        select.filter("name = ?", Some(&DEFAULT_TARIFF_SETTING.to_owned()))?;
        select.push(" ORDER BY position");
        let settings: Vec<SettingRow> = select.read(&mut *transaction).await?;
        let Some(setting) = in_force(&settings, |row| row.set_at, at, known_at) else {
            return Ok(None);
        };
        let tariff_id: TariffId =
            setting.value.parse().map_err(|_| ProjectionError::Damaged(setting.value.clone()))?;
        let columns = TariffVersionRow::TABLE.column_list("");
        let mut select = Select::new(format!("SELECT {columns} FROM tariff_versions"));
        select.filter("tariff_id = ?", Some(&tariff_id))?;
        select.push(" ORDER BY version");
        let versions: Vec<TariffVersionRow> = select.read(&mut *transaction).await?;
        let version = in_force(&versions, |row| row.published_at, at, known_at);
        Ok(version.map(|row| row.content.clone()))
    }
}

/// What a session's stream tells.
struct Told {
    facts: Facts,
    timeline: Vec<TimelineEntry>,
    register_start_wh: Option<WattHours>,
}

impl Told {
    fn new(register_start_wh: Option<WattHours>) -> Self {
        Self { facts: Facts::default(), timeline: Vec::new(), register_start_wh }
    }

    /// What cannot be read is left out: it is parked, and listed there.
    fn take(&mut self, recorded: &RecordedEvent) {
        if recorded.event_type == "exchange.recorded" {
            return;
        }
        let data = recorded.data.as_str();
        let read = Event::read(&recorded.event_type, recorded.schema_version, data);
        let Ok(event) = read else { return };
        let recorded_at = Timestamp::new(recorded.recorded_at);
        self.facts.apply(EventId(recorded.id), recorded.version, recorded_at, &event);
        if !matches!(event, Event::SessionMeterRecorded(_)) {
            self.timeline.push(TimelineEntry {
                position: recorded.position.as_u64(),
                event_id: EventId(recorded.id),
                event_type: recorded.event_type.clone().into_owned(),
                recorded_at,
                detail: detail_of(&event),
            });
        }
    }

    fn curve(&self) -> Vec<CurvePoint> {
        let mut points: BTreeMap<Timestamp, CurvePoint> = BTreeMap::new();
        for sample in self.facts.samples().filter(|sample| sample.phase.is_none()) {
            let point = points.entry(sample.sampled_at).or_insert_with(|| CurvePoint {
                sampled_at: sample.sampled_at,
                energy_wh: None,
                power_w: None,
                state_of_charge_percent: None,
            });
            match sample.quantity {
                Quantity::EnergyImportRegisterWh => {
                    let begin = self.register_start_wh;
                    point.energy_wh = begin.and_then(|begin| WattHours(sample.value).since(begin));
                }
                Quantity::PowerImportW => point.power_w = Some(sample.value),
                Quantity::StateOfChargePercent => {
                    point.state_of_charge_percent = Some(sample.value);
                }
                Quantity::CurrentImportA
                | Quantity::VoltageV
                | Quantity::TemperatureC
                | Quantity::EnergyExportRegisterWh
                | Quantity::PowerExportW => {}
            }
        }
        points.into_values().collect()
    }

    /// `None` where it cannot be priced yet: the bill will tell, or a person.
    fn rate(&self, content: &str, now: Timestamp) -> Option<Rating> {
        let tariff = Tariff::parse(content).ok()?;
        let zone = self.facts.beginning_so_far()?.time_zone.parse().ok()?;
        running_price(&self.facts, &tariff, zone, now).ok()?
    }
}

/// What the event's type does not say.
fn detail_of(event: &Event) -> Option<String> {
    match event {
        Event::SessionStopped(fact) => fact.reason.clone(),
        Event::SessionTransactionReported(fact) => {
            let state = fact.stopped_reason.as_ref().or(fact.charging_state.as_ref());
            Some(state.map_or(fact.trigger.clone(), |state| format!("{}: {state}", fact.trigger)))
        }
        Event::SessionPaymentSettled(fact) => {
            Some(format!("{}: {}", fact.payment.status, fact.payment.amount))
        }
        Event::SessionDeliveryTold(fact) => {
            let transaction = if fact.is_ongoing { "goes on" } else { "is over" };
            let messages = if fact.has_messages { "messages wait" } else { "nothing waits" };
            Some(format!("{transaction}, {messages}"))
        }
        Event::SessionConnectorStatus(fact) => Some(fact.status.clone()),
        Event::SessionAnomalyNoted(fact) => Some(fact.detail.clone()),
        Event::SessionSettled(fact) => Some(format!("{} Wh", fact.energy_wh)),
        Event::SessionRated(fact) => {
            let figures = InvoiceFigures::of(&fact.rating).ok();
            figures.map(|figures| format!("{} {}", figures.total_gross(), figures.currency))
        }
        Event::SessionReviewDecided(fact) => Some(match &fact.decision {
            ReviewDecision::Free => "free".to_owned(),
            ReviewDecision::Void => "void".to_owned(),
            ReviewDecision::Bill { energy_wh, .. } => format!("billed: {energy_wh} Wh"),
        }),
        Event::SessionOutcomeDecided(fact) => {
            let words = [fact.reason.as_deref(), fact.detail.as_deref(), fact.invoice.as_deref()];
            let words: Vec<_> = words.into_iter().flatten().collect();
            (!words.is_empty()).then(|| words.join(": "))
        }
        _ => None,
    }
}
