//! From what was typed to what is meant: flag, then environment, then `-c` file, then default.
//!
//! clap resolves flag and environment; what is still unset comes from the file. The file has the long option
//! names as keys, and a key it does not know is refused with its place, so a typo never silently keeps a
//! default.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Deserialize;

use super::args::{CaptureWith, Color, EveExtra, FailOn, RunArgs, Size};
use crate::capture::{LiveOptions, Through};
use crate::flow;
use crate::output::ExtraPlacement;
use crate::pipeline::{Config, Input, Terminal};
use crate::rules::{Gathering, Severity};
use crate::sink::{Format, Spooling, Target, split_specs};

/// Bytes of a spool that nobody gave a size: some hours of a busy sensor.
const SPOOL_BYTES: u64 = 1 << 30;

/// Keys of the configuration file. Everything is optional.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct FileConfig {
    interface: Option<Vec<String>>,
    filter: Option<String>,
    snaplen: Option<u32>,
    buffer_mib: Option<u32>,
    capture_with: Option<CaptureWith>,
    promiscuous: Option<bool>,
    output: Option<Vec<String>>,
    spool: Option<PathBuf>,
    spool_max: Option<Size>,
    drain_timeout: Option<u32>,
    flows: Option<bool>,
    ports: Option<bool>,
    host: Option<String>,
    eve_extra: Option<EveExtra>,
    alert_interval: Option<u32>,
    stats_interval: Option<u32>,
    numeric: Option<bool>,
    color: Option<Color>,
    rules: Option<Vec<PathBuf>>,
    only_rules: Option<Vec<PathBuf>>,
    claims: Option<Vec<PathBuf>>,
    fail_on: Option<FailOn>,
    workers: Option<u32>,
    flows_max: Option<u32>,
    timeout_opening: Option<u32>,
    timeout_established: Option<u32>,
    timeout_udp: Option<u32>,
}

/// A mistake on the command line itself, as opposed to one in a file it names.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(String);

/// What the whole command line means.
#[derive(Debug)]
pub(crate) struct Meant {
    pub(crate) pipeline: Config,
    pub(crate) color: Color,
    pub(crate) fail_on: Option<Severity>,
}

/// Resolves arguments, environment, file and defaults.
///
/// # Errors
/// A configuration file that cannot be read or has a mistake (file:line:column), an output that cannot be
/// meant.
pub(crate) fn resolve(args: &RunArgs) -> anyhow::Result<Meant> {
    let file = args.policy.config.as_deref().map(read_file).transpose()?.unwrap_or_default();
    let color = args.output.color.or(file.color).unwrap_or(Color::Auto);
    let quiet = args.output.quiet;
    let targets = outputs(args, &file)?;
    let terminal = targets.is_empty().then(|| terminal(color, args, &file));
    let fail_on = args.policy.fail_on.or(file.fail_on).map(severity);
    let pipeline = Config {
        input: input(args, &file)?,
        filter: filter(args, &file)?,
        workers: args.tracking.workers.or(file.workers).unwrap_or(1) as usize,
        flow: flow_config(args, &file),
        targets,
        spool: spool(args, &file),
        drain: args.output.drain_timeout.or(file.drain_timeout).map(seconds),
        terminal,
        flows: args.output.flows || file.flows.unwrap_or(false),
        ports: args.output.ports || file.ports.unwrap_or(false),
        write: args.output.write.clone(),
        host: args.output.host.clone().or(file.host),
        extra: match args.output.eve_extra.or(file.eve_extra) {
            Some(EveExtra::Metadata) => ExtraPlacement::Metadata,
            Some(EveExtra::Toplevel) | None => ExtraPlacement::TopLevel,
        },
        gathering: gathering(args.output.alert_interval.or(file.alert_interval)),
        stats_interval: seconds(args.output.stats_interval.or(file.stats_interval).unwrap_or(60)),
        ask_host: !(args.output.numeric || file.numeric.unwrap_or(false)),
        progress: !quiet && std::io::stderr().is_terminal(),
        quiet,
        verbose: args.output.verbose,
        add_rules: some_or(&args.policy.add_rules, file.rules),
        only_rules: some_or(&args.policy.only_rules, file.only_rules),
        claims: some_or(&args.policy.claims, file.claims),
    };
    Ok(Meant { pipeline, color, fail_on })
}

fn read_file(path: &Path) -> anyhow::Result<FileConfig> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the configuration file {}", path.display()))?;
    toml::from_str(&text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let (line, column) = line_and_column(&text, at);
        anyhow::anyhow!("{}:{line}:{column}: {}", path.display(), error.message())
    })
}

fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    (line, column)
}

fn some_or<T: Clone>(given: &[T], file: Option<Vec<T>>) -> Vec<T> {
    if given.is_empty() { file.unwrap_or_default() } else { given.to_vec() }
}

fn seconds(count: u32) -> Duration {
    Duration::from_secs(u64::from(count))
}

fn input(args: &RunArgs, file: &FileConfig) -> anyhow::Result<Input> {
    if !args.input.read.is_empty() {
        return Ok(Input::Replay(args.input.read.clone()));
    }
    let interfaces = some_or(&args.input.interface, file.interface.clone());
    if interfaces.is_empty() && args.policy.test {
        return Ok(Input::Replay(Vec::new())); // only the rest is tested
    }
    if interfaces.is_empty() {
        bail!(Usage(
            "nothing to read: give a capture with -r FILE or an interface with -i IFACE (see --help)".into()
        ));
    }
    let options = LiveOptions {
        snaplen: args.input.snaplen.or(file.snaplen).unwrap_or(LiveOptions::default().snaplen),
        promiscuous: !args.input.no_promiscuous && file.promiscuous.unwrap_or(true),
        buffer_bytes: args.input.buffer_mib.or(file.buffer_mib).unwrap_or(64).saturating_mul(1024 * 1024),
        through: match args.input.capture_with.or(file.capture_with) {
            Some(CaptureWith::Libpcap) => Through::Libpcap,
            Some(CaptureWith::Ring) | None => Through::Ring,
        },
        ..LiveOptions::default()
    };
    Ok(Input::Live(interfaces, options))
}

fn filter(args: &RunArgs, file: &FileConfig) -> anyhow::Result<Option<String>> {
    if let Some(path) = &args.input.filter_file {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the filter file {}", path.display()))?;
        return Ok(Some(text.trim().to_owned()));
    }
    let typed = args.input.filter.join(" ");
    Ok(if typed.is_empty() { file.filter.clone() } else { Some(typed) })
}

fn flow_config(args: &RunArgs, file: &FileConfig) -> flow::Config {
    let mut config = flow::Config::default();
    let tracking = &args.tracking;
    if let Some(count) = tracking.flows_max.or(file.flows_max) {
        config.flows_max = count as usize;
    }
    if let Some(count) = tracking.timeout_opening.or(file.timeout_opening) {
        config.timeouts.tcp_opening = seconds(count);
    }
    if let Some(count) = tracking.timeout_established.or(file.timeout_established) {
        config.timeouts.tcp_established = seconds(count);
    }
    if let Some(count) = tracking.timeout_udp.or(file.timeout_udp) {
        config.timeouts.udp_two_way = seconds(count);
    }
    config
}

fn gathering(interval: Option<u32>) -> Gathering {
    let default = Gathering::default();
    Gathering { interval: interval.map_or(default.interval, |count| seconds(count.max(1))), ..default }
}

fn outputs(args: &RunArgs, file: &FileConfig) -> anyhow::Result<Vec<Target>> {
    let specs = some_or(&args.output.output, file.output.clone());
    if specs.is_empty() && !std::io::stdout().is_terminal() {
        return Ok(vec![Target::stdout(Format::Eve)]);
    }
    let specs = specs.iter().flat_map(|spec| split_specs(spec));
    specs.map(|spec| Ok(Target::parse(spec).map_err(|why| Usage(why.to_string()))?)).collect()
}

fn spool(args: &RunArgs, file: &FileConfig) -> Option<Spooling> {
    let limit = args.output.spool_max.or(file.spool_max).map_or(SPOOL_BYTES, |size| size.0);
    let folder = args.output.spool.clone().or_else(|| file.spool.clone())?;
    Some(Spooling { folder, limit })
}

fn terminal(color: Color, args: &RunArgs, file: &FileConfig) -> Terminal {
    Terminal {
        color: match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()),
        },
        names: !(args.output.numeric || file.numeric.unwrap_or(false)),
        width: terminal_width(),
    }
}

/// Columns of the terminal, or 100 where there is none.
pub(super) fn terminal_width() -> u16 {
    let (_, columns) = console::Term::stdout().size_checked().unwrap_or((0, 100));
    columns
}

fn severity(fail_on: FailOn) -> Severity {
    match fail_on {
        FailOn::High => Severity::High,
        FailOn::Medium => Severity::Medium,
        FailOn::Low => Severity::Low,
        FailOn::Informational => Severity::Informational,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_in_the_file_is_said_with_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ghostport.toml");
        std::fs::write(&path, "flows = true\nworkrs = 2\n").unwrap();
        let error = read_file(&path).unwrap_err().to_string();
        assert!(error.contains("ghostport.toml:2:1: unknown field `workrs`"), "{error}");
    }

    #[test]
    fn places_are_counted_from_one() {
        assert_eq!(line_and_column("a\nbc", 0), (1, 1));
        assert_eq!(line_and_column("a\nbc", 3), (2, 2));
        assert_eq!(line_and_column("ä\n", 99), (2, 1));
    }
}
