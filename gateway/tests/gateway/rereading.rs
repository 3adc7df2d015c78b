//! Reading refused messages again in a station's long months.

use crate::support::Gateway;
use chargebook_commands::journal::{Draft, read_event};
use chargebook_commands::reread::{REREAD_EVENTS_MAX, RereadReport, RereadRequest};
use chargebook_domain::events::Event;
use chargebook_domain::units::Timestamp;
use chargebook_store::ExpectedVersion;

/// Events that are appended at a time.
const BATCH: usize = 500;

/// The station says a great deal that is understood.
async fn says_much(gateway: &Gateway, events: usize) {
    let recorded = gateway.events().await;
    let is_exchange = |event: &&_| matches!(read_event(event), Ok(Event::ExchangeRecorded(_)));
    let said = recorded.iter().rfind(is_exchange).expect("an exchange");
    let of_stream = recorded.iter().filter(|event| event.stream == said.stream);
    let mut version = of_stream.map(|event| event.version).max().expect("a version");
    let Ok(Event::ExchangeRecorded(mut exchange)) = read_event(said) else { unreachable!() };
    let journal = gateway.chargebook.journal();
    for _ in 0..events / BATCH {
        exchange.received_at = journal.now();
        let draft = || Draft::new(journal.fresh_id(), Event::ExchangeRecorded(exchange.clone()));
        let drafts: Vec<_> = (0..BATCH).map(|_| draft()).collect();
        let expected = ExpectedVersion::Exact(version);
        version = journal.append(&said.stream, expected, &drafts).await.expect("appended").version;
    }
}

async fn reread(gateway: &Gateway, from: Option<Timestamp>) -> RereadReport {
    let request = RereadRequest { from, until: None, dry_run: true };
    gateway.chargebook.reread("CP-1", request).await.expect("read")
}

#[tokio::test]
async fn one_request_reads_so_much_and_says_where_to_go_on() {
    let gateway = Gateway::start().await;
    let mut station = gateway.station("CP-1").await;
    for round in ["first", "second"] {
        assert_eq!(station.call(round, "StartTransaction", "{}").await[0], 4);
        assert_eq!(station.call(&format!("{round} beat"), "Heartbeat", "{}").await[0], 3);
        says_much(&gateway, REREAD_EVENTS_MAX).await;
    }
    let mut found = Vec::new();
    let (mut from, mut requests) = (None, 0);
    loop {
        let report = reread(&gateway, from).await;
        requests += 1;
        found.extend(report.messages.iter().map(|message| message.exchange));
        let Some(next) = report.next_from else { break };
        assert!(from.is_none_or(|from| next > from), "{next} is no way on");
        from = Some(next);
    }
    assert!(requests > 1);
    found.dedup();
    assert_eq!(found.len(), 2, "in {requests} requests");
}
