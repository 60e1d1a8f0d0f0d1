//! `ghostport why`: alert lines in, or a capture and one of its flows; the reasoning out.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::ExitCode;

use super::exit::{self, Failure};
use super::{data, styled};
use crate::capture::Error::Unreadable;
use crate::output::{self, Asked, Context, ExtraPlacement, say};
use crate::pipeline::{self, Config};
use crate::registry::Registry;
use crate::rules::Rules;

/// Explains every line of a file (or of standard input), or the flow that stands last behind some captures.
pub(crate) fn why(what: &[String], json: bool, claims: &[PathBuf]) -> Result<ExitCode, Failure> {
    let registry = &Registry::load(claims).map_err(pipeline::Error::from)?;
    let asked = Asked { registry, json };
    match what.split_last() {
        Some((file, [])) => lines(file, asked),
        Some((id, captures)) => {
            let Ok(id) = id.parse() else {
                let wrong = format!("{id:?} is no flow_id: that is a number, last after the captures");
                return Err(Failure::usage(wrong));
            };
            flow(captures, id, claims, asked)
        }
        None => lines("-", asked),
    }
}

/// Replays captures and explains one flow of them.
fn flow(captures: &[String], id: u64, claims: &[PathBuf], asked: Asked<'_>) -> Result<ExitCode, Failure> {
    let config = Config::silent(captures, claims);
    let found = pipeline::seek(&config, id)?;
    if found.verdicts.is_empty() {
        let wrong = format!("no flow {id} there; `flow_id` stands in every line of --flows and every alert");
        return Err(Failure::usage(wrong));
    }
    let context = Context {
        inputs: &found.inputs,
        live: false,
        host: None,
        extra: ExtraPlacement::TopLevel,
        internal: Rules::builtin().internal(),
    };
    let text =
        output::explain_flow(&found.verdicts, &found.alerts, &context, asked).map_err(anyhow::Error::msg)?;
    show(&text, asked)?;
    Ok(exit::code(&found.report, None))
}

fn show(text: &str, asked: Asked<'_>) -> Result<ExitCode, Failure> {
    if asked.json { data(text) } else { styled(text) }
}

fn lines(file: &str, asked: Asked<'_>) -> Result<ExitCode, Failure> {
    let input: Box<dyn Read> = if file == "-" {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(file).map_err(|error| unreadable(file, &error.to_string()))?)
    };
    let (mut explained, mut wrong) = (0u64, 0u64);
    for (number, line) in BufReader::new(input).lines().enumerate() {
        let line = line.map_err(|error| unreadable(file, &error.to_string()))?;
        if line.trim().is_empty() {
            continue;
        }
        match output::explain_line(&line, asked) {
            Ok(Some(text)) => {
                let text = if explained > 0 && !asked.json { format!("\n{text}") } else { text };
                show(&text, asked)?;
                explained += 1;
            }
            Ok(None) => {}
            Err(what) => {
                say::error(&format!("{file}:{}: {what}", number + 1));
                wrong += 1;
            }
        }
    }
    if explained == 0 && wrong == 0 {
        say::note("no line with a verdict: nothing was found, or the lines are counters only");
    }
    Ok(if wrong > 0 { ExitCode::from(3) } else { ExitCode::SUCCESS })
}

fn unreadable(file: &str, why: &str) -> Failure {
    crate::pipeline::Error::from(Unreadable { input: file.to_owned(), why: why.to_owned() }).into()
}
