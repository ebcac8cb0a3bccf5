"""The table of protocols, plugging one in, and what `evaluate` refuses before it reads data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from kinema.core.errors import UsageError
from kinema.pipeline.evaluate import evaluate
from kinema.pipeline.pipeline import open as open_pipeline
from kinema.protocols.base import NO_OPTIONS, Options, Protocol
from kinema.protocols.interface import Data, Evaluated, PartialMethod
from kinema.protocols.leaks import find_leak
from kinema.protocols.registry import PROTOCOLS, register
from kinema.protocols.report import Report, markdown
from kinema.protocols.tables import score_report


class Counted(Protocol):
    """The length of the name, scored in one class."""

    name = "counted"
    what = "letters of the name"
    verb = "forecast"
    beside = ("zero-velocity",)

    def evaluate(
        self, pipeline: Evaluated, data: Data = None, *, beside: Sequence[Evaluated] = (), options: Options = NO_OPTIONS
    ) -> Report:
        scores = {one.name: {"all": {"letters": float(len(one.name))}} for one in (pipeline, *beside)}
        leak = find_leak(pipeline.trained_on, {"walk": "mine/1"})
        return score_report(self.name, pipeline.name, {"letters": "letters"}, scores, leak=leak)


class Own(PartialMethod):
    name = "own"
    verbs = ("forecast",)
    trained_on = frozenset({"mine/1"})


@pytest.fixture
def counted() -> Iterator[None]:
    before = dict(PROTOCOLS)
    register(Counted())
    yield
    PROTOCOLS.clear()
    PROTOCOLS.update(before)


def test_every_protocol_has_its_name_and_a_line_about_it() -> None:
    assert all(name == protocol.name and protocol.what for name, protocol in PROTOCOLS.items())
    assert {protocol.verb for protocol in PROTOCOLS.values()} == {"forecast", "inbetween", "upsample", "generate"}
    assert {name for name, protocol in PROTOCOLS.items() if protocol.options} == {
        "rib", "upsample-grid", "h36m-stochastic",
    }  # fmt: skip


@pytest.mark.usefixtures("counted")
def test_a_protocol_that_is_plugged_in_is_scored_as_the_others_are() -> None:
    report = evaluate(Own(), "counted")
    assert report["scores"] == {"all": {"letters": 3.0}}
    assert report["beside"] == {"zero-velocity": {"all": {"letters": 13.0}}}
    assert report.leak.message.startswith("LEAK")
    assert "| zero-velocity | 13.000 |" in markdown(report)
    assert "beside" not in report.to_json()


@pytest.mark.usefixtures("counted")
def test_a_model_is_not_scored_beside_itself() -> None:
    assert evaluate("zero-velocity", "counted")["beside"] == {}


def test_a_verb_that_the_model_does_not_answer_is_refused_before_data_are_read(tmp_path: Path) -> None:
    for model, protocol, verb in (("zero-velocity", "rib", "upsample"), ("simlpe-cmu", "tokens", "generate")):
        with pytest.raises(UsageError, match=f"a model that answers {verb}, which {protocol} needs"):
            evaluate(model, protocol, tmp_path / "nothing")


def test_an_option_that_the_protocol_does_not_use_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"rib or upsample-grid with answers.*got lafan1"):
        evaluate("linear", "lafan1", answers=tmp_path / "a.h5")


@pytest.mark.parametrize("name", ["zero-velocity", "squad", "simlpe-cmu"])
def test_a_pipeline_is_evaluated_and_its_properties_do_not_raise(name: str) -> None:
    pipeline = open_pipeline(name)
    assert isinstance(pipeline, Evaluated)
    assert pipeline.code_count == (0, 0)


def test_a_partial_method_refuses_by_name() -> None:
    assert isinstance(Own(), Evaluated)
    with pytest.raises(UsageError, match="a model that completes clips; got own"):
        Own().complete(None, None)  # type: ignore[arg-type]
