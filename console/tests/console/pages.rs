//! What the pages show of events that really happened.

use crate::client::Browser;
use crate::world::{CARD, World, later, noon};
use axum::http::StatusCode;
use chargebook_commands::message::{Notice, NoticeContent, NoticeSubject, StationMessage};
use chargebook_domain::events::v1::Quantity::{EnergyImportRegisterWh, PowerImportW};
use chargebook_domain::events::v1::{
    ChargingProfile, ChargingSchedule, SchedulePeriod, TerminalPayment,
};
use chargebook_domain::ids::{EvseNumber, TransactionName, TransactionNumber};
use chargebook_projections::{Paging, SessionFilter};
use rust_decimal::Decimal;

async fn only_session(world: &World) -> String {
    let page = world.models.list_sessions(&SessionFilter::default(), &Paging::default()).await;
    let ids: Vec<_> = page.unwrap().items.iter().map(|session| session.id.to_string()).collect();
    assert_eq!(ids.len(), 1);
    ids.into_iter().next().unwrap()
}

#[tokio::test]
async fn an_empty_house_says_what_to_do_next() {
    let world = World::new(noon()).await;
    world.shown().await;
    let browser = Browser::logged_in(&world).await;
    browser.get("/").await.shows("Nobody is charging").shows("POST /v1/stations");
    browser.get("/stations").await.shows("No station is registered");
    browser.get("/sessions").await.shows("No session yet");
    browser.get("/invoices").await.shows("No invoice yet");
    browser.get("/reviews").await.shows("Nothing to review");
    let tariffs = browser.get("/tariffs").await;
    tariffs.shows("standard").shows("0.49 EUR / kWh").shows("22:00–06:00");
    tariffs.shows("Nothing is priced by <code>/x_origin</code>");
}

#[tokio::test]
async fn a_session_is_shown_from_its_start_to_its_invoice() {
    let world = World::new(noon()).await;
    let mut station = world.station("CP-1").await;
    station.boot("Nordlader", "Duo 22").await;
    let transaction = station.start(1, CARD, 10_000).await;
    station.status(1, "Charging", "NoError").await;
    world.clock.set(later(noon(), 900));
    let values = [(EnergyImportRegisterWh, 12_800), (PowerImportW, 11_100)];
    station.meter(1, transaction, &values).await;
    world.clock.set(later(noon(), 1_800));
    let values = [(EnergyImportRegisterWh, 15_500), (PowerImportW, 11_000)];
    station.meter(1, transaction, &values).await;
    world.shown().await;
    let browser = Browser::logged_in(&world).await;

    // 5.5 kWh at 0.49, and 0.35 for the session: 2.70 (2.695) and 0.35, 3.05 without VAT. 19 %
    // of that is 0.58 (0.5795): 3.63, where the exact sum with VAT would have been 3.62.
    let home = browser.get("/").await;
    home.shows("CP-1").shows("5.50 kWh").shows("11.0 kW").shows("3.63 EUR");
    browser.get("/stations").await.shows("Duo 22").shows("Online").shows("Charging");
    let on_site = browser.get("/stations/CP-1").await;
    on_site.shows("Stop charging at connector 1").shows("Harbour garage").shows("5.50 kWh");
    let address = format!("/sessions/{}", only_session(&world).await);
    let running = browser.get(&address).await;
    running.shows("Price so far").shows("3.63 <small>EUR</small>").shows("5.500 kWh");
    running.shows("3.05 EUR").shows("VAT 19 % on 3.05").shows("0.58 EUR").shows("3.63 EUR");
    running.shows("class=\"line power\"").shows("class=\"line energy\"").shows(CARD);
    // 12:00 UTC is 13:00 at the site; UTC stands in the title.
    running.shows("title=\"2026-11-22 12:00:00 UTC\">13:00</time>");

    world.clock.set(later(noon(), 3_600));
    station.stop(transaction, 20_000).await;
    station.status(1, "Available", "NoError").await;
    world.billed().await;
    // 10 kWh: 4.90 + 0.35 = 5.25, VAT 1.00 (0.9975), 6.25.
    let done = browser.get(&address).await;
    done.shows("Invoiced").shows("INV-000001").shows("6.25").hides("Price so far");
    done.shows("Stopped").shows("EVDisconnected");
    // The invoice's sums, all three of them.
    done.shows("5.25 EUR").shows("VAT 19 % on 5.25").shows("1.00 EUR").shows("6.25 EUR");
    let invoice = browser.get("/invoices/INV%2D000001").await;
    invoice.shows("10.000 kWh").shows("5.25 EUR").shows("VAT 19 % on 5.25").shows("6.25 EUR");
    invoice.shows("chargebook audit export --data DIR --invoice INV-000001 -o INV-000001.json");
    invoice.shows("/v1/invoices/INV-000001/bundle");
    invoice.shows("chargebook audit verify INV-000001.json");
    invoice.shows(">22 Nov 2026 13:00</time> – <time").shows(">22 Nov 2026 14:00</time>");
    invoice.shows("<a href=\"/stations/CP%2D1\">CP-1</a>, connector 1");
    invoice.shows(&format!("<a href=\"{address}\">session "));
    browser.get("/invoices").await.shows("/invoices/INV%2D000001").shows("6.25 EUR");
    browser.get("/sessions?status=invoiced").await.shows("CP-1").shows("6.25 EUR");
    browser.get("/sessions?status=needs_review").await.shows("No session fits");
    browser.get("/sessions?station=CP-2").await.shows("No session fits");
    browser.get("/").await.shows("10.00 <small>kWh</small>").shows("6.25 <small>EUR</small>");
}

#[tokio::test]
async fn a_review_says_why_and_what_would_resolve_it() {
    let world = World::new(noon()).await;
    let mut station = world.station("CP-1").await;
    let transaction = station.start(1, CARD, 10_000).await;
    world.clock.set(later(noon(), 600));
    station.stop(transaction, 9_000).await;
    world.billed().await;
    let browser = Browser::logged_in(&world).await;
    let reviews = browser.get("/reviews").await;
    reviews
        .shows("Registers do not join")
        .shows("the register fell on the way, or ends below where it began");
    reviews.shows("a corrected reading").shows("<span class=\"count\">1</span>");
    let session = browser.get(&format!("/sessions/{}", only_session(&world).await)).await;
    session.shows("Needs review").shows("What would resolve it: a corrected reading");
    // What the registers say, doubtful as it is, and why it is; no price contradicts it.
    session.shows("−1.000 <small>kWh</small>").shows("register 10.000 to 9.000 kWh; in doubt: ");
    session.shows("its facts are in doubt").hides("EUR").hides("The curve's is");
    reviews.shows("−1.000 kWh");
}

#[tokio::test]
async fn a_stop_without_a_session_is_listed_with_what_would_resolve_it() {
    let world = World::new(noon()).await;
    let mut station = world.station("CP-1").await;
    station.stop(TransactionNumber(4_711), 9_000).await;
    world.shown().await;
    let browser = Browser::logged_in(&world).await;
    let reviews = browser.get("/reviews").await;
    reviews.shows("CP-1, a stop without a session").shows("Start missing:").shows("9.000 kWh");
    reviews.shows("its start arrives").shows("<span class=\"count\">1</span>");
    let on_site = browser.get("/stations/CP-1").await;
    on_site.shows("Stops without a session").shows("transaction 4711");
    // Its start comes: the stop was at noon.
    world.clock.set(later(noon(), -600));
    station.start(1, CARD, 1_000).await;
    world.clock.set(noon());
    world.shown().await;
    browser.get("/reviews").await.shows("Nothing to review");
    browser.get("/stations/CP-1").await.hides("Stops without a session");
}

#[tokio::test]
async fn a_payment_without_a_session_is_listed() {
    let world = World::new(noon()).await;
    let mut station = world.station("CP-1").await;
    let payment = TerminalPayment {
        status: "Settled".to_owned(),
        amount: Decimal::new(595, 2),
        at: noon(),
        reference: "PSP-1".to_owned(),
        receipt_id: None,
        receipt_url: None,
    };
    let notice = Notice {
        transaction_id: Some(TransactionName::parse("tx-1").unwrap()),
        content: NoticeContent::Payment(payment),
        ..Notice::about(NoticeSubject::NotifySettlement)
    };
    station.say(StationMessage::Notice(notice)).await;
    world.shown().await;
    let reviews = Browser::logged_in(&world).await.get("/reviews").await;
    reviews.shows("CP-1, a payment without a session").shows("Transaction missing:");
    reviews.shows("5.95").shows("tx-1").shows("Dismiss it");
}

#[tokio::test]
async fn a_review_is_decided_by_hand() {
    let world = World::new(noon()).await;
    let mut station = world.station("CP-1").await;
    let transaction = station.start(1, CARD, 10_000).await;
    world.clock.set(later(noon(), 600));
    station.stop(transaction, 9_000).await;
    station.stop(TransactionNumber(4_711), 9_000).await;
    world.billed().await;
    let browser = Browser::logged_in(&world).await;
    let session = only_session(&world).await;
    let page = browser.get(&format!("/sessions/{session}")).await;
    let csrf = page.shows("Decide it by hand").csrf();
    let decide = async |id: &str, form: &str| {
        let form = format!("csrf={csrf}&reason=A+photo&decided_by=Ada&{form}");
        browser.post(&format!("/reviews/{id}"), &form).await
    };
    let wrong = decide(&session, "decision=bill&energy_kwh=much").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    wrong.shows("how many kWh");
    let forged = browser.post(&format!("/reviews/{session}"), "csrf=0&decision=free").await;
    assert_ne!(forged.status, StatusCode::SEE_OTHER);
    let decided = decide(&session, "decision=bill&energy_kwh=5.5").await;
    assert_eq!(decided.status, StatusCode::SEE_OTHER, "{}", decided.text);
    assert_eq!(decided.location(), format!("/sessions/{session}"));
    world.invoiced().await;
    // 5.5 kWh at 0.49, 0.35 for the session, 19 % VAT.
    let page = browser.get(&format!("/sessions/{session}")).await;
    page.shows("Invoiced").shows("3.63 <small>EUR</small>").shows("billed: 5.500 kWh");
    page.hides("Decide it by hand");

    let orphans = world.models.list_orphan_stops(None, &Paging::default()).await.unwrap();
    let orphan = orphans.items[0].exchange.to_string();
    browser.get("/reviews").await.shows("Dismiss it");
    let dismissed = decide(&orphan, "decision=dismiss").await;
    assert_eq!(dismissed.location(), "/reviews", "{}", dismissed.text);
    browser.get("/reviews").await.shows("Nothing to review");
}

#[tokio::test]
async fn a_doubted_energy_and_its_price_tell_the_same() {
    let world = World::new(noon()).await;
    let mut station = world.station("CP-1").await;
    // A register of 5 MWh that is said to have begun at nothing.
    let transaction = station.start(1, CARD, 0).await;
    world.clock.set(later(noon(), 600));
    station.meter(1, transaction, &[(EnergyImportRegisterWh, 5_001_000)]).await;
    world.clock.set(later(noon(), 1_200));
    station.stop(transaction, 5_003_000).await;
    world.billed().await;
    // Long after, such an amount does not look impossible any more.
    world.clock.set(later(noon(), 86_400));
    let browser = Browser::logged_in(&world).await;
    let session = browser.get(&format!("/sessions/{}", only_session(&world).await)).await;
    session.shows("Energy implausible:").shows("5,003.000 <small>kWh</small>");
    session.shows("register 0.000 to 5,003.000 kWh; in doubt: more energy than any charger");
    session.shows("5,003.000 kWh</td>").shows("nobody was billed").shows("The curve's is");
    browser.get("/sessions").await.shows("5,003.00 kWh");
    browser.get("/reviews").await.shows("5,003.000 kWh");
}

#[tokio::test]
async fn a_refused_card_has_no_price() {
    let world = World::new(noon()).await;
    let mut station = world.station("CP-1").await;
    let transaction = station.start(1, "UNKNOWN", 10_000).await;
    world.clock.set(later(noon(), 600));
    station.meter(1, transaction, &[(EnergyImportRegisterWh, 15_000)]).await;
    world.shown().await;
    let browser = Browser::logged_in(&world).await;
    browser.get("/sessions").await.shows("5.00 kWh").hides("EUR");
    let session = browser.get(&format!("/sessions/{}", only_session(&world).await)).await;
    session.shows("Its card was refused, so it has no price.").shows("not known").hides("EUR");
}

#[tokio::test]
async fn what_stations_say_of_themselves_is_text() {
    let world = World::new(noon()).await;
    let odd = "<b>\"A'&";
    let mut station = world.station(odd).await;
    station.boot("<script>alert(1)</script>", "\"><img src=x onerror=alert(2)>").await;
    station.status(1, "<i>Odd", "<u>Error").await;
    let transaction = station.start(1, "<s>card", 0).await;
    world.clock.set(later(noon(), 60));
    station.meter(1, transaction, &[(EnergyImportRegisterWh, 100)]).await;
    world.shown().await;
    let browser = Browser::logged_in(&world).await;
    let part = "%3Cb%3E%22A%27%26";
    let session = format!("/sessions/{}", only_session(&world).await);
    for address in ["/", "/stations", "/sessions", &format!("/stations/{part}"), &session] {
        let page = browser.get(address).await;
        assert_eq!(page.status, StatusCode::OK, "{address}: {}", page.text);
        for markup in ["<b>", "<script>", "<img", "<i>", "<u>", "<s>", "\"A'"] {
            page.hides(markup);
        }
        page.shows("&#60;b&#62;&#34;A&#39;&#38;");
    }
    let page = browser.get("/stations").await;
    page.shows(&format!("href=\"/stations/{part}\"")).shows("&#60;script&#62;alert(1)");
    // A search term comes back as text too.
    let search = browser.get("/sessions?station=%22%3E%3Cscript%3E").await;
    search.hides("<script>").shows("value=\"&#34;&#62;&#60;script&#62;\"");
}

#[tokio::test]
async fn lists_go_on_where_a_page_ends() {
    let world = World::new(noon()).await;
    let mut station = world.station("CP-1").await;
    for second in 0..60 {
        world.clock.set(later(noon(), second));
        station.start(1, CARD, 1_000 + second).await;
    }
    world.shown().await;
    let browser = Browser::logged_in(&world).await;
    let first = browser.get("/sessions?station=CP-1").await;
    let count = |text: &str| text.matches("<tr><th scope=\"row\"").count();
    assert_eq!(count(&first.text), 50);
    let (before, _) = first.text.split_once("\" rel=\"next\"").unwrap();
    let next = before.rsplit_once("href=\"").unwrap().1.replace("&#38;", "&");
    let second = browser.get(&next).await;
    assert_eq!(count(&second.text), 10);
    second.shows("First page").hides("Next page");
    for wrong in ["/sessions?next=nonsense", "/sessions?station=a&station=b"] {
        let page = browser.get(wrong).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{wrong}");
        page.shows("That was not understood");
    }
}

#[tokio::test]
async fn what_is_not_there_is_said_in_a_page() {
    let world = World::new(noon()).await;
    world.shown().await;
    let browser = Browser::logged_in(&world).await;
    for address in [
        "/stations/CP-9",
        "/sessions/none",
        "/sessions/00000000-0000-0000-0000-000000000000",
        "/invoices/INV-000009",
    ] {
        let page = browser.get(address).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{address}");
        page.shows("Nothing here").shows("To the overview");
    }
}

#[tokio::test]
async fn a_station_shows_its_charging_plan_and_what_is_wrong_there() {
    let world = World::new(noon()).await;
    let mut station = world.station("CP-1").await;
    let page = Browser::logged_in(&world).await.get("/stations/CP-1").await;
    page.hides("Charging plan").hides("Ground Failure");
    station.status(1, "Faulted", "GroundFailure").await;
    let period = |start_seconds, limit| SchedulePeriod {
        start_seconds,
        limit: Some(Decimal::from(limit)),
        phases: None,
        operation_mode: None,
        setpoint: None,
        discharge_limit: None,
    };
    let schedule = ChargingSchedule {
        starts_at: Some(noon()),
        duration_seconds: None,
        unit: "W".to_owned(),
        min_rate: None,
        periods: vec![period(0, 11_000), period(12 * 3_600, 5_500)],
    };
    let limit = NoticeContent::ChargingLimit {
        source: "SO".to_owned(),
        is_grid_critical: None,
        schedules: vec![schedule.clone()],
    };
    let profile = ChargingProfile {
        profile_id: 7,
        stack_level: 2,
        purpose: "TxDefaultProfile".to_owned(),
        kind: "Absolute".to_owned(),
        recurrency: None,
        valid_from: None,
        valid_to: None,
        transaction: None,
        schedules: vec![schedule],
    };
    let source = "EMS".to_owned();
    let kept = NoticeContent::ChargingProfiles { source, profiles: vec![profile] };
    for (subject, content) in
        [(NoticeSubject::NotifyChargingLimit, limit), (NoticeSubject::ReportChargingProfiles, kept)]
    {
        let evse = Some(EvseNumber(1));
        let notice = Notice { evse, content, ..Notice::about(subject) };
        station.say(StationMessage::Notice(notice)).await;
    }
    world.shown().await;
    let page = Browser::logged_in(&world).await.get("/stations/CP-1").await;
    page.shows("Ground Failure").shows("connector 1");
    page.shows("Charging plan").shows("EVSE 1").shows("TxDefaultProfile 7");
    page.shows("11000 W, then 5500 W · level 2 · by EMS");
    // Twelve hours at 11 of 12 kW, the other twelve at the half of that.
    page.shows("M0 16.7L500 16.7L500 108.3L1000 108.3").shows("at most 11.0 kW now");
}

#[tokio::test]
async fn an_alert_is_counted_shown_and_acknowledged() {
    let world = World::new(noon()).await;
    let mut station = world.station("CP-1").await;
    station.status(1, "Faulted", "GroundFailure").await;
    world.shown().await;
    let browser = Browser::logged_in(&world).await;
    let home = browser.get("/").await;
    home.shows("nobody has seen it").shows("href=\"/alerts\"");
    let page = browser.get("/alerts?status=raised").await;
    page.shows("Ground Failure").shows("connector 1").shows("I have seen it");
    let alerts = world.models.list_alerts(None, None, &Paging::default()).await.unwrap();
    let address = format!("/alerts/{}", alerts.items[0].alert_id);
    let form = format!("csrf={}&acknowledged_by=Kim&note=on+my+way", page.csrf());
    let stolen = browser.post(&address, "csrf=guess&acknowledged_by=Kim").await;
    assert_eq!(stolen.status, StatusCode::FORBIDDEN, "{}", stolen.text);
    let seen = browser.post(&address, &form).await;
    assert_eq!((seen.status, seen.location()), (StatusCode::SEE_OTHER, "/alerts"));
    browser.get("/alerts?status=raised").await.shows("No alert").hides("Ground Failure");
    let page = browser.get("/alerts?status=acknowledged").await;
    page.shows("Kim: on my way").hides("I have seen it");
    browser.get("/").await.hides("nobody has seen");
    assert_eq!(browser.get("/alerts?status=loud").await.status, StatusCode::BAD_REQUEST);
    station.status(1, "Available", "NoError").await;
    world.shown().await;
    browser.get("/alerts").await.shows("Cleared");
}
