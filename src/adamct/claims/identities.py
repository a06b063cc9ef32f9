"""Theorems and identities that need no run: evaluated in float64 on random pairs and sequences.

Each statistic is the largest error found, or an order of convergence: a wrong formula, or a wrong
optimizer, moves it.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import numpy as np

from adamct.analysis.statistics import span
from adamct.claims.criterion import Criterion, Estimate
from adamct.claims.numbers import number
from adamct.claims.verdict import Claim
from adamct.optim.reference import reference_state, reference_step
from adamct.records import Records
from adamct.theory import discrete_max_update_bound, max_update_bound, stability_coefficient

N_STEPS = 200
N_PAIRS = 400
ROUNDING = 1e-9  # of sums over N_STEPS in float64, with a wide margin
EPS = 1e-300  # keeps 0/0 out, and vanishes beside every √v here
STEPS_OF_EQ5 = (0, 1, 2, 5, 10, 30, 100, 1000, 10**4, 10**6)
SCALES = (0.04, 0.02)  # of η and λ together, between which an order is taken
N_DRAWS = 5


def updates(gradients: np.ndarray, beta: Any, gamma: Any) -> np.ndarray:
    """Return ‖u_n‖ of Algorithm 1 at k = 1: gradients (steps, columns), a pair to each column."""
    theta = np.zeros(gradients.shape[1:])
    state, found = reference_state(theta, k=1), []
    for gradient in gradients:
        theta, state, (update,) = reference_step(
            theta, gradient, state, lr=1.0, betas=[beta], gammas=[gamma], eps=EPS
        )
        found.append(np.abs(update))
    return np.array(found)


def over_bound(gradients: np.ndarray, beta: Any, gamma: Any) -> np.ndarray:
    """Return every update over D_n, shape (steps, columns)."""
    n = np.arange(len(gradients))[:, None]
    return updates(gradients, beta, gamma) / discrete_max_update_bound(n, beta, gamma)


def random_gradients(rng: np.random.Generator, columns: int) -> np.ndarray:
    """Return sequences whose sizes spread over six decades, shape (N_STEPS, columns)."""
    size = (N_STEPS, columns)
    return rng.normal(size=size) * 10 ** rng.uniform(-3, 3, size=size)


def rmsprop(_: Records) -> Estimate:
    """At γ = 0: largest excess over D_n, or distance from it where a lone gradient attains it."""
    rng = np.random.default_rng(0)
    gradients = np.hstack([random_gradients(rng, N_PAIRS), np.eye(N_STEPS)])
    beta = rng.uniform(0, 1, size=gradients.shape[1])
    ratio = over_bound(gradients, beta, np.zeros_like(beta))
    attained_by = ratio[:, N_PAIRS:].diagonal()  # column n: zeros, then a gradient at step n
    detail = (
        f"{N_PAIRS} random sequences of {N_STEPS} steps; a gradient after n zero ones attains it, "
        f"for every n below {N_STEPS}"
    )
    error = max(ratio.max() - 1, np.abs(attained_by - 1).max())
    return Estimate(float(error), ratio.size, detail)


def sign_sgd(_: Records) -> Estimate:
    """Largest distance of ‖u_n‖ and of D_n from 1 at β = γ = 0."""
    gradients = random_gradients(np.random.default_rng(1), N_PAIRS)
    zero = np.zeros(N_PAIRS)
    found = updates(gradients, zero, zero)
    bound = np.asarray(discrete_max_update_bound(np.arange(N_STEPS), 0.0, 0.0))
    error = max(np.abs(found - 1).max(), np.abs(bound - 1).max())
    return Estimate(float(error), found.size, f"{N_PAIRS} random sequences of {N_STEPS} steps")


def attained(_: Records) -> Estimate:
    """Largest distance of u_n/D_n from 1 for g_k = (β/γ)^k, over all n of random pairs."""
    beta, gamma = np.random.default_rng(2).uniform(0.01, 0.9999, size=(2, 2 * N_PAIRS))
    held = np.abs(np.log(beta / gamma)) * N_STEPS < 300  # g_k² stays within float64
    beta, gamma = beta[held], gamma[held]
    ratio = over_bound((beta / gamma) ** np.arange(N_STEPS)[:, None], beta, gamma)
    unstable = int((gamma**2 > beta).sum())
    detail = (
        f"{beta.size} random pairs, {unstable} of them with γ² > β, at every n below {N_STEPS}; "
        f"D_n goes up to {number(np.max(discrete_max_update_bound(N_STEPS - 1, beta, gamma)))}"
    )
    return Estimate(float(np.abs(ratio - 1).max()), ratio.size, detail)


def paper_bound_over_exact(_: Records) -> Estimate:
    """Smallest excess of Eq. (5) over D_n in B₊, of random pairs and of some with β = γ."""
    beta, gamma = np.random.default_rng(3).uniform(1e-3, 1 - 1e-3, size=(2, 100 * N_PAIRS))
    stable = stability_coefficient(beta, gamma) > 0
    equal = np.linspace(1e-3, 1 - 1e-3, N_PAIRS)
    beta, gamma = np.append(beta[stable], equal), np.append(gamma[stable], equal)
    n = np.array(STEPS_OF_EQ5)[:, None]
    paper = np.asarray(max_update_bound(n, beta, gamma, log=True))
    excess = np.expm1(paper - discrete_max_update_bound(n, beta, gamma, log=True))
    detail = (
        f"{beta.size:,} pairs with C > 0 at n = 0 to {STEPS_OF_EQ5[-1]:,}; at least "
        f"{number(excess[:, : -equal.size].min())} over the random ones, and rounding over those "
        "with β = γ, where both bounds tend to 1"
    )
    return Estimate(float(excess.min()), excess.size, detail)


def gradient_of_invariant_weight(_: Records) -> Estimate:
    """Largest cosine of a query or key matrix of a head with its gradient, under qk-norm."""
    import torch

    from adamct.models import GPT, GPTConfig

    config = GPTConfig(11, 8, n_layer=2, n_head=2, d_model=16, dropout=0.0, qk_norm=True)
    cosines: list[float] = []
    scaled, turned = 0.0, 0.0
    for seed in range(N_DRAWS):
        generator = torch.Generator().manual_seed(seed)
        model = GPT(config, generator).double()
        with torch.no_grad():
            for weight in model.parameters():
                weight.mul_(10 if weight.dim() > 1 else 1)  # at first attention hardly matters
        tokens = torch.randint(config.vocab_size, (2, 4, config.block_size), generator=generator)
        loss = model.loss(*tokens)
        loss.backward()
        weights = list(dict(model.query_key_parameters()).values())
        for weight in weights:
            assert weight.grad is not None
            pair = weight.detach().flatten(1), weight.grad.flatten(1)
            cosines += torch.cosine_similarity(*pair, dim=1, eps=0.0).abs().tolist()
        with torch.no_grad():
            weights[0].mul_(3)
            scaled = max(scaled, float((model.loss(*tokens) - loss).abs()))
            weights[0].mul_(-1)
            turned = max(turned, float((model.loss(*tokens) - loss).abs()))
    detail = (
        f"{len(cosines)} matrices of {N_DRAWS} random models; 3 W_Q moves the loss by at most "
        f"{number(scaled)} nats, −3 W_Q by up to {number(turned)}: only positive scales leave it"
    )
    return Estimate(max(cosines), len(cosines), detail)


def order_of_equation_9(_: Records, *, as_printed: bool) -> Estimate:
    """Order in (η, λ) of what solutions of Eq. (7) leave over in Eq. (9).

    Args:
        as_printed: with Λ = ½ηr‖dŴ/dt‖², r = ‖W‖; else without the factor r.
    """
    rest = np.array(
        [[_rest_of_equation_9(η, seed, as_printed) for η in SCALES] for seed in range(N_DRAWS)]
    )
    orders = np.log(rest[:, 0] / rest[:, 1]) / np.log(SCALES[0] / SCALES[1])
    detail = (
        f"{N_DRAWS} random paths in six dimensions, {span(orders)}; at η = 2λ = {SCALES[1]} "
        f"at most {number(rest[:, 1].max())} is left over"
    )
    return Estimate(float(np.mean(orders)), N_DRAWS, detail)


def _rest_of_equation_9(η: float, seed: int, as_printed: bool) -> float:
    """Return the norm of ½ηŴ″ + Ŵ′ + ΛŴ + u/r on a solution of Eq. (7)."""
    W, dW, ddW, u = _solution_of_equation_7(η, seed)
    r = np.linalg.norm(W)
    dr = W @ dW / r
    ddr = (dW @ dW + W @ ddW - dr**2) / r
    Ŵ = W / r
    dŴ = (dW - dr * Ŵ) / r
    ddŴ = (ddW - ddr * Ŵ - 2 * dr * dŴ) / r
    Λ = η / 2 * dŴ @ dŴ * (r if as_printed else 1.0)
    return float(np.linalg.norm(η / 2 * ddŴ + dŴ + Λ * Ŵ + u / r))


@cache
def _solution_of_equation_7(η: float, seed: int) -> tuple[np.ndarray, ...]:
    """Solve ½ηW″ + W′ + λW = −u with ⟨W, u⟩ = 0 and λ = η/2; return W, W′, W″ and u at t = ½."""
    from scipy.integrate import solve_ivp

    λ, t_end = η / 2, 0.5
    draws = np.random.default_rng(seed).normal(size=(2, 6, 6))
    steady, swinging = draws - draws.transpose(0, 2, 1)  # antisymmetric: ⟨W, A W⟩ = 0
    start = np.full(6, 1.5)  # ‖W‖ = 3.7: at ‖W‖ = 1 the factor r would not show

    def u(t: float, W: np.ndarray) -> np.ndarray:
        return (steady + np.cos(3 * t) * swinging) @ W / (2 * np.linalg.norm(W))

    def second(t: float, W: np.ndarray, dW: np.ndarray) -> np.ndarray:
        return -2 / η * (u(t, W) + λ * W + dW)

    def motion(t: float, state: np.ndarray) -> np.ndarray:
        return np.concatenate([state[6:], second(t, state[:6], state[6:])])

    at_start = np.concatenate([start, -u(0.0, start) - λ * start])  # W″ = 0: no fast transient
    solved = solve_ivp(motion, (0.0, t_end), at_start, method="DOP853", rtol=1e-9, atol=1e-10)
    W, dW = np.split(solved.y[:, -1], 2)
    return W, dW, second(t_end, W, dW), u(t_end, W)


exact = partial(Claim, kind="theorem", reads=())
within_rounding = partial(Criterion, confidence=None)

CLAIMS = (
    exact(
        name="D-bounds-rmsprop",
        figure="fig02",
        reference="Appendix D holds that γ > 0 is needed",
        statement="RMSprop, γ = 0, has the largest possible update D_n = √((1−βⁿ⁺¹)/(1−β))",
        criterion=within_rounding(
            "the largest excess of an update over D_n, or distance from it where it is attained,",
            at_most=ROUNDING,
        ),
        evaluate=rmsprop,
    ),
    exact(
        name="sign-sgd-is-one",
        figure="fig02",
        reference="Appendix D",
        statement="At β = γ = 0, signSGD, D_n is 1 and so is every update",
        criterion=within_rounding(
            "the largest distance of an update and of D_n from 1", at_most=ROUNDING
        ),
        evaluate=sign_sgd,
    ),
    exact(
        name="D-is-attained",
        figure="fig03",
        reference="beyond the paper: the exact bound",
        statement="One sequence of gradients, g_k = (β/γ)ᵏ, attains D_n at every n",
        criterion=within_rounding("the largest distance of u_n/D_n from 1", at_most=ROUNDING),
        evaluate=attained,
    ),
    exact(
        name="eq5-above-D",
        figure="fig11",
        reference="Theorem 1 in discrete time",
        statement="In B₊ Eq. (5) is at least D_n at every n, and so bounds discrete steps, too",
        criterion=within_rounding(
            "the smallest relative excess of Eq. (5) over D_n", at_least=-ROUNDING
        ),
        evaluate=paper_bound_over_exact,
    ),
    exact(
        name="lemma-2",
        figure="fig08",
        reference="Lemma 2",
        statement="A weight whose scale leaves the loss as it is has ⟨W, ∂L/∂W⟩ = 0",
        criterion=within_rounding(
            "under qk-norm, the largest cosine of W_Q or W_K of a head with its gradient",
            at_most=ROUNDING,
        ),
        evaluate=gradient_of_invariant_weight,
    ),
    *(
        exact(
            name=name,
            figure="figE2",
            reference=reference,
            statement=f"Where ⟨W, u_W⟩ = 0, Ŵ obeys Eq. (9) up to first order in (η, λ), {with_Λ}",
            criterion=within_rounding(
                "the order in (η, λ) of what solutions of Eq. (7) leave over in Eq. (9)",
                at_least=1.8,
                note="an equation up to first order leaves second order over",
            ),
            evaluate=partial(order_of_equation_9, as_printed=as_printed),
        )
        for name, reference, with_Λ, as_printed in (
            ("proposition-3-as-printed", "Proposition 3", "with Λ = ½ηr‖dŴ/dt‖², r = ‖W‖", True),
            ("proposition-3", "Proposition 3 without the r", "with Λ = ½η‖dŴ/dt‖²", False),
        )
    ),
)
