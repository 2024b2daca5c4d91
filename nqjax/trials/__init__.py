"""Tables of trials, and the files that hold them: CSV, JSON Lines and Parquet.

A reader of another tool's files belongs in ``nqjax/trials/readers/``, a module for each tool, and returns `Trials`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
