"""YAML → frozen specifications: one border, crossed once.

One rule decides where a setting goes. What decides a run's numbers beyond rounding is **spec**
(:class:`~adamct.config.spec.RunSpec`), and part of the run's name. What decides rounding alone
(device, threads, compilation) is **execution** (:class:`~adamct.config.execution.Execution`): it
is recorded and compared on resume, and part of no name.

- ``frozen``: the base of all specs. ``architectures``, ``data_sets``, ``optimizer``,
  ``observables``: what a spec can name, each declared once. ``spec``: the run. They build what
  they specify.
- ``execution``: how runs are executed; ``sweep``: the points of an experiment, executed alike.
- ``schema``: what YAML may say; ``resolve``: configuration → points; ``compose``: the one module
  that imports Hydra.
"""
