"""Several holders who do not show each other their rows, and one model of all of them."""

from skdpflow.exceptions import FederationError
from skdpflow.federation.agreement import Agreement
from skdpflow.federation.coordinator import Carrier, Federation
from skdpflow.federation.keys import Keys
from skdpflow.federation.mailbox import Mailbox
from skdpflow.federation.site import Site

__all__ = ["Agreement", "Carrier", "Federation", "FederationError", "Keys", "Mailbox", "Site"]
