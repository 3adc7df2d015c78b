//! The messages of KurrentDB's gRPC protocol that a log needs, as the client's published protos
//! (`streams.proto`, `shared.proto`, `status.proto`, `gossip.proto`, `serverfeatures.proto`)
//! number their fields. Fields that nobody here looks at are left out: gRPC passes over them.

use std::collections::HashMap;

/// A UUID, as text or as two halves.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Uuid {
    #[prost(oneof = "uuid_value::Value", tags = "1, 2")]
    pub(crate) value: Option<uuid_value::Value>,
}

pub(crate) mod uuid_value {
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub(crate) enum Value {
        #[prost(message, tag = "1")]
        Structured(Structured),
        #[prost(string, tag = "2")]
        Text(String),
    }

    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub(crate) struct Structured {
        #[prost(int64, tag = "1")]
        pub(crate) most_significant: i64,
        #[prost(int64, tag = "2")]
        pub(crate) least_significant: i64,
    }
}

impl From<uuid::Uuid> for Uuid {
    fn from(id: uuid::Uuid) -> Self {
        Self { value: Some(uuid_value::Value::Text(id.to_string())) }
    }
}

impl Uuid {
    /// The id; `None` where there is none.
    pub(crate) fn id(&self) -> Option<uuid::Uuid> {
        match self.value.as_ref()? {
            uuid_value::Value::Text(text) => text.parse().ok(),
            uuid_value::Value::Structured(halves) => Some(uuid::Uuid::from_u64_pair(
                halves.most_significant.cast_unsigned(),
                halves.least_significant.cast_unsigned(),
            )),
        }
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct StreamIdentifier {
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) stream_name: Vec<u8>,
}

impl StreamIdentifier {
    pub(crate) fn of(name: &str) -> Self {
        Self { stream_name: name.as_bytes().to_vec() }
    }

    pub(crate) fn name(&self) -> String {
        String::from_utf8_lossy(&self.stream_name).into_owned()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct Position {
    #[prost(uint64, tag = "1")]
    pub(crate) commit: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) prepare: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ReadReq {
    #[prost(message, optional, tag = "1")]
    pub(crate) options: Option<read_req::Options>,
}

pub(crate) mod read_req {
    use super::{Position, StreamIdentifier};

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Options {
        #[prost(oneof = "Place", tags = "1, 2")]
        pub(crate) place: Option<Place>,
        /// 1 is backwards.
        #[prost(int32, tag = "3")]
        pub(crate) direction: i32,
        #[prost(oneof = "Count", tags = "5, 6")]
        pub(crate) count: Option<Count>,
        #[prost(oneof = "Filter", tags = "7, 8")]
        pub(crate) filter: Option<Filter>,
    }

    #[derive(Clone, PartialEq, prost::Oneof)]
    pub(crate) enum Place {
        #[prost(message, tag = "1")]
        Stream(StreamPlace),
        #[prost(message, tag = "2")]
        All(AllPlace),
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct StreamPlace {
        #[prost(message, optional, tag = "1")]
        pub(crate) stream: Option<StreamIdentifier>,
        #[prost(oneof = "Revision", tags = "2, 3, 4")]
        pub(crate) from: Option<Revision>,
    }

    #[derive(Clone, Copy, PartialEq, prost::Oneof)]
    pub(crate) enum Revision {
        #[prost(uint64, tag = "2")]
        At(u64),
        #[prost(message, tag = "3")]
        Start(()),
        #[prost(message, tag = "4")]
        End(()),
    }

    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub(crate) struct AllPlace {
        #[prost(oneof = "InAll", tags = "1, 2, 3")]
        pub(crate) from: Option<InAll>,
    }

    #[derive(Clone, Copy, PartialEq, prost::Oneof)]
    pub(crate) enum InAll {
        #[prost(message, tag = "1")]
        At(Position),
        #[prost(message, tag = "2")]
        Start(()),
        #[prost(message, tag = "3")]
        End(()),
    }

    #[derive(Clone, Copy, PartialEq, prost::Oneof)]
    pub(crate) enum Count {
        #[prost(uint64, tag = "5")]
        Events(u64),
        #[prost(message, tag = "6")]
        Subscription(()),
    }

    #[derive(Clone, PartialEq, prost::Oneof)]
    pub(crate) enum Filter {
        #[prost(message, tag = "7")]
        Some(FilterOptions),
        #[prost(message, tag = "8")]
        None(()),
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct FilterOptions {
        #[prost(message, optional, tag = "1")]
        pub(crate) stream_name: Option<Expression>,
        #[prost(uint32, tag = "3")]
        pub(crate) window: u32,
        #[prost(uint32, tag = "5")]
        pub(crate) checkpoint_interval: u32,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Expression {
        #[prost(string, tag = "1")]
        pub(crate) regex: String,
        #[prost(string, repeated, tag = "2")]
        pub(crate) prefixes: Vec<String>,
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ReadResp {
    #[prost(oneof = "read_resp::Content", tags = "1, 2, 3, 4, 8")]
    pub(crate) content: Option<read_resp::Content>,
}

pub(crate) mod read_resp {
    use super::{HashMap, Position, StreamIdentifier, Uuid};

    #[derive(Clone, PartialEq, prost::Oneof)]
    pub(crate) enum Content {
        #[prost(message, tag = "1")]
        Event(ReadEvent),
        #[prost(message, tag = "2")]
        Confirmation(Confirmation),
        #[prost(message, tag = "3")]
        Checkpoint(Position),
        #[prost(message, tag = "4")]
        StreamNotFound(StreamNotFound),
        #[prost(message, tag = "8")]
        CaughtUp(()),
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct ReadEvent {
        #[prost(message, optional, tag = "1")]
        pub(crate) event: Option<RecordedEvent>,
        #[prost(uint64, tag = "3")]
        pub(crate) commit_position: u64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct RecordedEvent {
        #[prost(message, optional, tag = "1")]
        pub(crate) id: Option<Uuid>,
        #[prost(message, optional, tag = "2")]
        pub(crate) stream: Option<StreamIdentifier>,
        #[prost(uint64, tag = "3")]
        pub(crate) revision: u64,
        #[prost(uint64, tag = "4")]
        pub(crate) prepare_position: u64,
        #[prost(uint64, tag = "5")]
        pub(crate) commit_position: u64,
        #[prost(map = "string, string", tag = "6")]
        pub(crate) metadata: HashMap<String, String>,
        #[prost(bytes = "vec", tag = "7")]
        pub(crate) custom_metadata: Vec<u8>,
        #[prost(bytes = "vec", tag = "8")]
        pub(crate) data: Vec<u8>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Confirmation {
        #[prost(string, tag = "1")]
        pub(crate) subscription_id: String,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct StreamNotFound {
        #[prost(message, optional, tag = "1")]
        pub(crate) stream: Option<StreamIdentifier>,
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct BatchAppendReq {
    #[prost(message, optional, tag = "1")]
    pub(crate) correlation_id: Option<Uuid>,
    #[prost(message, optional, tag = "2")]
    pub(crate) options: Option<batch_append_req::Options>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) messages: Vec<batch_append_req::ProposedMessage>,
    #[prost(bool, tag = "4")]
    pub(crate) is_final: bool,
}

pub(crate) mod batch_append_req {
    use super::{HashMap, StreamIdentifier, Uuid};

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Options {
        #[prost(message, optional, tag = "1")]
        pub(crate) stream: Option<StreamIdentifier>,
        #[prost(oneof = "Expected", tags = "2, 3, 4, 5")]
        pub(crate) expected: Option<Expected>,
    }

    #[derive(Clone, Copy, PartialEq, prost::Oneof)]
    pub(crate) enum Expected {
        #[prost(uint64, tag = "2")]
        At(u64),
        #[prost(message, tag = "3")]
        NoStream(()),
        #[prost(message, tag = "4")]
        Any(()),
        #[prost(message, tag = "5")]
        StreamExists(()),
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct ProposedMessage {
        #[prost(message, optional, tag = "1")]
        pub(crate) id: Option<Uuid>,
        #[prost(map = "string, string", tag = "2")]
        pub(crate) metadata: HashMap<String, String>,
        #[prost(bytes = "vec", tag = "3")]
        pub(crate) custom_metadata: Vec<u8>,
        #[prost(bytes = "vec", tag = "4")]
        pub(crate) data: Vec<u8>,
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct BatchAppendResp {
    #[prost(message, optional, tag = "1")]
    pub(crate) correlation_id: Option<Uuid>,
    #[prost(oneof = "batch_append_resp::Outcome", tags = "2, 3")]
    pub(crate) outcome: Option<batch_append_resp::Outcome>,
    #[prost(message, optional, tag = "4")]
    pub(crate) stream: Option<StreamIdentifier>,
}

pub(crate) mod batch_append_resp {
    use super::Position;

    #[derive(Clone, PartialEq, prost::Oneof)]
    pub(crate) enum Outcome {
        #[prost(message, tag = "2")]
        Error(Status),
        #[prost(message, tag = "3")]
        Success(Success),
    }

    /// `google.rpc.Status`; its details say once more what the message says.
    #[derive(Clone, PartialEq, prost::Message)]
    pub(crate) struct Status {
        #[prost(int32, tag = "1")]
        pub(crate) code: i32,
        #[prost(string, tag = "2")]
        pub(crate) message: String,
    }

    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub(crate) struct Success {
        #[prost(uint64, optional, tag = "1")]
        pub(crate) current_revision: Option<u64>,
        #[prost(message, optional, tag = "3")]
        pub(crate) position: Option<Position>,
    }
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SupportedMethods {
    #[prost(message, repeated, tag = "1")]
    pub(crate) methods: Vec<SupportedMethod>,
    #[prost(string, tag = "2")]
    pub(crate) server_version: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct SupportedMethod {
    #[prost(string, tag = "1")]
    pub(crate) method_name: String,
    #[prost(string, tag = "2")]
    pub(crate) service_name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ClusterInfo {
    #[prost(message, repeated, tag = "1")]
    pub(crate) members: Vec<MemberInfo>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct MemberInfo {
    #[prost(message, optional, tag = "1")]
    pub(crate) instance_id: Option<Uuid>,
    /// 6 is a follower, 8 the leader.
    #[prost(int32, tag = "3")]
    pub(crate) state: i32,
    #[prost(bool, tag = "4")]
    pub(crate) is_alive: bool,
    #[prost(message, optional, tag = "5")]
    pub(crate) end_point: Option<EndPoint>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct EndPoint {
    #[prost(string, tag = "1")]
    pub(crate) address: String,
    #[prost(uint32, tag = "2")]
    pub(crate) port: u32,
}
