"""The theorems that need no run, in exact arithmetic: fractions, fifty digits, closed forms.

The claims evaluate them in float64 on random pairs, and report rounding. Here the squares of all
sides are rational, u_n² and D_n² among them, so that equal means equal.
"""

import math
import random
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from scipy import integrate

N_STEPS = 8
DECAYS = [Fraction(p, 10) for p in range(1, 10)] + [Fraction(999, 1000), Fraction(1, 1000)]
PAIRS = [(β, γ) for β in DECAYS for γ in DECAYS]
STRATEGIES = {
    "inverse_exp": lambda x, k: 1 - (1 - x) ** (Decimal(1) / k),
    "exp": lambda x, k: x**k,
    "scaled": lambda x, k: x / k,
    "naive": lambda x, k: x,
    "root": lambda x, k: x ** (Decimal(1) / k),
}


def C(β, γ):
    return 2 / γ - 1 / β - 1


def squared_prefactor(n, β, γ):
    return (1 - β ** (n + 1)) / (1 - γ ** (n + 1)) ** 2


def squared_bound(n, β, γ):
    """D_n² = (1−β^{n+1})/(1−γ^{n+1})² · (1−γ)²/(1−β) · Σ_{j≤n} (γ²/β)^j."""
    ratios = sum((γ**2 / β) ** j for j in range(n + 1))
    return squared_prefactor(n, β, γ) * (1 - γ) ** 2 / (1 - β) * ratios


def squared_paper_bound(n, β, γ):
    """Eq. (5), squared, where C > 0."""
    return squared_prefactor(n, β, γ) * ((1 - γ) / γ) ** 2 * β / (1 - β) / C(β, γ)


def squared_updates(gradients, β, γ):
    """u_n² = (1−β^{n+1})/(1−γ^{n+1})² · m_n²/v_n from the sums over all gradients so far."""
    for n in range(len(gradients)):
        aged = list(enumerate(reversed(gradients[: n + 1])))
        m = (1 - γ) * sum(γ**age * g for age, g in aged)
        v = (1 - β) * sum(β**age * g**2 for age, g in aged)
        yield squared_prefactor(n, β, γ) * m**2 / v if v else Fraction(0)


def random_gradients(draw):
    return [Fraction(draw.randint(-9, 9), 7 ** draw.randint(0, 4)) for _ in range(N_STEPS)]


def as_decimal(x):
    return Decimal(x.numerator) / x.denominator


# ------------------------------------------------------------------------------- the bounds


def rmsprop():
    """At γ = 0 no update passes D_n² = (1−β^{n+1})/(1−β); a lone gradient attains it."""
    draw, zero = random.Random(0), Fraction(0)
    for β in DECAYS:
        bounds = [(1 - β ** (n + 1)) / (1 - β) for n in range(N_STEPS)]
        found = squared_updates(random_gradients(draw), β, zero)
        assert all(u2 <= bound for u2, bound in zip(found, bounds, strict=True))
        for n, bound in enumerate(bounds):
            assert list(squared_updates([zero] * n + [Fraction(3, 7)], β, zero))[-1] == bound


def sign_sgd():
    """At β = γ = 0 every update of a gradient that is not 0 is 1 in size."""
    gradients = [g for g in random_gradients(random.Random(1)) if g]
    assert set(squared_updates(gradients, Fraction(0), Fraction(0))) == {1}


def attained():
    """g_k = (β/γ)^k gives u_n = D_n at every n, and no random sequence gives more."""
    draw = random.Random(2)
    for β, γ in PAIRS:
        bounds = [squared_bound(n, β, γ) for n in range(N_STEPS)]
        assert list(squared_updates([(β / γ) ** k for k in range(N_STEPS)], β, γ)) == bounds
        found = squared_updates(random_gradients(draw), β, γ)
        assert all(u2 <= bound for u2, bound in zip(found, bounds, strict=True))


def paper_bound_over_exact():
    for β, γ in PAIRS:
        if C(β, γ) > 0:
            for n in (0, 1, 2, 5, 30):
                assert squared_paper_bound(n, β, γ) >= squared_bound(n, β, γ)


# ------------------------------------------------------------------------------- the regions


def monotone_along_normal_curves():
    """On γ³ = k − 2β³, γ′ = −2β²/γ², so that dC/dβ = 1/β² + 4β²/γ⁴ > 0; by differences, too."""
    third, h = Decimal(1) / 3, Decimal("1e-20")
    for β, γ in ((as_decimal(β), as_decimal(γ)) for β, γ in PAIRS):
        k = 2 * β**3 + γ**3
        ahead, behind = (C(x, (k - 2 * x**3) ** third) for x in (β + h, β - h))
        slope = 1 / β**2 + 4 * β**2 / γ**4
        assert abs((ahead - behind) / (2 * h) / slope - 1) < Decimal("1e-12")


def beta_above_gamma():
    """C = 2(1/γ − 1) − (1/β − 1), and 1/γ − 1 is the larger of the two."""
    assert all(C(β, γ) > 0 for β, γ in PAIRS if β > γ)


def paper_overestimates():
    """max(0, −C/2) ≥ max(0, ln γ − ½ ln β), to fifty digits."""
    grid = [Decimal(p) / 97 for p in range(1, 97)]
    logs = [x.ln() for x in grid]
    for (β, ln_β), (γ, ln_γ) in product(zip(grid, logs, strict=True), repeat=2):
        assert max(0, -C(β, γ) / 2) >= max(0, ln_γ - ln_β / 2)


# ------------------------------------------------------------------------ Lemma 1, in time


def vanished_gradient():
    """m and v of Equation (2) without a gradient: u(t) grows by |C|/2 a step, whatever η."""
    for β, γ, η in [(0.95, 0.99, 1e-3), (0.5, 0.75, 1e-3), (0.952, 0.9991, 0.1), (0.2, 0.5, 1.0)]:
        rates = [(1 - decay) / (η * decay) for decay in (γ, β)]
        times = [0.0, 2 * η, 12 * η]
        solved = integrate.solve_ivp(
            lambda _, state, rates=rates: [-rate * x for rate, x in zip(rates, state, strict=True)],
            (0.0, times[-1]), [1.0, 1.0], t_eval=times, method="DOP853", rtol=1e-12, atol=1e-30,
        )  # fmt: skip
        m, v = solved.y
        rise = np.log(m / np.sqrt(v))
        assert (rise[2] - rise[1]) / 10 == pytest.approx(-C(β, γ) / 2, rel=1e-8)
        # Adam's own sums, without a gradient, decay by γ and β a step.
        assert -C(β, γ) / 2 > math.log(γ) - math.log(β) / 2


# ------------------------------------------------------------- scale-invariant weights


def lemma_2():
    """d/ds L(sW) = ⟨W, ∂L/∂W⟩ = 0 in an attention under qk-norm, by central differences."""
    draw = np.random.default_rng(0)
    x, W, keys, values, target = (
        draw.normal(size=size) for size in ((7, 6), (4, 6), (7, 4), (7, 3), (7, 3))
    )

    def loss(W, *, qk_norm=True):
        q, k = x @ W.T, keys
        if qk_norm:
            q, k = ((z - z.mean(1)[:, None]) / z.std(1)[:, None] for z in (q, k))
        weights = np.exp(q @ k.T / 2)
        weights /= weights.sum(1)[:, None]
        return np.square(weights @ values - target).sum()

    def cosine(**options):
        gradient = np.empty_like(W)
        for at in np.ndindex(*W.shape):
            h = np.zeros_like(W)
            h[at] = 1e-5
            gradient[at] = (loss(W + h, **options) - loss(W - h, **options)) / 2e-5
        return abs((W * gradient).sum()) / np.linalg.norm(W) / np.linalg.norm(gradient)

    assert cosine() < 1e-7
    assert cosine(qk_norm=False) > 1e-2


def order_of_equation_9(*, as_printed):
    """Order in (η, λ) of ½ηŴ″ + Ŵ′ + ΛŴ + u/r on W = e^{ρt} in the plane, with u = icW.

    There ⟨W, u⟩ = 0, Eq. (7) is ½ηρ² + ρ + λ + ic = 0, and Ŵ = e^{iwt}, w = Im ρ, so that
    (−½ηw² + iw + Λ + ic) Ŵ is left over.
    """
    r, c, rests = 3.7, 1.5, []  # at c = 1 the norm stands still, and nothing is left
    for η in (0.02, 0.01):
        λ = η / 2
        ρ = min(np.roots([η / 2, 1, λ + 1j * c]), key=abs)  # the other decays within η
        Λ = η / 2 * ρ.imag**2 * (r if as_printed else 1)
        rests.append(abs(-η / 2 * ρ.imag**2 + 1j * ρ.imag + Λ + 1j * c))
    return math.log2(rests[0] / rests[1])


def proposition_3():
    assert order_of_equation_9(as_printed=False) == pytest.approx(2, abs=0.05)


def proposition_3_as_printed():
    """The factor r leaves first order over: the statement is refuted."""
    assert order_of_equation_9(as_printed=True) == pytest.approx(1, abs=0.05)


# -------------------------------------------------------------------------- levels of k-Adam


def strategies_are_stable():
    for β, γ in of_strategies(range(1, 11)):
        assert C(β, γ) > 0


def of_strategies(ks):
    """The pairs of all strategies, which are the same at every level."""
    for of_level, k in product(STRATEGIES.values(), ks):
        yield of_level(Decimal("0.999"), k), of_level(Decimal("0.9"), k)


def levels_are_scale_free():
    """A constant before what a level is given leaves its update as it is, to forty digits."""

    def updates(given, β, γ):
        m = v = Decimal(0)
        for n, g in enumerate(given):
            m, v = γ * m + (1 - γ) * g, β * v + (1 - β) * g * g
            yield (1 - β ** (n + 1)).sqrt() / (1 - γ ** (n + 1)) * m / v.sqrt()

    draw = random.Random(3)
    for β, γ in of_strategies((2, 3)):
        given = [Decimal(draw.randint(1, 99)) * draw.choice((-1, 1)) for _ in range(20)]
        for _level in (1, 2, 3):
            plain = list(updates(given, β, γ))
            for factor in (1 - β, 1 - γ, Decimal(10) ** 6):
                scaled = updates([factor * g for g in given], β, γ)
                for x, y in zip(scaled, plain, strict=True):
                    assert abs(x - y) <= abs(y) * Decimal("1e-40")
            given = plain


# Name → what shows it, and whether it holds as it stands.
COVERED = {
    "D-bounds-rmsprop": (rmsprop, True),
    "sign-sgd-is-one": (sign_sgd, True),
    "D-is-attained": (attained, True),
    "eq5-above-D": (paper_bound_over_exact, True),
    "monotone-along-normal-curves": (monotone_along_normal_curves, True),
    "beta-above-gamma": (beta_above_gamma, True),
    "paper-overestimates": (paper_overestimates, True),
    "lemma-1-kernel": (vanished_gradient, True),
    "lemma-2": (lemma_2, True),
    "proposition-3": (proposition_3, True),
    "proposition-3-as-printed": (proposition_3_as_printed, False),
    "strategies-are-stable": (strategies_are_stable, True),
    "levels-are-scale-free": (levels_are_scale_free, True),
}


@pytest.mark.parametrize("name", COVERED)
def test_it_is_shown(name):
    show, _ = COVERED[name]
    with localcontext() as context:
        context.prec = 50
        show()


@pytest.mark.parametrize("name", COVERED)
def test_the_verdict_says_so(name, verdicts):
    _, holds = COVERED[name]
    assert verdicts[name]["status"] == ("reproduced" if holds else "not reproduced")
