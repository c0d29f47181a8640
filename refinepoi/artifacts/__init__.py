"""The nouns: what stages write and read. One small class each with `save(folder)` / `load(folder)`; no torch.

Every class checks itself when it is built and says which row is wrong. Tables are parquet, arrays npy, facts JSON.
"""
