"""Freezing that freezes: weights, running statistics and dropout of all that runs before a stage."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from headstart.results import HeadstartError, HeadstartWarning
from headstart.sources import find_stages
from headstart.training.frozen import stay_in_evaluation

if TYPE_CHECKING:
    from torch import nn
    from torch.utils.hooks import RemovableHandle

HEAD = "head"
_MARK = "_headstart_frozen"


@dataclasses.dataclass(frozen=True)
class Layout:
    """Which stage every parameter and every module of a network belongs to.

    Attributes
    ----------
    stages : tuple of str
        The stages of :func:`headstart.sources.find_stages` in the order in which they run, then ``"head"``: the
        classifier and nothing else.
    parameters : mapping of str to str
        Stage of each parameter. One that is shared belongs to the first stage that uses it.
    modules : mapping of str to str
        Stage in which each module has run to its end, the root's being the head.
    aliases : mapping of str to str
        Stages that hold nothing but the classifier, by the name they have there.
    """

    stages: tuple[str, ...]
    parameters: Mapping[str, str]
    modules: Mapping[str, str]
    aliases: Mapping[str, str]

    def position(self, stage: str) -> int:
        """Return the place of ``stage`` in ``stages``.

        Raises
        ------
        HeadstartError
            If there is no such stage.
        """
        try:
            return self.stages.index(self.aliases.get(stage, stage))
        except ValueError:
            raise HeadstartError(
                f"no stage {stage!r} in this network: its stages are {', '.join(self.stages)}"
            ) from None

    def depth(self, stage: str) -> int:
        """Return how many stages ``stage`` stands below the head, whose depth is 0."""
        return len(self.stages) - 1 - self.position(stage)


def layout(model: nn.Module) -> Layout:
    """Assign every parameter and every module of ``model`` to a stage.

    What is no stage itself belongs to the stage before it, by the order in which modules are registered: ``bn1`` of a
    ResNet to ``conv1``, ``bn2`` of an EfficientNet to ``conv_head``, the norm in a ConvNeXt's head to its last stage.
    What the root holds directly (position embedding, class token) belongs to the first stage. The classifier is
    ``"head"``, and so is what has no weights and stands between it and the last weights, such as a dropout.

    Parameters
    ----------
    model : torch.nn.Module
        Any network that :func:`headstart.sources.find_stages` takes.
    """
    head = {id(part) for module in _classifiers(model) for part in module.modules()}
    found = find_stages(model)
    body = [name for name in found if any(_weights(part) for part in _outside(model.get_submodule(name), head))]
    stages = (*body, HEAD)
    own = dict.fromkeys(head, len(body))
    current = 0
    waiting: list[tuple[nn.Module, int]] = []
    for name, parts in _units(model, "", body, head):
        inside = [k for k, stage in enumerate(body) if not name or f"{stage}.".startswith(f"{name}.")]
        current = inside[0] if inside else current
        waiting += [(part, current) for part in parts]
        if inside or any(_weights(part) or list(part.buffers(recurse=False)) for part in parts):
            own.update((id(part), min(place, own.get(id(part), place))) for part, place in waiting)
            waiting = []
    own.update((id(part), len(body)) for part, _ in waiting)
    first: dict[int, int] = {}
    for module in model.modules():
        for parameter in _weights(module):
            first[id(parameter)] = min(own[id(module)], first.get(id(parameter), len(body)))
    return Layout(
        stages,
        {name: stages[first[id(parameter)]] for name, parameter in model.named_parameters()},
        {name: stages[max(own[id(part)] for part in module.modules())] for name, module in model.named_modules()},
        {name: HEAD for name in found if name not in body},
    )


def freeze(model: nn.Module, *, until: str) -> nn.Module:
    """Freeze all that runs before the stage ``until``; that stage and what follows trains.

    Frozen are the weights, biases and affine parameters, the running statistics of batch and instance normalization
    of every dimension, and dropout and stochastic depth, so that the frozen part is one fixed function of its input,
    in train mode as well. ``requires_grad=False`` alone leaves the statistics moving, and ``.eval()`` is undone by the
    next ``.train()`` (pytorch issue 66073). Here each frozen module turns itself back to evaluation before it runs,
    whatever mode it was put into; this is carried along by ``copy.deepcopy`` and by pickling, and does not show in
    the state dict. ``.training`` of a frozen module may be true until it runs.

    Calling it again moves the boundary, in either direction. Build the optimizer afterwards
    (:func:`headstart.finetuning.parameter_groups`).

    Parameters
    ----------
    model : torch.nn.Module
        Changed in place.
    until : str
        A stage of ``headstart.sources.find_stages(model)``, or ``"head"`` to train the classifier alone. Which stage
        the rest belongs to is told by :func:`layout`.

    Returns
    -------
    torch.nn.Module
        ``model``.

    Raises
    ------
    HeadstartError
        If there is no such stage; those that there are are listed.

    Warns
    -----
    HeadstartWarning
        If a frozen batch normalization keeps no running statistics, so that its output depends on the batch
        (pytorch issue 38084), or if a parameter that should train had ``requires_grad=False`` before: it keeps that.

    Examples
    --------
    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 2))
    >>> _ = freeze(net, until="head").train()
    >>> _ = net(torch.randn(8, 4))
    >>> net[1].running_mean, [name for name, weights in net.named_parameters() if weights.requires_grad]
    (tensor([0., 0., 0.]), ['2.weight', '2.bias'])
    """
    plan = layout(model)
    limit = plan.position(until)
    _release(model, plan, limit)
    for name, module in model.named_modules():
        mark = getattr(module, _MARK, _Mark())
        for key, parameter in module.named_parameters(recurse=False):
            stage = plan.parameters.get(_joined(name, key))
            if stage is not None and plan.position(stage) < limit:
                if parameter.requires_grad and key not in mark.parameters:
                    mark = dataclasses.replace(mark, parameters=(*mark.parameters, key))
                parameter.requires_grad_(False)
                parameter.grad = None  # an optimizer that was built before would still apply it
        if plan.position(plan.modules[name]) < limit:
            if mark.handle is None:
                # First of all hooks: spectral norm of the old kind is a hook that updates its vectors in train mode.
                handle = module.register_forward_pre_hook(stay_in_evaluation, prepend=True)
                mark = dataclasses.replace(mark, handle=handle)
            module.training = False
            _warn_without_statistics(name, module)
        if mark != _Mark():
            setattr(module, _MARK, mark)
    fixed = [
        name
        for name, parameter in model.named_parameters()
        if not parameter.requires_grad and plan.position(plan.parameters[name]) >= limit
    ]
    if fixed:
        more = f" and {len(fixed) - 1} more" if len(fixed) > 1 else ""
        warnings.warn(
            f"{fixed[0]}{more} had requires_grad=False before and will not train: "
            "set requires_grad_(True) first if it should",
            HeadstartWarning,
            stacklevel=2,
        )
    return model


def unfreeze(model: nn.Module, *, since: str | None = None) -> nn.Module:
    """Undo :func:`freeze` for the stage ``since`` and all that follows, or for the whole network.

    What ``freeze`` did not turn off, such as a position embedding that was always fixed, stays as it is.

    Parameters
    ----------
    model : torch.nn.Module
        Changed in place.
    since : str, optional
        A stage, or ``"head"``.

    Raises
    ------
    HeadstartError
        If there is no such stage.
    """
    plan = layout(model)
    _release(model, plan, 0 if since is None else plan.position(since))
    return model


def frozen_stages(model: nn.Module) -> tuple[str, ...]:
    """Return the stages of which nothing can move, in the order in which they run.

    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 2))
    >>> _ = net[0].requires_grad_(False), net[1].requires_grad_(False)
    >>> frozen_stages(net), frozen_stages(freeze(net, until="head"))
    ((), ('0',))
    """
    plan = layout(model)
    moving = {plan.parameters[name] for name, parameter in model.named_parameters() if parameter.requires_grad}
    moving |= {
        plan.modules[name] for name, module in model.named_modules() if getattr(module, _MARK, _Mark()).handle is None
    }
    return tuple(stage for stage in plan.stages if stage not in moving)


def is_frozen(model: nn.Module, stage: str) -> bool:
    """Return whether nothing of ``stage`` can move: neither weights nor running statistics.

    Raises
    ------
    HeadstartError
        If there is no such stage.
    """
    plan = layout(model)
    return plan.stages[plan.position(stage)] in frozen_stages(model)


def gradual(stages: Sequence[str], epochs: int) -> tuple[str, ...]:
    """Return the lowest stage that trains in each epoch of gradual unfreezing, to be given to :func:`freeze`.

    The head trains alone in the first epoch, each further epoch adds the next lower stage, and once all train they do
    until the end (Howard and Ruder 2018, arXiv:1801.06146, section 3.3). Where there are fewer epochs than stages,
    several are added at a time, so that the last epoch trains all.

    Parameters
    ----------
    stages : sequence of str
        In the order in which they run, such as ``layout(model).stages``.
    epochs : int
        At least 1.

    Examples
    --------
    >>> gradual(("stem", "body", "head"), 5)
    ('head', 'body', 'stem', 'stem', 'stem')
    >>> gradual(("stem", "one", "two", "three", "head"), 3)
    ('head', 'two', 'stem')

    Raises
    ------
    HeadstartError
        If there is no stage or no epoch.
    """
    if not stages or epochs < 1:
        raise HeadstartError(f"{len(stages)} stages over {epochs} epochs: give at least one of each")
    last = len(stages) - 1
    pace = max(1.0, last / max(1, epochs - 1))
    return tuple(stages[last - min(last, round(epoch * pace))] for epoch in range(epochs))


@dataclasses.dataclass(frozen=True)
class _Mark:
    """What was done to a module: its parameters that were turned off, and the hook that holds it in evaluation."""

    parameters: tuple[str, ...] = ()
    handle: RemovableHandle | None = None


def _release(model: nn.Module, plan: Layout, limit: int) -> None:
    """Undo what was frozen from position ``limit`` on."""
    for name, module in model.named_modules():
        mark = getattr(module, _MARK, None)
        if mark is None:
            continue
        kept = []
        for key, parameter in module.named_parameters(recurse=False):
            if key not in mark.parameters:
                continue
            if plan.position(plan.parameters[_joined(name, key)]) < limit:
                kept.append(key)
            else:
                parameter.requires_grad_(True)
        handle = mark.handle
        if handle is not None and plan.position(plan.modules[name]) >= limit:
            handle.remove()
            handle = None
            module.training = model.training
        delattr(module, _MARK)
        if kept or handle is not None:
            setattr(module, _MARK, _Mark(tuple(kept), handle))


def _classifiers(model: Any) -> list[nn.Module]:
    """Return what turns features into scores: timm's classifiers, else the last linear layer if no weights follow."""
    from torch import nn

    if hasattr(model, "get_classifier"):
        found = model.get_classifier()
        return [
            part for part in (found if isinstance(found, (tuple, list)) else [found]) if isinstance(part, nn.Module)
        ]
    weighted = [module for module in model.modules() if _weights(module)]
    return [module for module in weighted[-1:] if isinstance(module, nn.Linear)]


def _units(module: nn.Module, name: str, body: Sequence[str], head: set[int]) -> Iterator[tuple[str, list[nn.Module]]]:
    """Yield what runs as a whole, in the order of registration: stages, what stands between, and what holds both."""
    if id(module) in head:
        return
    holds_stages = not name or any(stage.startswith(f"{name}.") for stage in body)
    if name in body or not (holds_stages or any(id(part) in head for part in module.modules())):
        yield name, _outside(module, head)
        return
    yield name, [module]
    for child, part in module.named_children():
        yield from _units(part, _joined(name, child), body, head)


def _outside(module: nn.Module, head: set[int]) -> list[nn.Module]:
    return [part for part in module.modules() if id(part) not in head]


def _weights(module: nn.Module) -> list[nn.Parameter]:
    return list(module.parameters(recurse=False))


def _joined(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _warn_without_statistics(name: str, module: nn.Module) -> None:
    from torch.nn.modules.batchnorm import _BatchNorm

    if isinstance(module, _BatchNorm) and module.running_mean is None:
        warnings.warn(
            f"{name!r} keeps no running statistics (track_running_stats=False): its output depends on the batch even "
            "where it is frozen; give it statistics, or convert it to a group normalization",
            HeadstartWarning,
            stacklevel=3,
        )
