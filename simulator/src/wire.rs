//! From the simulator's values to OCPP 1.6J text.

use chrono::{DateTime, SecondsFormat, Utc};
use ocpp_kit::message::Request;
use ocpp_kit::rpc::{CallError, Frame};
use ocpp_kit::types::{DateTime as OcppDateTime, MessageId};
use ocpp_kit::{RawValue, Version};
use serde::Serialize;
use std::borrow::Cow;

/// An instant as OCPP writes it: UTC, at most three decimals.
///
/// An instant outside the years RFC 3339 can write becomes the epoch, as on a station whose
/// clock was never set.
pub(crate) fn ocpp_time(at: DateTime<Utc>) -> OcppDateTime {
    OcppDateTime::parse(&at.to_rfc3339_opts(SecondsFormat::Millis, true))
        .unwrap_or(OcppDateTime::UNIX_EPOCH)
}

/// A CALL as text.
pub(crate) fn call<R: Request>(
    id: &str,
    action: &'static str,
    request: &R,
) -> Result<String, serde_json::Error> {
    let payload = serde_json::value::to_raw_value(request)?;
    Frame::Call {
        id: MessageId::from_wire(id),
        action: Cow::Borrowed(action),
        payload: Cow::Owned(payload),
    }
    .to_json(Version::V1_6)
}

/// A response's payload as raw JSON.
pub(crate) fn payload<S: Serialize>(response: &S) -> Result<Box<RawValue>, CallError> {
    serde_json::value::to_raw_value(response)
        .map_err(|error| CallError::internal(error.to_string()))
}

/// A CALLRESULT or CALLERROR as text.
pub(crate) fn answer(
    id: &MessageId,
    outcome: Result<Box<RawValue>, CallError>,
) -> Result<String, serde_json::Error> {
    let id = id.clone();
    let frame = match outcome {
        Ok(payload) => Frame::CallResult { id, payload: Cow::Owned(payload) },
        Err(error) => Frame::CallError { id, error: error.into() },
    };
    frame.to_json(Version::V1_6)
}

/// What a strict reader of OCPP 1.6 holds against a station's CALL.
#[cfg(test)]
pub(crate) fn complaint_about(text: &str) -> Option<String> {
    use ocpp_kit::decode::DecodeOptions;
    use ocpp_kit::v1_6::{Action, CsRequest};
    let judge = || -> Result<(), String> {
        let frame = Frame::parse(text, Version::V1_6).map_err(|error| error.to_string())?;
        let Frame::Call { id, action, payload } = frame else { return Err("no CALL".to_owned()) };
        if !id.is_conforming() {
            return Err(format!("message id {id}"));
        }
        let action = Action::from_wire(&action).ok_or_else(|| format!("action {action}"))?;
        CsRequest::decode(action, &payload, &DecodeOptions::pedantic())
            .map(|_| ())
            .map_err(|error| error.to_string())
    };
    judge().err().map(|complaint| format!("{complaint}: {text}"))
}
