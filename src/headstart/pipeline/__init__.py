"""The questions in order: ``fit`` and what it is composed of, from a plan to a finished run folder."""
