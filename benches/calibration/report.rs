//! The report, as Markdown. Only what was measured varies; there is no date in it, so that a second run gives
//! the same bytes.

use std::fmt::Write;

use ghostport::verdict::{LAPSE, Story};

use crate::fit;
use crate::labels::{DISPUTED, EVENTS, event_of};
use crate::measure::{Bins, Reliability, brier, mean, pairs, reliability};
use crate::replay::{Judged, Run, short};

const HEAD: &str = "\
# Calibration of the verdicts
Written by `make calibrate`; do not edit. It replays the labelled captures beside the project with the
real binary and compares the verdict of each labelled flow with its label (map and matching of `score.py`
there).

## What these flows are, and what they are not
Most come from the test captures of nDPI, Zeek, Suricata, Arkime and tcpdump: many protocols, few flows
of each, and far more oddities than any network has. They say how far a probability can be trusted when
the case is unusual; they say nothing about how common a story is, and a network of everyday traffic will
be easier. Labels were made by tools and have mistakes (some are listed below); they count as they stand.
A few hundred flows give an error of some hundredths on every number here, more in a bin of a dozen.
Captures, never single flows, are dealt to the halves and folds, by a hash of their path. The held-out
half fits nothing; its misses were seen by people who improve recognisers and claims, though, so for
those it is not untouched.

An event is what labels can tell apart: `known_squatter` and `nonstandard_port` are one, so are
`misdirected` and `undetermined`. Confidence is the probability of the event that the answer belongs to.
";

const FIT: &str = "
## The fit
The model is a softmax of prior and weights, and a lapse that all stories share: how often experience
contradicts whatever the facts say. The lapse is fitted on the development half by likelihood, with a
pull to nought: as if a hundred more flows had been seen and told beyond doubt. The weights keep their
hand-set numbers: with so few flows, what they could learn is these captures. A temperature over all
weights, unpenalised, is shown for comparison and is not shipped: under it one unit of weight would no
longer multiply the odds by e. Form and pull were chosen by people who had seen both halves.

| model | loss, development | loss, held out |
|---|---|---|";

const CAUTION: &str = "\
Loss is the mean negative logarithm of the probability of what was true.

How much of the lapse is ours? Most of what it pays for are confident answers against labels that are
disputed (below). Those were looked into because they disagree; labels that agree with a wrong answer
were not found that way. So the lapse stands for mistakes of labels and registrations at least as much as
for our own.";

/// All of it.
pub(crate) fn write(run: &Run) -> String {
    let mut text = HEAD.to_owned();
    let all: Vec<&Judged> = run.judged.iter().collect();
    let (development, held_out): (Vec<_>, Vec<_>) = all.iter().partition(|flow| flow.is_development());
    let _ = writeln!(
        text,
        "\n{} captures, {} flows whose label is about the story; flows not found: {}.\n",
        run.captures,
        all.len(),
        if run.lost.is_empty() { "none".to_owned() } else { run.lost.join(", ") }
    );
    let undisputed: Vec<&Judged> = all.iter().copied().filter(|flow| !flow.label.is_disputed()).collect();
    let parts = [("all", &all), ("development", &development), ("held out", &held_out)];
    summary(&mut text, &[&parts[..], &[("all but the disputed labels", &undisputed)]].concat());
    for (name, flows) in
        [("all flows", &all), ("development half", &development), ("held-out half", &held_out)]
    {
        let _ = writeln!(text, "\n## Reliability: {name}");
        table(&mut text, "bins of equal width", &reliability(flows.iter().copied(), Bins::EqualWidth));
        table(&mut text, "bins of equal mass", &reliability(flows.iter().copied(), Bins::EqualMass));
        confusion(&mut text, flows);
    }
    fitted(&mut text, &development, &held_out);
    folds(&mut text, &all);
    thresholds(&mut text, &all);
    misses(&mut text, &all);
    alarms(&mut text, run);
    text
}

fn summary(text: &mut String, parts: &[(&str, &Vec<&Judged>)]) {
    text.push_str(
        "| flows | n | right | as score.py counts | Brier | ECE, 10 equal widths | ECE, 10 equal masses \
         | ECE of the answer alone | ECE without undetermined \
         |\n|---|---|---|---|---|---|---|---|---|\n",
    );
    for (name, flows) in parts {
        let ece = |bins| reliability(flows.iter().copied(), bins).error;
        let answer = pairs(flows.iter().map(|flow| (flow.answer, flow.is_hit())).collect(), Bins::EqualWidth);
        let told = flows.iter().copied().filter(|flow| flow.story != Story::Undetermined);
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {} | {:.3} | {:.3} | {:.3} | {:.3} | {:.3} |",
            flows.len(),
            share(flows.iter().filter(|flow| flow.is_hit()).count(), flows.len()),
            share(flows.iter().filter(|flow| flow.any_hit).count(), flows.len()),
            brier(flows.iter().copied()),
            ece(Bins::EqualWidth),
            ece(Bins::EqualMass),
            answer.error,
            reliability(told, Bins::EqualWidth).error,
        );
    }
    text.push_str(
        "\nA flow counts by its longest record; score.py takes any record of the same endpoints. Brier \
         is 0 at best, 2 at worst.\n\"The answer alone\" takes the printed probability and leaves out \
         that the other half of an event would be right too,\nso it must look too modest.\n",
    );
}

fn share(part: usize, of: usize) -> String {
    let percent = 100.0 * mean((0..of).map(|place| f64::from(u8::from(place < part))));
    format!("{part}/{of} = {percent:.2} %")
}

fn table(text: &mut String, name: &str, table: &Reliability) {
    let _ = writeln!(
        text,
        "\n{name}: ECE {:.3}\n\n| confidence | flows | mean confidence | right |\n|---|---|---|---|",
        table.error
    );
    for bin in &table.bins {
        let _ = writeln!(
            text,
            "| {:.3} to {:.3} | {} | {:.3} | {:.3} |",
            bin.lowest, bin.highest, bin.flows, bin.confidence, bin.accuracy
        );
    }
}

fn confusion(text: &mut String, flows: &[&Judged]) {
    let said = |story: Story| flows.iter().any(|flow| flow.story == story);
    let columns: Vec<Story> = Story::ALL.into_iter().filter(|story| said(*story)).collect();
    let _ = write!(text, "\n| label \\ answer |");
    for story in &columns {
        let _ = write!(text, " {} |", story.name());
    }
    let _ = writeln!(text, "\n|---|{}", "---|".repeat(columns.len()));
    for (event, (name, _)) in EVENTS.iter().enumerate() {
        if !flows.iter().any(|flow| flow.truth == event) {
            continue;
        }
        let _ = write!(text, "| {name} |");
        for story in &columns {
            let count = flows.iter().filter(|flow| flow.truth == event && flow.story == *story).count();
            let _ = write!(text, " {count} |");
        }
        text.push('\n');
    }
}

fn fitted(text: &mut String, development: &[&Judged], held_out: &[&Judged]) {
    let lapse = fit::lapse(development, fit::PULL);
    let temperature = fit::temperature(development, lapse);
    let loss = |flows: &[&Judged], temperature, lapse| {
        mean(flows.iter().map(|flow| fit::surprise(flow, temperature, lapse)))
    };
    let _ = writeln!(text, "{FIT}");
    for (name, temperature, lapse) in [
        ("hand-set, no lapse", 1.0, 0.0),
        ("as shipped", 1.0, LAPSE),
        ("as fitted now", 1.0, lapse),
        ("fitted, without the pull", 1.0, fit::lapse(development, 0.0)),
        ("fitted, and a temperature", temperature, lapse),
        ("a temperature, no lapse", fit::temperature(development, 0.0), 0.0),
    ] {
        let _ = writeln!(
            text,
            "| {name}: temperature {temperature:.2}, lapse {lapse:.3} | {:.3} | {:.3} |",
            loss(development, temperature, lapse),
            loss(held_out, temperature, lapse)
        );
    }
    let undisputed: Vec<_> = development.iter().copied().filter(|flow| !flow.label.is_disputed()).collect();
    let _ = writeln!(
        text,
        "\n{CAUTION}\nWithout the disputed labels the same fit gives {:.3}, and {:.3} without the pull.",
        fit::lapse(&undisputed, fit::PULL),
        fit::lapse(&undisputed, 0.0)
    );
}

fn folds(text: &mut String, all: &[&Judged]) {
    text.push_str(
        "\n## Cross-validation\nFive folds of captures; the lapse is fitted on four and used on the \
         fifth.\n\n| fold | flows | lapse of the other four | loss | loss without lapse \
         |\n|---|---|---|---|---|\n",
    );
    let mut outside = Vec::new();
    for fold in 0..5 {
        let (inside, rest): (Vec<&Judged>, Vec<&Judged>) = all.iter().partition(|flow| flow.fold() == fold);
        let lapse = fit::lapse(&rest, fit::PULL);
        let loss = |lapse| mean(inside.iter().map(|flow| fit::surprise(flow, 1.0, lapse)));
        let _ = writeln!(
            text,
            "| {} | {} | {lapse:.3} | {:.3} | {:.3} |",
            fold + 1,
            inside.len(),
            loss(lapse),
            loss(0.0)
        );
        outside.extend(inside.iter().map(|flow| refit(flow, lapse)));
    }
    let error = |bins| reliability(&outside, bins).error;
    let _ = writeln!(
        text,
        "\nAll folds together, each judged by the other four: Brier {:.3}, ECE {:.3} (equal widths), \
         {:.3} (equal masses).",
        brier(&outside),
        error(Bins::EqualWidth),
        error(Bins::EqualMass)
    );
}

/// The flow as a model with this lapse would have it; abstaining is left as it was.
fn refit(flow: &Judged, lapse: f64) -> Judged {
    Judged { chances: fit::events(flow, 1.0, lapse), ..flow.clone() }
}

fn thresholds(text: &mut String, all: &[&Judged]) {
    text.push_str(
        "\n## When to say `undetermined`\nThe answer is `undetermined` when the likeliest story is \
         below 0.5 or leads by less than 0.2. What other thresholds\nwould have given up, and how often \
         they would have been wrong to speak:\n\n| at least | lead | story told | of these right | given \
         up | of these the first guess was right |\n|---|---|---|---|---|---|\n",
    );
    for (least, lead) in [(0.3, 0.0), (0.4, 0.1), (0.5, 0.1), (0.5, 0.2), (0.5, 0.3), (0.6, 0.4), (0.7, 0.5)]
    {
        let firsts: Vec<(bool, bool)> = all.iter().filter_map(|flow| guess(flow, least, lead)).collect();
        let of = |told| firsts.iter().filter(move |first| first.0 == told);
        let right = |told| of(told).filter(|first| first.1).count();
        let _ = writeln!(
            text,
            "| {least:.1} | {lead:.1} | {} | {} | {} | {} |",
            of(true).count(),
            share(right(true), of(true).count()),
            of(false).count(),
            right(false)
        );
    }
    text.push_str("\nFlows of which `undetermined` itself is the likeliest story are not among them.\n");
}

/// Whether a story would be told, and whether the likeliest is right; none when that is `Undetermined`.
fn guess(flow: &Judged, least: f64, lead: f64) -> Option<(bool, bool)> {
    let mut ranked: Vec<(f64, Story)> = fit::stories(flow, 1.0, LAPSE).into_iter().zip(Story::ALL).collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let (first, story) = ranked[0];
    let next = ranked[1..].iter().find(|(_, story)| *story != Story::Undetermined)?.0;
    let told = first >= least && first - next >= lead;
    (story != Story::Undetermined).then(|| (told, event_of(story) == flow.truth))
}

fn misses(text: &mut String, all: &[&Judged]) {
    text.push_str(
        "\n## Every disagreement\n| flow | half | label | application | answer | its probability | of \
         what the label says |\n|---|---|---|---|---|---|---|\n",
    );
    for flow in all.iter().filter(|flow| !flow.is_hit()) {
        let _ = writeln!(
            text,
            "| {}{} in {}{} | {} | {} | {} | {} | {:.3} | {:.3} |",
            flow.label.id,
            if flow.label.is_disputed() { " (disputed)" } else { "" },
            short(&flow.label.capture),
            if flow.any_hit { ", another record agrees" } else { "" },
            if flow.is_development() { "development" } else { "held out" },
            flow.label.says,
            flow.label.app,
            flow.story.name(),
            flow.answer,
            flow.chances[flow.truth]
        );
    }
    text.push_str("\nLabels that are disputed, and why:\n\n");
    for (id, why) in DISPUTED {
        let _ = writeln!(text, "- {id}: {why}.");
    }
}

fn alarms(text: &mut String, run: &Run) {
    let count = run.false_alarms.len();
    let per_thousand = |count: usize| {
        let count = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        1000.0 * count / f64::from(u32::try_from(run.benign_flows.max(1)).unwrap_or(u32::MAX))
    };
    let _ = writeln!(
        text,
        "\n## Alerts of severity medium or above on benign flows\n{count} alerts (one per rule, \
         responder and port) on {} flows of captures without a row that is labelled a scan, a \
         flood,\nmalware or an attack: {:.2} per thousand.\n",
        run.benign_flows,
        per_thousand(count)
    );
    for alarm in &run.false_alarms {
        let _ = writeln!(text, "- {alarm}");
    }
}
