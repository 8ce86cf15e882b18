#!/usr/bin/env python3
"""Builds the guide as a site with mdBook, into target/site/book, and checks every link and anchor in it.

`docs/guide` is written for the repository and for docs.rs. This script copies the pages, adds the ones that are files at the root of
the repository, and replaces links into the API documentation, which the site does not have.
"""

import html.parser
import pathlib
import re
import shutil
import subprocess
import sys
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
SITE = ROOT / "target" / "site"
PAGES_AT_THE_ROOT = {
    "README.md": "overview.md",
    "SECURITY.md": "security.md",
    "DESIGN.md": "design.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
}


def as_page(text, depth):
    up = "../" * depth
    text = re.sub(r"\(crate::guide::issuers::(\w+)\)", rf"({up}issuers/\1.md)", text)
    text = re.sub(r"\(crate::guide::(\w+)\)", lambda page: f"({up}{page[1].replace('_', '-')}.md)", text)
    for file, page in PAGES_AT_THE_ROOT.items():
        text = text.replace(f"../../{file}", f"{up}{page}")
    # Links to items of the API: only the name is left.
    text = re.sub(r"\[([^\]]+)\]\(crate::[\w:]+\)", r"\1", text)
    # Code blocks without a language are Rust, as they are for rustdoc.
    return re.sub(r"^```(no_run|should_panic|ignore)$", "```rust", text, flags=re.M)


def from_the_root(text):
    """Links of pages at the root, seen from inside of the guide."""
    for file, page in PAGES_AT_THE_ROOT.items():
        text = re.sub(rf"(\]: |\]\(){re.escape(file)}", rf"\g<1>{page}", text)
    return text.replace("docs/guide/", "")


def copy():
    source = SITE / "src"
    shutil.rmtree(SITE, ignore_errors=True)
    shutil.copytree(ROOT / "docs" / "guide", source)
    shutil.copy(ROOT / "docs" / "site" / "book.toml", SITE / "book.toml")
    for file, page in PAGES_AT_THE_ROOT.items():
        (source / page).write_text(from_the_root((ROOT / file).read_text()))
    for page in source.rglob("*.md"):
        page.write_text(as_page(page.read_text(), len(page.relative_to(source).parts) - 1))


class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.links, self.ids = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("id", "name") and value:
                self.ids.add(value)
            if (tag, name) in (("a", "href"), ("img", "src"), ("script", "src")) and value:
                self.links.append(value)


def check(book):
    pages = {path: Page(path.read_text()) for path in book.rglob("*.html") if path.name not in ("print.html", "toc.html", "404.html")}
    faults, seen = [], 0
    for path, page in pages.items():
        for link in page.links:
            target = urllib.parse.urlsplit(link)
            if target.scheme or target.netloc:
                continue
            seen += 1
            file = (path.parent / urllib.parse.unquote(target.path)).resolve() if target.path else path
            if not file.is_file():
                faults.append(f"{path.relative_to(book)}: no file {link}")
            elif target.fragment and file in pages and urllib.parse.unquote(target.fragment) not in pages[file].ids:
                faults.append(f"{path.relative_to(book)}: no anchor {link}")
        # A reference without a definition stays as it was written.
        text = re.sub(r"<(pre|code).*?</\1>", "", path.read_text(), flags=re.S)
        faults += [f"{path.relative_to(book)}: no definition for {found}" for found in re.findall(r"\]\[[\w-]*\]", text)]
    listed = set(re.findall(r"\(([\w/-]+\.md)\)", (SITE / "src" / "SUMMARY.md").read_text()))
    there = {str(page.relative_to(SITE / "src")) for page in (SITE / "src").rglob("*.md")} - {"SUMMARY.md"}
    faults += [f"SUMMARY.md lacks {page}" for page in sorted(there - listed)]
    return len(pages), seen, faults


def main():
    copy()
    subprocess.run([sys.argv[1] if len(sys.argv) > 1 else "mdbook", "build", str(SITE)], check=True)
    pages, links, faults = check(SITE / "book")
    print("\n".join(faults))
    if faults or not pages or not links:
        sys.exit(1)
    print(f"{pages} pages, {links} links and anchors, all of them there")


main()
