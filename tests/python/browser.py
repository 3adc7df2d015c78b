"""A headless Chromium driven line by line: one JSON request in, one JSON reply out.

What each request means is written in `tests/integration/harness/browser.rs`.

usage: browser.py CHROMIUM CHROMEDRIVER
"""

import json
import sys

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

SECONDS_MAX = 45


class Driver:
    def __init__(self, chromium, chromedriver):
        options = ChromeOptions()
        options.binary_location = chromium
        options.add_argument("--headless=new")
        options.add_argument("--disable-dev-shm-usage")
        options.add_argument("--disable-background-networking")
        options.add_argument("--window-size=1280,900")
        # The pages are our own; root, as which tests may run, has no sandbox.
        options.add_argument("--no-sandbox")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.chrome = Chrome(options=options, service=Service(chromedriver))

    def op_open(self, request):
        self.chrome.get(request["url"])
        return {"url": self.chrome.current_url, "title": self.chrome.title}

    def op_type(self, request):
        self._find(request).send_keys(request["text"])
        return {}

    def op_click(self, request):
        self._find(request).click()
        return {"url": self.chrome.current_url, "title": self.chrome.title}

    def op_text(self, request):
        return {"text": self._find(request).text}

    def op_count(self, request):
        return {"count": len(self.chrome.find_elements(By.CSS_SELECTOR, request["selector"]))}

    def op_wait_text(self, request):
        """Waits until an element's text contains something, without reloading the page."""

        def contains(_chrome):
            found = self.chrome.find_elements(By.CSS_SELECTOR, request["selector"])
            return any(request["text"] in element.text for element in found)

        WebDriverWait(
            self.chrome, SECONDS_MAX, ignored_exceptions=[Exception]
        ).until(contains, f"no {request['text']!r} in {request['selector']}")
        return {}

    def op_screenshot(self, request):
        self.chrome.save_screenshot(request["path"])
        return {}

    def op_complaints(self, _request):
        """What the browser complained about, and what the page has fetched."""
        fetched = self.chrome.execute_script(
            "return performance.getEntriesByType('resource').map(entry => entry.name)"
        )
        severe = [entry["message"] for entry in self.chrome.get_log("browser")
                  if entry["level"] == "SEVERE"]
        return {"severe": severe, "fetched": fetched}

    def _find(self, request):
        return self.chrome.find_element(By.CSS_SELECTOR, request["selector"])


def main():
    driver = Driver(sys.argv[1], sys.argv[2])
    try:
        for line in sys.stdin:
            request = json.loads(line)
            try:
                reply = getattr(driver, "op_" + request["op"])(request)
            except Exception as failure:
                reply = {"failed": f"{type(failure).__name__}: {failure}"}
            print(json.dumps(reply), flush=True)
    finally:
        driver.chrome.quit()


if __name__ == "__main__":
    main()
