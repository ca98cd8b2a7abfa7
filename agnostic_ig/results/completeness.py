"""How far attributions are from adding up, on the scale of the attributions themselves."""

import numpy as np

__all__ = ["relative_convergence_delta"]


def relative_convergence_delta(values: np.ndarray, convergence_delta: np.ndarray) -> np.ndarray:
    """|convergence_delta| / Σ|values| per row (and output); 0 where both are 0, infinite where only Σ is.

    Parameters
    ----------
    values : ndarray of shape (n_samples, n_features) or (n_samples, n_features, n_outputs)
    convergence_delta : ndarray of shape (n_samples,) or (n_samples, n_outputs)

    Returns
    -------
    ndarray of the shape of `convergence_delta`

    Examples
    --------
    >>> import numpy as np
    >>> relative_convergence_delta(np.array([[3.0, -1.0]]), np.array([0.5]))
    array([0.125])
    """
    gap = np.abs(np.asarray(convergence_delta, dtype=np.float64))
    scale = np.nansum(np.abs(values), axis=1)
    return np.divide(gap, scale, out=np.where(gap == 0.0, 0.0, np.inf), where=scale > 0.0)
