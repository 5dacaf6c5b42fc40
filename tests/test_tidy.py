"""What can be measured about style is measured here, so nobody has to say it in review."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
MAX_PARAMETERS = 6
PACKAGES = ("proto", "agent", "aggregator", "firmware-sim", "trustee")
MIN_PURPOSE_WORDS = 5
BANNED_MODULES = {"utils", "util", "helpers", "manager", "service", "common", "misc"}
UNFINISHED = re.compile(r"NotImplementedError|\bTODO\b|\bFIXME\b|\bXXX\b|type: ignore$")
SECRET_PLACES = re.compile(r"/(?:work|farm)/|/tmp/(?:research|spec)|/root/")
NAMED_PATH = re.compile(
    r"`((?:proto|agent|aggregator|firmware-sim|deploy|tests|bench)/[\w/.-]+\.\w+)`"
)
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
PRODUCT = [
    path
    for path in SOURCES
    if path.relative_to(ROOT).parts[0] in PACKAGES and "vectors" not in path.parts
]
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
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
    first = docstring.split("\n\n")[0]
    assert len(first.split()) >= MIN_PURPOSE_WORDS, (
        "a module opens by saying what it is for"
    )


@pytest.mark.parametrize("path", PRODUCT, ids=name)
def test_a_module_says_what_it_must_never_do(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
    said = re.search(r"\b(never|must|nothing|nobody|no [\w ]+ may)\b", docstring, re.I)
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


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_files_that_documents_name_are_there(path: Path) -> None:
    for target in NAMED_PATH.findall(path.read_text()):
        inside = [*ROOT.glob(target), *ROOT.glob(target.replace("/", "/*/", 1))]
        assert inside, f"{target} is not there"


def declared_packages() -> set[str]:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    rows = [*declared["dependencies"]]
    for extra in declared["optional-dependencies"].values():
        rows += extra
    return {re.split(r"[\[<>=~ ]", row)[0].lower() for row in rows} - {"meterseal"}


def test_every_dependency_has_its_reason() -> None:
    decisions = (ROOT / "DECISIONS.md").read_text().lower()
    silent = {package for package in declared_packages() if package not in decisions}
    assert not silent, f"say in DECISIONS.md why {silent} are here"


def test_every_package_imported_is_declared() -> None:
    """What the product imports is a dependency of its own, never of a dependency only."""
    imported = set()
    for path in PRODUCT:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.split(".")[0])
    foreign = {
        n for n in imported - sys.stdlib_module_names if not n.startswith("meterseal_")
    }
    known = {package.replace("-", "_") for package in declared_packages()}
    assert {IMPORT_NAMES.get(n, n) for n in foreign} <= known


IMPORT_NAMES = {"paho": "paho_mqtt", "serial": "pyserial", "fpdf": "fpdf2"}
"""Where a package is imported under another name than it is installed by."""
