"""Sums of Legendre polynomials at many places."""

from agnostic_ig.kernels._jit import kernel

__all__ = ["legendre_change"]


@kernel
def legendre_change(series, row, low, high, out):
    """out[i, k] = sum_m series[row[i], m, k] * (P_m(high[i]) - P_m(low[i])).

    series (n_series, n_terms, n_outputs); row, low, high (n,), places from -1 to 1; out (n, n_outputs). By Bonnet's
    recurrence, (m + 1) P_(m+1)(t) = (2 m + 1) t P_m(t) - m P_(m-1)(t).
    """
    for i in range(row.shape[0]):
        before_low, before_high, at_low, at_high = 0.0, 0.0, 1.0, 1.0
        for k in range(out.shape[1]):
            out[i, k] = 0.0
        for m in range(series.shape[1]):
            for k in range(out.shape[1]):
                out[i, k] += series[row[i], m, k] * (at_high - at_low)
            next_low = ((2 * m + 1) * low[i] * at_low - m * before_low) / (m + 1)
            next_high = ((2 * m + 1) * high[i] * at_high - m * before_high) / (m + 1)
            before_low, before_high, at_low, at_high = at_low, at_high, next_low, next_high
