#!/usr/bin/env python3
"""Compares the review of dependencies with what the manifests say.

usage: cargo metadata --format-version 1 | .ci/supply-chain/reviewed.py docs/supply-chain.md

Each direct dependency of the crate and of the gateway that is not only for tests has one row in the page, with a version
that is compatible with the locked one, and with whether its source has `unsafe`; the page has no other rows.
"""
import json
import re
import sys
from pathlib import Path

UNSAFE = re.compile(r"\bunsafe\s*(\{|fn|impl|trait|extern)")
ROW = re.compile(r"^\| `([a-z0-9_-]+)` ([0-9.]+) \|.*\| (yes|no) \|$", re.MULTILINE)


def has_unsafe(manifest):
    sources = (Path(manifest).parent / "src").rglob("*.rs")
    return any(UNSAFE.search(source.read_text(errors="replace")) for source in sources)


def line(version):
    """What Cargo takes for compatible: `1` of 1.2.3, `0.4` of 0.4.5."""
    major, minor, *_ = version.split("+")[0].split(".")
    return major if major != "0" else f"0.{minor}"


def main():
    metadata = json.load(sys.stdin)
    members = [package for package in metadata["packages"] if package["source"] is None]
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    packages = {package["id"]: package for package in metadata["packages"]}
    expected = {}
    for member in members:
        for dependency in nodes[member["id"]]["deps"]:
            package = packages[dependency["pkg"]]
            shipped = any(kind["kind"] != "dev" for kind in dependency["dep_kinds"])
            if shipped and package["source"] is not None:
                row = line(package["version"]), "yes" if has_unsafe(package["manifest_path"]) else "no"
                expected[package["name"]] = row
    rows = ROW.findall(Path(sys.argv[1]).read_text())
    found = {name: (line(version), unsafe) for name, version, unsafe in rows}
    faults = [f"{name} {row}: the page says {found.get(name)}" for name, row in sorted(expected.items()) if found.get(name) != row]
    faults += [f"{name}: no direct dependency" for name in sorted(found.keys() - expected.keys())]
    faults += [f"{name}: twice" for name in sorted(found) if sum(name == row[0] for row in rows) > 1]
    print("\n".join(faults) or f"{len(expected)} direct dependencies reviewed")
    sys.exit(bool(faults))


main()
