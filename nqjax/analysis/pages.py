"""Pages of an analysis: the methods that all analyses share."""

from html import escape
from pathlib import Path


class WithPage:
    """An analysis with sentences and warnings, of which a page can be written."""

    sentences: tuple[str, ...]
    warnings: tuple[str, ...]

    def save_report(self, path: str | Path) -> None:
        """Write the page of the analysis, an .html file that needs no other file; see `nqjax.save_report`.

        Raises
        ------
        InputError
            Another ending, a missing folder, a file that cannot be written, or Matplotlib or Jinja2 is missing.
        """
        import nqjax  # reports are made of analyses, so their room is looked up only when a page is asked for

        nqjax.save_report(path, self)

    def _repr_html_(self) -> str:
        """Return the sentences and warnings for a notebook."""
        lines = "".join(f"<p>{escape(sentence)}</p>" for sentence in self.sentences)
        warnings = "".join(f"<li>{escape(warning)}</li>" for warning in self.warnings)
        return f"{lines}<ul>{warnings}</ul>" if warnings else lines
