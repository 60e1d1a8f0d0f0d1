//! Arguments → configuration; the subcommands. It holds no logic of the road.
//!
//! Standard output carries data only; everything said to a person goes to standard error. Exit codes are a
//! contract (see `exit`); an unreadable input is never 0.

mod args;
mod config;
mod doctor;
mod exit;
mod free;
mod listeners;
mod ports;
mod rules;
mod seen;
mod version;
mod why;

use std::process::ExitCode;

use anstream::ColorChoice;
use clap::{CommandFactory, Parser};

use args::{Cli, Color, Command, RunArgs};
use exit::Failure;

use crate::output::say;

/// Runs the program on the process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let ended = match &cli.command {
        None => run(&cli.run),
        Some(command) => subcommand(command),
    };
    match ended {
        Ok(code) => code,
        Err(failure) => {
            say::error(&failure.to_string());
            failure.code()
        }
    }
}

/// The main job: replay or watch.
fn run(args: &RunArgs) -> Result<ExitCode, Failure> {
    if args.input.list_interfaces {
        return listeners::interfaces();
    }
    let meant = config::resolve(args).map_err(Failure::from_config)?;
    colour(meant.color);
    if args.policy.test {
        let knowledge = crate::pipeline::load(&meant.pipeline)?;
        meant.pipeline.doubts().iter().for_each(|doubt| say::note(doubt));
        say::note(&format!("configuration is good: {knowledge}"));
        return Ok(ExitCode::SUCCESS);
    }
    let report = crate::pipeline::run(&meant.pipeline)?;
    Ok(exit::code(&report, meant.fail_on))
}

/// Decides once whether anything that is said is coloured.
fn colour(color: Color) {
    match color {
        Color::Auto => ColorChoice::Auto,
        Color::Always => ColorChoice::Always,
        Color::Never => ColorChoice::Never,
    }
    .write_global();
}

fn subcommand(command: &Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Explain { port, json, claims } => ports::explain(port, *json, claims),
        Command::Why { what, json, claims } => why::why(what, *json, claims),
        Command::Ports(args) => ports::run(args),
        Command::Rules { action } => rules::run(action),
        Command::Listeners { json } => listeners::list(*json),
        Command::Doctor => doctor::run(),
        Command::Schema { what, json } => schema(what, *json),
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "ghostport", &mut text);
            data(&String::from_utf8_lossy(&text))
        }
        Command::Man => {
            let mut text = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut text).map_err(anyhow::Error::from)?;
            data(&String::from_utf8_lossy(&text))
        }
    }
}

fn schema(what: &str, json: bool) -> Result<ExitCode, Failure> {
    use crate::output;
    match what {
        "facts" if json => data(&output::facts_json().map_err(anyhow::Error::from)?),
        "facts" => data(&output::facts_text()),
        format => match output::schema(format) {
            Some(text) => data(&text),
            None => {
                let formats = crate::sink::Format::ALL.map(crate::sink::Format::name).join(", ");
                Err(Failure::usage(format!("there is no format {format:?}; there are: {formats}, facts")))
            }
        },
    }
}

/// Writes text for people to standard output, coloured where that is wanted.
pub(crate) fn styled(text: &str) -> Result<ExitCode, Failure> {
    let plain = anstream::AutoStream::choice(&std::io::stdout()) == anstream::ColorChoice::Never;
    if plain { data(&anstream::adapter::strip_str(text).to_string()) } else { data(text) }
}

/// Writes data to standard output.
pub(crate) fn data(text: &str) -> Result<ExitCode, Failure> {
    crate::output::print(text).map_err(anyhow::Error::from)?;
    Ok(ExitCode::SUCCESS)
}
