"""Features: what is known of each POI from training check-ins alone (docs/method.md section 2).

Blocks, each centred, scaled to one mean square and weighted, then concatenated: category (one column a category, hashed
beyond a limit), words of the category's name, location (unit sphere and multi-scale Fourier of local metres), visiting
hours (Fourier k = 1..6, weekday and weekend), popularity, and optionally transitions (spectral co-visit vectors).
The paper's own features are not known to us beyond "concatenated POI features": the blocks follow GNPR-SID.
"""
