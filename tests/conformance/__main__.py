"""Write the page: `python -m tests.conformance`."""

from tests.conformance.page import render
from tests.conformance.table import DOCUMENTS, PAGE, find_marks

PAGE.write_text(render(DOCUMENTS, find_marks().shown), encoding="utf-8")
