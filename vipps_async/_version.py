"""The version of this package, read by the build and sent in ``Vipps-System-Version``."""

__version__ = "0.1.0"
