//! `ghostport rules`: check, list, test, import and explain rules.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::args::RulesAction;
use super::data;
use super::exit::Failure;
use super::seen;
use crate::output::{self, say};
use crate::pipeline::{self, Error};
use crate::registry::{Level, Place, text_of};
use crate::rules::{self, Rules};

/// Runs the action.
pub(crate) fn run(action: &RulesAction) -> Result<ExitCode, Failure> {
    match action {
        RulesAction::Check { files, strict } => check(files, *strict),
        RulesAction::List { json, files } => list(files, *json),
        RulesAction::Test { files } => test(files),
        RulesAction::Import { file, variables } => import(file, variables),
        RulesAction::Explain { id, files } => explain(id, files),
    }
}

fn load(files: &[PathBuf]) -> Result<Rules, Failure> {
    Ok(Rules::load(files, None).map_err(Error::from)?)
}

/// Says everything that is wrong or doubtful; exit 78 when something is wrong, and with `strict` when
/// something is doubtful.
fn check(files: &[PathBuf], strict: bool) -> Result<ExitCode, Failure> {
    let said = Rules::check(files, Some(pipeline::now()));
    said.iter().for_each(|diagnostic| say::plain(&diagnostic.to_string()));
    let errors = said.iter().filter(|diagnostic| diagnostic.level == Level::Error).count();
    if errors > 0 {
        let what = counted(errors, "mistake");
        return Err(Failure::config(format!("{what}; nothing of these files would be used")));
    }
    let doubts = counted(said.len(), "doubt");
    if strict && !said.is_empty() {
        return Err(Failure::config(format!("{doubts}, which --strict does not let pass")));
    }
    let rules = load(files)?;
    say::note(&format!("{} rules are good; {doubts}", rules.len()));
    Ok(ExitCode::SUCCESS)
}

/// `1 doubt`, `2 doubts`.
fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn list(files: &[PathBuf], json: bool) -> Result<ExitCode, Failure> {
    let rules = load(files)?;
    let mut text = String::new();
    for policy in rules.list() {
        if json {
            text.push_str(&output::rule_json(policy).map_err(anyhow::Error::from)?);
        } else {
            let rule = policy.rule();
            // Writing to a string cannot fail, here and below.
            let _ =
                writeln!(text, "{:<8} {:<14} {:<34} {}", rule.sid, rule.severity.name(), rule.id, rule.title);
        }
    }
    data(&text)
}

/// Runs the rules' own cases; exit 78 when one fails.
fn test(files: &[PathBuf]) -> Result<ExitCode, Failure> {
    let report = load(files)?.test();
    report.failures.iter().for_each(|failure| say::plain(failure));
    let failed = report.failures.len();
    if failed > 0 {
        return Err(Failure::config(format!("{failed} of {} cases failed", report.cases)));
    }
    data(&format!("{} cases passed\n", report.cases))
}

/// Writes what can be taken over on stdout and says the rest; exit 78 when there were rules and none could.
fn import(file: &Path, variables: &[String]) -> Result<ExitCode, Failure> {
    let mut known = BTreeMap::new();
    for written in variables {
        let (name, value) = written
            .split_once('=')
            .ok_or_else(|| Failure::usage(format!("--var {written:?}: write it as NAME=VALUE")))?;
        known.insert(name.trim_start_matches('$').to_owned(), value.to_owned());
    }
    let shown = file.display().to_string();
    let text = text_of(seen::open(file)?).map_err(|what| Failure::usage(format!("{shown}: {what}")))?;
    let done = rules::import(Place { file: &shown, text: &text }, &known);
    done.said.iter().for_each(|diagnostic| say::plain(&diagnostic.to_string()));
    let (written, left_out) = (counted(done.written, "rule"), done.left_out);
    if done.written == 0 && left_out > 0 {
        return Err(Failure::config(format!("none of {} could be taken over", counted(left_out, "rule"))));
    }
    say::note(&format!("{written} taken over, {left_out} left out"));
    data(&done.toml)
}

fn explain(id: &str, files: &[PathBuf]) -> Result<ExitCode, Failure> {
    let rules = load(files)?;
    let Some(policy) = rules.find(id) else {
        return Err(Failure::usage(format!("there is no rule {id:?}; see: ghostport rules list")));
    };
    let rule = policy.rule();
    let mut text = format!("{} (sid {}, rev {}, {})\n", rule.id, rule.sid, rule.rev, policy.place());
    let _ = writeln!(text, "  {}\n  severity {}, {}", rule.title, rule.severity.name(), rule.category);
    if !rule.techniques.is_empty() {
        let _ = writeln!(text, "  ATT&CK {}", rule.techniques.join(", "));
    }
    if !policy.about().is_empty() {
        let _ = writeln!(text, "\n  {}", policy.about());
    }
    text.push('\n');
    for line in policy.conditions() {
        let _ = writeln!(text, "  {line}");
    }
    let _ = writeln!(text, "\n  {} cases of its own; run: ghostport rules test", policy.cases());
    data(&text)
}
