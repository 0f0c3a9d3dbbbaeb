"""Privacy accounting: events, the accountants that interpret them, calibration of noise, and what a fit rests on."""

from skdpflow.accountants.base import Accountant, UnsupportedEventError, resolve_accountant
from skdpflow.accountants.calibrate import calibrate, gdp_mu, noise_multiplier, zcdp_rho
from skdpflow.accountants.event_json import event_from_dict, event_to_dict
from skdpflow.accountants.events import (
    ComposedEvent,
    Event,
    GaussianEvent,
    NonPrivateEvent,
    RepeatAndSelectEvent,
    SelectionEvent,
    SlackEvent,
    ThresholdEvent,
    flatten_event,
)
from skdpflow.accountants.gaussian import GaussianDPAccountant
from skdpflow.accountants.pld import PLDAccountant
from skdpflow.accountants.renyi import RenyiAccountant
from skdpflow.accountants.resting import RestsOn
from skdpflow.accountants.zcdp import ZCDPAccountant

__all__ = [
    "Accountant",
    "ComposedEvent",
    "Event",
    "GaussianDPAccountant",
    "GaussianEvent",
    "NonPrivateEvent",
    "PLDAccountant",
    "RenyiAccountant",
    "RepeatAndSelectEvent",
    "RestsOn",
    "SelectionEvent",
    "SlackEvent",
    "ThresholdEvent",
    "UnsupportedEventError",
    "ZCDPAccountant",
    "calibrate",
    "event_from_dict",
    "event_to_dict",
    "flatten_event",
    "gdp_mu",
    "noise_multiplier",
    "resolve_accountant",
    "zcdp_rho",
]
