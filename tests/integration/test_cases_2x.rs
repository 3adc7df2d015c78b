//! Test cases of the Open Charge Alliance for a CSMS of 2.0.1 and 2.1, one by one: the real
//! server, an independent charge point, and what each case expects. `docs/conformance.md` names
//! them. A case that both versions have is played in both.

mod authorization;
mod charging;
mod charging_needs;
mod diagnostics;
mod display;
mod energy;
mod firmware;
mod metering;
mod payment;
mod provisioning;
mod remote;
mod reservation;
mod security;
mod transactions;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::harness::{ChargePoint, TestCsms};
use crate::messages::{TAG, after, an_hour_ago, boot_2x, booted_2x, csms_with_station, time};

const V201: &str = "ocpp2.0.1";
const V21: &str = "ocpp2.1";

/// Plays a case in both versions, each with a server and a station of its own.
fn in_both(play: impl Fn(&mut Bench)) {
    for version in [V201, V21] {
        play(&mut Bench::booted(version));
    }
}

/// A server, and one station that has started up.
struct Bench {
    csms: TestCsms,
    station: ChargePoint,
    version: &'static str,
}

impl Bench {
    #[track_caller]
    fn booted(version: &'static str) -> Self {
        let csms = csms_with_station("CP-1");
        let station = booted_2x(&csms, version);
        Self { csms, station, version }
    }

    /// Sends one request in OCPP's words: the station gets exactly it, and its answer is what the
    /// command shows. Returns the command.
    #[track_caller]
    fn asks(&mut self, action: &str, payload: Value, answer: Value) -> Value {
        let path = format!("ocpp/{action}");
        let (command, sent) = self.request(&path, &payload, action, &answer);
        assert_eq!(sent, payload, "{action}");
        command
    }

    /// Sends one request by a verb of ours; returns what has reached the station.
    #[track_caller]
    fn commands(&mut self, body: Value, action: &str, answer: Value) -> Value {
        self.request("commands", &body, action, &answer).1
    }

    #[track_caller]
    fn request(
        &mut self,
        path: &str,
        body: &Value,
        action: &str,
        answer: &Value,
    ) -> (Value, Value) {
        self.station.will_answer(action, answer.clone());
        let path = format!("/v1/stations/CP-1/{path}");
        let wait = [("Prefer", "wait=30")];
        let command = self.csms.send("POST", &path, &wait, &body.to_string()).expect(200).json();
        let shown = (&command["state"], &command["reply"]);
        assert_eq!(shown, (&json!("answered"), answer), "{command:#}");
        let call = self.station.received_calls().pop().expect("a CALL");
        assert_eq!(call["action"], action);
        (command, call["payload"].clone())
    }

    /// A command as it is now.
    #[track_caller]
    fn command(&self, command: &Value) -> Value {
        let id = command["id"].as_str().expect("an id");
        self.csms.get(&format!("/v1/commands/{id}")).expect(200).json()
    }

    /// The station says something that is answered with nothing.
    #[track_caller]
    fn notes(&mut self, action: &str, payload: Value) {
        assert_eq!(self.station.call(action, payload), json!({}), "{action}");
    }

    /// The station tells the next event of a transaction and gets this answer.
    #[track_caller]
    fn tells(
        &mut self,
        transaction: &mut Transaction,
        (kind, trigger): (&str, &str),
        further: &[Value],
    ) -> Value {
        let event = transaction.event(kind, trigger, further);
        self.station.call("TransactionEvent", event)
    }

    /// Energy is flowing: plugged in, authorized by [`TAG`] at a register of 1 kWh, charging.
    #[track_caller]
    fn charges(&mut self, id: &str) -> Transaction {
        let mut transaction = Transaction::new(id, an_hour_ago());
        self.begins(&mut transaction, TAG);
        transaction
    }

    #[track_caller]
    fn begins(&mut self, transaction: &mut Transaction, uid: &str) {
        let plugged = [state("EVConnected"), register("Transaction.Begin", 1_000)];
        self.tells(transaction, ("Started", "CablePluggedIn"), &plugged);
        let answer = self.tells(transaction, ("Updated", "Authorized"), &[by(uid)]);
        assert_eq!(answer["idTokenInfo"]["status"], "Accepted", "{answer}");
        self.tells(transaction, ("Updated", "ChargingStateChanged"), &[state("Charging")]);
    }

    /// The driver stops and unplugs, at a register of 11 kWh.
    #[track_caller]
    fn ends(&mut self, transaction: &mut Transaction) -> Value {
        self.ends_as(transaction, TAG)
    }

    /// The same by another token.
    #[track_caller]
    fn ends_as(&mut self, transaction: &mut Transaction, uid: &str) -> Value {
        let stopped = [by(uid), state("EVConnected")];
        self.tells(transaction, ("Updated", "StopAuthorized"), &stopped);
        let unplugged =
            [state("Idle"), reason("EVDisconnected"), register("Transaction.End", 11_000)];
        self.tells(transaction, ("Ended", "EVCommunicationLost"), &unplugged)
    }

    /// The state of every connector of the station, in the two ways a 2.x station says it.
    #[track_caller]
    fn connector_is(&mut self, status: &str) {
        let at = time(Utc::now());
        self.notes(
            "StatusNotification",
            json!({ "timestamp": at, "connectorStatus": status,
            "evseId": 1, "connectorId": 1 }),
        );
        let change = json!({ "eventId": 1, "timestamp": at, "trigger": "Delta",
            "actualValue": status, "eventNotificationType": "HardWiredNotification",
            "component": { "name": "Connector", "evse": { "id": 1, "connectorId": 1 } },
            "variable": { "name": "AvailabilityState" } });
        self.notes("NotifyEvent", notice(&[change]));
    }

    /// The station is connected again, and has said something.
    #[track_caller]
    fn comes_back(&mut self) {
        self.station.connect_as(&self.csms, self.version);
        self.station.call("Heartbeat", json!({}));
    }

    /// The station is gone, comes again and starts up, for this reason.
    #[track_caller]
    fn restarts(&mut self, reason: &str) {
        self.station.disconnect();
        self.station.connect_as(&self.csms, self.version);
        let mut boot = boot_2x();
        boot["reason"] = json!(reason);
        assert_eq!(self.station.call("BootNotification", boot)["status"], "Accepted");
        self.connector_is("Available");
    }
}

impl Drop for Bench {
    #[expect(clippy::print_stdout, reason = "shown by the test runner with a failed test")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("the case was played in {}", self.version);
        }
    }
}

/// One transaction as the station tells it: its events are numbered, and five minutes apart.
struct Transaction {
    id: String,
    evse: u32,
    begun: DateTime<Utc>,
    told: u32,
}

impl Transaction {
    fn new(id: &str, begun: DateTime<Utc>) -> Self {
        Self { id: id.to_owned(), evse: 1, begun, told: 0 }
    }

    fn at_evse(self, evse: u32) -> Self {
        Self { evse, ..self }
    }

    /// The next event, with further members.
    fn event(&mut self, kind: &str, trigger: &str, further: &[Value]) -> Value {
        let at = after(self.begun, 5 * i64::from(self.told));
        let mut event = json!({
            "eventType": kind, "timestamp": at, "triggerReason": trigger, "seqNo": self.told,
            "transactionInfo": { "transactionId": self.id },
            "evse": { "id": self.evse, "connectorId": 1 },
        });
        for further in further {
            merge(&mut event, further.clone());
        }
        if let Some(values) = event.get_mut("meterValue").and_then(Value::as_array_mut) {
            values.iter_mut().for_each(|value| value["timestamp"] = json!(at));
        }
        self.told += 1;
        event
    }
}

/// Adds the members of an object to another, at every depth.
fn merge(into: &mut Value, further: Value) {
    match (into, further) {
        (Value::Object(into), Value::Object(further)) => {
            for (name, value) in further {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, further) => *into = further,
    }
}

fn state(charging: &str) -> Value {
    json!({ "transactionInfo": { "chargingState": charging } })
}

fn reason(stopped: &str) -> Value {
    json!({ "transactionInfo": { "stoppedReason": stopped } })
}

fn by(uid: &str) -> Value {
    json!({ "idToken": token(uid) })
}

fn token(uid: &str) -> Value {
    json!({ "idToken": uid, "type": "ISO14443" })
}

/// The energy register, in Wh.
fn register(context: &str, register_wh: u32) -> Value {
    json!({ "meterValue": [{ "sampledValue": [{ "value": register_wh, "context": context,
        "measurand": "Energy.Active.Import.Register" }] }] })
}

/// A NotifyEvent with these events.
fn notice(events: &[Value]) -> Value {
    json!({ "generatedAt": time(Utc::now()), "seqNo": 0, "eventData": events })
}

fn status_is(status: &str) -> Value {
    json!({ "status": status })
}
