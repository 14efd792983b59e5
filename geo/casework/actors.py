"""Who takes the steps of cases: accounts, reporters, and the system when time passes."""

from dataclasses import dataclass

from geo.casework.workflow import ADMIN, MANAGER, OFFICE, REPORTER, SYSTEM


@dataclass(frozen=True)
class Actor:
    """Who takes a step; ``scope`` and ``grids`` as in :class:`api.core.caller.Caller`."""

    name: str
    role: str
    scope: str = ""
    grids: tuple[str, ...] = ()

    def answers_for(self, code: str) -> bool:
        """Whether a handler's code is the actor's own, or below the actor's office."""
        if self.role == MANAGER:
            return code in self.grids
        if self.role == OFFICE:
            return bool(self.scope) and code.startswith(self.scope)
        return self.role in (ADMIN, REPORTER, SYSTEM)

    def is_above(self, code: str) -> bool:
        """Whether the actor's office is above a handler."""
        return self.answers_for(code) and code[len(self.scope) :].strip("0") != ""


SYSTEM_ACTOR = Actor("gridatlas", SYSTEM)
REPORTER_ACTOR = Actor("", REPORTER)
