"""The order of the example gallery: as one would read it."""

from pathlib import Path

ORDER = (
    "quickstart",
    "columns",
    "quality",
    "choosing_epsilon",
    "hospitals",
    "federation",
    "federation_by_flower",
    "loans",
    "insurance",
    "taxi_trips",
    "digits",
    "pipeline_and_grid_search",
    "ledger",
    "more_budget",
    "own_sampler",
    "paper_mechanism",
)


class ReadingOrder:
    """Sort key of sphinx-gallery; examples that are not listed come last, by name."""

    def __init__(self, src_dir):
        pass

    def __call__(self, filename):
        name = Path(filename).stem.removeprefix("plot_")
        return (ORDER.index(name) if name in ORDER else len(ORDER), name)
