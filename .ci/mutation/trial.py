#!/usr/bin/env python3
"""Tries mutants with the tests that reach them. See `.ci/mutants`.

usage: trial.py WORK RESULTS    tries what `build.py` has built, and goes on where it was stopped
"""
import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import build
from sample import SUITES, note

WORKERS = 4
# A test that takes this long by itself is not tried.
LONGEST = 60
# A mutant that makes a test last that much longer is caught. The machine may be slower at times: before the outcome is a
# timeout, the test is timed without the mutant once more, and has twice as long with it.
TIMES = 5
MEMORY = 6 << 30


@dataclass
class Test:
    binary: str
    package: str
    name: str
    seconds: float = 0
    reached: set = field(default_factory=set)


def run(work, binary, package, names, patience, **switches):
    """Runs these tests until one fails, or none ends within `patience`. Returns the outcome, and whom to suspect."""
    root = work / "tree" / ("gateway" if package == "orgate-gateway" else "")
    command = ["prlimit", f"--as={MEMORY}", binary, "--exact", *names, "--test-threads=2"]
    process = subprocess.Popen(command, cwd=root, env=os.environ | {"CARGO_MANIFEST_DIR": str(root), "RUST_BACKTRACE": "0"} | switches,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, start_new_session=True)
    running, failed, pending = set(names), None, b""
    while not failed:
        if not select.select([process.stdout], [], [], patience)[0]:
            outcome = "timeout"
            break
        piece = os.read(process.stdout.fileno(), 1 << 16)
        if not piece:
            outcome = "failed" if process.wait() else "ok"
            break
        *lines, pending = (pending + piece).split(b"\n")
        for line in lines:
            match re.match(r"test (\S+)(?: - should panic)? \.\.\. (ok|FAILED)$", line.decode(errors="replace")):
                case None:
                    pass
                case ended if ended[2] == "ok":
                    running.discard(ended[1])
                case ended:
                    failed = failed or ended[1]
    else:
        outcome, running = "failed", {failed}
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return outcome, set() if outcome == "ok" else running


def reach(work, built):
    """Runs each test by itself, and has it note what it reaches."""
    tests = []
    for binary, package in built["binaries"].items():
        listed = subprocess.run([binary, "--list", "--format=terse"], check=True, capture_output=True, text=True).stdout
        ignored = subprocess.run([binary, "--list", "--format=terse", "--ignored"], check=True, capture_output=True, text=True).stdout
        names = {line.removesuffix(": test") for line in listed.splitlines()} - {line.removesuffix(": test") for line in ignored.splitlines()}
        tests += [Test(binary, package, name) for name in sorted(names)]

    def record(test):
        with tempfile.TemporaryDirectory() as folder:
            path, started = Path(folder, "reached"), time.monotonic()
            outcome, _ = run(work, test.binary, test.package, [test.name], LONGEST, MUTANTS_REACHED=str(path))
            test.seconds = time.monotonic() - started
            test.reached = {int(line) for line in path.read_text().split()} if path.exists() else set()
        # A test that measures memory or time may fail only because it takes notes.
        return outcome if outcome == "ok" else run(work, test.binary, test.package, [test.name], LONGEST)[0]

    with ThreadPoolExecutor(WORKERS) as pool:
        outcomes = list(pool.map(record, tests))
    for test, outcome in zip(tests, outcomes):
        if outcome != "ok":
            print(f"not tried with, for it fails without a mutant: {test.binary} {test.name}: {outcome}")
    kept = [test for test, outcome in zip(tests, outcomes) if outcome == "ok"]
    print(f"{len(kept)} tests, {sum(test.seconds for test in kept):.0f} s", flush=True)
    return kept


def label(test):
    target = Path(test.binary).name.rsplit("-", 1)[0]
    return test.package if target == "orgate" else target


def fails(work, test, patience, **switches):
    """Returns what became of the test by itself, with the mutant. One that fails now and then without it tells nothing."""

    def alone(patience, **switches):
        return run(work, test.binary, test.package, [test.name], patience, **switches)[0]

    outcome = alone(patience, **switches)
    if outcome == "ok":
        return outcome
    started = time.monotonic()
    if switches and alone(LONGEST) != "ok":
        return "ok"
    if outcome == "timeout":
        return alone(2 * (10 + TIMES * max(test.seconds, time.monotonic() - started)), **switches)
    return outcome


def attempt(work, tests, mutant, **switches):
    """Returns what became of a mutant, and the test that told."""
    about = mutant["file"].removeprefix("gateway/").removeprefix("src/").removesuffix(".rs").removesuffix("/mod").replace("/", "::")

    def weight(test):
        # What told last time comes first, then what is quick and about this code: it has its name, or reaches little else.
        near = 10 if test.name.startswith(f"{about}::") else 1
        return f"{label(test)} {test.name}" != mutant["by"], (test.seconds + len(test.reached) / 200) / near

    tests, size = sorted(tests, key=weight), 5
    while tests:
        now, tests, size = tests[:size], tests[size:], size * 8
        binaries = defaultdict(list)
        for test in now:
            binaries[test.binary].append(test)
        for binary, group in binaries.items():
            patience = 10 + TIMES * max(test.seconds for test in group)
            _, suspects = run(work, binary, group[0].package, [test.name for test in group], patience, **switches)
            for test in [test for test in group if test.name in suspects]:
                outcome = fails(work, test, 10 + TIMES * test.seconds, **switches)
                if outcome != "ok":
                    return "timeout" if outcome == "timeout" else "caught", f"{label(test)} {test.name}"
    return "missed", ""


def try_switched(work, mutants, tests, tell):
    reaching = {mutant["id"]: [test for test in tests if mutant["id"] in test.reached] for mutant in mutants}

    def one(mutant):
        tell(mutant, *attempt(work, reaching[mutant["id"]], mutant, MUTANT=str(mutant["id"])))

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(one, sorted(mutants, key=lambda mutant: sum(test.seconds for test in reaching[mutant["id"]]))))


def try_left(work, mutants, tests, tell):
    """Builds each by itself, where a value is needed by the compiler."""
    for mutant in mutants:
        path = work / "tree" / mutant["file"]
        switched, lines = path.read_bytes(), (work / "sources" / mutant["file"]).read_text().splitlines(keepends=True)
        start, end = ((mutant["span"][side]["line"] - 1, mutant["span"][side]["column"] - 1) for side in ("start", "end"))
        before = "".join(lines[: start[0]]) + lines[start[0]][: start[1]]
        after = lines[end[0]][end[1] :] + "".join(lines[end[0] + 1 :])
        path.write_text(before + mutant["replacement"] + after)
        outcome = "missed", ""
        for command in build.commands({mutant["package"]}):
            errors, binaries = build.cargo(work, *command)
            outcome = ("unviable", "") if errors else attempt(work, [test for test in tests if test.binary in binaries], mutant)
            if outcome[0] != "missed":
                break
        tell(mutant, *outcome)
        path.write_bytes(switched)


def main(work, results):
    work = Path(work).resolve()
    tried, path = work / "tried", work / "reached.json"
    done = tried.read_text().splitlines() if tried.exists() else []
    mutants = [mutant for mutant in json.loads((work / "chosen.json").read_text()) if mutant["name"] not in done]
    built = json.loads((work / "built.json").read_text())
    if not path.exists():
        path.write_text(json.dumps([vars(test) | {"reached": sorted(test.reached)} for test in reach(work, built)]))
    tests = [Test(**test | {"reached": set(test["reached"])}) for test in json.loads(path.read_text())]
    lock = threading.Lock()

    def tell(mutant, outcome, by):
        with lock:
            print(f"{outcome}: {mutant['name']} {by and f'({by})'}", flush=True)
            # Another suite may catch it.
            if outcome != "missed" or build.suites() == SUITES:
                note(results, mutant["name"], outcome, mutant["seed"], by)
            with tried.open("a") as file:
                file.write(f"{mutant['name']}\n")

    left = [mutant for mutant in mutants if mutant["id"] in built["left"]]
    unviable = [mutant for mutant in mutants if mutant["id"] in built["unviable"]]
    for mutant in unviable:
        tell(mutant, "unviable", "")
    try_switched(work, [mutant for mutant in mutants if mutant not in left + unviable], tests, tell)
    try_left(work, left, tests, tell)


if __name__ == "__main__":
    main(*sys.argv[1:])
