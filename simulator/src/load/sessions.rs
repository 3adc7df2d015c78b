//! Full charging sessions over many connections, as fast as answered or at a fixed rate.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use chrono::Utc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::frames::{CALLS, START, SessionFrames, TimeText};
use super::socket::LoadSocket;
use super::{Latencies, LatencySummary, LoadError, LoadTarget};

/// Handshakes at once while the connections are opened.
const CONNECTS_AT_ONCE: usize = 128;
/// A paced call sent later than this after it was due counts from when it was due, so that
/// a server that stalls is not spared the calls that waited; sooner is the timer's own doing.
const LATE_AFTER: Duration = Duration::from_millis(2);
/// Failures kept in words.
const KEPT_FAILURES: usize = 3;

/// When the next call is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pacing {
    /// As soon as the last is answered.
    ClosedLoop,
    /// At fixed times, so many messages a second over all connections.
    PerSecond(u32),
}

/// One run.
#[derive(Debug, Clone)]
pub struct SessionLoad {
    /// The server.
    pub target: LoadTarget,
    /// Number of connections, each a station.
    pub connections: usize,
    /// When calls are sent.
    pub pacing: Pacing,
    /// Time before measuring.
    pub warm_up: Duration,
    /// Time measured.
    pub measure: Duration,
}

/// A border of the measured time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// Measuring begins.
    Begin,
    /// Measuring has ended.
    End,
}

/// What was measured.
#[derive(Debug, Clone, serde::Serialize)]
pub struct LoadReport {
    /// Calls answered in the measured time.
    pub messages: u64,
    /// Calls answered per second.
    pub messages_per_second: f64,
    /// Latencies of these calls.
    pub latency: LatencySummary,
    /// Connections that failed, over the whole run.
    pub failures: u64,
    /// The first few failures in words.
    pub first_failures: Vec<String>,
}

#[derive(Default)]
struct Shared {
    latencies: Latencies,
    measuring: bool,
    failures: u64,
    first_failures: Vec<String>,
}

impl Shared {
    fn fail(&mut self, error: &LoadError) {
        self.failures += 1;
        if self.first_failures.len() < KEPT_FAILURES {
            self.first_failures.push(error.to_string());
        }
    }
}

/// Opens the connections, lets them charge, and reports. `at_edge` is called as measuring
/// begins and ends.
///
/// # Errors
/// No connection could be opened, or none lasted.
pub async fn run_sessions(
    load: SessionLoad,
    mut at_edge: impl FnMut(Edge),
) -> Result<LoadReport, LoadError> {
    let shared = Rc::new(RefCell::new(Shared::default()));
    let sockets = open_all(&load, &shared).await?;
    let begin = Instant::now();
    let mut tasks = JoinSet::new();
    for (number, socket) in sockets {
        let shared = Rc::clone(&shared);
        let frames = SessionFrames::new(load.target.version(number), &load.target.tag(number));
        let schedule = schedule_of(&load, number, begin);
        tasks.spawn_local(async move {
            if let Err(error) = charge(socket, frames, schedule, &shared).await {
                shared.borrow_mut().fail(&error);
            }
        });
    }
    tokio::time::sleep_until(begin + load.warm_up).await;
    at_edge(Edge::Begin);
    let measured_from = Instant::now();
    shared.borrow_mut().measuring = true;
    tokio::time::sleep(load.measure).await;
    shared.borrow_mut().measuring = false;
    let measured = measured_from.elapsed();
    at_edge(Edge::End);
    tasks.abort_all();
    while tasks.join_next().await.is_some() {}
    let shared = shared.borrow();
    let messages = shared.latencies.count();
    if messages == 0 {
        let first = shared.first_failures.first();
        let reason = first.cloned().unwrap_or_else(|| "no call was answered in time".to_owned());
        return Err(LoadError::AllFailed(reason));
    }
    let per_second = Duration::from_secs(1).as_secs_f64() / measured.as_secs_f64();
    Ok(LoadReport {
        messages,
        messages_per_second: u32::try_from(messages).map_or(f64::INFINITY, f64::from) * per_second,
        latency: shared.latencies.summary(),
        failures: shared.failures,
        first_failures: shared.first_failures.clone(),
    })
}

async fn open_all(
    load: &SessionLoad,
    shared: &Rc<RefCell<Shared>>,
) -> Result<Vec<(usize, LoadSocket)>, LoadError> {
    let mut opened = Vec::with_capacity(load.connections);
    let mut opening = JoinSet::new();
    let mut keep = |joined: Result<(usize, Result<LoadSocket, LoadError>), _>| match joined {
        Ok((number, Ok(socket))) => opened.push((number, socket)),
        Ok((_, Err(error))) => shared.borrow_mut().fail(&error),
        Err(_) => {}
    };
    for number in 0..load.connections {
        if opening.len() >= CONNECTS_AT_ONCE
            && let Some(joined) = opening.join_next().await
        {
            keep(joined);
        }
        let target = load.target.clone();
        opening.spawn_local(async move { (number, LoadSocket::open(&target, number).await) });
    }
    while let Some(joined) = opening.join_next().await {
        keep(joined);
    }
    if opened.is_empty() {
        let first = shared.borrow().first_failures.first().cloned();
        return Err(LoadError::AllFailed(
            first.unwrap_or_else(|| "no connections asked for".into()),
        ));
    }
    Ok(opened)
}

/// When a connection's calls are due: at `first` and every `period` after.
#[derive(Debug, Clone, Copy)]
struct Schedule {
    first: Instant,
    period: Duration,
}

fn schedule_of(load: &SessionLoad, number: usize, begin: Instant) -> Option<Schedule> {
    let Pacing::PerSecond(rate) = load.pacing else { return None };
    let gap = Duration::from_secs(1).div_f64(f64::from(rate.max(1)));
    let connections = u32::try_from(load.connections).unwrap_or(u32::MAX);
    let place = u32::try_from(number).unwrap_or(u32::MAX);
    Some(Schedule { first: begin + gap * place, period: gap * connections })
}

async fn charge(
    mut socket: LoadSocket,
    mut frames: SessionFrames,
    schedule: Option<Schedule>,
    shared: &RefCell<Shared>,
) -> Result<(), LoadError> {
    let mut time = TimeText::new();
    let mut due = schedule.map(|schedule| schedule.first);
    loop {
        for call in 0..CALLS {
            if let (Some(at), Some(schedule)) = (&mut due, schedule) {
                tokio::time::sleep_until(*at).await;
                let sent_at = std::mem::replace(at, *at + schedule.period);
                let late = sent_at.elapsed() > LATE_AFTER;
                let from = if late { sent_at } else { Instant::now() };
                step(&mut socket, &mut frames, &mut time, call, from, shared).await?;
            } else {
                let from = Instant::now();
                step(&mut socket, &mut frames, &mut time, call, from, shared).await?;
            }
        }
    }
}

async fn step(
    socket: &mut LoadSocket,
    frames: &mut SessionFrames,
    time: &mut TimeText,
    call: usize,
    counted_from: Instant,
    shared: &RefCell<Shared>,
) -> Result<(), LoadError> {
    time.set(Utc::now());
    let (frame, id) = frames.prepare(call, time);
    let answer = socket.call(frame, &id).await?;
    if call == START {
        frames.started(answer.transaction());
    }
    let mut shared = shared.borrow_mut();
    if shared.measuring {
        shared.latencies.record(counted_from.elapsed());
    }
    Ok(())
}
