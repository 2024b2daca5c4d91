"""The version, in the one place that the build and ``nqjax.__version__`` both read."""

__version__ = "0.1.0"
