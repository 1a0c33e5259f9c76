"""How Sphinx makes the book out of the executed lessons and the documents: see `make book`.

The sources in build/book-source lie as in the repository, so that the same links hold in both.
"""

import json
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

project = "voxlab"
extensions = ["myst_nb"]
exclude_patterns = ["README.md", "docs/book"]  # index.md includes the first
myst_heading_anchors = 3

nb_execution_mode = "off"
nb_ipywidgets_js: dict[str, Any] = {}  # they would come from the network
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]
nb_code_prompt_show = "Show the result"
nb_code_prompt_hide = "Hide the result"

html_theme = "furo"
html_title = "voxlab"
highlight_language = "text"
pygments_dark_style = "a11y-dark"
html_static_path = ["static"]
html_css_files = ["book.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False

REPOSITORY = Path(__file__).resolve().parents[2]
GLOSSARY = "docs/glossary"
ROW = re.compile(
    r"^\| \*\*(?P<terms>.+?)\*\* \|.*\| \[\d+\]\(\.\./(?P<lesson>\S+)\.ipynb\) \|$", re.M
)
PREDICTION = re.compile(r'<div class="vx-predict" data-hides="(\d+)">')
NO_WORDS = re.compile(
    r'<(style|script)\b.*?</\1>|</?(?:span|code|iframe)\b[^>]*>|<a class="headerlink.*?</a>'
    r'| (?:src|srcdoc|href|class|style|alt|title)="[^"]*"',
    re.DOTALL,
)
WORDS: dict[str, str] = {}  # of each page


# --- the source ----------------------------------------------------------------------------


def write_findings(app: Sphinx) -> None:
    """Write the page of the findings: the words at the head of each script, and the script."""
    folder = Path(app.srcdir) / "findings"
    page = "# Findings\n\nReal libraries of this field, and where a good guess about them is wrong."
    page += " Each finding is a script that runs the library in a folder of its own; it fails when "
    page += "the behaviour has changed.\n"
    for script in sorted(folder.glob("*.sh")):
        head = re.match(r"#!.*\n((?:#.*\n)+)", script.read_text("utf-8"))
        if head is None:
            raise ValueError(f"{script.name} needs a comment below its first line")
        words = re.sub(r"([\\*_<>\[\]$|~])", r"\\\1", re.sub(r"^# ?", "", head[1], flags=re.M))
        title, _, text = words.partition("\n\n")
        page += f"\n## {' '.join(title.split())}\n\n{text}\n"
        page += f"<details><summary>{script.name}</summary>\n\n"
        page += f"```{{literalinclude}} findings/{script.name}\n:language: bash\n```\n\n"
        page += "</details>\n"
    (folder.parent / "findings.md").write_text(page, encoding="utf-8")


def prepare(app: Sphinx, name: str, source: list[str]) -> None:
    """Fold up the results of a lesson that a prediction hides; offer exercises for download."""
    folder, _, file = name.partition("/")
    if folder == "notebooks":
        notebook = json.loads(source[0])
        fold_results(notebook["cells"])
    elif file.startswith("ex"):
        notebook = json.loads(source[0])
        links = f"\n\n{{download}}`Notebook <{file}.ipynb>` · {{download}}`script <{file}.py>`"
        first = notebook["cells"][0]
        first["source"] = "".join(first["source"]) + links
    else:
        return
    source[0] = json.dumps(notebook)


def join_texts(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a cell's outputs with neighbouring pieces of printed text as one."""
    joined: list[dict[str, Any]] = []
    for output in outputs:
        name, text = output.get("name"), "".join(output.get("text", ()))
        if joined and name and joined[-1].get("name") == name:
            joined[-1]["text"] += text
        else:
            joined.append(output | {"text": text} if name else output)
    return joined


def fold_results(cells: list[dict[str, Any]]) -> None:
    """Mark the cells whose output a prediction hides, so that a click shows it."""
    for place, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            cell["outputs"] = join_texts(cell["outputs"])
        for output in cell.get("outputs", ()):
            asked = PREDICTION.search("".join(output.get("data", {}).get("text/html", ())))
            for hidden in cells[place + 1 : place + 1 + int(asked[1])] if asked else ():
                hidden["metadata"].setdefault("tags", []).append("hide-output")


class LinksOutside(SphinxTransform):
    """Leave only the words of a link to what is in the repository and not in the book."""

    default_priority = 800

    def apply(self, **_: Any) -> None:
        """Look through one page."""
        folder = Path(self.env.docname).parent
        for link in [*self.document.findall(addnodes.pending_xref)]:
            target = folder / link["reftarget"].partition("#")[0]
            if (REPOSITORY / target).exists() and not Path(self.app.srcdir, target).is_file():
                link.replace_self(link.children)


# --- the index of terms --------------------------------------------------------------------


class IndexTerms(SphinxTransform):
    """Enter each term of the glossary, and where its lesson has it first, into the index."""

    default_priority = 800  # Sphinx collects the entries at 850

    def apply(self, **_: Any) -> None:
        """Look for terms in one page."""
        name, lesson = self.env.docname, self.document.next_node(nodes.title)
        if name == GLOSSARY:
            for row in self.document.findall(nodes.row):
                for strong in row.findall(nodes.strong):
                    for term in strong.astext().split(", "):
                        enter(row, term, term, "main")
        glossary = Path(self.app.srcdir, f"{GLOSSARY}.md").read_text("utf-8")
        for row in ROW.finditer(glossary):
            for term in row["terms"].split(", ") if row["lesson"] == name else ():
                spelt = re.compile(rf"(?<!\w){re.escape(term)}(?:s|ing)?(?!\w)", re.IGNORECASE)
                paragraphs = self.document.findall(nodes.paragraph)
                having = (each for each in paragraphs if spelt.search(each.astext()))
                place = next(having, lesson.parent)
                enter(place, term, f"{term}; {lesson.astext()}", "")


def enter(place: nodes.Element, term: str, entry: str, kind: str) -> None:
    """Let the index lead to an element. kind: "main" for the place that explains the term."""
    if not place["ids"]:
        place["ids"].append(f"term-{nodes.make_id(term)}")
    place.document += addnodes.index(entries=[("single", entry, place["ids"][0], kind, None)])


# --- the pages -----------------------------------------------------------------------------


def link_pdf(app: Sphinx, name: str, template: str, context: dict[str, Any], _: Any) -> None:
    """Begin a lesson's page with the link to its PDF, where there is a browser to print it."""
    if name.startswith("notebooks/") and app.tags.has("pdf"):
        link = context["pathto"](f"pdf/{name.partition('/')[2]}.pdf", resource=True)
        context["body"] = f'<p class="vx-pdf"><a href="{link}">PDF</a></p>{context["body"]}'


def keep_words(app: Sphinx, name: str, template: str, context: dict[str, Any], _: Any) -> None:
    """Keep what a page says, without sound, pictures and looks, for the excerpts of a search."""
    if template == "search.html":
        app.add_js_file("words.js")
        app.add_js_file("excerpts.js")
    WORDS[f"{name}.html"] = NO_WORDS.sub("", context.get("body", ""))


def write_words(app: Sphinx, failure: Exception | None) -> None:
    """Write the words of all pages into one script, which a page from a file may load."""
    if failure is not None:
        return
    script = f"const WORDS = {json.dumps(WORDS, ensure_ascii=False)};\n"
    Path(app.outdir, "_static", "words.js").write_text(script, encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Connect the functions and the class above."""
    app.connect("builder-inited", write_findings)
    app.connect("source-read", prepare)
    app.add_transform(LinksOutside)
    app.add_transform(IndexTerms)
    app.connect("html-page-context", link_pdf)
    app.connect("html-page-context", keep_words)
    app.connect("build-finished", write_words)
