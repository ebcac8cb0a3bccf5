"""What is done with recipes and models: train them, open them, ask them, score them."""

from __future__ import annotations

from kinema.pipeline.evaluate import evaluate
from kinema.pipeline.forecasting import Answer, Run
from kinema.pipeline.open import open_run, shipped_models
from kinema.pipeline.train import Means, train

__all__ = ["Answer", "Means", "Run", "evaluate", "open_run", "shipped_models", "train"]
