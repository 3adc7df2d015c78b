//! The load generator against the bare server, both as the benchmark runs them.
#![allow(clippy::unwrap_used, missing_docs)]

use std::cell::Cell;
use std::path::PathBuf;
use std::time::Duration;

use chargebook_simulator::load::{
    Burst, Edge, LoadTarget, LoadVersion, NullServer, Pacing, SessionLoad, open_idle,
    reconnect_all, run_sessions,
};
use tokio::net::TcpListener;
use tokio::task::LocalSet;

/// A folder of this test's own, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn bare_server(folder: &Folder) -> LoadTarget {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = NullServer::new(&folder.0, true).unwrap();
    tokio::spawn(server.serve(listener));
    LoadTarget {
        address,
        path: "/ocpp".to_owned(),
        station_prefix: "LOAD-".to_owned(),
        tag_prefix: "TAG".to_owned(),
        password: Some("secret".to_owned()),
        offers_compression: false,
        versions: vec![LoadVersion::V16, LoadVersion::V201, LoadVersion::V21],
    }
}

#[tokio::test]
async fn every_answered_call_is_in_the_file_of_the_bare_server() {
    for pacing in [Pacing::ClosedLoop, Pacing::PerSecond(500)] {
        let folder = Folder::new("load-sessions");
        let target = bare_server(&folder).await;
        let load = SessionLoad {
            target,
            connections: 8,
            pacing,
            warm_up: Duration::from_millis(50),
            measure: Duration::from_millis(400),
        };
        let edges = Cell::new((0, 0));
        let at_edge = |edge| {
            let (begins, ends) = edges.get();
            edges.set(match edge {
                Edge::Begin => (begins + 1, ends),
                Edge::End => (begins, ends + 1),
            });
        };
        let report = LocalSet::new().run_until(run_sessions(load, at_edge)).await.unwrap();
        assert_eq!(edges.get(), (1, 1));
        assert_eq!(report.failures, 0, "{:?}", report.first_failures);
        assert!(report.messages > 0);
        let log = std::fs::read_to_string(folder.0.join("frames.log")).unwrap();
        assert!(u64::try_from(log.lines().count()).unwrap() >= report.messages);
        for line in log.lines() {
            let frame: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(frame[0], 2);
        }
        // The transaction id of the answer is the one used afterwards.
        assert!(!log.contains(r#""transactionId":          0"#), "an id was not taken over");
    }
}

#[tokio::test]
async fn idle_connections_are_held_and_come_back() {
    let folder = Folder::new("load-idle");
    let target = bare_server(&folder).await;
    let run = async {
        let steps = Cell::new(0);
        let held = open_idle(&target, 20, |done| steps.set(steps.get().max(done))).await.unwrap();
        assert_eq!((held.len(), steps.get()), (20, 20));
        assert!(held.iter().all(|one| !one.is_closed()));
        drop(held);
        let (report, again) = reconnect_all(&target, 20, Duration::from_secs(20)).await;
        assert_eq!((report.booted, report.failed_tries, again.len()), (20, 0, 20));
    };
    LocalSet::new().run_until(run).await;
}

#[tokio::test]
async fn a_server_that_is_away_is_an_error_not_a_result() {
    let folder = Folder::new("load-away");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target =
        LoadTarget { address: listener.local_addr().unwrap(), ..bare_server(&folder).await };
    drop(listener);
    let load = SessionLoad {
        target: target.clone(),
        connections: 2,
        pacing: Pacing::ClosedLoop,
        warm_up: Duration::ZERO,
        measure: Duration::from_millis(10),
    };
    let set = LocalSet::new();
    assert!(set.run_until(run_sessions(load, |_| ())).await.is_err());
    assert!(set.run_until(open_idle(&target, 2, |_| ())).await.is_err());
    let deadline = Duration::from_millis(150);
    let (report, held) = set.run_until(reconnect_all(&target, 2, deadline)).await;
    assert_eq!((report.booted, held.len()), (0, 0));
    assert!(report.failed_tries > 0);
}

#[tokio::test]
async fn a_burst_goes_on_and_every_answer_is_in_its_place() {
    const IN_FLIGHT: usize = 50;
    let folder = Folder::new("load-burst");
    let target = bare_server(&folder).await;
    let local = LocalSet::new();
    let answered = local.run_until(async {
        let burst = Burst::begin(&target, 0, IN_FLIGHT).await.unwrap();
        while burst.answered() < 4 * IN_FLIGHT as u64 {
            tokio::task::yield_now().await;
        }
        burst.end().await.unwrap()
    });
    let answered = usize::try_from(answered.await).unwrap();
    let log = std::fs::read_to_string(folder.0.join("frames.log")).unwrap();
    // Those in flight may have been written already; the boot was.
    let written = log.lines().count();
    assert!(written > answered && written <= answered + IN_FLIGHT + 1, "{written}, {answered}");
}
