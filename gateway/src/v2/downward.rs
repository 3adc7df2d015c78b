//! CALLs to 2.x stations, and reading what they answer.

use super::V2;
use crate::message::{Downward, ReplyReading, Unsendable};
use chargebook_commands::message::{Personal, RenderedReply};
use chargebook_commands::{CommandResult, OpenedIntent};

impl V2 {
    /// The CALL for an intent.
    pub(crate) fn downward(
        self,
        _message_id: &str,
        _intent: &OpenedIntent,
    ) -> Result<Downward, Unsendable> {
        Err(Unsendable::Untranslated)
    }

    /// Reads an answer to `request`, a CALL of ours with that action.
    pub(crate) fn read_reply(
        self,
        _text: &str,
        _action: &str,
        _request: &RenderedReply,
    ) -> ReplyReading {
        let detail = "an answer to nothing that is sent in this OCPP version".to_owned();
        ReplyReading { personal: Personal::Anywhere, result: CommandResult::Unreadable { detail } }
    }
}
