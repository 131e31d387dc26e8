"""Affinities measured on a person's own pictures: tasks, encoders, decoders, tournaments."""

from headstart.taskonomy.measured.answer import MeasuredTasks, TaskFacts
from headstart.taskonomy.measured.chance import AgainstRandom, against_random
from headstart.taskonomy.measured.made import MADE, make_task
from headstart.taskonomy.measured.network import Recipe
from headstart.taskonomy.measured.reading import read_tasks
from headstart.taskonomy.measured.run import measure
from headstart.taskonomy.measured.tasks import Task, TaskSet, class_task, number_task

__all__ = [
    "MADE",
    "AgainstRandom",
    "MeasuredTasks",
    "Recipe",
    "Task",
    "TaskFacts",
    "TaskSet",
    "against_random",
    "class_task",
    "make_task",
    "measure",
    "number_task",
    "read_tasks",
]
