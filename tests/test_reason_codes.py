"""Reason codes: which reasons, in what order, in what words."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse

from agnostic_ig.exceptions import InvalidInputError, InvalidParameterError
from agnostic_ig.results import Explanation, ReasonCode
from agnostic_ig.results.feature_values import format_contribution, format_value

NAMES = ["amount", "reply", "hour", "country"]
VALUES = np.array([[0.3, 0.1, -0.2, 0.1], [-0.5, -0.25, 0.0, np.nan], [0.0, 0.0, 0.0, 0.0]])


def make(values=VALUES, data=None, **changes):
    n = len(values)
    if data is None:
        data = pd.DataFrame(
            {
                "amount": [1250, 30, 7],
                "reply": ["x.com", None, "y"],
                "hour": [3.0, np.nan, 2.5],
                "country": list("abc"),
            },
            index=["t1", "t2", "t3"],
        )
    fields = {
        "values": values,
        "base_values": np.zeros((n, *np.shape(values)[2:])),
        "predictions": np.zeros((n, *np.shape(values)[2:])),
        "data": data,
        "feature_names": NAMES,
        "output_names": ["fraud"] if np.ndim(values) == 2 else ["good", "fraud"],
        "engine": "numeric",
        "exact": False,
        "response_method": "predict",
    }
    return Explanation(**(fields | changes))


def names(codes):
    return [[code.feature for code in row] for row in codes]


def test_largest_first_ties_in_order_of_features():
    codes = make().reason_codes()
    assert names(codes) == [["amount", "reply", "country"], [], []]
    assert [code.contribution for code in codes[0]] == [0.3, 0.1, 0.1]
    np.testing.assert_allclose([code.share for code in codes[0]], [0.6, 0.2, 0.2], rtol=1e-15)  # one division


def test_many_ties_stay_in_order():
    wide = make(
        values=np.tile([0.5, 0.25], (1, 50)),
        data=np.zeros((1, 100)),
        feature_names=[f"x{j}" for j in range(100)],
    )
    assert names(wide.reason_codes(k=60))[0] == [f"x{j}" for j in [*range(0, 100, 2), *range(1, 20, 2)]]


def test_down():
    codes = make().reason_codes(towards="down")
    assert names(codes) == [["hour"], ["amount", "reply"], []]
    assert [code.contribution for code in codes[1]] == [-0.5, -0.25]
    assert [code.share for code in codes[1]] == [0.5 / 0.75, 0.25 / 0.75]


@pytest.mark.parametrize("wrap", [list, np.array, pd.Series])
def test_a_direction_per_row(wrap):
    assert names(make().reason_codes(towards=wrap(["down", "down", "up"]))) == [
        ["hour"],
        ["amount", "reply"],
        [],
    ]
    assert names(make().reason_codes(towards=wrap(["up", "up", "up"])))[0] == ["amount", "reply", "country"]


def test_at_most_k():
    assert names(make().reason_codes(k=1)) == [["amount"], [], []]
    assert names(make().reason_codes(np.int64(2))) == [["amount", "reply"], [], []]


def test_small_shares_are_left_out():
    assert names(make().reason_codes(min_share=0.21)) == [["amount"], [], []]
    assert names(make().reason_codes(min_share=1.0)) == [[], [], []]
    whole = make().reason_codes(k=1, towards="down", min_share=1.0)
    assert names(whole) == [["hour"], [], []]


def test_shares_count_reasons_that_were_cut_off():
    share = make().reason_codes(k=1)[0][0].share
    assert share == 0.3 / 0.5


def test_values_are_pythons_own():
    row = make().reason_codes()[0]
    assert [(code.value, type(code.value)) for code in row] == [(1250, int), ("x.com", str), ("a", str)]
    assert isinstance(row[0], ReasonCode)
    assert type(row[0].contribution) is float
    assert type(row[0].share) is float


@pytest.mark.parametrize(
    "data",
    [
        np.full((3, 4), 1250.0),
        pl.DataFrame({name: [1250.0] * 3 for name in NAMES}),
        sparse.csr_array(np.full((3, 4), 1250.0)),
        pd.DataFrame({name: pd.array([1250] * 3, dtype="Int64") for name in NAMES}),
        pd.DataFrame({name: pd.Categorical([1250] * 3) for name in NAMES}),
    ],
)
def test_every_container_shows_its_values(data):
    code = make(data=data).reason_codes()[0][0]
    assert code.value == 1250
    assert code.text == "amount = 1250: +0.30"


def test_words():
    phrases = {"reply": "reply goes to another domain", "amount": "paid {value} at once"}
    texts = [[code.text for code in row] for row in make().reason_codes(phrases=phrases)]
    assert texts[0] == [
        "paid 1250 at once: +0.30",
        "reply goes to another domain: +0.10",
        "country = a: +0.10",
    ]
    down = make().reason_codes(towards="down", phrases={"amount": "{value} {0} {value.real}"})
    assert [code.text for code in down[1]] == ["30 {0} {value.real}: -0.50", "reply = missing: -0.25"]


def test_groups_have_no_single_value():
    grouped = make().group({"time and place": ["hour", "country", "reply"]})
    code = grouped.reason_codes(towards="down")[1]
    assert grouped.reason_codes()[0][0].feature == "amount"
    assert [one.feature for one in code] == ["amount"]  # the group holds a NaN in this row
    code = make().group({"g": ["amount", "reply"]}).reason_codes()[0][0]
    assert (code.feature, code.value, code.text) == ("g", None, "g: +0.40")
    with pytest.raises(InvalidParameterError, match="'g' has no single value here"):
        make().group({"g": ["amount", "reply"]}).reason_codes(phrases={"g": "a lot: {value}"})


def test_a_group_named_like_its_member_is_not_the_member():
    code = make().group({"amount": ["amount", "reply"]}).reason_codes()[0][0]
    assert (code.feature, code.value) == ("amount", None)


def test_one_row_and_slices():
    codes = make()[0].reason_codes()
    assert names(codes) == [["amount", "reply", "country"]]
    assert (codes[0][0].value, codes.index.tolist()) == (1250, ["t1"])
    assert names(make()[:, ["hour", "amount"]].reason_codes()) == [["amount"], [], []]
    assert make()[:, "amount"].reason_codes()[0][0].text == "amount = 1250: +0.30"
    assert make()[:0].reason_codes() == []


def test_a_contrast_has_reasons():
    code = make().contrast(0, 1).reason_codes()[0][0]
    assert (code.feature, code.value, code.text) == ("amount", 1250, "amount = 1250: +0.80")


def test_frame():
    frame = make().reason_codes(towards=["up", "down", "up"], k=2).to_frame()
    assert frame.index.names == ["sample", "rank"]
    assert frame.index.tolist() == [("t1", 1), ("t1", 2), ("t2", 1), ("t2", 2)]
    assert list(frame.columns) == ["feature", "value", "contribution", "share", "text"]
    assert frame.loc[("t2", 1), "feature"] == "amount"
    assert frame["contribution"].dtype == np.float64
    assert frame["text"].unstack("rank").loc["t1", 2] == "reply = x.com: +0.10"


def test_frame_without_reasons():
    frame = make().reason_codes(min_share=1.0).to_frame()
    assert frame.shape == (0, 5)
    assert frame["share"].dtype == np.float64


def test_one_output_at_a_time():
    e = make(values=np.stack([-VALUES, VALUES], axis=2))
    with pytest.raises(InvalidInputError, match=r"several \('good', 'fraud'\).*explanation\[\.\.\., 'good'\]"):
        e.reason_codes()
    assert names(e[..., "fraud"].reason_codes())[0] == ["amount", "reply", "country"]
    assert names(e[..., "good"].reason_codes())[0] == ["hour"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 0}, "'k' parameter of Explanation.reason_codes must be an int >= 1. Got 0"),
        ({"k": 2.0}, "'k' parameter"),
        ({"towards": "sideways"}, "'towards' parameter .* Got 'sideways'"),
        ({"towards": 1}, "'towards' parameter .* Got 1"),
        ({"towards": ["up", "down"]}, "array of 3 such words. Got '2 words'"),
        ({"towards": ["up", "down", None]}, "Got None"),
        ({"min_share": 1.5}, "'min_share' parameter .* a float from 0 to 1. Got 1.5"),
        ({"min_share": np.nan}, "'min_share' parameter"),
        ({"min_share": True}, "'min_share' parameter"),
        ({"phrases": ["amount"]}, "'phrases' parameter"),
        ({"phrases": {"amount": 3}}, "'phrases' parameter"),
        ({"phrases": {"amonut": "x"}}, "no feature 'amonut'. Did you mean 'amount'?"),
    ],
)
def test_parameters_that_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=message):
        make().reason_codes(**arguments)


def test_absolute_values_are_no_reasons():
    with pytest.raises(InvalidInputError, match="signed"):
        make().abs.reason_codes()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1250, "1250"),
        (1250.0, "1250"),
        (-0.5, "-0.5"),
        (1234567.891, "1234567.89"),
        (0.000123456789, "0.000123457"),
        (1e300, "1e+300"),
        (np.inf, "inf"),
        (None, "missing"),
        (np.nan, "missing"),
        (pd.NA, "missing"),
        (pd.NaT, "missing"),
        (True, "True"),
        ("red", "red"),
        (np.float32(0.1), "0.1"),
        (np.str_("a"), "a"),
    ],
)
def test_values_in_words(value, text):
    assert format_value(value) == text


@pytest.mark.parametrize(
    ("contribution", "text"),
    [(0.21, "+0.21"), (0.3127, "+0.31"), (-12.345, "-12.35"), (0.0412, "+0.041"), (-3.2e-7, "-3.2e-07")],
)
def test_contributions_in_words(contribution, text):
    assert format_contribution(contribution) == text
