"""What is asked of the database and changes nothing: pages of alerts, incidents, runs and messages, and whole stories.

Here belong questions, each a function that takes a transaction and returns nouns; what records or claims something
stands beside this package, not in it. Pages are cut by key, never by offset, so that the thousandth costs what the
first costs, and each statement is shaped so that a rare label is found as fast as a frequent one. Only rooms that may
come to the store come here: the web, the pipeline and the command line.
"""
