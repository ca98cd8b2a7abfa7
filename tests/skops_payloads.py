"""Descriptions of objects as skops files hold them, written by hand, harmful ones among them."""

import io
import json
import zipfile
from typing import Any


def node(loader: str, module: str, name: str, **more: Any) -> dict[str, Any]:
    return {"__class__": name, "__module__": module, "__loader__": loader, **more}


def words(*texts: str) -> dict[str, Any]:
    content = [node("JsonNode", "builtins", "str", content=json.dumps(text), is_json=True) for text in texts]
    return node("TupleNode", "builtins", "tuple", content=content)


def attributes(**values: dict[str, Any]) -> dict[str, Any]:
    kinds = [node("TypeNode", "builtins", "str") for _ in values]
    key_types = node("ListNode", "builtins", "list", content=kinds)
    return node("DictNode", "builtins", "dict", content=values, key_types=key_types)


def function(module: str, name: str) -> dict[str, Any]:
    return node("FunctionNode", module, name)


def partial_of(what: dict[str, Any], *arguments: str) -> dict[str, Any]:
    content = {"func": what, "args": words(*arguments), "kwds": attributes(), "namespace": attributes()}
    return node("PartialNode", "functools", "partial", content=content)


def transformer(**values: dict[str, Any]) -> dict[str, Any]:
    name = "sklearn.preprocessing._function_transformer"
    return node("ObjectNode", name, "FunctionTransformer", content=attributes(**values))


def payloads(command: str) -> dict[str, dict[str, Any]]:
    """Descriptions of objects that would run a command while they are loaded or used."""
    tree = {"args": words("__import__('os').system"), "state": {}}
    return {
        "call_system": node("ConstructorFromReduceNode", "os", "system", content=words(command)),
        "call_eval": node("ConstructorFromReduceNode", "builtins", "eval", content=words(command)),
        "subprocess": node("ConstructorFromReduceNode", "subprocess", "Popen", content=words(command)),
        "hidden_in_key": node(
            "DictNode",
            "builtins",
            "dict",
            content={command: words()},
            key_types=node("ListNode", "builtins", "list", content=[node("TypeNode", "os", "system")]),
        ),
        "partial_system": transformer(func=partial_of(function("os", "system"), command)),
        "partial_type": transformer(func=partial_of(node("TypeNode", "subprocess", "Popen"), command)),
        "function": transformer(func=function("builtins", "exec")),
        "list_of_class": node("ListNode", "subprocess", "Popen", content=[words(command)]),
        "array_of_class": node("NdArrayNode", "os", "system", type="json", content=[words(command)], shape=words()),
        "method": node(
            "MethodNode",
            "sklearn.preprocessing._function_transformer",
            "FunctionTransformer",
            content={"func": "fit", "obj": transformer()},
        ),
        "methodcaller": node("OperatorFuncNode", "operator", "methodcaller", attrs=words("system", command)),
        "loss": node("LossNode", "os", "system", content=attributes(), __reduce__=tree),
    }


def packed(schema: dict[str, Any], **members: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("schema.json", json.dumps({**schema, "protocol": 2, "_skops_version": "0.16"}))
        for name, data in members.items():
            file.writestr(name, data)
    return target.getvalue()
