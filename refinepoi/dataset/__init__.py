"""Check-ins in, trajectories and samples out (docs/method.md section 4).

Sources: `city` (a simulated city, for trying and testing), `nyc` (the published Foursquare New York split, taken as it
is) and `csv` (anybody's file by column mapping). All end in one checked table; every row that cannot be used is counted
and listed in a report. Departure from the published code: train may offer every visit as a sample, not only the last.
"""
