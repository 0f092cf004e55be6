"""What must hold: invariants over the servers, rules about one step, and monitors that remember."""

from checker.properties.base import Invariant, Monitor, MonitorMove, Property, StepRule, as_property

__all__ = ["Invariant", "Monitor", "MonitorMove", "Property", "StepRule", "as_property"]
