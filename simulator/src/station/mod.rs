//! One charge point as a state machine without sockets and without a clock of its own.
//!
//! The owner tells it what happened (`on_connected`, `on_text`, `on_time`, …) and when; it says
//! which frame leaves next ([`Station::next_frame`]), when it wants to be called again
//! ([`Station::next_deadline`]) and whether it wants a connection ([`Station::link_wish`]).
//! So the same seed and the same answers give the same frames, in a test as on a network.
//! It must not know how frames travel.

mod answers;
mod configuration;
mod live;
mod message;
mod meter;
mod remote;
mod session;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use chrono::{DateTime, Utc};
use ocpp_kit::Version;
use ocpp_kit::rpc::Frame;
use ocpp_kit::v1_6::{ChargePointStatus, Reason};

use self::configuration::Configuration;
use self::message::{Message, Queued, SessionKey};
use self::session::{Phase, Session};
use crate::fault::{Fault, Quirks};
use crate::observe::FleetEvent;
use crate::plan::{Activity, Pace, StationPlan, register_at};
use crate::random::SeededRandom;

/// Messages a station keeps while it cannot send; what is not about a transaction is dropped
/// beyond it.
pub(crate) const MAX_QUEUED: usize = 50_000;
/// How long a CALL may stay unanswered before the connection is given up.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a transaction message is offered that the server answers with an error.
const MAX_REFUSALS: u32 = 3;
/// Wait after such an error.
const REFUSAL_WAIT: Duration = Duration::from_secs(2);
/// Wait before a BootNotification is tried again when the server named no time.
const BOOT_RETRY: Duration = Duration::from_secs(10);
/// How long a reboot takes.
const REBOOT: Duration = Duration::from_secs(5);
/// Answers to the server waiting to be sent; a server may have one CALL open, so this is ample.
const MAX_ANSWERS: usize = 16;

/// A frame to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outgoing {
    pub(crate) text: String,
    /// The connection is to be cut, without a word, right after sending.
    pub(crate) drop_link: bool,
}

/// Whether the station wants a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkWish {
    /// Yes.
    Up,
    /// Not before this time.
    DownUntil(DateTime<Utc>),
    /// Never again: it has done all it had to.
    Finished,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    Down,
    /// Connected, but only a BootNotification may be sent.
    Booting,
    Up,
}

/// Something the station does at a time.
#[derive(Debug, Clone)]
enum Task {
    Begin { connector: u32 },
    Sample { session: SessionKey, elapsed: Duration },
    Suspend { session: SessionKey },
    End { session: SessionKey, reason: Reason },
    Release { connector: u32 },
    GoOffline { session: SessionKey },
    Heartbeat { generation: u64 },
    Boot,
}

#[derive(Debug)]
struct InFlight {
    id: String,
    queued: Queued,
    sent_at: DateTime<Utc>,
}

#[derive(Debug)]
struct Connector {
    register_wh: i64,
    session: Option<SessionKey>,
    operative: bool,
    /// An Inoperative asked for during a session, due when it ends.
    closes_after_session: bool,
    sessions_begun: u64,
    last_status: ChargePointStatus,
}

/// The state machine.
#[derive(Debug)]
pub(crate) struct Station {
    plan: StationPlan,
    seed: u64,
    pace: Pace,
    quirks: Quirks,
    configuration: Configuration,
    ids: SeededRandom,
    connectors: Vec<Connector>,
    sessions: BTreeMap<SessionKey, Session>,
    next_session: SessionKey,
    own_sessions_left: Option<u32>,
    queue: VecDeque<Queued>,
    answers: VecDeque<String>,
    in_flight: Option<InFlight>,
    agenda: BTreeMap<(DateTime<Utc>, u64), Task>,
    agenda_count: u64,
    heartbeat_generation: u64,
    link: Link,
    booted: bool,
    live_begun: bool,
    not_before: DateTime<Utc>,
    down_until: Option<DateTime<Utc>>,
    /// The connection is to be renewed as soon as what must be said first is said.
    reboot: Option<Reboot>,
    stopping: bool,
    events: Vec<FleetEvent>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reboot {
    /// After the queue is delivered.
    Soft,
    /// After the answer has left.
    Hard,
    /// Only the connection, after the answer has left (a new password).
    Reconnect,
}

impl Station {
    /// A station at `now`, its past sessions queued, not connected.
    pub(crate) fn new(plan: StationPlan, seed: u64, pace: Pace, now: DateTime<Utc>) -> Self {
        let mut habits = SeededRandom::for_thing(seed, &plan.id, 0);
        let drawn = plan.live.faults.draw_quirks(&mut habits);
        let quirks = plan.quirks.unwrap_or(drawn);
        let offset_wh = i64::try_from(habits.between(0, 90_000_000)).unwrap_or(0);
        let connectors = (1..=plan.connectors.max(1))
            .map(|number| {
                let first = plan.past.iter().filter(|past| past.connector == number);
                let from = first.map(|past| past.started_at).min().unwrap_or(now);
                let is_broken = plan.broken_connector == Some(number);
                Connector {
                    register_wh: register_at(from, offset_wh + i64::from(number) * 1_117),
                    session: None,
                    operative: !is_broken,
                    closes_after_session: false,
                    sessions_begun: 0,
                    last_status: match is_broken {
                        true => ChargePointStatus::Faulted,
                        false => ChargePointStatus::Available,
                    },
                }
            })
            .collect();
        let own_sessions_left = match plan.live.activity {
            Activity::Sessions(count) => Some(count),
            Activity::Endless => None,
            Activity::Idle => Some(0),
        };
        let mut station = Self {
            configuration: Configuration::new(
                plan.connectors.max(1),
                plan.live.sample_interval,
                plan.password.clone(),
            ),
            ids: SeededRandom::for_thing(seed, &plan.id, 1),
            plan,
            seed,
            pace,
            quirks,
            connectors,
            sessions: BTreeMap::new(),
            next_session: 1,
            own_sessions_left,
            queue: VecDeque::new(),
            answers: VecDeque::new(),
            in_flight: None,
            agenda: BTreeMap::new(),
            agenda_count: 0,
            heartbeat_generation: 0,
            link: Link::Down,
            booted: false,
            live_begun: false,
            not_before: now,
            down_until: None,
            reboot: None,
            stopping: false,
            events: Vec::new(),
        };
        station.queue_past_sessions();
        station
    }

    /// The password the next connection uses.
    pub(crate) fn password(&self) -> Option<&str> {
        self.configuration.password()
    }

    /// What happened since the last call.
    pub(crate) fn take_events(&mut self) -> Vec<FleetEvent> {
        std::mem::take(&mut self.events)
    }

    /// The WebSocket is open.
    pub(crate) fn on_connected(&mut self, now: DateTime<Utc>) {
        self.events.push(FleetEvent::Connected);
        self.down_until = None;
        if self.booted && !self.quirks.boots_on_reconnect {
            self.link = Link::Up;
        } else {
            self.link = Link::Booting;
            self.queue_boot();
        }
        self.restart_heartbeat(now);
    }

    /// The WebSocket is gone.
    pub(crate) fn on_disconnected(&mut self, now: DateTime<Utc>, reason: &str) {
        self.events.push(FleetEvent::Disconnected(reason.to_owned()));
        self.link = Link::Down;
        self.answers.clear();
        if let Some(in_flight) = self.in_flight.take()
            && in_flight.queued.message.is_kept_offline()
        {
            self.queue.push_front(in_flight.queued);
        }
        self.queue.retain(|queued| queued.message.is_kept_offline());
        if let Some(reboot) = self.reboot.take()
            && reboot != Reboot::Reconnect
        {
            self.booted = false;
            self.down_until = Some(now + self.pace.compress(REBOOT));
        }
    }

    /// A text frame arrived.
    pub(crate) fn on_text(&mut self, text: &str, now: DateTime<Utc>) {
        match Frame::parse(text, Version::V1_6) {
            Ok(Frame::Call { id, action, payload }) => {
                self.on_call(&id, &action, &payload, now);
            }
            Ok(Frame::CallResult { id, payload }) => {
                if let Some(answered) = self.take_in_flight(id.as_str()) {
                    self.on_result(answered.queued, answered.sent_at, &payload, now);
                }
            }
            Ok(Frame::CallError { id, error }) => {
                if let Some(answered) = self.take_in_flight(id.as_str()) {
                    let code = error.code.as_wire(Version::V1_6).to_owned();
                    self.on_error(answered.queued, code, now);
                }
            }
            Ok(_) => {}
            Err(error) => self.events.push(FleetEvent::Unreadable(error.to_string())),
        }
    }

    /// Does everything that is due at `now`.
    pub(crate) fn on_time(&mut self, now: DateTime<Utc>) {
        while let Some(entry) = self.agenda.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let (due, _) = *entry.key();
            let task = entry.remove();
            self.perform(task, due, now);
        }
        if let Some(in_flight) = &self.in_flight
            && now >= in_flight.sent_at + CALL_TIMEOUT
        {
            let action = in_flight.queued.message.action();
            self.events.push(FleetEvent::TimedOut { action });
            self.down_until = Some(now);
        }
    }

    /// When [`Station::on_time`] or [`Station::next_frame`] has something to do next.
    pub(crate) fn next_deadline(&self) -> Option<DateTime<Utc>> {
        let task = self.agenda.first_key_value().map(|((at, _), _)| *at);
        let timeout = self.in_flight.as_ref().map(|one| one.sent_at + CALL_TIMEOUT);
        let has_call = match self.link {
            Link::Down => false,
            Link::Booting => {
                self.queue.iter().any(|one| matches!(one.message, Message::Boot { .. }))
            }
            Link::Up => !self.queue.is_empty(),
        };
        let sendable = (self.link != Link::Down && !self.answers.is_empty())
            || (self.in_flight.is_none() && has_call);
        let pause = sendable.then_some(self.not_before);
        [task, timeout, pause].into_iter().flatten().min()
    }

    /// The next frame to send now, if any.
    pub(crate) fn next_frame(&mut self, now: DateTime<Utc>) -> Option<Outgoing> {
        if self.link == Link::Down || now < self.not_before {
            return None;
        }
        if let Some(text) = self.answers.pop_front() {
            self.take_time(now);
            return Some(Outgoing { text, drop_link: false });
        }
        if self.in_flight.is_some() {
            return None;
        }
        loop {
            let queued = self.next_queued()?;
            let id = format!("{:016x}", self.ids.next_u64());
            let transaction_id = queued
                .message
                .needs_transaction_of()
                .and_then(|key| self.sessions.get(&key)?.transaction_id);
            match queued.message.render(&id, transaction_id) {
                Ok(text) => {
                    self.events.push(FleetEvent::Sent { action: queued.message.action() });
                    self.take_time(now);
                    return Some(self.put_in_flight(id, text, queued, now));
                }
                Err(error) => self.events.push(FleetEvent::Unreadable(error.to_string())),
            }
        }
    }

    /// Whether it wants a connection at `now`.
    pub(crate) fn link_wish(&self, now: DateTime<Utc>) -> LinkWish {
        if let Some(until) = self.down_until
            && (self.link != Link::Down || until > now)
        {
            return LinkWish::DownUntil(until);
        }
        let delivered = self.in_flight.is_none() && self.queue.is_empty();
        match self.reboot {
            Some(Reboot::Soft) if delivered && self.answers.is_empty() => {
                return LinkWish::DownUntil(now);
            }
            Some(Reboot::Hard | Reboot::Reconnect) if self.answers.is_empty() => {
                return LinkWish::DownUntil(now);
            }
            _ => {}
        }
        let own_work_done = matches!(self.plan.live.activity, Activity::Sessions(_))
            && self.own_sessions_left == Some(0)
            && self.booted
            && self.agenda.values().all(|task| matches!(task, Task::Heartbeat { .. }));
        let all_ended = self.sessions.values().all(|session| session.phase == Phase::Ended);
        if delivered && all_ended && (own_work_done || self.stopping) {
            return LinkWish::Finished;
        }
        LinkWish::Up
    }

    /// Ends every session as a driver would and begins no more; then [`LinkWish::Finished`].
    pub(crate) fn shut_down(&mut self, now: DateTime<Utc>) {
        self.stopping = true;
        self.agenda.retain(|_, task| !matches!(task, Task::Begin { .. }));
        let open: Vec<SessionKey> = self.sessions.keys().copied().collect();
        for key in open {
            self.end_session(key, Reason::Local, now);
        }
        self.agenda.clear();
    }

    fn schedule(&mut self, at: DateTime<Utc>, task: Task) {
        self.agenda_count += 1;
        self.agenda.insert((at, self.agenda_count), task);
    }

    fn enqueue(&mut self, queued: impl Into<Queued>) {
        let queued = queued.into();
        if self.queue.len() >= MAX_QUEUED && !queued.message.is_transaction_related() {
            return;
        }
        self.queue.push_back(queued);
    }

    fn queue_boot(&mut self) {
        let model = self.plan.hardware.model();
        // At most 25 characters (1.6, chargePointSerialNumber).
        let serial = self.plan.id.chars().take(25).collect();
        self.queue.push_front(Message::Boot { model, serial }.into());
    }

    /// Sets and reports a connector's status; 0 is the station itself.
    fn report_status(&mut self, connector: u32, status: ChargePointStatus, now: DateTime<Utc>) {
        if let Some(one) = self.connector_mut(connector) {
            one.last_status = status.clone();
        }
        let at = self.station_time(now);
        self.enqueue(Message::Status { connector, status, at });
    }

    fn connector_mut(&mut self, number: u32) -> Option<&mut Connector> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        self.connectors.get_mut(index)
    }

    fn connector(&self, number: u32) -> Option<&Connector> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        self.connectors.get(index)
    }

    fn connector_numbers(&self) -> std::ops::RangeInclusive<u32> {
        1..=self.plan.connectors.max(1)
    }

    /// What the station's own clock shows at `now`.
    fn station_time(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        now + chrono::Duration::seconds(self.quirks.clock_skew_seconds)
    }

    fn restart_heartbeat(&mut self, now: DateTime<Utc>) {
        self.heartbeat_generation += 1;
        let generation = self.heartbeat_generation;
        let wait = self.pace.compress(self.configuration.heartbeat());
        self.schedule(now + wait, Task::Heartbeat { generation });
    }

    fn take_time(&mut self, now: DateTime<Utc>) {
        if !self.quirks.slowness.is_zero() {
            self.not_before = now + self.pace.compress(self.quirks.slowness);
        }
    }

    fn take_in_flight(&mut self, id: &str) -> Option<InFlight> {
        if self.in_flight.as_ref().is_some_and(|one| one.id == id) {
            self.in_flight.take()
        } else {
            let reason = format!("an answer to the message {id:?}, which is not open");
            self.events.push(FleetEvent::Unreadable(reason));
            None
        }
    }

    /// Before a boot is accepted, nothing else is sent (1.6, section 4.2).
    fn next_queued(&mut self) -> Option<Queued> {
        match self.link {
            Link::Down => None,
            Link::Up => self.queue.pop_front(),
            Link::Booting => {
                let at = self
                    .queue
                    .iter()
                    .position(|one| matches!(one.message, Message::Boot { .. }))?;
                self.queue.remove(at)
            }
        }
    }

    fn put_in_flight(
        &mut self,
        id: String,
        text: String,
        mut queued: Queued,
        now: DateTime<Utc>,
    ) -> Outgoing {
        let drop_link = std::mem::take(&mut queued.drop_link);
        if drop_link {
            let fault = match queued.message {
                Message::Start(_) => Fault::DropAtStart,
                Message::Stop(_) => Fault::DropAtStop,
                _ => Fault::DropAtMeter,
            };
            self.events.push(FleetEvent::FaultPlayed(fault));
        }
        self.in_flight = Some(InFlight { id, queued, sent_at: now });
        Outgoing { text, drop_link }
    }
}
