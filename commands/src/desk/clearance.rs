//! What a station may be sent and may send, by what its last BootNotification was answered, and
//! what we ask of our own accord (OCPP 1.6 section 4.2, 2.0.1 and 2.1 use cases B01 to B03).
//!
//! Acceptance is durable: it is a fold of the log, so after a mere reconnect, or a restart of
//! ours, commands work at once.

use super::{DeskError, StationDesk};
use chargebook_domain::events::v1::{Intent, Registration, StationSettings};

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clearance {
    /// It was accepted: everything.
    Everything,
    /// It waits for its acceptance: everything but starting and stopping transactions.
    NoTransactions,
    /// It has never booted here: only the request to do so.
    Boot,
    /// It was rejected, or is not the one that its certificate names: nothing.
    Nothing,
}

/// The message that a station is registered with.
const BOOT: &str = "BootNotification";

/// What asks a station for a message, in the words of every version.
const TRIGGERS: &[&str] = &["ExtendedTriggerMessage", "TriggerMessage"];

/// Actions that are remembered as asked for, of one connection; more than can be triggered.
const ASKED_FOR_MAX: usize = 32;

/// What starts and stops transactions, in the words of every version.
const ABOUT_TRANSACTIONS: &[&str] = &[
    "RemoteStartTransaction",
    "RemoteStopTransaction",
    "RequestStartTransaction",
    "RequestStopTransaction",
];

impl Clearance {
    /// Whether an intent may be sent.
    pub fn covers(self, intent: &Intent) -> bool {
        match self {
            Self::Everything => true,
            Self::NoTransactions => !is_about_transactions(intent),
            Self::Boot => {
                matches!(intent, Intent::Trigger { message, .. } if message == BOOT)
                    || is_exact_trigger_of_boot(intent)
            }
            Self::Nothing => false,
        }
    }
}

/// Whether an intent starts or stops a transaction; each one is named, so that none is forgotten.
fn is_about_transactions(intent: &Intent) -> bool {
    match intent {
        Intent::Start { .. } | Intent::StartPaid { .. } | Intent::Stop { .. } => true,
        Intent::Exact { action, .. } => ABOUT_TRANSACTIONS.contains(&action.as_str()),
        Intent::AnnounceWebPayment { .. }
        | Intent::Reset { .. }
        | Intent::Unlock { .. }
        | Intent::SetAvailability { .. }
        | Intent::GetConfiguration { .. }
        | Intent::ChangeConfiguration { .. }
        | Intent::Trigger { .. }
        | Intent::Reserve { .. }
        | Intent::CancelReservation { .. }
        | Intent::ClearCache
        | Intent::SendLocalList { .. }
        | Intent::GetLocalListVersion
        | Intent::SetChargingLimit { .. }
        | Intent::SetChargingProfile { .. }
        | Intent::AllowEnergyTransfer { .. }
        | Intent::ClearChargingLimit { .. }
        | Intent::GetCompositeSchedule { .. }
        | Intent::UpdateFirmware { .. }
        | Intent::GetLog { .. }
        | Intent::ShowMessage { .. }
        | Intent::RemoveMessage { .. }
        | Intent::ListMessages
        | Intent::ShowPrice { .. }
        | Intent::ShowCost { .. }
        | Intent::InstallCertificate { .. }
        | Intent::DeliverCertificate { .. }
        | Intent::DeleteCertificate { .. }
        | Intent::ListCertificates { .. }
        | Intent::DataTransfer { .. } => false,
    }
}

/// Whether an intent asks for a boot in OCPP's words; no part of it is personal.
fn is_exact_trigger_of_boot(intent: &Intent) -> bool {
    let Intent::Exact { action, payload, .. } = intent else { return false };
    if !TRIGGERS.contains(&action.as_str()) {
        return false;
    }
    let payload: Result<serde_json::Value, _> = serde_json::from_str(&payload.redacted());
    payload.is_ok_and(|payload| payload["requestedMessage"] == BOOT)
}

impl StationDesk {
    /// What the station may be sent now.
    pub fn clearance(&self) -> Clearance {
        if self.is_refuted() {
            return Clearance::Nothing;
        }
        match (self.state.unaccepted, self.state.accepted) {
            (Some(Registration::Rejected), _) => Clearance::Nothing,
            (Some(_), _) => Clearance::NoTransactions,
            (None, true) => Clearance::Everything,
            (None, false) => Clearance::Boot,
        }
    }

    /// Whether a station that was told to wait, or is not wanted, may send this action (2.0.1 and
    /// 2.1: B01.FR.10, B02.FR.09, B03.FR.07): it may boot, and while it waits say what it was
    /// asked for over this connection, or [by a number](Self::is_part_of_a_report). One that was
    /// never answered a boot is not meant: after a reconnect none is due.
    pub fn may_send(&self, action: &str) -> bool {
        match self.clearance() {
            Clearance::Everything | Clearance::Boot => true,
            Clearance::NoTransactions => action == BOOT || self.asked_for.contains(action),
            Clearance::Nothing => action == BOOT,
        }
    }

    /// It has agreed to send this action, which it may even while it waits for its acceptance.
    pub(super) fn has_agreed_to_send(&mut self, action: &str) {
        if self.asked_for.len() < ASKED_FOR_MAX {
            self.asked_for.insert(action.to_owned());
        }
    }

    pub(super) fn may_be_sent(&self, intent: &Intent) -> bool {
        self.clearance().covers(intent)
    }

    /// How the station is treated, as of now; its dialect is its own and its model's.
    ///
    /// # Errors
    /// The log.
    pub async fn settings(&mut self) -> Result<StationSettings, DeskError> {
        self.follow_other_desks().await?;
        Ok(self.chargebook.registry().settings_of(&self.state).await?)
    }

    /// Whether the station was never seen booting, and may be asked to.
    pub fn misses_boot(&self) -> bool {
        self.clearance() == Clearance::Boot && !self.state.settings.quiet
    }

    /// Asks the station to send a BootNotification.
    ///
    /// # Errors
    /// The log, or too many open commands.
    pub async fn ask_for_boot(&self) -> Result<(), DeskError> {
        Ok(self.chargebook.ask_for_boot(self.state.identity.as_str()).await?)
    }
}
