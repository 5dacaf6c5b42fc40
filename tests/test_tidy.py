"""What can be measured about style is measured here, so nobody has to say it in review."""

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
MAX_PARAMETERS = 6
PACKAGES = ("proto", "agent", "aggregator", "firmware-sim", "trustee")
BANNED_MODULES = {"utils", "util", "helpers", "manager", "service", "common", "misc"}
UNFINISHED = re.compile(r"NotImplementedError|\bTODO\b|\bFIXME\b|\bXXX\b|type: ignore$")
SECRET_PLACES = re.compile(r"/(?:work|farm)/|/tmp/(?:research|spec)|/root/")
LINK = re.compile(r"\[[^\]]*\]\((?!https?:|#|mailto:)([^)#]+)")


def tracked(*patterns: str) -> list[Path]:
    """Files git knows or would add, so a new file is measured before its first commit."""
    shown = [
        "git",
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "--",
        *patterns,
    ]
    out = subprocess.run(
        shown, cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    return [ROOT / line for line in out.splitlines() if (ROOT / line).is_file()]


SOURCES = tracked("*.py")
PRODUCT = [path for path in SOURCES if path.relative_to(ROOT).parts[0] in PACKAGES]
DOCUMENTS = tracked("*.md")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_files_and_functions_are_short(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MAX_FILE_LINES, "split the file by duty"
    for node in functions(ast.parse(text)):
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        assert length <= MAX_FUNCTION_LINES, f"{node.name} has {length} lines"


@pytest.mark.parametrize("path", PRODUCT, ids=name)
def test_functions_take_few_parameters(path: Path) -> None:
    for node in functions(ast.parse(path.read_text())):
        named = [
            a
            for a in (*node.args.args, *node.args.kwonlyargs)
            if a.arg not in ("self", "cls")
        ]
        # An __init__ that only stores what a composition root hands it reads by keyword.
        limit = MAX_PARAMETERS + 2 if node.name == "__init__" else MAX_PARAMETERS
        assert len(named) <= limit, f"{node.name} takes {len(named)} parameters"


@pytest.mark.parametrize("path", PRODUCT, ids=name)
def test_a_module_says_what_it_is_for(path: Path) -> None:
    assert path.stem not in BANNED_MODULES, "name the thing or the deed"
    docstring = ast.get_docstring(ast.parse(path.read_text()))
    assert docstring, "a module opens by saying what it is for"
    assert docstring.endswith((".", "`", ":", "\n")) or "\n" in docstring


@pytest.mark.parametrize("path", PRODUCT, ids=name)
def test_a_module_says_what_it_must_never_do(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
    said = re.search(
        r"\b(never|no |not |nothing|nobody|only|none)\b", docstring, re.IGNORECASE
    )
    assert said, "say what this module must never do"


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_nothing_is_left_unfinished(path: Path) -> None:
    if path == Path(__file__):
        return
    found = [line for line in path.read_text().splitlines() if UNFINISHED.search(line)]
    assert not found


@pytest.mark.parametrize(
    "path", [*SOURCES, *DOCUMENTS, *tracked("*.toml", "*.conf")], ids=name
)
def test_no_path_of_anybodys_machine_is_written_down(path: Path) -> None:
    if path == Path(__file__):
        return
    assert not SECRET_PLACES.search(path.read_text())


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_links_between_documents_lead_somewhere(path: Path) -> None:
    for target in LINK.findall(path.read_text()):
        assert (path.parent / target).exists(), f"{target} is not there"


@pytest.mark.parametrize("path", tracked("deploy/samples/*.toml"), ids=name)
def test_sample_configurations_are_toml(path: Path) -> None:
    assert tomllib.loads(path.read_text())


def test_every_package_imported_is_declared() -> None:
    """A dependency has a line in DECISIONS.md and in pyproject.toml, or is not one."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    decisions = (ROOT / "DECISIONS.md").read_text().lower()
    rows = [*declared["dependencies"]]
    for extra in declared["optional-dependencies"].values():
        rows += extra
    for row in rows:
        package = re.split(r"[\[<>=~ ]", row)[0]
        if package != "meterseal":
            assert package.lower() in decisions, (
                f"{package}: say in DECISIONS.md why it is here"
            )
