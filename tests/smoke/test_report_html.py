"""`report.html` in headless Chromium: it opens, sorts, filters and drills down, and asks the network for nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import accelsim
from accelsim.formats.outputs import to_json
from accelsim.formats.report_json import parse_report
from accelsim.graph import Network
from accelsim.lookup import load_arch
from accelsim.pipeline import run
from accelsim.plot.page import in_script, report_html
from accelsim.report import RunReport
from tests.smoke import chromium

NAMES = "[...document.querySelectorAll('#table tbody tr')].map(row => row.dataset.layer)"


@pytest.fixture(scope="module")
def report() -> RunReport:
    return accelsim.run("edge_os_32x32", "mobilenet_v2:size=32,width=0.25")


@pytest.fixture(scope="module")
def url(report: RunReport, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(report_html(report), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def page() -> Iterator[chromium.Page]:
    path = chromium.found()
    if path is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium): report.html is not opened")
    with chromium.browser(path) as found:
        yield found


def test_it_opens_without_errors_or_requests(page: chromium.Page, url: str, report: RunReport) -> None:
    page.open(url)
    assert page.see(NAMES) == [layer.name for layer in report.results]
    assert page.see("document.querySelectorAll('#charts figure').length") >= 11
    assert page.see("document.querySelectorAll('#charts svg').length") >= 11
    assert page.errors == []
    assert set(page.requests) == {url}


def test_headers_sort(page: chromium.Page, url: str, report: RunReport) -> None:
    page.open(url)
    page.see("document.querySelector('[data-sort=energy]').click()")
    falling = sorted(report.results, key=lambda layer: -layer.total_energy_fj)
    assert page.see(NAMES) == [layer.name for layer in falling]
    assert page.see("document.querySelector('[data-key=energy]').getAttribute('aria-sort')") == "descending"
    page.see("document.querySelector('[data-sort=energy]').focus()")
    page.press("Enter")
    assert page.see("document.querySelector('[data-key=energy]').getAttribute('aria-sort')") == "ascending"
    first = min(report.results, key=lambda layer: layer.total_energy_fj)
    assert page.see(NAMES)[0] == first.name
    assert "sort=energy" in page.see("location.hash")


def test_the_box_filters(page: chromium.Page, url: str, report: RunReport) -> None:
    page.open(url)
    page.see("document.getElementById('filter').focus()")
    page.type("block2 conv")
    wanted = [x.name for x in report.results if "block2" in x.name and x.op == "conv2d"]
    assert page.see(NAMES) == wanted and wanted
    assert page.see("document.getElementById('count').textContent").startswith(f"{len(wanted)} of ")


def test_the_keyboard_drills_down(page: chromium.Page, url: str, report: RunReport) -> None:
    page.open(url)
    page.see("document.querySelector('#table tbody tr').focus()")
    page.press("ArrowDown")
    page.press("Enter")
    second = report.results[1]
    assert page.see("document.getElementById('layer').open") is True
    assert page.see("document.getElementById('layer-title').textContent") == second.name
    assert page.see("document.getElementById('layer-nest').textContent") == second.mapping
    assert page.see("document.getElementById('layer-formula').textContent") == "\n".join(second.anatomy.formula)
    page.press("Escape")
    page.wait("!document.getElementById('layer').open")
    assert page.see("document.activeElement.dataset.layer") == second.name


def test_the_address_holds_the_view(page: chromium.Page, url: str, report: RunReport) -> None:
    name = next(layer.name for layer in report.results if layer.op == "conv2d")
    page.call("Page.navigate", url="about:blank")
    page.open(f"{url}#sort=cycles&filter=conv&theme=dark&layer={name}")
    assert page.see("document.getElementById('layer-title').textContent") == name
    assert page.see("document.documentElement.dataset.theme") == "dark"
    cycles = {layer.name: layer.cycles for layer in report.results}
    shown = page.see(NAMES)
    assert [cycles[n] for n in shown] == sorted((cycles[n] for n in shown), reverse=True)
    assert page.errors == []


def test_charts_answer_the_arrow_keys(page: chromium.Page, url: str, report: RunReport) -> None:
    page.call("Page.navigate", url="about:blank")
    page.open(url)
    page.see("document.querySelector('#charts svg[tabindex]').focus()")
    page.press("ArrowRight")
    costly = [layer for layer in report.results if layer.cycles]
    assert page.see("document.querySelector('#charts .tip').textContent").startswith(f"{costly[0].name}: ")
    page.press("Enter")
    assert page.see("document.getElementById('layer-title').textContent") == costly[0].name


def test_the_theme_turns(page: chromium.Page, url: str) -> None:
    page.call("Page.navigate", url="about:blank")
    page.open(f"{url}#theme=light")
    light = page.see("getComputedStyle(document.body).backgroundColor")
    page.see("document.getElementById('theme').click()")
    assert page.see("getComputedStyle(document.body).backgroundColor") != light
    assert "theme=dark" in page.see("location.hash")


def test_a_network_without_work_has_a_page(page: chromium.Page, tmp_path: Path) -> None:
    net = Network("views")
    nothing = run(load_arch("edge_os_32x32")[0], net.build(net.flatten(net.input(3, 4, 4))))
    path = tmp_path / "report.html"
    path.write_text(report_html(nothing), encoding="utf-8")
    page.call("Page.navigate", url="about:blank")
    page.open(path.as_uri())
    assert page.errors == [] and page.see(NAMES) == [layer.name for layer in nothing.results]
    assert "Nothing to do" in page.see("document.getElementById('verdict').textContent")


def test_the_file_stands_alone(report: RunReport) -> None:
    """No address of any host in it, a policy that forbids requests, the same bytes from the report read back."""
    text = report_html(report)
    addresses = set(re.findall(r"(?:https?:)?//[A-Za-z0-9.]+", text)) - {"http://www.w3.org"}
    assert addresses == set()
    assert "default-src 'none'" in text and "src=" not in text.replace("-src", "")
    again = parse_report(to_json(report.as_dict()), "report.json")
    assert report_html(again) == text


def test_names_cannot_close_the_script() -> None:
    text = in_script({"a": "</script><script>alert(1)</script> \u2028"})
    assert "<" not in text and "\u2028" not in text


def test_a_browser_of_this_kind_is_looked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert chromium.found() is None
