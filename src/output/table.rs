//! What a person sees on a terminal: port buckets, busiest first, the findings below them, and one line of
//! counts.
//!
//! Everything is text of at most the given width; colours stand only where asked for, and text from strangers
//! is [cleaned](clean()), so nothing that came over the wire can move a cursor.

use std::fmt::Write;

use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, LineStyle, Table,
    TableStyle, Width,
};
use owo_colors::{OwoColorize, Style};

use super::clean;
use super::findings::Findings;
use super::stats::Stats;
use crate::bucket::{Buckets, PortBucket};
use crate::flow::Distinct;
use crate::payload::App;
use crate::registry::PortStatus;
use crate::rules::{Alert, Severity};
use crate::verdict::{Story, Verdict};
use crate::wire::Skip;

/// Narrower than this, heads are shortened.
const NARROW: u16 = 100;
/// The least that is drawn for.
const WIDTH_MIN: u16 = 80;

/// How it is to look.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Columns of the terminal; less than 80 is taken as 80.
    pub width: u16,
    /// With colours.
    pub color: bool,
    /// With registered names.
    pub names: bool,
    /// Ports and findings shown at most, each.
    pub rows_max: usize,
}

impl Default for Look {
    fn default() -> Self {
        Self { width: 80, color: false, names: true, rows_max: 40 }
    }
}

/// The whole picture, ready to print. Every line ends with a newline.
#[must_use]
pub fn render(buckets: &Buckets, findings: &Findings, stats: &Stats<'_>, look: Look) -> String {
    let look = Look { width: look.width.max(WIDTH_MIN), ..look };
    let mut text = String::new();
    ports(&mut text, buckets, look);
    list(&mut text, findings, look);
    summary(&mut text, buckets, findings, stats, look);
    text
}

fn ports(text: &mut String, buckets: &Buckets, look: Look) {
    let ports = buckets.ports();
    if ports.is_empty() {
        return;
    }
    let mut table = Table::new();
    table.load_style(TableStyle::new().header_separator(LineStyle::none().fill('─')));
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(look.width);
    if look.color {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    let is_narrow = look.width < NARROW;
    let (answered, findings) = if is_narrow { ("ANSW", "FIND") } else { ("ANSWERED", "FINDINGS") };
    let heads = ["PORT", "REGISTERED", "FLOWS", "HOSTS", answered, "SPEAKS", "STORIES", findings];
    table.set_header(heads.map(|head| Cell::new(head).add_attribute(Attribute::Bold)));
    for bucket in ports.iter().take(look.rows_max) {
        table.add_row(row(bucket, look));
    }
    let gap = if is_narrow { 1 } else { 2 };
    let widths = widths(&table.column_max_content_widths(), look.width, gap);
    for (place, (column, width)) in table.column_iter_mut().zip(widths).enumerate() {
        column.set_padding((0, if place < heads.len() - 1 { gap } else { 0 }));
        let padded = if place < heads.len() - 1 { width + gap } else { width };
        column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(padded)));
        if matches!(place, 2..=4 | 7) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for line in table.lines() {
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let hidden = ports.len().saturating_sub(look.rows_max);
    if hidden > 0 {
        let flows: u64 = ports.iter().skip(look.rows_max).map(|bucket| bucket.flows).sum();
        let more = format!("and {} with {}", many(hidden as u64, "more port"), many(flows, "flow"));
        let _ = writeln!(text, "{}", paint(&more, Style::new().dimmed(), look));
    }
}

/// Numbers get the room they need; what is left is shared by names, protocols and stories, which can wrap.
fn widths(content: &[u16], width: u16, gap: u16) -> Vec<u16> {
    const WRAPS: [usize; 3] = [1, 5, 6];
    let gaps = gap * u16::try_from(content.len().saturating_sub(1)).unwrap_or(0);
    let fixed: u16 =
        (0..content.len()).filter(|place| !WRAPS.contains(place)).map(|place| content[place]).sum();
    let left = width.saturating_sub(fixed + gaps).max(12);
    let [name, app, story] = WRAPS.map(|place| content[place]);
    let mut widths = content.to_vec();
    if name + app + story > left {
        let app = app.min((left / 6).max(6));
        let story = story.min((left - app).div_ceil(2));
        (widths[1], widths[5], widths[6]) = (name.min(left - app - story), app, story);
    }
    widths
}

fn row(bucket: &PortBucket, look: Look) -> Vec<Cell> {
    let cell = |text: String, color: Option<Color>| match color {
        Some(color) => Cell::new(text).fg(color),
        None => Cell::new(text),
    };
    let name_max = if look.width < NARROW { 16 } else { 32 };
    let name = bucket.registered.as_deref().filter(|_| look.names).map(|name| clean(name, name_max));
    let status = bucket.tags.names().fold(bucket.status.name().to_owned(), |all, tag| all + " " + tag);
    let registered = name.map_or_else(|| status.clone(), |name| format!("{name}\n{status}"));
    let status_color = match bucket.status {
        _ if bucket.tags.suspicious => Some(Color::Red),
        PortStatus::Active => None,
        PortStatus::Dormant | PortStatus::Reserved => Some(Color::Yellow),
        PortStatus::Unassigned | PortStatus::Dynamic => Some(Color::DarkGrey),
    };
    let stories: Vec<_> = bucket.stories().collect();
    let worst = stories.iter().map(|&(story, _)| story).max_by_key(|&story| concern(story));
    let findings = if bucket.findings == 0 { String::new() } else { bucket.findings.to_string() };
    vec![
        Cell::new(format!("{}/{}", bucket.port, bucket.transport.name())).add_attribute(Attribute::Bold),
        cell(registered, status_color),
        cell(short(bucket.flows), None),
        cell(format!("{}→{}", hosts(&bucket.originators), hosts(&bucket.responders)), None),
        cell(format!("{} %", percent(bucket.answered(), bucket.flows)), None),
        cell(speaks(bucket), None),
        cell(said(&stories, bucket.flows), worst.and_then(story_color)),
        cell(findings, Some(Color::Red)),
    ]
}

/// Protocols, most frequent first; what was not recognised last.
fn speaks(bucket: &PortBucket) -> String {
    let mut spoken: Vec<_> = bucket.protocols().filter(|&(app, _)| app != App::Unknown).collect();
    spoken.sort_by_key(|&(_, flows)| std::cmp::Reverse(flows));
    let more = spoken.len().saturating_sub(3);
    let mut names: Vec<String> = spoken.into_iter().take(3).map(|(app, _)| app.name().to_owned()).collect();
    if names.is_empty() {
        names.push("–".to_owned());
    }
    if more > 0 {
        names.push(format!("+{more}"));
    }
    names.join(", ")
}

/// Stories, most frequent first, one a line; with their flows when there are several.
fn said(stories: &[(Story, u64)], flows: u64) -> String {
    let mut stories = stories.to_vec();
    stories.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    let lines = stories.iter().map(|&(story, count)| {
        if count == flows { story.name().to_owned() } else { format!("{} {}", story.name(), short(count)) }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// How much a story asks for somebody to look.
const fn concern(story: Story) -> u8 {
    match story {
        Story::SuspectedMalware => 3,
        Story::NonstandardPort | Story::UnidentifiedListener | Story::KnownSquatter => 2,
        Story::Scan | Story::Misdirected | Story::Backscatter => 1,
        _ => 0,
    }
}

fn story_color(story: Story) -> Option<Color> {
    match (concern(story), story) {
        (3, _) => Some(Color::Red),
        (2, _) => Some(Color::Yellow),
        (1, _) => Some(Color::Cyan),
        (_, Story::RegisteredService | Story::NegotiatedPort) => Some(Color::Green),
        _ => None,
    }
}

fn list(text: &mut String, findings: &Findings, look: Look) {
    if findings.total() == 0 {
        return;
    }
    let _ = writeln!(text, "\n{}", paint("FINDINGS", Style::new().bold(), look));
    for finding in findings.worst_first().into_iter().take(look.rows_max) {
        entry(text, &finding.first, finding.count, look);
    }
    let beyond = findings.beyond(look.rows_max);
    if beyond > 0 {
        let more = format!("and {}", many(beyond, "more alert"));
        let _ = writeln!(text, "{}", paint(&more, Style::new().dimmed(), look));
    }
}

/// One finding as it comes, for somebody who watches; ready to print.
#[must_use]
pub fn finding(alert: &Alert, look: Look) -> String {
    let mut text = String::new();
    entry(&mut text, alert, alert.aggregate.flows_total, Look { width: look.width.max(WIDTH_MIN), ..look });
    text
}

/// One finding: what, where and what to do.
fn entry(text: &mut String, alert: &Alert, count: u64, look: Look) {
    let evidence = &alert.verdict.evidence;
    let flow = &evidence.flow;
    let (name, style) = match alert.rule.severity {
        Severity::High => ("high", Style::new().red().bold()),
        Severity::Medium => ("medium", Style::new().yellow().bold()),
        Severity::Low => ("low", Style::new().cyan()),
        Severity::Informational => ("info", Style::new()),
    };
    let count = if count > 1 { format!(" ×{}", short(count)) } else { String::new() };
    let what = format!("{}{count}", clean(&alert.signature, 300));
    let indent = "         ";
    let dim = Style::new().dimmed();
    for (number, line) in wrap(&what, usize::from(look.width) - indent.len()).into_iter().enumerate() {
        let head = if number == 0 { format!(" {name:<7} ") } else { indent.to_owned() };
        let _ = writeln!(text, "{}{line}", paint(&head, style, look));
    }
    let app = if evidence.app.app == App::Unknown { "" } else { evidence.app.app.name() };
    let first = [
        format!("{} → {}", flow.originator, flow.responder),
        format!("{} {:.0} %", alert.verdict.story.name(), alert.verdict.probability * 100.0),
        app.to_owned(),
        evidence.outcome.name().to_owned(),
        format!("frame {}", flow.first_frame),
    ];
    let first: Vec<_> = first.into_iter().filter(|part| !part.is_empty()).collect();
    let because = because(&alert.verdict);
    let next = alert.verdict.next_step();
    for (label, rest) in
        [("", first.join(" · ")), ("because ", because), ("next: ", clean(&next, 300).into_owned())]
    {
        if rest.is_empty() {
            continue;
        }
        for line in wrap(&format!("{label}{rest}"), usize::from(look.width) - indent.len()) {
            let _ = writeln!(text, "{indent}{}", paint(&line, dim, look));
        }
    }
}

/// The facts that did most for the story, strongest first.
fn because(verdict: &Verdict) -> String {
    const FACTS_MAX: usize = 4;
    let worth = |row: &[(Story, f64)]| row.iter().find(|(story, _)| *story == verdict.story).map(|(_, w)| *w);
    let mut helping: Vec<_> = verdict
        .evidence
        .facts
        .iter()
        .zip(&verdict.weights)
        .filter_map(|(fact, row)| worth(row).filter(|weight| *weight > 0.0).map(|weight| (weight, fact)))
        .collect();
    helping.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    let shown = helping.iter().take(FACTS_MAX);
    let facts = shown.map(|(_, fact)| format!("{} {}", fact.name(), clean(&fact.value().to_string(), 60)));
    facts.collect::<Vec<_>>().join(" · ")
}

/// One line of counts; a second one when something was skipped, damaged or lost.
fn summary(text: &mut String, buckets: &Buckets, findings: &Findings, stats: &Stats<'_>, look: Look) {
    let counts = [
        many(stats.read, "frame"),
        format!("{}B", scaled(stats.bytes)),
        many(buckets.totals().flows, "flow"),
        many(buckets.len() as u64, "port"),
        many(findings.total(), "alert"),
    ];
    let _ = writeln!(text, "\n{}", paint(&counts.join(" · "), Style::new().bold(), look));
    let mut notes = Vec::new();
    if stats.skips.total() > 0 {
        let reasons = Skip::ALL.into_iter().filter(|&skip| stats.skips.of(skip) > 0);
        let reasons: Vec<_> =
            reasons.map(|skip| format!("{} {}", skip.name(), short(stats.skips.of(skip)))).collect();
        notes.push(format!("skipped {}: {}", short(stats.skips.total()), reasons.join(", ")));
    }
    if let Some(loss) = stats.loss.filter(|loss| loss.dropped_kernel + loss.dropped_interface > 0) {
        let (kernel, interface) = (short(loss.dropped_kernel), short(loss.dropped_interface));
        notes.push(format!("lost before us: {kernel} by the kernel, {interface} by the interface"));
    }
    if stats.damaged > 0 {
        notes.push(format!("{} in the input", many(stats.damaged, "damaged place")));
    }
    if stats.suppressed + stats.expected > 0 {
        notes.push(format!("silenced: {} suppressed, {} expected", stats.suppressed, stats.expected));
    }
    for note in notes {
        for line in wrap(&note, usize::from(look.width)) {
            let _ = writeln!(text, "{}", paint(&line, Style::new().dimmed(), look));
        }
    }
}

fn paint(text: &str, style: Style, look: Look) -> String {
    if look.color { text.style(style).to_string() } else { text.to_owned() }
}

fn hosts(hosts: &Distinct) -> String {
    format!("{}{}", if hosts.is_exact() { "" } else { "~" }, short(hosts.count()))
}

fn percent(part: u64, whole: u64) -> u64 {
    u64::try_from(u128::from(part) * 100 / u128::from(whole.max(1))).unwrap_or(0)
}

fn many(count: u64, what: &str) -> String {
    format!("{} {what}{}", short(count), if count == 1 { "" } else { "s" })
}

/// Up to five digits as they are, more in thousands, millions and so on.
fn short(count: u64) -> String {
    if count < 100_000 { count.to_string() } else { scaled(count).replace(' ', "") }
}

fn scaled(count: u64) -> String {
    let (mut value, mut unit) = (count as f64, 0);
    while value >= 1000.0 && unit < 6 {
        value /= 1000.0;
        unit += 1;
    }
    let unit = ["", "k", "M", "G", "T", "P", "E"][unit];
    if unit.is_empty() { format!("{count} ") } else { format!("{value:.1} {unit}") }
}

/// Breaks at spaces, inside a word only when it is longer than a line. Width is counted in characters.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > width {
            lines.push(String::new());
            used = 0;
        }
        let line = lines.len() - 1;
        if used > 0 {
            lines[line].push(' ');
            used += 1;
        }
        for character in word.chars() {
            if used == width {
                lines.push(String::new());
                used = 0;
            }
            let line = lines.len() - 1;
            lines[line].push(character);
            used += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests;
