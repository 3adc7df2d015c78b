//! Whether a station shows drivers prices and costs, as its own variables say (2.x part 2,
//! section 2.10: `TariffCostCtrlr`; 1.6: OCA, "OCPP & California Pricing Requirements"), and what
//! holds where an operator says otherwise.

use crate::events::v1::{
    CONFIGURATION, ComponentName, CostDisplay, DisplaySupport, StationSettings, VariableName,
};

/// The component whose variables are about prices and costs.
const CONTROLLER: &str = "TariffCostCtrlr";
/// The 1.6 key that says that the station shows both.
const KEY: &str = "CustomDisplayCostAndPrice";

/// What a value of a variable says of it; `None` where it is about something else.
pub fn told_by(
    component: &ComponentName,
    variable: &VariableName,
    value: &str,
) -> Option<CostDisplay> {
    let is = |name: &str, word: &str| name.eq_ignore_ascii_case(word);
    let value = match value.trim() {
        value if is(value, "true") => Some(true),
        value if is(value, "false") => Some(false),
        _ => return None,
    };
    let nothing = CostDisplay::default();
    if is(&component.name, CONFIGURATION) {
        let enabled = DisplaySupport { available: None, enabled: value };
        return is(&variable.name, KEY).then_some(CostDisplay { tariff: enabled, cost: enabled });
    }
    // What one EVSE says holds for no other.
    if !is(&component.name, CONTROLLER) || component.evse.is_some() {
        return None;
    }
    let support = match variable.name.as_str() {
        name if is(name, "Available") => DisplaySupport { available: value, enabled: None },
        name if is(name, "Enabled") => DisplaySupport { available: None, enabled: value },
        _ => return None,
    };
    match variable.instance.as_deref()? {
        instance if is(instance, "Cost") => Some(CostDisplay { cost: support, ..nothing }),
        instance if is(instance, "Tariff") => Some(CostDisplay { tariff: support, ..nothing }),
        _ => None,
    }
}

impl CostDisplay {
    /// With what was told since.
    #[must_use]
    pub fn followed_by(self, told: Self) -> Self {
        Self {
            tariff: self.tariff.followed_by(told.tariff),
            cost: self.cost.followed_by(told.cost),
        }
    }
}

impl DisplaySupport {
    /// Whether it is shown; `None` where the station has not told. Being able to is enough where it
    /// does not tell whether that is switched on.
    pub fn is_shown(self) -> Option<bool> {
        self.enabled.or(self.available)
    }

    fn followed_by(self, told: Self) -> Self {
        Self {
            available: told.available.or(self.available),
            enabled: told.enabled.or(self.enabled),
        }
    }
}

impl StationSettings {
    /// Whether the station is told what charging costs: as an operator says, else as itself does.
    pub fn shows_costs(&self, told: CostDisplay) -> bool {
        self.shows_cost.or(told.cost.is_shown()).unwrap_or(false)
    }

    /// Whether it is told prices before (part 2, I01.FR.02: only where it supports them).
    pub fn shows_prices(&self, told: CostDisplay) -> bool {
        self.shows_cost.or(told.tariff.is_shown()).unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNTOLD: (Option<bool>, Option<bool>) = (None, None);

    fn told(component: &str, variable: &str, value: &str) -> Option<CostDisplay> {
        let (name, instance) = variable.split_once('[').unwrap_or((variable, ""));
        let component = ComponentName {
            name: component.to_owned(),
            instance: None,
            evse: None,
            connector: None,
        };
        let instance = instance.strip_suffix(']').map(str::to_owned);
        told_by(&component, &VariableName { name: name.to_owned(), instance }, value)
    }

    #[test]
    fn the_variables_of_every_version_tell_it() {
        for (component, variable, value, tariff, cost) in [
            (CONTROLLER, "Available[Cost]", "true", UNTOLD, (Some(true), None)),
            (CONTROLLER, "Enabled[Cost]", "False", UNTOLD, (None, Some(false))),
            ("tariffcostctrlr", "enabled[cost]", "TRUE", UNTOLD, (None, Some(true))),
            (CONTROLLER, "Available[Tariff]", "false", (Some(false), None), UNTOLD),
            (CONTROLLER, "Enabled[Tariff]", "true", (None, Some(true)), UNTOLD),
            (CONFIGURATION, KEY, "true", (None, Some(true)), (None, Some(true))),
        ] {
            let display = told(component, variable, value).expect(variable);
            let both = [display.tariff, display.cost].map(|it| (it.available, it.enabled));
            assert_eq!(both, [tariff, cost], "{component} {variable} {value}");
        }
        for (component, variable, value) in [
            (CONTROLLER, "Enabled", "true"),
            (CONTROLLER, "Enabled[RunningCost]", "true"),
            (CONTROLLER, "Currency", "true"),
            (CONTROLLER, "Enabled[Cost]", "1"),
            ("DisplayMessageCtrlr", "Enabled[Cost]", "true"),
            (CONFIGURATION, "Enabled[Cost]", "true"),
        ] {
            assert_eq!(told(component, variable, value), None, "{component} {variable} {value}");
        }
    }

    /// The operator's word, what the station told in this order, and whether it is told costs.
    #[test]
    fn the_operators_word_stands_then_enabled_then_available() {
        let cost = |variable: &str, value: &str| {
            told(CONTROLLER, &format!("{variable}[Cost]"), value).expect("told")
        };
        let (yes, no) = (Some(true), Some(false));
        let (can, cannot) = (cost("Available", "true"), cost("Available", "false"));
        let (does, does_not) = (cost("Enabled", "true"), cost("Enabled", "false"));
        let rows: &[(Option<bool>, &[CostDisplay], bool)] = &[
            (None, &[], false),
            (None, &[can], true),
            (None, &[cannot], false),
            (None, &[does], true),
            (None, &[can, does_not], false),
            (None, &[does_not, can], false),
            (None, &[can, does_not, does], true),
            (no, &[can, does], false),
            (yes, &[], true),
            (yes, &[cannot, does_not], true),
        ];
        for (said, told, expected) in rows {
            let settings = StationSettings { shows_cost: *said, ..StationSettings::default() };
            let told = told.iter().copied().fold(CostDisplay::default(), CostDisplay::followed_by);
            assert_eq!(settings.shows_costs(told), *expected, "{said:?} {told:?}");
            let prices = said.unwrap_or(false);
            assert_eq!(settings.shows_prices(told), prices, "costs alone are no prices");
        }
    }
}
