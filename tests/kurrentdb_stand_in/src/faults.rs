//! What goes wrong, and where: tests say it by a plan that is asked at every step.

/// A step of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// An append has arrived whole.
    Append,
    /// An event is about to be given to a subscriber.
    Delivery,
    /// A page is to be read.
    Read,
}

/// What goes wrong there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The node says that another one leads, and where.
    NotLeader,
    /// The answer is that time has run out; it may be written all the same.
    TimedOut {
        /// Whether it is.
        written: bool,
    },
    /// The call ends with an error before it is answered.
    Dropped {
        /// Whether it is written all the same.
        written: bool,
    },
    /// The call ends as if all had been said, as a proxy in between may end it.
    Ended,
    /// No answer, for ever.
    Silent {
        /// Whether it is written all the same.
        written: bool,
    },
    /// Nothing is written, and the server asks for patience.
    Busy,
}

/// Asked at every step; `None` lets it pass.
pub type Plan = Box<dyn Fn(Step) -> Option<Fault> + Send + Sync>;
