//! The addresses that a server listens on, taken before anything else is begun: a port that
//! another program has is found out about at once.

use crate::config::Config;
use anyhow::Context;
use std::io::ErrorKind;
use std::net::SocketAddr;
use tokio::net::{TcpListener, TcpSocket};

/// Connections that wait to be accepted: thousands of stations come back at once after a
/// restart.
const LISTEN_BACKLOG: u32 = 4096;

/// Where others come in.
pub(crate) struct Doors {
    pub(crate) ocpp: TcpListener,
    pub(crate) http: TcpListener,
    pub(crate) ocpp_over_tls: Option<TcpListener>,
}

impl Doors {
    /// Listens where the configuration says, and nowhere else.
    pub(crate) fn open(config: &Config) -> anyhow::Result<Self> {
        Self::open_each(config, listen)
    }

    /// Listens where the configuration says; on a free port where another program has that one.
    pub(crate) fn open_where_free(config: &Config) -> anyhow::Result<Self> {
        Self::open_each(config, |address| match listen(address) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                listen(SocketAddr::new(address.ip(), 0))
            }
            opened => opened,
        })
    }

    fn open_each(
        config: &Config,
        listen: impl Fn(SocketAddr) -> std::io::Result<TcpListener>,
    ) -> anyhow::Result<Self> {
        let open = |address: SocketAddr, door: &str, option: &str| {
            listen(address).with_context(|| {
                format!(
                    "cannot listen on {address} ({door}): another server may be running there, \
                     or the address is not one of this machine's; choose another with {option}"
                )
            })
        };
        let tls = config.tls.as_ref();
        Ok(Self {
            ocpp: open(config.ocpp, "OCPP", "--ocpp")?,
            http: open(config.http, "HTTP", "--http")?,
            ocpp_over_tls: tls
                .map(|files| open(files.listen, "OCPP over TLS", "--tls-listen"))
                .transpose()?,
        })
    }
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(LISTEN_BACKLOG)
}
