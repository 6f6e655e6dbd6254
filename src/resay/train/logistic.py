"""Logistic regression in numpy, for models of a handful of figures."""

from __future__ import annotations

import numpy as np


def logistic(features: np.ndarray, labels: np.ndarray, steps: int = 3000, decay: float = 1e-3) -> np.ndarray:
    """Weights (F,) for features (N, F) as they are, both sides weighted alike; the line is the caller's to draw.

    Gradient descent on standardised features, with the spread put back into the weights.
    """
    centre, spread = features.mean(axis=0), features.std(axis=0) + 1e-6
    scaled = (features - centre) / spread
    weights, bias = np.zeros(features.shape[1]), 0.0
    share = np.where(labels > 0, 0.5 / labels.mean(), 0.5 / (1 - labels.mean()))
    for step in range(steps):
        rate = 0.8 * (1 - step / steps) + 0.02
        error = (1 / (1 + np.exp(-np.clip(scaled @ weights + bias, -30, 30))) - labels) * share
        weights -= rate * (scaled.T @ error / len(labels) + decay * weights)
        bias -= rate * error.mean()
    return weights / spread
