"""Optional packages: which extra of nqjax installs them, and the error where one is missing."""

import importlib
from types import ModuleType

from nqjax.errors import InputError

#: Names of packages as their authors write them, by module.
PACKAGES = {
    "PIL": "Pillow",
    "arviz": "ArviZ",
    "evosax": "evosax",
    "jinja2": "Jinja2",
    "matplotlib": "Matplotlib",
    "optuna": "Optuna",
    "orbax": "orbax-checkpoint",
    "pyarrow": "PyArrow",
    "ray": "Ray Tune",
    "sklearn": "scikit-learn",
    "umap": "umap-learn",
}


def missing_extra(what: str, package: str, extra: str) -> InputError:
    """Return the error for an optional package that is not installed.

    Parameters
    ----------
    what : str
        What the user asked for, the subject of "needs".
    package : str
        The name of the package as people know it.
    extra : str
        The extra of nqjax that installs it.
    """
    return InputError(f"{what} needs {package}: pip install 'nqjax[{extra}]'")


def require(module: str, extra: str, purpose: str) -> ModuleType:
    """Import an optional module, or say in one line how to install it.

    Parameters
    ----------
    module : str
        The module to import, such as ``pyarrow.parquet``.
    extra : str
        The extra of nqjax that installs its package.
    purpose : str
        What needs the package: the beginning of the message.

    Raises
    ------
    InputError
        The package is not installed.
    """
    top = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != top:
            raise
        raise missing_extra(purpose, PACKAGES.get(top, top), extra) from None
