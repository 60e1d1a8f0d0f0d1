//! What may stand on the command line. Types only: what it means is [`super::config`]'s.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::RangedI64ValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};

const EXAMPLES: &str = "\
Examples:
  ghostport -r trace.pcap                      a table of ports and the findings
  ghostport -r captures/ --flows -o eve:-      JSON lines, one per flow and alert
  ghostport -i eth0 -o eve:/var/log/ghostport/eve.json
  ghostport explain 3007/tcp                   everything claimed about a port
  ghostport -r trace.pcap -o eve:- | ghostport why

Exit codes: 0 ran; 1 a finding at or above --fail-on; 2 usage; 3 some input damaged (the rest is reported);
4 capture or privilege; 65 input unreadable; 74 an output did not take every line; 78 bad configuration
or rules.";

/// Bytes of a frame that may be captured: enough for headers, at most libpcap's limit.
const SNAPLENS: RangeInclusive<i64> = 64..=262_144;
/// MiB of kernel buffer.
const BUFFERS: RangeInclusive<i64> = 1..=4096;
const WORKERS: RangeInclusive<i64> = 1..=64;
/// Seconds: up to a day.
const INTERVALS: RangeInclusive<i64> = 1..=86_400;
const FLOWS: RangeInclusive<i64> = 64..=100_000_000;
const STATUSES: [&str; 5] = ["active", "dormant", "unassigned", "reserved", "dynamic"];

fn u32_in(range: RangeInclusive<i64>) -> RangedI64ValueParser<u32> {
    value_parser!(u32).range(range)
}

/// Says which story the traffic on a port is: the registered service, a squatter, a negotiated port, a
/// client's ephemeral port, a scan, a misconfiguration, malware by its bytes, or honestly undetermined.
#[derive(Debug, Parser)]
#[command(name = "ghostport", version, long_version = super::version::long(), about, after_help = EXAMPLES)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    disable_help_subcommand = true
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

/// Options of the main job: replay or watch.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) input: InputArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten)]
    pub(crate) policy: PolicyArgs,
    #[command(flatten)]
    pub(crate) tracking: TrackingArgs,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Input")]
pub(crate) struct InputArgs {
    /// Replay a capture: a file, a directory, a glob or - for standard input; repeatable
    #[arg(short = 'r', long = "read", value_name = "FILE", conflicts_with = "interface")]
    pub(crate) read: Vec<String>,
    /// Watch an interface, or `any`; repeatable
    #[arg(
        short = 'i',
        long = "interface",
        value_name = "IFACE",
        env = "GHOSTPORT_INTERFACE",
        value_delimiter = ','
    )]
    pub(crate) interface: Vec<String>,
    /// Read the BPF filter expression from a file
    #[arg(short = 'F', long = "filter-file", value_name = "FILE", conflicts_with = "filter")]
    pub(crate) filter_file: Option<PathBuf>,
    /// Bytes captured of each frame, live [default: 262144]
    #[arg(long, value_name = "BYTES", env = "GHOSTPORT_SNAPLEN", value_parser = u32_in(SNAPLENS))]
    pub(crate) snaplen: Option<u32>,
    /// Kernel buffer per interface, live [default: 64]
    #[arg(long, value_name = "MIB", env = "GHOSTPORT_BUFFER_MIB", value_parser = u32_in(BUFFERS))]
    pub(crate) buffer_mib: Option<u32>,
    /// What live frames come through: ring is AF_PACKET, where there is one [default: ring]
    #[arg(long, value_name = "WAY", env = "GHOSTPORT_CAPTURE_WITH", value_enum)]
    pub(crate) capture_with: Option<CaptureWith>,
    /// Do not put interfaces into promiscuous mode
    #[arg(short = 'p', long)]
    pub(crate) no_promiscuous: bool,
    /// List the interfaces that can be watched, and exit
    #[arg(short = 'D', long)]
    pub(crate) list_interfaces: bool,
    /// BPF filter expression, such as: tcp and not port 22
    #[arg(value_name = "EXPRESSION", trailing_var_arg = true)]
    pub(crate) filter: Vec<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// Where lines go: FORMAT:DEST such as eve:-, eve:/var/log/eve.json?rotate=100M&keep=7,
    /// eve[alert:medium+]:unix:///run/siem, hec:https://siem?token=env:TOKEN (also udp://, tcp://, tls://,
    /// es+https:// and, where built in, nats:// and kafka://, see README); formats: eve, ecs, ocsf, hec, syslog,
    /// cef; repeatable [default: a table on a terminal, eve:- otherwise]
    #[arg(short = 'o', long = "output", value_name = "FORMAT:DEST", env = "GHOSTPORT_OUTPUT")]
    pub(crate) output: Vec<String>,
    /// Keep lines for a receiver in this folder until it has them, also from one run to the next
    #[arg(long, value_name = "DIR", env = "GHOSTPORT_SPOOL")]
    pub(crate) spool: Option<PathBuf>,
    /// Size of the spool of each output, such as 500M; at least 64K [default: 1G]
    #[arg(long, value_name = "SIZE", env = "GHOSTPORT_SPOOL_MAX")]
    pub(crate) spool_max: Option<Size>,
    /// Seconds to wait for receivers at the end [default: 5 live and with a spool, else no limit]
    #[arg(long, value_name = "SECONDS", env = "GHOSTPORT_DRAIN_TIMEOUT")]
    pub(crate) drain_timeout: Option<u32>,
    /// Write a line for every finished flow
    #[arg(long)]
    pub(crate) flows: bool,
    /// Write a line for every responder port seen, busiest first
    #[arg(long)]
    pub(crate) ports: bool,
    /// Write the packets of alerting flows to a pcapng file
    #[arg(short = 'w', long = "write", value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,
    /// Name of this sensor, in every line as `host`
    #[arg(long, value_name = "NAME", env = "GHOSTPORT_HOST")]
    pub(crate) host: Option<String>,
    /// Where our own data stands in EVE lines [default: toplevel]
    #[arg(long, value_name = "PLACE", env = "GHOSTPORT_EVE_EXTRA", value_enum)]
    pub(crate) eve_extra: Option<EveExtra>,
    /// Seconds of packet time until an alert that goes on is told again [default: 300]
    #[arg(long, value_name = "SECONDS", env = "GHOSTPORT_ALERT_INTERVAL", value_parser = u32_in(INTERVALS))]
    pub(crate) alert_interval: Option<u32>,
    /// Seconds between `stats` (and `port`) lines, live; 0 for none [default: 60]
    #[arg(long, value_name = "SECONDS", env = "GHOSTPORT_STATS_INTERVAL")]
    pub(crate) stats_interval: Option<u32>,
    /// Numbers only: no registered names in the table, no look-up of local processes
    #[arg(short = 'n', long)]
    pub(crate) numeric: bool,
    /// No progress, no summary; errors only
    #[arg(short = 'q', long)]
    pub(crate) quiet: bool,
    /// More on standard error; twice for more
    #[arg(short = 'v', long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// When to use colours; NO_COLOR is respected [default: auto]
    #[arg(long, value_name = "WHEN", env = "GHOSTPORT_COLOR", value_enum)]
    pub(crate) color: Option<Color>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Rules and registry")]
pub(crate) struct PolicyArgs {
    /// Add rules to the built-in ones; a file or a directory; repeatable
    #[arg(short = 's', long = "rules", value_name = "FILE")]
    pub(crate) add_rules: Vec<PathBuf>,
    /// Use only these rules; repeatable
    #[arg(short = 'S', long = "only-rules", value_name = "FILE", conflicts_with = "add_rules")]
    pub(crate) only_rules: Vec<PathBuf>,
    /// Add claims about ports; a file; repeatable
    #[arg(long = "claims", value_name = "FILE")]
    pub(crate) claims: Vec<PathBuf>,
    /// Exit with 1 when a finding is at least this severe
    #[arg(long, value_name = "SEVERITY", env = "GHOSTPORT_FAIL_ON", value_enum)]
    pub(crate) fail_on: Option<FailOn>,
    /// Read options from a file (TOML, long option names as keys)
    #[arg(short = 'c', long = "config", value_name = "FILE", env = "GHOSTPORT_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Test configuration and rules, and exit
    #[arg(short = 'T', long)]
    pub(crate) test: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Flow tracking")]
pub(crate) struct TrackingArgs {
    /// Threads that follow flows, beside one that judges where there is more than one core; the output is the
    /// same for any number [default: 1]
    #[arg(long, value_name = "N", env = "GHOSTPORT_WORKERS", value_parser = u32_in(WORKERS))]
    pub(crate) workers: Option<u32>,
    /// Flows kept at a time; the oldest half-open ones go first [default: 2097152]
    #[arg(long, value_name = "N", env = "GHOSTPORT_FLOWS_MAX", value_parser = u32_in(FLOWS))]
    pub(crate) flows_max: Option<u32>,
    /// Seconds until an unanswered TCP opening ends [default: 30]
    #[arg(long, value_name = "SECONDS", env = "GHOSTPORT_TIMEOUT_OPENING")]
    pub(crate) timeout_opening: Option<u32>,
    /// Seconds until a silent TCP connection ends [default: 600]
    #[arg(long, value_name = "SECONDS", env = "GHOSTPORT_TIMEOUT_ESTABLISHED")]
    pub(crate) timeout_established: Option<u32>,
    /// Seconds until datagrams in both directions end as a flow [default: 180]
    #[arg(long, value_name = "SECONDS", env = "GHOSTPORT_TIMEOUT_UDP")]
    pub(crate) timeout_udp: Option<u32>,
}

/// What live frames come through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CaptureWith {
    /// The kernel's own ring, one per worker, on Linux; libpcap where that does not go (-v says so)
    Ring,
    /// libpcap
    Libpcap,
}

/// Places for our own data in an EVE line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EveExtra {
    /// One `ghostport` object at the top level
    Toplevel,
    /// Inside alert.metadata, so that lines validate against Suricata's schema
    Metadata,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Color {
    /// On terminals only
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// A number of bytes, written like `100M`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Size(pub(crate) u64);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no size; write it like 64K, 100M or 1G");
        crate::sink::parse_size(text).map(Self).ok_or_else(wrong)
    }
}

impl TryFrom<String> for Size {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// Severities for `--fail-on`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FailOn {
    /// 1
    High,
    /// 2 or worse
    Medium,
    /// 3 or worse
    Low,
    /// any finding
    Informational,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Everything claimed about a port, and how to check it
    Explain {
        /// Port, range or service name, such as 1207/tcp, 3000-3007 or ironmail
        #[arg(value_name = "PORT[/TRANSPORT]")]
        port: String,
        /// As JSON
        #[arg(long)]
        json: bool,
        /// Add claims about ports from a file; repeatable
        #[arg(long = "claims", value_name = "FILE")]
        claims: Vec<PathBuf>,
    },
    /// Why an alert was raised: facts for and against, and what would change the verdict
    Why {
        /// A file of alert lines, or - for standard input; or captures as for -r, and the flow_id of one of
        /// their flows
        #[arg(value_name = "FILE | CAPTURE... FLOW_ID", default_value = "-")]
        what: Vec<String>,
        /// As JSON lines
        #[arg(long)]
        json: bool,
        /// Add claims about ports from a file; repeatable
        #[arg(long = "claims", value_name = "FILE")]
        claims: Vec<PathBuf>,
    },
    /// Query the port registry
    Ports(Box<PortsArgs>),
    /// Check, list, test and explain rules
    Rules {
        #[command(subcommand)]
        action: RulesAction,
    },
    /// Local listening sockets, joined with the registry
    Listeners {
        /// As JSON lines
        #[arg(long)]
        json: bool,
    },
    /// What this machine needs to run ghostport well, and whether it has it
    Doctor,
    /// The schema of the output, and the catalogue of facts
    Schema {
        /// eve, ecs, ocsf, hec: the JSON Schema of the lines, the catalogue of facts in it; syslog, cef: the
        /// keys in their order; facts: the catalogue alone
        #[arg(value_name = "FORMAT|facts", default_value = "eve")]
        what: String,
        /// As JSON (a schema always is); facts one a line
        #[arg(long)]
        json: bool,
    },
    /// Shell completions on standard output
    Completions {
        /// Shell
        shell: clap_complete::Shell,
    },
    /// The manual page on standard output
    Man,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct PortsArgs {
    #[command(subcommand)]
    pub(crate) action: Option<PortsAction>,
    /// Only ports of this range, such as 3000-3007
    #[arg(long, value_name = "RANGE")]
    pub(crate) range: Option<String>,
    /// Only ports on which a claim's name or id contains this
    #[arg(long, value_name = "TEXT")]
    pub(crate) name: Option<String>,
    /// Only ports of this status
    #[arg(long, value_name = "STATUS", value_parser = STATUSES)]
    pub(crate) status: Option<String>,
    /// Only ports with this tag
    #[arg(long, value_name = "TAG", value_parser = ["remembered", "suspicious"])]
    pub(crate) tag: Option<String>,
    /// Only this transport
    #[arg(long, value_name = "TRANSPORT", value_parser = ["tcp", "udp", "sctp"])]
    pub(crate) transport: Option<String>,
    /// Say why each has its status
    #[arg(long)]
    pub(crate) why: bool,
    /// As JSON lines
    #[arg(long)]
    pub(crate) json: bool,
    /// Add claims about ports from a file; repeatable
    #[arg(long = "claims", value_name = "FILE")]
    pub(crate) claims: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PortsAction {
    /// What two lists say differently: services(5) files, IANA CSV files, or `builtin`
    Diff {
        /// The older list
        old: String,
        /// The newer list
        new: String,
    },
    /// Numbers to choose from: unassigned, unclaimed and unseen
    ///
    /// On a terminal a few good numbers, each with the reason. Piped, or with --all, every free number as
    /// lines of the form FIRST-LAST or PORT, for programs. A claim on more than 100 ports (a media range, a
    /// range of dynamic RPC) takes none of them and is mentioned on standard error.
    Free {
        /// Range to look in [default: 5001-32767, where no client of Linux, Windows or macOS takes its port]
        range: Option<String>,
        /// Only this transport [default: free on all of them]
        #[arg(long, value_name = "TRANSPORT", value_parser = ["tcp", "udp", "sctp"])]
        transport: Option<String>,
        /// EVE lines of a sensor: ports that answered there with data are not free; repeatable
        #[arg(long, value_name = "FILE")]
        seen: Vec<PathBuf>,
        /// Every free number, one run a line, also on a terminal
        #[arg(long)]
        all: bool,
        /// Add claims about ports from a file; repeatable
        #[arg(long = "claims", value_name = "FILE")]
        claims: Vec<PathBuf>,
    },
    /// A services(5) or IANA CSV file, or EVE lines of a sensor, as claims on standard output, for --claims
    Import {
        /// The list; a number in the third column says how often the port was found open, 0 to 1. Of EVE
        /// lines (best with --flows): the ports that answered with data, which become active, no more
        file: PathBuf,
        /// Where the list comes from [default: its file name, or: this sensor]
        #[arg(long, value_name = "TEXT")]
        origin: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum RulesAction {
    /// Read rule files and say what is wrong or unwise in them
    Check {
        /// Files or directories [default: the built-in rules]
        files: Vec<PathBuf>,
        /// Take a doubt for a mistake: exit 78
        #[arg(long)]
        strict: bool,
    },
    /// List the rules in force
    List {
        /// As JSON lines
        #[arg(long)]
        json: bool,
        /// Files or directories to add
        files: Vec<PathBuf>,
    },
    /// Run every rule's must_match and must_not_match cases
    Test {
        /// Files or directories [default: the built-in rules]
        files: Vec<PathBuf>,
    },
    /// Rules of Suricata or Snort, as far as they are about ports, as rules for -s on stdout
    Import {
        /// File of rules
        file: PathBuf,
        /// What $NAME stands for, such as HTTP_PORTS=80, or a list in brackets; repeatable. HOME_NET and
        /// EXTERNAL_NET become a direction when they are not given
        #[arg(long = "var", value_name = "NAME=VALUE")]
        variables: Vec<String>,
    },
    /// One rule in words
    Explain {
        /// Rule id or sid
        id: String,
        /// Files or directories to add
        #[arg(long = "rules", value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}
