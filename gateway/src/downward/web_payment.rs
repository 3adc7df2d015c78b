//! Payments on web pages (2.1, C25): the variables that a station makes its QR codes with. They are
//! written in one request, and it shows codes once it has the last of them.

use chargebook_commands::web_payment::{TOTP_VERSION, WebPaymentSettings};
use serde_json::json;

/// The component of QR codes (2.1, part 2, referenced components and variables).
const COMPONENT: &str = "WebPaymentsCtrlr";

/// The request and its payload.
pub(super) fn request(settings: &WebPaymentSettings) -> (&'static str, String) {
    let validity_seconds = settings.passwords.validity_seconds.to_string();
    let length = settings.passwords.length.to_string();
    let values = [
        ("URLTemplate", settings.url_template.as_str()),
        ("TOTPVersion", TOTP_VERSION),
        ("ValidityTime", &validity_seconds),
        ("Length", &length),
        ("SharedSecret", &settings.shared_secret),
        ("Enabled", "true"),
    ];
    let data = values.map(|(variable, value)| {
        json!({ "attributeValue": value, "component": { "name": COMPONENT },
            "variable": { "name": variable } })
    });
    ("SetVariables", json!({ "setVariableData": data }).to_string())
}
