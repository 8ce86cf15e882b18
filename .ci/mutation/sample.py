#!/usr/bin/env python3
"""Chooses mutants, and adds up what became of them. See `.ci/mutants`.

usage: sample.py choose COUNT SEED SHARD/OF <mutants.json >group.json   the mutants of one shard, by the suites that cover them
       sample.py note FOLDER RESULTS                                    adds the outcomes of a run to a file of results
       sample.py sum RESULTS                                            adds them up
"""
import json
import random
import re
import sys
from pathlib import Path

# The longest path first: the suites that cover a folder, as arguments of `cargo test`.
SUITES = {
    "gateway/src/path/": ["-p", "orgate-gateway"],
    "gateway/src/identity/": ["-p", "orgate-gateway"],
    "src/change/": ["--lib", "--test", "changes", "--test", "deliveries", "--test", "fleet"],
    "src/engine/": ["--lib", "--test", "engine", "--test", "layer", "--test", "cache"],
    "src/issuer/": ["--lib", "--test", "keys", "--test", "edges", "--test", "issuer_shapes"],
    "src/organization/": ["--lib", "--test", "organizations", "--test", "golden"],
    "src/permissions/": ["--lib", "--test", "live_permissions"],
    "src/policy/": ["--lib", "--test", "golden", "--test", "organizations", "--test", "decide"],
    "src/respond/": ["--lib", "--test", "answers", "--test", "metadata"],
    "src/signature": ["--lib", "--test", "hostile"],
    "src/token/": ["--lib", "--test", "hostile", "--test", "bindings", "--test", "introspection", "--test", "golden"],
}


def suite(mutant):
    return next((path for path in SUITES if mutant["file"].startswith(path)), None)


def choose(count, seed, shard):
    mutants = [mutant for mutant in json.load(sys.stdin) if suite(mutant)]
    mutants.sort(key=lambda mutant: mutant["name"])
    chosen = random.Random(seed).sample(mutants, min(count, len(mutants)))
    at, of = map(int, shard.split("/"))
    groups = {}
    for mutant in chosen[at::of]:
        groups.setdefault(suite(mutant), []).append("^" + re.escape(mutant["name"]) + "$")
    print(json.dumps([{"tests": SUITES[path], "examine_re": names} for path, names in sorted(groups.items())]))


def note(folder, results):
    known = dict(line.split("\t") for line in read(results))
    for outcome in ("caught", "missed", "timeout", "unviable"):
        names = Path(folder, "mutants.out", f"{outcome}.txt")
        for name in names.read_text().splitlines() if names.exists() else []:
            known[name] = outcome
    Path(results).write_text("".join(f"{name}\t{outcome}\n" for name, outcome in sorted(known.items())))


def read(results):
    return Path(results).read_text().splitlines() if Path(results).exists() else []


def add_up(results):
    outcomes = [line.split("\t") for line in read(results)]
    viable = [name for name, outcome in outcomes if outcome != "unviable"]
    missed = [name for name, outcome in outcomes if outcome == "missed"]
    print("\n".join(f"missed: {name}" for name in missed))
    print(f"{len(outcomes)} mutants, {len(viable)} viable, {len(missed)} missed")
    print(f"{100 * (len(viable) - len(missed)) / max(len(viable), 1):.1f} % caught")


match sys.argv[1:]:
    case ["choose", count, seed, shard]:
        choose(int(count), int(seed), shard)
    case ["note", folder, results]:
        note(folder, results)
    case ["sum", results]:
        add_up(results)
    case _:
        sys.exit(__doc__)
