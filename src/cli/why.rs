//! `ghostport why`: alert lines in, the reasoning out.

use std::io::{BufRead, BufReader, Read};
use std::process::ExitCode;

use super::exit::Failure;
use super::styled;
use crate::capture::Error::Unreadable;
use crate::output::{self, say};

/// Explains every line of a file, or of standard input.
pub(crate) fn why(file: &str) -> Result<ExitCode, Failure> {
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
        match output::explain_line(&line) {
            Ok(Some(text)) => {
                let text = if explained > 0 { format!("\n{text}") } else { text };
                styled(&text)?;
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
