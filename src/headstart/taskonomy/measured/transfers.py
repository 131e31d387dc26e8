"""The work: networks trained, transfers decoded, losses of every picture; each result is kept and found again."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headstart.taskonomy.measured.decoder import decode
from headstart.taskonomy.measured.network import Recipe, build, encode, predict, train
from headstart.taskonomy.measured.parts import Parts, split
from headstart.taskonomy.measured.scoring import losses, score
from headstart.taskonomy.measured.store import Store, key_of
from headstart.taskonomy.measured.tasks import Task, TaskSet, digest

if TYPE_CHECKING:
    from torch import nn

    from headstart.taskonomy.measured.frozen import Trunk

SELF, RANDOM, SCRATCH = "self", "random", "scratch"


@dataclasses.dataclass(frozen=True, eq=False)
class Outcome:
    """How one transfer did.

    Attributes
    ----------
    compare, judge : ndarray of float64
        Losses of the pictures of both parts.
    score : float
        The task's metric on the judging pictures.
    """

    compare: NDArray[np.float64]
    judge: NDArray[np.float64]
    score: float


class Bench:
    """One repetition: its parts, its networks and its transfers.

    Parameters
    ----------
    tasks : TaskSet
        Without missing values.
    number : int
        Of the repetition.
    few : int
    recipe : Recipe
    trunk : Trunk or None
        A frozen source below the encoders; None for encoders on pictures.
    inputs : dict of str to ndarray
        What encoders read, by ``Task.input_digest``.
    seed : int
    device : str
    """

    def __init__(
        self,
        tasks: TaskSet,
        number: int,
        *,
        few: int,
        recipe: Recipe,
        trunk: Trunk | None,
        inputs: dict[str, NDArray[Any]],
        seed: int,
        device: str,
        store: Store,
    ) -> None:
        self.tasks = {task.name: task for task in tasks.tasks}
        self.groups = tasks.groups
        self.parts: Parts = split(tasks.groups, few, seed=seed, number=number)
        self._inputs, self._recipe, self._device, self._store = inputs, recipe, device, store
        self._trunk = trunk.key if trunk else "pixels"
        self._seed = 1000 * seed + number
        self._keys: dict[tuple[str, bool], str] = {}
        self._networks: dict[str, nn.Module] = {}
        self._seen: tuple[str, dict[str, NDArray[np.float32]]] = ("", {})

    def outcome(self, sources: str, target: str) -> Outcome:
        """Return how a transfer does: from tasks (joined with +), ``random``, ``self`` or ``scratch``."""
        task = self.tasks[target]
        key = self._outcome_key(sources, task)
        found = self._store.read(key)
        if found is None:
            predicted = self._predicted(sources, task)
            held = self._held
            loss = losses(task.kind, predicted, task.values[held])
            n = len(self.parts.compare)
            judged = score(task.kind, predicted[n:], task.values[self.parts.judge])
            found = {"compare": loss[:n], "judge": loss[n:], "score": np.array([judged])}
            self._store.write(key, found)
        return Outcome(found["compare"], found["judge"], float(found["score"][0]))

    def forget(self) -> None:
        """Let networks and representations go."""
        self._networks.clear()
        self._seen = ("", {})

    @cached_property
    def _held(self) -> NDArray[np.int64]:
        return np.concatenate([self.parts.compare, self.parts.judge])

    def _predicted(self, sources: str, task: Task) -> NDArray[Any]:
        inputs = self._inputs[task.input_digest]
        if sources in (SELF, SCRATCH):
            network = self._network(task.name, scratch=sources == SCRATCH)
            return predict(network, task, inputs[self._held], device=self._device)
        few = self.parts.few
        seen = np.concatenate([self._represented(source, task) for source in sources.split("+")], axis=1)
        return decode(
            task.kind, seen[: len(few)], task.values[few], seen[len(few) :],
            n_outputs=task.n_outputs, groups=self.groups[few], seed=self._seed,
        )  # fmt: skip

    def _represented(self, source: str, task: Task) -> NDArray[np.float32]:
        """Return what a source's encoder makes of the target's inputs: the few, then the held-out ones."""
        if self._seen[0] != task.input_digest:
            self._seen = (task.input_digest, {})
        known = self._seen[1]
        if source not in known:
            inputs = self._inputs[task.input_digest]
            if source == RANDOM:
                network = build(inputs.shape[1:], task, self._seed)
            else:
                network = self._network(source)
            known[source] = encode(network, inputs[np.concatenate([self.parts.few, self._held])], device=self._device)
        return known[source]

    def _network(self, name: str, *, scratch: bool = False) -> nn.Module:
        """Return a task's trained network, from what is kept if it is there."""
        import torch

        slot = f"{SCRATCH}+{name}" if scratch else name
        if slot not in self._networks:
            task = self.tasks[name]
            inputs = self._inputs[task.input_digest]
            key = self._known_key(name, scratch)
            kept = self._store.read(key)
            if kept is None:
                rows = self.parts.few if scratch else self.parts.encode
                network = train(inputs, task, rows, recipe=self._recipe, seed=self._seed, device=self._device)
                self._store.write(key, {part: tensor.numpy() for part, tensor in network.state_dict().items()})
            else:
                network = build(inputs.shape[1:], task, self._seed)
                network.load_state_dict({part: torch.from_numpy(array) for part, array in kept.items()})
            self._networks[slot] = network
        return self._networks[slot]

    def _network_key(self, task: Task, scratch: bool) -> str:
        rows = self.parts.few if scratch else self.parts.encode
        return key_of(
            what="network", kind=task.kind, outputs=task.n_outputs, trunk=self._trunk, seed=self._seed,
            recipe=dataclasses.asdict(self._recipe), inputs=digest(task.inputs[rows]), values=digest(task.values[rows]),
        )  # fmt: skip

    def _outcome_key(self, sources: str, task: Task) -> str:
        rows = np.concatenate([self.parts.few, self._held])
        if sources == RANDOM:
            below = [RANDOM]
        elif sources in (SELF, SCRATCH):
            below = [sources, self._known_key(task.name, sources == SCRATCH)]
        else:
            below = [self._known_key(source, False) for source in sources.split("+")]
        return key_of(
            what="outcome", below=below, trunk=self._trunk, seed=self._seed, task=task.digest,
            few=len(self.parts.few), compare=len(self.parts.compare), rows=digest(rows),
            groups=digest(self.groups[self.parts.few]),
        )  # fmt: skip

    def _known_key(self, name: str, scratch: bool) -> str:
        if (name, scratch) not in self._keys:
            self._keys[name, scratch] = self._network_key(self.tasks[name], scratch)
        return self._keys[name, scratch]
