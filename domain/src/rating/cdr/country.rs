//! Countries with one civil time, by ISO 3166-1 code: CdrLocation of OCPI 2.2.1 names the
//! country and no time zone. Countries with several (Spain, Portugal, the United States, …) are
//! left out on purpose: there the zone must be said.

use chrono_tz::Tz;

/// alpha-3, alpha-2, zone.
const SOLE_ZONES: &[(&str, &str, Tz)] = &[
    ("ALB", "AL", Tz::Europe__Tirane),
    ("AND", "AD", Tz::Europe__Andorra),
    ("AUT", "AT", Tz::Europe__Vienna),
    ("BEL", "BE", Tz::Europe__Brussels),
    ("BGR", "BG", Tz::Europe__Sofia),
    ("BIH", "BA", Tz::Europe__Sarajevo),
    ("CHE", "CH", Tz::Europe__Zurich),
    ("CYP", "CY", Tz::Asia__Nicosia),
    ("CZE", "CZ", Tz::Europe__Prague),
    ("DEU", "DE", Tz::Europe__Berlin),
    ("DNK", "DK", Tz::Europe__Copenhagen),
    ("EST", "EE", Tz::Europe__Tallinn),
    ("FIN", "FI", Tz::Europe__Helsinki),
    ("FRA", "FR", Tz::Europe__Paris),
    ("GBR", "GB", Tz::Europe__London),
    ("GRC", "GR", Tz::Europe__Athens),
    ("HRV", "HR", Tz::Europe__Zagreb),
    ("HUN", "HU", Tz::Europe__Budapest),
    ("IND", "IN", Tz::Asia__Kolkata),
    ("IRL", "IE", Tz::Europe__Dublin),
    ("ISL", "IS", Tz::Atlantic__Reykjavik),
    ("ISR", "IL", Tz::Asia__Jerusalem),
    ("ITA", "IT", Tz::Europe__Rome),
    ("JPN", "JP", Tz::Asia__Tokyo),
    ("KOR", "KR", Tz::Asia__Seoul),
    ("LIE", "LI", Tz::Europe__Vaduz),
    ("LTU", "LT", Tz::Europe__Vilnius),
    ("LUX", "LU", Tz::Europe__Luxembourg),
    ("LVA", "LV", Tz::Europe__Riga),
    ("MCO", "MC", Tz::Europe__Monaco),
    ("MDA", "MD", Tz::Europe__Chisinau),
    ("MKD", "MK", Tz::Europe__Skopje),
    ("MLT", "MT", Tz::Europe__Malta),
    ("MNE", "ME", Tz::Europe__Podgorica),
    ("NLD", "NL", Tz::Europe__Amsterdam),
    ("NOR", "NO", Tz::Europe__Oslo),
    ("POL", "PL", Tz::Europe__Warsaw),
    ("ROU", "RO", Tz::Europe__Bucharest),
    ("SGP", "SG", Tz::Asia__Singapore),
    ("SMR", "SM", Tz::Europe__San_Marino),
    ("SRB", "RS", Tz::Europe__Belgrade),
    ("SVK", "SK", Tz::Europe__Bratislava),
    ("SVN", "SI", Tz::Europe__Ljubljana),
    ("SWE", "SE", Tz::Europe__Stockholm),
    ("TUR", "TR", Tz::Europe__Istanbul),
    ("UKR", "UA", Tz::Europe__Kyiv),
    ("VAT", "VA", Tz::Europe__Vatican),
];

/// The zone of a country that has one zone only.
pub(super) fn sole_zone(country: &str) -> Option<Tz> {
    SOLE_ZONES
        .iter()
        .find(|(alpha_3, alpha_2, _)| {
            country.eq_ignore_ascii_case(alpha_3) || country.eq_ignore_ascii_case(alpha_2)
        })
        .map(|(_, _, zone)| *zone)
}
