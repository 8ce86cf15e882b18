#!/usr/bin/env python3
"""Finds every command in the README and in the guide, and says which step of CI runs it, or why none does.

A command without an entry in `RUN_BY` is a fault, and so is an entry without a step or without a command.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# A pattern, and the step of `.ci/steps` that runs such commands; or why it cannot.
RUN_BY = [
    (r"cargo run --example (?!logto)[a-z_]+", "35-examples"),
    (r"cargo run --example logto", "needs a tenant; 20-clippy compiles it"),
    (r"ISSUER=\S+ PUBLIC_URL=\S+ cargo run --example bound_tokens", "58-token-clients"),
    (r"cargo run --release --example faults", "80-faults"),
    (r"cargo run --manifest-path examples/cedar/Cargo.toml", "45-cedar-example"),
    (r"ORGATE_PDP=\S+ cargo run --example authzen", "53-cerbos-example"),
    (r"cargo test( --doc guide| --test fleet_redis)?$", "30-test"),
    (r"cargo run -p orgate-gateway -- demo", "55-gateway"),
    # The gateway's tests try the pages as they are printed.
    (r"orgate (demo|check|serve|routes|explain|audit)( |$)", "55-gateway"),
    (r"cargo install --path gateway", "builds what 55-gateway builds and tests"),
    (r"curl -i http://127\.0\.0\.1:8080/", "55-gateway"),
    # The program of the page is compiled and its answers are those of the example `quickstart`.
    (r"cargo (new|add) |LOGTO_ISSUER=|curl \S+ (https://TENANT|http://127\.0\.0\.1:3000)", "needs a tenant"),
    (r"\.ci/(run|full|lines|mutants|words-only)", "runs CI itself, or is run by hand"),
    (r"cargo build --locked --release -p orgate-gateway", "`.ci/full` builds it so, twice"),
    (r"cargo bench|ORGATE_\w+=", "longer runs, by hand"),
]


def blocks(text):
    """The lines of blocks of commands, with continued lines joined, and the commands of tables."""
    for block in re.findall(r"^```(?:sh|bash|console|text)\n(.*?)^```", text, flags=re.S | re.M):
        yield from re.sub(r"\\\n\s*", "", block).splitlines()
    for cell in re.findall(r"^\| `([^`]+)` \|", text, flags=re.M):
        yield cell


def commands(text):
    for line in blocks(text):
        line = re.sub(r"\s+#.*$", "", line).strip()
        if re.match(r"(?:[A-Z_]+=\S+ )*(?:(?:cargo|orgate|curl|docker|nginx|promtool|npm|npx|node|openssl) |\.ci/\w+|orgate$)", line):
            yield line


def main():
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    found = [(page.relative_to(ROOT), command) for page in pages for command in commands(page.read_text())]
    used, faults = set(), []
    for page, command in found:
        entry = next((entry for entry in RUN_BY if re.match(entry[0], command)), None)
        if entry is None:
            faults.append(f"{page}: no step runs: {command}")
        used.add(entry)
    for entry in RUN_BY:
        if entry not in used:
            faults.append(f"no page has a command like {entry[0]}")
        elif re.match(r"\d\d-", entry[1]) and not (ROOT / ".ci" / "steps" / entry[1]).exists():
            faults.append(f"there is no step {entry[1]}")
    print("\n".join(faults))
    if faults or not found:
        sys.exit(1)
    in_ci = sum(bool(re.match(r"\d\d-", next(e for e in RUN_BY if re.match(e[0], command))[1])) for _, command in found)
    print(f"{len(found)} commands, {in_ci} of them run by CI, the others with a reason")


main()
