//! Which zone times are shown in: a site's own; on pages about all sites the one that most of
//! them have, else the operator's.

use crate::error::PageError;
use crate::state::Console;
use chargebook_domain::ids::SiteId;
use chrono_tz::Tz;
use std::collections::{BTreeMap, HashMap};

/// The zones of all sites.
pub(crate) struct Zones {
    by_site: HashMap<SiteId, (String, Tz)>,
    common: Tz,
}

impl Zones {
    pub(crate) async fn read(console: &Console) -> Result<Self, PageError> {
        let own = parse(&console.chargebook().settings().time_zone);
        let sites = console.models().list_sites().await?;
        let by_site: HashMap<_, _> = sites
            .into_iter()
            .map(|site| (site.site_id, (site.name, parse(&site.time_zone))))
            .collect();
        let mut counts: BTreeMap<&str, (usize, Tz)> = BTreeMap::new();
        for (_, zone) in by_site.values() {
            counts.entry(zone.name()).or_insert((0, *zone)).0 += 1;
        }
        let most = counts.into_values().max_by_key(|(count, _)| *count);
        let common = most.map_or(own, |(_, zone)| zone);
        Ok(Self { by_site, common })
    }

    /// The zone of pages about all sites.
    pub(crate) fn common(&self) -> Tz {
        self.common
    }

    /// A site's zone.
    pub(crate) fn of(&self, site: Option<SiteId>) -> Tz {
        site.and_then(|site| self.by_site.get(&site)).map_or(self.common, |(_, zone)| *zone)
    }

    /// What people call a site.
    pub(crate) fn site_name(&self, site: Option<SiteId>) -> Option<&str> {
        site.and_then(|site| self.by_site.get(&site)).map(|(name, _)| name.as_str())
    }
}

/// A zone by its IANA name; UTC where this machine does not know it.
pub(crate) fn parse(name: &str) -> Tz {
    name.parse().unwrap_or(Tz::UTC)
}
