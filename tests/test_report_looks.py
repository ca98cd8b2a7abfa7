"""Numbers and names as printed, and colours that everybody can tell apart on both pages."""

import re
from importlib.resources import files

import numpy as np
import pytest

from agnostic_ig.report import figures
from agnostic_ig.report.wording import decimals_for, fixed, number, scientific, shortened


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"), (1234567.0, "1,234,567"), (0.0071438, "0.007144"), (0.7150, "0.715"), (-2.5, "−2.5"),
        (12345.678, "12,346"), (1.5e-7, "1.50e−07"), (float("nan"), "missing"), (None, "missing"),
        (float("-inf"), "−inf"), (True, "True"), ("text", "text"), (np.float32(0.5), "0.5"), (0, "0"),
    ],
)  # fmt: skip
def test_numbers_in_words(value, text):
    assert number(value) == text


def test_fixed_scientific_and_shortened():
    assert fixed(-0.00004, 3) == "0.000"
    assert fixed(0.25, 3) == "+0.250"
    assert fixed(1234.5, 1, sign="-") == "1,234.5"
    assert decimals_for([0.02, -0.4, np.nan]) == 4
    assert decimals_for([250_000.0]) == 0
    assert decimals_for([]) == decimals_for([0.0]) == 3
    assert scientific(0.0) == "0"
    assert shortened("abcdefghij", 8) == "abcde…ij"
    assert shortened("abcdefghijk", 9) == "abcdef…jk"
    assert shortened(" a\n b ", 8) == "a b"


def luminance(colour):
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return linear, float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one, other):
    """Contrast ratio as WCAG 2 defines it."""
    low, high = sorted([luminance(one)[1], luminance(other)[1]])
    return (high + 0.05) / (low + 0.05)


def themes():
    css = (files("agnostic_ig.report") / "page.css").read_text()
    blocks = re.findall(r":root \{(.*?)\}", css, flags=re.DOTALL)
    assert len(blocks) == 2
    return [dict(re.findall(r"--(\w+): (#\w{6})", block)) for block in blocks]


@pytest.mark.parametrize("theme", themes(), ids=["light", "dark"])
def test_contrast_is_aa_in_both_themes(theme):
    for ink in ["ink", "soft", "link"]:
        assert contrast(theme[ink], theme["page"]) >= 4.5, ink
    drawn = [figures.RAISES, figures.LOWERS, figures.NEUTRAL, figures.LOW, figures.MIDDLE, figures.HIGH]
    for colour in drawn:
        assert contrast(colour, theme["page"]) >= 3, colour


# Complete protanopia, deuteranopia and tritanopia in linear RGB: Machado et al. 2009, table 1.
VISIONS = {
    "normal": np.eye(3),
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.01182, 0.04294, 0.968881],
    ],
    "tritan": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.3039],
    ],
}


def lab(linear):
    """CIE L*a*b* of a colour in linear sRGB, white D65."""
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    x, y, z = np.cbrt((np.array(to_xyz) @ np.clip(linear, 0.003, 1)) / [0.9505, 1, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("pair", [("RAISES", "LOWERS"), ("LOW", "HIGH")])
def test_colours_are_told_apart_with_any_common_colour_vision(vision, pair):
    seen = [lab(np.array(VISIONS[vision]) @ luminance(getattr(figures, name))[0]) for name in pair]
    # 2.3 is just noticeable; ten times that is told apart at a glance, also in small marks.
    assert np.linalg.norm(seen[0] - seen[1]) > 23
