"""Pipelines that take documents: one attribution a word."""

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import (
    CountVectorizer,
    HashingVectorizer,
    TfidfTransformer,
    TfidfVectorizer,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from agnostic_ig import IntegratedGradients
from agnostic_ig.exceptions import InvalidInputError, InvalidParameterError

TEXTS = [
    *("win a free prize now", "free entry, win cash now", "urgent: claim your prize", "cash cash cash, call now"),
    *("are you free tonight?", "see you at home", "call me when you are home", "a cup of tea at home tonight"),
]
SPAM = [1, 1, 1, 1, 0, 0, 0, 0]
NEW = ["free cash tonight", "home", "unknown words only"]

VECTORISERS = {
    "tfidf": lambda: [TfidfVectorizer()],
    "counts": lambda: [CountVectorizer(ngram_range=(1, 2))],
    "counts, weighted": lambda: [CountVectorizer(), TfidfTransformer()],
}


@pytest.mark.parametrize("name", VECTORISERS)
def test_words_of_a_line_share_the_change_by_their_part_of_the_margin(name):
    head = VECTORISERS[name]()
    model = make_pipeline(*head, LogisticRegression(C=10)).fit(TEXTS, SPAM)
    e = IntegratedGradients(model, None, engine="exact").explain(NEW)
    weights = model[:-1].transform(NEW).toarray()
    parts = weights * model[-1].coef_
    p, p0 = model.predict_proba(NEW)[:, 1], model.predict_proba([""])[0, 1]
    size = parts.sum(axis=1)
    wanted = parts * np.divide(p - p0, size, out=np.zeros(3), where=size != 0)[:, None]
    np.testing.assert_allclose(e.values, wanted, rtol=0, atol=1e-14)
    np.testing.assert_allclose(e.base_values, p0, rtol=1e-14)
    assert e.feature_names == model[0].get_feature_names_out().tolist()
    np.testing.assert_array_equal(e.data.toarray(), weights)
    assert e.description["model"] == "Pipeline"
    assert e.description["baseline"] == "the empty document"


def test_words_of_a_forest():
    """As the forest on the weights themselves; what stands behind the vectoriser may be a pipeline."""
    for more in ([], [TruncatedSVD(3, random_state=0)]):
        model = make_pipeline(TfidfVectorizer(), *more, RandomForestClassifier(20, random_state=0)).fit(TEXTS, SPAM)
        e = IntegratedGradients(model, "see you tonight", engine="exact").explain(NEW)
        dense = model[0].transform([*NEW, "see you tonight"]).toarray()
        tail = model[1:] if more else model[-1]
        wanted = IntegratedGradients(tail, dense[3], engine="exact").explain(dense[:3])
        np.testing.assert_array_equal(e.values, wanted.values)
        gap = e.values.sum(axis=1) - (model.predict_proba(NEW)[:, 1] - model.predict_proba(["see you tonight"])[0, 1])
        np.testing.assert_allclose(gap, 0.0, atol=1e-14)


def test_several_documents_as_baseline_and_series():
    """The mean over them; a Series brings its labels."""
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, SPAM)
    ours = IntegratedGradients(model, TEXTS[4:]).explain(pd.Series(NEW, index=["p", "q", "r"]))
    each = [IntegratedGradients(model, text).explain(np.array(NEW, dtype=object)).values for text in TEXTS[4:]]
    np.testing.assert_allclose(ours.values, np.mean(each, axis=0), rtol=0, atol=1e-15)
    assert list(ours.to_frame().index) == ["p", "q", "r"]
    weighted = IntegratedGradients(model, pd.Series(TEXTS[4:6]), baseline_weights=[3, 1]).explain(NEW).values
    np.testing.assert_allclose(weighted, 0.75 * each[0] + 0.25 * each[1], rtol=0, atol=1e-15)


def test_what_is_no_document_is_said():
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, SPAM)
    with pytest.raises(InvalidInputError, match=r"X must be a list of documents. Got one text; pass \[text\]."):
        IntegratedGradients(model, None).explain("free cash")
    with pytest.raises(InvalidInputError, match=r"X must hold text only\. Got nan in row 1"):
        IntegratedGradients(model, None).explain(["free", float("nan")])
    with pytest.raises(InvalidInputError, match="X must have at least one document"):
        IntegratedGradients(model, None).explain([])
    with pytest.raises(InvalidInputError, match="'baseline' parameter of IntegratedGradients must hold text only"):
        IntegratedGradients(model, ["free", None]).explain(["free"])


def test_hashed_words_are_refused():
    model = make_pipeline(HashingVectorizer(n_features=64), LogisticRegression()).fit(TEXTS, SPAM)
    with pytest.raises(InvalidParameterError, match="a pipeline whose vectoriser knows its words"):
        IntegratedGradients(model, None).explain(NEW)
