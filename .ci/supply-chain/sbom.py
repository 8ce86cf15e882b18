#!/usr/bin/env python3
"""Writes the software bill of materials of the gateway's binary, in CycloneDX 1.6.

usage: .ci/supply-chain/sbom.py [TARGET] > orgate.cdx.json

Lists what Cargo compiles into the binary for TARGET (default: x86_64-unknown-linux-gnu) and what runs while it is built,
with the checksums of `Cargo.lock`. Two runs on one lock print the same bytes.
"""
import hashlib
import json
import subprocess
import sys
import tomllib
import uuid
from pathlib import Path

BINARY = "orgate-gateway"


def cargo(*arguments):
    return subprocess.run(["cargo", *arguments], check=True, capture_output=True, text=True).stdout


def packages_in(target, *edges):
    """Name and version of each package of the tree."""
    lines = cargo("tree", "--locked", "-p", BINARY, "--target", target, "-e", ",".join(edges), "--prefix", "none", "--format", "{p}")
    words = (line.split() for line in lines.splitlines() if line)
    return {(name, version.removeprefix("v")) for name, version, *_ in words}


def component(package, checksum, scope):
    name, version = package["name"], package["version"]
    purl = f"pkg:cargo/{name}@{version}"
    found = {"type": "library", "bom-ref": purl, "name": name, "version": version, "scope": scope, "purl": purl}
    if package.get("license"):
        # Old manifests write `/` for `OR`.
        found["licenses"] = [{"expression": package["license"].replace("/", " OR ")}]
    if checksum:
        found["hashes"] = [{"alg": "SHA-256", "content": checksum}]
    if package.get("repository"):
        found["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return found


def main():
    target = sys.argv[1] if len(sys.argv) > 1 else "x86_64-unknown-linux-gnu"
    lock = tomllib.loads(Path("Cargo.lock").read_text())
    checksums = {(package["name"], package["version"]): package.get("checksum") for package in lock["package"]}
    metadata = json.loads(cargo("metadata", "--locked", "--format-version", "1"))
    known = {(package["name"], package["version"]): package for package in metadata["packages"]}
    inside = packages_in(target, "normal", "no-proc-macro")
    building = packages_in(target, "normal", "build") - inside
    listed = sorted([(key, "required") for key in inside] + [(key, "excluded") for key in building])
    components = [component(known[key], checksums.get(key), scope) for key, scope in listed if key[0] != BINARY]
    (root,) = [package for key, package in known.items() if key[0] == BINARY]
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {**component(root, None, "required"), "type": "application"}},
        "components": components,
    }
    digest = hashlib.sha256(json.dumps(bom, sort_keys=True).encode()).digest()
    bom["serialNumber"] = f"urn:uuid:{uuid.UUID(bytes=digest[:16], version=4)}"
    print(json.dumps(bom, indent=1, sort_keys=True))


main()
