"""Training and measurement of one contender of ``ano_alternatives.py``.

Each contender is trained by the loop of the library, ``spinlock.ano.training.loop``, so that optimizer, schedule, early
stopping and random numbers are those of ANO. It is measured by the same formula as ANO. Only one part of a member is
trained, that for the parameters or that for the family; both share no weights. Both are internals, because the
public interface trains the shipped network only.

Letters: ``n`` test operators, ``d`` parameters of a family.
"""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass, field, fields, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ano_alternative_parts import FlowHead, TransformerTrunk, remove_regression
from spinlock.ano.density.mixture import GaussianMixture
from spinlock.ano.network.member import DensityHead, Member, NetworkSpec
from spinlock.ano.training.loop import plan_targets, train
from spinlock.ano.training.losses import Targets
from spinlock.ano.training.plan import NewMember, Plan
from spinlock.ano.training.state import PARTS, TrainingState, Weights

Floats = NDArray[np.float64]

NEVER = -1_000_000
"""Number of the best epoch of a part that is not trained."""


@dataclass(frozen=True)
class Contender:
    """What is compared.

    Attributes
    ----------
    name
        Name in the table.
    trunk
        ``sum`` of embeddings, or ``transformer``.
    density
        ``mixture`` or ``flow``.
    regression
        Whether the regression predicts the location.
    part
        Part that is trained and measured: ``density`` or ``family``.
    decoder
        Whether the decoder of the token file is used, or a correspondence analysis.
    fourier_features
        Number of Fourier features of the regression; None: that of the configuration.
    """

    name: str
    trunk: str = "sum"
    density: str = "mixture"
    regression: bool = True
    part: str = "density"
    decoder: bool = True
    fourier_features: int | None = None


CONTENDERS = (
    Contender("shipped: sum, mixture, regression"),
    Contender("sum, flow, regression", density="flow"),
    Contender("transformer, mixture, regression", trunk="transformer"),
    Contender("sum, mixture", regression=False),
    Contender("sum, flow", density="flow", regression=False),
    Contender("transformer, mixture", trunk="transformer", regression=False),
    Contender("sum, mixture, regression, one Fourier feature", fourier_features=1),
    Contender(
        "sum, mixture, regression, one Fourier feature, correspondence analysis",
        fourier_features=1,
        decoder=False,
    ),
    Contender("shipped: family from the sum", part="family"),
    Contender("family from a transformer", trunk="transformer", part="family"),
)
"""The contenders. The shipped network is the first one, and its family is the last but one."""


@dataclass
class OnePartState(TrainingState):
    """State of a training of one part: the other one counts as not improving, so that the loop does not train it."""

    part: str = "density"

    def record(self, epoch: int, weights: Weights, losses: dict[str, float]) -> None:
        """Store the weights after an epoch."""
        super().record(epoch, weights, losses)
        self.best_epochs |= {part: NEVER for part in PARTS if part != self.part}


@dataclass(frozen=True)
class ContenderPlan(Plan):
    """A plan whose members have the parts of a contender.

    Attributes
    ----------
    contender
        The contender.
    members
        The members that were made, by their number.
    initialization_seconds
        Duration of the making of each member of the library, which contains the regressions.
    """

    contender: Contender = CONTENDERS[0]
    members: dict[int, Member] = field(default_factory=dict)
    initialization_seconds: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, plan: Plan, contender: Contender) -> ContenderPlan:
        """Return the plan of a contender."""
        values = {each.name: getattr(plan, each.name) for each in fields(Plan)}
        if contender.fourier_features is not None:
            values["spec"] = replace(plan.spec, fourier_features=contender.fourier_features)
        if not contender.decoder:
            values["data"] = replace(plan.data, decoder=None)
            values["spec"] = replace(values["spec"], decoder_units=0)
        return cls(**values, contender=contender)

    def new_member(self, number: int) -> NewMember:
        """Return member ``number`` before training, with the parts of the contender."""
        started = time.perf_counter()
        new = super().new_member(number)
        member = new.member
        self.initialization_seconds.append(time.perf_counter() - started)
        rates = self.config.dropout, self.config.token_dropout
        if self.contender.trunk == "transformer":
            setattr(
                member,
                f"{self.contender.part}_trunk",
                TransformerTrunk(self.spec, *rates, member.decoder.linear.clone()),
            )
        for key, head in member.density_heads.items():
            assert isinstance(head, DensityHead), "the library made the member"
            if not self.contender.regression:
                remove_regression(head)
            if self.contender.density == "flow":
                member.density_heads[key] = self._flow(head, self.spec, int(key))
        self.members[number] = member
        return new if self.contender.regression else replace(new, left_out=torch.zeros_like(new.left_out))

    def _flow(self, head: DensityHead, spec: NetworkSpec, family: int) -> FlowHead:
        """Return the flow of a family."""
        columns = list(self.space.columns[family])
        targets = plan_targets(self, np.flatnonzero(self.data.family == family), seed=0)
        partial = not bool(targets.present[:, columns].all())
        return FlowHead(head, spec, len(columns), partial=partial)


@dataclass(frozen=True)
class Trained:
    """Trained members in evaluation mode and double precision, with what their training took.

    Attributes
    ----------
    members
        The members.
    validation_loss
        Mean over the members of the smallest loss of the part on the validation operators, in nats.
    best_epochs
        Epoch of this loss of each member.
    seconds
        Duration of the training. Without the regression it does not contain the regressions, which are not used.
    """

    members: list[Member]
    validation_loss: float
    best_epochs: list[int]
    seconds: float


def train_contender(plan: ContenderPlan) -> Trained:
    """Train the members of a contender with the loop of the library."""
    state, started = OnePartState(part=plan.contender.part), time.perf_counter()
    weights = train(plan, state)
    seconds = time.perf_counter() - started
    if not plan.contender.regression:
        seconds -= sum(plan.initialization_seconds)
    members = []
    for number, values in enumerate(weights, start=1):
        member = copy.deepcopy(plan.members[number])
        member.load_state_dict(values)
        members.append(member.double().eval())
    name = {"family": "val_family_loss", "density": "val_information_bits"}[plan.contender.part]
    unit = -math.log(2) if plan.contender.part == "density" else 1.0  # information in bits is a negative loss
    best = [
        min((unit * record[name], int(record["epoch"])) for record in state.history if record["member"] == number)
        for number in range(1, len(weights) + 1)
    ]
    return Trained(members, float(np.mean([loss for loss, _ in best])), [epoch for _, epoch in best], seconds)


@torch.no_grad()
def information_bits(members: list[Member], targets: Targets, plan: Plan) -> Floats:
    """Return log2 p(z) - log2 p0(z) [n] of the present parameters, given the true family.

    p is the mean of the densities of the members. For mixtures this is the number that ``evaluate-ano`` reports; its
    function pools mixtures, and cannot pool flows.
    """
    bits = np.zeros(len(targets))
    for family in torch.unique(targets.family).tolist():
        columns = list(plan.space.columns[family])
        if not plan.spec.num_parameters[family]:
            continue
        rows = targets.family == family
        points, present = targets.points[rows][:, columns].double(), targets.present[rows][:, columns]
        densities = [member.density(member.state(targets.tokens[rows]), family) for member in members]
        log_prob = torch.stack([density.log_prob(points, present) for density in densities])
        pooled = torch.logsumexp(log_prob, 0) - math.log(len(members))
        prior = GaussianMixture.standard(len(points), len(columns)).double().log_prob(points, present)
        bits[rows.numpy()] = (pooled - prior).numpy() / math.log(2)
    return bits


@torch.no_grad()
def family_accuracy(members: list[Member], targets: Targets) -> float:
    """Return the fraction of operators whose most probable family is correct; the members are pooled as in ANO."""
    logits: list[Tensor] = [
        torch.log_softmax(member.family_logits(member.state(targets.tokens)), dim=-1) for member in members
    ]
    return float((torch.stack(logits).mean(0).argmax(1) == targets.family).double().mean())
