#!/usr/bin/env python3
"""Counts how the prose of the project reads: sentence lengths, constructions to avoid, and words that have a better one.

    readability.py [--list] [ROOT]

Prose is Markdown without code, doc comments, comments, and string literals of four words and more; tests are not looked at, except
for comments. With `--list`, every hit is printed. The exit status is 1 if there is one.
"""

import pathlib
import re
import statistics
import sys

# Constructions that have to be read twice, and words for which the glossary has another one.
AVOIDED = {
    "takes other … by a setting": r"\btakes? other \w+ by\b",
    "makes no sense": r"\bmakes? no sense\b",
    "that is there already": r"\bthat (?:is|are) there already\b",
    "wired wrongly": r"\bwired wrong",
    "how much … bears": r"\bhow much of that\b",
    "works at once": r"\bworks at once\b",
    "hear(s) a status": r"\bhears? \d{3}\b",
    "serve … more": r"\bserves? \d+ ?(?:h|min|s)\b(?: more)?",
    "whom it trusts": r"\bwhom (?:it|the server|they) trusts?\b",
    "comes (a tenant, an issuer)": r"\b(?:tenant|issuer|member)s? comes?\b(?! back| later)",
    "count(s) no longer": r"\bcounts? no longer\b",
    "must not run": r"\bmust not run\b",
    "how much of everything": r"\bhow much of everything\b",
    "not to be …": r"\b(?:is|are|was|were) not to be \w+",
    "to be had": r"\bto be had\b",
    "again and again": r"\bagain and again\b",
    "nobody": r"\bnobody\b",
    "the one that was": r"\bthe one that was\b",
    "is (its|their) own word": r"\bword for (?:it|that)\b",
    "refuse, refusal": r"\brefus(?:e|es|ed|al|als|ing)\b",
    "inversion with nor": r"(?:^|[.;] )Nor \w+",
}
LONG = 35  # words


def markdown(text):
    text = re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)
    text = re.sub(r"^\[[^\]]+\]: .*$", "", text, flags=re.M)
    text = re.sub(r"^#.*$", "", text, flags=re.M)
    text = re.sub(r"\]\([^)]*\)|\]\[[^\]]*\]", "]", text)
    # Cells of tables and items of lists are sentences of their own.
    text = re.sub(r"^\|[-| :]*\|$", "", text, flags=re.M)
    text = re.sub(r"(?<!\\)\|", "\n\n", text)
    return re.sub(r"^\s*(?:[-*]|\d+\.) ", "\n\n", text, flags=re.M)


def rust(text, test):
    comments, block = [], []
    fenced = False
    for line in text.splitlines():
        found = re.match(r"\s*//[/!]? ?(.*)", line)
        if not found:
            comments.append("\n".join(block))
            block, fenced = [], False
            continue
        if found[1].startswith("```"):
            fenced = not fenced
        elif not fenced:
            block.append(found[1])
    prose = [markdown("\n".join(comments + block))]
    if not test:
        code = re.sub(r"^\s*//.*$", "", text, flags=re.M)
        code = re.split(r"^#\[cfg\(test\)\]\s*mod tests \{", code, flags=re.M)[0]
        for literal in re.findall(r'"((?:[^"\\]|\\.)*)"', code):
            literal = re.sub(r"\\\s+", "", literal).replace("\\n", " ")
            if len(literal.split()) >= 4 and literal.isascii() and not re.search(r"\{\{|</?\w+|^[A-Z]+ /|\{\w+:>|redis\.call|::Refuse|refuse or go_on", literal):
                prose.append(literal)
    return "\n\n".join(prose)


def sentences(prose):
    for paragraph in re.split(r"\n\s*\n", prose):
        paragraph = re.sub(r"`[^`]*`", "x", re.sub(r"\s+", " ", paragraph)).strip()
        for sentence in re.split(r"(?<=[.!?:;]) +(?=[A-Z\[*x])", paragraph):
            if len(sentence.split()) >= 3:
                yield sentence


def main():
    arguments = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    root = pathlib.Path(arguments[0] if arguments else ".")
    groups = {"documents": [], "rustdoc, comments, texts": []}
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root)
        if inside.parts[0] in ("target", ".git", "node_modules") or "node_modules" in inside.parts or not path.is_file():
            continue
        if path.suffix == ".md":
            groups["documents"].append((inside, markdown(path.read_text())))
        elif path.suffix == ".rs" and inside.parts[0] in ("src", "gateway", "examples", "tests", "benches"):
            test = inside.parts[0] in ("tests", "benches") or "tests" in inside.parts or path.name == "tests.rs"
            groups["rustdoc, comments, texts"].append((inside, rust(path.read_text(), test)))
    hits = 0
    for name, files in groups.items():
        found = [(path, sentence) for path, prose in files for sentence in sentences(prose)]
        lengths = [len(sentence.split()) for _, sentence in found]
        long = sum(length > LONG for length in lengths)
        print(f"{name}: {len(lengths)} sentences, mean {statistics.mean(lengths):.1f} words, "
              f"p90 {sorted(lengths)[len(lengths) * 9 // 10]}, over {LONG} words {long} ({100 * long / len(lengths):.1f} %)")
        for label, pattern in AVOIDED.items():
            matches = [(path, sentence) for path, sentence in found if re.search(pattern, sentence, re.I)]
            hits += len(matches)
            if matches:
                print(f"  {len(matches):4} {label}")
            if "--list" in sys.argv:
                for path, sentence in matches:
                    print(f"         {path}: {sentence}")
    print(f"{hits} hits")
    sys.exit(1 if hits else 0)


main()
