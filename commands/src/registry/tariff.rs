//! Tariffs are immutable versions; the default tariff is a setting with a history. A session is
//! rated by the version that was in force when it began.

use super::{DECISION_RETRIES_MAX, Registered, Registry, RegistryError, named};
use crate::journal::{Draft, JournalError, read_event};
use crate::message::StationTariff;
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{DefaultTariffSet, TariffReference, TariffVersionPublished};
use chargebook_domain::ids::{EventId, EvseNumber, TariffId};
use chargebook_domain::tariff::{Tariff, in_force};
use chargebook_domain::units::Timestamp;
use chargebook_store::{AppendError, ExpectedVersion, StreamName};
use sha2::{Digest, Sha256};
use std::sync::{Arc, PoisonError};

/// The stream of settings.
const SETTINGS_STREAM: &str = "settings-default";

/// A tariff that a session is rated by.
#[derive(Clone, Debug)]
pub struct TariffChoice {
    /// The version, as the rating event names it.
    pub reference: TariffReference,
    /// What it says.
    pub tariff: Arc<Tariff>,
}

impl TariffChoice {
    /// As a station is told it. Its id names the version whatever the tariff is called.
    pub fn for_station(&self) -> StationTariff {
        let TariffReference { tariff_id, version, .. } = &self.reference;
        let tariff = Arc::clone(&self.tariff);
        StationTariff { id: format!("{tariff_id}-{version}"), tariff }
    }

    /// As a station is told it for one EVSE. The id is that EVSE's own: a station takes none twice
    /// (OCPP 2.1, I07.FR.04).
    pub fn for_evse(&self, evse: EvseNumber) -> StationTariff {
        let StationTariff { id, tariff } = self.for_station();
        StationTariff { id: format!("{id}-{}", evse.0), tariff }
    }
}

/// What came of publishing a tariff.
#[derive(Clone, Debug)]
pub struct PublishedTariff {
    /// New version (201/200) or the same again.
    pub registered: Registered,
    /// The version in force now.
    pub version: u64,
    /// Places in the text that nothing is priced by, since OCPI does not name them.
    pub ignored: Vec<String>,
}

/// All versions of one tariff.
#[derive(Debug)]
pub(super) struct TariffHistory {
    versions: Vec<(Timestamp, TariffChoice)>,
}

/// Every default tariff there was.
#[derive(Debug)]
pub(super) struct DefaultHistory {
    settings: Vec<(Timestamp, DefaultTariffSet)>,
    version: Option<u64>,
}

impl Registry {
    /// Publishes a tariff: a new version, or nothing where the content is the same.
    pub async fn publish_tariff(
        &self,
        tariff: &str,
        content: &str,
    ) -> Result<PublishedTariff, RegistryError> {
        named("/id", tariff)?;
        let parsed = Tariff::parse(content)
            .map_err(|error| RegistryError::invalid(&error.pointer, error.problem.to_string()))?;
        let ignored = parsed.ignored_members();
        let text = parsed.canonical_text();
        let content_sha256 = hex::encode(Sha256::digest(text.as_bytes()));
        let key = self.personal.name_key("tariff", tariff);
        let _held = self.registering(&key).await;
        for _ in 0..DECISION_RETRIES_MAX {
            let stream = self.journal.lookup(&key).await?;
            let known = match &stream {
                Some(stream) => self.tariff_history(stream).await?,
                None => None,
            };
            let latest = known.as_ref().and_then(|history| history.versions.last());
            if let Some((_, latest)) = latest
                && latest.reference.content_sha256 == content_sha256
            {
                let (registered, version) = (self.unchanged(), latest.reference.version);
                return Ok(PublishedTariff { registered, version, ignored });
            }
            let before = latest.map_or(0, |(_, choice)| choice.reference.version);
            let tariff_id = latest.map_or_else(
                || TariffId(self.journal.clock().fresh_id()),
                |(_, choice)| choice.reference.tariff_id,
            );
            let fact = TariffVersionPublished {
                tariff_id,
                tariff: tariff.to_owned(),
                version: before + 1,
                content: text.clone(),
                content_sha256: content_sha256.clone(),
            };
            let stream = StreamName::of("tariff", tariff_id.0);
            let expected = match before {
                0 => ExpectedVersion::NoStream,
                version => ExpectedVersion::Exact(version - 1),
            };
            let draft = Draft::new(self.journal.fresh_id(), fact).by("operator").keyed(key);
            match self.journal.append(&stream, expected, &[draft]).await {
                Err(JournalError::Append(AppendError::WrongVersion { .. })) => {
                    self.tariffs.forget(stream.as_str());
                }
                appended => {
                    self.tariffs.forget(stream.as_str());
                    let registered = Registered { created: true, position: appended?.position };
                    return Ok(PublishedTariff { registered, version: before + 1, ignored });
                }
            }
        }
        Err(JournalError::Append(AppendError::Overloaded).into())
    }

    async fn tariff_history(
        &self,
        stream: &StreamName,
    ) -> Result<Option<Arc<TariffHistory>>, RegistryError> {
        if let Some(known) = self.tariffs.get(stream.as_str()) {
            return Ok(Some(known));
        }
        let seen = self.tariffs.changes();
        let mut versions = Vec::new();
        self.journal
            .replay(stream, 0, |recorded| {
                if let Event::TariffVersionPublished(fact) = read_event(recorded)? {
                    let parsed = Tariff::parse(&fact.content).map_err(|problem| {
                        JournalError::Unwritable(format!(
                            "tariff at position {}: {problem}",
                            recorded.position
                        ))
                    })?;
                    let reference = TariffReference {
                        tariff_id: fact.tariff_id,
                        tariff: fact.tariff,
                        version: fact.version,
                        event_id: EventId(recorded.id),
                        content_sha256: fact.content_sha256,
                    };
                    let choice = TariffChoice { reference, tariff: Arc::new(parsed) };
                    versions.push((Timestamp::new(recorded.recorded_at), choice));
                }
                Ok(())
            })
            .await?;
        if versions.is_empty() {
            return Ok(None);
        }
        let history = Arc::new(TariffHistory { versions });
        self.tariffs.put_unchanged(stream.as_str(), Arc::clone(&history), seen);
        Ok(Some(history))
    }

    /// Makes a tariff the default one.
    pub async fn set_default_tariff(&self, tariff: &str) -> Result<Registered, RegistryError> {
        let key = self.personal.name_key("tariff", tariff);
        let stream = self.journal.lookup(&key).await?.ok_or_else(|| {
            RegistryError::invalid("/tariff", format!("tariff `{tariff}` is not published"))
        })?;
        let history = self.tariff_history(&stream).await?.ok_or_else(|| {
            RegistryError::invalid("/tariff", format!("tariff `{tariff}` is not published"))
        })?;
        let tariff_id = history.versions[0].1.reference.tariff_id;
        for _ in 0..DECISION_RETRIES_MAX {
            let defaults = self.default_history().await?;
            if defaults.settings.last().is_some_and(|(_, last)| last.tariff_id == tariff_id) {
                return Ok(self.unchanged());
            }
            let fact = DefaultTariffSet { tariff_id, tariff: tariff.to_owned() };
            let written = self.write_setting(&settings_stream()?, defaults.version, fact).await;
            self.forget_defaults();
            if let Some(registered) = written? {
                return Ok(registered);
            }
        }
        Err(JournalError::Append(AppendError::Overloaded).into())
    }

    fn forget_defaults(&self) {
        *self.defaults.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn default_history(&self) -> Result<Arc<DefaultHistory>, RegistryError> {
        let known = self.defaults.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known {
            return Ok(known);
        }
        let mut history = DefaultHistory { settings: Vec::new(), version: None };
        self.journal
            .replay(&settings_stream()?, 0, |recorded| {
                history.version = Some(recorded.version);
                if let Event::DefaultTariffSet(fact) = read_event(recorded)? {
                    history.settings.push((Timestamp::new(recorded.recorded_at), *fact));
                }
                Ok(())
            })
            .await?;
        let history = Arc::new(history);
        *self.defaults.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&history));
        Ok(history)
    }

    /// The tariff for a session that began at `started_at` and became known at `received_at`.
    pub async fn tariff_for(
        &self,
        started_at: Timestamp,
        received_at: Timestamp,
    ) -> Result<Option<TariffChoice>, RegistryError> {
        let defaults = self.default_history().await?;
        let Some((_, setting)) =
            in_force(&defaults.settings, |entry| entry.0, started_at, received_at)
        else {
            return Ok(None);
        };
        let stream = StreamName::of("tariff", setting.tariff_id.0);
        let Some(history) = self.tariff_history(&stream).await? else { return Ok(None) };
        let version = in_force(&history.versions, |entry| entry.0, started_at, received_at);
        Ok(version.map(|(_, choice)| choice.clone()))
    }
}

fn settings_stream() -> Result<StreamName, JournalError> {
    StreamName::new(SETTINGS_STREAM).map_err(|e| JournalError::Unwritable(e.to_string()))
}
