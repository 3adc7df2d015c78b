//! Forgetting a person: asked for, decided in all its parts, done. The parts are in the log before
//! a key is destroyed, since nobody finds them afterwards.

use crate::ids::{DriverId, ErasureId, StationIdentity, SubjectId, TokenId};
use crate::sealed::SealedText;
use serde::{Deserialize, Serialize};

/// `erasure.requested`: somebody is to be forgotten, as soon as what they have charged is billed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasureRequested {
    /// Our id of the wish.
    pub erasure_id: ErasureId,
    /// Whose key seals what is to be forgotten.
    pub subject_id: SubjectId,
    /// The driver, with all their tokens; absent where it is a token alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver_id: Option<DriverId>,
    /// The token, where it is one that is registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<TokenId>,
    /// Why, in a word: `requested_by_subject`, ….
    pub reason: String,
    /// What they are called by in texts of others, such as a uid, a name, a contract id.
    pub words: Vec<SealedText>,
}

/// `erasure.decided`: what is to be destroyed. One too long for an event is told in several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasureDecided {
    /// The wish.
    pub erasure_id: ErasureId,
    /// Whose keys: the driver's, and those of the driver's tokens.
    pub subjects: Vec<SubjectId>,
    /// The registered tokens among them.
    pub tokens: Vec<TokenId>,
    /// Stations whose list of tokens for offline use may still hold one of them: they were not
    /// there to be told, or would not be.
    pub stations_not_told: Vec<StationIdentity>,
    /// Texts of others that name them.
    pub texts: Vec<TextErased>,
    /// Whether the next event of this wish tells more of it.
    pub more_follow: bool,
}

/// A sealed text that can be read by nobody, though its subject stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextErased {
    /// Whose key sealed it.
    pub subject_id: SubjectId,
    /// Its commitment.
    pub commitment: String,
}

/// `erasure.completed`: the keys are destroyed, and all that the server keeps of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasureCompleted {
    /// The wish.
    pub erasure_id: ErasureId,
}
