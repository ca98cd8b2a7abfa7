"""The arguments of every command. Imports the standard library only, so that ``--help`` answers at once."""

import argparse
from collections.abc import Callable
from typing import Any, NoReturn

from agnostic_ig._version import __version__
from agnostic_ig.cli.messages import PROGRAM, as_one_line

__all__ = ["make_parser"]

EXIT_STATUS = (
    "exit status: 0 done; 2 something was wrong before work began (arguments, files, columns); "
    "1 work began and failed; 130 interrupted"
)
TABLES = "a .csv, .csv.gz or .parquet file, or a folder of .parquet files"


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, and that does not guess shortened options."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        """End with status 2."""
        self.exit(2, f"{PROGRAM}: error: {as_one_line(message)} (see {self.prog} --help)\n")


def make_parser() -> argparse.ArgumentParser:
    """The parser of ``agnostic-ig``; what it returns has the command's name in ``command``."""
    parser = _Parser(
        prog=PROGRAM,
        description="Explain predictions of models without gradients by Integrated Gradients.",
        epilog=EXIT_STATUS,
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (add_arguments, about) in COMMANDS.items():
        command = commands.add_parser(name, help=about, description=about + ".", epilog=EXIT_STATUS)
        add_arguments(command)
    return parser


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", choices=["email"], default="email", help="data to use (default: email)")
    parser.add_argument(
        "--full-background",
        action="store_true",
        help="compare with all legitimate training mails, not with a sample of 200; takes about a minute",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        default="agnostic_ig_demo",
        help="folder for attributions.parquet and report.html (default: ./agnostic_ig_demo); "
        "files of an earlier demo are replaced, other files never",
    )


def _add_explain(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)
    _add_data(parser, required=True)
    _add_baseline(parser)
    _add_method(parser)
    _add_results(parser)
    _add_running(parser)


def _add_inspect(parser: argparse.ArgumentParser) -> None:
    _add_model(parser)
    _add_data(parser, required=False)
    parser.add_argument("--json", action="store_true", help="print JSON")


def _add_model(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("model")
    kinds = ".skops, .json or .ubj (XGBoost), .txt (LightGBM), .cbm or .json (CatBoost)"
    group.add_argument(
        "--model", metavar="M", required=True, help=f"model file: {kinds}, or .joblib/.pkl with --trust-pickle"
    )
    group.add_argument("--sha256", metavar="HEX", help="refuse the model file unless this is its SHA-256 digest")
    group.add_argument(
        "--trust-pickle",
        action="store_true",
        help="load .joblib and .pkl files too: that runs whatever code is in them, so only files you made",
    )


def _add_data(parser: argparse.ArgumentParser, *, required: bool) -> None:
    group = parser.add_argument_group("data")
    group.add_argument("--data", metavar="D", required=required, help=f"rows to look at: {TABLES}")
    group.add_argument("--label", metavar="COL", help="column with the true label: carried through, not explained")
    group.add_argument(
        "--id",
        metavar="COL",
        dest="ids",
        action="append",
        default=[],
        help="column that names a row: carried through as text, not explained; may be repeated",
    )


def _add_baseline(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("baseline (at least one of the two)")
    group.add_argument(
        "--background", metavar="B", help=f"compare with every row of B, in full: {TABLES}; needs D's feature columns"
    )
    group.add_argument(
        "--baseline",
        metavar="KIND",
        help="zero, mean, median, class:LABEL (all rows whose --label column holds LABEL) or row:FILE (the one row "
        "of a table); mean, median and class are taken from B if it is given, otherwise from D",
    )


def _add_method(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("method")
    group.add_argument("--method", choices=["ig"], default="ig", help="ig: Integrated Gradients (the default)")
    group.add_argument(
        "--target",
        help="class label, or index of an output; default: the positive class of two, the only output, or all outputs",
    )
    group.add_argument(
        "--response-method",
        choices=["auto", "predict_proba", "decision_function", "predict", "score_samples"],
        default="auto",
        help="function of the model to explain (default: auto, probabilities where there are any)",
    )
    group.add_argument(
        "--engine",
        choices=["auto", "exact", "numeric"],
        default="auto",
        help="exact fails where no exact engine serves the model; numeric only asks for predictions (default: auto)",
    )
    group.add_argument(
        "--tol",
        type=_number(float, lambda value: 0.0 < value < float("inf"), "a number > 0"),
        default=1e-6,
        help="numeric engine: relative error asked for (default: 1e-6)",
    )
    group.add_argument(
        "--thoroughness",
        choices=["fast", "standard", "thorough"],
        default="standard",
        help="numeric engine: how hard it looks (default: standard)",
    )
    group.add_argument(
        "--max-evaluations",
        metavar="N",
        type=_number(int, lambda value: value >= 1, "an integer >= 1"),
        help="numeric engine: most model rows for one row and baseline row (default: by thoroughness)",
    )


def _add_results(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("results (at least one file)")
    group.add_argument("--out", metavar="O", help="attributions: a .parquet or .csv file")
    group.add_argument("--report", metavar="R", help="a report: an .html file; keeps all rows in memory")
    group.add_argument(
        "--reasons",
        metavar="K",
        type=_number(int, lambda value: value >= 0, "an integer >= 0"),
        default=4,
        help="columns reason_1 to reason_K with the strongest reasons for a high output; 0: none (default: 4)",
    )
    group.add_argument("--force", action="store_true", help="replace files that exist")


def _add_running(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("running")
    group.add_argument(
        "--n-jobs",
        metavar="N",
        type=_number(int, lambda value: value != 0, "an integer other than 0"),
        help="threads; -1: all cores (default: 1)",
    )
    group.add_argument(
        "--batch-size",
        metavar="N",
        type=_number(int, lambda value: value >= 1, "an integer >= 1"),
        default=10_000,
        help="rows read and explained at a time (default: 10000); with --report, all",
    )


def _number(kind: Callable[[str], Any], accepts: Callable[[Any], bool], must: str) -> Callable[[str], Any]:
    """Reader of one number; argparse puts the option's name before the message."""

    def read(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not accepts(value):
            raise argparse.ArgumentTypeError(f"must be {must}. Got {text!r} instead.")
        return value

    return read


# name -> (who adds its arguments, what it does)
COMMANDS = {
    "demo": (_add_demo, "Train a model on real e-mail data, explain every mail of the test set and write a report"),
    "explain": (_add_explain, "Explain the predictions of a saved model for every row of a table"),
    "inspect": (_add_inspect, "Say which engine would explain a saved model, whether it is exact, and why"),
}
