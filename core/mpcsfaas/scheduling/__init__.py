"""The dispatcher's side of the wire, for every strategy whose workers connect to it. Pure: no sockets, no clock."""

from mpcsfaas.scheduling.actions import Action, Adopt, GiveBack, Grow, Lose, Report, Say
from mpcsfaas.scheduling.ranking import Policy
from mpcsfaas.scheduling.scheduler import Scheduler
from mpcsfaas.scheduling.session import Session

__all__ = ["Action", "Adopt", "GiveBack", "Grow", "Lose", "Policy", "Report", "Say", "Scheduler", "Session"]
