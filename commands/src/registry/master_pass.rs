//! The group of tokens that may end anybody's session, and begin none (OCPP 2.x part 2, C16): for
//! those who help, inspect, or clear a bay.

use super::token::checked_group;
use super::{Registered, Registry, RegistryError};
use crate::journal::{Draft, JournalError, read_event};
use chargebook_domain::events::Event;
use chargebook_domain::events::v1::MasterPassGroupSet;
use chargebook_domain::ids::SubjectId;
use chargebook_domain::sealed::SealedText;
use chargebook_store::StreamName;
use std::sync::Arc;

/// The stream of the master pass group.
const STREAM: &str = "settings-master_pass";

impl Registry {
    /// The master pass group, where there is one.
    ///
    /// # Errors
    /// The log.
    pub async fn master_pass_group(&self) -> Result<Option<Arc<str>>, RegistryError> {
        // Held while the log is read, so that nothing older is kept than what was just written.
        let mut held = self.master_pass.lock().await;
        if let Some(known) = &*held {
            return Ok(known.clone());
        }
        let mut sealed = None;
        self.journal
            .replay(&stream()?, 0, |recorded| {
                if let Event::MasterPassGroupSet(fact) = read_event(recorded)? {
                    sealed = fact.group;
                }
                Ok(())
            })
            .await?;
        let group = match &sealed {
            Some(group) => Some(Arc::from(self.personal.open(group).await)),
            None => None,
        };
        *held = Some(group.clone());
        Ok(group)
    }

    /// Whether a group is the master pass group. Names of groups are case-insensitive, as tokens
    /// are.
    pub(crate) async fn is_master_pass(&self, group: Option<&str>) -> Result<bool, RegistryError> {
        let Some(group) = group else { return Ok(false) };
        let master = self.master_pass_group().await?;
        Ok(master.is_some_and(|master| master.to_lowercase() == group.to_lowercase()))
    }

    /// Makes a group the master pass group, or takes it away; in force at once.
    ///
    /// # Errors
    /// A name that is none, or the log.
    pub async fn set_master_pass_group(
        &self,
        group: Option<&str>,
    ) -> Result<Registered, RegistryError> {
        let group = group.map(checked_group).transpose()?;
        if self.master_pass_group().await?.as_deref() == group {
            return Ok(self.unchanged());
        }
        let fact = MasterPassGroupSet { group: self.sealed_master_pass(group).await? };
        let position = self
            .decide(&stream()?, |_| {
                Some(Draft::new(self.journal.fresh_id(), fact.clone()).by("operator"))
            })
            .await?;
        *self.master_pass.lock().await = None;
        Ok(Registered { created: true, position })
    }

    /// Under a subject of its own: it is no card's, so no card's erasure takes it.
    async fn sealed_master_pass(
        &self,
        group: Option<&str>,
    ) -> Result<Option<SealedText>, RegistryError> {
        let subject = SubjectId(self.journal.clock().fresh_id());
        match group {
            Some(group) => Ok(Some(self.personal.seal(subject, group).await?)),
            None => Ok(None),
        }
    }
}

fn stream() -> Result<StreamName, JournalError> {
    StreamName::new(STREAM).map_err(|e| JournalError::Unwritable(e.to_string()))
}
