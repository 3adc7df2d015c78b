//! Who may come in, and how the door is kept.

use crate::client::Browser;
use crate::world::{ADMIN_TOKEN, World, noon};
use axum::body::Body;
use axum::http::{StatusCode, header};
use chargebook_console::FAILED_LOGINS_MAX;
use chargebook_domain::events::v1::CommandFailure;
use chargebook_projections::Paging;
use http_body_util::BodyExt;
use tower::ServiceExt;

const PAGES: [&str; 9] = [
    "/",
    "/stations",
    "/stations/CP-1",
    "/sessions",
    "/sessions/00000000-0000-0000-0000-000000000000",
    "/invoices",
    "/invoices/INV-000001",
    "/reviews",
    "/tariffs",
];

#[tokio::test]
async fn nothing_is_shown_without_a_login() {
    let world = World::new(noon()).await;
    let browser = Browser::new(&world);
    for address in PAGES {
        let page = browser.get(address).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{address}");
        assert!(page.location().starts_with("/login"), "{address}: {}", page.location());
        assert_eq!(page.text, "", "{address}");
    }
    assert_eq!(browser.get("/live").await.status, StatusCode::UNAUTHORIZED);
    let refused = browser.post("/stations/CP-1/commands", "verb=soft_reset&csrf=").await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    let refresh = browser.request("GET", "/").header("x-console-refresh", "1");
    assert_eq!(browser.send(refresh, "").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_login_leads_back_and_a_logout_ends_it() {
    let world = World::new(noon()).await;
    let mut browser = Browser::new(&world);
    let sent = browser.get("/sessions?status=open").await;
    assert_eq!(sent.location(), "/login?next=%2Fsessions%3Fstatus%3Dopen");
    browser.get(sent.location()).await.shows("value=\"/sessions?status=open\"");

    let page = browser.log_in(ADMIN_TOKEN).await;
    let cookie = page.headers.get(header::SET_COOKIE).unwrap().to_str().unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    assert!(!cookie.contains(ADMIN_TOKEN), "{cookie}");
    let home = browser.get("/").await;
    assert_eq!(home.status, StatusCode::OK);

    let forged = browser.post("/logout", "csrf=0000").await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
    let out = browser.post("/logout", &format!("csrf={}", home.csrf())).await;
    assert_eq!((out.status, out.location()), (StatusCode::SEE_OTHER, "/login"));
    assert_eq!(browser.get("/").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_login_leads_nowhere_else() {
    let world = World::new(noon()).await;
    let browser = Browser::new(&world);
    for elsewhere in ["https://example.org/", "//example.org/", "/\\example.org", "javascript:1"] {
        let form = format!(
            "token={ADMIN_TOKEN}&next={}",
            elsewhere.replace('/', "%2F").replace(':', "%3A").replace('\\', "%5C")
        );
        let page = browser.post("/login", &form).await;
        assert_eq!((page.status, page.location()), (StatusCode::SEE_OTHER, "/"), "{elsewhere}");
    }
}

#[tokio::test]
async fn wrong_tokens_are_counted() {
    let world = World::new(noon()).await;
    let mut browser = Browser::new(&world);
    for _ in 0..FAILED_LOGINS_MAX {
        let page = browser.log_in("wrong").await;
        assert_eq!(page.status, StatusCode::UNAUTHORIZED);
        page.shows("not known here").hides("wrong\"");
        assert!(browser.cookie.is_none());
    }
    // From here on even the right one has to wait.
    let page = browser.log_in(ADMIN_TOKEN).await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(browser.cookie.is_none());
}

#[tokio::test]
async fn a_command_needs_this_logins_token_and_this_sites_page() {
    let world = World::new(noon()).await;
    let station = world.station("CP-1").await;
    station.desk.close("closed_by_station").await.unwrap();
    world.shown().await;
    let browser = Browser::logged_in(&world).await;
    let other = Browser::logged_in(&world).await;
    let address = "/stations/CP-1/commands";
    let own = browser.get("/stations/CP-1").await.csrf();
    let others = other.get("/stations/CP-1").await;

    for csrf in ["", "0000", others.csrf().as_str()] {
        let page = browser.post(address, &format!("csrf={csrf}&verb=soft_reset")).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{csrf}");
    }
    let form = format!("csrf={own}&verb=soft_reset");
    for (name, value) in [("sec-fetch-site", "cross-site"), ("origin", "https://example.org")] {
        let request = browser
            .request("POST", address)
            .header(header::HOST, "console.example")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(name, value);
        let page = browser.send(request, &form).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{name}");
    }
    let commands = world.models.list_commands(None, &Paging::default()).await.unwrap();
    assert_eq!(commands.items, []);

    let page = browser.post(address, &form).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text);
    let commands = world.models.list_commands(None, &Paging::default()).await.unwrap();
    let failures: Vec<_> = commands.items.iter().map(|command| command.failure).collect();
    assert_eq!(failures, [Some(CommandFailure::StationOffline)]);
    browser
        .get(page.location())
        .await
        .shows("Soft reset")
        .shows("Station offline")
        .hides("The answer appears");
}

#[tokio::test]
async fn commands_that_make_no_sense_are_refused_in_words() {
    let world = World::new(noon()).await;
    let _station = world.station("CP-1").await;
    world.shown().await;
    let browser = Browser::logged_in(&world).await;
    let csrf = browser.get("/stations/CP-1").await.csrf();
    for (form, expected) in [
        ("verb=launch", "No station can be asked for that"),
        ("verb=unlock&connector=0", "Choose the connector"),
        ("verb=unlock&connector=x", "whole number"),
        ("verb=start&uid=+", "1 to 20 characters"),
        ("verb=start&uid=0123456789012345678901", "1 to 20 characters"),
        ("verb=stop", "which transaction"),
        ("verb=stop&transaction=x", "could not be read"),
    ] {
        let page = browser.post("/stations/CP-1/commands", &format!("csrf={csrf}&{form}")).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{form}");
        // On the station's own page, where the form is.
        page.shows(expected).shows("Not asked.").shows("Ask the station");
    }
    // A script reads the page again at the form's address.
    let again = browser.get("/stations/CP-1/commands").await;
    assert_eq!((again.status, again.location()), (StatusCode::SEE_OTHER, "/stations/CP%2D1"));
    let form = format!("csrf={csrf}&verb=soft_reset");
    let unknown = browser.post("/stations/CP-9/commands", &form).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_command_waits_for_its_answer_and_dangerous_ones_are_confirmed() {
    let world = World::new(noon()).await;
    let mut station = world.station("CP-1").await;
    station.status(1, "Available", "NoError").await;
    world.shown().await;
    let browser = Browser::logged_in(&world).await;
    let page = browser.get("/stations/CP-1").await;
    page.hides("The answer appears").shows("Which <select name=\"connector\"><option value=\"1\">");
    for verb in ["hard_reset\" type=\"submit\" class=\"danger\"", "inoperative\" type=\"submit\""] {
        page.shows(&format!("value=\"{verb} data-confirm="));
    }
    let form = format!("csrf={}&verb=unlock&connector=1", page.csrf());
    let asked = browser.post("/stations/CP-1/commands", &form).await;
    assert_eq!(asked.status, StatusCode::SEE_OTHER, "{}", asked.text);
    browser.get(asked.location()).await.shows("The answer appears").shows("Unlock connector 1");
}

#[tokio::test]
async fn every_answer_forbids_what_is_not_ours() {
    let world = World::new(noon()).await;
    let browser = Browser::logged_in(&world).await;
    for address in ["/", "/login", "/sessions/none", "/assets/console.css", "/favicon.svg"] {
        let page = browser.get(address).await;
        let policy = page.headers.get(header::CONTENT_SECURITY_POLICY).unwrap().to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; "), "{address}: {policy}");
        assert!(!policy.contains("unsafe"), "{address}: {policy}");
        page.hides("style=\"")
            .hides("onclick")
            .hides("<style")
            .hides("href=\"http")
            .hides("src=\"http");
    }
    assert_eq!(browser.get("/").await.headers[header::CACHE_CONTROL], "no-store");
}

#[tokio::test]
async fn the_live_stream_tells_what_changed() {
    let world = World::new(noon()).await;
    let browser = Browser::logged_in(&world).await;
    let request = browser.request("GET", "/live").body(Body::empty()).unwrap();
    let response = browser.router().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let mut events = response.into_body();
    let mut told = String::new();
    let _station = world.station("CP-1").await;
    while !told.contains("station:CP-1") {
        let frame = events.frame().await.unwrap().unwrap();
        told.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    assert!(told.starts_with("event: ready\n"), "{told}");
    assert!(told.contains("event: changed\ndata: ["), "{told}");
}
