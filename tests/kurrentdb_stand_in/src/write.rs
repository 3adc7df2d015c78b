//! Appending over one long call: what comes in is written in its order, and each answer names the
//! append that it belongs to.

use crate::faults::{Fault, Step};
use crate::log::{Refused, Written};
use crate::service::{Answers, check_leader, not_leader};
use crate::wire::batch_append_req::{Options, ProposedMessage};
use crate::wire::batch_append_resp::{Outcome, Status as RpcStatus, Success};
use crate::wire::{BatchAppendReq, BatchAppendResp, Position, StreamIdentifier, Uuid};
use crate::{Cluster, Node};
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use tokio::sync::mpsc;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Response, Status, Streaming};

/// Answers that may wait for the client.
const ANSWERS_MAX: usize = 1024;

type Answer = Result<BatchAppendResp, Status>;

/// The call ends with its sender.
pub(crate) fn batch_append(
    node: Node,
    request: Request<Streaming<BatchAppendReq>>,
) -> Response<Answers<BatchAppendResp>> {
    let (answers, receiver) = mpsc::channel(ANSWERS_MAX);
    tokio::spawn(async move {
        let metadata = request.metadata().clone();
        let mut appends = Appends { node, metadata, answers, parts: HashMap::new() };
        let mut incoming = request.into_inner();
        while let Ok(Some(part)) = incoming.message().await {
            if appends.take(part).await.is_none() {
                return;
            }
        }
    });
    Response::new(Answers::new(receiver))
}

struct Appends {
    node: Node,
    metadata: MetadataMap,
    answers: mpsc::Sender<Answer>,
    /// Appends that have not come to their end, by correlation id.
    parts: HashMap<uuid::Uuid, (Options, Vec<ProposedMessage>)>,
}

impl Appends {
    /// Takes a part of an append; `None` where the call ends here.
    async fn take(&mut self, part: BatchAppendReq) -> Option<()> {
        let correlation = part.correlation_id.as_ref().and_then(Uuid::id)?;
        if let Some(options) = part.options {
            self.parts.insert(correlation, (options, Vec::new()));
        }
        let (_, messages) = self.parts.get_mut(&correlation)?;
        messages.extend(part.messages);
        if !part.is_final {
            return Some(());
        }
        let (options, messages) = self.parts.remove(&correlation)?;
        let stream = options.stream.as_ref().map(StreamIdentifier::name).unwrap_or_default();
        if let Err(status) = check_leader(&self.node, &self.metadata) {
            self.answer(Err(status)).await;
            return None;
        }
        let cluster = &self.node.cluster;
        let fault = cluster.fault_at(Step::Append);
        let is_written = match fault {
            None => true,
            Some(
                Fault::TimedOut { written }
                | Fault::Dropped { written }
                | Fault::Silent { written },
            ) => written,
            Some(Fault::NotLeader | Fault::Ended | Fault::Busy) => false,
        };
        let written = is_written.then(|| write(cluster, &stream, options, messages));
        let outcome = match (fault, written) {
            (None, Some(Ok(written))) => success(written),
            (None, Some(Err((code, message)))) => error(code, &message),
            (Some(Fault::TimedOut { .. }), _) => error(Code::DeadlineExceeded, "Timeout"),
            (Some(Fault::Busy), _) => error(Code::Ok, "Server Is Busy"),
            (Some(Fault::NotLeader), _) => {
                self.answer(Err(not_leader(&self.node))).await;
                return None;
            }
            (Some(Fault::Dropped { .. }), _) => {
                self.answer(Err(Status::unavailable("injected: dropped"))).await;
                return None;
            }
            (Some(Fault::Silent { .. }), _) => return Some(()),
            (Some(Fault::Ended), _) | (None, None) => return None,
        };
        let correlation_id = Some(correlation.into());
        let stream = Some(StreamIdentifier::of(&stream));
        self.answer(Ok(BatchAppendResp { correlation_id, outcome: Some(outcome), stream })).await;
        Some(())
    }

    async fn answer(&self, answer: Answer) {
        // Whoever has gone needs no answer.
        let _ = self.answers.send(answer).await;
    }
}

fn write(
    cluster: &Cluster,
    stream: &str,
    options: Options,
    messages: Vec<ProposedMessage>,
) -> Result<Written, (Code, String)> {
    let bytes: usize =
        messages.iter().map(|message| message.data.len() + message.custom_metadata.len()).sum();
    if bytes > cluster.append_bytes_max.load(Ordering::SeqCst) {
        return Err((Code::InvalidArgument, "MaximumAppendSizeExceeded".to_owned()));
    }
    let expected =
        options.expected.ok_or((Code::InvalidArgument, "no expected version".to_owned()))?;
    let written = cluster.log().append(stream, expected, messages);
    cluster.tell();
    written.map_err(|refused| match refused {
        Refused::WrongExpectedVersion => (Code::AlreadyExists, "WrongExpectedVersion".to_owned()),
        Refused::BadRequest => (Code::Unknown, "Unknown".to_owned()),
    })
}

fn success(written: Written) -> Outcome {
    let position = Position { commit: written.position, prepare: written.position };
    Outcome::Success(Success { current_revision: Some(written.revision), position: Some(position) })
}

fn error(code: Code, message: &str) -> Outcome {
    Outcome::Error(RpcStatus { code: code as i32, message: message.to_owned() })
}
