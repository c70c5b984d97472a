"""What the site has beyond the pages in docs/: a page for each SQL function, cut from functions.md; a page for each
notebook; and the changelog. Elsewhere functions.md is one page, so links to its parts are turned here."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

REPOSITORY = Path(__file__).resolve().parents[2]
_FUNCTION = re.compile(r"functions\.md#((?:ai|inlay)_\w+)")


def on_config(config: Any) -> Any:
    """Functions stand below their list, in its order."""
    pages = [f"functions/{name}.md" for name in _functions()]
    for section in config["nav"]:
        if "Reference" in section:
            section["Reference"] = [{"Functions": ["functions.md", *pages]}, "settings.md"]
        if "Notebooks" in section:
            section["Notebooks"] = [str(Path(name).with_suffix(".md")) for name in section["Notebooks"]]
    return config


def on_files(files: Files, config: Any) -> Files:
    for name, text in _functions().items():
        files.append(File.generated(config, f"functions/{name}.md", content=f"# {name}\n{text}"))
    for notebook in sorted((REPOSITORY / "docs" / "notebooks").glob("*.ipynb")):
        name = f"notebooks/{notebook.stem}.md"
        files.append(File.generated(config, name, content=notebook_page(notebook)))
    changelog = (REPOSITORY / "CHANGELOG.md").read_text("utf-8").replace("](docs/", "](")
    files.append(File.generated(config, "changelog.md", content=changelog))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    path = page.file.src_uri
    if path == "functions.md":
        return re.sub(r"\(#((?:ai|inlay)_\w+)\)", r"(functions/\1.md)", markdown.split("\n## ")[0])
    if path.startswith("functions/"):  # cut from functions.md, whose links start at its folder
        markdown = re.sub(r"\(#((?:ai|inlay)_\w+)\)", r"(\1.md)", markdown)
        markdown = re.sub(r"\bdocs/(\w+)\.md", r"[\1](\1.md)", markdown)
        return re.sub(r"\]\(([a-z_]+\.md)", r"](../\1", markdown)
    return _FUNCTION.sub(r"functions/\1.md", markdown)


def _functions() -> dict[str, str]:
    """Name → what functions.md says below its heading."""
    _, *sections = (REPOSITORY / "docs" / "functions.md").read_text("utf-8").split("\n## ")
    return dict(section.split("\n", 1) for section in sections)


def notebook_page(notebook: Path) -> str:
    """Its cells as Markdown, outputs below them. A chart is inside the page."""
    parts = []
    for cell in json.loads(notebook.read_text("utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(re.sub(r"\]\((\w+)\.ipynb\)", r"](\1.md)", source))
            continue
        parts.append(f"```python\n{source}\n```")
        parts += [_output(output) for output in cell["outputs"]]
    parts.append(f"[This notebook]({notebook.name}){{ download }} can be run where inlay is installed.")
    return "\n\n".join(part for part in parts if part)


def _output(output: dict[str, Any]) -> str:
    if output["output_type"] == "stream":
        return _block("".join(output["text"]))
    data = output["data"]
    if "image/png" in data:
        return (
            f'<div class="cell-output"><img alt="chart" src="data:image/png;base64,{data["image/png"].strip()}"></div>'
        )
    if "text/html" in data:
        return f'<div class="cell-output">{"".join(data["text/html"])}</div>'.replace("\n\n", "\n")
    return _block("".join(data["text/plain"]))


def _block(text: str) -> str:
    return f'<div class="cell-output"><pre>{html.escape(text.rstrip())}</pre></div>'
