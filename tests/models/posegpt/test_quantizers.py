"""Quantisers: one interface; codes that stay alive; tables that are their own inverse."""

from __future__ import annotations

import pytest
import torch

from kinema.core.errors import UsageError
from kinema.models.posegpt.quantizers import Averaged, Book, Finite, Product, QuantiserConfig, Residual

KINDS = ["product", "averaged", "residual", "finite"]


def vectors(batch: int = 4, tokens: int = 16, dim: int = 12) -> torch.Tensor:
    return torch.randn(batch, tokens, dim, generator=torch.Generator().manual_seed(0))


def mask(batch: int = 4, tokens: int = 16) -> torch.Tensor:
    return torch.arange(tokens)[None] < torch.tensor([tokens, tokens - 3, 5, 1])[:batch, None]


def config(kind: str) -> QuantiserConfig:
    return QuantiserConfig(kind=kind, books=2, codes=16, dim=12, levels=(4, 4))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("kind", KINDS)
def test_every_quantiser_answers_alike(kind: str) -> None:
    torch.manual_seed(0)
    quantiser = config(kind).build().train()
    z = vectors().requires_grad_()
    found = quantiser(z, mask())
    assert found.vectors.shape == z.shape
    assert found.indices.shape == (4, 16, 2)
    assert (found.indices[~mask()] == -1).all()
    assert (found.vectors[~mask()] == 0).all()
    assert found.indices[mask()].min() >= 0
    assert found.indices.max() < quantiser.codes
    assert set(found.stats) == {"perplexity", "dead_codes"}
    found.vectors.square().sum().backward()
    assert z.grad is not None
    assert z.grad[mask()].abs().sum() > 0  # straight through
    assert (z.grad[~mask()] == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_tokens_stand_for_what_was_quantised(kind: str) -> None:
    torch.manual_seed(0)
    quantiser = config(kind).build().train()
    quantiser(vectors(), mask())
    quantiser.eval()
    found = quantiser(vectors(), mask())
    assert torch.allclose(quantiser.lookup(found.indices)[mask()], found.vectors[mask()], atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_masked_vectors_teach_nothing(kind: str) -> None:
    state: list[dict[str, torch.Tensor]] = []
    for rubbish in (0.0, 50.0):
        torch.manual_seed(0)
        quantiser = config(kind).build().train()
        quantiser(vectors() + rubbish * ~mask()[..., None], mask())
        state.append(quantiser.state_dict())
    for name, value in state[0].items():
        assert torch.equal(value, state[1][name]), name


def test_the_legacy_weights_stand_the_other_way_round() -> None:
    torch.manual_seed(0)
    right, legacy = (Product(QuantiserConfig("product", 2, 16, 12, legacy_beta=legacy)) for legacy in (False, True))
    legacy.load_state_dict(right.state_dict())
    grads: list[torch.Tensor] = []
    for quantiser in (right, legacy):
        quantiser(vectors(), mask()).loss.backward()
        assert quantiser.table.grad is not None
        grads.append(quantiser.table.grad)
    assert torch.allclose(grads[0], 4 * grads[1], atol=1e-7)  # beta = 1/4 on the codes in the legacy order


@pytest.mark.parametrize("levels", [(4, 4), (5, 3), (8, 8, 4), (2, 7)])
def test_finite_codes_and_digits_are_one_to_one(levels: tuple[int, ...]) -> None:
    quantiser = Finite(QuantiserConfig("finite", 2, dim=12, levels=levels))
    every = torch.arange(quantiser.codes)
    digits = quantiser.index_to_digits(every)
    assert torch.equal(quantiser.digits_to_index(digits), every)
    assert len(torch.unique(digits, dim=0)) == quantiser.codes
    assert (digits >= 0).all()
    assert (digits < torch.tensor(levels)).all()


def test_dead_codes_are_revived() -> None:
    torch.manual_seed(0)
    book = Book(32, 3, decay=0.9, dead=0.3)
    cloud = torch.randn(400, 3)
    book.start(cloud[:1].repeat(40, 1))  # all codes in one place
    before = len(torch.cdist(cloud, book.codes).argmin(1).unique())
    for _ in range(60):
        book.follow(cloud, torch.cdist(cloud, book.codes).argmin(1))
    after = len(torch.cdist(cloud, book.codes).argmin(1).unique())
    assert before <= 16 < 30 <= after


def test_revival_is_the_same_under_the_same_seed_and_survives_a_resume() -> None:
    def run(steps: int, quantiser: Averaged, first: int = 0) -> Averaged:
        for step in range(first, first + steps):
            torch.manual_seed(step)
            quantiser(torch.randn(4, 16, 12), mask())
        return quantiser

    torch.manual_seed(0)
    fresh = Averaged(QuantiserConfig("averaged", 2, 16, 12, warmup=2)).train()
    start = {name: value.clone() for name, value in fresh.state_dict().items()}
    whole = run(9, fresh).state_dict()
    half = Averaged(QuantiserConfig("averaged", 2, 16, 12, warmup=2)).train()
    half.load_state_dict(start)
    saved = {name: value.clone() for name, value in run(5, half).state_dict().items()}
    again = Averaged(QuantiserConfig("averaged", 2, 16, 12, warmup=2)).train()
    again.load_state_dict(saved)
    for name, value in run(4, again, first=5).state_dict().items():
        assert torch.equal(value, whole[name]), name


def test_evaluation_changes_nothing() -> None:
    torch.manual_seed(0)
    quantiser = Averaged(QuantiserConfig("averaged", 2, 16, 12)).train()
    quantiser(vectors(), mask())
    before = {name: value.clone() for name, value in quantiser.state_dict().items()}
    quantiser.eval()(vectors() + 1, mask())
    assert all(torch.equal(value, before[name]) for name, value in quantiser.state_dict().items())


def test_more_residual_books_leave_less() -> None:
    torch.manual_seed(0)
    quantiser = Residual(QuantiserConfig("residual", 3, 16, 12, drop=0.5)).train()
    for _ in range(30):
        quantiser(vectors(), mask())
    quantiser.eval()
    indices = quantiser(vectors(), mask()).indices
    books = torch.stack([book.codes for book in quantiser.tables if isinstance(book, Book)])
    rest, left = vectors(), []
    for place in range(3):
        rest = rest - books[place][indices[..., place].clamp(min=0)]
        left.append(float(rest[mask()].square().mean()))
    assert left[0] > left[1] > left[2]


def test_settings_that_do_not_fit_are_named() -> None:
    with pytest.raises(UsageError, match="a multiple of 3"):
        QuantiserConfig(books=3, dim=256).build()
    with pytest.raises(UsageError, match="at least 2 levels"):
        QuantiserConfig(kind="finite", levels=(8, 1)).build()
