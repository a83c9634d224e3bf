"""What runs by the clock and not by an alert.

Here belongs work that nobody asks for and that would be missed: partitions made ahead of the month, alerts that nobody
resolved, a watchdog that fell silent, a fleet that is followed for its metrics. Each piece is a loop that any number of
replicas may run at once, and that finds for itself what there is to do. It reads and writes rows and asks clients; it
decides nothing about what is done for an alert, and it tells people nothing but by a row that the pipeline reads.
"""
