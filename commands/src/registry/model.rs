//! Dialects of whole models: what a maker's stations do otherwise than the standard, set once for
//! all of them. A station is understood in its own dialect and in its model's.

use super::{DECISION_RETRIES_MAX, Registered, Registry, RegistryError};
use crate::journal::{JournalError, read_event};
use crate::station::StationState;
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::{Dialect, ModelDialectSet, StationSettings};
use chargebook_store::{AppendError, StreamName};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The stream of all models' dialects.
const STREAM: &str = "settings-dialects";
/// Models that have a dialect of their own, at most.
const MODELS_MAX: usize = 10_000;
/// Longest name of a maker or a model, in characters: OCPP 2.1 allows 50.
const NAME_CHARACTERS_MAX: usize = 50;

/// The dialects of all models, as the log has them.
#[derive(Debug, Default)]
pub(super) struct ModelDialects {
    /// By maker and model, in lower case.
    models: BTreeMap<(String, Option<String>), ModelDialectSet>,
    version: Option<u64>,
}

impl ModelDialects {
    fn apply(&mut self, fact: ModelDialectSet) {
        let key = key(&fact.vendor, fact.model.as_deref());
        match fact.dialect.is_standard() {
            true => self.models.remove(&key),
            false => self.models.insert(key, fact),
        };
    }

    fn of(&self, vendor: &str, model: &str) -> Dialect {
        let dialect = |model| self.models.get(&key(vendor, model)).map(|set| set.dialect);
        let every_model = dialect(None).unwrap_or(Dialect::STANDARD);
        every_model.union(dialect(Some(model)).unwrap_or(Dialect::STANDARD))
    }
}

/// Makers spell their own names in more than one way.
fn key(vendor: &str, model: Option<&str>) -> (String, Option<String>) {
    let folded = |name: &str| name.trim().to_lowercase();
    (folded(vendor), model.map(folded))
}

impl Registry {
    /// Sets the dialect of a maker's model, or of all of a maker's models; the standard takes it
    /// away. In force with the next message of every such station.
    ///
    /// # Errors
    /// A name that is empty or too long, too many models, or the log.
    pub async fn set_model_dialect(
        &self,
        vendor: &str,
        model: Option<&str>,
        dialect: Dialect,
    ) -> Result<Registered, RegistryError> {
        name_of("/vendor", vendor)?;
        model.map_or(Ok(()), |model| name_of("/model", model))?;
        for _ in 0..DECISION_RETRIES_MAX {
            let known = self.model_dialects().await?;
            let before = known.models.get(&key(vendor, model)).map(|set| set.dialect);
            if before.unwrap_or(Dialect::STANDARD) == dialect {
                return Ok(self.unchanged());
            }
            if before.is_none() && known.models.len() >= MODELS_MAX {
                let detail = format!("{MODELS_MAX} models have a dialect already");
                return Err(RegistryError::Conflict(detail));
            }
            let fact = ModelDialectSet {
                vendor: vendor.trim().to_owned(),
                model: model.map(|model| model.trim().to_owned()),
                dialect,
            };
            let written = self.write_setting(&stream()?, known.version, fact).await;
            *self.dialects.lock().await = None;
            if let Some(registered) = written? {
                return Ok(registered);
            }
        }
        Err(JournalError::Append(AppendError::Overloaded).into())
    }

    /// The models that have a dialect, by maker and model.
    ///
    /// # Errors
    /// The log.
    pub async fn models_with_dialect(&self) -> Result<Vec<ModelDialectSet>, RegistryError> {
        Ok(self.model_dialects().await?.models.values().cloned().collect())
    }

    /// How a station is treated; its dialect is its own and its model's.
    pub(crate) async fn settings_of(
        &self,
        state: &StationState,
    ) -> Result<StationSettings, RegistryError> {
        let boot = state.boot.as_ref().map(|boot| (boot.vendor.as_str(), boot.model.as_str()));
        let settings = state.settings;
        let dialect = match boot {
            Some((vendor, model)) => self.model_dialect(vendor, model).await?,
            None => Dialect::STANDARD,
        };
        Ok(StationSettings { dialect: settings.dialect.union(dialect), ..settings })
    }

    /// The dialect of a model, its maker's for all models included.
    ///
    /// # Errors
    /// The log.
    pub async fn model_dialect(&self, vendor: &str, model: &str) -> Result<Dialect, RegistryError> {
        let known = self.model_dialects().await?;
        match known.models.is_empty() {
            true => Ok(Dialect::STANDARD),
            false => Ok(known.of(vendor, model)),
        }
    }

    async fn model_dialects(&self) -> Result<Arc<ModelDialects>, RegistryError> {
        // Held while the log is read, so that nothing older is kept than what was just written.
        let mut held = self.dialects.lock().await;
        if let Some(known) = &*held {
            return Ok(Arc::clone(known));
        }
        let mut known = ModelDialects::default();
        self.journal
            .replay(&stream()?, 0, |recorded| {
                known.version = Some(recorded.version);
                if let Event::ModelDialectSet(fact) = read_event(recorded)? {
                    known.apply(*fact);
                }
                Ok(())
            })
            .await?;
        let known = Arc::new(known);
        *held = Some(Arc::clone(&known));
        Ok(known)
    }
}

fn stream() -> Result<StreamName, JournalError> {
    StreamName::new(STREAM).map_err(|e| JournalError::Unwritable(e.to_string()))
}

fn name_of(pointer: &str, name: &str) -> Result<(), RegistryError> {
    match name.trim().chars().count() {
        1..=NAME_CHARACTERS_MAX => Ok(()),
        _ => {
            let detail = format!("a name has 1 to {NAME_CHARACTERS_MAX} characters");
            Err(RegistryError::invalid(pointer, detail))
        }
    }
}
