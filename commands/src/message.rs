//! What a station says and what it is answered, in words that no OCPP version owns. The
//! gateway translates; the desk decides.

mod answer;
mod certificate;
mod energy;
mod monitoring;
mod notice;
mod reservation;
mod token;
mod transaction;

pub use answer::{
    Answer, CertificateStatus, DataRefused, DynamicValues, StationTariff, TokenAnswer,
    TransactionAnswer,
};
pub use certificate::{
    CertificateQuestion, ChainAnswer, ChainQuestion, ChainStatus, ContractAnswer, ContractRequest,
};
pub use energy::{EnergyNews, ReportedBattery};
pub use monitoring::{MonitoringNews, StreamReport};
pub(crate) use notice::topic_of_job;
pub use notice::{Notice, NoticeContent, NoticePart, NoticeSubject};
pub use reservation::{ReservationReport, ReservationTerms};
pub use token::{AuthorizeReport, NO_AUTHORIZATION, PresentedCertificate, PresentedToken};
pub use transaction::{TransactionEventKind, TransactionReport};

use chargebook_domain::events::v1::{
    BootInformation, Dialect, Direction, Job, MeterSample, Undelivered, Verdict,
};
use chargebook_domain::ids::{ConnectorNumber, EvseNumber, TransactionNumber};
use chargebook_domain::units::{Timestamp, WattHours};
use std::ops::Range;

/// Most personal places of one frame; with more, the whole frame is sealed.
pub const PERSONAL_PLACES_MAX: usize = 64;

/// A message as it came in, before anybody judged it.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// Whose message began the exchange.
    pub direction: Direction,
    /// The text, verbatim; `None` where the transport could not deliver it.
    pub text: Option<String>,
    /// Where personal data stands in the text.
    pub personal: Personal,
    /// The message id, where one could be read.
    pub message_id: Option<String>,
    /// The action, where one could be read.
    pub action: Option<String>,
    /// When it reached us.
    pub received_at: Timestamp,
    /// Its own time stamp, as the station wrote it.
    pub station_time: Option<String>,
    /// Members that the standard does not know and that were accepted.
    pub extra_members: u32,
    /// What could not be delivered, and why.
    pub undelivered: Option<Undelivered>,
    /// What it was read in.
    pub dialect: Dialect,
    /// What it does otherwise than the standard, whether it could be understood or not.
    pub noticed: Dialect,
}

/// Where personal data stands in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Personal {
    /// At these places (byte ranges inside JSON strings, in order, apart from each other).
    Places(Vec<PersonalPlace>),
    /// Nobody can say: the text could not be read. It is sealed as a whole, under the
    /// station's own key.
    Anywhere,
}

/// One place with personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonalPlace {
    /// Bytes of the text, inside the quotes.
    pub range: Range<usize>,
    /// What stands there.
    pub kind: PersonalKind,
}

/// Kinds of personal data, by whose key seals them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PersonalKind {
    /// A token's uid (idTag, parentIdTag); the plain value, unescaped.
    IdTag(String),
    /// Free text that may name a person; sealed under the station's own key.
    FreeText,
}

/// A value and the place in the frame that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointed<T> {
    /// The value.
    pub value: T,
    /// JSON pointer (RFC 6901) into the whole frame: `/3/meterStart`.
    pub pointer: String,
    /// The JSON text there, verbatim.
    pub raw: String,
}

/// What a station says of itself when it starts up.
#[derive(Clone, Debug)]
pub struct BootReport {
    /// What is kept of it.
    pub boot: BootInformation,
    /// A second serial number of the station's: 1.6 has two members for one (section 6.5).
    pub further_serial_number: Option<String>,
    /// Whether numbers that differ in case alone are different ones in its version.
    pub has_case: bool,
}

impl From<BootInformation> for BootReport {
    fn from(boot: BootInformation) -> Self {
        Self { boot, further_serial_number: None, has_case: true }
    }
}

/// A station's message that is well-formed and means something.
#[derive(Clone, Debug)]
pub enum StationMessage {
    /// BootNotification.
    Boot(BootReport),
    /// Heartbeat.
    Heartbeat,
    /// Authorize.
    Authorize(AuthorizeReport),
    /// StatusNotification.
    Status(StatusReport),
    /// StartTransaction.
    Start(StartReport),
    /// StopTransaction.
    Stop(StopReport),
    /// MeterValues.
    Meter(MeterReport),
    /// TransactionEvent (2.x).
    Transaction(Box<TransactionReport>),
    /// Firmware, diagnostics and log statuses.
    JobStatus {
        /// Which job.
        job: Job,
        /// The station's word.
        status: String,
        /// The request it belongs to.
        request_id: Option<i32>,
    },
    /// SecurityEventNotification.
    SecurityEvent {
        /// The station's event type.
        kind: String,
        /// The station's time.
        at: Timestamp,
        /// `techInfo`.
        detail: Option<String>,
    },
    /// SignCertificate.
    SignCertificate {
        /// PEM.
        csr: String,
        /// What the certificate is for, in the station's word (2.x).
        kind: Option<String>,
        /// The station's number of its request (2.1).
        request_id: Option<i32>,
    },
    /// DataTransfer that is not taken; the verbatim frame is all that is kept.
    DataTransfer {
        /// The vendor.
        vendor_id: String,
        /// Why it is not taken.
        refused: DataRefused,
    },
    /// A message of OCPP 2.0.1 that a 1.6 station carries in a DataTransfer.
    Carried(Box<StationMessage>),
    /// The cable of a transaction is out (1.6: the OCA's ConnectorUnplugged, over DataTransfer).
    Unplugged(UnpluggedReport),
    /// ReservationStatusUpdate (2.x).
    Reservation(ReservationReport),
    /// A notification of 2.x that says how things stand at the station.
    Notice(Notice),
}

/// StatusNotification; in 2.x also a NotifyEvent of a connector's AvailabilityState.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusReport {
    /// The EVSE (2.x).
    pub evse: Option<EvseNumber>,
    /// The connector; in 1.6, 0 is the station itself.
    pub connector: ConnectorNumber,
    /// The station's word.
    pub status: String,
    /// The station's word (1.6).
    pub error_code: Option<String>,
    /// The vendor's own code.
    pub vendor_error_code: Option<String>,
    /// The station's time, where it gave one.
    pub at: Option<Timestamp>,
}

/// StartTransaction.
#[derive(Clone, Debug)]
pub struct StartReport {
    /// Where.
    pub connector: ConnectorNumber,
    /// What was presented.
    pub id_tag: String,
    /// The begin register.
    pub meter_start: Pointed<WattHours>,
    /// The station's time.
    pub started_at: Timestamp,
    /// The reservation it uses.
    pub reservation_id: Option<i32>,
}

/// StopTransaction.
#[derive(Clone, Debug)]
pub struct StopReport {
    /// The id given.
    pub transaction_id: TransactionNumber,
    /// Who stopped it.
    pub id_tag: Option<String>,
    /// The end register.
    pub meter_stop: Pointed<WattHours>,
    /// The station's time.
    pub stopped_at: Timestamp,
    /// The station's word for why.
    pub reason: Option<String>,
    /// `transactionData`.
    pub samples: Vec<SampleReport>,
}

/// MeterValues.
#[derive(Clone, Debug)]
pub struct MeterReport {
    /// The EVSE (2.x); 0 is the station's main meter.
    pub evse: Option<EvseNumber>,
    /// The connector (1.6); 0 is the station's main meter.
    pub connector: Option<ConnectorNumber>,
    /// The id given, where one was.
    pub transaction_id: Option<TransactionNumber>,
    /// The samples that mean something to us, in the message's order.
    pub samples: Vec<SampleReport>,
}

/// A sampled value; like [`MeterSample`], without the receipt's id, which is not known yet.
#[derive(Clone, Debug)]
pub struct SampleReport {
    /// The sample; its evidence's `event_id` is filled in by the desk.
    pub sample: MeterSample,
}

/// What a CALL gets: an answer, or a refusal in the standard's words.
#[derive(Clone, Debug)]
pub enum Judged {
    /// Well-formed.
    Message(StationMessage),
    /// Well-formed, and not to be answered (SEND of 2.1).
    Told(StationMessage),
    /// To be answered with a CALLERROR.
    Refused(CallErrorReply),
    /// Not to be answered.
    Unanswered(Verdict),
}

/// A CALLERROR, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallErrorReply {
    /// The code, spelt as the connection's OCPP version spells it.
    pub code: &'static str,
    /// The whole frame.
    pub frame: String,
}

/// A rendered answer: the whole frame, and where personal data stands in it.
#[derive(Clone, Debug)]
pub struct RenderedReply {
    /// The frame.
    pub frame: String,
    /// Personal places in it.
    pub personal: Vec<PersonalPlace>,
}

/// The cable of a transaction is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnpluggedReport {
    /// Which transaction.
    pub transaction_id: TransactionNumber,
    /// Since when, by the station's clock.
    pub at: Timestamp,
}
