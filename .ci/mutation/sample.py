#!/usr/bin/env python3
"""Chooses mutants, and adds up what became of them. See `.ci/mutants`.

usage: sample.py choose RESULTS WHAT... <mutants.json >chosen.json   WHAT is as `.ci/mutants` has it
       sample.py sum RESULTS                                         adds the results up
"""
import json
import re
import sys
from collections import Counter, defaultdict
from hashlib import sha256
from itertools import groupby
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
# Where every mutant is tried, and none may be missed.
WHOLE = ["src/organization/", "src/signature", "src/token/verify/claims"]
# The integration tests that are tried beside the unit tests. The gateway's code has its unit tests only.
SUITES = [
    "answers", "bindings", "cache", "changes", "decide", "deliveries", "edges", "engine", "fleet", "fleet_redis", "golden", "guard",
    "hostile",
    "introspection", "issuer_shapes", "keys", "layer", "leases", "live_permissions", "metadata", "organizations", "websocket",
]  # fmt: skip
SURVIVORS = Path(__file__).with_name("survivors.md")
COLUMNS = ["name", "outcome", "seed", "by"]


def read(results):
    lines = Path(results).read_text().splitlines() if Path(results).exists() else []
    return {line.split("\t")[0]: dict(zip(COLUMNS, line.split("\t"))) for line in lines}


def write(results, known):
    Path(results).write_text("".join("\t".join(line[key] for key in COLUMNS) + "\n" for _, line in sorted(known.items())))


def note(results, name, outcome, seed, by):
    """Adds a result, or puts it in the place of the mutant's old one."""
    write(results, read(results) | {name: dict(zip(COLUMNS, [name, outcome, seed, by]))})


def place(name):
    return [int(number) for number in re.search(r":(\d+):(\d+): ", name).groups()]


def lineless(name):
    """The name without the line, which changes with the code above."""
    return re.sub(r":\d+:(\d+): ", r":\1: ", name)


def placeless(name):
    return re.sub(r":\d+:\d+: ", ": ", name)


def harmless():
    """The names, without the line, of those that no test should catch."""
    return {name.replace("\\|", "|") for name in re.findall(r"^\| `(.+?)` \|", SURVIVORS.read_text(), re.MULTILINE)}


def moved(known, names):
    """The results under the names of today. One whose mutant is gone, or cannot be told from others, is left out."""
    kept, old, new = {}, set(known), set(names)
    for alike in (str, lineless, placeless):
        groups = defaultdict(lambda: ([], []))
        for side, left in enumerate((old, new)):
            for name in sorted(left, key=place):
                groups[alike(name)][side].append(name)
        for before, after in groups.values():
            if len(before) == len(after):
                kept |= {now: known[then] | {"name": now} for then, now in zip(before, after)}
                old.difference_update(before)
                new.difference_update(after)
    for name in sorted(old):
        print("gone or ambiguous:", name, file=sys.stderr)
    return kept


def sample(mutants, known, shard, count="300", seed="1"):
    """Those of the sample that have a result stay in it. The others are in an order that other code does not change."""
    at, of = map(int, shard.split("/"))
    rank = {name: int(sha256(f"{seed} {lineless(name)}".encode()).hexdigest(), 16) for name in mutants}
    order = sorted(mutants, key=lambda name: (known.get(name, {}).get("seed") != seed, rank[name]))
    chosen = order[: int(count)]
    for name in chosen:
        if name in known and known[name]["seed"] == "all":
            known[name]["seed"] = seed
    return {name: seed for name in chosen if rank[name] % of == at and name not in known}


def some(mutants, known, words):
    """The mutants that these words name, each with the seed to note."""
    match words:
        case ["--again"]:
            missed = {name: line["seed"] for name, line in known.items() if line["outcome"] == "missed"}
            return {name: seed for name, seed in missed.items() if lineless(name) not in harmless()}
        case ["--all", *paths]:
            return {name: "all" for name in mutants if name.startswith(tuple(paths)) and name not in known}
        case [shard, *more] if re.fullmatch(r"\d+/\d+", shard) and len(more) <= 2:
            return sample(mutants, known, shard, *more)
    sys.exit(f"not understood: {' '.join(words)}")


def choose(results, *words):
    """Prints them with a number each, and without the whole diff that each comes with."""
    listed = (mutant for mutant in json.load(sys.stdin) if mutant["file"].startswith(tuple(FOLDERS)))
    mutants = {mutant["name"]: mutant for mutant in listed}
    known, chosen = moved(read(results), mutants), {}
    for apart, group in groupby(words, lambda word: word == "--"):
        if not apart:
            chosen = some(mutants, known, list(group)) | chosen
    write(results, known)
    kept = ("name", "package", "file", "span", "replacement", "genre")
    print(json.dumps([{"id": id, "seed": chosen[name], "by": known.get(name, {}).get("by", ""),
                       "returns": (mutants[name]["function"] or {}).get("return_type", "")} | {key: mutants[name][key] for key in kept}
                      for id, name in enumerate(sorted(chosen))], indent=1))  # fmt: skip


def add_up(results):
    lines = list(read(results).values())
    known = harmless()
    for line in lines:
        line["harmless"] = line["outcome"] == "missed" and lineless(line["name"]) in known
        if line["outcome"] == "missed":
            print("harmless:" if line["harmless"] else "missed:", line["name"])
    print(f"{'':24}{'mutants':>9}{'unviable':>9}{'caught':>9}{'missed':>9}{'harmless':>9}")

    def row(label, lines):
        outcomes = Counter(line["outcome"] for line in lines)
        caught, viable = outcomes["caught"] + outcomes["timeout"], outcomes.total() - outcomes["unviable"]
        share = f"{100 * caught / viable:8.1f} %" if viable else ""
        told = sum(line["harmless"] for line in lines)
        missed = outcomes["missed"] - told
        print(f"{label:24}{outcomes.total():9}{outcomes['unviable']:9}{caught:9}{missed:9}{told:9}{share}")

    for path in sorted({*FOLDERS, *WHOLE}):
        row(path, [line for line in lines if line["name"].startswith(path)])
    for seed in sorted({line["seed"] for line in lines} - {"all"}):
        row(f"sample, seed {seed}", [line for line in lines if line["seed"] == seed])
    row("all", lines)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["choose", results, *words] if words:
            choose(results, *words)
        case ["sum", results]:
            add_up(results)
        case _:
            sys.exit(__doc__)
