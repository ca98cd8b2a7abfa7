"""Reader of scikit-learn's multi-layer perceptrons."""

from typing import Any

from agnostic_ig.engines._contract import Unsupported
from agnostic_ig.engines.function_algebra import Affine
from agnostic_ig.engines.link_functions import Elementwise, Softmax, two_sided
from agnostic_ig.engines.network import network
from agnostic_ig.engines.response import Response
from agnostic_ig.engines.smooth import SmoothEngine

__all__ = ["read"]

ACTIVATIONS = {"identity": "identity", "logistic": "sigmoid", "tanh": "tanh", "relu": "relu"}
# What stands behind the last layer, from how many outputs there are.
OUTPUTS = {
    "identity": lambda n: None,
    "exp": lambda n: Elementwise("exp", n),
    "logistic": lambda n: Elementwise("sigmoid", n),
    "softmax": Softmax,
}
WHY = {
    "identity": "a net without activations is linear",
    "relu": "a ReLU net is linear between the places where a unit passes zero, which are all found on the path",
}


def read(model: Any, response: Response) -> SmoothEngine:
    """Engine of a regressor's numbers, or of a classifier's probabilities."""
    name = type(model).__name__
    if response.kind == "classifier" and response.name != "predict_proba":
        raise Unsupported(f"{response.name} of {name} is a step function of its margins")
    for kind, table in (("activation", ACTIVATIONS), ("out_activation_", OUTPUTS)):
        if getattr(model, kind) not in table:
            raise Unsupported(f"the {kind} {getattr(model, kind)!r} of {name} is not known")
    layers = [Affine(coef, intercept) for coef, intercept in zip(model.coefs_, model.intercepts_, strict=True)]
    function = network(layers, ACTIVATIONS[model.activation], OUTPUTS[model.out_activation_](model.n_outputs_))
    if response.kind == "classifier" and model.n_outputs_ == 1:
        function = two_sided(function)
    facts = {"layers": " → ".join(str(layer.coef.shape[0]) for layer in layers) + f" → {model.n_outputs_}"}
    return SmoothEngine(function, name, why=WHY.get(model.activation, SmoothEngine.why), facts=facts)
