"""The floors: a file imports only from lower floors, and every third-party library has one home."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1] / "agnostic_ig"

# First match wins; higher floors first. A file may import its own floor and lower ones.
FLOORS = [
    ("__init__.py", 10),
    ("__main__.py", 10),
    ("cli/", 10),
    ("report/", 9),
    ("streaming/", 9),
    ("datasets/", 9),
    ("methods/", 8),
    ("baselines/", 7),
    ("engines/", 6),
    ("numerics/", 5),
    ("results/", 4),
    ("model_files/", 3),
    ("validation.py", 3),
    ("parallel.py", 3),
    ("replacing.py", 3),
    ("frames", 3),
    ("kernels/", 2),
    ("_version.py", 1),
    ("exceptions.py", 1),
]
# (file, floor it may reach above its own, by an import inside a function), with the reason.
EXCEPTIONS = {
    ("results/explanation.py", "report/"): "Explanation.to_html and _repr_html_ are the door to the report",
    ("results/exports.py", "report/"): "the functions behind those two methods",
}
# Library -> where it may be imported.
HOMES = {
    "numba": ("kernels/",),
    "joblib": ("parallel.py", "model_files/"),
    "pandas": ("frames", "streaming/", "datasets/"),
    "polars": ("frames", "streaming/"),
    "pyarrow": ("frames", "streaming/"),
    "treelite": ("engines/",),
    "xgboost": ("engines/",),
    "lightgbm": ("engines/",),
    "catboost": ("engines/",),
    "skops": ("model_files/",),
    "plotly": ("report/",),
    "jinja2": ("report/",),
    "matplotlib": ("plots/",),
    "shap": ("results/",),
    "tqdm": ("parallel.py",),
}
# scikit-learn's models and private parts belong to the engines (and the demo fits one); these may be used anywhere.
SKLEARN_ANYWHERE = ("sklearn.base", "sklearn.utils", "sklearn.exceptions")
SKLEARN_HOMES = ("engines/", "model_files/", "cli/demo.py")
# What `import agnostic_ig` and the command line's parser may not load.
HEAVY = {
    *("numba", "pandas", "polars", "pyarrow", "matplotlib", "plotly"),
    *("treelite", "sklearn", "scipy", "numpy", "joblib"),
}


def files():
    return sorted(ROOT.rglob("*.py"))


def place_of(path):
    return path.relative_to(ROOT).as_posix()


def floor_of(place):
    return next(floor for pattern, floor in FLOORS if place.startswith(pattern))


def imports(path):
    """(line, dotted name) of every import that runs, `from a import b` as a.b; those for type checkers do not."""
    tree = ast.parse(path.read_text())
    for_types = {id(n) for block in ast.walk(tree) if is_type_checking(block) for n in ast.walk(block)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import) and id(node) not in for_types:
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and id(node) not in for_types:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def is_type_checking(node):
    """``if TYPE_CHECKING:``."""
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def target_place(name):
    """The file that an import of ours means."""
    parts = name.split(".")[1:]
    while parts:
        path = ROOT.joinpath(*parts)
        if path.with_suffix(".py").exists():
            return place_of(path.with_suffix(".py"))
        if path.is_dir():
            return place_of(path) + "/"
        parts = parts[:-1]
    return "__init__.py"


def faults_of_floors():
    for path in files():
        place = place_of(path)
        for line, name in imports(path):
            if not name.startswith("agnostic_ig"):
                continue
            other = target_place(name)
            allowed = any(place == p and other.startswith(t) for p, t in EXCEPTIONS)
            if floor_of(other) > floor_of(place) and not allowed and other != "__init__.py":
                yield f"{place}:{line} imports {name} from a higher floor"


def faults_of_homes():
    for path in files():
        place = place_of(path)
        for line, name in imports(path):
            top = name.partition(".")[0]
            if top in HOMES and not place.startswith(HOMES[top]):
                yield f"{place}:{line} imports {name}; its home is {', '.join(HOMES[top])}"
            if top == "sklearn" and not name.startswith(SKLEARN_ANYWHERE) and not place.startswith(SKLEARN_HOMES):
                yield f"{place}:{line} imports {name}; models of scikit-learn belong to {', '.join(SKLEARN_HOMES)}"


def test_every_file_has_a_floor():
    assert [place_of(p) for p in files() if not any(place_of(p).startswith(f) for f, _ in FLOORS)] == []


def test_imports_go_down():
    assert list(faults_of_floors()) == []


def test_libraries_stay_in_their_homes():
    assert list(faults_of_homes()) == []


def test_no_relative_imports_and_no_drawers():
    names = {path.name for path in files()}
    assert not names & {"utils.py", "core.py", "common.py", "helpers.py"}
    for path in files():
        for node in ast.walk(ast.parse(path.read_text())):
            assert not (isinstance(node, ast.ImportFrom) and node.level), f"{place_of(path)}:{node.lineno}"


@pytest.mark.parametrize("statement", ["import agnostic_ig", "import agnostic_ig.cli as c; c.make_parser()"])
def test_doors_stay_cheap(statement):
    """What the import itself loads, beside what the interpreter has anyway."""
    import subprocess
    import sys

    code = f"import sys; before = set(sys.modules); {statement}; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert HEAVY & {name.partition(".")[0] for name in done.stdout.split()} == set()


def test_public_names_exist():
    import agnostic_ig

    for name in agnostic_ig.__all__:
        assert getattr(agnostic_ig, name) is not None
    assert set(agnostic_ig.__all__) <= set(dir(agnostic_ig))


def test_a_fault_would_be_seen(tmp_path, monkeypatch):
    """The tests above look at real imports: files that break the rules are named with their line."""
    for place, text in {
        "kernels/bad.py": "from agnostic_ig.methods import _base\n",
        "methods/bad.py": "import numba\n\n\ndef f():\n    from sklearn.svm import SVC\n",
        "methods/_base.py": "",
    }.items():
        path = tmp_path / place
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    assert list(faults_of_floors()) == ["kernels/bad.py:1 imports agnostic_ig.methods._base from a higher floor"]
    assert [f.partition(" ")[0] for f in faults_of_homes()] == ["methods/bad.py:1", "methods/bad.py:5"]
