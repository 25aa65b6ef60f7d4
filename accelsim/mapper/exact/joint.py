"""The searches of all forms of a machine together: what one has found need not be beaten by mappings of another."""

from __future__ import annotations

from dataclasses import dataclass, replace

from accelsim.arch.choices import forms
from accelsim.errors import CutShort, MappingError
from accelsim.mapper.exact.run import Search
from accelsim.mapper.exact.search import Found, Known, Near, Request, merged, together


@dataclass(frozen=True)
class Joint:
    """Searches that were run, the one of the least bound first, and what they proved together.

    Attributes:
        found: `best` are mappings of all of them, the most promising first; sums of their boxes and evaluations.
    """

    searches: tuple[Search, ...]
    found: Found

    def wider(self, energy_fj: int, cycles: int, cost: int, evaluations: int, follow: bool) -> Near:
        """As `Search.wider`, in each form that may hold something below this cost."""
        near = [s.wider(energy_fj, cycles, evaluations, follow) for s in self.searches if s.least < cost]
        return Near(merged(one.listed for one in near), min((cost, *(one.rest for one in near))))


def search_forms(request: Request, close_ppm: int | None = None) -> Joint:
    """Search every form of the request's machine that its constraint allows (`close_ppm` as in `Search.run`).

    The least bound of a form's cores says which is searched first. A form in which nothing is better than what is known
    proves just that; so the bound over all of them is the least of their bounds.

    Raises:
        MappingError: nothing fits any form; the message is about the form in which nothing passes by, if it is allowed.
        CutShort: a search found nothing within its limits when nothing was known from others.
    """
    wrong: dict[int, MappingError] = {}
    searches: dict[int, Search] = {}
    allowed = [a for a in forms(request.arch, request.staying)
               if request.limit.bypass in (None, a.bypassed)]  # fmt: skip
    for number, form in enumerate(allowed):
        try:
            searches[number] = Search(replace(request, arch=form))
        except MappingError as error:
            wrong[number] = error
    ran: list[tuple[Search, Found]] = []
    known: Known | None = None
    for number, search in sorted(searches.items(), key=lambda item: item[1].least):
        try:
            ran.append((search, search.run(known, close_ppm)))
            known = search.known
        except CutShort:
            raise  # nothing is known of what it left out, so nothing of all together
        except MappingError as error:
            wrong[number] = error
    if not ran:
        raise wrong[min(wrong)] if wrong else MappingError("no operand may pass by a memory as the constraint asks")
    return Joint(tuple(search for search, _ in ran), together([found for _, found in ran]))
