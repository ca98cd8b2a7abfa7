"""Numerical gradients: right, honest about their errors, exact about their cost."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.svm import SVC

import agnostic_ig as aig
from agnostic_ig.exceptions import InvalidInputError, InvalidParameterError, ModelError, ModelOutputError
from agnostic_ig.kernels import finite_difference
from agnostic_ig.numerics.hashing import keys_of_rows, uniform
from agnostic_ig.numerics.stencils import STENCILS

FIELDS = ("gradient", "error", "step", "locally_constant")
EVERY = [(*key, extrapolated) for key in sorted(STENCILS) for extrapolated in (False, True)]
ROUNDING = 4 * np.finfo(float).eps  # of closed forms


class Counted:
    """A function that remembers the rows it was asked for."""

    def __init__(self, function):
        self.function = function
        self.seen = []

    def __call__(self, X):
        self.seen.append(np.array(X, dtype=float))
        return self.function(X)

    @property
    def rows(self):
        return np.concatenate(self.seen)


def wave(X):
    """Curved in every feature, with features that work together."""
    return np.sin(X[:, 0]) * np.exp(0.5 * X[:, 1]) + 1.0 / (1.0 + X[:, 2] ** 2)


def wave_gradient(X):
    a, b, c = X.T
    bump = np.exp(0.5 * b)
    return np.column_stack([np.cos(a) * bump, 0.5 * np.sin(a) * bump, -2.0 * c / (1.0 + c**2) ** 2])


def noisy(X):
    """The same with deterministic noise of 1e-6."""
    return wave(X) + 1e-6 * (2.0 * uniform(keys_of_rows(3, np.asarray(X, float))) - 1.0)


def single(X):
    """The same, rounded to float32 and handed out as float64."""
    return wave(X).astype(np.float32).astype(np.float64)


def stretched(scale, offset):
    """The same in other units, as (function, gradient, rows)."""

    def rows(X):
        return X * scale + offset

    def gradient(X):
        return wave_gradient((X - offset) / scale) / scale

    return (lambda X: wave((X - offset) / scale)), gradient, rows


SCALES = stretched(np.array([1e-6, 1e6, 1e-3]), 0.0)
FAR = stretched(1.0, 1e6)
FUNCTIONS = {
    "smooth": (wave, wave_gradient, lambda X: X),
    "float32": (single, wave_gradient, lambda X: X),
    "float32 answers": (lambda X: wave(X).astype(np.float32), wave_gradient, lambda X: X),
    "float32 inputs": (lambda X: wave(X.astype(np.float32).astype(np.float64)), wave_gradient, lambda X: X),
    "noise 1e-6": (noisy, wave_gradient, lambda X: X),
    "scales": SCALES,
    "far from 0": FAR,
    "at 0": (wave, wave_gradient, lambda X: np.where(np.abs(X) < 0.7, 0.0, X)),
    "large values": (lambda X: wave(X) + 1e5, wave_gradient, lambda X: X),
}


@pytest.fixture
def X(rng):
    return rng.normal(size=(60, 3))


# --- accuracy and honesty -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("options", [{}, {"order": 4}, {"richardson": True}, {"scheme": "backward"}], ids=str)
def test_errors_cover_and_are_sharp(name, options, X):
    """What was promised: 98 % covered, and the median estimate at most 100 times the error."""
    function, slope, place = FUNCTIONS[name]
    X = place(X)
    result, wanted = aig.gradient(function, X, **options), slope(X)
    error = np.abs(result.gradient - wanted)
    assert (error <= result.error + ROUNDING * np.abs(wanted)).mean() >= 0.98
    wrong = error > ROUNDING * np.abs(wanted)
    assert np.median(result.error[wrong] / error[wrong]) <= 100
    assert (wanted[result.locally_constant] == 0.0).all()


@pytest.mark.parametrize(
    ("options", "reached"),
    [
        ({"scheme": "forward", "order": 1}, 1e-7),
        ({}, 1e-9),
        ({"order": 4}, 1e-11),
        ({"order": 6}, 1e-12),
        ({"richardson": True}, 1e-12),
        ({"scheme": "forward", "order": 4}, 1e-10),
    ],
    ids=str,
)
def test_accuracy_of_a_smooth_model(options, reached, X):
    """Ten times what rounding allows: eps**(order / (order + 1))."""
    result = aig.gradient(wave, X, **options)
    assert np.median(np.abs(result.gradient - wave_gradient(X))) <= reached
    assert np.median(result.error) <= 10 * reached


def test_accuracy_follows_the_noise(X):
    """A step of 1e-5 would turn noise of 1e-6 into an error of 0.1."""
    result = aig.gradient(noisy, X)
    assert np.median(np.abs(result.gradient - wave_gradient(X))) < 2e-4
    assert np.median(result.step) > 1e-3


def test_random_models_have_errors_too(X):
    rng = np.random.default_rng(0)
    result = aig.gradient(lambda Z: wave(Z) + 1e-4 * rng.normal(size=len(Z)), X)
    error = np.abs(result.gradient - wave_gradient(X))
    assert (error <= result.error).mean() >= 0.98
    assert np.median(error) < 0.02


@pytest.mark.parametrize(("scheme", "order", "richardson"), EVERY)
def test_every_stencil_is_exact_for_its_polynomials(scheme, order, richardson):
    """x**order has no truncation error at a given step: what is left is rounding, and `error` says how much."""
    result = aig.gradient(
        lambda X: X[:, 0] ** order, [[0.75]], scheme=scheme, order=order, richardson=richardson, step=2.0**-6
    )
    wrong = abs(result.gradient[0, 0] - order * 0.75 ** (order - 1))
    assert wrong <= result.error[0, 0] <= 1e-11
    assert result.step[0, 0] == 2.0**-6


@pytest.mark.parametrize(("scheme", "order", "richardson"), EVERY)
def test_every_stencil_finds_its_step(scheme, order, richardson, X):
    result = aig.gradient(wave, X, scheme=scheme, order=order, richardson=richardson)
    error = np.abs(result.gradient - wave_gradient(X))
    assert (error <= result.error + ROUNDING).mean() >= 0.97
    assert np.median(error) < 1e-7


def test_given_steps_are_used():
    function = Counted(wave)
    result = aig.gradient(function, [[0.5, 1.0, -2.0]], step=[1e-2, 1e-3, 0.125])
    np.testing.assert_allclose(result.step, [[1e-2, 1e-3, 0.125]], rtol=1e-10)
    moved = np.abs(function.rows[:, 2] + 2.0)
    assert set(moved[moved > 1e-4]) == {0.125, 0.0625, 0.03125}
    h = result.step[0, 0]
    ahead, behind = wave(np.array([[0.5 + h, 1.0, -2.0], [0.5 - h, 1.0, -2.0]]))
    assert result.gradient[0, 0] == pytest.approx((ahead - behind) / (2 * h), rel=1e-12)
    wrong = np.abs(result.gradient - wave_gradient(np.array([[0.5, 1.0, -2.0]])))
    assert (wrong <= result.error).all()
    assert (result.error <= 10 * wrong).all()


def test_a_step_that_x_cannot_hold_gives_no_number():
    assert np.isnan(aig.gradient(wave, [[1.0, 1.0, 1.0]], step=1e-18).gradient).all()


def test_models_of_scikit_learn():
    X, y = make_classification(300, 5, n_informative=4, n_redundant=0, random_state=0)
    machine = SVC(gamma=0.2).fit(X, y)
    rows = X[:20]
    apart = rows[:, None, :] - machine.support_vectors_[None]
    weight = -0.4 * machine.dual_coef_[0] * np.exp(-0.2 * (apart**2).sum(axis=2))
    result = aig.gradient(machine, rows)
    assert (np.abs(result.gradient - np.einsum("nk,nkj->nj", weight, apart)) <= result.error).mean() >= 0.98
    assert result.response_method == "decision_function"
    ridge = Ridge().fit(X, y)
    np.testing.assert_allclose(aig.gradient(ridge, rows).gradient, np.tile(ridge.coef_, (20, 1)), atol=1e-10)


# --- where there is no slope --------------------------------------------------------------------------------------


def test_forests_are_locally_constant():
    X, y = make_classification(400, 6, n_informative=4, random_state=0)
    forest = RandomForestClassifier(30, random_state=0).fit(X, y)
    booster = HistGradientBoostingRegressor(max_iter=20).fit(X, y)
    for model, answer in ((forest, lambda Z: forest.predict_proba(Z)[:, 1]), (booster, booster.predict)):
        result = aig.gradient(model, X[:30] + 1e-3)
        assert result.locally_constant.all()
        assert (result.gradient == 0).all()
        assert (result.error < 0.01).all()
        for sign in (-1, 1):  # as far as the step that is said, the model does not move
            for j in range(6):
                moved = X[:30] + 1e-3
                moved[:, j] += sign * result.step[:, j]
                np.testing.assert_array_equal(answer(moved), answer(X[:30] + 1e-3))


def test_a_constant_model_has_no_slope_and_says_how_well_it_knows():
    result = aig.gradient(lambda X: np.full(len(X), 0.1), [[1.0, -3.0]])
    assert result.locally_constant.all()
    assert (result.gradient == 0).all()
    # A slope that moves 0.1 by less than its rounding over the widest step would not have been seen.
    assert ((result.error > 0) & (result.error < 1e-14)).all()


def test_a_slope_below_rounding_is_covered():
    slope = 1e-14
    result = aig.gradient(lambda X: 1.0 + slope * X[:, 0], [[0.3]])
    assert abs(result.gradient[0, 0] - slope) <= result.error[0, 0] < 1e-10


def jump(X):
    return 2.0 * (X[:, 0] > 0.5) + X[:, 1]


@pytest.mark.parametrize(("scheme", "order", "richardson"), EVERY)
def test_a_jump_at_x_is_no_confident_slope(scheme, order, richardson):
    """A backward difference at 0.5 does not see the jump: at 0.5 itself the model still is on the lower side."""
    result = aig.gradient(jump, [[0.5, 1.0]], scheme=scheme, order=order, richardson=richardson)
    if scheme == "backward":
        assert result.locally_constant[0, 0]
        return
    assert result.error[0, 0] >= 2 * abs(result.gradient[0, 0]) > 0
    assert not result.locally_constant[0, 0]
    assert result.error[0, 1] < 1e-6


WAYS = 1.3 * 2.0 ** -np.arange(3.0, 28.0)  # between the places that any step asks for


@pytest.mark.parametrize("order", [2, 4, 6])
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_jump_beside_x_is_left_out(order, sign):
    """The error is that of rounding over a step that does not reach the jump."""
    x = 0.5 + sign * WAYS
    result = aig.gradient(jump, np.column_stack([x, np.ones(len(x))]), order=order)
    step = result.step[:, 0]
    assert (result.gradient[:, 0] == 0.0).all()
    assert result.locally_constant[:, 0].all()
    assert (step * order / 2 <= WAYS).all()
    assert (result.error[:, 0] <= 20 * np.finfo(float).eps * 3.0 / step).all()


@pytest.mark.parametrize("order", [2, 4, 6])
def test_jumps_that_cancel_are_no_slope(order):
    """The same answer on both sides makes a central difference of zero, but not a model that stands still.

    Wider schemes may meet jumps on both sides with their outer places only; the slope is 0 all the same.
    """
    for way in WAYS[:22]:
        result = aig.gradient(lambda X, way=way: 0.1 + 1.0 * (np.abs(X[:, 0] - 2.0) > way), [[2.0]], order=order)
        if result.locally_constant[0, 0]:
            assert result.step[0, 0] * order / 2 <= way
        else:
            assert abs(result.gradient[0, 0]) <= result.error[0, 0] < 1e-6


def test_the_search_ends_where_a_jump_was_met():
    """Three rounds for most entries of a forest: flat, flat farther away, a jump."""
    X, y = make_classification(400, 6, n_informative=4, random_state=0)
    forest = RandomForestClassifier(30, random_state=0).fit(X, y)
    assert aig.gradient(forest, X[:30] + 1e-3).n_evaluations / 180 < 25


def test_a_kink_at_x_is_an_error_of_its_size():
    kinked = aig.gradient(lambda X: np.maximum(X[:, 0], 0.0), [[0.0], [1e-6], [-0.2]])
    assert kinked.gradient[0, 0] == 0.5
    assert 0.5 <= kinked.error[0, 0] < 0.51
    np.testing.assert_allclose(kinked.gradient[1:, 0], [1.0, 0.0], atol=1e-9)
    assert (kinked.error[1:] < 1e-9).all()
    one_sided = aig.gradient(lambda X: np.maximum(X[:, 0], 0.0), [[0.0]], scheme="forward")
    assert one_sided.gradient[0, 0] == 1.0
    assert one_sided.error[0, 0] < 1e-9


# --- bounds, discrete columns, missing values ---------------------------------------------------------------------


@pytest.mark.parametrize("order", [2, 4, 6])
@pytest.mark.parametrize("bounds", [(0.0, 1.0), (np.zeros(2), [1.0, 1.0]), {0: (0, 1), "x1": (0, 1)}], ids=str)
def test_probes_stay_inside_bounds(order, bounds):
    def function(X):
        return np.sqrt(X[:, 0] + 0.1) + X[:, 1] ** 3

    model = Counted(function)
    rows = np.array([[0.0, 1.0], [1e-7, 1.0 - 1e-6], [0.5, 0.5], [1.0, 0.25], [1.0 - 1e-13, 1e-13]])
    result = aig.gradient(model, rows, order=order, bounds=bounds)
    assert ((model.rows >= 0) & (model.rows <= 1)).all()
    wanted = np.column_stack([0.5 / np.sqrt(rows[:, 0] + 0.1), 3 * rows[:, 1] ** 2])
    assert (np.abs(result.gradient - wanted) <= result.error + ROUNDING).all()
    assert (result.error < {2: 1e-8, 4: 1e-9, 6: 1e-9}[order]).all()


def test_a_scheme_turns_round_where_it_has_no_room():
    model = Counted(lambda X: X[:, 0] ** 2)
    result = aig.gradient(model, [[1.0]], scheme="forward", bounds=(None, 1))
    assert model.rows.max() == 1.0
    assert abs(result.gradient[0, 0] - 2.0) <= result.error[0, 0] < 1e-8


def test_the_first_probes_keep_the_sign():
    """log is not defined below 0, and nobody said so."""
    rows = 10.0 ** np.arange(-7.0, 7.0)[:, None]
    for order in (2, 4, 6):
        result = aig.gradient(lambda X: np.log(X[:, 0]), rows, order=order)
        np.testing.assert_allclose(result.gradient, 1.0 / rows, rtol=1e-8)


def test_no_room_no_gradient():
    result = aig.gradient(lambda X: X.sum(axis=1), [[0.0, 1.0]], bounds=([0, 0], [0, 2]))
    assert np.isnan(result.gradient[0, 0])
    assert np.isnan(result.error[0, 0])
    assert np.isnan(result.step[0, 0])
    assert result.gradient[0, 1] == pytest.approx(1.0, abs=1e-9)


def test_missing_and_infinite_values():
    model = Counted(lambda X: np.where(np.isfinite(X), X, 7.0).sum(axis=1))
    rows = np.array([[1.0, np.nan, 2.0], [0.0, 1.0, np.inf]])
    result = aig.gradient(model, rows)
    bad = ~np.isfinite(rows)
    assert np.isnan(result.gradient[bad]).all()
    assert np.isnan(result.error[bad]).all()
    assert not result.locally_constant[bad].any()
    np.testing.assert_allclose(result.gradient[~bad], 1.0, atol=1e-9)
    assert result.n_evaluations == len(model.rows)


def test_discrete_columns_are_never_moved():
    seen = []

    def model(frame):
        seen.append(frame)
        return frame["a"].to_numpy() ** 2 * (1 + frame["c"].cat.codes.to_numpy()) + frame["k"].to_numpy()

    frame = pd.DataFrame({"a": [1.0, 2.0], "c": pd.Categorical(["x", "y"]), "k": [3, 4], "flag": [True, False]})
    result = aig.gradient(model, frame, categorical_features=["k"])
    assert result.feature_names == ["a", "c", "k", "flag"]
    np.testing.assert_allclose(result.gradient[:, 0], [2.0, 8.0], rtol=1e-8)
    assert np.isnan(result.gradient[:, 1:]).all()
    assert all(set(one["k"]) <= {3, 4} and one["k"].dtype == np.int64 for one in seen)
    assert all(one["c"].dtype == frame["c"].dtype for one in seen)
    assert set(zip(seen[-1]["c"], seen[-1]["k"], strict=True)) == {("x", 3), ("y", 4)}


def test_nothing_can_move():
    result = aig.gradient(lambda X: X[:, 0], [[1.0]], categorical_features=[0])
    assert np.isnan(result.gradient).all()
    assert result.n_evaluations == 1
    assert "1 NaN" in repr(result)


# --- outputs and containers ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def iris():
    from sklearn.datasets import load_iris

    X, y = load_iris(return_X_y=True, as_frame=True)
    names = np.array(["setosa", "versicolor", "virginica"])
    return LogisticRegression(max_iter=1000).fit(X, names[y]), X.iloc[::25]


def test_outputs_and_targets(iris):
    model, X = iris
    full = aig.gradient(model, X)
    assert full.gradient.shape == full.error.shape == full.step.shape == full.locally_constant.shape == (6, 4, 3)
    assert full.output_names == ["setosa", "versicolor", "virginica"]
    p = model.predict_proba(X)
    wanted = p[:, None, :] * (model.coef_.T[None] - (p @ model.coef_)[:, :, None])
    assert (np.abs(full.gradient - wanted) <= full.error).mean() >= 0.98
    one = aig.gradient(model, X, target="virginica")
    np.testing.assert_allclose(one.gradient, wanted[:, :, 2], atol=1e-8)
    own = aig.gradient(model, X, target=model.predict(X))
    np.testing.assert_allclose(own.gradient, wanted[np.arange(6), :, p.argmax(axis=1)], atol=1e-8)
    assert own.output_names == ["target of each row"]


def test_every_output_gets_a_step_of_its_own():
    """One is straight, the other bends a thousand times as fast as the scale of x says."""

    def model(X):
        return np.column_stack([X[:, 0], np.sin(1000.0 * X[:, 0]) / 1000.0, np.zeros(len(X))])

    result = aig.gradient(model, [[0.314]])
    wanted = [1.0, np.cos(314.0), 0.0]
    assert (np.abs(result.gradient[0, 0] - wanted) <= result.error[0, 0]).all()
    assert (result.error[0, 0] < 1e-8).all()
    assert result.step[0, 0, 1] < result.step[0, 0, 0]


def test_two_classes_explain_the_second():
    X, y = make_classification(100, 4, random_state=0)
    model = LogisticRegression().fit(X, y)
    positive, negative = aig.gradient(model, X[:5]), aig.gradient(model, X[:5], target=0)
    assert positive.gradient.shape == (5, 4)
    np.testing.assert_allclose(positive.gradient, -negative.gradient, atol=1e-9)
    margin = aig.gradient(model, X[:5], response_method="decision_function", target=0)
    np.testing.assert_allclose(margin.gradient, np.tile(-model.coef_, (5, 1)), atol=1e-9)
    assert (margin.error >= 0).all()
    assert (margin.step > 0).all()


def test_frames(iris):
    model, X = iris
    result = aig.gradient(model, X, target="setosa")
    frame = result.to_frame()
    assert list(frame.columns) == list(X.columns)
    assert frame.index.tolist() == X.index.tolist()
    np.testing.assert_array_equal(frame.to_numpy(), result.gradient)
    several = aig.gradient(model, X)
    frame = several.to_frame()
    assert frame.index.names == ["sample", "output"]
    assert frame.loc[(25, "versicolor")].tolist() == several.gradient[1, :, 1].tolist()


def test_containers_agree():
    X = np.arange(6.0).reshape(3, 2) + 0.5

    def model(table):
        table = table.toarray() if sparse.issparse(table) else np.asarray(table)
        return np.sin(table[:, 0]) + table[:, 1] ** 2

    wanted = aig.gradient(model, X)
    for table in (X.tolist(), np.asfortranarray(X), pd.DataFrame(X, columns=["a", "b"]), sparse.csr_matrix(X)):
        result = aig.gradient(model, table)
        for name in FIELDS:
            np.testing.assert_array_equal(getattr(result, name), getattr(wanted, name))


def test_input_is_not_modified(X):
    before = X.copy()
    X.setflags(write=False)

    def greedy(Z):
        answer = wave(Z)
        Z *= 0.0
        return answer

    np.testing.assert_allclose(aig.gradient(greedy, X).gradient, wave_gradient(X), atol=1e-8)
    np.testing.assert_array_equal(X, before)


def test_repr_is_one_line(iris):
    text = repr(aig.gradient(*iris, target="setosa"))
    assert text.startswith("<GradientResult of 6 samples x 4 features: predict_proba (setosa), 0 of 24 locally const")
    assert "\n" not in text


# --- cost, batches and seeds --------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"order": 6}, {"richardson": True}, {"step": 0.1}, {"batch_size": 7}], ids=str)
@pytest.mark.parametrize("function", [wave, noisy, single, jump], ids=lambda f: f.__name__)
def test_evaluations_are_counted(function, options, X):
    model = Counted(function)
    assert aig.gradient(model, X, **options).n_evaluations == len(model.rows)


def test_cost_of_a_smooth_entry(X):
    """Two rounds of six probes and its share of a line for the noise; scipy.differentiate asks for 11 to 27."""
    assert aig.gradient(wave, X).n_evaluations / X.size < 16


def test_probes_of_all_rows_share_calls(X):
    """A call for X, up to two for the noise, and one for every round."""
    model = Counted(wave)
    aig.gradient(model, X)
    assert len(model.seen) <= 1 + 2 + 7


@pytest.mark.parametrize("function", [wave, noisy, single, jump], ids=lambda f: f.__name__)
def test_batches_threads_and_company_change_nothing(function, X):
    whole = aig.gradient(function, X)
    parts = aig.gradient(function, X, batch_size=7, n_jobs=2)
    alone = aig.gradient(function, X[10:11])
    turned = aig.gradient(function, X[::-1])
    for name in FIELDS:
        wanted = getattr(whole, name)
        np.testing.assert_array_equal(getattr(parts, name), wanted)
        np.testing.assert_array_equal(getattr(alone, name), wanted[10:11])
        np.testing.assert_array_equal(getattr(turned, name), wanted[::-1])
    assert parts.n_evaluations == whole.n_evaluations


def test_batch_size_bounds_calls(X):
    model = Counted(wave)
    aig.gradient(model, X, batch_size=2)
    assert max(map(len, model.seen[1:])) <= 2 * 7 * 3


def test_tables_of_probes_are_bounded(monkeypatch):
    from agnostic_ig.numerics import step_search

    wide = np.random.default_rng(0).normal(size=(5, 40))
    model = Counted(lambda X: X.sum(axis=1))
    wanted = aig.gradient(lambda X: X.sum(axis=1), wide)
    monkeypatch.setattr(step_search, "CELLS_PER_CALL", 40 * 30)
    result = aig.gradient(model, wide)
    assert max(len(rows) for rows in model.seen[4:]) <= 30
    np.testing.assert_array_equal(result.gradient, wanted.gradient)


def test_random_state_turns_the_lines(X):
    lines = []
    for seed in (0, 0, 1):
        model = Counted(wave)
        aig.gradient(model, X[:5], random_state=seed)
        lines.append(model.seen[1])
    np.testing.assert_array_equal(lines[0], lines[1])
    assert (lines[0] != lines[2]).any()


def test_compiled_kernels_and_python_agree(X, monkeypatch):
    cases = [(wave, {}), (single, {"order": 4}), (jump, {}), (wave, {"richardson": True}), (wave, {"step": 0.01})]
    compiled = [aig.gradient(f, X[:6], **options) for f, options in cases]
    kernels = {name: one.py_func for name, one in vars(finite_difference).items() if hasattr(one, "py_func")}
    assert len(kernels) > 5
    for name, one in kernels.items():
        monkeypatch.setattr(finite_difference, name, one)
    for name in ("build_stencil_rows", "judge_answers"):
        monkeypatch.setattr(f"agnostic_ig.numerics.step_search.{name}", kernels[name])
    for (f, options), wanted in zip(cases, compiled, strict=True):
        with np.errstate(divide="ignore", invalid="ignore"):
            result = aig.gradient(f, X[:6], **options)
        assert result.n_evaluations == wanted.n_evaluations
        np.testing.assert_array_equal(result.step, wanted.step)
        # Compilers may fuse multiplication and addition: one rounding of an answer over the step.
        np.testing.assert_allclose(result.gradient, wanted.gradient, atol=1e-15 / wanted.step.min())


@pytest.fixture(params=["compiled", "python"])
def kernels(request):
    """Kernels by name, compiled or not."""

    def find(name):
        kernel = getattr(finite_difference, name)
        return kernel if request.param == "compiled" else kernel.py_func

    return find


def test_probes_are_clipped_to_bounds(kernels):
    """Rounding of x + h could pass a bound by one unit in the last place."""
    rows, bounds = np.array([[0.3, 9.0]]), np.array([[0.25, -np.inf], [0.4, np.inf]])
    entries = _entries(step=0.2)
    plans = finite_difference.Plans(
        np.array([[-1.0, 1.0]]), np.array([2]), np.zeros((1, 3, 2)), np.zeros((1, 3, 2)), np.ones((1, 3)), np.array([2])
    )
    out = np.empty((2, 2))
    kernels("build_stencil_rows")(rows, bounds, entries, plans, np.array([0]), np.array([0, 2]), out)
    np.testing.assert_array_equal(out, [[0.25, 9.0], [0.4, 9.0]])


def _entries(step):
    """One entry: the first column of the first row."""
    number, output = np.zeros(1), np.zeros((1, 1))
    return finite_difference.Entries(
        np.array([0]), np.array([0]), np.array([0]), np.full(1, step), number + 1e-9, number + 1.0, number.copy(),
        number + np.inf, np.ones(1, dtype=bool), output + np.nan, output + np.inf, output + np.nan, output > 0.0,
    )  # fmt: skip


def test_what_was_flat_nearby_stays_flat(kernels):
    """Jumps on both sides cancel in the widest estimate, whose noise is the smallest."""
    entries = _entries(step=1.0)
    noise, moves = np.array([1.0, 2.0, 4.0]) * 1e-12, np.array([True, False, False])
    kernels("_keep_best")(entries, 0, 0, 1.0, np.zeros(3), np.zeros(3), noise, 0.0, moves, 3)
    assert entries.flat[0, 0]
    assert (entries.best[0, 0], entries.error[0, 0], entries.at[0, 0]) == (0.0, 2e-12, 0.5)


def test_float32_is_believed_only_if_the_answers_are(kernels):
    rounding, unit = kernels("_rounding"), float(np.finfo(np.float32).eps) / 2
    assert rounding(np.array([0.5, 1.0]), unit) == unit
    assert rounding(np.array([0.5, 0.1]), unit) == 2.0**-53
    assert rounding(np.array([0.5, 0.1]), 2.0**-53) == 2.0**-53


def test_estimates_that_part_in_the_end_want_a_shorter_step(kernels):
    """Jumps at some places only: the wide estimates agree, the narrow one does not."""
    from agnostic_ig.numerics.step_search import SEARCH

    noise, moves, truncation = np.array([1.0, 2.0, 4.0]) * 1e-12, np.ones(3, dtype=bool), np.ones(3)
    wanted = kernels("_wanted")
    parted = wanted(np.array([1.0, 1.0, 2.0]), truncation, noise, moves, 2, 1.0, 1e-16, SEARCH)
    assert parted < 1e-3
    assert wanted(np.array([1.0, 1.0, 1.0]), truncation, noise, moves, 2, 1.0, 1e-16, SEARCH) >= 1.0


# --- bad input ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"scheme": "sideways"}, r"'scheme' parameter of gradient must be one of 'central', 'forward', 'backward'"),
        ({"order": 1}, r"'order' parameter of gradient must be one of 2, 4, 6 for scheme='central'\. Got 1"),
        ({"order": 3, "scheme": "forward"}, r"must be one of 1, 2, 4, 6 for scheme='forward'"),
        ({"order": True, "scheme": "forward"}, r"'order' parameter"),
        ({"richardson": 1}, r"'richardson' parameter of gradient must be True or False"),
        ({"step": -1}, r"'step' parameter of gradient must be 'auto', a float > 0, or 3 of them"),
        ({"step": "small"}, r"'step' parameter"),
        ({"step": True}, r"'step' parameter"),
        ({"step": [1, 2]}, r"'step' parameter"),
        ({"step": np.nan}, r"'step' parameter"),
        ({"bounds": (1, 0)}, r"'bounds' parameter of gradient must be None, \(low, high\) with low <= high"),
        ({"bounds": 5}, r"'bounds' parameter"),
        ({"bounds": (0, [1, 2])}, r"'bounds' parameter"),
        ({"bounds": (np.nan, 1)}, r"'bounds' parameter"),
        ({"bounds": {"q": (0, 1)}}, r"'bounds' parameter of gradient must be a dict whose keys are columns of X"),
        ({"bounds": {3: (0, 1)}}, r"'bounds' parameter of gradient must be a dict whose keys"),
        ({"n_jobs": 0}, r"'n_jobs' parameter of gradient"),
        ({"batch_size": 0}, r"'batch_size' parameter of gradient"),
        ({"random_state": "a"}, r"'random_state' parameter of gradient"),
        ({"response_method": "predict"}, r"'response_method' parameter of gradient"),
        ({"categorical_features": [9]}, r"'categorical_features' parameter of gradient"),
    ],
)
def test_bad_parameters_are_refused_before_work(options, match, X):
    model = Counted(wave)
    with pytest.raises(InvalidParameterError, match=match):
        aig.gradient(model, X, **options)
    assert model.seen == []


def test_rows_outside_bounds_are_refused(X):
    model = Counted(wave)
    X[3, 1] = 7.5
    with pytest.raises(InvalidInputError, match=r"X holds 7\.5 in row 3 of column 'x1', outside its bounds \[-7, 7\]"):
        aig.gradient(model, X, bounds=(-7, 7))
    assert model.seen == []


def test_unknown_targets_and_tables_are_refused(X):
    with pytest.raises(InvalidParameterError, match="'target' parameter of gradient"):
        aig.gradient(wave, X, target=4)
    with pytest.raises(InvalidInputError, match=r"X must be 2-D"):
        aig.gradient(wave, X[0])
    with pytest.raises(InvalidParameterError, match="must be fitted"):
        aig.gradient(LogisticRegression(), X)


def test_a_model_that_is_not_defined_beside_x_says_what_to_do():
    def defined_at_two(X):
        with np.errstate(invalid="ignore"):
            return np.where(X[:, 0] <= 2.0, X[:, 0], np.nan)

    with pytest.raises(ModelOutputError, match=r"finite numbers.*pass bounds=\(low, high\)"):
        aig.gradient(defined_at_two, [[2.0]])
    result = aig.gradient(defined_at_two, [[2.0]], bounds=(None, 2.0))
    assert result.gradient[0, 0] == pytest.approx(1.0, abs=1e-9)


def test_the_error_of_a_model_is_shown(X):
    def broken(Z):
        raise KeyError("no such thing")

    with pytest.raises(ModelError, match="The model raised KeyError"):
        aig.gradient(broken, X)
