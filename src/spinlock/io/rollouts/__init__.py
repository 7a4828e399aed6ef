"""Files of rollouts of 1-D or 2-D fields, in the layout of Spinlock or of The Well."""

from spinlock.io.rollouts.base import Fields, Rollouts
from spinlock.io.rollouts.spinlock_rollouts import open_rollouts

__all__ = ["Fields", "Rollouts", "open_rollouts"]
