//! Which call goes where, and the calls that only describe the cluster.

use crate::read::read;
use crate::wire::{
    BatchAppendReq, BatchAppendResp, ClusterInfo, EndPoint, MemberInfo, ReadReq, ReadResp,
    SupportedMethod, SupportedMethods,
};
use crate::write::batch_append;
use crate::{APPEND_BYTES_MAX, Node};
use hyper::body::Incoming;
use std::sync::atomic::Ordering;
use tonic::body::BoxBody;
use tonic::codec::ProstCodec;
use tonic::metadata::MetadataMap;
use tonic::server::Grpc;
use tonic::{Code, Request, Response, Status, Streaming};

/// The largest message that is taken, in bytes.
const MESSAGE_BYTES_MAX: usize = APPEND_BYTES_MAX + 1024 * 1024;
/// The version of the server that is stood in for.
const SERVER_VERSION: &str = "24.10.0";
const FOLLOWER: i32 = 6;
const LEADER: i32 = 8;

/// The messages of a stream that one side sends.
pub(crate) type Answers<T> = tokio_stream::wrappers::ReceiverStream<Result<T, Status>>;

/// Answers one call.
pub(crate) async fn route(
    node: Node,
    request: hyper::Request<Incoming>,
) -> hyper::Response<BoxBody> {
    let path = request.uri().path().to_owned();
    match path.as_str() {
        "/event_store.client.streams.Streams/Read" => {
            let call = move |request: Request<ReadReq>| {
                let node = node.clone();
                async move { read(&node, request) }
            };
            let codec = ProstCodec::<ReadResp, ReadReq>::default();
            Grpc::new(codec).server_streaming(tower::service_fn(call), request).await
        }
        "/event_store.client.streams.Streams/BatchAppend" => {
            let call = move |request: Request<Streaming<BatchAppendReq>>| {
                let node = node.clone();
                async move { Ok::<_, Status>(batch_append(node, request)) }
            };
            let codec = ProstCodec::<BatchAppendResp, BatchAppendReq>::default();
            Grpc::new(codec)
                .max_decoding_message_size(MESSAGE_BYTES_MAX)
                .streaming(tower::service_fn(call), request)
                .await
        }
        "/event_store.client.server_features.ServerFeatures/GetSupportedMethods" => {
            let call = |_: Request<()>| async { Ok::<_, Status>(Response::new(methods())) };
            let codec = ProstCodec::<SupportedMethods, ()>::default();
            Grpc::new(codec).unary(tower::service_fn(call), request).await
        }
        "/event_store.client.gossip.Gossip/Read" => {
            let members = members(&node);
            let call = move |_: Request<()>| {
                let members = members.clone();
                async { Ok::<_, Status>(Response::new(ClusterInfo { members })) }
            };
            let codec = ProstCodec::<ClusterInfo, ()>::default();
            Grpc::new(codec).unary(tower::service_fn(call), request).await
        }
        _ => Status::unimplemented(format!("{path} is not stood in for")).into_http(),
    }
}

/// Refuses where another node leads and the caller asks for the leader.
pub(crate) fn check_leader(node: &Node, metadata: &MetadataMap) -> Result<(), Status> {
    let is_asked = metadata.get("requires-leader").is_some_and(|value| value == "true");
    let leads = node.cluster.leader.load(Ordering::SeqCst) == node.index;
    if leads || !is_asked { Ok(()) } else { Err(not_leader(node)) }
}

/// What a follower says: where the leader is.
pub(crate) fn not_leader(node: &Node) -> Status {
    let port = node.cluster.ports[node.cluster.leader.load(Ordering::SeqCst)];
    let mut metadata = MetadataMap::new();
    let entries =
        [("exception", "not-leader".to_owned()), ("leader-endpoint-host", "127.0.0.1".to_owned())];
    for (key, value) in entries.into_iter().chain([("leader-endpoint-port", port.to_string())]) {
        if let Ok(value) = value.parse() {
            metadata.insert(key, value);
        }
    }
    Status::with_metadata(Code::NotFound, "Leader info available", metadata)
}

fn methods() -> SupportedMethods {
    let method = |name: &str| SupportedMethod {
        method_name: name.to_owned(),
        service_name: "event_store.client.streams.streams".to_owned(),
    };
    SupportedMethods {
        methods: vec![method("read"), method("batchappend")],
        server_version: SERVER_VERSION.to_owned(),
    }
}

fn members(node: &Node) -> Vec<MemberInfo> {
    let leader = node.cluster.leader.load(Ordering::SeqCst);
    let member = |(index, port): (usize, &u16)| MemberInfo {
        instance_id: Some(uuid::Uuid::from_u128(index as u128 + 1).into()),
        state: if index == leader { LEADER } else { FOLLOWER },
        is_alive: true,
        end_point: Some(EndPoint { address: "127.0.0.1".to_owned(), port: u32::from(*port) }),
    };
    node.cluster.ports.iter().enumerate().map(member).collect()
}
