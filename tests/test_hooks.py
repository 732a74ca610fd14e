"""The hooks: each one documented with its exact arguments, and called with them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lp_editor import CONTROLS, REGIONS, TARGETS, Control, Registry, hooks

PAGE = Path(__file__).parent.parent / "docs" / "plugins.md"
HOOKS: dict[str, Callable[..., object]] = {n: f for n, f in vars(hooks).items() if n.startswith("lp_")}


GIVEN: dict[str, dict[str, object]] = {
    "lp_engine": {"name": "fake", "device": "cuda"},
    "lp_recording": {"path": Path("take.csv")},
}
"""What the hooks that take arguments are called with."""


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def arguments(text: str) -> dict[str, list[str]]:
    """The hooks that a page documents, each under a heading of its own, with their arguments."""
    found = re.findall(r"^### `(lp_\w+)\((.*?)\)`$", text, re.MULTILINE)
    return {name: [a.strip() for a in args.split(",") if a.strip()] for name, args in found}


def test_every_hook_and_nothing_else_is_documented_with_its_arguments(page: str) -> None:
    assert arguments(page) == {name: list(inspect.signature(hook).parameters) for name, hook in HOOKS.items()}


@pytest.mark.parametrize("name", sorted(HOOKS))
def test_a_hook_says_what_it_returns(name: str) -> None:
    assert "eturn" in (HOOKS[name].__doc__ or "")


@pytest.mark.parametrize("name", sorted(HOOKS))
def test_a_hook_is_called_with_the_arguments_it_documents(name: str, page: str) -> None:
    calls: list[dict[str, object]] = []
    wanted = arguments(page)[name]
    scope: dict[str, Any] = {"calls": calls}
    exec(f"def {name}({', '.join(wanted)}):\n    calls.append(dict(locals()))\n    return []", scope)
    registry = Registry(SimpleNamespace(**{name: hooks.hookimpl(scope[name])}))
    ask(registry, name)
    assert calls == [GIVEN.get(name, {})]


def ask(registry: Registry, hook: str) -> object:
    """Have the registry call a hook."""
    if hook == "lp_engine":
        return registry.engine("fake", "cuda")
    if hook == "lp_recording":
        return registry.recording(Path("take.csv"))
    return registry.effects if hook == "lp_effects" else registry.presets


def table(controls: tuple[Control, ...]) -> str:
    """Controls as the page lists them."""
    rows = [
        f"| `{c.name}` | {c.low:g} … {c.high:g} {c.unit}".rstrip() + f" | {c.region} | {c.help} |" for c in controls
    ]
    return "\n".join(["| name | range | region | what it does |", "|---|---|---|---|", *rows])


@pytest.mark.parametrize(("name", "controls"), [("controls", CONTROLS), ("targets", TARGETS)])
def test_the_page_lists_every_control_as_the_table_has_it(page: str, name: str, controls: tuple[Control, ...]) -> None:
    _, _, rest = page.partition(f"<!-- {name} -->\n")
    listed, _, _ = rest.partition(f"\n<!-- /{name} -->")
    assert listed == table(controls), "copy the right-hand side into docs/plugins.md"


def test_the_page_names_every_region(page: str) -> None:
    assert [region for region in REGIONS if f"`{region}`" not in page] == []
