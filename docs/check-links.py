#!/usr/bin/env python3
"""Check the links of the documentation and the protocol citations of the code.

Reports as `file:line: message` and exits 1 if

* a relative link or an anchor in a Markdown file of the root or of docs/ does not resolve,
* an `<a id>` is defined twice in one file,
* a citation such as `onedrive-graph#session-fragment-size` in the code, or in docs/, names no
  anchor of docs/protocols.

Links to other hosts are not fetched.

usage: docs/check-links.py
"""

import html
import os
import re
import sys
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent
PROTOCOLS = ROOT / "docs" / "protocols"
CODE_FOLDERS = ["src", "crates", "tests", "examples", "fuzz", "benches"]
CODE_SUFFIXES = {".rs", ".toml", ".md", ".py", ".sh", ".yml", ".yaml", ".sql", ".json"}
SKIPPED_FOLDERS = {"target", "corpus", "artifacts", "node_modules"}

CITATION = re.compile(
    r"\b(onedrive-graph|live-connect|amazon-drive|clients-on-the-wire)(?:\.md)?#([A-Za-z0-9_-]*)"
)
FENCE = re.compile(r"^[\s>]*(?:[*+-]\s+|\d+[.)]\s+)?(`{3,}|~{3,})(.*)$")
CODE_SPAN = re.compile(r"(?<![`\\])(`+)(?!`)(?:(?!\n[ \t]*\n).)+?(?<!`)\1(?!`)", re.S)
ANCHOR = re.compile(r"<a\s+(?:id|name)=[\"']([^\"']+)[\"']", re.I)
HEADING = re.compile(r"^ {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
# The text of a link may contain one level of brackets, its URL one level of parentheses.
INLINE = re.compile(
    r"\[(?:[^\[\]]|\[[^\[\]]*\])*\]\(\s*(<[^<>\n]*>|(?:[^\s()<>]|\([^\s()]*\))*)"
    r"(?:\s+(?:\"[^\"]*\"|'[^']*'|\([^()]*\)))?\s*\)"
)
DEFINITION = re.compile(r"^ {0,3}\[([^\[\]]+)\]:[ \t]*\n?[ \t]*(<[^<>\n]*>|\S+)", re.M)
REFERENCE = re.compile(r"\[((?:[^\[\]]|\[[^\[\]]*\])+)\]\[([^\[\]]*)\]")
# A reference such as [rclone#8608] is meant as a link: it needs a definition.
ISSUE = re.compile(r"(?<!\!)\[([\w-]+#\d+)\](?![\[(:])")
HTML_LINK = re.compile(r"<(?:a|img|source|video)\s[^>]*?\b(?:href|src)=[\"']([^\"']+)[\"']", re.I)
SETEXT = re.compile(r"^ {0,3}(?:=+|-+)[ \t]*$")
PARAGRAPH = re.compile(r"^ {0,3}[^\s#>|*+<-]")
SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*:")


def blank(found):
    """Returns spaces of the same extent, with the line breaks kept."""
    return re.sub(r"[^\n]", " ", found[0])


def without_fences(text):
    """Returns the text with the lines of fenced code blocks emptied."""
    lines, fence = [], None
    for line in text.split("\n"):
        found = FENCE.match(line)
        if fence is None:
            if found and not (found[1][0] == "`" and "`" in found[2]):
                fence = found[1]
            lines.append("" if fence else line)
        else:
            lines.append("")
            if found and found[1].startswith(fence) and not found[2].strip():
                fence = None
    return "\n".join(lines)


def slug(heading):
    """Returns the anchor that GitHub gives a heading."""
    # Tags are dropped, but not those in a code span.
    text = re.sub(r"`([^`]*)`|<[^>]*>", lambda found: found[1] or "", heading)
    text = re.sub(r"!?\[((?:[^\[\]]|\[[^\[\]]*\])*)\](?:\([^)]*\)|\[[^\]]*\])", r"\1", text)
    # Emphasis by underscores: `_x_`, but not `x_y`.
    text = re.sub(r"(?<!\w)(_+)(\S(?:.*?\S)?)\1(?!\w)", r"\2", text)
    text = html.unescape(text).strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


class Document:
    """The anchors and the links of one Markdown file."""

    def __init__(self, path):
        self.path = path
        self.anchors = set()
        self.explicit = {}
        self.repeated = []
        self.links = []
        self.references = []
        self.definitions = set()
        text = without_fences(path.read_text(encoding="utf-8"))
        self.read_headings(text)
        prose = CODE_SPAN.sub(blank, re.sub(r"<!--.*?-->", blank, text, flags=re.S))

        def line(found, group=0):
            return prose.count("\n", 0, found.start(group)) + 1

        for found in ANCHOR.finditer(prose):
            if found[1] in self.explicit:
                self.repeated.append((line(found), found[1], self.explicit[found[1]]))
            self.explicit.setdefault(found[1], line(found))
        self.anchors |= set(self.explicit)
        for found in DEFINITION.finditer(prose):
            self.definitions.add(label(found[1]))
            self.links.append((line(found, 2), found[2].strip("<>")))
        prose = DEFINITION.sub(blank, prose)
        for found in INLINE.finditer(prose):
            self.links.append((line(found, 1), found[1].strip("<>")))
        # An image inside the text of a link.
        for found in re.finditer(r"!\[[^\[\]]*\]\(\s*([^\s()<>]*)", prose):
            self.links.append((line(found, 1), found[1]))
        for found in HTML_LINK.finditer(prose):
            self.links.append((line(found, 1), html.unescape(found[1])))
        for found in REFERENCE.finditer(prose):
            self.references.append((line(found), found[2] or found[1]))
        for found in ISSUE.finditer(prose):
            self.references.append((line(found), found[1]))

    def read_headings(self, text):
        count = {}
        previous = ""
        for line in text.split("\n"):
            heading = HEADING.match(line)
            title = heading[2] or "" if heading else None
            if title is None and SETEXT.match(line) and PARAGRAPH.match(previous):
                title = previous
            if title is not None:
                base = anchor = slug(title)
                while anchor in count:
                    count[base] += 1
                    anchor = f"{base}-{count[base]}"
                count[anchor] = 0
                self.anchors.add(anchor)
            previous = line


def label(text):
    return " ".join(text.split()).casefold()


class Checker:
    def __init__(self):
        self.failures = []
        self.documents = {}
        self.links = 0
        self.citations = 0

    def fail(self, path, number, message):
        self.failures.append(f"{path.relative_to(ROOT)}:{number}: {message}")

    def document(self, path):
        if path not in self.documents:
            self.documents[path] = Document(path)
        return self.documents[path]

    def check_document(self, path):
        document = self.document(path)
        for number, anchor, first in document.repeated:
            self.fail(path, number, f"the anchor `{anchor}` is defined in line {first} already")
        for number, reference in document.references:
            if label(reference) not in document.definitions:
                self.fail(path, number, f"the reference [{reference}] has no definition")
        for number, url in dict.fromkeys(document.links):
            if SCHEME.match(url) or url.startswith("//"):
                continue
            self.links += 1
            self.check_link(path, number, url)

    def check_link(self, path, number, url):
        file, _, anchor = url.partition("#")
        file = unquote(file.partition("?")[0])
        if file.startswith("/"):
            target = (ROOT / file.lstrip("/")).resolve()
        else:
            target = (path.parent / file).resolve() if file else path
        if target != ROOT and ROOT not in target.parents:
            self.fail(path, number, f"the link `{url}` leaves the repository")
        elif not target.exists():
            self.fail(path, number, f"the link `{url}` names no file")
        elif not exact_case(target):
            self.fail(path, number, f"the link `{url}` differs from the file's name in case")
        elif anchor and target.suffix == ".md":
            if unquote(anchor) not in self.document(target).anchors:
                self.fail(path, number, f"the link `{url}` names no anchor of the file")

    def check_citations(self, path):
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            return
        for number, line in enumerate(text.split("\n"), 1):
            for name, anchor in CITATION.findall(line):
                self.citations += 1
                target = PROTOCOLS / f"{name}.md"
                if not target.exists():
                    self.fail(path, number, f"`{name}#{anchor}`: docs/protocols/{name}.md is missing")
                elif anchor not in self.document(target).anchors:
                    self.fail(path, number, f"`{name}#{anchor}` names no anchor of docs/protocols/{name}.md")


def exact_case(path):
    """Whether the name of a file is spelled as on disk, where the file system ignores case."""
    return path == ROOT or (path.name in os.listdir(path.parent) and exact_case(path.parent))


def files_below(folder):
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in SKIPPED_FOLDERS)
        yield from (Path(parent) / name for name in sorted(names))


def main():
    checker = Checker()
    documents = sorted(ROOT.glob("*.md")) + [
        path for path in files_below(ROOT / "docs") if path.suffix == ".md"
    ]
    for path in documents:
        checker.check_document(path)
        checker.check_citations(path)
    for folder in CODE_FOLDERS:
        for path in files_below(ROOT / folder):
            if path.suffix in CODE_SUFFIXES:
                checker.check_citations(path)
    for failure in checker.failures:
        print(failure, file=sys.stderr)
    print(
        f"{len(documents)} documents, {checker.links} relative links, "
        f"{checker.citations} citations: {len(checker.failures)} failures"
    )
    return bool(checker.failures)


if __name__ == "__main__":
    sys.exit(main())
