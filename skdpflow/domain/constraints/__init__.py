"""Public facts between columns, as text: parsed, typed by the domain, and evaluated on rows."""

from skdpflow.domain.constraints.rules import Rule, rules_of, solutions
from skdpflow.domain.constraints.terms import Data, Rows

__all__ = ["Data", "Rows", "Rule", "rules_of", "solutions"]
