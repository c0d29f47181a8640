"""What finished runs show: the folder of one run, the table of a sweep, the page that compares runs (`goal=report`)."""
