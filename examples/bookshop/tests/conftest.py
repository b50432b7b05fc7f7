"""The bookshop as a process of its own, with its servers, and a browser to look at it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

import pytest
from selenium.webdriver import Chrome, ChromeOptions, ChromeService

HERE = Path(__file__).parents[1]
LEASE_MS = 3000

Start = Callable[..., str]


def ask(address: str, method: str, path: str, **fields: object) -> tuple[int, str]:
    connection = HTTPConnection(address.removeprefix("http://"), timeout=60)
    try:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request(method, path, urlencode(fields), headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts a bookshop, and gives its address: `start("--trust-restored")`."""
    started: list[subprocess.Popen[str]] = []

    def start(*options: str) -> str:
        command = [sys.executable, "-m", "bookshop", "--port=0", f"--lease-ms={LEASE_MS}", *options]
        log_path = tmp_path_factory.mktemp("bookshop") / "log"
        with log_path.open("w") as log:
            shop = subprocess.Popen(command, cwd=HERE, stdout=subprocess.PIPE, stderr=log, text=True)
        started.append(shop)
        assert shop.stdout is not None
        address = re.search("http://[^/]+", shop.stdout.readline())
        assert address is not None, log_path.read_text()
        return address[0]

    yield start
    for shop in started:
        shop.terminate()
    for shop in started:
        with shop:
            assert shop.wait() == 0


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("there is no Chromium with its driver: install chromium and chromium-driver")
    options = ChromeOptions()
    options.binary_location = browser
    for argument in (
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=1280,1400",
        f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    running = Chrome(options, ChromeService(driver))
    yield running
    running.quit()
