//! What the pages work with.

use crate::live::LIVE_STREAMS_MAX;
use crate::login::{LoginThrottle, Logins};
use crate::pages::power::CountedFleet;
use crate::prices::Prices;
use chargebook_commands::Chargebook;
use chargebook_domain::units::Timestamp;
use chargebook_projections::ReadModels;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Says whether a text is an API token that may use the console. It compares in constant time.
pub type Authenticator = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// What the embedder may set.
#[derive(Clone, Debug)]
pub struct ConsoleOptions {
    /// A login ends after this.
    pub login_lifetime: Duration,
    /// The cookie is sent over HTTPS only. Set it where the console is behind TLS.
    pub secure_cookie: bool,
    /// Ends the live streams, which would otherwise keep a server from stopping.
    pub shutdown: CancellationToken,
}

impl Default for ConsoleOptions {
    fn default() -> Self {
        Self {
            login_lifetime: Duration::from_secs(12 * 60 * 60),
            secure_cookie: false,
            shutdown: CancellationToken::new(),
        }
    }
}

/// The console. Cheap to clone; clones share the logins.
#[derive(Clone)]
pub struct Console {
    inner: Arc<Inner>,
}

struct Inner {
    chargebook: Chargebook,
    models: ReadModels,
    authenticator: Authenticator,
    options: ConsoleOptions,
    logins: Logins,
    throttle: LoginThrottle,
    prices: Prices,
    counted_fleet: CountedFleet,
    live_streams: Arc<Semaphore>,
}

impl Console {
    /// A console over the service and its read models.
    pub fn new(
        chargebook: Chargebook,
        models: ReadModels,
        authenticator: Authenticator,
        options: ConsoleOptions,
    ) -> Self {
        let inner = Inner {
            chargebook,
            models,
            authenticator,
            logins: Logins::new(options.login_lifetime),
            options,
            throttle: LoginThrottle::default(),
            prices: Prices::default(),
            counted_fleet: CountedFleet::default(),
            live_streams: Arc::new(Semaphore::new(LIVE_STREAMS_MAX)),
        };
        Self { inner: Arc::new(inner) }
    }

    pub(crate) fn chargebook(&self) -> &Chargebook {
        &self.inner.chargebook
    }

    pub(crate) fn models(&self) -> &ReadModels {
        &self.inner.models
    }

    pub(crate) fn authenticates(&self, token: &str) -> bool {
        (self.inner.authenticator)(token)
    }

    pub(crate) fn options(&self) -> &ConsoleOptions {
        &self.inner.options
    }

    pub(crate) fn logins(&self) -> &Logins {
        &self.inner.logins
    }

    pub(crate) fn throttle(&self) -> &LoginThrottle {
        &self.inner.throttle
    }

    pub(crate) fn prices(&self) -> &Prices {
        &self.inner.prices
    }

    pub(crate) fn counted_fleet(&self) -> &CountedFleet {
        &self.inner.counted_fleet
    }

    pub(crate) fn live_streams(&self) -> &Arc<Semaphore> {
        &self.inner.live_streams
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.inner.chargebook.journal().now()
    }
}
