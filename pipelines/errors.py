"""What a person or a scheduler is told when a run cannot go on."""


class UsageError(Exception):
    """Wrong settings or a wrong command line: exit code 2, nothing was started.

    Attributes:
        problems: one line each: what is wrong and where to put it right.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class RunError(Exception):
    """Something outside the vendors' APIs failed: exit code 1.

    The message says in one line what failed, why, and what to do next.
    """
