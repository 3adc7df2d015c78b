//! The small pieces that pages are made of: they escape what they hold and are then HTML.

use crate::assets;
use crate::error::PageError;
use crate::format;
use crate::login::Operator;
use crate::state::Console;
use askama::Template;
use askama::filters::HtmlSafe;
use chargebook_domain::events::v1::{CommandFailure, Outcome};
use chargebook_domain::units::Timestamp;
use chargebook_projections::{
    AlertStatus, Command, CommandState, Connector, Paging, ReservationStatus, Session,
    SessionStatus, Station,
};
use chrono_tz::Tz;

/// Reviews, and alerts, that the navigation counts; more are `99+`.
const COUNTED_MAX: u32 = 100;

/// What stands around every page.
pub(crate) struct Frame {
    pub(crate) title: String,
    /// Which entry of the navigation this page belongs to.
    pub(crate) section: &'static str,
    /// Which kinds of changes make the script read the page again; empty for never.
    pub(crate) live: &'static str,
    /// The login's CSRF token; `None` on pages for who is not logged in.
    pub(crate) csrf: Option<String>,
    /// What is to be reviewed, as the navigation shows them.
    pub(crate) reviews: Option<String>,
    /// The alerts that nobody has seen, likewise.
    pub(crate) alerts: Option<String>,
    pub(crate) assets: &'static str,
}

impl Frame {
    /// A page that needs no login.
    pub(crate) fn outside(title: &str) -> Self {
        Self {
            title: title.to_owned(),
            section: "",
            live: "",
            csrf: None,
            reviews: None,
            alerts: None,
            assets: assets::version(),
        }
    }

    /// A page of a section.
    pub(crate) async fn inside(
        console: &Console,
        operator: &Operator,
        title: impl Into<String>,
        section: &'static str,
        live: &'static str,
    ) -> Result<Self, PageError> {
        let paging = Paging { limit: Some(COUNTED_MAX), next: None };
        let reviews = counted(console.models().list_reviews(&paging).await?.items.len());
        let raised = Some(AlertStatus::Raised);
        let alerts = console.models().list_alerts(None, raised, &paging).await?.items.len();
        let alerts = counted(alerts);
        let (title, csrf) = (title.into(), Some(operator.csrf().to_owned()));
        Ok(Self { title, section, live, csrf, reviews, alerts, assets: assets::version() })
    }
}

fn counted(count: usize) -> Option<String> {
    match count {
        0 => None,
        count if count < COUNTED_MAX as usize => Some(count.to_string()),
        _ => Some("99+".to_owned()),
    }
}

/// An instant: local text, UTC in its title.
#[derive(Clone, Template)]
#[template(
    source = r#"<time datetime="{{ iso }}" title="{{ utc }}"{% if ago %} data-ago{% endif %}>{{ text }}</time>"#,
    ext = "html"
)]
pub(crate) struct When {
    iso: String,
    utc: String,
    text: String,
    ago: bool,
}

impl HtmlSafe for When {}

impl When {
    pub(crate) fn new(at: Timestamp, now: Timestamp, zone: Tz) -> Self {
        let text = format::local_time(at, now, zone);
        Self { iso: at.to_string(), utc: format::utc(at), text, ago: false }
    }

    /// With seconds, for timelines.
    pub(crate) fn precise(at: Timestamp, now: Timestamp, zone: Tz) -> Self {
        let seconds = at.utc().with_timezone(&zone).format(":%S");
        let text = format!("{}{seconds}", format::local_time(at, now, zone));
        Self { iso: at.to_string(), utc: format::utc(at), text, ago: false }
    }

    /// With its date, whatever today is: for documents.
    pub(crate) fn dated(at: Timestamp, zone: Tz) -> Self {
        let text = format::dated(at, zone);
        Self { iso: at.to_string(), utc: format::utc(at), text, ago: false }
    }

    /// How long ago; the script keeps it true.
    pub(crate) fn ago(at: Timestamp, now: Timestamp) -> Self {
        let text = format!("{} ago", format::duration(now.seconds_since(at)));
        Self { iso: at.to_string(), utc: format::utc(at), text, ago: true }
    }
}

/// What a status looks like; the word always stands beside the colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Active,
    Waiting,
    Bad,
    Quiet,
}

impl Tone {
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Active => "active",
            Self::Waiting => "waiting",
            Self::Bad => "bad",
            Self::Quiet => "quiet",
        }
    }
}

/// A status: colour and word.
#[derive(Clone, Template)]
#[template(source = r#"<span class="badge {{ tone.class() }}">{{ word }}</span>"#, ext = "html")]
pub(crate) struct Badge {
    tone: Tone,
    word: String,
}

impl HtmlSafe for Badge {}

impl Badge {
    pub(crate) fn new(tone: Tone, word: impl Into<String>) -> Self {
        Self { tone, word: word.into() }
    }

    /// A connector, in the station's word.
    pub(crate) fn connector(connector: &Connector, connected: bool) -> Self {
        let Some(status) = connector.status.as_deref() else {
            return Self::new(Tone::Quiet, "Not reported");
        };
        let tone = if connected { status_tone(status) } else { Tone::Quiet };
        Self::new(tone, format::station_word(status))
    }

    /// Whether a station is there.
    pub(crate) fn station(station: &Station) -> Self {
        match (station.connected, station.connected_at.is_some()) {
            (true, _) => Self::new(Tone::Good, "Online"),
            (false, true) => Self::new(Tone::Bad, "Offline"),
            (false, false) => Self::new(Tone::Quiet, "Never seen"),
        }
    }

    /// What became of a session.
    pub(crate) fn session(session: &Session) -> Self {
        match (session.outcome, session.status) {
            (Some(outcome), _) => Self::outcome(outcome),
            (None, SessionStatus::Open) => Self::new(Tone::Active, "In progress"),
            (None, SessionStatus::Stopped) => Self::new(Tone::Waiting, "Settling"),
            (None, SessionStatus::Settled) => Self::new(Tone::Waiting, "Billing"),
        }
    }

    /// A stop without a session.
    pub(crate) fn orphan() -> Self {
        Self::outcome(Outcome::NeedsReview)
    }

    fn outcome(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Invoiced => Self::new(Tone::Good, "Invoiced"),
            Outcome::ChargedElsewhere => Self::new(Tone::Good, "Charged elsewhere"),
            Outcome::Free => Self::new(Tone::Quiet, "Free"),
            Outcome::Void => Self::new(Tone::Quiet, "Void"),
            Outcome::NeedsReview => Self::new(Tone::Bad, "Needs review"),
        }
    }

    /// How an alert stands.
    pub(crate) fn alert(status: AlertStatus) -> Self {
        match status {
            AlertStatus::Raised => Self::new(Tone::Bad, "Raised"),
            AlertStatus::Acknowledged => Self::new(Tone::Waiting, "Acknowledged"),
            AlertStatus::Cleared => Self::new(Tone::Quiet, "Cleared"),
        }
    }

    /// What became of a reservation.
    pub(crate) fn reservation(status: ReservationStatus) -> Self {
        match status {
            ReservationStatus::Active => Self::new(Tone::Active, "Active"),
            ReservationStatus::Used => Self::new(Tone::Good, "Used"),
            ReservationStatus::Cancelled => Self::new(Tone::Quiet, "Cancelled"),
            ReservationStatus::Expired => Self::new(Tone::Quiet, "Expired"),
            ReservationStatus::Removed => Self::new(Tone::Bad, "Removed by station"),
            ReservationStatus::NoTransaction => Self::new(Tone::Quiet, "Nobody charged"),
        }
    }

    /// How far a command is.
    pub(crate) fn command(command: &Command) -> Self {
        match (command.state, command.failure, command.reply_status.as_deref()) {
            (CommandState::Requested, ..) => Self::new(Tone::Waiting, "Requested"),
            (CommandState::Sent, ..) => Self::new(Tone::Active, "Sent"),
            (CommandState::Answered, _, Some(status)) => {
                let refused = ["Rejected", "UnlockFailed", "NotSupported", "Failed"];
                let tone = if refused.contains(&status) { Tone::Bad } else { Tone::Good };
                Self::new(tone, format::station_word(status))
            }
            (CommandState::Answered, ..) => Self::new(Tone::Good, "Answered"),
            (CommandState::Failed, failure, _) => Self::new(Tone::Bad, failure_word(failure)),
        }
    }
}

fn failure_word(failure: Option<CommandFailure>) -> &'static str {
    match failure {
        Some(CommandFailure::StationOffline) => "Station offline",
        Some(CommandFailure::Expired) => "Expired",
        Some(CommandFailure::CallError) => "Error from station",
        Some(CommandFailure::OutcomeUnknown) => "Outcome unknown",
        Some(CommandFailure::NotSupported) => "Not supported",
        None => "Failed",
    }
}

/// The colour of a station's word (OCPP 1.6 section 7.7).
pub(crate) fn status_tone(status: &str) -> Tone {
    match status {
        "Available" => Tone::Good,
        "Charging" => Tone::Active,
        "Preparing" | "SuspendedEV" | "SuspendedEVSE" | "Finishing" | "Reserved" => Tone::Waiting,
        "Faulted" => Tone::Bad,
        _ => Tone::Quiet,
    }
}

/// A name and what is known under it.
pub(crate) struct Fact {
    pub(crate) name: &'static str,
    pub(crate) value: String,
    /// An id or a hash: long, and read by machines.
    pub(crate) is_id: bool,
}

impl Fact {
    /// In words.
    pub(crate) fn new(name: &'static str, value: impl ToString) -> Self {
        Self { name, value: value.to_string(), is_id: false }
    }

    /// An id or a hash.
    pub(crate) fn id(name: &'static str, value: impl ToString) -> Self {
        Self { name, value: value.to_string(), is_id: true }
    }
}

/// A name as a part of an address.
pub(crate) fn address_part(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string()
}
