//! One connection of one station, from its first frame to its end.
//!
//! A single task, one thing at a time: a message is read, judged, made durable by the desk,
//! answered, and only then is the next one read. So a station that sends several CALLs at once
//! is served in their order, and one that sends faster than its pace allows, or the log can write,
//! is slowed down by its own socket.

use crate::connections::{Connections, Signals};
use crate::limits::Limits;
use crate::message::{ForDesk, Inbound};
use crate::metrics;
use crate::outbox::Outbox;
use crate::pace::Pace;
use crate::protocol::Protocol;
use crate::socket::{Received, Socket, Unwritable};
use chargebook_commands::message::{Answer, Judged};
use chargebook_commands::{
    Admitted, Chargebook, Clearance, Coming, ConnectionInformation, DeskError, StationDesk,
};
use chargebook_domain::events::v1::{Dialect, Quirk, Verdict};
use chargebook_domain::ids::StationId;
use chargebook_domain::units::Timestamp;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// What a session begins with.
pub(crate) struct Connection {
    pub(crate) chargebook: Chargebook,
    pub(crate) connections: Arc<Connections>,
    pub(crate) limits: Limits,
    pub(crate) shutdown: CancellationToken,
    pub(crate) admitted: Admitted,
    pub(crate) coming: Coming,
    pub(crate) remote: SocketAddr,
    pub(crate) security_profile: u8,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct End {
    /// In a word, for the log.
    reason: &'static str,
    /// The closing frame, if it is ours to send.
    close: Option<(u16, &'static str)>,
}

impl End {
    const CLOSED_BY_STATION: Self = Self { reason: "closed_by_station", close: None };
    const BROKEN: Self = Self { reason: "transport_error", close: None };
    const SILENT: Self = Self { reason: "silent", close: Some((1001, "no sign of life")) };
    const REPLACED: Self =
        Self { reason: "replaced", close: Some((1000, "replaced by a newer connection")) };
    const SHUTDOWN: Self = Self { reason: "shutdown", close: Some((1001, "server stops")) };
    const REFUTED: Self = Self {
        reason: "other_serial_number",
        close: Some((1008, "the certificate names another serial number")),
    };
    /// Nothing was acknowledged; the station will say it again.
    const NOT_STORED: Self =
        Self { reason: "not_stored", close: Some((1011, "could not be stored, try again")) };

    fn undelivered(reason: &'static str, close: u16) -> Self {
        Self { reason, close: Some((close, reason)) }
    }
}

impl From<Unwritable> for End {
    fn from(_: Unwritable) -> Self {
        Self::BROKEN
    }
}

impl Connection {
    /// Serves the connection until it ends, and says so in the log. Its beginning and its end are
    /// boxed: an idle connection holds room for neither. Whether it ended since the station is not
    /// the one that its certificate names.
    pub(crate) async fn run(self, socket: Socket, protocol: Option<Protocol>) -> bool {
        let opened = Box::pin(self.open(socket, protocol)).await;
        let Some((mut session, live)) = opened else { return false };
        let end = session.serve().await;
        Box::pin(session.leave(live, end)).await;
        end == End::REFUTED
    }

    /// Takes the station in; `None` where the connection was closed instead.
    async fn open(
        self,
        socket: Socket,
        protocol: Option<Protocol>,
    ) -> Option<(Box<Session>, Live)> {
        let (station, remote) = (self.admitted.identity.clone(), self.remote);
        let Some(protocol) = protocol else {
            tracing::warn!(%station, %remote, "connection closed: no common OCPP version");
            socket.close(1002, "no common sub-protocol").await;
            return None;
        };
        let information = ConnectionInformation {
            protocol: protocol.name().to_owned(),
            remote: remote.to_string(),
            security_profile: self.security_profile,
        };
        let desk = match self.chargebook.open_desk(self.admitted.clone(), information).await {
            Ok(desk) => desk,
            Err(error) => {
                metrics::desk_error();
                tracing::error!(%station, %remote, %error, "connection closed: not stored");
                socket.close(1011, "could not be stored, try again").await;
                return None;
            }
        };
        let epoch = desk.epoch();
        tracing::info!(%station, %remote, protocol = protocol.name(), epoch, "station connected");
        let live = Live::enter(self.connections, desk.station_id(), epoch);
        drop(self.coming);
        let ask_for_boot_at = desk.misses_boot().then(|| Instant::now() + self.limits.boot_grace);
        let session = Session {
            remote,
            dialect: self.admitted.settings.dialect,
            pongs: Pongs::Unknown,
            ask_for_boot_at,
            chargebook: self.chargebook,
            protocol,
            outbox: Outbox::new(protocol, self.limits.call_timeout),
            pace: Pace::new(&self.limits, Instant::now()),
            limits: self.limits,
            shutdown: self.shutdown,
            socket,
            desk,
            signals: Arc::clone(&live.signals),
            heard_at: Instant::now(),
            pinged_at: None,
            replaced_at: None,
        };
        Some((Box::new(session), live))
    }
}

/// A place among the live connections; given back when dropped.
struct Live {
    connections: Arc<Connections>,
    station_id: StationId,
    epoch: u64,
    signals: Arc<Signals>,
}

impl Live {
    fn enter(connections: Arc<Connections>, station_id: StationId, epoch: u64) -> Self {
        let signals = Arc::new(Signals::default());
        connections.enter(station_id, epoch, &signals);
        Self { connections, station_id, epoch, signals }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.connections.leave(self.station_id, self.epoch);
    }
}

struct Session {
    remote: SocketAddr,
    chargebook: Chargebook,
    protocol: Protocol,
    limits: Limits,
    shutdown: CancellationToken,
    socket: Socket,
    desk: StationDesk,
    outbox: Outbox,
    signals: Arc<Signals>,
    /// How fast its frames are taken.
    pace: Pace,
    /// When the station was last heard.
    heard_at: Instant,
    /// When it was pinged, if it has not been heard since.
    pinged_at: Option<Instant>,
    /// How the station speaks.
    dialect: Dialect,
    /// Whether it has ever answered a ping, and whether it has spoken instead.
    pongs: Pongs,
    /// When a newer connection took over.
    replaced_at: Option<Instant>,
    /// When a station that was never seen booting is to be asked to.
    ask_for_boot_at: Option<Instant>,
}

/// What became of our pings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pongs {
    /// None was overlooked so far.
    Unknown,
    /// It answers them.
    Answered,
    /// It went on speaking without having answered one.
    Overlooked,
}

/// The next frame, read only once its time has come. Cancel safe.
async fn next_frame(socket: &mut Socket, waits_until: Option<Instant>) -> Received {
    if let Some(instant) = waits_until {
        // Boxed: only who sends too fast needs room for it.
        Box::pin(sleep_until(instant)).await;
    }
    socket.next().await
}

enum Happening {
    Stop,
    Told,
    Timer,
    Received(Received),
}

impl Session {
    async fn serve(&mut self) -> End {
        let shutdown = self.shutdown.clone();
        let mut stop = pin!(shutdown.cancelled());
        let mut timer = pin!(sleep_until(self.next_wake()));
        loop {
            if let Err(end) = self.send_due().await {
                return end;
            }
            // The timer is moved only when it would come too late or has rung: what comes in
            // moves the deadlines back all the time.
            let wake = self.next_wake();
            if wake < timer.deadline() || timer.is_elapsed() {
                timer.as_mut().reset(wake);
            }
            let resume_at = self.pace.waits_until(Instant::now());
            let happening = tokio::select! {
                biased;
                () = &mut stop => Happening::Stop,
                () = self.signals.told() => Happening::Told,
                () = &mut timer => Happening::Timer,
                received = next_frame(&mut self.socket, resume_at) => Happening::Received(received),
            };
            let outcome = match happening {
                Happening::Stop => Err(End::SHUTDOWN),
                Happening::Told => self.told().await,
                Happening::Timer => self.rung().await,
                Happening::Received(received) => self.received(received).await,
            };
            if let Err(end) = outcome {
                return end;
            }
        }
    }

    /// Says good-bye, in the log and to the station.
    async fn leave(mut self, live: Live, end: End) {
        self.outbox.abandon(&mut self.desk, end.reason).await;
        drop(live);
        metrics::disconnected(end.reason);
        let (station, epoch) = (self.desk.identity().clone(), self.desk.epoch());
        let (remote, reason) = (self.remote, end.reason);
        tracing::info!(%station, %remote, epoch, reason, "station disconnected");
        let Self { socket, desk, .. } = self;
        let farewell = async {
            match end.close {
                Some((code, reason)) => socket.close(code, reason).await,
                None => drop(socket),
            }
        };
        let (closed, ()) = tokio::join!(desk.close(end.reason), farewell);
        if let Err(error) = closed {
            metrics::desk_error();
            tracing::error!(%station, epoch, %error, "the end of a connection was not stored");
        }
    }

    fn now(&self) -> Timestamp {
        self.chargebook.journal().now()
    }

    fn next_wake(&self) -> Instant {
        let silent = match self.pinged_at {
            Some(at) => at + self.silence_max(),
            None => self.heard_at + self.limits.ping_interval,
        };
        let replaced = self.replaced_at.map(|at| at + self.limits.replaced_grace);
        [replaced, self.ask_for_boot_at, self.outbox.deadline()]
            .into_iter()
            .flatten()
            .fold(silent, Instant::min)
    }

    /// Commands go to the live connection of a station, one at a time; the desk gives out only
    /// what the station may be sent.
    async fn send_due(&mut self) -> Result<(), End> {
        if self.replaced_at.is_some() || !self.outbox.is_ready() {
            return Ok(());
        }
        let next = Box::pin(self.outbox.next(&mut self.desk)).await;
        match next {
            Some(frame) => Ok(self.socket.send(frame).await?),
            None => Ok(()),
        }
    }

    async fn told(&mut self) -> Result<(), End> {
        if self.signals.take_commands_due() {
            self.outbox.look_again();
        }
        if self.signals.is_replaced() && self.replaced_at.is_none() {
            self.replaced_at = Some(Instant::now());
            self.socket.ping().await?;
        }
        Ok(())
    }

    async fn rung(&mut self) -> Result<(), End> {
        let now = Instant::now();
        if self.replaced_at.is_some_and(|at| now >= at + self.limits.replaced_grace) {
            return Err(End::REPLACED);
        }
        if self.outbox.deadline().is_some_and(|deadline| now >= deadline) {
            Box::pin(self.outbox.overdue(&mut self.desk)).await;
        }
        if self.ask_for_boot_at.take_if(|at| now >= *at).is_some() {
            Box::pin(self.ask_for_boot()).await;
        }
        match self.pinged_at {
            Some(at) if now >= at + self.silence_max() => {
                if self.pongs == Pongs::Overlooked {
                    Box::pin(self.desk.notice([Quirk::NoPong].into_iter().collect(), None)).await;
                }
                return Err(End::SILENT);
            }
            None if now >= self.heard_at + self.limits.ping_interval => {
                self.pinged_at = Some(now);
                self.socket.ping().await?;
            }
            _ => {}
        }
        Ok(())
    }

    /// How long a ping may go unanswered, and nothing else be heard.
    fn silence_max(&self) -> Duration {
        match self.dialect.has(Quirk::NoPong) {
            true => self.limits.silence_without_pong,
            false => self.limits.ping_interval,
        }
    }

    fn not_stored(&self, error: &DeskError) -> End {
        metrics::desk_error();
        let station = self.desk.identity();
        tracing::error!(%station, %error, "the station could not be looked at");
        End::NOT_STORED
    }

    /// A station that is connected and was never seen booting is of another system, or forgot:
    /// without its boot it may be sent nothing.
    async fn ask_for_boot(&self) {
        if !self.desk.misses_boot() {
            return;
        }
        if let Err(error) = self.desk.ask_for_boot().await {
            let station = self.desk.identity();
            tracing::warn!(%station, %error, "a station could not be asked to boot");
        }
    }

    async fn received(&mut self, received: Received) -> Result<(), End> {
        self.heard_at = Instant::now();
        self.pace.take(self.heard_at);
        if self.pace.waits_until(self.heard_at).is_some() {
            metrics::paused();
        }
        let was_pinged = self.pinged_at.take().is_some();
        match (&received, self.pongs) {
            (Received::Pong, _) => self.pongs = Pongs::Answered,
            (Received::Text(_), Pongs::Unknown) if was_pinged => self.pongs = Pongs::Overlooked,
            _ => {}
        }
        match received {
            Received::Text(text) => {
                self.text(text).await?;
                // Who sends no pong shows by its next words that it lives.
                match self.dialect.has(Quirk::NoPong) {
                    true => self.answered_ping().await,
                    false => Ok(()),
                }
            }
            Received::Ping => Ok(()),
            Received::Pong => self.answered_ping().await,
            Received::Undelivered { size_bytes, reason, close } => {
                self.deliver(ForDesk::undelivered(size_bytes, reason, self.now())).await?;
                Err(End::undelivered(reason, close))
            }
            Received::Closed => Err(End::CLOSED_BY_STATION),
            Received::Broken => Err(End::BROKEN),
        }
    }

    /// A replaced connection that still answers: two stations may share one identity.
    async fn answered_ping(&mut self) -> Result<(), End> {
        if self.replaced_at.is_none() {
            return Ok(());
        }
        let (station, epoch) = (self.desk.identity(), self.desk.epoch());
        tracing::warn!(%station, epoch, "a replaced connection was still alive: is there a twin?");
        if let Err(error) = Box::pin(self.desk.suspect_clone()).await {
            metrics::desk_error();
            tracing::error!(station = %self.desk.identity(), %error, "the alarm was not stored");
        }
        Err(End::REPLACED)
    }

    async fn text(&mut self, text: String) -> Result<(), End> {
        let received_at = self.now();
        let settings = Box::pin(self.desk.settings()).await;
        self.dialect = settings.map_err(|error| self.not_stored(&error))?.dialect;
        match self.protocol.read(text, self.dialect, received_at) {
            Inbound::ForDesk(mut message) => {
                let may_send = self.desk.may_send(message.action);
                if self.desk.is_refuted() && !may_send {
                    // Unanswered: the station, if another one has its certificate, says it again.
                    return Err(End::REFUTED);
                }
                if !may_send && !self.is_expected(&message).await? {
                    self.protocol.refuse_unaccepted(&mut message);
                }
                self.deliver(*message).await
            }
            Inbound::Reply(reply) => {
                let answered = Box::pin(self.outbox.answered(&mut self.desk, reply, received_at));
                match answered.await {
                    Ok(None) => Ok(()),
                    Ok(Some(complaint)) => Ok(self.socket.send(complaint).await?),
                    Err(reply) => self.deliver(ForDesk::unexpected_reply(reply, received_at)).await,
                }
            }
        }
    }

    /// Whether a station that waits for its acceptance was asked for this before it reconnected.
    async fn is_expected(&mut self, message: &ForDesk) -> Result<bool, End> {
        if self.desk.clearance() != Clearance::NoTransactions {
            return Ok(false);
        }
        let expected = Box::pin(self.desk.is_part_of_a_report(&message.judged)).await;
        expected.map_err(|error| self.not_stored(&error))
    }

    /// Has a message judged and made durable, and answers it if an answer is due.
    async fn deliver(&mut self, message: ForDesk) -> Result<(), End> {
        let began_at = self.heard_at;
        let ForDesk { receipt, judged, action, complaint, repaired_times, declined } = message;
        let verdict = match &judged {
            Judged::Message(_) => "answered",
            Judged::Refused(_) => "refused",
            Judged::Told(_) | Judged::Unanswered(Verdict::Ignored) => "ignored",
            Judged::Unanswered(_) => "unreadable",
        };
        if let Some(complaint) = complaint {
            let station = self.desk.identity();
            tracing::warn!(%station, action, verdict, complaint, "message not accepted");
        }
        let message_id = receipt.message_id.clone().unwrap_or_default();
        let clearance = self.desk.clearance();
        let protocol = self.protocol;
        let render = move |answer: &Answer| protocol.render(&message_id, answer, declined.as_ref());
        // Boxed: the desk's work is large, and an idle connection should not hold room for it.
        let frame = match Box::pin(self.desk.receive(receipt, judged, &render)).await {
            Ok(frame) => frame,
            Err(error) => {
                metrics::desk_error();
                let station = self.desk.identity();
                tracing::error!(%station, action, %error, "message not stored, not answered");
                return Err(End::NOT_STORED);
            }
        };
        if self.desk.clearance() != clearance {
            self.outbox.look_again();
        }
        metrics::message(action, verdict);
        metrics::repaired_times(repaired_times);
        if let Some(frame) = frame {
            self.socket.send(frame).await?;
            metrics::answered(action, began_at.elapsed());
        }
        match self.desk.is_refuted() {
            true => Err(End::REFUTED),
            false => Ok(()),
        }
    }
}
