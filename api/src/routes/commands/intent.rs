//! From a request's body to an intent: what is missing or out of bounds is pointed at, and what
//! may be personal or secret is sealed before it goes any further.

use super::exact::ExactRequest;
use crate::problem::Problem;
use crate::state::ApiState;
use chargebook_commands::StationState;
use chargebook_domain::events::v1::Intent;
use chargebook_domain::ids::{
    ConnectorNumber, EvseNumber, SessionId, SubjectId, TransactionId, TransactionName,
    TransactionNumber,
};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// Greatest number of a connector: OCPP writes it as a signed integer of 32 bits.
const CONNECTOR_MAX: u32 = i32::MAX as u32;
/// Longest uid of a token, in characters.
const TOKEN_CHARACTERS_MAX: usize = 36;
/// Longest name of a message, or of a setting of OCPP 1.6, in characters.
const NAME_CHARACTERS_MAX: usize = 50;
/// Longest `Component/instance.Variable/instance` of OCPP 2.x, in characters: four names.
const SETTING_CHARACTERS_MAX: usize = 4 * NAME_CHARACTERS_MAX + 3;
/// Longest value of a setting, in characters.
const VALUE_CHARACTERS_MAX: usize = 500;
/// Most settings that are asked for at once.
const KEYS_MAX: usize = 100;

/// What a station is asked to do. `verb` says what; which other members it needs or takes is
/// said at each. Instead of `verb`, `action` and `payload` may give an OCPP 1.6 request in its
/// own words.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCommand {
    /// What it is to do.
    pub(super) verb: Option<Verb>,
    /// `unlock`: which connector. `start`: where; any if absent. `trigger`: for which; all if
    /// absent. `set_availability`: which; if absent or 0, all of `evse`, or the whole station.
    pub(super) connector: Option<u32>,
    /// `start`, `unlock`, `set_availability`, `reset`, `trigger`: at which EVSE of a 2.x station;
    /// `connector` is then the connector there. Without it, `connector` is the EVSE.
    pub(super) evse: Option<u32>,
    /// `start`: for which token (`token` and `id_tag` mean the same).
    #[serde(alias = "id_tag")]
    #[schema(example = "04A1B2C3")]
    pub(super) token: Option<String>,
    /// `stop`: which transaction; this or `session`.
    pub(super) transaction_id: Option<i32>,
    /// `stop`: which transaction of a 2.x station, in its own word.
    pub(super) transaction: Option<String>,
    /// `stop`: which session; this or `transaction_id`.
    pub(super) session: Option<Uuid>,
    /// `reset`: at once (`true`), or after ending transactions (`false`, if absent).
    pub(super) hard: Option<bool>,
    /// `reset`: `hard` or `soft`; the same in a word.
    #[serde(rename = "type")]
    pub(super) kind: Option<ResetKind>,
    /// `set_availability`: whether it is in service.
    pub(super) operative: Option<bool>,
    /// `get_configuration`: which settings; all if absent or empty.
    pub(super) keys: Option<Vec<String>>,
    /// `change_configuration`: which setting.
    pub(super) key: Option<String>,
    /// `change_configuration`: to what. It is sealed, since it may be a secret.
    pub(super) value: Option<String>,
    /// `trigger`: which message, in OCPP's word.
    #[schema(example = "StatusNotification")]
    pub(super) message: Option<String>,
    /// An OCPP 1.6 action, instead of `verb`: `RemoteStartTransaction`, `RemoteStopTransaction`,
    /// `Reset`, `UnlockConnector`, `ChangeAvailability`, `GetConfiguration`,
    /// `ChangeConfiguration`, `TriggerMessage`.
    #[schema(example = "UnlockConnector")]
    pub(super) action: Option<String>,
    /// The payload of `action`, exactly as OCPP 1.6 has it.
    #[schema(value_type = Option<Object>)]
    pub(super) payload: Option<ExactRequest>,
    /// How the members are called where the request is in OCPP's words.
    #[serde(skip)]
    pub(super) spelling: Spelling,
}

/// What a station can be asked for. The members of those from `reserve` on are the members of
/// that intent in `docs/events.md`; texts are given in plain and sealed before they are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verb {
    /// Begin charging.
    Start,
    /// End charging.
    Stop,
    /// Restart.
    Reset,
    /// Release the cable.
    Unlock,
    /// Take in or out of service.
    SetAvailability,
    /// Read settings.
    GetConfiguration,
    /// Change a setting.
    ChangeConfiguration,
    /// Send a message.
    Trigger,
    /// Begin charging that is paid for directly, at a terminal that is no station's own or on a web
    /// page (OCPP 2.1): `reference` is the payment provider's, `limit` what was authorized.
    StartPaid,
    /// Begin nothing else at an EVSE, for somebody is about to pay for it on a web page (2.1).
    AnnounceWebPayment,
    /// Keep a place for a token; `reservation_id` is made up if absent.
    Reserve,
    /// Give a reserved place up.
    CancelReservation,
    /// Forget the tokens that the station remembers.
    ClearCache,
    /// Take a list of tokens for offline use.
    SendLocalList,
    /// Say which version of that list it has.
    GetLocalListVersion,
    /// Limit what is drawn; from now on if `starts_at` is absent, `profile_id` is made up.
    SetChargingLimit,
    /// Lift limits.
    ClearChargingLimit,
    /// Say what may be drawn in the next time.
    GetCompositeSchedule,
    /// Change the firmware; at once if `retrieve_at` is absent.
    UpdateFirmware,
    /// Upload a log.
    GetLog,
    /// Show a text; `message_id` is made up if absent, `priority` is `normal_cycle`.
    ShowMessage,
    /// Take a text off the display.
    RemoveMessage,
    /// Say which texts are shown.
    ListMessages,
    /// Trust a root certificate.
    InstallCertificate,
    /// Stop trusting a certificate.
    DeleteCertificate,
    /// Say which certificates are trusted.
    ListCertificates,
    /// Take what only the vendor understands.
    DataTransfer,
}

impl Verb {
    /// Whether its members are the intent's own.
    pub(super) fn is_further(self) -> bool {
        !matches!(
            self,
            Self::Start
                | Self::Stop
                | Self::Reset
                | Self::Unlock
                | Self::SetAvailability
                | Self::GetConfiguration
                | Self::ChangeConfiguration
                | Self::Trigger
        )
    }
}

/// How a station restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ResetKind {
    /// At once.
    #[serde(alias = "Hard")]
    Hard,
    /// After ending transactions.
    #[serde(alias = "Soft")]
    Soft,
}

/// Whose names the members have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Spelling {
    /// This API's.
    #[default]
    Ours,
    /// OCPP 1.6's, inside `payload`.
    Exact,
}

impl Spelling {
    fn pointer(self, member: &str) -> String {
        let exact = match member {
            "connector" => "connectorId",
            "token" => "idTag",
            "transaction_id" => "transactionId",
            "operative" => "type",
            "keys" => "key",
            "message" => "requestedMessage",
            same => same,
        };
        match self {
            Self::Ours => format!("/{member}"),
            Self::Exact => format!("/payload/{exact}"),
        }
    }
}

impl NewCommand {
    /// The intent for a station.
    pub(super) async fn intent(
        mut self,
        state: &ApiState,
        station: &StationState,
    ) -> Result<Intent, Problem> {
        if let Some(action) = self.action.take() {
            if self.verb.is_some() {
                return Err(Problem::invalid("/action", "`verb` or `action`, not both"));
            }
            let payload = self.payload.take().unwrap_or_default();
            self = payload.in_our_words(&action)?;
        }
        let verb = self.verb.ok_or_else(|| Problem::invalid("/verb", "this member is missing"))?;
        match verb {
            Verb::Start => self.start(state).await,
            Verb::Stop => self.stop(state, station).await,
            Verb::Reset => {
                let hard = self.hard.or(self.kind.map(|kind| kind == ResetKind::Hard));
                Ok(Intent::Reset { hard: hard.unwrap_or(false), evse: self.evse()? })
            }
            Verb::Unlock => {
                let connector = self.connector(1)?.ok_or_else(|| self.missing("connector"))?;
                Ok(Intent::Unlock { connector, evse: self.evse()? })
            }
            Verb::SetAvailability => Ok(Intent::SetAvailability {
                connector: self.connector(0)?.unwrap_or(ConnectorNumber(0)),
                operative: self.operative.ok_or_else(|| self.missing("operative"))?,
                evse: self.evse()?,
            }),
            Verb::GetConfiguration => self.get_configuration(),
            Verb::ChangeConfiguration => self.change_configuration(state, station).await,
            Verb::Trigger => Ok(Intent::Trigger {
                message: self.text("message", self.message.as_ref(), NAME_CHARACTERS_MAX)?,
                connector: self.connector(1)?,
                evse: self.evse()?,
            }),
            _ => Err(Problem::invalid("/verb", "not a verb that is read here")),
        }
    }

    async fn start(&self, state: &ApiState) -> Result<Intent, Problem> {
        let uid = self.text("token", self.token.as_ref(), TOKEN_CHARACTERS_MAX)?;
        let uid = uid.trim();
        let connector = self.connector(1)?;
        let token = state.chargebook.registry().token(uid).await?;
        Ok(Intent::Start {
            connector,
            id_tag: state.chargebook.personal().seal_uid(uid).await?,
            token_id: token.as_ref().map(|token| token.token_id),
            evse: self.evse()?,
            token_type: token.map(|token| token.kind.clone()),
        })
    }

    async fn stop(&self, state: &ApiState, station: &StationState) -> Result<Intent, Problem> {
        if let Some(name) = &self.transaction {
            let name = TransactionName::parse(name)
                .map_err(|error| Problem::invalid("/transaction", error.to_string()))?;
            let transaction_id = TransactionNumber(0);
            return Ok(Intent::Stop { transaction_id, transaction: Some(name) });
        }
        if let Some(transaction_id) = self.transaction_id {
            let transaction_id = TransactionNumber(transaction_id);
            return Ok(Intent::Stop { transaction_id, transaction: None });
        }
        let session = self.session.ok_or_else(|| self.missing("transaction_id"))?;
        let session = SessionId(session);
        let row = state.found(|| state.read_models.session(session)).await?;
        let row = row.filter(|row| row.station_id == station.station_id);
        let row = row.ok_or_else(|| Problem::invalid("/session", "no session of this station"))?;
        Ok(match row.transaction_id {
            TransactionId::Number(transaction_id) => {
                Intent::Stop { transaction_id, transaction: None }
            }
            TransactionId::Name(name) => {
                Intent::Stop { transaction_id: TransactionNumber(0), transaction: Some(name) }
            }
        })
    }

    fn get_configuration(&self) -> Result<Intent, Problem> {
        let keys = self.keys.as_deref().unwrap_or_default();
        if keys.len() > KEYS_MAX {
            let detail = format!("at most {KEYS_MAX} settings at once");
            return Err(Problem::invalid(self.spelling.pointer("keys"), detail));
        }
        let checked = keys.iter().enumerate().map(|(index, key)| {
            self.text(&format!("keys/{index}"), Some(key), SETTING_CHARACTERS_MAX)
        });
        Ok(Intent::GetConfiguration { keys: checked.collect::<Result<_, _>>()? })
    }

    async fn change_configuration(
        &self,
        state: &ApiState,
        station: &StationState,
    ) -> Result<Intent, Problem> {
        let key = self.text("key", self.key.as_ref(), SETTING_CHARACTERS_MAX)?;
        let value = self.value.as_deref().ok_or_else(|| self.missing("value"))?;
        if value.chars().count() > VALUE_CHARACTERS_MAX {
            let detail = format!("at most {VALUE_CHARACTERS_MAX} characters");
            return Err(Problem::invalid(self.spelling.pointer("value"), detail));
        }
        let subject = SubjectId(station.station_id.0);
        let value = state.chargebook.personal().seal(subject, value).await?;
        Ok(Intent::ChangeConfiguration { key, value })
    }

    fn evse(&self) -> Result<Option<EvseNumber>, Problem> {
        match self.evse {
            Some(evse) if !(1..=CONNECTOR_MAX).contains(&evse) => {
                Err(Problem::invalid("/evse", format!("from 1 to {CONNECTOR_MAX}")))
            }
            evse => Ok(evse.map(EvseNumber)),
        }
    }

    fn connector(&self, least: u32) -> Result<Option<ConnectorNumber>, Problem> {
        let Some(connector) = self.connector else { return Ok(None) };
        if !(least..=CONNECTOR_MAX).contains(&connector) {
            let detail = format!("from {least} to {CONNECTOR_MAX}");
            return Err(Problem::invalid(self.spelling.pointer("connector"), detail));
        }
        Ok(Some(ConnectorNumber(connector)))
    }

    fn text(
        &self,
        member: &str,
        text: Option<&String>,
        characters_max: usize,
    ) -> Result<String, Problem> {
        let text = text.ok_or_else(|| self.missing(member))?;
        let length = text.chars().count();
        let printable = !text.chars().any(char::is_control) && !text.trim().is_empty();
        match printable && length <= characters_max {
            true => Ok(text.clone()),
            false => {
                let detail = format!("1 to {characters_max} printable characters");
                Err(Problem::invalid(self.spelling.pointer(member), detail))
            }
        }
    }

    fn missing(&self, member: &str) -> Problem {
        Problem::invalid(self.spelling.pointer(member), "this member is missing")
    }
}
