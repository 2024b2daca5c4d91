"""Tables of trials, and the files that hold them: CSV, JSON Lines and Parquet.

Readers of what other tools leave are in ``nqjax/trials/readers/``, a module for each tool; each returns a `Table`, and
`read_study` makes a `StudyTable` of it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
