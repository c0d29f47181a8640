"""Check-ins in, trajectories and samples out (docs/method.md section 4, docs/data.md).

Sources: published splits (`nyc`, `tky`), raw Foursquare, Gowalla, Brightkite, Gowalla-CA, LBSN2Vec, Massive-STEPS,
anybody's file by column mapping (`csv`), a simulated city (`city`) and two of them as one (`pair`). All end in one
checked table; every row that cannot be used is counted and listed in a report. Departure from the published code: train
may offer every visit as a sample, not only the last.
"""
