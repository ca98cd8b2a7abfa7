"""Small tables and models on disk, and the command line run in this process or in another."""

import os
import pickle
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import skops.io
from sklearn.compose import make_column_transformer
from sklearn.ensemble import IsolationForest, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from agnostic_ig.cli import main

FEATURES = ["amount", "hour"]


def make_table(n: int = 60) -> pd.DataFrame:
    """Two features among other columns: a name with leading zeros, a label, a remark."""
    rng = np.random.default_rng(0)
    amount, hour = rng.gamma(2.0, 50.0, n).round(2), rng.integers(0, 24, n)
    return pd.DataFrame(
        {
            "case": [f"{i:04d}" for i in range(n)],
            "amount": amount,
            "remark": ["late" if h > 20 else None for h in hour],
            "hour": hour,
            "fraud": (amount + 10 * (hour > 18) > 120).astype(int),
        }
    )


def make_text_table(n: int = 60) -> pd.DataFrame:
    """Text with gaps beside a number."""
    rng = np.random.default_rng(1)
    country = rng.choice(["FR", "DE", "IT"], n).astype(object)
    country[:20] = np.nan  # all missing in two batches of ten, the first one among them
    return pd.DataFrame({"country": country, "amount": rng.normal(size=n), "fraud": rng.integers(0, 2, n)})


def save_models(folder: Path, table: pd.DataFrame, text: pd.DataFrame) -> dict[str, object]:
    """Models by file name, saved as skops, or as pickle where the name says so."""
    X, y = table[FEATURES], table["fraud"]
    forest = RandomForestClassifier(5, max_depth=4, random_state=0)
    models = {
        "forest.skops": forest.fit(X, y),
        "words.skops": RandomForestClassifier(4, max_depth=3, random_state=0).fit(X, np.where(y == 1, "yes", "no")),
        "array.pkl": RandomForestClassifier(3, max_depth=3, random_state=0).fit(X.to_numpy(), y),
        "three.skops": RandomForestClassifier(4, max_depth=3, random_state=0).fit(X, np.arange(len(X)) % 3),
        "regressor.skops": RandomForestRegressor(4, max_depth=3, random_state=0).fit(X, table["amount"] * 2.0),
        "outlier.skops": IsolationForest(n_estimators=3, max_samples=8, random_state=0).fit(X),
        "linear.skops": LogisticRegression().fit(X, y),
        "text.pkl": make_pipeline(
            make_column_transformer((OneHotEncoder(), ["country"]), remainder="passthrough"), LogisticRegression()
        ).fit(text[["country", "amount"]], text["fraud"]),
        "unfitted.skops": RandomForestClassifier(),
        "words.pkl": {"no": "model"},
    }  # fmt: skip
    for name, model in models.items():
        if name.endswith(".pkl"):
            (folder / name).write_bytes(pickle.dumps(model))
        else:
            skops.io.dump(model, folder / name)
    return models


def make_files(folder: Path) -> SimpleNamespace:
    """Everything on disk, in a folder of its own."""
    table, text = make_table(), make_text_table()
    table.to_csv(folder / "data.csv", index=False)
    table.to_parquet(folder / "data.parquet")
    table.drop(columns=["case", "remark"]).to_csv(folder / "plain.csv", index=False)
    table.iloc[:20].to_csv(folder / "background.csv", index=False)
    table.iloc[[3]].to_csv(folder / "row.csv", index=False)
    text.to_csv(folder / "text.csv", index=False)
    return SimpleNamespace(folder=folder, table=table, text=text, models=save_models(folder, table, text))


def run(capsys, *arguments: object) -> SimpleNamespace:
    """Status and streams of a command run in this process."""
    status = main([str(one) for one in arguments])
    captured = capsys.readouterr()
    return SimpleNamespace(status=status, out=captured.out, err=captured.err)


def start(*arguments: object, **settings) -> subprocess.Popen:
    """The same in a process of its own."""
    paths = [*settings.pop("paths", []), *filter(None, sys.path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths))}
    program = settings.pop("program", ["-m", "agnostic_ig", *map(str, arguments)])
    settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": environment} | settings
    return subprocess.Popen([sys.executable, *program], **settings)


def run_process(*arguments: object, **settings) -> SimpleNamespace:
    """Status and streams of a command run in a process of its own."""
    with start(*arguments, **settings) as process:
        out, err = process.communicate(timeout=120)
    return SimpleNamespace(status=process.returncode, out=out, err=err)


def is_one_error_line(err: str) -> bool:
    """What every failure looks like."""
    lines = err.splitlines()
    return len(lines) == 1 and lines[0].startswith("agnostic-ig: error: ")
