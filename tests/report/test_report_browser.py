"""The page in a real browser: phone and desk, light and dark, on screen and on paper."""

import shutil

import pytest

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
LONG = "an_unbroken_word_" * 12
# WCAG AA for text of ordinary size.
LEAST_CONTRAST = 4.5

# Every element with text of its own: its colour against the nearest opaque ground behind it.
CONTRASTS = """() => {
  const parse = css => css.match(/[0-9.]+/g).map(Number);
  const luminance = ([r, g, b]) => [r, g, b]
    .map(x => x / 255)
    .map(x => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4)
    .reduce((sum, x, i) => sum + x * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = element => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.body.querySelectorAll("*")) {
    if (![...element.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
    const pair = [luminance(parse(getComputedStyle(element).color)), luminance(ground(element))];
    const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    found.push([ratio, element.tagName + "." + element.className]);
  }
  return found;
}"""


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def written(leave, report, tmp_path, make_verdict, make_experiment):
    """Return the path of a page with all kinds of verdicts, and words that no line holds."""
    words = dict.fromkeys(("statement", "detail", "reference", "criterion"), LONG)
    verdicts = [
        make_verdict("good", **words),
        make_verdict("bad", status="not reproduced"),
        make_verdict("open", status="inconclusive", statistic=1e-9, interval=[-1e-9, 12345.6]),
        make_verdict("D-bounds-max-update", kind="extension"),
    ]
    words = {"command": LONG, "corpora": [LONG], "devices": [LONG], "question": LONG}
    sweep = make_experiment("max_update_normal_curve", **words)
    wide = ",".join(f"a_column_{i}" for i in range(20))
    leave("fig3", caption=LONG, title=LONG, verdicts=verdicts, experiments=[sweep], table=wide)
    leave("figE1")
    path = tmp_path / "report.html"
    register = f"| # | open | default |\n|---|---|---|\n| 1 | {LONG} | `{LONG}` |\n\n{LONG}"
    path.write_text(report(ambiguities=register, versions={"Python": LONG}))
    return path


@pytest.fixture
def opened(browser, written):
    """Return a function that opens the page, and fails on any complaint of the browser."""
    contexts, complaints = [], []

    def opened(width, scheme):
        size = {"width": width, "height": 800}
        contexts.append(browser.new_context(viewport=size, color_scheme=scheme))
        page = contexts[-1].new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        requests = page.requests_seen = []
        page.goto(written.as_uri(), wait_until="load")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


# One width for each layout.
@pytest.mark.parametrize(
    ("width", "scheme"), [(320, "dark"), (760, "light"), (900, "dark"), (1100, "light")]
)
def test_it_fits_loads_nothing_and_can_be_read(width, scheme, opened, written):
    page = opened(width, scheme)
    elsewhere = [url for url in page.requests_seen if not url.startswith("data:")]
    assert elsewhere == [written.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    sizes = page.evaluate("[...document.images].map(i => [i.complete, i.naturalWidth])")
    assert sizes == [[True, 1540], [True, 1540]]
    leads_to_nothing_seen = page.evaluate(
        "[...document.links].map(a => a.getAttribute('href')).filter("
        "h => h[0] === '#' && !document.getElementById(h.slice(1))?.getClientRects().length)"
    )
    assert leads_to_nothing_seen == []
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 100
    assert min(contrasts)[0] >= LEAST_CONTRAST, min(contrasts)


def test_dark_is_dark_the_keyboard_skips_to_the_content_and_paper_is_light(opened):
    page = opened(1280, "dark")
    ground = "e => getComputedStyle(document.querySelector(e)).backgroundColor"
    assert page.evaluate(ground, "body") == "rgb(21, 22, 24)"
    assert page.evaluate(ground, ".picture") == "rgb(255, 255, 255)"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    assert page.pdf(format="A4").startswith(b"%PDF")
    page.emulate_media(media="print")
    assert page.evaluate(ground, "body") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    breaks = "[...document.querySelectorAll('figure')].map(f => getComputedStyle(f).breakInside)"
    assert page.evaluate(breaks) == ["avoid", "avoid"]  # no figure is cut
