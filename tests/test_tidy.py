"""The house's rules that a linter does not know: sizes, banned calls, dead modules, leftovers. See CONTRIBUTING.md."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("pipeline", "operators", "cloud", "scenarios")
FILE_LINES_MAX, FUNCTION_LINES_MAX = 400, 50

TYPE_IGNORES_MAX = 15
"""A ratchet: lower it whenever one goes, never raise it."""

ADAPTERS = (
    "pipeline/benchmarks.py",
    "pipeline/calibration.py",
    "pipeline/commands/",
    "pipeline/doctor.py",
    "pipeline/engines/",
    "pipeline/logs.py",
    "pipeline/measuring/",
    "pipeline/metrics.py",
    "pipeline/exclusive.py",
    "pipeline/running.py",
    "pipeline/workers.py",
    "cloud/server/",
    "cloud/transports/",
    "scenarios/benchmark_world.py",
    "scenarios/benchmarks.py",
    "scenarios/cli.py",
    "scenarios/experiments/command.py",
)
"""Where the machine's clock, threads and the network may be touched."""

BANNED_MODULES = {"time", "random", "threading", "socket", "sched", "secrets", "_thread"}
BANNED_NAMES = {"asyncio.sleep", "datetime.now", "datetime.utcnow", "datetime.today", "os.urandom", "uuid.uuid4"} | {
    f"np.random.{name}"
    for name in ("seed", "rand", "randn", "randint", "random", "choice", "shuffle", "normal", "uniform")
}
BANNED_ATTRIBUTES = {name.rpartition(".")[2] for name in BANNED_NAMES}

# Spelt in halves, so that this file does not find itself.
LEFTOVERS = re.compile("|".join(("TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK", "W" + "IP")) + r"\b")
MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:wo" + r"rk|ro" + r"ot|ho" + r"me/\w+)/")
TEXT = {".py", ".md", ".yaml", ".yml", ".toml", ".txt", ".html", ".j2", ".css", ".js", ".json"}
SKIPPED = {
    "__pycache__",
    ".import_linter_cache",
    ".venv",
    ".git",
    "runs",
    "build",
    "dist",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".hypothesis",
}


@cache
def everything() -> tuple[Path, ...]:
    found: list[Path] = []
    for folder, inner, names in os.walk(ROOT):
        inner[:] = sorted(name for name in inner if name not in SKIPPED and not name.endswith(".egg-info"))
        found += [Path(folder, name) for name in sorted(names)]
    return tuple(found)


def files(*suffixes: str) -> Iterator[Path]:
    return (path for path in everything() if path.suffix in suffixes)


def sources() -> list[Path]:
    return [path for path in files(".py") if path.relative_to(ROOT).parts[0] in PACKAGES]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def place(path: Path, line: int | None = None) -> str:
    name = path.relative_to(ROOT).as_posix()
    return f"{name}:{line}" if line is not None else name


def is_adapter(path: Path) -> bool:
    return place(path).startswith(ADAPTERS)


def test_no_file_is_longer_than_400_lines() -> None:
    long = {place(p): n for p in files(".py") if (n := len(p.read_text("utf-8").splitlines())) > FILE_LINES_MAX}
    assert not long, "split by idea, not by length"


def test_no_function_is_longer_than_50_lines() -> None:
    long = {
        place(path, node.lineno): node.name
        for path in sources()
        for node in ast.walk(tree(path))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and (node.end_lineno or 0) - node.lineno + 1 > FUNCTION_LINES_MAX
    }
    assert not long


def test_every_module_says_what_it_decides() -> None:
    silent = [
        place(path) for path in [*sources(), *files(".py")] if path.stat().st_size and not ast.get_docstring(tree(path))
    ]
    assert not silent


def test_every_public_class_and_function_has_a_docstring() -> None:
    silent = [
        place(path, node.lineno) + f" {node.name}"
        for path in sources()
        for node in tree(path).body
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert not silent


def test_clock_threads_network_and_global_randomness_stay_in_the_adapters() -> None:
    found = [
        place(path, line) + f" {what}" for path in sources() if not is_adapter(path) for line, what in banned(path)
    ]
    assert not found, "take t, a Generator or a transport instead; see CONTRIBUTING.md"


def banned(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, a.name) for a in node.names if a.name.partition(".")[0] in BANNED_MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module.partition(".")[0] in BANNED_MODULES and not node.level:
                yield node.lineno, node.module
        elif isinstance(node, ast.Attribute):
            called = f"{ast.unparse(node.value)}.{node.attr}" if node.attr in BANNED_ATTRIBUTES else ""
            if any(called == name or called.endswith("." + name) for name in BANNED_NAMES):
                yield node.lineno, called


def test_every_adapter_in_the_list_exists() -> None:
    gone = [name for name in ADAPTERS if not (ROOT / name).exists()]
    assert not gone, "the list of exceptions may only shrink"


def test_every_module_is_reachable() -> None:
    imported = {name for path in files(".py") for name in imports(path)}
    named = (ROOT / "pyproject.toml").read_text("utf-8")
    # A process is started by naming its module: python -m package.module.
    named += "".join(line for path in sources() for line in path.read_text("utf-8").splitlines() if '"-m"' in line)
    named += "".join(path.read_text("utf-8") for path in files(".yaml", ".yml", ".md"))
    dead = []
    for path in sources():
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if path.name == "__init__.py" or module in imported or re.search(rf"\b{re.escape(module)}\b", named):
            continue
        dead.append(place(path))
    assert not dead, "nothing imports them and no entry point names them"


def imports(path: Path) -> Iterator[str]:
    own = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name != own)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module != own:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func):
            # importlib.import_module(f"package.{name}"): every module of the package counts.
            for value in ast.walk(node):
                if isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value.endswith("."):
                    folder = ROOT / value.value.rstrip(".").replace(".", "/")
                    yield from (value.value + p.stem for p in folder.glob("*.py"))


def test_no_leftovers_stand_in_the_text() -> None:
    found = [
        place(path, number)
        for path in files(*TEXT)
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if LEFTOVERS.search(line)
    ]
    assert not found, "finish it or drop it"


def test_no_path_of_one_machine_stands_in_the_text() -> None:
    found = [
        place(path, number)
        for path in files(*TEXT, ".svg", ".sh")
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if MACHINE_PATHS.search(line)
    ]
    assert not found


def test_type_ignores_only_become_fewer() -> None:
    count = sum(len(re.findall(r"#\s*type:\s*ignore", path.read_text("utf-8"))) for path in sources())
    assert count <= TYPE_IGNORES_MAX, "say what the type is instead"


def test_every_type_ignore_names_its_error() -> None:
    bare = [place(p) for p in sources() if re.search(r"#\s*type:\s*ignore(?!\[)", p.read_text("utf-8"))]
    assert not bare


def test_tests_are_no_packages_and_launch_files_neither() -> None:
    # With an __init__.py tests/pipeline would shadow the real one; `launch` is ROS 2's.
    assert not list((ROOT / "tests").rglob("__init__.py"))
    assert not list((ROOT / "launch").rglob("*.py"))
    importing = {place(path): {name.partition(".")[0] for name in imports(path)} for path in files(".py")}
    assert not [path for path, names in importing.items() if "launch" in names]
    assert not [path for path, names in importing.items() if "tests" in names and path.startswith(PACKAGES)]


def test_all_four_packages_are_packages_with_types() -> None:
    for name in PACKAGES:
        assert (ROOT / name / "__init__.py").is_file(), name
        assert (ROOT / name / "py.typed").is_file(), name


@pytest.mark.parametrize("path", list(files(".md")), ids=place)
def test_links_in_the_text_lead_somewhere(path: Path) -> None:
    broken = []
    text = re.sub(r"```.*?```", "", path.read_text("utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"<img[^>]*src=\"([^\"]+)\"", text):
        file, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        aim = (path.parent / file).resolve() if file else path
        if not aim.exists() or (anchor and aim.suffix == ".md" and anchor not in anchors(aim)):
            broken.append(target)
    assert not broken


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+\s+(.*)$", path.read_text("utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
