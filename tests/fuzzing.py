"""Damaged model files, each loaded and asked for predictions in a process of its own; the ends are counted.

``run_model_file_campaign(20, seed=0)`` is what the tests run; campaigns ask for more.
"""

import functools
import io
import json
import multiprocessing
import re
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

# What can become of a file, in the order of the exit codes of the process that tries it.
OUTCOMES = ("same", "different", "refused", "error", "escaped")
FIRST_CODE = 10  # not a code that Python itself ends with
RESPONSES = ("predict", "predict_proba", "decision_function", "score_samples", "apply", "decision_path")
MEMORY_LIMIT = 6 << 30
TIMEOUT_SECONDS = 60

# Numbers that go wrong in different ways: beside the ends, far away, negative, not a number.
STRANGE = (
    -1,
    -2,
    0,
    1,
    2,
    3,
    7,
    255,
    256,
    10_000,
    2**31 - 1,
    -(2**31),
    2**62,
    -(2**62),
    np.inf,
    -np.inf,
    np.nan,
    0.5,
)


def training_data() -> tuple[np.ndarray, np.ndarray]:
    """Four columns, the last one with whole numbers from 0 to 4; three classes."""
    rng = np.random.default_rng(7)
    X = rng.normal(size=(90, 4))
    X[:, 3] = rng.integers(0, 5, size=90)
    return X, (X[:, 0] + X[:, 1] > 0).astype(int) + (X[:, 3] > 3)


def probe_rows() -> np.ndarray:
    """Rows that reach every leaf that training rows reach, and rows far outside."""
    X, _ = training_data()
    far = np.array([[1e6, -1e6, 1e6, 4.0], [-1e6, 1e6, -1e6, 0.0], [0.0, 0.0, 0.0, 200.0]])
    return np.concatenate([X, X[::-1] * 0.5, far])


def model_families() -> dict[str, Callable[[], Any]]:
    """Unfitted models of every family whose compiled code reads numbers of the file."""
    from sklearn import calibration, cluster, ensemble, linear_model, neighbors, neural_network, svm, tree
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import SplineTransformer, StandardScaler

    small: dict[str, Any] = {"n_estimators": 4, "random_state": 0}
    hist: dict[str, Any] = {"max_iter": 4, "categorical_features": [3], "min_samples_leaf": 3}
    forest = ensemble.RandomForestClassifier(**small)
    return {
        "tree": lambda: tree.DecisionTreeClassifier(random_state=0),
        "forest": lambda: ensemble.RandomForestClassifier(**small),
        "extra_trees": lambda: ensemble.ExtraTreesRegressor(**small),
        "boosting_classes": lambda: ensemble.GradientBoostingClassifier(**small),
        "boosting": lambda: ensemble.GradientBoostingRegressor(**small),
        "hist_classes": lambda: ensemble.HistGradientBoostingClassifier(**hist),
        "hist": lambda: ensemble.HistGradientBoostingRegressor(**hist),
        "isolation": lambda: ensemble.IsolationForest(max_features=0.5, **small),
        "kd_tree": lambda: neighbors.KNeighborsClassifier(algorithm="kd_tree", leaf_size=5),
        "ball_tree": lambda: neighbors.KNeighborsRegressor(algorithm="ball_tree", leaf_size=5),
        "brute_force": lambda: neighbors.KNeighborsClassifier(algorithm="brute"),
        "outlier_factor": lambda: neighbors.LocalOutlierFactor(novelty=True, leaf_size=5),
        "svc": lambda: svm.SVC(),
        "svr": lambda: svm.NuSVR(),
        "one_class": lambda: svm.OneClassSVM(kernel="poly"),
        "k_means": lambda: cluster.KMeans(n_clusters=3, n_init=1, random_state=0),
        "splines": lambda: make_pipeline(SplineTransformer(), StandardScaler(), linear_model.LogisticRegression()),
        "network": lambda: neural_network.MLPClassifier((5,), max_iter=5, random_state=0),
        "calibrated": lambda: calibration.CalibratedClassifierCV(forest, method="isotonic", cv=2),
        "stacked": lambda: ensemble.StackingClassifier([("f", forest)], final_estimator=forest, cv=2),
    }


@functools.cache
def fitted_models() -> dict[str, Any]:
    """Every family, fitted once; to be copied before anything is changed."""
    X, y = training_data()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the network is not trained to the end
        return {name: make().fit(X, y) for name, make in model_families().items()}


def saved(model: Any, folder: Path) -> Path:
    """A skops file of the model."""
    import skops.io

    path = folder / "model.skops"
    skops.io.dump(model, path)
    return path


def answers(model: Any, X: np.ndarray) -> dict[str, np.ndarray]:
    """Whatever a model says about the rows."""
    return {word: _plain(getattr(model, word)(X)) for word in RESPONSES if hasattr(model, word)}


def _plain(answer: Any) -> np.ndarray:
    """An array; decision paths are sparse, and those of forests come with something else."""
    answer = answer[0] if isinstance(answer, tuple) else answer
    return np.asarray(answer.sum(axis=1) if hasattr(answer, "tocsr") else answer)


# --- ways to damage a file: (bytes of a skops file, generator) -> other bytes


def truncated(data: bytes, rng: np.random.Generator) -> bytes:
    """The beginning of a file."""
    return data[: rng.integers(len(data))]


def bits_flipped(data: bytes, rng: np.random.Generator) -> bytes:
    """A few bits of the whole file; mostly caught by the archive's checksums."""
    damaged = bytearray(data)
    for place in rng.integers(len(data), size=rng.integers(1, 6)):
        damaged[place] ^= 1 << rng.integers(8)
    return bytes(damaged)


def member_bits_flipped(data: bytes, rng: np.random.Generator) -> bytes:
    """Bits of one member, with a checksum that fits again."""
    name = rng.choice(_members(data, ""))
    return rewritten(data, {name: bits_flipped(read_member(data, name), rng)})


def node_number_overwritten(data: bytes, rng: np.random.Generator) -> bytes:
    """One field of one node of one tree."""
    tables = [name for name in _members(data, ".npy") if _array(data, name).dtype.names]
    if not tables:
        return array_number_overwritten(data, rng)
    name = rng.choice(tables)
    nodes = _array(data, name).copy()
    _overwrite(nodes[rng.choice(nodes.dtype.names)], rng)
    return rewritten(data, {name: array_bytes(nodes)})


def array_number_overwritten(data: bytes, rng: np.random.Generator) -> bytes:
    """One number of one array."""
    name = rng.choice([name for name in _members(data, ".npy") if _array(data, name).size])
    array = np.array(_array(data, name))
    field = array[rng.choice(array.dtype.names)] if array.dtype.names else array
    _overwrite(field, rng)
    return rewritten(data, {name: array_bytes(array)})


def array_reshaped(data: bytes, rng: np.random.Generator) -> bytes:
    """One array with a few rows or columns more or less."""
    name = rng.choice(_members(data, ".npy"))
    array = _array(data, name)
    shape = [max(0, length + rng.integers(-2, 3)) for length in array.shape]
    return rewritten(data, {name: array_bytes(np.resize(array, shape))})


def schema_number_overwritten(data: bytes, rng: np.random.Generator) -> bytes:
    """One number among the attributes that are stored as text."""
    schema = json.loads(read_member(data, "schema.json"))
    numbers = list(_numbers(schema))
    number = numbers[rng.integers(len(numbers))]
    number["content"] = str(int(rng.choice([value for value in STRANGE if np.isfinite(value)])))
    # Equal numbers share an id, and skops takes what it reads first for all of them.
    number["__id__"] = -1
    return rewritten(data, {"schema.json": json.dumps(schema).encode()})


def _numbers(value: Any) -> Iterator[dict[str, Any]]:
    """Descriptions of whole numbers."""
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _numbers(item)
    if isinstance(value, dict) and re.fullmatch(r"-?\d+", str(value.get("content"))):
        yield value


MUTATIONS: tuple[Callable[[bytes, np.random.Generator], bytes], ...] = (
    node_number_overwritten,
    array_number_overwritten,
    schema_number_overwritten,
    array_reshaped,
    member_bits_flipped,
    bits_flipped,
    truncated,
)


def rewritten(data: bytes, changes: dict[str, bytes]) -> bytes:
    """The same archive with some members replaced."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, changes[name] if name in changes else old.read(name))
    return target.getvalue()


def read_member(data: bytes, name: str) -> bytes:
    """One member of an archive."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.read(name)


def array_bytes(array: np.ndarray) -> bytes:
    """An array in numpy's own format."""
    target = io.BytesIO()
    np.save(target, array, allow_pickle=False)
    return target.getvalue()


def _members(data: bytes, ending: str) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [name for name in archive.namelist() if name.endswith(ending)]


def _array(data: bytes, name: str) -> np.ndarray:
    return np.load(io.BytesIO(read_member(data, name)), allow_pickle=False)


def _overwrite(field: np.ndarray, rng: np.random.Generator) -> None:
    """Put a strange number at one place, as far as the dtype can hold it."""
    place = tuple(rng.integers(length) for length in field.shape)
    number = rng.choice(np.array(STRANGE))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        field[place] = np.asarray(number).astype(field.dtype)


# --- the campaign


def run_model_file_campaign(n: int, seed: int) -> dict[str, int]:
    """Damage `n` files, load each one and predict if it loads, and count what happened.

    Returns
    -------
    dict
        "same" or "different" predictions, "refused" with a clear error by `load_model`, a Python "error" when
        asked for predictions, anything else that "escaped" `load_model`, "crash" or "hang" of the process.
    """
    import skops.io

    counts = dict.fromkeys((*OUTCOMES, "crash", "hang"), 0)
    files = {name: (skops.io.dumps(model), answers(model, probe_rows())) for name, model in fitted_models().items()}
    names = sorted(files)
    for trial in range(n):
        rng = np.random.default_rng((seed, trial))
        # Families and mutations advance together; their numbers have no common factor, so all pairs come.
        data, expected = files[names[trial % len(names)]]
        damaged = MUTATIONS[trial % len(MUTATIONS)](data, rng)
        counts[outcome(damaged, expected)] += 1
    return counts


def outcome(data: bytes, expected: dict[str, np.ndarray], load: Callable[[Path], Any] | None = None) -> str:
    """What becomes of a process that loads this skops file, by `load_model` unless told, and predicts."""
    context = multiprocessing.get_context("forkserver" if sys.platform != "win32" else "spawn")
    # Imported once by the server, so that a file costs no start-up.
    context.set_forkserver_preload(["fuzzing", "skops.io", "agnostic_ig.model_files"])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "damaged.skops"
        path.write_bytes(data)
        process = context.Process(target=_try_file, args=(path, expected, load))
        process.start()
        process.join(TIMEOUT_SECONDS)
        if process.is_alive():
            process.kill()
            process.join()
            return "hang"
    code = process.exitcode - FIRST_CODE
    return OUTCOMES[code] if 0 <= code < len(OUTCOMES) else "crash"


def load_unchecked(path: Path) -> Any:
    """What skops alone does with the types that we allow: shows what the checks are for."""
    import skops.io

    from agnostic_ig.model_files.allowed_types import ALLOWED_TYPES

    return skops.io.load(path, trusted=sorted(ALLOWED_TYPES))


def _try_file(path: Path, expected: dict[str, np.ndarray], load: Callable[[Path], Any] | None) -> None:
    """Load and predict, in a process that may die; the exit code says what happened."""
    from agnostic_ig.exceptions import InvalidInputError, UnsafeFileError
    from agnostic_ig.model_files import load_model

    warnings.simplefilter("ignore")
    _limit_memory()
    try:
        model = (load or load_model)(path)
    except (UnsafeFileError, InvalidInputError):
        _finish("refused")
    except Exception:
        _finish("escaped")
    try:
        found = answers(model, probe_rows())
    except Exception:
        _finish("error")
    same = all(word in found and np.array_equal(found[word], expected[word], equal_nan=True) for word in expected)
    _finish("same" if same else "different")


def _finish(outcome: str) -> None:
    sys.exit(FIRST_CODE + OUTCOMES.index(outcome))


def _limit_memory() -> None:
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
