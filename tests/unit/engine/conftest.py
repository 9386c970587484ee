"""What tests of the engine share."""

from tests.unit.engine.fake_system import system

__all__ = ["system"]
