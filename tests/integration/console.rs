//! The console in a real browser: an operator logs in, and watches a driver charge.

use serde_json::json;

use crate::harness::{ADMIN_TOKEN, Browser, ChargePoint, TestCsms};
use crate::messages::{
    after, an_hour_ago, begin, boot, csms_with_station, end, invoice_of, meter, only_session,
    status,
};

fn logged_in(csms: &TestCsms) -> Browser {
    let mut browser = Browser::start(csms.http_address());
    browser.open("/");
    browser.type_into("#token", ADMIN_TOKEN);
    browser.click("main button[type=submit]");
    browser.wait_for_text("h1", "Overview");
    browser
}

#[test]
fn a_wrong_token_stays_outside() {
    let csms = TestCsms::start();
    let mut browser = Browser::start(csms.http_address());
    browser.open("/sessions");
    browser.type_into("#token", "a guess");
    browser.click("main button[type=submit]");
    browser.wait_for_text("h1", "Log in");
    assert_eq!(browser.count("[role=alert]"), 1);
    assert_eq!(browser.count("nav"), 0);
}

#[test]
fn an_operator_watches_a_session_live_and_reads_its_invoice() {
    let csms = csms_with_station("CP-1");
    let mut browser = logged_in(&csms);
    browser.open("/stations");
    assert!(browser.text("#stations").contains("CP-1"));

    // From here on the page is not reloaded: it follows the station by itself.
    let mut station = ChargePoint::connected(&csms, "CP-1");
    station.call("BootNotification", boot());
    station.call("StatusNotification", status(1, "Available"));
    browser.wait_for_text("#stations", "Available");
    let begun = an_hour_ago();
    let transaction = begin(&mut station, 1_000, begun);
    station.call("StatusNotification", status(1, "Charging"));
    browser.wait_for_text("#stations", "Charging");
    browser.screenshot("stations");
    browser.assert_clean();

    let session = csms.sessions("CP-1").remove(0);
    let id = session["id"].as_str().expect("an id").to_owned();
    browser.open(&format!("/sessions/{id}"));
    station.call("MeterValues", meter(1, transaction, 3_500, &after(begun, 10)));
    browser.wait_for_text("#session-tiles", "2.5");
    station.call("MeterValues", meter(1, transaction, 8_500, &after(begun, 30)));
    browser.wait_for_text("#session-tiles", "7.5");
    assert!(browser.count("#curve svg") >= 1, "a meter curve");
    browser.screenshot("session");
    end(&mut station, transaction, 11_000, &after(begun, 40));
    let session = only_session(&csms, "CP-1");
    let invoice = invoice_of(&csms, &session, 10_000);
    let number = invoice["number"].as_str().expect("a number").to_owned();
    browser.wait_for_text("#session-tiles", &number);
    browser.wait_for_text("#session-tiles", "5.95");
    browser.assert_clean();

    browser.open(&format!("/invoices/{number}"));
    assert!(browser.text("main").contains("5.95"));
    browser.screenshot("invoice");
    browser.open("/");
    assert!(browser.text("main").contains("CP-1") || browser.text("main").contains("5.95"));
    browser.screenshot("overview");
    browser.assert_clean();
}

#[test]
fn every_page_opens_without_complaint() {
    let csms = csms_with_station("CP-1");
    csms.post("/v1/drivers", &json!({ "name": "A <script> Driver" })).expect(201);
    let mut browser = logged_in(&csms);
    let pages = [
        "/",
        "/stations",
        "/stations/CP-1",
        "/sessions",
        "/invoices",
        "/reservations",
        "/reviews",
        "/alerts",
        "/alerts?status=raised",
        "/tariffs",
        "/docs",
    ];
    for page in pages {
        let title = browser.open(page);
        assert!(!title.is_empty(), "{page} has no title");
        browser.assert_clean();
    }
}
