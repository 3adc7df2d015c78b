//! Stands between a server and its database, and can be silent as a stopped one or closed as one
//! that is down.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Bytes that are passed on at once.
const CHUNK_BYTES: usize = 16 * 1024;

/// How the database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Database {
    /// Everything passes.
    Up,
    /// Connections stay and can be made, and nothing passes: a process that was stopped.
    Silent,
    /// Connections end, and new ones end at once.
    Down,
}

struct Shared {
    state: Mutex<Database>,
    changed: Condvar,
}

/// A relay on a loopback port.
pub(crate) struct Relay {
    shared: Arc<Shared>,
    address: String,
}

impl Relay {
    /// A relay in front of `server` (`host:port`).
    pub(crate) fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address").to_string();
        let shared = Arc::new(Shared { state: Mutex::new(Database::Up), changed: Condvar::new() });
        let (server, for_all) = (server.to_owned(), Arc::clone(&shared));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if for_all.state() == Database::Down {
                    continue;
                }
                let Ok(server) = TcpStream::connect(&server) else { continue };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let from = from.try_clone().expect("a handle");
                    let to = to.try_clone().expect("a handle");
                    let shared = Arc::clone(&for_all);
                    std::thread::spawn(move || pass_on(from, to, &shared));
                }
                let shared = Arc::clone(&for_all);
                std::thread::spawn(move || {
                    shared.wait_while(|state| state != Database::Down);
                    // It may be closed already.
                    let _ = client.shutdown(Shutdown::Both);
                    let _ = server.shutdown(Shutdown::Both);
                });
            }
        });
        Self { shared, address }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// From now on the database is like this.
    pub(crate) fn turn(&self, state: Database) {
        *self.shared.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn state(&self) -> Database {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while(&self, condition: impl Fn(Database) -> bool) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.changed.wait_while(state, |state| condition(*state)));
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, shared: &Shared) {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let count = from.read(&mut chunk).unwrap_or(0);
        shared.wait_while(|state| state == Database::Silent);
        if count == 0 || to.write_all(&chunk[..count]).is_err() {
            let _ = to.shutdown(Shutdown::Both);
            return;
        }
    }
}
