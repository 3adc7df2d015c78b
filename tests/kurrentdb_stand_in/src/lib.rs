//! A server that speaks KurrentDB's gRPC protocol as far as a log needs it, with its log in memory
//! and with faults on demand: so that the engine and the client beneath it are tested over a real
//! connection where no KurrentDB runs. For tests only.
//!
//! It keeps what the protocol promises (exact expected versions, how repeats are recognised, the
//! order of `$all`, what a subscription tells). It has no disk, no rights and no replication: that
//! a cluster keeps what it acknowledges is KurrentDB's to prove.
#![expect(clippy::result_large_err, reason = "gRPC's answer to a failed call is tonic's")]

mod faults;
mod log;
mod read;
mod service;
mod wire;
mod write;

pub use faults::{Fault, Plan, Step};

use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use log::Log;
use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// The largest append that a new stand-in takes, in bytes: what a server can be set to at most.
pub const APPEND_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What the nodes of a cluster share.
struct Cluster {
    log: Mutex<Log>,
    /// Events in the log: subscribers wait for it to move.
    length: watch::Sender<usize>,
    plan: Mutex<Option<Plan>>,
    leader: AtomicUsize,
    ports: Vec<u16>,
    append_bytes_max: AtomicUsize,
}

/// One node as its calls see it.
#[derive(Clone)]
struct Node {
    cluster: Arc<Cluster>,
    index: usize,
}

impl Cluster {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fault_at(&self, step: Step) -> Option<Fault> {
        let plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        plan.as_ref().and_then(|plan| plan(step))
    }

    fn tell(&self) {
        let length = self.log().len();
        self.length.send_replace(length);
    }
}

/// A cluster of one node or more. Ends when it is dropped.
pub struct StandIn {
    cluster: Arc<Cluster>,
    nodes: Vec<Option<JoinHandle<()>>>,
}

impl StandIn {
    /// Starts one node on a port of its own.
    pub async fn start() -> io::Result<Self> {
        Self::start_cluster(1).await
    }

    /// Starts so many nodes over one log; the first one leads.
    pub async fn start_cluster(nodes: usize) -> io::Result<Self> {
        let mut listeners = Vec::with_capacity(nodes);
        for _ in 0..nodes {
            listeners.push(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?);
        }
        let port = |listener: &TcpListener| listener.local_addr().map(|address| address.port());
        let cluster = Arc::new(Cluster {
            log: Mutex::new(Log::new()),
            length: watch::Sender::new(1),
            plan: Mutex::new(None),
            leader: AtomicUsize::new(0),
            ports: listeners.iter().map(port).collect::<Result<_, _>>()?,
            append_bytes_max: AtomicUsize::new(APPEND_BYTES_MAX),
        });
        let serve = |(index, listener)| {
            Some(tokio::spawn(serve(listener, Node { cluster: Arc::clone(&cluster), index })))
        };
        let nodes = listeners.into_iter().enumerate().map(serve).collect();
        Ok(Self { cluster, nodes })
    }

    /// The address of all nodes, for a client.
    pub fn address(&self) -> String {
        let hosts: Vec<String> =
            self.cluster.ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        format!("esdb://{}?tls=false", hosts.join(","))
    }

    /// What goes wrong from now on.
    pub fn plan_faults(&self, plan: impl Fn(Step) -> Option<Fault> + Send + Sync + 'static) {
        *self.plan() = Some(Box::new(plan));
    }

    /// Nothing goes wrong any more.
    pub fn heal(&self) {
        *self.plan() = None;
    }

    /// Another node leads.
    pub fn lead(&self, node: usize) {
        self.cluster.leader.store(node, Ordering::SeqCst);
    }

    /// A node is gone, with all its connections.
    pub async fn kill(&mut self, node: usize) {
        if let Some(task) = self.nodes.get_mut(node).and_then(Option::take) {
            task.abort();
            // It ends by being aborted.
            let _ = task.await;
        }
    }

    /// It is back on its port.
    pub async fn revive(&mut self, node: usize) -> io::Result<()> {
        self.kill(node).await;
        let port = self.cluster.ports[node];
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let cluster = Arc::clone(&self.cluster);
        self.nodes[node] = Some(tokio::spawn(serve(listener, Node { cluster, index: node })));
        Ok(())
    }

    /// The largest append that is taken from now on, in bytes of its events.
    pub fn limit_appends(&self, bytes: usize) {
        self.cluster.append_bytes_max.store(bytes, Ordering::SeqCst);
    }

    /// Another program writes to a stream of its own.
    pub fn write_foreign(&self, stream: &str) {
        self.cluster.log().write_own(stream, "something-else");
        self.cluster.tell();
    }

    /// The last events are lost, as they must never be.
    pub fn truncate(&self, events: usize) {
        self.cluster.log().truncate(events);
        self.cluster.tell();
    }

    fn plan(&self) -> MutexGuard<'_, Option<Plan>> {
        self.cluster.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        for node in self.nodes.iter().flatten() {
            node.abort();
        }
    }
}

/// Serves one node; its connections end with it.
async fn serve(listener: TcpListener, node: Node) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((socket, _)) = listener.accept().await else { continue };
        // Where it cannot be set, answers are late, and that is all.
        let _ = socket.set_nodelay(true);
        let node = node.clone();
        connections.spawn(async move {
            let service = hyper::service::service_fn(move |request| {
                let answer = service::route(node.clone(), request);
                async move { Ok::<_, Infallible>(answer.await) }
            });
            // A connection that breaks is the client's to notice.
            let _ = http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(socket), service)
                .await;
        });
        while connections.try_join_next().is_some() {}
    }
}
