"""A trial of everything before a long training: one real step, one validation, one batch learnt."""

from __future__ import annotations

import torch

from medseg_training.trainer import Trainer, TrainingError

STEPS = 20


def dry_run(trainer: Trainer, steps: int = STEPS) -> tuple[float, float]:
    """Make a step and a validation as the training will, then fit its first batch alone.

    A net that cannot learn one batch by heart will learn nothing.

    Parameters
    ----------
    trainer
        A fresh one; it is of no further use.
    steps
        How often the batch is learnt.

    Returns
    -------
    tuple of float
        Loss of the batch before and after.

    Raises
    ------
    TrainingError
        When the loss is no finite number, or the device has not enough memory.
    """
    method = trainer.method
    method.train_mode()
    trainer.advance()
    trainer.validate()
    batch = method.batch(0, 0)
    losses = []
    for _ in range(steps):
        trainer.optimiser.zero_grad()
        loss = torch.stack(list(method.terms(batch).values())).sum()
        losses.append(float(loss.detach()))
        loss.backward()
        trainer.optimiser.step()
    if not torch.tensor(losses).isfinite().all():
        raise TrainingError("The loss is no finite number after a few steps; lower optimiser.rate.")
    return losses[0], losses[-1]
