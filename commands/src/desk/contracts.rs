//! Contracts that came together and are handed out one at a time: a vehicle of ISO 15118-20 asks
//! with the same request for as long as there are more (OCPP 2.1, M01.FR.04 to FR.07).
//!
//! They hold keys: they are kept in memory for a while, and nowhere else. After a reconnect, or
//! once they are forgotten, whoever gives contracts is asked again.

use crate::message::{ContractAnswer, ContractRequest};
use chargebook_domain::ids::EventId;
use chargebook_domain::units::Timestamp;
use chrono::TimeDelta;
use sha2::{Digest as _, Sha256};
use std::collections::{HashMap, VecDeque};

/// How long what is left is kept: a vehicle asks for the next within seconds.
const KEPT_FOR: TimeDelta = TimeDelta::minutes(10);
/// Most requests of one connection of which something is kept; beyond that the oldest is forgotten.
const REQUESTS_MAX: usize = 16;
/// Most contracts of one request.
const CONTRACTS_MAX: usize = 32;

type RequestHash = [u8; 32];

/// What is left of the answers to a connection's requests.
#[derive(Default)]
pub(super) struct ContractQueues {
    kept: HashMap<RequestHash, Queue>,
}

struct Queue {
    rest: VecDeque<String>,
    /// What was given last, and to which message: one that is decided again gets the same.
    given: (EventId, ContractAnswer),
    until: Timestamp,
}

impl ContractQueues {
    /// The next answer to a request that was asked before, where one is left.
    pub(super) fn next(
        &mut self,
        request: &ContractRequest,
        message: EventId,
        now: Timestamp,
    ) -> Option<ContractAnswer> {
        self.kept.retain(|_, queue| now < queue.until);
        let queue = self.kept.get_mut(&hash(request))?;
        if queue.given.0 != message {
            queue.given = (message, answer(&mut queue.rest)?);
        }
        Some(queue.given.1.clone())
    }

    /// The first of the answers that came to a request; the others are kept.
    pub(super) fn first(
        &mut self,
        request: &ContractRequest,
        contracts: Vec<String>,
        message: EventId,
        now: Timestamp,
    ) -> Option<ContractAnswer> {
        let mut rest: VecDeque<String> = contracts.into_iter().take(CONTRACTS_MAX).collect();
        if request.contracts_max.is_none() {
            // ISO 15118-2 knows of one.
            let exi_response = rest.pop_front()?;
            return Some(ContractAnswer { exi_response, remaining: None });
        }
        let first = answer(&mut rest)?;
        if self.kept.len() >= REQUESTS_MAX {
            let oldest = self.kept.iter().min_by_key(|(_, queue)| queue.until);
            if let Some(oldest) = oldest.map(|(request, _)| *request) {
                self.kept.remove(&oldest);
            }
        }
        let until = Timestamp::new(now.utc() + KEPT_FOR);
        self.kept.insert(hash(request), Queue { rest, given: (message, first.clone()), until });
        Some(first)
    }
}

/// The next one, and how many there are after it.
fn answer(rest: &mut VecDeque<String>) -> Option<ContractAnswer> {
    let exi_response = rest.pop_front()?;
    Some(ContractAnswer { exi_response, remaining: u32::try_from(rest.len()).ok() })
}

/// Of all that a request says.
fn hash(request: &ContractRequest) -> RequestHash {
    let ContractRequest { schema, action, exi_request, contracts_max, contract_ids } = request;
    let said = serde_json::json!([schema, action, exi_request, contracts_max, contract_ids]);
    Sha256::digest(said.to_string().as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn request(exi_request: &str, contracts_max: Option<u32>) -> ContractRequest {
        ContractRequest {
            schema: "urn:iso:std:iso:15118:-20:CommonMessages".to_owned(),
            action: "Install".to_owned(),
            exi_request: exi_request.to_owned(),
            contracts_max,
            contract_ids: Vec::new(),
        }
    }

    fn said(answer: Option<ContractAnswer>) -> Option<(String, Option<u32>)> {
        answer.map(|answer| (answer.exi_response, answer.remaining))
    }

    #[test]
    fn what_is_left_is_given_once_to_the_same_request_and_for_a_while() {
        let message = |number| EventId(Uuid::from_u128(number));
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1_000).expect("an instant");
        let contracts = || vec!["a".to_owned(), "b".to_owned(), "c".to_owned()];
        let given = |name: &str, left| Some((name.to_owned(), left));
        let (asked, other) = (request("one", Some(3)), request("other", Some(3)));
        let mut queues = ContractQueues::default();
        assert_eq!(said(queues.next(&asked, message(1), at(0))), None);
        let first = queues.first(&asked, contracts(), message(1), at(0));
        assert_eq!(said(first), given("a", Some(2)));
        // Decided again, because the log had moved on.
        assert_eq!(said(queues.next(&asked, message(1), at(0))), given("a", Some(2)));
        assert_eq!(said(queues.next(&other, message(2), at(1))), None);
        assert_eq!(said(queues.next(&asked, message(3), at(1))), given("b", Some(1)));
        assert_eq!(said(queues.next(&asked, message(4), at(2))), given("c", Some(0)));
        assert_eq!(said(queues.next(&asked, message(5), at(3))), None);

        queues.first(&asked, contracts(), message(6), at(10));
        assert_eq!(said(queues.next(&asked, message(7), at(10 + 10 * 60))), None, "forgotten");
        let one = request("one", None);
        assert_eq!(said(queues.first(&one, contracts(), message(8), at(0))), given("a", None));
        assert_eq!(said(queues.next(&one, message(9), at(0))), None);
        for number in 0..100 {
            let asked = request(&number.to_string(), Some(3));
            queues.first(&asked, contracts(), message(10), at(0));
        }
        assert_eq!(queues.kept.len(), REQUESTS_MAX);
    }
}
