//! Other people's lists of services, read into rows: services(5) files, with an optional number in the third
//! column (how often the port was found open, 0 to 1), and the IANA registry as CSV.
//!
//! What comes out is a file of claims that names its origin, or a comparison of two lists. Rows that name
//! nothing (unassigned, reserved, another transport) are left out; a line that cannot be read is said.
//!
//! Invariants: pure; any text is read or refused, without a panic; the order is by port, transport and name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::diagnostic::{Diagnostic, Error};
use super::spec::slug;
use crate::wire::Transport;

/// First words of the IANA CSV.
const IANA_HEAD: &str = "Service Name,Port Number,Transport Protocol";

/// One service of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// First and last port.
    pub ports: (u16, u16),
    /// Transport.
    pub transport: Transport,
    /// Name.
    pub name: String,
    /// What the list says about it; may be empty.
    pub description: String,
    /// How often the port was found open, 0 to 1, where the list says it.
    pub frequency: Option<f64>,
    /// True when IANA's table says so, false for a site's own list.
    pub registered: bool,
}

/// The services of a list. `file` is its name in messages.
///
/// # Errors
/// Every line that cannot be read, with its number.
pub fn read_services(file: &str, text: &str) -> Result<Vec<Service>, Error> {
    let mut wrong = Vec::new();
    let mut services = if text.trim_start_matches('\u{feff}').starts_with(IANA_HEAD) {
        csv(text).iter().skip(1).flat_map(|row| iana_row(row)).collect()
    } else {
        let lines = text.lines().enumerate();
        let mut rows = Vec::new();
        for (number, line) in lines {
            match services_line(line) {
                Ok(row) => rows.extend(row),
                Err(what) => wrong.push(Diagnostic::whole(&format!("{file}:{}", number + 1), what)),
            }
        }
        rows
    };
    if !wrong.is_empty() {
        return Err(Error(wrong));
    }
    services
        .sort_by(|a, b| (a.ports, a.transport.name(), &a.name).cmp(&(b.ports, b.transport.name(), &b.name)));
    services.dedup_by(|a, b| (a.ports, a.transport, &a.name) == (b.ports, b.transport, &b.name));
    Ok(services)
}

/// A file of claims that says the same, for `--claims`. `origin` names the list and stands as the source.
#[must_use]
pub fn claims_file(services: &[Service], origin: &str) -> String {
    let mut text = format!("# {} services of {}\n", services.len(), origin.replace(char::is_control, " "));
    let mut taken = BTreeSet::new();
    for service in services {
        let id = identifier("local-", &service.name);
        if !taken.insert((service.ports, service.transport.name(), id.clone())) {
            continue;
        }
        let (low, high) = service.ports;
        let ports = if low == high { low.to_string() } else { format!("\"{low}-{high}\"") };
        let (kind, status, confidence) = worth(service);
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "\n[[claim]]\nid = {}\nports = {ports}\ntransport = \"{}\"\nkind = \"{kind}\"\nname = {}\n",
            quoted(&id),
            service.transport.name(),
            quoted(&service.name),
        );
        if !service.description.is_empty() {
            let _ = writeln!(text, "description = {}", quoted(&service.description));
        }
        let _ =
            writeln!(text, "status = \"{status}\"\nconfidence = {confidence}\nsource = {}", quoted(origin));
    }
    text
}

/// Kind, status and confidence of an imported service. A services file is a site's own register, the word of
/// who runs the site; a port that was never found open is only a name.
fn worth(service: &Service) -> (&'static str, &'static str, u8) {
    match service.frequency {
        _ if service.registered => ("registered", "historic", 90),
        None => ("registered", "active", 75),
        Some(seen) if seen > 0.0 => ("registered", "active", if seen >= 0.01 { 80 } else { 75 }),
        Some(_) => ("registered", "unverified", 40),
    }
}

/// What two lists say differently, one line each: `+` new, `-` gone, `~` another name.
#[must_use]
pub fn differences(old: &[Service], new: &[Service]) -> String {
    let (old, new) = (by_port(old), by_port(new));
    let keys: BTreeSet<_> = old.keys().chain(new.keys()).copied().collect();
    let mut text = String::new();
    for key @ (port, transport) in keys {
        let _ = match (old.get(&key), new.get(&key)) {
            (None, Some(now)) => writeln!(text, "+ {port}/{transport} {now}"),
            (Some(was), None) => writeln!(text, "- {port}/{transport} {was}"),
            (Some(was), Some(now)) if was != now => writeln!(text, "~ {port}/{transport} {was} -> {now}"),
            _ => Ok(()),
        };
    }
    text
}

/// Names by port and transport; several names of one port are joined in order.
fn by_port(services: &[Service]) -> BTreeMap<(u16, &'static str), String> {
    let mut names: BTreeMap<_, BTreeSet<&str>> = BTreeMap::new();
    for service in services {
        for port in service.ports.0..=service.ports.1 {
            names.entry((port, service.transport.name())).or_default().insert(&service.name);
        }
    }
    names.into_iter().map(|(key, names)| (key, names.into_iter().collect::<Vec<_>>().join(","))).collect()
}

/// `name port/transport [frequency] [aliases] # comment`; nothing for an empty line or another transport.
fn services_line(line: &str) -> Result<Option<Service>, String> {
    let (row, comment) = line.split_once('#').unwrap_or((line, ""));
    let mut words = row.split_whitespace();
    let Some(name) = words.next() else { return Ok(None) };
    let wanted = || "a line is: name port/transport [frequency] [aliases] [# comment]".to_owned();
    let (port, transport) = words.next().and_then(|word| word.split_once('/')).ok_or_else(wanted)?;
    let port = port.parse::<u16>().map_err(|_| format!("{port:?} is not a port"))?;
    let frequency = words.next().and_then(|word| word.parse::<f64>().ok()).filter(|f| f.is_finite());
    Ok(Transport::from_name(&transport.to_lowercase()).map(|transport| Service {
        ports: (port, port),
        transport,
        name: name.to_owned(),
        description: one_line(comment),
        frequency,
        registered: false,
    }))
}

/// The services of a row of IANA's CSV: none without a name, one for each transport.
fn iana_row(row: &[String]) -> Option<Service> {
    let field = |place: usize| row.get(place).map_or("", |text| text.trim());
    let name = field(0);
    let (low, high) = field(1).split_once('-').unwrap_or((field(1), field(1)));
    let ports = (low.parse().ok()?, high.parse().ok()?);
    let transport = Transport::from_name(&field(2).to_lowercase())?;
    (!name.is_empty() && ports.0 <= ports.1).then(|| Service {
        ports,
        transport,
        name: name.to_owned(),
        description: one_line(field(3)),
        frequency: None,
        registered: true,
    })
}

/// Records of comma-separated values (RFC 4180): quoted fields may hold commas, line ends and `""`.
fn csv(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut field)),
            '\n' if !quoted => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            '\r' if !quoted => {}
            _ => field.push(letter),
        }
    }
    if !field.is_empty() || !row.is_empty() {
        row.push(field);
        rows.push(row);
    }
    rows
}

pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A name as an identifier behind a prefix that ends in a dash: lower case, everything else a dash.
pub(super) fn identifier(prefix: &str, name: &str) -> String {
    let letters = name.chars().map(|c| {
        let c = c.to_ascii_lowercase();
        if matches!(c, 'a'..='z' | '0'..='9' | '-' | '_' | '.') { c } else { '-' }
    });
    let id: String = prefix.chars().chain(letters).take(64).collect();
    debug_assert!(slug(&id), "{id}");
    id
}

/// A TOML basic string (TOML 1.0, section "String").
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::registry::{PortStatus, Registry};

    const SITE: &str = "# our own\ntill 3098/tcp 0.02 tills # cash \"desks\"\nlog 3098/udp\nx 1/ddp\n\n";

    #[test]
    fn services_lines() {
        let services = read_services("f", SITE).unwrap();
        assert_eq!(services.len(), 2);
        assert_eq!((services[0].name.as_str(), services[0].frequency), ("till", Some(0.02)));
        assert_eq!(services[0].description, "cash \"desks\"");
        let wrong = read_services("f", "ok 1/tcp\nbad\nworse x/tcp\n").unwrap_err().to_string();
        assert!(wrong.contains("f:2: error: a line is") && wrong.contains("f:3: error: \"x\""), "{wrong}");
    }

    #[test]
    fn iana_csv() {
        let text = "Service Name,Port Number,Transport Protocol,Description\r\nx11,6000-6063,tcp,\"X, \
                    \"\"Window\"\"\nSystem\"\r\n,4,tcp,Unassigned\r\nssh,22,,\r\n";
        let services = read_services("f", text).unwrap();
        assert_eq!(services.len(), 1);
        assert_eq!((services[0].ports, services[0].registered), ((6000, 6063), true));
        assert_eq!(services[0].description, "X, \"Window\" System");
    }

    #[test]
    fn claims_load_and_change_the_registry() {
        let claims = claims_file(&read_services("f", SITE).unwrap(), "our services");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("site.toml");
        std::fs::write(&path, &claims).unwrap();
        let registry = Registry::load(&[path]).unwrap();
        assert_eq!(registry.status(Transport::Tcp, 3098), PortStatus::Active);
        let last = registry.on(Transport::Tcp, 3098).last().unwrap();
        assert_eq!((last.id.as_str(), last.source.as_str()), ("3098/tcp/local-till", "our services"));
    }

    #[test]
    fn lists_are_compared() {
        let read = |text| read_services("f", text).unwrap();
        let said = differences(&read("a 1/tcp\nb 2/tcp\nc 3/udp"), &read("a 1/tcp\nB 2/tcp\nd 4/udp"));
        assert_eq!(said, "~ 2/tcp b -> B\n- 3/udp c\n+ 4/udp d\n");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_what_is_read_loads(text in "(?s)[a-z\"\\\\#/ ,0-9\n.]{0,80}") {
            for text in [text.clone(), format!("{IANA_HEAD},Description\n{text}")] {
                if let Ok(services) = read_services("f", &text) {
                    let claims = claims_file(&services, &text);
                    prop_assert!(toml::from_str::<toml::Table>(&claims).is_ok(), "{}", claims);
                }
            }
        }
    }
}
