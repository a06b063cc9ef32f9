"""The page of verdicts says what was found, and is Markdown that a web page can set."""

from adamct.claims import Verdict
from adamct.report.markdown import to_html
from adamct.report.verdicts import to_markdown


def verdict(name, reference, found, figure="fig03"):
    return Verdict(
        name=name,
        figure=figure,
        kind="extension" if reference.startswith("beyond") else "paper",
        reference=reference,
        statement="It is |C|/2",
        criterion="c",
        reads=(),
        scale="laptop",
        seeds=(0,),
        corpora=("text",),
        devices=("a CPU",),
        **found,
    )


def found(status, statistic, interval, n, detail):
    numbers = {"statistic": statistic, "interval": interval, "n": n}
    return {"status": status, "detail": detail, **numbers}


def test_the_papers_claims_come_first_each_with_its_numbers_and_status():
    close = found("reproduced", -0.949, (-0.9982, -0.7806), 19, "a correlation of -0.95")
    without = found("not reproduced", 167.0, None, 11110, "167 of |u|")
    page = to_markdown(
        [
            verdict("a", "beyond the paper", without, "figE1"),
            verdict("b", "Theorem 1", close),
            verdict("c", "beyond the paper: the strip", without),
        ],
        "smoke",
    )
    assert page.startswith("# Verdicts at smoke scale\n\n3 claims: 1 reproduced, 2 not reproduced")
    rows = [line for line in page.splitlines() if line.endswith("** |")]
    assert rows == [
        r"| 3 | It is \|C\|/2 (Theorem 1) | −0.949 [−0.998, −0.781] | a correlation of -0.95 "
        "| **reproduced** |",
        r"| E1 | It is \|C\|/2 | 167 | 167 of \|u\| | **not reproduced** |",
        r"| 3 | It is \|C\|/2 (the strip) | 167 | 167 of \|u\| | **not reproduced** |",
    ]
    assert "make report SCALE=smoke RECORDS=reference" in page
    assert to_html(page).count("<table") == 2
