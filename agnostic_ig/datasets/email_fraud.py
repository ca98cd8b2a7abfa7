"""Unsolicited and scam mail against ordinary mail: real, small, and with features that read aloud."""

import csv
import gzip
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import numpy as np

from agnostic_ig.validation import check_choice, check_flag, import_optional

__all__ = ["EmailFraud", "load_email_fraud"]

TARGET, COLLECTION = "spam", "collection"

# What each feature is called in reason codes; the keys are the features, in the file's order.
WORDS = {
    "n_words": "length of the message in words",
    "is_html": "message is written in HTML",
    "n_attachments": "number of attachments",
    "n_urls": "number of links",
    "n_url_domains": "number of different sites linked to",
    "n_url_raw_ip": "links to a bare IP address",
    "n_url_port": "links with an explicit port number",
    "n_images": "number of images",
    "has_form": "message contains a form to fill in",
    "n_recipients": "number of recipients",
    "reply_to_other_domain": "reply goes to another domain",
    "from_free_mail": "sender uses a free mail provider",
    "from_digits": "digits in the sender's address",
    "from_no_name": "sender gives no name",
    "high_priority": "message is marked as high priority",
    "subject_chars": "length of the subject line",
    "subject_is_reply": "subject is that of a reply",
    "subject_upper_share": "share of capitals in the subject",
    "subject_exclaim": "exclamation marks in the subject",
    "subject_money": "subject speaks of money",
    "body_upper_share": "share of capitals in the text",
    "body_digit_share": "share of digits in the text",
    "body_non_ascii_share": "share of non-ASCII characters in the text",
    "exclaim_per_1k_words": "exclamation marks per 1,000 words",
    "dollar_per_1k_words": "dollar signs per 1,000 words",
    "quoted_line_share": "share of lines quoted from an earlier message",
    "word_free": "words like “free” per 1,000 words",
    "word_money": "words about money per 1,000 words",
    "word_credit_loan": "words about credit and loans per 1,000 words",
    "word_account": "words about accounts per 1,000 words",
    "word_winner": "words about winning per 1,000 words",
    "word_urgent": "words of urgency per 1,000 words",
    "word_click": "words like “click” per 1,000 words",
    "word_remove": "words about removal from a list per 1,000 words",
    "word_guarantee": "words of guarantee per 1,000 words",
    "word_order": "words about ordering per 1,000 words",
    "word_pharma": "words about medicines per 1,000 words",
    "word_secret": "words of secrecy per 1,000 words",
}


@dataclass(frozen=True)
class EmailFraud:
    """Messages, their class and a split in time; made by :func:`load_email_fraud`.

    Attributes
    ----------
    data : DataFrame or ndarray of shape (n_samples, 38)
        The features: counts, shares and 0/1 flags, no missing values.
    target : Series or ndarray of shape (n_samples,)
        1 for unsolicited or scam mail, 0 for ordinary mail.
    collection : Series or ndarray of shape (n_samples,)
        Group of the corpus each message came from. It names the class: never a feature.
    train, test : ndarray of bool, shape (n_samples,)
        Messages gathered earlier (collections that end in ``-1``) and later (``-2``).
    feature_names : list of str
        Names of the columns of `data`.
    phrases : dict of str to str
        Feature -> how to say it, for ``Explanation.reason_codes(phrases=...)``; ``{value}`` stands for the
        value in the row, because a flag that is 0 can be a reason too.
    description : str
        Source, licence, counts and the meaning of every column.
    """

    data: Any = field(repr=False)
    target: Any = field(repr=False)
    collection: Any = field(repr=False)
    train: np.ndarray = field(repr=False)
    test: np.ndarray = field(repr=False)
    feature_names: list[str] = field(repr=False)
    phrases: dict[str, str] = field(repr=False)
    description: str = field(repr=False)
    version: str = "fraud"


def load_email_fraud(version: str = "fraud", as_frame: bool = True) -> EmailFraud:
    """Load the e-mail data that ships with the package.

    Parameters
    ----------
    version : {"fraud", "full"}, default="fraud"
        ``"full"``: 5,926 messages, 30.6 % spam. ``"fraud"``: every ordinary message and every eighth
        spam message, 4,338 rows with 227 positives (5.2 %), as rare as fraud tends to be.
    as_frame : bool, default=True
        pandas objects whose index is the row of the file; False: float64 and int64 arrays, without pandas.

    Returns
    -------
    EmailFraud
        A frozen dataclass with `data`, `target`, `collection`, `train`, `test`, `feature_names`, `phrases`
        and `description`.

    Raises
    ------
    InvalidParameterError
        `version` or `as_frame` is something else.
    MissingDependencyError
        ``as_frame=True`` without pandas.

    Notes
    -----
    The split is one in time, and the share of positives moves with it: 2.2 % of the training and 10.7 % of
    the test rows in the ``"fraud"`` version, 15.0 % and 49.0 % in the ``"full"`` one.

    Examples
    --------
    >>> from agnostic_ig.datasets import load_email_fraud
    >>> mail = load_email_fraud(as_frame=False)
    >>> mail.data.shape, int(mail.target.sum())
    ((4338, 38), 227)
    >>> mail.phrases["reply_to_other_domain"]
    'reply goes to another domain = {value}'
    """
    version = check_choice("load_email_fraud", "version", version, tuple(VERSIONS))
    as_frame = check_flag("load_email_fraud", "as_frame", as_frame)
    columns = _read_columns()
    rows = VERSIONS[version](columns[TARGET])
    columns = {name: column[rows] for name, column in columns.items()}
    collection = columns[COLLECTION]
    containers = _frames(columns, rows) if as_frame else _arrays(columns)
    return EmailFraud(
        *containers,
        train=np.char.endswith(collection, "-1"),
        test=np.char.endswith(collection, "-2"),
        feature_names=list(WORDS),
        phrases={name: f"{words} = {{value}}" for name, words in WORDS.items()},
        description=_resource("email_fraud.md").read_text(encoding="utf-8"),
        version=version,
    )


def _all_rows(target: np.ndarray) -> np.ndarray:
    return np.arange(len(target))


def _every_eighth_positive(target: np.ndarray) -> np.ndarray:
    """Negatives first, then every eighth positive: no random numbers, so everybody has the same rows."""
    return np.concatenate([np.flatnonzero(target == 0), np.flatnonzero(target == 1)[::8]])


VERSIONS = {"fraud": _every_eighth_positive, "full": _all_rows}


def _resource(name: str) -> Any:
    return files("agnostic_ig.datasets") / "data" / name


def _read_columns() -> dict[str, np.ndarray]:
    """The file's columns by name: text for `collection`, int64 where all cells are integers, else float64."""
    with _resource("email_fraud.csv.gz").open("rb") as raw, gzip.open(raw, "rt", encoding="utf-8") as text:
        header, *rows = csv.reader(text)
    cells = np.array(rows)
    return {name: _typed(name, cells[:, j]) for j, name in enumerate(header)}


def _typed(name: str, cells: np.ndarray) -> np.ndarray:
    if name == COLLECTION:
        return cells
    is_integer = not np.char.count(cells, ".").any()
    return cells.astype(np.int64 if is_integer else np.float64)


def _arrays(columns: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, target and collection without pandas."""
    features = np.column_stack([columns[name] for name in WORDS]).astype(np.float64)
    return features, columns[TARGET], columns[COLLECTION]


def _frames(columns: dict[str, np.ndarray], index: np.ndarray) -> tuple[Any, Any, Any]:
    """Features, target and collection as pandas objects."""
    pandas = import_optional("pandas", extra="app", purpose="load_email_fraud(as_frame=True)")
    frame = pandas.DataFrame(columns, index=index)
    return frame[list(WORDS)], frame[TARGET], frame[COLLECTION]
