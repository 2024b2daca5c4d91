"""Optional packages: which extra of nqjax installs them, and the error where one is missing."""

import importlib
from types import ModuleType

from nqjax.errors import InputError

#: Names of packages as their authors write them, by module.
_PACKAGES = {
    "PIL": "Pillow",
    "arviz": "ArviZ",
    "jinja2": "Jinja2",
    "matplotlib": "Matplotlib",
    "pyarrow": "PyArrow",
    "sklearn": "scikit-learn",
}


def require(module: str, extra: str, purpose: str) -> ModuleType:
    """Import an optional module, or say in one line how to install it.

    Parameters
    ----------
    module : str
        The module to import, such as ``pyarrow.parquet``.
    extra : str
        The extra of nqjax that installs its package.
    purpose : str
        The beginning of the message: whatever needs the package.

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
        package = _PACKAGES.get(top, top)
        raise InputError(f"{purpose} needs {package}, which is not installed: pip install 'nqjax[{extra}]'") from None
