//! One session: its meter curve, what it costs and why, what happened.

use super::lines::Bill;
use super::render;
use crate::chart::{Line, LineChart};
use crate::components::{Badge, Fact, Frame, When, address_part};
use crate::error::PageError;
use crate::format;
use crate::login::Operator;
use crate::prices;
use crate::state::Console;
use crate::zones;
use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use chargebook_commands::CostSoFar;
use chargebook_domain::events::v1::{Authorization, Outcome};
use chargebook_domain::ids::SessionId;
use chargebook_domain::invoice::InvoiceFigures;
use chargebook_domain::units::{Timestamp, WattHours};
use chargebook_projections::{CurvePoint, Session, SessionDetail, SessionStatus, TimelineEntry};
use chrono_tz::Tz;
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// Entries of the timeline that are shown.
const TIMELINE_MAX: usize = 500;
/// From here on it is said when the station says that it was: what was recorded later.
const CLOCKS_APART_MILLIS: u64 = 60_000;
/// A curve shorter than this has its times with seconds.
const SHORT_CURVE_SECONDS: u64 = 600;

#[derive(Template)]
#[template(path = "session.html")]
struct SessionPage {
    frame: Frame,
    csrf: String,
    id: String,
    station: String,
    part: String,
    place: String,
    badge: Badge,
    began: When,
    ended: Option<When>,
    lasted: String,
    zone: &'static str,
    energy: String,
    /// Where the energy is doubted: the registers, and why.
    doubt: Option<Doubt>,
    charge: Option<String>,
    power: Option<String>,
    metered_at: Option<When>,
    is_rated: bool,
    bill: Option<Bill>,
    no_cost: &'static str,
    outcome: String,
    outcome_reason: String,
    invoice: Option<(String, String)>,
    review: Option<Review>,
    curve: LineChart,
    truncated: bool,
    no_lines: &'static str,
    tariff: Option<String>,
    timeline: Vec<Entry>,
    facts: Vec<Fact>,
}

/// What a person has to judge about the energy.
struct Doubt {
    begin: String,
    end: String,
    why: String,
    /// Whether the curve tells another energy: it begins at the first register that fits.
    curve_differs: bool,
}

struct Review {
    why: String,
    detail: String,
    resolved_by: String,
    owner: String,
    /// Whether there is an account that it could be billed to.
    has_payer: bool,
}

struct Entry {
    at: When,
    what: String,
    detail: String,
}

/// The page.
pub(crate) async fn show(
    State(console): State<Console>,
    Extension(operator): Extension<Operator>,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let unknown = || PageError::NotFound("There is no such session.".to_owned());
    let id: SessionId = id.parse().map_err(|_| unknown())?;
    let now = console.now();
    let detail = console.models().session_detail(id, now).await?.ok_or_else(unknown)?;
    // A refused card pays nothing, whatever its session would cost.
    let cost = match detail.session.authorization {
        Some(Authorization::Accepted) => console.chargebook().running_cost(id).await?,
        _ => None,
    };
    let doubted = prices::doubted_registers(&console, &detail.session).await?;
    let title = format!("Session at {}", detail.session.station);
    let live = if is_over(&detail.session) { "" } else { "session" };
    let frame = Frame::inside(&console, &operator, title, "sessions", live).await?;
    let token = match &detail.session.token {
        Some(token) => console.chargebook().personal().open(token).await,
        None => "none presented".to_owned(),
    };
    let csrf = operator.csrf().to_owned();
    render(&page_of((frame, csrf), detail, (cost, doubted), token, now))
}

/// Whether nothing more is expected to happen to it.
fn is_over(session: &Session) -> bool {
    session.outcome.is_some_and(|outcome| outcome != Outcome::NeedsReview)
}

fn page_of(
    (frame, csrf): (Frame, String),
    detail: SessionDetail,
    (cost, doubted): (Option<CostSoFar>, Option<(WattHours, WattHours)>),
    token: String,
    now: Timestamp,
) -> SessionPage {
    let session = &detail.session;
    let zone = zones::parse(&session.time_zone);
    let when = |at| When::new(at, now, zone);
    let ended = session.ended_at.unwrap_or(now);
    let rating = cost.as_ref().map(|cost| &cost.rating);
    // What its invoice says or would say: one price, to the minor unit.
    let figures = rating.and_then(|rating| InvoiceFigures::of(rating).ok());
    let review = (session.outcome == Some(Outcome::NeedsReview)).then(|| review_of(session));
    let kw = |power: Decimal| {
        format::number(power.checked_div(Decimal::ONE_THOUSAND).unwrap_or_default(), 1)
    };
    SessionPage {
        station: session.station.to_string(),
        part: address_part(session.station.as_str()),
        place: super::place_of(session),
        badge: Badge::session(session),
        began: when(session.started_at),
        ended: session.ended_at.map(when),
        lasted: format::duration(ended.seconds_since(session.started_at)),
        zone: zone.name(),
        energy: format::kwh(prices::energy(session, doubted), 3),
        doubt: doubted.map(|registers| doubt_of(&detail, registers)),
        charge: session.state_of_charge_percent.map(|p| format!("{} %", format::plain(p))),
        power: session.power_w.map(kw),
        metered_at: session.metered_at.map(when),
        is_rated: cost.as_ref().is_some_and(|cost| cost.is_rated),
        bill: figures.as_ref().map(Bill::new),
        no_cost: match session.authorization {
            Some(Authorization::Accepted) if review.is_some() => "its facts are in doubt",
            None => "nobody has presented a card",
            Some(Authorization::Accepted) => "no tariff prices it, or its facts do not add up yet",
            _ => "its card was refused",
        },
        outcome: outcome_word(session),
        outcome_reason: session.reason.as_deref().map(format::words).unwrap_or_default(),
        invoice: session.invoice.clone().map(|number| {
            let part = address_part(&number);
            (number, part)
        }),
        curve: curve_of(&detail, now, zone),
        truncated: detail.truncated,
        no_lines: match (&figures, session.authorization) {
            (Some(_), _) => "Nothing is charged for it so far.",
            (None, None) => "Nobody has presented a card, so it has no price.",
            (
                None,
                Some(
                    Authorization::Blocked
                    | Authorization::Expired
                    | Authorization::Invalid
                    | Authorization::NoCredit,
                ),
            ) => "Its card was refused, so it has no price.",
            (None, Some(Authorization::Accepted)) if review.is_some() => {
                "There is no price: its facts are in doubt, as said above."
            }
            (None, Some(Authorization::Accepted)) => {
                "There is no price: no tariff is in force for it, or its facts do not add up."
            }
        },
        review,
        tariff: cost.as_ref().map(|cost| tariff_text(cost, session)),
        timeline: timeline(&detail, now, zone),
        facts: facts_of(session, token),
        id: session.id.to_string(),
        csrf,
        frame,
    }
}

fn review_of(session: &Session) -> Review {
    let or_unsaid = |text: &Option<String>| text.clone().unwrap_or_else(|| "not said".to_owned());
    Review {
        why: format!("{}:", format::words(&or_unsaid(&session.reason))),
        detail: or_unsaid(&session.detail),
        resolved_by: or_unsaid(&session.resolved_by),
        owner: or_unsaid(&session.owner),
        has_payer: session.account_id.is_some(),
    }
}

fn doubt_of(detail: &SessionDetail, (begin, end): (WattHours, WattHours)) -> Doubt {
    Doubt {
        begin: format::kwh(begin, 3),
        end: format::kwh(end, 3),
        why: detail.session.detail.clone().unwrap_or_else(|| "a person has to judge it".to_owned()),
        curve_differs: !detail.curve.is_empty()
            && end.since(begin) != Some(detail.session.energy_wh),
    }
}

fn outcome_word(session: &Session) -> String {
    let word = match (session.outcome, session.status) {
        (Some(Outcome::Invoiced), _) => "Invoiced",
        (Some(Outcome::ChargedElsewhere), _) => "Charged elsewhere",
        (Some(Outcome::Free), _) => "Free",
        (Some(Outcome::Void), _) => "Void",
        (Some(Outcome::NeedsReview), _) => "Needs review",
        (None, SessionStatus::Open) => "Still charging",
        (None, SessionStatus::Stopped) => "Waiting for its last facts",
        (None, SessionStatus::Settled) => "Being billed",
    };
    word.to_owned()
}

fn tariff_text(cost: &CostSoFar, session: &Session) -> String {
    let tariff = &cost.tariff;
    let rules = &cost.rating.rules_version;
    let until = match (cost.is_rated, session.outcome) {
        (true, _) => "",
        (false, Some(Outcome::NeedsReview)) => {
            " By the facts as they stand, which are in doubt: nobody was billed."
        }
        (false, _) => " As if it ended now; the bill uses the same rules.",
    };
    format!("Tariff {}, version {}; rating rules {rules}.{until}", tariff.tariff, tariff.version)
}

fn facts_of(session: &Session, token: String) -> Vec<Fact> {
    let authorization = match session.authorization {
        None => "not presented",
        Some(Authorization::Accepted) => "accepted",
        Some(Authorization::Blocked) => "blocked",
        Some(Authorization::Expired) => "expired",
        Some(Authorization::Invalid) => "not known",
        Some(Authorization::NoCredit) => "no credit",
    };
    let mut facts = vec![
        Fact::new("Card", token),
        Fact::new("Card was", authorization),
        Fact::new("Transaction id", &session.transaction_id),
    ];
    let reason = session.stop_reason.as_deref().map(format::station_word);
    facts.extend(reason.map(|reason| Fact::new("Stopped because", reason)));
    if !session.anomalies.is_empty() {
        let word = |anomaly| serde_json::to_value(anomaly).ok()?.as_str().map(format::words);
        let words: Vec<_> = session.anomalies.iter().filter_map(word).collect();
        facts.push(Fact::new("Odd about it", words.join(", ")));
    }
    if let Some(payment) = &session.payment {
        let said = format!("{} {}", payment.status, payment.amount);
        facts.push(Fact::new("Paid at the terminal", said));
    }
    facts.push(Fact::id("Session id", session.id));
    facts.extend(session.account_id.map(|id| Fact::id("Payer's account", id)));
    facts
}

fn timeline(detail: &SessionDetail, now: Timestamp, zone: Tz) -> Vec<Entry> {
    let session = &detail.session;
    let entry = |entry: &TimelineEntry| {
        let said = entry.detail.as_deref().map(|text| fact_detail(entry, text));
        let station_time = match entry.event_type.as_str() {
            "session.started" => Some(session.started_at),
            "session.stopped" => session.ended_at,
            _ => None,
        };
        let apart = station_time.filter(|at| {
            at.as_millis().abs_diff(entry.recorded_at.as_millis()) >= CLOCKS_APART_MILLIS
        });
        let clock = apart.map(|at| format!("at {}", format::local_time(at, now, zone)));
        Entry {
            at: When::precise(entry.recorded_at, now, zone),
            what: fact_word(&entry.event_type),
            detail: [said, clock].into_iter().flatten().collect::<Vec<_>>().join(", "),
        }
    };
    detail.timeline.iter().take(TIMELINE_MAX).map(entry).collect()
}

fn fact_word(event_type: &str) -> String {
    let word = match event_type {
        "session.started" => "Started",
        "session.stopped" => "Stopped",
        "session.connector_status" => "Connector",
        "session.anomaly_noted" => "Something odd",
        "session.superseded" => "Another session began at the connector",
        "session.preceded" => "Another session had begun before it at the connector",
        "session.settled" => "Settled",
        "session.rated" => "Rated",
        "session.outcome_decided" => "Outcome",
        "session.review_decided" => "Decided by hand",
        other => return format::words(other.trim_start_matches("session.")),
    };
    word.to_owned()
}

/// What a fact says beyond its name, with its figures as everywhere else.
fn fact_detail(entry: &TimelineEntry, text: &str) -> String {
    let put = match entry.event_type.as_str() {
        "session.settled" => Some(energy_words(text)),
        "session.rated" => text
            .split_once(' ')
            .and_then(|(amount, currency)| Some(format::money(amount.parse().ok()?, currency))),
        "session.outcome_decided" => {
            text.split_once(": ").map(|(word, rest)| format!("{}: {rest}", format::words(word)))
        }
        "session.review_decided" => Some(match text.strip_prefix("billed: ") {
            Some(wh) => format!("billed: {}", energy_words(wh)),
            None => text.to_owned(),
        }),
        "session.connector_status" => Some(format::station_word(text)),
        _ => None,
    };
    put.unwrap_or_else(|| text.to_owned())
}

/// `5000 Wh` as everywhere else: `5.000 kWh`.
fn energy_words(text: &str) -> String {
    let energy = text.strip_suffix(" Wh").and_then(|wh| wh.parse().ok()).map(WattHours);
    energy.map_or_else(|| text.to_owned(), |energy| format!("{} kWh", format::kwh(energy, 3)))
}

fn curve_of(detail: &SessionDetail, now: Timestamp, zone: Tz) -> LineChart {
    let session = &detail.session;
    let last = detail.curve.last().map(|point| point.sampled_at);
    let from = session.started_at;
    let to = session.ended_at.or(last).unwrap_or(now).max(last.unwrap_or(from));
    let thousandth = |value: Decimal| value.checked_div(Decimal::ONE_THOUSAND).unwrap_or_default();
    let energy = |point: &CurvePoint| Some((point.sampled_at, thousandth(point.energy_wh?.0)));
    let power = |point: &CurvePoint| Some((point.sampled_at, thousandth(point.power_w?)));
    let power: Vec<_> = detail.curve.iter().filter_map(power).collect();
    let mut register: Vec<_> = vec![(from, Decimal::ZERO)];
    let metered = !detail.curve.is_empty() || session.energy_wh > WattHours::ZERO;
    register.extend(detail.curve.iter().filter_map(energy).filter(|(at, _)| *at > from));
    if let Some(ended) = session.ended_at
        && metered
        && register.last().is_none_or(|(at, _)| *at < ended)
    {
        register.push((ended, thousandth(session.energy_wh.0)));
    }
    let by_time: BTreeMap<_, _> =
        detail.curve.iter().map(|point| (point.sampled_at, point)).collect();
    let clock = |at: Timestamp, format: &'static str| {
        at.utc().with_timezone(&zone).format(format).to_string()
    };
    let hint = |at: Timestamp| {
        let point = by_time.get(&at);
        let power = point.and_then(|point| point.power_w).map(format::kw);
        let energy = point.and_then(|point| point.energy_wh);
        let energy = energy.map(|energy| format!("{} kWh", format::kwh(energy, 3)));
        let time = Some(clock(at, "%H:%M:%S"));
        [time, power, energy].into_iter().flatten().collect::<Vec<_>>().join(" · ")
    };
    let labels = clock_labels((from, to), clock);
    let lasted = format::duration(to.seconds_since(from));
    let summary = match session.outcome {
        Some(Outcome::NeedsReview) => format!("Meter curve over {lasted}"),
        _ => format!("Meter curve: {} kWh in {lasted}", format::kwh(session.energy_wh, 3)),
    };
    let lines = vec![
        Line { class: "power", name: "Power, kW", filled: true, points: power },
        Line { class: "energy", name: "Energy, kWh", filled: false, points: register },
    ];
    let nothing = "No meter values. Stations send them every few minutes while charging.";
    LineChart::new(summary, (from, to), lines, labels, hint, nothing)
}

/// The times below a curve: fewer where they need seconds, and none twice.
fn clock_labels(
    (from, to): (Timestamp, Timestamp),
    clock: impl Fn(Timestamp, &'static str) -> String,
) -> Vec<String> {
    let is_short = to.seconds_since(from) < SHORT_CURVE_SECONDS;
    let (steps, format) = if is_short { (2, "%H:%M:%S") } else { (4, "%H:%M") };
    let label = |step| {
        let gone = to.as_millis().saturating_sub(from.as_millis()) * step / steps;
        Timestamp::from_millis(from.as_millis() + gone).map(|at| clock(at, format))
    };
    let mut labels: Vec<_> = (0..=steps).filter_map(label).collect();
    labels.dedup();
    labels
}
