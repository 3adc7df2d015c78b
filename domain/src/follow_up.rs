//! What a station has reported on a command since it answered it, and whether that is all: a fold
//! of the command's events.
//!
//! Reports come in parts that may be repeated and out of order, or as statuses of a job up to one
//! that ends it.

use crate::events::Event;
use crate::events::v1::{CommandAnswered, CommandFailure, FollowUp, ReportTopic};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Parts that are remembered beyond a gap. A report with more of them never counts as complete.
const PARTS_BEYOND_GAP_MAX: usize = 1024;

/// A station's words for: accepted, and the reports follow.
const PROMISES: &[&str] = &["Accepted", "AcceptedCanceled"];
/// A station's words for: there is nothing to report.
const NOTHING_THERE: &[&str] = &["EmptyResultSet", "NoProfiles", "NotFound", "Unknown"];
/// A station's word for doing no job of the kind.
const IDLE: &str = "Idle";

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gathering {
    /// What was asked for.
    follow_up: Option<FollowUp>,
    answer: Answer,
    parts: Parts,
    /// A job has ended, or the last of parts without numbers has come.
    is_over: bool,
}

/// How the station answered the CALL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    /// Not yet, or nobody knows.
    #[default]
    Open,
    /// It will report.
    Promised,
    /// There is nothing to report.
    Empty,
    /// It will not report.
    Refused,
}

/// Which parts have come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Parts {
    /// All before this one.
    next: u32,
    /// And these.
    beyond: BTreeSet<u32>,
    /// The number of the last one, once it has come.
    last: Option<u32>,
}

impl Parts {
    fn add(&mut self, sequence: u32, is_last: bool) {
        if is_last {
            self.last = Some(sequence);
        }
        if sequence >= self.next && self.beyond.len() < PARTS_BEYOND_GAP_MAX {
            self.beyond.insert(sequence);
        }
        while self.beyond.remove(&self.next) {
            self.next += 1;
        }
    }

    fn are_all_there(&self) -> bool {
        self.last.is_some_and(|last| self.next > last)
    }
}

impl Gathering {
    /// Takes in one event of the command's stream.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::CommandSent(fact) => self.sent(fact.follow_up.clone()),
            Event::CommandAnswered(fact) => self.answered(fact),
            Event::CommandFailed(fact) => self.failed(fact.failure),
            Event::StationNotified(fact) => {
                let is_last = fact.to_be_continued == Some(false);
                match fact.sequence {
                    Some(sequence) => self.parts.add(sequence, is_last),
                    None => self.is_over |= is_last,
                }
                self.said(fact.status.as_deref());
            }
            Event::StationJobStatus(fact) => self.said(Some(&fact.status)),
            _ => {}
        }
    }

    /// The CALL has left.
    pub fn sent(&mut self, follow_up: Option<FollowUp>) {
        self.follow_up = follow_up;
    }

    /// The station has answered it.
    pub fn answered(&mut self, fact: &CommandAnswered) {
        self.answer = match fact.status.as_deref() {
            None if fact.nothing_follows == Some(true) => Answer::Empty,
            None => Answer::Promised,
            Some(status) if PROMISES.contains(&status) => Answer::Promised,
            Some(status) if NOTHING_THERE.contains(&status) => Answer::Empty,
            Some(_) => Answer::Refused,
        };
    }

    /// It came to no answer.
    pub fn failed(&mut self, failure: CommandFailure) {
        self.answer = match failure {
            CommandFailure::OutcomeUnknown => Answer::Open,
            _ => Answer::Refused,
        };
    }

    fn said(&mut self, status: Option<&str>) {
        if let (Some(follow_up), Some(status)) = (&self.follow_up, status) {
            self.is_over |= ends(follow_up.topic, status);
        }
    }

    /// What was asked for, where it was something that reports follow.
    pub fn follow_up(&self) -> Option<&FollowUp> {
        self.follow_up.as_ref()
    }

    /// Whether a status without a number may be about this: the station has taken the job on and
    /// not said that it has ended. One that has said that there is nothing may tell of it all the
    /// same.
    pub fn is_under_way(&self) -> bool {
        matches!(self.answer, Answer::Promised | Answer::Empty) && !self.is_over
    }

    /// Whether all that was asked for is there; `None` where no reports follow.
    pub fn is_complete(&self) -> Option<bool> {
        self.follow_up.as_ref()?;
        let is_complete = self.is_over || self.parts.are_all_there();
        match self.answer {
            Answer::Empty => Some(true),
            Answer::Refused if !is_complete => None,
            _ => Some(is_complete),
        }
    }
}

/// Whether a status says that the station does no job of the kind, rather than how one stands.
pub fn is_about_no_job(status: &str) -> bool {
    status == IDLE
}

/// Whether a job is over with this status: the end states that the standard names.
fn ends(topic: ReportTopic, status: &str) -> bool {
    let words: &[&str] = match topic {
        ReportTopic::BatterySwap => &["BatteryOut", "BatteryOutTimeout"],
        ReportTopic::Diagnostics => &["Uploaded", "UploadFailed"],
        ReportTopic::Firmware => &[
            "DownloadFailed",
            "InstallVerificationFailed",
            "InstallationFailed",
            "Installed",
            "InvalidSignature",
        ],
        ReportTopic::FirmwarePublication => {
            &["DownloadFailed", "InvalidChecksum", "PublishFailed", "Published"]
        }
        ReportTopic::Log => &[
            "AcceptedCanceled",
            "BadMessage",
            "NotSupportedOperation",
            "PermissionDenied",
            "UploadFailure",
            "Uploaded",
        ],
        ReportTopic::ChargingProfiles
        | ReportTopic::CustomerInformation
        | ReportTopic::DerControls
        | ReportTopic::DeviceModel
        | ReportTopic::DisplayMessages
        | ReportTopic::Monitors => &[],
    };
    words.contains(&status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::EventId;
    use uuid::Uuid;

    fn asked(topic: ReportTopic) -> Gathering {
        let mut gathering = Gathering::default();
        let follow_up = FollowUp { topic, request_id: Some(1), is_inventory: None };
        gathering.sent(Some(follow_up));
        gathering
    }

    fn answered(status: Option<&str>, nothing_follows: Option<bool>) -> CommandAnswered {
        let exchange = EventId(Uuid::nil());
        CommandAnswered { status: status.map(str::to_owned), exchange, nothing_follows }
    }

    #[test]
    fn a_job_that_has_nothing_to_do_is_over_with_its_answer() {
        let mut gathering = asked(ReportTopic::Diagnostics);
        gathering.answered(&answered(None, Some(true)));
        assert_eq!(gathering.is_complete(), Some(true));
        assert!(gathering.is_under_way(), "a station that uploads all the same is heard");
        gathering.said(Some("Uploaded"));
        assert!(!gathering.is_under_way());
    }

    #[test]
    fn a_report_is_complete_when_no_part_is_missing_in_whatever_order() {
        let check = |parts: &[(u32, bool)], expected: bool| {
            let mut gathering = asked(ReportTopic::DeviceModel);
            gathering.answered(&answered(Some("Accepted"), None));
            parts.iter().for_each(|(sequence, is_last)| gathering.parts.add(*sequence, *is_last));
            assert_eq!(gathering.is_complete(), Some(expected), "{parts:?}");
        };
        check(&[], false);
        check(&[(0, true)], true);
        check(&[(0, false)], false);
        check(&[(0, false), (1, false), (2, true)], true);
        check(&[(2, true), (0, false), (1, false)], true);
        check(&[(0, false), (2, true)], false);
        check(&[(0, false), (0, false), (1, true), (1, true)], true);
        check(&[(1, true)], false);
    }

    #[test]
    fn an_answer_says_whether_anything_follows() {
        let check = |status: Option<&str>, expected: Option<bool>| {
            let mut gathering = asked(ReportTopic::DeviceModel);
            assert_eq!(gathering.is_complete(), Some(false));
            gathering.answered(&answered(status, None));
            assert_eq!(gathering.is_complete(), expected, "{status:?}");
        };
        check(Some("Accepted"), Some(false));
        check(Some("EmptyResultSet"), Some(true));
        check(Some("Rejected"), None);
        check(None, Some(false));
        let mut unasked = Gathering::default();
        unasked.answered(&answered(Some("Accepted"), None));
        assert_eq!(unasked.is_complete(), None);
    }

    #[test]
    fn a_job_is_over_with_its_end_state() {
        let check = |topic, status: &str, expected: bool| {
            let mut gathering = asked(topic);
            gathering.answered(&answered(None, None));
            assert!(gathering.is_under_way());
            gathering.said(Some(status));
            assert_eq!(gathering.is_complete(), Some(expected), "{topic:?} {status}");
            assert_eq!(gathering.is_under_way(), !expected, "{topic:?} {status}");
        };
        check(ReportTopic::Diagnostics, "Uploading", false);
        check(ReportTopic::Diagnostics, "UploadFailed", true);
        check(ReportTopic::Firmware, "Downloaded", false);
        check(ReportTopic::Firmware, "Installed", true);
        check(ReportTopic::Log, "Uploaded", true);
        check(ReportTopic::FirmwarePublication, "Published", true);
    }
}
