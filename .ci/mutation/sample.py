#!/usr/bin/env python3
"""Chooses mutants, and adds up what became of them. See `.ci/mutants`.

usage: sample.py choose COUNT SEED SHARD/OF <mutants.json >chosen.json   the mutants of one shard
       sample.py all PATH... <mutants.json >chosen.json                  those in files whose path starts like that
       sample.py again RESULTS <mutants.json >chosen.json                those that no test has caught yet
       sample.py sum RESULTS                                             adds the results up
"""
import json
import random
import re
import sys
from collections import Counter
from pathlib import Path

FOLDERS = [
    "gateway/src/identity/",
    "gateway/src/path/",
    "src/change/",
    "src/engine/",
    "src/issuer/",
    "src/organization/",
    "src/permissions/",
    "src/policy/",
    "src/respond/",
    "src/signature",
    "src/token/",
]
# The integration tests that are tried beside the unit tests. The gateway's code has its unit tests only.
SUITES = [
    "answers", "bindings", "cache", "changes", "decide", "deliveries", "edges", "engine", "fleet", "golden", "guard", "hostile",
    "introspection", "issuer_shapes", "keys", "layer", "leases", "live_permissions", "metadata", "organizations", "websocket",
]  # fmt: skip


def folder(name):
    return next((path for path in FOLDERS if name.startswith(path)), None)


def mutants_within():
    mutants = [mutant for mutant in json.load(sys.stdin) if folder(mutant["file"])]
    return sorted(mutants, key=lambda mutant: mutant["name"])


def tell(mutants, seed):
    """Prints them with a number each, and without the whole diff that each comes with."""
    kept = ("name", "package", "file", "span", "replacement", "genre")
    print(json.dumps([{"id": id, "seed": seed, "returns": (mutant["function"] or {}).get("return_type", "")}
                      | {key: mutant[key] for key in kept} for id, mutant in enumerate(mutants)], indent=1))


def choose(count, seed, shard):
    mutants = mutants_within()
    chosen = random.Random(int(seed)).sample(mutants, min(count, len(mutants)))
    at, of = map(int, shard.split("/"))
    tell(chosen[at::of], seed)


def placeless(name):
    """The name without line and column, which change with the code above."""
    return re.sub(r":\d+:\d+: ", ": ", name)


def again(results):
    """Those that still have the name, or are the only ones with that name but for the place."""
    mutants = mutants_within()
    exact, loose = {mutant["name"] for mutant in mutants}, Counter(placeless(mutant["name"]) for mutant in mutants)
    missed = {line["name"] for line in read(results) if line["outcome"] == "missed"}
    moved = {placeless(name) for name in missed - exact if loose[placeless(name)] == 1}
    for name in sorted(missed - exact):
        if loose[placeless(name)] != 1:
            print("gone or ambiguous:", name, file=sys.stderr)
    tell([mutant for mutant in mutants if mutant["name"] in missed or placeless(mutant["name"]) in moved], "again")


COLUMNS = ["name", "outcome", "seed", "by"]


def read(results):
    lines = Path(results).read_text().splitlines() if Path(results).exists() else []
    return [dict(zip(COLUMNS, line.split("\t"))) for line in lines]


def note(results, name, outcome, seed, by):
    """Adds a result, or puts it in the place of the mutant's old one, whose seed stays."""
    known = {line["name"]: line for line in read(results)}
    old = known.pop(name, None) or next((known.pop(key) for key in list(known) if placeless(key) == placeless(name)
                                         and known[key]["outcome"] == "missed" and seed == "again"), None)
    known[name] = dict(zip(COLUMNS, [name, outcome, old["seed"] if old else seed, by]))
    Path(results).write_text("".join("\t".join(line[key] for key in COLUMNS) + "\n" for _, line in sorted(known.items())))


def add_up(results):
    lines = read(results)
    for line in lines:
        if line["outcome"] == "missed":
            print("missed:", line["name"])
    print(f"{'':24}{'mutants':>9}{'unviable':>9}{'caught':>9}{'missed':>9}")
    for path in [*FOLDERS, ""]:
        outcomes = Counter(line["outcome"] for line in lines if line["name"].startswith(path))
        caught, viable = outcomes["caught"] + outcomes["timeout"], outcomes.total() - outcomes["unviable"]
        share = f"{100 * caught / viable:8.1f} %" if viable else ""
        print(f"{path or 'all':24}{outcomes.total():9}{outcomes['unviable']:9}{caught:9}{outcomes['missed']:9}{share}")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["choose", count, seed, shard]:
            choose(int(count), seed, shard)
        case ["all", *paths]:
            tell([mutant for mutant in mutants_within() if mutant["file"].startswith(tuple(paths))], "all")
        case ["again", results]:
            again(results)
        case ["sum", results]:
            add_up(results)
        case _:
            sys.exit(__doc__)
