//! Notifications of 2.x stations that say how things stand: kept verbatim in the exchange, with
//! what finds them again.

use super::StatusReport;
use super::certificate::{CertificateQuestion, ChainQuestion, ContractRequest};
use super::energy::EnergyNews;
use super::monitoring::MonitoringNews;
use chargebook_domain::events::v1::{
    ChargingNeeds, ChargingProfile, ChargingSchedule, Job, ReportTopic, ReportedEvent,
    ReportedVariable, TerminalPayment,
};
use chargebook_domain::ids::{EvseNumber, TransactionName};
use chargebook_domain::units::Timestamp;

/// A notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What it is about.
    pub subject: NoticeSubject,
    /// The request of ours that it belongs to (`requestId`).
    pub request_id: Option<i32>,
    /// Which part of a whole it is, where the whole comes in parts.
    pub part: Option<NoticePart>,
    /// The EVSE.
    pub evse: Option<EvseNumber>,
    /// The transaction.
    pub transaction_id: Option<TransactionName>,
    /// The station's word for how it stands, where the message is about that.
    pub status: Option<String>,
    /// The station's time (`generatedAt`, `timestamp`).
    pub at: Option<Timestamp>,
    /// What it says beside all that.
    pub content: NoticeContent,
}

/// What a notification says beside what finds it again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NoticeContent {
    /// What only the exchange holds.
    #[default]
    Verbatim,
    /// What happened to components (NotifyEvent).
    Events {
        /// What happened, but for what connectors are now.
        reported: Vec<ReportedEvent<String>>,
        /// What connectors are now, told as events of theirs (G01).
        statuses: Vec<StatusReport>,
    },
    /// Charging profiles that are kept (ReportChargingProfiles).
    ChargingProfiles {
        /// Who set them.
        source: String,
        /// The profiles.
        profiles: Vec<ChargingProfile>,
    },
    /// A limit from outside (NotifyChargingLimit).
    ChargingLimit {
        /// Who set it.
        source: String,
        /// Whether the grid is in danger.
        is_grid_critical: Option<bool>,
        /// What it allows.
        schedules: Vec<ChargingSchedule>,
    },
    /// Such a limit is over (ClearedChargingLimit).
    ChargingLimitOver {
        /// Who had set it.
        source: String,
    },
    /// What a vehicle needs (NotifyEVChargingNeeds).
    ChargingNeeds(Box<ChargingNeeds>),
    /// How a vehicle means to charge (NotifyEVChargingSchedule).
    VehicleSchedule {
        /// What its periods count from.
        time_base: Timestamp,
        /// How it means to charge.
        schedule: Box<ChargingSchedule>,
    },
    /// The newest of a dynamic charging profile is wanted (PullDynamicScheduleUpdate).
    DynamicScheduleWanted {
        /// The profile's number.
        profile_id: i64,
    },
    /// A transaction is charged before others, or is not any more (NotifyPriorityCharging).
    PriorityCharging {
        /// Whether it is.
        is_active: bool,
    },
    /// Variables of the device model (NotifyReport).
    Variables(Vec<ReportedVariable<String>>),
    /// Whether a certificate counts (GetCertificateStatus).
    CertificateStatus(CertificateQuestion),
    /// Whether the certificates of a chain count (GetCertificateChainStatus).
    CertificateChain(Vec<ChainQuestion>),
    /// A vehicle's wish for contracts (Get15118EVCertificate).
    ContractRequest(Box<ContractRequest>),
    /// Of its service to the grid, and of batteries (2.1).
    Energy(EnergyNews),
    /// What it watches (NotifyMonitoringReport, the streams of 2.1).
    Monitoring(MonitoringNews),
    /// A payment at the station's terminal (NotifySettlement).
    Payment(TerminalPayment<String>),
    /// A VAT identification number that somebody wants on the receipt (VatNumberValidation).
    VatNumber(String),
}

impl Notice {
    /// A subject, and nothing more.
    pub fn about(subject: NoticeSubject) -> Self {
        Self {
            subject,
            request_id: None,
            part: None,
            evse: None,
            transaction_id: None,
            status: None,
            at: None,
            content: NoticeContent::Verbatim,
        }
    }
}

impl NoticeSubject {
    /// What it reports on, where it does so on a request of ours.
    pub fn topic(self) -> Option<ReportTopic> {
        match self {
            Self::BatterySwap => Some(ReportTopic::BatterySwap),
            Self::NotifyCustomerInformation => Some(ReportTopic::CustomerInformation),
            Self::NotifyDisplayMessages => Some(ReportTopic::DisplayMessages),
            Self::NotifyMonitoringReport => Some(ReportTopic::Monitors),
            Self::NotifyReport => Some(ReportTopic::DeviceModel),
            Self::PublishFirmwareStatusNotification => Some(ReportTopic::FirmwarePublication),
            Self::ReportChargingProfiles => Some(ReportTopic::ChargingProfiles),
            Self::ReportDERControl => Some(ReportTopic::DerControls),
            _ => None,
        }
    }
}

/// What the statuses of a job report on.
pub(crate) fn topic_of_job(job: Job) -> ReportTopic {
    match job {
        Job::Diagnostics => ReportTopic::Diagnostics,
        Job::Firmware | Job::SignedFirmware => ReportTopic::Firmware,
        Job::Log => ReportTopic::Log,
    }
}

/// A part of a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoticePart {
    /// Its number (`seqNo`), from 0; `None` where the action does not count its parts.
    pub sequence: Option<u32>,
    /// Whether more follow (`tbc`).
    pub to_be_continued: bool,
}

macro_rules! subjects {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What a notification is about: one word per action.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum NoticeSubject {
            $($(#[$doc])* $name,)*
        }

        impl NoticeSubject {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The action, as both 2.x texts spell it.
            pub fn action(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }
        }
    };
}

subjects! {
    /// Batteries were put in or taken out (2.1).
    BatterySwap,
    /// A limit from outside is over.
    ClearedChargingLimit,
    /// A stream of periodic values ends (2.1).
    ClosePeriodicEventStream,
    /// A vehicle asks for a contract certificate.
    Get15118EVCertificate,
    /// A station asks for the status of a chain of certificates (2.1).
    GetCertificateChainStatus,
    /// A station asks for the status of a certificate.
    GetCertificateStatus,
    /// A limit from outside holds.
    NotifyChargingLimit,
    /// Customer information that we asked for.
    NotifyCustomerInformation,
    /// An alarm of the grid (2.1).
    NotifyDERAlarm,
    /// A grid control began or ended (2.1).
    NotifyDERStartStop,
    /// The messages on its display.
    NotifyDisplayMessages,
    /// What a vehicle needs to be charged with.
    NotifyEVChargingNeeds,
    /// How a vehicle means to charge.
    NotifyEVChargingSchedule,
    /// Something happened to a component.
    NotifyEvent,
    /// The monitors that are set.
    NotifyMonitoringReport,
    /// Values of a stream (2.1); never answered.
    NotifyPeriodicEventStream,
    /// Priority charging began or ended (2.1).
    NotifyPriorityCharging,
    /// The device model.
    NotifyReport,
    /// A payment terminal settled a payment (2.1).
    NotifySettlement,
    /// A stream of periodic values begins (2.1).
    OpenPeriodicEventStream,
    /// How far publishing a firmware is.
    PublishFirmwareStatusNotification,
    /// A station asks for the newest of a schedule (2.1).
    PullDynamicScheduleUpdate,
    /// The charging profiles that are installed.
    ReportChargingProfiles,
    /// The grid controls that are set (2.1).
    ReportDERControl,
    /// A payment terminal asks whether a VAT number holds (2.1).
    VatNumberValidation,
}
