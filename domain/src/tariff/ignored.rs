//! What a tariff says and nothing is priced by: members that OCPI 2.2.1 does not name. They are
//! extensions, or misspelt; only who wrote them can tell.

use super::Tariff;
use super::document::escape;
use std::collections::BTreeMap;

/// Members that OCPI names and no price depends on.
const WITHOUT_A_PRICE: [&str; 3] = ["energy_mix", "tariff_alt_text", "tariff_alt_url"];

impl Tariff {
    /// The places (JSON pointers, RFC 6901) of the members that OCPI does not name, in the order of
    /// the tariff's parts.
    ///
    /// OCPI has a reader ignore what it does not know, so they are no error; but a price or a
    /// restriction whose name is misspelt is not applied, and whoever sent it should be told.
    pub fn ignored_members(&self) -> Vec<String> {
        let mut places = Vec::new();
        let named = |(name, _): &(&String, &String)| !WITHOUT_A_PRICE.contains(&name.as_str());
        let own = self.other.iter().filter(named).map(|(name, _)| format!("/{}", escape(name)));
        places.extend(own);
        for (name, limit) in [("min_price", &self.min_price), ("max_price", &self.max_price)] {
            if let Some(limit) = limit {
                add(&mut places, &format!("/{name}"), &limit.other);
            }
        }
        for (index, element) in self.elements.iter().enumerate() {
            let at = format!("/elements/{index}");
            add(&mut places, &at, &element.other);
            for (index, component) in element.price_components.iter().enumerate() {
                add(&mut places, &format!("{at}/price_components/{index}"), &component.other);
            }
            add(&mut places, &format!("{at}/restrictions"), &element.restrictions.other);
        }
        places
    }
}

fn add(places: &mut Vec<String>, at: &str, other: &BTreeMap<String, String>) {
    places.extend(other.keys().map(|name| format!("{at}/{}", escape(name))));
}
