"""Superset with the dashboard, as a person sees it: `make superset-test`, and nothing else runs it.

It serves a copy of the published file, so that the copy can be swapped as a night does it.
"""

import base64
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pytest

from llm_usage_warehouse.settings import load_warehouse
from tests.publish.browser import CHROMIUM, Browser, browser

pytestmark = pytest.mark.superset

HOME = Path(__file__).resolve().parents[2] / "data" / "superset"

PATIENCE = 400
"""Seconds that Superset may take to be ready for the first time: two or three minutes of its own
migrations, and more where the machine is busy."""

WATCH = """
window.answers = {};
const fetched = window.fetch;
window.fetch = async (...given) => {
    const answer = await fetched(...given);
    if (answer.url.includes("/api/v1/chart/data")) {
        const asked = JSON.parse(new URL(answer.url).searchParams.get("form_data"));
        window.answers[asked.slice_id] = await answer.clone().json();
    }
    return answer;
};
"""
"""Keeps what the charts of a page are answered."""


class Served:
    """A Superset that runs, somebody who is logged in to it, and the file that it shows."""

    def __init__(self, address: str, published: Path, password: str) -> None:
        self.address = address
        self.published = published
        self.client = httpx.Client(base_url=address, timeout=60)
        found = re.search(r'id="csrf_token"\s+value="([^"]+)"', self.client.get("/login/").text)
        assert found
        form = {"username": "admin", "password": password, "csrf_token": found[1]}
        answer = self.client.post("/login/", data=form)
        assert answer.status_code == 302, answer.text

    def charts(self) -> dict[int, str]:
        """Return the names of the dashboard's charts, by number."""
        found = self.client.get("/api/v1/dashboard/llm-usage/charts").raise_for_status().json()
        return {chart["id"]: chart["slice_name"] for chart in found["result"]}

    def show(self, page: Browser) -> dict[str, dict[str, Any]]:
        """Open the dashboard, and return what each chart was answered, by name."""
        # As tall as all of it: a chart out of sight asks for nothing.
        size = {"width": 1400, "height": 2000, "deviceScaleFactor": 1, "mobile": False}
        page.do("Emulation.setDeviceMetricsOverride", **size)
        page.do("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
        for name, value in self.client.cookies.items():
            page.do("Network.setCookie", name=name, value=value, url=self.address)
        page.do("Page.navigate", url=f"{self.address}/superset/dashboard/llm-usage/")
        charts = self.charts()
        wait(lambda: len(page.ask("window.answers || {}")) == len(charts), 120)
        wait(lambda: page.ask("document.querySelectorAll('.loading').length") == 0, 60)
        time.sleep(2)  # until what moves has come to rest
        return {charts[int(number)]: told for number, told in page.ask("window.answers").items()}

    def ask(self, sql: str) -> Any:
        with duckdb.connect(str(self.published), read_only=True) as connection:
            ((found,),) = connection.execute(sql).fetchall()
        return found


def wait(is_there: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not is_there():
        assert time.monotonic() < end, f"not there after {seconds} seconds"
        time.sleep(0.5)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    published = folder / "data" / "llm_usage.duckdb"
    published.parent.mkdir()
    demo = load_warehouse().published_path
    assert demo.exists(), "run `make demo` first"
    shutil.copy(demo, published)
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    command = [sys.executable, "-m", "llm_usage_warehouse.superset", str(HOME / "venv")]
    process = subprocess.Popen(
        [*command, "--port", str(port)], env=os.environ | {"DLT_PROJECT_DIR": str(folder)}
    )

    def is_up() -> bool:
        assert process.poll() is None, "it has ended"
        try:
            return httpx.get(f"http://127.0.0.1:{port}/health", timeout=60).is_success
        except httpx.ConnectError:
            return False

    try:
        wait(is_up, PATIENCE)
        password = (folder / "data" / "superset" / "password").read_text(encoding="utf-8")
        yield Served(f"http://127.0.0.1:{port}", published, password)
    finally:
        process.terminate()
        process.wait(timeout=60)


LAST_DAY = (
    "select round(sum(cost_in_reporting_currency), 6)::double from costs "
    "where usage_date = (select max(complete_through) from freshness)"
)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium")
def test_every_chart_shows_what_the_file_says_and_follows_a_swap(served: Served) -> None:
    with browser() as page:
        told = served.show(page)
        # Not more than is in sight: Superset takes charts away from a window that changes its size.
        found = page.do("Page.captureScreenshot")
        (HOME / "dashboard.png").write_bytes(base64.b64decode(found["data"]))
        errors = page.ask("[...document.querySelectorAll('[role=alert]')].map(e => e.innerText)")
        refused = [one for one in page.complaints if "violates the following Content Sec" in one]
        left = [one for one in page.requests if one.startswith("http")]
        left = [one for one in left if not one.startswith(served.address)]
    assert [one for one in left if not any(one in complaint for complaint in refused)] == []
    for name, answer in told.items():
        assert "result" in answer, (name, answer)
        assert [one["status"] for one in answer["result"]] == ["success"] * len(answer["result"])
        assert name.startswith("What differs") or all(one["rowcount"] for one in answer["result"])
    assert errors == []
    assert figure(told) == pytest.approx(served.ask(LAST_DAY), abs=1e-5)

    swap(
        served.published,
        "update detail.daily_costs_converted set "
        "cost_in_reporting_currency = 2 * cost_in_reporting_currency",
    )
    with browser() as page:
        again = served.show(page)
    assert figure(again) == pytest.approx(2 * figure(told), rel=1e-9)


def figure(told: dict[str, dict[str, Any]]) -> float:
    """Return what the first tile shows."""
    [row] = told["Last complete day"]["result"][0]["data"]
    return float(row["total_cost"])


def swap(published: Path, statement: str) -> None:
    """Put a changed copy in a file's place by one rename, as a night does."""
    other = published.with_name("other.duckdb")
    shutil.copy(published, other)
    other.chmod(0o600)
    with duckdb.connect(str(other)) as connection:
        connection.execute(statement)
    other.replace(published)


def test_nothing_can_be_written_and_no_other_file_be_read(served: Served) -> None:
    token = served.client.get("/api/v1/security/csrf_token/").json()["result"]
    database = served.client.get("/api/v1/database/").json()["result"][0]["id"]
    headers = {"X-CSRFToken": token, "Referer": served.address}
    for sql, refused in (
        ("create table main.mine as select 1", "DML|read-only|not allow"),
        ("select * from read_text('/etc/hostname')", "disabled"),
    ):
        answer = served.client.post(
            "/api/v1/sqllab/execute/", json={"database_id": database, "sql": sql}, headers=headers
        )
        assert answer.is_error
        assert re.search(refused, answer.text), answer.text
