"""The page holds what the figures left behind, escapes it, and needs no other file."""

import base64
import itertools
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from adamct.claims import CLAIMS, Verdict
from adamct.plotting.registry import figure_files, import_file, title
from adamct.report import page
from adamct.report.summary import HEADLINES, TOPICS

ROOT = Path(__file__).parents[2]
VOID = {"meta", "link", "img", "br", "hr", "input"}
HOSTILE = '<script>alert("1")</script> \' onload=x {{ 7 * 7 }} {% raw %} </style> & \u202e'


class Seen(HTMLParser):
    """Elements with their attributes and texts; tags that do not match fail."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.open, self.css = [], [], ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), (tag, attrs)
        self.elements.append([tag, dict(attrs), ""])
        if tag not in VOID:
            self.open.append((tag, len(self.elements) - 1))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop()[0] == tag
        if tag in {"td", "th", "dt"}:
            self.handle_data(" ")

    def handle_data(self, data):
        for _, position in self.open:
            self.elements[position][2] += data

    def all(self, tag):
        return [(attrs, " ".join(text.split())) for t, attrs, text in self.elements if t == tag]

    def by_id(self, name):
        (text,) = (text for _, attrs, text in self.elements if attrs.get("id") == name)
        return " ".join(text.split())

    def attribute(self, name):
        return [attrs[name] for _, attrs, _ in self.elements if name in attrs]


@pytest.fixture
def two(leave, make_verdict, make_experiment):
    """Leave two figures, with verdicts of all kinds; the first shows one of the second."""
    verdicts = [
        make_verdict("growth-rate-half-C"),
        make_verdict("fails", status="not reproduced", statistic=167, interval=None),
        make_verdict("open", status="inconclusive", statistic=None, interval=None),
        make_verdict("D-bounds-max-update", kind="theorem", rule="exact", figure="figE1"),
    ]
    leave("fig3", verdicts=verdicts, table="optimizer,lr,test_loss\nadam,0.001,2.2431234567\n")
    strip = {"figure": "figE1", "kind": "extension", "reference": "beyond the paper: the strip"}
    verdicts = [make_verdict(name, **strip) for name in ("strip-is-bounded", "euler-is-resolved")]
    verdicts.append(make_verdict("D-bounds-max-update", kind="theorem", figure="figE1"))
    experiments = [make_experiment("instability_map", runs=144, wall_s=3700.0)]
    leave("figE1", verdicts=verdicts, experiments=experiments)


# What a section says of what the figures left.
SAID = (
    ("verdicts", "6 claims, each kind counted apart"),
    ("verdicts", "The paper’s claims 1 1 1 1 reproduced, 1 not reproduced, 1 inconclusive"),
    ("verdicts", "Theorems and identities 1 1 reproduced, 0 not reproduced, 0 inconclusive"),
    ("verdicts", "Beyond the paper 2 2 reproduced, 0 not reproduced, 0 inconclusive"),
    (
        "verdicts",
        "lies below 1 t over 3 seeds, 95 %; seeds 10, 11, 12 Figure 3 Section 3.2, Fig. 3b",
    ),
    ("verdicts", "0.0340 [0.0312, 0.0395] reproduced"),
    ("verdicts", "Figure E1 the strip"),
    ("figures", f"Figure 2, {title(figure_files()['fig2'])}: make fig2"),
    ("figures", f"Figure E4, {title(figure_files()['figE4'])}: make figE4"),
    ("fig3", "Figure 3 Title of fig3 How to read fig3."),
    ("fig3", "numbers of growth-rate-half-C"),
    (
        "fig3",
        "Criterion: the interval lies below 1. The paper’s claim; t over 3 seeds, 95 %; seeds",
    ),
    ("fig3", "Theorem or identity; exact; seeds 10, 11, 12; counted with Figure E1."),
    ("fig3", "optimizer lr test_loss adam 0.001 2.24312"),
    ("fig3", "make fig3 reads max_update_normal_curve."),
    ("beyond", "numbers of D-bounds-max-update (Figure E1)"),
    ("beyond", "numbers of strip-is-bounded (Figure E1)"),
    ("beyond", "Still to be measured here: make figE4."),
    ("beyond", "Also measured reproduced what euler-is-resolved says numbers of euler-is-res"),
    ("times", "figures took 1 h 7 min on 2 cores, at commit 66a9ef3."),
    ("times", "Figure 3 make fig3 6 min 20 s 10 min 12 s 3.2 s"),
    ("environment", "Python 3.11.7"),
)


def test_each_section_says_what_the_figures_left(two, report):
    figures = {"fig3": 380.2}
    times = page.Times(records="runs", figures=figures, total=4012.0, commit="66a9ef3", cores=2)
    html = report(times=times)
    assert html == report(times=times)
    seen = Seen(html)
    assert [words for section, words in SAID if words not in seen.by_id(section)] == []


def test_a_claim_that_another_figure_shows_is_told_once_and_linked_where_it_is_told(
    leave, report, make_verdict
):
    other = make_verdict("of-another", figure="figE1")
    leave("fig3", verdicts=[make_verdict("own"), other])
    seen = Seen(report())
    assert "1 claim, each kind counted apart" in seen.by_id("verdicts")
    assert "counted with Figure E1" in seen.by_id("claim-of-another")
    assert "counted" not in seen.by_id("claim-own")


def test_a_picture_is_in_the_page_at_half_its_pixels(two, report):
    pictures = [attrs for attrs, _ in Seen(report()).all("img")]
    assert [attrs["alt"] for attrs in pictures] == ["A picture of fig3.", "A picture of figE1."]
    head, _, data = pictures[0]["src"].partition(",")
    assert head == "data:image/png;base64"
    assert base64.b64decode(data).startswith(page.PNG)
    assert (pictures[0]["width"], pictures[0]["height"]) == ("770", "400")


def test_the_scale_stands_in_every_command_and_what_there_is_not_nowhere(leave, report):
    leave("fig3", scale="smoke")
    html = report(scale="smoke")
    assert "make fig3 SCALE=smoke" in html
    assert "make fig2 SCALE=smoke" in html
    assert "the verdicts mean nothing" in html
    assert "Also measured" not in html
    assert "it has not been run" in html


def test_the_same_runs_are_listed_once_and_others_apart(leave, report, make_experiment):
    shared = make_experiment("shared", wall_s=100.0)
    leave("fig2", experiments=[shared])
    leave("fig3", experiments=[shared, make_experiment("own", wall_s=20.0)])
    leave("figE1", experiments=[make_experiment("shared", wall_s=0.0, run_ids_sha256="cd" * 32)])
    seen = Seen(report())
    assert "192 runs of 3 experiments took 2 min" in seen.by_id("runs")
    assert "Feeds Figure 2, Figure 3 " in seen.by_id("run-shared-abababab")
    assert "Feeds Figure E1 " in seen.by_id("run-shared-cdcdcdcd")
    assert "64 2 diverged" in seen.by_id("run-own-abababab")


def test_hostile_text_stays_text(leave, report, make_verdict, make_experiment):
    words = dict.fromkeys(("reference", "statement", "criterion", "detail"), HOSTILE)
    lists = {name: [HOSTILE] for name in ("corpora", "commits", "devices")}
    single = {"question": HOSTILE, "command": HOSTILE, "statuses": {HOSTILE: 1}}
    leave(
        "fig3",
        **dict.fromkeys(("title", "caption", "alt"), HOSTILE),
        verdicts=[make_verdict("hostile", **words)],
        experiments=[make_experiment("hostile", **lists, **single)],
        table=f"name,value\n{HOSTILE},1\n",
    )
    html = report(ambiguities=f"| a |\n|---|\n| {HOSTILE} |", versions={HOSTILE: HOSTILE})
    seen = Seen(html)
    assert seen.all("script") == []
    assert not any(name.startswith("on") for _, attrs, _ in seen.elements for name in attrs)
    assert [attrs["alt"] for attrs, _ in seen.all("img")] == [HOSTILE]
    plain = " ".join(HOSTILE.split())
    for part in ("fig3", "verdicts", "runs", "ambiguities", "environment"):
        assert plain in seen.by_id(part), part


def test_nothing_is_fetched_and_every_link_leads_somewhere(two, report):
    html = report(ambiguities="See [the paper](https://arxiv.org/) and [the code](../README.md).")
    seen = Seen(html)
    ids = seen.attribute("id")
    assert len(ids) == len(set(ids))
    hrefs = [attrs["href"] for attrs, _ in seen.all("a")]
    assert {href for href in hrefs if not href.startswith("#")} == {"https://arxiv.org/"}
    assert {href[1:] for href in hrefs if href.startswith("#")} <= set(ids)
    assert set(" ".join(seen.attribute("aria-labelledby")).split()) <= set(ids)
    assert all(source.startswith("data:") for source in seen.attribute("src"))
    assert [attrs["href"] for attrs, _ in seen.all("link")] == ["data:,"]
    ((_, css),) = seen.all("style")
    assert "url(" not in css
    assert "@import" not in css
    assert not {tag for tag, _, _ in seen.elements} & {"script", "iframe", "object", "embed"}


def test_the_outline_has_one_title_and_skips_no_level(two, report):
    seen = Seen(report(ambiguities="## Part\n\nText."))
    levels = [int(tag[1]) for tag, _, _ in seen.elements if tag in {"h1", "h2", "h3", "h4"}]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert [attrs for attrs, _ in seen.all("html")] == [{"lang": "en"}]
    assert all(len(seen.all(tag)) == 1 for tag in ("header", "nav", "main", "footer"))
    assert seen.all("a")[0][0]["href"] == "#main"


def test_what_the_page_and_the_readme_quote_are_claims():
    names = {claim.name for claim in CLAIMS}
    quoted = *HEADLINES, *itertools.chain(*TOPICS.values())
    assert [name for name in quoted if name not in names] == []


def says(old, new):
    return lambda path: path.write_text(path.read_text().replace(old, new))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_text('{"figure": '), "Invalid JSON"),
        (lambda path: path.write_text("[]"), "Input should be an object"),
        (lambda path: path.with_suffix(".png").unlink(), "missing or no PNG picture"),
        (lambda path: path.with_suffix(".png").write_text("GIF89a"), "missing or no PNG picture"),
        (says("laptop", "paper"), "describes fig3 at paper scale, expected fig3 at laptop scale"),
        (says('"reproduced"', '"proved"'), r"verdicts.0.status: Input should be 'reproduced', "),
    ],
)
def test_a_damaged_file_is_named_with_the_remedy(damage, message, leave, report):
    damage(leave("fig3"))
    with pytest.raises(page.ReportError, match=message) as raised:
        report()
    assert "fig03_max_update" in str(raised.value)
    assert "python scripts/plot.py fig3 --scale laptop" in str(raised.value)


def test_not_a_number_is_a_dash(make_verdict):
    text = json.dumps(make_verdict("a", statistic=None, interval=[float("nan")] * 2))
    assert Verdict.model_validate_json(text).estimate == "– [–, –]"


def test_the_command_writes_the_page_beside_the_pictures(leave, tmp_path, capsys):
    main = import_file(ROOT / "scripts" / "report.py").main
    leave("fig3")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "laptop").symlink_to(tmp_path)
    assert main(["--out", str(tmp_path / "out")]) == 0
    assert f"report.html: 1 of {len(figure_files())} figures" in capsys.readouterr().out
    Seen((tmp_path / "report.html").read_text())
    assert main(["--out", str(tmp_path / "out"), "--scale", "smoke"]) == 2
    nothing = "error: no figure has been drawn at smoke scale; make fig3 SCALE=smoke trains"
    assert capsys.readouterr().err.startswith(nothing)
