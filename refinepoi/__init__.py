"""refinepoi: next point-of-interest recommendation with language models, after Refine-POI (arXiv 2506.21599).

Read `refinepoi/pipeline.py` first: it is the method, one property per artifact. `Recommender` answers with a trained
run.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from refinepoi.recommend.recommender import Recommender

__version__ = "0.1.0"
__all__ = ["Recommender", "__version__"]


def __getattr__(name: str) -> Any:
    """`Recommender` is imported when it is asked for: torch comes with it."""
    if name == "Recommender":
        from refinepoi.recommend.recommender import Recommender

        return Recommender
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
