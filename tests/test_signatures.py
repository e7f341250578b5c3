"""Promises about the types of the code's own signatures, read from its source alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
MOST = 0.05
"""The share of functions whose signature may contain `Any`."""


def list_modules() -> Iterator[tuple[Path, ast.Module]]:
    """Yields every module of `evals` and `orchestration`, parsed."""
    for package in ("evals", "orchestration"):
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path, ast.parse(path.read_text("utf-8"))


def list_names(node: ast.AST) -> set[str]:
    """Returns the names in an expression, those in quoted annotations included."""
    names = set[str]()
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            names.add(part.id)
        elif isinstance(part, ast.Attribute):
            names.add(part.attr)
        elif isinstance(part, ast.Constant) and isinstance(part.value, str):
            try:
                names |= list_names(ast.parse(part.value, mode="eval"))
            except (SyntaxError, ValueError):
                continue
    return names


def find_aliases(module: ast.Module, loose: set[str]) -> set[str]:
    """Returns the module's type aliases that contain one of the names in `loose`."""
    aliases = set[str]()
    for node in module.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript | ast.BinOp):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign) and "TypeAlias" in list_names(node.annotation):
            targets, value = [node.target], node.value
        else:
            continue
        if value is not None and list_names(value) & (loose | aliases):
            aliases |= {target.id for target in targets if isinstance(target, ast.Name)}
    return aliases


def list_imported_aliases(module: ast.Module, loose: dict[str, set[str]]) -> set[str]:
    """Returns the local names of aliases that a module imports from others."""
    return {
        name.asname or name.name
        for node in ast.walk(module)
        if isinstance(node, ast.ImportFrom)
        for name in node.names
        if name.name in loose.get(node.module or "", ())
    }


def list_annotations(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.expr]:
    """Returns the annotations of a function's parameters and of its result."""
    args = function.args
    parameters = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
    annotated = [parameter.annotation for parameter in parameters if parameter] + [function.returns]
    return [annotation for annotation in annotated if annotation]


def name_module(path: Path) -> str:
    """Returns the dotted name of a module."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def list_loose_signatures() -> tuple[list[str], int]:
    """Returns the functions whose signature contains `Any`, and the number of all functions."""
    modules = {name_module(path): (path, module) for path, module in list_modules()}
    loose = {key: set[str]() for key in modules}
    while True:
        wider = dict[str, set[str]]()
        for name, (_, module) in modules.items():
            names_so_far = loose[name] | list_imported_aliases(module, loose)
            wider[name] = names_so_far | find_aliases(module, {"Any"} | names_so_far)
        if wider == loose:
            break
        loose = wider
    loose_functions, total = list[str](), 0
    for name, (path, module) in modules.items():
        names = {"Any"} | loose[name]
        for node in ast.walk(module):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                total += 1
                if any(list_names(annotation) & names for annotation in list_annotations(node)):
                    loose_functions.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
    return loose_functions, total


def test_few_signatures_contain_any() -> None:
    """At most one signature in twenty contains `Any`, aliases of it included."""
    loose_functions, total = list_loose_signatures()
    assert len(loose_functions) <= MOST * total, (
        f"{len(loose_functions)} of {total}:\n" + "\n".join(loose_functions)
    )
