"""refinepoi: next point-of-interest recommendation with language models, after Refine-POI (arXiv 2506.21599).

Read `refinepoi/pipeline.py` first: it is the method, one property per artifact.
"""

__version__ = "0.1.0"
