//! Charts as SVG, drawn here: integers and decimals in, attributes out. The plot stretches to
//! its card; its labels are text beside it, so they stay crisp at any width.

use crate::format;
use askama::Template;
use askama::filters::HtmlSafe;
use chargebook_domain::units::Timestamp;
use rust_decimal::{Decimal, RoundingStrategy};

/// Width of every plot, in its own units.
const WIDTH: i64 = 1_000;
/// Height of every plot, in its own units.
const HEIGHT: i64 = 200;
/// Points that one line is drawn of; of more every n-th is taken.
const POINTS_DRAWN_MAX: usize = 600;
/// Points that say what they are when pointed at.
const HINTS_MAX: usize = 120;

/// Bars side by side.
#[derive(Template)]
#[template(path = "chart_bars.html")]
pub(crate) struct BarChart {
    summary: String,
    unit: String,
    ticks: Vec<String>,
    bars: Vec<DrawnBar>,
    labels: Vec<String>,
    nothing: bool,
}

impl HtmlSafe for BarChart {}

/// One bar.
pub(crate) struct Bar {
    /// What it stands for: an hour, a day.
    pub(crate) name: String,
    /// How high.
    pub(crate) value: Decimal,
    /// The value in words.
    pub(crate) text: String,
}

struct DrawnBar {
    x: Decimal,
    y: Decimal,
    width: Decimal,
    height: Decimal,
    hint: String,
    is_last: bool,
}

impl BarChart {
    /// `what` and `unit` are for who cannot see the bars; the last bar is the present.
    pub(crate) fn new(what: &str, unit: &str, bars: &[Bar], labels: Vec<String>) -> Self {
        let top = round_up(bars.iter().map(|bar| bar.value).max().unwrap_or_default());
        let count = i64::try_from(bars.len()).unwrap_or(i64::MAX).max(1);
        let slot = scaled(Decimal::ONE, Decimal::from(count), WIDTH);
        let highest = bars.iter().max_by_key(|bar| bar.value).filter(|bar| !bar.value.is_zero());
        let summary = match highest {
            Some(bar) => format!("{what}; most: {}, {}", bar.name, bar.text),
            None => format!("{what}: nothing yet"),
        };
        let drawn = |(index, bar): (usize, &Bar)| {
            let height = scaled(bar.value.max(Decimal::ZERO), top, HEIGHT);
            let left = slot.saturating_mul(Decimal::from(index));
            DrawnBar {
                x: one_decimal(left + slot.saturating_mul(Decimal::new(12, 2))),
                y: Decimal::from(HEIGHT) - height,
                width: one_decimal(slot.saturating_mul(Decimal::new(76, 2))),
                height,
                hint: format!("{}: {}", bar.name, bar.text),
                is_last: index + 1 == bars.len(),
            }
        };
        Self {
            summary,
            unit: unit.to_owned(),
            ticks: ticks(top),
            bars: bars.iter().enumerate().map(drawn).collect(),
            labels,
            nothing: highest.is_none(),
        }
    }
}

/// A value over time.
pub(crate) struct Line {
    /// `power` or `energy`: how it is drawn.
    pub(crate) class: &'static str,
    /// For the legend, with its unit.
    pub(crate) name: &'static str,
    /// Filled down to the axis.
    pub(crate) filled: bool,
    /// By time.
    pub(crate) points: Vec<(Timestamp, Decimal)>,
}

/// One or two lines over time, each with its own scale: the first one's is on the left.
#[derive(Template)]
#[template(path = "chart_lines.html")]
pub(crate) struct LineChart {
    summary: String,
    lines: Vec<DrawnLine>,
    labels: Vec<String>,
    hints: Vec<Hint>,
    nothing: &'static str,
}

impl HtmlSafe for LineChart {}

struct DrawnLine {
    class: &'static str,
    name: &'static str,
    ticks: Vec<String>,
    line: String,
    area: Option<String>,
}

struct Hint {
    x: Decimal,
    width: Decimal,
    text: String,
}

impl LineChart {
    /// `hint` gives what is said where somebody points at an instant.
    pub(crate) fn new(
        summary: String,
        span: (Timestamp, Timestamp),
        lines: Vec<Line>,
        labels: Vec<String>,
        hint: impl Fn(Timestamp) -> String,
        nothing: &'static str,
    ) -> Self {
        let lines: Vec<_> = lines.into_iter().filter(|line| line.points.len() > 1).collect();
        let hints = lines.first().map(|line| hints(&line.points, span, hint)).unwrap_or_default();
        let lines = lines.iter().map(|line| draw(line, span)).collect();
        Self { summary, lines, labels, hints, nothing }
    }
}

fn draw(line: &Line, span: (Timestamp, Timestamp)) -> DrawnLine {
    let top = round_up(line.points.iter().map(|(_, value)| *value).max().unwrap_or_default());
    let mut drawn = String::from("M");
    let mut ends = None;
    for (index, (at, value)) in thinned(&line.points, POINTS_DRAWN_MAX).enumerate() {
        let x = across(*at, span);
        let y = Decimal::from(HEIGHT) - scaled((*value).max(Decimal::ZERO), top, HEIGHT);
        if index > 0 {
            drawn.push('L');
        }
        drawn.push_str(&format!("{x} {y}"));
        ends = Some((ends.map_or(x, |(first, _)| first), x));
    }
    let area = ends.filter(|_| line.filled);
    let area = area.map(|(first, last)| format!("{drawn}L{last} {HEIGHT}L{first} {HEIGHT}Z"));
    DrawnLine { class: line.class, name: line.name, ticks: ticks(top), line: drawn, area }
}

fn hints(
    points: &[(Timestamp, Decimal)],
    span: (Timestamp, Timestamp),
    hint: impl Fn(Timestamp) -> String,
) -> Vec<Hint> {
    let instants: Vec<_> = thinned(points, HINTS_MAX).map(|(at, _)| *at).collect();
    let width = Decimal::from(WIDTH);
    let mut hints = Vec::with_capacity(instants.len());
    for (index, at) in instants.iter().enumerate() {
        let x = across(*at, span);
        let next = instants.get(index + 1).map_or(width, |next| across(*next, span));
        hints.push(Hint { x, width: next - x, text: hint(*at) });
    }
    hints
}

/// Every n-th, and always the last.
fn thinned<T>(points: &[T], most: usize) -> impl Iterator<Item = &T> {
    let step = points.len().div_ceil(most).max(1);
    let last = points.len().saturating_sub(1);
    let kept = move |index: &usize| index.is_multiple_of(step) || *index == last;
    points.iter().enumerate().filter(move |(index, _)| kept(index)).map(|(_, point)| point)
}

/// Shares of a whole as one bar.
#[derive(Template)]
#[template(path = "chart_shares.html")]
pub(crate) struct ShareBar {
    summary: String,
    shares: Vec<DrawnShare>,
}

impl HtmlSafe for ShareBar {}

struct DrawnShare {
    class: &'static str,
    x: Decimal,
    width: Decimal,
    hint: String,
}

impl ShareBar {
    /// Each share: class, word, count.
    pub(crate) fn new(shares: &[(&'static str, String, u64)]) -> Self {
        let whole: u64 = shares.iter().map(|(_, _, count)| count).sum();
        let mut x = Decimal::ZERO;
        let mut drawn = Vec::with_capacity(shares.len());
        for (class, word, count) in shares {
            let width = scaled(Decimal::from(*count), Decimal::from(whole), WIDTH);
            drawn.push(DrawnShare { class, x, width, hint: format!("{word}: {count}") });
            x += width;
        }
        let hints: Vec<_> = drawn.iter().map(|share| share.hint.as_str()).collect();
        Self { summary: hints.join(", "), shares: drawn }
    }
}

/// `value` of `whole`, as a part of `length`, to one decimal.
fn scaled(value: Decimal, whole: Decimal, length: i64) -> Decimal {
    let part = value.checked_mul(Decimal::from(length)).and_then(|part| part.checked_div(whole));
    one_decimal(part.unwrap_or_default())
}

fn one_decimal(value: Decimal) -> Decimal {
    value.round_dp_with_strategy(1, RoundingStrategy::MidpointAwayFromZero).normalize()
}

fn across(at: Timestamp, (from, to): (Timestamp, Timestamp)) -> Decimal {
    let gone = at.as_millis().saturating_sub(from.as_millis());
    let whole = to.as_millis().saturating_sub(from.as_millis()).max(1);
    let x = scaled(Decimal::from(gone), Decimal::from(whole), WIDTH);
    x.clamp(Decimal::ZERO, Decimal::from(WIDTH))
}

/// The next round number whose half is round too. 1 for nothing.
fn round_up(value: Decimal) -> Decimal {
    if value <= Decimal::ZERO {
        return Decimal::ONE;
    }
    let steps = [10, 12, 16, 20, 24, 30, 40, 50, 60, 80, 100].map(Decimal::from);
    let mut power = Decimal::new(1, 6);
    loop {
        let fits =
            steps.iter().filter_map(|step| step.checked_mul(power)).find(|top| *top >= value);
        match (fits, power.checked_mul(Decimal::TEN)) {
            (Some(top), _) => return top.normalize(),
            (None, Some(next)) => power = next,
            (None, None) => return value,
        }
    }
}

/// Top, middle, bottom.
fn ticks(top: Decimal) -> Vec<String> {
    let middle = top.checked_div(Decimal::TWO).unwrap_or_default();
    [top, middle, Decimal::ZERO].map(format::plain).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        let round_up = |text: &str| super::round_up(text.parse().unwrap()).to_string();
        assert_eq!(round_up("0"), "1");
        assert_eq!(round_up("0.03"), "0.03");
        assert_eq!(round_up("7.2"), "8");
        assert_eq!(round_up("107"), "120");
        assert_eq!(round_up("10"), "10");
        assert_eq!(round_up("3210"), "4000");
        assert_eq!(super::round_up(Decimal::MAX), Decimal::MAX);
    }

    #[test]
    fn hints_are_escaped() {
        let bar = Bar {
            name: "</title><script>".to_owned(),
            value: Decimal::ONE,
            text: "\"&".to_owned(),
        };
        let chart = BarChart::new("Energy", "kWh", &[bar], Vec::new()).render().unwrap();
        assert!(!chart.contains("<script>"), "{chart}");
        assert!(chart.contains("&#60;script&#62;"), "{chart}");
    }

    #[test]
    fn lines_stay_inside_the_plot_and_keep_their_last_point() {
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1_000).unwrap();
        let points: Vec<_> = (0..5_000).map(|i| (at(i), Decimal::from(i))).collect();
        assert!(thinned(&points, POINTS_DRAWN_MAX).count() <= POINTS_DRAWN_MAX + 1);
        let line = Line { class: "power", name: "Power", filled: true, points };
        let drawn = draw(&line, (at(0), at(4_999)));
        assert!(drawn.line.starts_with("M0 200L"), "{}", drawn.line);
        assert!(drawn.line.ends_with("L1000 0"), "{}", drawn.line);
        assert_eq!(drawn.ticks, ["5,000", "2,500", "0"]);
    }
}
