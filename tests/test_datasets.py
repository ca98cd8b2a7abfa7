"""The shipped data: counts, dtypes, split and phrases, against the file read by pandas itself."""

import dataclasses
import subprocess
import sys
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest

from agnostic_ig.datasets import load_email_fraud
from agnostic_ig.exceptions import InvalidParameterError, MissingDependencyError


@pytest.fixture(scope="module")
def oracle():
    with (files("agnostic_ig.datasets") / "data" / "email_fraud.csv.gz").open("rb") as file:
        return pd.read_csv(file, compression="gzip")


def subset(oracle, version):
    """The recipe of the data's own description."""
    if version == "full":
        return oracle
    return pd.concat([oracle[oracle.spam == 0], oracle[oracle.spam == 1].iloc[::8]])


@pytest.mark.parametrize("version", ["full", "fraud"])
def test_frames_equal_the_file(oracle, version):
    mail = load_email_fraud(version)
    wanted = subset(oracle, version)
    pd.testing.assert_frame_equal(mail.data, wanted.drop(columns=["collection", "spam"]), check_exact=True)
    pd.testing.assert_series_equal(mail.target, wanted["spam"])
    assert list(mail.collection) == list(wanted["collection"])
    assert mail.collection.index.equals(wanted.index)


@pytest.mark.parametrize(("version", "n_rows", "n_positive"), [("full", 5926, 1815), ("fraud", 4338, 227)])
def test_counts(version, n_rows, n_positive):
    mail = load_email_fraud(version, as_frame=False)
    assert mail.data.shape == (n_rows, 38)
    assert mail.target.sum() == n_positive
    assert mail.version == version


def test_the_fraud_version_is_the_default():
    assert load_email_fraud().data.shape == (4338, 38)


@pytest.mark.parametrize(
    ("version", "train", "test"),
    [("full", (3203, 481), (2723, 1334)), ("fraud", (2783, 61), (1555, 166))],
)
def test_split_in_time(version, train, test):
    mail = load_email_fraud(version)
    assert (mail.train.sum(), mail.target[mail.train].sum()) == train
    assert (mail.test.sum(), mail.target[mail.test].sum()) == test
    np.testing.assert_array_equal(mail.train, ~mail.test)


def test_collection_is_no_feature():
    mail = load_email_fraud()
    assert not {"collection", "spam"} & set(mail.data.columns)
    assert list(mail.data.columns) == mail.feature_names


def test_arrays_are_the_frames_without_pandas_objects():
    arrays, frames = load_email_fraud(as_frame=False), load_email_fraud(as_frame=True)
    assert arrays.data.dtype == np.float64
    np.testing.assert_array_equal(arrays.data, frames.data.to_numpy())
    np.testing.assert_array_equal(arrays.target, frames.target.to_numpy())
    np.testing.assert_array_equal(arrays.collection, frames.collection.to_numpy(str))


def test_one_phrase_per_feature():
    mail = load_email_fraud()
    assert list(mail.phrases) == mail.feature_names
    assert len(set(mail.phrases.values())) == 38
    assert mail.phrases["reply_to_other_domain"] == "reply goes to another domain = {value}"
    assert all(phrase.endswith(" = {value}") and "_" not in phrase for phrase in mail.phrases.values())


def test_description_states_source_licence_rates_and_every_column():
    mail = load_email_fraud()
    for fact in ["SpamAssassin", "PDDL 1.0", "5,926", "4,338", "2.2 %", "10.7 %", "15.0 %", "49.0 %"]:
        assert fact in mail.description, fact
    for name in mail.feature_names:
        assert name in mail.description, name


def test_result_is_frozen_and_prints_short():
    mail = load_email_fraud()
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'data'"):
        mail.data = None
    assert repr(mail) == "EmailFraud(version='fraud')"


def test_two_loads_share_nothing():
    first = load_email_fraud()
    first.phrases.clear()
    first.data.iloc[:, 0] = -1
    second = load_email_fraud()
    assert len(second.phrases) == 38
    assert (second.data.iloc[:, 0] > 0).all()


def test_unknown_version():
    message = r"The 'version' parameter of load_email_fraud must be one of 'fraud', 'full'\. Got '5%' instead\."
    with pytest.raises(InvalidParameterError, match=message):
        load_email_fraud("5%")


def test_as_frame_must_be_a_flag():
    with pytest.raises(InvalidParameterError, match="'as_frame' parameter of load_email_fraud must be True or False"):
        load_email_fraud(as_frame="yes")


def test_frames_without_pandas_name_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "agnostic-ig\[app\]"'):
        load_email_fraud()
    assert load_email_fraud(as_frame=False).data.shape == (4338, 38)


def test_arrays_never_import_pandas():
    code = (
        "import sys; from agnostic_ig.datasets import load_email_fraud; load_email_fraud(as_frame=False); "
        "sys.exit('pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
