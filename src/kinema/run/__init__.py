"""What is done with recipes and models: train them, open them, ask them, score them."""

from __future__ import annotations

from kinema.run.evaluate import evaluate
from kinema.run.open import open_run, shipped_models
from kinema.run.run import Answer, Run
from kinema.run.train import Means, train

__all__ = ["Answer", "Means", "Run", "evaluate", "open_run", "shipped_models", "train"]
