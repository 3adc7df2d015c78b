//! What a station is asked to do, in words that no OCPP version owns.

use super::charging::ChargingProfile;
use super::transaction::TransactionLimit;
use crate::ids::{ConnectorNumber, EvseNumber, TokenId, TransactionName, TransactionNumber};
use crate::sealed::{SealedText, TextKind};
use crate::units::{Timestamp, WattHours};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// What a station is asked to do, in words that no OCPP version owns.
///
/// In the log every text that may be personal or secret is sealed; on its way to the station
/// (`Intent<String>`) it is opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
#[serde(bound(deserialize = "Text: Deserialize<'de>"))]
pub enum Intent<Text = SealedText> {
    /// Begin charging (RemoteStartTransaction, RequestStartTransaction).
    Start {
        /// Where; any connector if absent.
        connector: Option<ConnectorNumber>,
        /// For which token.
        id_tag: Text,
        /// That token, where it is known.
        token_id: Option<TokenId>,
        /// At which EVSE (2.x).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evse: Option<EvseNumber>,
        /// What kind of token it is, in OCPI's word; absent where it is not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token_type: Option<String>,
    },
    /// Begin charging that is paid for directly (RequestStartTransaction, 2.1): at a terminal that
    /// is no station's own (C24), or on a web page (C25).
    StartPaid {
        /// At which EVSE.
        evse: EvseNumber,
        /// The payment provider's reference (`pspRef`).
        reference: Text,
        /// The last four digits of the card, for the receipt.
        #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
        card_last_digits: Option<Text>,
        /// What the session may come to; the station is told when it begins.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<TransactionLimit>,
    },
    /// Begin nothing else at an EVSE, for somebody is about to pay for it on a web page
    /// (NotifyWebPaymentStarted, 2.1).
    AnnounceWebPayment {
        /// At which EVSE.
        evse: EvseNumber,
        /// How long the payment may take, in seconds.
        timeout_seconds: u32,
    },
    /// End charging (RemoteStopTransaction, RequestStopTransaction).
    Stop {
        /// Which transaction; 0 where `transaction` says it.
        transaction_id: TransactionNumber,
        /// Which transaction, in the station's own word (2.x).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        transaction: Option<TransactionName>,
    },
    /// Restart the station.
    Reset {
        /// Hard: at once; soft: ends transactions first.
        hard: bool,
        /// Only this EVSE (2.x).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evse: Option<EvseNumber>,
    },
    /// Release the cable.
    Unlock {
        /// Which connector.
        connector: ConnectorNumber,
        /// Of which EVSE (2.x).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evse: Option<EvseNumber>,
    },
    /// Take in or out of service.
    SetAvailability {
        /// Which connector; 0 is the whole station.
        connector: ConnectorNumber,
        /// In service.
        operative: bool,
        /// Of which EVSE (2.x).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evse: Option<EvseNumber>,
    },
    /// Read settings.
    GetConfiguration {
        /// Which; empty means all.
        keys: Vec<String>,
    },
    /// Change a setting.
    ChangeConfiguration {
        /// Which.
        key: String,
        /// To what; sealed, since it may be a secret.
        value: Text,
    },
    /// Ask for a message.
    Trigger {
        /// The message, in OCPP's word.
        message: String,
        /// For which connector.
        connector: Option<ConnectorNumber>,
        /// Of which EVSE (2.x).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evse: Option<EvseNumber>,
    },
    /// Keep a place for a token (ReserveNow).
    Reserve {
        /// The reservation's number at the station.
        reservation_id: i32,
        /// Which connector; the whole station if absent or 0.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        connector: Option<ConnectorNumber>,
        /// At which EVSE (2.x).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evse: Option<EvseNumber>,
        /// For which token.
        token: Text,
        /// What kind of token it is, in OCPI's word; absent where it is not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token_type: Option<String>,
        /// The group whose other tokens may use it too.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        group: Option<Text>,
        /// Until when.
        expires_at: Timestamp,
    },
    /// Give a reserved place up (CancelReservation).
    CancelReservation {
        /// The reservation's number at the station.
        reservation_id: i32,
    },
    /// Forget the tokens that the station remembers (ClearCache).
    ClearCache,
    /// Send a list of tokens for offline use (SendLocalList).
    SendLocalList {
        /// The list's version afterwards.
        version: i32,
        /// Whether it replaces the list, or only changes the tokens that it names.
        replace: bool,
        /// The tokens; with `replace` and none, the list is emptied.
        tokens: Vec<LocalToken<Text>>,
    },
    /// Ask which version of the list of tokens the station has (GetLocalListVersion).
    GetLocalListVersion,
    /// Limit what is drawn (SetChargingProfile with one period).
    SetChargingLimit {
        /// The profile's number at the station.
        profile_id: i32,
        /// Which connector; the whole station if absent or 0.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        connector: Option<ConnectorNumber>,
        /// At which EVSE (2.x).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evse: Option<EvseNumber>,
        /// How much, in the unit.
        limit: Decimal,
        /// The unit of the limit.
        unit: LimitUnit,
        /// How many phases may be used.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        phases: Option<u8>,
        /// From when on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        starts_at: Option<Timestamp>,
        /// For how long, in seconds; until it is cleared if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        duration_seconds: Option<u32>,
        /// Which of several limits holds: the highest; 0 if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        level: Option<u16>,
    },
    /// Charge a transaction by a profile (SetChargingProfile, 2.x).
    SetChargingProfile {
        /// At which EVSE.
        evse: EvseNumber,
        /// The profile.
        profile: Box<ChargingProfile>,
    },
    /// Say in which ways energy may flow in a transaction (NotifyAllowedEnergyTransfer, 2.1).
    AllowEnergyTransfer {
        /// Which transaction.
        transaction: TransactionName,
        /// The ways, in OCPP's words.
        modes: Vec<String>,
    },
    /// Lift limits (ClearChargingProfile).
    ClearChargingLimit {
        /// The profile's number; all if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        profile_id: Option<i32>,
        /// At which connector; everywhere if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        connector: Option<ConnectorNumber>,
        /// At which EVSE (2.x).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evse: Option<EvseNumber>,
    },
    /// Ask what may be drawn in the next time (GetCompositeSchedule).
    GetCompositeSchedule {
        /// At which connector; the whole station if absent or 0.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        connector: Option<ConnectorNumber>,
        /// At which EVSE (2.x).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evse: Option<EvseNumber>,
        /// For how long from now on, in seconds.
        duration_seconds: u32,
        /// In which unit; the station's choice if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unit: Option<LimitUnit>,
    },
    /// Change the firmware (UpdateFirmware, SignedUpdateFirmware).
    UpdateFirmware {
        /// Where it is fetched: a URI, sealed since it may hold a password.
        location: Text,
        /// When it is fetched at the earliest.
        retrieve_at: Timestamp,
        /// When it is installed at the earliest.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        install_at: Option<Timestamp>,
        /// The certificate that it was signed with: PEM. With `signature` it is a signed update.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signing_certificate: Option<String>,
        /// The signature: base64.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signature: Option<String>,
    },
    /// Have a log uploaded (GetLog; GetDiagnostics for diagnostics of 1.6).
    GetLog {
        /// Which.
        log: LogKind,
        /// Where to: a URI, sealed since it may hold a password.
        location: Text,
        /// From when on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<Timestamp>,
        /// Until when.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// Show a text at the station (SetDisplayMessage, 2.x).
    ShowMessage {
        /// The message's number at the station.
        message_id: i32,
        /// The text.
        text: Text,
        /// Its language (RFC 5646).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        language: Option<String>,
        /// How it is shown among others.
        priority: MessagePriority,
        /// Until when.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// Take a text off the display (ClearDisplayMessage, 2.x).
    RemoveMessage {
        /// The message's number at the station.
        message_id: i32,
    },
    /// Ask which texts are shown (GetDisplayMessages, 2.x).
    ListMessages,
    /// Show a driver what charging costs, before it begins (1.6: the OCA's SetUserPrice, over
    /// DataTransfer; in 2.x the answer to Authorize says it).
    ShowPrice {
        /// Whose driver.
        token: Text,
        /// The prices.
        text: String,
    },
    /// Show a driver what a session costs (CostUpdated; 1.6: the OCA's RunningCost and FinalCost,
    /// over DataTransfer).
    ShowCost {
        /// Which transaction; 0 where `transaction` says it.
        transaction_id: TransactionNumber,
        /// Which transaction, in the station's own word (2.x).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        transaction: Option<TransactionName>,
        /// What it costs, including taxes, in its tariff's currency.
        cost: Decimal,
        /// What it rests on, as long as the session goes on; absent: it is the final cost.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        so_far: Option<CostSoFarShown>,
        /// The prices, in words; beside a final cost.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// Trust a root certificate (InstallCertificate).
    InstallCertificate {
        /// For what, in the word of the station's OCPP version.
        purpose: String,
        /// PEM.
        certificate: String,
    },
    /// Take the certificate that the station asked for (CertificateSigned).
    DeliverCertificate {
        /// PEM: the station's certificate, and those of its issuers but the root.
        certificate_chain: String,
        /// What it is for, in the station's word (2.x); its own one if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kind: Option<String>,
        /// The station's number of its request (2.1).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request_id: Option<i32>,
    },
    /// Stop trusting a certificate (DeleteCertificate).
    DeleteCertificate {
        /// The hash in the next two: `SHA256`, `SHA384`, `SHA512`.
        hash_algorithm: String,
        /// Hash of the issuer's name.
        issuer_name_hash: String,
        /// Hash of the issuer's key.
        issuer_key_hash: String,
        /// Its serial number, hexadecimal.
        serial_number: String,
        /// For what it is trusted, in the word of the station's OCPP version, where that says how
        /// it is asked for: what 1.6 itself does not know is (`V2GRootCertificate`, …).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        purpose: Option<String>,
    },
    /// Ask which certificates are trusted (GetInstalledCertificateIds).
    ListCertificates {
        /// For what, in the word of the station's OCPP version; 2.x: for everything if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        purpose: Option<String>,
    },
    /// Send what only the vendor understands (DataTransfer).
    DataTransfer {
        /// The vendor.
        vendor_id: String,
        /// Which of the vendor's messages.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message_id: Option<String>,
        /// Its content.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        data: Option<Text>,
    },
    /// A request in the very words of the version that the station spoke when it was asked for.
    Exact {
        /// That version, by its WebSocket sub-protocol: `ocpp2.0.1`.
        protocol: String,
        /// The action, in that version's word.
        action: String,
        /// The payload as JSON, checked and in the order of the version's schema; what may be
        /// personal or secret in it is sealed.
        payload: Text,
    },
}

/// A token in a list for offline use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "Text: Deserialize<'de>"))]
pub struct LocalToken<Text = SealedText> {
    /// Its uid.
    pub token: Text,
    /// What kind of token it is, in OCPI's word; absent where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_type: Option<String>,
    /// Whether it may charge; absent takes it off the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<bool>,
    /// Its group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Text>,
    /// Until when that holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// What a charging limit is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitUnit {
    /// Watts, all phases together.
    Watts,
    /// Amperes per phase.
    Amperes,
}

/// Which log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogKind {
    /// What helps to find faults.
    Diagnostics,
    /// What the station noted about security.
    Security,
}

/// How a text is shown among others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessagePriority {
    /// Always, before all others.
    AlwaysFront,
    /// Before the others of the cycle.
    InFront,
    /// In turn with the others.
    NormalCycle,
}

/// What a cost on the way rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CostSoFarShown {
    /// When it was that.
    pub at: Timestamp,
    /// The import register then.
    pub register_wh: WattHours,
    /// Whether no energy flows.
    pub is_idle: bool,
    /// Price of a kWh, including taxes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_per_kwh: Option<Decimal>,
    /// Price of an hour of charging, including taxes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_per_hour: Option<Decimal>,
    /// The fee for the session, including taxes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee: Option<Decimal>,
    /// Price of an hour without energy, including taxes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_per_idle_hour: Option<Decimal>,
}

impl<Text> Intent<Text> {
    /// The same intent with its texts changed, in their order.
    pub fn map<Other>(self, change: &mut impl FnMut(TextKind, Text) -> Other) -> Intent<Other> {
        use TextKind::{Other as AnyText, Token};
        match self {
            Self::Start { connector, id_tag, token_id, evse, token_type } => {
                let id_tag = change(Token, id_tag);
                Intent::Start { connector, id_tag, token_id, evse, token_type }
            }
            Self::StartPaid { evse, reference, card_last_digits, limit } => Intent::StartPaid {
                evse,
                reference: change(Token, reference),
                card_last_digits: card_last_digits.map(|digits| change(AnyText, digits)),
                limit,
            },
            Self::AnnounceWebPayment { evse, timeout_seconds } => {
                Intent::AnnounceWebPayment { evse, timeout_seconds }
            }
            Self::Stop { transaction_id, transaction } => {
                Intent::Stop { transaction_id, transaction }
            }
            Self::Reset { hard, evse } => Intent::Reset { hard, evse },
            Self::Unlock { connector, evse } => Intent::Unlock { connector, evse },
            Self::SetAvailability { connector, operative, evse } => {
                Intent::SetAvailability { connector, operative, evse }
            }
            Self::GetConfiguration { keys } => Intent::GetConfiguration { keys },
            Self::ChangeConfiguration { key, value } => {
                Intent::ChangeConfiguration { key, value: change(AnyText, value) }
            }
            Self::Trigger { message, connector, evse } => {
                Intent::Trigger { message, connector, evse }
            }
            Self::Reserve {
                reservation_id,
                connector,
                evse,
                token,
                token_type,
                group,
                expires_at,
            } => Intent::Reserve {
                reservation_id,
                connector,
                evse,
                token: change(Token, token),
                token_type,
                group: group.map(|group| change(Token, group)),
                expires_at,
            },
            Self::CancelReservation { reservation_id } => {
                Intent::CancelReservation { reservation_id }
            }
            Self::ClearCache => Intent::ClearCache,
            Self::SendLocalList { version, replace, tokens } => Intent::SendLocalList {
                version,
                replace,
                tokens: tokens.into_iter().map(|token| token.map(change)).collect(),
            },
            Self::GetLocalListVersion => Intent::GetLocalListVersion,
            Self::SetChargingLimit {
                profile_id,
                connector,
                evse,
                limit,
                unit,
                phases,
                starts_at,
                duration_seconds,
                level,
            } => Intent::SetChargingLimit {
                profile_id,
                connector,
                evse,
                limit,
                unit,
                phases,
                starts_at,
                duration_seconds,
                level,
            },
            Self::SetChargingProfile { evse, profile } => {
                Intent::SetChargingProfile { evse, profile }
            }
            Self::AllowEnergyTransfer { transaction, modes } => {
                Intent::AllowEnergyTransfer { transaction, modes }
            }
            Self::ClearChargingLimit { profile_id, connector, evse } => {
                Intent::ClearChargingLimit { profile_id, connector, evse }
            }
            Self::GetCompositeSchedule { connector, evse, duration_seconds, unit } => {
                Intent::GetCompositeSchedule { connector, evse, duration_seconds, unit }
            }
            Self::UpdateFirmware {
                location,
                retrieve_at,
                install_at,
                signing_certificate,
                signature,
            } => Intent::UpdateFirmware {
                location: change(AnyText, location),
                retrieve_at,
                install_at,
                signing_certificate,
                signature,
            },
            Self::GetLog { log, location, from, until } => {
                Intent::GetLog { log, location: change(AnyText, location), from, until }
            }
            Self::ShowMessage { message_id, text, language, priority, until } => {
                let text = change(AnyText, text);
                Intent::ShowMessage { message_id, text, language, priority, until }
            }
            Self::RemoveMessage { message_id } => Intent::RemoveMessage { message_id },
            Self::ListMessages => Intent::ListMessages,
            Self::ShowPrice { token, text } => {
                Intent::ShowPrice { token: change(Token, token), text }
            }
            Self::ShowCost { transaction_id, transaction, cost, so_far, text } => {
                Intent::ShowCost { transaction_id, transaction, cost, so_far, text }
            }
            Self::InstallCertificate { purpose, certificate } => {
                Intent::InstallCertificate { purpose, certificate }
            }
            Self::DeliverCertificate { certificate_chain, kind, request_id } => {
                Intent::DeliverCertificate { certificate_chain, kind, request_id }
            }
            Self::DeleteCertificate {
                hash_algorithm,
                issuer_name_hash,
                issuer_key_hash,
                serial_number,
                purpose,
            } => Intent::DeleteCertificate {
                hash_algorithm,
                issuer_name_hash,
                issuer_key_hash,
                serial_number,
                purpose,
            },
            Self::ListCertificates { purpose } => Intent::ListCertificates { purpose },
            Self::DataTransfer { vendor_id, message_id, data } => {
                let data = data.map(|data| change(AnyText, data));
                Intent::DataTransfer { vendor_id, message_id, data }
            }
            Self::Exact { protocol, action, payload } => {
                Intent::Exact { protocol, action, payload: change(AnyText, payload) }
            }
        }
    }
}

impl<Text> LocalToken<Text> {
    fn map<Other>(self, change: &mut impl FnMut(TextKind, Text) -> Other) -> LocalToken<Other> {
        LocalToken {
            token: change(TextKind::Token, self.token),
            token_type: self.token_type,
            allowed: self.allowed,
            group: self.group.map(|group| change(TextKind::Token, group)),
            expires_at: self.expires_at,
        }
    }
}
