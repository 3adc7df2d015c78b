//! A process that takes one JSON request a line and answers each with one JSON line.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use serde_json::Value;

use super::PATIENCE;

/// How long a process may take to end after its input has ended.
const FAREWELL_POLLS_MAX: u32 = 100;
const FAREWELL_POLL: Duration = Duration::from_millis(50);

/// A running process; dropping it closes its input, and ends it if that is not enough.
pub(crate) struct LineProcess {
    name: String,
    process: Child,
    requests: Option<ChildStdin>,
    replies: Receiver<String>,
}

impl LineProcess {
    /// Starts a process; `name` stands in the message of a test that fails.
    pub(crate) fn start(name: &str, command: &mut Command) -> Self {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the process starts");
        let requests = process.stdin.take();
        let output = process.stdout.take().expect("piped");
        let (sender, replies) = sync_channel(1);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { name: name.to_owned(), process, requests, replies }
    }

    /// Sends a request and returns its reply; a test fails where the process failed.
    #[track_caller]
    pub(crate) fn ask(&mut self, request: &Value) -> Value {
        let requests = self.requests.as_mut().expect("open until dropped");
        writeln!(requests, "{request}").expect("the process listens");
        let reply = self.replies.recv_timeout(PATIENCE);
        let reply = reply.unwrap_or_else(|_| panic!("{}: no reply to {request}", self.name));
        let reply: Value = serde_json::from_str(&reply).expect("a JSON line");
        assert!(reply.get("failed").is_none(), "{}: {request}: {}", self.name, reply["failed"]);
        reply
    }
}

impl Drop for LineProcess {
    fn drop(&mut self) {
        drop(self.requests.take());
        for _ in 0..FAREWELL_POLLS_MAX {
            if matches!(self.process.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            std::thread::sleep(FAREWELL_POLL);
        }
        // It may have ended this very moment.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
