"""Reports: what happened to a run, from the journal alone, as HTML, Markdown and JUnit.

`html` is a page for people: one file without scripts or anything from elsewhere. `markdown` is a
comment on a pull request, `junit` is for CI systems. What the journal does not hold is left out.
"""

from penstock.reports.junit import junit
from penstock.reports.markdown import markdown
from penstock.reports.page import html, page
from penstock.reports.story import Story, gather

__all__ = ["Story", "gather", "html", "junit", "markdown", "page"]
