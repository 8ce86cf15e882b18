#!/usr/bin/env python3
"""Builds the suites with many mutants in them, each behind a switch. See `.ci/mutants`.

usage: build.py WORK          reads WORK/chosen.json, writes WORK/built.json: the binaries, the mutants that have no switch,
                              and those that do not compile
       build.py WORK --go-on  puts the tree of the last time in order, and builds what has changed
"""
import json
import os
import subprocess
import sys
from pathlib import Path

from sample import SUITES

ROOT = Path(__file__).resolve().parents[2]


def write_trees(work):
    """Copies what Git knows of to `sources`, which stays as it is, and to `tree`. Touches nothing that is the same already."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            cwd=ROOT, check=True, capture_output=True).stdout.decode()
    files = {name for name in listed.split("\0") if name and (ROOT / name).is_file()}
    contents = {name: (ROOT / name).read_bytes() for name in files}
    switch = (ROOT / ".ci/mutation/switch.rs").read_bytes()
    library = contents["src/lib.rs"] + b"\n#[doc(hidden)]\npub mod mutant;\n"
    for folder, more in (("sources", {}), ("tree", {"src/mutant.rs": switch, "src/lib.rs": library})):
        wanted = contents | more
        for old in (work / folder).rglob("*"):
            if old.is_file() and str(old.relative_to(work / folder)) not in wanted:
                old.unlink()
        for name, content in wanted.items():
            put(work / folder / name, content)


def put(path, content):
    if not path.exists() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def write_switches(work, mutants, without):
    """Returns where each mutant stands, which are in functions that had to lose their `const`, and which have no switch."""
    tool, sources, tree, staged = work / "switches/debug/switches", work / "sources", work / "tree", work / "staged"
    switched = [mutant for id, mutant in mutants.items() if id not in without]
    for mutant in switched:
        (staged / mutant["file"]).parent.mkdir(parents=True, exist_ok=True)
    report = json.loads(subprocess.run([tool, sources, staged], check=True, capture_output=True,
                                       input=json.dumps(switched).encode()).stdout)
    names = {mutant["file"] for mutant in switched}
    for name in {mutant["file"] for mutant in mutants.values()}:
        put(tree / name, ((staged if name in names else sources) / name).read_bytes())
    return report


def cargo(work, *command):
    """Returns the errors of the compiler and the binaries of the tests."""
    done = subprocess.run(["cargo", *command, "--message-format=json", "--manifest-path", work / "tree/Cargo.toml"],
                          stdout=subprocess.PIPE, env=os.environ | {"CARGO_TARGET_DIR": str(work / "target")})
    errors, binaries = [], {}
    for line in done.stdout.splitlines():
        message = json.loads(line)
        if message["reason"] == "compiler-message" and message["message"]["level"] == "error":
            errors.append(message["message"])
        if message["reason"] == "compiler-artifact" and message["profile"]["test"] and message["executable"]:
            package = "orgate-gateway" if "bin" in message["target"]["kind"] else "orgate"
            binaries[message["executable"]] = package
    if done.returncode and not errors:
        sys.exit("cargo failed")
    return errors, binaries


def blame(errors, report):
    """The mutants that these errors come from, with the error: the innermost that one touches."""
    guilty = {}
    for error in errors:
        spans = error["spans"] + [span for child in error["children"] for span in child["spans"]]
        for span in sorted(spans, key=lambda span: not span["is_primary"]):
            touched = [(end - start, number) for file, number, start, end in report["places"]
                       if span["file_name"] == file and start < max(span["byte_end"], span["byte_start"] + 1) and span["byte_start"] < end]
            if touched:
                guilty.setdefault(min(touched)[1], error)
                break
        else:
            for name, numbers in report["constant"].items():
                if f"{name}`" in error["message"]:
                    guilty.update(dict.fromkeys(numbers, error))
    return guilty


def hopeless(error):
    """Whether the error is the mutant's own, and not that of its switch."""
    # The switch itself is no constant.
    return not (error["code"] and error["code"]["code"] == "E0015")


def build(work, mutants, commands, left, unviable):
    """Drops mutants until everything compiles. Returns the binaries, the mutants that are left, and those that are unviable."""
    # Two values of an `impl Trait` must have one type.
    left |= {id for id, mutant in mutants.items() if mutant["genre"] == "FnValue" and "impl " in mutant["returns"]}
    binaries = {}
    for command in commands:
        while True:
            report = write_switches(work, mutants, left | unviable)
            left.update(report["left"])
            errors, built = cargo(work, *command)
            if not errors:
                binaries.update(built)
                break
            guilty = blame(errors, report)
            print(f"{len(errors)} errors, {len(guilty)} mutants dropped", flush=True)
            if not guilty:
                sys.exit("\n".join(error["rendered"] for error in errors[:5]))
            for id, error in guilty.items():
                (unviable if hopeless(error) else left).add(id)
                print(mutants[id]["name"], error["rendered"], file=sys.stderr)
    return binaries, left, unviable


def suites():
    return os.environ["SUITES"].split() if "SUITES" in os.environ else SUITES


def commands(packages):
    """What is quicker comes first: a check of the library, its unit tests, all tests."""
    if "orgate" in packages:
        library = ["-p", "orgate", "--all-features", "--lib"]
        yield ["check", *library]
        yield ["test", "--no-run", *library]
        yield ["test", "--no-run", *library, *(word for name in suites() for word in ("--test", name))]
    if "orgate-gateway" in packages:
        yield ["test", "--no-run", "-p", "orgate-gateway", "--bin", "orgate"]


def main(work, *go_on):
    work = Path(work).resolve()
    mutants = {mutant["id"]: mutant for mutant in json.loads((work / "chosen.json").read_text())}
    last = {"left": [], "unviable": []}
    if go_on:
        last = json.loads((work / "built.json").read_text())
    else:
        write_trees(work)
        for name in ("reached.json", "tried"):
            (work / name).unlink(missing_ok=True)
    packages = {mutant["package"] for mutant in mutants.values()}
    binaries, left, unviable = build(work, mutants, commands(packages), set(last["left"]), set(last["unviable"]))
    (work / "built.json").write_text(json.dumps({"binaries": binaries, "left": sorted(left), "unviable": sorted(unviable)}))
    print(f"{len(mutants)} mutants: {len(left)} have no switch, {len(unviable)} are unviable", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
